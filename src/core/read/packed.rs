//! Stored numbers as values: their sign, what is missing of them, and how they are packed.

use thermocline_model::{Attribute, Attributes, ByteOrder, DataType, Number, NumberType};

/// Numbers as they are stored.
pub(crate) enum Stored {
    Integers { values: Vec<i64>, above: i128 },
    Floats(Vec<f64>),
}

/// The type with the sign that the attribute `_Unsigned` gives it.
///
/// # Source
/// NetCDF Users Guide, appendix A, `_Unsigned`.
pub(crate) fn signedness(dtype: &DataType, attrs: &Attributes) -> DataType {
    match (dtype, attrs.text("_Unsigned")) {
        (DataType::Int { size, order }, Some("true")) => DataType::UInt { size: *size, order: *order },
        (DataType::UInt { size, order }, Some("false")) => DataType::Int { size: *size, order: *order },
        _ => dtype.clone(),
    }
}

/// Added to what is stored of 64-bit integers without sign.
const HALF: i128 = 1 << 63;

pub(crate) fn stored_numbers(dtype: &DataType, bytes: &[u8]) -> Option<Stored> {
    let size = dtype.len_bytes().filter(|size| (1..=8).contains(size))?;
    let is_big = dtype.byte_order() == Some(ByteOrder::Big);
    let bits = bytes.chunks_exact(size).map(|element| {
        let fold = |bits: u64, byte: &u8| bits << 8 | u64::from(*byte);
        if is_big { element.iter().fold(0, fold) } else { element.iter().rev().fold(0, fold) }
    });
    Some(match dtype {
        DataType::Float { size: 2, .. } => Stored::Floats(bits.map(|bits| half(bits as u16)).collect()),
        DataType::Float { size: 4, .. } => {
            Stored::Floats(bits.map(|bits| f64::from(f32::from_bits(bits as u32))).collect())
        }
        DataType::Float { .. } => Stored::Floats(bits.map(f64::from_bits).collect()),
        DataType::Int { .. } => {
            let shift = 64 - 8 * size;
            let values = bits.map(|bits| (bits << shift).cast_signed() >> shift).collect();
            Stored::Integers { values, above: 0 }
        }
        DataType::UInt { size: 8, .. } => {
            let values = bits.map(|bits| (bits ^ 1 << 63).cast_signed()).collect();
            Stored::Integers { values, above: HALF }
        }
        DataType::UInt { .. } | DataType::Bool => {
            Stored::Integers { values: bits.map(u64::cast_signed).collect(), above: 0 }
        }
        _ => return None,
    })
}

/// The value of an IEEE 754 binary16 number.
fn half(bits: u16) -> f64 {
    let sign = if bits >> 15 == 0 { 1.0 } else { -1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f64::from(bits & 0x3ff));
    match exponent {
        0 => sign * fraction * 2_f64.powi(-24),
        31 if fraction == 0.0 => sign * f64::INFINITY,
        31 => f64::NAN,
        _ => sign * (1.0 + fraction / 1024.0) * 2_f64.powi(exponent - 15),
    }
}

/// Stored numbers that stand for missing ones.
pub(crate) struct Missing(pub(crate) Vec<Number>);

impl Missing {
    /// True for a number that stands for a missing one.
    pub(crate) fn has(&self, stored: Number) -> bool {
        self.0.iter().any(|missing| match (missing, stored) {
            (Number::Integer(a), Number::Integer(b)) => *a == b,
            (a, b) => a.as_f64() == b.as_f64(),
        })
    }
}

pub(crate) fn missing_numbers(dtype: &DataType, attrs: &Attributes) -> Missing {
    let listed = ["_FillValue", "missing_value"].into_iter().filter_map(|name| match attrs.get(name) {
        Some(Attribute::Numbers { values, .. }) => Some(values.clone()),
        _ => None,
    });
    let as_stored = |number: Number| match (number, dtype) {
        // An attribute has the sign of the file's type, whatever `_Unsigned` says.
        (Number::Integer(value), DataType::UInt { size, .. }) if value < 0 => {
            Number::Integer(value & ((1 << (8 * u32::from(*size))) - 1))
        }
        (number, _) => number,
    };
    Missing(listed.flatten().map(as_stored).collect())
}

/// How packed numbers become values.
pub(crate) struct Packing {
    scale: Option<(f64, NumberType)>,
    offset: Option<(f64, NumberType)>,
}

impl Packing {
    /// The packing that attributes say; `None` for plain numbers.
    pub(crate) fn of(attrs: &Attributes) -> Option<Self> {
        let number = |name| match attrs.get(name) {
            Some(Attribute::Numbers { dtype, values, .. }) => {
                values.first().map(|value| (value.as_f64(), *dtype))
            }
            _ => None,
        };
        let packing = Self { scale: number("scale_factor"), offset: number("add_offset") };
        (packing.scale.is_some() || packing.offset.is_some()).then_some(packing)
    }

    /// What stored numbers are multiplied by.
    pub(crate) fn scale(&self) -> Option<f64> {
        self.scale.map(|(scale, _)| scale)
    }

    /// What is added to them then.
    pub(crate) fn offset(&self) -> Option<f64> {
        self.offset.map(|(offset, _)| offset)
    }

    /// True if values have the precision of `f32`: xarray's `_choose_float_dtype`.
    pub(crate) fn is_single(&self, dtype: &DataType) -> bool {
        let is_single = |number: Option<(f64, NumberType)>| matches!(number, Some((_, NumberType::F32)));
        match (self.scale, self.offset) {
            (Some(_), Some(_)) => {
                let is_wide = matches!(dtype, DataType::Int { size: 4, .. } | DataType::UInt { size: 4, .. });
                is_single(self.scale) && is_single(self.offset) && !is_wide
            }
            (_, Some(_)) => false,
            (_, None) => is_single(self.scale),
        }
    }
}

/// Values with NaN for what is missing.
pub(crate) fn unpacked(
    stored: Stored,
    missing: &Missing,
    packing: Option<&Packing>,
    is_single: bool,
) -> Vec<f64> {
    let rounded = |value: f64| if is_single { f64::from(value as f32) } else { value };
    let unpack = |stored: Number| {
        if missing.has(stored) {
            return f64::NAN;
        }
        let mut value = rounded(stored.as_f64());
        if let Some((scale, _)) = packing.and_then(|packing| packing.scale) {
            value = rounded(value * scale);
        }
        if let Some((offset, _)) = packing.and_then(|packing| packing.offset) {
            value = rounded(value + offset);
        }
        value
    };
    match stored {
        Stored::Integers { values, above } => {
            values.into_iter().map(|value| unpack(Number::Integer(i128::from(value) + above))).collect()
        }
        Stored::Floats(values) => values.into_iter().map(|value| unpack(Number::Float(value))).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_precision_is_read() {
        for (bits, value) in
            [(0x3c00, 1.0), (0xc000, -2.0), (0x7bff, 65_504.0), (1, 5.960_464_477_539_063e-8)]
        {
            assert_eq!(half(bits), value);
        }
        assert!(half(0x7e00).is_nan());
    }
}
