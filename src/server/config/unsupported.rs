//! Keys of the documented configuration that this version does not know yet.
//!
//! They are refused by name: a server that silently ignored `[access]` would serve what it must not.

use super::layers::{KeyPath, Layers};
use super::mistake::Mistake;

/// Sections and keys; `*` stands for any name.
const UNSUPPORTED: &[&str] = &[
    "access",
    "jobs.executors",
    "jobs.definitions",
    "tokens.*.groups",
    "server.tls",
    "state.database",
    "roots.*.follow_symlinks",
    "limits.per_client",
    "limits.webhook_hosts",
];

/// Takes every such key out of `layers` and reports it.
pub(super) fn reject(layers: &mut Layers, mistakes: &mut Vec<Mistake>) {
    for pattern in UNSUPPORTED {
        for key in matching(layers, pattern) {
            let origin = layers.origin(&key);
            layers.remove(&key);
            let message = "is not supported by this version".to_owned();
            mistakes.push(Mistake { origin, key: key.join("."), message });
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
