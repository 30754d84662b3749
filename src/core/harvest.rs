//! Harvesting: datasets that are found by listing a tree or a bucket, not written down one by one.
//!
//! What a harvest looks for is declared ([`HarvestSpec`], by catalog files or a command line). Its work has three
//! parts, each of which goes on after `kill -9` where it was:
//!
//! 1. **List.** Every place is listed page by page. What is found is kept in a database with size and identity (time
//!    and inode, or entity tag), together with the name at which the listing goes on: a page is kept whole or not at
//!    all. An object that is new or has changed is due to be indexed, any other one is not touched. What was not
//!    seen is marked as missing, and forgotten after a while; what lies in folders that could not be read is not.
//! 2. **Declare.** [`Harvests::provider`]: what was found is declared to the catalog as any dataset is, so that
//!    it is served, summarised and searched in the same way. Ids and fields are made of names.
//! 3. **Index.** Objects that are due are brought into the index by the catalog, which looks at the source and at what
//!    the index has of it: one that was indexed in the moment before the end is not indexed again. What cannot be
//!    a dataset is refused until it changes or the next listing; what could not be read is tried again, each time
//!    after twice as long.
//!
//! All of it is one job of kind `harvest` ([`HarvestJob`]) whenever a harvest is due ([`Harvests::keep`]).
//!
//! # Limits
//! At most five million objects of one harvest. On web servers, and for directory stores in buckets, a listing that
//! was broken off begins anew. A directory is a dataset if it is a store; many files as one dataset need aggregation.
//! An archive is never touched: cold objects are declared, and refused until somebody has them recalled.

mod job;
mod listing;
mod names;
mod provider;
mod round;
mod table;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;

use crate::bytes::ObjectOpener;
use crate::catalog::HarvestSpec;
use crate::clock::Clock;
use crate::format::Format;
use crate::state::Database;

pub use job::{HarvestJob, KIND};
pub use round::{HarvestStep, Listed};

use listing::Lister;
use provider::Declared;

/// Says what is to be harvested.
#[async_trait]
pub trait HarvestSource: Send + Sync {
    /// Every harvest that is declared at present; none before [`HarvestSource::read_once`]. Never waits.
    fn harvests(&self) -> Vec<Arc<HarvestSpec>>;

    /// Waits until what is declared was read for the first time: what nobody has read yet is not empty.
    ///
    /// # Errors
    /// Whatever keeps it from being read.
    async fn read_once(&self) -> crate::Result<()> {
        Ok(())
    }
}

impl HarvestSource for Vec<Arc<HarvestSpec>> {
    fn harvests(&self) -> Vec<Arc<HarvestSpec>> {
        self.clone()
    }
}

/// What harvests are made of.
pub struct HarvestsParts {
    /// Where is kept what was found. A database of its own: its tables are those of [`Harvests::MIGRATIONS`].
    pub database: Database,
    /// What is harvested.
    pub source: Arc<dyn HarvestSource>,
    /// Lists stores.
    pub opener: Arc<dyn ObjectOpener>,
    /// Formats, which know directory stores.
    pub formats: Vec<Arc<dyn Format>>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Objects that are indexed at the same time.
    pub n_indexers: usize,
}

/// All harvests, and the datasets that they have found. Cloning gives the same ones.
#[derive(Clone)]
pub struct Harvests {
    shared: Arc<Shared>,
}

struct Shared {
    database: Database,
    source: Arc<dyn HarvestSource>,
    lister: Lister,
    clock: Arc<dyn Clock>,
    n_indexers: usize,
    /// What was declared last.
    declared: Arc<Mutex<Option<Declared>>>,
    /// Counts of harvests that are at work, and until when they are good enough, by their ids.
    counted: Mutex<HashMap<String, (HarvestCounts, i64)>>,
    /// What is wrong with harvests, by their ids.
    problems: Mutex<HashMap<String, Vec<String>>>,
}

/// How many objects of a harvest are how far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HarvestCounts {
    /// In the index.
    pub n_indexed: u64,
    /// Found, and not looked at yet.
    pub n_waiting: u64,
    /// No datasets, until they change.
    pub n_refused: u64,
    /// Not readable at present; tried again later.
    pub n_failed: u64,
    /// Gone, and not forgotten yet.
    pub n_missing: u64,
}

impl HarvestCounts {
    /// Objects that are there.
    pub fn n_present(&self) -> u64 {
        self.n_settled().saturating_add(self.n_waiting)
    }

    /// Objects that were looked at.
    pub fn n_settled(&self) -> u64 {
        self.n_indexed.saturating_add(self.n_refused).saturating_add(self.n_failed)
    }
}

/// An object that is not in the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HarvestFailure {
    /// Its path or URL.
    pub href: String,
    /// Why.
    pub reason: String,
    /// How often it was looked at.
    pub attempts: u32,
    /// When it is tried again, in nanoseconds since 1970; `None` for when it has changed.
    pub due_ns: Option<i64>,
}

/// Most objects of one harvest.
const MAX_OBJECTS: u64 = 5_000_000;

/// Wait before an object that could not be read is tried again; each further one is twice as long.
const FIRST_BACK_OFF: Duration = Duration::from_secs(2);

/// Longest wait before an object that could not be read is tried again.
const MAX_BACK_OFF: Duration = Duration::from_secs(3600);

impl Harvests {
    /// Tables of harvests, for [`Database::open`].
    pub const MIGRATIONS: &'static [&'static str] = table::MIGRATIONS;

    /// Harvests that know what the database holds. Nothing happens by itself before [`Harvests::keep`].
    pub fn new(parts: HarvestsParts) -> Self {
        let HarvestsParts { database, source, opener, formats, clock, n_indexers } = parts;
        let shared = Shared {
            database,
            source,
            lister: Lister { opener, formats },
            clock,
            n_indexers: n_indexers.max(1),
            declared: Arc::default(),
            counted: Mutex::default(),
            problems: Mutex::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Every harvest that is declared.
    pub fn specs(&self) -> Vec<Arc<HarvestSpec>> {
        self.shared.source.harvests()
    }

    /// The harvest of that id; `None` if none is declared.
    pub fn spec(&self, id: &str) -> Option<Arc<HarvestSpec>> {
        self.specs().into_iter().find(|spec| spec.id == id)
    }

    /// How many objects of a harvest are how far.
    ///
    /// # Errors
    /// A database that cannot be read.
    pub async fn counts(&self, id: &str) -> crate::Result<HarvestCounts> {
        let id = id.to_owned();
        self.shared.database.read(move |connection| table::counts(connection, &id)).await
    }

    /// Objects of a harvest that are there and not in the index, in the order of their names, those after `after`.
    ///
    /// # Errors
    /// A database that cannot be read.
    pub async fn failures(&self, id: &str, after: &str, limit: usize) -> crate::Result<Vec<HarvestFailure>> {
        let (id, after) = (id.to_owned(), after.to_owned());
        self.shared.database.read(move |connection| table::failures(connection, &id, &after, limit)).await
    }
}
