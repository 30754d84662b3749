//! Why objects wait, and how long they will.

use super::{Engine, Now};
use crate::staging::book::{ObjectSlot, RequestSlot, Stage};
use crate::staging::schedule::{Lane, Reason};
use crate::staging::{Estimate, Recall, StoreState};

/// Objects that are looked at before the engine may go on.
const TOGETHER: usize = 4096;

impl Engine {
    /// Why the recall of an object has not ended.
    pub(in crate::staging) fn reason(&mut self, slot: ObjectSlot, now: Now) -> Option<String> {
        let object = self.book.object(slot)?;
        let flight = object.flight.as_ref()?;
        let (stage, why, attempt) = (flight.stage, flight.extra.why.clone(), flight.n_attempt());
        let lane = self.lane_of(slot);
        match stage {
            Stage::Look => Some("waiting to be looked at".to_owned()),
            Stage::Resting => {
                let why = why.as_deref().unwrap_or("it could not be recalled");
                Some(format!("will be tried again (attempt {attempt}): {why}"))
            }
            Stage::Waiting => {
                let lane = self.lanes.get_mut(lane?)?;
                let reason = lane.scheduler.waiting_for(u64::from(slot), now.steady_ns)?;
                let is_held = matches!(reason, Reason::Paused | Reason::Draining | Reason::SlowDown { .. });
                if lane.no_space_until_ns.is_some() && !is_held {
                    return Some("no space".to_owned());
                }
                Some(reason.to_string())
            }
            Stage::ToLand if lane.and_then(|lane| self.lanes.get(lane))?.no_space_until_ns.is_some() => {
                Some("no space".to_owned())
            }
            Stage::ToLand => Some("waiting to be copied".to_owned()),
            Stage::HandedOut { .. } => Some("being given to the store".to_owned()),
            Stage::Active { .. } | Stage::Checking | Stage::Landing => None,
        }
    }

    /// When an object should be online.
    pub(in crate::staging) fn estimate(&mut self, slot: ObjectSlot, now: Now) -> Option<Estimate> {
        self.book.object(slot)?.flight.as_ref()?;
        let lane = self.lane_of(slot)?;
        let estimate = self.lanes.get_mut(lane)?.scheduler.estimate(u64::from(slot), now.steady_ns)?;
        Some(Estimate { duration: estimate.wait, basis: estimate.basis.as_str() })
    }

    /// Some objects for which a request waits, from its beginning to its end.
    pub(in crate::staging) fn some_waiting(&self, request: RequestSlot, most: usize) -> Vec<ObjectSlot> {
        let Some(live) = self.book.request(request) else { return Vec::new() };
        let is_waiting =
            |slot: &ObjectSlot| self.book.object(*slot).is_some_and(|object| object.flight.is_some());
        let step = (live.n_positions() / most.max(1)).max(1);
        let mut found = Vec::new();
        let mut next = 0;
        while found.len() < most
            && let Some(position) = live.next_held(next)
        {
            found.extend(live.object(position).filter(is_waiting));
            next = position.saturating_add(step as u32);
        }
        found
    }

    /// Recalls of some objects, from a place on, which is 0 at first: whether each only waits, since when, and the
    /// position of its object. With the place where to go on; `None` at the end.
    pub(in crate::staging) fn recalls_from(
        &self,
        place: usize,
    ) -> (Vec<(bool, i64, ObjectSlot)>, Option<usize>) {
        let is_under_way = |stage: Stage| !matches!(stage, Stage::Look | Stage::Waiting | Stage::Resting);
        let end = place.saturating_add(TOGETHER);
        let slots = (place..end).filter_map(|slot| ObjectSlot::try_from(slot).ok());
        let recalls = slots.filter_map(|slot| {
            let flight = self.book.object(slot)?.flight.as_ref()?;
            Some((!is_under_way(flight.stage), flight.since_ns, slot))
        });
        (recalls.collect(), Some(end).filter(|end| *end < self.book.objects_end()))
    }

    /// The recall of an object.
    pub(in crate::staging) fn recall(&mut self, slot: ObjectSlot, now: Now) -> Option<Recall> {
        let reason = self.reason(slot, now);
        let store = self.lane_of(slot).and_then(|lane| self.lanes.get(lane)).map(|lane| lane.name.clone());
        let object = self.book.object(slot)?;
        let flight = object.flight.as_ref()?;
        Some(Recall {
            object: object.id.clone(),
            store: store?,
            state: flight.state,
            attempt: flight.n_attempt(),
            done_bytes: flight.extra.done_bytes,
            len_bytes: object.len_bytes,
            n_requests: object.waiting().count() as u32,
            reason,
            since_ns: flight.since_ns,
        })
    }

    /// Cold stores as they stand.
    pub(in crate::staging) fn stores(&self) -> Vec<StoreState> {
        let state = |lane: &super::StoreLane| StoreState {
            name: lane.name.clone(),
            kind: lane.store.kind(),
            activity: lane.activity,
            n_waiting: (lane.scheduler.n_waiting(Lane::Interactive) + lane.scheduler.n_waiting(Lane::Bulk))
                as u64,
            n_active: (lane.scheduler.n_active() + lane.n_landing + lane.n_to_land()) as u64,
            trouble: lane.store.trouble(),
        };
        self.lanes.iter().map(state).collect()
    }
}
