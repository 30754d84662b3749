//! Tapes with files that wait, and how each of them stands.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::MountPolicy;
use super::slab::Slab;

/// A tape that is fuller by an eighth of a doubling counts as so much older.
const FULLNESS_STEP_NS: i64 = 900_000_000_000;

/// One tape.
#[derive(Debug)]
pub(super) struct Tape {
    pub(super) name: Arc<str>,
    /// Recalls of files on it, those under way included.
    pub(super) n_recalls: u32,
    /// Those that wait, by key.
    pub(super) waiting: BTreeSet<(i64, u32)>,
    /// Those of them that somebody waits for, by key.
    pub(super) interactive: BTreeSet<(i64, u32)>,
    /// Bytes that wait.
    pub(super) len_bytes: u64,
    pub(super) shares: BTreeMap<u32, Share>,
    pub(super) stand: Stand,
    pub(super) plan: Plan,
}

/// What waits on a tape for one owner.
#[derive(Debug, Default)]
pub(super) struct Share {
    pub(super) n_files: u32,
    pub(super) n_interactive: u32,
    pub(super) len_bytes: u64,
    /// The ranks under which the tape is offered to the owner, for each lane.
    pub(super) offered: [Option<i64>; 2],
}

/// How a tape stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stand {
    /// In no drive, and not yet worth a mount. It will be at this time at the latest.
    Gathering { ready_ns: i64 },
    /// Worth a mount. The lower the rank, the sooner.
    Ready { rank: i64 },
    /// In the drive of a slot.
    Mounted { slot: usize },
}

impl Stand {
    /// Nothing waits.
    pub(super) const IDLE: Self = Self::Gathering { ready_ns: i64::MAX };
}

/// The order in which the files of a tape are read.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) order: Vec<u32>,
    /// The first that is not yet read.
    pub(super) next: usize,
}

impl Tape {
    fn new(name: Arc<str>) -> Self {
        Self {
            name,
            n_recalls: 0,
            waiting: BTreeSet::new(),
            interactive: BTreeSet::new(),
            len_bytes: 0,
            shares: BTreeMap::new(),
            stand: Stand::IDLE,
            plan: Plan::default(),
        }
    }

    /// The key of the file that has waited longest.
    pub(super) fn oldest(&self) -> Option<i64> {
        self.waiting.first().map(|(key, _)| *key)
    }

    /// Whether enough waits for a mount, however short it has waited.
    pub(super) fn is_worth(&self, mount: &MountPolicy) -> bool {
        self.len_bytes >= mount.len_bytes || self.waiting.len() >= mount.n_files
    }

    /// The lower, the sooner a tape is mounted: the fullest first, where age counts as fullness, so that no
    /// tape waits for ever behind fuller ones.
    pub(super) fn rank(&self) -> i64 {
        let oldest = self.oldest().unwrap_or(i64::MAX);
        oldest.saturating_sub(eighths_of_doublings(self.len_bytes) * FULLNESS_STEP_NS)
    }
}

/// 8 · log₂, rounded down to the eighth that the leading bits tell.
fn eighths_of_doublings(len_bytes: u64) -> i64 {
    let len_bytes = len_bytes.max(8);
    let doublings = len_bytes.ilog2();
    let eighth = (len_bytes >> (doublings - 3)) & 7;
    i64::from(doublings) * 8 + eighth as i64
}

/// All tapes.
#[derive(Debug, Default)]
pub(super) struct Tapes {
    all: Slab<Tape>,
    by_name: HashMap<Arc<str>, u32>,
    /// Tapes that are not yet worth a mount, by the time when they will be.
    gathering: BTreeSet<(i64, u32)>,
}

impl Tapes {
    pub(super) fn intern(&mut self, name: &Arc<str>) -> u32 {
        if let Some(tape) = self.by_name.get(name) {
            return *tape;
        }
        let tape = self.all.insert(Tape::new(Arc::clone(name)));
        self.by_name.insert(Arc::clone(name), tape);
        tape
    }

    pub(super) fn find(&self, name: &str) -> Option<u32> {
        self.by_name.get(name).copied()
    }

    pub(super) fn get(&self, tape: u32) -> Option<&Tape> {
        self.all.get(tape)
    }

    pub(super) fn get_mut(&mut self, tape: u32) -> Option<&mut Tape> {
        self.all.get_mut(tape)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &Tape)> {
        self.all.iter()
    }

    /// Says how a tape stands from now on.
    pub(super) fn set_stand(&mut self, number: u32, stand: Stand) {
        let Some(tape) = self.all.get_mut(number) else { return };
        if let Stand::Gathering { ready_ns } = tape.stand {
            self.gathering.remove(&(ready_ns, number));
        }
        if let Stand::Gathering { ready_ns } = stand
            && ready_ns != i64::MAX
        {
            self.gathering.insert((ready_ns, number));
        }
        tape.stand = stand;
    }

    /// The tape that will be worth a mount first, and when.
    pub(super) fn first_gathering(&self) -> Option<(i64, u32)> {
        self.gathering.first().copied()
    }

    /// Forgets a tape of which nothing is wanted and that is in no drive.
    pub(super) fn tidy(&mut self, number: u32) {
        let Some(tape) = self.all.get(number) else { return };
        if tape.n_recalls > 0 || matches!(tape.stand, Stand::Mounted { .. }) {
            return;
        }
        self.set_stand(number, Stand::IDLE);
        if let Some(tape) = self.all.remove(number) {
            self.by_name.remove(&tape.name);
        }
    }
}
