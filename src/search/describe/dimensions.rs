//! The dimensions of data variables, as the STAC extension `datacube` has them.
//!
//! # Source
//! <https://github.com/stac-extensions/datacube/tree/v2.3.0>

use std::collections::HashSet;

use thermocline_model::cf::{Axis, along};
use thermocline_model::{Attributes, Variable};

use super::coordinates::{Coordinates, Values};
use super::place;
use super::steps;
use super::times;
use super::tree::{DataVariable, Tree};
use crate::summary::{CubeDimension, DimensionKind, Value};

/// Most values of a coordinate that are told one by one.
const MAX_VALUES: usize = 64;

/// Most characters of a text that is a value.
const MAX_TEXT: usize = 256;

/// Most dimensions that are told.
const MAX_DIMENSIONS: usize = 1_000;

/// Degrees of latitude and longitude: EPSG code of WGS 84.
const WGS84: &str = "4326";

/// Dimensions of data variables in order of first use.
pub(super) fn of(tree: &Tree<'_>, coordinates: &Coordinates<'_>) -> Vec<CubeDimension> {
    let (mut seen, mut dimensions) = (HashSet::new(), Vec::new());
    for data in &tree.data {
        for (dim, len) in along(data.placed.variable).iter().zip(&data.placed.variable.shape) {
            let name = data.placed.dim_path(dim);
            if dimensions.len() < MAX_DIMENSIONS && seen.insert(name.clone()) {
                dimensions.push(dimension(name, dim, *len, data, coordinates));
            }
        }
    }
    dimensions
}

fn dimension(
    name: String,
    dim: &str,
    len: u64,
    data: &DataVariable<'_>,
    coordinates: &Coordinates<'_>,
) -> CubeDimension {
    let index = data.placed.scope.index_of(dim);
    let index = index.filter(|index| index.shape.first() == Some(&len));
    let told = index.and_then(|index| Some((index, coordinates.values(index)?)));
    let bare = CubeDimension {
        name,
        len,
        kind: DimensionKind::Index,
        extent: len.checked_sub(1).map(|last| [0.0, last as f64]),
        times_us: None,
        step: None,
        step_text: None,
        values: None,
        unit: None,
        description: index.and_then(|index| text(&index.attrs, "long_name")),
    };
    match told {
        Some((index, Values::Times(_))) => of_time(bare, index, data, coordinates),
        Some((index, Values::Texts(texts))) => of_texts(bare, index, &texts),
        Some((index, Values::Numbers(numbers))) => of_numbers(bare, index, data, &numbers.values),
        None => bare,
    }
}

fn of_time(
    bare: CubeDimension,
    index: &Variable,
    data: &DataVariable<'_>,
    coordinates: &Coordinates<'_>,
) -> CubeDimension {
    let Some(axis) = times::axis(index, &data.placed.scope, coordinates) else { return bare };
    CubeDimension {
        kind: DimensionKind::Temporal { calendar: axis.calendar.name().to_owned() },
        extent: None,
        times_us: Some([axis.interval.start_us, axis.interval.end_us]),
        step_text: axis.step_text,
        description: axis
            .interval
            .is_clipped
            .then(|| super::instants::CLIPPED.to_owned())
            .or(bare.description),
        ..bare
    }
}

fn of_texts(bare: CubeDimension, index: &Variable, texts: &[String]) -> CubeDimension {
    let is_told = texts.len() <= MAX_VALUES && texts.iter().all(|text| text.chars().count() <= MAX_TEXT);
    if !is_told {
        return bare;
    }
    let values = texts.iter().map(|text| Value::Text(text.clone())).collect();
    CubeDimension {
        kind: DimensionKind::Other,
        extent: None,
        values: Some(values),
        unit: text(&index.attrs, "units"),
        ..bare
    }
}

fn of_numbers(
    bare: CubeDimension,
    index: &Variable,
    data: &DataVariable<'_>,
    values: &[f64],
) -> CubeDimension {
    let kind = kind(index, data);
    let extent = place::range_of(values);
    if kind == DimensionKind::Index || extent.is_none() {
        return bare;
    }
    let is_horizontal = matches!(kind, DimensionKind::Horizontal { .. });
    let is_told =
        !is_horizontal && values.len() <= MAX_VALUES && values.iter().all(|value| value.is_finite());
    CubeDimension {
        kind,
        extent: extent.map(|(least, most)| [least, most]),
        step: steps::of_numbers(values),
        values: is_told.then(|| values.iter().map(|value| Value::Float(*value)).collect()),
        unit: text(&index.attrs, "units"),
        ..bare
    }
}

/// What a coordinate of numbers means for a data variable.
fn kind(index: &Variable, data: &DataVariable<'_>) -> DimensionKind {
    let horizontal = |axis, reference_system| DimensionKind::Horizontal { axis, reference_system };
    let degrees = data.grid.degrees.as_ref();
    let is_of_cells = degrees.is_some_and(|degrees| {
        degrees.latitude.dims == degrees.longitude.dims && degrees.latitude.dims.contains(&index.name)
    });
    let is_same = |other: &Variable| std::ptr::eq(other, index);
    let plane = data.grid.plane.as_ref();
    let system = || {
        let projection = plane?.projection.as_ref()?;
        let is_degrees = plane?.mapping?.attrs.text("grid_mapping_name") == Some("latitude_longitude");
        Some(if is_degrees { WGS84.to_owned() } else { projection.proj_string() })
    };
    match Axis::of(index) {
        _ if plane.is_some_and(|plane| is_same(plane.x)) => horizontal('x', system()),
        _ if plane.is_some_and(|plane| is_same(plane.y)) => horizontal('y', system()),
        Some(Axis::Latitude) => horizontal('y', Some(WGS84.to_owned())),
        Some(Axis::Longitude) => horizontal('x', Some(WGS84.to_owned())),
        Some(Axis::Vertical) => DimensionKind::Vertical,
        Some(Axis::ProjectedX) if !is_of_cells => horizontal('x', None),
        Some(Axis::ProjectedY) if !is_of_cells => horizontal('y', None),
        _ if is_of_cells => DimensionKind::Index,
        _ => DimensionKind::Other,
    }
}

fn text(attrs: &Attributes, name: &str) -> Option<String> {
    super::attributes::text(attrs, name)
}
