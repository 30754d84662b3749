//! Recalls that failed rest for a while and go on, or end.

use std::sync::Arc;
use std::time::Duration;

use super::{Engine, Now};
use crate::ErrorKind;
use crate::clock::nanoseconds;
use crate::staging::ObjectState;
use crate::staging::book::{ObjectSlot, Stage};
use crate::staging::tables::{Op, RecallRow};

impl Engine {
    /// An attempt has failed: the recall is tried again after a while, or ends if that was the last one. It is
    /// part of no queue and no batch.
    pub(super) fn retry(&mut self, slot: ObjectSlot, why: &str, asked_for: Option<Duration>, now: Now) {
        self.retry_as(slot, ErrorKind::RecallFailed, (why, asked_for), now);
    }

    /// The same, with the kind of error that it is for readers if this was the last attempt.
    pub(super) fn retry_as(
        &mut self,
        slot: ObjectSlot,
        kind: ErrorKind,
        (why, asked_for): (&str, Option<Duration>),
        now: Now,
    ) {
        let Some(object) = self.book.object_mut(slot) else { return };
        let is_wanted = object.waiting().next().is_some();
        let Some(flight) = object.flight.as_deref_mut() else { return };
        // What is online at its store is copied, or looked at, without being handed out anew.
        if !std::mem::take(&mut flight.is_counted) {
            flight.attempt = flight.attempt.saturating_add(1);
        }
        let (attempt, number) = (flight.attempt, flight.number);
        flight.extra.why = Some(Arc::from(why));
        let began_ns = flight.began_ns;
        if !is_wanted {
            self.give_up(slot, now);
        } else if attempt >= self.settings.max_attempts {
            let reason = format!("{why} (attempt {attempt} of {})", self.settings.max_attempts);
            self.fail_as(slot, (ObjectState::Failed, kind), reason, now);
        } else if let Some(too_long) = self.too_long(began_ns, now) {
            self.fail_as(slot, (ObjectState::Failed, kind), format!("{why}, and {too_long}"), now);
        } else {
            let wait = self.settings.retries.wait(attempt, asked_for, number);
            if let Some(object) = self.book.object(slot) {
                tracing::warn!(object = %object.id, error = why, attempt, ?wait, "recall failed, will retry");
            }
            self.rest(slot, wait, now);
        }
    }

    /// A store has too much to do and did not take an object: that was no attempt. It is asked again after a while, each
    /// time after a longer one, until the recall has taken longer than any may. It is part of no queue and no batch.
    pub(super) fn rest_while_busy(
        &mut self,
        slot: ObjectSlot,
        why: &str,
        asked_for: Option<Duration>,
        now: Now,
    ) {
        let Some(object) = self.book.object_mut(slot) else { return };
        let is_wanted = object.waiting().next().is_some();
        let Some(flight) = object.flight.as_deref_mut() else { return };
        if std::mem::take(&mut flight.is_counted) {
            flight.attempt = flight.attempt.saturating_sub(1);
        }
        flight.extra.why = Some(Arc::from(why));
        flight.extra.n_busy = flight.extra.n_busy.saturating_add(1);
        let (n_busy, number) = (flight.extra.n_busy, flight.number);
        let began_ns = flight.began_ns;
        if !is_wanted {
            self.give_up(slot, now);
        } else if let Some(too_long) = self.too_long(began_ns, now) {
            self.fail(slot, ObjectState::Failed, format!("{why}, and {too_long}"), now);
        } else {
            let wait = self.settings.retries.wait(n_busy, asked_for, number);
            if let Some(object) = self.book.object(slot) {
                tracing::debug!(object = %object.id, reason = why, ?wait, "cold store is busy, will ask again");
            }
            self.rest(slot, wait, now);
        }
    }

    /// That a recall that began then has taken longer than any may; `None` if it has not.
    pub(super) fn too_long(&self, began_ns: i64, now: Now) -> Option<String> {
        let most = self.settings.recall_timeout;
        let is_late = now.watched_ns.saturating_sub(began_ns) > nanoseconds(most);
        is_late.then(|| format!("the recall took longer than {}", humantime::format_duration(most)))
    }

    /// Lets a recall rest. Then its object is looked at again.
    pub(super) fn rest(&mut self, slot: ObjectSlot, wait: Duration, now: Now) {
        let Some(flight) = self.book.object_mut(slot).and_then(|object| object.flight.as_deref_mut()) else {
            return;
        };
        flight.stage = Stage::Resting;
        flight.extra.forget_progress();
        let number = flight.number;
        if flight.extra.parts.is_none() {
            self.reservations.remove(&number);
        }
        self.to_land.remove(&number);
        self.timers.add_rest(now.steady_ns.saturating_add(nanoseconds(wait)), slot, number);
        self.set_state(slot, ObjectState::Queued, now);
        self.write_recall(slot, None, Some(now.wall_ns.saturating_add(nanoseconds(wait))));
    }

    /// A recall has rested.
    pub(super) fn rested(&mut self, slot: ObjectSlot, number: u64, now: Now) {
        let Some(flight) = self.book.object_mut(slot).and_then(|object| object.flight_of(number)) else {
            return;
        };
        if flight.stage != Stage::Resting {
            return;
        }
        flight.stage = Stage::Look;
        let is_urgent = !flight.extra.readers.is_empty();
        if !self.rests_while_released(slot, now) {
            self.look_at(slot, number, is_urgent);
        }
    }

    /// Writes how far a recall is, and of which batch it is part.
    pub(super) fn write_recall(&mut self, slot: ObjectSlot, batch: Option<u64>, retry_ns: Option<i64>) {
        let Some(store) = self.lane_of(slot).and_then(|lane| self.lanes.get(lane)) else { return };
        let store = Arc::clone(&store.name);
        let batch = batch.and_then(|batch| self.batches.get(&batch));
        let Some(object) = self.book.object_mut(slot) else { return };
        let Some(flight) = object.flight.as_deref_mut() else { return };
        flight.is_written = true;
        self.out.ops.push(Op::Recall(Box::new(RecallRow {
            object: object.id.clone(),
            store,
            batch: batch.map(|batch| Arc::clone(&batch.key)),
            store_id: batch.and_then(|batch| batch.store_id.clone()),
            attempt: flight.attempt,
            n_changes: flight.n_changes,
            version: object.version.clone(),
            why: flight.extra.why.clone(),
            retry_ns,
        })));
    }
}
