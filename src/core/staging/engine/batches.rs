//! Batches under way: what their stores say of them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::{Action, Batch, Engine, Now};
use crate::clock::nanoseconds;
use crate::cold::{ColdObject, FailureCause, Landing, ObjectId, StageFailure, StageState, StageTicket};
use crate::staging::ObjectState;
use crate::staging::book::{AtStore, ObjectSlot, Stage};
use crate::{Error, ErrorKind, Result};

/// So many answers in a row without news are a standstill, and no jump of the clock.
const MIN_POLLS: u32 = 4;

impl Engine {
    /// A store has accepted a batch, or not.
    pub(super) fn staged(&mut self, batch: u64, outcome: Result<StageTicket>, now: Now) {
        let Some(given) = self.batches.get_mut(&batch) else { return };
        given.last_news_ns = now.watched_ns;
        let (lane, open): (usize, Vec<_>) =
            (given.lane, given.open.iter().map(|(slot, flight)| (*slot, *flight)).collect());
        match outcome {
            Ok(ticket) => {
                given.store_id = ticket.store_id.map(Into::into);
                let has_name = given.store_id.is_some();
                for (slot, number) in open {
                    self.began_at_store(slot, number, lane, batch, now);
                    let is_there =
                        self.batches.get(&batch).is_some_and(|given| given.open.contains_key(&slot));
                    if has_name && is_there {
                        self.write_recall(slot, Some(batch), None);
                    }
                }
            }
            Err(error) => self.refused(batch, &open, &error, now),
        }
    }

    fn began_at_store(&mut self, slot: ObjectSlot, number: u64, lane: usize, batch: u64, now: Now) {
        let Some(object) = self.book.object_mut(slot) else { return };
        let is_wanted = object.waiting().next().is_some();
        let Some(flight) = object.flight_of(number) else { return };
        flight.stage = Stage::Active { batch };
        let is_first = flight.attempt <= 1;
        if let Some(lane) = self.lanes.get(lane) {
            let name =
                if is_first { "thermocline_recalls_total" } else { "thermocline_recall_retries_total" };
            metrics::counter!(name, "store" => lane.name.to_string()).increment(1);
        }
        self.set_state(slot, ObjectState::Active, now);
        if !is_wanted {
            self.stop_unwanted(slot, now);
        }
    }

    /// A store did not accept a batch: it has not begun.
    fn refused(&mut self, batch: u64, open: &[(ObjectSlot, u64)], error: &Error, now: Now) {
        let Some(given) = self.batches.remove(&batch) else { return };
        if let ErrorKind::Unavailable { retry_after } = error.kind() {
            if let Some(lane) = self.lanes.get_mut(given.lane) {
                tracing::warn!(store = %lane.name, %error, "cold store asks to slow down");
                lane.scheduler.slow_down(Self::later(now, retry_after.max(Duration::from_millis(100))));
            }
            for (slot, number) in open {
                self.take_back(*slot, *number, now);
            }
            return;
        }
        for (slot, number) in open {
            if let Some(lane) = self.lanes.get_mut(given.lane) {
                lane.scheduler.failed(u64::from(*slot), now.steady_ns);
            }
            if self.book.object_mut(*slot).is_some_and(|object| object.flight_of(*number).is_some()) {
                self.retry(*slot, &format!("the store did not take it: {error}"), None, now);
            }
        }
    }

    /// A recall that was handed out and has not begun waits again.
    fn take_back(&mut self, slot: ObjectSlot, number: u64, now: Now) {
        let Some(lane) = self.lane_of(slot) else { return };
        let Some(object) = self.book.object_mut(slot) else { return };
        let is_wanted = object.waiting().next().is_some();
        let Some(flight) = object.flight_of(number) else { return };
        flight.stage = Stage::Waiting;
        flight.attempt = flight.attempt.saturating_sub(1);
        flight.is_counted = false;
        flight.at_store = AtStore::Untold;
        // Room is for what is under way: of what waits, those that come first need it.
        self.reservations.remove(&number);
        if let Some(lane) = self.lanes.get_mut(lane) {
            lane.scheduler.returned(u64::from(slot), now.steady_ns);
        }
        if !is_wanted {
            self.give_up(slot, now);
            return;
        }
        self.set_state(slot, ObjectState::Queued, now);
        self.write_recall(slot, None, None);
    }

    /// How far a batch is.
    pub(super) fn progressed(&mut self, batch: u64, answer: Result<Vec<(ObjectId, StageState)>>, now: Now) {
        let Some(given) = self.batches.get_mut(&batch) else { return };
        let states = match answer {
            Ok(states) => states,
            Err(error) => {
                tracing::warn!(batch = %given.key, %error, "cold store does not tell how far a batch is");
                self.check_standstill(batch, false, now);
                self.end_late(batch, now);
                return;
            }
        };
        let mut has_news = false;
        for (id, state) in states {
            let Some(slot) = self.book.slot(&id) else { continue };
            let Some(object) = self.book.object_mut(slot) else { continue };
            let Some(flight) = object.flight.as_deref_mut() else { continue };
            if flight.stage == (Stage::Active { batch }) {
                has_news |= self.object_progressed(slot, batch, state, now);
            }
        }
        self.check_standstill(batch, has_news, now);
        self.end_late(batch, now);
    }

    /// How far one object is. True if that is news.
    fn object_progressed(&mut self, slot: ObjectSlot, batch: u64, state: StageState, now: Now) -> bool {
        let Some(flight) = self.book.object_mut(slot).and_then(|object| object.flight.as_deref_mut()) else {
            return false;
        };
        let at_store = match state {
            StageState::Queued => AtStore::Queued,
            StageState::Accepted => AtStore::Accepted,
            _ => AtStore::Read,
        };
        let before = std::mem::replace(&mut flight.at_store, at_store);
        match state {
            StageState::Queued | StageState::Accepted => false,
            StageState::Active { done_bytes } => {
                let is_more = !before.may_be_read() || done_bytes > flight.extra.done_bytes;
                flight.extra.done_bytes = done_bytes.max(flight.extra.done_bytes);
                is_more
            }
            StageState::Staged => {
                self.is_staged(slot, batch, now);
                true
            }
            StageState::Failed(failure) => {
                self.leave_batch(slot, batch, now);
                self.failed_at_store(slot, failure, now);
                true
            }
            StageState::Unknown => {
                self.leave_batch(slot, batch, now);
                self.retry(slot, "the store does not know of its recall any more", None, now);
                true
            }
        }
    }

    /// A store says that an object is online. That is looked at before anyone is told.
    fn is_staged(&mut self, slot: ObjectSlot, batch: u64, now: Now) {
        let Some(lane) = self.batches.get(&batch).map(|batch| batch.lane) else { return };
        let len_bytes = self.book.object(slot).and_then(|object| object.len_bytes).unwrap_or_default();
        if let Some(lane) = self.lanes.get_mut(lane) {
            lane.scheduler.finished(u64::from(slot), len_bytes, now.steady_ns);
        }
        self.close_in_batch(slot, batch);
        let is_in_place =
            self.lanes.get(lane).is_some_and(|lane| lane.capabilities.landing == Landing::InPlace);
        let Some(object) = self.book.object_mut(slot) else { return };
        let is_wanted = object.waiting().next().is_some();
        let Some(flight) = object.flight.as_deref_mut() else { return };
        flight.stage = Stage::Checking;
        let number = flight.number;
        if !is_wanted && !is_in_place {
            self.give_up(slot, now);
            return;
        }
        if is_in_place {
            self.set_state(slot, ObjectState::Verifying, now);
        }
        self.look_at(slot, number, true);
    }

    fn failed_at_store(&mut self, slot: ObjectSlot, failure: StageFailure, now: Now) {
        match failure.cause {
            FailureCause::NotFound => {
                self.fail_as(slot, (ObjectState::Failed, ErrorKind::Lost), failure.reason, now);
            }
            FailureCause::Denied => self.fail(slot, ObjectState::Failed, failure.reason, now),
            FailureCause::Lost => self.fail(slot, ObjectState::Lost, failure.reason, now),
            FailureCause::Retryable { after } => self.retry(slot, &failure.reason, after, now),
            FailureCause::Busy { after } => self.rest_while_busy(slot, &failure.reason, after, now),
        }
    }

    /// A recall leaves its batch without success.
    pub(super) fn leave_batch(&mut self, slot: ObjectSlot, batch: u64, now: Now) {
        let Some(lane) = self.batches.get(&batch).map(|batch| batch.lane) else { return };
        if let Some(lane) = self.lanes.get_mut(lane) {
            lane.scheduler.failed(u64::from(slot), now.steady_ns);
        }
        self.close_in_batch(slot, batch);
    }

    fn close_in_batch(&mut self, slot: ObjectSlot, batch: u64) {
        let Some(given) = self.batches.get_mut(&batch) else { return };
        given.open.remove(&slot);
        if given.open.is_empty() {
            let key = Arc::clone(&given.key);
            self.batches.remove(&batch);
            self.out.actions.push(Action::StopWatching { key });
        }
    }

    /// Gives up what a store says to be reading if nothing was heard of any of it for too long. A store may have a
    /// long queue of its own: what waits there stands not still.
    fn check_standstill(&mut self, batch: u64, has_news: bool, now: Now) {
        let Some(given) = self.batches.get_mut(&batch) else { return };
        let is_being_read = |slot: &ObjectSlot| {
            let flight = self.book.object(*slot).and_then(|object| object.flight.as_ref());
            flight.is_some_and(|flight| flight.at_store.may_be_read())
        };
        let slots: Vec<ObjectSlot> = given.open.keys().copied().filter(is_being_read).collect();
        if has_news || slots.is_empty() {
            given.last_news_ns = now.watched_ns;
            given.polls_without_news = 0;
            return;
        }
        given.polls_without_news += 1;
        let quiet_ns = now.watched_ns.saturating_sub(given.last_news_ns);
        if quiet_ns <= nanoseconds(self.settings.stalled_after) || given.polls_without_news < MIN_POLLS {
            return;
        }
        self.cancel_at_store(batch, &slots);
        let limit = humantime::format_duration(self.settings.stalled_after);
        for slot in slots {
            self.leave_batch(slot, batch, now);
            self.retry(slot, &format!("the store told of no progress for {limit}"), None, now);
        }
    }

    /// Ends recalls of a batch that have taken longer than any may, whatever their store says of them.
    fn end_late(&mut self, batch: u64, now: Now) {
        let Some(given) = self.batches.get(&batch) else { return };
        let too_long = |slot: &ObjectSlot| {
            let began_ns = self.book.object(*slot)?.flight.as_ref()?.began_ns;
            Some((*slot, self.too_long(began_ns, now)?))
        };
        let late: Vec<(ObjectSlot, String)> = given.open.keys().filter_map(too_long).collect();
        if late.is_empty() {
            return;
        }
        let slots: Vec<ObjectSlot> = late.iter().map(|(slot, _)| *slot).collect();
        self.cancel_at_store(batch, &slots);
        for (slot, too_long) in late {
            self.leave_batch(slot, batch, now);
            self.fail(slot, ObjectState::Failed, too_long, now);
        }
    }

    /// Takes back from a store what it has not begun, if somebody waits for something else and every slot is taken.
    pub(super) fn make_way(&mut self, lane: usize, now: Now) {
        let Some(store) = self.lanes.get(lane).filter(|lane| lane.capabilities.can_cancel) else { return };
        let Some(scheduled) = store.scheduler.preempt(now.steady_ns) else { return };
        // What was handed out together may have been given to the store on several terms.
        let given = self.batches.iter();
        let given = given.filter(|(_, batch)| batch.lane == lane && batch.scheduled == scheduled);
        let given: BTreeSet<u64> = given.map(|(number, _)| *number).collect();
        for batch in given {
            self.take_back_queued(batch, now);
        }
    }

    /// Takes back from a store what is in its queue of a batch.
    fn take_back_queued(&mut self, batch: u64, now: Now) {
        let Some(given) = self.batches.get(&batch) else { return };
        let key = Arc::clone(&given.key);
        // What may be being read is not taken back.
        let is_queued = |slot: &ObjectSlot| {
            let flight = self.book.object(*slot).and_then(|object| object.flight.as_ref());
            flight.is_some_and(|flight| {
                flight.at_store == AtStore::Queued && flight.stage == Stage::Active { batch }
            })
        };
        let queued: Vec<(ObjectSlot, u64)> = given
            .open
            .iter()
            .filter(|(slot, _)| is_queued(slot))
            .map(|(slot, flight)| (*slot, *flight))
            .collect();
        if queued.is_empty() {
            return;
        }
        let slots: Vec<ObjectSlot> = queued.iter().map(|(slot, _)| *slot).collect();
        tracing::info!(batch = %key, n_objects = slots.len(), "recalls give way to what a reader waits for");
        self.cancel_at_store(batch, &slots);
        for (slot, flight) in queued {
            self.close_in_batch(slot, batch);
            self.take_back(slot, flight, now);
        }
    }

    /// Asks the store of a batch to stop the recall of some of its objects, if it can.
    pub(super) fn cancel_at_store(&mut self, batch: u64, slots: &[ObjectSlot]) {
        let Some(given) = self.batches.get(&batch) else { return };
        let lane = given.lane;
        if !self.lanes.get(lane).is_some_and(|lane| lane.capabilities.can_cancel) {
            return;
        }
        let objects: Vec<_> = slots.iter().filter_map(|slot| self.cold_object(*slot)).collect();
        let ids = objects.iter().map(|object| object.id.clone()).collect();
        let ticket = given.ticket(objects);
        self.out.actions.push(Action::Cancel { lane, ticket, objects: ids });
    }
}

impl Batch {
    /// By what its store knows it.
    pub(super) fn ticket(&self, objects: Vec<ColdObject>) -> StageTicket {
        StageTicket { key: self.key.to_string(), objects, store_id: self.store_id.as_deref().map(Into::into) }
    }
}
