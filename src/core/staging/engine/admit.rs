//! Objects of accepted requests are taken into the book, some at a time.

use super::{Chore, Engine, Now};
use crate::cold::ObjectId;
use crate::staging::book::{
    AtStore, Extra, Flight, Hold, Interest, ObjectSlot, Place, RequestHead, RequestSlot, Stage,
};
use crate::staging::schedule::{Lane, Wanted};
use crate::staging::{Face, ObjectState, Tally};

/// Most objects that are taken in in one go.
const PIECE: usize = 8192;

/// An object of a request that was accepted.
#[derive(Debug)]
pub(in crate::staging) struct AdmittedRow {
    /// Its place in the request.
    pub(in crate::staging) position: u32,
    /// What it may mean.
    pub(in crate::staging) objects: Vec<ObjectId>,
    /// Its size, if it was looked at before it was accepted; else 0.
    pub(in crate::staging) len_bytes: u64,
}

impl Engine {
    /// Takes in a request that was accepted; its objects follow piece by piece.
    pub(in crate::staging) fn admit(
        &mut self,
        head: RequestHead,
        tallies: [Tally; 8],
        reason: Option<&str>,
        rows: Vec<AdmittedRow>,
    ) {
        let slot = self.book.add_request(head);
        if let Some(request) = self.book.request_mut(slot) {
            request.tallies = tallies;
            request.reason = reason.map(Into::into);
            request.is_being_admitted = true;
        }
        self.chores.push_back(Chore::Admit { request: slot, rows: rows.into_iter() });
    }

    /// Does a piece of each chore, at least of one.
    pub(super) fn work_on_chores(&mut self, now: Now) {
        for _ in 0..self.chores.len() {
            let Some(chore) = self.chores.pop_front() else { break };
            let rest = match chore {
                Chore::Admit { request, rows } => self.admit_some(request, rows, now),
                Chore::Withdraw { request, of, what, reply } => {
                    self.withdraw_some(request, of, (what, reply), now)
                }
            };
            self.chores.extend(rest);
            if self.has_decided_enough() {
                return;
            }
        }
    }

    fn admit_some(
        &mut self,
        request: RequestSlot,
        mut rows: std::vec::IntoIter<AdmittedRow>,
        now: Now,
    ) -> Option<Chore> {
        for row in rows.by_ref().take(PIECE) {
            self.admit_one(request, row, now);
        }
        if rows.len() > 0 {
            return Some(Chore::Admit { request, rows });
        }
        self.book.request_mut(request)?.is_being_admitted = false;
        None
    }

    fn admit_one(&mut self, request: RequestSlot, row: AdmittedRow, now: Now) {
        let mut names = row.objects.into_iter();
        let Some(id) = names.next() else { return };
        let slot = self.book.intern(&id, self.place_of(&id));
        // What was looked at counts from now on, and not only when the recall has looked.
        if row.len_bytes > 0 && self.book.object(slot).is_some_and(|object| object.len_bytes.is_none()) {
            self.learn_len(slot, row.len_bytes);
        }
        let interest = Interest { request, position: row.position, hold: Hold::Waiting };
        let Some(live) = self.book.request_mut(request) else { return };
        if live.is_cancelled {
            self.tell_object(slot, interest, (Some(ObjectState::Queued), ObjectState::Cancelled), None, now);
            self.book.tidy(slot);
            return;
        }
        if names.len() > 0 {
            live.alternates.insert(row.position, names.collect());
        }
        self.want(slot, interest, now);
    }

    /// Adds what a request wants of an object, and joins its recall or begins it.
    pub(super) fn want(&mut self, slot: ObjectSlot, interest: Interest, now: Now) {
        let Some(request) = self.book.request_mut(interest.request) else { return };
        request.set_object(interest.position, Some(slot));
        let is_reader = request.face == Face::Reader;
        let may_spend_any = is_reader && self.settings.limits_of(&request.owner).max_cost_per_day.is_none();
        let Some(object) = self.book.object_mut(slot) else { return };
        object.add_interest(interest);
        // The size is counted for requests that are new as for those that were there when it was learnt.
        let len_bytes = object.len_bytes.unwrap_or_default();
        let flight = object.flight.as_deref().map(|flight| (flight.stage, flight.state));
        if let Some(tally) = self
            .book
            .request_mut(interest.request)
            .and_then(|request| request.tallies.get_mut(ObjectState::Queued as usize))
        {
            tally.bytes = tally.bytes.saturating_add(len_bytes);
        }
        match flight {
            None => self.begin_flight(slot, is_reader, now),
            Some((stage, state)) => {
                if state != ObjectState::Queued {
                    self.tell_object(slot, interest, (Some(ObjectState::Queued), state), None, now);
                }
                if matches!(stage, Stage::Waiting | Stage::HandedOut { .. } | Stage::Active { .. }) {
                    self.schedule(slot, interest, None, now);
                }
            }
        }
        if is_reader
            && let Some(begun) = self.book.object_mut(slot).and_then(|object| object.flight.as_deref_mut())
        {
            begun.extra.readers.push(interest.request);
            // Who joins has paid for nothing.
            begun.may_be_dear |= flight.is_none() || may_spend_any;
        }
    }

    /// Begins the recall of an object: first its status is asked.
    pub(super) fn begin_flight(&mut self, slot: ObjectSlot, is_urgent: bool, now: Now) {
        let number = self.book.next_flight();
        let Some(object) = self.book.object_mut(slot) else { return };
        object.flight = Some(Box::new(Flight {
            number,
            stage: Stage::Look,
            state: ObjectState::Queued,
            since_ns: now.wall_ns,
            began_ns: now.watched_ns,
            attempt: 0,
            is_counted: false,
            may_be_dear: false,
            n_changes: 0,
            at_store: AtStore::Untold,
            is_spoilt: false,
            is_written: false,
            extra: Extra::default(),
        }));
        if object.place == Place::Undeclared {
            let reason =
                format!("the root {:?} is not declared any more, or its cold store is not", object.id.root());
            self.fail(slot, ObjectState::Failed, reason, now);
            return;
        }
        if !self.rests_while_released(slot, now) {
            self.look_at(slot, number, is_urgent);
        }
    }

    /// Adds an interest to the queue of the object's store.
    pub(super) fn schedule(
        &mut self,
        slot: ObjectSlot,
        interest: Interest,
        place: Option<crate::cold::TapePlace>,
        now: Now,
    ) {
        let Some(lane) = self.lane_of(slot) else { return };
        let len_bytes = self.book.object(slot).and_then(|object| object.len_bytes).unwrap_or_default();
        let Some(request) = self.book.request(interest.request) else { return };
        let Some(lane) = self.lanes.get_mut(lane) else { return };
        let owner = lane.scheduler.owner(&request.owner.0);
        let (urgency, priority) = match request.face {
            Face::Reader => (Lane::Interactive, 0),
            Face::Prefetch => (Lane::Bulk, -9),
            Face::Native | Face::Chiller => (Lane::Bulk, request.priority.min(9) as i8 - 5),
        };
        lane.scheduler.add(Wanted {
            recall: u64::from(slot),
            owner,
            lane: urgency,
            priority,
            len_bytes,
            place,
            at_ns: now.steady_ns,
        });
    }
}
