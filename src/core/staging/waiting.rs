//! Waiting for the end of a recall: thousands of readers on one notification.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::Notify;

use super::Outcome;
use crate::clock::nanoseconds;
use crate::cold::ObjectId;

/// The end of one recall, for all who wait for it.
#[derive(Debug, Default)]
pub(super) struct Signal {
    outcome: OnceLock<Outcome>,
    ended: Notify,
}

impl Signal {
    /// Wakes all who wait. The first outcome counts.
    pub(super) fn end(&self, outcome: Outcome) {
        let _ = self.outcome.set(outcome);
        self.ended.notify_waiters();
    }

    /// Waits for the end.
    pub(super) async fn wait(&self) -> Outcome {
        loop {
            // Registered before the look: an end in between is not missed.
            let mut ended = std::pin::pin!(self.ended.notified());
            ended.as_mut().enable();
            if let Some(outcome) = self.outcome.get() {
                return outcome.clone();
            }
            ended.await;
        }
    }
}

/// Most failures that are remembered.
const MAX_FAILURES: usize = 4096;

/// How long a failure is told to readers without a new recall: they come in thousands, for every chunk of a file.
const REMEMBERED: Duration = Duration::from_secs(10);

/// Recalls that failed a moment ago.
#[derive(Debug, Default)]
pub(super) struct Failures {
    /// Oldest first.
    recent: VecDeque<Failure>,
}

/// A recall that failed.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    pub(super) object: ObjectId,
    /// The request by which it can be looked at.
    pub(super) request: Option<super::RequestId>,
    pub(super) reason: Arc<str>,
    pub(super) is_lost: bool,
    at_ns: i64,
}

impl Failures {
    /// Remembers a failure for a while.
    pub(super) fn add(
        &mut self,
        object: ObjectId,
        request: Option<super::RequestId>,
        (reason, is_lost): (Arc<str>, bool),
        now_ns: i64,
    ) {
        self.forget(&object);
        if self.recent.len() >= MAX_FAILURES {
            self.recent.pop_front();
        }
        self.recent.push_back(Failure { object, request, reason, is_lost, at_ns: now_ns });
    }

    /// The failure of an object, if it is recent.
    pub(super) fn get(&self, object: &ObjectId, now_ns: i64) -> Option<&Failure> {
        let oldest_ns = now_ns.saturating_sub(nanoseconds(REMEMBERED));
        self.recent
            .iter()
            .rev()
            .take_while(|failure| failure.at_ns >= oldest_ns)
            .find(|failure| failure.object == *object)
    }

    /// Forgets the failure of an object.
    pub(super) fn forget(&mut self, object: &ObjectId) {
        self.recent.retain(|failure| failure.object != *object);
    }
}
