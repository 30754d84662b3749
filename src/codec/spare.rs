//! One buffer a thread that is used again for what lies between two steps.
//!
//! Fresh memory costs a page fault every 4 KiB, which is as slow as inflating (measured).

use std::cell::RefCell;

/// Largest buffer that is kept, in bytes.
const MAX_KEPT_BYTES: usize = 8 << 20;

thread_local! {
    static SPARE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// An empty buffer with room for `capacity` bytes.
pub(crate) fn take(capacity: usize) -> Vec<u8> {
    let mut buffer = SPARE.take();
    buffer.clear();
    if buffer.capacity() < capacity {
        return Vec::with_capacity(capacity);
    }
    buffer
}

/// Keeps a buffer that is not needed any more.
pub(crate) fn give(buffer: Vec<u8>) {
    if buffer.capacity() <= MAX_KEPT_BYTES {
        SPARE.replace(buffer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_back_empty() {
        give(vec![1, 2, 3]);
        let buffer = take(2);
        assert!(buffer.is_empty());
        assert!(buffer.capacity() >= 2);
        assert!(take(100).capacity() >= 100);
    }

    #[test]
    fn a_large_buffer_is_not_kept() {
        give(Vec::new());
        give(Vec::with_capacity(MAX_KEPT_BYTES + 1));
        assert_eq!(take(0).capacity(), 0);
    }
}
