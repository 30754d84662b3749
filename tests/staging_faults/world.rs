//! A server's staging over a simulated tape library: started, ended in any way, and started again.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use thermocline_cold_simulated::{Config, FaultConfig, FaultKind, SimulatedStore};
use thermocline_core::bytes::{ObjectSettings, Objects, Root};
use thermocline_core::clock::Clock;
use thermocline_core::cold::{Namespace, NamespaceRoot, ObjectId, StoreContext};
use thermocline_core::staging::{
    Face, NamedStore, NewRequest, ObjectFilter, ObjectState, Owner, Presence, Request, RequestId,
    RequestObject, Staging, StagingParts, StagingSettings, Wanted,
};
use thermocline_core::state::{Database, DatabaseSettings};
use tokio::runtime::Runtime;

use crate::clock::Dial;
use crate::flaky::Flaky;

/// When tests begin.
pub(crate) const START_NS: i64 = 1_700_000_000_000_000_000;

/// Chance that is the same for the same seed: SplitMix64.
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `n`.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }

    /// True in so many cases of one.
    pub(crate) fn is(&mut self, share: f64) -> bool {
        ((self.next() >> 11) as f64) < share * (1_u64 << 53) as f64
    }

    pub(crate) fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }
}

/// All of it. Dropping a life leaves folder, library and clock.
pub(crate) struct World {
    pub(crate) life: Option<Life>,
    pub(crate) store: Flaky,
    pub(crate) clock: Dial,
    pub(crate) folder: TempDir,
    pub(crate) settings: StagingSettings,
    pub(crate) library: Config,
    /// Every content that a file ever had.
    pub(crate) contents: BTreeMap<String, Vec<Vec<u8>>>,
    n_writes: u64,
}

/// One process.
pub(crate) struct Life {
    pub(crate) runtime: Runtime,
    pub(crate) staging: Staging,
}

/// Settings of tests: a small cache, and no bound on attempts.
pub(crate) fn settings() -> StagingSettings {
    StagingSettings {
        cache_bytes: 100_000,
        keep_free_bytes: 0,
        min_residency: Duration::ZERO,
        max_attempts: 100_000,
        keep_requests: Duration::from_secs(10 * 365 * 24 * 3600),
        ..StagingSettings::default()
    }
}

/// A quick library without faults.
pub(crate) fn library() -> Config {
    Config {
        drives: 3,
        speed: 100.0,
        checksums: true,
        tape_fill: 100_000,
        batch_objects: 5,
        poll_every: Duration::from_secs(1),
        ..Config::default()
    }
}

/// What goes wrong with a share of recalls.
pub(crate) fn fault(path: &str, fault: FaultKind, share: f64) -> FaultConfig {
    FaultConfig { path: path.to_owned(), fault, times: 0, share, delay: Duration::from_secs(20) }
}

impl World {
    pub(crate) fn new(settings: StagingSettings, library: Config, files: &[(&str, usize)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("archive")).unwrap();
        let clock = Dial::new(START_NS);
        let store = Flaky::new(Arc::new(simulated(&folder, &clock, &library)), 7);
        let contents = BTreeMap::new();
        let mut world = Self { life: None, store, clock, folder, settings, library, contents, n_writes: 0 };
        for (path, len_bytes) in files {
            world.write(path, *len_bytes);
        }
        world.open();
        world
    }

    /// A file of the archive, or another state of it.
    pub(crate) fn write(&mut self, path: &str, len_bytes: usize) {
        self.n_writes += 1;
        let mut chance = Chance::new(self.n_writes);
        let bytes: Vec<u8> = (0..len_bytes).map(|_| chance.next() as u8).collect();
        let (file, new) = (self.archived(path), self.archived(".new"));
        std::fs::write(&new, &bytes).unwrap();
        let at = std::time::UNIX_EPOCH + Duration::from_secs(1_600_000_000 + self.n_writes);
        std::fs::File::options().write(true).open(&new).unwrap().set_modified(at).unwrap();
        std::fs::rename(new, file).unwrap();
        self.contents.entry(path.to_owned()).or_default().push(bytes);
    }

    pub(crate) fn archived(&self, path: &str) -> PathBuf {
        self.folder.path().join("archive").join(path)
    }

    pub(crate) fn href(&self, path: &str) -> String {
        self.archived(path).to_string_lossy().into_owned()
    }

    /// Starts a process.
    pub(crate) fn open(&mut self) {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let path = self.folder.path().join("state.db");
        let database =
            DatabaseSettings { busy_timeout: Duration::from_millis(50), ..DatabaseSettings::new(path) };
        let opener = Objects::new(
            vec![Root::directory(self.folder.path().join("archive")).unwrap()],
            ObjectSettings::default(),
            runtime.handle().clone(),
        );
        let parts = StagingParts {
            namespace: Arc::new(Namespace::new(vec![root(&self.folder)])),
            stores: vec![NamedStore { name: "tape".into(), store: Arc::new(self.store.clone()) }],
            opener,
            database: Database::open(database, Staging::MIGRATIONS).unwrap(),
            clock: Arc::new(self.clock.clone()),
            settings: StagingSettings {
                cache_dir: self.folder.path().join("cache"),
                ..self.settings.clone()
            },
        };
        let staging = runtime.block_on(async {
            let staging = Staging::open(parts).await.unwrap();
            staging.start().await;
            staging
        });
        self.life = Some(Life { runtime, staging });
    }

    /// Ends the process in order, and starts another.
    pub(crate) fn restart(&mut self) {
        if let Some(Life { runtime, staging }) = self.life.take() {
            runtime.block_on(staging.shut_down());
            drop(staging);
            runtime.shutdown_timeout(Duration::from_secs(20));
            self.wait_for_writer();
        }
        self.open();
    }

    /// Ends the process wherever its tasks are, and starts another.
    pub(crate) fn crash(&mut self) {
        self.end();
        self.open();
    }

    /// Ends the process wherever its tasks are.
    pub(crate) fn end(&mut self) {
        if let Some(Life { runtime, staging }) = self.life.take() {
            drop(staging);
            // System calls that were begun come to their end, as those of a killed process do.
            runtime.shutdown_timeout(Duration::from_secs(20));
            self.wait_for_writer();
        }
    }

    /// The thread that writes to the database is none of the runtime's: what it has taken it writes before it ends.
    fn wait_for_writer(&self) {
        let path = self.folder.path().join("state.db");
        let is_open = || {
            let files = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
            files.filter_map(|file| std::fs::read_link(file.path()).ok()).any(|file| file == path)
        };
        for _ in 0..1000 {
            if !is_open() {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("the database of the process before is still open");
    }

    /// Starts the library anew: it forgets which batches there were.
    pub(crate) fn replace_library(&mut self, forgets_batches: bool) {
        let library = Config { forgets_batches, ..self.library.clone() };
        self.store = self.store.with_store(Arc::new(simulated(&self.folder, &self.clock, &library)));
    }

    pub(crate) fn staging(&self) -> &Staging {
        &self.life.as_ref().unwrap().staging
    }

    pub(crate) fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.life.as_ref().unwrap().runtime.block_on(future)
    }

    pub(crate) fn new_request(&self, owner: &str, paths: &[&str], lifetime: Duration) -> NewRequest {
        let wanted = |path: &&str| Wanted { spelling: self.href(path).into(), object: Ok(vec![id(path)]) };
        NewRequest {
            owner: Owner(owner.into()),
            face: Face::Native,
            objects: paths.iter().map(wanted).collect(),
            priority: 5,
            lifetime,
            dataset: None,
            idempotency: None,
            notify: None,
        }
    }

    /// A request that must be accepted.
    pub(crate) fn request(&self, paths: &[&str], lifetime: Duration) -> Request {
        self.block_on(self.staging().request(self.new_request("x", paths, lifetime))).unwrap()
    }

    pub(crate) fn get(&self, id: &RequestId) -> Request {
        self.block_on(self.staging().get(id)).unwrap().unwrap()
    }

    pub(crate) fn objects(&self, id: &RequestId) -> Vec<RequestObject> {
        let filter = ObjectFilter { limit: 100_000, ..ObjectFilter::default() };
        self.block_on(self.staging().objects(id, filter)).unwrap()
    }

    pub(crate) fn states(&self, id: &RequestId) -> Vec<ObjectState> {
        self.objects(id).iter().map(|object| object.state).collect()
    }

    /// Lets some time pass, and what follows from it happen.
    pub(crate) fn pass(&self, duration: Duration) {
        self.settle();
        self.clock.advance(duration);
        self.settle();
    }

    /// Gives the process a moment.
    pub(crate) fn settle(&self) {
        self.block_on(async { tokio::time::sleep(Duration::from_millis(2)).await });
    }

    /// Lets time pass until something is the case.
    pub(crate) fn until(&self, what: &str, mut is_so: impl FnMut() -> bool) {
        for _ in 0..5000 {
            if is_so() {
                return;
            }
            self.pass(Duration::from_secs(2));
        }
        let recalls = self.block_on(self.staging().recalls(10));
        panic!("{what}: not after {} s; under way are {recalls:#?}", 2 * 5000);
    }

    pub(crate) fn ended(&self, id: &RequestId) -> Request {
        self.until("the request ends", || self.get(id).state.is_ended());
        self.get(id)
    }

    /// The bytes of a copy, if there is one.
    pub(crate) fn read(&self, path: &str) -> Option<Vec<u8>> {
        match self.staging().presence_in_memory(&self.href(path)) {
            Some(Presence::Online { path, guard: Some(_guard) }) => Some(std::fs::read(path).unwrap()),
            Some(Presence::Cold) => None,
            other => panic!("{path}: {other:?}"),
        }
    }

    /// The bytes of an object that a request pins; `None` if the pin ended while this was found out. That an object is hot
    /// is written a moment before its copy can be read.
    pub(crate) fn pinned_bytes(&self, id: &RequestId, position: u64, path: &str) -> Option<Vec<u8>> {
        for _ in 0..1000 {
            match self.staging().presence_in_memory(&self.href(path)) {
                Some(Presence::Online { path, guard: Some(_guard) }) => {
                    return Some(std::fs::read(path).unwrap());
                }
                Some(Presence::Cold) => {}
                other => panic!("{path}: {other:?}"),
            }
            if self.states(id).get(position as usize) != Some(&ObjectState::Hot) {
                return None;
            }
            self.settle();
        }
        panic!("{id} pins {path}, which is cold")
    }

    pub(crate) fn now_ns(&self) -> i64 {
        self.clock.now_ns()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.end();
        }
    }
}

pub(crate) fn id(path: &str) -> ObjectId {
    ObjectId::new("archive", path).unwrap()
}

fn root(folder: &TempDir) -> NamespaceRoot {
    let base = folder.path().join("archive").to_string_lossy().into_owned();
    NamespaceRoot { name: "archive".into(), base, map: Vec::new(), store: Some("tape".into()) }
}

fn simulated(folder: &TempDir, clock: &Dial, library: &Config) -> SimulatedStore {
    let state = folder.path().join("library");
    std::fs::create_dir_all(&state).unwrap();
    let context = StoreContext {
        state: Some(state),
        clock: Arc::new(clock.clone()),
        ..StoreContext::new(vec![root(folder)])
    };
    SimulatedStore::new(library.clone(), &context).unwrap()
}
