//! The annotated example file, made from the documentation of the fields.

use serde_json::{Map, Value};

use super::{Config, StoreKeys, json_schema};

/// Width of a comment, in characters.
const WIDTH: usize = 100;

/// A configuration file that says what every key means, those of all kinds of cold stores too; its values are the
/// defaults.
pub fn example(kinds: &[StoreKeys]) -> String {
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
        if name == "cold" {
            example.lines.extend(kinds.iter().flat_map(own_keys));
        }
    }
    example.lines.join("\n") + "\n"
}

/// The own keys of a kind of store, behind comment signs.
fn own_keys(kind: &StoreKeys) -> Vec<String> {
    let mut part = Example { schema: &kind.schema, lines: vec!["#".to_owned()] };
    part.comment(&format!("Further keys of [cold.NAME] with kind = \"{}\":", kind.kind));
    part.keys_behind_comment("cold.NAME", &kind.schema, &kind.defaults);
    part.lines
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
            properties(table).partition(|(_, inner)| self.is_table(inner));
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

    /// True for a table, and for tables with names of the user's choice.
    fn is_table(&self, property: &'a Value) -> bool {
        let named = property.get("additionalProperties");
        [Some(property), named]
            .into_iter()
            .flatten()
            .any(|inner| self.resolve(inner).get("properties").is_some())
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

    /// The keys of a table, then the tables in it, lists of them too.
    fn keys_behind_comment(&mut self, key: &str, table: &'a Value, defaults: &Value) {
        let (tables, values): (Vec<_>, Vec<_>) =
            properties(table).partition(|(_, inner)| self.table_in(inner).is_some());
        for (name, inner) in values {
            self.comment(description(inner, self.resolve(inner)));
            self.comment(&self.words(inner));
            self.key_behind_comment(name, inner, defaults.get(name));
        }
        for (name, inner) in tables {
            let Some((inner_table, is_list)) = self.table_in(inner) else { continue };
            self.comment(description(inner, inner_table));
            let longer = format!("{key}.{name}");
            self.lines.push(if is_list { format!("# [[{longer}]]") } else { format!("# [{longer}]") });
            let shown = defaults.get(name).filter(|shown| !shown.is_null());
            let shown = shown.and_then(|shown| if is_list { shown.get(0) } else { Some(shown) });
            self.keys_behind_comment(&longer, inner_table, shown.unwrap_or(&Value::Null));
        }
    }

    /// The table that a key may hold, and whether it holds a list of them.
    fn table_in(&self, property: &'a Value) -> Option<(&'a Value, bool)> {
        let alternatives = property.get("anyOf").and_then(Value::as_array);
        let candidates = [(Some(property), false), (property.get("items"), true)];
        let candidates = candidates.into_iter().filter_map(|(inner, is_list)| Some((inner?, is_list)));
        let optional = alternatives.into_iter().flatten().map(|inner| (inner, false));
        let mut tables = candidates.chain(optional).map(|(inner, is_list)| (self.resolve(inner), is_list));
        tables.find(|(inner, _)| inner.get("properties").is_some())
    }

    /// The words that a key takes, with what they mean.
    fn words(&self, property: &'a Value) -> String {
        let words = self.resolve(property).get("oneOf").and_then(Value::as_array);
        let words = words.into_iter().flatten().filter_map(|word| {
            let (word, meaning) = (word.get("const")?.as_str()?, description(word, &Value::Null));
            Some(format!("\"{word}\": {meaning}"))
        });
        words.collect::<Vec<_>>().join(" ")
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
        self.key_behind_comment(name, property, None);
    }

    fn key_behind_comment(&mut self, name: &str, property: &Value, default: Option<&Value>) {
        let examples = property.get("examples").and_then(Value::as_array);
        let default = default.or_else(|| property.get("default")).filter(|default| !default.is_null());
        let shown = examples.and_then(|list| list.first()).or(default);
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
    use crate::Registry;

    fn builtin() -> String {
        example(&Registry::builtin().store_keys())
    }

    #[test]
    fn the_shipped_example_is_the_one_that_the_program_prints() {
        let shipped = include_str!("../thermocline.example.toml");
        assert_eq!(
            shipped,
            builtin(),
            "run: thermocline config example > src/server/thermocline.example.toml"
        );
    }

    #[test]
    fn the_example_is_the_default_configuration() {
        let read: Config = toml::from_str(&builtin()).unwrap();
        assert_eq!(read, Config::default());
    }

    #[test]
    fn every_key_is_explained() {
        let text = builtin();
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

    #[test]
    fn keys_below_names_of_the_users_choice_are_shown() {
        let text = builtin();
        for (section, keys) in [
            ("access", &["read", "stage", "admin"][..]),
            ("tokens", &["hash", "owner", "groups", "scopes", "expires"]),
            ("oidc", &["issuer", "audience", "owner_claim", "groups_claim", "scopes_claim", "read_scopes"]),
            ("staging.owners", &["share", "max_active", "max_pinned", "max_requests", "max_cost_per_day"]),
        ] {
            let begin = format!("\n# [{section}.NAME]\n");
            let (_, part) = text.split_once(&begin).expect(section);
            let part = part.split("\n\n").next().unwrap();
            for key in keys {
                assert!(part.contains(&format!("\n# {key} = ")), "{section}: {key} is not in {part}");
            }
        }
    }

    #[test]
    fn every_key_of_every_kind_of_cold_store_is_explained() {
        let text = builtin();
        let inner_keys = [
            ("simulated", &["[cold.NAME.faults]", "path", "fault", "times", "share", "delay"][..]),
            ("posix", &["[cold.NAME.state_command]", "run", "words", "otherwise"]),
            ("posix", &["[cold.NAME.attributes]", "name", "values", "otherwise"]),
            ("command", &[]),
            ("s3-glacier", &[]),
            ("wlcg-tape", &[]),
        ];
        for (kind, inner_keys) in inner_keys {
            let begin = format!("with kind = \"{kind}\":\n");
            let (_, part) = text.split_once(&begin).expect(kind);
            let part = part.split("\n#\n# Further").next().unwrap().split("\n\n").next().unwrap();
            let known =
                Registry::builtin().store_keys().into_iter().find(|known| known.kind == kind).unwrap();
            let keys: Vec<&str> = known.defaults.as_object().unwrap().keys().map(String::as_str).collect();
            assert!(keys.len() >= 10, "{keys:?}");
            for key in keys.iter().chain(inner_keys) {
                let is_there = [format!("\n# {key} = "), format!("[{key}]\n"), format!(".{key}]")];
                let is_there = is_there.iter().any(|line| part.contains(line))
                    || part.contains(key) && key.starts_with('[');
                assert!(is_there, "{kind}: {key} is not in {part}");
            }
        }
    }
}
