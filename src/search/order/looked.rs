//! Orders of commands that only look: nothing is brought online, so that nothing changes.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;
use thermocline_core::bytes::Residency;

use super::dataset::MAX_SOURCES;
use super::{Order, OrderStatus};

/// What was found of datasets with objects on cold stores.
pub(super) struct Looked {
    residency: Arc<dyn Residency>,
    by_dataset: RwLock<HashMap<Box<str>, Box<[OrderStatus]>>>,
}

impl Looked {
    pub(super) fn at(residency: Arc<dyn Residency>) -> Self {
        Self { residency, by_dataset: RwLock::default() }
    }

    /// Notes where the objects of a dataset are, as far as is known without asking.
    pub(super) fn note<'h>(&self, dataset: &str, hrefs: impl IntoIterator<Item = &'h str>) {
        let mut is_bound = false;
        let mut status = |href: &str| {
            is_bound |= self.residency.is_bound(href);
            match self.residency.known_locality(href).is_online() {
                true => OrderStatus::Succeeded,
                false => OrderStatus::Orderable,
            }
        };
        let statuses = hrefs.into_iter().map(&mut status).collect();
        if is_bound {
            self.by_dataset.write().insert(dataset.into(), statuses);
        } else {
            self.forget(dataset);
        }
    }

    pub(super) fn forget(&self, dataset: &str) {
        self.by_dataset.write().remove(dataset);
    }

    pub(super) fn order(&self, dataset: &str) -> Option<Order> {
        let by_dataset = self.by_dataset.read();
        let statuses = by_dataset.get(dataset)?;
        let is_any_cold = statuses.contains(&OrderStatus::Orderable);
        Some(Order {
            status: if is_any_cold { OrderStatus::Orderable } else { OrderStatus::Succeeded },
            request: None,
            ordered_ns: None,
            expires_ns: None,
            changed_ns: 0,
            sources: statuses.iter().take(MAX_SOURCES).copied().collect(),
        })
    }
}
