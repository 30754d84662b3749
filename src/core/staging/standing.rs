//! How objects stand, whoever wants them: for catalogs, which tell it of many datasets and never wait.

use std::sync::{Arc, Weak};

use parking_lot::RwLock;

use super::book::{AtStore, Hold, ObjectSlot, Place, Stage};
use super::engine::{Engine, Now};
use super::tables::{Acceptance, Op};
use super::{ObjectState, RequestId, Shared, Staging};
use crate::cold::{Landing, ObjectId};

/// Objects that are looked at before the engine may go on.
const TOGETHER: usize = 256;

/// How far the recall of an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Phase {
    /// Accepted; nothing was done yet.
    Accepted,
    /// It waits: for a drive, for a quota, in the queue of its store, for another attempt.
    Waiting,
    /// Its bytes are being brought back.
    Coming,
}

/// How an object stands, as far as the engine knows without asking anybody.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// How far its recall is; `None` without one.
    pub phase: Option<Phase>,
    /// Whether it is known that it can be read now. Of objects in place more are than is known.
    pub is_online: bool,
    /// The newest of the requests that wait for it or pin it.
    pub request: Option<RequestId>,
    /// When its last pin ends, in nanoseconds since 1970.
    pub pinned_until_ns: Option<i64>,
}

/// Is told of changes of objects, at once: it must not wait, and not take long.
pub trait Onlooker: Send + Sync {
    /// A request was accepted for these objects, and is durable. Who asked for it was not told yet.
    fn accepted(&self, request: &RequestId, objects: &mut dyn Iterator<Item = &ObjectId>);

    /// An object came into this state for a request, at this time in nanoseconds since 1970; that is durable.
    fn changed(&self, object: &ObjectId, state: ObjectState, since_ns: i64);

    /// An object was made cold.
    fn went_offline(&self, object: &ObjectId);
}

/// The place of the onlooker.
#[derive(Default)]
pub(super) struct OnlookerPlace(RwLock<Option<Weak<dyn Onlooker>>>);

impl OnlookerPlace {
    pub(super) fn get(&self) -> Option<Arc<dyn Onlooker>> {
        self.0.read().as_ref()?.upgrade()
    }
}

impl Staging {
    /// Tells somebody of all changes of objects from now on, as long as they live, and nobody else.
    pub fn set_onlooker(&self, onlooker: Weak<dyn Onlooker>) {
        *self.shared.onlooker.0.write() = Some(onlooker);
    }

    /// How objects stand, in order.
    pub fn standings(&self, objects: &[ObjectId]) -> Vec<Standing> {
        let mut standings = Vec::with_capacity(objects.len());
        // Locked for some at a time: the engine goes on between them.
        for some in objects.chunks(TOGETHER) {
            let engine = self.shared.engine.lock();
            standings.extend(some.iter().map(|id| self.shared.standing(&engine, id)));
        }
        standings
    }

    /// How the objects stand that are wanted or online because of a recall: some of them, from a place on, which is 0
    /// at first. With the place where to go on; `None` at the end. Objects that come meanwhile may be left out.
    pub fn standings_from(&self, place: usize) -> (Vec<(ObjectId, Standing)>, Option<usize>) {
        let engine = self.shared.engine.lock();
        let end = place.saturating_add(TOGETHER);
        let slots = (place..end).filter_map(|slot| ObjectSlot::try_from(slot).ok());
        let objects = slots.filter_map(|slot| engine.book.object(slot));
        let standings =
            objects.map(|object| (object.id.clone(), self.shared.standing(&engine, &object.id))).collect();
        (standings, Some(end).filter(|end| *end < engine.book.objects_end()))
    }

    /// The object that an address means; `None` for what lies below no root of a cold store, or names no object.
    pub fn cold_object(&self, href: &str) -> Option<ObjectId> {
        self.shared.bound(href).ok().flatten().map(|(id, _)| id)
    }

    /// True for objects that come online where they are: only their store knows whether they are.
    pub fn is_in_place(&self, object: &ObjectId) -> bool {
        let store = self.namespace().store_of(object);
        let lane = self.shared.parts.stores.iter().position(|known| Some(&known.name) == store);
        lane.is_some_and(|lane| self.shared.landing_of(lane) == Landing::InPlace)
    }
}

impl Shared {
    fn standing(&self, engine: &Engine, id: &ObjectId) -> Standing {
        let now = self.now();
        let slot = engine.book.slot(id);
        let mut standing = slot.and_then(|slot| engine.standing(slot, now)).unwrap_or_default();
        standing.is_online |= standing.phase.is_none() && self.seen.get(id, now).is_some();
        standing.is_online |= self.shelf.get(id).is_some();
        standing
    }

    /// Tells the onlooker of objects whose copies have ended by themselves.
    pub(super) fn tell_of_ends(&self) {
        let ended = self.seen.ended(self.now());
        let Some(onlooker) = self.onlooker.get() else { return };
        ended.iter().for_each(|id| onlooker.went_offline(id));
    }

    /// Tells the onlooker of an object that is found not to be online any more.
    pub(super) fn tell_of_end(&self, object: &ObjectId) {
        if let Some(onlooker) = self.onlooker.get() {
            onlooker.went_offline(object);
        }
    }

    /// Tells the onlooker of what was written.
    pub(super) fn tell_onlooker(&self, ops: &[Op]) {
        let Some(onlooker) = self.onlooker.get() else { return };
        for op in ops {
            match op {
                Op::Object(row) => onlooker.changed(&row.object, row.state, row.since_ns),
                Op::Offline(object) => onlooker.went_offline(object),
                Op::NewRequest(_)
                | Op::Request(_)
                | Op::Recall(_)
                | Op::RecallEnded(_)
                | Op::Online(_)
                | Op::Activity(..) => {}
            }
        }
    }
}

/// Tells the onlooker of a request before anybody else.
pub(super) fn tell_accepted(onlooker: Option<&dyn Onlooker>, acceptance: &Acceptance) {
    let Some(onlooker) = onlooker else { return };
    let mut meant = acceptance.rows.iter().filter_map(|row| row.objects.as_ref().ok()?.first());
    onlooker.accepted(&acceptance.head.id, &mut meant);
}

impl Engine {
    /// How an object stands, its copy aside.
    fn standing(&self, slot: ObjectSlot, now: Now) -> Option<Standing> {
        let object = self.book.object(slot)?;
        let requests = object.interests.iter().filter_map(|interest| self.book.request(interest.request));
        let newest = requests.max_by_key(|request| request.number);
        let phase = object.flight.as_ref().map(|flight| match flight.stage {
            Stage::Look => Phase::Accepted,
            Stage::Waiting | Stage::Resting | Stage::HandedOut { .. } => Phase::Waiting,
            Stage::Active { .. } if flight.at_store != AtStore::Read => Phase::Waiting,
            Stage::Active { .. } | Stage::Checking | Stage::ToLand | Stage::Landing => Phase::Coming,
        });
        let is_pinned = object.interests.iter().any(|interest| interest.hold != Hold::Waiting);
        let is_in_place = match object.place {
            Place::Store(lane) => self
                .lanes
                .get(usize::from(lane))
                .is_some_and(|lane| lane.capabilities.landing == Landing::InPlace),
            Place::Unbound => true,
            Place::Undeclared => false,
        };
        let has_ended = self.book.has_ended(slot, now.wall_ns);
        Some(Standing {
            phase,
            is_online: phase.is_none() && is_pinned && is_in_place && !has_ended,
            request: newest.map(|request| request.id.clone()),
            pinned_until_ns: self.pinned_until(object),
        })
    }
}
