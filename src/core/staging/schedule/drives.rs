//! Slots, the tapes in them, and what is read from a tape in one piece.

use super::pace::duration;
use super::recall::{Recall, Stage, UNPLANNED};
use super::tapes::{Plan, Stand};
use super::{Batch, BatchId, Lane, Scheduler};
use crate::clock::nanoseconds;
use crate::staging::tape::{Extent, Spot, reading_order};

/// Most files that are ordered at once: about a day of work for a drive, tens of milliseconds for a processor.
const PLAN_FILES: usize = 8192;

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

/// A piece of a tape that is being put together.
struct Piece {
    batch: u64,
    tape: u32,
    recalls: Vec<u64>,
    lane: Lane,
    head: Spot,
    seconds: f64,
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

    /// Hands out the next piece of the tape in a slot, `mount_seconds` after now.
    ///
    /// For the interactive lane what somebody waits for comes first, and the rest of the piece is filled as
    /// planned unless somebody waits for another tape. For the bulk lane it is the plan alone.
    pub(super) fn read_on(
        &mut self,
        slot: usize,
        lane: Lane,
        mount_seconds: f64,
        now_ns: i64,
    ) -> Option<Batch> {
        let place = self.slots.get(slot)?;
        let tape = place.tape?;
        let (head, batch) = (place.head, self.new_batch(Some(slot), Some(tape), now_ns));
        let mut piece =
            Piece { batch, tape, recalls: Vec::new(), lane: Lane::Bulk, head, seconds: mount_seconds };
        if lane == Lane::Interactive {
            for number in self.in_reading_order(tape, head, Lane::Interactive) {
                self.take(number, &mut piece);
            }
        }
        let interactive_seconds = if piece.recalls.is_empty() { 0.0 } else { piece.seconds };
        if piece.recalls.is_empty() || self.owners.first_in_line(Lane::Interactive).is_none() {
            self.take_as_planned(&mut piece);
        }
        self.count_work(interactive_seconds, piece.seconds - interactive_seconds);
        if let Some(place) = self.slots.get_mut(slot) {
            place.head = piece.head;
        }
        self.close_batch(batch, piece.lane, piece.recalls, piece.seconds)
    }

    /// Takes files in the order of the plan, and makes a new plan when nothing of it can be handed out.
    fn take_as_planned(&mut self, piece: &mut Piece) {
        for is_new in [false, true] {
            if self.is_full(piece) {
                break;
            }
            if is_new {
                self.plan(piece.tape, piece.head);
            }
            let n_before = piece.recalls.len();
            self.take_from_plan(piece);
            if piece.recalls.len() > n_before {
                break;
            }
        }
    }

    fn take_from_plan(&mut self, piece: &mut Piece) {
        let Some(tape) = self.tapes.get_mut(piece.tape) else { return };
        // Taken out while it is gone through: recalls come and go beside it.
        let mut plan = std::mem::take(&mut tape.plan);
        let planned = plan.order.iter().copied().zip(0..).skip(plan.next);
        let mut is_beginning = true;
        for (number, place) in planned {
            let recall = self.recalls.get(number);
            let is_left = recall.is_some_and(|recall| recall.is_planned(piece.tape, place));
            if is_left && !self.take(number, piece) {
                is_beginning = false;
                if self.is_full(piece) {
                    break;
                }
            }
            if is_beginning {
                plan.next = place as usize + 1;
            }
        }
        if let Some(tape) = self.tapes.get_mut(piece.tape) {
            tape.plan = plan;
        }
    }

    /// Adds a recall to a piece if it may be handed out and there is room.
    fn take(&mut self, number: u32, piece: &mut Piece) -> bool {
        if self.is_full(piece) || !self.may_go(number) {
            return false;
        }
        let Some(recall) = self.recalls.get(number) else { return false };
        let extent = Extent { position: recall.position, len_bytes: recall.len_bytes };
        let media = &self.policy.media;
        let locate = media.locate_seconds(piece.head, media.spot(extent.position));
        piece.seconds += locate + media.read_seconds(extent.len_bytes);
        piece.head = media.spot(extent.end());
        piece.recalls.push(recall.id);
        piece.lane = piece.lane.min(recall.lane);
        self.hand_out(number, piece.batch, piece.seconds);
        true
    }

    fn is_full(&self, piece: &Piece) -> bool {
        let is_long = piece.seconds >= self.policy.piece.as_secs_f64() && !piece.recalls.is_empty();
        is_long || piece.recalls.len() >= self.limits.batch_objects
    }

    /// Whether any owner of a recall may have one more under way.
    fn may_go(&self, number: u32) -> bool {
        let Some(recall) = self.recalls.get(number) else { return false };
        let mut owners = recall.interests.iter().filter_map(|interest| self.owners.get(interest.owner));
        owners.any(|owner| owner.has_room(self.policy.owner_cap))
    }

    fn plan(&mut self, tape: u32, head: Spot) {
        let order = self.in_reading_order(tape, head, Lane::Bulk);
        for (number, place) in order.iter().zip(0..) {
            if let Some(recall) = self.recalls.get_mut(*number) {
                recall.planned = place;
            }
        }
        if let Some(tape) = self.tapes.get_mut(tape) {
            tape.plan = Plan { order, next: 0 };
        }
    }

    /// Files of a tape that may be handed out, the oldest if there are too many, as they are best read: those
    /// somebody waits for, or all.
    fn in_reading_order(&self, tape: u32, head: Spot, lane: Lane) -> Vec<u32> {
        let Some(tape) = self.tapes.get(tape) else { return Vec::new() };
        let queue = if lane == Lane::Interactive { &tape.interactive } else { &tape.waiting };
        let numbers = queue.iter().map(|(_, number)| *number).filter(|number| self.may_go(*number));
        let numbers: Vec<u32> = numbers.take(PLAN_FILES).collect();
        let recalls = numbers.iter().filter_map(|number| self.recalls.get(*number));
        let extents: Vec<Extent> =
            recalls.map(|recall| Extent { position: recall.position, len_bytes: recall.len_bytes }).collect();
        let order = reading_order(&self.policy.media, head, &extents, usize::MAX);
        order.into_iter().filter_map(|place| numbers.get(place).copied()).collect()
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

    /// Whether the tape in a slot should give way to one that another owner, or an older file, waits for.
    ///
    /// What is left on it is read first if it fits into one piece: to come back for it would cost as much.
    pub(super) fn must_give_way(&self, slot: usize, now_ns: i64) -> bool {
        let Some(slot) = self.slots.get(slot) else { return false };
        let Some(tape) = slot.tape.and_then(|tape| self.tapes.get(tape)) else { return false };
        let session_ns = nanoseconds(self.policy.session);
        if now_ns.saturating_sub(slot.mounted_ns) < session_ns
            || self.reading_seconds(tape) < self.policy.piece.as_secs_f64()
        {
            return false;
        }
        let Some((number, owner)) = self.owners.first_in_line(Lane::Bulk) else { return false };
        let here = tape.shares.keys().filter_map(|owner| self.owners.get(*owner));
        let least = here.map(|owner| owner.tag).min().unwrap_or(u128::MAX);
        let is_unserved = owner.active == 0 && now_ns.saturating_sub(owner.served_ns) >= session_ns;
        let is_behind = is_unserved || owner.tag + u128::from(self.policy.behind_bytes) < least;
        if is_behind && !tape.shares.contains_key(&number) {
            return true;
        }
        let first = owner.lane(Lane::Bulk).tapes.first().and_then(|(_, tape)| self.tapes.get(*tape));
        let (Some(waits), Some(oldest)) = (first.and_then(|tape| tape.oldest()), tape.oldest()) else {
            return false;
        };
        waits.saturating_add(nanoseconds(self.policy.ageing)) < oldest
    }
}

impl Recall {
    /// Whether a recall waits and has this place in the plan of this tape.
    fn is_planned(&self, tape: u32, place: u32) -> bool {
        matches!(self.stage, Stage::Waiting)
            && self.tape == Some(tape)
            && self.planned == place
            && place != UNPLANNED
    }
}
