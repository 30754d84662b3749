//! Waiting for the end of a recall: thousands of readers on one notification.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::Notify;

use super::{ObjectState, Outcome, RequestId};
use crate::ErrorKind;
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
    by_object: HashMap<ObjectId, Failure>,
    /// Oldest first; some of them may have been forgotten.
    order: VecDeque<(i64, ObjectId)>,
}

/// A recall that failed.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    /// The request by which it can be looked at.
    pub(super) request: Option<RequestId>,
    pub(super) reason: Arc<str>,
    pub(super) state: ObjectState,
    pub(super) kind: ErrorKind,
    at_ns: i64,
}

impl Failures {
    /// Remembers a failure for a while.
    pub(super) fn add(
        &mut self,
        object: ObjectId,
        request: Option<RequestId>,
        (reason, state, kind): (Arc<str>, ObjectState, ErrorKind),
        now_ns: i64,
    ) {
        self.drop_old(now_ns);
        self.order.push_back((now_ns, object.clone()));
        self.by_object.insert(object, Failure { request, reason, state, kind, at_ns: now_ns });
    }

    /// The failure of an object, if it is recent.
    pub(super) fn get(&self, object: &ObjectId, now_ns: i64) -> Option<&Failure> {
        let oldest_ns = now_ns.saturating_sub(nanoseconds(REMEMBERED));
        self.by_object.get(object).filter(|failure| failure.at_ns >= oldest_ns)
    }

    /// Forgets the failure of an object.
    pub(super) fn forget(&mut self, object: &ObjectId) {
        self.by_object.remove(object);
    }

    fn drop_old(&mut self, now_ns: i64) {
        let oldest_ns = now_ns.saturating_sub(nanoseconds(REMEMBERED));
        while self.order.front().is_some_and(|(at_ns, _)| *at_ns < oldest_ns)
            || self.order.len() >= MAX_FAILURES
        {
            let Some((at_ns, object)) = self.order.pop_front() else { return };
            if self.by_object.get(&object).is_some_and(|failure| failure.at_ns == at_ns) {
                self.by_object.remove(&object);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: usize) -> ObjectId {
        ObjectId::new("a", &number.to_string()).unwrap()
    }

    #[test]
    fn failures_are_told_for_a_while_and_a_bounded_number_of_them() {
        let mut failures = Failures::default();
        for number in 0..2 * MAX_FAILURES {
            failures.add(
                id(number),
                None,
                ("broken".into(), ObjectState::Failed, ErrorKind::RecallFailed),
                1_000_000_000,
            );
        }
        assert_eq!(failures.by_object.len(), MAX_FAILURES);
        let last = id(2 * MAX_FAILURES - 1);
        assert!(failures.get(&last, 11_000_000_000).is_some());
        assert!(failures.get(&last, 11_000_000_001).is_none());
        failures.add(
            id(0),
            None,
            ("broken".into(), ObjectState::Failed, ErrorKind::RecallFailed),
            20_000_000_000,
        );
        assert_eq!(failures.by_object.len(), 1);
        failures.forget(&id(0));
        assert!(failures.get(&id(0), 20_000_000_000).is_none());
    }

    #[tokio::test]
    async fn all_who_wait_are_woken_and_who_comes_late_does_not_wait() {
        let signal = Arc::new(Signal::default());
        let waiter = tokio::spawn({
            let signal = Arc::clone(&signal);
            async move { signal.wait().await }
        });
        tokio::task::yield_now().await;
        assert!(!waiter.is_finished());
        signal.end(Outcome::Online);
        assert_eq!(waiter.await.unwrap(), Outcome::Online);
        assert_eq!(signal.wait().await, Outcome::Online);
    }
}
