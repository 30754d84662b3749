//! What is due at some time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::{Engine, Now};
use crate::staging::book::{ObjectSlot, RequestSlot};

/// What is due, by kind of time.
#[derive(Debug, Default)]
pub(in crate::staging) struct Timers {
    /// Pins, by the time of the wall at which they end. They may have been extended since.
    pins: BinaryHeap<Reverse<(i64, ObjectSlot, RequestSlot, u32)>>,
    /// Recalls that rest, by the steady time at which they go on.
    rests: BinaryHeap<Reverse<(i64, ObjectSlot, u64)>>,
    /// Checks of copies that end by themselves, by the time of the wall.
    endings: BinaryHeap<Reverse<(i64, ObjectSlot, u64)>>,
    /// Further checks of them, by the steady time.
    checks: BinaryHeap<Reverse<(i64, ObjectSlot, u64)>>,
}

impl Timers {
    pub(super) fn add_pin(&mut self, until_ns: i64, object: ObjectSlot, request: RequestSlot, position: u32) {
        self.pins.push(Reverse((until_ns, object, request, position)));
    }

    pub(super) fn add_ending(&mut self, from_ns: i64, object: ObjectSlot, check: u64) {
        self.endings.push(Reverse((from_ns, object, check)));
    }

    pub(super) fn add_check(&mut self, at_ns: i64, object: ObjectSlot, check: u64) {
        self.checks.push(Reverse((at_ns, object, check)));
    }

    /// The next check that is due.
    fn due_check(&mut self, now: Now) -> Option<(ObjectSlot, u64)> {
        let (heap, now_ns) = match self.endings.peek() {
            Some(Reverse((from_ns, ..))) if *from_ns <= now.wall_ns => (&mut self.endings, now.wall_ns),
            _ => (&mut self.checks, now.steady_ns),
        };
        heap.peek().filter(|Reverse((at_ns, ..))| *at_ns <= now_ns)?;
        heap.pop().map(|Reverse((_, object, check))| (object, check))
    }

    pub(super) fn add_rest(&mut self, until_ns: i64, object: ObjectSlot, flight: u64) {
        self.rests.push(Reverse((until_ns, object, flight)));
    }
}

/// Most pins that end, and most copies that are checked, in one go.
const PIECE: usize = 10_000;

impl Engine {
    pub(super) fn run_timers(&mut self, now: Now) {
        for _ in 0..PIECE {
            let Some(Reverse((until_ns, object, request, position))) = self.timers.pins.peek().copied()
            else {
                break;
            };
            if until_ns > now.wall_ns {
                break;
            }
            self.timers.pins.pop();
            self.pin_is_due(object, request, position, now);
        }
        while let Some(Reverse((until_ns, object, flight))) = self.timers.rests.peek().copied()
            && until_ns <= now.steady_ns
        {
            self.timers.rests.pop();
            self.rested(object, flight, now);
        }
        for _ in 0..PIECE {
            let Some((object, check)) = self.timers.due_check(now) else { break };
            self.check_ending(object, check, now);
        }
    }

    /// How long nothing has to be done unless something happens, in nanoseconds; `None` if for ever.
    pub(in crate::staging) fn idle_ns(&self, now: Now) -> Option<i64> {
        let pins =
            self.timers.pins.peek().map(|Reverse((until_ns, ..))| until_ns.saturating_sub(now.wall_ns));
        let lanes = self.lanes.iter().filter_map(|lane| {
            // While there is no room nothing is handed out, whatever the queue has.
            lane.no_space_until_ns.or_else(|| lane.scheduler.next_wake(now.steady_ns))
        });
        let lanes = lanes.min().map(|wake_ns| wake_ns.saturating_sub(now.steady_ns));
        let first = |heap: &BinaryHeap<Reverse<(i64, ObjectSlot, u64)>>, now_ns: i64| {
            heap.peek().map(|Reverse((at_ns, ..))| at_ns.saturating_sub(now_ns))
        };
        let rests = first(&self.timers.rests, now.steady_ns);
        let endings = first(&self.timers.endings, now.wall_ns);
        let checks = first(&self.timers.checks, now.steady_ns);
        [pins, rests, endings, checks, lanes].into_iter().flatten().min().map(|wait_ns| wait_ns.max(0))
    }
}
