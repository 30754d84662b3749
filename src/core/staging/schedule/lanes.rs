//! How much work each lane has had: the interactive lane goes first, the bulk lane is not starved.

use super::{Lane, Policy};

/// Keeps count of the work that the interactive lane has had above its share while the bulk lane waited.
#[derive(Debug)]
pub(super) struct Balance {
    /// Seconds above the share.
    above: f64,
    /// Seconds above the share that are allowed.
    burst: f64,
    /// Share of the interactive lane, 0 to 1.
    share: f64,
}

impl Balance {
    pub(super) fn new(policy: &Policy) -> Self {
        let share = f64::from(policy.interactive_percent.min(95)) / 100.0;
        Self { above: 0.0, burst: policy.interactive_burst.as_secs_f64(), share }
    }

    /// Which lane goes first.
    pub(super) fn order(&self) -> [Lane; 2] {
        match self.above > self.burst {
            true => [Lane::Bulk, Lane::Interactive],
            false => [Lane::Interactive, Lane::Bulk],
        }
    }

    /// Counts work of the interactive lane during which the bulk lane waited.
    pub(super) fn interactive(&mut self, seconds: f64) {
        self.above += seconds * (1.0 - self.share);
    }

    /// Counts work of the bulk lane.
    pub(super) fn bulk(&mut self, seconds: f64) {
        self.above = (self.above - seconds * self.share).max(0.0);
    }
}
