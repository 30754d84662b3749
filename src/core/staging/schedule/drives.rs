//! Slots, the tapes in them, and the batches under way.

use super::pace::duration;
use super::tapes::{Plan, Stand};
use super::{Batch, BatchId, Lane, Scheduler};
use crate::clock::nanoseconds;
use crate::staging::tape::Spot;

/// A drive, or a connection.
#[derive(Debug)]
pub(super) struct Slot {
    /// The tape that is in it, as far as can be told.
    pub(super) tape: Option<u32>,
    /// Where its head is when the batch under way has ended.
    pub(super) head: Spot,
    pub(super) mounted_ns: i64,
    pub(super) idle_since_ns: i64,
    pub(super) batch: Option<u64>,
}

/// A batch under way.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) slot: Option<usize>,
    pub(super) is_tape: bool,
    pub(super) lane: Lane,
    pub(super) n_left: u32,
    pub(super) n_recalls: u32,
    pub(super) started_ns: i64,
    /// How long it should take.
    pub(super) work_seconds: f64,
}

impl Scheduler {
    /// Slots in which nothing is under way.
    pub(super) fn free_slots(&self) -> impl Iterator<Item = usize> {
        let open = self.slots.iter().take(self.limits.n_at_once).enumerate();
        open.filter(|(_, slot)| slot.batch.is_none()).map(|(number, _)| number)
    }

    /// Makes the slots as many as the store can take, and forgets tapes that will have been unmounted.
    pub(super) fn renew_slots(&mut self, now_ns: i64) {
        let idle =
            Slot { tape: None, head: Spot::default(), mounted_ns: 0, idle_since_ns: now_ns, batch: None };
        while self.slots.len() < self.limits.n_at_once {
            self.slots.push(Slot { ..idle });
        }
        let unmounted_after = nanoseconds(self.policy.unmounted_after);
        let is_stale = |(number, slot): (usize, &Slot)| {
            let is_over = number >= self.limits.n_at_once
                || now_ns.saturating_sub(slot.idle_since_ns) > unmounted_after;
            (slot.batch.is_none() && slot.tape.is_some() && is_over).then_some(number)
        };
        let stale: Vec<usize> = self.slots.iter().enumerate().filter_map(is_stale).collect();
        for slot in stale {
            self.unmount(slot);
        }
        while self.slots.len() > self.limits.n_at_once
            && self.slots.last().is_some_and(|slot| slot.batch.is_none())
        {
            self.slots.pop();
        }
    }

    /// The tape in a slot is no longer there; what waits on it needs a mount again.
    pub(super) fn unmount(&mut self, slot: usize) {
        let Some(number) = self.slots.get_mut(slot).and_then(|slot| slot.tape.take()) else { return };
        let Some(tape) = self.tapes.get_mut(number) else { return };
        tape.plan = Plan::default();
        let stand = match tape.oldest() {
            None => Stand::IDLE,
            Some(_) if tape.is_worth(&self.policy.mount) => Stand::Ready { rank: tape.rank() },
            Some(oldest) => {
                Stand::Gathering { ready_ns: oldest.saturating_add(nanoseconds(self.policy.mount.age)) }
            }
        };
        self.set_stand(number, stand);
        self.tapes.tidy(number);
    }

    /// Puts a tape into a slot; gives the seconds it takes.
    pub(super) fn mount(&mut self, slot: usize, tape: u32, now_ns: i64) -> f64 {
        let is_loaded = self.slots.get(slot).is_some_and(|slot| slot.tape.is_some());
        self.unmount(slot);
        if let Some(place) = self.slots.get_mut(slot) {
            place.tape = Some(tape);
            place.head = Spot::default();
            place.mounted_ns = now_ns;
        }
        self.set_stand(tape, Stand::Mounted { slot });
        self.policy.media.mount_seconds(is_loaded)
    }

    /// Begins a batch, without recalls.
    pub(super) fn new_batch(&mut self, slot: Option<usize>, tape: Option<u32>, now_ns: i64) -> u64 {
        self.n_batches += 1;
        let batch = self.n_batches;
        self.running.insert(
            batch,
            Running {
                slot,
                is_tape: tape.is_some(),
                lane: Lane::Bulk,
                n_left: 0,
                n_recalls: 0,
                started_ns: now_ns,
                work_seconds: 0.0,
            },
        );
        if let Some(slot) = slot.and_then(|slot| self.slots.get_mut(slot)) {
            slot.batch = Some(batch);
        }
        batch
    }

    /// Gives a batch as it is to be handed out, or takes it back if nothing is in it.
    pub(super) fn close_batch(
        &mut self,
        batch: u64,
        lane: Lane,
        recalls: Vec<u64>,
        seconds: f64,
    ) -> Option<Batch> {
        let running = self.running.get_mut(&batch)?;
        running.lane = lane;
        running.work_seconds = seconds;
        let slot = running.slot.and_then(|slot| self.slots.get_mut(slot));
        if recalls.is_empty() {
            if let Some(slot) = slot {
                slot.batch = None;
            }
            self.running.remove(&batch);
            return None;
        }
        let tape = if running.is_tape { slot.and_then(|slot| slot.tape) } else { None };
        let tape = tape.and_then(|tape| self.tapes.get(tape)).map(|tape| tape.name.clone());
        Some(Batch { id: BatchId(batch), tape, recalls, lane, work: duration(seconds) })
    }

    /// The batch to which a recall belongs that was found under way: that of its tape, or one of its own.
    pub(super) fn batch_for_running(&mut self, tape: Option<u32>, now_ns: i64) -> u64 {
        self.renew_slots(now_ns);
        let holds = |slot: &&Slot| tape.is_some() && slot.tape == tape;
        if let Some(slot) = self.slots.iter().position(|slot| holds(&slot)) {
            let batch = self.slots.get(slot).and_then(|slot| slot.batch);
            return batch.unwrap_or_else(|| self.new_batch(Some(slot), tape, now_ns));
        }
        let slot = self.free_slots().next();
        if let (Some(slot), Some(tape)) = (slot, tape) {
            self.mount(slot, tape, now_ns);
        }
        self.new_batch(slot, tape, now_ns)
    }

    /// Counts work for the lanes' shares. Interactive work takes nothing away while nothing else waits.
    pub(super) fn count_work(&mut self, interactive_seconds: f64, bulk_seconds: f64) {
        if self.n_waiting(Lane::Bulk) > 0 {
            self.balance.interactive(interactive_seconds);
        }
        self.balance.bulk(bulk_seconds);
    }
}
