//! Time, so that tests decide how it passes.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::sync::Notify;

/// Tells the time and waits.
#[async_trait]
pub trait Clock: Send + Sync {
    /// Nanoseconds since 1970-01-01T00:00:00Z.
    fn now_ns(&self) -> i64;

    /// Returns when `duration` has passed on this clock.
    async fn sleep(&self, duration: Duration);
}

/// The clock of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    fn now_ns(&self) -> i64 {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since_epoch.as_nanos()).unwrap_or(i64::MAX)
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// A clock that stands still until it is told to go on; for tests.
#[derive(Debug, Clone, Default)]
pub struct ManualClock {
    state: Arc<ManualState>,
}

#[derive(Debug, Default)]
struct ManualState {
    now_ns: Mutex<i64>,
    moved: Notify,
}

impl ManualClock {
    /// A clock that shows `now_ns` nanoseconds since 1970.
    pub fn new(now_ns: i64) -> Self {
        let clock = Self::default();
        *clock.state.now_ns.lock() = now_ns;
        clock
    }

    /// Lets `duration` pass and wakes whoever waited for it.
    pub fn advance(&self, duration: Duration) {
        {
            let mut now_ns = self.state.now_ns.lock();
            *now_ns = now_ns.saturating_add(nanoseconds(duration));
        }
        self.state.moved.notify_waiters();
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now_ns(&self) -> i64 {
        *self.state.now_ns.lock()
    }

    async fn sleep(&self, duration: Duration) {
        let until = self.now_ns().saturating_add(nanoseconds(duration));
        loop {
            // Registered before the time is looked at: an advance in between is not missed.
            let mut moved = std::pin::pin!(self.state.moved.notified());
            moved.as_mut().enable();
            if self.now_ns() >= until {
                return;
            }
            moved.await;
        }
    }
}

/// A duration in nanoseconds, as clocks count.
pub(crate) fn nanoseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_sleeper_wakes_when_its_time_has_passed_and_not_before() {
        let clock = ManualClock::new(0);
        let sleeper = tokio::spawn({
            let clock = clock.clone();
            async move { clock.sleep(Duration::from_secs(10)).await }
        });
        tokio::task::yield_now().await;
        clock.advance(Duration::from_secs(9));
        tokio::task::yield_now().await;
        assert!(!sleeper.is_finished());
        clock.advance(Duration::from_secs(1));
        sleeper.await.unwrap();
        assert_eq!(clock.now_ns(), 10_000_000_000);
    }
}
