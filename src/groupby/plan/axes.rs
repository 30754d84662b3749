//! What becomes of the axes of a variable, and the dimensions of the result.

use std::collections::HashSet;

use thermocline_core::select::ResolvedVariable;
use thermocline_model::Variable;
use thermocline_model::cf::along;

use super::{ResultAxis, ResultDim};
use crate::groups::Factor;
use crate::{Failure, Request};

/// Name of the dimension and coordinate of quantiles.
pub(super) const QUANTILE: &str = "quantile";

/// The axes of a variable with what is selected of them; those of characters are none.
///
/// # Errors
/// [`Failure::Mistake`] for a variable without positions.
pub(super) fn of(variable: &Variable, selected: &ResolvedVariable) -> Result<Vec<ResultAxis>, Failure> {
    let axes = selected.axes.iter().take(along(variable).len());
    let axes: Vec<ResultAxis> = axes
        .map(|axis| ResultAxis {
            dim: axis.dim.clone(),
            len: axis.len,
            indices: axis.indices.clone(),
            is_single: axis.is_single,
            is_kept: !axis.is_single,
        })
        .collect();
    if let Some(empty) = axes.iter().find(|axis| axis.n_selected() == 0) {
        return Err(Failure::mistake(format!(
            "nothing of {:?} is selected: dimension {:?} has no positions",
            selected.path, empty.dim
        )));
    }
    let mut seen = HashSet::new();
    if let Some(twice) = axes.iter().find(|axis| !seen.insert(&axis.dim)) {
        return Err(Failure::mistake(format!(
            "{:?} has the dimension {:?} twice, so it cannot be grouped",
            selected.path, twice.dim
        )));
    }
    Ok(axes)
}

/// Marks the axes that the groupers and `over` reduce.
///
/// # Errors
/// [`Failure::Mistake`] for a dimension of `over` that the variable does not have or that is selected away, and for groupers
/// whose labels lie along the characters of texts.
pub(super) fn reduce(axes: &mut [ResultAxis], factors: &[Factor], request: &Request) -> Result<(), Failure> {
    let mut reduced: Vec<usize> = Vec::new();
    for factor in factors {
        // The last axis of characters is the length of texts, not an axis of the values.
        if factor.axes.iter().any(|axis| *axis >= axes.len()) {
            return Err(Failure::mistake(format!(
                "{:?} lies along the characters of the texts of {:?}, which are not grouped",
                factor.coordinate, request.variable
            )));
        }
        reduced.extend(&factor.axes);
    }
    for dim in &request.options.over {
        let found = axes.iter().position(|axis| axis.dim == *dim && !axis.is_single);
        let Some(axis) = found else {
            let dims = axes.iter().filter(|axis| !axis.is_single).map(|axis| axis.dim.clone());
            let detail =
                format!("over={}: no such dimension is left to be reduced", super::named::shown(dim));
            return Err(Failure::mistake_among(detail, dims));
        };
        reduced.push(axis);
    }
    for axis in reduced {
        if let Some(axis) = axes.get_mut(axis) {
            axis.is_kept = false;
        }
    }
    Ok(())
}

/// Dimensions of the result with their lengths: those of the groups, in the order of the request, stand where the first
/// grouped dimension stood; quantiles come last. Anomalies have the dimensions of the source.
///
/// # Errors
/// [`Failure::Mistake`] for two dimensions of one name.
pub(super) fn result_dims(
    axes: &[ResultAxis],
    factors: &[Factor],
    request: &Request,
) -> Result<(Vec<ResultDim>, Vec<u64>), Failure> {
    let mut dims: Vec<(ResultDim, &str, u64)> = Vec::new();
    let mut are_groups_in = request.options.anomaly;
    // Dimensions that `over` reduces besides leave no place.
    let is_grouped = |axis: usize| factors.iter().any(|factor| factor.axes.contains(&axis));
    for (number, axis) in axes.iter().enumerate().filter(|(_, axis)| !axis.is_single) {
        if axis.is_kept || request.options.anomaly {
            dims.push((ResultDim::Axis(number), &axis.dim, axis.n_selected()));
        } else if !are_groups_in && is_grouped(number) {
            are_groups_in = true;
            let groups = factors.iter().enumerate();
            dims.extend(groups.map(|(number, factor)| {
                (ResultDim::Group(number), factor.name.as_str(), factor.n_groups() as u64)
            }));
        }
    }
    if request.options.q.len() > 1 {
        dims.push((ResultDim::Quantile, QUANTILE, request.options.q.len() as u64));
    }
    let mut seen = HashSet::new();
    if let Some((_, twice, _)) = dims.iter().find(|(_, name, _)| !seen.insert(*name)) {
        return Err(Failure::mistake(format!(
            "the result of {:?} would have two dimensions {twice:?}",
            request.grouper_text()
        )));
    }
    Ok(dims.into_iter().map(|(dim, _, len)| (dim, len)).unzip())
}
