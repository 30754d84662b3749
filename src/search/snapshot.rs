//! What is found at one moment.

use std::sync::Arc;

use thermocline_core::catalog::CollectionSpec;

use crate::collections::{collections, sortables};
use crate::columns::{Added, Columns};
use crate::search::Collection;

/// What is found at one moment.
pub(crate) struct Snapshot {
    pub(crate) generation: u64,
    pub(crate) columns: Columns,
    pub(crate) collections: Arc<[Arc<Collection>]>,
    pub(crate) sortables: Arc<[String]>,
    /// Those that are declared.
    specs: Vec<Arc<CollectionSpec>>,
}

impl Default for Snapshot {
    fn default() -> Self {
        let columns = Columns::default();
        Self {
            generation: 0,
            collections: Arc::default(),
            sortables: sortables(&columns),
            columns,
            specs: Vec::new(),
        }
    }
}

impl Snapshot {
    /// True if these collections were declared at that moment.
    pub(crate) fn has_declared(&self, specs: &[Arc<CollectionSpec>]) -> bool {
        self.specs == specs
    }

    /// The next moment, without some datasets and with others.
    pub(crate) fn next(
        &self,
        removed: &[String],
        added: Vec<Added>,
        specs: Vec<Arc<CollectionSpec>>,
    ) -> Self {
        let columns = match removed.is_empty() && added.is_empty() {
            true => self.columns.clone(),
            false => self.columns.patched(removed, added),
        };
        Self {
            generation: self.generation + 1,
            collections: collections(&columns, &specs).into(),
            sortables: sortables(&columns),
            columns,
            specs,
        }
    }
}
