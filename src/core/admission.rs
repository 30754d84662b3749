//! Who may begin large work: a bound for what is worked on at the same time, and for what waits for its turn.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{Error, ErrorKind, Result};

/// What a client is told to wait when too much is asked for.
pub const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Bounds of one kind of work.
#[derive(Debug, Clone)]
pub struct GateSettings {
    /// What is let in, for messages: `plots`.
    pub what: &'static str,
    /// Name of the gauge of those that wait.
    pub waiting_gauge: &'static str,
    /// Most at the same time; further ones wait.
    pub max_concurrent: usize,
    /// Most that wait; further ones are refused.
    pub max_waiting: usize,
}

/// Lets work in.
pub struct Gate {
    slots: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
    settings: GateSettings,
}

impl Gate {
    /// Nothing is worked on yet.
    pub fn new(settings: GateSettings) -> Self {
        let slots = settings.max_concurrent.clamp(1, Semaphore::MAX_PERMITS);
        Self { slots: Arc::new(Semaphore::new(slots)), waiting: Arc::default(), settings }
    }

    /// Waits for a turn, which lasts until what this gives is dropped.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] if too many wait already.
    pub async fn admit(&self) -> Result<OwnedSemaphorePermit> {
        let slots = Arc::clone(&self.slots);
        self.waited(async { slots.acquire_owned().await.map_err(|_| self.closed()) }).await
    }

    /// Waits for a turn and for `more`, as one of those that wait.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] if too many wait already; those of `more`.
    pub async fn admit_with<T>(
        &self,
        more: impl Future<Output = Result<T>>,
    ) -> Result<(OwnedSemaphorePermit, T)> {
        let slots = Arc::clone(&self.slots);
        let both = async {
            let slot = slots.acquire_owned().await.map_err(|_| self.closed())?;
            Ok((slot, more.await?))
        };
        self.waited(both).await
    }

    async fn waited<T>(&self, turn: impl Future<Output = Result<T>>) -> Result<T> {
        let _waiting = self.enter()?;
        turn.await
    }

    fn enter(&self) -> Result<Waiting> {
        let waiting = Waiting { n: Arc::clone(&self.waiting), gauge: self.settings.waiting_gauge };
        let before = waiting.n.fetch_add(1, Ordering::Relaxed);
        metrics::gauge!(waiting.gauge).increment(1.0);
        // One more than may wait: the one that is let in at once waits, too.
        if before > self.settings.max_waiting { Err(self.too_many()) } else { Ok(waiting) }
    }

    /// The error of those for whom there is no place.
    pub fn too_many(&self) -> Error {
        let kind = ErrorKind::Unavailable { retry_after: RETRY_AFTER };
        Error::new(kind, format!("too many {} are asked for at present", self.settings.what))
    }

    fn closed(&self) -> Error {
        Error::internal(format!("{} are closed", self.settings.what))
    }
}

/// One that waits.
struct Waiting {
    n: Arc<AtomicUsize>,
    gauge: &'static str,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.n.fetch_sub(1, Ordering::Relaxed);
        metrics::gauge!(self.gauge).decrement(1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(max_concurrent: usize, max_waiting: usize) -> Gate {
        Gate::new(GateSettings { what: "tests", waiting_gauge: "tests_waiting", max_concurrent, max_waiting })
    }

    #[tokio::test]
    async fn more_than_may_wait_are_refused() {
        let gate = gate(1, 0);
        let first = gate.admit().await.unwrap();
        let second = gate.admit();
        tokio::pin!(second);
        assert!(futures::poll!(second.as_mut()).is_pending());
        let third = gate.admit().await.unwrap_err();
        assert!(matches!(third.kind(), ErrorKind::Unavailable { .. }), "{third}");
        drop(first);
        assert!(second.await.is_ok());
    }

    #[tokio::test]
    async fn who_leaves_makes_room_for_others_that_wait() {
        let gate = gate(1, 0);
        let _first = gate.admit().await.unwrap();
        let mut second = Box::pin(gate.admit());
        assert!(futures::poll!(&mut second).is_pending());
        drop(second);
        let mut third = Box::pin(gate.admit());
        assert!(futures::poll!(&mut third).is_pending(), "it waits, and is not refused");
    }

    #[tokio::test]
    async fn no_places_at_all_are_one() {
        assert!(gate(0, 0).admit().await.is_ok());
    }
}
