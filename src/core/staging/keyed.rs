//! Where things are in a list, by a key that each of them has.

use std::hash::{BuildHasher, Hash, RandomState};

use hashbrown::HashTable;

/// Places in a list, by the keys of what is there. Keys are not kept twice, since there may be millions: whoever asks
/// says which key the thing at a place has, always the same one.
#[derive(Debug, Default)]
pub(super) struct Keyed {
    places: HashTable<u32>,
    hasher: RandomState,
}

impl Keyed {
    /// For so many things.
    pub(super) fn with_capacity(n: usize) -> Self {
        Self { places: HashTable::with_capacity(n), hasher: RandomState::new() }
    }

    /// The place of what has a key.
    pub(super) fn get<'k, K: Hash + Eq + 'k>(
        &self,
        key: &K,
        key_at: impl Fn(u32) -> Option<&'k K>,
    ) -> Option<u32> {
        self.places.find(self.hasher.hash_one(key), |place| key_at(*place) == Some(key)).copied()
    }

    /// Adds what is at a place, which has a key that no other has.
    pub(super) fn insert<'k, K: Hash + 'k>(&mut self, place: u32, key_at: impl Fn(u32) -> Option<&'k K>) {
        let hash = |place: &u32| key_at(*place).map_or(0, |key| self.hasher.hash_one(key));
        self.places.insert_unique(hash(&place), place, hash);
    }

    /// Removes what was at a place and had that key.
    pub(super) fn remove<K: Hash>(&mut self, key: &K, place: u32) {
        if let Ok(entry) = self.places.find_entry(self.hasher.hash_one(key), |known| *known == place) {
            entry.remove();
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// True if there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }
}
