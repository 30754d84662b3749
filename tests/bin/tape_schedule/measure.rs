//! What a long queue costs.

use std::sync::Arc;
use std::time::Instant;

use serde_json::{Value, json};
use thermocline_core::cold::TapePlace;
use thermocline_core::staging::schedule::{Lane, Limits, OwnerId, Policy, Scheduler, Wanted};

use super::Failure;

const LIMITS: Limits = Limits { n_at_once: 4, batch_objects: 1000, knows_tapes: true };

/// Files on each tape where there are many.
const ON_A_TAPE: usize = 2000;

/// Memory and times of a queue of so many recalls of 20 owners: on `tapes` of 2,000 files, all on `one-tape`,
/// or `without-tapes`. One queue for each process, so that no memory is used a second time.
pub(crate) fn figures(kind: &str, n_recalls: usize) -> Result<Value, Failure> {
    let n_tapes = match kind {
        "tapes" => n_recalls.div_ceil(ON_A_TAPE),
        "one-tape" => 1,
        "without-tapes" => 0,
        _ => return Err(format!("no queue of the kind {kind}").into()),
    };
    let tapes: Vec<Arc<str>> = (0..n_tapes).map(|tape| format!("T{tape:05}").into()).collect();
    queue(n_recalls, |recall| tapes.get(recall % n_tapes.max(1)).cloned())
}

fn queue(n_recalls: usize, tape: impl Fn(usize) -> Option<Arc<str>>) -> Result<Value, Failure> {
    let mut scheduler = Scheduler::new(Policy::default(), LIMITS);
    let owners: Vec<OwnerId> = (0..20).map(|owner| scheduler.owner(&format!("owner {owner}"))).collect();
    let before = resident_bytes()?;
    let started = Instant::now();
    for recall in 0..n_recalls {
        let owner = *owners.get(recall / 7 % owners.len()).ok_or("no owner")?;
        let position = (recall as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) % 11_990_000_000_000;
        scheduler.add(Wanted {
            recall: recall as u64,
            owner,
            lane: Lane::Bulk,
            priority: 0,
            len_bytes: 100_000_000,
            place: tape(recall).map(|tape| TapePlace { tape, position }),
            at_ns: recall as i64,
        });
    }
    let added = started.elapsed();
    let bytes_each = (resident_bytes()? - before) / n_recalls as f64;
    let (next, slowest) = hand_out(&mut scheduler);
    let started = Instant::now();
    let told =
        (0..n_recalls as u64).filter(|recall| scheduler.waiting_for(*recall, NOW_NS).is_some()).count();
    let asked = started.elapsed();
    let micros = |took: std::time::Duration, n: usize| took.as_secs_f64() * 1e6 / n.max(1) as f64;
    Ok(json!({
        "recalls": n_recalls, "bytes_each": bytes_each.round(), "add_micros": micros(added, n_recalls),
        "batches": next, "slowest_next_ms": slowest * 1e3, "waiting": told, "ask_micros": micros(asked, n_recalls),
    }))
}

const NOW_NS: i64 = 3_600_000_000_000;

/// Hands out four hundred batches, each reported at once; gives how many, and the seconds of the slowest.
fn hand_out(scheduler: &mut Scheduler) -> (usize, f64) {
    let mut slowest: f64 = 0.0;
    let mut n_batches = 0;
    while n_batches < 400 {
        let started = Instant::now();
        let Some(batch) = scheduler.next(NOW_NS) else { break };
        slowest = slowest.max(started.elapsed().as_secs_f64());
        n_batches += 1;
        for recall in batch.recalls {
            scheduler.finished(recall, 100_000_000, NOW_NS);
        }
    }
    (n_batches, slowest)
}

/// Memory of this process.
fn resident_bytes() -> Result<f64, Failure> {
    let statm = std::fs::read_to_string("/proc/self/statm")?;
    let pages: f64 = statm.split_whitespace().nth(1).ok_or("no resident size")?.parse()?;
    Ok(pages * 4096.0)
}
