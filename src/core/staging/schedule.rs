//! Which recalls of one cold store go next: in tape order, fairly between owners, those first who wait at
//! this moment.
//!
//! A [`Scheduler`] is a state machine without I/O and without a clock. The engine tells it what is wanted and
//! what has happened; [`Scheduler::next`] answers with a [`Batch`] for each free slot (a drive, or a
//! connection). Times are nanoseconds of the engine's clock. The same events give the same batches.
//!
//! # Order
//! - **Owners** share by bytes served over weight (start-time fair queueing): whoever was served least is next,
//!   and who comes back after a while gets no credit for it. A recall that several owners share counts for
//!   each of them.
//! - **Tapes**: of the owner whose turn it is, the fullest first, where age counts as fullness. A tape is
//!   mounted when its queue is worth it ([`MountPolicy`]) and then read as long as something is wanted from
//!   it, unless an owner who waits elsewhere falls behind ([`Policy::session`]).
//! - **Within a tape** shortest locate time first ([`super::tape`]). What arrives while the tape is read is
//!   read after what was planned, so that no file is overtaken for ever.
//! - **Lanes**: recalls that somebody waits for go first. Batches of tape are pieces of at most
//!   [`Policy::piece`] of work, so that such a recall waits for a piece at most and not for a tape; a tape
//!   that is already in a drive costs no mount for its next piece. The bulk lane keeps a share of the work.
//! - **Without tapes**: the same owners and lanes, batches of [`Limits::batch_objects`].
//!
//! # Limits
//! Every event costs O(log n) for each owner of the recall. A hand-out costs that for each file it hands out,
//! and once for each plan of a tape the ordering of at most 8,192 files (tens of milliseconds). A recall takes
//! less than 300 bytes (`tests/staging` measures it). Owners are never forgotten.

mod choose;
mod drives;
mod events;
mod forecast;
mod foresee;
mod lanes;
mod overview;
mod owners;
mod pace;
mod pieces;
mod policy;
mod queue;
mod reason;
mod recall;
mod sessions;
mod slab;
mod tapes;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

pub use forecast::{Basis, Estimate};
pub use foresee::Foresight;
pub use overview::{OwnerOverview, TapeOverview};
pub use policy::{Limits, MountPolicy, Policy, Together};
pub use reason::Reason;

use super::keyed::Keyed;
use crate::cold::TapePlace;
use drives::{Running, Slot};
use forecast::Forecast;
use lanes::Balance;
use owners::Owners;
use pace::Pace;
use recall::Recall;
use slab::Slab;
use tapes::Tapes;

/// Someone on whose behalf recalls are made, as the scheduler numbers them ([`Scheduler::owner`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OwnerId(u32);

/// How urgent a recall is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Lane {
    /// A reader waits at this moment.
    Interactive,
    /// Part of a request.
    Bulk,
}

/// A recall that is to be made.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The engine's number of the recall.
    pub recall: u64,
    /// Who wants it.
    pub owner: OwnerId,
    /// How urgent it is.
    pub lane: Lane,
    /// Each point counts like ten minutes of waiting, for this recall against others of the same owner.
    pub priority: i8,
    /// Size of the object; 0 if unknown.
    pub len_bytes: u64,
    /// Where it lies on tape, if the store tells.
    pub place: Option<TapePlace>,
    /// Since when it is wanted.
    pub at_ns: i64,
}

/// Names a batch until all of its recalls have been reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BatchId(pub u64);

/// Recalls for one slot, to be given to the store together.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// Its name.
    pub id: BatchId,
    /// The tape on which all of them lie, if it is known.
    pub tape: Option<Arc<str>>,
    /// The recalls in the order in which they are best read.
    pub recalls: Vec<u64>,
    /// Interactive if somebody waits for one of them.
    pub lane: Lane,
    /// How long it should take; zero if nothing is known.
    pub work: Duration,
}

/// What became of a recall from which an owner has withdrawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dropped {
    /// Others want it still.
    StillWanted,
    /// Nobody wants it; it was waiting and is forgotten.
    Forgotten,
    /// Nobody wants it, but it has been handed out: its end is to be reported, stopped or not.
    UnderWay,
    /// There is no such recall, or the owner had no part in it.
    Unknown,
}

/// Whether recalls are handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Flow {
    /// Yes.
    #[default]
    Running,
    /// No, until it is running again.
    Paused,
    /// No: what is under way ends, then the store is left alone.
    Draining,
}

/// Decides what one cold store recalls next.
///
/// ```
/// use thermocline_core::cold::TapePlace;
/// use thermocline_core::staging::schedule::{Lane, Limits, Policy, Scheduler, Wanted};
///
/// let limits = Limits { n_at_once: 4, batch_objects: 1000, knows_tapes: true };
/// let mut scheduler = Scheduler::new(Policy::default(), limits);
/// let owner = scheduler.owner("ada");
/// for (recall, position) in [(7, 900_000_000_000), (8, 0)] {
///     let place = Some(TapePlace { tape: "L00001".into(), position });
///     let lane = Lane::Bulk;
///     scheduler.add(Wanted { recall, owner, lane, priority: 0, len_bytes: 1_000_000_000, place, at_ns: 0 });
/// }
/// assert_eq!(scheduler.next(0), None); // Files are gathered for the mount.
/// let now_ns = scheduler.next_wake(0).unwrap();
/// let batch = scheduler.next(now_ns).unwrap();
/// assert_eq!(batch.recalls, [8, 7]); // In the order that costs least.
/// assert!(scheduler.finished(8, 1_000_000_000, now_ns + 90_000_000_000));
/// ```
#[derive(Debug)]
pub struct Scheduler {
    policy: Policy,
    limits: Limits,
    flow: Flow,
    slow_until_ns: i64,
    recalls: Slab<Recall>,
    by_id: Keyed,
    owners: Owners,
    tapes: Tapes,
    slots: Vec<Slot>,
    running: HashMap<u64, Running>,
    n_batches: u64,
    n_waiting: [usize; 2],
    balance: Balance,
    pace: Pace,
    forecast: Option<Forecast>,
}

impl Scheduler {
    /// A scheduler with nothing to do.
    pub fn new(policy: Policy, limits: Limits) -> Self {
        Self {
            balance: Balance::new(&policy),
            policy,
            limits: limits.at_least_one(),
            flow: Flow::Running,
            slow_until_ns: i64::MIN,
            recalls: Slab::default(),
            by_id: Keyed::default(),
            owners: Owners::default(),
            tapes: Tapes::default(),
            slots: Vec::new(),
            running: HashMap::new(),
            n_batches: 0,
            n_waiting: [0; 2],
            pace: Pace::default(),
            forecast: None,
        }
    }

    /// The number of an owner, who begins with weight 100 and the cap of the policy.
    pub fn owner(&mut self, name: &str) -> OwnerId {
        OwnerId(self.owners.intern(name))
    }

    /// Sets an owner's weight (100 is usual; at least 1) and the number of recalls that may be under way for
    /// them, `None` for that of the policy.
    pub fn set_share(&mut self, owner: OwnerId, weight: u32, cap: Option<u32>) {
        let default_cap = self.policy.owner_cap;
        self.owners.update(owner.0, default_cap, |owner| {
            owner.weight = weight.max(1);
            owner.cap = cap;
        });
    }

    /// Lets recalls be handed out, or not.
    pub fn set_flow(&mut self, flow: Flow) {
        self.flow = flow;
    }

    /// Whether recalls are handed out.
    pub fn flow(&self) -> Flow {
        self.flow
    }

    /// Hands nothing out before `until_ns`: the store asked to slow down. A later time stands.
    pub fn slow_down(&mut self, until_ns: i64) {
        self.slow_until_ns = self.slow_until_ns.max(until_ns);
    }

    /// Changes what the store can take at once. What is under way is not touched.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits.at_least_one();
    }

    /// Recalls that wait, in a lane.
    pub fn n_waiting(&self, lane: Lane) -> usize {
        self.n_waiting.get(lane as usize).copied().unwrap_or_default()
    }

    /// Recalls that have been handed out and not been reported.
    pub fn n_active(&self) -> usize {
        self.by_id.len() - self.n_waiting.iter().sum::<usize>()
    }

    /// True if nothing waits and nothing is under way.
    pub fn is_idle(&self) -> bool {
        self.by_id.is_empty()
    }

    /// The number of a recall.
    fn number_of(&self, recall: u64) -> Option<u32> {
        self.by_id.get(&recall, |number| recall::id_at(&self.recalls, number))
    }

    /// True if a recall is known: it waits or is under way.
    pub fn knows(&self, recall: u64) -> bool {
        self.number_of(recall).is_some()
    }
}
