//! What is asked of the engine, and what it tells: requests, their objects, changes.

use std::fmt;
use std::fs::Metadata;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use thermocline_model::DatasetId;

use super::cache::{CacheKey, ReadGuard, Stamp};
use crate::ErrorKind;
use crate::cold::{Cost, Locality, ObjectId};

/// Who wants objects: what shares, caps and rights are counted by.
///
/// `anonymous`, `token:NAME`, `network:CIDR`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Owner(pub Arc<str>);

impl Owner {
    /// Whoever did not say who they are.
    pub fn anonymous() -> Self {
        Self("anonymous".into())
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Name of a request, and of the job that it is: a letter and digits; of Chiller's face digits alone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(pub Arc<str>);

impl RequestId {
    /// When the request was accepted, in nanoseconds since 1970; `None` for a name that no request can have.
    pub fn created_ns(&self) -> Option<i64> {
        super::tables::request_number(self)
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Through which face a request came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Face {
    /// Our own API.
    Native,
    /// Chiller's `/upload`: the id is digits, the creation time in nanoseconds since 1970.
    Chiller,
    /// Readers that came upon a cold chunk: one request for each object, in the interactive lane.
    Reader,
    /// The server itself read ahead.
    Prefetch,
}

/// One thing that a request names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// How it was written; answers and lists say it the same way.
    pub spelling: Arc<str>,
    /// The object it means (of several possible names the first that exists), or why it cannot mean one.
    pub object: Result<Vec<ObjectId>, String>,
}

/// A key by which a client makes repeating its request harmless.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// The key, of this owner.
    pub key: String,
    /// Hash of the request's body and options: the same key with another one is refused.
    pub body_hash: [u8; 32],
}

/// An address that is told of the end of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notify {
    /// The address that is called.
    pub url: String,
    /// What the message says it comes from: the address by which this server was asked.
    pub source: String,
}

/// A request as it is asked for.
#[derive(Debug, Clone)]
pub struct NewRequest {
    /// Who asks.
    pub owner: Owner,
    /// Through which face.
    pub face: Face,
    /// What is wanted. Duplicates count once, and all their spellings are kept.
    pub objects: Vec<Wanted>,
    /// From 0 (whenever it suits) to 9; 5 is usual. Within an owner's share higher ones come first.
    pub priority: u8,
    /// How long the objects stay pinned after they are online.
    pub lifetime: Duration,
    /// The dataset that a selection was made of.
    pub dataset: Option<DatasetId>,
    /// Makes repeating harmless.
    pub idempotency: Option<IdempotencyKey>,
    /// Who is told of the end.
    pub notify: Option<Notify>,
}

/// State of an object within a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ObjectState {
    /// Waits for its turn.
    Queued,
    /// Being recalled.
    Active,
    /// All bytes are there, length and checksum are being checked.
    Verifying,
    /// Online, and pinned by this request until it expires or is released.
    Hot,
    /// Was online for this request; the pin is gone.
    Released,
    /// Could not be brought online.
    Failed,
    /// No copy is left.
    Lost,
    /// The request does not want it any more.
    Cancelled,
}

impl ObjectState {
    /// Every state, in order.
    pub const ALL: [Self; 8] = [
        Self::Queued,
        Self::Active,
        Self::Verifying,
        Self::Hot,
        Self::Released,
        Self::Failed,
        Self::Lost,
        Self::Cancelled,
    ];

    /// Those of objects that wait or are pinned.
    pub(super) const HELD: [Self; 4] = [Self::Queued, Self::Active, Self::Verifying, Self::Hot];

    /// The word for documents and for the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Active => "active",
            Self::Verifying => "verifying",
            Self::Hot => "hot",
            Self::Released => "released",
            Self::Failed => "failed",
            Self::Lost => "lost",
            Self::Cancelled => "cancelled",
        }
    }

    /// True if the request waits for nothing more from this object.
    pub fn is_settled(self) -> bool {
        !matches!(self, Self::Queued | Self::Active | Self::Verifying)
    }
}

/// State of a request, derived from its objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RequestState {
    /// No object is being recalled yet.
    Queued,
    /// At least one object is being recalled or was.
    Active,
    /// Every object was brought online.
    Succeeded,
    /// Some were, some could not be.
    Partial,
    /// None could be.
    Failed,
    /// Cancelled before its end.
    Cancelled,
}

impl RequestState {
    /// The word for documents and for the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Active => "active",
            Self::Succeeded => "succeeded",
            Self::Partial => "partial",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// True if it will not change any more (pins aside).
    pub fn is_ended(self) -> bool {
        !matches!(self, Self::Queued | Self::Active)
    }
}

/// How long something will take, and what that is based on.
#[derive(Debug, Clone, PartialEq)]
pub struct Estimate {
    /// From now on.
    pub duration: Duration,
    /// In words: [`super::schedule::Basis::as_str`].
    pub basis: &'static str,
}

/// How many objects are in a state, and their bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Number of objects.
    pub n: u64,
    /// Their bytes, as far as known.
    pub bytes: u64,
}

/// A request as it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// Its name.
    pub id: RequestId,
    /// Who asked.
    pub owner: Owner,
    /// Through which face.
    pub face: Face,
    /// Its state.
    pub state: RequestState,
    /// Priority from 0 to 9.
    pub priority: u8,
    /// How long objects stay pinned after they are online.
    pub lifetime: Duration,
    /// The dataset of its selection.
    pub dataset: Option<DatasetId>,
    /// Objects for each state of [`ObjectState::ALL`], in that order.
    pub tallies: [Tally; 8],
    /// Why it waits or failed, for people.
    pub reason: Option<String>,
    /// When it will be done, while it is not.
    pub estimate: Option<Estimate>,
    /// When it was accepted, in nanoseconds since 1970.
    pub created_ns: i64,
    /// When the first recall began.
    pub started_ns: Option<i64>,
    /// When the last object was settled.
    pub finished_ns: Option<i64>,
    /// When its pins end; `None` until it has ended.
    pub expires_ns: Option<i64>,
    /// Number of its last change.
    pub change: u64,
}

impl Request {
    /// Number of objects in all states.
    pub fn n_objects(&self) -> u64 {
        self.tallies.iter().map(|tally| tally.n).sum()
    }

    /// Objects in one state.
    pub fn tally(&self, state: ObjectState) -> Tally {
        self.tallies.get(state as usize).copied().unwrap_or_default()
    }
}

/// One object of a request as it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct RequestObject {
    /// Its place in the request, from 0.
    pub position: u64,
    /// How it was asked for.
    pub spelling: Arc<str>,
    /// How else the same request asked for it. Events do not tell.
    pub other_spellings: Vec<Arc<str>>,
    /// Its name; `None` if the spelling means none.
    pub object: Option<ObjectId>,
    /// Its state.
    pub state: ObjectState,
    /// Its size, if known.
    pub len_bytes: Option<u64>,
    /// Why it waits or failed.
    pub reason: Option<String>,
    /// When it will be online.
    pub estimate: Option<Estimate>,
    /// When its state last changed, in nanoseconds since 1970.
    pub since_ns: i64,
    /// Number of that change.
    pub change: u64,
}

/// Which objects of a request are asked for.
#[derive(Debug, Clone, Default)]
pub struct ObjectFilter {
    /// Only those in this state.
    pub state: Option<ObjectState>,
    /// Only those that changed after this change.
    pub since: Option<u64>,
    /// Only those after this position, or, with `since`, after this change.
    pub after: Option<u64>,
    /// Most of them.
    pub limit: usize,
}

/// Which requests are asked for. Newest first.
#[derive(Debug, Clone, Default)]
pub struct RequestFilter {
    /// Only of this owner; `None` for everybody's (administrators).
    pub owner: Option<Owner>,
    /// Only in this state.
    pub state: Option<RequestState>,
    /// Only of this dataset.
    pub dataset: Option<DatasetId>,
    /// Only created at or after, in nanoseconds since 1970.
    pub created_from_ns: Option<i64>,
    /// Only created before.
    pub created_before_ns: Option<i64>,
    /// Only those older than this one (the last of the page before).
    pub after: Option<RequestId>,
    /// Also those that readers caused.
    pub with_readers: bool,
    /// Most of them.
    pub limit: usize,
}

/// Something that happened to a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// An object of a request came into another state.
    Object {
        /// The request.
        request: RequestId,
        /// The object.
        object: RequestObject,
    },
    /// Counts changed; sent now and then while objects do.
    Progress(Box<Request>),
    /// The request came into another state.
    Request(Box<Request>),
}

/// What a request would cost.
#[derive(Debug, Clone, PartialEq)]
pub struct DryRun {
    /// Number of objects.
    pub n_objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Objects that need a recall.
    pub n_nearline: u64,
    /// Bytes of those.
    pub nearline_bytes: u64,
    /// Tapes to be mounted, as far as they are known.
    pub n_tapes: Option<u64>,
    /// How long it would take from now.
    pub estimate: Option<Estimate>,
    /// What its recalls would cost, for each currency; nothing where no store charges.
    pub costs: Vec<Cost>,
    /// The first objects, with where they are.
    pub objects: Vec<ObjectInfo>,
}

/// An object, whoever wants it.
#[derive(Debug, Clone, PartialEq)]
pub struct ObjectInfo {
    /// How it was asked for, or its address.
    pub spelling: Arc<str>,
    /// Its name; `None` if the spelling means none.
    pub object: Option<ObjectId>,
    /// Where it is.
    pub locality: Locality,
    /// Its size, if known.
    pub len_bytes: Option<u64>,
    /// Number of requests and jobs that pin it.
    pub n_pins: u32,
    /// When the last pin ends, in nanoseconds since 1970.
    pub pinned_until_ns: Option<i64>,
    /// Why it cannot be told or does not exist.
    pub error: Option<String>,
}

/// A recall under way or waiting, for operators.
#[derive(Debug, Clone, PartialEq)]
pub struct Recall {
    /// The object.
    pub object: ObjectId,
    /// Its cold store, by its name in the configuration.
    pub store: Arc<str>,
    /// Its state.
    pub state: ObjectState,
    /// Number of the attempt, from 1.
    pub attempt: u32,
    /// Bytes that are there already.
    pub done_bytes: Option<u64>,
    /// Its size, if known.
    pub len_bytes: Option<u64>,
    /// Number of requests that want it.
    pub n_requests: u32,
    /// Why it waits.
    pub reason: Option<String>,
    /// Since when it is in its state, in nanoseconds since 1970.
    pub since_ns: i64,
}

/// A cold store as it stands, for operators.
#[derive(Debug, Clone, PartialEq)]
pub struct StoreState {
    /// Its name in the configuration.
    pub name: Arc<str>,
    /// Its kind.
    pub kind: &'static str,
    /// Whether new recalls are begun.
    pub activity: Activity,
    /// Recalls that wait.
    pub n_waiting: u64,
    /// Recalls under way.
    pub n_active: u64,
    /// What is wrong with it.
    pub trouble: Option<String>,
}

/// Whether a store begins recalls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activity {
    /// It does.
    Running,
    /// It does not; those under way go on.
    Paused,
    /// It does not, and requests for its objects are refused until it runs again.
    Draining,
}

/// How full the cache is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CacheUse {
    /// Its size.
    pub capacity_bytes: u64,
    /// Bytes of objects in it.
    pub used_bytes: u64,
    /// Bytes reserved for recalls under way.
    pub reserved_bytes: u64,
    /// Bytes that pins or readers keep.
    pub pinned_bytes: u64,
    /// Objects in it.
    pub n_objects: u64,
}

/// Where the bytes of an object can be read at this moment.
#[derive(Debug)]
pub enum Presence {
    /// Below no root of a cold store: it is read where it is.
    Unbound,
    /// It can be read now, at this path, as long as the guard lives: it is not evicted before.
    Online {
        /// Where the bytes lie.
        path: PathBuf,
        /// Keeps them there. `None` for objects that came online in place: their file system may make them
        /// cold at any time, which is looked at after each read again.
        guard: Option<CopyGuard>,
    },
    /// A recall is needed.
    Cold,
}

/// A copy in the cache: it is not evicted as long as this lives.
#[derive(Debug)]
pub struct CopyGuard {
    object: ObjectId,
    guard: ReadGuard,
    stamp: Stamp,
}

impl CopyGuard {
    /// The copy of an object.
    pub fn new(object: ObjectId, guard: ReadGuard, stamp: Stamp) -> Self {
        Self { object, guard, stamp }
    }

    /// Names the object and the state in which it was copied.
    pub fn key(&self) -> &CacheKey {
        self.guard.key()
    }

    /// True if that state has this version and size.
    pub fn is_of(&self, version: &str, len_bytes: u64) -> bool {
        CacheKey::new(&self.object, version, len_bytes) == *self.key()
    }

    /// True if a file looks as the copy did when it had landed.
    pub fn is_as_it_landed(&self, metadata: &Metadata) -> bool {
        self.stamp.is_on(metadata)
    }
}

/// A recall that a reader joined.
#[derive(Debug, Clone)]
pub struct Joined {
    /// The request by which it can be watched; durable.
    pub request: RequestId,
    /// Its state.
    pub state: ObjectState,
    /// When the object will be online.
    pub estimate: Option<Estimate>,
}

/// What came of a recall, for readers that wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The object is online.
    Online,
    /// It could not be brought online.
    Failed {
        /// Why.
        reason: String,
        /// [`ErrorKind::Lost`] if it does not exist any more, [`ErrorKind::Corrupt`] if its bytes are damaged, else
        /// [`ErrorKind::RecallFailed`].
        kind: ErrorKind,
    },
}
