//! Coordinates that the groups and quantiles make.

use std::sync::Arc;

use thermocline_core::{Error, Result};
use thermocline_model::cf::{Scope, TimeUnits};
use thermocline_model::{ArrayBytes, Attribute, Attributes, DataType, Number};

use super::column::{Column, F4, F8, I8, U8, bytes_of, integer_type, integers, variable};
use crate::groups::{Factor, GroupLabels};
use crate::plan::group_of;
use crate::request::Grouper;
use crate::{Plan, ResultDim};

/// Name of the coordinate of quantiles.
const QUANTILE: &str = "quantile";

/// Names of the dimension of the two ends of intervals: the first that nothing else has.
const ENDS: [&str; 4] = ["bnds", "nv", "bin_edges", "bin_edge_pairs"];

/// Those of a plan, bounds of intervals among them. Anomalies have none but the quantile.
pub(super) fn columns(plan: &Plan) -> Result<Vec<Column>> {
    let mut columns = Vec::new();
    for dim in &plan.dims {
        if let ResultDim::Group(number) = dim
            && let (Some(factor), Some(grouper)) =
                (plan.factors.get(*number), plan.request.groupers.get(*number))
        {
            columns.extend(of_factor(plan, factor, grouper)?);
        }
    }
    let q = &plan.request.options.q;
    if !q.is_empty() {
        let (dims, shape) = match q.len() {
            1 => (Vec::new(), Vec::new()),
            n => (vec![QUANTILE.to_owned()], vec![n as u64]),
        };
        columns.push(Column {
            variable: variable(QUANTILE, dims, shape, F8, Attributes::new()),
            is_coordinate: true,
            values: Arc::new(bytes_of(q, f64::to_le_bytes)),
        });
    }
    Ok(columns)
}

fn of_factor(plan: &Plan, factor: &Factor, grouper: &Grouper) -> Result<Vec<Column>> {
    let mut attrs = factor.attrs.clone();
    let mut bounds = None;
    let (dtype, values) = match &factor.labels {
        GroupLabels::Integers(values) => {
            let values = || values.iter().map(|value| i128::from(*value));
            let dtype = stored_type(plan, grouper, values()).unwrap_or(I8);
            let bytes = integers(&dtype, values());
            (dtype, bytes)
        }
        GroupLabels::Unsigned(values) => (U8, bytes_of(values, u64::to_le_bytes)),
        GroupLabels::Floats { values, is_single: true } => {
            (F4, bytes_of(values, |value| (value as f32).to_le_bytes()))
        }
        GroupLabels::Floats { values, .. } => (F8, bytes_of(values, f64::to_le_bytes)),
        GroupLabels::Booleans(values) => (DataType::Bool, bytes_of(values, |value| [u8::from(value)])),
        GroupLabels::Texts(texts) => (DataType::String, ArrayBytes::Texts(texts.clone())),
        GroupLabels::Times { ticks, units } => times(ticks, units, &mut attrs)?,
        GroupLabels::Intervals { edges, is_right_closed } => {
            let name = format!("{}_bnds", factor.name);
            let side = if *is_right_closed { "right" } else { "left" };
            attrs.set("bounds", Attribute::Text(name.clone()));
            attrs.set("closed", Attribute::Text(side.to_owned()));
            bounds = Some(bounds_of(factor, &name, edges));
            let pairs = edges.iter().zip(edges.iter().skip(1));
            let midpoints: Vec<f64> = pairs.map(|(low, high)| midpoint(*low, *high)).collect();
            (F8, bytes_of(&midpoints, f64::to_le_bytes))
        }
    };
    let shape = vec![factor.n_groups() as u64];
    if values.n_elements(&dtype) != factor.n_groups() {
        return Err(Error::internal(format!("{:?} has not a label for each group", factor.name)));
    }
    let variable = variable(&factor.name, vec![factor.name.clone()], shape, dtype, attrs);
    let column = Column { variable, is_coordinate: true, values: Arc::new(values) };
    Ok([column].into_iter().chain(bounds).collect())
}

fn midpoint(low: f64, high: f64) -> f64 {
    let sum = low + high;
    if sum.is_finite() { sum / 2.0 } else { low / 2.0 + high / 2.0 }
}

/// The type in which the labels of a plain coordinate are stored, if it is one of integers that all of them fit; components
/// of times are `i8`.
fn stored_type(plan: &Plan, grouper: &Grouper, mut labels: impl Iterator<Item = i128>) -> Option<DataType> {
    if grouper.component.is_some() {
        return None;
    }
    let scope = Scope::at(&plan.manifest.dataset.root, group_of(&plan.path))?;
    let dtype = integer_type(scope.variable(&grouper.coordinate)?);
    let range = match dtype {
        DataType::Int { size, .. } if (1..=8).contains(&size) => {
            let half = 1_i128 << (8 * u32::from(size) - 1);
            -half..half
        }
        DataType::UInt { size, .. } if (1..=8).contains(&size) => 0..1_i128 << (8 * u32::from(size)),
        _ => return None,
    };
    labels.all(|label| range.contains(&label)).then_some(dtype)
}

/// Names the dimension of the ends of intervals, the second of `made` that are no coordinates, as no other dimension is
/// named in the result: some bounds that stay have more than two corners.
pub(super) fn name_ends(plan: &Plan, made: &mut [Column], staying: &[Column]) {
    let is_taken = |dim: &str| {
        let axes = staying.iter().flat_map(|column| column.variable.dims.iter().zip(&column.variable.shape));
        let has_other_len = axes.into_iter().any(|(name, len)| name == dim && *len != 2);
        has_other_len || plan.dims.iter().any(|known| plan.dim_name(known) == dim)
    };
    let Some(ends) = ENDS.into_iter().find(|dim| !is_taken(dim)) else { return };
    for bounds in made.iter_mut().filter(|column| !column.is_coordinate) {
        if let Some(dim) = bounds.variable.dims.get_mut(1) {
            ends.clone_into(dim);
        }
    }
}

fn bounds_of(factor: &Factor, name: &str, edges: &[f64]) -> Column {
    let pairs: Vec<f64> =
        edges.iter().zip(edges.iter().skip(1)).flat_map(|(low, high)| [*low, *high]).collect();
    let dims = vec![factor.name.clone(), ENDS[0].to_owned()];
    let shape = vec![(pairs.len() / 2) as u64, 2];
    Column {
        variable: variable(name, dims, shape, F8, Attributes::new()),
        is_coordinate: false,
        values: Arc::new(bytes_of(&pairs, f64::to_le_bytes)),
    }
}

/// Times in units that say them exactly: those that are asked for, else microseconds since the same date.
fn times(ticks: &[i64], units: &TimeUnits, attrs: &mut Attributes) -> Result<(DataType, ArrayBytes)> {
    if attrs.get("units").is_none() {
        attrs.set("units", Attribute::Text(units.to_string()));
    }
    if attrs.get("calendar").is_none() {
        attrs.set("calendar", Attribute::Text(units.calendar().name().to_owned()));
    }
    if let Some(exact) = exact_numbers(ticks, units) {
        return Ok(exact);
    }
    let unclear = |cause| Error::internal("times have no units in microseconds").with_source(cause);
    let reference = units.reference().map_err(unclear)?;
    let text = format!("microseconds since {reference}");
    let micro = TimeUnits::parse(&text, units.calendar()).map_err(unclear)?;
    attrs.set("units", Attribute::Text(text));
    exact_numbers(ticks, &micro).ok_or_else(|| Error::internal("times that microseconds do not say exactly"))
}

/// Integers if all times are some in the units, else floats; `None` if one of them is another time when it is read.
fn exact_numbers(ticks: &[i64], units: &TimeUnits) -> Option<(DataType, ArrayBytes)> {
    let numbers: Vec<Number> = ticks.iter().map(|ticks| units.encode_ticks(*ticks)).collect();
    let integer = |number: &Number| match number {
        Number::Integer(value) => i64::try_from(*value).ok(),
        Number::Float(_) => None,
    };
    if let Some(integers) = numbers.iter().map(integer).collect::<Option<Vec<i64>>>() {
        return Some((I8, bytes_of(&integers, i64::to_le_bytes)));
    }
    let floats: Vec<f64> = numbers.iter().map(|number| number.as_f64()).collect();
    let is_read =
        |(value, ticks): (&f64, &i64)| units.decode_ticks(Number::Float(*value)).ok() == Some(*ticks);
    let are_read = floats.iter().zip(ticks).all(is_read);
    are_read.then(|| (F8, bytes_of(&floats, f64::to_le_bytes)))
}
