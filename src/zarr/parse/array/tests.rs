use super::*;
use serde_json::json;
use thermocline_model::{Number, NumberType};

fn zarray(changes: Value) -> Value {
    let mut document = json!({
        "zarr_format": 2, "shape": [4, 6], "chunks": [2, 3], "dtype": "<i2", "order": "C",
        "fill_value": null, "filters": null, "compressor": null,
    });
    for (name, value) in changes.as_object().unwrap() {
        document[name] = value.clone();
    }
    document
}

fn zarr_json(changes: Value) -> Value {
    let mut document = json!({
        "zarr_format": 3, "node_type": "array", "shape": [4, 6], "data_type": "float32",
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [2, 3]}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": "NaN", "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}],
        "attributes": {},
    });
    for (name, value) in changes.as_object().unwrap() {
        document[name] = value.clone();
    }
    document
}

#[test]
fn a_version_2_fill_value_is_what_xarray_masks() {
    let array = array_v2(&zarray(json!({"fill_value": -9})), None).unwrap();
    let expected = Attribute::number(NumberType::I16, Number::Integer(-9));
    assert_eq!(array.attrs.get("_FillValue"), Some(&expected));
    let null = array_v2(&zarray(json!({})), None).unwrap();
    assert_eq!(null.attrs.get("_FillValue"), None);
}

#[test]
fn dimensions_of_version_2_are_an_attribute_that_is_not_shown() {
    let zattrs = json!({"_ARRAY_DIMENSIONS": ["y", "x"], "units": "K"});
    let array = array_v2(&zarray(json!({})), Some(&zattrs)).unwrap();
    assert_eq!(array.dims, [Some("y".to_owned()), Some("x".to_owned())]);
    assert_eq!(array.attrs.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["units"]);
    let wrong = json!({"_ARRAY_DIMENSIONS": ["y"]});
    assert_eq!(array_v2(&zarray(json!({})), Some(&wrong)).unwrap().dims, [None, None]);
}

#[test]
fn version_3_has_its_own_fill_and_xarray_another() {
    let document = zarr_json(json!({
        "attributes": {"_FillValue": "AAAAgB2vFUQ="}, "dimension_names": ["y", null],
    }));
    let array = array_v3(&document).unwrap();
    assert_eq!(
        array.attrs.get("_FillValue").and_then(Attribute::as_number),
        Some(Number::Float(f64::from(1e20_f32)))
    );
    let Elements::Plain { fill: Some(ArrayBytes::Fixed(fill)), .. } = &array.elements else { unreachable!() };
    assert_eq!(fill, &f32::NAN.to_le_bytes());
    assert_eq!(array.dims, [Some("y".to_owned()), None]);
    assert_eq!(array.keys.key(&[1, 0]), "c/1/0");
}

#[test]
fn records_become_members() {
    let dtype = json!([["a", "<i2"], ["t", "<U3"], ["b", ">f8"]]);
    let array = array_v2(&zarray(json!({"dtype": dtype})), None).unwrap();
    let Elements::Record { size, members } = &array.elements else { unreachable!() };
    assert_eq!(*size, 22);
    assert_eq!(members[1].dtype, None);
    assert_eq!(
        (members[2].offset, members[2].dtype.clone()),
        (14, Some(DataType::Float { size: 8, order: ByteOrder::Big }))
    );
}

#[test]
fn what_cannot_be_right_is_refused() {
    for changes in [
        json!({"zarr_format": 3}),
        json!({"shape": [4]}),
        json!({"chunks": [0, 3]}),
        json!({"shape": [u64::MAX, u64::MAX], "chunks": [1, 1]}),
        json!({"shape": [-1, 2]}),
        json!({"dtype": "<i3"}),
        json!({"dtype": "|O"}),
        json!({"filters": [{"id": "vlen-utf8"}]}),
        json!({"fill_value": "x"}),
        json!({"dimension_separator": "-"}),
    ] {
        assert!(array_v2(&zarray(changes.clone()), None).is_err(), "{changes}");
    }
    for changes in [
        json!({"chunk_grid": {"name": "rectangular"}}),
        json!({"chunk_key_encoding": {"name": "sha"}}),
        json!({"codecs": []}),
        json!({"data_type": "string"}),
        json!({"storage_transformers": [{"name": "x"}]}),
        json!({"extra": {"name": "x"}}),
    ] {
        assert!(array_v3(&zarr_json(changes.clone())).is_err(), "{changes}");
    }
    assert!(array_v3(&zarr_json(json!({"extra": {"must_understand": false}}))).is_ok());
}

#[test]
fn times_have_units_and_not_a_time_as_fill() {
    let array = array_v2(&zarray(json!({"dtype": "<M8[ns]", "fill_value": "NaT"})), None).unwrap();
    assert_eq!(array.attrs.text("units"), Some("nanoseconds since 1970-01-01"));
    let nat = Attribute::number(NumberType::I64, Number::Integer(i128::from(i64::MIN)));
    assert_eq!(array.attrs.get("_FillValue"), Some(&nat));
}
