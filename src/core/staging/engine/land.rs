//! Objects that are online at their store are copied into the cache.

use std::time::Duration;

use super::hand_out::LOOK_FOR_SPACE_NS;
use super::{Action, Engine, LandOutcome, Note, Now};
use crate::ErrorKind;
use crate::cold::{ObjectId, ObjectStatus};
use crate::staging::ObjectState;
use crate::staging::book::{ObjectSlot, Online, Stage};
use crate::staging::cache::CacheKey;
use crate::staging::landing::{LandCause, LandFailure};
use crate::staging::tables::{OnlineRow, Op};

/// Why a recall is given up.
pub(super) const REPLACED_AGAIN: &str =
    "it was replaced while it was recalled, and again when that was begun anew";

impl Engine {
    /// An object is online at its store: it is to be copied.
    pub(super) fn queue_landing(&mut self, slot: ObjectSlot, lane: usize, status: ObjectStatus) {
        let Some(flight) = self.book.object_mut(slot).and_then(|object| object.flight.as_deref_mut()) else {
            return;
        };
        flight.stage = Stage::ToLand;
        let number = flight.number;
        let is_urgent = !flight.extra.readers.is_empty();
        self.to_land.insert(number, status);
        let has_space = self.reservations.contains_key(&number);
        let Some(lane) = self.lanes.get_mut(lane) else { return };
        let queue = if has_space { &mut lane.landings } else { &mut lane.landings_without_space };
        match is_urgent {
            true => queue.push_front((slot, number)),
            false => queue.push_back((slot, number)),
        }
    }

    pub(super) fn begin_landings(&mut self, lane: usize, now: Now) {
        loop {
            let Some(store) = self.lanes.get_mut(lane) else { return };
            if store.n_landing >= self.settings.landings_at_once.max(1) {
                return;
            }
            let next = store.landings.pop_front().or_else(|| store.landings_without_space.pop_front());
            let Some((slot, number)) = next else { return };
            if !self.begin_landing(lane, slot, number, now) {
                if let Some(store) = self.lanes.get_mut(lane) {
                    store.landings_without_space.push_front((slot, number));
                    store.no_space_until_ns = Some(now.steady_ns.saturating_add(LOOK_FOR_SPACE_NS));
                }
                return;
            }
        }
    }

    /// Begins to copy an object. False if there is no space for it at present.
    fn begin_landing(&mut self, lane: usize, slot: ObjectSlot, number: u64, now: Now) -> bool {
        let Some(object) = self.cold_object(slot) else { return true };
        let is_it = |flight: &mut crate::staging::book::Flight| flight.stage == Stage::ToLand;
        if !self.book.object_mut(slot).and_then(|object| object.flight_of(number)).is_some_and(is_it) {
            return true;
        }
        let Some(status) = self.to_land.get(&number).cloned() else { return true };
        let key = CacheKey::of(&object, &status);
        if self.discarding.contains(&key) {
            self.reservations.remove(&number);
            return false;
        }
        let reserved = self.reservations.remove(&number);
        let reservation = match reserved.filter(|reserved| *reserved.key() == key) {
            Some(reservation) => reservation,
            None => match self.space.reserve(key, status.len_bytes) {
                Ok(reservation) => reservation,
                Err(no_space) => {
                    let Some(reason) = self.no_space(no_space) else { return false };
                    self.fail(slot, ObjectState::Failed, reason, now);
                    return true;
                }
            },
        };
        self.to_land.remove(&number);
        if let Some(flight) = self.book.object_mut(slot).and_then(|object| object.flight_of(number)) {
            flight.stage = Stage::Landing;
            flight.extra.done_bytes = Some(0);
            // Of a state that is no more, parts are of no use.
            if let Some(old) = flight.extra.parts.replace(key).filter(|old| *old != key) {
                self.discard(&object.id, old);
            }
        }
        if let Some(lane) = self.lanes.get_mut(lane) {
            lane.n_landing += 1;
        }
        self.set_state(slot, ObjectState::Active, now);
        self.out.actions.push(Action::Land { lane, slot, flight: number, object, status, reservation });
        true
    }

    /// How far the copying of an object is. When all bytes are there, they are being checked.
    pub(super) fn landed_so_far(&mut self, slot: ObjectSlot, number: u64, done_bytes: u64, now: Now) {
        let Some(object) = self.book.object_mut(slot) else { return };
        let len_bytes = object.len_bytes;
        let Some(flight) = object.flight_of(number).filter(|flight| flight.stage == Stage::Landing) else {
            return;
        };
        flight.extra.done_bytes = Some(done_bytes);
        if len_bytes.is_some_and(|len_bytes| done_bytes >= len_bytes) {
            self.set_state(slot, ObjectState::Verifying, now);
        }
    }

    /// An object was copied, or not. False if nobody wants it any more.
    pub(super) fn landed(&mut self, slot: ObjectSlot, number: u64, outcome: LandOutcome, now: Now) -> bool {
        let flight = self.book.object_mut(slot).and_then(|object| object.flight_of(number));
        if flight.is_none_or(|flight| flight.stage != Stage::Landing) {
            return false;
        }
        match outcome {
            Ok((landed, reservation)) => {
                self.drop_old_copy(slot);
                self.note_online(slot, true, now);
                let (Some(object), Some((_, stamp))) = (self.book.object(slot), self.copy_of(slot)) else {
                    return false;
                };
                let (id, key) = (object.id.clone(), landed.key);
                self.copies.insert(key, slot);
                self.out.notes.push(Note::Landed { slot, object: id, key, stamp, reservation });
                self.hot(slot, now);
            }
            Err(failed) => {
                let (failure, kept) = *failed;
                if let Some(flight) = self.book.object_mut(slot).and_then(|object| object.flight_of(number)) {
                    flight.extra.parts = flight.extra.parts.take().filter(|_| failure.cause.keeps_parts());
                }
                self.reservations.extend(kept.map(|kept| (number, kept)));
                self.not_landed(slot, &failure, now);
            }
        }
        true
    }

    fn not_landed(&mut self, slot: ObjectSlot, failure: &LandFailure, now: Now) {
        let why = failure.to_string();
        match failure.cause {
            LandCause::Lost => self.fail(slot, ObjectState::Lost, why, now),
            LandCause::Gone => self.fail_as(slot, (ObjectState::Failed, ErrorKind::Lost), why, now),
            LandCause::Refused => self.fail(slot, ObjectState::Failed, why, now),
            LandCause::Corrupt => self.stage_anew(slot, &why, now),
            LandCause::Retryable { after } => self.retry(slot, &why, after, now),
            LandCause::Stalled | LandCause::CacheDisk => self.retry(slot, &why, None, now),
            LandCause::Changed => self.replaced_meanwhile(slot, now),
            LandCause::NoSpace => {
                self.space.disk_is_full();
                self.needed_bytes = self
                    .needed_bytes
                    .max(self.book.object(slot).and_then(|object| object.len_bytes).unwrap_or(1));
                self.rest(slot, Duration::from_secs(5), now);
            }
            LandCause::Cancelled => self.rest(slot, Duration::from_secs(1), now),
        }
    }

    /// An object was replaced while it was copied: that is begun anew, once.
    fn replaced_meanwhile(&mut self, slot: ObjectSlot, now: Now) {
        let Some(object) = self.book.object_mut(slot) else { return };
        let Some(flight) = object.flight.as_deref_mut() else { return };
        flight.n_changes = flight.n_changes.saturating_add(1);
        if flight.n_changes > 1 {
            self.fail(slot, ObjectState::Failed, REPLACED_AGAIN, now);
            return;
        }
        // Whatever state is found next, the change to it has been counted.
        object.version = None;
        self.rest(slot, Duration::from_secs(1), now);
    }

    /// The copy that a store has staged of an object is damaged: the store is told to forget it, if it can, and
    /// makes another one.
    fn stage_anew(&mut self, slot: ObjectSlot, why: &str, now: Now) {
        let lane = self.lane_of(slot);
        let can_release =
            |lane: &usize| self.lanes.get(*lane).is_some_and(|lane| lane.capabilities.can_release);
        let Some(lane) = lane.filter(can_release) else {
            self.fail_as(slot, (ObjectState::Failed, ErrorKind::Corrupt), why, now);
            return;
        };
        self.retry_as(slot, ErrorKind::Corrupt, (why, None), now);
        let Some(object) = self.book.object_mut(slot) else { return };
        if let Some(flight) = object.flight.as_deref_mut() {
            flight.is_spoilt = true;
            self.out.actions.push(Action::Release { lane, object: object.id.clone() });
        }
    }

    /// Removes what a landing left behind, unless the object is wanted in the same state: then it is of use.
    pub(super) fn discard(&mut self, object: &ObjectId, key: CacheKey) {
        let flight = self.book.find(object).and_then(|object| object.flight.as_ref());
        let is_wanted = flight.is_some_and(|flight| flight.extra.parts == Some(key));
        if !is_wanted && !self.copies.contains_key(&key) && self.discarding.insert(key) {
            self.out.actions.push(Action::Discard { key });
        }
    }

    /// A landing has ended that nobody waits for any more. What it left behind is of use to a recall that has begun
    /// since, if that finds the object in the same state.
    pub(super) fn landed_for_nobody(&mut self, object: &ObjectId, key: CacheKey) {
        let flight =
            self.book.slot(object).and_then(|slot| self.book.object_mut(slot)?.flight.as_deref_mut());
        if let Some(flight) = flight {
            flight.extra.parts.get_or_insert(key);
        }
        self.discard(object, key);
    }

    /// Notes that an object is online because of a recall, in the state in which it was seen last.
    pub(super) fn note_online(&mut self, slot: ObjectSlot, is_copied: bool, now: Now) {
        let Some(object) = self.book.object_mut(slot) else { return };
        let online = Online {
            version: object.version.clone().unwrap_or_default(),
            len_bytes: object.len_bytes.unwrap_or_default(),
            since_ns: now.wall_ns,
            is_copied,
            is_safe: true,
        };
        object.copy = is_copied.then(|| Box::new(online.clone()));
        self.out.ops.push(Op::Online(Box::new(OnlineRow { object: object.id.clone(), online })));
    }
}
