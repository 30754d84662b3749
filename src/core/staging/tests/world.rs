//! A server's staging over a fake store: started, stopped and started again.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;

use super::store::FakeStore;

use crate::bytes::{ObjectSettings, Objects, Root};
use crate::clock::{Clock, ManualClock};
use crate::cold::{Namespace, NamespaceRoot, ObjectId};
use crate::staging::{
    Face, NamedStore, NewRequest, ObjectFilter, ObjectState, Owner, Presence, Request, RequestId,
    RequestObject, Staging, StagingParts, StagingSettings, Wanted,
};
use crate::state::{Database, DatabaseSettings};

/// When tests begin.
pub(super) const START_NS: i64 = 1_700_000_000_000_000_000;

/// All of it. The folder outlives restarts.
pub(super) struct World {
    pub(super) staging: Staging,
    pub(super) store: FakeStore,
    pub(super) clock: ManualClock,
    pub(super) database: Database,
    pub(super) folder: Arc<TempDir>,
    settings: StagingSettings,
}

pub(super) fn id(path: &str) -> ObjectId {
    ObjectId::new("archive", path).unwrap()
}

pub(super) fn href(path: &str) -> String {
    format!("/archive/{path}")
}

pub(super) fn owner(name: &str) -> Owner {
    Owner(name.into())
}

/// Settings of tests: a small cache, quick retries.
pub(super) fn settings() -> StagingSettings {
    StagingSettings {
        cache_bytes: 1 << 20,
        keep_free_bytes: 0,
        min_residency: Duration::from_secs(60),
        ..StagingSettings::default()
    }
}

impl World {
    pub(super) async fn new(store: FakeStore) -> Self {
        Self::with(store, settings()).await
    }

    pub(super) async fn with(store: FakeStore, settings: StagingSettings) -> Self {
        Self::at(ManualClock::new(START_NS), store, settings).await
    }

    /// The same with a clock that the store has too.
    pub(super) async fn at(clock: ManualClock, store: FakeStore, settings: StagingSettings) -> Self {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        Self::start(store, settings, clock, folder).await
    }

    async fn start(
        store: FakeStore,
        settings: StagingSettings,
        clock: ManualClock,
        folder: Arc<TempDir>,
    ) -> Self {
        let root = |name: &str, base: PathBuf, store: Option<&str>| NamespaceRoot {
            name: name.into(),
            base: base.to_string_lossy().into_owned(),
            map: Vec::new(),
            store: store.map(Into::into),
        };
        let warm = folder.path().join("warm");
        std::fs::create_dir_all(&warm).unwrap();
        let namespace = Namespace::new(vec![
            root("archive", "/archive".into(), Some("tape")),
            root("warm", warm.clone(), None),
        ]);
        let database =
            Database::open(DatabaseSettings::new(folder.path().join("state.db")), Staging::MIGRATIONS)
                .unwrap();
        let roots = vec![Root::directory(&warm).unwrap()];
        let opener = Objects::new(roots, ObjectSettings::default(), tokio::runtime::Handle::current());
        let parts = StagingParts {
            namespace: Arc::new(namespace),
            stores: vec![NamedStore { name: "tape".into(), store: Arc::new(store.clone()) }],
            opener,
            database: database.clone(),
            clock: Arc::new(clock.clone()) as Arc<dyn Clock>,
            settings: StagingSettings { cache_dir: folder.path().join("cache"), ..settings.clone() },
        };
        let staging = Staging::open(parts).await.unwrap();
        staging.start().await;
        Self { staging, store, clock, database, folder, settings }
    }

    /// Ends the process and starts it again.
    pub(super) async fn restart(self) -> Self {
        self.restart_after(|_| ()).await
    }

    /// Does something to what is on the disk in between.
    pub(super) async fn restart_after(self, change: impl FnOnce(&std::path::Path)) -> Self {
        self.staging.shut_down().await;
        let Self { staging, store, clock, database, folder, settings } = self;
        drop((staging, database));
        change(folder.path());
        Self::start(store, settings, clock, folder).await
    }

    pub(super) fn put(&self, path: &str) {
        self.store.put(&id(path), format!("the bytes of {path}").as_bytes());
    }

    pub(super) async fn request(&self, owner: &str, paths: &[&str]) -> Request {
        self.staging.request(new_request(owner, paths)).await.unwrap()
    }

    pub(super) async fn get(&self, id: &RequestId) -> Request {
        self.staging.get(id).await.unwrap().unwrap()
    }

    pub(super) async fn objects(&self, id: &RequestId) -> Vec<RequestObject> {
        self.staging.objects(id, ObjectFilter { limit: 1000, ..ObjectFilter::default() }).await.unwrap()
    }

    pub(super) async fn states(&self, id: &RequestId) -> Vec<ObjectState> {
        self.objects(id).await.iter().map(|object| object.state).collect()
    }

    /// Lets time pass until something is the case, at most an hour of it.
    pub(super) async fn until<F: Future<Output = bool>>(&self, what: &str, mut is_so: impl FnMut() -> F) {
        for _ in 0..3600 {
            if is_so().await {
                return;
            }
            self.pass(Duration::from_secs(1)).await;
        }
        panic!("an hour has passed and not: {what}");
    }

    /// Lets some time pass, and all that follows from it happen.
    pub(super) async fn pass(&self, duration: Duration) {
        self.settle().await;
        self.clock.advance(duration);
        self.settle().await;
    }

    /// Lets happen what happens by itself: until nothing is under way but what waits for the clock.
    pub(super) async fn settle(&self) {
        let shared = &self.staging.shared;
        let mut n_quiet = 0;
        for _ in 0..5000 {
            tokio::time::sleep(Duration::from_micros(500)).await;
            // What is being written has been written then.
            self.database.write(|_| Ok(())).await.unwrap();
            // The driver and the one who tidies up; who watches a batch waits for the clock.
            let n_waiting = 2 + shared.watched.lock().len();
            let is_quiet =
                shared.tasks.len() <= n_waiting && shared.inputs.capacity() == shared.inputs.max_capacity();
            n_quiet = if is_quiet { n_quiet + 1 } else { 0 };
            if n_quiet == 4 {
                return;
            }
        }
    }

    /// Lets time pass until a request has ended.
    pub(super) async fn ended(&self, id: &RequestId) -> Request {
        self.until("the request ends", || async { self.get(id).await.state.is_ended() }).await;
        self.get(id).await
    }

    /// The bytes of a copy, if there is one.
    pub(super) async fn read(&self, path: &str) -> Option<Vec<u8>> {
        match self.staging.presence(&href(path)).await.unwrap() {
            Presence::Online { path, guard: Some(_guard) } => Some(std::fs::read(path).unwrap()),
            Presence::Online { guard: None, .. } => Some(Vec::new()),
            Presence::Cold => None,
            Presence::Unbound => panic!("{path} is bound"),
        }
    }
}

/// The request for `a` at its end, and why `a` failed.
pub(super) async fn end(world: &World) -> (Request, Option<String>) {
    let request = world.request("x", &["a"]).await;
    let request = world.ended(&request.id).await;
    let reason = world.objects(&request.id).await.remove(0).reason;
    (request, reason)
}

pub(super) fn wanted(path: &str) -> Wanted {
    Wanted { spelling: href(path).into(), object: Ok(vec![id(path)]) }
}

pub(super) fn new_request(owner: &str, paths: &[&str]) -> NewRequest {
    NewRequest {
        owner: super::world::owner(owner),
        face: Face::Native,
        objects: paths.iter().map(|path| wanted(path)).collect(),
        priority: 5,
        lifetime: Duration::from_secs(3600),
        dataset: None,
        idempotency: None,
        notify: None,
    }
}
