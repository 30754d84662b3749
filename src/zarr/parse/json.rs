//! JSON as Python writes it: `NaN` and infinities may stand where JSON has no number.

use serde_json::Value;

use super::ParseError;

/// Marks a text that stood as a bare word, to tell `NaN` from `"NaN"`; no attribute holds it.
const BARE: char = '\u{0}';
const BARE_WORDS: [&str; 3] = ["NaN", "Infinity", "-Infinity"];

/// Reads a document; bare `NaN`, `Infinity` and `-Infinity` become numbers that [`float`] knows.
///
/// # Errors
/// [`ParseError`] with what serde says is wrong.
pub fn parse(bytes: &[u8]) -> Result<Value, ParseError> {
    let strict = serde_json::from_slice(bytes);
    let error = match strict {
        Ok(value) => return Ok(value),
        Err(error) => error,
    };
    let lenient = quote_bare_words(bytes);
    let value = lenient.and_then(|text| serde_json::from_slice(&text).ok());
    value.ok_or_else(|| ParseError::new(format!("not JSON: {error}")))
}

/// The document with its bare words as marked texts; `None` if it has none.
fn quote_bare_words(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(bytes.len() + 64);
    let (mut in_text, mut is_escaped, mut found) = (false, false, false);
    let mut rest = bytes;
    while let [first, tail @ ..] = rest {
        if in_text {
            in_text = is_escaped || *first != b'"';
            is_escaped = !is_escaped && *first == b'\\';
        } else if *first == b'"' {
            in_text = true;
        } else if let Some(word) = BARE_WORDS.iter().find(|word| rest.starts_with(word.as_bytes())) {
            found = true;
            out.extend_from_slice(b"\"\\u0000");
            out.extend_from_slice(word.as_bytes());
            out.push(b'"');
            rest = rest.get(word.len()..).unwrap_or_default();
            continue;
        }
        out.push(*first);
        rest = tail;
    }
    found.then_some(out)
}

/// The float of a number or of a bare word.
pub(super) fn float(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => named_float(text.strip_prefix(BARE)?),
        _ => None,
    }
}

/// The float that Zarr writes as a text.
pub(super) fn named_float(text: &str) -> Option<f64> {
    match text.strip_prefix(BARE).unwrap_or(text) {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        _ => None,
    }
}

/// A value as JSON text, bare words as their names.
pub(super) fn text(value: &Value) -> String {
    value.to_string().replace("\\u0000", "")
}

/// The member of an object.
pub(super) fn member<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    value.get(name).filter(|member| !member.is_null())
}

/// A list of unsigned numbers.
pub(super) fn lengths(value: &Value, name: &str) -> Result<Vec<u64>, ParseError> {
    let list = value.get(name).and_then(Value::as_array);
    let numbers: Option<Vec<u64>> = list.and_then(|list| list.iter().map(Value::as_u64).collect());
    numbers.ok_or_else(|| ParseError::new(format!("{name:?} is no list of lengths")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bare_words_are_numbers_and_texts_are_texts() {
        let value = parse(br#"{"a": NaN, "b": "NaN", "c": [-Infinity, "x \" NaN"]}"#).unwrap();
        assert!(float(&value["a"]).unwrap().is_nan());
        assert_eq!(float(&value["b"]), None);
        assert_eq!(value["b"], "NaN");
        assert_eq!(float(&value["c"][0]), Some(f64::NEG_INFINITY));
        assert_eq!(value["c"][1], "x \" NaN");
    }

    #[test]
    fn what_is_not_json_is_refused() {
        assert!(parse(b"{\"a\": nan}").is_err());
        assert!(parse(b"").is_err());
        assert!(parse("[".repeat(100_000).as_bytes()).is_err());
    }
}
