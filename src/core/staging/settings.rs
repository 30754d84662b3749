//! How to recall and to keep.

use std::path::PathBuf;
use std::time::Duration;

use super::landing::LandingSettings;
use super::schedule::Policy;
use super::{Owner, OwnerLimits, Retries};

/// How to recall and to keep.
#[derive(Debug, Clone)]
pub struct StagingSettings {
    /// Folder of objects that were copied out of cold stores.
    pub cache_dir: PathBuf,
    /// Size of that cache in bytes.
    pub cache_bytes: u64,
    /// Part of the cache at which no more is admitted.
    pub cache_high: f64,
    /// Part of the cache down to which is evicted.
    pub cache_low: f64,
    /// Bytes of the file system of the cache that are left to others.
    pub keep_free_bytes: u64,
    /// How long an object stays at least once it is online.
    pub min_residency: Duration,
    /// Most objects of one request.
    pub max_objects: usize,
    /// Longest lifetime of pins.
    pub max_lifetime: Duration,
    /// How long a finished request can be asked about after its pins ended; at least as long as its idempotency key.
    pub keep_requests: Duration,
    /// Recalls of one owner that may be under way at the same time, at stores whose recalls share drives.
    pub max_active_per_owner: usize,
    /// Most attempts of a recall, failed copies included.
    pub max_attempts: u32,
    /// How long a store may read an object without progress. Time in its own queue does not count.
    pub stalled_after: Duration,
    /// How long a recall may take in all.
    pub recall_timeout: Duration,
    /// Shares of owners that are not 1.
    pub shares: Vec<(Owner, f64)>,
    /// What each owner may have.
    pub limits: OwnerLimits,
    /// What some owners may have instead.
    pub owner_limits: Vec<(Owner, OwnerLimits)>,
    /// Most objects that are brought online ahead of a reader, for each recall that a reader caused; 0 for none.
    pub prefetch_objects: usize,
    /// In which order recalls are made.
    pub policy: Policy,
    /// How failed recalls are tried again.
    pub retries: Retries,
    /// How objects are copied into the cache.
    pub landing: LandingSettings,
    /// Objects of one store that are copied at the same time.
    pub landings_at_once: usize,
}

impl Default for StagingSettings {
    fn default() -> Self {
        let day = Duration::from_secs(24 * 3600);
        Self {
            cache_dir: "cache".into(),
            cache_bytes: 100 << 30,
            cache_high: 0.9,
            cache_low: 0.8,
            keep_free_bytes: 1 << 30,
            min_residency: Duration::from_secs(60),
            max_objects: 2_000_000,
            max_lifetime: 30 * day,
            keep_requests: 7 * day,
            max_active_per_owner: 1000,
            max_attempts: 5,
            stalled_after: Duration::from_secs(30 * 60),
            recall_timeout: 2 * day,
            shares: Vec::new(),
            limits: OwnerLimits::default(),
            owner_limits: Vec::new(),
            prefetch_objects: 0,
            policy: Policy::default(),
            retries: Retries::default(),
            landing: LandingSettings::default(),
            landings_at_once: 8,
        }
    }
}
