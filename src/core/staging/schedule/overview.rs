//! What waits and what is under way, for operators.

use std::sync::Arc;

use super::Scheduler;
use super::tapes::Stand;

/// How an owner stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnerOverview {
    /// Their name.
    pub owner: Arc<str>,
    /// Their weight, 100 as usual.
    pub weight: u32,
    /// Recalls that wait for them.
    pub n_waiting: usize,
    /// Recalls under way that count for them.
    pub n_active: usize,
}

/// A tape of which files are wanted, or that is in a drive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TapeOverview {
    /// Its label.
    pub tape: Arc<str>,
    /// Files that wait.
    pub n_waiting: usize,
    /// Their size together.
    pub len_bytes: u64,
    /// Whether it is in a drive, as far as can be told.
    pub is_mounted: bool,
}

impl Scheduler {
    /// All owners for whom something waits or is under way.
    pub fn owners(&self) -> impl Iterator<Item = OwnerOverview> {
        let busy = self.owners.iter().filter(|owner| owner.n_waiting > 0 || owner.active > 0);
        busy.map(|owner| OwnerOverview {
            owner: Arc::clone(&owner.name),
            weight: owner.weight,
            n_waiting: owner.n_waiting as usize,
            n_active: owner.active as usize,
        })
    }

    /// All tapes of which files are wanted, and those in drives.
    pub fn tapes(&self) -> impl Iterator<Item = TapeOverview> {
        self.tapes.iter().map(|(_, tape)| TapeOverview {
            tape: Arc::clone(&tape.name),
            n_waiting: tape.waiting.len(),
            len_bytes: tape.len_bytes,
            is_mounted: matches!(tape.stand, Stand::Mounted { .. }),
        })
    }
}
