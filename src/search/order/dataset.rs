//! What the objects of a dataset come to together.

use std::sync::Arc;

use thermocline_core::staging::RequestId;

use super::object::{End, Ending, Tracked};
use super::{Order, OrderStatus};

/// Most objects whose own status is kept.
pub(super) const MAX_SOURCES: usize = 100;

/// A dataset with objects on cold stores.
#[derive(Debug)]
pub(super) struct NotedDataset {
    pub(super) id: Arc<str>,
    /// Places of its objects, in order; `None` for those that lie on no cold store.
    pub(super) objects: Box<[Option<u32>]>,
    pub(super) shown: Option<Shown>,
    pub(super) changed_ns: i64,
}

/// What catalogs tell of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) status: OrderStatus,
    pub(super) request: Option<RequestId>,
    pub(super) expires_ns: Option<i64>,
    pub(super) sources: Box<[OrderStatus]>,
}

impl NotedDataset {
    /// A dataset whose objects are not known yet.
    pub(super) fn new(id: Arc<str>) -> Self {
        Self { id, objects: Box::default(), shown: None, changed_ns: 0 }
    }

    /// What catalogs tell of it.
    pub(super) fn order(&self) -> Option<Order> {
        let shown = self.shown.as_ref()?;
        Some(Order {
            status: shown.status,
            request: shown.request.as_ref().map(ToString::to_string),
            ordered_ns: shown.request.as_ref().and_then(RequestId::created_ns),
            expires_ns: shown.expires_ns,
            changed_ns: self.changed_ns,
            sources: shown.sources.to_vec(),
        })
    }
}

/// What becomes of objects together.
#[derive(Debug, Default)]
pub(super) struct Sum {
    n_by_status: [u64; 7],
    is_any_lost: bool,
    last_end: Option<End>,
    request: Option<RequestId>,
    expires_ns: Option<i64>,
    sources: Vec<OrderStatus>,
}

impl Sum {
    /// Adds the next object; `None` for one that is always online.
    pub(super) fn add(&mut self, object: Option<&Tracked>) {
        let status = object.map_or(OrderStatus::Succeeded, Tracked::status);
        if let Some(n) = self.n_by_status.get_mut(status as usize) {
            *n += 1;
        }
        if self.sources.len() < MAX_SOURCES {
            self.sources.push(status);
        }
        let Some(object) = object else { return };
        self.is_any_lost |= object.is_lost();
        if matches!(status, OrderStatus::Failed | OrderStatus::Canceled) {
            self.last_end = later(self.last_end, object.end);
        }
        let created_ns = |request: &RequestId| request.created_ns();
        if object.request.as_ref().and_then(created_ns) > self.request.as_ref().and_then(created_ns) {
            self.request.clone_from(&object.request);
        }
        let ends = [self.expires_ns, object.standing.pinned_until_ns];
        self.expires_ns = ends.into_iter().flatten().min();
    }

    /// What catalogs tell of them together.
    pub(super) fn shown(self) -> Shown {
        Shown {
            status: self.status(),
            request: self.request,
            expires_ns: self.expires_ns,
            sources: self.sources.into(),
        }
    }

    fn status(&self) -> OrderStatus {
        let has = |status: OrderStatus| self.n_by_status.get(status as usize).is_some_and(|n| *n > 0);
        if self.is_any_lost {
            return OrderStatus::Failed;
        }
        let under_way = [OrderStatus::Shipping, OrderStatus::Pending, OrderStatus::Ordered];
        if let Some(status) = under_way.into_iter().find(|status| has(*status)) {
            return status;
        }
        match self.last_end.map(|end| end.ending) {
            Some(Ending::Cancelled) => OrderStatus::Canceled,
            Some(Ending::Failed | Ending::Lost) => OrderStatus::Failed,
            None if has(OrderStatus::Orderable) => OrderStatus::Orderable,
            None => OrderStatus::Succeeded,
        }
    }

    /// When the last thing happened that is known of them, for datasets that were not shown before.
    pub(super) fn last_ns(&self) -> i64 {
        let ordered_ns = self.request.as_ref().and_then(RequestId::created_ns);
        [ordered_ns, self.last_end.map(|end| end.at_ns)].into_iter().flatten().max().unwrap_or_default()
    }
}

/// The later of two ends.
fn later(one: Option<End>, other: Option<End>) -> Option<End> {
    [one, other].into_iter().flatten().max_by_key(|end| end.at_ns)
}
