//! Staging: cold objects are brought online on demand, each once, durably, in the order that costs least.
//!
//! A *recall* is the one action that brings an object online, shared by all who want it; a *request* is a set
//! of objects that one owner wants, and holds a *pin* on each of them until it expires or is released. Nothing
//! is acknowledged before it is durable: a request that was answered survives the end of the process.
//!
//! [`Staging`] is what everything else talks to. Below it: the order of recalls (`schedule`, `tape`),
//! how bytes come into the cache (`landing`) and how room is made there (`cache`).

mod api;
pub mod cache;
pub mod landing;
pub mod schedule;
pub mod tape;

use std::sync::Arc;
use std::time::Duration;

use thermocline_model::DatasetId;
use tokio::sync::broadcast;

use crate::clock::Clock;
use crate::cold::{ColdStore, Namespace, ObjectId};
use crate::state::Database;
use crate::{Error, Result};

pub use api::*;

/// A cold store under its name in the configuration.
#[derive(Clone)]
pub struct NamedStore {
    /// Its name.
    pub name: Arc<str>,
    /// The store.
    pub store: Arc<dyn ColdStore>,
}

/// What the engine is made of.
pub struct StagingParts {
    /// Declared roots, and which of them lie on which store.
    pub namespace: Arc<Namespace>,
    /// The cold stores.
    pub stores: Vec<NamedStore>,
    /// Where requests are kept.
    pub database: Database,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// How to do it.
    pub settings: StagingSettings,
}

/// How to recall and to keep.
#[derive(Debug, Clone)]
pub struct StagingSettings {
    /// Folder of objects that were copied out of cold stores.
    pub cache_dir: std::path::PathBuf,
    /// Size of that cache in bytes.
    pub cache_bytes: u64,
    /// Part of the cache at which no more is admitted.
    pub cache_high: f64,
    /// Part of the cache down to which is evicted.
    pub cache_low: f64,
    /// How long an object stays at least once it is online.
    pub min_residency: Duration,
    /// Most objects of one request.
    pub max_objects: usize,
    /// Longest lifetime of pins.
    pub max_lifetime: Duration,
    /// How long a finished request can be asked about after its pins ended.
    pub keep_requests: Duration,
    /// Recalls of one owner that may be under way at the same time.
    pub max_active_per_owner: usize,
    /// Most attempts of a recall.
    pub max_attempts: u32,
    /// How long a recall may go without progress.
    pub stalled_after: Duration,
    /// How long a recall may take in all.
    pub recall_timeout: Duration,
    /// Shares of owners that are not 1.
    pub shares: Vec<(Owner, f64)>,
    /// Most objects that are brought online ahead of a reader, for each recall that a reader caused; 0 for none.
    pub prefetch_objects: usize,
}

impl Default for StagingSettings {
    fn default() -> Self {
        let day = Duration::from_secs(24 * 3600);
        Self {
            cache_dir: "cache".into(),
            cache_bytes: 100 << 30,
            cache_high: 0.9,
            cache_low: 0.8,
            min_residency: Duration::from_secs(60),
            max_objects: 2_000_000,
            max_lifetime: 30 * day,
            keep_requests: 7 * day,
            max_active_per_owner: 1000,
            max_attempts: 5,
            stalled_after: Duration::from_secs(30 * 60),
            recall_timeout: 2 * day,
            shares: Vec::new(),
            prefetch_objects: 0,
        }
    }
}

/// The engine. Cloning gives the same one.
#[derive(Clone)]
pub struct Staging {
    shared: Arc<Shared>,
}

struct Shared {
    parts: StagingParts,
    events: broadcast::Sender<Event>,
}

impl Staging {
    /// Tables of the engine, for [`Database::open`].
    pub const MIGRATIONS: &'static [&'static str] = &[];

    /// An engine that knows what the database holds. Nothing happens before [`Staging::start`].
    ///
    /// # Errors
    /// A database that cannot be read, a cache folder that cannot be made.
    pub async fn open(parts: StagingParts) -> Result<Self> {
        let (events, _) = broadcast::channel(1024);
        Ok(Self { shared: Arc::new(Shared { parts, events }) })
    }

    /// Goes on with what was under way, and begins what waits.
    pub async fn start(&self) {}

    /// Ends the background work and waits for it. Recalls go on in their stores and are found again.
    pub async fn shut_down(&self) {}

    /// Declared roots.
    pub fn namespace(&self) -> &Arc<Namespace> {
        &self.shared.parts.namespace
    }

    /// The time.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.shared.parts.clock
    }

    /// Where an object's bytes can be read at this moment. Blocking for objects that lie in place (their file
    /// system is asked), in memory otherwise. Never waits for a recall and causes none.
    ///
    /// # Errors
    /// A file system that does not answer; an object that is lost.
    pub fn presence(&self, href: &str) -> Result<Presence> {
        let _ = href;
        Ok(Presence::Unbound)
    }

    /// Accepts a request; it is durable when this returns. The same idempotency key and body again gives the
    /// request of the first time.
    ///
    /// # Errors
    /// [`crate::ErrorKind::TooLarge`] for too many objects, [`crate::ErrorKind::InvalidInput`] for a key that was
    /// used for another body (its message says so), [`crate::ErrorKind::Unavailable`] if it cannot be kept.
    pub async fn request(&self, new: NewRequest) -> Result<Request> {
        let _ = new;
        Err(unfinished())
    }

    /// What a request for these objects would cost, without making it.
    ///
    /// # Errors
    /// Those of a store that does not answer.
    pub async fn dry_run(&self, objects: Vec<Wanted>) -> Result<DryRun> {
        let _ = objects;
        Err(unfinished())
    }

    /// A request as it stands; `None` if there is none of that name.
    ///
    /// # Errors
    /// A database that cannot be read.
    pub async fn get(&self, id: &RequestId) -> Result<Option<Request>> {
        let _ = id;
        Ok(None)
    }

    /// Requests, newest first.
    ///
    /// # Errors
    /// A database that cannot be read.
    pub async fn list(&self, filter: RequestFilter) -> Result<Vec<Request>> {
        let _ = filter;
        Ok(Vec::new())
    }

    /// Objects of a request, by position, or with `since` by change: then it costs what changed.
    ///
    /// # Errors
    /// [`crate::ErrorKind::NotFound`] for an unknown request.
    pub async fn objects(&self, id: &RequestId, filter: ObjectFilter) -> Result<Vec<RequestObject>> {
        let _ = (id, filter);
        Err(unfinished())
    }

    /// What happens from now on, to all requests. Who lags behind misses events, and asks by change number.
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.shared.events.subscribe()
    }

    /// Drops a request's interest in what it still waits for, and its pins.
    ///
    /// # Errors
    /// [`crate::ErrorKind::NotFound`] for an unknown request.
    pub async fn cancel(&self, id: &RequestId) -> Result<Request> {
        let _ = id;
        Err(unfinished())
    }

    /// Ends a request's pins: of these spellings, or of all its objects.
    ///
    /// # Errors
    /// [`crate::ErrorKind::NotFound`] for an unknown request; [`crate::ErrorKind::InvalidInput`] for a spelling
    /// that is none of it, and nothing is released then.
    pub async fn release(&self, id: &RequestId, spellings: Option<Vec<String>>) -> Result<Request> {
        let _ = (id, spellings);
        Err(unfinished())
    }

    /// Keeps a request's pins for this long from now.
    ///
    /// # Errors
    /// [`crate::ErrorKind::NotFound`] for an unknown request; [`crate::ErrorKind::InvalidInput`] for one without
    /// pins, or more than the longest lifetime.
    pub async fn extend(&self, id: &RequestId, lifetime: Duration) -> Result<Request> {
        let _ = (id, lifetime);
        Err(unfinished())
    }

    /// Joins the recall of a cold object for a reader, or begins it, in the interactive lane. The answer is durable.
    ///
    /// # Errors
    /// [`crate::ErrorKind::InvalidInput`] for what lies on no cold store; [`crate::ErrorKind::Unavailable`] if
    /// the store is draining or the request cannot be kept.
    pub async fn join(&self, href: &str, owner: &Owner, dataset: Option<&DatasetId>) -> Result<Joined> {
        let _ = (href, owner, dataset);
        Err(unfinished())
    }

    /// Waits until the recall of an object has ended: at once if none is under way. Cheap enough for thousands
    /// of waiters on one object. Dropping it is all that it takes to stop waiting.
    pub async fn wait(&self, href: &str) -> Outcome {
        let _ = href;
        Outcome::Online
    }

    /// Where objects are and who pins them; each has its own answer.
    ///
    /// # Errors
    /// None of single objects.
    pub async fn locality(&self, objects: Vec<Wanted>) -> Result<Vec<ObjectInfo>> {
        let _ = objects;
        Ok(Vec::new())
    }

    /// What an object's locality is as far as it is known without asking its store: for documents that name many.
    pub fn known_locality(&self, href: &str) -> crate::cold::Locality {
        let _ = href;
        crate::cold::Locality::Online
    }

    /// Makes unpinned, unread objects cold again: these, or all. How many were.
    ///
    /// # Errors
    /// A store that does not answer.
    pub async fn evict(&self, objects: Option<Vec<ObjectId>>) -> Result<u64> {
        let _ = objects;
        Err(unfinished())
    }

    /// Recalls that wait or are under way, those under way first.
    pub async fn recalls(&self, limit: usize) -> Vec<Recall> {
        let _ = limit;
        Vec::new()
    }

    /// Objects that are pinned.
    ///
    /// # Errors
    /// A database that cannot be read.
    pub async fn pins(&self, limit: usize) -> Result<Vec<ObjectInfo>> {
        let _ = limit;
        Ok(Vec::new())
    }

    /// Cold stores as they stand.
    pub fn stores(&self) -> Vec<StoreState> {
        Vec::new()
    }

    /// Lets a store begin recalls, or not. Survives a restart.
    ///
    /// # Errors
    /// [`crate::ErrorKind::NotFound`] for an unknown store.
    pub async fn set_activity(&self, store: &str, activity: Activity) -> Result<()> {
        let _ = (store, activity);
        Err(unfinished())
    }

    /// How full the cache is.
    pub fn cache_use(&self) -> CacheUse {
        CacheUse::default()
    }
}

fn unfinished() -> Error {
    Error::internal("not built yet")
}
