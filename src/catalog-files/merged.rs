//! An entry of a file over the defaults of that file.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::node::Node;

/// An entry over the defaults of its file: a shallow merge, key by key.
#[derive(Clone, Copy)]
pub(crate) struct Merged<'a> {
    pub(crate) item: &'a Node,
    pub(crate) defaults: Option<&'a Node>,
}

impl<'a> Merged<'a> {
    pub(crate) fn get(&self, key: &str) -> Option<&'a Node> {
        self.item.get(key).or_else(|| self.defaults?.get(key))
    }

    pub(crate) fn text(&self, key: &str) -> Option<String> {
        self.get(key)?.text().map(str::to_owned)
    }

    pub(crate) fn texts(&self, key: &str) -> Vec<String> {
        self.get(key).map(Node::texts).unwrap_or_default()
    }

    pub(crate) fn is_true(&self, key: &str) -> bool {
        self.get(key).is_some_and(Node::is_true)
    }

    /// A hash of what stands under some keys, the same for entries that say the same.
    pub(crate) fn hash_of(&self, keys: &[&str]) -> u64 {
        let mut hasher = DefaultHasher::new();
        for key in keys {
            if let Some(node) = self.get(key) {
                key.hash(&mut hasher);
                node.hash(&mut hasher);
            }
        }
        hasher.finish()
    }
}
