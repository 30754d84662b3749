//! Copies leave the cache: durable first, then the file, then the store is told.

use super::{Action, Done, Engine, Note, Now};
use crate::cold::{Landing, ObjectId};
use crate::staging::book::ObjectSlot;
use crate::staging::cache::Eviction;
use crate::staging::tables::Op;

impl Engine {
    /// Evicts what has to go for what waits, or because too much is there.
    pub(super) fn make_room(&mut self, _now: Now) {
        let n_bytes = self.space.excess_bytes().max(std::mem::take(&mut self.needed_bytes));
        if n_bytes == 0 {
            return;
        }
        for eviction in self.space.victims(n_bytes) {
            self.evict_copy(eviction, None);
        }
    }

    /// Forgets a copy, and removes its file when that is durable.
    fn evict_copy(&mut self, eviction: Eviction, done: Option<Done>) {
        let key = *eviction.key();
        let slot = self.copies.remove(&key);
        let lane = slot.and_then(|slot| self.lane_of(slot));
        let Some((slot, object)) = slot.and_then(|slot| Some((slot, self.book.object_mut(slot)?))) else {
            // An old state that was being read when a newer one landed.
            self.out.actions.push(Action::Remove { of: None, eviction, done });
            return;
        };
        object.online = None;
        let id = object.id.clone();
        self.out.ops.push(Op::Offline(id.clone()));
        self.out.notes.push(Note::Gone { object: id.clone(), key });
        let of = lane.map(|lane| (lane, id));
        self.out.actions.push(Action::Remove { of, eviction, done });
        self.book.tidy(slot);
    }

    /// A newer state has landed: the copy of the old one goes.
    pub(super) fn drop_old_copy(&mut self, slot: ObjectSlot) {
        let Some(key) = self.copy_key(slot) else { return };
        let n_pins = self.book.object(slot).map_or(0, crate::staging::book::Object::n_pins);
        for _ in 0..n_pins {
            self.space.unpin(&key);
        }
        self.copies.remove(&key);
        let Some(object) = self.book.object_mut(slot) else { return };
        object.online = None;
        let id = object.id.clone();
        self.out.notes.push(Note::Gone { object: id, key });
        // A reader may be in the middle of it: then it goes when room is made.
        if let Some(eviction) = self.space.evict(&key) {
            self.out.actions.push(Action::Remove { of: None, eviction, done: None });
        }
    }

    /// Makes unpinned, unread objects cold again: these, or all copies. How many will be; `done` is dropped when
    /// they are.
    pub(in crate::staging) fn evict(&mut self, ids: Option<&[ObjectId]>, done: &Done) -> u64 {
        let slots: Vec<ObjectSlot> = match ids {
            Some(ids) => ids.iter().filter_map(|id| self.book.slot(id)).collect(),
            None => self.copies.values().copied().collect(),
        };
        let mut n_evicted = 0;
        for slot in slots {
            if self.book.object(slot).is_none_or(|object| object.is_pinned()) {
                continue;
            }
            if let Some(eviction) = self.copy_key(slot).and_then(|key| self.space.evict(&key)) {
                self.evict_copy(eviction, Some(done.clone()));
                n_evicted += 1;
            }
        }
        n_evicted
    }

    /// Those of some objects that lie in place, that nobody pins or waits for, and that their store can make cold:
    /// by number of the store. They count as cold from now on.
    pub(in crate::staging) fn evict_in_place(&mut self, ids: &[ObjectId]) -> Vec<(usize, Vec<ObjectId>)> {
        let mut by_lane = Vec::new();
        for (number, lane) in self.lanes.iter().enumerate() {
            let capabilities = &lane.capabilities;
            if capabilities.landing != Landing::InPlace || !capabilities.can_release {
                continue;
            }
            let is_of_lane = |id: &&ObjectId| self.namespace.store_of(id) == Some(&lane.name);
            let is_free = |id: &&ObjectId| {
                self.book.find(id).is_none_or(|object| object.interests.is_empty() && object.flight.is_none())
            };
            let objects: Vec<ObjectId> = ids.iter().filter(is_of_lane).filter(is_free).cloned().collect();
            if !objects.is_empty() {
                self.out.ops.extend(objects.iter().cloned().map(Op::Offline));
                by_lane.push((number, objects));
            }
        }
        by_lane
    }
}
