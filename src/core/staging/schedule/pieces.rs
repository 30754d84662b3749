//! What is read from a tape in one go, and in which order.

use super::recall::{Recall, Stage, UNPLANNED};
use super::tapes::Plan;
use super::{Batch, Lane, Scheduler};
use crate::staging::tape::{Extent, Spot, reading_order};

/// Most files that are ordered at once: about a day of work for a drive, tens of milliseconds for a processor.
const PLAN_FILES: usize = 8192;

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
