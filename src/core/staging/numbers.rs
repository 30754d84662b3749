//! Names for requests and batches: the time, made unique.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// Gives numbers that have never been given before. Cloning gives the same giver.
#[derive(Debug, Clone, Default)]
pub(super) struct Numbers {
    last: Arc<AtomicI64>,
}

impl Numbers {
    /// Gives numbers above `last`.
    pub(super) fn after(last: i64) -> Self {
        Self { last: Arc::new(AtomicI64::new(last)) }
    }

    /// The time, or the next number if that is taken: after a clock was set back, too.
    pub(super) fn next(&self, now_ns: i64) -> i64 {
        let later = |last: i64| Some(now_ns.max(last.saturating_add(1)));
        let last =
            self.last.fetch_update(Ordering::AcqRel, Ordering::Acquire, later).unwrap_or_else(|last| last);
        now_ns.max(last.saturating_add(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_times_and_never_given_twice_even_if_the_clock_goes_back() {
        let numbers = Numbers::after(100);
        let given: Vec<i64> = [500, 500, 400, 600].into_iter().map(|now_ns| numbers.next(now_ns)).collect();
        assert_eq!(given, [500, 501, 502, 600]);
    }
}
