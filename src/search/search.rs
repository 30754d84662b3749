//! The summaries of all listed datasets, kept and searched.
//!
//! Three things are kept of a dataset: its summary on disk (`store`), what is searched for of it in columns in memory
//! (`columns`), and what its summary was made from (`follow`), so that it is made again only if that changes. A search
//! works in the table of one moment (`snapshot`) and reads the summaries of one page.
//!
//! # Limits
//! A source that is replaced in place is noticed by change notices, when the dataset is opened, or within the round in
//! which the catalog looks at all sources; its summary changes then. A dataset whose entry names another access rule is
//! listed under that one when the catalog is followed next, within a second of its reading the entry.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use parking_lot::{Mutex, RwLock};
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use thermocline_core::bytes::Residency;
use thermocline_core::catalog::{Catalog, CollectionSpec};
use thermocline_core::clock::{Clock, SystemClock};
use thermocline_core::manifest::Manifest;
use thermocline_core::staging::Staging;
use thermocline_core::{Error, Result};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::describe::{SearchableAttributes, describe_with};
use crate::follow::Followed;
use crate::order::{Order, Orders};
use crate::snapshot::Snapshot;
use crate::store::Store;
use crate::summary::{Span, Summary, Value};

/// Most bytes of summaries in memory, estimated.
const MEMORY_BYTES: u64 = 16 << 20;

/// About as many summaries as that is.
const SUMMARIES_IN_MEMORY: usize = 4096;

/// A dataset that was found.
#[derive(Debug, Clone)]
pub struct Hit {
    /// What catalogs tell of it.
    pub summary: Arc<Summary>,
    /// Where its staging stands; `None` if none of its objects lies on a cold store.
    pub order: Option<Order>,
}

/// A collection with what its members have in common.
#[derive(Debug, Clone, PartialEq)]
pub struct Collection {
    /// Its id.
    pub id: String,
    /// What catalog files say of it; `None` if none does.
    pub spec: Option<Arc<CollectionSpec>>,
    /// How many datasets are in it.
    pub n_items: u64,
    /// The union of their boxes; `None` if none has one.
    pub bbox: Option<[f64; 4]>,
    /// The union of their times; `None` without members.
    pub span: Option<Span>,
    /// The licence of all members, if they have the same.
    pub license: Option<String>,
    /// Keywords of any member, at most a hundred.
    pub keywords: Vec<String>,
    /// Names of data variables of any member, at most a thousand, sorted.
    pub variables: Vec<String>,
    /// Searchable attributes with at most fifty different values: STAC name and values.
    pub attributes: Vec<(String, Vec<Value>)>,
}

/// What a search is made of.
pub struct SearchParts {
    /// Whose datasets are found.
    pub catalog: Arc<Catalog>,
    /// What brings cold objects online; `None` if nothing is staged.
    pub staging: Option<Staging>,
    /// Folder where summaries are kept; `None` to make them again at each start.
    pub dir: Option<PathBuf>,
    /// Names of searchable global attributes; `None` for the usual ones.
    pub attributes: Option<Vec<String>>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// Knows what catalogs tell of all listed datasets. Cloning gives the same one.
#[derive(Clone)]
pub struct Search {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) orders: Orders,
    pub(crate) clock: Arc<dyn Clock>,
    /// Global attributes of datasets by which they are found.
    pub(crate) searchable: SearchableAttributes,
    dir: Option<PathBuf>,
    store: OnceLock<Store>,
    /// Summaries that were used lately.
    pub(crate) summaries: Cache<i64, Arc<Summary>, Weight>,
    /// Numbers of summaries that were found damaged, to be made again.
    pub(crate) unreadable: Mutex<HashSet<i64>>,
    pub(crate) permits: Arc<Semaphore>,
    /// What is found at present.
    pub(crate) snapshot: RwLock<Arc<Snapshot>>,
    /// Where following the catalog stands; one at a time.
    pub(crate) followed: Arc<tokio::sync::Mutex<Followed>>,
    pub(crate) tasks: TaskTracker,
    pub(crate) cancel: CancellationToken,
}

impl Search {
    /// Of a catalog's datasets, with summaries in memory and without following changes before [`Search::start`].
    pub fn new(catalog: Arc<Catalog>, staging: Option<Staging>) -> Self {
        let clock = Arc::new(SystemClock);
        Self::open(SearchParts { catalog, staging, dir: None, attributes: None, clock })
    }

    /// A search that finds nothing before [`Search::start`] or [`Search::refresh`].
    pub fn open(parts: SearchParts) -> Self {
        let SearchParts { catalog, staging, dir, attributes, clock } = parts;
        let n_permits = std::thread::available_parallelism().map_or(2, usize::from);
        let shared = Shared {
            catalog,
            orders: Orders::new(staging),
            clock,
            searchable: attributes.map_or_else(SearchableAttributes::default, searchable),
            dir,
            store: OnceLock::new(),
            summaries: Cache::with_weighter(SUMMARIES_IN_MEMORY, MEMORY_BYTES, Weight),
            unreadable: Mutex::default(),
            permits: Arc::new(Semaphore::new(n_permits.max(2))),
            snapshot: RwLock::default(),
            followed: Arc::default(),
            tasks: TaskTracker::new(),
            cancel: CancellationToken::new(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Tells of datasets where their objects are although nothing is staged here: cold ones are orderable. To be
    /// called before anything is found.
    pub fn look_at(&self, residency: Arc<dyn Residency>) {
        self.shared.orders.look_at(residency);
    }

    /// Begins to follow the catalog and the staging. Must be called within the runtime.
    pub fn start(&self) {
        self.shared.orders.start();
        let (search, cancel) = (self.clone(), self.shared.cancel.clone());
        self.shared.tasks.spawn(async move {
            tokio::select! {
                () = cancel.cancelled() => {}
                () = search.follow() => {}
            }
        });
    }

    /// Ends the background work and waits for it.
    pub async fn shut_down(&self) {
        self.shared.cancel.cancel();
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
        self.shared.orders.shut_down().await;
    }

    /// A number that changes whenever the answer to any query may have changed.
    pub fn generation(&self) -> u64 {
        self.snapshot().generation.wrapping_add(self.shared.orders.generation())
    }

    /// A number that changes whenever a dataset is found, told of otherwise or no longer found. Staging changes it not.
    pub fn summaries_generation(&self) -> u64 {
        self.snapshot().generation
    }

    /// What catalogs tell of a dataset whose manifest is at hand, made once for each manifest.
    ///
    /// # Errors
    /// [`thermocline_core::ErrorKind::Internal`] if the work broke off.
    pub async fn describe(&self, manifest: &Arc<Manifest>) -> Result<Arc<Summary>> {
        let (manifest, shared) = (Arc::clone(manifest), Arc::clone(&self.shared));
        tokio::task::spawn_blocking(move || manifest.derived(|manifest| shared.describe(manifest)))
            .await
            .map_err(|cause| Error::internal("a dataset was not described").with_source(cause))
    }

    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.shared.snapshot.read())
    }
}

/// These, and what decides the prefix of their names.
fn searchable(mut names: Vec<String>) -> SearchableAttributes {
    const MIP_ERA: &str = "mip_era";
    if !names.iter().any(|name| name == MIP_ERA) {
        names.push(MIP_ERA.to_owned());
    }
    SearchableAttributes::new(names)
}

impl Shared {
    /// Where summaries are kept. Opened when it is first asked for; blocking then.
    pub(crate) fn store(&self) -> Result<&Store> {
        if let Some(store) = self.store.get() {
            return Ok(store);
        }
        let opened = Store::open(self.dir.as_deref())?;
        Ok(self.store.get_or_init(|| opened))
    }

    /// What catalogs tell of a dataset.
    pub(crate) fn describe(&self, manifest: &Manifest) -> Summary {
        describe_with(manifest, &self.searchable)
    }
}

/// Estimates what a summary takes in memory.
#[derive(Clone)]
pub(crate) struct Weight;

impl Weighter<i64, Arc<Summary>> for Weight {
    fn weight(&self, _: &i64, summary: &Arc<Summary>) -> u64 {
        let n_parts = summary.dimensions.len()
            + summary.variables.len()
            + summary.attributes.len()
            + summary.sources.len()
            + summary.keywords.len();
        let n_coded =
            summary.dimensions.iter().filter_map(|dimension| dimension.values.as_ref()).map(Vec::len);
        let footprint = summary.extent.as_ref().and_then(|extent| extent.footprint.as_ref());
        let n_numbers = footprint.map_or(0, Vec::len) * 2 + n_coded.sum::<usize>() * 4;
        let description = summary.description.as_ref().map_or(0, String::len);
        (1024 + n_parts * 256 + n_numbers * 8 + description) as u64
    }
}
