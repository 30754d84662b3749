//! Groups that follow one another are computed one after another, and nothing else changes.

use proptest::prelude::*;

use super::world::reader;
use super::*;
use crate::testing::{F8, World, texts};

/// Requests whose groups follow one another, wholly or a few at a time.
const PATHS: [&str; 6] = [
    "time.year,time.month/mean",
    "time/sum/freq=2MS",
    "time/var/freq=QS/isel=lon=::2",
    "time.month/median/over=lat",
    "time.year/last",
    "time/mean/freq=MS/anomaly=1",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn cuts_along_groups_change_no_bit(
        (order, time, seed, is_whole) in (
            prop::sample::select(vec![[0, 1, 2], [1, 0, 2], [1, 2, 0]]), 1_u64..7, any::<u64>(), any::<bool>()
        ),
        path in 0..PATHS.len(),
        memory_bytes in 1_u64 << 11..1 << 15,
    ) {
        let path = format!("v/{}", PATHS[path]);
        let cube = Cube { order, chunk: [time, 5, 7], seed, is_whole };
        runtime().block_on(async {
            let much = engine(1, 1 << 30);
            let plan = Arc::new(much.plan(&cube.manifest(), request(&path).unwrap()).await.unwrap());
            let all = computed(&much, &plan, &whole(&plan)).await.unwrap();
            let little = computed(&engine(2, memory_bytes), &plan, &whole(&plan)).await.unwrap();
            assert!(little == all, "{path} of {cube:?} in {memory_bytes} bytes");
        });
    }
}

#[tokio::test]
async fn chunks_of_groups_that_follow_one_another_are_read_once() {
    let cube = Cube { order: [0, 1, 2], chunk: [1, 5, 7], seed: 7, is_whole: true };
    for (path, n_reads) in [("v/time.year,time.month/mean", 25), ("v/time/mean/freq=MS/anomaly=1", 50)] {
        let engine = engine(2, 1 << 14);
        let plan = Arc::new(engine.plan(&cube.stored(), request(path).unwrap()).await.unwrap());
        let estimate = engine.estimate(&cube.reader(), &plan).await.unwrap();
        let progress: Arc<Progress> = Arc::default();
        let prepared = engine.prepare(&cube.reader(), &plan, &whole(&plan)).await.unwrap();
        assert!(prepared.passes.as_ref().is_ok_and(|passes| passes.len() > 1), "{path}");
        engine.compute(&cube.reader(), &plan, prepared, &progress).await.unwrap();
        assert_eq!(progress.done.load(Ordering::Relaxed), n_reads, "{path}");
        assert_eq!(estimate.read_bytes_online, n_reads * 35 * 8, "{path}");
    }
}

/// A variable on a large grid of which nothing was written.
fn global(n_days: u64) -> Arc<thermocline_core::manifest::Manifest> {
    let units = texts(&[("units", "days since 1980-01-01"), ("calendar", "standard")]);
    let days: Vec<f64> = (0..n_days).map(|day| day as f64).collect();
    let dims = [("time", n_days), ("lat", 721), ("lon", 1440)];
    World::default()
        .coordinate("time", &dims[..1], (F8, units), &days)
        .chunked("v", &dims, &[1, 721, 1440], (F8, texts(&[])), &[], f64::NAN)
        .manifest()
}

#[tokio::test]
async fn results_of_many_groups_are_estimated_in_linear_time() {
    let (engine, manifest) = (engine(2, 1 << 30), global(4000));
    let plan = Arc::new(engine.plan(&manifest, request("v/time.date/mean").unwrap()).await.unwrap());
    let estimate = engine.estimate(&reader(), &plan).await.unwrap();
    assert_eq!(estimate.groups, 4000);
    assert!(estimate.memory_bytes >= estimate.result_bytes);
}

#[tokio::test]
async fn too_many_stored_chunks_are_refused_with_an_estimate() {
    let (engine, n) = (engine(2, 1 << 30), 3000);
    let units = texts(&[("units", "days since 1980-01-01")]);
    let days: Vec<f64> = (0..n).map(|day| day as f64).collect();
    let dims = [("time", n), ("lat", 721), ("lon", 1440)];
    let manifest = World::default()
        .coordinate("time", &dims[..1], (F8, units), &days)
        .chunked("v", &dims, &[100, 1, 1], (F8, texts(&[])), &[], f64::NAN)
        .manifest();
    let plan = Arc::new(engine.plan(&manifest, request("v/time.month/mean").unwrap()).await.unwrap());
    let failure = engine.estimate(&reader(), &plan).await.unwrap_err();
    let Failure::TooLarge { detail, estimate } = failure else { panic!("{failure:?}") };
    assert!(detail.contains("stored chunks") && estimate.groups == 12, "{detail}");
}
