//! Puts the layers of a configuration over each other and remembers where each value came from.

use std::collections::BTreeMap;
use std::path::Path;

use toml::de::{DeTable, DeValue};
use toml::{Spanned, Table, Value};

use super::mistake::{Mistake, Origin};

/// What the variables of the environment begin with.
const PREFIX: &str = "THERMOCLINE__";

/// The levels of a key: `["server", "listen"]`.
pub(super) type KeyPath = Vec<String>;

/// A value that a flag sets.
#[derive(Debug, Clone, PartialEq)]
pub struct Flag {
    /// The flag as the user typed it, for messages.
    pub flag: String,
    /// The levels of the key.
    pub key: Vec<String>,
    /// The value; text that is not TOML is taken as a string.
    pub value: Value,
    /// True to add the value to a list instead of replacing it.
    pub appends: bool,
}

/// The merged values and their origins.
#[derive(Debug, Default)]
pub(super) struct Layers {
    pub(super) table: Table,
    origins: BTreeMap<KeyPath, Origin>,
    /// What the environment or `--set` said, for keys whose value turns out to be text.
    raw: BTreeMap<KeyPath, String>,
}

impl Layers {
    /// Puts a file over what is there.
    pub(super) fn merge_file(&mut self, path: &Path, text: &str, mistakes: &mut Vec<Mistake>) {
        let line_of = |offset: usize| text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1;
        let origin = |offset| Origin::File { path: path.to_owned(), line: line_of(offset) };
        let (spans, mut errors) = DeTable::parse_recoverable(text);
        errors.sort_by_key(|error| error.span().map_or(0, |span| span.start));
        mistakes.extend(errors.iter().map(|error| Mistake {
            origin: origin(error.span().map_or(0, |span| span.start)),
            key: String::new(),
            message: error.message().trim().to_owned(),
        }));
        let Ok(table) = text.parse::<Table>() else { return };
        remember(spans.get_ref(), &mut Vec::new(), &mut |key, offset| {
            self.origins.insert(key.to_vec(), origin(offset));
        });
        merge(&mut self.table, table);
    }

    /// Puts the variables `THERMOCLINE__SECTION__KEY` over what is there.
    pub(super) fn merge_environment(&mut self, variables: &BTreeMap<String, String>) {
        for (variable, text) in variables {
            let Some(levels) = variable.strip_prefix(PREFIX) else { continue };
            let key: KeyPath = levels.split("__").map(str::to_lowercase).collect();
            self.raw.insert(key.clone(), text.clone());
            self.set(key, parse_value(text), Origin::Environment(variable.clone()));
        }
    }

    /// Puts the flags over what is there.
    pub(super) fn merge_flags(&mut self, flags: &[Flag]) {
        for flag in flags {
            if let (Value::String(text), false) = (&flag.value, flag.appends) {
                self.raw.insert(flag.key.clone(), text.clone());
            }
            let value = match (&flag.value, flag.appends) {
                (value, true) => self.appended(&flag.key, value.clone()),
                (value, false) => value.clone(),
            };
            self.set(flag.key.clone(), value, Origin::Flag(flag.flag.clone()));
        }
    }

    /// Where the value of a key, or the nearest table around it, was set.
    pub(super) fn origin(&self, key: &[String]) -> Origin {
        (1..=key.len())
            .rev()
            .find_map(|n| self.origins.get(key.get(..n)?))
            .or_else(|| {
                self.origins.iter().find(|(longer, _)| longer.starts_with(key)).map(|(_, origin)| origin)
            })
            .cloned()
            .unwrap_or_default()
    }

    /// Where exactly this key was set.
    pub(super) fn exact_origin(&self, key: &[String]) -> Origin {
        self.origins.get(key).cloned().unwrap_or_default()
    }

    /// Takes the value given as text back to that text: `profile = "123"` from `…__PROFILE=123`.
    /// False if it was not given as text or is text already.
    pub(super) fn restore_text(&mut self, key: &[String]) -> bool {
        let Some(text) = self.raw.remove(key) else { return false };
        match self.value_mut(key) {
            Some(value) if !value.is_str() => {
                *value = Value::String(text);
                true
            }
            _ => false,
        }
    }

    /// Removes a value; false if there is none.
    pub(super) fn remove(&mut self, key: &[String]) -> bool {
        let Some((last, parents)) = key.split_last() else { return false };
        parents
            .iter()
            .try_fold(&mut self.table, |table, level| table.get_mut(level)?.as_table_mut())
            .is_some_and(|table| table.remove(last).is_some())
    }

    /// The value of a key.
    pub(super) fn value(&self, key: &[String]) -> Option<&Value> {
        let (last, parents) = key.split_last()?;
        parents.iter().try_fold(&self.table, |table, level| table.get(level)?.as_table())?.get(last)
    }

    fn value_mut(&mut self, key: &[String]) -> Option<&mut Value> {
        let (last, parents) = key.split_last()?;
        parents
            .iter()
            .try_fold(&mut self.table, |table, level| table.get_mut(level)?.as_table_mut())?
            .get_mut(last)
    }

    /// Makes the relative paths in a list of paths absolute. Called after each layer that may add to the list:
    /// what an earlier one added is absolute already.
    pub(super) fn place_paths(&mut self, key: &[String], base: &Path) {
        let Some(Value::Array(paths)) = self.value_mut(key) else { return };
        for path in paths {
            if let Value::String(text) = path {
                *text = base.join(&*text).to_string_lossy().into_owned();
            }
        }
    }

    /// Gives a key a value that nobody set, under those that later layers add.
    pub(super) fn set_default(&mut self, key: &[String], value: Value) {
        if self.value(key).is_none() {
            self.set(key.to_vec(), value, Origin::Default);
        }
    }

    /// A value that is no list stays, to be reported.
    fn appended(&self, key: &[String], value: Value) -> Value {
        let mut list = match self.value(key) {
            None => Vec::new(),
            Some(Value::Array(list)) => list.clone(),
            Some(other) => return other.clone(),
        };
        list.push(value);
        Value::Array(list)
    }

    fn set(&mut self, key: KeyPath, value: Value, origin: Origin) {
        let Some((last, parents)) = key.split_last() else { return };
        let mut table = &mut self.table;
        for level in parents {
            let entry = table.entry(level.clone()).or_insert_with(|| Value::Table(Table::new()));
            if !entry.is_table() {
                *entry = Value::Table(Table::new());
            }
            let Some(inner) = entry.as_table_mut() else { return };
            table = inner;
        }
        table.insert(last.clone(), value);
        self.origins.insert(key, origin);
    }
}

/// Text of the environment as TOML where it is TOML, else as a string.
pub(crate) fn parse_value(text: &str) -> Value {
    let document = format!("value = {text}");
    let parsed = document.parse::<Table>().ok().filter(|table| table.len() == 1);
    parsed.and_then(|mut table| table.remove("value")).unwrap_or_else(|| Value::String(text.to_owned()))
}

fn merge(below: &mut Table, above: Table) {
    for (key, value) in above {
        match (below.get_mut(&key), value) {
            (Some(Value::Table(inner)), Value::Table(table)) => merge(inner, table),
            (_, value) => {
                below.insert(key, value);
            }
        }
    }
}

fn remember(table: &DeTable<'_>, key: &mut KeyPath, see: &mut dyn FnMut(&[String], usize)) {
    for (name, value) in table.iter() {
        key.push(name.get_ref().to_string());
        see(key, Spanned::span(name).start);
        if let DeValue::Table(inner) = value.get_ref() {
            remember(inner, key, see);
        }
        key.pop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> KeyPath {
        text.split('.').map(str::to_owned).collect()
    }

    #[test]
    fn later_layers_win_and_origins_are_kept() {
        let mut layers = Layers::default();
        let mut mistakes = Vec::new();
        let file = "[server]\nlisten = \"a\"\nlog = \"text\"\n";
        layers.merge_file(Path::new("t.toml"), file, &mut mistakes);
        let variable = "THERMOCLINE__SERVER__LISTEN".to_owned();
        layers.merge_environment(&BTreeMap::from([(variable.clone(), "127.0.0.1:1".to_owned())]));

        assert_eq!(mistakes, []);
        assert_eq!(layers.value(&key("server.listen")), Some(&Value::String("127.0.0.1:1".into())));
        assert_eq!(layers.origin(&key("server.listen")), Origin::Environment(variable));
        assert_eq!(layers.origin(&key("server.log")), Origin::File { path: "t.toml".into(), line: 3 });
        assert_eq!(layers.origin(&key("server.nothing")), Origin::File { path: "t.toml".into(), line: 1 });
    }

    #[test]
    fn a_flag_can_add_to_a_list() {
        let mut layers = Layers::default();
        layers.merge_file(Path::new("t.toml"), "[catalogs]\ndirs = [\"a\"]", &mut Vec::new());
        let flag = Flag {
            flag: "--catalog b".into(),
            key: key("catalogs.dirs"),
            value: Value::String("b".into()),
            appends: true,
        };
        layers.merge_flags(&[flag]);
        assert_eq!(
            layers.value(&key("catalogs.dirs")).map(ToString::to_string),
            Some(r#"["a", "b"]"#.into())
        );
    }

    #[test]
    fn the_environment_gives_toml_or_text() {
        assert_eq!(parse_value("12"), Value::Integer(12));
        assert_eq!(parse_value("[\"a\"]").as_array().map(Vec::len), Some(1));
        assert_eq!(parse_value("60s"), Value::String("60s".into()));
        assert_eq!(parse_value("1\nother = 2"), Value::String("1\nother = 2".into()));
    }

    #[test]
    fn every_syntax_error_names_its_line() {
        let mut mistakes = Vec::new();
        Layers::default().merge_file(Path::new("t.toml"), "[server]\na = \nb = }\n", &mut mistakes);
        let lines: Vec<String> = mistakes.iter().map(|mistake| mistake.origin.to_string()).collect();
        assert_eq!(lines, ["t.toml:2", "t.toml:3"]);
    }
}
