//! One term of a selection along one dimension.

use std::sync::Arc;

use super::super::coordinate::Coordinate;
use super::super::grammar::{Method, Pick, Slice};
use super::super::indices::Indices;
use super::super::labels::{Named, UpperEnd};
use crate::{Error, Result};

/// Positions along a dimension.
#[derive(Debug, Clone)]
pub(super) struct Along {
    /// Length of the dimension.
    pub(super) len: u64,
    /// The positions.
    pub(super) indices: Arc<Indices>,
    /// True if one label or position was named.
    pub(super) is_single: bool,
}

impl Along {
    pub(super) fn new(len: u64, indices: Indices, is_single: bool) -> Self {
        Self { len, indices: Arc::new(indices), is_single }
    }
}

/// What a pick of positions takes of `len`; `None` for labels.
pub(super) fn positions(name: &str, len: u64, pick: &Pick) -> Result<Option<Along>> {
    match pick {
        Pick::Position(position) => one(name, len, *position).map(Some),
        Pick::Positions(slice) => sliced(name, len, slice).map(Some),
        _ => Ok(None),
    }
}

fn one(name: &str, len: u64, position: i64) -> Result<Along> {
    let found = if position < 0 {
        len.checked_sub(position.unsigned_abs())
    } else {
        Some(position.unsigned_abs()).filter(|position| *position < len)
    };
    let found = found.ok_or_else(|| {
        Error::invalid_input(format!(
            "{name} has no position {position}; it has {len}, from 0, or from -1 at its end"
        ))
    })?;
    Ok(Along::new(len, Indices::one(found), true))
}

/// Python's `slice.indices`.
pub(super) fn sliced(name: &str, len: u64, slice: &Slice) -> Result<Along> {
    let n = i128::from(len);
    let step = i128::from(slice.step);
    let (lower, upper) = if step > 0 { (0, n) } else { (-1, n - 1) };
    let bound = |position: i64| {
        let position = i128::from(position);
        if position < 0 { (position + n).max(lower) } else { position.min(upper) }
    };
    let first = slice.start.map_or(if step > 0 { lower } else { upper }, bound);
    let stop = slice.stop.map_or(if step > 0 { upper } else { lower }, bound);
    let span = if step > 0 { stop - first } else { first - stop };
    let count = if span > 0 { (span - 1) / step.abs() + 1 } else { 0 };
    let last = first + (count - 1) * step;
    let numbers = (u64::try_from(first.min(last)), u64::try_from(count), u64::try_from(step.abs()));
    let indices = match numbers {
        (Ok(start), Ok(count), Ok(distance)) if count > 0 => Indices::strided(start, count, distance),
        _ => {
            return Err(Error::invalid_input(format!(
                "the selected positions of {name} are none; it has {len}, from 0, or from -1 at its end"
            )));
        }
    };
    let indices = if step < 0 { indices.reversed() } else { indices };
    Ok(Along::new(len, indices, false))
}

/// Selects along a dimension without labels: its labels are its positions, as xarray has it.
pub(super) fn in_positions(name: &str, len: u64, pick: &Pick) -> Result<Along> {
    if let Some(found) = positions(name, len, pick)? {
        return Ok(found);
    }
    let no_labels =
        || Error::invalid_input(format!("{name} has no labels, only {len} positions: write isel={name}=i:j"));
    match pick {
        Pick::PathRange { lo, hi } => {
            let (start, stop) = (lo.parse().map_err(|_| no_labels())?, hi.parse().map_err(|_| no_labels())?);
            sliced(name, len, &Slice { start: Some(start), stop: Some(stop), step: 1 })
        }
        Pick::Text(label) | Pick::Label { label, method: Method::Exact, .. } => {
            one(name, len, label.parse().map_err(|_| no_labels())?)
        }
        _ => Err(no_labels()),
    }
}

/// The positions that labels name, and whether one label was named.
pub(super) fn labelled(coordinate: &Coordinate, pick: &Pick) -> Result<(Indices, bool)> {
    if let Some(found) = ranged(coordinate, pick)? {
        return Ok((found, false));
    }
    let (text, method, tolerance) = match pick {
        Pick::Text(label) => (label, Method::Exact, None),
        Pick::Label { label, method, tolerance } => (label, *method, *tolerance),
        _ => return Err(Error::internal("a range was not taken as one")),
    };
    let label = coordinate.whole_label(text)?;
    let found = match method {
        Method::Exact => coordinate.exactly(text, &label)?,
        _ => coordinate.near(text, &label, method, tolerance)?,
    };
    let is_single = found.len() == 1;
    Ok((found, is_single))
}

/// The positions that a range of labels has; `None` for a pick that is no range.
pub(super) fn ranged(coordinate: &Coordinate, pick: &Pick) -> Result<Option<Indices>> {
    let label = |text: &String| coordinate.whole_label(text);
    match pick {
        Pick::Range { lo, hi } => {
            let text = |end: &Option<String>| end.clone().unwrap_or_default();
            let what = format!("{}:{}", text(lo), text(hi));
            let (lo, hi) = (lo.as_ref().map(label).transpose()?, hi.as_ref().map(label).transpose()?);
            coordinate.between(&what, (lo.as_ref(), hi.as_ref()), UpperEnd::Included).map(Some)
        }
        Pick::PathRange { lo, hi } => {
            let (what, lo, hi) = (format!("{lo}_{hi}"), label(lo)?, label(hi)?);
            coordinate.between(&what, (Some(&lo), Some(&hi)), UpperEnd::Excluded).map(Some)
        }
        Pick::Text(text) => match coordinate.named(text)? {
            Named::Range(lo, hi) => {
                coordinate.between(text, (lo.as_ref(), hi.as_ref()), UpperEnd::Included).map(Some)
            }
            Named::Label(_) => Ok(None),
        },
        Pick::Position(_) | Pick::Positions(_) | Pick::Label { .. } => Ok(None),
    }
}
