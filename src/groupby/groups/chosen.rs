//! Which positions of a coordinate are selected.

use thermocline_core::select::{Mask, ResolvedVariable};

/// True for each position of some axes of a variable, in C order of `axes`, that the selection on the variable has: along
/// each axis, and in each mask together with some position of the mask's other axes.
pub(super) fn chosen(variable: &ResolvedVariable, axes: &[usize], lens: &[usize]) -> Vec<bool> {
    let along: Vec<Vec<bool>> =
        axes.iter().zip(lens).map(|(axis, len)| along_axis(variable, *axis, *len)).collect();
    let mut chosen = vec![true];
    for flags in &along {
        chosen = chosen.iter().flat_map(|is| flags.iter().map(move |flag| *is && *flag)).collect();
    }
    for mask in &variable.masks {
        narrow(&mut chosen, variable, mask, axes, lens);
    }
    chosen
}

fn along_axis(variable: &ResolvedVariable, axis: usize, len: usize) -> Vec<bool> {
    let Some(indices) = variable.axes.get(axis).and_then(|axis| axis.indices.as_ref()) else {
        return vec![true; len];
    };
    let mut flags = vec![false; len];
    for position in indices.iter() {
        if let Some(flag) = usize::try_from(position).ok().and_then(|position| flags.get_mut(position)) {
            *flag = true;
        }
    }
    flags
}

/// Takes away the positions that have no cell of a mask.
fn narrow(chosen: &mut [bool], variable: &ResolvedVariable, mask: &Mask, axes: &[usize], lens: &[usize]) {
    let dim = |axis: &usize| variable.axes.get(*axis).map_or("", |axis| axis.dim.as_str());
    // Where an axis of the mask stands among `axes`.
    let common: Vec<Option<usize>> =
        mask.dims().iter().map(|name| axes.iter().position(|axis| dim(axis) == name)).collect();
    if common.iter().all(Option::is_none) {
        return;
    }
    let mut strides = vec![0_usize; axes.len()];
    let mut n_projected = 1_usize;
    for place in (0..axes.len()).rev().filter(|place| common.contains(&Some(*place))) {
        if let (Some(stride), Some(len)) = (strides.get_mut(place), lens.get(place)) {
            *stride = n_projected;
            n_projected = n_projected.saturating_mul(*len);
        }
    }
    let of_mask: Vec<usize> =
        common.iter().map(|place| place.and_then(|place| strides.get(place)).copied().unwrap_or(0)).collect();
    let projected = project(variable, mask, &of_mask, n_projected);
    for (cell, flag) in chosen.iter_mut().enumerate().filter(|(_, flag)| **flag) {
        let mut rest = cell;
        let mut at = 0;
        for (len, stride) in lens.iter().zip(&strides).rev() {
            at += rest % (*len).max(1) * stride;
            rest /= (*len).max(1);
        }
        *flag = projected.get(at).copied().unwrap_or(false);
    }
}

/// The cells of a mask that the selection has along each of its axes, seen along some of these: `strides` are those of
/// the axes that stay, 0 for the others.
fn project(variable: &ResolvedVariable, mask: &Mask, strides: &[usize], n: usize) -> Vec<bool> {
    let mut projected = vec![false; n];
    let indices: Vec<_> =
        mask.dims().iter().map(|name| variable.axis(name).and_then(|axis| axis.indices.as_deref())).collect();
    let has =
        |axis: usize, at: u64| indices.get(axis).copied().flatten().is_none_or(|some| some.contains(at));
    let last = mask.dims().len().saturating_sub(1);
    let last_stride = strides.get(last).copied().unwrap_or(0);
    for (row, columns) in mask.rows() {
        if !row.iter().enumerate().all(|(axis, at)| has(axis, *at)) {
            continue;
        }
        let first: usize = row.iter().zip(strides).map(|(at, stride)| *at as usize * stride).sum();
        for column in columns.filter(|column| has(last, *column)) {
            if let Some(flag) = projected.get_mut(first + column as usize * last_stride) {
                *flag = true;
            }
            if last_stride == 0 {
                break;
            }
        }
    }
    projected
}
