//! The tables of the engine, and what is written to them.
//!
//! Times are nanoseconds since 1970. A request's number is the time when it was accepted, made unique. Every
//! change of an object or of a request gets a number of one counter, in the order in which they are committed.

mod accept;
mod deliveries;
mod forget;
mod load;
mod orders;
mod positions;
mod query;
mod spending;
mod write;

use std::sync::Arc;
use std::time::Duration;

use rusqlite::Row;
use thermocline_model::DatasetId;

use super::{Activity, Face, ObjectState, Owner, RequestId, RequestState, Tally};
use crate::cold::ObjectId;
use crate::{Error, Result};

pub(super) use accept::{Acceptance, Accepted, AcceptedRow, KEY_LIFETIME, accept, find_key};
pub(super) use deliveries::{delivered, deliveries, delivery, due, failed, forget_deliveries, retry};
pub(super) use forget::{forget_keys, forget_request, forget_requests};
pub(super) use load::{Loaded, LoadedObject, LoadedRequest, last_number, load, online_in_place};
pub(super) use orders::{is_order, note_order};
pub(super) use positions::{Sought, positions};
pub(super) use query::{StoredRequest, objects, request, requests};
pub(super) use spending::{Bill, charge, forget_spending};
pub(super) use write::{Written, write};

/// Makes the tables.
pub(super) const MIGRATIONS: &[&str] = &[
    "
CREATE TABLE staging_meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO staging_meta VALUES ('change', 0);

CREATE TABLE staging_requests (
  number INTEGER PRIMARY KEY,
  face INTEGER NOT NULL,
  owner TEXT NOT NULL,
  priority INTEGER NOT NULL,
  lifetime_ns INTEGER NOT NULL,
  dataset TEXT,
  notify TEXT,
  is_live INTEGER NOT NULL,
  state INTEGER NOT NULL,
  tallies BLOB NOT NULL,
  reason TEXT,
  started_ns INTEGER,
  finished_ns INTEGER,
  expires_ns INTEGER,
  pins_until_ns INTEGER,
  change INTEGER NOT NULL
);
CREATE INDEX staging_requests_live ON staging_requests (number) WHERE is_live = 1;
CREATE INDEX staging_requests_asked ON staging_requests (number) WHERE face < 2;
CREATE INDEX staging_requests_owned ON staging_requests (owner, number) WHERE face < 2;
CREATE INDEX staging_requests_ended ON staging_requests (coalesce(expires_ns, finished_ns)) WHERE is_live = 0;

CREATE TABLE staging_request_objects (
  request INTEGER NOT NULL,
  position INTEGER NOT NULL,
  spelling TEXT NOT NULL,
  root TEXT,
  path TEXT,
  others TEXT,
  state INTEGER NOT NULL,
  len_bytes INTEGER,
  reason TEXT,
  pinned_until_ns INTEGER,
  since_ns INTEGER NOT NULL,
  change INTEGER NOT NULL,
  PRIMARY KEY (request, position)
) WITHOUT ROWID;
CREATE INDEX staging_request_objects_changed ON staging_request_objects (request, change);

CREATE TABLE staging_recalls (
  root TEXT NOT NULL,
  path TEXT NOT NULL,
  store TEXT NOT NULL,
  batch TEXT,
  attempt INTEGER NOT NULL,
  n_changes INTEGER NOT NULL,
  version TEXT,
  why TEXT,
  retry_ns INTEGER,
  PRIMARY KEY (root, path)
) WITHOUT ROWID;

CREATE TABLE staging_online (
  root TEXT NOT NULL,
  path TEXT NOT NULL,
  version TEXT NOT NULL,
  len_bytes INTEGER NOT NULL,
  since_ns INTEGER NOT NULL,
  is_copied INTEGER NOT NULL,
  PRIMARY KEY (root, path)
) WITHOUT ROWID;

CREATE TABLE staging_keys (
  owner TEXT NOT NULL,
  key TEXT NOT NULL,
  body_hash BLOB NOT NULL,
  request INTEGER NOT NULL,
  created_ns INTEGER NOT NULL,
  PRIMARY KEY (owner, key)
) WITHOUT ROWID;
CREATE INDEX staging_keys_created ON staging_keys (created_ns);

CREATE TABLE staging_stores (name TEXT PRIMARY KEY, activity INTEGER NOT NULL) WITHOUT ROWID;
",
    "
ALTER TABLE staging_online ADD COLUMN is_safe INTEGER NOT NULL DEFAULT 1;
",
    "
ALTER TABLE staging_request_objects ADD COLUMN other_spellings TEXT;
",
    "
ALTER TABLE staging_recalls ADD COLUMN store_id TEXT;
CREATE INDEX staging_keys_request ON staging_keys (request);
",
    "
ALTER TABLE staging_requests ADD COLUMN notify_source TEXT;

CREATE TABLE staging_deliveries (
  id INTEGER PRIMARY KEY,
  request INTEGER NOT NULL,
  event TEXT NOT NULL,
  subject TEXT NOT NULL,
  url TEXT NOT NULL,
  origin TEXT NOT NULL,
  owner TEXT NOT NULL,
  body TEXT NOT NULL,
  state INTEGER NOT NULL,
  attempts INTEGER NOT NULL,
  next_ns INTEGER NOT NULL,
  created_ns INTEGER NOT NULL,
  last_error TEXT,
  UNIQUE (request, event)
);
CREATE INDEX staging_deliveries_due ON staging_deliveries (origin, owner, next_ns) WHERE state = 0;
CREATE INDEX staging_deliveries_next ON staging_deliveries (next_ns) WHERE state = 0;
CREATE INDEX staging_deliveries_state ON staging_deliveries (state, id);

ALTER TABLE staging_requests ADD COLUMN is_order INTEGER NOT NULL DEFAULT 0;

ALTER TABLE staging_request_objects ADD COLUMN name_hash INTEGER;
CREATE INDEX staging_request_objects_named ON staging_request_objects (request, name_hash)
  WHERE name_hash IS NOT NULL;

CREATE TABLE staging_spending (
  owner TEXT NOT NULL,
  day INTEGER NOT NULL,
  currency TEXT NOT NULL,
  micros INTEGER NOT NULL,
  PRIMARY KEY (owner, day, currency)
) WITHOUT ROWID;
",
    "
ALTER TABLE staging_requests ADD COLUMN is_forgotten INTEGER NOT NULL DEFAULT 0;
CREATE INDEX staging_requests_forgotten ON staging_requests (number) WHERE is_forgotten = 1;
",
];

/// Something to be written. Writing it twice is writing it once.
#[derive(Debug, Clone)]
pub(super) enum Op {
    /// A request that the engine makes itself, for a reader.
    NewRequest(Box<NewRequestRow>),
    /// An object of a request is in another state.
    Object(ObjectRow),
    /// A request is in another state, or has other counts.
    Request(Box<RequestRow>),
    /// How far a recall is.
    Recall(Box<RecallRow>),
    /// A recall has ended.
    RecallEnded(ObjectId),
    /// An object was brought online.
    Online(Box<OnlineRow>),
    /// An object is not online any more.
    Offline(ObjectId),
    /// A store begins recalls, or not.
    Activity(Arc<str>, Activity),
}

impl Op {
    /// The number of the request of which something changes.
    pub(super) fn request(&self) -> Option<i64> {
        match self {
            Self::NewRequest(row) => Some(row.number),
            Self::Object(row) => Some(row.request),
            Self::Request(row) => Some(row.number),
            Self::Recall(_)
            | Self::RecallEnded(_)
            | Self::Online(_)
            | Self::Offline(_)
            | Self::Activity(..) => None,
        }
    }
}

/// A request as it is when it is accepted.
#[derive(Debug, Clone)]
pub(super) struct NewRequestRow {
    pub(super) number: i64,
    pub(super) face: Face,
    pub(super) owner: Owner,
    pub(super) priority: u8,
    pub(super) lifetime: Duration,
    pub(super) dataset: Option<DatasetId>,
    /// Its objects; `None` for those that exist already.
    pub(super) object: (Arc<str>, ObjectId),
}

/// What changes of an object of a request.
#[derive(Debug, Clone)]
pub(super) struct ObjectRow {
    pub(super) request: i64,
    pub(super) position: u32,
    pub(super) state: ObjectState,
    pub(super) len_bytes: Option<u64>,
    pub(super) reason: Option<Arc<str>>,
    pub(super) pinned_until_ns: Option<i64>,
    pub(super) since_ns: i64,
    /// The object that the spelling means.
    pub(super) object: ObjectId,
}

/// What changes of a request.
#[derive(Debug, Clone)]
pub(super) struct RequestRow {
    pub(super) number: i64,
    pub(super) is_live: bool,
    pub(super) state: RequestState,
    pub(super) tallies: [Tally; 8],
    pub(super) reason: Option<Arc<str>>,
    pub(super) started_ns: Option<i64>,
    pub(super) finished_ns: Option<i64>,
    pub(super) expires_ns: Option<i64>,
    pub(super) pins_until_ns: Option<i64>,
}

/// How far a recall is, as far as it must survive.
#[derive(Debug, Clone)]
pub(super) struct RecallRow {
    pub(super) object: ObjectId,
    pub(super) store: Arc<str>,
    pub(super) batch: Option<Arc<str>>,
    /// The store's name for the batch.
    pub(super) store_id: Option<Arc<str>>,
    pub(super) attempt: u32,
    pub(super) n_changes: u8,
    pub(super) version: Option<Box<str>>,
    pub(super) why: Option<Arc<str>>,
    pub(super) retry_ns: Option<i64>,
}

/// An object that was brought online.
#[derive(Debug, Clone)]
pub(super) struct OnlineRow {
    pub(super) object: ObjectId,
    pub(super) online: super::book::Online,
}

/// The id of a request of that number.
pub(super) fn request_id(number: i64, face: Face) -> RequestId {
    match face {
        Face::Chiller => RequestId(number.to_string().into()),
        Face::Native | Face::Reader | Face::Prefetch => RequestId(format!("r{number}").into()),
    }
}

/// The number that an id may have; whether there is such a request is not asked.
pub(super) fn request_number(id: &RequestId) -> Option<i64> {
    let digits = id.0.strip_prefix('r').unwrap_or(&id.0);
    let is_plain = digits.bytes().all(|digit| digit.is_ascii_digit()) && !digits.starts_with('0');
    digits.parse().ok().filter(|_| is_plain)
}

fn face_number(face: Face) -> i64 {
    match face {
        Face::Native => 0,
        Face::Chiller => 1,
        Face::Reader => 2,
        Face::Prefetch => 3,
    }
}

fn face(number: i64) -> Result<Face> {
    match number {
        0 => Ok(Face::Native),
        1 => Ok(Face::Chiller),
        2 => Ok(Face::Reader),
        3 => Ok(Face::Prefetch),
        other => Err(damaged(format!("a face {other}"))),
    }
}

fn object_state(number: i64) -> Result<ObjectState> {
    let state = usize::try_from(number).ok().and_then(|number| ObjectState::ALL.get(number));
    state.copied().ok_or_else(|| damaged(format!("an object state {number}")))
}

/// In the order of their numbers in the database.
const REQUEST_STATES: [RequestState; 6] = [
    RequestState::Queued,
    RequestState::Active,
    RequestState::Succeeded,
    RequestState::Partial,
    RequestState::Failed,
    RequestState::Cancelled,
];

fn request_state_number(state: RequestState) -> i64 {
    REQUEST_STATES.iter().position(|known| *known == state).unwrap_or_default() as i64
}

fn request_state(number: i64) -> Result<RequestState> {
    let state = usize::try_from(number).ok().and_then(|number| REQUEST_STATES.get(number));
    state.copied().ok_or_else(|| damaged(format!("a request state {number}")))
}

fn activity_number(activity: Activity) -> i64 {
    match activity {
        Activity::Running => 0,
        Activity::Paused => 1,
        Activity::Draining => 2,
    }
}

fn activity(number: i64) -> Activity {
    match number {
        1 => Activity::Paused,
        2 => Activity::Draining,
        _ => Activity::Running,
    }
}

/// Eight counts and eight sums of bytes, each eight bytes, little endian.
fn pack_tallies(tallies: &[Tally; 8]) -> Vec<u8> {
    tallies.iter().flat_map(|tally| [tally.n, tally.bytes]).flat_map(u64::to_le_bytes).collect()
}

fn unpack_tallies(bytes: &[u8]) -> Result<[Tally; 8]> {
    let (numbers, rest) = bytes.as_chunks::<8>();
    let mut tallies = [Tally::default(); 8];
    if numbers.len() != 16 || !rest.is_empty() {
        return Err(damaged(format!("counts of {} bytes", bytes.len())));
    }
    let mut numbers = numbers.iter().map(|bytes| u64::from_le_bytes(*bytes));
    for tally in &mut tallies {
        *tally = Tally { n: numbers.next().unwrap_or_default(), bytes: numbers.next().unwrap_or_default() };
    }
    Ok(tallies)
}

fn damaged(what: String) -> Error {
    Error::corrupt(format!("the database of requests has {what}"))
}

/// Several names, as one text.
fn pack_names(names: &[ObjectId]) -> Option<String> {
    let parts: Vec<&str> = names.iter().flat_map(|name| [name.root(), name.path()]).collect();
    (!parts.is_empty()).then(|| parts.join("\0"))
}

fn unpack_names(text: &str) -> Result<Vec<ObjectId>> {
    let parts: Vec<&str> = text.split('\0').collect();
    let (pairs, _) = parts.as_chunks::<2>();
    pairs.iter().map(|[root, path]| ObjectId::new(*root, path)).collect()
}

/// Spellings of one object, as one text: none of them has a NUL, since it means an object.
fn pack_spellings(spellings: &[Arc<str>]) -> Option<String> {
    (!spellings.is_empty()).then(|| spellings.join("\0"))
}

fn unpack_spellings(text: &str) -> Vec<Arc<str>> {
    text.split('\0').map(Arc::from).collect()
}

/// The object that the columns `root` and `path` name.
fn object_of(row: &Row<'_>, root: usize, path: usize) -> Result<Option<ObjectId>> {
    let (root, path): (Option<Box<str>>, Option<Box<str>>) = (row.get(root)?, row.get(path)?);
    match (root, path) {
        (Some(root), Some(path)) => Ok(Some(ObjectId::new(root, &path)?)),
        _ => Ok(None),
    }
}

fn as_i64(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn as_u64(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}
