//! What one client sees of the table of a moment.

use std::collections::HashMap;
use std::sync::Arc;

use thermocline_core::access::View;
use thermocline_core::catalog::CollectionSpec;

use crate::collections::{collections, sortables};
use crate::columns::Columns;
use crate::search::Collection;

/// What one client sees of the table of a moment, and what it has in common.
pub(crate) struct Sight {
    /// A bit for each row that is seen; `None` if all are.
    seen: Option<Vec<u64>>,
    pub(crate) n_items: u64,
    pub(crate) collections: Arc<[Arc<Collection>]>,
    pub(crate) sortables: Arc<[String]>,
}

impl Sight {
    /// Of all rows.
    pub(crate) fn whole(columns: &Columns, specs: &[Arc<CollectionSpec>]) -> Self {
        Self::of_rows(columns, specs, None)
    }

    /// Of the rows that a view sees. Takes milliseconds for many.
    pub(crate) fn of(view: &View, columns: &Columns, specs: &[Arc<CollectionSpec>]) -> Self {
        let mut known: HashMap<Option<&str>, bool> = HashMap::new();
        let mut seen = vec![0_u64; columns.access.len().div_ceil(64)];
        for (row, rule) in columns.access.iter().enumerate() {
            let rule = rule.as_deref();
            let is_seen = *known.entry(rule).or_insert_with(|| view.sees_rule(rule));
            if let Some(word) = seen.get_mut(row / 64) {
                *word |= u64::from(is_seen) << (row % 64);
            }
        }
        Self::of_rows(columns, specs, Some(seen))
    }

    fn of_rows(columns: &Columns, specs: &[Arc<CollectionSpec>], seen: Option<Vec<u64>>) -> Self {
        let mut sight = Self {
            n_items: match &seen {
                None => u64::from(columns.len()),
                Some(seen) => seen.iter().map(|word| u64::from(word.count_ones())).sum(),
            },
            seen,
            collections: Arc::default(),
            sortables: Arc::default(),
        };
        sight.collections = collections(columns, specs, &sight).into();
        sight.sortables = sortables(columns, &sight);
        sight
    }

    /// True if a row is seen.
    pub(crate) fn sees(&self, row: u32) -> bool {
        let Some(seen) = &self.seen else { return true };
        seen.get(row as usize / 64).is_some_and(|word| word >> (row % 64) & 1 == 1)
    }

    /// True if every row is seen.
    pub(crate) fn is_whole(&self) -> bool {
        self.seen.is_none()
    }
}
