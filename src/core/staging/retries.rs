//! When a recall that failed is tried again.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

/// How failed recalls are tried again: each time after twice as long, and not all at the same moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retries {
    /// How long to wait before the second attempt. Default 10 s: a drive that fails is not repaired sooner.
    pub first_after: Duration,
    /// Longest wait before an attempt. Default 30 minutes.
    pub at_most: Duration,
}

impl Default for Retries {
    fn default() -> Self {
        Self { first_after: Duration::from_secs(10), at_most: Duration::from_secs(30 * 60) }
    }
}

impl Retries {
    /// How long to wait after `n_failed` attempts: a store that names a time is not asked before.
    ///
    /// Between three quarters and five quarters of the usual time, told by `seed`, so that a thousand recalls
    /// that failed together do not come back together.
    pub(crate) fn wait(&self, n_failed: u32, asked_for: Option<Duration>, seed: u64) -> Duration {
        let doublings = n_failed.saturating_sub(1).min(20);
        let usual = self.first_after.saturating_mul(1 << doublings).min(self.at_most);
        let mut hasher = DefaultHasher::new();
        (seed, n_failed).hash(&mut hasher);
        let jittered = usual.mul_f64(0.75 + 0.5 * (hasher.finish() % 1024) as f64 / 1024.0);
        jittered.max(asked_for.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_attempt_waits_about_twice_as_long_as_the_one_before_up_to_a_bound() {
        let retries = Retries { first_after: Duration::from_secs(10), at_most: Duration::from_secs(60) };
        for (n_failed, usual) in [(1, 10.0), (2, 20.0), (3, 40.0), (4, 60.0), (40, 60.0)] {
            for seed in 0..50 {
                let wait = retries.wait(n_failed, None, seed).as_secs_f64();
                assert!((usual * 0.75..=usual * 1.25).contains(&wait), "{wait} s after {n_failed}");
            }
        }
    }

    #[test]
    fn recalls_that_failed_together_come_back_apart_and_not_before_the_store_wants_them() {
        let retries = Retries::default();
        let waits: std::collections::BTreeSet<_> = (0..100).map(|seed| retries.wait(1, None, seed)).collect();
        assert!(waits.len() > 50);
        let hour = Duration::from_secs(3600);
        assert_eq!(retries.wait(1, Some(hour), 7), hour);
    }
}
