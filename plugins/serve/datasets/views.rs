//! The JSON views of a group: `keys`, `dict`, `info`.

use serde_json::{Map, Value, json};
use thermocline_model::Group;
use thermocline_zarr::attributes_json;

use crate::decoded::{DecodedGroup, DecodedVariable, name_of};

/// Names of data variables, then of coordinates.
pub(crate) fn keys(decoded: &DecodedGroup) -> Value {
    decoded.data_vars().chain(decoded.coords()).map(|variable| variable.name.as_str()).collect()
}

/// As `xarray.Dataset.to_dict(data=False)`; `xpublish_id` goes to `attrs._xpublish_id`.
pub(crate) fn dict(decoded: &DecodedGroup, xpublish_id: &str) -> Value {
    let mut attrs = attributes_json(&decoded.attrs, &[]);
    attrs.insert("_xpublish_id".to_owned(), xpublish_id.into());
    json!({
        "coords": variables(decoded.coords()),
        "attrs": attrs,
        "dims": dims(&decoded.dims),
        "data_vars": variables(decoded.data_vars()),
    })
}

/// The group as it is stored: numbers of times with `units`, packed integers with `scale_factor`.
pub(crate) fn info(group: &Group) -> Value {
    let mut dimensions = Map::new();
    let mut variables = Map::new();
    for variable in &group.variables {
        for (name, length) in variable.dims.iter().zip(&variable.shape) {
            dimensions.entry(name.clone()).or_insert_with(|| (*length).into());
        }
        variables.insert(
            variable.name.clone(),
            json!({
                "type": name_of(&variable.dtype),
                "dimensions": variable.dims,
                "attributes": attributes_json(&variable.attrs, &[]),
            }),
        );
    }
    json!({"dimensions": dimensions, "variables": variables, "global_attributes": attributes_json(&group.attrs, &[])})
}

/// The same with decoded types and attributes.
pub(crate) fn decoded_info(decoded: &DecodedGroup) -> Value {
    let variables: Map<String, Value> = decoded
        .variables
        .iter()
        .map(|variable| {
            let described = json!({
                "type": variable.dtype,
                "dimensions": variable.dims,
                "attributes": attributes_json(&variable.attrs, &[]),
            });
            (variable.name.clone(), described)
        })
        .collect();
    json!({
        "dimensions": dims(&decoded.dims),
        "variables": variables,
        "global_attributes": attributes_json(&decoded.attrs, &[]),
    })
}

/// Paths of all groups, the root `/` first.
pub(crate) fn groups(root: &Group) -> Value {
    let mut paths = Vec::new();
    root.visit(&mut |path, _| paths.push(Value::String(format!("/{path}"))));
    Value::Array(paths)
}

fn variables<'a>(variables: impl Iterator<Item = &'a DecodedVariable>) -> Map<String, Value> {
    let described = variables.map(|variable| {
        let DecodedVariable { name, dims, attrs, dtype, shape, .. } = variable;
        (
            name.clone(),
            json!({"dims": dims, "attrs": attributes_json(attrs, &[]), "dtype": dtype, "shape": shape}),
        )
    });
    described.collect()
}

fn dims(dims: &[(String, u64)]) -> Map<String, Value> {
    dims.iter().map(|(name, length)| (name.clone(), (*length).into())).collect()
}
