//! Numbers, texts and times as JSON and CSV write them.

use std::io::Write;

use crate::column::Cell;

/// Integers up to this are the same in every reader of JSON: 2^53.
const MAX_EXACT: u64 = 1 << 53;

/// Writes a value as JSON. What is not finite is null, integers beyond 2^53 are texts.
pub(crate) fn json(cell: Cell<'_>, out: &mut Vec<u8>) {
    // Writing into a vector does not fail.
    let _ = match cell {
        Cell::Missing => out.write_all(b"null"),
        Cell::Bool(value) => write!(out, "{value}"),
        Cell::Int(value) if value.unsigned_abs() > MAX_EXACT => write!(out, "\"{value}\""),
        Cell::Int(value) => write!(out, "{value}"),
        Cell::UInt(value) if value > MAX_EXACT => write!(out, "\"{value}\""),
        Cell::UInt(value) => write!(out, "{value}"),
        Cell::Float(value) if !value.is_finite() => out.write_all(b"null"),
        Cell::Float(value) => return float(value, out),
        Cell::Time(time) => write!(out, "\"{time}\""),
        Cell::Text(text) => return json_text(text, out),
    };
}

/// Writes a text as JSON.
pub(crate) fn json_text(text: &str, out: &mut Vec<u8>) {
    // Writing a text into a vector does not fail.
    let _ = serde_json::to_writer(out, text);
}

/// Writes a value as a field of CSV. Missing values are empty.
pub(crate) fn csv(cell: Cell<'_>, out: &mut Vec<u8>) {
    let _ = match cell {
        Cell::Missing => Ok(()),
        Cell::Bool(value) => write!(out, "{value}"),
        Cell::Int(value) => write!(out, "{value}"),
        Cell::UInt(value) => write!(out, "{value}"),
        Cell::Float(value) if value.is_nan() => Ok(()),
        Cell::Float(value) if value.is_infinite() => {
            out.write_all(if value > 0.0 { b"inf" } else { b"-inf" })
        }
        Cell::Float(value) => return float(value, out),
        Cell::Time(time) => write!(out, "{time}"),
        Cell::Text(text) => return csv_text(text, out),
    };
}

/// Writes a text as a field of CSV: in quotes where it holds a comma, a quote or the end of a line.
///
/// # Source
/// RFC 4180, section 2.
pub(crate) fn csv_text(text: &str, out: &mut Vec<u8>) {
    if !text.contains([',', '"', '\n', '\r']) {
        return out.extend_from_slice(text.as_bytes());
    }
    out.push(b'"');
    out.extend_from_slice(text.replace('"', "\"\"").as_bytes());
    out.push(b'"');
}

/// The shortest text that reads as the same number.
fn float(value: f64, out: &mut Vec<u8>) {
    // Writing a finite number into a vector does not fail.
    let _ = serde_json::to_writer(out, &value);
}

#[cfg(test)]
mod tests {
    use thermocline_model::cf::{Calendar, DateTime};

    use super::*;

    fn written(write: fn(Cell<'_>, &mut Vec<u8>), cell: Cell<'_>) -> String {
        let mut out = Vec::new();
        write(cell, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn json_is_strict_and_exact() {
        let time = DateTime::new(Calendar::Day360, 2001, 2, 30).unwrap();
        for (cell, expected) in [
            (Cell::Missing, "null"),
            (Cell::Bool(true), "true"),
            (Cell::Int(-9_007_199_254_740_992), "-9007199254740992"),
            (Cell::Int(9_007_199_254_740_993), "\"9007199254740993\""),
            (Cell::Int(i64::MIN), "\"-9223372036854775808\""),
            (Cell::UInt(u64::MAX), "\"18446744073709551615\""),
            (Cell::Float(0.1_f32.into()), "0.10000000149011612"),
            (Cell::Float(f64::NAN), "null"),
            (Cell::Float(f64::NEG_INFINITY), "null"),
            (Cell::Float(-0.0), "-0.0"),
            (Cell::Time(time), "\"2001-02-30T00:00:00\""),
            (Cell::Text("a\"b\n"), "\"a\\\"b\\n\""),
        ] {
            assert_eq!(written(json, cell), expected);
        }
    }

    #[test]
    fn fields_of_csv_are_quoted_where_they_have_to_be() {
        for (cell, expected) in [
            (Cell::Missing, ""),
            (Cell::Float(f64::NAN), ""),
            (Cell::Float(f64::INFINITY), "inf"),
            (Cell::Float(f64::NEG_INFINITY), "-inf"),
            (Cell::Int(i64::MIN), "-9223372036854775808"),
            (Cell::Bool(false), "false"),
            (Cell::Text("DJF"), "DJF"),
            (Cell::Text("a,\"b\""), "\"a,\"\"b\"\"\""),
        ] {
            assert_eq!(written(csv, cell), expected);
        }
    }

    #[test]
    fn floats_of_any_size_read_as_the_same_number() {
        for value in [f64::MAX, f64::MIN_POSITIVE, 1e16, 5e-324, 288.15, 1.0 / 3.0] {
            assert_eq!(written(json, Cell::Float(value)).parse::<f64>().unwrap(), value);
            assert_eq!(written(csv, Cell::Float(value)).parse::<f64>().unwrap(), value);
        }
    }
}
