//! When a tape that is being read gives way to another.

use super::tapes::Tape;
use super::{Lane, Scheduler};
use crate::clock::nanoseconds;

impl Scheduler {
    /// Whether the tape in a slot should give way to one that others wait for.
    pub(super) fn gives_way(&self, slot: usize, lane: Lane, now_ns: i64) -> bool {
        let Some(slot) = self.slots.get(slot) else { return false };
        let Some(tape) = slot.tape.and_then(|tape| self.tapes.get(tape)) else { return false };
        match lane {
            Lane::Interactive => self.gives_way_to_reader(tape),
            Lane::Bulk => self.gives_way_to_owner(tape, now_ns.saturating_sub(slot.mounted_ns), now_ns),
        }
    }

    /// Readers of one tape, however many, keep a reader of another waiting for a piece at most.
    fn gives_way_to_reader(&self, tape: &Tape) -> bool {
        let offers =
            self.owners.first_in_line(Lane::Interactive).map(|(_, owner)| owner.lane(Lane::Interactive));
        let offered =
            offers.and_then(|offers| offers.tapes.first().into_iter().chain(offers.loose.first()).min());
        let (Some((waits, _)), Some((here, _))) = (offered, tape.interactive.first()) else { return false };
        waits.saturating_add(nanoseconds(self.policy.piece)) < *here
    }

    /// Whether a tape that has been read for so long gives way to an owner who has fallen behind, or to an
    /// older file.
    ///
    /// What is left on it is read first if it fits into one piece: to come back for it would cost as much.
    /// Since more may come all the time, that is so for one more session only.
    fn gives_way_to_owner(&self, tape: &Tape, read_ns: i64, now_ns: i64) -> bool {
        let session_ns = nanoseconds(self.policy.session);
        let is_nearly_done = self.reading_seconds(tape) < self.policy.piece.as_secs_f64();
        if read_ns < session_ns || (is_nearly_done && read_ns < session_ns.saturating_mul(2)) {
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
        let (Some(waits), Some(oldest)) = (first.and_then(Tape::oldest), tape.oldest()) else { return false };
        waits.saturating_add(nanoseconds(self.policy.ageing)) < oldest
    }
}
