//! A store in memory that answers as a test says, and a cache folder to land in.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::BoxFuture;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::Result;
use crate::clock::ManualClock;
use crate::cold::{
    Capabilities, Checksum, ColdObject, ColdStore, Landing, Locality, ObjectId, ObjectStatus, StageRequest,
    StageState, StageTicket,
};
use crate::staging::cache::{CacheDir, Found};
use crate::staging::landing::{LandFailure, Landed, LandingSettings, Progress, Source, land};

type Answer = dyn Fn(usize, Range<u64>, Vec<u8>) -> Result<Vec<u8>> + Send + Sync;
type Waiting = dyn Fn() -> BoxFuture<'static, ()> + Send + Sync;

/// A store in memory.
pub(super) struct FakeStore {
    bytes: Vec<u8>,
    pub(super) status: ObjectStatus,
    answer: Box<Answer>,
    waiting: Box<Waiting>,
    replaced: Option<(usize, &'static str)>,
    n_reads: AtomicUsize,
}

impl FakeStore {
    pub(super) fn new(bytes: Vec<u8>) -> Self {
        let status = ObjectStatus {
            locality: Locality::OnlineAndNearline,
            len_bytes: bytes.len() as u64,
            version: "1".into(),
            place: None,
            checksum: None,
            links_to: None,
            online_until_ns: None,
        };
        Self {
            bytes,
            status,
            answer: Box::new(|_, _, bytes| Ok(bytes)),
            waiting: Box::new(|| Box::pin(tokio::task::yield_now())),
            replaced: None,
            n_reads: AtomicUsize::new(0),
        }
    }

    /// Changes answers, by the number of the read (from 0) and its range.
    pub(super) fn answer(
        &mut self,
        answer: impl Fn(usize, Range<u64>, Vec<u8>) -> Result<Vec<u8>> + Send + Sync + 'static,
    ) {
        self.answer = Box::new(answer);
    }

    /// What happens during each read.
    pub(super) fn while_reading<F: Future<Output = ()> + Send + 'static>(
        &mut self,
        waiting: impl Fn() -> F + Send + Sync + 'static,
    ) {
        self.waiting = Box::new(move || Box::pin(waiting()));
    }

    /// The object has this version after so many reads; reads do not tell.
    pub(super) fn replaced_after(&mut self, n_reads: usize, version: &'static str) {
        self.replaced = Some((n_reads, version));
    }

    pub(super) fn n_reads(&self) -> usize {
        self.n_reads.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl ColdStore for FakeStore {
    fn kind(&self) -> &'static str {
        "fake"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            landing: Landing::Copied,
            knows_tapes: false,
            can_cancel: false,
            can_release: false,
            n_at_once: 1,
            batch_objects: 1,
            poll_every: Duration::from_secs(1),
        }
    }

    async fn status(&self, objects: &[ColdObject]) -> Vec<Result<ObjectStatus>> {
        let mut status = self.status.clone();
        if let Some((_, version)) = self.replaced.filter(|(n_reads, _)| self.n_reads() >= *n_reads) {
            status.version = version.into();
        }
        objects.iter().map(|_| Ok(status.clone())).collect()
    }

    async fn stage(&self, request: &StageRequest) -> Result<StageTicket> {
        Ok(StageTicket { key: request.key.clone(), objects: request.objects.clone(), store_id: None })
    }

    async fn progress(&self, _: &StageTicket) -> Result<Vec<(ObjectId, StageState)>> {
        Ok(Vec::new())
    }

    async fn cancel(&self, _: &StageTicket, _: &[ObjectId]) -> Result<()> {
        Ok(())
    }

    async fn release(&self, _: &[ColdObject]) -> Result<()> {
        Ok(())
    }

    async fn read(&self, _: &ColdObject, version: &str, range: Range<u64>) -> Result<Bytes> {
        assert_eq!(version, self.status.version);
        let read = self.n_reads.fetch_add(1, Ordering::SeqCst);
        (self.waiting)().await;
        let bytes = self.bytes[range.start as usize..range.end as usize].to_vec();
        (self.answer)(read, range, bytes).map(Bytes::from)
    }
}

/// A cache folder, a clock that stands still, and parts of ten bytes.
pub(super) struct Bench {
    pub(super) dir: CacheDir,
    pub(super) clock: ManualClock,
    pub(super) settings: LandingSettings,
    _folder: TempDir,
}

impl Bench {
    pub(super) fn new() -> Self {
        // In memory where that is possible: these tests are about the order of steps, and flush very often.
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let clock = ManualClock::new(0);
        let settings = LandingSettings {
            part_bytes: 10,
            parts_in_flight: 4,
            journal_bytes: 25,
            stalled_after: Duration::from_secs(600),
        };
        let dir = CacheDir::open(folder.path(), Arc::new(clock.clone())).unwrap();
        Self { dir, clock, settings, _folder: folder }
    }

    pub(super) fn store(&self, bytes: Vec<u8>) -> FakeStore {
        FakeStore::new(bytes)
    }

    pub(super) async fn land(&self, store: &FakeStore, object: &ColdObject) -> Result<Landed, LandFailure> {
        self.land_with(store, object, &|_| {}, &CancellationToken::new()).await
    }

    pub(super) async fn land_with(
        &self,
        store: &FakeStore,
        object: &ColdObject,
        progress: Progress<'_>,
        cancel: &CancellationToken,
    ) -> Result<Landed, LandFailure> {
        let source = Source { store, object, status: &store.status };
        land(source, &self.dir, &self.settings, progress, cancel).await
    }

    /// Returns when a read is under way.
    pub(super) async fn until_reading(&self, store: &FakeStore) {
        while store.n_reads() == 0 {
            tokio::task::yield_now().await;
        }
    }

    fn count(&self, is_counted: impl Fn(&Found) -> bool) -> usize {
        let mut n_found = 0;
        self.dir.scan(|found| n_found += usize::from(is_counted(&found))).unwrap();
        n_found
    }

    /// How many files of landings under way there are.
    pub(super) fn temporaries(&self) -> usize {
        self.count(|found| !matches!(found, Found::Landed { .. }))
    }

    /// How many landed objects there are.
    pub(super) fn landed(&self) -> usize {
        self.count(|found| matches!(found, Found::Landed { .. }))
    }

    /// The file that an object is to have.
    pub(super) fn path(&self, store: &FakeStore, object: &ColdObject) -> PathBuf {
        self.dir.path(&crate::staging::cache::CacheKey::of(object, &store.status))
    }
}

pub(super) fn object(path: &str) -> ColdObject {
    let id = ObjectId::new("root", path).unwrap();
    ColdObject { id, href: format!("/archive/{path}").into() }
}

/// Bytes that tell where they belong.
pub(super) fn pattern(len_bytes: usize) -> Vec<u8> {
    (0..len_bytes).map(|position| (position % 251) as u8 + 1).collect()
}

/// Checksums of each kind.
pub(super) fn checksums(bytes: &[u8]) -> Vec<Checksum> {
    vec![
        Checksum::Adler32(adler2::adler32_slice(bytes)),
        Checksum::Md5(<md5::Md5 as md5::Digest>::digest(bytes).into()),
        Checksum::Sha256(<sha2::Sha256 as sha2::Digest>::digest(bytes).into()),
    ]
}
