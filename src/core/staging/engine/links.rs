//! Objects that turn out to be links: they are the objects that they lead to, and share their recalls.

use super::{Engine, Now};
use crate::cold::ObjectId;
use crate::staging::book::{Interest, ObjectSlot};
use crate::staging::{ObjectState, Outcome};

impl Engine {
    /// The object that a link leads to; `None` if it is no link.
    pub(super) fn link_target(&self, slot: ObjectSlot, links_to: Option<&ObjectId>) -> Option<ObjectId> {
        let target = self.namespace.innermost(links_to?)?;
        (target != self.book.object(slot)?.id).then_some(target)
    }

    /// Whoever waits for a link waits for what it leads to from now on. Readers look anew: they know by themselves
    /// where it leads.
    pub(super) fn follow_link(&mut self, slot: ObjectSlot, target: &ObjectId, now: Now) {
        self.set_state(slot, ObjectState::Queued, now);
        let Some(object) = self.book.object(slot) else { return };
        let waiting: Vec<Interest> = object.waiting().copied().collect();
        let counted = object.len_bytes.unwrap_or_default();
        let other = self.book.intern(target, self.place_of(target));
        for interest in waiting {
            self.book.remove_interest(slot, interest.request, interest.position);
            if let Some(request) = self.book.request_mut(interest.request)
                && let Some(tally) = request.tallies.get_mut(ObjectState::Queued as usize)
            {
                tally.bytes = tally.bytes.saturating_sub(counted);
            }
            self.want(other, interest, now);
            let flight = self.book.object(other).and_then(|object| object.flight.as_ref());
            if flight.is_some_and(|flight| flight.state == ObjectState::Queued) {
                // Tells and keeps which object it is.
                let same = (Some(ObjectState::Queued), ObjectState::Queued);
                self.tell_object(other, interest, same, None, now);
            }
        }
        self.end_flight(slot, Outcome::Online, now);
        self.book.tidy(slot);
    }
}
