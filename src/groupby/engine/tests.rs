//! What the engine shares and keeps. The values are of no matter here: they are made of numbers of their cells.

use tempfile::TempDir;
use thermocline_core::bytes::{ObjectSettings, Objects};
use thermocline_core::read::ReadSettings;
use thermocline_core::{ErrorKind, clock::ManualClock};

use super::*;
use crate::Estimate;
use crate::testing::{F8, request, texts, world};

/// A reader that has no files: what it reads is kept with the manifest.
fn reader() -> Arc<Reader> {
    let objects = Objects::new(Vec::new(), ObjectSettings::default(), tokio::runtime::Handle::current());
    Arc::new(Reader::new(Arc::clone(&objects) as _, objects, Vec::new(), ReadSettings::default()))
}

/// A dataset whose variable `t(time, lat, lon)` can be read.
fn manifest() -> Arc<Manifest> {
    revised("r1")
}

/// The same dataset in another state.
fn revised(revision: &str) -> Arc<Manifest> {
    let values: Vec<f64> = (0..24 * 6).map(f64::from).collect();
    let dims = [("time", 24), ("lat", 3), ("lon", 2)];
    let world = world().coordinate("t", &dims, (F8, texts(&[("units", "K")])), &values);
    world.revision(revision).manifest()
}

async fn planned(engine: &Engine, path: &str) -> Arc<Plan> {
    Arc::new(engine.plan(&manifest(), request(path).unwrap()).await.unwrap())
}

fn bytes_of(grouped: &Grouped) -> Vec<u8> {
    match &*grouped.values {
        ArrayBytes::Fixed(bytes) => bytes.clone(),
        ArrayBytes::Texts(_) => panic!("numbers"),
    }
}

const PATH: &str = "t/time.month/max";

#[tokio::test]
async fn a_result_is_computed_once_for_all_who_ask_and_then_kept() {
    let (engine, reader) = (Engine::new(EngineSettings::default()), reader());
    let plan = planned(&engine, PATH).await;
    let progress: Arc<Progress> = Arc::default();
    assert!(engine.kept(&plan).await.unwrap().is_none());
    let ask = || engine.grouped(&reader, &plan, &progress);
    let answers = futures::future::join_all((0..20).map(|_| ask())).await;
    let first = answers[0].as_ref().unwrap();
    for answer in &answers {
        assert!(Arc::ptr_eq(&answer.as_ref().unwrap().values, &first.values), "it is the very same");
    }
    assert!(Arc::ptr_eq(&engine.kept(&plan).await.unwrap().unwrap().values, &first.values));
    assert!(engine.used_bytes() >= 12 * 6 * 8, "{}", engine.used_bytes());
    assert!(engine.progress(&plan).is_none(), "nothing is under way");
}

#[tokio::test]
async fn dropping_the_last_who_waits_ends_the_computation() {
    let (engine, reader) = (Engine::new(EngineSettings::default()), reader());
    let plan = planned(&engine, PATH).await;
    let progress: Arc<Progress> = Arc::default();
    let mut first = Box::pin(engine.grouped(&reader, &plan, &progress));
    let mut second = Box::pin(engine.grouped(&reader, &plan, &progress));
    assert!(futures::poll!(&mut first).is_pending());
    assert!(futures::poll!(&mut second).is_pending());
    drop(first);
    assert!(engine.progress(&plan).is_some(), "another waits");
    drop(second);
    assert!(engine.progress(&plan).is_none());
}

#[tokio::test]
async fn parts_are_the_same_whether_they_are_cut_or_computed() {
    let reader = reader();
    let (lazy, eager) = (Engine::new(EngineSettings::default()), Engine::new(EngineSettings::default()));
    let plan = planned(&lazy, PATH).await;
    let whole = eager.grouped(&reader, &plan, &Arc::default()).await.unwrap();
    let used = eager.used_bytes();
    for part in [[0..12, 1..2, 0..2], [3..5, 0..3, 1..2], [0..12, 0..3, 0..2]] {
        let (computed, cut) =
            (lazy.part(&reader, &plan, &part).await, eager.part(&reader, &plan, &part).await);
        let computed = computed.unwrap();
        assert_eq!(computed, cut.unwrap(), "{part:?}");
        assert!(Arc::ptr_eq(&computed, &lazy.part(&reader, &plan, &part).await.unwrap()), "it is kept");
    }
    assert_eq!(eager.used_bytes(), used, "what is cut is not kept besides");
    assert_eq!(bytes_of(&whole).len(), 12 * 6 * 8);
    for part in [vec![0..13, 0..3, 0..2], vec![0..12, 0..3], vec![0..0, 0..3, 0..2]] {
        assert!(lazy.part(&reader, &plan, &part).await.is_err(), "{part:?} is no part");
    }
}

#[tokio::test]
async fn kept_results_survive_the_server_and_are_the_same() {
    let (dir, clock) = (TempDir::new().unwrap(), ManualClock::new(1));
    let open = |keep| {
        let results_dir = Some(dir.path().join("groupby"));
        let settings = EngineSettings { results_dir, keep, ..EngineSettings::default() };
        Engine::with_clock(settings, Arc::new(clock.clone()))
    };
    let hour = Duration::from_secs(3600);
    let (engine, reader) = (open(hour), reader());
    let plan = planned(&engine, PATH).await;
    let grouped = engine.grouped(&reader, &plan, &Arc::default()).await.unwrap();
    engine.keep(&plan, &grouped).await.unwrap();

    let restarted = open(hour);
    let found = restarted.kept(&plan).await.unwrap().unwrap();
    assert_eq!(found.values, grouped.values);
    assert_eq!(found.manifest.revision, grouped.manifest.revision);
    let listed = restarted.results(Some("world")).await;
    assert_eq!(listed.iter().map(|kept| &*kept.path).collect::<Vec<_>>(), [plan.canonical_path()]);
    assert_eq!((listed[0].when_ns, listed[0].len_bytes), (1, 12 * 6 * 8));
    assert!(restarted.results(Some("other")).await.is_empty());
    let part = [0..12, 0..1, 0..1];
    assert_eq!(restarted.part(&reader, &plan, &part).await.unwrap().n_elements(&plan.dtype), 12);

    clock.advance(hour);
    assert!(open(hour).kept(&plan).await.unwrap().is_none(), "until it expires");
}

#[tokio::test]
async fn results_of_a_dataset_that_has_changed_are_not_listed_as_its_own() {
    let dir = TempDir::new().unwrap();
    let open = || {
        let results_dir = Some(dir.path().to_owned());
        Engine::new(EngineSettings { results_dir, ..EngineSettings::default() })
    };
    let (engine, reader) = (open(), reader());
    let (before, after) = (revised("r1"), revised("r2"));
    let old = Arc::new(engine.plan(&before, request(PATH).unwrap()).await.unwrap());
    let grouped = engine.grouped(&reader, &old, &Arc::default()).await.unwrap();
    engine.keep(&old, &grouped).await.unwrap();
    assert_eq!(engine.current_results(&before).await.len(), 1);
    assert!(engine.current_results(&after).await.is_empty(), "from memory");
    assert!(open().current_results(&after).await.is_empty(), "from the folder");

    let new = Arc::new(engine.plan(&after, request("t/time.year/max").unwrap()).await.unwrap());
    let grouped = engine.grouped(&reader, &new, &Arc::default()).await.unwrap();
    engine.keep(&new, &grouped).await.unwrap();
    for engine in [engine, open()] {
        let listed = engine.current_results(&after).await;
        assert_eq!(listed.iter().map(|kept| &*kept.path).collect::<Vec<_>>(), [new.canonical_path()]);
        let listed = engine.current_results(&before).await;
        assert_eq!(listed.iter().map(|kept| &*kept.path).collect::<Vec<_>>(), [old.canonical_path()]);
    }
}

#[tokio::test]
async fn a_result_that_memory_has_no_room_for_is_kept_in_the_folder() {
    let dir = TempDir::new().unwrap();
    let results_dir = Some(dir.path().to_owned());
    let engine = Engine::new(EngineSettings { results_dir, kept_bytes: 1000, ..EngineSettings::default() });
    let (plan, reader) = (planned(&engine, PATH).await, reader());
    let grouped = engine.grouped(&reader, &plan, &Arc::default()).await.unwrap();
    let kept = engine.kept(&plan).await.unwrap().map(|kept| kept.values);
    assert_eq!(kept, Some(grouped.values));
    assert!(engine.used_bytes() <= 1000);
}

#[tokio::test]
async fn a_damaged_result_is_computed_anew() {
    let dir = TempDir::new().unwrap();
    let open = || {
        let results_dir = Some(dir.path().to_owned());
        Engine::new(EngineSettings { results_dir, ..EngineSettings::default() })
    };
    let (engine, reader) = (open(), reader());
    let plan = planned(&engine, PATH).await;
    let grouped = engine.grouped(&reader, &plan, &Arc::default()).await.unwrap();
    engine.keep(&plan, &grouped).await.unwrap();
    let file = std::fs::read_dir(dir.path()).unwrap().next().unwrap().unwrap().path();
    let mut bytes = std::fs::read(&file).unwrap();
    let at = bytes.len() - 40;
    bytes[at] ^= 0x40;
    std::fs::write(&file, bytes).unwrap();

    let again = open().grouped(&reader, &plan, &Arc::default()).await.unwrap();
    assert_eq!(again.values, grouped.values);
    assert!(!file.exists());
}

#[tokio::test]
async fn a_folder_that_cannot_be_read_keeps_nobody_from_computing() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, b"no folder").unwrap();
    let engine = Engine::new(EngineSettings { results_dir: Some(file), ..EngineSettings::default() });
    let plan = planned(&engine, PATH).await;
    let grouped = engine.grouped(&reader(), &plan, &Arc::default()).await.unwrap();
    assert!(engine.keep(&plan, &grouped).await.is_err(), "but it is told to whoever wants it kept");
    assert_eq!(engine.results(None).await.len(), 1);
}

#[tokio::test]
async fn what_is_too_large_is_refused_with_what_it_costs_and_what_narrows_it() {
    let defaults = EngineSettings::default;
    let engine = Engine::new(EngineSettings { max_result_bytes: 575, max_read_bytes: 10, ..defaults() });
    let plan = planned(&engine, PATH).await;
    let costs = |read_bytes_online| Estimate { read_bytes_online, groups: 12, ..Estimate::default() };
    let narrow = planned(&engine, "t/time.month/max/lat=0").await;
    let many = Estimate { groups: 100_001, ..Estimate::default() };
    for (refused, word, narrower) in [
        (engine.grouped(&reader(), &plan, &Arc::default()).await.map(drop), "takes 576 bytes", "/zarr"),
        (engine.check(&narrow, &costs(11)), "11 bytes would be read", "sel="),
        (engine.check(&narrow, &many), "100001 groups", "bins="),
    ] {
        match refused {
            Err(Failure::TooLarge { detail, estimate }) => {
                assert!(detail.contains(word) && detail.contains(narrower), "{detail}");
                assert!(estimate.result_bytes > 0 && estimate.groups > 0, "{estimate:?}");
            }
            other => panic!("{word}: {other:?}"),
        }
    }
    assert!(engine.check(&narrow, &costs(10)).is_ok());
    let engine = Engine::new(EngineSettings { max_chunk_bytes: 95, max_result_bytes: 1, ..defaults() });
    let plan = planned(&engine, PATH).await;
    let part = |n: u64| [0..12, 0..1, 0..n];
    assert!(
        matches!(engine.part(&reader(), &plan, &part(1)).await, Err(Failure::TooLarge { .. })),
        "96 bytes"
    );
    let engine = Engine::new(EngineSettings { max_chunk_bytes: 96, max_result_bytes: 1, ..defaults() });
    assert!(engine.part(&reader(), &plan, &part(1)).await.is_ok(), "parts have a bound of their own");
    assert!(engine.part(&reader(), &plan, &part(2)).await.is_err());
}

#[tokio::test]
async fn more_than_may_wait_are_told_to_come_again() {
    let engine =
        Engine::new(EngineSettings { max_concurrent: 1, max_waiting: 0, ..EngineSettings::default() });
    let reader = reader();
    let _turn = engine.results.gate.admit().await.unwrap();
    let plans = [planned(&engine, PATH).await, planned(&engine, "t/time.year/max").await];
    let progress: Arc<Progress> = Arc::default();
    let [first, second] = plans.each_ref().map(|plan| engine.grouped(&reader, plan, &progress));
    let (mut first, mut second) = (Box::pin(first), Box::pin(second));
    // One of them waits for its turn for ever, so that the other ends.
    let refused = tokio::select! {
        answer = &mut first => answer,
        answer = &mut second => answer,
    };
    let refused = refused.map(drop).unwrap_err();
    assert!(
        matches!(&refused, Failure::Core(error) if matches!(error.kind(), ErrorKind::Unavailable { .. })),
        "{refused:?}"
    );
}
