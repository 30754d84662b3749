//! Buffers that are used again.
//!
//! Fresh memory costs a page fault every 4 KiB, which is as slow as inflating (measured). Small buffers
//! are left to the allocator, which does not give their pages back.

use std::sync::{Mutex, PoisonError};

/// Smallest buffer that is kept, in bytes.
const MIN_KEPT_BYTES: usize = 64 << 10;

/// Largest buffer that is kept, in bytes.
const MAX_KEPT_BYTES: usize = 8 << 20;

/// The most bytes that are kept in all buffers together.
const MAX_POOL_BYTES: usize = 48 << 20;

/// A buffer this many times larger than what is wanted is left to others.
const MAX_WASTE: usize = 4;

static POOL: Mutex<Pool> = Mutex::new(Pool { buffers: Vec::new(), n_bytes: 0 });

struct Pool {
    buffers: Vec<Vec<u8>>,
    n_bytes: usize,
}

/// An empty buffer with room for `capacity` bytes.
pub fn take(capacity: usize) -> Vec<u8> {
    let mut buffer = kept(capacity).unwrap_or_else(|| Vec::with_capacity(capacity));
    buffer.clear();
    buffer
}

/// A buffer of `len` bytes for what is written over whole: those that were in use have what they had, others zeros.
pub fn take_filled(len: usize, slack: usize) -> Vec<u8> {
    let capacity = len.saturating_add(slack);
    let mut buffer = kept(capacity).unwrap_or_else(|| Vec::with_capacity(capacity));
    buffer.resize(len, 0);
    buffer
}

fn kept(capacity: usize) -> Option<Vec<u8>> {
    if capacity < MIN_KEPT_BYTES { None } else { with_pool(|pool| pool.take(capacity)) }
}

/// The same for a read, which fills all the room that there is: hardly more than `capacity`.
pub fn take_close(capacity: usize) -> Vec<u8> {
    let most = capacity.saturating_add(capacity / 8);
    let kept = with_pool(|pool| pool.take_within(capacity, most));
    let mut buffer = kept.unwrap_or_else(|| Vec::with_capacity(capacity));
    buffer.clear();
    buffer
}

/// Keeps a buffer that is not needed any more.
pub fn give(buffer: Vec<u8>) {
    if (MIN_KEPT_BYTES..=MAX_KEPT_BYTES).contains(&buffer.capacity()) {
        with_pool(|pool| pool.give(buffer));
    }
}

/// A buffer that is given back when it is dropped: for bytes that others hold on to.
pub struct Lent(Vec<u8>);

impl Lent {
    /// Lends a buffer that came from [`take`].
    pub fn new(buffer: Vec<u8>) -> Self {
        Self(buffer)
    }
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        give(std::mem::take(&mut self.0));
    }
}

fn with_pool<T>(work: impl FnOnce(&mut Pool) -> T) -> T {
    work(&mut POOL.lock().unwrap_or_else(PoisonError::into_inner))
}

impl Pool {
    /// The buffer that came last among those that fit: its pages are the likeliest to be in the cache.
    fn take(&mut self, capacity: usize) -> Option<Vec<u8>> {
        self.take_within(capacity, capacity.saturating_mul(MAX_WASTE))
    }

    fn take_within(&mut self, capacity: usize, most: usize) -> Option<Vec<u8>> {
        let fits = capacity..=most;
        let place = self.buffers.iter().rposition(|buffer| fits.contains(&buffer.capacity()))?;
        let buffer = self.buffers.remove(place);
        self.n_bytes -= buffer.capacity();
        Some(buffer)
    }

    fn give(&mut self, buffer: Vec<u8>) {
        self.n_bytes += buffer.capacity();
        self.buffers.push(buffer);
        while self.n_bytes > MAX_POOL_BYTES {
            let oldest = self.buffers.remove(0);
            self.n_bytes -= oldest.capacity();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn empty() -> Pool {
        Pool { buffers: Vec::new(), n_bytes: 0 }
    }

    #[test]
    fn a_buffer_comes_back() {
        let mut pool = empty();
        pool.give(vec![1; MIN_KEPT_BYTES]);
        assert!(pool.take(2 * MIN_KEPT_BYTES).is_none());
        assert!(pool.take(MIN_KEPT_BYTES - 1).is_some());
        assert_eq!((pool.buffers.len(), pool.n_bytes), (0, 0));
    }

    #[test]
    fn a_large_buffer_is_not_wasted_on_little() {
        let mut pool = empty();
        pool.give(Vec::with_capacity(MAX_KEPT_BYTES));
        assert!(pool.take(MIN_KEPT_BYTES).is_none());
        assert!(pool.take_within(MAX_KEPT_BYTES / 2, MAX_KEPT_BYTES / 2 + 1).is_none());
        assert!(pool.take(MAX_KEPT_BYTES / MAX_WASTE).is_some());
    }

    #[test]
    fn the_pool_is_bounded() {
        let mut pool = empty();
        for _ in 0..100 {
            pool.give(Vec::with_capacity(MAX_KEPT_BYTES));
        }
        assert_eq!(pool.n_bytes, MAX_POOL_BYTES);
        assert_eq!(pool.buffers.len(), MAX_POOL_BYTES / MAX_KEPT_BYTES);
    }

    #[test]
    fn what_is_taken_has_room() {
        for capacity in [0, 1, MIN_KEPT_BYTES, MAX_KEPT_BYTES + 1] {
            let buffer = take(capacity);
            assert!(buffer.is_empty() && buffer.capacity() >= capacity);
            give(vec![1; capacity]);
            let filled = take_filled(capacity / 2, 1);
            assert!(filled.len() == capacity / 2 && filled.capacity() > capacity / 2);
            give(filled);
            assert!(take(capacity).is_empty() && take_close(capacity).is_empty());
        }
    }
}
