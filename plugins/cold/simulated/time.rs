//! The library's time: that of a clock, but never backwards.

/// Follows a clock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SteadyTime {
    clock_ns: i64,
    steady_ns: i64,
}

impl SteadyTime {
    /// Time that goes on from `now_ns`.
    pub(crate) fn from(now_ns: i64) -> Self {
        Self { clock_ns: now_ns, steady_ns: now_ns }
    }

    /// The time when the clock shows `clock_ns`. A clock that was set back stands still for a moment, and goes
    /// on from there.
    pub(crate) fn at(&mut self, clock_ns: i64) -> i64 {
        let passed_ns = clock_ns.saturating_sub(self.clock_ns).max(0);
        self.clock_ns = clock_ns;
        self.steady_ns = self.steady_ns.saturating_add(passed_ns);
        self.steady_ns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_set_back_does_not_stop_the_library() {
        let mut time = SteadyTime::from(100);
        assert_eq!([time.at(150), time.at(50), time.at(60)], [150, 150, 160]);
    }
}
