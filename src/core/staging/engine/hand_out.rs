//! Recalls are handed out to stores, as their queues say and as there is space.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use super::renew::whole_days;
use super::{Action, Batch, Engine, Now};
use crate::clock::nanoseconds;
use crate::cold::{Priced, StageRequest};
use crate::staging::ObjectState;
use crate::staging::book::{AtStore, ObjectSlot, Stage};
use crate::staging::cache::{CacheKey, NoSpace};
use crate::staging::schedule::{self, BatchId};

/// On which terms recalls are asked for.
#[derive(Debug, Clone, Copy)]
struct Terms {
    lifetime: Duration,
    is_interactive: bool,
}

/// Space is looked for again after this time even if nothing is heard of the cache.
pub(super) const LOOK_FOR_SPACE_NS: i64 = 1_000_000_000;

impl Engine {
    /// Hands out whatever a store can take now, as far as that is decided now.
    pub(super) fn hand_out(&mut self, lane: usize, now: Now) {
        loop {
            let Some(store) = self.lanes.get_mut(lane) else { return };
            if store.no_space_until_ns.is_some_and(|until_ns| until_ns > now.steady_ns) {
                return;
            }
            store.no_space_until_ns = None;
            let Some(batch) = store.scheduler.next(now.steady_ns) else { return };
            self.begin_batch(lane, &batch, now);
            if self.has_decided_enough() {
                return;
            }
        }
    }

    fn begin_batch(&mut self, lane: usize, batch: &schedule::Batch, now: Now) {
        let mut accepted = Vec::new();
        let mut is_full = false;
        for recall in &batch.recalls {
            let slot = ObjectSlot::try_from(*recall).unwrap_or(ObjectSlot::MAX);
            let has_space = if is_full { Err(None) } else { self.reserve_for_stage(lane, slot) };
            let Some(store) = self.lanes.get_mut(lane) else { return };
            match has_space {
                Ok(()) => accepted.push(slot),
                Err(Some(reason)) => {
                    store.scheduler.failed(*recall, now.steady_ns);
                    self.fail(slot, ObjectState::Failed, reason, now);
                }
                // Those behind it wait with it: they are best read after it.
                Err(None) => {
                    is_full = true;
                    store.no_space_until_ns = Some(now.steady_ns.saturating_add(LOOK_FOR_SPACE_NS));
                    store.scheduler.returned(*recall, now.steady_ns);
                }
            }
        }
        for (terms, slots) in self.on_equal_terms(lane, accepted, batch.lane, now) {
            self.give_to_store(lane, &slots, (batch.id, terms), now);
        }
    }

    /// Divides recalls into those that are asked for on the same terms. Stores whose copies end keep them for whole days,
    /// so that one object that is wanted for a month must not make a thousand others be kept so long; and what a store
    /// charges for is asked for as it was paid for, whoever has joined since.
    fn on_equal_terms(
        &self,
        lane: usize,
        slots: Vec<ObjectSlot>,
        urgency: schedule::Lane,
        now: Now,
    ) -> Vec<(Terms, Vec<ObjectSlot>)> {
        // However shortly it is wanted: the bytes have to be there until they are copied.
        let least = self.settings.min_residency.max(self.settings.stalled_after);
        let (has_endings, has_price) = (self.has_endings(lane), self.has_price(lane));
        let mut groups: BTreeMap<(bool, u64), (Terms, Vec<ObjectSlot>)> = BTreeMap::new();
        for slot in slots {
            let flight = self.book.object(slot).and_then(|object| object.flight.as_ref());
            let is_paid = !has_price || flight.is_some_and(|flight| flight.may_be_dear);
            let is_interactive = urgency == schedule::Lane::Interactive && is_paid;
            let lifetime = self.longest_lifetime(slot, now).max(least);
            let days = if has_endings { whole_days(lifetime) } else { 0 };
            let group = groups.entry((is_interactive, days));
            let (terms, alike) = group.or_insert_with(|| (Terms { lifetime, is_interactive }, Vec::new()));
            terms.lifetime = terms.lifetime.max(lifetime);
            alike.push(slot);
        }
        groups.into_values().collect()
    }

    /// True if recalls of a store cost something, as far as is known.
    fn has_price(&self, lane: usize) -> bool {
        let recall = Priced { len_bytes: 1, is_interactive: true };
        self.lanes.get(lane).is_some_and(|lane| lane.store.cost(&[recall]).is_some())
    }

    /// Reserves space for an object that is to be staged and copied. `Err(None)` if there is none at present,
    /// and a reason if there never will be.
    fn reserve_for_stage(&mut self, lane: usize, slot: ObjectSlot) -> Result<(), Option<String>> {
        if !self.is_copied(lane) {
            return Ok(());
        }
        let Some(object) = self.book.object(slot) else { return Ok(()) };
        let Some(flight) = &object.flight else { return Ok(()) };
        let number = flight.number;
        let len_bytes = object.len_bytes.unwrap_or_default();
        let key = CacheKey::new(&object.id, object.version.as_deref().unwrap_or_default(), len_bytes);
        if self.reservations.get(&number).is_some_and(|reserved| *reserved.key() == key) {
            return Ok(());
        }
        match self.space.reserve(key, len_bytes) {
            Ok(reservation) => {
                self.reservations.insert(number, reservation);
                Ok(())
            }
            Err(no_space) => Err(self.no_space(no_space)),
        }
    }

    /// Notes what has to be evicted; the reason if that would be of no use.
    pub(super) fn no_space(&mut self, no_space: NoSpace) -> Option<String> {
        match no_space {
            NoSpace::TooLarge { .. } => Some(no_space.to_string()),
            NoSpace::Full { needed_bytes, .. } => {
                self.needed_bytes = self.needed_bytes.max(needed_bytes);
                None
            }
            NoSpace::BeingEvicted => None,
        }
    }

    /// Something may fit now that did not before.
    pub(in crate::staging) fn space_has_changed(&mut self) {
        for lane in &mut self.lanes {
            lane.no_space_until_ns = None;
        }
    }

    /// True if something waits for space.
    pub(in crate::staging) fn lacks_space(&self) -> bool {
        self.lanes.iter().any(|lane| lane.no_space_until_ns.is_some())
    }

    /// Gives recalls to their store, under a key that is durable before.
    fn give_to_store(
        &mut self,
        lane: usize,
        slots: &[ObjectSlot],
        (scheduled, terms): (BatchId, Terms),
        now: Now,
    ) {
        let key: Arc<str> = format!("thermocline-{}", self.numbers.next(now.wall_ns)).into();
        let batch = self.new_batch(lane, Arc::clone(&key), scheduled, now);
        let mut request = StageRequest {
            key: key.to_string(),
            objects: Vec::with_capacity(slots.len()),
            lifetime: terms.lifetime,
            is_interactive: terms.is_interactive,
        };
        for slot in slots {
            let Some(cold_object) = self.cold_object(*slot) else { continue };
            request.objects.push(cold_object);
            let Some(flight) = self.book.object_mut(*slot).and_then(|object| object.flight.as_deref_mut())
            else {
                continue;
            };
            flight.stage = Stage::HandedOut { batch };
            if !std::mem::replace(&mut flight.is_counted, true) {
                flight.attempt = flight.attempt.saturating_add(1);
            }
            flight.is_spoilt = false;
            flight.at_store = AtStore::Untold;
            // What a busy store did not take has begun when it was offered first.
            if flight.attempt == 1 && flight.extra.n_busy == 0 {
                flight.began_ns = now.watched_ns;
            }
            let flight_number = flight.number;
            if let Some(batch) = self.batches.get_mut(&batch) {
                batch.open.insert(*slot, flight_number);
            }
            self.write_recall(*slot, Some(batch), None);
        }
        self.out.actions.push(Action::Stage { batch, lane, request });
    }

    pub(super) fn new_batch(&mut self, lane: usize, key: Arc<str>, scheduled: BatchId, now: Now) -> u64 {
        self.n_batches += 1;
        let batch = Batch {
            lane,
            key,
            store_id: None,
            scheduled,
            open: HashMap::new(),
            last_news_ns: now.watched_ns,
            polls_without_news: 0,
        };
        self.batches.insert(self.n_batches, batch);
        self.n_batches
    }

    /// For how long an object is wanted by those who wait for it: what was pinned before no longer than it would have
    /// been.
    fn longest_lifetime(&self, slot: ObjectSlot, now: Now) -> Duration {
        let waiting = self.book.object(slot).into_iter().flat_map(|object| object.waiting());
        let left = |until_ns: i64| {
            Duration::from_nanos(u64::try_from(until_ns.saturating_sub(now.wall_ns)).unwrap_or_default())
        };
        let lifetimes = waiting.filter_map(|interest| {
            let request = self.book.request(interest.request)?;
            let kept_ns = self.book.kept_pin_end(interest.request, interest.position);
            Some(kept_ns.map_or(request.lifetime, left).max(left(request.pins_until_ns)))
        });
        lifetimes.max().unwrap_or_default()
    }

    /// The steady time at which something that takes this long will be over.
    pub(super) fn later(now: Now, duration: std::time::Duration) -> i64 {
        now.steady_ns.saturating_add(nanoseconds(duration))
    }
}
