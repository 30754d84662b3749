//! Attributes as they are shown, in every type that has a counterpart.

use thermocline_codec::{ChunkSpec, decode};
use thermocline_core::{Error, Result};
use thermocline_model::{
    ArrayBytes, Attribute, Attributes, ByteOrder, DataType, Note, Number, NumberType, StringPadding,
};

use super::{RawAttribute, RawValue};
use crate::cursor::text;
use crate::datatype::{Class, Datatype};
use crate::file::File;
use crate::mapping::{Dialect, leaves};
use crate::messages::Dataspace;
use crate::storage::is_fault_of_file;

/// Attributes that belong to the machinery of HDF5 and netCDF-4 and are not shown.
const MACHINERY: [&str; 8] = [
    "DIMENSION_LIST",
    "REFERENCE_LIST",
    "CLASS",
    "NAME",
    "_Netcdf4Dimid",
    "_Netcdf4Coordinates",
    "_nc3_strict",
    "_NCProperties",
];

/// Attributes without which values are decoded to other ones: a variable that lacks one of them for damage
/// must not be served.
///
/// # Source
/// CF Conventions 1.11, sections 2.5.1, 3.1, 4.4 and 8.1; netCDF Users Guide, appendix A.
const DECODING: [&str; 12] = [
    "_FillValue",
    "missing_value",
    "scale_factor",
    "add_offset",
    "units",
    "calendar",
    "_Unsigned",
    "_Encoding",
    "valid_range",
    "valid_min",
    "valid_max",
    "dtype",
];

/// The attributes to show.
pub(crate) struct ShownAttributes {
    pub(crate) attributes: Attributes,
    /// What is wrong with attributes that decide what the values mean.
    pub(crate) damage: Option<String>,
}

/// The attributes to show, and notes on those that are left out.
pub(crate) fn shown(
    file: &File,
    path: &str,
    raw: &[RawAttribute],
    notes: &mut Vec<Note>,
) -> Result<ShownAttributes> {
    let mut shown = ShownAttributes { attributes: Attributes::new(), damage: None };
    for attribute in raw.iter().filter(|attribute| !attribute.is_machinery()) {
        let name = attribute.name.as_deref().unwrap_or("?");
        let note_path = format!("{path}@{name}");
        let value = match &attribute.value {
            Ok(value) => shown_value(file, value),
            Err(reason) => Err(Error::corrupt(reason.clone())),
        };
        match value {
            Ok(Shown { value, is_latin1 }) => {
                if is_latin1 {
                    notes.push(Note {
                        path: note_path,
                        note: "is not UTF-8 and was decoded as Latin-1".to_owned(),
                    });
                }
                shown.attributes.set(name, value);
            }
            Err(error) if is_fault_of_file(&error) => {
                if shown.damage.is_none() && attribute.is_damaged_decoding() {
                    shown.damage = Some(format!("its attribute {name} cannot be read: {error}"));
                }
                notes.push(Note { path: note_path, note: format!("is left out: {error}") });
            }
            Err(error) => return Err(error),
        }
    }
    Ok(shown)
}

impl RawAttribute {
    fn is_machinery(&self) -> bool {
        self.name.as_deref().is_some_and(|name| MACHINERY.contains(&name))
    }

    /// True if a value that cannot be shown may be one that others need to decode values: not if its type
    /// has no counterpart, as that of the fill value of a record.
    fn is_damaged_decoding(&self) -> bool {
        let may_decode = self.name.as_deref().is_none_or(|name| DECODING.contains(&name));
        may_decode && self.value.as_ref().map_or(true, |value| is_expressible(&value.datatype))
    }
}

/// True if attributes of a type are shown: texts and single numbers.
fn is_expressible(datatype: &Datatype) -> bool {
    match leaves(datatype, Dialect::Hdf5).as_slice() {
        [leaf] => leaf.suffix.is_empty() && leaf.values.is_ok(),
        _ => false,
    }
}

pub(super) struct Shown {
    pub(super) value: Attribute,
    is_latin1: bool,
}

pub(super) fn shown_value(file: &File, raw: &RawValue) -> Result<Shown> {
    let n = raw.n_elements().unwrap_or(0);
    let texts = match &raw.datatype.class {
        Class::FixedString { padding, .. } => {
            let cut = raw.bytes.chunks_exact(raw.datatype.size).map(|bytes| text(unpadded(bytes, *padding)));
            Some(cut.collect::<Vec<_>>())
        }
        Class::String { padding } => {
            let texts = raw.bytes.chunks_exact(raw.datatype.size).map(|element| {
                let bytes = file.sequence(element, 1)?;
                let bytes = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
                Ok(text(unpadded(bytes, *padding)))
            });
            Some(texts.collect::<Result<Vec<_>>>()?)
        }
        _ => None,
    };
    if let Some(texts) = texts {
        let is_latin1 = texts.iter().any(|(_, is_latin1)| *is_latin1);
        let mut texts: Vec<String> = texts.into_iter().map(|(text, _)| text).collect();
        let value = match (texts.len(), texts.pop()) {
            (1, Some(text)) => Attribute::Text(text),
            (_, Some(last)) => {
                texts.push(last);
                Attribute::Texts(texts)
            }
            (_, None) => Attribute::Text(String::new()),
        };
        return Ok(Shown { value, is_latin1 });
    }
    Ok(Shown { value: numbers(raw, n)?, is_latin1: false })
}

pub(super) fn numbers(raw: &RawValue, n: usize) -> Result<Attribute> {
    let mut leaves = leaves(&raw.datatype, Dialect::Hdf5);
    let leaf = match (leaves.pop(), leaves.is_empty()) {
        (Some(leaf), true) if leaf.suffix.is_empty() => leaf,
        _ => {
            return Err(Error::unsupported(format!(
                "attributes of type {} are not shown",
                raw.datatype.words()
            )));
        }
    };
    let values = leaf.values.map_err(|_| {
        Error::unsupported(format!("attributes of type {} are not shown", raw.datatype.words()))
    })?;
    let shape = match &raw.dataspace {
        Dataspace::Null => vec![0],
        Dataspace::Simple { shape, .. } => shape.clone(),
    };
    let shape: Vec<u64> = shape.into_iter().chain(values.inner_shape.iter().copied()).collect();
    let dtype = number_type(&values.dtype)?;
    if n == 0 {
        return Ok(Attribute::Numbers { dtype, shape: vec![0], values: Vec::new() });
    }
    let spec = ChunkSpec { dtype: &values.dtype, shape: &shape, max_bytes: raw.bytes.len() as u64 * 8 };
    let ArrayBytes::Fixed(bytes) = decode(&values.codecs, 0, &raw.bytes, &spec)? else {
        return Err(Error::internal("numbers decoded to texts"));
    };
    let numbers = number_list(&bytes, dtype, values.dtype.byte_order());
    // Writers of netCDF make no difference between one number and an array of one.
    let shape = if shape == [1] { Vec::new() } else { shape };
    Ok(Attribute::Numbers { dtype, shape, values: numbers })
}

/// The type of an attribute for a type of elements.
pub(crate) fn number_type(dtype: &DataType) -> Result<NumberType> {
    Ok(match dtype {
        DataType::Bool => NumberType::Bool,
        DataType::Int { size: 1, .. } => NumberType::I8,
        DataType::Int { size: 2, .. } => NumberType::I16,
        DataType::Int { size: 4, .. } => NumberType::I32,
        DataType::Int { size: 8, .. } => NumberType::I64,
        DataType::UInt { size: 1, .. } => NumberType::U8,
        DataType::UInt { size: 2, .. } => NumberType::U16,
        DataType::UInt { size: 4, .. } => NumberType::U32,
        DataType::UInt { size: 8, .. } => NumberType::U64,
        DataType::Float { size: 2, .. } => NumberType::F16,
        DataType::Float { size: 4, .. } => NumberType::F32,
        DataType::Float { size: 8, .. } => NumberType::F64,
        other => return Err(Error::unsupported(format!("{other:?} is not a number"))),
    })
}

/// Numbers from their bytes.
pub(crate) fn number_list(bytes: &[u8], dtype: NumberType, order: Option<ByteOrder>) -> Vec<Number> {
    bytes
        .chunks_exact(dtype.len_bytes())
        .map(|element| {
            let mut padded = [0_u8; 8];
            for (to, from) in padded.iter_mut().zip(element) {
                *to = *from;
            }
            if order == Some(ByteOrder::Big) {
                for (to, from) in padded.iter_mut().zip(element.iter().rev()) {
                    *to = *from;
                }
            }
            number(u64::from_le_bytes(padded), dtype)
        })
        .collect()
}

fn number(bits: u64, dtype: NumberType) -> Number {
    match dtype {
        NumberType::I8 => Number::Integer(i128::from(bits as i8)),
        NumberType::I16 => Number::Integer(i128::from(bits as i16)),
        NumberType::I32 => Number::Integer(i128::from(bits as i32)),
        NumberType::I64 => Number::Integer(i128::from(bits as i64)),
        NumberType::U8 | NumberType::U16 | NumberType::U32 | NumberType::U64 => {
            Number::Integer(i128::from(bits))
        }
        NumberType::Bool => Number::Integer(i128::from(bits != 0)),
        NumberType::F16 => Number::Float(half::f16::from_bits(bits as u16).to_f64()),
        NumberType::F32 => Number::Float(f64::from(f32::from_bits(bits as u32))),
        NumberType::F64 => Number::Float(f64::from_bits(bits)),
    }
}

/// A text of fixed length without what fills it up.
pub(crate) fn unpadded(bytes: &[u8], padding: StringPadding) -> &[u8] {
    let len = match padding {
        StringPadding::NullTerminated => bytes.iter().position(|byte| *byte == 0),
        StringPadding::NullPadded => {
            Some(bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1))
        }
        StringPadding::SpacePadded => {
            Some(bytes.iter().rposition(|byte| *byte != b' ').map_or(0, |last| last + 1))
        }
    };
    bytes.get(..len.unwrap_or(bytes.len())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_is_cut_as_the_type_says() {
        for (padding, expected) in [
            (StringPadding::NullTerminated, b"ab".as_slice()),
            (StringPadding::NullPadded, b"ab\0xy"),
            (StringPadding::SpacePadded, b"ab\0xy\0\0"),
        ] {
            assert_eq!(unpadded(b"ab\0xy\0\0", padding), expected);
        }
        assert_eq!(unpadded(b"ab  ", StringPadding::SpacePadded), b"ab");
    }

    #[test]
    fn big_endian_numbers_are_turned() {
        assert_eq!(
            number_list(&[0, 1, 0xff, 0xfe], NumberType::I16, Some(ByteOrder::Big)),
            vec![Number::Integer(1), Number::Integer(-2)]
        );
    }
}
