//! The annotated example file, made from the documentation of the fields.

use serde_json::{Map, Value};

use super::{Config, json_schema};

/// Width of a comment, in characters.
const WIDTH: usize = 100;

/// A configuration file that says what every key means; its values are the defaults.
pub fn example() -> String {
    let schema = json_schema();
    let defaults = serde_json::to_value(Config::default()).unwrap_or_default();
    let mut example = Example { schema: &schema, lines: Vec::new() };
    example.comment(concat!(
        "Configuration of Thermocline. Every key is shown with its default; keys behind a # have none or are examples. ",
        "Read from --config FILE, else $THERMOCLINE_CONFIG, else ./thermocline.toml, else ",
        "~/.config/thermocline/thermocline.toml, else /etc/thermocline/thermocline.toml. A variable ",
        "THERMOCLINE__SECTION__KEY wins over the file, a flag over both. Made by `thermocline config example`.",
    ));
    for (name, property) in properties(&schema) {
        example.section(&[name], property, defaults.get(name).unwrap_or(&Value::Null));
    }
    example.lines.join("\n") + "\n"
}

struct Example<'a> {
    schema: &'a Value,
    lines: Vec<String>,
}

impl<'a> Example<'a> {
    /// A table: its comment, its keys, then the tables in it.
    fn section(&mut self, key: &[&str], property: &'a Value, defaults: &Value) {
        if let Some(item) = property.get("additionalProperties").filter(|item| item.is_object()) {
            return self.named_section(key, property, item);
        }
        let table = self.resolve(property);
        let (tables, values): (Vec<_>, Vec<_>) =
            properties(table).partition(|(_, inner)| self.resolve(inner).get("properties").is_some());
        self.lines.push(String::new());
        self.comment(description(property, table));
        self.lines.push(format!("[{}]", key.join(".")));
        for (name, inner) in values {
            self.value(name, inner, defaults.get(name));
        }
        for (name, inner) in tables {
            let longer: Vec<&str> = key.iter().copied().chain([name]).collect();
            self.section(&longer, inner, defaults.get(name).unwrap_or(&Value::Null));
        }
    }

    /// A table with names of the user's choice: an example behind comment signs.
    fn named_section(&mut self, key: &[&str], property: &'a Value, item: &'a Value) {
        let table = self.resolve(item);
        self.lines.push(String::new());
        self.comment(description(property, table));
        self.lines.push(format!("# [{}.NAME]", key.join(".")));
        for (name, inner) in properties(table) {
            self.value_behind_comment(name, inner);
        }
    }

    fn value(&mut self, name: &str, property: &'a Value, default: Option<&Value>) {
        let Some(default) = default.filter(|default| !default.is_null()) else {
            return self.value_behind_comment(name, property);
        };
        self.comment(description(property, self.resolve(property)));
        self.lines.push(format!("{name} = {}", toml_text(default)));
    }

    fn value_behind_comment(&mut self, name: &str, property: &'a Value) {
        self.comment(description(property, self.resolve(property)));
        let examples = property.get("examples").and_then(Value::as_array);
        let shown = examples.and_then(|list| list.first()).or_else(|| property.get("default"));
        self.lines.push(format!("# {name} = {}", shown.map_or_else(|| "…".to_owned(), toml_text)));
    }

    fn comment(&mut self, text: &str) {
        let mut line = String::from("#");
        for word in text.split_whitespace() {
            if line.chars().count() + word.chars().count() + 1 > WIDTH {
                self.lines.push(std::mem::replace(&mut line, String::from("#")));
            }
            line.push(' ');
            line.push_str(word);
        }
        if line != "#" {
            self.lines.push(line);
        }
    }

    fn resolve(&self, property: &'a Value) -> &'a Value {
        let target = property.get("$ref").and_then(Value::as_str).and_then(|link| link.strip_prefix('#'));
        target.and_then(|pointer| self.schema.pointer(pointer)).unwrap_or(property)
    }
}

fn properties(table: &Value) -> impl Iterator<Item = (&str, &Value)> {
    table
        .get("properties")
        .and_then(Value::as_object)
        .into_iter()
        .flat_map(Map::iter)
        .map(|(k, v)| (k.as_str(), v))
}

fn description<'a>(property: &'a Value, table: &'a Value) -> &'a str {
    let of = |value: &'a Value| value.get("description").and_then(Value::as_str);
    of(property).or_else(|| of(table)).unwrap_or_default()
}

fn toml_text(value: &Value) -> String {
    toml::Value::try_from(value).map_or_else(|_| value.to_string(), |value| value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_example_is_the_one_that_the_program_prints() {
        let shipped = include_str!("../thermocline.example.toml");
        assert_eq!(
            shipped,
            example(),
            "run: thermocline config example > src/server/thermocline.example.toml"
        );
    }

    #[test]
    fn the_example_is_the_default_configuration() {
        let read: Config = toml::from_str(&example()).unwrap();
        assert_eq!(read, Config::default());
    }

    #[test]
    fn every_key_is_explained() {
        let text = example();
        let mut before = "";
        for line in text.lines() {
            let bare = line.trim_start_matches("# ");
            if !line.is_empty()
                && (!line.starts_with('#') || bare.contains(" = ") && bare.starts_with(char::is_lowercase))
            {
                assert!(before.starts_with('#'), "nothing explains {line:?}");
            }
            before = line;
        }
    }
}
