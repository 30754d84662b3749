//! Copies that end at a time that their store tells are made to last while they are pinned.
//!
//! Each pinned object whose copy ends has one check that is due next. Shortly before the end, its store is asked to
//! keep it for as long as the last pin lasts, together with others of which that is true. What the store says
//! afterwards counts, and never the clock alone: one that jumps makes nothing cold and recalls nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Action, Engine, Now};
use crate::clock::nanoseconds;
use crate::cold::{ColdObject, Landing, Locality, ObjectStatus};
use crate::staging::book::{Ending, ObjectSlot};
use crate::{Error, Result};

/// Most objects whose copies are made to last in one go.
const TOGETHER: usize = 1000;

/// Most such groups under way at one store.
const AT_ONCE: usize = 2;

/// Copies are made to last so long before they end at the latest: the store may be slow, or silent for a while.
const BEFORE_END: Duration = Duration::from_secs(3600);

/// How often is looked at a pinned copy that needs nothing until it ends: its pins may be extended.
const LOOK_EVERY: Duration = Duration::from_secs(60);

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Copies that are to be made to last at a store, or looked at.
#[derive(Debug, Default)]
pub(super) struct Renewals {
    waiting: std::collections::VecDeque<(ObjectSlot, u64)>,
    n_under_way: usize,
}

/// What came of making a copy last: the number of the check, and what its store says of it afterwards.
pub(in crate::staging) type Renewed = (ObjectSlot, u64, Result<ObjectStatus>);

/// The object of a check that is due, with the number of the check.
type Checked = (ObjectSlot, u64, ColdObject);

/// A time in whole days, rounded up: for so long stores keep copies that end.
pub(super) fn whole_days(lifetime: Duration) -> u64 {
    u64::try_from(lifetime.as_nanos().div_ceil(DAY.as_nanos())).unwrap_or(u64::MAX)
}

impl Ending {
    /// When the copy is to be made to last: an hour before its end, or a tenth of the time that it has.
    fn renewed_from_ns(&self) -> Option<i64> {
        let until_ns = self.online_until_ns?;
        let tenth_ns = until_ns.saturating_sub(self.seen_ns).max(0) / 10;
        Some(until_ns.saturating_sub(tenth_ns.min(nanoseconds(BEFORE_END))))
    }
}

impl Engine {
    /// Notes when the copy of a pinned object ends, as its store says.
    pub(super) fn learn_ending(&mut self, slot: ObjectSlot, online_until_ns: Option<i64>, now: Now) {
        let is_pinned = self.book.object(slot).is_some_and(crate::staging::book::Object::is_pinned);
        if online_until_ns.is_none() || !is_pinned {
            self.book.endings.remove(&slot);
            return;
        }
        let check = self.next_check();
        let ending = Ending { online_until_ns, seen_ns: now.wall_ns, check, n_failed: 0 };
        self.book.endings.insert(slot, ending);
        self.check_ending(slot, check, now);
    }

    /// After a restart: the store of a pinned object is asked when its copy ends.
    pub(super) fn ask_for_ending(&mut self, slot: ObjectSlot, now: Now) {
        let check = self.next_check();
        let ending = Ending { online_until_ns: None, seen_ns: now.wall_ns, check, n_failed: 0 };
        self.book.endings.insert(slot, ending);
        self.timers.add_check(now.steady_ns, slot, check);
    }

    /// True if copies of a store may end by themselves.
    pub(super) fn has_endings(&self, lane: usize) -> bool {
        self.lanes
            .get(lane)
            .is_some_and(|lane| lane.capabilities.landing == Landing::InPlace && lane.store.copies_end())
    }

    fn next_check(&mut self) -> u64 {
        self.n_checks += 1;
        self.n_checks
    }

    /// Does what is due for the copy of a pinned object, and says when it is looked at next.
    pub(super) fn check_ending(&mut self, slot: ObjectSlot, check: u64, now: Now) {
        let Some(ending) = self.book.endings.get(&slot).copied().filter(|ending| ending.check == check)
        else {
            return;
        };
        let object = self.book.object(slot);
        let Some(pinned_until_ns) = object.and_then(|object| self.pinned_until(object)) else {
            self.book.endings.remove(&slot);
            return;
        };
        // What is found by the recall that is under way counts.
        let is_recalled = object.is_some_and(|object| object.flight.is_some());
        let is_enough = ending.online_until_ns.is_some_and(|until_ns| until_ns >= pinned_until_ns);
        match ending.renewed_from_ns() {
            Some(from_ns) if from_ns > now.wall_ns => self.timers.add_ending(from_ns, slot, check),
            _ if is_recalled || is_enough => {
                self.timers.add_check(Self::later(now, LOOK_EVERY), slot, check);
            }
            _ => {
                let lane = self.lane_of(slot);
                if let Some(lane) = lane.and_then(|lane| self.lanes.get_mut(lane)) {
                    lane.renewals.waiting.push_back((slot, check));
                }
            }
        }
    }

    /// Asks a store to keep copies, those together that are wanted for about as long.
    pub(super) fn begin_renewals(&mut self, lane: usize, now: Now) {
        while let Some(store) = self.lanes.get_mut(lane)
            && store.renewals.n_under_way < AT_ONCE
            && !store.renewals.waiting.is_empty()
        {
            let n_objects = store.renewals.waiting.len().min(TOGETHER);
            let waiting: Vec<_> = store.renewals.waiting.drain(..n_objects).collect();
            // By days: stores keep copies for whole ones. Those whose end is not known are only asked about.
            let mut groups: BTreeMap<u64, (Duration, Vec<Checked>)> = BTreeMap::new();
            for (slot, check) in waiting {
                let Some(ending) = self.book.endings.get(&slot).filter(|ending| ending.check == check) else {
                    continue;
                };
                let (Some(object), Some(cold_object)) = (self.book.object(slot), self.cold_object(slot))
                else {
                    continue;
                };
                let wanted_ns = self.pinned_until(object).unwrap_or_default().saturating_sub(now.wall_ns);
                let lifetime = match ending.online_until_ns {
                    Some(_) => Duration::from_nanos(u64::try_from(wanted_ns).unwrap_or(1)),
                    None => Duration::ZERO,
                };
                let group = groups.entry(whole_days(lifetime)).or_default();
                group.0 = group.0.max(lifetime);
                group.1.push((slot, check, cold_object));
            }
            let Some(store) = self.lanes.get_mut(lane) else { return };
            store.renewals.n_under_way += groups.len();
            for (lifetime, objects) in groups.into_values() {
                let lifetime = Some(lifetime).filter(|lifetime| !lifetime.is_zero());
                self.out.actions.push(Action::Renew { lane, lifetime, objects });
            }
        }
    }

    /// A store was asked to keep copies, and has said afterwards how they are.
    pub(super) fn renewed(&mut self, lane: usize, refused: Option<Error>, answers: Vec<Renewed>, now: Now) {
        if let Some(lane) = self.lanes.get_mut(lane) {
            lane.renewals.n_under_way = lane.renewals.n_under_way.saturating_sub(1);
            if let Some(error) = refused {
                let n_objects = answers.len();
                tracing::warn!(store = %lane.name, %error, n_objects, "copies could not be made to last, will retry");
            }
        }
        for (slot, check, answer) in answers {
            let ending = self.book.endings.get(&slot).copied().filter(|ending| ending.check == check);
            let Some(ending) = ending else { continue };
            let is_free =
                |object: &crate::staging::book::Object| object.is_pinned() && object.flight.is_none();
            if !self.book.object(slot).is_some_and(is_free) {
                self.check_ending(slot, check, now);
                continue;
            }
            match answer {
                Ok(status) if status.locality == Locality::Nearline => {
                    self.book.endings.remove(&slot);
                    self.forget_in_place(slot);
                    self.recall_again(
                        slot,
                        "the copy of a pinned object has ended, it is recalled again",
                        now,
                    );
                }
                Ok(status) if status.locality.is_online() && is_longer(&ending, status.online_until_ns) => {
                    self.learn_ending(slot, status.online_until_ns, now);
                }
                Ok(_) | Err(_) => self.renew_later(slot, ending, now),
            }
        }
    }

    /// Tries again after a while, more than once before the copy ends.
    fn renew_later(&mut self, slot: ObjectSlot, ending: Ending, now: Now) {
        let n_failed = ending.n_failed.saturating_add(1);
        let usual = self.settings.retries.wait(n_failed, None, u64::from(slot));
        let left_ns = ending.online_until_ns.map_or(0, |until_ns| until_ns.saturating_sub(now.wall_ns));
        let left = u64::try_from(left_ns).ok().filter(|left_ns| *left_ns > 0).map(Duration::from_nanos);
        let wait = left.map_or(usual, |left| usual.min(left / 4)).max(Duration::from_secs(1));
        let check = self.next_check();
        self.book.endings.insert(slot, Ending { n_failed, check, ..ending });
        self.timers.add_check(Self::later(now, wait), slot, check);
    }
}

/// True if a copy lasts longer than was known, or for ever.
fn is_longer(known: &Ending, online_until_ns: Option<i64>) -> bool {
    match (known.online_until_ns, online_until_ns) {
        (Some(known_ns), Some(until_ns)) => until_ns > known_ns,
        (None, _) | (_, None) => true,
    }
}
