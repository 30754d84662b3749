//! An engine over an archive that does what tests say, on a clock that tests move.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use tempfile::TempDir;
use thermocline_core::bytes::{ObjectSettings, Objects};
use thermocline_core::clock::{Clock, ManualClock};
use thermocline_core::cold::{
    Capabilities, ColdObject, ColdStore, Landing, Locality, Namespace, NamespaceRoot, ObjectId, ObjectStatus,
    StageRequest, StageState, StageTicket,
};
use thermocline_core::staging::{
    Face, NamedStore, NewRequest, Owner, Request, Staging, StagingParts, StagingSettings, Wanted,
};
use thermocline_core::state::{Database, DatabaseSettings};
use thermocline_core::{Error, Result};

use crate::order::{OrderStatus, Orders};

/// When tests begin.
pub(super) const START_NS: i64 = 1_700_000_000_000_000_000;

const BYTES: &[u8] = b"the bytes of an object";

/// An archive. Cloning gives the same one.
#[derive(Clone)]
pub(super) struct Archive {
    landing: Landing,
    localities: Arc<Mutex<HashMap<String, Locality>>>,
    /// How far recalls are.
    states: Arc<Mutex<HashMap<String, StageState>>>,
    n_asked: Arc<Mutex<usize>>,
}

impl Archive {
    fn new(landing: Landing) -> Self {
        Self { landing, localities: Arc::default(), states: Arc::default(), n_asked: Arc::default() }
    }

    pub(super) fn lies(&self, path: &str, locality: Locality) {
        self.localities.lock().insert(path.to_owned(), locality);
    }

    pub(super) fn recalls(&self, path: &str, state: StageState) {
        self.states.lock().insert(path.to_owned(), state);
    }

    /// How many objects it was asked for.
    pub(super) fn n_asked(&self) -> usize {
        *self.n_asked.lock()
    }
}

#[async_trait]
impl ColdStore for Archive {
    fn kind(&self) -> &'static str {
        "scripted"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            landing: self.landing,
            knows_tapes: false,
            can_cancel: true,
            can_release: true,
            n_at_once: 4,
            batch_objects: 100,
            poll_every: Duration::from_secs(1),
        }
    }

    async fn status(&self, objects: &[ColdObject]) -> Vec<Result<ObjectStatus>> {
        *self.n_asked.lock() += objects.len();
        let localities = self.localities.lock();
        let status = |object: &ColdObject| {
            let locality = localities.get(object.id.path()).copied();
            let locality =
                locality.ok_or_else(|| Error::not_found(format!("{} does not exist", object.id)))?;
            Ok(ObjectStatus {
                locality,
                len_bytes: BYTES.len() as u64,
                version: "1".to_owned(),
                place: None,
                checksum: None,
                links_to: None,
                online_until_ns: None,
            })
        };
        objects.iter().map(status).collect()
    }

    async fn stage(&self, request: &StageRequest) -> Result<StageTicket> {
        Ok(StageTicket { key: request.key.clone(), objects: request.objects.clone(), store_id: None })
    }

    async fn progress(&self, ticket: &StageTicket) -> Result<Vec<(ObjectId, StageState)>> {
        let states = self.states.lock();
        let state = |object: &ColdObject| {
            let state = states.get(object.id.path()).cloned().unwrap_or(StageState::Queued);
            if state == StageState::Staged {
                self.lies(object.id.path(), Locality::OnlineAndNearline);
            }
            (object.id.clone(), state)
        };
        Ok(ticket.objects.iter().map(state).collect())
    }

    async fn cancel(&self, _: &StageTicket, _: &[ObjectId]) -> Result<()> {
        Ok(())
    }

    async fn release(&self, objects: &[ColdObject]) -> Result<()> {
        for object in objects {
            self.lies(object.id.path(), Locality::Nearline);
        }
        Ok(())
    }

    async fn read(&self, _: &ColdObject, _: &str, range: Range<u64>) -> Result<Bytes> {
        let part = BYTES.get(range.start as usize..range.end as usize);
        part.map(Bytes::from_static).ok_or_else(|| Error::internal("beyond the end"))
    }
}

/// Orders of datasets over an archive.
pub(super) struct World {
    pub(super) orders: Orders,
    pub(super) staging: Staging,
    pub(super) archive: Archive,
    pub(super) clock: ManualClock,
    folder: Arc<TempDir>,
}

impl World {
    pub(super) async fn new(landing: Landing) -> Self {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        Self::start(Archive::new(landing), ManualClock::new(START_NS), folder).await
    }

    async fn start(archive: Archive, clock: ManualClock, folder: Arc<TempDir>) -> Self {
        let root = NamespaceRoot {
            name: "archive".into(),
            base: "/archive".to_owned(),
            map: Vec::new(),
            store: Some("tape".into()),
        };
        let runtime = tokio::runtime::Handle::current();
        let database = DatabaseSettings::new(folder.path().join("requests.sqlite"));
        let staging = Staging::open(StagingParts {
            namespace: Arc::new(Namespace::new(vec![root])),
            stores: vec![NamedStore { name: "tape".into(), store: Arc::new(archive.clone()) }],
            opener: Objects::new(Vec::new(), ObjectSettings::default(), runtime),
            database: Database::open(database, Staging::MIGRATIONS).unwrap(),
            clock: Arc::new(clock.clone()) as Arc<dyn Clock>,
            settings: StagingSettings {
                cache_dir: folder.path().join("cache"),
                cache_bytes: 1 << 20,
                keep_free_bytes: 0,
                min_residency: Duration::ZERO,
                ..StagingSettings::default()
            },
        })
        .await
        .unwrap();
        let orders = Orders::new(Some(staging.clone()));
        staging.start().await;
        orders.start();
        Self { orders, staging, archive, clock, folder }
    }

    /// Ends the process and starts it again.
    pub(super) async fn restart(self) -> Self {
        self.orders.shut_down().await;
        self.staging.shut_down().await;
        let Self { orders, staging, archive, clock, folder } = self;
        drop((orders, staging));
        Self::start(archive, clock, folder).await
    }

    /// Puts nearline objects there, of which a dataset is made.
    pub(super) fn dataset(&self, id: &str, paths: &[&str]) {
        for path in paths {
            self.archive.lies(path, Locality::Nearline);
        }
        self.note(id, paths);
    }

    pub(super) fn note(&self, id: &str, paths: &[&str]) {
        let hrefs: Vec<String> = paths.iter().map(|path| format!("/archive/{path}")).collect();
        self.orders.note(id, hrefs.iter().map(String::as_str));
    }

    pub(super) async fn request(&self, paths: &[&str]) -> Request {
        let wanted = |path: &&str| Wanted {
            spelling: format!("/archive/{path}").into(),
            object: Ok(vec![ObjectId::new("archive", path).unwrap()]),
        };
        let new = NewRequest {
            owner: Owner::anonymous(),
            face: Face::Native,
            objects: paths.iter().map(wanted).collect(),
            priority: 5,
            lifetime: Duration::from_secs(3600),
            dataset: None,
            idempotency: None,
            notify: None,
        };
        self.staging.request(new).await.unwrap()
    }

    /// Lets time pass until a dataset is in a state.
    pub(super) async fn until(&self, dataset: &str, status: OrderStatus) {
        for _ in 0..2000 {
            if self.orders.status(dataset) == Some(status) {
                return;
            }
            self.pass(Duration::from_millis(500)).await;
        }
        panic!("{dataset} is {:?} and not {status:?}", self.orders.status(dataset));
    }

    pub(super) async fn pass(&self, duration: Duration) {
        self.clock.advance(duration);
        // What threads write to the disk takes its own time.
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
