//! What holders of space have in hand: dropping it gives back what it stands for.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Kept, Space};
use crate::staging::cache::CacheKey;

/// Space that is reserved for an object that is to land.
#[must_use = "dropping it gives the space back"]
pub struct Reservation {
    space: Space,
    key: CacheKey,
    len_bytes: u64,
    /// Whether the file system counts the bytes as taken already.
    is_allocated: AtomicBool,
    is_over: bool,
}

impl Reservation {
    pub(super) fn new(space: Space, key: CacheKey, len_bytes: u64) -> Self {
        Self { space, key, len_bytes, is_allocated: AtomicBool::new(false), is_over: false }
    }

    /// The object that is to land.
    pub fn key(&self) -> &CacheKey {
        &self.key
    }

    /// Its size.
    pub fn len_bytes(&self) -> u64 {
        self.len_bytes
    }

    /// True if the file system counts the bytes as taken.
    pub fn is_allocated(&self) -> bool {
        self.is_allocated.load(Ordering::Acquire)
    }

    /// Says that the file system has given the space, as the first progress of a landing does: it is not free
    /// there any more. Saying it again changes nothing.
    pub fn allocated(&self) {
        if !self.is_allocated.swap(true, Ordering::AcqRel) {
            self.space.shared.ledger.lock().allocated(self.len_bytes);
        }
    }

    /// Says that the object has landed, under the key and with the size for which the space was reserved. It is
    /// kept at least as long as the guard lives.
    #[must_use = "the object may be evicted as soon as the guard is dropped, unless it is pinned"]
    pub fn landed(mut self, n_pins: u32, is_safe: bool) -> ReadGuard {
        self.allocated();
        self.is_over = true;
        let kept = Kept { len_bytes: self.len_bytes, landed_ns: self.space.now_ns(), n_pins, is_safe };
        self.space.shared.ledger.lock().landed(self.key, kept);
        ReadGuard::new(self.space.clone(), self.key)
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if !self.is_over {
            let is_allocated = *self.is_allocated.get_mut();
            self.space.shared.ledger.lock().give_back(&self.key, self.len_bytes, is_allocated);
            self.space.shared.changed.notify_waiters();
        }
    }
}

/// Keeps an object in the cache while somebody reads it.
pub struct ReadGuard {
    space: Space,
    key: CacheKey,
}

impl ReadGuard {
    pub(super) fn new(space: Space, key: CacheKey) -> Self {
        Self { space, key }
    }

    /// The object that is kept.
    pub fn key(&self) -> &CacheKey {
        &self.key
    }
}

impl Drop for ReadGuard {
    fn drop(&mut self) {
        if self.space.shared.ledger.lock().end_read(&self.key) {
            self.space.shared.changed.notify_waiters();
        }
    }
}

/// An object that is being evicted: no reader gets it any more.
#[must_use = "dropping it keeps the object"]
pub struct Eviction {
    space: Space,
    key: CacheKey,
    len_bytes: u64,
    is_over: bool,
}

impl Eviction {
    pub(super) fn new(space: Space, key: CacheKey, len_bytes: u64) -> Self {
        Self { space, key, len_bytes, is_over: false }
    }

    /// The object.
    pub fn key(&self) -> &CacheKey {
        &self.key
    }

    /// Its size.
    pub fn len_bytes(&self) -> u64 {
        self.len_bytes
    }

    /// Says that the file is gone.
    pub fn removed(mut self) {
        self.is_over = true;
        self.space.shared.ledger.lock().removed(&self.key);
        self.space.shared.changed.notify_waiters();
    }
}

impl Drop for Eviction {
    fn drop(&mut self) {
        if !self.is_over {
            self.space.shared.ledger.lock().keep_after_all(&self.key);
            self.space.shared.changed.notify_waiters();
        }
    }
}

impl fmt::Debug for Reservation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reservation({}, {} bytes)", self.key, self.len_bytes)
    }
}

impl fmt::Debug for ReadGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReadGuard({})", self.key)
    }
}

impl fmt::Debug for Eviction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Eviction({}, {} bytes)", self.key, self.len_bytes)
    }
}
