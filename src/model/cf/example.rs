//! Variables for tests: names, dimensions and texts, without values.

use crate::{Attribute, Attributes, ByteOrder, DataType, Storage, Variable, Verification};

/// Attributes that are texts.
pub(super) fn texts(pairs: &[(&str, &str)]) -> Attributes {
    pairs.iter().map(|(name, text)| ((*name).to_owned(), Attribute::Text((*text).to_owned()))).collect()
}

/// A variable of `f64` whose dimensions have two positions each.
pub(super) fn variable(name: &str, dims: &[&str], attrs: &[(&str, &str)]) -> Variable {
    let shape = vec![2; dims.len()];
    Variable {
        name: name.to_owned(),
        dims: dims.iter().map(|dim| (*dim).to_owned()).collect(),
        dtype: DataType::Float { size: 8, order: ByteOrder::Little },
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
