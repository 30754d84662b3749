//! Prints the effective configuration.

use toml::{Table, Value};

use super::load::Loaded;

/// What stands beside each key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Annotation {
    /// Nothing: the output is a configuration file.
    Nothing,
    /// Where the value comes from.
    Origin,
}

/// The effective configuration as TOML; secrets inside addresses are masked.
pub fn show(loaded: &Loaded, annotation: Annotation) -> String {
    let mut lines = Vec::new();
    if let Ok(Value::Table(table)) = Value::try_from(&loaded.config) {
        section(loaded, annotation, &mut Vec::new(), &table, &mut lines);
    }
    lines.join("\n") + "\n"
}

fn section(
    loaded: &Loaded,
    annotation: Annotation,
    key: &mut Vec<String>,
    table: &Table,
    lines: &mut Vec<String>,
) {
    let (tables, values): (Vec<_>, Vec<_>) = table.iter().partition(|(_, value)| value.is_table());
    if !key.is_empty() && !values.is_empty() {
        if !lines.is_empty() {
            lines.push(String::new());
        }
        lines.push(format!("[{}]", key.join(".")));
    }
    for (name, value) in values {
        key.push(name.clone());
        let line = format!("{name} = {}", masked(value));
        lines.push(match annotation {
            Annotation::Nothing => line,
            Annotation::Origin => format!("{line}  # {}", loaded.origin(key)),
        });
        key.pop();
    }
    for (name, value) in tables {
        key.push(name.clone());
        if let Value::Table(inner) = value {
            section(loaded, annotation, key, inner, lines);
        }
        key.pop();
    }
}

/// The value with the user and password of an address replaced.
fn masked(value: &Value) -> Value {
    let Some(mut url) = value.as_str().and_then(|text| url::Url::parse(text).ok()) else {
        return value.clone();
    };
    if url.username().is_empty() && url.password().is_none() {
        return value.clone();
    }
    let is_masked = url.set_username("***").is_ok() && url.set_password(None).is_ok();
    Value::String(if is_masked { url.to_string() } else { "***".to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Flag, Known, Surroundings, load};

    fn loaded(url: &str) -> Loaded {
        let surroundings =
            Surroundings { variables: [("HOME".to_owned(), "/h".to_owned())].into(), ..Default::default() };
        let flag = Flag {
            flag: "--root".into(),
            key: vec!["roots".into(), "web".into(), "url".into()],
            value: Value::String(url.into()),
            appends: false,
        };
        load(&surroundings, None, &[flag], &Known::default()).unwrap()
    }

    #[test]
    fn a_password_in_an_address_is_masked() {
        let text = show(&loaded("https://user:secret@host/data"), Annotation::Nothing);
        assert!(!text.contains("secret"), "{text}");
        assert!(text.contains("url = \"https://***@host/data\""), "{text}");
    }

    #[test]
    fn every_key_can_tell_its_origin() {
        let text = show(&loaded("https://host/data"), Annotation::Origin);
        assert!(text.contains("url = \"https://host/data\"  # --root"), "{text}");
        assert!(text.contains("max_requests = 4096  # default"), "{text}");
    }

    #[test]
    fn what_is_shown_is_a_configuration() {
        let text = show(&loaded("https://host/data"), Annotation::Nothing);
        let read: crate::config::Config = toml::from_str(&text).unwrap();
        assert_eq!(read, loaded("https://host/data").config);
    }
}
