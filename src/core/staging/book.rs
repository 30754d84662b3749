//! What the engine has in memory: objects that somebody wants or that are in the cache, and the requests that
//! want them.
//!
//! A request that has ended and holds no pin is in the database only.

use std::collections::HashMap;
use std::num::NonZeroI64;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use slab::Slab;
use smallvec::SmallVec;
use thermocline_model::DatasetId;

use super::cache::CacheKey;
use super::keyed::Keyed;
use super::{Face, ObjectState, Owner, RequestId, RequestState, Tally};
use crate::cold::ObjectId;

/// Position of an object in the book.
pub(super) type ObjectSlot = u32;

/// Position of a request in the book.
pub(super) type RequestSlot = u32;

/// No object.
const NONE: ObjectSlot = ObjectSlot::MAX;

/// Objects and requests.
#[derive(Debug, Default)]
pub(super) struct Book {
    objects: Slab<Object>,
    by_id: Keyed,
    requests: Slab<LiveRequest>,
    by_number: HashMap<i64, RequestSlot>,
    n_flights: u64,
    /// Copies of pinned objects that end by themselves.
    pub(super) endings: HashMap<ObjectSlot, Ending>,
    /// When pins end that wait for their object to be recalled again, by request and position.
    again: HashMap<(RequestSlot, u32), i64>,
}

/// When the copy of an object ends by itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ending {
    /// In nanoseconds since 1970; `None` until its store has been asked.
    pub(super) online_until_ns: Option<i64>,
    /// When its store told so.
    pub(super) seen_ns: i64,
    /// The check that is due next; older ones count no more.
    pub(super) check: u64,
    /// How often in a row it could not be made to last.
    pub(super) n_failed: u32,
}

/// On which store an object lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Place {
    /// On none: it is read where it is.
    Unbound,
    /// On the store of this number.
    Store(u16),
    /// Its root is not declared any more.
    Undeclared,
}

/// An object that somebody wants, or that is in the cache.
#[derive(Debug)]
pub(super) struct Object {
    pub(super) id: ObjectId,
    pub(super) place: Place,
    pub(super) len_bytes: Option<u64>,
    /// The state in which it was seen last.
    pub(super) version: Option<Box<str>>,
    /// Its copy in the cache. Of what is online in place nothing is kept here: there may be millions.
    pub(super) copy: Option<Box<Online>>,
    pub(super) flight: Option<Box<Flight>>,
    pub(super) interests: SmallVec<[Interest; 1]>,
}

/// An object that is online because of a recall.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Online {
    pub(super) version: Box<str>,
    pub(super) len_bytes: u64,
    pub(super) since_ns: i64,
    /// It was copied into the cache; else it is where it always was.
    pub(super) is_copied: bool,
    /// Its store has a copy too, as far as is known: else it must not be evicted.
    pub(super) is_safe: bool,
}

/// What a request wants of an object.
#[derive(Debug, Clone, Copy)]
pub(super) struct Interest {
    pub(super) request: RequestSlot,
    pub(super) position: u32,
    pub(super) hold: Hold,
}

/// How far the interest is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hold {
    /// The recall has not ended.
    Waiting,
    /// The object is online for it until then, at least.
    Pinned { until: PinEnd },
}

/// When a pin ends. Never 0, so that millions of [`Hold`]s take no more room than the time itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PinEnd(NonZeroI64);

impl PinEnd {
    /// At a time in nanoseconds since 1970, whose beginning counts as long ago.
    pub(super) fn at(time_ns: i64) -> Self {
        Self(NonZeroI64::new(time_ns).unwrap_or(NonZeroI64::MIN))
    }

    /// In nanoseconds since 1970.
    pub(super) fn ns(self) -> i64 {
        self.0.get()
    }
}

/// How far a recall is at its store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AtStore {
    /// In the store's own queue.
    Queued,
    /// Accepted: it may wait, or be read.
    Accepted,
    /// Not told of yet: it may be read.
    Untold,
    /// Being read.
    Read,
}

impl AtStore {
    /// True if it is being read, as far as is known.
    pub(super) fn may_be_read(self) -> bool {
        matches!(self, Self::Untold | Self::Read)
    }
}

/// The recall of an object, from the first question to its end.
#[derive(Debug)]
pub(super) struct Flight {
    /// Tells it from other recalls of the same object.
    pub(super) number: u64,
    pub(super) stage: Stage,
    /// As whom it may concern is told.
    pub(super) state: ObjectState,
    pub(super) since_ns: i64,
    /// When it began, on the time of watchdogs.
    pub(super) began_ns: i64,
    /// Attempts that were begun at the store or failed before.
    pub(super) attempt: u32,
    /// Whether the attempt under way is one of them.
    pub(super) is_counted: bool,
    /// Whether it may come by the dearer way of what somebody waits for: who began it has paid for that, or somebody wants
    /// it who may spend any sum. Not kept: after a restart nobody is known to have paid.
    pub(super) may_be_dear: bool,
    /// How often the object was found replaced.
    pub(super) n_changes: u8,
    pub(super) at_store: AtStore,
    /// The copy that its store has staged is damaged: it is staged anew before it is read again.
    pub(super) is_spoilt: bool,
    /// Whether the database knows of it.
    pub(super) is_written: bool,
    /// What most recalls have not.
    pub(super) extra: Extra,
}

/// What a recall has once it is made, has failed, or is waited for by readers: one word in each of the millions that only
/// wait. Writing to it makes it.
#[derive(Debug, Default)]
pub(super) struct Extra(Option<Box<Details>>);

/// The same.
#[derive(Debug)]
pub(super) struct Details {
    pub(super) done_bytes: Option<u64>,
    /// Under which key parts of the object may lie in the cache.
    pub(super) parts: Option<CacheKey>,
    /// Why the last attempt failed.
    pub(super) why: Option<Arc<str>>,
    /// How often its store was too busy to take it.
    pub(super) n_busy: u32,
    /// The requests of the readers that wait for it: one for each owner.
    pub(super) readers: Vec<RequestSlot>,
}

impl Details {
    /// Of a recall that has none of it.
    const NONE: Self = Self { done_bytes: None, parts: None, why: None, n_busy: 0, readers: Vec::new() };
}

static NO_DETAILS: Details = Details::NONE;

impl Extra {
    pub(super) fn forget_reader(&mut self, request: RequestSlot) {
        if let Some(details) = &mut self.0 {
            details.readers.retain(|known| *known != request);
        }
    }

    pub(super) fn forget_progress(&mut self) {
        if let Some(details) = &mut self.0 {
            details.done_bytes = None;
        }
    }

    pub(super) fn set_why(&mut self, why: Option<Arc<str>>) {
        if self.why != why {
            self.deref_mut().why = why;
        }
    }
}

impl Deref for Extra {
    type Target = Details;

    fn deref(&self) -> &Details {
        self.0.as_deref().unwrap_or(&NO_DETAILS)
    }
}

impl DerefMut for Extra {
    fn deref_mut(&mut self) -> &mut Details {
        self.0.get_or_insert_with(|| Box::new(Details::NONE))
    }
}

impl Flight {
    /// Number of the attempt that is under way or comes next, from 1.
    pub(super) fn n_attempt(&self) -> u32 {
        self.attempt.saturating_add(u32::from(!self.is_counted))
    }
}

/// What a recall does at present.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Its object's status is to be asked, or is being asked.
    Look,
    /// It is in the queue of its store.
    Waiting,
    /// It is part of a batch that is being given to its store.
    HandedOut { batch: u64 },
    /// Its store is bringing the object online.
    Active { batch: u64 },
    /// Its store says that it is done: it is being looked at.
    Checking,
    /// It waits for room in the cache, or for its turn, to be copied.
    ToLand,
    /// It is being copied.
    Landing,
    /// It has failed and will be tried again.
    Resting,
}

impl Stage {
    /// The batch that it is part of.
    pub(super) fn batch(self) -> Option<u64> {
        match self {
            Self::HandedOut { batch } | Self::Active { batch } => Some(batch),
            Self::Look | Self::Waiting | Self::Checking | Self::ToLand | Self::Landing | Self::Resting => {
                None
            }
        }
    }
}

/// A request that has not ended, or holds pins.
#[derive(Debug)]
pub(super) struct LiveRequest {
    pub(super) number: i64,
    pub(super) id: RequestId,
    pub(super) owner: Owner,
    pub(super) face: Face,
    pub(super) priority: u8,
    pub(super) lifetime: Duration,
    pub(super) dataset: Option<DatasetId>,
    pub(super) tallies: [Tally; 8],
    pub(super) is_cancelled: bool,
    pub(super) reason: Option<Arc<str>>,
    /// The first objects that could not be brought online since the server began, for the log.
    pub(super) failed: Vec<ObjectId>,
    pub(super) started_ns: Option<i64>,
    pub(super) finished_ns: Option<i64>,
    pub(super) expires_ns: Option<i64>,
    /// Pins last until then at least: what extending sets.
    pub(super) pins_until_ns: i64,
    /// Other names that a spelling may mean, by position.
    pub(super) alternates: HashMap<u32, Vec<ObjectId>>,
    /// Object of each position that waits or is pinned.
    objects: Vec<ObjectSlot>,
    /// State in the database, to tell when it changes.
    pub(super) told: RequestState,
    /// When its counts were told last, on the engine's steady time.
    pub(super) progress_ns: i64,
    /// Whether objects of it are still to be taken into the book.
    pub(super) is_being_admitted: bool,
}

impl LiveRequest {
    /// Its state, as its objects are.
    pub(super) fn state(&self) -> RequestState {
        let n = |state: ObjectState| self.tallies.get(state as usize).map_or(0, |tally| tally.n);
        let n_open = n(ObjectState::Queued) + n(ObjectState::Active) + n(ObjectState::Verifying);
        if self.is_cancelled {
            return RequestState::Cancelled;
        }
        if n_open > 0 {
            return if self.started_ns.is_some() { RequestState::Active } else { RequestState::Queued };
        }
        let n_good = n(ObjectState::Hot) + n(ObjectState::Released);
        let n_bad = n(ObjectState::Failed) + n(ObjectState::Lost);
        match (n_good, n_bad) {
            (0, 0) => RequestState::Cancelled,
            (0, _) => RequestState::Failed,
            (_, 0) => RequestState::Succeeded,
            _ => RequestState::Partial,
        }
    }

    /// True if nothing of it waits.
    pub(super) fn is_settled(&self) -> bool {
        ObjectState::ALL.iter().zip(&self.tallies).all(|(state, tally)| state.is_settled() || tally.n == 0)
    }

    /// True if it waits for nothing and pins nothing.
    pub(super) fn is_over(&self) -> bool {
        self.is_settled() && self.n_hot() == 0
    }

    /// Number of its pins.
    pub(super) fn n_hot(&self) -> u64 {
        self.tallies.get(ObjectState::Hot as usize).map_or(0, |tally| tally.n)
    }

    /// Counts an object in another state, `None` for one that is new.
    pub(super) fn count(&mut self, from: Option<ObjectState>, to: ObjectState, len_bytes: u64) {
        if let Some(tally) = from.and_then(|from| self.tallies.get_mut(from as usize)) {
            tally.n = tally.n.saturating_sub(1);
            tally.bytes = tally.bytes.saturating_sub(len_bytes);
        }
        if let Some(tally) = self.tallies.get_mut(to as usize) {
            tally.n += 1;
            tally.bytes = tally.bytes.saturating_add(len_bytes);
        }
    }

    /// The object at a position, if it waits or is pinned.
    pub(super) fn object(&self, position: u32) -> Option<ObjectSlot> {
        self.objects.get(position as usize).copied().filter(|slot| *slot != NONE)
    }

    /// Number of positions that were taken in.
    pub(super) fn n_positions(&self) -> usize {
        self.objects.len()
    }

    /// The first position at or after this one whose object waits or is pinned.
    pub(super) fn next_held(&self, position: u32) -> Option<u32> {
        let rest = self.objects.get(position as usize..)?;
        let ahead = rest.iter().position(|slot| *slot != NONE)?;
        u32::try_from(ahead).ok()?.checked_add(position)
    }

    pub(super) fn set_object(&mut self, position: u32, slot: Option<ObjectSlot>) {
        let place = position as usize;
        if place >= self.objects.len() {
            if slot.is_none() {
                return;
            }
            self.objects.resize(place + 1, NONE);
        }
        if let Some(at) = self.objects.get_mut(place) {
            *at = slot.unwrap_or(NONE);
        }
    }
}

/// What a live request is made of when it is new.
#[derive(Debug, Clone)]
pub(super) struct RequestHead {
    pub(super) number: i64,
    pub(super) id: RequestId,
    pub(super) owner: Owner,
    pub(super) face: Face,
    pub(super) priority: u8,
    pub(super) lifetime: Duration,
    pub(super) dataset: Option<DatasetId>,
}

impl LiveRequest {
    pub(super) fn new(head: RequestHead) -> Self {
        Self {
            number: head.number,
            id: head.id,
            owner: head.owner,
            face: head.face,
            priority: head.priority,
            lifetime: head.lifetime,
            dataset: head.dataset,
            tallies: [Tally::default(); 8],
            is_cancelled: false,
            reason: None,
            failed: Vec::new(),
            started_ns: None,
            finished_ns: None,
            expires_ns: None,
            pins_until_ns: i64::MIN,
            alternates: HashMap::new(),
            objects: Vec::new(),
            told: RequestState::Queued,
            progress_ns: i64::MIN,
            is_being_admitted: false,
        }
    }
}

impl Object {
    /// Requests that wait for it.
    pub(super) fn waiting(&self) -> impl Iterator<Item = &Interest> {
        self.interests.iter().filter(|interest| interest.hold == Hold::Waiting)
    }

    pub(super) fn is_pinned(&self) -> bool {
        self.interests.iter().any(|interest| interest.hold != Hold::Waiting)
    }

    pub(super) fn n_pins(&self) -> u32 {
        self.interests.iter().filter(|interest| interest.hold != Hold::Waiting).count() as u32
    }

    pub(super) fn add_interest(&mut self, interest: Interest) {
        self.interests.push(interest);
    }

    /// The flight, if it is the one of that number.
    pub(super) fn flight_of(&mut self, number: u64) -> Option<&mut Flight> {
        self.flight.as_deref_mut().filter(|flight| flight.number == number)
    }
}

impl Book {
    /// The position of an object, which is added if it is new.
    pub(super) fn intern(&mut self, id: &ObjectId, place: Place) -> ObjectSlot {
        if let Some(slot) = self.slot(id) {
            return slot;
        }
        let slot = self.objects.insert(Object {
            id: id.clone(),
            place,
            len_bytes: None,
            version: None,
            copy: None,
            flight: None,
            interests: SmallVec::new(),
        }) as ObjectSlot;
        self.by_id.insert(slot, |slot| id_at(&self.objects, slot));
        slot
    }

    pub(super) fn slot(&self, id: &ObjectId) -> Option<ObjectSlot> {
        self.by_id.get(id, |slot| id_at(&self.objects, slot))
    }

    pub(super) fn find(&self, id: &ObjectId) -> Option<&Object> {
        self.object(self.slot(id)?)
    }

    pub(super) fn object(&self, slot: ObjectSlot) -> Option<&Object> {
        self.objects.get(slot as usize)
    }

    pub(super) fn object_mut(&mut self, slot: ObjectSlot) -> Option<&mut Object> {
        self.objects.get_mut(slot as usize)
    }

    pub(super) fn objects(&self) -> impl Iterator<Item = (ObjectSlot, &Object)> {
        self.objects.iter().map(|(slot, object)| (slot as ObjectSlot, object))
    }

    /// Beyond the last position that an object may have.
    pub(super) fn objects_end(&self) -> usize {
        self.objects.capacity()
    }

    /// Forgets an object that nobody wants and that is not in the cache.
    pub(super) fn tidy(&mut self, slot: ObjectSlot) {
        let Some(object) = self.object(slot) else { return };
        if object.flight.is_none() && object.interests.is_empty() && object.copy.is_none() {
            let object = self.objects.remove(slot as usize);
            self.by_id.remove(&object.id, slot);
            self.endings.remove(&slot);
        }
    }

    pub(super) fn add_request(&mut self, head: RequestHead) -> RequestSlot {
        let number = head.number;
        let slot = self.requests.insert(LiveRequest::new(head)) as RequestSlot;
        self.by_number.insert(number, slot);
        slot
    }

    pub(super) fn request_slot(&self, number: i64) -> Option<RequestSlot> {
        self.by_number.get(&number).copied()
    }

    pub(super) fn request(&self, slot: RequestSlot) -> Option<&LiveRequest> {
        self.requests.get(slot as usize)
    }

    pub(super) fn request_mut(&mut self, slot: RequestSlot) -> Option<&mut LiveRequest> {
        self.requests.get_mut(slot as usize)
    }

    pub(super) fn forget_request(&mut self, slot: RequestSlot) {
        if let Some(request) = self.requests.try_remove(slot as usize) {
            self.by_number.remove(&request.number);
        }
    }

    pub(super) fn requests(&self) -> impl Iterator<Item = (RequestSlot, &LiveRequest)> {
        self.requests.iter().map(|(slot, request)| (slot as RequestSlot, request))
    }

    /// True if the copy of an object has ended, as far as its store has told.
    pub(super) fn has_ended(&self, slot: ObjectSlot, wall_ns: i64) -> bool {
        let until_ns = self.endings.get(&slot).and_then(|ending| ending.online_until_ns);
        until_ns.is_some_and(|until_ns| until_ns <= wall_ns)
    }

    /// Keeps in mind when a pin ends whose object has to be recalled again.
    pub(super) fn keep_pin_end(&mut self, request: RequestSlot, position: u32, until_ns: i64) {
        self.again.insert((request, position), until_ns);
    }

    /// When a pin ends whose object is being recalled again.
    pub(super) fn kept_pin_end(&self, request: RequestSlot, position: u32) -> Option<i64> {
        if self.again.is_empty() { None } else { self.again.get(&(request, position)).copied() }
    }

    /// The same; it is kept in mind no more.
    pub(super) fn take_pin_end(&mut self, request: RequestSlot, position: u32) -> Option<i64> {
        if self.again.is_empty() { None } else { self.again.remove(&(request, position)) }
    }

    /// A number that no recall has had.
    pub(super) fn next_flight(&mut self) -> u64 {
        self.n_flights += 1;
        self.n_flights
    }

    /// Takes an interest away. True if there was one.
    pub(super) fn remove_interest(
        &mut self,
        slot: ObjectSlot,
        request: RequestSlot,
        position: u32,
    ) -> Option<Interest> {
        self.take_pin_end(request, position);
        if let Some(request) = self.requests.get_mut(request as usize) {
            request.set_object(position, None);
        }
        let object = self.objects.get_mut(slot as usize)?;
        let is_it = |interest: &Interest| interest.request == request && interest.position == position;
        let place = object.interests.iter().position(is_it)?;
        Some(object.interests.swap_remove(place))
    }
}

fn id_at(objects: &Slab<Object>, slot: ObjectSlot) -> Option<&ObjectId> {
    objects.get(slot as usize).map(|object| &object.id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn millions_of_objects_and_recalls_are_small() {
        assert!(size_of::<Object>() <= 120, "{}", size_of::<Object>());
        assert!(size_of::<Flight>() <= 64, "{}", size_of::<Flight>());
    }
}
