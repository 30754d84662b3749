//! Cold stores: where objects lie whose bytes cannot be read at once, tape libraries above all.
//!
//! A [`ColdStore`] is a plugin of `plugins/cold`. It answers where objects are, brings batches of them
//! online, and says how far it is. It decides nothing: what is wanted, in which order, for how long and
//! for whom is the business of [`crate::staging`]. The conformance suite in `testkit` tells when a store is
//! right.
//!
//! The same trait fits tape libraries behind a file system, archives that are driven by commands, S3
//! Glacier (a restore is a batch of one that is polled) and other tape services (a batch is their request).

pub mod batches;
pub mod command;
mod context;
pub mod files;
mod namespace;
mod object;
pub mod units;

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use crate::Result;
use crate::staging::tape::Media;

pub use context::StoreContext;
pub use namespace::{Namespace, NamespaceRoot, PathRule};
pub use object::{ColdObject, ObjectId};

/// Where an object's bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Locality {
    /// They can be read now; there is no copy elsewhere.
    Online,
    /// A recall is needed.
    Nearline,
    /// They can be read now, and a copy is safe on the cold store.
    OnlineAndNearline,
    /// No copy is left.
    Lost,
    /// It cannot be told at present, or nothing can be reached.
    Unavailable,
}

impl Locality {
    /// The word for documents and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::Nearline => "nearline",
            Self::OnlineAndNearline => "online+nearline",
            Self::Lost => "lost",
            Self::Unavailable => "unavailable",
        }
    }

    /// True if the bytes can be read now.
    pub fn is_online(self) -> bool {
        matches!(self, Self::Online | Self::OnlineAndNearline)
    }
}

/// Where an object lies on tape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TapePlace {
    /// Label of the tape.
    pub tape: Arc<str>,
    /// First byte of the object, counted from the start of the tape.
    pub position: u64,
}

/// A checksum that a store has of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Checksum {
    /// Adler-32 (RFC 1950), as tape systems of particle physics keep it.
    Adler32(u32),
    /// MD5; the ETag of an S3 object that was written in one part.
    Md5([u8; 16]),
    /// SHA-256.
    Sha256([u8; 32]),
}

/// What a store knows of an object without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectStatus {
    /// Where its bytes are.
    pub locality: Locality,
    /// Its size.
    pub len_bytes: u64,
    /// Names its state: it changes when the object is replaced. For files the time of modification.
    pub version: String,
    /// Where it lies on tape, if the store tells.
    pub place: Option<TapePlace>,
    /// Its checksum, if the store has one.
    pub checksum: Option<Checksum>,
    /// The object that it is, if it is a link to another one below the same root: that one is recalled.
    pub links_to: Option<ObjectId>,
    /// When a copy that is online ends by itself, in nanoseconds since 1970; `None` if it does not, or nobody knows.
    pub online_until_ns: Option<i64>,
}

/// How objects become readable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Landing {
    /// Where they are: a file system fills the stub, a bucket answers reads again.
    InPlace,
    /// They are copied into the cache of this server with [`ColdStore::read`], once they are staged.
    Copied,
}

/// What a store can do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capabilities {
    /// How objects become readable.
    pub landing: Landing,
    /// Whether [`ObjectStatus::place`] is known: batches are then made for each tape, in reading order.
    pub knows_tapes: bool,
    /// Whether a batch under way can be stopped.
    pub can_cancel: bool,
    /// Whether the store can make objects cold again ([`ColdStore::release`]).
    pub can_release: bool,
    /// Most batches under way at the same time: drives, or connections.
    pub n_at_once: usize,
    /// Most objects in one batch.
    pub batch_objects: usize,
    /// How often [`ColdStore::progress`] is asked while a batch is under way.
    pub poll_every: Duration,
}

/// Objects that are to be brought online together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageRequest {
    /// Our own key. After a restart the batch is found again by it, never by the store's own number:
    /// those were seen to be lost, and to be given out twice.
    pub key: String,
    /// The objects, in the order in which they are best read.
    pub objects: Vec<ColdObject>,
    /// How long they are wanted.
    pub lifetime: Duration,
    /// Whether somebody waits at this moment.
    pub is_interactive: bool,
}

/// A batch that a store has accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageTicket {
    /// Our key of it.
    pub key: String,
    /// The objects of the batch.
    pub objects: Vec<ColdObject>,
    /// The store's name for it, a hint only.
    pub store_id: Option<String>,
}

/// How far the recall of one object is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StageState {
    /// Accepted, not begun.
    Queued,
    /// Accepted; the store does not tell whether it waits or has begun.
    Accepted,
    /// Being brought online.
    Active {
        /// Bytes that are there already, if the store tells.
        done_bytes: Option<u64>,
    },
    /// The store says that the bytes can be read. It is checked before anyone is told.
    Staged,
    /// It did not work.
    Failed(StageFailure),
    /// The store does not know of this recall (any more): it is asked for again.
    Unknown,
}

/// Why an object was not brought online.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageFailure {
    /// What can be done.
    pub cause: FailureCause,
    /// In words, without folders of this machine.
    pub reason: String,
}

/// What can be done about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureCause {
    /// Nothing: the object does not exist.
    NotFound,
    /// Nothing: the store denies it.
    Denied,
    /// Nothing: no copy is left.
    Lost,
    /// Ask again, after this time if the store names one: a drive failed, a time-out.
    Retryable {
        /// When to ask again.
        after: Option<Duration>,
    },
    /// Ask again, after this time if the store names one: it has too much to do and did not take the object. Nothing went
    /// wrong with it, so this is no attempt; the time that a recall may take in all bounds it.
    Busy {
        /// When to ask again.
        after: Option<Duration>,
    },
}

impl FailureCause {
    /// True if asking again is of no use.
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Retryable { .. } | Self::Busy { .. })
    }
}

/// A recall whose price is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Priced {
    /// Size of the object.
    pub len_bytes: u64,
    /// Whether somebody waits for it at this moment: that may be a dearer way.
    pub is_interactive: bool,
}

/// What recalls cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cost {
    /// In millionths of the currency: sums of money are not rounded.
    pub micros: u64,
    /// The currency, as the configuration has it: `USD`.
    pub currency: Arc<str>,
    /// By which way the objects come, in the store's word: `Standard`.
    pub tier: Arc<str>,
}

/// A place where objects lie that have to be brought online before they can be read.
///
/// No method may hold a thread of the runtime while it waits for a device or a command, and each one
/// answers within bounded time or gives [`crate::ErrorKind::Unavailable`].
#[async_trait]
pub trait ColdStore: Send + Sync {
    /// Which kind of store it is: folder name of the plugin and word in the configuration.
    fn kind(&self) -> &'static str;

    /// What it can do. Never changes.
    fn capabilities(&self) -> Capabilities;

    /// What is known of each object, in the same order. Never reads or recalls one. A long list is never an
    /// error: each object has its own answer.
    async fn status(&self, objects: &[ColdObject]) -> Vec<Result<ObjectStatus>>;

    /// Begins to bring objects online. The same key again is the same batch, not a second one.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Unavailable`] with the time when to ask again if the store is busy; the batch has
    /// not begun then. Failures of single objects are told by [`ColdStore::progress`].
    async fn stage(&self, request: &StageRequest) -> Result<StageTicket>;

    /// How far each object of a batch is. After a restart of this server the ticket has the key only.
    ///
    /// # Errors
    /// Whatever keeps the store from answering; nothing is concluded from it.
    async fn progress(&self, ticket: &StageTicket) -> Result<Vec<(ObjectId, StageState)>>;

    /// Stops the recall of some objects of a batch where that is still possible.
    ///
    /// # Errors
    /// Whatever keeps the store from answering.
    async fn cancel(&self, ticket: &StageTicket, objects: &[ObjectId]) -> Result<()>;

    /// Says that objects need not be kept online any more. Those that landed [`Landing::InPlace`] become cold.
    ///
    /// # Errors
    /// Whatever keeps the store from answering.
    async fn release(&self, objects: &[ColdObject]) -> Result<()>;

    /// Bytes of a staged object, for stores whose objects are [`Landing::Copied`].
    ///
    /// # Errors
    /// [`crate::ErrorKind::Unsupported`] for other stores; [`crate::ErrorKind::Changed`] if the object is not in
    /// the state `version` any more; whatever keeps the bytes from being exactly those.
    async fn read(&self, object: &ColdObject, version: &str, range: Range<u64>) -> Result<Bytes>;

    /// The cartridges and drives behind it, from which times are foretold; `None` for the usual ones. Never changes.
    fn media(&self) -> Option<Media> {
        None
    }

    /// How long recalls usually take, while somebody waits or not, where all objects of a batch come online at the same time
    /// however many they are; `None` for stores that read one after the other. Never changes.
    fn usual_time(&self, _is_interactive: bool) -> Option<Duration> {
        None
    }

    /// True if recalls take from one another what there is little of, drives above all: then the recalls that one owner may
    /// have under way are bounded. Never changes.
    fn recalls_share_drives(&self) -> bool {
        self.usual_time(false).is_none()
    }

    /// True if the store itself refuses to read what is not online, so that reading needs no question before and after: an
    /// object store does, a file system recalls or gives zeros. Never changes.
    fn refuses_cold_reads(&self) -> bool {
        false
    }

    /// True if copies that are online may end by themselves, so that pinned ones are asked about after a restart. Never
    /// changes.
    fn copies_end(&self) -> bool {
        self.refuses_cold_reads()
    }

    /// Keeps objects that are online so for at least `lifetime` from now; never makes the time shorter.
    ///
    /// # Errors
    /// Whatever keeps the store from answering. For stores whose objects stay online until they are released there is
    /// nothing to do.
    async fn prolong(&self, _objects: &[ColdObject], _lifetime: Duration) -> Result<()> {
        Ok(())
    }

    /// What recalls would cost; `None` if the store charges nothing. Never waits.
    fn cost(&self, _recalls: &[Priced]) -> Option<Cost> {
        None
    }

    /// Somebody says that the state of these objects may have changed: they are looked at soon. Whoever says so is not
    /// believed more than that. Never waits.
    fn hint(&self, _objects: &[ObjectId]) {}

    /// What is wrong with the store at present, for `/health`; `None` if nothing is known to be. Never waits.
    fn trouble(&self) -> Option<String> {
        None
    }
}
