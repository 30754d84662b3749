//! JSON text in ASCII: zarr-python 2.13 decodes metadata as ASCII and fails on anything else.

use std::io;

use serde::Serialize;
use serde_json::Value;

/// The compact JSON text of a value, with everything above 127 as `\u` escapes.
pub fn ascii_json(value: &Value) -> Vec<u8> {
    let mut text = Vec::with_capacity(1024);
    let mut serializer = serde_json::Serializer::with_formatter(&mut text, Ascii);
    // A `Value` has no keys that are not texts and writing into memory does not fail.
    match value.serialize(&mut serializer) {
        Ok(()) => text,
        Err(_) => b"null".to_vec(),
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
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn everything_above_127_is_escaped() {
        let text = ascii_json(&json!({"units": "°C", "moon": "🌙", "a": "q\"\\\n\u{1}"}));
        assert_eq!(
            String::from_utf8(text).unwrap(),
            r#"{"units":"\u00b0C","moon":"\ud83c\udf19","a":"q\"\\\n\u0001"}"#
        );
    }

    #[test]
    fn numbers_keep_their_kind() {
        assert_eq!(
            ascii_json(&json!([1, 1.0, -0.0, 1e20, u64::MAX])),
            b"[1,1.0,-0.0,1e+20,18446744073709551615]"
        );
    }

    proptest! {
        #[test]
        fn any_text_comes_back(text in any::<String>()) {
            let value = Value::String(text);
            prop_assert_eq!(serde_json::from_slice::<Value>(&ascii_json(&value)).unwrap(), value);
        }
    }
}
