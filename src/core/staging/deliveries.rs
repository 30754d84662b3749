//! Who is told of the end of requests, durably: noted with the end itself, forgotten after it was told.
//!
//! Sending is not done here: [`crate::webhook`] asks what is due, and says what came of it.

use std::collections::{HashMap, HashSet};

use super::{Owner, RequestId, Staging, tables};
use crate::webhook::HostList;
use crate::{Error, Result};

/// How far a delivery is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryState {
    /// It is to be sent, now or later.
    Due,
    /// It has arrived.
    Done,
    /// It is not tried any more unless somebody asks for it.
    Dead,
}

impl DeliveryState {
    /// Every state, in the order of their numbers in the database.
    pub const ALL: [Self; 3] = [Self::Due, Self::Done, Self::Dead];

    /// The word for documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Due => "due",
            Self::Done => "done",
            Self::Dead => "dead",
        }
    }
}

/// One address that is told of one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Its number.
    pub id: u64,
    /// The request that it tells of.
    pub request: RequestId,
    /// Name of the event: the same for all attempts, so that receivers know what they have had.
    pub event: String,
    /// The address.
    pub url: String,
    /// Scheme, host and port of the address: the server that is called.
    pub origin: String,
    /// The owner of the request.
    pub owner: Owner,
    /// How far it is.
    pub state: DeliveryState,
    /// Attempts so far, since somebody last asked for it.
    pub n_attempts: u32,
    /// When the next attempt is, in nanoseconds since 1970.
    pub next_ns: i64,
    /// When the event happened, in nanoseconds since 1970.
    pub created_ns: i64,
    /// Why the last attempt failed.
    pub last_error: Option<String>,
}

/// A delivery that is due.
#[derive(Debug, Clone)]
pub struct DueDelivery {
    /// The delivery.
    pub delivery: Delivery,
    /// What is sent: the same bytes with every attempt.
    pub body: String,
}

/// What is to be sent.
#[derive(Debug, Default)]
pub struct Due {
    /// Deliveries that are due, one for each origin.
    pub deliveries: Vec<DueDelivery>,
    /// When the next one becomes due, in nanoseconds since 1970.
    pub next_ns: Option<i64>,
}

/// What comes after an attempt that has failed. Times are nanoseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterFailure {
    /// Another attempt.
    Again {
        /// When.
        next_ns: i64,
    },
    /// Another attempt, and this one does not count: it is not the receiver that failed.
    Postponed {
        /// When.
        next_ns: i64,
    },
    /// None, until somebody asks for it.
    Dead,
}

/// Who is being called, and whose turn it was last: so that neither a server that hangs nor an owner with a thousand
/// messages keeps others waiting.
#[derive(Debug, Clone, Default)]
pub struct Turns {
    busy: HashSet<String>,
    /// For each origin the number of its last turn, and the owner whose delivery that was.
    last: HashMap<String, (u64, Owner)>,
    n_turns: u64,
}

impl Turns {
    /// Most origins whose last turn is remembered. All are forgotten when there are more: they begin anew.
    const MAX_REMEMBERED: usize = 1000;

    /// A delivery is being sent: there is no other for its origin until that has ended.
    pub fn begin(&mut self, delivery: &Delivery) {
        if self.last.len() >= Self::MAX_REMEMBERED {
            self.last.clear();
        }
        self.n_turns += 1;
        self.last.insert(delivery.origin.clone(), (self.n_turns, delivery.owner.clone()));
        self.busy.insert(delivery.origin.clone());
    }

    /// Nothing is being sent to an origin any more.
    pub fn end(&mut self, origin: &str) {
        self.busy.remove(origin);
    }

    /// Origins that are being called.
    pub fn busy(&self) -> impl ExactSizeIterator<Item = &str> {
        self.busy.iter().map(String::as_str)
    }

    /// For each origin the number of its last turn, and whose it was.
    pub(super) fn last(&self) -> impl Iterator<Item = (&str, u64, &Owner)> {
        self.last.iter().map(|(origin, (turn, owner))| (origin.as_str(), *turn, owner))
    }
}

/// Which deliveries are asked for. Newest first.
#[derive(Debug, Clone, Default)]
pub struct DeliveryFilter {
    /// Only those in this state.
    pub state: Option<DeliveryState>,
    /// Only those older than this one (the last of the page before).
    pub before: Option<u64>,
    /// Most of them.
    pub limit: usize,
}

impl Staging {
    /// Hosts that may be told of the end of requests: none until somebody puts another list in force.
    pub fn webhook_hosts(&self) -> &HostList {
        &self.shared.webhook_hosts
    }

    /// Deliveries, newest first.
    ///
    /// # Errors
    /// A database that cannot be read.
    pub async fn deliveries(&self, filter: DeliveryFilter) -> Result<Vec<Delivery>> {
        self.shared.database.read(move |database| tables::deliveries(database, &filter)).await
    }

    /// A delivery by its number; `None` if there is none.
    ///
    /// # Errors
    /// A database that cannot be read.
    pub async fn delivery(&self, id: u64) -> Result<Option<Delivery>> {
        self.shared.database.read(move |database| tables::delivery(database, id)).await
    }

    /// What is due by now, at most `limit`: of each origin that is not being called one delivery, the oldest of the
    /// owner whose turn it is.
    ///
    /// # Errors
    /// A database that cannot be read.
    pub async fn due_deliveries(&self, turns: Turns, limit: usize) -> Result<Due> {
        let now_ns = self.shared.clock.now_ns();
        let read = move |database: &rusqlite::Connection| tables::due(database, now_ns, &turns, limit);
        self.shared.database.read(read).await
    }

    /// Returns when a delivery may have become due that was not before.
    pub async fn deliveries_changed(&self) {
        self.shared.deliveries.notified().await;
    }

    /// Notes that a delivery has arrived.
    ///
    /// # Errors
    /// A database that cannot be written: it is sent again then.
    pub async fn delivered(&self, id: u64) -> Result<()> {
        self.shared.database.write(move |database| tables::delivered(database, id)).await
    }

    /// Notes that an attempt at a delivery, as it was then, has failed, and what comes after it. A delivery that
    /// somebody has asked for during the attempt is due as they asked.
    ///
    /// # Errors
    /// A database that cannot be written: it is sent again then.
    pub async fn delivery_failed(&self, tried: Delivery, error: String, after: AfterFailure) -> Result<()> {
        let write = move |database: &rusqlite::Connection| tables::failed(database, &tried, &error, after);
        self.shared.database.write(write).await
    }

    /// Makes a delivery that has not arrived due at once, as if it had never been tried.
    ///
    /// # Errors
    /// [`crate::ErrorKind::NotFound`] if there is none of that number that has not arrived.
    pub async fn retry_delivery(&self, id: u64) -> Result<Delivery> {
        let now_ns = self.shared.clock.now_ns();
        let retried = self.shared.database.write(move |database| tables::retry(database, id, now_ns)).await?;
        self.shared.deliveries.notify_one();
        retried.ok_or_else(|| Error::not_found(format!("there is no delivery {id} that has not arrived")))
    }

    /// Forgets deliveries that nobody will ask for any more, a piece at a time: others write in between.
    ///
    /// # Errors
    /// A database that cannot be written.
    pub async fn forget_deliveries(&self) -> Result<()> {
        let now_ns = self.shared.clock.now_ns();
        for state in [DeliveryState::Done, DeliveryState::Dead] {
            let mut last = Some(0);
            while let Some(after) = last.filter(|_| !self.shared.stop.is_cancelled()) {
                let forget = move |database: &rusqlite::Connection| {
                    tables::forget_deliveries(database, state, after, now_ns)
                };
                last = self.shared.database.write(forget).await?;
            }
        }
        Ok(())
    }
}
