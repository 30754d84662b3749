//! Readers come upon cold objects and join their recalls.

use std::sync::Arc;

use thermocline_model::DatasetId;

use super::{Engine, Now};
use crate::cold::ObjectId;
use crate::staging::book::{Hold, Interest, Place, RequestHead};
use crate::staging::tables::{NewRequestRow, Op, request_id};
use crate::staging::{Activity, Face, Joined, ObjectState, Owner, Tally};
use crate::{Error, ErrorKind, Result};

/// Priority of what a reader waits for.
const PRIORITY: u8 = 5;

impl Engine {
    /// Joins the recall of an object for a reader, or begins it. Readers of one owner have one request together;
    /// those of another have one of their own, which stays when the first is cancelled, and their own share.
    pub(in crate::staging) fn join(
        &mut self,
        id: &ObjectId,
        spelling: &Arc<str>,
        (owner, dataset): (&Owner, Option<&DatasetId>),
        now: Now,
    ) -> Result<Joined> {
        let place = self.place_of(id);
        let Place::Store(lane) = place else {
            return Err(Error::invalid_input(format!("{id} lies on no cold store")));
        };
        if let Some(joined) = self.joined(id, owner, now) {
            return Ok(joined);
        }
        if self.book.find(id).is_none_or(|object| object.flight.is_none()) {
            self.refuse_if_draining(usize::from(lane))?;
        }
        let number = self.numbers.next(now.wall_ns);
        let lifetime = self.settings.min_residency;
        let head = RequestHead {
            number,
            id: request_id(number, Face::Reader),
            owner: owner.clone(),
            face: Face::Reader,
            priority: PRIORITY,
            lifetime,
            dataset: dataset.cloned(),
        };
        self.out.ops.push(Op::NewRequest(Box::new(NewRequestRow {
            number,
            face: Face::Reader,
            owner: owner.clone(),
            priority: PRIORITY,
            lifetime,
            dataset: dataset.cloned(),
            object: (Arc::clone(spelling), id.clone()),
        })));
        let name = head.id.clone();
        let request = self.book.add_request(head);
        if let Some(queued) = self
            .book
            .request_mut(request)
            .and_then(|request| request.tallies.get_mut(ObjectState::Queued as usize))
        {
            *queued = Tally { n: 1, bytes: 0 };
        }
        let slot = self.book.intern(id, place);
        self.want(slot, Interest { request, position: 0, hold: Hold::Waiting }, now);
        let Some(flight) = self.book.object(slot).and_then(|object| object.flight.as_ref()) else {
            return Ok(Joined { request: name, state: ObjectState::Failed, estimate: None });
        };
        let state = flight.state;
        Ok(Joined { request: name, state, estimate: self.estimate(slot, now) })
    }

    /// The recall of an object that readers of this owner have joined already, or that failed a moment ago.
    fn joined(&mut self, id: &ObjectId, owner: &Owner, now: Now) -> Option<Joined> {
        if let Some(slot) = self.book.slot(id)
            && let Some(flight) = self.book.object(slot).and_then(|object| object.flight.as_ref())
        {
            let state = flight.state;
            let mut readers = flight.extra.readers.iter().filter_map(|reader| self.book.request(*reader));
            let request = readers.find(|request| request.owner == *owner)?.id.clone();
            return Some(Joined { request, state, estimate: self.estimate(slot, now) });
        }
        let failure = self.failures.get(id, now.steady_ns)?;
        Some(Joined { request: failure.request.clone()?, state: failure.state, estimate: None })
    }

    /// Refuses what a draining store would have to do.
    pub(in crate::staging) fn refuse_if_draining(&self, lane: usize) -> Result<()> {
        match self.lanes.get(lane) {
            Some(lane) if lane.activity == Activity::Draining => Err(Error::new(
                ErrorKind::Unavailable { retry_after: std::time::Duration::from_secs(300) },
                format!("the cold store {:?} is being drained: it takes no requests", lane.name),
            )),
            _ => Ok(()),
        }
    }
}
