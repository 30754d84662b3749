//! Recalls enter and leave the queues; tapes are offered to those who have files on them.

use super::recall::Recall;
use super::tapes::{Stand, Tape};
use super::{Lane, Scheduler};

const LANES: [Lane; 2] = [Lane::Interactive, Lane::Bulk];

impl Scheduler {
    /// Puts a waiting recall into the queues.
    pub(super) fn enqueue(&mut self, number: u32) {
        let Some(recall) = self.recalls.get(number) else { return };
        if let Some(count) = self.n_waiting.get_mut(recall.lane as usize) {
            *count += 1;
        }
        let cap = self.policy.owner_cap;
        for interest in recall.interests.iter() {
            self.owners.begin_to_wait(interest.owner, cap);
        }
        let Some(tape) = recall.tape else {
            for interest in recall.interests.iter() {
                self.owners.update(interest.owner, cap, |owner| {
                    owner.lane_mut(recall.lane).loose.insert((recall.key, number));
                });
            }
            return;
        };
        if let Some(tape) = self.tapes.get_mut(tape) {
            tape.add(number, recall);
        }
        self.grown(tape, number);
    }

    /// Takes a waiting recall out of the queues.
    pub(super) fn dequeue(&mut self, number: u32) {
        let Some(recall) = self.recalls.get(number) else { return };
        if let Some(count) = self.n_waiting.get_mut(recall.lane as usize) {
            *count = count.saturating_sub(1);
        }
        let cap = self.policy.owner_cap;
        for interest in recall.interests.iter() {
            self.owners.update(interest.owner, cap, |owner| {
                owner.n_waiting = owner.n_waiting.saturating_sub(1);
                if recall.tape.is_none() {
                    owner.lane_mut(recall.lane).loose.remove(&(recall.key, number));
                }
            });
        }
        let Some(tape) = recall.tape else { return };
        if let Some(tape) = self.tapes.get_mut(tape) {
            tape.take(number, recall);
        }
        self.shrunk(tape, number);
    }

    /// A recall has been added to a tape: is it worth a mount now, or sooner?
    fn grown(&mut self, number: u32, recall: u32) {
        let (Some(tape), Some(recall)) = (self.tapes.get(number), self.recalls.get(recall)) else { return };
        let mount = &self.policy.mount;
        let stand = match tape.stand {
            Stand::Gathering { ready_ns } => {
                let aged_ns = recall.at_ns.saturating_add(crate::clock::nanoseconds(mount.age));
                match tape.is_worth(mount) {
                    true => Stand::Ready { rank: tape.rank() },
                    false => Stand::Gathering { ready_ns: ready_ns.min(aged_ns) },
                }
            }
            Stand::Ready { .. } => Stand::Ready { rank: tape.rank() },
            mounted @ Stand::Mounted { .. } => mounted,
        };
        self.stand(number, stand, recall.interests.iter().map(|interest| interest.owner).collect());
    }

    /// A recall has been taken from a tape.
    fn shrunk(&mut self, number: u32, recall: u32) {
        let (Some(tape), Some(recall)) = (self.tapes.get(number), self.recalls.get(recall)) else { return };
        let stand = match tape.stand {
            mounted @ Stand::Mounted { .. } => mounted,
            _ if tape.waiting.is_empty() => Stand::IDLE,
            Stand::Ready { .. } => Stand::Ready { rank: tape.rank() },
            gathering @ Stand::Gathering { .. } => gathering,
        };
        self.stand(number, stand, recall.interests.iter().map(|interest| interest.owner).collect());
    }

    /// Says how a tape stands, and offers it accordingly: to `owners` at least, whose share has changed.
    fn stand(&mut self, number: u32, stand: Stand, mut owners: Vec<u32>) {
        let Some(tape) = self.tapes.get(number) else { return };
        if tape.stand != stand {
            let is_offered_anew =
                !matches!((tape.stand, stand), (Stand::Gathering { .. }, Stand::Gathering { .. }));
            if is_offered_anew {
                owners = tape.shares.keys().copied().collect();
            }
            self.tapes.set_stand(number, stand);
        }
        for owner in owners {
            self.offer(number, owner);
        }
    }

    /// Sets how a tape stands, and offers it to all who have files on it.
    pub(super) fn set_stand(&mut self, number: u32, stand: Stand) {
        let Some(tape) = self.tapes.get(number) else { return };
        let owners = tape.shares.keys().copied().collect();
        self.stand(number, stand, owners);
    }

    /// Offers a tape to an owner, or takes the offer back, as it stands.
    fn offer(&mut self, number: u32, owner: u32) {
        let Some(tape) = self.tapes.get_mut(number) else { return };
        let (stand, oldest_interactive) = (tape.stand, tape.interactive.first().map(|(key, _)| *key));
        let Some(share) = tape.shares.get_mut(&owner) else { return };
        let should = match stand {
            Stand::Mounted { .. } => [None, None],
            _ if share.n_files == 0 => [None, None],
            stand => {
                let [before, _] = share.offered;
                let interactive = before.or(oldest_interactive).filter(|_| share.n_interactive > 0);
                let bulk = if let Stand::Ready { rank } = stand { Some(rank) } else { None };
                [interactive, bulk]
            }
        };
        let was = std::mem::replace(&mut share.offered, should);
        if share.n_files == 0 {
            tape.shares.remove(&owner);
        }
        if was == should {
            return;
        }
        self.owners.update(owner, self.policy.owner_cap, |owner| {
            for ((lane, was), should) in LANES.into_iter().zip(was).zip(should) {
                let tapes = &mut owner.lane_mut(lane).tapes;
                if let Some(rank) = was {
                    tapes.remove(&(rank, number));
                }
                if let Some(rank) = should {
                    tapes.insert((rank, number));
                }
            }
        });
    }

    /// Tapes that have gathered files long enough are worth a mount.
    pub(super) fn promote(&mut self, now_ns: i64) {
        while let Some((ready_ns, tape)) = self.tapes.first_gathering()
            && ready_ns <= now_ns
        {
            let rank = self.tapes.get(tape).map_or(i64::MAX, Tape::rank);
            self.set_stand(tape, Stand::Ready { rank });
        }
    }
}

impl Tape {
    fn add(&mut self, number: u32, recall: &Recall) {
        let is_interactive = recall.lane == Lane::Interactive;
        self.waiting.insert((recall.key, number));
        if is_interactive {
            self.interactive.insert((recall.key, number));
        }
        self.len_bytes = self.len_bytes.saturating_add(recall.len_bytes);
        for interest in recall.interests.iter() {
            let share = self.shares.entry(interest.owner).or_default();
            share.n_files += 1;
            share.n_interactive += u32::from(is_interactive);
            share.len_bytes = share.len_bytes.saturating_add(recall.len_bytes);
        }
    }

    fn take(&mut self, number: u32, recall: &Recall) {
        self.waiting.remove(&(recall.key, number));
        let is_interactive = self.interactive.remove(&(recall.key, number));
        self.len_bytes = self.len_bytes.saturating_sub(recall.len_bytes);
        for interest in recall.interests.iter() {
            if let Some(share) = self.shares.get_mut(&interest.owner) {
                share.n_files = share.n_files.saturating_sub(1);
                share.n_interactive = share.n_interactive.saturating_sub(u32::from(is_interactive));
                share.len_bytes = share.len_bytes.saturating_sub(recall.len_bytes);
            }
        }
    }
}
