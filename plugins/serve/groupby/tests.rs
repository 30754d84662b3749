//! What tests of this plugin share.

mod serving;

use std::sync::Arc;

use thermocline_groupby::Described;
use thermocline_model::{
    ArrayBytes, Attribute, Attributes, ByteOrder, DataType, Group, Storage, Variable, Verification,
};

fn variable(name: &str, dims: &[(&str, u64)], dtype: DataType, attrs: &[(&str, &str)]) -> Variable {
    let shape: Vec<u64> = dims.iter().map(|(_, len)| *len).collect();
    Variable {
        name: name.to_owned(),
        dims: dims.iter().map(|(dim, _)| (*dim).to_owned()).collect(),
        dtype,
        fill: None,
        attrs: texts(attrs),
        storage: Storage {
            chunk_shape: shape.clone(),
            served_chunk_shape: shape.clone(),
            encodings: Vec::new(),
            table: 0,
            source_path: String::new(),
        },
        shape,
        verification: Verification::Unverified { reason: String::new() },
    }
}

fn texts(attrs: &[(&str, &str)]) -> Attributes {
    attrs.iter().map(|(name, value)| ((*name).to_owned(), Attribute::Text((*value).to_owned()))).collect()
}

fn floats(values: &[f32]) -> Arc<ArrayBytes> {
    Arc::new(ArrayBytes::Fixed(values.iter().flat_map(|value| value.to_le_bytes()).collect()))
}

/// `tas(month, time)` with a scalar coordinate, a time that is missing, and what is not finite.
pub(crate) fn result() -> (Described, Arc<ArrayBytes>) {
    let order = ByteOrder::Little;
    let (f4, f8, i8) = (
        DataType::Float { size: 4, order },
        DataType::Float { size: 8, order },
        DataType::Int { size: 8, order },
    );
    let times = [59.0, f64::NAN, 59.5];
    let described = Described {
        root: Group {
            attrs: texts(&[("title", "toy")]),
            variables: vec![
                variable("month", &[("month", 2)], i8, &[]),
                variable(
                    "time",
                    &[("time", 3)],
                    f8,
                    &[("units", "days since 2001-01-01"), ("calendar", "noleap")],
                ),
                variable("height", &[], f4.clone(), &[("units", "m")]),
                variable(
                    "tas",
                    &[("month", 2), ("time", 3)],
                    f4,
                    &[("units", "K"), ("coordinates", "height")],
                ),
            ],
            ..Group::default()
        },
        variable: "tas".to_owned(),
        coordinates: vec!["month".to_owned(), "time".to_owned(), "height".to_owned()],
        values: vec![
            (
                "month".to_owned(),
                Arc::new(ArrayBytes::Fixed([1_i64, 2].iter().flat_map(|n| n.to_le_bytes()).collect())),
            ),
            (
                "time".to_owned(),
                Arc::new(ArrayBytes::Fixed(times.iter().flat_map(|n| n.to_le_bytes()).collect())),
            ),
            ("height".to_owned(), floats(&[2.0])),
        ],
    };
    (described, floats(&[1.5, f32::NAN, f32::INFINITY, 4.0, 5.0, 6.0]))
}
