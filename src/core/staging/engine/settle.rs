//! Objects come into other states, and requests with them.

use std::sync::Arc;

use super::{Engine, Note, Now, Telling};
use crate::ErrorKind;
use crate::clock::nanoseconds;
use crate::staging::book::{Hold, Interest, LiveRequest, ObjectSlot, PinEnd, RequestSlot, Stage};
use crate::staging::tables::{ObjectRow, Op, RequestRow};
use crate::staging::{ObjectState, Outcome, Request};

/// Counts are told so often at most.
const PROGRESS_NS: i64 = 250_000_000;

/// Most objects of a request that the log names because they could not be brought online.
const MAX_FAILED_NAMED: usize = 3;

impl Engine {
    /// Says that a recall is in another state, to all who wait for it.
    pub(super) fn set_state(&mut self, slot: ObjectSlot, state: ObjectState, now: Now) {
        let Some(object) = self.book.object_mut(slot) else { return };
        let Some(flight) = object.flight.as_deref_mut().filter(|flight| flight.state != state) else {
            return;
        };
        let was = std::mem::replace(&mut flight.state, state);
        flight.since_ns = now.wall_ns;
        let waiting: Vec<Interest> = object.waiting().copied().collect();
        for interest in waiting {
            self.tell_object(slot, interest, (Some(was), state), None, now);
        }
    }

    /// Writes that an object of a request is in another state, and counts it.
    pub(super) fn tell_object(
        &mut self,
        slot: ObjectSlot,
        interest: Interest,
        (was, state): (Option<ObjectState>, ObjectState),
        reason: Option<Arc<str>>,
        now: Now,
    ) {
        let Some(object) = self.book.object(slot) else { return };
        let (id, len_bytes) = (object.id.clone(), object.len_bytes);
        let kept_ns = self.book.kept_pin_end(interest.request, interest.position);
        let Some(request) = self.book.request_mut(interest.request) else { return };
        request.count(was, state, len_bytes.unwrap_or_default());
        if state != ObjectState::Queued {
            request.started_ns.get_or_insert(now.wall_ns);
        }
        if matches!(state, ObjectState::Failed | ObjectState::Lost) && request.reason.is_none() {
            request.reason = reason.clone();
        }
        let pinned_until_ns = match interest.hold {
            Hold::Pinned { until } if state == ObjectState::Hot => Some(until.ns()),
            Hold::Waiting if !state.is_settled() => kept_ns,
            Hold::Pinned { .. } | Hold::Waiting => None,
        };
        if self.has_listeners {
            self.out.events.push((self.out.ops.len(), Telling::Object(request.id.clone())));
        }
        self.out.ops.push(Op::Object(ObjectRow {
            request: request.number,
            position: interest.position,
            state,
            len_bytes,
            reason,
            pinned_until_ns,
            since_ns: now.wall_ns,
            object: id,
        }));
        self.out.touched.insert(interest.request);
    }

    /// Notes the size and the state in which an object was seen.
    pub(super) fn learn(&mut self, slot: ObjectSlot, len_bytes: u64, version: &str) {
        let Some(object) = self.book.object_mut(slot) else { return };
        if object.version.as_deref() != Some(version) {
            object.version = Some(version.into());
        }
        self.learn_len(slot, len_bytes);
    }

    /// Notes the size of an object, and counts it for all who wait for it or pin it.
    pub(super) fn learn_len(&mut self, slot: ObjectSlot, len_bytes: u64) {
        let Some(object) = self.book.object_mut(slot) else { return };
        let was = object.len_bytes.replace(len_bytes);
        if was == Some(len_bytes) {
            return;
        }
        let waiting_as = object.flight.as_ref().map(|flight| flight.state);
        for interest in object.interests.clone() {
            let state = if interest.hold == Hold::Waiting { waiting_as } else { Some(ObjectState::Hot) };
            let Some(request) = self.book.request_mut(interest.request) else { continue };
            if let Some(tally) = state.and_then(|state| request.tallies.get_mut(state as usize)) {
                tally.bytes = tally.bytes.saturating_sub(was.unwrap_or_default()).saturating_add(len_bytes);
                self.out.touched.insert(interest.request);
            }
        }
    }

    /// An object is online: it is pinned for all who waited, and their wait is over.
    pub(super) fn hot(&mut self, slot: ObjectSlot, now: Now) {
        let Some(object) = self.book.object_mut(slot) else { return };
        let was = object.flight.as_ref().map(|flight| flight.state);
        let n_before = object.n_pins();
        let waiting: Vec<Interest> = object.waiting().copied().collect();
        for interest in waiting {
            let kept_ns = self.book.take_pin_end(interest.request, interest.position);
            let Some(request) = self.book.request_mut(interest.request) else { continue };
            let lasts_ns = || now.wall_ns.saturating_add(nanoseconds(request.lifetime));
            let until_ns = kept_ns.unwrap_or_else(lasts_ns).max(request.pins_until_ns);
            request.expires_ns = request.expires_ns.max(Some(until_ns));
            let pinned = Interest { hold: Hold::Pinned { until: PinEnd::at(until_ns) }, ..interest };
            self.set_hold(slot, pinned);
            self.timers.add_pin(until_ns, slot, interest.request, interest.position);
            self.tell_object(slot, pinned, (was, ObjectState::Hot), None, now);
        }
        let n_after = self.book.object(slot).map_or(0, crate::staging::book::Object::n_pins);
        if let Some(key) = self.copy_key(slot) {
            for _ in n_before..n_after {
                self.space.pin(&key);
            }
        }
        self.end_flight(slot, Outcome::Online, now);
    }

    fn set_hold(&mut self, slot: ObjectSlot, changed: Interest) {
        let Some(object) = self.book.object_mut(slot) else { return };
        let is_it = |interest: &&mut Interest| {
            interest.request == changed.request && interest.position == changed.position
        };
        if let Some(interest) = object.interests.iter_mut().find(is_it) {
            *interest = changed;
        }
    }

    /// A recall has failed for good: nobody waits for it any more. Pins of a copy that is there stay.
    pub(super) fn fail(
        &mut self,
        slot: ObjectSlot,
        state: ObjectState,
        reason: impl Into<Arc<str>>,
        now: Now,
    ) {
        let kind = if state == ObjectState::Lost { ErrorKind::Lost } else { ErrorKind::RecallFailed };
        self.fail_as(slot, (state, kind), reason, now);
    }

    /// The same, with the kind of error that it is for readers.
    pub(super) fn fail_as(
        &mut self,
        slot: ObjectSlot,
        (state, kind): (ObjectState, ErrorKind),
        reason: impl Into<Arc<str>>,
        now: Now,
    ) {
        let reason = reason.into();
        let Some(object) = self.book.object(slot) else { return };
        let Some(flight) = &object.flight else { return };
        let was = flight.state;
        // The log has one warning for each request: a list may have 100,000 files that do not exist.
        tracing::debug!(object = %object.id, error = %reason, attempt = flight.attempt, "recall failed");
        let reader =
            flight.extra.readers.first().and_then(|reader| Some(self.book.request(*reader)?.id.clone()));
        let (id, waiting): (_, Vec<Interest>) = (object.id.clone(), object.waiting().copied().collect());
        for interest in waiting {
            if let Some(request) = self.book.request_mut(interest.request)
                && request.failed.len() < MAX_FAILED_NAMED
            {
                request.failed.push(id.clone());
            }
            self.tell_object(slot, interest, (Some(was), state), Some(Arc::clone(&reason)), now);
            self.book.remove_interest(slot, interest.request, interest.position);
        }
        self.failures.add(id, reader, (Arc::clone(&reason), state, kind), now.steady_ns);
        self.end_flight(slot, Outcome::Failed { reason: reason.to_string(), kind }, now);
        self.book.tidy(slot);
    }

    /// Ends a recall that is part of no queue and no batch any more.
    pub(super) fn end_flight(&mut self, slot: ObjectSlot, outcome: Outcome, now: Now) {
        let Some(object) = self.book.object_mut(slot) else { return };
        let Some(flight) = object.flight.take() else { return };
        let id = object.id.clone();
        if outcome == Outcome::Online {
            self.failures.forget(&id);
            if let Some(lane) =
                self.lane_of(slot).and_then(|lane| self.lanes.get(lane)).filter(|_| flight.attempt > 0)
            {
                let took = std::time::Duration::from_nanos(
                    u64::try_from(now.watched_ns.saturating_sub(flight.began_ns)).unwrap_or_default(),
                );
                metrics::histogram!("thermocline_recall_seconds", "store" => lane.name.to_string())
                    .record(took.as_secs_f64());
            }
        }
        if flight.stage != Stage::Landing
            && let Some(key) = flight.extra.parts
        {
            self.discard(&id, key);
        }
        self.reservations.remove(&flight.number);
        self.to_land.remove(&flight.number);
        if flight.is_written {
            self.out.ops.push(Op::RecallEnded(id.clone()));
        }
        let signal = self.signals.remove(&flight.number).unwrap_or_default();
        self.ending.insert(id.clone(), Arc::clone(&signal));
        self.out.notes.push(Note::Ended { object: id, outcome, signal });
    }

    /// Writes the requests whose objects have changed, and lets go of those that are over.
    pub(super) fn settle_touched(&mut self, now: Now) {
        for slot in std::mem::take(&mut self.out.touched) {
            let Some(request) = self.book.request_mut(slot) else { continue };
            let (is_settled, is_over) = (request.is_settled(), request.is_over());
            if is_settled && request.finished_ns.is_none() {
                request.finished_ns = Some(now.wall_ns);
                tracing::info!(request = %request.id, state = request.state().as_str(), "staging ended");
                warn_of_failures(request);
            }
            self.write_request(slot, !is_over, now);
            if is_over {
                self.book.forget_request(slot);
            }
        }
    }

    fn write_request(&mut self, slot: RequestSlot, is_live: bool, now: Now) {
        let Some(request) = self.book.request_mut(slot) else { return };
        let state = request.state();
        let is_ended = request.finished_ns.is_some();
        let is_new_state = std::mem::replace(&mut request.told, state) != state;
        if self.has_listeners
            && (is_new_state || now.steady_ns.saturating_sub(request.progress_ns) > PROGRESS_NS)
        {
            request.progress_ns = now.steady_ns;
            let shown = Box::new(shown(request));
            let telling = if is_new_state { Telling::Request(shown) } else { Telling::Progress(shown) };
            self.out.events.push((self.out.ops.len(), telling));
        }
        self.out.ops.push(Op::Request(Box::new(RequestRow {
            number: request.number,
            is_live,
            state,
            tallies: request.tallies,
            reason: request.reason.clone(),
            started_ns: request.started_ns,
            finished_ns: request.finished_ns,
            expires_ns: request.expires_ns.filter(|_| is_ended),
            pins_until_ns: Some(request.pins_until_ns).filter(|until_ns| *until_ns > i64::MIN),
        })));
    }
}

/// One line of what could not be brought online, however much that is.
fn warn_of_failures(request: &LiveRequest) {
    let n = |state: ObjectState| request.tallies.get(state as usize).map_or(0, |tally| tally.n);
    let n_failed = n(ObjectState::Failed) + n(ObjectState::Lost);
    if n_failed > 0 {
        let objects: Vec<String> = request.failed.iter().map(ToString::to_string).collect();
        let error = request.reason.as_deref().unwrap_or_default();
        tracing::warn!(request = %request.id, n_failed, ?objects, error, "recalls of a request failed");
    }
}

/// A request as it is told to who listens; its change number is filled in when it is known.
pub(super) fn shown(request: &LiveRequest) -> Request {
    Request {
        id: request.id.clone(),
        owner: request.owner.clone(),
        face: request.face,
        state: request.state(),
        priority: request.priority,
        lifetime: request.lifetime,
        dataset: request.dataset.clone(),
        tallies: request.tallies,
        reason: request.reason.as_deref().map(str::to_owned),
        estimate: None,
        created_ns: request.number,
        started_ns: request.started_ns,
        finished_ns: request.finished_ns,
        expires_ns: request.expires_ns.filter(|_| request.finished_ns.is_some()),
        change: 0,
    }
}
