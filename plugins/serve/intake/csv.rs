//! Rows of comma-separated values.
//!
//! # Source
//! RFC 4180.

/// Adds a row of fields, with the line break at its end.
pub(crate) fn push_row<'a>(csv: &mut Vec<u8>, fields: impl Iterator<Item = &'a str>) {
    for (number, field) in fields.enumerate() {
        if number > 0 {
            csv.push(b',');
        }
        push_field(csv, field);
    }
    csv.extend_from_slice(b"\r\n");
}

fn push_field(csv: &mut Vec<u8>, field: &str) {
    if !field.contains([',', '"', '\r', '\n']) {
        csv.extend_from_slice(field.as_bytes());
        return;
    }
    csv.push(b'"');
    csv.extend_from_slice(field.replace('"', "\"\"").as_bytes());
    csv.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_with_commas_quotes_and_breaks_are_quoted() {
        let mut csv = Vec::new();
        push_row(&mut csv, ["a", "", "b, c", "say \"hi\"", "two\r\nlines", "{{ x }}", "é"].into_iter());
        push_row(&mut csv, [""].into_iter());
        let expected = "a,,\"b, c\",\"say \"\"hi\"\"\",\"two\r\nlines\",{{ x }},é\r\n\r\n";
        assert_eq!(String::from_utf8(csv).unwrap(), expected);
    }
}
