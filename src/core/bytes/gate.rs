//! A bound on what is under way in one place, so that a place which hangs stops nothing else.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{Error, ErrorKind, Result};

/// What a client is told to wait when a place is busy.
const RETRY_AFTER: Duration = Duration::from_secs(10);

/// How often a thread that waits looks again.
const POLL: Duration = Duration::from_millis(10);

/// Lets a bounded number of file operations in at a time. Cloning gives the same gate.
///
/// A read of a file server that hangs keeps its thread for good: without a bound such reads take every
/// thread of the blocking pool, and files elsewhere cannot be read any more.
#[derive(Debug, Clone)]
pub(super) struct Gate {
    permits: Arc<Semaphore>,
}

impl Gate {
    pub(super) fn new(max_under_way: usize) -> Self {
        Self { permits: Arc::new(Semaphore::new(max_under_way.max(1))) }
    }

    /// Waits for a place; `name` is what is to be read.
    ///
    /// The permit goes with the work, not with whoever asked for it: work that hangs counts although
    /// nobody waits for it any more.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] when none is free for as long as `wait`.
    pub(super) async fn enter(&self, wait: Duration, name: &str) -> Result<OwnedSemaphorePermit> {
        if let Some(permit) = self.try_enter() {
            return Ok(permit);
        }
        let permit = tokio::time::timeout(wait, Arc::clone(&self.permits).acquire_owned()).await;
        permit.ok().and_then(Result::ok).ok_or_else(|| busy(name))
    }

    /// The same on a thread that may block.
    pub(super) fn enter_blocking(&self, wait: Duration, name: &str) -> Result<OwnedSemaphorePermit> {
        let started = Instant::now();
        loop {
            if let Some(permit) = self.try_enter() {
                return Ok(permit);
            }
            if started.elapsed() >= wait {
                return Err(busy(name));
            }
            std::thread::sleep(POLL);
        }
    }

    fn try_enter(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.permits).try_acquire_owned().ok()
    }
}

fn busy(name: &str) -> Error {
    let kind = ErrorKind::Unavailable { retry_after: RETRY_AFTER };
    Error::new(kind, format!("cannot read {name}: too many reads of its folder are under way, or it hangs"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_finds_no_place_in_time_is_told_to_come_back() {
        let gate = Gate::new(1);
        let wait = Duration::from_millis(20);
        let permit = gate.enter(wait, "a").await.unwrap();

        for error in [gate.enter(wait, "b").await.unwrap_err(), gate.enter_blocking(wait, "b").unwrap_err()] {
            assert!(matches!(error.kind(), ErrorKind::Unavailable { .. }), "{error}");
        }
        drop(permit);
        assert!(gate.enter(wait, "c").await.is_ok() && gate.enter_blocking(wait, "c").is_ok());
    }
}
