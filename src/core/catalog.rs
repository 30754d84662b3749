//! Which datasets exist, and in which state each of them is.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use thermocline_model::{Attribute, DatasetId};

use crate::Result;
use crate::manifest::Manifest;

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
    pub attributes: Vec<AttributeOverride>,
    /// Served but not listed.
    pub is_hidden: bool,
    /// How often the source is checked besides change notices.
    pub invalidate_after: Duration,
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
            attributes: Vec::new(),
            is_hidden: false,
            invalidate_after: Duration::ZERO,
            origin: origin.into(),
        }
    }
}

/// Declares datasets: catalog files, directories, buckets.
#[async_trait]
pub trait Provider: Send + Sync {
    /// Every dataset it declares at present, in a stable order.
    async fn specs(&self) -> Result<Vec<DatasetSpec>>;
}

/// In which state a dataset is.
#[derive(Debug, Clone)]
pub enum DatasetState {
    /// Being indexed, or waiting for it.
    Indexing,
    /// Ready to be served.
    Ready(Arc<Manifest>),
    /// Listed, but cannot be opened; the reason.
    Refused(String),
    /// Its source vanished and stays away.
    Lost(String),
}

/// All datasets that the providers declare, indexed and watched.
pub struct Catalog {}

impl Catalog {
    /// Ids of the listed datasets (refused ones included, hidden ones not), in catalog order.
    pub fn ids(&self) -> Vec<DatasetId> {
        Vec::new()
    }

    /// The state of a dataset; `None` if no provider declares it.
    pub fn state(&self, id: &str) -> Option<DatasetState> {
        let _ = id;
        None
    }

    /// The manifest of a dataset, waiting for its indexing up to a limit.
    ///
    /// # Errors
    /// [`crate::ErrorKind::NotFound`] (`Dataset 'x' not found`), [`crate::ErrorKind::Refused`] with the reason,
    /// [`crate::ErrorKind::Changed`] while it is indexed for long, [`crate::ErrorKind::Lost`].
    pub async fn open(&self, id: &str) -> Result<Arc<Manifest>> {
        Err(crate::Error::not_found(format!("Dataset '{id}' not found")))
    }
}
