//! The definition: every member of every cell by its position, one after another.

use std::collections::BTreeMap;

use crate::{Action, NO_GROUP, Plan, ResultDim};

use super::world::Cube;

/// The values of the whole result.
pub(super) fn result(plan: &Plan, cube: &Cube) -> Vec<f64> {
    let chosen: Vec<Vec<u64>> = plan
        .axes
        .iter()
        .map(|axis| match &axis.indices {
            Some(indices) => indices.iter().collect(),
            None => (0..axis.len).collect(),
        })
        .collect();
    let mut members: BTreeMap<Vec<u64>, Vec<f64>> = BTreeMap::new();
    let mut sources: Vec<(Vec<u64>, Vec<u64>, f64)> = Vec::new();
    let counts: Vec<usize> = chosen.iter().map(Vec::len).collect();
    for number in 0..counts.iter().product::<usize>() {
        let mut rest = number;
        let mut ordinals = vec![0_u64; counts.len()];
        for (ordinal, count) in ordinals.iter_mut().zip(&counts).rev() {
            *ordinal = (rest % count) as u64;
            rest /= count;
        }
        let position: Vec<u64> =
            ordinals.iter().zip(&chosen).map(|(at, chosen)| chosen[*at as usize]).collect();
        let mut at = [0; 3];
        position.iter().zip(&cube.order).for_each(|(position, dim)| at[*dim] = *position);
        let value = cube.value(at);
        let cell = cell(plan, &position, &ordinals);
        if let Some(cell) = &cell {
            members.entry(cell.clone()).or_default().push(value);
        }
        sources.push((ordinals, cell.unwrap_or_default(), value));
    }
    let aggregates: BTreeMap<Vec<u64>, Vec<f64>> =
        members.into_iter().map(|(cell, values)| (cell, aggregated(plan, &values))).collect();
    if plan.request.options.anomaly {
        let group = |cell: &Vec<u64>| aggregates.get(cell).map_or(f64::NAN, |values| values[0]);
        return sources.iter().map(|(_, cell, value)| value - group(cell)).collect();
    }
    in_order(plan, &aggregates)
}

/// The place of a position along the dimensions of the result, quantiles aside; all kept and group dimensions of anomalies.
fn cell(plan: &Plan, position: &[u64], ordinals: &[u64]) -> Option<Vec<u64>> {
    let codes: Option<Vec<u64>> = plan
        .factors
        .iter()
        .map(|factor| {
            let at = factor.axes.iter().fold(0, |at, axis| at * plan.axes[*axis].len + position[*axis]);
            let code = factor.codes[at as usize];
            (code != NO_GROUP).then_some(u64::from(code))
        })
        .collect();
    let codes = codes?;
    if plan.request.options.anomaly {
        let kept =
            plan.axes.iter().enumerate().filter(|(_, axis)| axis.is_kept).map(|(axis, _)| ordinals[axis]);
        return Some(kept.chain(codes).collect());
    }
    let along = plan.dims.iter().filter_map(|dim| match dim {
        ResultDim::Axis(axis) => Some(ordinals[*axis]),
        ResultDim::Group(factor) => Some(codes[*factor]),
        ResultDim::Quantile => None,
    });
    Some(along.collect())
}

fn in_order(plan: &Plan, aggregates: &BTreeMap<Vec<u64>, Vec<f64>>) -> Vec<f64> {
    let n_quantiles = plan.request.options.q.len().max(1);
    let quantiles = plan.dims.contains(&ResultDim::Quantile);
    let shape: Vec<u64> = plan.shape.iter().take(plan.dims.len() - usize::from(quantiles)).copied().collect();
    let mut values = Vec::new();
    for number in 0..shape.iter().product::<u64>() {
        let mut rest = number;
        let mut cell = vec![0; shape.len()];
        for (at, len) in cell.iter_mut().zip(&shape).rev() {
            *at = rest % len;
            rest /= len;
        }
        match aggregates.get(&cell) {
            Some(found) => values.extend(found),
            None => values.extend(vec![f64::NAN; n_quantiles]),
        }
    }
    values
}

/// The aggregate of members in their order; several for several quantiles.
fn aggregated(plan: &Plan, members: &[f64]) -> Vec<f64> {
    let mut valid: Vec<f64> = members.iter().copied().filter(|value| !value.is_nan()).collect();
    let n = valid.len() as f64;
    let mean = valid.iter().sum::<f64>() / n;
    let one = match plan.request.action {
        Action::Mean => mean,
        Action::Sum => valid.iter().sum(),
        Action::Count => n,
        Action::Max => valid.iter().copied().reduce(f64::max).unwrap_or(f64::NAN),
        Action::First => valid.first().copied().unwrap_or(f64::NAN),
        Action::Last => valid.last().copied().unwrap_or(f64::NAN),
        Action::Var => valid.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / n,
        _ => {
            valid.sort_by(f64::total_cmp);
            let of_request = &plan.request.options.q;
            let shares = if of_request.is_empty() { vec![0.5] } else { of_request.clone() };
            return shares.iter().map(|share| quantile(&valid, *share)).collect();
        }
    };
    vec![one]
}

fn quantile(sorted: &[f64], share: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let at = share * last as f64;
    let (low, high) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    low + (high - low) * at.fract()
}
