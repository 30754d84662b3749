//! Datasets, their objects on cold stores, and what became of those: pure.

use std::collections::hash_map::{Entry, RandomState};
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::hash::BuildHasher;
use std::sync::Arc;

use slab::Slab;
use thermocline_core::cold::{Locality, ObjectId};
use thermocline_core::staging::{ObjectState, RequestId, Standing};

use super::dataset::{MAX_SOURCES, NotedDataset};
use super::object::{End, Ending, Key, Tracked};
use super::past::Past;
use super::{Changed, Order, OrderStatus};

/// Most changes that are listed.
const MAX_CHANGES: usize = 4096;

/// Most datasets that are settled before others may ask.
const SETTLED_TOGETHER: usize = 1000;

/// How long a request that was accepted may take to reach the engine.
const MAX_ADMISSION_NS: i64 = 10_000_000_000;

/// An object of a dataset as it is noted.
#[derive(Debug)]
pub(super) struct NotedObject {
    pub(super) id: ObjectId,
    pub(super) is_in_place: bool,
    pub(super) standing: Standing,
}

/// All of it.
#[derive(Default)]
pub(super) struct Ledger {
    /// Keyed, so that nobody can make two names that are the same.
    hashers: (RandomState, RandomState),
    objects: Slab<Tracked>,
    by_key: HashMap<Key, u32>,
    datasets: Slab<NotedDataset>,
    by_id: HashMap<Arc<str>, u32>,
    /// Datasets of which something is to be told anew; true if it happened, false if it was learned of the past.
    dirty: BTreeMap<u32, bool>,
    /// Objects that are to be looked at again.
    pending: HashSet<ObjectId>,
    /// Objects in place that are to be asked for first.
    unasked: VecDeque<u32>,
    /// Objects that the engine has, or is about to have.
    in_engine: HashSet<u32>,
    /// Those of them whose recalls have not ended.
    under_way: HashSet<u32>,
    /// What is known of objects that no dataset has, or had not at start.
    past: HashMap<Key, Past>,
    generation: u64,
    /// Datasets that changed, with the generation of the change.
    changes: VecDeque<(u64, Arc<str>)>,
}

impl Ledger {
    fn key(&self, id: &ObjectId) -> Key {
        let (one, other) = (self.hashers.0.hash_one(id), self.hashers.1.hash_one(id));
        (u128::from(one) << 64) | u128::from(other)
    }

    fn place(&self, id: &ObjectId) -> Option<u32> {
        self.by_key.get(&self.key(id)).copied()
    }

    /// Notes the objects of a dataset, instead of those that were noted before.
    pub(super) fn note(&mut self, dataset: &str, objects: Vec<Option<NotedObject>>) {
        let id: Arc<str> = dataset.into();
        let place = self.datasets.insert(NotedDataset::new(Arc::clone(&id))) as u32;
        let objects = objects.into_iter().map(|object| Some(self.track(object?, place))).collect();
        // What is known of its objects is not forgotten in between.
        let before = self.remove(dataset);
        if let Some(noted) = self.datasets.get_mut(place as usize) {
            noted.objects = objects;
            if let Some(before) = before {
                (noted.shown, noted.changed_ns) = (before.shown, before.changed_ns);
            }
        }
        self.by_id.insert(id, place);
        self.dirty.insert(place, true);
    }

    /// Changes an object, and with it the datasets that have it. True if anybody has it.
    fn alter(&mut self, place: u32, is_news: bool, change: impl FnOnce(&mut Tracked)) -> bool {
        let Some(tracked) = self.objects.get_mut(place as usize) else { return false };
        let before = tracked.share();
        change(tracked);
        let after = tracked.share();
        if before == after {
            return true;
        }
        for place in &tracked.datasets {
            let Some(dataset) = self.datasets.get_mut(*place as usize) else { continue };
            dataset.sum.subtract(&before);
            dataset.sum.add(&after);
            *self.dirty.entry(*place).or_default() |= is_news;
        }
        true
    }

    /// The place of an object that a dataset has.
    fn track(&mut self, noted: NotedObject, dataset: u32) -> u32 {
        let key = self.key(&noted.id);
        let place = match self.by_key.entry(key) {
            Entry::Occupied(entry) => *entry.get(),
            Entry::Vacant(entry) => {
                let past = self.past.get(&key).cloned();
                let tracked = Tracked {
                    key,
                    is_in_place: noted.is_in_place,
                    end: past.as_ref().and_then(|past| past.end),
                    request: past.map(|past| past.request),
                    ..Tracked::default()
                };
                *entry.insert(self.objects.insert(tracked) as u32)
            }
        };
        if let Some(tracked) = self.objects.get_mut(place as usize) {
            if tracked.datasets.last() != Some(&dataset) {
                tracked.datasets.push(dataset);
                if let Some(noted) = self.datasets.get_mut(dataset as usize) {
                    noted.sum.add(&tracked.share());
                }
            }
            if tracked.is_in_place && tracked.locality.is_none() {
                self.unasked.push_back(place);
            }
        }
        // It may have changed since it was looked at.
        self.pending.insert(noted.id.clone());
        self.stands(&noted.id, noted.standing);
        place
    }

    /// Forgets a dataset. True if it was there.
    pub(super) fn forget(&mut self, dataset: &str) -> bool {
        let Some(noted) = self.remove(dataset) else { return false };
        self.tell(noted.id);
        true
    }

    fn remove(&mut self, dataset: &str) -> Option<NotedDataset> {
        let place = self.by_id.remove(dataset)?;
        let noted = self.datasets.try_remove(place as usize)?;
        self.dirty.remove(&place);
        for object in noted.objects.iter().flatten() {
            let Some(tracked) = self.objects.get_mut(*object as usize) else { continue };
            tracked.datasets.retain(|dataset| *dataset != place);
            if tracked.datasets.is_empty() {
                self.by_key.remove(&tracked.key);
                self.in_engine.remove(object);
                self.under_way.remove(object);
                self.objects.try_remove(*object as usize);
            }
        }
        Some(noted)
    }

    /// What catalogs tell of a dataset.
    pub(super) fn order(&self, dataset: &str) -> Option<Order> {
        self.datasets.get(*self.by_id.get(dataset)? as usize)?.order()
    }

    /// Its status alone.
    pub(super) fn status(&self, dataset: &str) -> Option<OrderStatus> {
        let noted = self.datasets.get(*self.by_id.get(dataset)? as usize)?;
        noted.shown.as_ref().map(|shown| shown.status)
    }

    pub(super) fn n_datasets(&self) -> usize {
        self.datasets.len()
    }

    /// A request for an object was accepted. True if any dataset has it.
    pub(super) fn accepted(&mut self, id: &ObjectId, request: &RequestId, now_ns: i64) -> bool {
        let Some(place) = self.place(id) else {
            self.past.remove(&self.key(id));
            return false;
        };
        self.alter(place, true, |tracked| {
            tracked.accepted_ns = Some(now_ns);
            tracked.request = Some(request.clone());
            tracked.id = Some(id.clone());
            if !tracked.is_lost() {
                tracked.end = None;
            }
        });
        self.in_engine.insert(place);
        self.under_way.insert(place);
        true
    }

    /// An object came into another state for some request. True if any dataset has it.
    pub(super) fn changed(&mut self, id: &ObjectId, state: ObjectState, since_ns: i64) -> bool {
        let Some(place) = self.place(id) else {
            self.past.remove(&self.key(id));
            return false;
        };
        let mut is_unknown = false;
        self.alter(place, true, |tracked| {
            if state != ObjectState::Released {
                tracked.end = Ending::of(state).map(|ending| End { ending, at_ns: since_ns });
            }
            if state.is_settled() {
                tracked.accepted_ns = None;
            }
            if tracked.is_in_place && state == ObjectState::Hot {
                tracked.locality = Some(Locality::Online);
            }
            is_unknown = tracked.is_in_place && state == ObjectState::Released;
        });
        if is_unknown {
            self.unasked.push_back(place);
        }
        self.pending.insert(id.clone());
        true
    }

    /// An object was made cold. True if any dataset has it.
    pub(super) fn went_offline(&mut self, id: &ObjectId) -> bool {
        let Some(place) = self.place(id) else { return false };
        self.alter(place, true, |tracked| {
            if tracked.is_in_place {
                tracked.locality = Some(Locality::Nearline);
            }
        });
        self.pending.insert(id.clone());
        true
    }

    /// An object stands so. Gives its place, if any dataset has it.
    pub(super) fn stands(&mut self, id: &ObjectId, standing: Standing) -> Option<u32> {
        let place = self.place(id)?;
        self.alter(place, true, |tracked| tracked.stands(id, standing));
        let tracked = self.objects.get(place as usize)?;
        let is_in_engine = tracked.standing != Standing::default() || tracked.accepted_ns.is_some();
        keep(&mut self.in_engine, place, is_in_engine);
        keep(&mut self.under_way, place, tracked.is_under_way());
        Some(place)
    }

    /// The store of an object in place says where it is.
    pub(super) fn lies(&mut self, id: &ObjectId, locality: Locality) {
        let Some(place) = self.place(id) else { return };
        let before = self.objects.get(place as usize).and_then(|tracked| tracked.locality);
        let was_known = before.is_some_and(|before| before != Locality::Unavailable);
        // A store that does not answer now may answer later; what it said before counts until then.
        if locality != Locality::Unavailable || !was_known {
            self.alter(place, was_known, |tracked| tracked.locality = Some(locality));
        }
    }

    /// How requests of the past ended, those of the newest first.
    pub(super) fn remember(&mut self, past: Vec<(ObjectId, Past)>) {
        for (id, past) in past {
            let key = self.key(&id);
            if let Some(place) = self.by_key.get(&key).copied() {
                self.alter(place, false, |tracked| {
                    if tracked.request.is_none() {
                        tracked.request = Some(past.request.clone());
                        tracked.end = tracked.end.or(past.end);
                    }
                });
            }
            self.past.entry(key).or_insert(past);
        }
    }

    /// Objects that are to be looked at again.
    pub(super) fn take_pending(&mut self) -> Vec<ObjectId> {
        self.pending.drain().collect()
    }

    /// Objects that the engine had and that are not among those that it has now.
    pub(super) fn left_engine(&mut self, seen: &HashSet<u32>, now_ns: i64) -> Vec<ObjectId> {
        let places: Vec<u32> = self.in_engine.difference(seen).copied().collect();
        let is_late = |since_ns: i64| now_ns.saturating_sub(since_ns) > MAX_ADMISSION_NS;
        let mut left = Vec::new();
        for place in places {
            self.alter(place, true, |tracked| {
                tracked.accepted_ns = tracked.accepted_ns.filter(|since_ns| !is_late(*since_ns));
                left.extend(tracked.id.clone());
            });
        }
        left
    }

    /// True if recalls are under way for any dataset.
    pub(super) fn is_any_under_way(&self) -> bool {
        !self.under_way.is_empty()
    }

    /// Objects whose recalls are under way.
    pub(super) fn under_way(&self) -> Vec<ObjectId> {
        let places = self.under_way.iter();
        places.filter_map(|place| self.objects.get(*place as usize)?.id.clone()).collect()
    }

    /// Objects in place that nobody asked their stores for yet.
    pub(super) fn take_unasked(&mut self, most: usize) -> Vec<ObjectId> {
        let n = self.unasked.len().min(most);
        let places: Vec<u32> = self.unasked.drain(..n).collect();
        places.into_iter().filter_map(|place| self.objects.get(place as usize)?.id.clone()).collect()
    }

    /// Some objects in place, from a place on; with the place where to go on, `None` at the end.
    pub(super) fn in_place_from(&self, place: usize, most: usize) -> (Vec<ObjectId>, Option<usize>) {
        let end = self.objects.capacity();
        let mut ids = Vec::new();
        for place in place..end {
            if ids.len() == most {
                return (ids, Some(place));
            }
            let tracked = self.objects.get(place).filter(|tracked| tracked.is_in_place);
            ids.extend(tracked.and_then(|tracked| tracked.id.clone()));
        }
        (ids, None)
    }

    /// Works out what became of some of the datasets of which something changed. The generation, if anything is new.
    pub(super) fn settle(&mut self, now_ns: i64) -> Option<u64> {
        let before = self.generation;
        for _ in 0..SETTLED_TOGETHER {
            let Some((place, is_news)) = self.dirty.pop_first() else { break };
            self.settle_dataset(place, is_news.then_some(now_ns));
        }
        let is_told = self.changes.back().is_some_and(|(generation, _)| *generation > before);
        if is_told {
            self.generation += 1;
        }
        (self.generation > before).then_some(self.generation)
    }

    /// True if no dataset is to be settled.
    pub(super) fn is_settled(&self) -> bool {
        self.dirty.is_empty()
    }

    /// Works out what became of a dataset, of which something happened at a time, or was learned of the past.
    fn settle_dataset(&mut self, place: u32, happened_ns: Option<i64>) {
        let Some(dataset) = self.datasets.get_mut(place as usize) else { return };
        let status = |object: &Option<u32>| {
            let tracked = object.and_then(|object| self.objects.get(object as usize));
            tracked.map_or(OrderStatus::Succeeded, Tracked::status)
        };
        let sources = dataset.objects.iter().take(MAX_SOURCES).map(status).collect();
        let shown = dataset.sum.shown(sources);
        if dataset.shown.as_ref() == Some(&shown) {
            return;
        }
        let learned_ns = dataset.sum.last_ns().max(dataset.changed_ns);
        dataset.changed_ns = happened_ns.filter(|_| dataset.shown.is_some()).unwrap_or(learned_ns);
        dataset.shown = Some(shown);
        let id = Arc::clone(&dataset.id);
        self.tell(id);
    }

    /// Lists a dataset among those that changed in the generation to come.
    fn tell(&mut self, dataset: Arc<str>) {
        if self.changes.len() == MAX_CHANGES {
            self.changes.pop_front();
        }
        self.changes.push_back((self.generation + 1, dataset));
    }

    /// Datasets that changed after a generation.
    pub(super) fn changed_after(&self, generation: u64) -> Changed {
        let is_complete = self.changes.len() < MAX_CHANGES
            || self.changes.front().is_some_and(|(oldest, _)| *oldest <= generation);
        if !is_complete {
            return Changed::Many;
        }
        let newer = self.changes.iter().rev().take_while(|(changed, _)| *changed > generation);
        Changed::These(newer.map(|(_, dataset)| Arc::clone(dataset)).collect())
    }
}

/// Puts a place into a set, or takes it out.
fn keep(places: &mut HashSet<u32>, place: u32, is_in: bool) {
    if is_in {
        places.insert(place);
    } else {
        places.remove(&place);
    }
}
