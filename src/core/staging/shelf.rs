//! Which copies readers may read: what is durable, and nothing else.

use std::collections::HashMap;

use parking_lot::RwLock;

use super::cache::{CacheKey, Stamp};
use crate::cold::ObjectId;

/// Copies by object.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    copies: RwLock<HashMap<ObjectId, (CacheKey, Stamp)>>,
}

impl Shelf {
    pub(super) fn get(&self, object: &ObjectId) -> Option<CacheKey> {
        self.copy(object).map(|(key, _)| key)
    }

    /// The copy of an object, and what its file looks like as long as nobody writes to it.
    pub(super) fn copy(&self, object: &ObjectId) -> Option<(CacheKey, Stamp)> {
        self.copies.read().get(object).copied()
    }

    pub(super) fn put(&self, object: ObjectId, key: CacheKey, stamp: Stamp) {
        self.copies.write().insert(object, (key, stamp));
    }

    /// Takes a copy off, unless another one has taken its place.
    pub(super) fn take(&self, object: &ObjectId, key: &CacheKey) {
        let mut copies = self.copies.write();
        if copies.get(object).is_some_and(|(there, _)| there == key) {
            copies.remove(object);
        }
    }
}
