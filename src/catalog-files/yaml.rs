//! YAML 1.2 with its core schema: no tags, one document, unique keys, a bound on what aliases unfold to.
//!
//! # Source
//! YAML 1.2.2, section 10.3.2, tag resolution of the core schema.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

use crate::node::{Entry, Fault, Node, Value};

/// Deepest nesting accepted: the schema needs eight.
const MAX_DEPTH: usize = 64;

/// Most values of a file, those that aliases repeat counted each time.
const MAX_NODES: usize = 2_000_000;

/// Parses a file.
pub(crate) fn parse(text: &str) -> Result<Node, Fault> {
    let mut builder = Builder::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event
            .map_err(|error| Fault::new(error.marker().line(), "", format!("not YAML: {}", error.info())))?;
        builder.take(event, &span)?;
    }
    builder.root.ok_or_else(|| Fault::new(1, "", "the file holds no document"))
}

#[derive(Default)]
struct Builder {
    root: Option<Node>,
    open: Vec<Open>,
    anchors: HashMap<usize, (Node, usize)>,
    n_nodes: usize,
    n_documents: usize,
}

/// A list or map that has not ended.
struct Open {
    line: usize,
    anchor: usize,
    n_before: usize,
    kind: Kind,
}

enum Kind {
    List(Vec<Node>),
    Map { entries: Vec<Entry>, key: Option<(String, usize)> },
}

impl Builder {
    fn take(&mut self, event: Event<'_>, span: &Span) -> Result<(), Fault> {
        let line = span.start.line();
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                no_tag(tag.as_deref(), line)?;
                let value = match style {
                    ScalarStyle::Plain => resolve(&text),
                    _ => Value::Text(text.into_owned()),
                };
                self.count(1, line)?;
                let node = Node { line, value };
                self.remember(anchor, &node, 1);
                self.push(node)
            }
            Event::SequenceStart(anchor, tag) => {
                no_tag(tag.as_deref(), line)?;
                self.begin(line, anchor, Kind::List(Vec::new()))
            }
            Event::MappingStart(anchor, tag) => {
                no_tag(tag.as_deref(), line)?;
                self.begin(line, anchor, Kind::Map { entries: Vec::new(), key: None })
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::Alias(anchor) => {
                let known = self.anchors.get(&anchor).cloned();
                let (node, n_nodes) = known.ok_or_else(|| Fault::new(line, "", "an alias of nothing"))?;
                self.count(n_nodes, line)?;
                self.push(node)
            }
            Event::DocumentStart(_) => {
                self.n_documents += 1;
                if self.n_documents > 1 {
                    return Err(Fault::new(line, "", "a second document begins; a file holds one"));
                }
                Ok(())
            }
            Event::StreamStart | Event::StreamEnd | Event::DocumentEnd | Event::Nothing => Ok(()),
        }
    }

    fn begin(&mut self, line: usize, anchor: usize, kind: Kind) -> Result<(), Fault> {
        if self.open.len() >= MAX_DEPTH {
            return Err(Fault::new(line, "", format!("nested deeper than {MAX_DEPTH}")));
        }
        let n_before = self.n_nodes;
        self.count(1, line)?;
        self.open.push(Open { line, anchor, n_before, kind });
        Ok(())
    }

    fn end(&mut self) -> Result<(), Fault> {
        let Some(open) = self.open.pop() else { return Ok(()) };
        let value = match open.kind {
            Kind::List(items) => Value::List(items),
            Kind::Map { entries, .. } => Value::Map(entries),
        };
        let node = Node { line: open.line, value };
        self.remember(open.anchor, &node, self.n_nodes - open.n_before);
        self.push(node)
    }

    fn push(&mut self, node: Node) -> Result<(), Fault> {
        match self.open.last_mut().map(|open| &mut open.kind) {
            None => self.root = Some(node),
            Some(Kind::List(items)) => items.push(node),
            Some(Kind::Map { entries, key }) => match key.take() {
                Some((key, line)) => entries.push(Entry { key, line, node }),
                None => {
                    let text = key_text(&node)?;
                    if entries.iter().any(|entry| entry.key == text) {
                        return Err(Fault::new(node.line, "", format!("the key {text:?} stands here twice")));
                    }
                    *key = Some((text, node.line));
                }
            },
        }
        Ok(())
    }

    fn remember(&mut self, anchor: usize, node: &Node, n_nodes: usize) {
        if anchor != 0 {
            self.anchors.insert(anchor, (node.clone(), n_nodes));
        }
    }

    fn count(&mut self, n: usize, line: usize) -> Result<(), Fault> {
        self.n_nodes += n;
        if self.n_nodes > MAX_NODES {
            return Err(Fault::new(line, "", format!("more than {MAX_NODES} values")));
        }
        Ok(())
    }
}

fn no_tag(tag: Option<&saphyr_parser::Tag>, line: usize) -> Result<(), Fault> {
    match tag {
        Some(tag) => Err(Fault::new(
            line,
            "",
            format!("the tag {}{} is not allowed: files are data", tag.handle, tag.suffix),
        )),
        None => Ok(()),
    }
}

fn key_text(node: &Node) -> Result<String, Fault> {
    match &node.value {
        Value::Text(text) => Ok(text.clone()),
        Value::Bool(value) => Ok(value.to_string()),
        Value::Integer(value) => Ok(value.to_string()),
        Value::Float(_) | Value::Null | Value::List(_) | Value::Map(_) => {
            Err(Fault::new(node.line, "", "a key must be a text"))
        }
    }
}

/// What a plain scalar is in the core schema.
fn resolve(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        _ => {}
    }
    resolve_number(text).unwrap_or_else(|| Value::Text(text.to_owned()))
}

fn resolve_number(text: &str) -> Option<Value> {
    for (prefix, radix) in [("0o", 8), ("0x", 16)] {
        if let Some(digits) = text.strip_prefix(prefix).filter(|digits| !digits.starts_with(['+', '-'])) {
            return i64::from_str_radix(digits, radix).ok().map(Value::Integer);
        }
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if !unsigned.is_empty() && unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
        return match text.parse() {
            Ok(integer) => Some(Value::Integer(integer)),
            Err(_) => text.parse().ok().map(Value::Float),
        };
    }
    match unsigned {
        ".inf" | ".Inf" | ".INF" if text.starts_with('-') => return Some(Value::Float(f64::NEG_INFINITY)),
        ".inf" | ".Inf" | ".INF" => return Some(Value::Float(f64::INFINITY)),
        ".nan" | ".NaN" | ".NAN" if unsigned == text => return Some(Value::Float(f64::NAN)),
        _ => {}
    }
    let begins = unsigned.strip_prefix('.').unwrap_or(unsigned).starts_with(|c: char| c.is_ascii_digit());
    let is_float =
        begins && unsigned.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'));
    if is_float { text.parse().ok().map(Value::Float) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn plain_scalars_follow_the_core_schema() {
        for (text, value) in [
            ("no", Value::Text("no".to_owned())),
            ("off", Value::Text("off".to_owned())),
            ("2000-01-01", Value::Text("2000-01-01".to_owned())),
            ("10.24381/cds", Value::Text("10.24381/cds".to_owned())),
            ("1.2.3", Value::Text("1.2.3".to_owned())),
            ("1_000", Value::Text("1_000".to_owned())),
            ("-", Value::Text("-".to_owned())),
            ("true", Value::Bool(true)),
            ("~", Value::Null),
            ("-12", Value::Integer(-12)),
            ("010", Value::Integer(10)),
            ("0x1F", Value::Integer(31)),
            ("0o17", Value::Integer(15)),
            ("1e3", Value::Float(1000.0)),
            (".5", Value::Float(0.5)),
            ("-.inf", Value::Float(f64::NEG_INFINITY)),
        ] {
            assert_eq!(resolve(text), value, "{text}");
        }
    }

    #[test]
    fn quoted_scalars_are_text() {
        let node = parse("a: \"12\"\nb: 'true'\n").unwrap();
        assert_eq!(node.text_of("a"), Some("12"));
        assert_eq!(node.text_of("b"), Some("true"));
    }

    #[test]
    fn aliases_repeat_their_anchor() {
        let node = parse("a: &x [1, 2]\nb: *x\n").unwrap();
        assert_eq!(node.get("a"), node.get("b"));
    }

    #[test]
    fn aliases_do_not_unfold_without_bound() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for n in 1..12 {
            let list = vec![format!("*a{}", n - 1); 10].join(", ");
            text.push_str(&format!("a{n}: &a{n} [{list}]\n"));
        }
        assert!(parse(&text).unwrap_err().message.contains("values"));
    }

    #[test]
    fn deep_nesting_is_a_mistake() {
        assert!(parse(&"[".repeat(100_000)).is_err());
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in "[-a-c0-2:{}\\[\\], \n\"'&*!|>#%~.]{0,60}") {
            let _ = parse(&text);
        }
    }
}
