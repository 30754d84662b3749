//! What an operator can set, and what a store can do.

use std::num::NonZeroUsize;
use std::time::Duration;

use crate::staging::tape::Media;

/// What a store can take at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most batches under way: drives, or connections.
    pub n_at_once: usize,
    /// Most recalls in one batch.
    pub batch_objects: usize,
    /// Whether batches are made for each tape. Without, places are ignored.
    pub knows_tapes: bool,
}

impl Limits {
    /// The same with room for one recall at least.
    pub(super) fn at_least_one(self) -> Self {
        Self { n_at_once: self.n_at_once.max(1), batch_objects: self.batch_objects.max(1), ..self }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { n_at_once: 1, batch_objects: NonZeroUsize::MIN.get(), knows_tapes: false }
    }
}

/// When the queue of a tape is worth a mount: when any of these is reached.
///
/// Recalls in the interactive lane are always worth it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountPolicy {
    /// So many bytes wait. Default 100 GB, some minutes of reading.
    pub len_bytes: u64,
    /// So many files wait. Default 100.
    pub n_files: usize,
    /// The first file has waited so long. Default 30 s: requests that arrive together are read together, and
    /// nothing waits for company that may never come.
    pub age: Duration,
}

impl Default for MountPolicy {
    fn default() -> Self {
        Self { len_bytes: 100_000_000_000, n_files: 100, age: Duration::from_secs(30) }
    }
}

/// How recalls are ordered.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// The kind of tape and drive.
    pub media: Media,
    /// When a tape is mounted.
    pub mount: MountPolicy,
    /// Most work in one batch of a tape; a recall somebody waits for waits so long at most for a drive.
    /// Default 10 minutes.
    pub piece: Duration,
    /// So long a tape is read before it may have to give way to an owner who has fallen behind. Default
    /// 15 minutes: changing tapes then costs an eighth of the time at most.
    pub session: Duration,
    /// So many bytes an owner of usual weight must have fallen behind for a tape to give way. Default 100 GB.
    pub behind_bytes: u64,
    /// A tape gives way, too, to one whose files are older by this time. Default 1 hour.
    pub ageing: Duration,
    /// A tape that nobody has wanted for so long is taken for unmounted. Default 5 minutes.
    pub unmounted_after: Duration,
    /// Share of the work that the interactive lane may take, in percent, while the bulk lane waits. Default 80.
    pub interactive_percent: u8,
    /// So much work above its share the interactive lane may take in one go. Default 20 minutes.
    pub interactive_burst: Duration,
    /// Slots that the bulk lane leaves free; `None`: an eighth of them, but none where tapes are known, for
    /// there a piece ends soon and an idle drive is dear.
    pub reserved_slots: Option<usize>,
    /// Most recalls under way for one owner, `None` for no bound. Default none.
    pub owner_cap: Option<u32>,
    /// What a recall takes before any was measured, where no tape tells. Default unknown.
    pub usual_recall: Option<Duration>,
    /// What recalls take of a store that brings all objects of a batch online at the same time, however many they are,
    /// before any was measured. Default none: one is read after the other.
    pub together: Option<Together>,
}

/// How long recalls take that come online together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Together {
    /// In the bulk lane.
    pub bulk: Duration,
    /// In the interactive lane.
    pub interactive: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            media: Media::default(),
            mount: MountPolicy::default(),
            piece: Duration::from_secs(600),
            session: Duration::from_secs(900),
            behind_bytes: 100_000_000_000,
            ageing: Duration::from_secs(3600),
            unmounted_after: Duration::from_secs(300),
            interactive_percent: 80,
            interactive_burst: Duration::from_secs(1200),
            reserved_slots: None,
            owner_cap: None,
            usual_recall: None,
            together: None,
        }
    }
}

impl Policy {
    /// Slots that the bulk lane leaves free. At least one is always open to it.
    pub(super) fn reserved(&self, limits: &Limits) -> usize {
        let usual = if limits.knows_tapes { 0 } else { limits.n_at_once.div_ceil(8) };
        self.reserved_slots.unwrap_or(usual).min(limits.n_at_once.saturating_sub(1))
    }
}
