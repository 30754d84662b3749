//! Orders of commands that only look: nothing is brought online, so that nothing changes while they run.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use thermocline_core::bytes::Residency;
use thermocline_core::cold::Locality;

use super::dataset::MAX_SOURCES;
use super::{Order, OrderStatus};

/// Objects whose stores are asked in one call.
const TOGETHER: usize = 256;

/// What was found of datasets with objects on cold stores.
pub(super) struct Looked {
    residency: Arc<dyn Residency>,
    by_dataset: RwLock<HashMap<Box<str>, Box<[OrderStatus]>>>,
    /// Objects of datasets whose stores were not asked yet.
    unasked: Mutex<Vec<Noted>>,
}

/// A dataset with its objects, in order.
struct Noted {
    dataset: Box<str>,
    hrefs: Vec<Arc<str>>,
}

impl Looked {
    pub(super) fn at(residency: Arc<dyn Residency>) -> Self {
        Self { residency, by_dataset: RwLock::default(), unasked: Mutex::default() }
    }

    /// Notes where the objects of a dataset are, as far as is known without asking.
    pub(super) fn note<'h>(&self, dataset: &str, hrefs: impl IntoIterator<Item = &'h str>) {
        let hrefs: Vec<Arc<str>> = hrefs.into_iter().map(Arc::from).collect();
        if hrefs.iter().any(|href| self.residency.is_bound(href)) {
            let statuses = hrefs.iter().map(|href| status(self.residency.known_locality(href))).collect();
            self.by_dataset.write().insert(dataset.into(), statuses);
            self.unasked.lock().push(Noted { dataset: dataset.into(), hrefs });
        } else {
            self.forget(dataset);
        }
    }

    /// Asks stores where the objects are that were noted since the last time.
    pub(super) async fn ask(&self) {
        let unasked = std::mem::take(&mut *self.unasked.lock());
        let objects: Vec<Arc<str>> = unasked.iter().flat_map(|noted| &noted.hrefs).cloned().collect();
        let mut found = Vec::with_capacity(objects.len());
        for some in objects.chunks(TOGETHER) {
            found.extend(self.residency.localities(some).await.into_iter().map(status));
        }
        let mut found = found.into_iter();
        let mut by_dataset = self.by_dataset.write();
        for Noted { dataset, hrefs } in unasked {
            let statuses = found.by_ref().take(hrefs.len()).collect();
            if let Some(known) = by_dataset.get_mut(&dataset) {
                *known = statuses;
            }
        }
    }

    pub(super) fn forget(&self, dataset: &str) {
        self.by_dataset.write().remove(dataset);
    }

    /// What catalogs tell of a dataset.
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

fn status(locality: Locality) -> OrderStatus {
    match locality.is_online() {
        true => OrderStatus::Succeeded,
        false => OrderStatus::Orderable,
    }
}
