//! Plans of large results.

use super::world::reader;
use super::*;
use crate::testing::{F8, World, texts};

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
