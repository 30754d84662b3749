//! Objects that are brought online and cannot be read all the same, over and over: whatever the cause is, asking
//! again at once helps nobody.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use quick_cache::sync::Cache;
use tokio::time::Instant;
use tracing::warn;

use crate::{Error, ErrorKind, Result};

/// Most objects that are remembered.
const MAX_OBJECTS: usize = 4096;

/// Who asks for an object so soon after it came online has not been able to read it.
const AT_ONCE: Duration = Duration::from_secs(10);

/// How often an object may be asked for at once: it may have been made cold before it was read.
const MAX_ROUNDS: u32 = 3;

/// How long is waited after more rounds than that; it doubles with each.
const FIRST_WAIT: Duration = Duration::from_secs(5);

/// Longest wait.
const LONGEST_WAIT: Duration = Duration::from_secs(600);

/// How often the log tells of one object.
const WARN_EVERY: Duration = Duration::from_secs(60);

/// What became of recalls that have ended.
pub(super) struct Rounds {
    by_object: Cache<Arc<str>, Arc<Mutex<Round>>>,
    /// Until when it makes a difference to some object whether it was read.
    open_until: Mutex<Option<Instant>>,
}

/// The last recall of an object, and those before it.
struct Round {
    /// Recalls that began at once after the one before.
    n: u32,
    /// When the last one ended.
    ended: Instant,
    /// Whether another one has begun since.
    is_over: bool,
    /// Nothing is recalled before.
    until: Instant,
    warned: Option<Instant>,
}

impl Rounds {
    pub(super) fn new() -> Self {
        Self { by_object: Cache::new(MAX_OBJECTS), open_until: Mutex::new(None) }
    }

    /// Notes that a recall has ended and the object is said to be online.
    pub(super) fn came_online(&self, object: &Arc<str>) {
        let now = Instant::now();
        self.is_open_until(now + AT_ONCE);
        let Some(round) = self.by_object.get(object) else {
            let round = Round { n: 0, ended: now, is_over: false, until: now, warned: None };
            self.by_object.insert(Arc::clone(object), Arc::new(Mutex::new(round)));
            return;
        };
        let mut round = round.lock();
        (round.ended, round.is_over) = (now, false);
    }

    /// True if an object came online a moment ago, or waits before it is recalled again.
    pub(super) fn is_open(&self) -> bool {
        !self.by_object.is_empty() && self.open_until.lock().is_some_and(|until| Instant::now() < until)
    }

    fn is_open_until(&self, until: Instant) {
        let mut open_until = self.open_until.lock();
        *open_until = Some(open_until.map_or(until, |known| known.max(until)));
    }

    /// Notes that an object could be read: what it takes to be recalled next is another matter.
    pub(super) fn was_read(&self, object: &str) {
        if !self.by_object.is_empty() {
            self.by_object.remove(object);
        }
    }

    /// Notes that an object is to be recalled.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] if it came online again and again and could not be read: with a time that grows.
    pub(super) fn begin(&self, object: &Arc<str>) -> Result<()> {
        let Some(round) = self.by_object.get(object) else { return Ok(()) };
        let now = Instant::now();
        let mut round = round.lock();
        if now < round.until {
            return Err(unreadable(object, round.n, round.until - now));
        }
        if round.is_over {
            return Ok(());
        }
        round.is_over = true;
        let is_at_once = now.duration_since(round.ended) < AT_ONCE;
        round.n = if is_at_once { round.n.saturating_add(1) } else { 0 };
        let Some(n_more) = round.n.checked_sub(MAX_ROUNDS + 1) else { return Ok(()) };
        let wait = FIRST_WAIT.saturating_mul(1 << n_more.min(16)).min(LONGEST_WAIT);
        // Whoever comes after this wait recalls it once more.
        round.until = now + wait;
        self.is_open_until(round.until);
        if round.warned.is_none_or(|warned| now.duration_since(warned) >= WARN_EVERY) {
            round.warned = Some(now);
            let n_recalls = round.n;
            warn!(object = %object, n_recalls, ?wait, "object was said to be online and could not be read, waiting");
        }
        Err(unreadable(object, round.n, wait))
    }
}

fn unreadable(object: &str, n: u32, retry_after: Duration) -> Error {
    let text = format!("{object} was brought online {n} times in a row and could not be read then");
    Error::new(ErrorKind::Unavailable { retry_after }, text)
}
