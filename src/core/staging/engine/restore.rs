//! What was under way when the process ended is taken up again.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::{Action, Engine, Now};
use crate::staging::Face;
use crate::staging::ObjectState;
use crate::staging::book::{Hold, Interest, ObjectSlot, PinEnd, RequestSlot, Stage};
use crate::staging::cache::CacheKey;
use crate::staging::schedule::{self, BatchId};
use crate::staging::tables::{LoadedObject, LoadedRequest, OnlineRow, Op, RecallRow};

/// The store's own name of a batch that was given to it, and the recalls that it has.
type OpenBatch = (Option<Arc<str>>, Vec<ObjectSlot>);

impl Engine {
    /// Takes in a copy that is in the cache.
    pub(in crate::staging) fn restore_copy(&mut self, row: OnlineRow) -> CacheKey {
        let key = CacheKey::new(&row.object, &row.online.version, row.online.len_bytes);
        let place = self.place_of(&row.object);
        let slot = self.book.intern(&row.object, place);
        if let Some(object) = self.book.object_mut(slot) {
            object.len_bytes = Some(row.online.len_bytes);
            object.version = Some(row.online.version.clone());
            object.copy = Some(Box::new(row.online));
        }
        self.copies.insert(key, slot);
        key
    }

    /// Takes in a request with what it waits for and what it pins.
    pub(in crate::staging) fn restore_request(&mut self, loaded: LoadedRequest, now: Now) {
        let slot = self.book.add_request(loaded.head);
        if let Some(request) = self.book.request_mut(slot) {
            request.tallies = loaded.tallies;
            request.is_cancelled = loaded.state == crate::staging::RequestState::Cancelled;
            request.reason = loaded.reason;
            request.started_ns = loaded.started_ns;
            request.finished_ns = loaded.finished_ns;
            request.expires_ns = loaded.expires_ns;
            request.pins_until_ns = loaded.pins_until_ns.unwrap_or(i64::MIN);
            request.told = loaded.state;
        }
        for object in loaded.objects {
            self.restore_object(slot, object, now);
        }
    }

    fn restore_object(&mut self, request: RequestSlot, loaded: LoadedObject, now: Now) {
        let place = self.place_of(&loaded.id);
        let slot = self.book.intern(&loaded.id, place);
        let Some(live) = self.book.request_mut(request) else { return };
        let (is_cancelled, lifetime) = (live.is_cancelled, live.lifetime);
        if !loaded.others.is_empty() && !loaded.state.is_settled() {
            live.alternates.insert(loaded.position, loaded.others);
        }
        let mut interest = Interest { request, position: loaded.position, hold: Hold::Waiting };
        if is_cancelled && !loaded.state.is_settled() {
            self.tell_object(slot, interest, (Some(loaded.state), ObjectState::Cancelled), None, now);
            self.book.tidy(slot);
            return;
        }
        live.set_object(loaded.position, Some(slot));
        if loaded.state == ObjectState::Hot {
            let until_ns = loaded
                .pinned_until_ns
                .unwrap_or_else(|| now.wall_ns.saturating_add(crate::clock::nanoseconds(lifetime)));
            interest.hold = Hold::Pinned { until: PinEnd::at(until_ns) };
            live.expires_ns = live.expires_ns.max(Some(until_ns));
            self.timers.add_pin(until_ns, slot, request, loaded.position);
        }
        if interest.hold == Hold::Waiting
            && let Some(until_ns) = loaded.pinned_until_ns
        {
            self.book.keep_pin_end(request, loaded.position, until_ns);
        }
        let Some(object) = self.book.object_mut(slot) else { return };
        object.len_bytes = object.len_bytes.or(loaded.len_bytes);
        object.add_interest(interest);
        if interest.hold == Hold::Waiting {
            self.restore_flight(slot, interest, loaded.state, now);
        }
    }

    fn restore_flight(&mut self, slot: ObjectSlot, interest: Interest, state: ObjectState, now: Now) {
        let reader = self.book.request(interest.request).filter(|request| request.face == Face::Reader);
        let is_reader = reader.is_some();
        let may_spend_any =
            reader.is_some_and(|reader| self.settings.limits_of(&reader.owner).max_cost_per_day.is_none());
        let is_first = self.book.object(slot).is_some_and(|object| object.flight.is_none());
        if is_first {
            self.begin_flight(slot, is_reader, now);
        }
        let Some(flight) = self.book.object_mut(slot).and_then(|object| object.flight.as_deref_mut()) else {
            return;
        };
        if is_reader {
            flight.extra.readers.push(interest.request);
            flight.may_be_dear |= may_spend_any;
        }
        if is_first {
            flight.state = state;
            return;
        }
        let told = flight.state;
        if told != state {
            // A request that was accepted and not yet admitted when the process ended has been told less than
            // those before it.
            self.tell_object(slot, interest, (Some(state), told), None, now);
        }
    }

    /// Counts the room of what has landed in part: the next attempt goes on with it.
    pub(in crate::staging) fn restore_parts(&mut self, partial: &HashSet<CacheKey>) {
        if partial.is_empty() {
            return;
        }
        let mut found = Vec::new();
        for (slot, object) in self.book.objects() {
            let (Some(version), Some(len_bytes)) = (object.version.as_deref(), object.len_bytes) else {
                continue;
            };
            let key = CacheKey::new(&object.id, version, len_bytes);
            if object.flight.is_some() && partial.contains(&key) {
                found.push((slot, key, len_bytes));
            }
        }
        for (slot, key, len_bytes) in found {
            let Some(flight) = self.book.object_mut(slot).and_then(|object| object.flight.as_deref_mut())
            else {
                continue;
            };
            flight.extra.parts = Some(key);
            // Without room for all of it, it waits like the others.
            if let Ok(reservation) = self.space.reserve(key, len_bytes) {
                reservation.allocated();
                self.reservations.insert(flight.number, reservation);
            }
        }
    }

    /// Pinned objects whose copy is gone are recalled again.
    pub(in crate::staging) fn restore_pins(&mut self, now: Now) {
        let pinned: Vec<ObjectSlot> =
            self.book.objects().filter(|(_, object)| object.is_pinned()).map(|(slot, _)| slot).collect();
        for slot in pinned {
            let Some(lane) = self.lane_of(slot) else { continue };
            if !self.is_copied(lane) {
                if self.has_endings(lane) {
                    self.ask_for_ending(slot, now);
                }
                continue;
            }
            let n_pins = self.book.object(slot).map_or(0, crate::staging::book::Object::n_pins);
            match self.copy_key(slot) {
                Some(key) => {
                    for _ in 0..n_pins {
                        self.space.pin(&key);
                    }
                }
                None => {
                    self.recall_again(
                        slot,
                        "a pinned copy is missing in the cache, it is recalled again",
                        now,
                    );
                }
            }
        }
    }

    /// Recalls a pinned object that is not online any more. Its pins end when they would have ended.
    pub(super) fn recall_again(&mut self, slot: ObjectSlot, why: &'static str, now: Now) {
        let Some(object) = self.book.object_mut(slot) else { return };
        tracing::warn!(object = %object.id, "{why}");
        let state = object.flight.as_ref().map_or(ObjectState::Queued, |flight| flight.state);
        let mut again = Vec::new();
        for interest in &mut object.interests {
            if let Hold::Pinned { until } = interest.hold {
                interest.hold = Hold::Waiting;
                again.push((*interest, until.ns()));
            }
        }
        let has_flight = object.flight.is_some();
        for (interest, until_ns) in again {
            self.book.keep_pin_end(interest.request, interest.position, until_ns);
            if let Some(request) = self.book.request_mut(interest.request) {
                request.finished_ns = None;
            }
            self.tell_object(slot, interest, (Some(ObjectState::Hot), state), None, now);
        }
        if !has_flight {
            self.begin_flight(slot, false, now);
        }
    }

    /// Takes recalls up that were given to their stores, by our own keys, and those that rest.
    pub(in crate::staging) fn restore_recalls(&mut self, recalls: Vec<RecallRow>, now: Now) {
        let mut by_key: HashMap<(usize, Arc<str>), OpenBatch> = HashMap::new();
        for recall in recalls {
            let slot = self.book.slot(&recall.object);
            let lane = slot.and_then(|slot| self.lane_of(slot));
            let object = slot.and_then(|slot| self.book.object_mut(slot));
            let (Some(slot), Some(lane), Some(object)) = (slot, lane, object) else {
                self.out.ops.push(Op::RecallEnded(recall.object));
                continue;
            };
            object.version = object.version.take().or(recall.version);
            let Some(flight) = object.flight.as_deref_mut() else {
                self.out.ops.push(Op::RecallEnded(recall.object));
                continue;
            };
            flight.is_written = true;
            flight.attempt = recall.attempt;
            flight.is_counted = recall.batch.is_some();
            flight.n_changes = recall.n_changes;
            flight.extra.set_why(recall.why);
            if let Some(batch) = recall.batch {
                let (store_id, slots) = by_key.entry((lane, batch)).or_default();
                *store_id = store_id.take().or(recall.store_id);
                slots.push(slot);
            } else if let Some(retry_ns) = recall.retry_ns.filter(|retry_ns| *retry_ns > now.wall_ns) {
                let longest_ns = crate::clock::nanoseconds(self.settings.retries.at_most).saturating_mul(2);
                let wait_ns = retry_ns.saturating_sub(now.wall_ns).min(longest_ns);
                flight.stage = Stage::Resting;
                self.timers.add_rest(now.steady_ns.saturating_add(wait_ns), slot, flight.number);
            }
        }
        let mut batches: Vec<_> = by_key.into_iter().collect();
        batches.sort_unstable();
        for ((lane, key), (store_id, slots)) in batches {
            self.restore_batch(lane, (key, store_id), &slots, now);
        }
    }

    /// Takes a batch up: its store is asked how far it is.
    fn restore_batch(
        &mut self,
        lane: usize,
        (key, store_id): (Arc<str>, Option<Arc<str>>),
        slots: &[ObjectSlot],
        now: Now,
    ) {
        let batch = self.new_batch(lane, key, BatchId(0), now);
        let objects: Vec<_> = slots.iter().filter_map(|slot| self.cold_object(*slot)).collect();
        let mut running = None;
        for slot in slots {
            let Some(object) = self.book.object_mut(*slot) else { continue };
            let (len_bytes, interests) = (object.len_bytes.unwrap_or_default(), object.interests.clone());
            let Some(flight) = object.flight.as_deref_mut() else { continue };
            flight.stage = Stage::Active { batch };
            let number = flight.number;
            if let Some(batch) = self.batches.get_mut(&batch) {
                batch.open.insert(*slot, number);
            }
            for interest in interests.iter().filter(|interest| interest.hold == Hold::Waiting) {
                running = self.restore_in_queue(lane, (*slot, len_bytes), *interest, running, now);
            }
            self.set_state(*slot, ObjectState::Active, now);
        }
        let Some(given) = self.batches.get_mut(&batch) else { return };
        given.scheduled = running.unwrap_or(given.scheduled);
        given.store_id = store_id;
        let ticket = given.ticket(objects);
        self.out.actions.push(Action::Watch { batch, lane, ticket });
    }

    /// Tells the queue of a store of a recall that the store is making, in the same batch as those before.
    fn restore_in_queue(
        &mut self,
        lane: usize,
        (slot, len_bytes): (ObjectSlot, u64),
        interest: Interest,
        running: Option<BatchId>,
        now: Now,
    ) -> Option<BatchId> {
        let request = self.book.request(interest.request)?;
        let is_reader = request.face == Face::Reader;
        let lane = self.lanes.get_mut(lane)?;
        let owner = lane.scheduler.owner(&request.owner.0);
        let wanted = schedule::Wanted {
            recall: u64::from(slot),
            owner,
            lane: if is_reader { schedule::Lane::Interactive } else { schedule::Lane::Bulk },
            priority: 0,
            len_bytes,
            place: None,
            at_ns: now.steady_ns,
        };
        Some(match running {
            Some(batch) => lane.scheduler.add_running_to(batch, wanted, now.steady_ns),
            None => lane.scheduler.add_running(wanted, now.steady_ns),
        })
    }

    /// Counts the bytes anew of what waits or is pinned: a size that was learned while an object waited is among those of
    /// its request, and not known of the object.
    pub(in crate::staging) fn restore_bytes(&mut self) {
        let mut sums: HashMap<RequestSlot, [u64; 8]> = HashMap::new();
        for (_, object) in self.book.objects() {
            let (len_bytes, flight) = (object.len_bytes.unwrap_or_default(), object.flight.as_ref());
            for interest in &object.interests {
                let waits = interest.hold == Hold::Waiting;
                let state = if waits { flight.map(|flight| flight.state) } else { Some(ObjectState::Hot) };
                let sum = sums.entry(interest.request).or_default();
                if let Some(sum) = state.and_then(|state| sum.get_mut(state as usize)) {
                    *sum = sum.saturating_add(len_bytes);
                }
            }
        }
        for (request, sums) in sums {
            let Some(request) = self.book.request_mut(request) else { continue };
            for state in ObjectState::HELD {
                let (tally, sum) = (request.tallies.get_mut(state as usize), sums.get(state as usize));
                if let (Some(tally), Some(sum)) = (tally, sum) {
                    tally.bytes = *sum;
                }
            }
        }
    }

    /// Says in which state recalls are that go on from the beginning.
    pub(in crate::staging) fn restore_states(&mut self, now: Now) {
        let flying: Vec<ObjectSlot> = self
            .book
            .objects()
            .filter(|(_, object)| object.flight.as_ref().is_some_and(|flight| flight.stage.batch().is_none()))
            .map(|(slot, _)| slot)
            .collect();
        for slot in flying {
            self.set_state(slot, ObjectState::Queued, now);
        }
    }
}
