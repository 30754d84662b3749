//! Numbers of a source as numbers of the virtual dataset, which may have another type.
//!
//! # Source
//! HDF5 library, `H5Tconv.c`, conversions between native types: integers beyond the range of their new type
//! become its nearest end, floating-point numbers beyond it become infinite.

use thermocline_core::{Error, Result};
use thermocline_model::{ByteOrder, DataType, Number, NumberType};

use crate::attributes::{number_list, number_type};

/// Numbers that are converted at a time.
const BLOCK: usize = 4096;

/// A conversion of numbers that is done as the library does it.
pub(super) struct Conversion {
    from: NumberType,
    from_order: Option<ByteOrder>,
    to: NumberType,
    to_order: Option<ByteOrder>,
}

impl Conversion {
    /// The conversion from one type to another; `None` for types that are not converted here.
    pub(super) fn new(from: &DataType, to: &DataType) -> Option<Self> {
        let conversion = Self {
            from: number_type(from).ok()?,
            from_order: from.byte_order(),
            to: number_type(to).ok()?,
            to_order: to.byte_order(),
        };
        let is_float = |number| matches!(number, NumberType::F16 | NumberType::F32 | NumberType::F64);
        let is_known = conversion.from != NumberType::Bool
            && !matches!(conversion.to, NumberType::Bool | NumberType::F16)
            && (is_float(conversion.to) || !is_float(conversion.from));
        is_known.then_some(conversion)
    }

    /// Converts the numbers in `bytes`.
    pub(super) fn convert(&self, bytes: &[u8]) -> Result<Vec<u8>> {
        let (from_size, to_size) = (self.from.len_bytes(), self.to.len_bytes());
        let mut converted = Vec::with_capacity(bytes.len() / from_size * to_size);
        for block in bytes.chunks(BLOCK * from_size) {
            for number in number_list(block, self.from, self.from_order) {
                let little_endian = self.little_endian(number)?;
                let number = little_endian.get(..to_size).unwrap_or_default();
                match self.to_order {
                    Some(ByteOrder::Big) => converted.extend(number.iter().rev()),
                    _ => converted.extend(number),
                }
            }
        }
        Ok(converted)
    }

    /// A number in the new type, in the first bytes.
    fn little_endian(&self, number: Number) -> Result<[u8; 8]> {
        let impossible = || Error::internal(format!("no conversion to {:?}", self.to));
        let bits = match (self.to, number) {
            (NumberType::F32, Number::Integer(value)) => u64::from((value as f32).to_bits()),
            (NumberType::F64, Number::Integer(value)) => (value as f64).to_bits(),
            (NumberType::F32, Number::Float(value)) => u64::from(narrow(value).to_bits()),
            (NumberType::F64, Number::Float(value)) => value.to_bits(),
            (to, Number::Integer(value)) => {
                let (least, most) = range(to).ok_or_else(impossible)?;
                value.clamp(least, most) as u64
            }
            (_, Number::Float(_)) => return Err(impossible()),
        };
        Ok(bits.to_le_bytes())
    }
}

/// A number in single precision: beyond its range infinite, even where rounding would lead back into it.
fn narrow(value: f64) -> f32 {
    if value.abs() > f64::from(f32::MAX) {
        return if value > 0.0 { f32::INFINITY } else { f32::NEG_INFINITY };
    }
    value as f32
}

/// The range of a type of integers.
fn range(number: NumberType) -> Option<(i128, i128)> {
    Some(match number {
        NumberType::I8 => (i8::MIN.into(), i8::MAX.into()),
        NumberType::I16 => (i16::MIN.into(), i16::MAX.into()),
        NumberType::I32 => (i32::MIN.into(), i32::MAX.into()),
        NumberType::I64 => (i64::MIN.into(), i64::MAX.into()),
        NumberType::U8 => (0, u8::MAX.into()),
        NumberType::U16 => (0, u16::MAX.into()),
        NumberType::U32 => (0, u32::MAX.into()),
        NumberType::U64 => (0, u64::MAX.into()),
        NumberType::F16 | NumberType::F32 | NumberType::F64 | NumberType::Bool => return None,
    })
}
