//! Which copies readers may read: what is durable, and nothing else.

use std::collections::HashMap;

use parking_lot::RwLock;

use super::cache::CacheKey;
use crate::cold::ObjectId;

/// Copies by object.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    copies: RwLock<HashMap<ObjectId, CacheKey>>,
}

impl Shelf {
    pub(super) fn get(&self, object: &ObjectId) -> Option<CacheKey> {
        self.copies.read().get(object).copied()
    }

    pub(super) fn put(&self, object: ObjectId, key: CacheKey) {
        self.copies.write().insert(object, key);
    }

    /// Takes a copy off, unless another one has taken its place.
    pub(super) fn take(&self, object: &ObjectId, key: &CacheKey) {
        let mut copies = self.copies.write();
        if copies.get(object) == Some(key) {
            copies.remove(object);
        }
    }
}
