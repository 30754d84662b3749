//! The summaries of all listed datasets, kept and searched.

use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::RwLock;
use thermocline_core::catalog::{Catalog, CollectionSpec};
use thermocline_core::clock::{Clock, SystemClock};
use thermocline_core::manifest::Manifest;
use thermocline_core::staging::Staging;
use thermocline_core::{Error, Result};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::follow::Followed;
use crate::order::{Order, Orders};
use crate::query::{Found, Query};
use crate::snapshot::Snapshot;
use crate::summary::{Span, Summary, Value};

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
    /// Names of searchable global attributes.
    pub attributes: Vec<String>,
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
    /// What is found at present.
    pub(crate) snapshot: RwLock<Arc<Snapshot>>,
    /// Where following the catalog stands; one at a time.
    pub(crate) followed: tokio::sync::Mutex<Followed>,
    pub(crate) tasks: TaskTracker,
    pub(crate) cancel: CancellationToken,
}

impl Search {
    /// Of a catalog's datasets, with summaries in memory and without following changes before [`Search::start`].
    pub fn new(catalog: Arc<Catalog>, staging: Option<Staging>) -> Self {
        let clock = Arc::new(SystemClock);
        Self::open(SearchParts { catalog, staging, dir: None, attributes: Vec::new(), clock })
    }

    /// A search that finds nothing before [`Search::start`] or [`Search::refresh`].
    pub fn open(parts: SearchParts) -> Self {
        let SearchParts { catalog, staging, dir: _, attributes: _, clock } = parts;
        let shared = Shared {
            catalog,
            orders: Orders::new(staging),
            clock,
            snapshot: RwLock::default(),
            followed: tokio::sync::Mutex::default(),
            tasks: TaskTracker::new(),
            cancel: CancellationToken::new(),
        };
        Self { shared: Arc::new(shared) }
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

    /// How many datasets can be found.
    pub fn n_items(&self) -> u64 {
        self.snapshot().n_items()
    }

    /// Datasets that a query finds.
    ///
    /// # Errors
    /// [`thermocline_core::ErrorKind::InvalidInput`] for a cursor of another query.
    pub async fn find(&self, query: Query) -> Result<Found> {
        let (snapshot, orders) = (self.snapshot(), self.shared.orders.clone());
        tokio::task::spawn_blocking(move || snapshot.find(&query, &orders))
            .await
            .map_err(|cause| Error::internal("a search broke off").with_source(cause))?
    }

    /// One dataset by its id; `None` if it is not listed or not indexed.
    ///
    /// # Errors
    /// A database that cannot be read.
    pub async fn get(&self, id: &str) -> Result<Option<Arc<Hit>>> {
        let summary = self.snapshot().get(id);
        Ok(summary.map(|summary| Arc::new(Hit { order: self.shared.orders.of(id), summary })))
    }

    /// What catalogs tell of a dataset whose manifest is at hand, made once for each manifest.
    ///
    /// # Errors
    /// [`thermocline_core::ErrorKind::Internal`] if the work broke off.
    pub async fn describe(&self, manifest: &Arc<Manifest>) -> Result<Arc<Summary>> {
        let manifest = Arc::clone(manifest);
        tokio::task::spawn_blocking(move || manifest.derived(crate::describe::describe))
            .await
            .map_err(|cause| Error::internal("a dataset was not described").with_source(cause))
    }

    /// All collections, those that catalog files declare included, in order of their ids.
    pub fn collections(&self) -> Arc<[Arc<Collection>]> {
        Arc::clone(&self.snapshot().collections)
    }

    /// One collection.
    pub fn collection(&self, id: &str) -> Option<Arc<Collection>> {
        let snapshot = self.snapshot();
        let position =
            snapshot.collections.binary_search_by(|collection| collection.id.as_str().cmp(id)).ok()?;
        snapshot.collections.get(position).cloned()
    }

    /// Names by which datasets can be sorted: those that every dataset has, and the STAC names of attributes of any.
    pub fn sortables(&self) -> Arc<[String]> {
        Arc::clone(&self.snapshot().sortables)
    }

    fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.shared.snapshot.read())
    }
}
