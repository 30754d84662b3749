//! Turns of kinds of work: how many steps of one kind are done at the same time.
//!
//! A job that finds no turn leaves its worker to others, and is ready again when a step of its kind has ended: the turn is
//! then kept for it, so that the jobs of a kind come one after the other.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;

use super::JobId;
use super::engine::Shared;

/// The turns of one kind.
#[derive(Default)]
struct Taken {
    /// Turns that are taken or kept for somebody.
    n: usize,
    /// Who waits for one.
    waiting: VecDeque<JobId>,
}

/// The turns of all kinds.
#[derive(Default)]
pub(super) struct Turns(Mutex<State>);

#[derive(Default)]
struct State {
    kinds: HashMap<&'static str, Taken>,
    /// Whom a turn is kept for, and of which kind it is.
    kept: HashMap<JobId, &'static str>,
}

/// A turn; the next one's when it is dropped.
pub(super) struct Turn {
    shared: Arc<Shared>,
    kind: &'static str,
}

impl Turn {
    /// The turn that is kept for a job.
    pub(super) fn kept(shared: &Arc<Shared>, id: &JobId) -> Option<Self> {
        let kind = shared.turns.0.lock().kept.remove(id)?;
        Some(Self { shared: Arc::clone(shared), kind })
    }

    /// A turn if there is one; else the job is ready again when there is.
    pub(super) fn take(shared: &Arc<Shared>, kind: &'static str, id: &JobId, most: usize) -> Option<Self> {
        let mut state = shared.turns.0.lock();
        let taken = state.kinds.entry(kind).or_default();
        if taken.n >= most.max(1) {
            taken.waiting.push_back(id.clone());
            return None;
        }
        taken.n += 1;
        Some(Self { shared: Arc::clone(shared), kind })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let next = {
            let mut state = self.shared.turns.0.lock();
            let state = &mut *state;
            let Some(taken) = state.kinds.get_mut(self.kind) else { return };
            let next = taken.waiting.pop_front();
            match &next {
                Some(id) => drop(state.kept.insert(id.clone(), self.kind)),
                None => taken.n = taken.n.saturating_sub(1),
            }
            next
        };
        if let Some(id) = next {
            self.shared.push(id);
        }
    }
}
