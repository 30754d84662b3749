//! Pins end when their time has come, or are made longer.

use std::time::Duration;

use super::{Engine, Now};
use crate::clock::nanoseconds;
use crate::staging::ObjectState;
use crate::staging::book::{Hold, Interest, Object, ObjectSlot, RequestSlot};

impl Engine {
    /// The time of a pin has come, unless it was extended.
    pub(super) fn pin_is_due(&mut self, slot: ObjectSlot, request: RequestSlot, position: u32, now: Now) {
        let Some(object) = self.book.object(slot) else { return };
        let is_it = |interest: &&Interest| interest.request == request && interest.position == position;
        let Some(interest) = object.interests.iter().find(is_it).copied() else { return };
        let Hold::Pinned { until } = interest.hold else { return };
        let extended_ns = self.book.request(request).map_or(i64::MIN, |request| request.pins_until_ns);
        let until_ns = until.ns().max(extended_ns);
        if until_ns > now.wall_ns {
            self.timers.add_pin(until_ns, slot, request, position);
            return;
        }
        self.end_pin(slot, interest, now);
    }

    /// Ends a pin. The object stays where it is until its room is needed.
    pub(super) fn end_pin(&mut self, slot: ObjectSlot, interest: Interest, now: Now) {
        self.tell_object(slot, interest, (Some(ObjectState::Hot), ObjectState::Released), None, now);
        self.book.remove_interest(slot, interest.request, interest.position);
        if let Some(key) = self.copy_key(slot) {
            self.space.unpin(&key);
        }
        self.book.tidy(slot);
    }

    /// Keeps the pins of a request for so long from now; shorter than they are they do not become.
    pub(in crate::staging) fn extend(&mut self, slot: RequestSlot, lifetime: Duration, now: Now) {
        let Some(request) = self.book.request_mut(slot) else { return };
        let until_ns = now.wall_ns.saturating_add(nanoseconds(lifetime));
        request.pins_until_ns = request.pins_until_ns.max(until_ns);
        request.expires_ns = request.expires_ns.max(Some(until_ns));
        self.out.touched.insert(slot);
    }

    /// When the last pin of an object ends.
    pub(in crate::staging) fn pinned_until(&self, object: &Object) -> Option<i64> {
        let until = |interest: &Interest| match interest.hold {
            Hold::Pinned { until } => {
                let extended_ns =
                    self.book.request(interest.request).map_or(i64::MIN, |request| request.pins_until_ns);
                Some(until.ns().max(extended_ns))
            }
            Hold::Waiting => None,
        };
        object.interests.iter().filter_map(until).max()
    }

    /// Number of pins.
    pub(in crate::staging) fn n_pins(&self) -> usize {
        self.book.requests().map(|(_, request)| request.n_hot() as usize).sum()
    }
}
