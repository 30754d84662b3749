use std::collections::BTreeSet;

use thermocline_model::{ByteOrder, DataType, DatasetId, Encoding, Refusal, Storage, Verification};

use super::*;
use crate::ErrorKind;
use crate::catalog::SourceSpec;

fn variable(name: &str, dims: &[&str], attrs: &[(&str, &str)]) -> Variable {
    let dtype = DataType::Int { size: 2, order: ByteOrder::Little };
    Variable {
        name: name.to_owned(),
        dims: dims.iter().map(|dim| (*dim).to_owned()).collect(),
        shape: vec![1; dims.len()],
        dtype: dtype.clone(),
        fill: None,
        attrs: attrs
            .iter()
            .map(|(name, text)| ((*name).to_owned(), Attribute::Text((*text).to_owned())))
            .collect(),
        storage: Storage {
            chunk_shape: vec![1; dims.len()],
            served_chunk_shape: vec![1; dims.len()],
            encodings: vec![Encoding { dtype, codecs: vec![] }],
            table: 0,
            source_path: String::new(),
        },
        verification: Verification::Verified { n_chunks: 1 },
    }
}

fn dimension(name: &str, len: u64) -> Dimension {
    Dimension { name: name.to_owned(), len, is_unlimited: false }
}

fn refusal(path: &str) -> Refusal {
    Refusal { path: path.to_owned(), reason: "opaque".to_owned(), dtype: String::new(), shape: vec![] }
}

/// `/`: x, lat, lon, tas(lat), pr; `/ocean`: time, temp(time, lat); `/ocean/deep`: salt.
fn dataset() -> Dataset {
    let deep =
        Group { name: "deep".to_owned(), variables: vec![variable("salt", &["x"], &[])], ..Group::default() };
    let ocean = Group {
        name: "ocean".to_owned(),
        dims: vec![dimension("time", 3), dimension("x", 9)],
        variables: vec![variable("time", &["time"], &[]), variable("temp", &["time", "lat"], &[])],
        groups: vec![deep],
        ..Group::default()
    };
    let root = Group {
        dims: vec![dimension("lat", 2), dimension("x", 5)],
        variables: vec![
            variable("lat", &["lat"], &[("bounds", "lat_bnds")]),
            variable("lat_bnds", &["lat"], &[]),
            variable("height", &[], &[]),
            variable("tas", &["lat"], &[("coordinates", "height gone"), ("units", "K")]),
            variable("pr", &["lat"], &[]),
        ],
        groups: vec![ocean],
        ..Group::default()
    };
    let refusals = vec![refusal("ocean/blob"), refusal("oceanic"), refusal("other")];
    let notes = vec![Note { path: "ocean/temp@x".to_owned(), note: "left out".to_owned() }];
    Dataset { root, objects: vec![], refusals, notes }
}

fn spec() -> DatasetSpec {
    DatasetSpec::new(DatasetId::new("a").unwrap(), SourceSpec::Object("/a.nc".to_owned()), "test")
}

fn paths(dataset: &Dataset) -> BTreeSet<String> {
    dataset.root.variables_below().into_iter().map(|(path, _)| path).collect()
}

fn set_of(paths: &[&str]) -> BTreeSet<String> {
    paths.iter().map(|path| (*path).to_owned()).collect()
}

#[test]
fn a_group_as_root_keeps_the_dimensions_of_its_parents() {
    let spec = DatasetSpec { group: Some("/ocean/deep".to_owned()), ..spec() };
    let dataset = apply(dataset(), &spec).unwrap();

    assert_eq!(paths(&dataset), set_of(&["salt"]));
    let dims: BTreeSet<(&str, u64)> =
        dataset.root.dims.iter().map(|dim| (dim.name.as_str(), dim.len)).collect();
    assert_eq!(dims, BTreeSet::from([("lat", 2), ("time", 3), ("x", 9)]));
    assert_eq!(dataset.root.name, "");
}

#[test]
fn a_group_as_root_keeps_what_is_said_of_it_under_its_new_path() {
    let spec = DatasetSpec { group: Some("ocean".to_owned()), ..spec() };
    let dataset = apply(dataset(), &spec).unwrap();

    assert_eq!(dataset.refusals.iter().map(|r| r.path.as_str()).collect::<Vec<_>>(), ["blob"]);
    assert_eq!(dataset.notes.iter().map(|n| n.path.as_str()).collect::<Vec<_>>(), ["temp@x"]);
}

#[test]
fn a_group_that_does_not_exist_is_refused_with_those_that_do() {
    let spec = DatasetSpec { group: Some("/ocean/abyss".to_owned()), ..spec() };
    let error = apply(dataset(), &spec).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(error.to_string().contains("\"deep\""), "{error}");
}

#[test]
fn chosen_variables_come_with_their_coordinates_and_bounds() {
    let spec = DatasetSpec { variables: Some(vec!["tas".to_owned()]), ..spec() };
    let dataset = apply(dataset(), &spec).unwrap();
    assert_eq!(paths(&dataset), set_of(&["tas", "lat", "lat_bnds", "height"]));
}

#[test]
fn a_chosen_variable_of_a_group_comes_with_coordinates_of_its_parents() {
    let spec = DatasetSpec { variables: Some(vec!["/ocean/temp".to_owned()]), ..spec() };
    let dataset = apply(dataset(), &spec).unwrap();
    assert_eq!(paths(&dataset), set_of(&["ocean/temp", "ocean/time", "lat", "lat_bnds"]));
}

#[test]
fn a_chosen_variable_that_the_source_lacks_is_noted() {
    let spec = DatasetSpec { variables: Some(vec!["tasmax".to_owned()]), ..spec() };
    let dataset = apply(dataset(), &spec).unwrap();
    assert!(dataset.notes.iter().any(|note| note.path == "tasmax"));
}

#[test]
fn excluded_variables_are_left_out() {
    let spec = DatasetSpec { exclude_variables: vec!["pr".to_owned(), "ocean/temp".to_owned()], ..spec() };
    let dataset = apply(dataset(), &spec).unwrap();
    assert_eq!(
        paths(&dataset),
        set_of(&["lat", "lat_bnds", "height", "tas", "ocean/time", "ocean/deep/salt"])
    );
}

fn change(variable: Option<&str>, name: &str, value: Option<Attribute>) -> AttributeOverride {
    AttributeOverride { variable: variable.map(str::to_owned), name: name.to_owned(), value }
}

#[test]
fn attributes_are_set_and_removed() {
    let attributes = [
        change(None, "title", Some(Attribute::Text("T".to_owned()))),
        change(Some("tas"), "units", None),
        change(Some("nope"), "units", None),
    ];
    let spec = DatasetSpec { attributes: attributes.into(), ..spec() };
    let dataset = apply(dataset(), &spec).unwrap();
    assert_eq!(dataset.root.attrs.text("title"), Some("T"));
    assert_eq!(dataset.root.variable("tas").unwrap().attrs.get("units"), None);
    assert!(dataset.notes.iter().any(|note| note.path == "nope"));
}

#[test]
fn a_fill_value_has_the_type_of_its_variable() {
    let value = Some(Attribute::number(NumberType::F64, Number::Float(-999.0)));
    let spec = DatasetSpec { attributes: vec![change(Some("tas"), "_FillValue", value)].into(), ..spec() };
    let dataset = apply(dataset(), &spec).unwrap();
    let expected = Attribute::number(NumberType::I16, Number::Integer(-999));
    assert_eq!(dataset.root.variable("tas").unwrap().attrs.get("_FillValue"), Some(&expected));
}

#[test]
fn a_fill_value_that_its_variable_cannot_hold_is_refused() {
    for value in [Number::Float(0.5), Number::Integer(40_000)] {
        let value = Some(Attribute::number(NumberType::F64, value));
        let spec =
            DatasetSpec { attributes: vec![change(Some("tas"), "_FillValue", value)].into(), ..spec() };
        assert_eq!(apply(dataset(), &spec).unwrap_err().kind(), ErrorKind::Refused);
    }
}
