//! The summaries of all listed datasets, kept and searched.

use std::sync::Arc;

use thermocline_core::catalog::{Catalog, CollectionSpec};
use thermocline_core::manifest::Manifest;
use thermocline_core::staging::Staging;
use thermocline_core::{Error, Result};

use crate::order::Order;
use crate::query::{Found, Query};
use crate::summary::{Span, Summary};

/// A dataset that was found.
#[derive(Debug, Clone)]
pub struct Hit {
    /// What catalogs tell of it.
    pub summary: Arc<Summary>,
    /// Where its staging stands; `None` if none of its objects lies on a cold store.
    pub order: Option<Order>,
}

/// A collection with what its members have in common.
#[derive(Debug, Clone)]
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
    pub attributes: Vec<(String, Vec<crate::summary::Value>)>,
}

/// Knows what catalogs tell of all listed datasets. Cloning gives the same one.
#[derive(Clone)]
pub struct Search {
    _shared: Arc<Shared>,
}

struct Shared {
    _catalog: Arc<Catalog>,
    _staging: Option<Staging>,
}

impl Search {
    /// Of a catalog's datasets.
    pub fn new(catalog: Arc<Catalog>, staging: Option<Staging>) -> Self {
        Self { _shared: Arc::new(Shared { _catalog: catalog, _staging: staging }) }
    }

    /// A number that changes whenever the answer to any query may have changed.
    pub fn generation(&self) -> u64 {
        0
    }

    /// How many datasets can be found.
    pub fn n_items(&self) -> u64 {
        0
    }

    /// Datasets that a query finds.
    ///
    /// # Errors
    /// [`thermocline_core::ErrorKind::InvalidInput`] for a cursor of another query.
    pub async fn find(&self, query: Query) -> Result<Found> {
        let _ = query;
        Err(Error::internal("nothing is found yet"))
    }

    /// One dataset by its id; `None` if it is not listed or not indexed.
    ///
    /// # Errors
    /// A database that cannot be read.
    pub async fn get(&self, id: &str) -> Result<Option<Arc<Hit>>> {
        let _ = id;
        Ok(None)
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
        Arc::new([])
    }

    /// One collection.
    pub fn collection(&self, id: &str) -> Option<Arc<Collection>> {
        let _ = id;
        None
    }

    /// Names by which datasets can be sorted: those that every dataset has, and the STAC names of attributes of any.
    pub fn sortables(&self) -> Arc<[String]> {
        Arc::new([])
    }
}
