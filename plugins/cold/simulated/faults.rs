//! What goes wrong: decided by the fault's rule, the file and how often it was recalled, and by nothing else,
//! so that the same library makes the same mistakes every time.

use std::collections::HashMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use thermocline_core::cold::ObjectId;

use crate::config::{Fault, FaultKind};

/// The rules of a library.
#[derive(Debug, Clone, Default)]
pub(crate) struct Faults {
    rules: Vec<Fault>,
    seed: u64,
}

/// How often each file was recalled that a rule names.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Attempts(HashMap<String, u32>);

/// What goes wrong with one recall.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Mishap {
    /// How it ends, if not well.
    pub(crate) kind: Option<FaultKind>,
    /// How much longer it takes.
    pub(crate) delay: Duration,
}

impl Faults {
    pub(crate) fn new(rules: Vec<Fault>, seed: u64) -> Self {
        Self { rules, seed }
    }

    /// What goes wrong with the next recall of a file.
    pub(crate) fn next_recall(&self, id: &ObjectId, attempts: &mut Attempts) -> Mishap {
        let mut mishap = Mishap::default();
        if !self.rules.iter().any(|rule| rule.matcher.is_match(id.path())) {
            return mishap;
        }
        let attempt = attempts.next(id);
        for (rule, _) in self.that_apply(id, attempt, |kind| kind != FaultKind::Busy) {
            match rule.kind {
                FaultKind::Slow => mishap.delay += rule.delay,
                kind => mishap.kind = mishap.kind.or(Some(kind)),
            }
        }
        mishap
    }

    /// When to ask again, if batches with this file are refused now.
    pub(crate) fn refuses(&self, id: &ObjectId, attempts: &mut Attempts) -> Option<Duration> {
        let is_busy = |rule: &Fault| rule.kind == FaultKind::Busy && rule.matcher.is_match(id.path());
        if !self.rules.iter().any(is_busy) {
            return None;
        }
        let attempt = attempts.next(id);
        self.that_apply(id, attempt, |kind| kind == FaultKind::Busy).map(|(rule, _)| rule.delay).max()
    }

    /// True if no copy of the file is left, whenever it is asked for.
    pub(crate) fn is_lost(&self, id: &ObjectId) -> bool {
        self.that_apply(id, 0, |kind| kind == FaultKind::Lost).any(|(rule, _)| rule.times == 0)
    }

    /// Which bit of a file comes wrong from the tape, as a number of which the remainder is taken.
    pub(crate) fn wrong_bit(&self, id: &ObjectId) -> u64 {
        chance(self.seed, id, u64::MAX, 0)
    }

    fn that_apply(
        &self,
        id: &ObjectId,
        attempt: u32,
        is_wanted: impl Fn(FaultKind) -> bool,
    ) -> impl Iterator<Item = (&Fault, usize)> {
        let applies = move |rule: &Fault, number: usize| {
            let is_early = rule.times == 0 || attempt < rule.times;
            // 53 bits make an even number of [0, 1).
            let chance = (chance(self.seed, id, number as u64, attempt) >> 11) as f64 / (1_u64 << 53) as f64;
            is_wanted(rule.kind) && is_early && rule.matcher.is_match(id.path()) && chance < rule.share
        };
        self.rules
            .iter()
            .enumerate()
            .filter(move |(number, rule)| applies(rule, *number))
            .map(|(n, rule)| (rule, n))
    }
}

impl Attempts {
    /// The number of this attempt, counted from 0.
    fn next(&mut self, id: &ObjectId) -> u32 {
        let count = self.0.entry(id.to_string()).or_default();
        let attempt = *count;
        *count = count.saturating_add(1);
        attempt
    }
}

/// A number without pattern: FNV-1a of the name, mixed as in SplitMix64.
fn chance(seed: u64, id: &ObjectId, rule: u64, attempt: u32) -> u64 {
    let name = id.root().bytes().chain([0]).chain(id.path().bytes());
    let hash = name.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let mut mixed = hash
        .wrapping_add(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15))
        .wrapping_add(rule.wrapping_mul(0xd1b5_4a32_d192_ed03))
        .wrapping_add(u64::from(attempt).wrapping_mul(0x8cb9_2ba7_2f3d_8dd7));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, FaultConfig};

    fn faults(times: u32, share: f64) -> Faults {
        let fault =
            FaultConfig { path: "*.nc".into(), fault: FaultKind::Fail, times, share, delay: Duration::ZERO };
        let config = Config { faults: vec![fault], ..Config::default() };
        Faults::new(config.checked_faults().unwrap(), 7)
    }

    fn id(path: &str) -> ObjectId {
        ObjectId::new("a", path).unwrap()
    }

    #[test]
    fn a_fault_of_the_first_two_recalls_spares_the_third() {
        let mut attempts = Attempts::default();
        let mut fails = |path: &str| faults(2, 1.0).next_recall(&id(path), &mut attempts).kind.is_some();
        assert_eq!(
            [fails("x.nc"), fails("x.nc"), fails("x.nc"), fails("y.nc"), fails("x.txt")],
            [true, true, false, true, false]
        );
    }

    #[test]
    fn a_share_of_recalls_fails_and_always_the_same_ones() {
        let which = || {
            let mut attempts = Attempts::default();
            let fails =
                |i: u32| faults(0, 0.3).next_recall(&id(&format!("{i}.nc")), &mut attempts).kind.is_some();
            (0..1000).map(fails).collect::<Vec<bool>>()
        };
        let n_failed = which().iter().filter(|failed| **failed).count();
        assert!((250..350).contains(&n_failed), "{n_failed}");
        assert_eq!(which(), which());
    }
}
