//! Time that never goes back, made of a clock that may.

use std::sync::Arc;

use parking_lot::Mutex;

use super::engine::Now;
use crate::clock::Clock;

/// The time, twice: as the clock shows it, and as it has passed.
pub(super) struct Steady {
    clock: Arc<dyn Clock>,
    /// What the clock showed last, and how much of its steps back is to be made up for.
    seen: Mutex<(i64, i64)>,
}

impl Steady {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        let now_ns = clock.now_ns();
        Self { clock, seen: Mutex::new((now_ns, 0)) }
    }

    pub(super) fn now(&self) -> Now {
        let wall_ns = self.clock.now_ns();
        let mut seen = self.seen.lock();
        let (last_ns, behind_ns) = *seen;
        let behind_ns = behind_ns.saturating_add(last_ns.saturating_sub(wall_ns).max(0));
        *seen = (wall_ns, behind_ns);
        Now { wall_ns, steady_ns: wall_ns.saturating_add(behind_ns) }
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
}
