//! Why a recall waits.

use std::fmt;
use std::sync::Arc;

use super::owners::Owner;
use super::recall::Recall;
use super::tapes::{Stand, Tape};
use super::{Flow, Scheduler};

/// So many recalls ahead are counted one by one.
const COUNTED: usize = 200;

/// Why a recall has not been handed out. Shown, it reads as a document tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// An operator has paused the store.
    Paused,
    /// An operator lets the store run empty.
    Draining,
    /// The store answered that it has too much to do.
    SlowDown {
        /// When it is asked again.
        until_ns: i64,
    },
    /// All who want it have as many recalls under way as they may.
    Quota {
        /// The one of them who may have most under way.
        owner: Arc<str>,
        /// So many.
        cap: u32,
    },
    /// Its tape is in no drive, and more files are gathered for a mount.
    Gathering {
        /// The tape.
        tape: Arc<str>,
    },
    /// Its tape is in no drive, and others are mounted before.
    Mount {
        /// The tape.
        tape: Arc<str>,
        /// Its place among the tapes to be mounted, from 1; `None` if there are very many.
        place: Option<usize>,
    },
    /// Its tape is being read.
    Reading {
        /// The tape.
        tape: Arc<str>,
        /// Its place among the files still to be handed out, from 1; `None` if it came after they were planned.
        place: Option<usize>,
    },
    /// Other recalls of the same owner go before.
    Queue {
        /// Its place among them, from 1, or the number of all of them.
        place: usize,
    },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Paused => write!(f, "store is paused"),
            Self::Draining => write!(f, "store is drained"),
            Self::SlowDown { .. } => write!(f, "store asked to slow down"),
            Self::Quota { owner, cap } => write!(f, "quota of {owner} ({cap} recalls at a time)"),
            Self::Gathering { tape } => {
                write!(f, "waiting for tape {tape} (files are gathered for its mount)")
            }
            Self::Mount { tape, place: Some(place) } => {
                write!(f, "waiting for tape {tape} (mount batch, {})", Ordinal(*place))
            }
            Self::Mount { tape, place: None } => write!(f, "waiting for tape {tape} (mount batch)"),
            Self::Reading { tape, place: Some(place) } => {
                write!(f, "waiting for tape {tape} (being read, {})", Ordinal(*place))
            }
            Self::Reading { tape, place: None } => write!(f, "waiting for tape {tape} (being read)"),
            Self::Queue { place } => write!(f, "waiting for the store ({} in the queue)", Ordinal(*place)),
        }
    }
}

/// A place as one says it: 1st, 2nd, 3rd, 11th.
struct Ordinal(usize);

impl fmt::Display for Ordinal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ending = match (self.0 % 10, self.0 % 100) {
            (_, 11..=13) => "th",
            (1, _) => "st",
            (2, _) => "nd",
            (3, _) => "rd",
            _ => "th",
        };
        write!(f, "{}{ending}", self.0)
    }
}

impl Scheduler {
    /// Why a recall waits; `None` if it is under way or not known.
    pub fn waiting_for(&mut self, recall: u64, now_ns: i64) -> Option<Reason> {
        self.renew_forecast(now_ns);
        let number = self.number_of(recall)?;
        let recall = self.recalls.get(number)?;
        if !recall.is_waiting() {
            return None;
        }
        match self.flow {
            Flow::Running => {}
            Flow::Paused => return Some(Reason::Paused),
            Flow::Draining => return Some(Reason::Draining),
        }
        if now_ns < self.slow_until_ns {
            return Some(Reason::SlowDown { until_ns: self.slow_until_ns });
        }
        if let Some(quota) = self.quota(recall) {
            return Some(quota);
        }
        let reason = match recall.tape.and_then(|tape| Some((tape, self.tapes.get(tape)?))) {
            Some((number, tape)) => self.on_tape(number, tape, recall),
            None => Reason::Queue { place: self.place_in_queue(number, recall) },
        };
        Some(reason)
    }

    fn on_tape(&self, number: u32, tape: &Tape, recall: &Recall) -> Reason {
        let name = Arc::clone(&tape.name);
        match tape.stand {
            Stand::Mounted { .. } => Reason::Reading { tape: name, place: tape.place_in_plan(recall) },
            stand => match (self.forecast_of(number), stand) {
                (None, Stand::Gathering { .. }) => Reason::Gathering { tape: name },
                (expected, _) => Reason::Mount { tape: name, place: expected.map(|mount| mount.place) },
            },
        }
    }

    /// The reason, if all who want a recall have as many under way as they may.
    fn quota(&self, recall: &Recall) -> Option<Reason> {
        let default_cap = self.policy.owner_cap;
        let owners = recall.interests.iter().filter_map(|interest| self.owners.get(interest.owner));
        let mut most: Option<(&Owner, u32)> = None;
        for owner in owners {
            let cap = owner.cap(default_cap).filter(|_| !owner.has_room(default_cap))?;
            if most.is_none_or(|(_, most)| cap > most) {
                most = Some((owner, cap));
            }
        }
        most.map(|(owner, cap)| Reason::Quota { owner: Arc::clone(&owner.name), cap })
    }

    /// The place of a recall without tape in the queue of the owner who will get it first, from 1. Beyond
    /// what is counted the length of the queue.
    pub(super) fn place_in_queue(&self, number: u32, recall: &Recall) -> usize {
        let owners = recall.interests.iter().filter_map(|interest| self.owners.get(interest.owner));
        let places = owners.map(|owner| {
            let queue = &owner.lane(recall.lane).loose;
            match queue.range(..(recall.key, number)).take(COUNTED).count() {
                COUNTED => queue.len(),
                ahead => ahead + 1,
            }
        });
        places.min().unwrap_or(1)
    }
}

impl Tape {
    /// The place of a recall among the planned ones that have not been handed out, from 1.
    pub(super) fn place_in_plan(&self, recall: &Recall) -> Option<usize> {
        let place = recall.planned as usize;
        let planned = self.plan.order.get(place).is_some() && place >= self.plan.next;
        planned.then(|| place - self.plan.next + 1)
    }
}
