//! Staging: cold objects are brought online on demand, each once, durably, in the order that costs least.
//!
//! A *recall* is the one action that brings an object online, shared by all who want it; a *request* is a set
//! of objects that one owner wants, and holds a *pin* on each of them until it expires or is released. Nothing
//! is acknowledged before it is durable: a request that was answered survives the end of the process.
//!
//! [`Staging`] is what everything else talks to. Below it:
//!
//! | module | what it does |
//! |---|---|
//! | `engine` | the rules: what follows from what happens; pure |
//! | `book` | objects, recalls and requests in memory |
//! | `tables` | the same in the database |
//! | `driver` | turns the rules into writes, answers, events and work for stores, in this order |
//! | `requests`, `readers`, `operators` | what is asked of it |
//! | `seen` | what is online at stores that refuse to read what is cold |
//! | `hints` | what others say of objects, which are looked at then |
//! | `limits`, `spending` | what owners may have, and what they pay |
//! | `watch` | wakes who watches a request |
//! | `standing` | how objects stand, whoever wants them, and who is told at once when that changes |
//! | `deliveries` | who is told of the end of requests |
//! | `restart` | takes up what was under way |
//! | `schedule`, `tape` | the order of recalls |
//! | `landing`, `cache` | how bytes come into the cache, and how room is made there |
//!
//! # Limits
//! Objects that lie in place stay online as long as their file system keeps them: pins cannot hold them there. Copies
//! that end at a time that their store tells are made to last while they are pinned.

mod api;
mod book;
pub mod cache;
mod deliveries;
mod driver;
mod engine;
mod hints;
mod keyed;
pub mod landing;
mod limits;
mod numbers;
mod operators;
mod readers;
mod requests;
mod restart;
mod retries;
pub mod schedule;
mod seen;
mod settings;
mod shelf;
mod spending;
mod standing;
mod steady;
mod tables;
pub mod tape;
mod waiting;
mod watch;

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{broadcast, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::Result;
use crate::bytes::ObjectOpener;
use crate::clock::Clock;
use crate::cold::{ColdStore, Landing, Namespace};
use crate::state::Database;
use crate::webhook::HostList;

use cache::{CacheDir, Space};
use driver::{Driver, Input};
use engine::{Engine, Now};

pub use api::*;
pub use deliveries::{AfterFailure, Delivery, DeliveryFilter, DeliveryState, Due, DueDelivery, Turns};
pub use limits::{Amount, OwnerLimits};
pub use retries::Retries;
pub use settings::StagingSettings;
pub use standing::{Onlooker, Phase, Standing};

/// Most calls and answers that wait for the engine; further ones wait before they are taken.
const MAX_INPUTS: usize = 16_384;

/// Most events that a listener may lag behind.
const MAX_EVENTS: usize = 1024;

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
    /// Tells whether objects exist that lie on no cold store.
    pub opener: Arc<dyn ObjectOpener>,
    /// Where requests are kept.
    pub database: Database,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// How to do it.
    pub settings: StagingSettings,
}

/// The engine. Cloning gives the same one.
#[derive(Clone)]
pub struct Staging {
    shared: Arc<Shared>,
}

struct Shared {
    parts: StagingParts,
    database: Database,
    clock: Arc<dyn Clock>,
    steady: steady::Steady,
    engine: Mutex<Engine>,
    inputs: mpsc::Sender<Input>,
    /// Taken by the task that drives the engine.
    waiting_inputs: Mutex<Option<mpsc::Receiver<Input>>>,
    events: broadcast::Sender<Event>,
    watchers: watch::Watchers,
    /// Is told of objects whose standing changes.
    onlooker: standing::OnlookerPlace,
    shelf: shelf::Shelf,
    looks: readers::Looks,
    /// Is told when there is something to tell others.
    deliveries: Arc<tokio::sync::Notify>,
    /// Who may be told.
    webhook_hosts: HostList,
    seen: seen::Seen,
    turns: spending::Turns,
    space: Space,
    dir: CacheDir,
    numbers: numbers::Numbers,
    tasks: TaskTracker,
    /// Ends everything.
    stop: CancellationToken,
    /// Ends the watching of a batch, by its key.
    watched: Mutex<HashMap<Arc<str>, CancellationToken>>,
    /// Ends the copying of an object, by the number of its recall.
    landing: Mutex<HashMap<u64, CancellationToken>>,
    /// How objects of each store become readable.
    landings: Vec<Landing>,
    /// Whether each store itself refuses to read what is cold.
    refusing: Vec<bool>,
    /// Is told when somebody says something of objects of each store.
    hints: Vec<hints::Hints>,
    runtime: tokio::runtime::Handle,
}

impl Staging {
    /// Tables of the engine, for [`Database::open`].
    pub const MIGRATIONS: &'static [&'static str] = tables::MIGRATIONS;

    /// An engine that knows what the database holds. Nothing happens before [`Staging::start`].
    ///
    /// # Errors
    /// A database that cannot be read, a cache folder that cannot be made.
    pub async fn open(parts: StagingParts) -> Result<Self> {
        let restored = restart::restore(&parts).await?;
        let (events, _) = broadcast::channel(MAX_EVENTS);
        let (inputs, waiting_inputs) = mpsc::channel(MAX_INPUTS);
        let shared = Shared {
            landings: parts.stores.iter().map(|store| store.store.capabilities().landing).collect(),
            refusing: parts.stores.iter().map(|store| store.store.refuses_cold_reads()).collect(),
            hints: parts.stores.iter().map(|_| hints::Hints::default()).collect(),
            database: parts.database.clone(),
            clock: Arc::clone(&parts.clock),
            steady: restored.steady,
            engine: Mutex::new(restored.engine),
            inputs,
            waiting_inputs: Mutex::new(Some(waiting_inputs)),
            events,
            watchers: watch::Watchers::default(),
            onlooker: standing::OnlookerPlace::default(),
            shelf: restored.shelf,
            looks: readers::Looks::default(),
            deliveries: Arc::default(),
            webhook_hosts: HostList::default(),
            seen: seen::Seen::default(),
            turns: spending::Turns::default(),
            space: restored.space,
            dir: restored.dir,
            numbers: restored.numbers,
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            watched: Mutex::default(),
            landing: Mutex::default(),
            runtime: tokio::runtime::Handle::current(),
            parts,
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Goes on with what was under way, and begins what waits.
    pub async fn start(&self) {
        let Some(inputs) = self.shared.waiting_inputs.lock().take() else { return };
        let driver = Driver::new(Arc::clone(&self.shared), inputs);
        self.shared.tasks.spawn(driver.run());
        let shared = Arc::clone(&self.shared);
        self.shared.tasks.spawn(async move { shared.tidy_up().await });
    }

    /// Ends the background work and waits for it. Recalls go on in their stores and are found again.
    pub async fn shut_down(&self) {
        self.shared.stop.cancel();
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
    }

    /// Declared roots.
    pub fn namespace(&self) -> &Arc<Namespace> {
        &self.shared.parts.namespace
    }

    /// The time.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.shared.clock
    }

    /// What happens from now on, to all requests. Who lags behind misses events, and asks by change number.
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.shared.events.subscribe()
    }
}

impl Shared {
    fn now(&self) -> Now {
        self.steady.now()
    }
}

#[cfg(test)]
mod tests;
