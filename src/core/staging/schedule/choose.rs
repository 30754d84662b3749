//! What a free slot does next.

use super::drives::Running;
use super::owners::Owner;
use super::{Batch, BatchId, Flow, Lane, Scheduler};

/// What is handed out for an owner.
enum Choice {
    Tape(u32),
    Loose,
}

impl Scheduler {
    /// What a free slot is to do now; `None` if there is no free slot, or nothing that may be done now. To be
    /// asked again until it gives `None`, after every event and at the time of [`Scheduler::next_wake`].
    ///
    /// Every recall of the batch is to be reported once, with [`Scheduler::finished`], [`Scheduler::failed`]
    /// or [`Scheduler::returned`]; the slot is free again when all of them have been.
    pub fn next(&mut self, now_ns: i64) -> Option<Batch> {
        if self.flow != Flow::Running || now_ns < self.slow_until_ns {
            return None;
        }
        self.renew_slots(now_ns);
        self.promote(now_ns);
        if self.n_free() == 0 {
            return None;
        }
        self.balance.order().into_iter().find_map(|lane| self.next_of(lane, now_ns))
    }

    /// When [`Scheduler::next`] may give a batch without an event before: when a tape has gathered files long
    /// enough, or the store may be asked again.
    pub fn next_wake(&self, now_ns: i64) -> Option<i64> {
        if self.flow != Flow::Running || self.n_waiting.iter().all(|count| *count == 0) {
            return None;
        }
        if now_ns < self.slow_until_ns {
            return Some(self.slow_until_ns);
        }
        self.tapes.first_gathering().map(|(ready_ns, _)| ready_ns).filter(|_| self.n_free() > 0)
    }

    /// The bulk batch that should be cut short for a recall somebody waits for, if there is no free slot: the
    /// one that will end last. What of it has not been begun can be taken back from the store and
    /// [returned](Scheduler::returned); a store that cannot is waited for, a piece at most.
    pub fn preempt(&self, now_ns: i64) -> Option<BatchId> {
        let [first, _] = self.balance.order();
        let is_possible = self.flow == Flow::Running && now_ns >= self.slow_until_ns && self.n_free() == 0;
        if !is_possible || first == Lane::Bulk {
            return None;
        }
        self.owners.first_in_line(Lane::Interactive)?;
        let bulk = self.running.iter().filter(|(_, running)| running.lane == Lane::Bulk);
        let end_ns = |running: &Running| running.started_ns as f64 + running.work_seconds * 1e9;
        let last = bulk.max_by(|(batch, running), (other_batch, other)| {
            end_ns(running).total_cmp(&end_ns(other)).then(batch.cmp(other_batch))
        });
        last.map(|(batch, _)| BatchId(*batch))
    }

    fn n_free(&self) -> usize {
        self.limits.n_at_once.saturating_sub(self.running.len())
    }

    fn next_of(&mut self, lane: Lane, now_ns: i64) -> Option<Batch> {
        if lane == Lane::Bulk && self.n_free() <= self.policy.reserved(&self.limits) {
            return None;
        }
        let (on, gives_way) = self.slot_to_read_on(lane, now_ns);
        if let Some(slot) = on {
            return self.read_on(slot, lane, 0.0, now_ns);
        }
        if let Some(batch) = self.begin(lane, now_ns) {
            return Some(batch);
        }
        self.read_on(gives_way?, lane, 0.0, now_ns)
    }

    /// A free slot whose tape has files that may go; and one whose tape has them but should give way.
    fn slot_to_read_on(&self, lane: Lane, now_ns: i64) -> (Option<usize>, Option<usize>) {
        let mut gives_way = None;
        for slot in self.free_slots().filter(|slot| self.has_work(*slot, lane)) {
            if self.gives_way(slot, lane, now_ns) {
                gives_way = gives_way.or(Some(slot));
            } else {
                return (Some(slot), gives_way);
            }
        }
        (None, gives_way)
    }

    /// Whether files may go that wait on the tape in a slot.
    fn has_work(&self, slot: usize, lane: Lane) -> bool {
        let tape = self.slots.get(slot).and_then(|slot| slot.tape).and_then(|tape| self.tapes.get(tape));
        let Some(tape) = tape else { return false };
        tape.shares.iter().any(|(owner, share)| {
            let n_files = if lane == Lane::Interactive { share.n_interactive } else { share.n_files };
            n_files > 0 && self.owners.get(*owner).is_some_and(|owner| owner.has_room(self.policy.owner_cap))
        })
    }

    /// Begins something for the owner whose turn it is.
    fn begin(&mut self, lane: Lane, now_ns: i64) -> Option<Batch> {
        let (_, owner) = self.owners.first_in_line(lane)?;
        match choose(owner, lane)? {
            Choice::Loose => self.hand_out_loose(lane, now_ns),
            Choice::Tape(tape) => {
                let slot = self.slot_to_mount_in(lane, now_ns)?;
                let seconds = self.mount(slot, tape, now_ns);
                self.read_on(slot, lane, seconds, now_ns)
            }
        }
    }

    /// The free slot in which a tape is mounted: an empty one, one whose tape nobody wants, one that should
    /// give way; and for a recall somebody waits for any.
    fn slot_to_mount_in(&self, lane: Lane, now_ns: i64) -> Option<usize> {
        let cost = |slot: &usize| {
            let place = self.slots.get(*slot);
            let is_loaded = place.is_some_and(|place| place.tape.is_some());
            let is_wanted = self.has_work(*slot, Lane::Bulk);
            (is_wanted, is_loaded, place.map_or(0, |place| place.mounted_ns), *slot)
        };
        let is_possible = |slot: &usize| {
            lane == Lane::Interactive || !self.has_work(*slot, lane) || self.gives_way(*slot, lane, now_ns)
        };
        self.free_slots().filter(is_possible).min_by_key(cost)
    }

    /// A batch of recalls without tape, one at a time for the owner whose turn it is.
    fn hand_out_loose(&mut self, lane: Lane, now_ns: i64) -> Option<Batch> {
        let slot = self
            .free_slots()
            .find(|slot| !self.has_work(*slot, lane))
            .or_else(|| self.free_slots().next())?;
        self.unmount(slot);
        let batch = self.new_batch(Some(slot), None, now_ns);
        let mut recalls = Vec::new();
        while recalls.len() < self.limits.batch_objects
            && let Some((_, owner)) = self.owners.first_in_line(lane)
            && let Some(Choice::Loose) = choose(owner, lane)
            && let Some((_, number)) = owner.lane(lane).loose.first().copied()
            && let Some(recall) = self.recalls.get(number)
        {
            recalls.push(recall.id);
            self.hand_out(number, batch, 0.0);
        }
        let seconds = match self.together(lane) {
            Some((seconds, _)) => seconds,
            None => recalls.len() as f64 * self.loose_seconds().unwrap_or(1.0),
        };
        match lane {
            Lane::Interactive => self.count_work(seconds, 0.0),
            Lane::Bulk => self.count_work(0.0, seconds),
        }
        self.close_batch(batch, lane, recalls, seconds)
    }
}

/// Whether an owner's next recall lies on tape: what has waited longer goes first, a fuller tape counts as
/// older.
fn choose(owner: &Owner, lane: Lane) -> Option<Choice> {
    let offers = owner.lane(lane);
    match (offers.tapes.first(), offers.loose.first()) {
        (Some((rank, tape)), loose) if loose.is_none_or(|(key, _)| rank <= key) => Some(Choice::Tape(*tape)),
        (_, loose) => loose.map(|_| Choice::Loose),
    }
}
