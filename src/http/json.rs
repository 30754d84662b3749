//! Strict JSON: no `NaN`, deterministic, and ASCII where Zarr clients need it.

use std::io;

use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, Method};
use serde::Serialize;
use serde_json::{Number as JsonNumber, Value};
use thermocline_model::{Attribute, Attributes, Number, NumberType};

use crate::conditional::{Representation, respond};

/// JSON as bytes below 128: everything above is `\u`-escaped. zarr 2.13 decodes metadata as ASCII.
pub fn to_ascii_vec(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(1024);
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, Ascii);
    // A `Value` has no keys that are not texts and writing into memory does not fail.
    match value.serialize(&mut serializer) {
        Ok(()) => bytes,
        Err(_) => b"null".to_vec(),
    }
}

/// Sends a JSON document, conditionally and by ranges. `representation` says the media type.
pub fn respond_json(
    method: &Method,
    headers: &HeaderMap,
    representation: &Representation,
    value: &Value,
) -> Response {
    respond(method, headers, representation, Bytes::from(to_ascii_vec(value)))
}

/// An attribute's value: scalars plain, arrays as lists (nested as their axes), not-a-number and
/// infinities as texts.
pub fn attribute(attribute: &Attribute) -> Value {
    match attribute {
        Attribute::Text(text) => Value::String(text.clone()),
        Attribute::Texts(texts) => texts.iter().cloned().map(Value::String).collect(),
        Attribute::Numbers { dtype, shape, values } => {
            let mut values = values.iter().map(|value| number(*dtype, *value));
            nested(shape, &mut values)
        }
    }
}

/// Attributes as a JSON object, in their order.
pub fn attributes(attributes: &Attributes) -> serde_json::Map<String, Value> {
    attributes.iter().map(|(name, value)| (name.to_owned(), attribute(value))).collect()
}

/// A number with its kind kept: integers stay integers, floats stay floats.
fn number(dtype: NumberType, number: Number) -> Value {
    match number {
        Number::Integer(value) if dtype == NumberType::Bool => Value::Bool(value != 0),
        Number::Integer(value) => integer(value),
        Number::Float(value) => float(value),
    }
}

fn integer(value: i128) -> Value {
    if let Ok(value) = i64::try_from(value) {
        return Value::from(value);
    }
    u64::try_from(value).map_or_else(|_| Value::String(value.to_string()), Value::from)
}

/// A float; what JSON cannot say is `"NaN"`, `"Infinity"` or `"-Infinity"`.
pub fn float(value: f64) -> Value {
    if let Some(number) = JsonNumber::from_f64(value) {
        return Value::Number(number);
    }
    let text = if value.is_nan() {
        "NaN"
    } else if value > 0.0 {
        "Infinity"
    } else {
        "-Infinity"
    };
    Value::String(text.to_owned())
}

fn nested(shape: &[u64], values: &mut dyn Iterator<Item = Value>) -> Value {
    match shape {
        [] => values.next().unwrap_or(Value::Null),
        [_] => values.collect(),
        [_, inner @ ..] => {
            let len_row = inner.iter().product::<u64>().max(1);
            let values: Vec<Value> = values.collect();
            let rows = values.chunks(usize::try_from(len_row).unwrap_or(usize::MAX));
            rows.map(|row| nested(inner, &mut row.iter().cloned())).collect()
        }
    }
}

/// Compact JSON with escapes for everything above 127.
struct Ascii;

impl serde_json::ser::Formatter for Ascii {
    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(position) = rest.find(|c: char| !c.is_ascii()) {
            let (ascii, other) = rest.split_at(position);
            writer.write_all(ascii.as_bytes())?;
            let mut characters = other.chars();
            for unit in characters.next().iter().flat_map(|c| c.encode_utf16(&mut [0; 2]).to_vec()) {
                write!(writer, "\\u{unit:04x}")?;
            }
            rest = characters.as_str();
        }
        writer.write_all(rest.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn everything_above_127_is_escaped() {
        let value = json!({"units °C": "é\n\"𝄞\"", "n": [1, 1.0, 1e20, null, true]});
        assert_eq!(
            String::from_utf8(to_ascii_vec(&value)).unwrap(),
            r#"{"units \u00b0C":"\u00e9\n\"\ud834\udd1e\"","n":[1,1.0,1e+20,null,true]}"#
        );
    }

    #[test]
    fn attributes_keep_their_kind_and_shape() {
        let numbers = |dtype, shape: &[u64], values: &[Number]| {
            attribute(&Attribute::Numbers { dtype, shape: shape.to_vec(), values: values.to_vec() })
        };
        let (one, nan) = (Number::Integer(1), Number::Float(f64::NAN));
        assert_eq!(numbers(NumberType::I16, &[], &[one]), json!(1));
        assert_eq!(numbers(NumberType::F32, &[], &[Number::Float(1.0)]), json!(1.0));
        assert_eq!(
            numbers(NumberType::F64, &[2], &[nan, Number::Float(f64::NEG_INFINITY)]),
            json!(["NaN", "-Infinity"])
        );
        assert_eq!(numbers(NumberType::I8, &[1], &[one]), json!([1]));
        assert_eq!(numbers(NumberType::I8, &[0], &[]), json!([]));
        assert_eq!(numbers(NumberType::I8, &[2, 2], &[one, one, one, one]), json!([[1, 1], [1, 1]]));
        assert_eq!(numbers(NumberType::Bool, &[], &[one]), json!(true));
        assert_eq!(numbers(NumberType::U64, &[], &[Number::Integer(u64::MAX.into())]), json!(u64::MAX));
        assert_eq!(attribute(&Attribute::Text(String::new())), json!(""));
    }

    proptest! {
        #[test]
        fn texts_come_back(text in "\\PC{0,40}") {
            let bytes = to_ascii_vec(&Value::String(text.clone()));
            prop_assert!(bytes.is_ascii());
            prop_assert_eq!(serde_json::from_slice::<String>(&bytes).unwrap(), text);
        }
    }
}
