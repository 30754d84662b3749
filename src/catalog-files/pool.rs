//! Keeps what many entries say alike only once.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Values that were seen before, by a hash.
pub(crate) struct Pool<T>(HashMap<u64, Vec<T>>);

impl<T> Default for Pool<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<T: Clone + PartialEq> Pool<T> {
    /// The value, or one equal to it that was given with the same hash before.
    pub(crate) fn one(&mut self, hash: u64, value: T) -> T {
        let alike = self.0.entry(hash).or_default();
        match alike.iter().find(|known| **known == value) {
            Some(known) => known.clone(),
            None => {
                alike.push(value.clone());
                value
            }
        }
    }
}

/// Texts that were seen before.
#[derive(Default)]
pub(crate) struct Texts(HashSet<Arc<str>>);

impl Texts {
    /// The text, kept once.
    pub(crate) fn one(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.0.get(text) {
            return Arc::clone(known);
        }
        let text: Arc<str> = text.into();
        self.0.insert(Arc::clone(&text));
        text
    }
}
