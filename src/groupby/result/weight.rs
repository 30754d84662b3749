//! What a description of a result takes in memory, for caches that are bounded by bytes.

use thermocline_model::{ArrayBytes, Attribute, Attributes, Group, Number, Variable};

use super::Described;

/// Memory of a description and of its manifest without the variable's values, roughly, in bytes.
pub(super) fn len_bytes(described: &Described) -> u64 {
    let names = described.coordinates.iter().chain(described.values.iter().map(|(name, _)| name));
    let values: u64 = described.values.iter().map(|(_, values)| values_bytes(values)).sum();
    // The manifest has variables and attributes of its own.
    2 * root_bytes(&described.root) + text_bytes(names) + values
}

/// Memory of values that a description and its manifest hold, in bytes: numbers are shared, texts are there twice.
pub(crate) fn values_bytes(values: &ArrayBytes) -> u64 {
    match values {
        ArrayBytes::Fixed(bytes) => bytes.len() as u64,
        ArrayBytes::Texts(texts) => 2 * text_bytes(texts),
    }
}

fn root_bytes(root: &Group) -> u64 {
    let variables: u64 = root.variables.iter().map(variable_bytes).sum();
    attributes_bytes(&root.attrs) + text_bytes(root.dims.iter().map(|dim| &dim.name)) + variables
}

fn variable_bytes(variable: &Variable) -> u64 {
    let names = variable.dims.iter().chain([&variable.name, &variable.storage.source_path]);
    // The shapes of the variable, of its stored and of its served chunks.
    let shapes = 3 * size_of_val(variable.shape.as_slice()) as u64;
    size_of::<Variable>() as u64 + text_bytes(names) + shapes + attributes_bytes(&variable.attrs)
}

fn attributes_bytes(attrs: &Attributes) -> u64 {
    let of_one = |(name, attribute): (&str, &Attribute)| {
        let held = match attribute {
            Attribute::Text(text) => text.len() as u64,
            Attribute::Texts(texts) => text_bytes(texts),
            Attribute::Numbers { shape, values, .. } => {
                (size_of_val(shape.as_slice()) + values.len() * size_of::<Number>()) as u64
            }
        };
        (size_of::<(String, Attribute)>() + name.len()) as u64 + held
    };
    attrs.iter().map(of_one).sum()
}

fn text_bytes<'a>(texts: impl IntoIterator<Item = &'a String>) -> u64 {
    texts.into_iter().map(|text| (size_of::<String>() + text.len()) as u64).sum()
}
