//! Fill values of versions 2 and 3, as one stored element.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use half::f16;
use serde_json::Value;
use thermocline_model::{ArrayBytes, ByteOrder, DataType};

use super::ParseError;
use super::dtype::StoredType;
use super::json::{float, named_float};

/// Not-a-time, numpy's smallest 64-bit integer.
const NAT: i64 = i64::MIN;

/// Bytes of one element of `dtype` as `value` says; `None` for null.
///
/// # Errors
/// [`ParseError`] when the value is none of the type: what a missing chunk reads as is then unknown.
pub(super) fn element(value: &Value, dtype: &StoredType) -> Result<Option<Vec<u8>>, ParseError> {
    if value.is_null() {
        return Ok(None);
    }
    let bytes = match dtype {
        StoredType::Plain(dtype) => plain(value, dtype),
        StoredType::Time { dtype, .. } => time(value, dtype),
        StoredType::Ucs4 { n_chars, order } => ucs4(value, *n_chars, *order),
        StoredType::Record { size, members } => record(value, *size, members),
        StoredType::Text => text(value).map(String::into_bytes),
    };
    let wrong = || ParseError::new(format!("fill value {value} is none of its data type"));
    bytes.map(Some).ok_or_else(wrong)
}

/// The fill of texts; numpy's object arrays have 0 for "nothing".
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) if number.as_f64() == Some(0.0) => Some(String::new()),
        Value::Bool(false) => Some(String::new()),
        _ => None,
    }
}

fn plain(value: &Value, dtype: &DataType) -> Option<Vec<u8>> {
    match dtype {
        DataType::Bool => match value {
            Value::Bool(value) => Some(vec![u8::from(*value)]),
            Value::Number(number) => Some(vec![u8::from(number.as_f64()? != 0.0)]),
            _ => None,
        },
        DataType::Int { size, order } => {
            let value = integer(value)?;
            let bits = u32::from(*size) * 8;
            let range = -(1_i128 << (bits - 1))..1_i128 << (bits - 1);
            range.contains(&value).then(|| ordered(&value.to_le_bytes(), *size, *order))
        }
        DataType::UInt { size, order } => {
            let value = integer(value)?;
            (0..1_i128 << (u32::from(*size) * 8))
                .contains(&value)
                .then(|| ordered(&value.to_le_bytes(), *size, *order))
        }
        DataType::Float { size, order } => {
            Some(ordered(&float_bits(value, *size)?.to_le_bytes(), *size, *order))
        }
        DataType::FixedString { len, .. } => padded(&decode_text(value)?, *len),
        _ => None,
    }
}

/// An integer; floats count when they are whole, as numpy wrote some.
fn integer(value: &Value) -> Option<i128> {
    if let Some(value) = value.as_i64() {
        return Some(i128::from(value));
    }
    if let Some(value) = value.as_u64() {
        return Some(i128::from(value));
    }
    let float = value.as_f64().filter(|float| float.fract() == 0.0 && float.abs() < 1e18)?;
    Some(float as i128)
}

/// The bits of a float of `size` bytes: a number, a name, or hexadecimal bits.
fn float_bits(value: &Value, size: u8) -> Option<u64> {
    if let Some(hex) = value.as_str().and_then(|text| text.strip_prefix("0x")) {
        let fits = hex.len() == usize::from(size) * 2;
        return u64::from_str_radix(hex, 16).ok().filter(|_| fits);
    }
    let number = match value {
        Value::String(text) => named_float(text)?,
        other => float(other)?,
    };
    Some(match size {
        2 => u64::from(f16::from_f64(number).to_bits()),
        4 => u64::from((number as f32).to_bits()),
        _ => number.to_bits(),
    })
}

/// The lowest `size` bytes of a little-endian number, in `order`.
fn ordered(little_endian: &[u8], size: u8, order: ByteOrder) -> Vec<u8> {
    let mut bytes: Vec<u8> = little_endian.iter().copied().take(usize::from(size)).collect();
    if order == ByteOrder::Big {
        bytes.reverse();
    }
    bytes
}

/// Bytes in base64; the empty text and 0 are no bytes.
fn decode_text(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::String(text) => STANDARD.decode(text).ok(),
        Value::Number(number) => (number.as_f64() == Some(0.0)).then(Vec::new),
        _ => None,
    }
}

fn padded(bytes: &[u8], len: usize) -> Option<Vec<u8>> {
    let mut padded = bytes.to_vec();
    (bytes.len() <= len).then(|| {
        padded.resize(len, 0);
        padded
    })
}

fn time(value: &Value, dtype: &DataType) -> Option<Vec<u8>> {
    if value.as_str() == Some("NaT") {
        return plain(&Value::from(NAT), dtype);
    }
    plain(value, dtype)
}

fn ucs4(value: &Value, n_chars: usize, order: ByteOrder) -> Option<Vec<u8>> {
    let text = text(value)?;
    let bytes: Vec<u8> = text.chars().flat_map(|c| ordered(&u32::from(c).to_le_bytes(), 4, order)).collect();
    padded(&bytes, n_chars * 4)
}

/// Records are base64; complex numbers a pair of floats; 0 is a record of zeros.
fn record(value: &Value, size: usize, members: &[(String, usize, StoredType)]) -> Option<Vec<u8>> {
    match value {
        Value::String(text) => STANDARD.decode(text).ok().filter(|bytes| bytes.len() == size),
        Value::Number(number) => (number.as_f64() == Some(0.0)).then(|| vec![0; size]),
        Value::Array(parts) if parts.len() == members.len() => {
            let parts =
                parts.iter().zip(members).map(|(part, (_, _, dtype))| element(part, dtype).ok().flatten());
            parts.collect::<Option<Vec<_>>>().map(|parts| parts.concat())
        }
        Value::Object(object) => {
            let parts =
                members.iter().map(|(name, _, dtype)| element(object.get(name)?, dtype).ok().flatten());
            parts.collect::<Option<Vec<_>>>().map(|parts| parts.concat())
        }
        _ => None,
    }
}

/// The model's fill of a type that it has.
pub(super) fn array_bytes(element: Option<Vec<u8>>, dtype: &DataType) -> Option<ArrayBytes> {
    let bytes = element?;
    match dtype {
        DataType::String => Some(ArrayBytes::Texts(vec![String::from_utf8_lossy(&bytes).into_owned()])),
        _ => Some(ArrayBytes::Fixed(bytes)),
    }
}

/// Characters of four bytes, without the NULs at their end; `None` for what is no character.
pub(super) fn ucs4_text(bytes: &[u8], order: ByteOrder) -> Option<String> {
    let mut codes: Vec<u32> = Vec::with_capacity(bytes.len() / 4);
    for chunk in bytes.chunks_exact(4) {
        let four: [u8; 4] = chunk.try_into().ok()?;
        codes.push(if order == ByteOrder::Big { u32::from_be_bytes(four) } else { u32::from_le_bytes(four) });
    }
    while codes.last() == Some(&0) {
        codes.pop();
    }
    codes.into_iter().map(char::from_u32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn fill(value: Value, dtype: DataType) -> Option<Vec<u8>> {
        element(&value, &StoredType::Plain(dtype)).unwrap()
    }

    fn float4(order: ByteOrder) -> DataType {
        DataType::Float { size: 4, order }
    }

    #[test]
    fn floats_have_names_and_bits() {
        assert_eq!(fill(json!("NaN"), float4(ByteOrder::Big)), Some(vec![0x7f, 0xc0, 0, 0]));
        assert_eq!(fill(json!("-Infinity"), float4(ByteOrder::Little)), Some(vec![0, 0, 0x80, 0xff]));
        assert_eq!(fill(json!("0x7fc00001"), float4(ByteOrder::Big)), Some(vec![0x7f, 0xc0, 0, 1]));
        assert_eq!(fill(json!(1.5), float4(ByteOrder::Little)), Some(vec![0, 0, 0xc0, 0x3f]));
        assert_eq!(fill(Value::Null, float4(ByteOrder::Little)), None);
    }

    #[test]
    fn integers_must_fit() {
        let i2 = StoredType::Plain(DataType::Int { size: 2, order: ByteOrder::Little });
        assert_eq!(element(&json!(-2), &i2), Ok(Some(vec![0xfe, 0xff])));
        assert_eq!(element(&json!(-2.0), &i2), Ok(Some(vec![0xfe, 0xff])));
        for value in [json!(40_000), json!(0.5), json!("1"), json!([1])] {
            assert!(element(&value, &i2).is_err(), "{value}");
        }
        let u8_ = StoredType::Plain(DataType::UInt { size: 8, order: ByteOrder::Big });
        assert_eq!(element(&json!(u64::MAX), &u8_), Ok(Some(vec![255; 8])));
    }

    #[test]
    fn bytes_are_base64_and_records_too() {
        let text = StoredType::Plain(DataType::FixedString {
            len: 3,
            padding: thermocline_model::StringPadding::NullPadded,
            utf8: false,
        });
        assert_eq!(element(&json!("YWI="), &text), Ok(Some(b"ab\0".to_vec())));
        assert!(element(&json!("YWJjZA=="), &text).is_err());
        let complex = super::super::dtype::v2(&json!("<c8")).unwrap();
        let expected = [1.0_f32.to_le_bytes(), f32::NAN.to_le_bytes()].concat();
        assert_eq!(element(&json!([1.0, "NaN"]), &complex), Ok(Some(expected)));
    }

    #[test]
    fn not_a_time_is_the_smallest_integer() {
        let time = super::super::dtype::v2(&json!("<M8[s]")).unwrap();
        assert_eq!(element(&json!("NaT"), &time), Ok(Some(i64::MIN.to_le_bytes().to_vec())));
    }

    #[test]
    fn ucs4_texts_come_back() {
        let dtype = StoredType::Ucs4 { n_chars: 4, order: ByteOrder::Big };
        let bytes = element(&json!("añ京"), &dtype).unwrap().unwrap();
        assert_eq!(bytes.len(), 16);
        assert_eq!(ucs4_text(&bytes, ByteOrder::Big).as_deref(), Some("añ京"));
        assert_eq!(ucs4_text(&[0xff; 4], ByteOrder::Little), None);
    }
}
