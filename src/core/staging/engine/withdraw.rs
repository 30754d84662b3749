//! Requests give up what they want; recalls that nobody wants any more stop where they can.

use super::{Action, Chore, Engine, Note, Now, Reply, Withdrawn, WithdrawnOf};
use crate::ErrorKind;
use crate::staging::book::{Hold, ObjectSlot, RequestSlot, Stage};
use crate::staging::{ObjectState, Outcome};

/// Most objects that are given up in one go.
const PIECE: usize = 8192;

impl Engine {
    /// A request gives up what it waits for and its pins, or its pins only; `reply` is called when that is durable.
    pub(in crate::staging) fn withdraw(&mut self, request: RequestSlot, what: Withdrawn, reply: Reply) {
        if let Some(request) = self.book.request_mut(request)
            && what == Withdrawn::Everything
            && !request.is_settled()
        {
            request.is_cancelled = true;
        }
        self.out.touched.insert(request);
        self.withdraw_later(request, WithdrawnOf::From(0), what, reply);
    }

    /// The same of the objects at some positions of a request.
    pub(in crate::staging) fn withdraw_these(
        &mut self,
        request: RequestSlot,
        positions: Vec<u32>,
        what: Withdrawn,
        reply: Reply,
    ) {
        self.withdraw_later(request, WithdrawnOf::These(positions.into_iter()), what, reply);
    }

    fn withdraw_later(&mut self, request: RequestSlot, of: WithdrawnOf, what: Withdrawn, reply: Reply) {
        match self.book.request(request).map(|request| request.number) {
            Some(request) => self.chores.push_back(Chore::Withdraw { request, of, what, reply }),
            None => self.out.notes.push(Note::Reply(reply)),
        }
    }

    /// Gives up a piece, once all objects of the request have been taken in.
    pub(super) fn withdraw_some(
        &mut self,
        number: i64,
        mut of: WithdrawnOf,
        (what, reply): (Withdrawn, Reply),
        now: Now,
    ) -> Option<Chore> {
        let request = self.book.request_slot(number);
        let is_being_admitted =
            |slot| self.book.request(slot).is_some_and(|request| request.is_being_admitted);
        if request.is_some_and(is_being_admitted) {
            return Some(Chore::Withdraw { request: number, of, what, reply });
        }
        for _ in 0..PIECE {
            let next = request.and_then(|request| Some((request, self.next_withdrawn(request, &mut of)?)));
            let Some((request, position)) = next else {
                self.out.notes.push(Note::Reply(reply));
                return None;
            };
            self.withdraw_one(request, position, what, now);
        }
        Some(Chore::Withdraw { request: number, of, what, reply })
    }

    fn next_withdrawn(&self, request: RequestSlot, of: &mut WithdrawnOf) -> Option<u32> {
        match of {
            WithdrawnOf::From(next) => {
                let position = self.book.request(request)?.next_held(*next)?;
                *next = position.saturating_add(1);
                Some(position)
            }
            WithdrawnOf::These(positions) => positions.next(),
        }
    }

    /// Gives up one object of a request.
    fn withdraw_one(&mut self, request: RequestSlot, position: u32, what: Withdrawn, now: Now) {
        let Some(slot) = self.book.request(request).and_then(|request| request.object(position)) else {
            return;
        };
        let Some(object) = self.book.object(slot) else { return };
        let is_it = |interest: &&crate::staging::book::Interest| {
            interest.request == request && interest.position == position
        };
        let Some(interest) = object.interests.iter().find(is_it).copied() else { return };
        match interest.hold {
            Hold::Pinned { .. } => {
                self.end_pin(slot, interest, now);
                let request = self.book.request_mut(request).filter(|request| request.n_hot() == 0);
                if let Some(request) = request {
                    request.expires_ns = Some(now.wall_ns);
                }
            }
            Hold::Waiting if what == Withdrawn::Everything => {
                let was = object.flight.as_ref().map(|flight| flight.state);
                self.tell_object(slot, interest, (was, ObjectState::Cancelled), None, now);
                self.book.remove_interest(slot, request, position);
                self.lost_interest(slot, request, now);
            }
            Hold::Waiting => {}
        }
    }

    /// A request has no interest in a recall any more.
    fn lost_interest(&mut self, slot: ObjectSlot, request: RequestSlot, now: Now) {
        let Some(owner) = self.book.request(request).map(|request| request.owner.clone()) else { return };
        let Some(object) = self.book.object_mut(slot) else { return };
        if let Some(flight) = object.flight.as_deref_mut() {
            flight.extra.forget_reader(request);
        }
        let others: Vec<RequestSlot> = object.waiting().map(|interest| interest.request).collect();
        let is_same =
            |other: &RequestSlot| self.book.request(*other).is_some_and(|other| other.owner == owner);
        if !others.iter().any(is_same)
            && let Some(lane) = self.lane_of(slot)
            && let Some(lane) = self.lanes.get_mut(lane)
        {
            let owner = lane.scheduler.owner(&owner.0);
            lane.scheduler.drop_interest(u64::from(slot), owner);
        }
        if others.is_empty() {
            self.stop_unwanted(slot, now);
        }
    }

    /// Stops a recall that nobody wants, if that is possible. What cannot be stopped goes on.
    pub(super) fn stop_unwanted(&mut self, slot: ObjectSlot, now: Now) {
        let Some(flight) = self.book.object(slot).and_then(|object| object.flight.as_ref()) else { return };
        match flight.stage {
            Stage::Look | Stage::Waiting | Stage::Resting | Stage::Checking | Stage::ToLand => {
                self.give_up(slot, now);
            }
            Stage::Landing => {
                self.out.actions.push(Action::StopLanding { flight: flight.number });
                self.give_up(slot, now);
            }
            // The store is being asked at this moment: its answer is waited for.
            Stage::HandedOut { .. } => {}
            Stage::Active { batch } => {
                let Some(lane) = self.batches.get(&batch).map(|given| given.lane) else { return };
                if self.lanes.get(lane).is_some_and(|lane| lane.capabilities.can_cancel) {
                    self.cancel_at_store(batch, &[slot]);
                    self.leave_batch(slot, batch, now);
                    self.give_up(slot, now);
                }
            }
        }
    }

    /// Ends a recall that nobody wants and that is part of no queue and no batch.
    pub(super) fn give_up(&mut self, slot: ObjectSlot, now: Now) {
        let reason = "the recall was cancelled: nobody wanted it any more".to_owned();
        self.end_flight(slot, Outcome::Failed { reason, kind: ErrorKind::RecallFailed }, now);
        self.book.tidy(slot);
    }
}
