//! Attributes, from the model to NetCDF's types.

use std::ffi::c_int;

use thermocline_core::{Error, Result};
use thermocline_model::{Attribute, Attributes, Number, NumberType};

use super::file::{File, NcType, check_name};
use super::values::{Values, c_texts};

/// Writes the attributes of a variable with its type, or those of the file, without those that NetCDF cannot hold.
pub(super) fn put_all(file: &mut File, of: Option<(c_int, NcType)>, attrs: &Attributes) -> Result<()> {
    let fitting = attrs.iter().filter(|(name, _)| check_name("attribute", name).is_ok());
    for (name, attribute) in fitting {
        // A fill has the type of its variable, whatever type of text it came in.
        let texts = of.map(|(_, kind)| kind).filter(|_| name == "_FillValue");
        let values = values(attribute, texts).map_err(|error| {
            Error::new(error.kind(), format!("attribute {name:?} cannot be written")).with_source(error)
        })?;
        file.attribute(of.map(|(number, _)| number), name, &values)?;
    }
    Ok(())
}

fn values(attribute: &Attribute, kind: Option<NcType>) -> Result<Values<'_>> {
    match attribute {
        Attribute::Text(text) => {
            let is_string = kind.map_or(!text.is_ascii(), |kind| kind == NcType::STRING);
            if is_string { c_texts([text.as_str()]) } else { Ok(characters(text)) }
        }
        Attribute::Texts(texts) => c_texts(texts.iter().map(String::as_str)),
        Attribute::Numbers { dtype, values, .. } => numbers(*dtype, values),
    }
}

fn characters(text: &str) -> Values<'_> {
    Values::Fixed { kind: NcType::CHAR, bytes: text.as_bytes().into() }
}

/// Numbers in the order of this machine. Half precision becomes single, booleans become bytes.
fn numbers(dtype: NumberType, numbers: &[Number]) -> Result<Values<'static>> {
    let mut bytes = Vec::new();
    for number in numbers {
        let wrong = || Error::invalid_input(format!("{number:?} is no {dtype:?}"));
        match (dtype, *number) {
            (NumberType::F16 | NumberType::F32, number) => {
                bytes.extend((number.as_f64() as f32).to_ne_bytes())
            }
            (NumberType::F64, number) => bytes.extend(number.as_f64().to_ne_bytes()),
            (_, Number::Float(_)) => return Err(wrong()),
            (dtype, Number::Integer(value)) => integer(dtype, value, &mut bytes).ok_or_else(wrong)?,
        }
    }
    let kind = match dtype {
        NumberType::Bool | NumberType::I8 => NcType::BYTE,
        NumberType::I16 => NcType::SHORT,
        NumberType::I32 => NcType::INT,
        NumberType::I64 => NcType::INT64,
        NumberType::U8 => NcType::UBYTE,
        NumberType::U16 => NcType::USHORT,
        NumberType::U32 => NcType::UINT,
        NumberType::U64 => NcType::UINT64,
        NumberType::F16 | NumberType::F32 => NcType::FLOAT,
        NumberType::F64 => NcType::DOUBLE,
    };
    Ok(Values::Fixed { kind, bytes: bytes.into() })
}

/// Adds an integer; `None` if the type does not have it.
fn integer(dtype: NumberType, value: i128, bytes: &mut Vec<u8>) -> Option<()> {
    match dtype {
        NumberType::Bool | NumberType::I8 => bytes.extend(i8::try_from(value).ok()?.to_ne_bytes()),
        NumberType::I16 => bytes.extend(i16::try_from(value).ok()?.to_ne_bytes()),
        NumberType::I32 => bytes.extend(i32::try_from(value).ok()?.to_ne_bytes()),
        NumberType::I64 => bytes.extend(i64::try_from(value).ok()?.to_ne_bytes()),
        NumberType::U8 => bytes.extend(u8::try_from(value).ok()?.to_ne_bytes()),
        NumberType::U16 => bytes.extend(u16::try_from(value).ok()?.to_ne_bytes()),
        NumberType::U32 => bytes.extend(u32::try_from(value).ok()?.to_ne_bytes()),
        NumberType::U64 => bytes.extend(u64::try_from(value).ok()?.to_ne_bytes()),
        NumberType::F16 | NumberType::F32 | NumberType::F64 => return None,
    }
    Some(())
}
