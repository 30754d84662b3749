use std::collections::BTreeMap;

use super::super::hierarchy::{MetadataLimits, hierarchy_v2};
use super::*;
use serde_json::{Value, json};

const LIMITS: MetadataLimits =
    MetadataLimits { depth: 8, n_nodes: 100, n_codecs: 8, chunk_bytes: 1 << 20, n_chunks: 1 << 20 };

fn zarray(shape: Value, dtype: Value) -> Value {
    json!({"zarr_format": 2, "shape": shape, "chunks": shape, "dtype": dtype, "order": "C", "fill_value": null})
}

fn dataset(documents: &[(&str, Value)]) -> Dataset {
    let documents: BTreeMap<String, Value> =
        documents.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
    let store = hierarchy_v2(&documents, &LIMITS);
    let mut builder = DatasetBuilder::new(&store);
    for (path, node) in &store.nodes {
        if let NodeMetadata::Array(array) = node {
            builder.array(path, array, 0);
        }
    }
    builder.build()
}

#[test]
fn groups_nest_and_inherit_dimensions() {
    let dims = json!({"_ARRAY_DIMENSIONS": ["x"]});
    let dataset = dataset(&[
        (".zgroup", json!({"zarr_format": 2})),
        ("a/.zarray", zarray(json!([3]), json!("<f4"))),
        ("a/.zattrs", dims.clone()),
        ("g/h/b/.zarray", zarray(json!([3]), json!("<f4"))),
        ("g/h/b/.zattrs", dims.clone()),
        ("g/h/c/.zarray", zarray(json!([4]), json!("<f4"))),
        ("g/h/c/.zattrs", dims),
    ]);
    assert_eq!(dataset.root.dims.len(), 1);
    let below = dataset.root.group("g/h").unwrap();
    assert_eq!(below.variables.len(), 2);
    assert_eq!(below.dims, [Dimension { name: "x".to_owned(), len: 4, is_unlimited: false }]);
}

#[test]
fn dimensions_of_two_lengths_in_a_group_are_noted() {
    let dims = json!({"_ARRAY_DIMENSIONS": ["x"]});
    let dataset = dataset(&[
        ("a/.zarray", zarray(json!([3]), json!("<f4"))),
        ("a/.zattrs", dims.clone()),
        ("b/.zarray", zarray(json!([4]), json!("<f4"))),
        ("b/.zattrs", dims),
    ]);
    assert_eq!(dataset.notes.len(), 1);
    assert_eq!(dataset.notes[0].path, "b");
}

#[test]
fn axes_without_names_get_one_per_length() {
    let dataset = dataset(&[
        ("a/.zarray", zarray(json!([3, 5]), json!("<f4"))),
        ("b/.zarray", zarray(json!([5, 5]), json!("<f4"))),
    ]);
    assert_eq!(dataset.root.variables[0].dims, ["phony_dim_0", "phony_dim_1"]);
    assert_eq!(dataset.root.variables[1].dims, ["phony_dim_1", "phony_dim_2"]);
}

#[test]
fn records_make_one_variable_a_member() {
    let dataset =
        dataset(&[("wind/.zarray", zarray(json!([3]), json!([["u", "<f4"], ["v", "<i2"], ["n", "<U2"]])))]);
    let names: Vec<&str> = dataset.root.variables.iter().map(|variable| variable.name.as_str()).collect();
    assert_eq!(names, ["wind.u", "wind.v"]);
    let codecs = &dataset.root.variables[1].storage.encodings[0].codecs;
    assert_eq!(codecs, &[Codec::Member { record_size: 14, offset: 4, size: 2 }]);
    assert_eq!(dataset.refusals[0].path, "wind.n");
}

#[test]
fn names_that_mean_something_to_zarr_are_refused() {
    let dataset = dataset(&[
        ("__a/.zarray", zarray(json!([3]), json!("<f4"))),
        ("../b/.zarray", zarray(json!([3]), json!("<f4"))),
        ("zarr.json/.zgroup", json!({"zarr_format": 2})),
    ]);
    assert!(dataset.root.variables.is_empty() && dataset.root.groups.is_empty());
    assert_eq!(dataset.refusals.len(), 2);
}

#[test]
fn too_many_or_too_deep_nodes_are_left_out() {
    let deep = format!("{}.zgroup", "a/".repeat(20));
    assert_eq!(dataset(&[(&deep, json!({"zarr_format": 2}))]).root, Group::default());
    let many: Vec<(String, Value)> =
        (0..200).map(|i| (format!("g{i}/.zgroup"), json!({"zarr_format": 2}))).collect();
    let many: Vec<(&str, Value)> = many.iter().map(|(key, value)| (key.as_str(), value.clone())).collect();
    let dataset = dataset(&many);
    assert!(dataset.root.groups.len() <= 100);
    assert_eq!(dataset.refusals.len(), 1);
}
