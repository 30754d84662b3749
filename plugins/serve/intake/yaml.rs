//! Texts as YAML scalars that mean the same to readers of YAML 1.1 and 1.2.
//!
//! # Source
//! YAML 1.2.2, sections 5.1 (characters), 5.7 (escapes) and 7.3.1 (double-quoted style); YAML 1.1, types `bool`,
//! `null`, `int`, `float` and `timestamp`.

use std::borrow::Cow;
use std::fmt::Write;

/// Words that YAML 1.1 reads as something else than a text, in lower case.
const WORDS: [&str; 10] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan"];

/// A text as a scalar, without quotes where it needs none.
pub(crate) fn scalar(text: &str) -> Cow<'_, str> {
    if is_plain(text) { Cow::Borrowed(text) } else { Cow::Owned(quoted(text)) }
}

/// A text in double quotes, on one line.
pub(crate) fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        push_escaped(&mut quoted, character);
    }
    quoted.push('"');
    quoted
}

fn push_escaped(quoted: &mut String, character: char) {
    // Writing into a text does not fail.
    let _ = match character {
        '"' => quoted.write_str("\\\""),
        '\\' => quoted.write_str("\\\\"),
        '\n' => quoted.write_str("\\n"),
        '\r' => quoted.write_str("\\r"),
        '\t' => quoted.write_str("\\t"),
        // Neither printable nor a break in one version of YAML or the other.
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' => write!(quoted, "\\x{:02x}", u32::from(character)),
        '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => {
            write!(quoted, "\\u{:04x}", u32::from(character))
        }
        other => quoted.write_char(other),
    };
}

/// True for a text that nobody reads as a number, a date, a truth value, null or markup.
fn is_plain(text: &str) -> bool {
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let is_word = WORDS.iter().any(|word| text.eq_ignore_ascii_case(word));
    text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.chars().all(is_name) && !is_word
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_could_be_read_as_something_else_is_quoted() {
        for (text, expected) in [
            ("era5.t2m", "era5.t2m"),
            ("tas_day-1", "tas_day-1"),
            ("no", "\"no\""),
            ("Off", "\"Off\""),
            ("Y", "\"Y\""),
            ("NULL", "\"NULL\""),
            ("1e3", "\"1e3\""),
            ("0x1F", "\"0x1F\""),
            ("12:30:45", "\"12:30:45\""),
            ("2001-01-01", "\"2001-01-01\""),
            ("1_000", "\"1_000\""),
            (".inf", "\".inf\""),
            ("~", "\"~\""),
            ("", "\"\""),
            ("<<", "\"<<\""),
            ("=", "\"=\""),
            ("- a", "\"- a\""),
            ("a: b", "\"a: b\""),
            ("a #b", "\"a #b\""),
            ("&a *b !c", "\"&a *b !c\""),
            ("{a, b}", "\"{a, b}\""),
            ("é", "\"é\""),
            ("say \"hi\" \\", "\"say \\\"hi\\\" \\\\\""),
            ("a\nb\tc\r", "\"a\\nb\\tc\\r\""),
            ("\0\u{1b}\u{7f}\u{85}\u{9f}", "\"\\x00\\x1b\\x7f\\x85\\x9f\""),
            ("\u{2028}\u{feff}\u{ffff}", "\"\\u2028\\ufeff\\uffff\""),
            ("\u{1f300}", "\"\u{1f300}\""),
        ] {
            assert_eq!(scalar(text), expected, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn every_text_is_read_as_itself(text in any::<String>()) {
            let read: serde_yaml_ng::Value = serde_yaml_ng::from_str(&format!("k: {}", scalar(&text))).unwrap();
            prop_assert_eq!(read["k"].as_str(), Some(text.as_str()));
        }

        #[test]
        fn short_words_are_read_as_themselves(text in "[0-9a-zA-Z_.:~<=+-]{1,5}") {
            let read: serde_yaml_ng::Value = serde_yaml_ng::from_str(&format!("{}: 1", scalar(&text))).unwrap();
            let key = read.as_mapping().unwrap().keys().next().unwrap();
            prop_assert_eq!(key.as_str(), Some(text.as_str()));
        }
    }
}
