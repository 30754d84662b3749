//! Claims about the scheduler.

mod fair;
mod lanes;
mod library;
mod loose;
mod model;
mod reasons;
mod tape;

use std::sync::Arc;
use std::time::Duration;

use super::*;

const SECOND: i64 = 1_000_000_000;
const GIGABYTE: u64 = 1_000_000_000;

/// A store with drives.
fn tapes(n_drives: usize) -> Scheduler {
    let limits = Limits { n_at_once: n_drives, batch_objects: 1000, knows_tapes: true };
    Scheduler::new(Policy::default(), limits)
}

/// A store of which no tapes are known.
fn loose(n_at_once: usize, batch_objects: usize) -> Scheduler {
    let limits = Limits { n_at_once, batch_objects, knows_tapes: false };
    Scheduler::new(Policy::default(), limits)
}

/// A file of 1 GB in the bulk lane, wanted at time 0, on no tape.
fn wanted(recall: u64, owner: OwnerId) -> Wanted {
    Wanted { recall, owner, lane: Lane::Bulk, priority: 0, len_bytes: GIGABYTE, place: None, at_ns: 0 }
}

impl Wanted {
    fn on(self, tape: &str, position: u64) -> Self {
        Self { place: Some(TapePlace { tape: tape.into(), position }), ..self }
    }

    fn at(self, at_ns: i64) -> Self {
        Self { at_ns, ..self }
    }

    fn now(self) -> Self {
        Self { lane: Lane::Interactive, ..self }
    }

    fn with_priority(self, priority: i8) -> Self {
        Self { priority, ..self }
    }
}

/// Somewhere on a tape, different for each number.
fn position(number: u64) -> u64 {
    number.wrapping_mul(7_919_000_000_001) % 11_990_000_000_000
}

/// Batches until there is nothing more to hand out.
fn all_next(scheduler: &mut Scheduler, now_ns: i64) -> Vec<Batch> {
    std::iter::from_fn(|| scheduler.next(now_ns)).collect()
}

fn recalls(batch: &Batch) -> Vec<u64> {
    batch.recalls.clone()
}

fn finish(scheduler: &mut Scheduler, batch: &Batch, now_ns: i64) {
    for recall in &batch.recalls {
        assert!(scheduler.finished(*recall, GIGABYTE, now_ns), "{recall} was not under way");
    }
}
