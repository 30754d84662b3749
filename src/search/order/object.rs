//! What is known of one object on a cold store.

use thermocline_core::cold::{Locality, ObjectId};
use thermocline_core::staging::{ObjectState, Phase, RequestId, Standing};

use super::OrderStatus;

/// How the last request for an object ended, if not well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Ending {
    /// Nobody wants it any more.
    Cancelled,
    /// It could not be brought online.
    Failed,
    /// No copy is left.
    Lost,
}

impl Ending {
    /// What a state means; `None` for one that is no bad end.
    pub(super) fn of(state: ObjectState) -> Option<Self> {
        match state {
            ObjectState::Failed => Some(Self::Failed),
            ObjectState::Lost => Some(Self::Lost),
            ObjectState::Cancelled => Some(Self::Cancelled),
            ObjectState::Queued
            | ObjectState::Active
            | ObjectState::Verifying
            | ObjectState::Hot
            | ObjectState::Released => None,
        }
    }
}

/// An end, and when it came: the later one is the greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct End {
    /// In nanoseconds since 1970.
    pub(super) at_ns: i64,
    pub(super) ending: Ending,
}

/// What an object adds to a dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Share {
    pub(super) status: OrderStatus,
    pub(super) is_lost: bool,
    /// How the last request for it ended, if that is what its status tells.
    pub(super) end: Option<End>,
    /// The last request for it, and when that was.
    pub(super) request: Option<(i64, RequestId)>,
    /// When its pin ends, in nanoseconds since 1970.
    pub(super) expires_ns: Option<i64>,
}

/// Names an object in 16 bytes: there may be millions.
pub(super) type Key = u128;

/// An object that datasets have.
#[derive(Debug, Default)]
pub(super) struct Tracked {
    /// By which it is found.
    pub(super) key: Key,
    /// Places of those datasets.
    pub(super) datasets: Vec<u32>,
    /// Its name, as long as the engine has it or only its store knows whether it is online.
    pub(super) id: Option<ObjectId>,
    pub(super) is_in_place: bool,
    /// Where its store says that it is; only of objects in place.
    pub(super) locality: Option<Locality>,
    pub(super) standing: Standing,
    /// A request for it was accepted that the engine has not taken in yet: since then.
    pub(super) accepted_ns: Option<i64>,
    /// The last request that is known, whether it has ended or not.
    pub(super) request: Option<RequestId>,
    /// How that ended, if not well.
    pub(super) end: Option<End>,
}

impl Tracked {
    /// Where it stands, in one word.
    pub(super) fn status(&self) -> OrderStatus {
        if self.is_online() {
            return OrderStatus::Succeeded;
        }
        if self.is_lost() {
            return OrderStatus::Failed;
        }
        match (self.standing.phase, self.accepted_ns, self.end.map(|end| end.ending)) {
            (Some(Phase::Coming), ..) => OrderStatus::Shipping,
            (Some(Phase::Waiting), ..) => OrderStatus::Pending,
            (Some(Phase::Accepted), ..) | (None, Some(_), _) => OrderStatus::Ordered,
            (None, None, Some(Ending::Failed | Ending::Lost)) => OrderStatus::Failed,
            (None, None, Some(Ending::Cancelled)) => OrderStatus::Canceled,
            (None, None, None) => OrderStatus::Orderable,
        }
    }

    /// What it adds to the datasets that have it.
    pub(super) fn share(&self) -> Share {
        let status = self.status();
        let is_bad_end = matches!(status, OrderStatus::Failed | OrderStatus::Canceled);
        Share {
            status,
            is_lost: self.is_lost(),
            end: self.end.filter(|_| is_bad_end),
            request: self.request.clone().and_then(|request| Some((request.created_ns()?, request))),
            expires_ns: self.standing.pinned_until_ns,
        }
    }

    /// True while something may happen to it that is not told.
    pub(super) fn is_under_way(&self) -> bool {
        self.standing.phase.is_some() || self.accepted_ns.is_some()
    }

    /// True if no copy of it is left, as far as is known.
    pub(super) fn is_lost(&self) -> bool {
        let was_lost =
            self.end.is_some_and(|end| end.ending == Ending::Lost) && self.standing.phase.is_none();
        !self.is_online() && (was_lost || self.locality == Some(Locality::Lost))
    }

    fn is_online(&self) -> bool {
        let is_at_rest_online =
            self.standing.phase.is_none() && self.locality.is_some_and(Locality::is_online);
        self.standing.is_online || is_at_rest_online
    }

    /// Takes note of how it stands.
    pub(super) fn stands(&mut self, id: &ObjectId, standing: Standing) {
        let is_in_engine = standing != Standing::default();
        if standing.phase.is_some() || standing.is_online {
            self.accepted_ns = None;
        }
        if standing.is_online {
            self.end = None;
        }
        if standing.request.is_some() && standing.request != self.request {
            self.request = standing.request.clone();
        }
        let is_needed = is_in_engine || self.is_in_place || self.accepted_ns.is_some();
        self.id = is_needed.then(|| self.id.take().unwrap_or_else(|| id.clone()));
        self.standing = standing;
    }
}
