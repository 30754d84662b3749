//! Dimensions and variables.
//!
//! # Specification
//! STAC extension `datacube` v2.3.0.

use serde_json::{Map, Value, json};
use thermocline_search::{CubeDimension, CubeVariable, DimensionKind, Summary, VariableRole, instant_text};

use super::json_of;

/// `cube:dimensions`.
pub(super) fn dimensions(summary: &Summary) -> Map<String, Value> {
    summary.dimensions.iter().map(|dimension| (dimension.name.clone(), described(dimension))).collect()
}

/// `cube:variables`.
pub(super) fn variables(summary: &Summary) -> Map<String, Value> {
    summary.variables.iter().map(|variable| (variable.name.clone(), variable_entry(variable))).collect()
}

fn described(dimension: &CubeDimension) -> Value {
    let mut entry = match &dimension.kind {
        DimensionKind::Horizontal { axis, reference_system: Some(system) } if dimension.extent.is_some() => {
            horizontal(dimension, *axis, system)
        }
        DimensionKind::Vertical => with_values(dimension, json!({"type": "spatial", "axis": "z"})),
        DimensionKind::Temporal { calendar } => temporal(dimension, calendar),
        // Without a reference system readers would take the coordinates for longitudes and latitudes.
        DimensionKind::Horizontal { .. } | DimensionKind::Other => {
            with_values(dimension, json!({"type": "other"}))
        }
        DimensionKind::Index => json!({"type": "index", "extent": index_extent(dimension)}),
    };
    if !matches!(dimension.kind, DimensionKind::Temporal { .. }) {
        set(&mut entry, "unit", dimension.unit.as_deref().map(Value::from));
        set(&mut entry, "description", dimension.description.as_deref().map(Value::from));
    }
    entry
}

fn horizontal(dimension: &CubeDimension, axis: char, system: &str) -> Value {
    let system = system.parse::<u32>().map_or_else(|_| Value::from(system), Value::from);
    json!({
        "type": "spatial",
        "axis": axis.to_string(),
        "extent": dimension.extent,
        "step": dimension.step,
        "reference_system": system,
    })
}

fn temporal(dimension: &CubeDimension, calendar: &str) -> Value {
    let extent = dimension.times_us.map_or([None, None], |ends| ends.map(|us| Some(instant_text(us))));
    let calendar = format!("calendar: {calendar}");
    let description = match &dimension.description {
        Some(description) => format!("{description}; {calendar}"),
        None => calendar,
    };
    json!({"type": "temporal", "extent": extent, "step": dimension.step_text, "description": description})
}

/// A dimension with its few values, else its extent, else those of its index.
fn with_values(dimension: &CubeDimension, mut entry: Value) -> Value {
    match (&dimension.values, dimension.extent) {
        (Some(values), _) if !values.is_empty() => {
            set(&mut entry, "values", Some(values.iter().map(json_of).collect()));
        }
        (_, Some(extent)) => {
            set(&mut entry, "extent", Some(json!(extent)));
            set(&mut entry, "step", dimension.step.map(Value::from));
        }
        _ => return json!({"type": "index", "extent": index_extent(dimension)}),
    }
    entry
}

fn index_extent(dimension: &CubeDimension) -> [u64; 2] {
    [0, dimension.len.saturating_sub(1)]
}

fn variable_entry(variable: &CubeVariable) -> Value {
    let role = if variable.role == VariableRole::Data { "data" } else { "auxiliary" };
    let mut entry = json!({"type": role, "dimensions": variable.dimensions});
    let text = |text: &Option<String>| text.as_deref().map(Value::from);
    set(&mut entry, "unit", text(&variable.unit));
    set(&mut entry, "description", text(&variable.long_name));
    set(&mut entry, "data_type", Some(variable.dtype.as_str().into()));
    set(&mut entry, "nodata", variable.nodata.filter(|nodata| nodata.is_finite()).map(Value::from));
    set(&mut entry, "cf:standard_name", text(&variable.standard_name));
    entry
}

fn set(entry: &mut Value, key: &str, value: Option<Value>) {
    if let (Some(value), Value::Object(entry)) = (value, entry) {
        entry.insert(key.to_owned(), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dimension(kind: DimensionKind) -> CubeDimension {
        CubeDimension {
            name: "d".to_owned(),
            len: 4,
            kind,
            extent: None,
            times_us: None,
            step: None,
            step_text: None,
            values: None,
            unit: None,
            description: None,
        }
    }

    #[test]
    fn each_kind_of_dimension_has_its_form() {
        let horizontal = |system: Option<&str>| CubeDimension {
            extent: Some([-88.75, 88.75]),
            step: Some(2.5),
            unit: Some("degrees_north".to_owned()),
            ..dimension(DimensionKind::Horizontal { axis: 'y', reference_system: system.map(str::to_owned) })
        };
        let time = CubeDimension {
            times_us: Some([0, 86_400_000_000]),
            step_text: Some("P1D".to_owned()),
            unit: Some("days since 1970-01-01".to_owned()),
            ..dimension(DimensionKind::Temporal { calendar: "noleap".to_owned() })
        };
        let level = CubeDimension {
            values: Some(vec![
                thermocline_search::Value::Float(1000.0),
                thermocline_search::Value::Integer(500),
            ]),
            unit: Some("hPa".to_owned()),
            ..dimension(DimensionKind::Vertical)
        };
        for (dimension, expected) in [
            (
                horizontal(Some("4326")),
                json!({"type": "spatial", "axis": "y", "extent": [-88.75, 88.75], "step": 2.5,
                "reference_system": 4326, "unit": "degrees_north"}),
            ),
            (
                horizontal(Some("+proj=stere")),
                json!({"type": "spatial", "axis": "y", "extent": [-88.75, 88.75],
                "step": 2.5, "reference_system": "+proj=stere", "unit": "degrees_north"}),
            ),
            (
                horizontal(None),
                json!({"type": "other", "extent": [-88.75, 88.75], "step": 2.5,
                "unit": "degrees_north"}),
            ),
            (
                time,
                json!({"type": "temporal", "extent": ["1970-01-01T00:00:00Z", "1970-01-02T00:00:00Z"],
                "step": "P1D", "description": "calendar: noleap"}),
            ),
            (level, json!({"type": "spatial", "axis": "z", "values": [1000.0, 500], "unit": "hPa"})),
            (dimension(DimensionKind::Index), json!({"type": "index", "extent": [0, 3]})),
            (dimension(DimensionKind::Other), json!({"type": "index", "extent": [0, 3]})),
        ] {
            assert_eq!(described(&dimension), expected);
        }
    }
}
