//! Attributes and names, from the bytes of the header to the model.

use thermocline_model::{ArrayBytes, Attribute, Number, NumberType, netcdf_default_fill};

use crate::header::{ExternalType, HeaderAttribute};

/// Text of the file: UTF-8 as the format demands, Latin-1 where an old program wrote that.
pub(crate) fn text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|byte| char::from(*byte)).collect(),
    }
}

/// A name of the file: it ends at the first NUL, where libnetcdf's C strings end.
pub(crate) fn name(bytes: &[u8]) -> String {
    text(bytes.split(|byte| *byte == 0).next().unwrap_or_default())
}

/// The value of an attribute, with the type that the file gave it.
pub(crate) fn value(attribute: &HeaderAttribute) -> Attribute {
    if attribute.kind == ExternalType::Char {
        return characters(attribute);
    }
    let values: Vec<Number> = attribute
        .bytes
        .chunks_exact(attribute.kind.len_bytes() as usize)
        .map(|b| number(attribute.kind, b))
        .collect();
    let shape = if values.len() == 1 { Vec::new() } else { vec![values.len() as u64] };
    Attribute::Numbers { dtype: number_type(attribute.kind), shape, values }
}

/// Text without its NULs, as netCDF4-python gives it; a `_FillValue` is one byte and stays what it is.
fn characters(attribute: &HeaderAttribute) -> Attribute {
    if name(&attribute.name) == "_FillValue" && attribute.bytes.len() == 1 {
        return Attribute::Text(attribute.bytes.iter().map(|byte| char::from(*byte)).collect());
    }
    let bytes: Vec<u8> = attribute.bytes.iter().copied().filter(|byte| *byte != 0).collect();
    Attribute::Text(text(&bytes))
}

fn number_type(kind: ExternalType) -> NumberType {
    match kind {
        ExternalType::Byte => NumberType::I8,
        ExternalType::Short => NumberType::I16,
        ExternalType::Int => NumberType::I32,
        ExternalType::Int64 => NumberType::I64,
        ExternalType::Char | ExternalType::UByte => NumberType::U8,
        ExternalType::UShort => NumberType::U16,
        ExternalType::UInt => NumberType::U32,
        ExternalType::UInt64 => NumberType::U64,
        ExternalType::Float => NumberType::F32,
        ExternalType::Double => NumberType::F64,
    }
}

/// One big-endian number; `bytes` has the length of its type.
fn number(kind: ExternalType, bytes: &[u8]) -> Number {
    let bits = bytes.iter().fold(0_u64, |value, byte| value << 8 | u64::from(*byte));
    match kind {
        ExternalType::Byte => Number::Integer(i128::from(bits as u8 as i8)),
        ExternalType::Short => Number::Integer(i128::from(bits as u16 as i16)),
        ExternalType::Int => Number::Integer(i128::from(bits as u32 as i32)),
        ExternalType::Int64 => Number::Integer(i128::from(bits as i64)),
        ExternalType::Char
        | ExternalType::UByte
        | ExternalType::UShort
        | ExternalType::UInt
        | ExternalType::UInt64 => Number::Integer(i128::from(bits)),
        ExternalType::Float => Number::Float(f64::from(f32::from_bits(bits as u32))),
        ExternalType::Double => Number::Float(f64::from_bits(bits)),
    }
}

/// What never-written elements read as: `_FillValue` where it fits, else libnetcdf's own, else zeros.
pub(crate) fn fill(kind: ExternalType, attributes: &[HeaderAttribute]) -> ArrayBytes {
    attributes
        .iter()
        .find(|attribute| name(&attribute.name) == "_FillValue")
        .filter(|attribute| attribute.kind == kind && attribute.bytes.len() as u64 == kind.len_bytes())
        .map(|attribute| ArrayBytes::Fixed(attribute.bytes.clone()))
        .or_else(|| netcdf_default_fill(&kind.data_type()))
        .unwrap_or_else(|| ArrayBytes::Fixed(vec![0; kind.len_bytes() as usize]))
}
