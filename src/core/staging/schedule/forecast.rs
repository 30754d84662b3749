//! When a recall will be done: the schedule played forward on the cost model and on what was measured.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap};
use std::time::Duration;

use super::pace::{duration, seconds_between};
use super::recall::{Recall, Stage};
use super::tapes::{Stand, Tape};
use super::{Flow, Lane, Scheduler};

/// A forecast is made anew when it is older than this.
const FRESH_NS: i64 = 5_000_000_000;

/// Most tapes whose mounts are foretold.
const TAPES: usize = 4096;

/// When a recall should be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Estimate {
    /// From now.
    pub wait: Duration,
    /// What that is derived from.
    pub basis: Basis,
}

/// What an estimate is derived from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    /// The cost of mounting, locating and reading, corrected by what the store took so far.
    TapeModel,
    /// The rate of this store so far, and what goes before.
    MeasuredRate,
    /// The usual time of a recall, and how many go before; nothing has been measured yet.
    NumberAhead,
    /// What recalls of such a store usually take; nothing has been measured yet.
    UsualTime,
}

impl Basis {
    /// The words for documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TapeModel => "tape cost model",
            Self::MeasuredRate => "measured rate of this store",
            Self::NumberAhead => "number of recalls ahead",
            Self::UsualTime => "usual time of such a store",
        }
    }
}

/// The mounts to come, as they were foretold at some time.
#[derive(Debug)]
pub(super) struct Forecast {
    made_ns: i64,
    mounts: HashMap<u32, Mount>,
    /// Seconds until a drive is free for what was not foretold.
    free_seconds: f64,
}

/// A mount to come.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mount {
    /// Its place, from 1.
    pub(super) place: usize,
    /// Seconds from the time of the forecast until the drive is free for it.
    starts: f64,
}

/// Drives by when they are free, in milliseconds.
#[derive(Default)]
pub(super) struct Drives(BinaryHeap<Reverse<u64>>);

impl Drives {
    pub(super) fn add(&mut self, seconds: f64) {
        self.0.push(Reverse((seconds * 1000.0) as u64));
    }

    /// When the drive that is free first begins work of so many seconds.
    pub(super) fn begin(&mut self, work_seconds: f64) -> f64 {
        let Reverse(free) = self.0.pop().unwrap_or(Reverse(0));
        let starts = free as f64 / 1000.0;
        self.add(starts + work_seconds);
        starts
    }

    fn first_free(&self) -> f64 {
        self.0.peek().map_or(0.0, |Reverse(free)| *free as f64 / 1000.0)
    }
}

impl Scheduler {
    /// When a recall should be done; `None` if it is not known, if nothing is handed out, or if there is
    /// nothing to tell it from.
    pub fn estimate(&mut self, recall: u64, now_ns: i64) -> Option<Estimate> {
        self.renew_forecast(now_ns);
        let number = self.number_of(recall)?;
        let recall = self.recalls.get(number)?;
        if let Stage::Active { batch, due_seconds } = recall.stage {
            return self.rest_of(batch, due_seconds, now_ns);
        }
        if self.flow != Flow::Running {
            return None;
        }
        let slow = seconds_between(now_ns, self.slow_until_ns);
        let (seconds, basis) = match recall.tape.and_then(|tape| Some((tape, self.tapes.get(tape)?))) {
            Some((number, tape)) => (self.seconds_on_tape(number, tape, recall, now_ns), Basis::TapeModel),
            None => self.seconds_in_queue(number, recall)?,
        };
        Some(Estimate { wait: duration(slow + seconds), basis })
    }

    /// The rest of the time of a recall under way.
    fn rest_of(&self, batch: u64, due_seconds: f32, now_ns: i64) -> Option<Estimate> {
        let running = self.running.get(&batch).filter(|running| running.work_seconds > 0.0)?;
        let passed = seconds_between(running.started_ns, now_ns);
        let (due, basis) = if running.is_tape {
            (f64::from(due_seconds) * self.pace.tape_factor(), Basis::TapeModel)
        } else if let Some(together) = self.together(running.lane) {
            together
        } else {
            (self.loose_seconds()? * f64::from(running.n_recalls), self.loose_basis())
        };
        // What is late is due any moment.
        Some(Estimate { wait: duration((due - passed).max(1.0)), basis })
    }

    fn seconds_on_tape(&self, number: u32, tape: &Tape, recall: &Recall, now_ns: i64) -> f64 {
        let media = &self.policy.media;
        let whole = media.session_seconds(tape.waiting.len() as u64, tape.len_bytes);
        let factor = self.pace.tape_factor();
        match tape.stand {
            Stand::Mounted { slot } => {
                let part = tape
                    .place_in_plan(recall)
                    .map_or(1.0, |place| (place as f64 / tape.waiting.len().max(1) as f64).min(1.0));
                self.slot_busy(slot, now_ns) + (whole - media.mount_seconds(true)).max(0.0) * part * factor
            }
            stand => {
                let since = self.forecast.as_ref().map_or(0.0, |made| seconds_between(made.made_ns, now_ns));
                let gathers = match stand {
                    Stand::Gathering { ready_ns } if recall.lane == Lane::Bulk => {
                        seconds_between(now_ns, ready_ns)
                    }
                    _ => 0.0,
                };
                let free = self.forecast.as_ref().map_or(0.0, |made| made.free_seconds);
                let starts = self.forecast_of(number).map_or(free, |mount| mount.starts) - since;
                starts.max(gathers).max(0.0) + whole * factor
            }
        }
    }

    /// Seconds until the batch of a slot has ended.
    pub(super) fn slot_busy(&self, slot: usize, now_ns: i64) -> f64 {
        let batch = self.slots.get(slot).and_then(|slot| slot.batch);
        let Some(running) = batch.and_then(|batch| self.running.get(&batch)) else { return 0.0 };
        let passed = seconds_between(running.started_ns, now_ns);
        (running.work_seconds * self.pace.tape_factor() - passed).max(0.0)
    }

    /// Seconds for a recall without tape: what goes before it for its owner, and meanwhile for the others.
    fn seconds_in_queue(&self, number: u32, recall: &Recall) -> Option<(f64, Basis)> {
        let weight = |number: u32| self.owners.get(number).map_or(0.0, |owner| f64::from(owner.weight));
        let own: f64 = recall.interests.iter().map(|interest| weight(interest.owner)).fold(0.0, f64::max);
        let all: f64 = self.owners.line(recall.lane).map(|(_, owner)| f64::from(owner.weight)).sum();
        let share = if own > 0.0 { (all / own).max(1.0) } else { 1.0 };
        let ahead = (self.place_in_queue(number, recall) as f64 * share).min(self.by_id.len() as f64);
        if let Some((seconds, basis)) = self.together(recall.lane) {
            let rounds = (ahead / self.at_once_together()).floor() + 1.0;
            return Some((rounds * seconds, basis));
        }
        let each = self.loose_seconds()?;
        let slots = self.limits.n_at_once as f64;
        // Those at the front of the queue still take as long as a recall does.
        Some(((ahead / slots).max(1.0) * each, self.loose_basis()))
    }

    /// Seconds that a slot needs for a recall without tape.
    pub(super) fn loose_seconds(&self) -> Option<f64> {
        let usual = || self.policy.usual_recall.map(|usual| usual.as_secs_f64());
        self.pace.loose_seconds().or_else(usual)
    }

    /// Seconds of a batch whose recalls come online together, and where that is from; `None` where they do not.
    pub(super) fn together(&self, lane: Lane) -> Option<(f64, Basis)> {
        let usual = self.policy.together?;
        let usual = if lane == Lane::Interactive { usual.interactive } else { usual.bulk };
        Some(match self.pace.together_seconds(lane) {
            Some(measured) => (measured, Basis::MeasuredRate),
            None => (usual.as_secs_f64(), Basis::UsualTime),
        })
    }

    /// Recalls that are under way at the same time where those of a batch come online together.
    pub(super) fn at_once_together(&self) -> f64 {
        self.limits.n_at_once as f64 * self.limits.batch_objects as f64
    }

    pub(super) fn loose_basis(&self) -> Basis {
        if self.pace.loose_seconds().is_some() { Basis::MeasuredRate } else { Basis::NumberAhead }
    }

    /// The mount that is foretold for a tape.
    pub(super) fn forecast_of(&self, tape: u32) -> Option<Mount> {
        self.forecast.as_ref()?.mounts.get(&tape).copied()
    }

    /// Plays the schedule forward, unless it was done a moment ago.
    pub(super) fn renew_forecast(&mut self, now_ns: i64) {
        let age = self.forecast.as_ref().map(|forecast| now_ns.saturating_sub(forecast.made_ns));
        if age.is_some_and(|age| (0..FRESH_NS).contains(&age)) {
            return;
        }
        self.renew_slots(now_ns);
        self.promote(now_ns);
        self.forecast = Some(self.play_forward(now_ns));
    }

    fn play_forward(&self, now_ns: i64) -> Forecast {
        let mut drives = Drives::default();
        for number in 0..self.slots.len().min(self.limits.n_at_once) {
            let tape =
                self.slots.get(number).and_then(|slot| slot.tape).and_then(|tape| self.tapes.get(tape));
            let rest = tape.map_or(0.0, |tape| self.reading_seconds(tape));
            drives.add(self.slot_busy(number, now_ns) + rest);
        }
        let mut mounts = HashMap::new();
        for tape in self.order_of_mounts() {
            let seconds = self.tapes.get(tape).map_or(0.0, |tape| self.session_seconds(tape));
            let mount = Mount { place: mounts.len() + 1, starts: drives.begin(seconds) };
            mounts.insert(tape, mount);
        }
        Forecast { made_ns: now_ns, mounts, free_seconds: drives.first_free() }
    }

    /// Seconds for all that waits on a tape, its mount included.
    pub(super) fn session_seconds(&self, tape: &Tape) -> f64 {
        let seconds = self.policy.media.session_seconds(tape.waiting.len() as u64, tape.len_bytes);
        seconds * self.pace.tape_factor()
    }

    /// Seconds for all that waits on a tape that is in a drive.
    pub(super) fn reading_seconds(&self, tape: &Tape) -> f64 {
        let mount = self.policy.media.mount_seconds(true) * self.pace.tape_factor();
        (self.session_seconds(tape) - mount).max(0.0)
    }

    /// The order in which tapes will be mounted if nothing more is wanted: whoever has been served least is
    /// next, and everyone is served by every mount.
    fn order_of_mounts(&self) -> Vec<u32> {
        let mut order = Vec::new();
        let mut taken = BTreeSet::new();
        for lane in [Lane::Interactive, Lane::Bulk] {
            let mut tags: HashMap<u32, u128> = HashMap::new();
            let mut offers: HashMap<u32, _> = HashMap::new();
            let mut line = BTreeSet::new();
            for (number, owner) in self.owners.line(lane).take(TAPES) {
                tags.insert(number, owner.tag);
                offers.insert(number, owner.lane(lane).tapes.iter());
                line.insert((owner.tag, number));
            }
            while order.len() < TAPES
                && let Some((_, owner)) = line.first().copied()
            {
                let next =
                    offers.get_mut(&owner).and_then(|tapes| tapes.find(|(_, tape)| taken.insert(*tape)));
                let Some((_, tape)) = next else {
                    line.pop_first();
                    tags.remove(&owner);
                    continue;
                };
                order.push(*tape);
                let Some(tape) = self.tapes.get(*tape) else { continue };
                for (served, share) in &tape.shares {
                    let (Some(tag), Some(owner)) = (tags.get_mut(served), self.owners.get(*served)) else {
                        continue;
                    };
                    line.remove(&(*tag, *served));
                    *tag += owner.charge(share.len_bytes);
                    line.insert((*tag, *served));
                }
            }
        }
        order
    }
}
