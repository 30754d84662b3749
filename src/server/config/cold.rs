//! Section `[cold.NAME]`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::load::Check;
use super::roots::RootConfig;

/// A cold store: where objects of some roots lie that have to be brought online before they can be read.
///
/// Further keys are the store's own: the documentation of each kind names them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ColdConfig {
    /// Which kind of store: "simulated", "posix" or "command".
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

/// Reports stores without a kind, and roots that are unknown or lie on two stores.
pub(super) fn complete(
    stores: &BTreeMap<String, ColdConfig>,
    roots: &BTreeMap<String, RootConfig>,
    check: &mut Check<'_>,
) {
    let mut bound: BTreeMap<&str, &str> = BTreeMap::new();
    for (name, store) in stores {
        if store.kind.is_empty() {
            check.mistake(&["cold", name], "names no `kind`");
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
