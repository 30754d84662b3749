//! Results are those of a plain definition, whatever the chunks, the order of dimensions, the threads, the memory and the
//! box that is asked for.

mod plain;
mod windows;
mod world;

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use proptest::prelude::*;
use thermocline_core::threads::Threads;
use thermocline_model::ArrayBytes;

use super::*;
use crate::testing::request;
use crate::{Engine, EngineSettings, Failure, Plan, Progress};

use world::{Cube, reader};

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// An engine of its own threads and memory.
fn engine(n_threads: usize, memory_bytes: u64) -> Engine {
    let mut engine =
        Engine::new(EngineSettings { memory_bytes, max_concurrent: 1, ..EngineSettings::default() });
    engine.computing.threads = Threads::with(n_threads);
    engine
}

fn whole(plan: &Plan) -> Vec<Range<u64>> {
    plan.shape.iter().map(|len| 0..*len).collect()
}

async fn computed(engine: &Engine, plan: &Arc<Plan>, part: &[Range<u64>]) -> Result<ArrayBytes, Failure> {
    compute(engine, &reader(), (plan, part), &Arc::default()).await
}

async fn compute(
    engine: &Engine,
    reader: &Arc<Reader>,
    (plan, part): (&Arc<Plan>, &[Range<u64>]),
    progress: &Arc<Progress>,
) -> Result<ArrayBytes, Failure> {
    let prepared = engine.prepare(reader, plan, part).await?;
    engine.compute(reader, plan, prepared, progress).await
}

fn floats(plan: &Plan, values: &ArrayBytes) -> Vec<f64> {
    let ArrayBytes::Fixed(bytes) = values else { panic!("numbers") };
    match plan.dtype.len_bytes() {
        Some(4) => bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes).into()).collect(),
        _ if matches!(plan.dtype, thermocline_model::DataType::Int { .. }) => {
            bytes.as_chunks::<8>().0.iter().map(|bytes| i64::from_le_bytes(*bytes) as f64).collect()
        }
        _ => bytes.as_chunks::<8>().0.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect(),
    }
}

/// The values of a box cut from those of the whole result.
fn cut(plan: &Plan, values: &ArrayBytes, part: &[Range<u64>]) -> ArrayBytes {
    let ArrayBytes::Fixed(bytes) = values else { panic!("numbers") };
    let size = plan.dtype.len_bytes().unwrap();
    let mut found = Vec::new();
    let mut at: Vec<u64> = part.iter().map(|range| range.start).collect();
    if part.iter().any(|range| range.is_empty()) {
        return ArrayBytes::Fixed(found);
    }
    loop {
        let linear = at.iter().zip(&plan.shape).fold(0, |linear, (at, len)| linear * len + at) as usize;
        found.extend(&bytes[linear * size..(linear + 1) * size]);
        if !slab::advance(&mut at, part) {
            return ArrayBytes::Fixed(found);
        }
    }
}

/// Requests of every kind, but for the name of the variable.
const PATHS: [&str; 31] = [
    "time.month/mean",
    "time.month/sum",
    "time.month/max",
    "time.month/first",
    "time.month/last",
    "time.month/var",
    "time.month/median",
    "time.year,time.month/count",
    "time.year,time.month/mean/isel=time=3:20",
    "time.month/mean/over=lat,lon",
    "time.month/first/over=lat",
    "basin/mean",
    "basin/sum/over=time",
    "basin/mean/isel=lat=1",
    "basin/last/isel=lon=3/over=time",
    "basin,time.month/mean/isel=lat=2",
    "basin/max/anomaly=1/isel=lat=1",
    "lon/mean/over=time",
    "basin,time.month/mean",
    "zone/mean/over=time,lon",
    "lat/mean",
    "time/max",
    "lat/mean/over=time",
    "lat/mean/bins=-90,-10,10,200",
    "time.month/quantile/q=0.1,0.9",
    "time.month/mean/isel=lat=::-1",
    "time.month/sum/isel=lon=::2",
    "time.month/last/isel=time=::-2",
    "time.month/mean/anomaly=1",
    "basin/max/anomaly=1/isel=lon=::-1",
    "time.month/median/anomaly=1/isel=time=5:17",
];

fn cubes() -> impl Strategy<Value = (Cube, usize)> {
    let order = prop::sample::select(vec![[0, 1, 2], [1, 2, 0], [2, 0, 1], [1, 0, 2], [0, 2, 1], [2, 1, 0]]);
    let chunk = (1_u64..26, 1_u64..6, 1_u64..8);
    (order, chunk, any::<u64>(), any::<bool>(), 0..PATHS.len()).prop_map(
        |(order, chunk, seed, is_whole, path)| {
            let chunk = [chunk.0, chunk.1, chunk.2];
            (Cube { order, chunk, seed, is_whole }, path)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn results_are_those_of_their_definition((cube, path) in cubes()) {
        let path = format!("v/{}", PATHS[path]);
        runtime().block_on(async {
            let engine = engine(2, 1 << 30);
            let plan = Arc::new(engine.plan(&cube.manifest(), request(&path).unwrap()).await.unwrap());
            let values = floats(&plan, &computed(&engine, &plan, &whole(&plan)).await.unwrap());
            let expected = plain::result(&plan, &cube);
            assert_eq!(values.len(), expected.len(), "{path}");
            for (at, (value, expected)) in values.iter().zip(&expected).enumerate() {
                let scale = expected.abs().max(1.0);
                let are_equal = (value.is_nan() && expected.is_nan()) || (value - expected).abs() <= 1e-9 * scale;
                assert!(are_equal, "{path} of {cube:?}: value {at} is {value}, not {expected}");
            }
        });
    }

    #[test]
    fn threads_memory_and_boxes_change_no_bit(
        (cube, path) in cubes(),
        cuts in prop::collection::vec((0_f64..1.0, 0_f64..1.0), 5),
    ) {
        let path = format!("v/{}", PATHS[path]);
        runtime().block_on(async {
            let one = engine(1, 1 << 30);
            let plan = Arc::new(one.plan(&cube.manifest(), request(&path).unwrap()).await.unwrap());
            let all = computed(&one, &plan, &whole(&plan)).await.unwrap();
            let many = computed(&engine(4, 1 << 30), &plan, &whole(&plan)).await.unwrap();
            assert!(many == all, "{path} of {cube:?}: threads");
            let little = engine(2, 2048);
            let tiled = computed(&little, &plan, &whole(&plan)).await.unwrap();
            assert!(tiled == all, "{path} of {cube:?}: memory");
            let part: Vec<Range<u64>> = plan.shape.iter().zip(&cuts).map(|(len, (a, b))| {
                let bound = |share: f64| (share * (*len as f64 + 1.0)) as u64;
                bound(a.min(*b)).min(len - 1)..bound(a.max(*b)).max(bound(a.min(*b)).min(len - 1) + 1).min(*len)
            }).collect();
            let boxed = computed(&one, &plan, &part).await.unwrap();
            assert!(boxed == cut(&plan, &all, &part), "{path} of {cube:?}: box {part:?}");
        });
    }
}

#[tokio::test]
async fn estimates_are_what_is_then_read() {
    let cube = Cube { order: [0, 1, 2], chunk: [5, 2, 3], seed: 7, is_whole: false };
    for (memory_bytes, path) in [
        (1 << 30, "v/time.month/mean"),
        (1 << 30, "v/time.month/mean/isel=lat=0:1"),
        (2048, "v/time.month/median"),
        (1 << 30, "v/time.month/mean/anomaly=1"),
    ] {
        let engine = engine(2, memory_bytes);
        let plan = Arc::new(engine.plan(&cube.stored(), request(path).unwrap()).await.unwrap());
        let estimate = engine.estimate(&cube.reader(), &plan).await.unwrap();
        let progress: Arc<Progress> = Arc::default();
        compute(&engine, &cube.reader(), (&plan, &whole(&plan)), &progress).await.unwrap();
        assert_eq!(estimate.read_bytes_online, progress.bytes_read.load(Ordering::Relaxed), "{path}");
        assert_eq!(progress.done.load(Ordering::Relaxed), progress.total.load(Ordering::Relaxed), "{path}");
        assert!(estimate.read_bytes_online > 0 && estimate.memory_bytes > 0);
    }
}

#[tokio::test]
async fn estimates_count_weights_that_are_read_and_the_memory_of_the_result() {
    let cube = Cube { order: [0, 1, 2], chunk: [25, 5, 7], seed: 7, is_whole: true };
    let engine = engine(2, 1 << 30);
    let estimate = async |path: &str| {
        let plan = Arc::new(engine.plan(&cube.weighted(), request(path).unwrap()).await.unwrap());
        engine.estimate(&cube.reader(), &plan).await.unwrap()
    };
    let plain = estimate("v/time.month/mean/over=lat,lon").await;
    let weighted = estimate("v/time.month/mean/over=lat,lon/weights=w").await;
    assert_eq!(weighted.read_bytes_online, plain.read_bytes_online + 1);
    assert!(weighted.memory_bytes >= plain.memory_bytes + 5 * 7 * 8, "{weighted:?} {plain:?}");
    let of_each = estimate("v/time.month/mean").await;
    assert!(of_each.memory_bytes >= plain.memory_bytes + of_each.result_bytes, "{of_each:?} {plain:?}");
}

#[tokio::test]
async fn a_box_reads_only_the_chunks_it_needs() {
    let cube = Cube { order: [0, 1, 2], chunk: [25, 1, 1], seed: 7, is_whole: true };
    let engine = engine(2, 1 << 30);
    let plan = Arc::new(engine.plan(&cube.stored(), request("v/time.month/mean").unwrap()).await.unwrap());
    let progress: Arc<Progress> = Arc::default();
    compute(&engine, &cube.reader(), (&plan, &[0..12, 1..2, 3..5]), &progress).await.unwrap();
    assert_eq!(progress.total.load(Ordering::Relaxed), 2);
    assert_eq!(progress.bytes_read.load(Ordering::Relaxed), 2 * 25 * 8);
}

#[tokio::test]
async fn a_cell_that_no_memory_holds_is_too_large() {
    let cube = Cube { order: [0, 1, 2], chunk: [5, 2, 3], seed: 7, is_whole: true };
    let engine = engine(2, 1024);
    let path = "v/time.year/median/over=lat,lon";
    let plan = Arc::new(engine.plan(&cube.manifest(), request(path).unwrap()).await.unwrap());
    let failure = computed(&engine, &plan, &whole(&plan)).await.unwrap_err();
    let Failure::TooLarge { detail, estimate } = failure else { panic!("{failure:?}") };
    assert!(detail.contains("over") && estimate.memory_bytes > 1024, "{detail}");
}

#[tokio::test]
async fn memory_is_given_back_when_nobody_waits_any_more() {
    let cube = Cube { order: [0, 1, 2], chunk: [1, 1, 1], seed: 7, is_whole: true };
    let engine = engine(1, 1 << 20);
    let plan = Arc::new(engine.plan(&cube.manifest(), request("v/time.month/mean").unwrap()).await.unwrap());
    let progress: Arc<Progress> = Arc::default();
    let reader = reader();
    {
        let part = whole(&plan);
        let mut computing = std::pin::pin!(compute(&engine, &reader, (&plan, &part), &progress));
        while progress.done.load(Ordering::Relaxed) < 3 {
            assert!(futures::poll!(computing.as_mut()).is_pending(), "it has more chunks");
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(engine.computing.memory.free_bytes(), 1 << 20);
    let values = computed(&engine, &plan, &whole(&plan)).await.unwrap();
    assert_eq!(floats(&plan, &values).len(), 12 * 5 * 7);
    assert!(progress.done.load(Ordering::Relaxed) < progress.total.load(Ordering::Relaxed));
}
