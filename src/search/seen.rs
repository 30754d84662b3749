//! The datasets as one client sees them: the only way to find any.

use std::collections::BTreeSet;
use std::sync::Arc;

use thermocline_core::access::View;
use thermocline_core::{Error, Result};

use crate::order::OrderStatus;
use crate::search::{Collection, Search};
use crate::sight::Sight;
use crate::snapshot::Snapshot;

/// The datasets as one client sees them, at one moment. Cloning is cheap.
///
/// Whatever is counted, listed or summed up here is so over the datasets that the client may read: there is no telling
/// that there are others.
#[derive(Clone)]
pub struct Seen {
    pub(crate) search: Search,
    view: View,
    snapshot: Arc<Snapshot>,
    sight: Arc<Sight>,
}

impl Search {
    /// The datasets as a client with that view sees them at present.
    ///
    /// # Errors
    /// [`thermocline_core::ErrorKind::Internal`] if the work broke off.
    pub async fn seen_by(&self, view: &View) -> Result<Seen> {
        let (search, snapshot, view) = (self.clone(), self.snapshot(), view.clone());
        if let Some(sight) = snapshot.known_sight(&view) {
            return Ok(Seen { search, view, snapshot, sight });
        }
        let task = tokio::task::spawn_blocking(move || {
            let sight = snapshot.sight(&view);
            Seen { search, view, snapshot, sight }
        });
        task.await
            .map_err(|cause| Error::internal("what a client sees was not worked out").with_source(cause))
    }
}

impl Seen {
    /// What the client may see.
    pub fn view(&self) -> &View {
        &self.view
    }

    /// A number that changes whenever a dataset is found, told of otherwise or no longer found, by whomever. Staging
    /// changes it not.
    pub fn summaries_generation(&self) -> u64 {
        self.snapshot.generation
    }

    /// Sorted ids of all datasets that can be found, or of those in a collection. Takes milliseconds for many.
    pub fn ids(&self, collection: Option<&str>) -> Vec<Box<str>> {
        let columns = &self.snapshot.columns;
        let id = |row: u32| Box::from(columns.ids.get(row));
        let is_seen = |row: &u32| self.sight.sees(*row);
        match collection {
            None => columns.by_id.iter().copied().filter(is_seen).map(id).collect(),
            Some(collection) => columns.rows_of(collection).filter(is_seen).map(id).collect(),
        }
    }

    /// Every state of staging that a dataset of a collection is in. Takes milliseconds for many.
    pub fn order_statuses(&self, collection: &str) -> BTreeSet<OrderStatus> {
        let columns = &self.snapshot.columns;
        let rows = columns.rows_of(collection).filter(|row| self.sight.sees(*row));
        rows.filter_map(|row| self.search.shared.orders.status(columns.ids.get(row))).collect()
    }

    /// How many datasets can be found.
    pub fn n_items(&self) -> u64 {
        self.sight.n_items
    }

    /// All collections with a dataset that is seen, and those that are declared and have no dataset at all, in order of
    /// their ids.
    pub fn collections(&self) -> Arc<[Arc<Collection>]> {
        Arc::clone(&self.sight.collections)
    }

    /// One collection.
    pub fn collection(&self, id: &str) -> Option<Arc<Collection>> {
        let collections = &self.sight.collections;
        let position = collections.binary_search_by(|collection| collection.id.as_str().cmp(id)).ok()?;
        collections.get(position).cloned()
    }

    /// Names by which datasets can be sorted: those that every dataset has, and the STAC names of attributes of any.
    pub fn sortables(&self) -> Arc<[String]> {
        Arc::clone(&self.sight.sortables)
    }

    /// Names of access rules that do not exist, although datasets name them: nobody sees these.
    pub fn unknown_rules(&self) -> Vec<Arc<str>> {
        let named = self.snapshot.rules.iter().flatten();
        named.filter(|name| !self.view.has_rule(Some(name))).cloned().collect()
    }
}
