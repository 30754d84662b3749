//! Reads of files that lie in place: their store is asked by few, for many, and keeps no thread from others.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tempfile::TempDir;
use thermocline_model::Object;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::Semaphore;

use super::store::FakeStore;
use super::world::settings;
use crate::bytes::{ByteSource, ObjectOpener, ObjectSettings, Objects, Residency, Root, Staged};
use crate::clock::SystemClock;
use crate::cold::files::{ArchiveFiles, LookLimits};
use crate::cold::{
    Capabilities, ColdObject, ColdStore, Landing, Locality, Namespace, NamespaceRoot, ObjectId, ObjectStatus,
    StageRequest, StageState, StageTicket,
};
use crate::staging::{NamedStore, Staging, StagingParts, StagingSettings};
use crate::state::{Database, DatabaseSettings};
use crate::{ErrorKind, Result};

const BYTES: &[u8] = b"0123456789";

/// Threads that may block, and readers that want one.
const N_THREADS: usize = 2;
const N_READERS: usize = 24;

/// Files that are online where they lie, as somebody else's command says who lets them be looked at.
struct InPlace {
    fake: FakeStore,
    files: ArchiveFiles,
    n_looks: AtomicUsize,
    is_cold: parking_lot::Mutex<bool>,
    may_look: Semaphore,
}

#[async_trait]
impl ColdStore for InPlace {
    fn kind(&self) -> &'static str {
        "test"
    }

    fn capabilities(&self) -> Capabilities {
        self.fake.capabilities()
    }

    async fn status(&self, objects: &[ColdObject]) -> Vec<Result<ObjectStatus>> {
        self.n_looks.fetch_add(1, Ordering::SeqCst);
        let _permit = self.may_look.acquire().await.unwrap();
        let is_cold = *self.is_cold.lock();
        let status = move |_: &ColdObject, file: crate::cold::files::ArchiveFile| {
            Ok(ObjectStatus {
                locality: if is_cold { Locality::Nearline } else { Locality::OnlineAndNearline },
                len_bytes: file.len_bytes(),
                version: file.version(),
                place: None,
                checksum: None,
                links_to: None,
                online_until_ns: None,
            })
        };
        self.files.look(objects, status).await
    }

    async fn stage(&self, request: &StageRequest) -> Result<StageTicket> {
        self.fake.stage(request).await
    }

    async fn progress(&self, ticket: &StageTicket) -> Result<Vec<(ObjectId, StageState)>> {
        self.fake.progress(ticket).await
    }

    async fn cancel(&self, ticket: &StageTicket, objects: &[ObjectId]) -> Result<()> {
        self.fake.cancel(ticket, objects).await
    }

    async fn release(&self, objects: &[ColdObject]) -> Result<()> {
        self.fake.release(objects).await
    }

    async fn read(&self, object: &ColdObject, version: &str, range: Range<u64>) -> Result<Bytes> {
        self.fake.read(object, version, range).await
    }
}

struct Archive {
    _folder: TempDir,
    /// The files as they were indexed.
    indexed: Vec<Object>,
    store: Arc<InPlace>,
    objects: Arc<Objects>,
    residency: Arc<dyn Residency>,
}

impl Archive {
    /// An archive with a file for each reader, whose looks wait until they are let go on.
    async fn new() -> Arc<Self> {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().canonicalize().unwrap().join("archive");
        std::fs::create_dir(&base).unwrap();
        for number in 0..N_READERS {
            std::fs::write(base.join(number.to_string()), BYTES).unwrap();
        }
        let root = NamespaceRoot {
            name: "archive".into(),
            base: base.to_str().unwrap().to_owned(),
            map: Vec::new(),
            store: Some("disk".into()),
        };
        let clock = Arc::new(SystemClock);
        let files =
            ArchiveFiles::new(std::slice::from_ref(&root), LookLimits::default(), clock.clone()).unwrap();
        let store = Arc::new(InPlace {
            fake: FakeStore::new(Landing::InPlace),
            files,
            n_looks: AtomicUsize::new(0),
            is_cold: parking_lot::Mutex::new(false),
            may_look: Semaphore::new(0),
        });
        let unbound = Objects::new(Vec::new(), ObjectSettings::default(), Handle::current());
        let database = DatabaseSettings::new(folder.path().join("state.db"));
        let parts = StagingParts {
            namespace: Arc::new(Namespace::new(vec![root])),
            stores: vec![NamedStore { name: "disk".into(), store: Arc::<InPlace>::clone(&store) }],
            opener: unbound,
            database: Database::open(database, Staging::MIGRATIONS).unwrap(),
            clock,
            settings: StagingSettings { cache_dir: folder.path().join("cache"), ..settings() },
        };
        let staging = Staging::open(parts).await.unwrap();
        let residency = Staged::of(&staging, 0).unwrap();
        let roots = vec![Root::directory(&base).unwrap()];
        let known = Some(Arc::clone(&residency));
        let objects = Objects::on_cold_stores(roots, ObjectSettings::default(), Handle::current(), known);
        let href = |number: usize| base.join(number.to_string()).to_str().unwrap().to_owned();
        let indexed = (0..N_READERS).map(|number| objects.stat(&href(number)).unwrap().unwrap()).collect();
        Arc::new(Self { indexed, _folder: folder, store, objects, residency })
    }

    fn href(&self, number: usize) -> &str {
        &self.indexed[number].href
    }

    async fn read(&self, number: usize) -> Result<Bytes> {
        self.objects.read(&self.indexed[number], 0..BYTES.len() as u64).await
    }

    /// Waits until a store has been asked so often.
    async fn until_looks(&self, n: usize) {
        while self.store.n_looks.load(Ordering::SeqCst) < n {
            tokio::task::yield_now().await;
        }
    }

    fn n_looks(&self) -> usize {
        self.store.n_looks.load(Ordering::SeqCst)
    }

    fn let_look(&self) {
        self.store.may_look.add_permits(1000);
    }
}

fn runtime() -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(N_THREADS)
        .enable_all()
        .build()
        .unwrap()
}

/// What comes of work that must not hang.
fn outcome<T>(work: impl Future<Output = T>) -> T {
    let runtime = runtime();
    let outcome = runtime.block_on(async { tokio::time::timeout(Duration::from_secs(60), work).await });
    runtime.shutdown_background();
    outcome.expect("readers wait for each other")
}

#[test]
fn more_readers_than_threads_are_served_however_long_a_look_takes() {
    outcome(async {
        let archive = Archive::new().await;
        let readers: Vec<_> = (0..N_READERS)
            .map(|number| {
                let archive = Arc::clone(&archive);
                tokio::spawn(async move { archive.read(number).await })
            })
            .collect();
        archive.until_looks(N_READERS).await;
        archive.let_look();
        for reader in readers {
            assert_eq!(reader.await.unwrap().unwrap(), BYTES);
        }
    });
}

#[test]
fn formats_that_hold_every_thread_that_may_block_are_served_too() {
    outcome(async {
        let archive = Archive::new().await;
        archive.let_look();
        let readers: Vec<_> = (0..N_READERS)
            .map(|number| {
                let archive = Arc::clone(&archive);
                let opened = move || archive.objects.open(archive.href(number))?.read_at(2, 3);
                tokio::task::spawn_blocking(opened)
            })
            .collect();
        for reader in readers {
            assert_eq!(reader.await.unwrap().unwrap(), &BYTES[2..5]);
        }
    });
}

#[test]
fn many_reads_of_one_file_ask_its_store_a_few_times() {
    outcome(async {
        let archive = Archive::new().await;
        let read = |archive: Arc<Archive>| async move { archive.read(0).await };
        let readers: Vec<_> = (0..300).map(|_| tokio::spawn(read(Arc::clone(&archive)))).collect();
        archive.until_looks(1).await;
        for _ in 0..1000 {
            tokio::task::yield_now().await;
        }
        assert_eq!(archive.n_looks(), 1, "those who come while it is asked wait for the same answer");
        archive.let_look();
        for reader in readers {
            assert_eq!(reader.await.unwrap().unwrap(), BYTES);
        }
        assert!(archive.n_looks() < 100, "{} looks for 300 reads", archive.n_looks());
    });
}

#[test]
fn what_was_made_cold_after_a_look_is_never_read_by_it() {
    outcome(async {
        let archive = Archive::new().await;
        archive.let_look();
        archive.read(0).await.unwrap();
        *archive.store.is_cold.lock() = true;
        // The look from before is young enough to begin by; the one afterwards is not the same.
        assert_eq!(archive.read(0).await.unwrap_err().kind(), ErrorKind::NotStaged);
        *archive.store.is_cold.lock() = false;
        let presence = archive.residency.presence(archive.href(0)).await.unwrap();
        assert!(matches!(presence, crate::staging::Presence::Online { .. }), "it is not remembered as cold");
    });
}
