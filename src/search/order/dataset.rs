//! What the objects of a dataset come to together.

use std::collections::BTreeMap;
use std::sync::Arc;

use thermocline_core::staging::RequestId;

use super::object::{End, Ending, Share};
use super::{Order, OrderStatus};

/// Most objects whose own status is kept.
pub(super) const MAX_SOURCES: usize = 100;

/// A dataset with objects on cold stores.
#[derive(Debug)]
pub(super) struct NotedDataset {
    pub(super) id: Arc<str>,
    /// Places of its objects, in order; `None` for those that lie on no cold store.
    pub(super) objects: Box<[Option<u32>]>,
    /// Of its objects on cold stores, each once.
    pub(super) sum: Sum,
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
        Self { id, objects: Box::default(), sum: Sum::default(), shown: None, changed_ns: 0 }
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

/// What becomes of objects together. Kept by differences: a dataset may have a hundred thousand objects.
#[derive(Debug, Default)]
pub(super) struct Sum {
    n_by_status: [u64; 7],
    n_lost: u64,
    ends: Counted<End>,
    requests: Counted<(i64, RequestId)>,
    expirations: Counted<i64>,
}

impl Sum {
    /// Adds an object.
    pub(super) fn add(&mut self, share: &Share) {
        if let Some(n) = self.n_by_status.get_mut(share.status as usize) {
            *n += 1;
        }
        self.n_lost += u64::from(share.is_lost);
        self.ends.add(share.end.as_ref());
        self.requests.add(share.request.as_ref());
        self.expirations.add(share.expires_ns.as_ref());
    }

    /// Takes an object away that was added with this share.
    pub(super) fn subtract(&mut self, share: &Share) {
        if let Some(n) = self.n_by_status.get_mut(share.status as usize) {
            *n = n.saturating_sub(1);
        }
        self.n_lost = self.n_lost.saturating_sub(u64::from(share.is_lost));
        self.ends.subtract(share.end.as_ref());
        self.requests.subtract(share.request.as_ref());
        self.expirations.subtract(share.expires_ns.as_ref());
    }

    /// What catalogs tell of them together, and of the first of them alone.
    pub(super) fn shown(&self, sources: Box<[OrderStatus]>) -> Shown {
        Shown {
            status: self.status(),
            request: self.requests.last().map(|(_, request)| request.clone()),
            expires_ns: self.expirations.first().copied(),
            sources,
        }
    }

    fn status(&self) -> OrderStatus {
        let has = |status: OrderStatus| self.n_by_status.get(status as usize).is_some_and(|n| *n > 0);
        if self.n_lost > 0 {
            return OrderStatus::Failed;
        }
        let under_way = [OrderStatus::Shipping, OrderStatus::Pending, OrderStatus::Ordered];
        if let Some(status) = under_way.into_iter().find(|status| has(*status)) {
            return status;
        }
        match self.ends.last().map(|end| end.ending) {
            Some(Ending::Cancelled) => OrderStatus::Canceled,
            Some(Ending::Failed | Ending::Lost) => OrderStatus::Failed,
            None if has(OrderStatus::Orderable) => OrderStatus::Orderable,
            None => OrderStatus::Succeeded,
        }
    }

    /// When the last thing happened that is known of them; 0 if none is.
    pub(super) fn last_ns(&self) -> i64 {
        let ordered_ns = self.requests.last().map(|(created_ns, _)| *created_ns);
        [ordered_ns, self.ends.last().map(|end| end.at_ns)].into_iter().flatten().max().unwrap_or_default()
    }
}

/// Values, with how many objects have each.
#[derive(Debug)]
struct Counted<T>(BTreeMap<T, u64>);

impl<T> Default for Counted<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T: Ord + Clone> Counted<T> {
    fn add(&mut self, value: Option<&T>) {
        let Some(value) = value else { return };
        match self.0.get_mut(value) {
            Some(n) => *n += 1,
            None => {
                self.0.insert(value.clone(), 1);
            }
        }
    }

    fn subtract(&mut self, value: Option<&T>) {
        let Some(value) = value else { return };
        match self.0.get_mut(value) {
            Some(n) if *n > 1 => *n -= 1,
            _ => {
                self.0.remove(value);
            }
        }
    }

    fn first(&self) -> Option<&T> {
        self.0.keys().next()
    }

    fn last(&self) -> Option<&T> {
        self.0.keys().next_back()
    }
}
