//! A dataset as the index knows it: metadata in memory, chunk tables and inline bytes on demand.

mod objects;

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use thermocline_model::{ChunkTable, Dataset, DatasetId, Variable};

use crate::catalog::DatasetSpec;
use crate::{Error, Result};

pub use objects::ChunkObjects;
pub(crate) use objects::{List, list_of, listed};

/// A hash over everything that determines a dataset's bytes: source identities, catalog entry,
/// format of the manifest. It changes whenever the data change, and never by locality.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Revision(pub String);

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a manifest's chunk tables and inline bytes come from. Blocking.
pub trait ManifestStorage: Send + Sync {
    /// The chunk table of that number.
    fn table(&self, table: u32) -> Result<Arc<ChunkTable>>;

    /// The chunk table of that number if it is in memory already.
    fn table_in_memory(&self, table: u32) -> Option<Arc<ChunkTable>>;

    /// Bytes that are kept with the manifest.
    fn inline(&self, offset: u64, len_bytes: usize) -> Result<Bytes>;
}

/// One dataset, ready to be served: always hot, whatever the locality of its objects.
pub struct Manifest {
    /// Name of the dataset.
    pub id: DatasetId,
    /// What the catalog says of it.
    pub spec: DatasetSpec,
    /// Groups, variables, objects, refusals, notes; catalog overrides applied.
    pub dataset: Dataset,
    /// Which state of the data this is.
    pub revision: Revision,
    /// Which format plugin made it.
    pub format: String,
    storage: Arc<dyn ManifestStorage>,
    derived: Mutex<HashMap<TypeId, Arc<dyn Any + Send + Sync>>>,
}

impl Manifest {
    /// A manifest over `storage`.
    pub fn new(
        spec: DatasetSpec,
        dataset: Dataset,
        revision: Revision,
        format: String,
        storage: Arc<dyn ManifestStorage>,
    ) -> Self {
        let id = spec.id.clone();
        Self { id, spec, dataset, revision, format, storage, derived: Mutex::default() }
    }

    /// Title for people: that of the catalog entry, else the attribute `title` of the data.
    pub fn title(&self) -> Option<&str> {
        self.spec.title.as_deref().or_else(|| self.root_text("title"))
    }

    /// Longer text for people: that of the catalog entry, else the attribute `summary` of the data.
    pub fn description(&self) -> Option<&str> {
        self.spec.description.as_deref().or_else(|| self.root_text("summary"))
    }

    fn root_text(&self, name: &str) -> Option<&str> {
        self.dataset.root.attrs.text(name).map(str::trim).filter(|text| !text.is_empty())
    }

    /// The chunk table of a variable, loaded on the blocking pool if it is not in memory.
    pub async fn table(&self, variable: &Variable) -> Result<Arc<ChunkTable>> {
        let number = variable.storage.table;
        if let Some(table) = self.storage.table_in_memory(number) {
            return Ok(table);
        }
        let storage = Arc::clone(&self.storage);
        blocking(move || storage.table(number)).await
    }

    /// The chunk table of a variable. Blocking.
    pub fn table_blocking(&self, variable: &Variable) -> Result<Arc<ChunkTable>> {
        self.storage.table(variable.storage.table)
    }

    /// Bytes that are kept with the manifest.
    pub async fn inline(&self, offset: u64, len_bytes: usize) -> Result<Bytes> {
        let storage = Arc::clone(&self.storage);
        blocking(move || storage.inline(offset, len_bytes)).await
    }

    /// Bytes that are kept with the manifest. Blocking.
    pub fn inline_blocking(&self, offset: u64, len_bytes: usize) -> Result<Bytes> {
        self.storage.inline(offset, len_bytes)
    }

    /// Something that a plugin derives from the metadata, made once for each manifest and type.
    pub fn derived<T: Any + Send + Sync>(&self, make: impl FnOnce(&Self) -> T) -> Arc<T> {
        let key = TypeId::of::<T>();
        if let Some(found) = self.derived.lock().get(&key).cloned().and_then(|any| any.downcast().ok()) {
            return found;
        }
        let made = Arc::new(make(self));
        self.derived.lock().insert(key, Arc::<T>::clone(&made));
        made
    }
}

impl fmt::Debug for Manifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Manifest").field("id", &self.id).field("revision", &self.revision).finish()
    }
}

/// Runs blocking work away from the runtime's threads.
///
/// # Errors
/// Those of `work`; [`crate::ErrorKind::Internal`] if it did not finish.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|cause| Error::internal("a blocking task did not finish").with_source(cause))?
}
