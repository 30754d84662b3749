//! Keys of the documented configuration that this version does not know yet.
//!
//! They are refused by name: a server that silently ignored what keeps clients out would serve what it must not.

use super::layers::{KeyPath, Layers};
use super::mistake::Mistake;

/// Sections and keys; `*` stands for any name.
const UNSUPPORTED: &[&str] =
    &["jobs.executors", "jobs.definitions", "state.database", "roots.*.follow_symlinks"];

/// Sections that need a server that was built with more, and with what.
const UNBUILT: &[(&str, &str)] = if cfg!(feature = "oidc") { &[] } else { &[("oidc", "oidc")] };

/// Takes every such key out of `layers` and reports it.
pub(super) fn reject(layers: &mut Layers, mistakes: &mut Vec<Mistake>) {
    let unsupported = UNSUPPORTED.iter().map(|key| (*key, "is not supported by this version".to_owned()));
    let unbuilt = UNBUILT.iter().map(|(key, feature)| {
        (*key, format!("is not known to this program: it was built without the feature \"{feature}\""))
    });
    for (pattern, message) in unsupported.chain(unbuilt) {
        for key in matching(layers, pattern) {
            let origin = layers.origin(&key);
            layers.remove(&key);
            mistakes.push(Mistake { origin, key: key.join("."), message: message.clone() });
        }
    }
}

fn matching(layers: &Layers, pattern: &str) -> Vec<KeyPath> {
    let expand = |keys: Vec<KeyPath>, level: &str| -> Vec<KeyPath> {
        keys.into_iter()
            .flat_map(|key| {
                let table = if key.is_empty() { Some(&layers.table) } else { table_at(layers, &key) };
                let names = table.into_iter().flat_map(toml::Table::keys);
                let fitting: Vec<KeyPath> = names
                    .filter(|name| level == "*" || *name == level)
                    .map(|name| key.iter().cloned().chain([name.clone()]).collect())
                    .collect();
                fitting
            })
            .collect()
    };
    pattern.split('.').fold(vec![KeyPath::new()], expand)
}

fn table_at<'a>(layers: &'a Layers, key: &KeyPath) -> Option<&'a toml::Table> {
    layers.value(key)?.as_table()
}
