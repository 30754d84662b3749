//! Section `[jobs]`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::load::Check;
use super::units::Span;

/// Long work: how much of it at once, and how long its results are kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct JobsConfig {
    /// Jobs that are worked on at once. Requests for cold objects are not among them: they only wait.
    pub workers: usize,
    /// Most jobs that wait; further ones are refused with the time when to come back.
    pub max_queued: usize,
    /// How long a finished job and its result are kept, as a duration.
    pub keep_results: Span,
}

impl Default for JobsConfig {
    fn default() -> Self {
        Self { workers: 2, max_queued: 10_000, keep_results: Span::seconds(7 * 24 * 3600) }
    }
}

impl JobsConfig {
    pub(super) fn complete(&mut self, check: &mut Check<'_>) {
        for (key, n) in [("workers", self.workers), ("max_queued", self.max_queued)] {
            if n == 0 {
                check.mistake(&["jobs", key], "must be more than zero");
            }
        }
    }
}
