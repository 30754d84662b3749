//! The chunks of the lazy result.
//!
//! Dimensions of groups are whole: each of their cells needs all of the members' chunks. Other dimensions have the chunk
//! lengths of the source, so that a chunk of the result reads the chunks of the source below it and no others; where these
//! are small, neighbours are joined.

use thermocline_model::Variable;

use super::{Plan, ResultDim};

/// Chunks of the result are joined as long as the values of the source below one of them take no more, in bytes.
const JOINED_SOURCE_BYTES: u64 = 1 << 20;

/// Chunks of the result are not joined beyond this, in bytes.
const JOINED_BYTES: u64 = 4 << 20;

/// Lengths of the chunks of a plan's result, none above `max_bytes`.
pub(super) fn shape_of(plan: &Plan, variable: &Variable, max_bytes: u64) -> Vec<u64> {
    let source = &variable.storage.served_chunk_shape;
    let source_len = |axis: usize| source.get(axis).copied().unwrap_or(1).max(1);
    let mut chunk: Vec<u64> = plan
        .dims
        .iter()
        .zip(&plan.shape)
        .map(|(dim, len)| match cut(plan, dim) {
            Some(axis) => source_len(axis).min(*len).max(1),
            None => (*len).max(1),
        })
        .collect();
    let size = plan.dtype.len_bytes().unwrap_or(16) as u64;
    join(plan, &mut chunk, variable, size, max_bytes);
    shrink(plan, &mut chunk, size, max_bytes);
    chunk
}

/// The axis of the source that a dimension of the result is cut along like the source; `None` for dimensions that are whole.
fn cut(plan: &Plan, dim: &ResultDim) -> Option<usize> {
    match dim {
        ResultDim::Axis(axis) if plan.axes.get(*axis).is_some_and(|axis| axis.is_kept) => Some(*axis),
        // Of anomalies the grouped dimensions are whole, but for those along which nothing is reduced.
        ResultDim::Axis(axis) => {
            plan.factors.iter().any(|factor| factor.is_identity && factor.axes == [*axis]).then_some(*axis)
        }
        ResultDim::Group(number) => {
            let factor = plan.factors.get(*number).filter(|factor| factor.is_identity)?;
            factor.axes.first().copied()
        }
        ResultDim::Quantile => None,
    }
}

/// Joins neighbours, the innermost first.
fn join(plan: &Plan, chunk: &mut [u64], variable: &Variable, size: u64, max_bytes: u64) {
    let source_size = variable.dtype.len_bytes().unwrap_or(16) as u64;
    // What is reduced is read whole for each chunk of the result.
    let is_cut = |axis: usize| plan.dims.iter().any(|dim| cut(plan, dim) == Some(axis));
    let reduced = plan.axes.iter().enumerate().filter(|(axis, _)| !is_cut(*axis));
    let below = reduced.map(|(_, axis)| axis.n_selected()).fold(source_size, u64::saturating_mul);
    for number in (0..chunk.len()).rev() {
        let (Some(dim), Some(len)) = (plan.dims.get(number), plan.shape.get(number)) else { continue };
        if cut(plan, dim).is_none() {
            continue;
        }
        while let Some(now) = chunk.get(number).copied().filter(|now| now < len) {
            let mut wider = chunk.to_vec();
            if let Some(wider) = wider.get_mut(number) {
                *wider = now.saturating_mul(2).min(*len);
            }
            let cut_cells = plan.dims.iter().zip(&wider).filter(|(dim, _)| cut(plan, dim).is_some());
            let source_bytes = cut_cells.map(|(_, len)| *len).fold(below, u64::saturating_mul);
            let bytes = wider.iter().copied().fold(size, u64::saturating_mul);
            if source_bytes > JOINED_SOURCE_BYTES || bytes > JOINED_BYTES.min(max_bytes) {
                break;
            }
            chunk.copy_from_slice(&wider);
        }
    }
}

/// Makes chunks smaller that are too large: first along dimensions that are cut, the longest first, else along any.
fn shrink(plan: &Plan, chunk: &mut [u64], size: u64, max_bytes: u64) {
    while chunk.iter().copied().fold(size, u64::saturating_mul) > max_bytes {
        let longest = |only_cut: bool| {
            let dims = plan.dims.iter().zip(chunk.iter()).enumerate();
            let usable = dims.filter(|(_, (dim, len))| **len > 1 && (!only_cut || cut(plan, dim).is_some()));
            usable.max_by_key(|(_, (_, len))| **len).map(|(number, _)| number)
        };
        let Some(number) = longest(true).or_else(|| longest(false)) else { return };
        if let Some(len) = chunk.get_mut(number) {
            *len = len.div_ceil(2);
        }
    }
}
