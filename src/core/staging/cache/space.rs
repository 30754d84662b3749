//! The space of the cache: what may come in, what is kept, what may go.
//!
//! Pure accounting; no file is touched here. Space is reserved before an object lands. Admission stops when the
//! high watermark is reached, and what is evicted then is what was used longest ago, down to the low watermark.
//! What is pinned, is being read or landing once more, has come only just, or may be the only copy there is, stays.
//!
//! An eviction has two ends: [`Space::victims`] takes objects out of reach, so that no reader gets them any more;
//! the caller makes that durable, removes the files, and says so with [`Eviction::removed`].

mod guards;
mod ledger;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::CacheKey;
use crate::clock::{Clock, nanoseconds};
use crate::{Error, ErrorKind, Result};

use ledger::{Ledger, Limits};

pub use guards::{Eviction, ReadGuard, Reservation};
pub use ledger::{Kept, NoSpace, SpaceUse};

/// How much may be kept.
#[derive(Debug, Clone, PartialEq)]
pub struct SpaceSettings {
    /// Size of the cache in bytes: an object that is larger can never land.
    pub capacity_bytes: u64,
    /// Part of the capacity at which no more is admitted.
    pub high: f64,
    /// Part of the capacity down to which is evicted.
    pub low: f64,
    /// Bytes of the file system that are left to others.
    pub keep_free_bytes: u64,
    /// How long an object stays at least.
    pub min_residency: Duration,
}

impl SpaceSettings {
    fn limits(&self) -> Result<Limits> {
        let is_in_order = 0.0 < self.low && self.low <= self.high && self.high <= 1.0;
        if !is_in_order || self.capacity_bytes == 0 {
            return Err(Error::invalid_input(format!(
                "a cache of {} bytes cannot have the watermarks {} (low) and {} (high): 0 < low <= high <= 1",
                self.capacity_bytes, self.low, self.high
            )));
        }
        // A capacity is far below 2^53 bytes, or a byte more or less does not matter.
        let part = |part: f64| (self.capacity_bytes as f64 * part) as u64;
        Ok(Limits {
            capacity_bytes: self.capacity_bytes,
            high_bytes: part(self.high).clamp(1, self.capacity_bytes),
            low_bytes: part(self.low).min(self.capacity_bytes),
            keep_free_bytes: self.keep_free_bytes,
            min_residency_ns: nanoseconds(self.min_residency),
        })
    }
}

/// The space of the cache. Cloning gives the same one.
#[derive(Clone)]
pub struct Space {
    shared: Arc<Shared>,
}

struct Shared {
    ledger: Mutex<Ledger>,
    clock: Arc<dyn Clock>,
    changed: Notify,
}

impl Space {
    /// An empty cache.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] for watermarks out of order.
    pub fn new(settings: &SpaceSettings, clock: Arc<dyn Clock>) -> Result<Self> {
        let ledger = Mutex::new(Ledger::new(settings.limits()?));
        Ok(Self { shared: Arc::new(Shared { ledger, clock, changed: Notify::new() }) })
    }

    /// Takes in an object that landed before this process was started. The first one counts as used longest ago.
    pub fn restore(&self, key: CacheKey, kept: Kept) {
        self.shared.ledger.lock().restore(key, kept, self.now_ns());
    }

    /// Reserves space for an object that is to land. Dropping the reservation gives it back. A copy of the same
    /// state that is there already is not evicted meanwhile: both have the same file.
    ///
    /// # Errors
    /// [`NoSpace`]: whether it can never fit, or what has to be evicted first.
    pub fn reserve(&self, key: CacheKey, len_bytes: u64) -> Result<Reservation, NoSpace> {
        self.shared.ledger.lock().reserve(&key, len_bytes, self.now_ns())?;
        Ok(Reservation::new(self.clone(), key, len_bytes))
    }

    /// Keeps an object while it is read; `None` if it is not there, or is being evicted: it is to be recalled
    /// then. Counts as use.
    pub fn read(&self, key: &CacheKey) -> Option<ReadGuard> {
        self.shared.ledger.lock().begin_read(key).then(|| ReadGuard::new(self.clone(), *key))
    }

    /// True if an object is there and not being evicted.
    pub fn has(&self, key: &CacheKey) -> bool {
        self.shared.ledger.lock().has(key)
    }

    /// Keeps an object for one pin more; `false` if it is not there.
    pub fn pin(&self, key: &CacheKey) -> bool {
        self.shared.ledger.lock().pin(key)
    }

    /// Takes one pin from an object.
    pub fn unpin(&self, key: &CacheKey) {
        self.shared.ledger.lock().unpin(key);
        self.shared.changed.notify_waiters();
    }

    /// Says whether a copy of an object is safe on its cold store. Without one it is never evicted.
    pub fn set_safe(&self, key: &CacheKey, is_safe: bool) {
        self.shared.ledger.lock().set_safe(key, is_safe);
        self.shared.changed.notify_waiters();
    }

    /// Objects to evict, used longest ago first, until they have `n_bytes` or no more can go. They are out of
    /// reach from now on; those whose [`Eviction`] is dropped come back.
    pub fn victims(&self, n_bytes: u64) -> Vec<Eviction> {
        let victims = self.shared.ledger.lock().victims(n_bytes, self.now_ns());
        victims.into_iter().map(|(key, len_bytes)| Eviction::new(self.clone(), key, len_bytes)).collect()
    }

    /// Evicts one object because an operator says so, however young it is; `None` if it is not there, or
    /// pinned, being read, or not safe on its cold store.
    pub fn evict(&self, key: &CacheKey) -> Option<Eviction> {
        let len_bytes = self.shared.ledger.lock().begin_eviction(key)?;
        Some(Eviction::new(self.clone(), *key, len_bytes))
    }

    /// Takes an object out of reach whose file is damaged or gone, whoever holds it; `None` if it is not there, is
    /// landing once more, or may be the only copy there is. Who has opened its file can read it to its end.
    pub fn discard(&self, key: &CacheKey) -> Option<Eviction> {
        let len_bytes = self.shared.ledger.lock().discard(key)?;
        Some(Eviction::new(self.clone(), *key, len_bytes))
    }

    /// Bytes that should be evicted now: above the high watermark down to the low one, and what the file system
    /// lacks.
    pub fn excess_bytes(&self) -> u64 {
        self.shared.ledger.lock().excess_bytes()
    }

    /// Takes note of how many bytes the file system has left ([`super::CacheDir::free_bytes`]). Ends what
    /// [`Space::disk_is_full`] began.
    pub fn saw_free(&self, free_bytes: u64) {
        self.shared.ledger.lock().saw_free(free_bytes);
        self.shared.changed.notify_waiters();
    }

    /// Stops admission: a write found the disk full, whatever was known of it. What has been reserved stays so.
    pub fn disk_is_full(&self) {
        self.shared.ledger.lock().saw_free(0);
    }

    /// How full it is.
    pub fn usage(&self) -> SpaceUse {
        self.shared.ledger.lock().usage()
    }

    /// Waits until a reservation that failed may succeed: something was given back, evicted (or kept after all),
    /// unpinned or read.
    /// To be called before the reservation is tried, and awaited after it failed.
    pub fn changed(&self) -> impl Future<Output = ()> + Send + '_ {
        self.shared.changed.notified()
    }

    fn now_ns(&self) -> i64 {
        self.shared.clock.now_ns()
    }
}

impl fmt::Debug for Space {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Space").field(&self.usage()).finish()
    }
}

impl fmt::Display for NoSpace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { len_bytes, capacity_bytes } => {
                write!(f, "an object of {len_bytes} bytes never fits a cache of {capacity_bytes} bytes")
            }
            Self::Full { needed_bytes, .. } => {
                write!(f, "the cache is full: {needed_bytes} bytes have to be evicted first")
            }
            Self::BeingEvicted => f.write_str("an old copy of the object is being evicted"),
        }
    }
}

impl From<NoSpace> for Error {
    fn from(no_space: NoSpace) -> Self {
        let kind = match no_space {
            NoSpace::TooLarge { .. } => ErrorKind::TooLarge,
            NoSpace::Full { .. } => ErrorKind::Unavailable { retry_after: Duration::from_secs(60) },
            NoSpace::BeingEvicted => ErrorKind::Unavailable { retry_after: Duration::from_secs(1) },
        };
        Self::new(kind, no_space.to_string())
    }
}

#[cfg(test)]
mod tests;
