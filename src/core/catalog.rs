//! Which datasets exist, and in which state each of them is.
//!
//! Providers declare datasets; they are asked again and again, so that a new file is a dataset within
//! two seconds. Each is indexed once, in the background or when it is first opened, and opened from the
//! index afterwards. While it is used its source is looked at: one that changed is indexed again
//! before any of its bytes are served, one that vanished is lost after a while.
//!
//! A dataset that was served once is never "not found" again while the server runs: Zarr clients
//! read that as fill values.

mod about;
mod directory;
mod entry;
mod foreign;
mod harvest_spec;
mod ids;
mod indexing;
mod listing;
mod neighbours;
mod open;
mod overrides;
mod patterns;
mod scan;
mod settings;
mod sniff;
mod stale;
mod watch;

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::{Mutex, RwLock};
use thermocline_model::{Attribute, DatasetId};
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::access::View;
use crate::bytes::ObjectOpener;
use crate::format::Format;
use crate::index::{IndexStore, Lru};
use crate::manifest::Manifest;
use crate::reference::SharedReferences;
use crate::{Error, ErrorKind, Result};
use entry::Entries;
use indexing::Indexer;
use watch::Hint;

pub use about::{About, CollectionSpec, DataProvider, PlotDefaults};
pub use directory::DirectoryProvider;
pub(crate) use directory::{is_inside, outermost_stores};
pub use harvest_spec::{DatasetPer, HarvestPlace, HarvestSpec};
pub use ids::id_of_path;
pub(crate) use ids::{is_ignored, is_promising};
pub use listing::{CollectionRules, IndexedManifests, Listed, Listing};
pub use patterns::NamePatterns;
pub use settings::CatalogSettings;

/// Where a dataset's bytes come from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SourceSpec {
    /// One object: an absolute path or a URL.
    Object(String),
    /// A directory or prefix that is one dataset (a Zarr store).
    Directory(String),
    /// Nothing that can be opened; the reason why the entry is refused.
    Refused(String),
}

/// A change of an attribute that the catalog asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct AttributeOverride {
    /// Path of the variable; `None` for the root group.
    pub variable: Option<String>,
    /// Name of the attribute.
    pub name: String,
    /// The new value; `None` removes it.
    pub value: Option<Attribute>,
}

/// One dataset as a provider declares it.
#[derive(Debug, Clone, PartialEq)]
pub struct DatasetSpec {
    /// Name of the dataset.
    pub id: DatasetId,
    /// Title for people.
    pub title: Option<String>,
    /// Longer text for people.
    pub description: Option<String>,
    /// Where the bytes are.
    pub source: SourceSpec,
    /// Format plugin to use; `None` to recognise it.
    pub format: Option<String>,
    /// Group to serve as root; `None` for the whole tree.
    pub group: Option<String>,
    /// Variables to serve; `None` for all.
    pub variables: Option<Vec<String>>,
    /// Variables to leave out.
    pub exclude_variables: Vec<String>,
    /// Attributes to set or remove.
    pub attributes: Arc<[AttributeOverride]>,
    /// Served but not listed.
    pub is_hidden: bool,
    /// Name of the access rule that decides who may read and stage it; `None` for the usual one.
    pub access: Option<Arc<str>>,
    /// How often the source is checked besides change notices.
    pub invalidate_after: Duration,
    /// What the entry says besides what its data say.
    pub about: Arc<About>,
    /// Where the declaration stands (file and line, or the command line), for messages.
    pub origin: String,
}

impl DatasetSpec {
    /// A dataset of one source with every default.
    pub fn new(id: DatasetId, source: SourceSpec, origin: impl Into<String>) -> Self {
        Self {
            id,
            title: None,
            description: None,
            source,
            format: None,
            group: None,
            variables: None,
            exclude_variables: Vec::new(),
            attributes: Arc::default(),
            is_hidden: false,
            access: None,
            invalidate_after: Duration::ZERO,
            about: Arc::default(),
            origin: origin.into(),
        }
    }
}

/// What a provider declares, in order.
pub type SharedSpecs = Arc<[Arc<DatasetSpec>]>;

/// Declares datasets: catalog files, directories, buckets.
#[async_trait]
pub trait Provider: Send + Sync {
    /// Every dataset it declares at present, in a stable order.
    ///
    /// # Errors
    /// Whatever keeps it from knowing: what it declared last stays in force.
    async fn specs(&self) -> Result<Vec<DatasetSpec>>;

    /// The same, shared with who is asked: while nothing changed, the same list is given again.
    ///
    /// # Errors
    /// Those of [`Provider::specs`].
    async fn shared_specs(&self) -> Result<SharedSpecs> {
        Ok(self.specs().await?.into_iter().map(Arc::new).collect())
    }

    /// Every dataset it declares after changes of exactly these paths, which are at or below those of
    /// [`Provider::watched`]; `Ok(None)` when it would have to look at everything to tell.
    ///
    /// # Errors
    /// Those of [`Provider::specs`].
    async fn specs_after(&self, changed: &[PathBuf]) -> Result<Option<Vec<DatasetSpec>>> {
        let _ = changed;
        Ok(None)
    }

    /// Collections of datasets that it declares. Never waits.
    fn collections(&self) -> Vec<Arc<CollectionSpec>> {
        Vec::new()
    }

    /// What is wrong with it although it declares datasets (a broken catalog file), for `/health`. Never waits.
    fn problems(&self) -> Vec<String> {
        Vec::new()
    }

    /// Files and directories of this machine whose change may change what it declares.
    fn watched(&self) -> Vec<PathBuf> {
        Vec::new()
    }
}

/// In which state a dataset is.
#[derive(Debug, Clone)]
pub enum DatasetState {
    /// Being indexed, or waiting for it.
    Indexing,
    /// Indexed; opening it reads its manifest.
    Indexed,
    /// Ready to be served, its manifest in memory.
    Ready(Arc<Manifest>),
    /// Listed, but cannot be opened; the reason.
    Refused(String),
    /// Its source vanished and stays away.
    Lost(String),
}

/// How many listed datasets are in which state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CatalogCounts {
    /// All of them.
    pub n_datasets: usize,
    /// Indexed, and not known to have changed.
    pub n_indexed: usize,
    /// Being indexed, or waiting for it.
    pub n_indexing: usize,
    /// Refused.
    pub n_refused: usize,
    /// Lost, those that no provider declares any more included.
    pub n_lost: usize,
}

/// Under which access rule a dataset is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatasetAccess {
    /// Name of the rule; `None` for the usual one.
    pub rule: Option<Arc<str>>,
}

/// What a catalog is made of.
pub struct CatalogParts {
    /// Who declares datasets, in catalog order.
    pub providers: Vec<Arc<dyn Provider>>,
    /// Where indexed sources are kept.
    pub index: Arc<IndexStore>,
    /// Opens sources.
    pub opener: Arc<dyn ObjectOpener>,
    /// Formats, in the order in which they are asked.
    pub formats: Vec<Arc<dyn Format>>,
    /// How formats' reference libraries are asked when indexed sources are verified.
    pub references: SharedReferences,
    /// How to scan, index and watch.
    pub settings: CatalogSettings,
}

/// All datasets that the providers declare, indexed and watched. Cloning gives the same catalog.
#[derive(Clone)]
pub struct Catalog {
    shared: Arc<Shared>,
}

struct Shared {
    providers: Vec<Arc<dyn Provider>>,
    index: Arc<IndexStore>,
    indexer: Indexer,
    settings: CatalogSettings,
    entries: RwLock<Arc<Entries>>,
    manifests: Lru<u64, Arc<Manifest>>,
    permits: Semaphore,
    tasks: TaskTracker,
    cancel: CancellationToken,
    /// For each provider: change notices, and whose turn it is to ask it.
    hints: Vec<Arc<Hint>>,
    turns: Vec<tokio::sync::Mutex<()>>,
    /// What failing providers said last.
    problems: Mutex<BTreeMap<usize, String>>,
    /// Providers that neither answered nor failed yet.
    unasked: Mutex<Vec<usize>>,
    /// What was merged last of each provider that shares what it declares. Held while merging.
    merging: Mutex<HashMap<usize, SharedSpecs>>,
    merged: Notify,
    /// Indexed datasets with change notices of their sources, by the numbers of their entries.
    touched: Mutex<HashMap<u64, stale::Touched>>,
    /// Whether a dataset was ever declared that names an access rule which is not always there.
    names_rules: AtomicBool,
    /// Counts changes of what is listed or indexed.
    changes: tokio::sync::watch::Sender<u64>,
}

impl Catalog {
    /// A catalog that knows nothing before its first [`Catalog::scan`].
    pub fn new(parts: CatalogParts) -> Self {
        let CatalogParts { providers, index, opener, formats, references, settings } = parts;
        let indexer =
            Indexer { opener, formats, references, limits: settings.limits.clone(), verify: settings.verify };
        let shared = Shared {
            entries: RwLock::new(Arc::new(Entries::new(providers.len()))),
            manifests: Lru::new(settings.manifest_memory_bytes),
            permits: Semaphore::new(settings.n_indexers.max(1)),
            tasks: TaskTracker::new(),
            cancel: CancellationToken::new(),
            hints: providers.iter().map(|_| Arc::default()).collect(),
            turns: providers.iter().map(|_| tokio::sync::Mutex::default()).collect(),
            problems: Mutex::default(),
            unasked: Mutex::new((0..providers.len()).collect()),
            merging: Mutex::default(),
            merged: Notify::new(),
            touched: Mutex::default(),
            names_rules: AtomicBool::new(false),
            changes: tokio::sync::watch::Sender::new(0),
            providers,
            index,
            indexer,
            settings,
        };
        Self { shared: Arc::new(shared) }
    }

    /// Ids of the listed datasets (refused ones included, hidden ones not), in catalog order.
    pub fn ids(&self) -> Vec<DatasetId> {
        let entries = self.entries();
        entries.listed().map(|entry| entry.spec.id.clone()).collect()
    }

    /// The same of the datasets that a client may see.
    pub fn ids_seen_by(&self, view: &View) -> Vec<DatasetId> {
        let entries = self.entries();
        let seen = entries.listed().filter(|entry| view.sees_rule(entry.spec.access.as_deref()));
        seen.map(|entry| entry.spec.id.clone()).collect()
    }

    /// The state of a dataset; `None` if no provider ever declared it.
    pub fn state(&self, id: &str) -> Option<DatasetState> {
        let entries = self.entries();
        match entries.get(id) {
            Some(entry) => Some(entry.state()),
            None => entries.withdrawn(id).map(|_| DatasetState::Lost(withdrawn_reason(id))),
        }
    }

    /// What a provider declares of a dataset.
    pub fn spec(&self, id: &str) -> Option<Arc<DatasetSpec>> {
        self.entries().get(id).map(|entry| Arc::clone(&entry.spec))
    }

    /// The access rule of a dataset that is declared, or was until lately; `None` for what is not known.
    pub fn access(&self, id: &str) -> Option<DatasetAccess> {
        let entries = self.entries();
        let declared = entries.get(id).map(|entry| entry.spec.access.clone());
        let rule = declared.or_else(|| entries.withdrawn(id).map(|withdrawn| withdrawn.access.clone()))?;
        Some(DatasetAccess { rule })
    }

    /// True if a dataset was ever declared that names an access rule which is not always there, and so may not exist.
    pub fn names_rules(&self) -> bool {
        self.shared.names_rules.load(Ordering::Acquire)
    }

    /// The access rules that datasets name, each with how many do, and the first of these. Takes milliseconds for many.
    pub fn named_rules(&self) -> BTreeMap<Arc<str>, (usize, DatasetId)> {
        let entries = self.entries();
        let mut named: BTreeMap<Arc<str>, (usize, DatasetId)> = BTreeMap::new();
        for entry in entries.all() {
            let Some(rule) = &entry.spec.access else { continue };
            match named.get_mut(rule) {
                Some((n_datasets, _)) => *n_datasets += 1,
                None => drop(named.insert(Arc::clone(rule), (1, entry.spec.id.clone()))),
            }
        }
        named
    }

    /// The manifest of a dataset, waiting for its indexing up to a limit.
    ///
    /// # Errors
    /// [`crate::ErrorKind::NotFound`] (`Dataset 'x' not found`), [`crate::ErrorKind::Refused`] with the reason,
    /// [`crate::ErrorKind::Changed`] while it is indexed for long or its source is away for a moment,
    /// [`crate::ErrorKind::Lost`], [`crate::ErrorKind::Unavailable`].
    pub async fn open(&self, id: &str) -> Result<Arc<Manifest>> {
        let entries = self.entries();
        match entries.get(id) {
            Some(entry) => {
                let entry = Arc::clone(entry);
                drop(entries);
                self.open_entry(&entry).await
            }
            None => Err(match entries.withdrawn(id) {
                Some(withdrawn) => self.withdrawn(id, withdrawn.since_ns),
                // Clients read "not found" as fill values: not before every provider has answered.
                None if !entries.is_complete() => {
                    let retry_after = self.shared.settings.retry_after;
                    Error::new(ErrorKind::Unavailable { retry_after }, "the catalog is being loaded")
                }
                None => Error::not_found(format!("Dataset '{id}' not found")),
            }),
        }
    }

    /// Looks at a dataset's source now, whenever it was looked at last.
    ///
    /// # Errors
    /// Those of [`Catalog::open`].
    pub async fn refresh(&self, id: &str) -> Result<Arc<Manifest>> {
        if let Some(entry) = self.entries().get(id) {
            entry.forget_check();
        }
        self.open(id).await
    }

    /// True once every provider was asked, whether it answered or failed: what the others declare is served.
    pub fn is_loaded(&self) -> bool {
        self.shared.unasked.lock().is_empty() && self.entries().has_been_asked()
    }

    /// True once every provider has answered: what none declares does not exist.
    pub fn is_complete(&self) -> bool {
        self.entries().is_complete()
    }

    /// How many listed datasets are in which state.
    pub fn counts(&self) -> CatalogCounts {
        let n_lost = self.entries().n_withdrawn();
        let counts = self.counts_of(|_| true);
        CatalogCounts { n_lost: counts.n_lost + n_lost, ..counts }
    }

    /// The same of the datasets that a client may see, without those that no provider declares any more.
    pub fn counts_seen_by(&self, view: &View) -> CatalogCounts {
        self.counts_of(|spec| view.sees_rule(spec.access.as_deref()))
    }

    fn counts_of(&self, counts_too: impl Fn(&DatasetSpec) -> bool) -> CatalogCounts {
        let entries = self.entries();
        let mut counts = CatalogCounts::default();
        for entry in entries.all().iter().filter(|entry| counts_too(&entry.spec)) {
            counts.n_datasets += 1;
            match entry.state() {
                DatasetState::Indexing => counts.n_indexing += 1,
                DatasetState::Indexed | DatasetState::Ready(_) => counts.n_indexed += 1,
                DatasetState::Refused(_) => counts.n_refused += 1,
                DatasetState::Lost(_) => counts.n_lost += 1,
            }
        }
        counts
    }

    /// Datasets that are not indexed because objects have to be recalled for it first, with those objects.
    /// They are refused until somebody has them recalled.
    pub fn not_indexed(&self) -> Vec<(DatasetId, Arc<[Arc<str>]>)> {
        let entries = self.entries();
        let cold = entries.all().iter().map(|entry| (entry.spec.id.clone(), entry.cold_objects()));
        cold.filter(|(_, objects)| !objects.is_empty()).collect()
    }

    /// What is wrong at present, for `/health`: providers that fail, catalog files that are broken.
    pub fn problems(&self) -> Vec<String> {
        let failed: Vec<String> = self.shared.problems.lock().values().cloned().collect();
        let reported = self.shared.providers.iter().flat_map(|provider| provider.problems());
        failed.into_iter().chain(reported).collect()
    }

    /// Collections that are declared, in the order of the providers; of one id the first.
    pub fn collections(&self) -> Vec<Arc<CollectionSpec>> {
        let mut known = std::collections::HashSet::new();
        let declared = self.shared.providers.iter().flat_map(|provider| provider.collections());
        declared.filter(|collection| known.insert(collection.id.clone())).collect()
    }

    /// Estimated bytes of manifests that are kept in memory.
    pub fn manifest_memory_bytes(&self) -> usize {
        self.shared.manifests.used_bytes()
    }

    /// The index of all sources.
    pub fn index(&self) -> &Arc<IndexStore> {
        &self.shared.index
    }

    /// Ends the background work and waits for it.
    pub async fn shut_down(&self) {
        self.shared.cancel.cancel();
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
    }

    fn entries(&self) -> Arc<Entries> {
        Arc::clone(&self.shared.entries.read())
    }
}

fn withdrawn_reason(id: &str) -> String {
    format!("Dataset '{id}' is not in the catalog any more: its source or its entry was removed")
}

#[cfg(test)]
mod tests;
