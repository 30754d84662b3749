//! Which positions of the dimensions that are not drawn are shown.

use std::sync::Arc;

use thermocline_core::select::{Indices, ResolvedAxis, ResolvedVariable};

use super::content::{Content, MAX_LINES};
use super::dims::Dim;
use crate::options::{MAX_FRAMES, Options, shown};
use crate::{Failure, Format};

/// Pictures of an animation along a dimension of which nothing is selected: its last ones, as Cloudify has it.
const N_DEFAULT_FRAMES: u64 = 12;

/// An animation: one picture for each position of a dimension.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Animation {
    /// The dimension's place among those of the variable.
    pub axis: usize,
    /// The positions, in the order of the pictures.
    pub positions: Vec<u64>,
}

/// What may be chosen along each dimension: the selected positions, all of them as `None`.
pub(super) fn choices(variable: &ResolvedVariable, content: &Content) -> Vec<Option<Arc<Indices>>> {
    let drawn = content.axes();
    let choice = |(axis, resolved): (usize, &ResolvedAxis)| match drawn.contains(&axis) {
        true => None,
        false => resolved.indices.clone(),
    };
    variable.axes.iter().enumerate().map(choice).collect()
}

/// The pictures of an animation, if the request is one: along `dim`, or along time in a GIF of several steps.
pub(super) fn animation(
    (options, format): (&Options, Format),
    dims: &[Dim],
    variable: &ResolvedVariable,
    content: &Content,
) -> Result<Option<Animation>, Failure> {
    let drawn = content.axes();
    let named = options.dim.as_deref();
    let axis = match named {
        Some(name) => Some(dims.iter().position(|dim| dim.name == name).ok_or_else(|| Failure::Mistake {
            detail: format!("dim={} is no dimension of the variable", shown(name)),
            allowed: dims.iter().map(|dim| dim.name.clone()).collect(),
        })?),
        None if format == Format::Gif => dims.iter().position(Dim::is_time),
        None => None,
    };
    let Some(axis) = axis else { return Ok(None) };
    let resolved = variable.axes.get(axis);
    let Some(resolved) = resolved.filter(|_| !drawn.contains(&axis)) else {
        return match named {
            Some(name) => {
                Err(Failure::mistake(format!("dim={name} is drawn; an animation needs another dimension")))
            }
            None => Ok(None),
        };
    };
    if !matches!(format, Format::Gif | Format::WebP) {
        return Ok(None);
    }
    Ok(Some(Animation { axis, positions: frames(options, resolved)?.iter().collect() }))
}

/// The positions of the pictures, in their order.
fn frames(options: &Options, axis: &ResolvedAxis) -> Result<Indices, Failure> {
    let selected = selected_along(axis);
    let (n, most) = (selected.len(), u64::from(MAX_FRAMES));
    let n_frames = match (options.frames, &axis.indices) {
        (Some(frames), _) => u64::from(frames),
        (None, None) => N_DEFAULT_FRAMES,
        (None, Some(_)) if n > most => {
            return Err(Failure::mistake(format!(
                "{n} steps of {} are selected; an animation has at most {MAX_FRAMES}: frames=… takes the last ones",
                axis.dim
            )));
        }
        (None, Some(_)) => n,
    };
    Ok(selected.last_n(n_frames.min(most)))
}

fn selected_along(axis: &ResolvedAxis) -> Arc<Indices> {
    axis.indices.clone().unwrap_or_else(|| Arc::new(Indices::range(0..axis.len)))
}

/// Sets each axis that is not drawn to the position that is shown, and the animated one to those of its pictures.
pub(super) fn fix(
    variable: &mut ResolvedVariable,
    dims: &[Dim],
    content: &Content,
    animation: Option<&Animation>,
) {
    let drawn = content.axes();
    for (axis, (resolved, dim)) in variable.axes.iter_mut().zip(dims).enumerate() {
        if drawn.contains(&axis) {
            continue;
        }
        if let Some(animation) = animation.filter(|animation| animation.axis == axis) {
            let n_frames = animation.positions.len() as u64;
            resolved.indices = Some(Arc::new(selected_along(resolved).last_n(n_frames)));
        } else if let Some(position) = default_position(resolved, dim) {
            set(resolved, position);
        }
    }
}

/// Sets an axis to one position.
pub(crate) fn set(axis: &mut ResolvedAxis, position: u64) {
    axis.indices = Some(Arc::new(Indices::one(position)));
    axis.is_single = true;
}

/// The last step of time, the first position of any other dimension, among those that are selected.
fn default_position(axis: &ResolvedAxis, dim: &Dim) -> Option<u64> {
    let Some(indices) = &axis.indices else {
        let last = axis.len.checked_sub(1)?;
        return Some(if dim.is_time() { last } else { 0 });
    };
    if dim.is_time() != indices.is_reversed() { indices.last() } else { indices.first() }
}

/// Refuses more lines than a figure holds.
pub(super) fn check_lines(variable: &ResolvedVariable, content: &Content) -> Result<(), Failure> {
    let Content::Series(_, Some(hue)) = content else { return Ok(()) };
    let Some(axis) = variable.axes.get(*hue) else { return Ok(()) };
    let n_lines = axis.n_selected();
    if n_lines <= MAX_LINES {
        return Ok(());
    }
    Err(Failure::mistake(format!(
        "hue={} makes {n_lines} lines; a figure has at most {MAX_LINES}: select some of them",
        axis.dim
    )))
}
