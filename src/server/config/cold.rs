//! Section `[cold.NAME]`.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::load::Check;
use super::roots::RootConfig;

/// A cold store: where objects of some roots lie that have to be brought online before they can be read.
///
/// Further keys are the store's own; they stand below, kind by kind.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ColdConfig {
    /// Which kind of store: "simulated", "posix", "command", "s3-glacier" or "wlcg-tape".
    #[schemars(example = &"posix")]
    pub kind: String,
    /// Names of the `[roots.NAME]` that lie on it.
    #[schemars(example = &["archive"])]
    pub roots: Vec<String>,
    /// The store's own keys.
    #[serde(flatten)]
    #[schemars(with = "std::collections::BTreeMap<String, serde_json::Value>")]
    pub keys: toml::Table,
}

/// What is wrong with a store's own keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyMistake {
    /// The levels of the key; none for what several keys together make.
    pub key: Vec<String>,
    /// What is wrong with it.
    pub message: String,
}

impl fmt::Display for KeyMistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.key.is_empty() {
            true => f.write_str(&self.message),
            false => write!(f, "{}: {}", self.key.join("."), self.message),
        }
    }
}

/// The own keys of a kind of store.
#[derive(Debug, Clone)]
pub struct StoreKeys {
    /// The kind.
    pub kind: &'static str,
    /// JSON Schema of the keys.
    pub schema: Value,
    /// The keys with their defaults.
    pub defaults: Value,
}

/// Says what is wrong with the own keys of a store of a kind.
pub type CheckStore<'a> = dyn Fn(&str, &toml::Table) -> Result<(), KeyMistake> + 'a;

/// The own keys of a store of a kind that are paths.
pub type StorePaths<'a> = dyn Fn(&str) -> &'static [&'static str] + 'a;

/// Makes the paths among a store's own keys absolute.
pub(super) fn place(
    stores: &mut BTreeMap<String, ColdConfig>,
    store_paths: Option<&StorePaths<'_>>,
    check: &Check<'_>,
) {
    let Some(store_paths) = store_paths else { return };
    for (name, store) in stores {
        for key in store_paths(&store.kind) {
            if let Some(toml::Value::String(path)) = store.keys.get_mut(*key) {
                let absolute = check.absolute(&["cold", name, key], Path::new(path));
                *path = absolute.to_string_lossy().into_owned();
            }
        }
    }
}

/// Reports stores without a kind or with wrong keys, and roots that are unknown or lie on two stores.
pub(super) fn complete(
    stores: &BTreeMap<String, ColdConfig>,
    roots: &BTreeMap<String, RootConfig>,
    check_store: Option<&CheckStore<'_>>,
    check: &mut Check<'_>,
) {
    let mut bound: BTreeMap<&str, &str> = BTreeMap::new();
    for (name, store) in stores {
        match check_store {
            _ if store.kind.is_empty() => check.mistake(&["cold", name], "names no `kind`"),
            Some(check_store) => own_keys(name, store, check_store, check),
            None => {}
        }
        if store.roots.is_empty() {
            check.mistake(&["cold", name, "roots"], "names no root that lies on the store");
        }
        for root in &store.roots {
            if !roots.contains_key(root) {
                check.mistake(&["cold", name, "roots"], format!("no [roots.{root}] is configured"));
            }
            if let Some(other) = bound.insert(root, name) {
                let message = format!("[roots.{root}] lies on [cold.{other}] already");
                check.mistake(&["cold", name, "roots"], message);
            }
        }
    }
}

/// Reports every own key of a store that is wrong.
fn own_keys(name: &str, store: &ColdConfig, check_store: &CheckStore<'_>, check: &mut Check<'_>) {
    let mut keys = store.keys.clone();
    while let Err(mistake) = check_store(&store.kind, &keys) {
        let key: Vec<&str> =
            ["cold", name].into_iter().chain(mistake.key.iter().map(String::as_str)).collect();
        check.mistake(&key, &mistake.message);
        if mistake.key.first().is_none_or(|first| keys.remove(first).is_none()) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::Registry;
    use crate::config::{Known, Surroundings, load};

    #[test]
    fn every_mistake_of_a_store_is_told_with_its_line() {
        let dir = tempfile::tempdir().unwrap();
        let (file, root) = (dir.path().join("thermocline.toml"), dir.path().display());
        let surroundings =
            Surroundings { variables: [("HOME".into(), "/h".into())].into(), working_dir: dir.path().into() };
        let registry = Registry::builtin();
        let check = |kind: &str, keys: &toml::Table| registry.check_store(kind, keys);
        let known = Known { check_store: Some(&check), ..Known::default() };
        for (store, mistakes) in [
            ("kind = \"simulated\"\nspeed = 60", &[][..]),
            (
                "kind = \"simulated\"\nspede = 60\ndrives = \"two\"",
                &["toml:6: cold.tape.spede", "toml:7: cold.tape.drives"],
            ),
            ("kind = \"simulated\"\ndrives = 0", &["cold.tape: drives: 0 is not within 1"]),
            ("kind = \"floppy\"", &["no cold store of kind \"floppy\""]),
            ("speed = 60", &["names no `kind`"]),
        ] {
            let text = format!("[roots.a]\npath = \"{root}\"\n[cold.tape]\nroots = [\"a\"]\n{store}\n");
            std::fs::write(&file, text).unwrap();
            let found =
                load(&surroundings, Some(&file), &[], &known).err().map(|mistakes| mistakes.to_string());
            let found = found.unwrap_or_default();
            assert!(mistakes.iter().all(|mistake| found.contains(mistake)), "{store}: {found}");
            assert_eq!(
                found.lines().filter(|line| line.contains("cold.tape")).count(),
                mistakes.len(),
                "{found}"
            );
        }
    }

    #[test]
    fn paths_among_the_keys_of_a_store_begin_at_the_file_that_names_them() {
        let (dir, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(dir.path().join("tapes.csv"), "path,tape,position\na,T1,0\n").unwrap();
        let text = "[roots.a]\npath = \".\"\n[cold.tape]\nkind = \"simulated\"\nroots = [\"a\"]\n\
                    table = \"tapes.csv\"\n";
        let file = dir.path().join("thermocline.toml");
        std::fs::write(&file, text).unwrap();
        let variables = [("HOME", "/h"), ("THERMOCLINE__COLD__TAPE__RECALL_LOG", "recalls.log")];
        let surroundings = Surroundings {
            variables: variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            working_dir: elsewhere.path().into(),
        };
        let registry = Registry::builtin();
        let check = |kind: &str, keys: &toml::Table| registry.check_store(kind, keys);
        let paths = |kind: &str| registry.store_paths(kind);
        let known = Known { check_store: Some(&check), store_paths: Some(&paths), ..Known::default() };

        let config = load(&surroundings, Some(&file), &[], &known).unwrap().config;

        let path = |key: &str| config.cold["tape"].keys[key].as_str().map(std::path::PathBuf::from);
        assert_eq!(path("table"), Some(dir.path().join("tapes.csv")));
        assert_eq!(path("recall_log"), Some(elsewhere.path().join("recalls.log")));
    }

    #[test]
    fn a_root_lies_on_one_store_that_knows_it() {
        let dir = tempfile::tempdir().unwrap();
        let (file, root) = (dir.path().join("thermocline.toml"), dir.path().display());
        let surroundings =
            Surroundings { variables: [("HOME".into(), "/h".into())].into(), working_dir: dir.path().into() };
        let text = format!(
            "[roots.a]\npath = \"{root}\"\n[cold.x]\nkind = \"posix\"\nroots = [\"a\"]\n\
             [cold.y]\nkind = \"posix\"\nroots = [\"a\", \"b\"]\n[cold.z]\nkind = \"posix\"\n"
        );
        std::fs::write(&file, text).unwrap();
        let found = load(&surroundings, Some(&file), &[], &Known::default()).unwrap_err().to_string();
        for mistake in ["[roots.a] lies on [cold.x] already", "no [roots.b] is configured", "names no root"] {
            assert!(found.contains(mistake), "{found}");
        }
    }
}
