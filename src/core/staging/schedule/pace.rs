//! How fast the store is in truth.

use std::time::Duration;

use super::Lane;

/// What the newest measurement counts.
const NEWEST: f64 = 0.2;

/// Measured times of batches, newer ones counting more.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// How much longer batches of tape take than the model says.
    tape_factor: Option<f64>,
    /// Seconds that a slot needs for one recall where no tape is known.
    loose_seconds: Option<f64>,
    /// Seconds of a batch whose recalls come online together, in the interactive lane and in the bulk one.
    together_seconds: [Option<f64>; 2],
}

impl Pace {
    /// Notes how long a batch of tape took, and how long it should have taken.
    pub(super) fn tape(&mut self, took: f64, modelled: f64) {
        if modelled > 0.0 && took >= 0.0 {
            // A store that mounts nothing, or a day without a drive, must not spoil what is told to others.
            renew(&mut self.tape_factor, (took / modelled).clamp(0.01, 100.0));
        }
    }

    /// Notes how long a batch without tape took.
    pub(super) fn loose(&mut self, took: f64, n_recalls: u32) {
        if n_recalls > 0 && took >= 0.0 {
            renew(&mut self.loose_seconds, took / f64::from(n_recalls));
        }
    }

    /// Notes how long a batch took whose recalls came online together.
    pub(super) fn together(&mut self, took: f64, lane: Lane) {
        if took >= 0.0 {
            let [interactive, bulk] = &mut self.together_seconds;
            renew(if lane == Lane::Interactive { interactive } else { bulk }, took);
        }
    }

    pub(super) fn together_seconds(&self, lane: Lane) -> Option<f64> {
        let [interactive, bulk] = self.together_seconds;
        if lane == Lane::Interactive { interactive } else { bulk }
    }

    pub(super) fn tape_factor(&self) -> f64 {
        self.tape_factor.unwrap_or(1.0)
    }

    pub(super) fn loose_seconds(&self) -> Option<f64> {
        self.loose_seconds
    }
}

fn renew(mean: &mut Option<f64>, measured: f64) {
    *mean = Some(mean.map_or(measured, |mean| mean + NEWEST * (measured - mean)));
}

/// Seconds as a duration, whatever the number.
pub(super) fn duration(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX)
}

/// Seconds from one time to a later one.
pub(super) fn seconds_between(from_ns: i64, to_ns: i64) -> f64 {
    to_ns.saturating_sub(from_ns).max(0) as f64 / 1e9
}
