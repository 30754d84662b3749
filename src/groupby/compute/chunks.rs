//! Which stored chunks a box of the result is made of, in columns: chunks of one column go to the same cells.

use std::collections::HashSet;
use std::ops::Range;

use super::layout::{Axis, Becomes, Joint, Layout};
use super::slab::Slab;
use crate::{Estimate, Failure, NO_GROUP, Plan};

/// Most chunks of a computation.
const MAX_CHUNKS: u64 = 1 << 22;

/// Most columns of a computation.
const MAX_COLUMNS: u64 = 1 << 19;

/// The chunks of a box of the result.
pub(super) struct Chunks {
    /// Chunks along each axis that hold a member, with their ordinals there.
    along: Vec<Vec<(u64, Range<u64>)>>,
    /// Numbers of the kept axes.
    kept: Vec<usize>,
    /// Positions of all in C order of the stored grid, ascending.
    pub(super) linear: Vec<u64>,
}

impl Chunks {
    /// # Errors
    /// [`Failure::TooLarge`] for more than a computation may have.
    pub(super) fn of(plan: &Plan, layout: &Layout) -> Result<Self, Failure> {
        let along: Vec<_> = layout.axes.iter().map(|axis| chunks_along(layout, axis)).collect();
        let kept = layout.kept();
        let columns = kept.iter().filter_map(|axis| along.get(*axis));
        let n_columns = columns.fold(1_u64, |n, chunks| n.saturating_mul(chunks.len() as u64));
        let n_chunks = along.iter().fold(1_u64, |n, chunks| n.saturating_mul(chunks.len() as u64));
        if n_chunks > MAX_CHUNKS {
            let detail =
                format!("{n_chunks} stored chunks are needed, the most is {MAX_CHUNKS}: select less (sel=)");
            return Err(too_large(plan, detail));
        }
        if n_columns > MAX_COLUMNS {
            let detail = format!(
                "the stored chunks go to {n_columns} parts of the result, the most is {MAX_COLUMNS}: select less (sel=), or \
                 reduce more dimensions (over=)"
            );
            return Err(too_large(plan, detail));
        }
        let mut chunks = Self { along, kept, linear: Vec::new() };
        chunks.linear = chunks.list(layout);
        Ok(chunks)
    }

    fn list(&self, layout: &Layout) -> Vec<u64> {
        if self.along.iter().any(Vec::is_empty) {
            return Vec::new();
        }
        let met: Vec<(&Joint, HashSet<u64>)> =
            layout.joints.iter().map(|joint| (joint, met_by(layout, joint))).collect();
        let ranges: Vec<Range<u64>> = self.along.iter().map(|chunks| 0..chunks.len() as u64).collect();
        let mut at = vec![0_u64; ranges.len()];
        let mut index = vec![0_u64; ranges.len()];
        let mut linear = Vec::new();
        loop {
            for ((index, at), along) in index.iter_mut().zip(&at).zip(&self.along) {
                *index = along.get(*at as usize).map_or(0, |(chunk, _)| *chunk);
            }
            if met.iter().all(|(joint, met)| met.contains(&chunk_of_joint(layout, joint, &index))) {
                linear.push(
                    layout.axes.iter().zip(&index).fold(0, |at, (axis, index)| at * axis.n_chunks + index),
                );
            }
            if !super::slab::advance(&mut at, &ranges) {
                return linear;
            }
        }
    }

    /// How many columns there are.
    pub(super) fn n_columns(&self) -> usize {
        self.kept.iter().filter_map(|axis| self.along.get(*axis)).map(Vec::len).product()
    }

    /// The column of a chunk.
    pub(super) fn column_of(&self, index: &[u64]) -> Option<usize> {
        let mut column = 0;
        for axis in &self.kept {
            let along = self.along.get(*axis)?;
            column = column * along.len()
                + along.binary_search_by_key(index.get(*axis)?, |(chunk, _)| *chunk).ok()?;
        }
        Some(column)
    }

    /// All cells of a column.
    pub(super) fn slab(&self, layout: &Layout, column: usize) -> Slab {
        let mut rest = column;
        let mut kept = Vec::new();
        for along in self.kept.iter().rev().filter_map(|axis| self.along.get(*axis)) {
            let n = along.len().max(1);
            kept.push(along.get(rest % n).map_or(0..0, |(_, ordinals)| ordinals.clone()));
            rest /= n;
        }
        kept.reverse();
        Slab { column, kept, groups: layout.groups.iter().map(|groups| groups.range.clone()).collect() }
    }
}

/// A computation that is refused before it is known what would be read.
pub(super) fn too_large(plan: &Plan, detail: String) -> Failure {
    let (result_bytes, groups) = (plan.result_bytes(), plan.n_groups());
    Failure::TooLarge { detail, estimate: Box::new(Estimate { result_bytes, groups, ..Estimate::default() }) }
}

/// Chunks along an axis that hold a member of a group that is asked for.
fn chunks_along(layout: &Layout, axis: &Axis) -> Vec<(u64, Range<u64>)> {
    let mut pieces = axis.positions.pieces(&axis.ordinals(), axis.chunk_len);
    if let Becomes::Reduced(factors) = &axis.becomes
        && !factors.is_empty()
    {
        pieces.retain(|(chunk, _)| {
            let span = axis.span(*chunk);
            let n = (span.end - span.start) as usize;
            let codes = factors.iter().filter_map(|group| layout.groups.get(*group)).map(|groups| {
                let codes = groups.codes.get(span.start as usize..span.end as usize).unwrap_or_default();
                (codes, &groups.range)
            });
            let codes: Vec<_> = codes.collect();
            (0..n).any(|at| {
                codes.iter().all(|(codes, range)| {
                    codes.get(at).is_some_and(|code| *code != NO_GROUP && range.contains(&u64::from(*code)))
                })
            })
        });
    }
    pieces
}

/// A number for the position of a chunk along the axes of a joint.
fn chunk_of_joint(layout: &Layout, joint: &Joint, index: &[u64]) -> u64 {
    let axes = layout.axes.iter().zip(index).enumerate();
    axes.filter(|(number, _)| joint.has_axis(*number))
        .fold(0, |at, (_, (axis, index))| at * axis.n_chunks + index)
}

/// The chunks along the axes of a joint that hold a position with a code that is asked for.
fn met_by(layout: &Layout, joint: &Joint) -> HashSet<u64> {
    let range =
        joint.group.and_then(|group| layout.groups.get(group)).map_or(0..1, |groups| groups.range.clone());
    // Its axes, outermost first, as its codes have them.
    let mut over: Vec<(usize, &Axis)> = Vec::new();
    for (stride, axis) in joint.strides.iter().zip(&layout.axes).filter(|(stride, _)| **stride > 0) {
        over.push((*stride, axis));
    }
    let Some((row_len, last)) =
        over.iter().min_by_key(|(stride, _)| *stride).map(|(_, axis)| (axis.len, *axis))
    else {
        return HashSet::new();
    };
    let row_len = usize::try_from(row_len).unwrap_or(usize::MAX).max(1);
    let step = last.chunk_len.max(1) as usize;
    let mut met = HashSet::new();
    for (row, codes) in joint.codes.chunks(row_len).enumerate() {
        for (piece, codes) in codes.chunks(step).enumerate() {
            let is_met = |code: &u32| *code != NO_GROUP && range.contains(&u64::from(*code));
            if !codes.iter().any(is_met) {
                continue;
            }
            let first = row * row_len + piece * step;
            let chunk = over.iter().fold(0, |at, (stride, axis)| {
                let position = (first / stride) as u64 % axis.len.max(1);
                at * axis.n_chunks + position / axis.chunk_len.max(1)
            });
            met.insert(chunk);
        }
    }
    met
}
