//! What is found at one moment.

use std::sync::Arc;

use parking_lot::Mutex;
use thermocline_core::catalog::CollectionSpec;

use crate::collections::{collections, sortables};
use crate::columns::{Added, Columns};
use crate::order::Orders;
use crate::search::Collection;

/// What is found at one moment.
pub(crate) struct Snapshot {
    pub(crate) generation: u64,
    pub(crate) columns: Columns,
    pub(crate) collections: Arc<[Arc<Collection>]>,
    pub(crate) sortables: Arc<[String]>,
    /// Those that are declared.
    specs: Vec<Arc<CollectionSpec>>,
    /// When what is told of each row last changed, and the generation of the orders that it is of.
    updated_us: Mutex<Option<(u64, Arc<Vec<i64>>)>>,
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
            updated_us: Mutex::default(),
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
            updated_us: Mutex::default(),
        }
    }

    /// When what is told of each row last changed: its summary, or where its objects are. `None` if no dataset has
    /// objects on cold stores.
    pub(crate) fn updated_us(&self, orders: &Orders) -> Option<Arc<Vec<i64>>> {
        if orders.n_datasets() == 0 {
            return None;
        }
        let generation = orders.generation();
        let mut known = self.updated_us.lock();
        if let Some((of, updated_us)) = known.as_ref()
            && *of == generation
        {
            return Some(Arc::clone(updated_us));
        }
        let columns = &self.columns;
        let latest = |(row, updated_us): (u32, &i64)| {
            let changed_ns = orders.of(columns.ids.get(row)).map_or(i64::MIN, |order| order.changed_ns);
            (*updated_us).max(changed_ns.div_euclid(1000))
        };
        let updated_us: Arc<Vec<i64>> = Arc::new((0..).zip(&columns.updated_us).map(latest).collect());
        *known = Some((generation, Arc::clone(&updated_us)));
        Some(updated_us)
    }
}
