//! A parsed catalog file as a tree in which every value knows its line.

use std::hash::{Hash, Hasher};

use serde_json::{Map, Number, Value as Json};

/// A value and the line on which it begins.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    pub(crate) line: usize,
    pub(crate) value: Value,
}

/// What YAML's core schema and TOML have in common.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Integer(i64),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A key of a map with its value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) line: usize,
    pub(crate) node: Node,
}

/// A mistake in a file, before it is known which file it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) line: usize,
    pub(crate) path: String,
    pub(crate) message: String,
}

impl Fault {
    pub(crate) fn new(line: usize, path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { line, path: path.into(), message: message.into() }
    }
}

/// Lines do not count.
impl Hash for Node {
    fn hash<H: Hasher>(&self, state: &mut H) {
        std::mem::discriminant(&self.value).hash(state);
        match &self.value {
            Value::Null => {}
            Value::Bool(value) => value.hash(state),
            Value::Integer(value) => value.hash(state),
            Value::Float(value) => value.to_bits().hash(state),
            Value::Text(text) => text.hash(state),
            Value::List(items) => items.hash(state),
            Value::Map(entries) => {
                for entry in entries {
                    entry.key.hash(state);
                    entry.node.hash(state);
                }
            }
        }
    }
}

impl Node {
    /// The value of a key; `None` if there is none or this is no map.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        self.entries().iter().find(|entry| entry.key == key).map(|entry| &entry.node)
    }

    /// Keys and values; none if this is no map.
    pub(crate) fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The members; none if this is no list.
    pub(crate) fn items(&self) -> &[Self] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    pub(crate) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// All texts of a list.
    pub(crate) fn texts(&self) -> Vec<String> {
        self.items().iter().filter_map(Self::text).map(str::to_owned).collect()
    }

    /// The text of a key.
    pub(crate) fn text_of(&self, key: &str) -> Option<&str> {
        self.get(key)?.text()
    }

    pub(crate) fn is_true(&self) -> bool {
        matches!(self.value, Value::Bool(true))
    }

    /// The value as a number, of whichever kind.
    pub(crate) fn float(&self) -> Option<f64> {
        match self.value {
            Value::Integer(value) => Some(value as f64),
            Value::Float(value) => Some(value),
            _ => None,
        }
    }

    /// The line of a key in this map, or of the map.
    pub(crate) fn line_of(&self, key: &str) -> usize {
        self.entries().iter().find(|entry| entry.key == key).map_or(self.line, |entry| entry.line)
    }

    /// The node at a JSON pointer, as far as it exists, with its path as people write it.
    pub(crate) fn at_pointer(&self, pointer: &str) -> (&Self, String) {
        let mut node = self;
        let mut path = String::new();
        for part in pointer.split('/').skip(1) {
            let part = part.replace("~1", "/").replace("~0", "~");
            let next = match &node.value {
                Value::List(items) => part.parse::<usize>().ok().and_then(|n| items.get(n)),
                _ => node.get(&part),
            };
            match &node.value {
                Value::List(_) => path.push_str(&format!("[{part}]")),
                _ if path.is_empty() => path.push_str(&part),
                _ => path.push_str(&format!(".{part}")),
            }
            match next {
                Some(next) => node = next,
                None => break,
            }
        }
        (node, path)
    }

    /// The tree as JSON, for the schema.
    pub(crate) fn json(&self) -> Json {
        match &self.value {
            Value::Null => Json::Null,
            Value::Bool(value) => Json::Bool(*value),
            Value::Integer(value) => Json::from(*value),
            Value::Float(value) => Number::from_f64(*value).map_or(Json::Null, Json::Number),
            Value::Text(text) => Json::String(text.clone()),
            Value::List(items) => Json::Array(items.iter().map(Self::json).collect()),
            Value::Map(entries) => Json::Object(
                entries.iter().map(|entry| (entry.key.clone(), entry.node.json())).collect::<Map<_, _>>(),
            ),
        }
    }
}
