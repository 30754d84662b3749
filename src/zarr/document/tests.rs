use serde_json::json;
use thermocline_model::{
    Attribute, Attributes, ByteOrder, Codec, DataType, Encoding, Number, NumberType, Storage, Verification,
};

use super::*;
use crate::View;

const F4: DataType = DataType::Float { size: 4, order: ByteOrder::Little };

fn variable(
    name: &str,
    dims: &[&str],
    shape: &[u64],
    chunks: &[u64],
    dtype: DataType,
    codecs: Vec<Codec>,
) -> Variable {
    Variable {
        name: name.into(),
        dims: dims.iter().map(ToString::to_string).collect(),
        shape: shape.to_vec(),
        dtype: dtype.clone(),
        fill: None,
        attrs: Attributes::new(),
        storage: Storage {
            chunk_shape: chunks.to_vec(),
            served_chunk_shape: chunks.to_vec(),
            encodings: vec![Encoding { dtype, codecs }],
            table: 0,
            source_path: name.into(),
        },
        verification: Verification::Unverified { reason: String::new() },
    }
}

/// A root with `tas` and a group `ocean` with `names`.
fn dataset() -> Dataset {
    let packed = vec![Codec::Shuffle { element_size: 4 }, Codec::Zlib { level: 4 }];
    let mut tas = variable("tas", &["time", "lat"], &[5, 4], &[2, 4], F4, packed);
    tas.attrs.set("units", Attribute::Text("°C".into()));
    tas.attrs.set("_FillValue", Attribute::number(NumberType::F32, Number::Float(f64::from(1e20_f32))));
    let names = variable("names", &["n", "len"], &[3, 8], &[3, 8], DataType::Char, vec![]);
    let mut dataset = Dataset::default();
    dataset.root.attrs.set("title", Attribute::Text("t".into()));
    dataset.root.variables.push(tas);
    let ocean = Group { name: "ocean".into(), variables: vec![names], ..Group::default() };
    dataset.root.groups.push(ocean);
    dataset
}

fn find(view: View, path: &str, kind: DocumentKind) -> Option<Value> {
    let dataset = dataset();
    document(&Hierarchy::new(&dataset, view), &dataset, path, kind)
}

#[test]
fn a_shuffled_and_deflated_array_in_format_2() {
    let expected = json!({
        "zarr_format": 2, "shape": [5, 4], "chunks": [2, 4], "dtype": "<f4",
        "fill_value": f64::from(1e20_f32), "order": "C",
        "filters": [{"id": "shuffle", "elementsize": 4}], "compressor": {"id": "zlib", "level": 4},
        "dimension_separator": ".",
    });
    assert_eq!(find(View::V2, "tas", DocumentKind::Zarray), Some(expected));
    let attributes = json!({"units": "°C", "_ARRAY_DIMENSIONS": ["time", "lat"]});
    assert_eq!(find(View::V2, "tas", DocumentKind::Zattrs), Some(attributes));
}

#[test]
fn a_shuffled_and_deflated_array_in_format_3() {
    let expected = json!({
        "zarr_format": 3, "node_type": "array", "shape": [5, 4], "data_type": "float32",
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [2, 4]}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": 0.0,
        "codecs": [
            {"name": "bytes", "configuration": {"endian": "little"}},
            {"name": "numcodecs.shuffle", "configuration": {"elementsize": 4}},
            {"name": "numcodecs.zlib", "configuration": {"level": 4}},
        ],
        "dimension_names": ["time", "lat"],
        "attributes": {"units": "°C", "_FillValue": "AAAAgB2vFUQ="},
    });
    assert_eq!(find(View::V3, "tas", DocumentKind::ZarrJson), Some(expected));
}

#[test]
fn the_core_view_replaces_codecs_that_are_not_core() {
    let node = find(View::Core, "tas", DocumentKind::ZarrJson).unwrap();
    let names: Vec<&str> =
        node["codecs"].as_array().unwrap().iter().map(|codec| codec["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["bytes", "blosc"]);
}

#[test]
fn characters_keep_their_dimension_in_format_2_and_are_joined_in_format_3() {
    let zarray = find(View::V2, "ocean/names", DocumentKind::Zarray).unwrap();
    assert_eq!((&zarray["dtype"], &zarray["shape"]), (&json!("|S1"), &json!([3, 8])));
    let node = find(View::V3, "ocean/names", DocumentKind::ZarrJson).unwrap();
    assert_eq!((&node["data_type"], &node["shape"]), (&json!("string"), &json!([3])));
    assert_eq!(node["dimension_names"], json!(["n"]));
    assert_eq!(node["codecs"][0], json!({"name": "vlen-utf8"}));
}

#[test]
fn consolidated_metadata_are_the_sum_of_the_documents() {
    let dataset = dataset();
    let v2 = Hierarchy::new(&dataset, View::V2);
    let whole = document(&v2, &dataset, "", DocumentKind::Zmetadata).unwrap();
    let keys: Vec<&String> = whole["metadata"].as_object().unwrap().keys().collect();
    assert_eq!(
        keys,
        [
            ".zgroup",
            ".zattrs",
            "tas/.zarray",
            "tas/.zattrs",
            "ocean/.zgroup",
            "ocean/.zattrs",
            "ocean/names/.zarray",
            "ocean/names/.zattrs",
        ]
    );
    let v3 = Hierarchy::new(&dataset, View::V3);
    let root = document(&v3, &dataset, "", DocumentKind::ZarrJson).unwrap();
    let nodes = root["consolidated_metadata"]["metadata"].as_object().unwrap();
    for (path, node) in nodes {
        let mut own = document(&v3, &dataset, path, DocumentKind::ZarrJson).unwrap();
        own.as_object_mut().unwrap().remove("consolidated_metadata");
        assert_eq!(&own, node, "{path}");
    }
    assert_eq!(nodes.len(), 3);
}

#[test]
fn a_node_has_only_the_documents_of_its_sort_and_format() {
    for (view, path, kind) in [
        (View::V2, "tas", DocumentKind::Zgroup),
        (View::V2, "tas", DocumentKind::Zmetadata),
        (View::V2, "ocean", DocumentKind::Zarray),
        (View::V2, "", DocumentKind::ZarrJson),
        (View::V3, "", DocumentKind::Zattrs),
        (View::V2, "nope", DocumentKind::Zattrs),
    ] {
        assert_eq!(find(view, path, kind), None, "{view:?} {path} {kind:?}");
    }
    assert_eq!(find(View::V2, "ocean", DocumentKind::Zgroup), Some(json!({"zarr_format": 2})));
}
