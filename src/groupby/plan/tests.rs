//! Plans of a dataset in memory. Expected dimensions, types and lengths are those of xarray 2026.9 with flox for the same
//! dataset, but where the module says that this crate differs.

use thermocline_core::ErrorKind;

use super::*;
use crate::testing::{F4, F8, I4, I8, World, plan, request, texts, world};

fn dims(plan: &Plan) -> Vec<&str> {
    plan.dims.iter().map(|dim| plan.dim_name(dim)).collect()
}

fn mistake(failure: Failure) -> String {
    match failure {
        Failure::Mistake { detail, .. } => detail,
        other => panic!("no mistake: {other:?}"),
    }
}

#[tokio::test]
async fn groups_stand_where_the_first_grouped_dimension_stood() {
    let manifest = world().manifest();
    for (path, names, shape) in [
        ("tas/time.month/mean", vec!["month", "lat", "lon"], vec![12, 3, 2]),
        ("prof/time.month/mean", vec!["lat", "month", "lon"], vec![3, 12, 2]),
        ("tas/basin/mean", vec!["time", "basin"], vec![24, 3]),
        ("tas/lat/mean", vec!["time", "lat", "lon"], vec![24, 3, 2]),
        ("tas/lon/mean/over=time", vec!["lat", "lon"], vec![3, 2]),
        ("prof/time.month/mean/over=lat", vec!["month", "lon"], vec![12, 2]),
        ("prof/lon/mean/over=lat", vec!["time", "lon"], vec![24, 2]),
        ("tas/basin/mean/over=time", vec!["basin"], vec![3]),
        ("tas/basin/mean/isel=lat=1", vec!["time", "basin"], vec![24, 2]),
        ("tas/basin/mean/isel=lon=0", vec!["time", "basin"], vec![24, 3]),
        ("tas/time.month/mean/over=lat,lon", vec!["month"], vec![12]),
        ("tas/time.year,time.month/mean", vec!["year", "month", "lat", "lon"], vec![2, 12, 3, 2]),
        ("tas/zone,time.year/mean", vec!["zone", "year", "lon"], vec![3, 2, 2]),
        ("tas/lat/mean/bins=-90,-30,30,90", vec!["time", "lat_bins", "lon"], vec![24, 3, 2]),
        ("tas/time.year/quantile/q=0.1,0.9", vec!["year", "lat", "lon", "quantile"], vec![2, 3, 2, 2]),
        ("tas/time.year/quantile/q=0.5", vec!["year", "lat", "lon"], vec![2, 3, 2]),
        ("tas/time.month/mean/lat=0", vec!["month", "lon"], vec![12, 2]),
        ("tas/time.month/mean/lat=0:60", vec!["month", "lat", "lon"], vec![12, 2, 2]),
        ("tas/time.month/mean/anomaly=1", vec!["time", "lat", "lon"], vec![24, 3, 2]),
        ("tas/time.month/mean/anomaly=1/isel=time=3:9", vec!["time", "lat", "lon"], vec![6, 3, 2]),
    ] {
        let plan = plan(&manifest, path).await.unwrap();
        assert_eq!((dims(&plan), plan.shape.clone()), (names, shape), "{path}");
    }
}

#[tokio::test]
async fn results_have_the_types_of_the_contract() {
    let manifest = world().manifest();
    let bool_ = DataType::Bool;
    for (path, dtype) in [
        ("tas/time.month/mean", F4),
        ("tas/time.month/count", I8),
        ("tas/time.month/quantile/q=0.5", F8),
        ("tas/time.month/any", bool_.clone()),
        ("tas/time.month/sum", F4),
        ("packed/time.month/max", F8),
        ("count/time.month/max", I4),
        ("count/time.month/sum", I8),
        ("count/time.month/mean", F8),
        ("count/time.month/all", bool_),
        ("start/time.month/mean", F8),
        ("letter/time.month/first", DataType::String),
        ("letter/time.month/count", I8),
        ("tas/time.month/mean/anomaly=1", F4),
        ("tas/time.month/median/anomaly=1", F4),
        ("tas/time.month/quantile/q=0.5/anomaly=1", F8),
        ("count/time.month/mean/anomaly=1", F8),
    ] {
        let plan = plan(&manifest, path).await.unwrap();
        assert_eq!((plan.dtype.clone(), plan.has_empty), (dtype, false), "{path}");
    }
}

#[tokio::test]
async fn cells_without_members_make_the_result_floating_point() {
    let manifest = world().manifest();
    let bins = "bins=-90,-30,30,90,99";
    for (path, dtype) in [
        (format!("tas/lat/mean/{bins}"), F4),
        (format!("tas/lat/count/{bins}"), F8),
        (format!("count/lat/max/{bins}"), F8),
        (format!("count/lat/any/{bins}"), F8),
        ("count/zone,basin/max".to_owned(), F8),
        ("count/time.year,time.month/max/isel=time=0:20".to_owned(), F8),
    ] {
        let plan = plan(&manifest, &path).await.unwrap();
        assert_eq!((plan.dtype.clone(), plan.has_empty), (dtype, true), "{path}");
    }
    for path in ["count/time.year,time.month/max", "count/time.year,zone/max", "count/basin,time.year/max"] {
        let plan = plan(&manifest, path).await.unwrap();
        assert_eq!((plan.dtype.clone(), plan.has_empty), (I4, false), "{path}");
    }
}

#[tokio::test]
async fn what_does_not_exist_is_not_found_in_cloudifys_words() {
    let manifest = world().manifest();
    for (path, text) in [
        ("nope/time.month/mean", "Variable 'nope' not found in dataset"),
        ("tas/nope.month/mean", "Groupby coordinate 'nope.month' not found in dataset"),
    ] {
        match plan(&manifest, path).await.unwrap_err() {
            Failure::Core(error) => {
                assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::NotFound, text));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn mistakes_name_the_culprit() {
    let manifest = world().manifest();
    for (path, culprit) in [
        ("tas/time.month/mean/depth=5", "depth"),
        ("tas/time.month/mean/sel=depth=5", "depth"),
        ("tas/time.month/mean/lat=80:90", "lat"),
        ("tas/time.month/mean/over=depth", "over=depth"),
        ("tas/time.month/mean/over=lat/lat=0", "over=lat"),
        ("tas/time.month/mean/isel=time=3", "time"),
        ("tas/height/mean", "height"),
        ("tas/time.month/mean/weights=nope", "weights"),
        ("tas/time.month/mean/weights=zone", "weights"),
        ("letter/time.month/mean/weights=coslat", "letter"),
        ("time/time/min", "time"),
        ("tas/basin/mean/isel=lat=1/isel=lon=0", "basin"),
    ] {
        let failure = plan(&manifest, path).await.unwrap_err();
        let detail = match failure {
            Failure::Impossible(detail) => detail,
            other => mistake(other),
        };
        assert!(detail.contains(culprit), "{path}: {detail}");
    }
}

#[tokio::test]
async fn actions_that_values_do_not_have_are_impossible() {
    let manifest = world().manifest();
    for path in ["start/time.month/sum", "letter/time.month/max", "start/time.month/mean/anomaly=1"] {
        assert!(matches!(plan(&manifest, path).await, Err(Failure::Impossible(_))), "{path}");
    }
}

#[tokio::test]
async fn more_groups_than_may_be_are_too_large() {
    let settings = EngineSettings { max_groups: 12, ..EngineSettings::default() };
    let (engine, manifest) = (Engine::new(settings), world().manifest());
    match engine.plan(&manifest, request("tas/time.year,time.month/mean").unwrap()).await.unwrap_err() {
        Failure::TooLarge { estimate, .. } => {
            assert_eq!((estimate.groups, estimate.result_bytes), (24, 24 * 6 * 8))
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn another_request_or_revision_has_another_entity_tag() {
    let manifest = world().manifest();
    let mut tags = Vec::new();
    for path in
        ["tas/time.month/mean", "tas/time.month/max", "tas/time.month/mean/lat=0", "prof/time.month/mean"]
    {
        tags.push(plan(&manifest, path).await.unwrap().etag());
    }
    assert!(tags.iter().all(|tag| tag.len() == 32 && tag.chars().all(|c| c.is_ascii_hexdigit())));
    let again = plan(&manifest, "tas/time.month/mean").await.unwrap();
    assert_eq!(Some(&again.etag()), tags.first());
    assert_eq!(again.canonical_path(), "/datasets/world/groupby/tas/time.month/mean");
    let n = tags.len();
    tags.sort();
    tags.dedup();
    assert_eq!(tags.len(), n);
}

fn known(weights: &AxisWeights) -> (&[usize], &[f64]) {
    let WeightValues::Known(values) = &weights.values else { panic!("not known: {weights:?}") };
    (&weights.axes, values)
}

#[tokio::test]
async fn weights_come_from_coordinates() {
    let manifest = world().manifest();
    let cosines = plan(&manifest, "tas/time.month/mean/over=lat/weights=coslat").await.unwrap().weights;
    let (axes, values) = known(&cosines[0]);
    assert_eq!(axes, [1]);
    assert!(values.iter().zip([0.5, 1.0, 0.5]).all(|(found, expected)| (found - expected).abs() < 1e-15));

    let days = plan(&manifest, "prof/time.year/mean/weights=days_in_month").await.unwrap().weights;
    let (axes, values) = known(&days[0]);
    assert_eq!((axes, &values[..4]), ([1].as_slice(), [31.0, 28.0, 31.0, 30.0].as_slice()));

    let phase = plan(&manifest, "tas/time.year/mean/weights=phase").await.unwrap().weights;
    let (axes, values) = known(&phase[0]);
    assert!(axes == [0] && values[0].is_nan() && values[1] == 1.0);

    let stored = plan(&manifest, "tas/time.year/mean/weights=prof").await.unwrap().weights;
    assert!(matches!(&stored[0].values, WeightValues::Stored(path) if path == "prof"));
    assert_eq!(stored[0].axes, [1, 0, 2]);
}

#[tokio::test]
async fn areas_of_a_regular_grid_are_products_of_bands_and_widths() {
    let areas = plan(&world().manifest(), "tas/time.month/mean/weights=cellarea").await.unwrap().weights;
    let (bands, widths) = (known(&areas[0]), known(&areas[1]));
    assert_eq!((bands.0, widths.0), ([1].as_slice(), [2].as_slice()));
    let total: f64 = bands.1.iter().sum::<f64>() * widths.1.iter().sum::<f64>();
    assert!((total / (4.0 * std::f64::consts::PI * 6_371_000.0_f64.powi(2)) - 1.0).abs() < 1e-12);
    // Half of the sphere lies between 30°S and 30°N.
    assert!((bands.1[1] / bands.1.iter().sum::<f64>() - 0.5).abs() < 1e-12);
}

#[tokio::test]
async fn an_area_that_is_named_goes_before_that_of_the_grid() {
    let attrs = texts(&[("cell_measures", "volume: v area: areacella")]);
    let with = |name: &str| {
        world().data("v", &[("time", 24), ("lat", 3), ("lon", 2)], &[24, 3, 2], (F4, attrs.clone())).data(
            name,
            &[("lat", 3), ("lon", 2)],
            &[3, 2],
            (F4, texts(&[("units", "m2")])),
        )
    };
    let named =
        plan(&with("areacella").manifest(), "v/time.month/mean/weights=cellarea").await.unwrap().weights;
    assert!(matches!(&named[0].values, WeightValues::Stored(path) if path == "areacella"));
    let external =
        plan(&with("other").manifest(), "v/time.month/mean/weights=cellarea").await.unwrap().weights;
    assert_eq!(external.len(), 2);
}

#[tokio::test]
async fn chunks_of_lazy_results_lie_over_those_of_the_source() {
    let dims = [("time", 24), ("y", 2000), ("x", 3000)];
    let large = |chunk: &[u64]| world().data("big", &dims, chunk, (F4, texts(&[]))).manifest();
    for (chunk, path, expected) in [
        // Whole groups over whole chunks of the source.
        ([24, 500, 500], "big/time.month/mean", vec![12, 500, 500]),
        // Small neighbours are joined, as long as they read little.
        ([24, 10, 10], "big/time.month/mean", vec![12, 10, 640]),
        // A chunk of the result is bounded, here by 64 MiB.
        ([1, 2000, 3000], "big/time.month/mean", vec![12, 1000, 750]),
        ([1, 2000, 3000], "big/time/mean", vec![1, 2000, 3000]),
        ([24, 500, 500], "big/time.month/mean/over=x", vec![12, 500]),
        ([24, 500, 500], "big/time.month/mean/anomaly=1", vec![24, 500, 500]),
    ] {
        let plan = plan(&large(&chunk), path).await.unwrap();
        assert_eq!(plan.chunk_shape, expected, "{chunk:?} {path}");
    }
}

#[tokio::test]
async fn a_dimension_twice_in_the_result_is_a_mistake() {
    let world = World::default()
        .data("v", &[("time", 2), ("month", 3)], &[2, 3], (F4, texts(&[])))
        .coordinate("time", &[("time", 2)], (F8, texts(&[("units", "days since 2000-01-01")])), &[0.0, 40.0]);
    let failure = plan(&world.manifest(), "v/time.month/mean").await.unwrap_err();
    assert!(mistake(failure).contains("month"));
}

#[tokio::test]
async fn the_characters_of_texts_are_no_axis_to_group_by() {
    let chars = (DataType::Char, texts(&[]));
    let world = World::default()
        .data("name", &[("station", 2), ("n", 3)], &[2, 3], chars)
        .coordinate("station", &[("station", 2)], (F8, texts(&[])), &[1.0, 1.0])
        .coordinate("n", &[("n", 3)], (F8, texts(&[])), &[0.0, 1.0, 2.0]);
    let manifest = world.manifest();

    assert_eq!(plan(&manifest, "name/station/first").await.unwrap().shape, [1]);
    assert!(matches!(plan(&manifest, "name/n/first").await, Err(Failure::Mistake { .. })));
}

#[tokio::test]
async fn names_that_the_result_makes_are_refused_where_it_makes_them() {
    let dims = [("time", 24), ("quantile", 2)];
    let manifest = world()
        .data("levels", &dims, &[24, 2], (F4, texts(&[])))
        .data("zone_bnds", &[("lat", 3)], &[3], (F4, texts(&[])))
        .data("lat_bins_bnds", &[("lat", 3)], &[3], (F4, texts(&[])))
        .manifest();
    for path in [
        "levels/time.month/quantile/q=0.5",
        "levels/time.month/quantile/q=0.1,0.5",
        "levels/quantile/quantile/q=0.5",
        "lat_bins_bnds/lat/mean/bins=-90,0,90",
    ] {
        assert!(matches!(plan(&manifest, path).await, Err(Failure::Mistake { .. })), "{path}");
    }
    for path in ["levels/time.month/mean", "zone_bnds/zone/mean", "levels/time.month/median"] {
        assert!(plan(&manifest, path).await.is_ok(), "{path}");
    }
}
