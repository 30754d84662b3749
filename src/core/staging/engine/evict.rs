//! Copies leave the cache: durable first, then the file, then the store is told.

use std::time::Duration;

use super::{Action, Done, Engine, Note, Now};
use crate::cold::{Landing, ObjectId};
use crate::staging::Face;
use crate::staging::book::{Hold, Interest, ObjectSlot};
use crate::staging::cache::Eviction;
use crate::staging::tables::Op;

/// How often it is looked whether an object has been made cold.
const LOOK_AFTER_RELEASE: Duration = Duration::from_secs(1);

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
        object.copy = None;
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
        object.copy = None;
        let id = object.id.clone();
        self.out.notes.push(Note::Gone { object: id, key });
        // A reader may be in the middle of it: then it goes when room is made.
        if let Some(eviction) = self.space.evict(&key) {
            self.out.actions.push(Action::Remove { of: None, eviction, done: None });
        }
    }

    /// Makes unpinned, unread objects cold again: these, or all copies. How many will be; `done` is dropped when
    /// they are.
    pub(in crate::staging) fn evict(&mut self, ids: Option<&[ObjectId]>, done: &Done, now: Now) -> u64 {
        let slots: Vec<ObjectSlot> = match ids {
            Some(ids) => ids.iter().filter_map(|id| self.book.slot(id)).collect(),
            None => self.copies.values().copied().collect(),
        };
        let mut n_evicted = 0;
        for slot in slots {
            self.end_courtesies(slot, now);
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

    /// An object in place is not online, whatever was known of it.
    pub(super) fn forget_in_place(&mut self, slot: ObjectSlot) {
        let is_in_place = self.lane_of(slot).is_some_and(|lane| !self.is_copied(lane));
        if let Some(object) = self.book.object(slot).filter(|_| is_in_place) {
            self.out.ops.push(Op::Offline(object.id.clone()));
        }
    }

    /// Ends the pins that readers caused if nobody else wants the object. They only see to it that an object is not
    /// gone before those who waited have read it; an operator's word counts more.
    fn end_courtesies(&mut self, slot: ObjectSlot, now: Now) {
        let Some(object) = self.book.object(slot) else { return };
        let interests: Vec<Interest> = object.interests.to_vec();
        let is_courtesy = |interest: &Interest| {
            let face = self.book.request(interest.request).map(|request| request.face);
            interest.hold != Hold::Waiting && matches!(face, Some(Face::Reader | Face::Prefetch))
        };
        if interests.iter().all(is_courtesy) {
            for interest in interests {
                self.end_pin(slot, interest, now);
            }
        }
    }

    /// Those of some objects that lie in place, that nobody pins or waits for, and that their store can make cold:
    /// by number of the store. They count as cold from now on, and are being released until [`Engine::released`].
    pub(in crate::staging) fn evict_in_place(
        &mut self,
        ids: &[ObjectId],
        now: Now,
    ) -> Vec<(usize, Vec<ObjectId>)> {
        for slot in ids.iter().filter_map(|id| self.book.slot(id)).collect::<Vec<_>>() {
            self.end_courtesies(slot, now);
        }
        let mut by_lane = Vec::new();
        for (number, lane) in self.lanes.iter().enumerate() {
            let capabilities = &lane.capabilities;
            if capabilities.landing != Landing::InPlace || !capabilities.can_release {
                continue;
            }
            let is_of_lane = |id: &&ObjectId| self.namespace.store_of(id) == Some(&lane.name);
            let is_free = |id: &&ObjectId| {
                let known = self.book.find(id);
                known.is_none_or(|object| object.interests.is_empty() && object.flight.is_none())
                    && !self.releasing.contains(*id)
            };
            let objects: Vec<ObjectId> = ids.iter().filter(is_of_lane).filter(is_free).cloned().collect();
            if !objects.is_empty() {
                self.out.ops.extend(objects.iter().cloned().map(Op::Offline));
                self.releasing.extend(objects.iter().cloned());
                by_lane.push((number, objects));
            }
        }
        by_lane
    }

    /// The stores of objects in place have made them cold, or not: whoever wants them now can look at them.
    pub(in crate::staging) fn released(&mut self, ids: &[ObjectId]) {
        for id in ids {
            self.releasing.remove(id);
        }
    }

    /// Lets a recall rest while its object is being made cold: it would be found online and be gone a moment later.
    /// False if it is not.
    pub(super) fn rests_while_released(&mut self, slot: ObjectSlot, now: Now) -> bool {
        if !self.book.object(slot).is_some_and(|object| self.releasing.contains(&object.id)) {
            return false;
        }
        if let Some(flight) = self.book.object_mut(slot).and_then(|object| object.flight.as_deref_mut()) {
            flight.extra.why = Some("it is being made cold".into());
        }
        self.rest(slot, LOOK_AFTER_RELEASE, now);
        true
    }
}
