//! What the engine tells: recalls are wanted, joined, dropped, finished.

use super::drives::Running;
use super::pace::seconds_between;
use super::recall::{Interest, Interests, Recall, Stage, UNPLANNED, id_at};
use super::{BatchId, Dropped, OwnerId, Scheduler, Wanted};

impl Scheduler {
    /// Adds a recall that is to be made. If it is known already, the owner joins it.
    pub fn add(&mut self, wanted: Wanted) {
        match self.number_of(wanted.recall) {
            Some(number) => self.join(number, &wanted),
            None => {
                let number = self.insert(&wanted);
                self.enqueue(number);
            }
        }
    }

    /// Adds a recall that the store is making already, as found after a restart. It takes a slot, that of its
    /// tape if others of the tape are under way.
    pub fn add_running(&mut self, wanted: Wanted, now_ns: i64) -> BatchId {
        self.add_running_in(None, wanted, now_ns)
    }

    /// Adds a recall that the store is making in the same batch as one that was added before.
    pub fn add_running_to(&mut self, batch: BatchId, wanted: Wanted, now_ns: i64) -> BatchId {
        let is_known = self.running.contains_key(&batch.0);
        self.add_running_in(is_known.then_some(batch.0), wanted, now_ns)
    }

    fn add_running_in(&mut self, batch: Option<u64>, wanted: Wanted, now_ns: i64) -> BatchId {
        let id = wanted.recall;
        self.add(wanted);
        let Some(number) = self.number_of(id) else { return BatchId(0) };
        if let Some(Recall { stage: Stage::Active { batch, .. }, .. }) = self.recalls.get(number) {
            return BatchId(*batch);
        }
        let tape = self.recalls.get(number).and_then(|recall| recall.tape);
        let batch = batch.unwrap_or_else(|| self.batch_for_running(tape, now_ns));
        self.hand_out(number, batch, 0.0);
        BatchId(batch)
    }

    /// An owner no longer wants a recall.
    pub fn drop_interest(&mut self, recall: u64, owner: OwnerId) -> Dropped {
        let Some(number) = self.number_of(recall) else { return Dropped::Unknown };
        let Some(recall) = self.recalls.get_mut(number) else { return Dropped::Unknown };
        if !recall.interests.iter().any(|interest| interest.owner == owner.0) {
            return Dropped::Unknown;
        }
        if recall.is_waiting() {
            self.dequeue(number);
            return self.withdraw(number, owner);
        }
        let interest = recall.interests.remove(owner.0);
        let is_wanted = !recall.interests.is_empty();
        self.uncount(interest.into_iter());
        if is_wanted { Dropped::StillWanted } else { Dropped::UnderWay }
    }

    /// A recall that was handed out has succeeded; `len_bytes` were brought. False if it was not under way.
    pub fn finished(&mut self, recall: u64, len_bytes: u64, now_ns: i64) -> bool {
        let Some(recall) = self.end(recall, now_ns) else { return false };
        self.correct(&recall, Some(len_bytes));
        self.tidy(&recall);
        true
    }

    /// A recall that was handed out has ended without success: it counts for nobody. If it is to be tried
    /// again, it is added again. False if it was not under way.
    pub fn failed(&mut self, recall: u64, now_ns: i64) -> bool {
        let Some(recall) = self.end(recall, now_ns) else { return false };
        self.correct(&recall, None);
        self.tidy(&recall);
        true
    }

    /// A recall that was handed out has not been begun and was taken back from the store: it waits again, as
    /// if it had never been handed out. False if it was not under way.
    pub fn returned(&mut self, recall: u64, now_ns: i64) -> bool {
        let id = recall;
        let Some(mut recall) = self.end(id, now_ns) else { return false };
        self.correct(&recall, None);
        if recall.interests.is_empty() {
            self.tidy(&recall);
            return true;
        }
        recall.stage = Stage::Waiting;
        recall.planned = UNPLANNED;
        recall.interests.iter_mut().for_each(|interest| interest.is_counted = false);
        if let Some(tape) = recall.tape.and_then(|tape| self.tapes.get_mut(tape)) {
            tape.n_recalls += 1;
        }
        let number = self.recalls.insert(recall);
        self.by_id.insert(number, |number| id_at(&self.recalls, number));
        self.enqueue(number);
        true
    }

    fn insert(&mut self, wanted: &Wanted) -> u32 {
        let place = wanted.place.as_ref().filter(|_| self.limits.knows_tapes);
        let tape = place.map(|place| self.tapes.intern(&place.tape));
        if let Some(tape) = tape.and_then(|tape| self.tapes.get_mut(tape)) {
            tape.n_recalls += 1;
        }
        let mut recall = Recall {
            id: wanted.recall,
            len_bytes: wanted.len_bytes,
            position: place.map_or(0, |place| place.position),
            at_ns: wanted.at_ns,
            key: 0,
            tape,
            planned: UNPLANNED,
            lane: wanted.lane,
            stage: Stage::Waiting,
            interests: Interests::default(),
        };
        recall.interests.push(interest(wanted));
        recall.renew();
        let number = self.recalls.insert(recall);
        self.by_id.insert(number, |number| id_at(&self.recalls, number));
        number
    }

    /// An owner wants a recall that is known already, or wants it more.
    fn join(&mut self, number: u32, wanted: &Wanted) {
        let Some(recall) = self.recalls.get(number) else { return };
        let is_waiting = recall.is_waiting();
        if is_waiting {
            self.dequeue(number);
        }
        let Some(recall) = self.recalls.get_mut(number) else { return };
        let len_bytes = recall.len_bytes;
        let known = recall.interests.iter_mut().find(|interest| interest.owner == wanted.owner.0);
        let is_new = known.is_none();
        match known {
            Some(interest) => {
                interest.lane = interest.lane.min(wanted.lane);
                interest.priority = interest.priority.max(wanted.priority);
            }
            None => recall.interests.push(interest(wanted)),
        }
        recall.at_ns = recall.at_ns.min(wanted.at_ns);
        recall.renew();
        if is_waiting {
            self.enqueue(number);
        } else if is_new {
            // What is under way counts for who joins, as for those who began it.
            self.owners.update(wanted.owner.0, self.policy.owner_cap, |owner| {
                owner.tag += owner.charge(len_bytes);
            });
        }
    }

    /// Takes an owner's interest away from a recall that is out of the queues, and puts it back if others
    /// want it.
    fn withdraw(&mut self, number: u32, owner: OwnerId) -> Dropped {
        let Some(recall) = self.recalls.get_mut(number) else { return Dropped::Unknown };
        recall.interests.remove(owner.0);
        if recall.interests.is_empty() {
            if let Some(recall) = self.forget(number) {
                self.tidy(&recall);
            }
            return Dropped::Forgotten;
        }
        recall.renew();
        self.enqueue(number);
        Dropped::StillWanted
    }

    /// Hands a waiting recall out in a batch: it leaves the queues and counts for all who want it.
    ///
    /// Who has as many recalls under way as they may takes part without its counting for them: it is another
    /// who causes it.
    pub(super) fn hand_out(&mut self, number: u32, batch: u64, due_seconds: f64) {
        self.dequeue(number);
        let cap = self.policy.owner_cap;
        let Some(recall) = self.recalls.get_mut(number) else { return };
        let tags = recall.interests.iter().filter_map(|interest| self.owners.get(interest.owner));
        if let Some(least) = tags.map(|owner| owner.tag).min() {
            self.owners.serve(least);
        }
        let len_bytes = recall.len_bytes;
        let started_ns = self.running.get(&batch).map_or(i64::MIN, |running| running.started_ns);
        for interest in recall.interests.iter_mut() {
            self.owners.update(interest.owner, cap, |owner| {
                owner.served_ns = started_ns;
                interest.is_counted = owner.has_room(cap);
                owner.active += u32::from(interest.is_counted);
                owner.tag += owner.charge(len_bytes);
            });
        }
        recall.stage = Stage::Active { batch, due_seconds: due_seconds as f32 };
        if let Some(running) = self.running.get_mut(&batch) {
            running.n_left += 1;
            running.n_recalls += 1;
        }
    }

    /// Ends a recall that is under way, and its batch if it was the last of it.
    fn end(&mut self, id: u64, now_ns: i64) -> Option<Recall> {
        let number = self.number_of(id)?;
        let Stage::Active { batch, .. } = self.recalls.get(number)?.stage else { return None };
        let recall = self.forget(number)?;
        self.uncount(recall.interests.iter().copied());
        if let Some(running) = self.running.get_mut(&batch) {
            running.n_left = running.n_left.saturating_sub(1);
            if running.n_left == 0
                && let Some(running) = self.running.remove(&batch)
            {
                self.end_batch(batch, &running, now_ns);
            }
        }
        Some(recall)
    }

    fn end_batch(&mut self, batch: u64, running: &Running, now_ns: i64) {
        let took = seconds_between(running.started_ns, now_ns);
        match running.is_tape {
            true => self.pace.tape(took, running.work_seconds),
            // When a batch began that was found after a restart is not known.
            false if running.work_seconds <= 0.0 => {}
            false if self.policy.together.is_some() => self.pace.together(took, running.lane),
            false => self.pace.loose(took, running.n_recalls),
        }
        let slot = running.slot.and_then(|slot| self.slots.get_mut(slot));
        if let Some(slot) = slot.filter(|slot| slot.batch == Some(batch)) {
            slot.batch = None;
            slot.idle_since_ns = now_ns;
        }
    }

    /// Removes a recall that is in no queue. Its tape is to be tidied unless the recall comes back.
    fn forget(&mut self, number: u32) -> Option<Recall> {
        let recall = self.recalls.remove(number)?;
        self.by_id.remove(&recall.id, number);
        if let Some(tape) = recall.tape.and_then(|tape| self.tapes.get_mut(tape)) {
            tape.n_recalls = tape.n_recalls.saturating_sub(1);
        }
        Some(recall)
    }

    fn tidy(&mut self, recall: &Recall) {
        if let Some(tape) = recall.tape {
            self.tapes.tidy(tape);
        }
    }

    /// The recalls under way of these owners become one fewer.
    fn uncount(&mut self, interests: impl Iterator<Item = Interest>) {
        for interest in interests.filter(|interest| interest.is_counted) {
            self.owners.update(interest.owner, self.policy.owner_cap, |owner| {
                owner.active = owner.active.saturating_sub(1);
            });
        }
    }

    /// Corrects what a recall counted when it was handed out by what was brought; `None` for nothing.
    fn correct(&mut self, recall: &Recall, brought: Option<u64>) {
        for interest in recall.interests.iter() {
            self.owners.update(interest.owner, self.policy.owner_cap, |owner| {
                let counts = brought.map_or(0, |len_bytes| owner.charge(len_bytes));
                owner.tag = (owner.tag + counts).saturating_sub(owner.charge(recall.len_bytes));
            });
        }
    }
}

fn interest(wanted: &Wanted) -> Interest {
    Interest { owner: wanted.owner.0, priority: wanted.priority, lane: wanted.lane, is_counted: false }
}
