//! Readers that came upon cold objects: they join the recalls, and wait for them.
//!
//! Any number of readers of one owner join a recall once, together; each waits for itself, and nobody who goes
//! away stops it for another.

mod rounds;

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, Shared, try_join_all};
use parking_lot::Mutex;
use quick_cache::sync::Cache;
use thermocline_model::DatasetId;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::bytes::Residency;
use crate::staging::{Joined, Outcome, Owner};
use crate::{Error, ErrorKind, Result};

use rounds::Rounds;

/// How long joining a recall may take although the reader waits for less: the answer names the request.
const JOIN_WAIT: Duration = Duration::from_secs(10);

/// Joined recalls that are remembered before those that nobody waits for are forgotten.
const MIN_REMEMBERED: usize = 1024;

/// Recalls that were read ahead of: most of them, and for how long.
const MAX_AHEAD: usize = 4096;
const AHEAD_AGAIN_AFTER: Duration = Duration::from_secs(60);

/// Who reads what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadFor {
    /// Who asks.
    pub owner: Owner,
    /// Of which dataset.
    pub dataset: DatasetId,
}

/// Why objects are not online although a reader waited for them.
#[derive(Debug)]
pub enum NotOnline {
    /// They were not in time: the recall that takes longest.
    NotInTime(Joined),
    /// One of them could not be brought online, for this reason.
    Failed(String),
    /// No copy is left of one of them.
    Lost(String),
    /// The bytes of one of them are damaged.
    Damaged(String),
    /// A recall could not be joined.
    NotJoined(Error),
}

/// Readers of one owner join the recall of an object together.
type JoinKey = (Arc<str>, Owner);

/// The recalls that readers wait for.
pub struct Recalls {
    residency: Arc<dyn Residency>,
    joining: Mutex<HashMap<JoinKey, Weak<Joining>>>,
    ahead: Cache<Arc<str>, Instant>,
    rounds: Rounds,
}

/// A recall that readers join together.
struct Joining {
    object: Arc<str>,
    owner: Owner,
    began: Instant,
    joined: Shared<BoxFuture<'static, Result<Joined, Arc<Error>>>>,
}

impl Recalls {
    pub(super) fn new(residency: Arc<dyn Residency>) -> Self {
        Self { residency, joining: Mutex::default(), ahead: Cache::new(MAX_AHEAD), rounds: Rounds::new() }
    }

    /// Knows which objects are online.
    pub fn residency(&self) -> &Arc<dyn Residency> {
        &self.residency
    }

    /// Joins the recalls of objects, and waits until all of them are online, but not beyond `until`, nor once nobody
    /// waits any more because the server `ended`.
    ///
    /// `ahead` are objects that will be wanted next: they are asked for once all that is needed now is.
    ///
    /// # Errors
    /// Why they are not online.
    pub async fn wait(
        &self,
        objects: &[Arc<str>],
        reader: &ReadFor,
        ahead: Vec<Arc<str>>,
        (until, ended): (Instant, &CancellationToken),
    ) -> Result<(), NotOnline> {
        let joining: Result<Vec<Arc<Joining>>> =
            objects.iter().map(|object| self.joining(object, reader)).collect();
        let joining = joining.map_err(NotOnline::NotJoined)?;
        let joined = try_join_all(joining.iter().map(|joining| joining.joined.clone()));
        let latest = until.max(Instant::now() + JOIN_WAIT);
        let joined = match tokio::time::timeout_at(latest, joined).await {
            Ok(Ok(joined)) => joined,
            Ok(Err(error)) => return Err(NotOnline::NotJoined(error.shared())),
            Err(_) => return Err(NotOnline::NotJoined(not_answering())),
        };
        self.read_ahead(objects, reader, ahead).await;
        let began = joining.iter().map(|joining| joining.began).min();
        let outcomes = try_join_all(joining.iter().map(|joining| self.outcome(joining)));
        match ended.run_until_cancelled(tokio::time::timeout_at(until, outcomes)).await {
            Some(Ok(outcomes)) => outcomes.map(|_| ()),
            Some(Err(_)) | None => {
                Err(slowest(joined, began).map_or_else(nothing_joined, NotOnline::NotInTime))
            }
        }
    }

    /// True if a recall ended a moment ago, so that it matters whether links to its object could be read.
    pub(super) fn has_just_ended_any(&self) -> bool {
        self.rounds.is_open()
    }

    /// Notes that an object that was brought online could be read then: by the name that its store has for it.
    pub(super) fn was_read(&self, href: &str) {
        self.rounds.was_read(href);
    }

    async fn outcome(&self, joining: &Arc<Joining>) -> Result<(), NotOnline> {
        let outcome = self.residency.wait(&joining.object).await;
        // What comes now is another recall.
        if self.forget(joining) && outcome == Outcome::Online {
            self.rounds.came_online(&joining.object);
        }
        match outcome {
            Outcome::Online => Ok(()),
            Outcome::Failed { reason, kind } => Err(match kind {
                ErrorKind::Lost => NotOnline::Lost(reason),
                ErrorKind::Corrupt => NotOnline::Damaged(reason),
                _ => NotOnline::Failed(reason),
            }),
        }
    }

    /// The recall of an object as readers of one owner join it at this moment.
    ///
    /// # Errors
    /// Those of [`Rounds::begin`].
    fn joining(&self, object: &Arc<str>, reader: &ReadFor) -> Result<Arc<Joining>> {
        let key = (Arc::clone(object), reader.owner.clone());
        let mut known = self.joining.lock();
        if let Some(joining) = known.get(&key).and_then(Weak::upgrade) {
            return Ok(joining);
        }
        self.rounds.begin(object)?;
        if known.len() >= MIN_REMEMBERED && known.len() == known.capacity() {
            known.retain(|_, joining| joining.strong_count() > 0);
        }
        let residency = Arc::clone(&self.residency);
        let (object, reader) = (Arc::clone(object), reader.clone());
        let (name, owner) = (Arc::clone(&object), reader.owner.clone());
        let joined = async move {
            residency.join(&name, &reader.owner, Some(&reader.dataset)).await.map_err(Arc::new)
        };
        let joined = joined.boxed().shared();
        let joining = Arc::new(Joining { object, owner, began: Instant::now(), joined });
        known.insert(key, Arc::downgrade(&joining));
        Ok(joining)
    }

    #[cfg(test)]
    pub(super) fn n_remembered(&self) -> usize {
        self.joining.lock().len()
    }

    /// True for the first who says that a recall has ended.
    fn forget(&self, joining: &Arc<Joining>) -> bool {
        let mut known = self.joining.lock();
        let key = (Arc::clone(&joining.object), joining.owner.clone());
        let is_first = known.get(&key).is_some_and(|known| Weak::ptr_eq(known, &Arc::downgrade(joining)));
        if is_first {
            known.remove(&key);
        }
        is_first
    }

    /// Asks for what will be wanted next, once for the readers that came upon the same object.
    async fn read_ahead(&self, objects: &[Arc<str>], reader: &ReadFor, mut ahead: Vec<Arc<str>>) {
        ahead
            .retain(|object| !objects.contains(object) && !self.residency.known_locality(object).is_online());
        let Some(first) = objects.first().filter(|_| !ahead.is_empty()) else { return };
        let now = Instant::now();
        if self.ahead.get(first).is_some_and(|asked| now.duration_since(asked) < AHEAD_AGAIN_AFTER) {
            return;
        }
        self.ahead.insert(Arc::clone(first), now);
        if let Err(error) = self.residency.prefetch(ahead, &reader.owner, &reader.dataset).await {
            debug!(dataset = %reader.dataset, %error, "nothing was read ahead");
        }
    }
}

/// The recall that takes longest, its estimate counted from now.
fn slowest(mut joined: Vec<Joined>, began: Option<Instant>) -> Option<Joined> {
    let left = |joined: &Joined| joined.estimate.as_ref().map(|estimate| estimate.duration);
    joined.sort_by_key(left);
    let mut slowest = joined.pop()?;
    if let Some(estimate) = &mut slowest.estimate {
        let waited = began.map_or(Duration::ZERO, |began| began.elapsed());
        estimate.duration = estimate.duration.saturating_sub(waited);
    }
    Some(slowest)
}

fn nothing_joined() -> NotOnline {
    NotOnline::NotJoined(Error::internal("a reader waits for no object"))
}

fn not_answering() -> Error {
    let kind = ErrorKind::Unavailable { retry_after: JOIN_WAIT };
    Error::new(kind, "the staging engine does not answer")
}
