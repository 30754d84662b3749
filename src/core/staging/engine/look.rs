//! Asking where objects are, many at a time, before anything is done about them.

use std::sync::Arc;
use std::time::Duration;

use super::land::REPLACED_AGAIN;
use super::{Action, Engine, Looks, Note, Now};
use crate::cold::{Landing, Locality, ObjectId, ObjectStatus};
use crate::staging::ObjectState;
use crate::staging::book::{Interest, ObjectSlot, Place, Stage};
use crate::staging::cache::{CacheKey, Stamp};
use crate::staging::tables::{OnlineRow, Op};
use crate::{Error, ErrorKind, Result};

/// Most objects that a store is asked about at once.
const TOGETHER: usize = 1000;

/// Most such questions under way to one store.
const AT_ONCE: usize = 2;

impl Engine {
    /// Puts an object into the queue of those to be looked at.
    pub(super) fn look_at(&mut self, slot: ObjectSlot, flight: u64, is_urgent: bool) {
        let Some(object) = self.book.object(slot) else { return };
        let Some(looks) = self.looks_of(object.place) else { return };
        match is_urgent {
            true => looks.waiting.push_front((slot, flight)),
            false => looks.waiting.push_back((slot, flight)),
        }
    }

    fn looks_of(&mut self, place: Place) -> Option<&mut Looks> {
        match place {
            Place::Unbound => Some(&mut self.unbound),
            Place::Store(lane) => self.lanes.get_mut(usize::from(lane)).map(|lane| &mut lane.looks),
            Place::Undeclared => None,
        }
    }

    pub(super) fn begin_looks(&mut self) {
        let lanes = (0..self.lanes.len()).filter_map(|lane| u16::try_from(lane).ok()).map(Place::Store);
        let places: Vec<Place> = lanes.chain([Place::Unbound]).collect();
        for place in places {
            while self.begin_look(place) {}
        }
    }

    fn begin_look(&mut self, place: Place) -> bool {
        let Some(looks) = self.looks_of(place) else { return false };
        if looks.waiting.is_empty() || looks.n_under_way >= AT_ONCE {
            return false;
        }
        let n_objects = looks.waiting.len().min(TOGETHER);
        let waiting: Vec<_> = looks.waiting.drain(..n_objects).collect();
        // Millions may have waited at once.
        if looks.waiting.len() < looks.waiting.capacity() / 4 {
            looks.waiting.shrink_to(2 * looks.waiting.len());
        }
        let mut objects = Vec::with_capacity(waiting.len());
        for (slot, number) in waiting {
            let is_wanted =
                self.book.object_mut(slot).is_some_and(|object| object.flight_of(number).is_some());
            if is_wanted && let Some(object) = self.cold_object(slot) {
                objects.push((slot, number, object));
            }
        }
        if !objects.is_empty() {
            if let Some(looks) = self.looks_of(place) {
                looks.n_under_way += 1;
            }
            self.out.actions.push(Action::Look { place, objects });
        }
        true
    }

    /// The status of objects is known.
    pub(super) fn looked(
        &mut self,
        place: Place,
        answers: Vec<(ObjectSlot, u64, Result<ObjectStatus>)>,
        now: Now,
    ) {
        if let Some(looks) = self.looks_of(place) {
            looks.n_under_way = looks.n_under_way.saturating_sub(1);
        }
        for (slot, number, answer) in answers {
            let Some(object) = self.book.object_mut(slot) else { continue };
            let Some(flight) = object.flight_of(number) else { continue };
            if !matches!(flight.stage, Stage::Look | Stage::Checking) {
                continue;
            }
            match answer {
                Ok(status) => self.found(slot, status, now),
                Err(error) => self.not_found(slot, &error, now),
            }
        }
    }

    fn found(&mut self, slot: ObjectSlot, status: ObjectStatus, now: Now) {
        if let Some(target) = self.link_target(slot, status.links_to.as_ref()) {
            self.follow_link(slot, &target, now);
            return;
        }
        if self.has_copy_of(slot, &status) {
            if let Some((key, stamp)) = self.copy_of(slot) {
                // The last copy there is must not be evicted.
                let is_safe = status.locality != Locality::Lost;
                self.space.set_safe(&key, is_safe);
                self.keep_whether_safe(slot, is_safe);
                let shelved = |id: &ObjectId| Note::Shelved { object: id.clone(), key, stamp };
                self.out.notes.extend(self.book.object(slot).map(|object| shelved(&object.id)));
            }
            self.learn(slot, status.len_bytes, &status.version);
            self.hot(slot, now);
            return;
        }
        if self.was_replaced(slot, &status) && !self.restart_with(slot, &status, now) {
            return;
        }
        self.learn(slot, status.len_bytes, &status.version);
        let Some(object) = self.book.object(slot) else { return };
        let is_check = object.flight.as_ref().is_some_and(|flight| flight.stage == Stage::Checking);
        let is_spoilt = object.flight.as_ref().is_some_and(|flight| flight.is_spoilt);
        let lane = self.lane_of(slot);
        match (status.locality, lane) {
            (Locality::Lost, _) => self.fail(slot, ObjectState::Lost, "no copy of it is left", now),
            (Locality::Unavailable, _) => {
                self.look_again(slot, Duration::from_secs(10), "its store cannot tell where it is", now);
            }
            (Locality::Online | Locality::OnlineAndNearline, Some(lane)) if self.is_copied(lane) => {
                match is_spoilt {
                    true => self.wait_for_turn(slot, &status, now),
                    false => self.queue_landing(slot, lane, status),
                }
            }
            (Locality::Online | Locality::OnlineAndNearline, _) => {
                self.online_in_place(slot, is_check, now);
                self.learn_ending(slot, status.online_until_ns, now);
            }
            (Locality::Nearline, Some(_)) if is_check => {
                self.retry(slot, "the store says that it is staged, but it is not", None, now);
            }
            (Locality::Nearline, Some(_)) => self.wait_for_turn(slot, &status, now),
            (Locality::Nearline, None) => self.hot(slot, now),
        }
    }

    /// Notes whether the store of a copy has the object still: after a restart nobody asks it before room is made.
    fn keep_whether_safe(&mut self, slot: ObjectSlot, is_safe: bool) {
        let Some(object) = self.book.object_mut(slot) else { return };
        let Some(online) = object.copy.as_deref_mut().filter(|online| online.is_safe != is_safe) else {
            return;
        };
        online.is_safe = is_safe;
        let row = OnlineRow { object: object.id.clone(), online: online.clone() };
        self.out.ops.push(Op::Online(Box::new(row)));
    }

    /// True if the cache has this very state of an object.
    fn has_copy_of(&self, slot: ObjectSlot, status: &ObjectStatus) -> bool {
        let Some(object) = self.book.object(slot) else { return false };
        let key = CacheKey::new(&object.id, &status.version, status.len_bytes);
        self.copy_key(slot) == Some(key)
    }

    /// The key of an object's copy in the cache.
    pub(super) fn copy_key(&self, slot: ObjectSlot) -> Option<CacheKey> {
        self.copy_of(slot).map(|(key, _)| key)
    }

    /// An object's copy in the cache, and what its file looks like as long as nobody writes to it.
    pub(in crate::staging) fn copy_of(&self, slot: ObjectSlot) -> Option<(CacheKey, Stamp)> {
        let object = self.book.object(slot)?;
        let online = object.copy.as_ref()?;
        let key = CacheKey::new(&object.id, &online.version, online.len_bytes);
        Some((key, Stamp::of(&online.version, online.len_bytes)))
    }

    /// The file of a copy is not as it landed, or is gone: the object is recalled as if there had been none. Its pins
    /// stay, for the copy that comes.
    pub(super) fn damaged(&mut self, slot: ObjectSlot, flight: u64, key: CacheKey) {
        let flight = self.book.object_mut(slot).and_then(|object| object.flight_of(flight));
        let is_being_looked_at =
            flight.is_some_and(|flight| matches!(flight.stage, Stage::Look | Stage::Checking));
        if !is_being_looked_at || self.copy_key(slot) != Some(key) {
            return;
        }
        let Some(eviction) = self.space.discard(&key) else { return };
        self.copies.remove(&key);
        let Some(object) = self.book.object_mut(slot) else { return };
        object.copy = None;
        let id = object.id.clone();
        tracing::warn!(object = %id, %key, "the copy in the cache is damaged or gone, recalling the object again");
        self.out.ops.push(Op::Offline(id.clone()));
        self.out.notes.push(Note::Gone { object: id, key });
        self.out.actions.push(Action::Remove { of: None, eviction, done: None });
    }

    /// True if an object is not in the state in which its recall began.
    fn was_replaced(&self, slot: ObjectSlot, status: &ObjectStatus) -> bool {
        let Some(object) = self.book.object(slot) else { return false };
        let Some(flight) = &object.flight else { return false };
        let is_other = |version: &str| {
            version != status.version
                || object.len_bytes.is_some_and(|len_bytes| len_bytes != status.len_bytes)
        };
        object.version.as_deref().is_some_and(is_other) && flight.attempt > 0
    }

    /// Notes that an object was replaced while it was recalled. False if that is once too often.
    pub(super) fn restart_with(&mut self, slot: ObjectSlot, status: &ObjectStatus, now: Now) -> bool {
        let Some(flight) = self.book.object_mut(slot).and_then(|object| object.flight.as_deref_mut()) else {
            return false;
        };
        flight.n_changes = flight.n_changes.saturating_add(1);
        if flight.n_changes > 1 {
            self.fail(slot, ObjectState::Failed, REPLACED_AGAIN, now);
            return false;
        }
        // What was reserved was for another state.
        let number = flight.number;
        flight.stage = Stage::Look;
        self.reservations.remove(&number);
        self.to_land.remove(&number);
        tracing::info!(version = %status.version, "object was replaced while it was recalled");
        true
    }

    fn online_in_place(&mut self, slot: ObjectSlot, is_recalled: bool, now: Now) {
        let is_in_place = self
            .lane_of(slot)
            .and_then(|lane| self.lanes.get(lane))
            .is_some_and(|lane| lane.capabilities.landing == Landing::InPlace);
        if is_recalled && is_in_place {
            self.note_online(slot, false, now);
        }
        self.hot(slot, now);
    }

    /// An object is nearline: its recall queues.
    fn wait_for_turn(&mut self, slot: ObjectSlot, status: &ObjectStatus, now: Now) {
        let Some(object) = self.book.object_mut(slot) else { return };
        let waiting: Vec<Interest> = object.waiting().copied().collect();
        if let Some(flight) = object.flight.as_deref_mut() {
            flight.stage = Stage::Waiting;
            // Room is for what is under way: of what waits, those that come first need it.
            self.reservations.remove(&flight.number);
        }
        self.forget_in_place(slot);
        self.set_state(slot, ObjectState::Queued, now);
        for interest in waiting {
            self.schedule(slot, interest, status.place.clone(), now);
        }
    }

    fn not_found(&mut self, slot: ObjectSlot, error: &Error, now: Now) {
        let reason = error.to_string();
        match error.kind() {
            ErrorKind::NotFound => {
                self.try_other_names(slot, now);
                self.fail_if_wanted(slot, ObjectState::Failed, reason, now);
            }
            ErrorKind::Lost => self.fail(slot, ObjectState::Lost, reason, now),
            ErrorKind::Refused | ErrorKind::InvalidInput | ErrorKind::Unsupported | ErrorKind::TooLarge => {
                self.fail(slot, ObjectState::Failed, reason, now);
            }
            // What is in the cache can be read while its store does not answer.
            _ if self.copy_key(slot).is_some() => self.hot(slot, now),
            ErrorKind::Unavailable { retry_after }
            | ErrorKind::Changed { retry_after }
            | ErrorKind::OverQuota { retry_after } => {
                self.look_again(slot, retry_after, &reason, now);
            }
            // A mistake of the store says nothing of the object.
            ErrorKind::NotStaged | ErrorKind::RecallFailed | ErrorKind::Corrupt | ErrorKind::Internal => {
                self.retry(slot, &reason, None, now);
            }
        }
    }

    /// Spellings that may mean several objects mean the next one, if this one does not exist.
    fn try_other_names(&mut self, slot: ObjectSlot, now: Now) {
        let Some(object) = self.book.object(slot) else { return };
        let waiting: Vec<Interest> = object.waiting().copied().collect();
        let (counted, state) =
            (object.len_bytes.unwrap_or_default(), object.flight.as_ref().map(|flight| flight.state));
        for interest in waiting {
            let Some(request) = self.book.request_mut(interest.request) else { continue };
            let Some(mut names) = request.alternates.remove(&interest.position) else { continue };
            if names.is_empty() {
                continue;
            }
            let next = names.remove(0);
            request.alternates.insert(interest.position, names);
            if let Some(tally) = state.and_then(|state| request.tallies.get_mut(state as usize)) {
                tally.bytes = tally.bytes.saturating_sub(counted);
            }
            self.book.remove_interest(slot, interest.request, interest.position);
            let place = self.place_of(&next);
            let other = self.book.intern(&next, place);
            self.want(other, interest, now);
        }
    }

    fn fail_if_wanted(&mut self, slot: ObjectSlot, state: ObjectState, reason: String, now: Now) {
        let is_wanted = self.book.object(slot).is_some_and(|object| object.waiting().next().is_some());
        match is_wanted {
            true => self.fail_as(slot, (state, ErrorKind::Lost), reason, now),
            false => self.give_up(slot, now),
        }
    }

    /// Asks once more after a while.
    fn look_again(&mut self, slot: ObjectSlot, after: Duration, why: &str, now: Now) {
        let Some(flight) = self.book.object_mut(slot).and_then(|object| object.flight.as_deref_mut()) else {
            return;
        };
        flight.extra.why = Some(Arc::from(why));
        self.rest(slot, after.clamp(Duration::from_secs(1), Duration::from_secs(600)), now);
    }
}
