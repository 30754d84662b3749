//! How the catalog scans, indexes and watches.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Clock, SystemClock};
use crate::format::Limits;
use crate::verify::VerifyLevel;

/// How the catalog scans, indexes and watches. Every waiting time counts on `clock`.
#[derive(Clone)]
pub struct CatalogSettings {
    /// Shortest time between two scans of the providers. Scanning takes at most a twentieth of the time:
    /// a large tree without change notices is looked at less often. Default 1 s.
    pub scan_every: Duration,
    /// Whether providers are asked again after the first scan. Default true; without, a changed folder or
    /// catalog file counts after the next call of [`super::Catalog::scan`].
    pub is_watching: bool,
    /// How often a local source is looked at while it is used, unless its entry says otherwise. Default 1 s.
    pub check_every: Duration,
    /// The same for sources in object stores and on the web. Default 60 s: each check is a request.
    pub check_remote_every: Duration,
    /// How long opening waits for indexing before it asks to come back. Default 20 s.
    pub open_wait: Duration,
    /// What a client is told to wait while indexing goes on. Default 2 s.
    pub retry_after: Duration,
    /// How long a vanished source is waited for before its dataset counts as lost. Default 30 s: a file
    /// that is replaced by removing and writing it is away for a moment.
    pub lost_after: Duration,
    /// How long a dataset that no provider declares any more is known to be lost, rather than never
    /// heard of. Default 7 days.
    pub keep_missing: Duration,
    /// Most datasets known to be lost. Default 100,000.
    pub max_missing: usize,
    /// Sources indexed at the same time. Default: as many as processors.
    pub n_indexers: usize,
    /// Whether sources are indexed before anybody opens them. Default true.
    pub is_indexing_ahead: bool,
    /// Budget of manifests in memory, in bytes (estimated). Default 48 MiB. Those in use stay beyond it.
    pub manifest_memory_bytes: usize,
    /// How thoroughly indexed sources are compared with the reference libraries.
    pub verify: VerifyLevel,
    /// Bounds for what files may claim.
    pub limits: Limits,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl Default for CatalogSettings {
    fn default() -> Self {
        Self {
            scan_every: Duration::from_secs(1),
            is_watching: true,
            check_every: Duration::from_secs(1),
            check_remote_every: Duration::from_secs(60),
            open_wait: Duration::from_secs(20),
            retry_after: Duration::from_secs(2),
            lost_after: Duration::from_secs(30),
            keep_missing: Duration::from_secs(7 * 24 * 3600),
            max_missing: 100_000,
            n_indexers: std::thread::available_parallelism().map_or(2, usize::from),
            is_indexing_ahead: true,
            manifest_memory_bytes: 48 << 20,
            verify: VerifyLevel::default(),
            limits: Limits::default(),
            clock: Arc::new(SystemClock),
        }
    }
}
