//! How fast requests go to the store: as many a second as may, fewer after it asks to slow down.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use thermocline_core::clock::Clock;

/// Least requests a second, whatever the store says.
const MIN_RATE: f64 = 0.5;

/// How long several demands to slow down count as one.
const ONE_DEMAND_NS: i64 = 1_000_000_000;

/// Requests that went well until the full rate is reached again from nothing.
const N_TO_RECOVER: f64 = 200.0;

/// Longest wait for one's turn: a clock that was set back makes nobody wait longer.
const MAX_AHEAD_NS: i64 = 600 * 1_000_000_000;

/// Gives out turns.
pub(crate) struct Pace {
    max_rate: f64,
    clock: Arc<dyn Clock>,
    kept: Mutex<Kept>,
}

struct Kept {
    /// Requests a second at present.
    rate: f64,
    /// When the next request may go.
    next_ns: i64,
    /// When the store last asked to slow down.
    slowed_ns: Option<i64>,
}

impl Pace {
    pub(crate) fn new(max_rate: f64, clock: Arc<dyn Clock>) -> Self {
        let kept = Kept { rate: max_rate, next_ns: i64::MIN, slowed_ns: None };
        Self { max_rate, clock, kept: Mutex::new(kept) }
    }

    /// Waits for one's turn.
    pub(crate) async fn turn(&self) {
        let wait = self.take(self.clock.now_ns());
        if !wait.is_zero() {
            self.clock.sleep(wait).await;
        }
    }

    /// Takes the next turn and says how long it is away.
    fn take(&self, now_ns: i64) -> Duration {
        let mut kept = self.kept.lock();
        if kept.next_ns > now_ns.saturating_add(MAX_AHEAD_NS) {
            kept.next_ns = now_ns;
        }
        let turn_ns = kept.next_ns.max(now_ns);
        kept.next_ns = turn_ns.saturating_add((1e9 / kept.rate) as i64);
        Duration::from_nanos(u64::try_from(turn_ns.saturating_sub(now_ns)).unwrap_or(0))
    }

    /// The store asked to slow down: half the rate.
    pub(crate) fn slow_down(&self) {
        let now_ns = self.clock.now_ns();
        let mut kept = self.kept.lock();
        let is_same = |at_ns: i64| (0..ONE_DEMAND_NS).contains(&now_ns.saturating_sub(at_ns));
        if !kept.slowed_ns.is_some_and(is_same) {
            kept.rate = (kept.rate / 2.0).max(MIN_RATE.min(self.max_rate));
            kept.slowed_ns = Some(now_ns);
        }
    }

    /// A request went well: a little faster again.
    pub(crate) fn went_well(&self) {
        let mut kept = self.kept.lock();
        kept.rate = (kept.rate + self.max_rate / N_TO_RECOVER).min(self.max_rate);
    }
}

#[cfg(test)]
mod tests {
    use thermocline_core::clock::ManualClock;

    use super::*;

    const SECOND: i64 = 1_000_000_000;

    fn pace(rate: f64) -> (Pace, ManualClock) {
        let clock = ManualClock::new(SECOND);
        (Pace::new(rate, Arc::new(clock.clone())), clock)
    }

    #[test]
    fn turns_are_as_far_apart_as_the_rate_says() {
        let (pace, clock) = pace(10.0);
        let waits: Vec<u128> = (0..3).map(|_| pace.take(clock.now_ns()).as_millis()).collect();
        assert_eq!(waits, [0, 100, 200]);
        clock.advance(Duration::from_secs(5));
        assert_eq!(pace.take(clock.now_ns()), Duration::ZERO);
    }

    #[test]
    fn demands_of_one_moment_halve_the_rate_once_and_it_recovers() {
        let (pace, clock) = pace(8.0);
        (0..5).for_each(|_| pace.slow_down());
        assert_eq!(pace.kept.lock().rate, 4.0);
        clock.advance(Duration::from_secs(2));
        pace.slow_down();
        assert_eq!(pace.kept.lock().rate, 2.0);
        (0..200).for_each(|_| pace.went_well());
        assert_eq!(pace.kept.lock().rate, 8.0);
    }

    #[test]
    fn a_clock_that_is_set_back_stops_nothing() {
        let (pace, clock) = pace(10.0);
        clock.advance(Duration::from_secs(100_000));
        pace.take(clock.now_ns());
        assert!(pace.take(0) < Duration::from_secs(1));
    }
}
