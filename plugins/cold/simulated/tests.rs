use std::collections::BTreeSet;
use std::path::PathBuf;

use thermocline_core::clock::ManualClock;
use thermocline_core::cold::{FailureCause, NamespaceRoot};
use thermocline_testkit::conformance::{self, ColdFile, ColdSite};

use super::*;

const HOUR: Duration = Duration::from_secs(3600);

/// A library over a folder, on a clock that only tests move.
struct Site {
    folder: tempfile::TempDir,
    config: Config,
    clock: ManualClock,
    sound: Vec<ColdFile>,
    store: SimulatedStore,
    /// The store that was opened last: the one that counts.
    latest: Mutex<SimulatedStore>,
}

impl Site {
    fn new(names: &[&str], config: Config) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let archive = folder.path().join("archive");
        std::fs::create_dir(&archive).unwrap();
        let file = |(number, name): (usize, &&str)| {
            let content: Vec<u8> = (0..10_000 + number).map(|i| ((i + number) % 251) as u8 + 1).collect();
            std::fs::write(archive.join(name), &content).unwrap();
            ColdFile { object: object(&archive, name), content }
        };
        let sound = names.iter().enumerate().map(file).collect();
        let clock = ManualClock::new(1_700_000_000_000_000_000);
        let store = open(&folder, &config, &clock).unwrap();
        Self { folder, config, clock, sound, latest: Mutex::new(store.clone()), store }
    }

    fn object(&self, name: &str) -> ColdObject {
        object(&self.folder.path().join("archive"), name)
    }

    async fn stage(&self, key: &str, names: &[&str]) -> StageTicket {
        self.try_stage(key, names, HOUR).await.unwrap()
    }

    async fn try_stage(&self, key: &str, names: &[&str], lifetime: Duration) -> Result<StageTicket> {
        let objects = names.iter().map(|name| self.object(name)).collect();
        let request = StageRequest { key: key.to_owned(), objects, lifetime, is_interactive: false };
        self.store.stage(&request).await
    }

    async fn state(&self, ticket: &StageTicket) -> StageState {
        self.store.progress(ticket).await.unwrap().remove(0).1
    }

    async fn locality(&self, name: &str) -> Locality {
        self.store.status(&[self.object(name)]).await.remove(0).unwrap().locality
    }
}

fn object(archive: &Path, name: &str) -> ColdObject {
    ColdObject { id: ObjectId::new("a", name).unwrap(), href: archive.join(name).to_str().unwrap().into() }
}

fn open(folder: &tempfile::TempDir, config: &Config, clock: &ManualClock) -> Result<SimulatedStore> {
    let base = folder.path().join("archive").to_str().unwrap().to_owned();
    let root = NamespaceRoot { name: "a".into(), base, map: Vec::new(), store: None };
    let context = StoreContext {
        state: Some(folder.path().join("state")),
        clock: Arc::new(clock.clone()),
        ..StoreContext::new(vec![root])
    };
    SimulatedStore::new(config.clone(), &context)
}

fn fault(path: &str, fault: FaultKind, times: u32) -> FaultConfig {
    FaultConfig { path: path.to_owned(), fault, times, share: 1.0, delay: HOUR }
}

fn with_faults(faults: Vec<FaultConfig>) -> Config {
    Config { faults, ..Config::default() }
}

#[async_trait]
impl ColdSite for Site {
    fn store(&self) -> Arc<dyn ColdStore> {
        Arc::new(self.store.clone())
    }

    async fn restart(&self) -> anyhow::Result<Arc<dyn ColdStore>> {
        let store = open(&self.folder, &self.config, &self.clock)?;
        *self.latest.lock() = store.clone();
        Ok(Arc::new(store))
    }

    fn sound(&self) -> &[ColdFile] {
        &self.sound
    }

    fn missing(&self) -> ColdObject {
        self.object("nowhere/missing.nc")
    }

    fn failing(&self) -> Option<ColdObject> {
        std::fs::write(self.folder.path().join("archive/fails.nc"), [1; 5000]).unwrap();
        Some(self.object("fails.nc"))
    }

    fn hopeless(&self) -> Option<ColdObject> {
        std::fs::write(self.folder.path().join("archive/denied.nc"), [1; 5000]).unwrap();
        Some(self.object("denied.nc"))
    }

    async fn set_busy(&self, is_busy: bool) -> anyhow::Result<bool> {
        self.store.set_available(!is_busy);
        Ok(true)
    }

    async fn n_recalls(&self) -> anyhow::Result<u64> {
        Ok(self.latest.lock().n_recalls())
    }

    async fn pass(&self) {
        self.clock.advance(Duration::from_secs(7));
    }
}

const NAMES: [&str; 12] =
    ["a.nc", "b c.nc", "d&e.nc", "f.nc", "g.nc", "h.nc", "i.nc", "j.nc", "k.nc", "l.nc", "m.nc", "n.nc"];

#[tokio::test]
async fn what_the_library_brings_online_is_served() {
    let folder = tempfile::tempdir().unwrap();
    conformance::cold_reads(&Site::new(&NAMES, Config::default()), folder.path()).await.unwrap();
}

#[tokio::test]
async fn the_library_conforms() {
    let faults = vec![fault("fails.nc", FaultKind::Fail, 0), fault("denied.nc", FaultKind::Denied, 0)];
    conformance::cold(&Site::new(&NAMES, with_faults(faults))).await.unwrap();
}

#[tokio::test]
async fn the_library_conforms_when_it_forgets_its_batches() {
    let faults = vec![fault("fails.nc", FaultKind::Fail, 0), fault("denied.nc", FaultKind::Denied, 0)];
    let config = Config { forgets_batches: true, drives: 1, ..with_faults(faults) };
    conformance::cold(&Site::new(&NAMES, config)).await.unwrap();
}

#[tokio::test]
async fn a_recall_takes_as_long_as_mounting_locating_and_reading() {
    let media = Config::default().media();
    let site = Site::new(&["a", "b"], Config { drives: 1, ..Config::default() });
    let first = site.stage("1", &["a"]).await;
    let seconds = 60.0 + media.read_seconds(10_000);
    site.clock.advance(Duration::from_secs_f64(seconds - 0.001));
    assert!(matches!(site.state(&first).await, StageState::Active { .. }));
    site.clock.advance(Duration::from_millis(2));
    assert_eq!(site.state(&first).await, StageState::Staged);

    // The next file begins where the head is.
    let second = site.stage("2", &["b"]).await;
    site.clock.advance(Duration::from_millis(2));
    assert_eq!(site.state(&second).await, StageState::Staged);
    assert_eq!(site.store.n_mounts(), 1);
}

#[tokio::test]
async fn speed_makes_an_hour_a_second() {
    let site = Site::new(&["a"], Config { speed: 3600.0, ..Config::default() });
    let ticket = site.stage("1", &["a"]).await;
    site.clock.advance(Duration::from_millis(20));
    assert_eq!(site.state(&ticket).await, StageState::Staged);
}

#[test]
fn what_is_foretold_is_as_fast_as_the_library() {
    let site = Site::new(&["a"], Config { speed: 20.0, ..Config::default() });
    let media = site.store.media().unwrap();
    assert_eq!(media.mount_seconds(true), 6.0);
    assert_eq!(media.read_seconds(7_200_000_000), 1.0);
    // By hand: 120 s of mounting, 62 s of locating, 20 s of reading, all twenty times as fast.
    assert!((media.session_seconds(1, 7_200_000_000) - 10.1).abs() < 1e-9);
}

#[tokio::test]
async fn drives_read_all_that_waits_on_a_tape_before_they_change_it() {
    let config = Config { drives: 1, tape_capacity: 20_100, tape_fill: 20_100, ..Config::default() };
    let site = Site::new(&["a", "b", "c", "d", "e", "f"], config);
    // Two files a tape; asked for alternately they would need six mounts.
    let ticket = site.stage("1", &["a", "c", "e", "b", "d", "f"]).await;
    site.clock.advance(HOUR);
    assert_eq!(site.state(&ticket).await, StageState::Staged);
    assert_eq!(site.store.n_mounts(), 3);
    let order: Vec<String> = site.store.recalls().into_iter().map(|recall| recall.path).collect();
    assert_eq!(order, ["a", "b", "c", "d", "e", "f"]);
}

#[tokio::test]
async fn copies_last_as_long_as_the_longest_lifetime_and_no_longer() {
    let site = Site::new(&["a"], Config::default());
    site.try_stage("short", &["a"], HOUR).await.unwrap();
    site.try_stage("long", &["a"], 10 * HOUR).await.unwrap();
    site.clock.advance(9 * HOUR);
    assert_eq!(site.locality("a").await, Locality::OnlineAndNearline);
    site.clock.advance(2 * HOUR);
    assert_eq!(site.locality("a").await, Locality::Nearline);
    assert_eq!(site.store.n_recalls(), 1);
}

#[tokio::test]
async fn a_fault_of_the_first_recalls_is_over_then() {
    let site = Site::new(&["a"], with_faults(vec![fault("a", FaultKind::Fail, 2)]));
    let mut outcomes = Vec::new();
    for key in ["1", "2", "3"] {
        let ticket = site.stage(key, &["a"]).await;
        site.clock.advance(HOUR);
        outcomes.push(site.state(&ticket).await);
    }
    let is_retryable =
        |state: &StageState| matches!(state, StageState::Failed(failure) if !failure.cause.is_final());
    assert!(is_retryable(&outcomes[0]) && is_retryable(&outcomes[1]), "{outcomes:?}");
    assert_eq!(outcomes[2], StageState::Staged);
}

#[tokio::test]
async fn a_lie_is_staged_and_not_there() {
    let site = Site::new(&["a"], with_faults(vec![fault("a", FaultKind::Lie, 1)]));
    let ticket = site.stage("1", &["a"]).await;
    site.clock.advance(HOUR);
    assert_eq!(site.state(&ticket).await, StageState::Staged);
    assert_eq!(site.locality("a").await, Locality::Nearline);
    let again = site.stage("2", &["a"]).await;
    site.clock.advance(HOUR / 2);
    assert_eq!(site.state(&again).await, StageState::Staged);
    assert_eq!(site.locality("a").await, Locality::OnlineAndNearline);
}

#[tokio::test]
async fn a_corrupt_copy_differs_from_its_checksum_in_one_bit() {
    let config = Config { checksums: true, ..with_faults(vec![fault("a", FaultKind::Corrupt, 1)]) };
    let site = Site::new(&["a"], config);
    let mut n_wrong_bits = Vec::new();
    for key in ["1", "2"] {
        site.stage(key, &["a"]).await;
        site.clock.advance(HOUR / 2);
        let status = site.store.status(&[site.object("a")]).await.remove(0).unwrap();
        assert!(matches!(status.checksum, Some(Checksum::Adler32(_))));
        let bytes = site.store.read(&site.object("a"), &status.version, 0..status.len_bytes).await.unwrap();
        let differing = bytes.iter().zip(&site.sound[0].content).map(|(a, b)| (a ^ b).count_ones());
        n_wrong_bits.push(differing.sum::<u32>());
        site.store.release(&[site.object("a")]).await.unwrap();
    }
    assert_eq!(n_wrong_bits, [1, 0]);
}

#[tokio::test]
async fn a_lost_file_is_lost_before_and_after_it_was_asked_for() {
    let site = Site::new(&["a"], with_faults(vec![fault("a", FaultKind::Lost, 0)]));
    assert_eq!(site.locality("a").await, Locality::Lost);
    let ticket = site.stage("1", &["a"]).await;
    site.clock.advance(HOUR);
    let state = site.state(&ticket).await;
    assert!(matches!(state, StageState::Failed(StageFailure { cause: FailureCause::Lost, .. })), "{state:?}");
}

#[tokio::test]
async fn a_recall_that_hangs_keeps_no_drive_and_can_be_cancelled() {
    let site =
        Site::new(&["a", "b"], Config { drives: 1, ..with_faults(vec![fault("a", FaultKind::Stall, 1)]) });
    let hanging = site.stage("1", &["a"]).await;
    let other = site.stage("2", &["b"]).await;
    site.clock.advance(100 * HOUR);
    assert!(matches!(site.state(&hanging).await, StageState::Active { .. }));
    assert!(matches!(site.state(&other).await, StageState::Unknown | StageState::Staged));
    site.store.cancel(&hanging, &[site.object("a").id]).await.unwrap();
    assert_eq!(site.state(&hanging).await, StageState::Unknown);
    let again = site.stage("3", &["a"]).await;
    site.clock.advance(HOUR / 2);
    assert_eq!(site.state(&again).await, StageState::Staged);
}

#[tokio::test]
async fn a_busy_library_names_the_time() {
    let site = Site::new(&["a"], with_faults(vec![fault("a", FaultKind::Busy, 1)]));
    let refused = site.try_stage("1", &["a"], HOUR).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unavailable { retry_after: HOUR });
    let ticket = site.stage("1", &["a"]).await;
    site.clock.advance(HOUR / 2);
    assert_eq!(site.state(&ticket).await, StageState::Staged);
}

#[tokio::test]
async fn more_than_may_wait_is_refused() {
    let site = Site::new(&["a", "b", "c"], Config { max_waiting: 2, ..Config::default() });
    let refused = site.try_stage("1", &["a", "b", "c"], HOUR).await.unwrap_err();
    assert!(matches!(refused.kind(), ErrorKind::Unavailable { .. }));
    site.stage("2", &["a", "b"]).await;
}

#[tokio::test]
async fn a_file_that_is_replaced_is_not_read_as_the_old_one() {
    let site = Site::new(&["a"], Config::default());
    site.stage("1", &["a"]).await;
    site.clock.advance(HOUR / 2);
    let version = site.store.status(&[site.object("a")]).await.remove(0).unwrap().version;
    let path = PathBuf::from(&*site.object("a").href);
    let later = std::time::SystemTime::now() + HOUR;
    std::fs::write(&path, vec![9; 10_000]).unwrap();
    std::fs::File::options().write(true).open(&path).unwrap().set_modified(later).unwrap();
    let error = site.store.read(&site.object("a"), &version, 0..10).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Changed { .. }), "{error}");
    std::fs::remove_file(&path).unwrap();
    let error = site.store.read(&site.object("a"), &version, 0..10).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Lost);
}

#[tokio::test]
async fn recalls_go_on_while_no_server_runs_and_are_logged_once() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("recalls.jsonl");
    let config = Config { recall_log: Some(log.clone()), ..Config::default() };
    let mut site = Site::new(&["a", "b"], config);
    let ticket = site.stage("1", &["a", "b"]).await;
    site.clock.advance(HOUR / 2);
    for _ in 0..3 {
        site.store = open(&site.folder, &site.config, &site.clock).unwrap();
        let states: BTreeSet<bool> = site
            .store
            .progress(&ticket)
            .await
            .unwrap()
            .iter()
            .map(|(_, s)| *s == StageState::Staged)
            .collect();
        assert_eq!(states, BTreeSet::from([true]));
        assert_eq!(site.store.n_recalls(), 2);
        assert_eq!(std::fs::read_to_string(&log).unwrap().lines().count(), 2);
    }
}

#[tokio::test]
async fn a_line_that_was_not_written_whole_is_dropped_and_no_other() {
    let mut site = Site::new(&["a", "b"], Config::default());
    let ticket = site.stage("1", &["a"]).await;
    site.stage("2", &["b"]).await;
    let path = site.folder.path().join("state/inputs.jsonl");
    let text = std::fs::read(&path).unwrap();
    std::fs::write(&path, &text[..text.len() - 5]).unwrap();

    site.store = open(&site.folder, &site.config, &site.clock).unwrap();
    let forgotten = StageTicket { key: "2".to_owned(), objects: vec![site.object("b")], store_id: None };
    assert_eq!(site.state(&forgotten).await, StageState::Unknown);
    site.clock.advance(HOUR / 2);
    assert_eq!(site.state(&ticket).await, StageState::Staged);
    site.stage("2", &["b"]).await;
    assert!(open(&site.folder, &site.config, &site.clock).is_ok());
}

#[tokio::test]
async fn another_number_of_drives_loses_nothing() {
    let mut site = Site::new(&["a", "b", "c"], Config { tape_fill: 1, ..Config::default() });
    let ticket = site.stage("1", &["a", "b", "c"]).await;
    site.config.drives = 1;
    site.store = open(&site.folder, &site.config, &site.clock).unwrap();
    site.clock.advance(HOUR / 2);
    let states = site.store.progress(&ticket).await.unwrap();
    assert!(states.iter().all(|(_, state)| *state == StageState::Staged), "{states:?}");
}

#[test]
fn a_configuration_that_makes_no_sense_is_refused() {
    let defaults = Config::default;
    let mut bad = vec![
        Config { drives: 0, ..defaults() },
        Config { speed: 0.0, ..defaults() },
        Config { speed: f64::NAN, ..defaults() },
        Config { tape_fill: u64::MAX, ..defaults() },
        Config { batch_objects: 0, ..defaults() },
        Config { table: Some("/nothing/there.toml".into()), ..defaults() },
    ];
    bad.push(with_faults(vec![fault("[", FaultKind::Fail, 0)]));
    bad.push(with_faults(vec![FaultConfig { share: 2.0, ..fault("a", FaultKind::Fail, 0) }]));
    for config in bad {
        assert!(SimulatedStore::new(config.clone(), &StoreContext::new(Vec::new())).is_err(), "{config:?}");
    }
}

#[test]
fn the_configuration_reads_as_it_is_documented() {
    let text = r#"
        drives = 2
        speed = 60.0
        mount = "90s"
        tape_capacity = "12 TB"
        faults = [{ path = "**/bad-*.nc", fault = "fail", times = 2 }, { path = "x", fault = "slow", delay = "1h" }]
    "#;
    let config: Config = toml::from_str(text).unwrap();
    assert_eq!((config.drives, config.mount), (2, Duration::from_secs(90)));
    assert_eq!(toml::from_str::<Config>(&toml::to_string(&config).unwrap()).unwrap(), config);
    assert!(toml::from_str::<Config>("drive = 2").is_err());
}
