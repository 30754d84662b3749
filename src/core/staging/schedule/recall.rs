//! One recall, as small as it can be: there may be millions.

use super::Lane;
use super::slab::Slab;

/// Each point of priority counts like so much waiting.
const PRIORITY_STEP_NS: i64 = 600_000_000_000;

/// The recall has no place in a plan.
pub(super) const UNPLANNED: u32 = u32::MAX;

/// One recall.
#[derive(Debug)]
pub(super) struct Recall {
    pub(super) id: u64,
    pub(super) len_bytes: u64,
    /// First byte on its tape.
    pub(super) position: u64,
    pub(super) at_ns: i64,
    /// When it is due, for the order among others: when it was asked for, less what its priority counts.
    pub(super) key: i64,
    pub(super) tape: Option<u32>,
    /// Its place in the plan of its tape, or [`UNPLANNED`].
    pub(super) planned: u32,
    pub(super) lane: Lane,
    pub(super) stage: Stage,
    pub(super) interests: Interests,
}

/// The id of the recall of a number.
pub(super) fn id_at(recalls: &Slab<Recall>, number: u32) -> Option<&u64> {
    recalls.get(number).map(|recall| &recall.id)
}

/// How far a recall is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Stage {
    Waiting,
    /// Handed out in a batch; it should be done so many seconds after the batch began.
    Active {
        batch: u64,
        due_seconds: f32,
    },
}

/// One owner's interest in a recall.
#[derive(Debug, Clone, Copy)]
pub(super) struct Interest {
    pub(super) owner: u32,
    pub(super) priority: i8,
    pub(super) lane: Lane,
    /// Whether it counts among the recalls under way for the owner.
    pub(super) is_counted: bool,
}

/// Those who want a recall: mostly one.
#[derive(Debug, Default)]
pub(super) struct Interests {
    first: Option<Interest>,
    // A box, for a vector would be three words in each of millions of recalls.
    #[expect(clippy::box_collection, reason = "one word instead of three")]
    others: Option<Box<Vec<Interest>>>,
}

impl Interests {
    pub(super) fn iter(&self) -> impl Iterator<Item = &Interest> {
        self.first.iter().chain(self.others.iter().flat_map(|others| others.iter()))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Interest> {
        self.first.iter_mut().chain(self.others.iter_mut().flat_map(|others| others.iter_mut()))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    pub(super) fn push(&mut self, interest: Interest) {
        match self.first {
            None => self.first = Some(interest),
            Some(_) => self.others.get_or_insert_default().push(interest),
        }
    }

    /// Takes an owner's interest away.
    pub(super) fn remove(&mut self, owner: u32) -> Option<Interest> {
        if self.first.is_some_and(|first| first.owner == owner) {
            let next = self.others.as_mut().and_then(|others| others.pop());
            return std::mem::replace(&mut self.first, next);
        }
        let others = self.others.as_mut()?;
        let place = others.iter().position(|interest| interest.owner == owner)?;
        Some(others.swap_remove(place))
    }
}

impl Recall {
    /// Sets lane and key from those who want it: the most urgent decides.
    pub(super) fn renew(&mut self) {
        self.lane = self.interests.iter().map(|interest| interest.lane).min().unwrap_or(Lane::Bulk);
        let priority = self.interests.iter().map(|interest| interest.priority).max().unwrap_or(0);
        self.key = self.at_ns.saturating_sub(i64::from(priority) * PRIORITY_STEP_NS);
    }

    pub(super) fn is_waiting(&self) -> bool {
        matches!(self.stage, Stage::Waiting)
    }
}
