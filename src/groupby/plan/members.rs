//! How few members a cell of the result has: cells without any have no value.

use std::sync::Arc;

use thermocline_core::select::Mask;

use super::ResultAxis;
use crate::Failure;
use crate::groups::{Factor, NO_GROUP};

/// Most positions that are looked at to find out whether every cell of a product has a member.
const MAX_POSITIONS: u64 = 1 << 24;

/// The fewest positions that any cell of the result has, or some number from `enough` on; saturates. 0 where a mask leaves
/// cells of kept axes out.
///
/// # Errors
/// [`Failure::Mistake`] for groupers and masks that together lie over more positions than can be looked at.
pub(super) fn fewest(
    axes: &[ResultAxis],
    factors: &[Factor],
    masks: &[Arc<Mask>],
    enough: u64,
) -> Result<u64, Failure> {
    let is_kept = |dim: &String| axes.iter().any(|axis| axis.dim == *dim && axis.is_kept);
    let is_full = |mask: &Mask| {
        mask.shape().iter().try_fold(1_u64, |n, len| n.checked_mul(*len)) == Some(mask.n_cells())
    };
    if masks.iter().any(|mask| !is_full(mask) && mask.dims().iter().any(is_kept)) {
        return Ok(0);
    }
    let mut fewest = 1_u64;
    for part in parts(axes, factors, masks) {
        fewest = fewest.saturating_mul(part.fewest(axes, enough)?);
    }
    Ok(fewest)
}

/// Reduced axes that depend on each other, by a grouper or a mask over several of them.
#[derive(Default)]
struct Part<'p> {
    axes: Vec<usize>,
    factors: Vec<&'p Factor>,
    masks: Vec<&'p Mask>,
}

/// The reduced axes in parts that do not depend on each other.
fn parts<'p>(axes: &[ResultAxis], factors: &'p [Factor], masks: &'p [Arc<Mask>]) -> Vec<Part<'p>> {
    let reduced = axes.iter().enumerate().filter(|(_, axis)| !axis.is_kept);
    let mut parts: Vec<Part<'p>> =
        reduced.map(|(axis, _)| Part { axes: vec![axis], ..Part::default() }).collect();
    for factor in factors {
        join(&mut parts, &factor.axes, |part| part.factors.push(factor));
    }
    for mask in masks {
        let over: Vec<usize> =
            mask.dims().iter().filter_map(|dim| axes.iter().position(|axis| axis.dim == *dim)).collect();
        join(&mut parts, &over, |part| part.masks.push(mask));
    }
    parts
}

/// Makes one part of those that have one of the axes.
fn join<'p>(parts: &mut Vec<Part<'p>>, over: &[usize], add: impl FnOnce(&mut Part<'p>)) {
    let (touched, others): (Vec<Part<'p>>, Vec<Part<'p>>) =
        parts.drain(..).partition(|part| part.axes.iter().any(|axis| over.contains(axis)));
    *parts = others;
    let mut joined = Part::default();
    for part in touched {
        joined.axes.extend(part.axes);
        joined.factors.extend(part.factors);
        joined.masks.extend(part.masks);
    }
    joined.axes.sort_unstable();
    if !joined.axes.is_empty() {
        add(&mut joined);
        parts.push(joined);
    }
}

impl Part<'_> {
    fn fewest(&self, axes: &[ResultAxis], enough: u64) -> Result<u64, Failure> {
        let selected = || self.axes.iter().filter_map(|axis| axes.get(*axis)).map(ResultAxis::n_selected);
        let n_positions = selected().fold(1, u64::saturating_mul);
        match (self.factors.as_slice(), self.masks.as_slice()) {
            ([], []) => return Ok(n_positions),
            // Positions beside those of the one grouper's axes do not occur: the part would be two.
            ([only], []) => return Ok(only.n_members.iter().copied().min().unwrap_or(0)),
            _ => {}
        }
        if n_positions > MAX_POSITIONS {
            return Err(Failure::mistake(format!(
                "the groupers lie over {n_positions} positions together, more than {MAX_POSITIONS}; select fewer"
            )));
        }
        Ok(self.counted(axes, enough))
    }

    /// Counts the members of every group at every selected position, until all have `enough`.
    fn counted(&self, axes: &[ResultAxis], enough: u64) -> u64 {
        let n_cells: usize = self.factors.iter().map(|factor| factor.n_groups()).product();
        let mut counts = vec![0_u64; n_cells];
        let chosen: Vec<Vec<u64>> =
            self.axes.iter().filter_map(|axis| axes.get(*axis)).map(positions).collect();
        let strides: Vec<Vec<u64>> =
            self.factors.iter().map(|factor| self.strides_of(factor, axes)).collect();
        let over: Vec<Vec<usize>> = self.masks.iter().map(|mask| self.over(mask, axes)).collect();
        let mut at = vec![0_usize; chosen.len()];
        if chosen.iter().any(Vec::is_empty) {
            return 0;
        }
        let mut n_lacking = n_cells;
        let mut position = vec![0_u64; chosen.len()];
        let mut cell_of_mask = Vec::new();
        loop {
            for ((position, at), chosen) in position.iter_mut().zip(&at).zip(&chosen) {
                *position = chosen.get(*at).copied().unwrap_or_default();
            }
            let is_selected = self.masks.iter().zip(&over).all(|(mask, over)| {
                cell_of_mask.clear();
                cell_of_mask.extend(over.iter().filter_map(|axis| position.get(*axis)));
                mask.contains(&cell_of_mask)
            });
            if let Some(count) = self.cell(&position, &strides).filter(|_| is_selected)
                && let Some(count) = counts.get_mut(count)
            {
                *count += 1;
                n_lacking -= usize::from(*count == enough);
            }
            if n_lacking == 0 {
                return enough;
            }
            if !advance(&mut at, &chosen) {
                return counts.into_iter().min().unwrap_or(0);
            }
        }
    }

    /// The cell of the product of groupers at a position; `None` where one of them has no group.
    fn cell(&self, position: &[u64], strides: &[Vec<u64>]) -> Option<usize> {
        self.factors.iter().zip(strides).try_fold(0, |cell, (factor, strides)| {
            let at: u64 = position.iter().zip(strides).map(|(position, stride)| position * stride).sum();
            let code = *factor.codes.get(usize::try_from(at).ok()?)?;
            (code != NO_GROUP).then_some(cell * factor.n_groups() + code as usize)
        })
    }

    /// How far apart the codes of neighbours along each axis of the part lie; 0 along others than the grouper's.
    fn strides_of(&self, factor: &Factor, axes: &[ResultAxis]) -> Vec<u64> {
        let mut strides = vec![0; self.axes.len()];
        let mut stride = 1_u64;
        for axis in factor.axes.iter().rev() {
            if let Some(stride_of) =
                self.axes.iter().position(|known| known == axis).and_then(|at| strides.get_mut(at))
            {
                *stride_of = stride;
            }
            stride = stride.saturating_mul(axes.get(*axis).map_or(1, |axis| axis.len));
        }
        strides
    }

    /// Which axes of the part a mask lies over.
    fn over(&self, mask: &Mask, axes: &[ResultAxis]) -> Vec<usize> {
        let is = |axis: &usize, dim: &String| axes.get(*axis).is_some_and(|axis| axis.dim == *dim);
        mask.dims().iter().filter_map(|dim| self.axes.iter().position(|axis| is(axis, dim))).collect()
    }
}

fn positions(axis: &ResultAxis) -> Vec<u64> {
    match &axis.indices {
        Some(indices) => indices.iter().collect(),
        None => (0..axis.len).collect(),
    }
}

/// The next position in C order; false after the last.
fn advance(at: &mut [usize], chosen: &[Vec<u64>]) -> bool {
    for (at, chosen) in at.iter_mut().zip(chosen).rev() {
        *at += 1;
        if *at < chosen.len() {
            return true;
        }
        *at = 0;
    }
    false
}
