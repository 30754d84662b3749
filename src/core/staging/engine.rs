//! The engine's rules: what follows from what happens. No I/O, no database, no clock of its own.
//!
//! An [`Engine`] is told what has happened (a request was accepted, a store has answered, time has passed) and
//! keeps the [`Book`]. What is to be done about it gathers in its [`Outbox`]: what must be written, what may be
//! told once that is durable, and what may be begun then. The driver does these in this order, so that nothing
//! is told and nothing is begun that a crash could make untrue.
//!
//! Three kinds of time: that of the wall, which users see and by which pins end; a steady one, which never goes
//! back and by which retries are measured; and one for watchdogs, which does not jump ahead either.

mod admit;
mod batches;
mod evict;
mod hand_out;
mod join;
mod land;
mod links;
mod look;
mod pins;
mod reasons;
mod renew;
mod restore;
mod retry;
mod settle;
mod timers;
mod withdraw;

#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::book::{Book, ObjectSlot, Place, RequestSlot};
use super::cache::{CacheKey, Eviction, Reservation, Space, Stamp};
use super::landing::{LandFailure, Landed};
use super::schedule::{BatchId, Flow, Limits, Scheduler, Together};
use super::tables::Op;
use super::waiting::Signal;
use super::{Activity, NamedStore, Outcome, Request, RequestId, StagingSettings};
use crate::cold::{Capabilities, ColdObject, ColdStore, Landing, Namespace, ObjectId, ObjectStatus};
use crate::cold::{StageRequest, StageState, StageTicket};
use crate::{Error, Result};

pub(super) use admit::AdmittedRow;
pub(super) use renew::Renewed;
pub(super) use timers::Timers;

/// Changes after which no more is decided before they are written. One happening, one piece of a chore, and one batch of
/// each store may exceed it: none of them keeps another waiting for ever.
const MOST_OPS: usize = 8192;

/// What time it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Now {
    /// Nanoseconds since 1970.
    pub(super) wall_ns: i64,
    /// The same at start; never goes back.
    pub(super) steady_ns: i64,
    /// Like the steady time, but a jump of the clock counts as a minute: for watchdogs.
    pub(super) watched_ns: i64,
}

/// The rules and all they know.
pub(super) struct Engine {
    pub(super) book: Book,
    pub(super) lanes: Vec<StoreLane>,
    /// Objects on no store that are to be looked at.
    unbound: Looks,
    batches: HashMap<u64, Batch>,
    n_batches: u64,
    timers: Timers,
    /// What is to be done piece by piece.
    chores: VecDeque<Chore>,
    pub(super) out: Outbox,
    pub(super) space: Space,
    pub(super) namespace: Arc<Namespace>,
    settings: StagingSettings,
    /// Space for objects that are being staged.
    reservations: HashMap<u64, Reservation>,
    /// States in which objects were found that are to be copied.
    to_land: HashMap<u64, ObjectStatus>,
    /// Who waits for recalls, by number of the recall.
    signals: HashMap<u64, Arc<Signal>>,
    /// Recalls that have ended and of which nobody has been told yet.
    pub(super) ending: HashMap<ObjectId, Arc<Signal>>,
    pub(super) failures: super::waiting::Failures,
    /// The object of each copy in the cache.
    copies: HashMap<CacheKey, ObjectSlot>,
    /// Keys of which leftovers are being removed: nothing lands under them meanwhile.
    discarding: HashSet<CacheKey>,
    /// Objects in place that their stores are making cold: their recalls rest until that is over.
    releasing: HashSet<ObjectId>,
    /// Bytes that are to be evicted for what waits for space.
    needed_bytes: u64,
    /// Whether anybody listens to events.
    pub(super) has_listeners: bool,
    numbers: super::numbers::Numbers,
    /// Checks of copies that end by themselves so far.
    n_checks: u64,
}

/// One cold store and what is to be done there.
pub(super) struct StoreLane {
    pub(super) name: Arc<str>,
    pub(super) store: Arc<dyn ColdStore>,
    pub(super) capabilities: Capabilities,
    pub(super) scheduler: Scheduler,
    pub(super) activity: Activity,
    looks: Looks,
    renewals: renew::Renewals,
    /// Objects that are online at the store and wait to be copied.
    landings: VecDeque<(ObjectSlot, u64)>,
    /// Those of them that have no space yet: they must not keep the others from ending, or space never comes.
    landings_without_space: VecDeque<(ObjectSlot, u64)>,
    n_landing: usize,
    /// Nothing is handed out before this time: there was no space.
    no_space_until_ns: Option<i64>,
}

/// Objects whose status is to be asked.
#[derive(Debug, Default)]
struct Looks {
    waiting: VecDeque<(ObjectSlot, u64)>,
    n_under_way: usize,
}

/// Recalls that were given to a store together.
#[derive(Debug)]
struct Batch {
    lane: usize,
    key: Arc<str>,
    /// The store's own name for it.
    store_id: Option<Arc<str>>,
    /// Its name in our queue of its store.
    scheduled: BatchId,
    /// Its recalls that have not ended, by object.
    open: HashMap<ObjectSlot, u64>,
    last_news_ns: i64,
    polls_without_news: u32,
}

/// Something that takes long: it is done in pieces, so that nobody else waits for all of it.
enum Chore {
    Admit {
        request: RequestSlot,
        rows: std::vec::IntoIter<AdmittedRow>,
    },
    /// By the request's number: it may be over, and its place another one's, before this is done.
    Withdraw {
        request: i64,
        of: WithdrawnOf,
        what: Withdrawn,
        reply: Reply,
    },
}

/// Of which objects a request gives something up.
enum WithdrawnOf {
    /// Of those at this position and behind it.
    From(u32),
    /// Of those at these positions.
    These(std::vec::IntoIter<u32>),
}

/// What a request gives up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Withdrawn {
    /// What it waits for, and its pins.
    Everything,
    /// Its pins.
    Pins,
}

/// What is to be done: first all that is to be written, then what is told, then what is begun.
#[derive(Default)]
pub(super) struct Outbox {
    pub(super) ops: Vec<Op>,
    /// What listeners may be told of the operation of that number.
    pub(super) events: Vec<(usize, Telling)>,
    pub(super) notes: Vec<Note>,
    pub(super) actions: Vec<Action>,
    touched: BTreeSet<RequestSlot>,
}

/// What an operation means to who listens.
#[derive(Debug)]
pub(super) enum Telling {
    /// An object of a request.
    Object(RequestId),
    /// A request.
    Request(Box<Request>),
    /// Counts of a request.
    Progress(Box<Request>),
}

/// Answers somebody who waits; with the error if nothing could be kept.
pub(super) type Reply = Box<dyn FnOnce(Result<()>) + Send>;

/// Dropped when something is done.
pub(super) type Done = tokio::sync::mpsc::Sender<()>;

/// What may be told when all is written.
pub(super) enum Note {
    /// The answer to a call.
    Reply(Reply),
    /// A recall has ended.
    Ended { object: ObjectId, outcome: Outcome, signal: Arc<Signal> },
    /// A copy may be read.
    Landed { slot: ObjectSlot, object: ObjectId, key: CacheKey, stamp: Stamp, reservation: Reservation },
    /// A copy may be read again: it was doubted, and is right.
    Shelved { object: ObjectId, key: CacheKey, stamp: Stamp },
    /// A copy may not be read any more.
    Gone { object: ObjectId, key: CacheKey },
}

/// What may be begun when all is written.
pub(super) enum Action {
    /// Ask for the status of objects.
    Look { place: Place, objects: Vec<(ObjectSlot, u64, ColdObject)> },
    /// Give a batch to its store and watch it.
    Stage { batch: u64, lane: usize, request: StageRequest },
    /// Watch a batch that was given to its store before.
    Watch { batch: u64, lane: usize, ticket: StageTicket },
    /// Watch a batch no more.
    StopWatching { key: Arc<str> },
    /// Stop the recall of objects.
    Cancel { lane: usize, ticket: StageTicket, objects: Vec<ObjectId> },
    /// Copy an object.
    Land {
        lane: usize,
        slot: ObjectSlot,
        flight: u64,
        object: ColdObject,
        status: ObjectStatus,
        reservation: Reservation,
    },
    /// Copy an object no more.
    StopLanding { flight: u64 },
    /// Let a store keep copies for so long from now, if that is said; then ask how they are.
    Renew { lane: usize, lifetime: Option<Duration>, objects: Vec<(ObjectSlot, u64, ColdObject)> },
    /// Let a store forget the copy of an object that it has staged.
    Release { lane: usize, object: ObjectId },
    /// Remove what landings left behind.
    Discard { key: CacheKey },
    /// Remove a copy, and let the store of its object know.
    Remove { of: Option<(usize, ObjectId)>, eviction: Eviction, done: Option<Done> },
}

/// What came of copying an object, with the space that it takes.
pub(super) type LandOutcome = Result<(Landed, Reservation), Box<(LandFailure, Option<Reservation>)>>;

/// What has happened.
pub(super) enum Happening {
    /// The file of a copy is not as it landed, or is gone.
    Damaged { slot: ObjectSlot, flight: u64, key: CacheKey },
    /// The status of objects is known.
    Looked { place: Place, answers: Vec<(ObjectSlot, u64, Result<ObjectStatus>)> },
    /// A store was asked to keep copies.
    Renewed { lane: usize, refused: Option<Error>, answers: Vec<Renewed> },
    /// A store has accepted a batch, or not.
    Staged { batch: u64, outcome: Result<StageTicket> },
    /// How far a batch is.
    Progress { batch: u64, answer: Result<Vec<(ObjectId, StageState)>> },
    /// How far the copying of an object is.
    LandedSoFar { slot: ObjectSlot, flight: u64, done_bytes: u64 },
    /// What landings left behind was removed.
    Discarded { key: CacheKey },
    /// An object was copied, or not.
    Landed {
        lane: usize,
        slot: ObjectSlot,
        flight: u64,
        object: ObjectId,
        key: CacheKey,
        /// With the space that is taken: after a failure, of what has landed so far.
        outcome: LandOutcome,
    },
}

impl Engine {
    /// An engine that knows nothing yet.
    pub(super) fn new(
        namespace: Arc<Namespace>,
        stores: &[NamedStore],
        settings: StagingSettings,
        space: Space,
        numbers: super::numbers::Numbers,
    ) -> Self {
        let lanes = stores.iter().map(|store| StoreLane::new(store, &settings)).collect();
        Self {
            book: Book::default(),
            lanes,
            unbound: Looks::default(),
            batches: HashMap::new(),
            n_batches: 0,
            timers: Timers::default(),
            chores: VecDeque::new(),
            out: Outbox::default(),
            space,
            namespace,
            settings,
            reservations: HashMap::new(),
            to_land: HashMap::new(),
            signals: HashMap::new(),
            ending: HashMap::new(),
            failures: super::waiting::Failures::default(),
            copies: HashMap::new(),
            discarding: HashSet::new(),
            releasing: HashSet::new(),
            needed_bytes: 0,
            has_listeners: false,
            numbers,
            n_checks: 0,
        }
    }

    /// Takes note of what has happened.
    pub(super) fn happened(&mut self, happening: Happening, now: Now) {
        match happening {
            Happening::Damaged { slot, flight, key } => self.damaged(slot, flight, key),
            Happening::Looked { place, answers } => self.looked(place, answers, now),
            Happening::Renewed { lane, refused, answers } => self.renewed(lane, refused, answers, now),
            Happening::Staged { batch, outcome } => self.staged(batch, outcome, now),
            Happening::Progress { batch, answer } => self.progressed(batch, answer, now),
            Happening::LandedSoFar { slot, flight, done_bytes } => {
                self.landed_so_far(slot, flight, done_bytes, now);
            }
            Happening::Discarded { key } => drop(self.discarding.remove(&key)),
            Happening::Landed { lane, slot, flight, object, key, outcome } => {
                if let Some(lane) = self.lanes.get_mut(lane) {
                    lane.n_landing = lane.n_landing.saturating_sub(1);
                }
                if !self.landed(slot, flight, outcome, now) {
                    self.landed_for_nobody(&object, key);
                }
            }
        }
    }

    /// Does what can be done now: chores, what is due, what stores have room for. True if more is to be done at
    /// once.
    pub(super) fn go_on(&mut self, now: Now) -> bool {
        self.run_timers(now);
        self.work_on_chores(now);
        self.begin_looks();
        for lane in 0..self.lanes.len() {
            self.begin_landings(lane, now);
            self.hand_out(lane, now);
            self.make_way(lane, now);
            self.begin_renewals(lane, now);
        }
        self.make_room(now);
        self.settle_touched(now);
        !self.chores.is_empty() || self.has_decided_enough()
    }

    /// True if so much is to be written that all else is decided after that: news of a million objects must not be a million
    /// changes in memory.
    pub(super) fn has_decided_enough(&self) -> bool {
        self.out.ops.len() >= MOST_OPS
    }

    /// Where an object lies.
    pub(super) fn place_of(&self, id: &ObjectId) -> Place {
        let Some(root) = self.namespace.root(id.root()) else { return Place::Undeclared };
        let Some(store) = &root.store else { return Place::Unbound };
        let lane = self.lanes.iter().position(|lane| lane.name == *store);
        lane.and_then(|lane| u16::try_from(lane).ok()).map_or(Place::Undeclared, Place::Store)
    }

    /// The store of an object.
    fn lane_of(&self, slot: ObjectSlot) -> Option<usize> {
        match self.book.object(slot)?.place {
            Place::Store(lane) => Some(usize::from(lane)),
            Place::Unbound | Place::Undeclared => None,
        }
    }

    /// The object with its address.
    fn cold_object(&self, slot: ObjectSlot) -> Option<ColdObject> {
        self.namespace.object(&self.book.object(slot)?.id)
    }

    /// True if objects of a store are copied into the cache.
    fn is_copied(&self, lane: usize) -> bool {
        self.lanes.get(lane).is_some_and(|lane| lane.capabilities.landing == Landing::Copied)
    }

    /// Lets a store begin recalls, or not.
    pub(super) fn set_activity(&mut self, store: &str, activity: Activity) -> Result<()> {
        let lane = self.lanes.iter_mut().find(|lane| &*lane.name == store);
        let lane = lane.ok_or_else(|| Error::not_found(format!("there is no cold store {store:?}")))?;
        lane.set_activity(activity);
        self.out.ops.push(Op::Activity(Arc::clone(&lane.name), activity));
        Ok(())
    }

    /// Looks into the waiting room of a recall, for readers: the signal of its end.
    pub(super) fn signal(&mut self, slot: ObjectSlot) -> Option<Arc<Signal>> {
        let flight = self.book.object(slot)?.flight.as_ref()?.number;
        Some(Arc::clone(self.signals.entry(flight).or_default()))
    }
}

impl StoreLane {
    fn new(store: &NamedStore, settings: &StagingSettings) -> Self {
        let capabilities = store.store.capabilities();
        let limits = Limits {
            n_at_once: capabilities.n_at_once,
            batch_objects: capabilities.batch_objects,
            knows_tapes: capabilities.knows_tapes,
        };
        let cap = u32::try_from(settings.max_active_per_owner).unwrap_or(u32::MAX).max(1);
        let mut policy = settings.policy.clone();
        // It keeps drives free for others. Where there are none to share, one of few recalls at a time takes for ever.
        policy.owner_cap = policy.owner_cap.or(store.store.recalls_share_drives().then_some(cap));
        policy.media = store.store.media().unwrap_or(policy.media);
        let usual = |is_interactive| store.store.usual_time(is_interactive);
        policy.together =
            usual(false).zip(usual(true)).map(|(bulk, interactive)| Together { bulk, interactive });
        let mut scheduler = Scheduler::new(policy, limits);
        let shares = settings.shares.iter().map(|(owner, _)| owner);
        for name in shares.chain(settings.owner_limits.iter().map(|(owner, _)| owner)) {
            let share =
                settings.shares.iter().find(|(owner, _)| owner == name).map_or(1.0, |(_, share)| *share);
            let cap = settings.limits_of(name).max_active.and_then(|cap| u32::try_from(cap).ok());
            let owner = scheduler.owner(&name.0);
            // A share of 1 is a weight of 100.
            scheduler.set_share(owner, (share * 100.0).round().clamp(1.0, 1e6) as u32, cap);
        }
        Self {
            name: Arc::clone(&store.name),
            store: Arc::clone(&store.store),
            capabilities,
            scheduler,
            activity: Activity::Running,
            looks: Looks::default(),
            renewals: renew::Renewals::default(),
            landings: VecDeque::new(),
            landings_without_space: VecDeque::new(),
            n_landing: 0,
            no_space_until_ns: None,
        }
    }

    /// Objects that wait to be copied.
    fn n_to_land(&self) -> usize {
        self.landings.len() + self.landings_without_space.len()
    }

    pub(super) fn set_activity(&mut self, activity: Activity) {
        self.activity = activity;
        self.scheduler.set_flow(match activity {
            Activity::Running => Flow::Running,
            Activity::Paused => Flow::Paused,
            Activity::Draining => Flow::Draining,
        });
    }
}

impl Outbox {
    /// Takes all that has gathered.
    pub(super) fn take(&mut self) -> Self {
        std::mem::take(self)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ops.is_empty() && self.notes.is_empty() && self.actions.is_empty()
    }
}
