//! TOML, as the same tree as YAML.

use ::toml::Spanned;
use ::toml::de::{DeTable, DeValue};

use crate::node::{Entry, Fault, Node, Value};

/// Parses a file.
pub(crate) fn parse(text: &str) -> Result<Node, Fault> {
    let lines = Lines::new(text);
    let table = DeTable::parse(text).map_err(|error| {
        let line = error.span().map_or(1, |span| lines.line(span.start));
        Fault::new(line, "", format!("not TOML: {}", error.message()))
    })?;
    let value = map(table.get_ref(), &lines)?;
    Ok(Node { line: 1, value })
}

/// Where each line of a text begins.
struct Lines(Vec<usize>);

impl Lines {
    fn new(text: &str) -> Self {
        Self(std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect())
    }

    fn line(&self, offset: usize) -> usize {
        self.0.partition_point(|start| *start <= offset)
    }
}

fn map(table: &DeTable<'_>, lines: &Lines) -> Result<Value, Fault> {
    let mut entries = Vec::new();
    for (key, value) in table {
        let line = lines.line(key.span().start);
        entries.push((
            key.span().start,
            Entry { key: key.get_ref().to_string(), line, node: node(value, lines)? },
        ));
    }
    // In the order of the file: messages come in it.
    entries.sort_by_key(|(start, _)| *start);
    Ok(Value::Map(entries.into_iter().map(|(_, entry)| entry).collect()))
}

fn node(value: &Spanned<DeValue<'_>>, lines: &Lines) -> Result<Node, Fault> {
    let line = lines.line(value.span().start);
    let value = match value.get_ref() {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Boolean(value) => Value::Bool(*value),
        DeValue::Datetime(datetime) => Value::Text(datetime.to_string()),
        DeValue::Integer(integer) => i64::from_str_radix(integer.as_str(), integer.radix())
            .map(Value::Integer)
            .map_err(|_| Fault::new(line, "", "an integer beyond 64 bits"))?,
        DeValue::Float(float) => {
            float.as_str().parse().map(Value::Float).map_err(|_| Fault::new(line, "", "not a number"))?
        }
        DeValue::Array(items) => {
            Value::List(items.iter().map(|item| node(item, lines)).collect::<Result<Vec<_>, _>>()?)
        }
        DeValue::Table(table) => map(table, lines)?,
    };
    Ok(Node { line, value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_and_values_know_their_lines() {
        let node =
            parse("version = 1\n\n[[datasets]]\nid = \"a\"\nsource = { paths = [\"a.nc\"] }\n").unwrap();
        let dataset = &node.get("datasets").unwrap().items()[0];
        assert_eq!(dataset.line_of("id"), 4);
        assert_eq!(dataset.line_of("source"), 5);
        assert_eq!(node.get("version").unwrap().value, Value::Integer(1));
    }

    #[test]
    fn a_mistake_has_its_line() {
        assert_eq!(parse("a = 1\nb = \n").unwrap_err().line, 2);
        assert_eq!(parse("a = 1\na = 2\n").unwrap_err().line, 2);
    }
}
