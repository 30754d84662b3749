//! The box of the result that is being computed: cells come in slab by slab, from several threads.

use std::ops::Range;

use parking_lot::Mutex;
use thermocline_core::{Error, ErrorKind, Result};
use thermocline_model::{ArrayBytes, DataType};

use super::layout::Layout;
use super::slab::{Numbering, Slab};
use crate::{Plan, ResultDim};

/// Values of a box of the result.
pub(super) struct Output {
    values: Mutex<ArrayBytes>,
    /// Bytes of a value; 0 for texts.
    pub(super) size: usize,
    /// How far apart values are in the output along each axis of the variable, and by group and quantile.
    pub(super) of_axes: Vec<usize>,
    of_groups: Vec<usize>,
    of_quantiles: usize,
    n_quantiles: usize,
}

/// Bytes of a text, about.
const TEXT_BYTES: u64 = 64;

/// Memory of a box of the result; saturates.
pub(super) fn box_bytes(plan: &Plan, part: &[Range<u64>]) -> u64 {
    let size = plan.dtype.len_bytes().map_or(TEXT_BYTES, |size| size as u64);
    let lens = part.iter().map(|range| range.end.saturating_sub(range.start));
    lens.fold(size, |bytes, len| bytes.saturating_mul(len))
}

impl Output {
    /// Room for a box, every value of it 0 or empty.
    ///
    /// # Errors
    /// [`ErrorKind::TooLarge`] for one that no memory holds.
    pub(super) fn new(plan: &Plan, layout: &Layout, part: &[Range<u64>]) -> Result<Self> {
        let too_large = || Error::new(ErrorKind::TooLarge, "the result is larger than memory");
        let mut strides = vec![1_usize; part.len()];
        let mut n = 1_usize;
        for (stride, range) in strides.iter_mut().zip(part).rev() {
            *stride = n;
            let len = usize::try_from(range.end.saturating_sub(range.start)).map_err(|_| too_large())?;
            n = n.checked_mul(len).ok_or_else(too_large)?;
        }
        let stride_of = |dim: ResultDim| {
            plan.dims
                .iter()
                .position(|known| *known == dim)
                .and_then(|at| strides.get(at))
                .copied()
                .unwrap_or(0)
        };
        // The dimension of an axis that a grouper keeps is that of its groups.
        let group_of_axis = |axis: usize| {
            let own = |factor: &crate::Factor| factor.axes == [axis];
            let of = plan.factors.iter().position(own).filter(|_| !layout.is_anomaly);
            of.filter(|_| layout.axes.get(axis).is_some_and(super::layout::Axis::is_kept))
        };
        let of_axes = (0..plan.axes.len()).map(|axis| match group_of_axis(axis) {
            Some(factor) => stride_of(ResultDim::Group(factor)),
            None => stride_of(ResultDim::Axis(axis)),
        });
        let size = plan.dtype.len_bytes().filter(|_| plan.dtype != DataType::String).unwrap_or(0);
        let values = match size {
            0 => ArrayBytes::Texts(vec![String::new(); n]),
            // Values of no group are left missing.
            8 if layout.is_anomaly => ArrayBytes::Fixed(f64::NAN.to_le_bytes().repeat(n)),
            4 if layout.is_anomaly => ArrayBytes::Fixed(f32::NAN.to_le_bytes().repeat(n)),
            size => ArrayBytes::Fixed(vec![0; n.checked_mul(size).ok_or_else(too_large)?]),
        };
        let n_quantiles =
            if plan.dims.contains(&ResultDim::Quantile) { plan.request.options.q.len() } else { 1 };
        Ok(Self {
            values: Mutex::new(values),
            size,
            of_axes: of_axes.collect(),
            of_groups: layout
                .groups
                .iter()
                .map(|groups| stride_of(ResultDim::Group(groups.factor)))
                .collect(),
            of_quantiles: stride_of(ResultDim::Quantile),
            n_quantiles,
        })
    }

    /// Puts the results of a slab where they belong.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] for others than the box has.
    pub(super) fn put(
        &self,
        (layout, part): (&Layout, &[Range<u64>]),
        (slab, numbering): (&Slab, &Numbering),
        results: ArrayBytes,
    ) -> Result<()> {
        // How the cells of a slab go to the output, dimension by dimension: length, stride there, stride here.
        let mut first = 0_usize;
        let mut dims: Vec<Dim> = Vec::new();
        for ((axis, ordinals), stride) in layout.kept().into_iter().zip(&slab.kept).zip(&numbering.kept) {
            let Some(of) = layout.axes.get(axis) else { continue };
            let to = self.of_axes.get(axis).copied().unwrap_or(0);
            let asked = of.ordinals();
            let n = (ordinals.end - ordinals.start) as usize;
            let (skipped, step) = match of.is_reversed {
                true => (asked.end - 1 - ordinals.start, to.wrapping_neg()),
                false => (ordinals.start - asked.start, to),
            };
            first = first.wrapping_add(skipped as usize * to);
            dims.push(Dim { n, to: step, from: *stride });
        }
        for (((groups, range), stride), to) in
            layout.groups.iter().zip(&slab.groups).zip(&numbering.groups).zip(&self.of_groups)
        {
            first = first.wrapping_add((range.start - groups.range.start) as usize * to);
            dims.push(Dim { n: (range.end - range.start) as usize, to: *to, from: *stride });
        }
        let quantiles = quantiles_of(layout, part, self.n_quantiles);
        dims.push(Dim { n: quantiles.len(), to: self.of_quantiles, from: 0 });
        // Neighbours in the output are written one after another.
        dims.sort_by_key(|dim| std::cmp::Reverse(dim.to.min(dim.to.wrapping_neg())));
        self.copy(&dims, first, quantiles.start, results)
    }

    fn copy(&self, dims: &[Dim], first: usize, first_quantile: usize, results: ArrayBytes) -> Result<()> {
        let n: usize = dims.iter().map(|dim| dim.n).product();
        let misfit = || Error::internal("cells lie outside the box of the result");
        let mut at = vec![0_usize; dims.len()];
        let (mut to, mut from) = (first, 0_usize);
        let mut quantile = first_quantile;
        let mut values = self.values.lock();
        for _ in 0..n {
            let cell = from * self.n_quantiles + quantile;
            match (&mut *values, &results) {
                (ArrayBytes::Fixed(values), ArrayBytes::Fixed(results)) => {
                    let bytes = results.get(cell * self.size..(cell + 1) * self.size).ok_or_else(misfit)?;
                    let room = to.checked_mul(self.size).and_then(|at| values.get_mut(at..at + self.size));
                    room.ok_or_else(misfit)?.copy_from_slice(bytes);
                }
                (ArrayBytes::Texts(values), ArrayBytes::Texts(results)) => {
                    let text = results.get(cell).ok_or_else(misfit)?;
                    values.get_mut(to).ok_or_else(misfit)?.clone_from(text);
                }
                _ => return Err(misfit()),
            }
            for (at, dim) in at.iter_mut().zip(dims).rev() {
                *at += 1;
                to = to.wrapping_add(dim.to);
                from += dim.from;
                quantile += usize::from(dim.from == 0);
                if *at < dim.n {
                    break;
                }
                to = to.wrapping_sub(dim.to.wrapping_mul(dim.n));
                from -= dim.from * dim.n;
                quantile -= if dim.from == 0 { dim.n } else { 0 };
                *at = 0;
            }
        }
        Ok(())
    }

    /// Writes values one after another, `step` apart.
    pub(super) fn write(&self, first: usize, step: usize, bytes: &[u8]) -> Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let misfit = || Error::internal("values lie outside the box of the result");
        let mut values = self.values.lock();
        let ArrayBytes::Fixed(values) = &mut *values else { return Err(misfit()) };
        let mut to = first;
        for value in bytes.chunks_exact(self.size.max(1)) {
            let room = to.checked_mul(self.size).and_then(|at| values.get_mut(at..at + self.size));
            room.ok_or_else(misfit)?.copy_from_slice(value);
            to = to.wrapping_add(step);
        }
        Ok(())
    }

    /// The values, at the end.
    pub(super) fn take_values(&self) -> ArrayBytes {
        std::mem::replace(&mut *self.values.lock(), ArrayBytes::Fixed(Vec::new()))
    }
}

/// A dimension of a slab: how many, and how far apart neighbours are there and here.
struct Dim {
    n: usize,
    to: usize,
    from: usize,
}

/// The quantiles that are asked for.
fn quantiles_of(layout: &Layout, part: &[Range<u64>], n: usize) -> Range<usize> {
    match part.last() {
        Some(range) if n > 1 && layout.spec.q.len() == n => range.start as usize..(range.end as usize).min(n),
        _ => 0..1,
    }
}
