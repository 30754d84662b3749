//! JSON text in ASCII: zarr-python 2.13 decodes metadata as ASCII and fails on anything else.

use serde_json::Value;

/// The compact JSON text of a value, with everything above 127 as `\u` escapes.
pub fn ascii_json(value: &Value) -> Vec<u8> {
    let mut out = String::new();
    write_value(&mut out, value);
    out.into_bytes()
}

fn write_value(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(flag) => out.push_str(if *flag { "true" } else { "false" }),
        Value::Number(number) => out.push_str(&number.to_string()),
        Value::String(text) => write_text(out, text),
        Value::Array(values) => {
            out.push('[');
            for (i, value) in values.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write_value(out, value);
            }
            out.push(']');
        }
        Value::Object(members) => {
            out.push('{');
            for (i, (name, value)) in members.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write_text(out, name);
                out.push(':');
                write_value(out, value);
            }
            out.push('}');
        }
    }
}

fn write_text(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            ' '..='~' => out.push(character),
            _ => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
    }
    out.push('"');
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
