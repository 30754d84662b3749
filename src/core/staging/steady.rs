//! Time that never goes back, made of a clock that may.

use std::sync::Arc;

use parking_lot::Mutex;

use super::engine::Now;
use crate::clock::Clock;

/// No step of the clock counts for more than this for watchdogs.
const LONGEST_STEP_NS: i64 = 60_000_000_000;

/// The time as the clock shows it, and as it has passed.
pub(super) struct Steady {
    clock: Arc<dyn Clock>,
    last: Mutex<Now>,
}

impl Steady {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        let now_ns = clock.now_ns();
        let last = Mutex::new(Now { wall_ns: now_ns, steady_ns: now_ns, watched_ns: now_ns });
        Self { clock, last }
    }

    /// The time. To be asked at least every minute.
    pub(super) fn now(&self) -> Now {
        let mut last = self.last.lock();
        let wall_ns = self.clock.now_ns();
        let step_ns = wall_ns.saturating_sub(last.wall_ns).max(0);
        *last = Now {
            wall_ns,
            steady_ns: last.steady_ns.saturating_add(step_ns),
            watched_ns: last.watched_ns.saturating_add(step_ns.min(LONGEST_STEP_NS)),
        };
        *last
    }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;

    use super::*;

    struct Jumping(Mutex<Vec<i64>>);

    #[async_trait]
    impl Clock for Jumping {
        fn now_ns(&self) -> i64 {
            self.0.lock().pop().unwrap()
        }

        async fn sleep(&self, _: std::time::Duration) {}
    }

    #[test]
    fn steady_time_stands_still_while_the_clock_is_set_back_and_then_goes_on() {
        let mut times = vec![100, 100, 150, 20, 30, 200];
        times.reverse();
        let steady = Steady::new(Arc::new(Jumping(Mutex::new(times))));
        let seen: Vec<i64> = (0..5).map(|_| steady.now().steady_ns).collect();
        assert_eq!(seen, [100, 150, 150, 160, 330]);
    }

    #[test]
    fn watchdogs_do_not_see_the_clock_jump_ahead() {
        let times = vec![i64::MAX / 2, 5, 0];
        let steady = Steady::new(Arc::new(Jumping(Mutex::new(times))));
        assert_eq!(steady.now().watched_ns, 5);
        assert_eq!(steady.now().watched_ns, 5 + LONGEST_STEP_NS);
    }
}
