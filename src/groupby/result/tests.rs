//! Results as datasets. Expected coordinates are those of xarray 2026.9 for the same dataset.

use thermocline_model::{Attribute, Attributes, DataType};

use super::*;
use crate::testing::{F8, I8, World, plan, texts, world};

async fn described(path: &str) -> (Plan, Described) {
    let plan = plan(&world().manifest(), path).await.unwrap();
    let described = Described::of(&plan).unwrap();
    (plan, described)
}

fn variable<'d>(described: &'d Described, name: &str) -> &'d Variable {
    described.root.variables.iter().find(|variable| variable.name == name).unwrap()
}

fn floats(described: &Described, name: &str) -> Vec<f64> {
    let ArrayBytes::Fixed(bytes) = described.values_of(name).unwrap().as_ref() else { panic!("texts") };
    assert_eq!(variable(described, name).dtype, F8);
    bytes.as_chunks::<8>().0.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect()
}

fn integers(described: &Described, name: &str) -> Vec<i64> {
    let ArrayBytes::Fixed(bytes) = described.values_of(name).unwrap().as_ref() else { panic!("texts") };
    assert_eq!(variable(described, name).dtype, I8);
    bytes.as_chunks::<8>().0.iter().map(|bytes| i64::from_le_bytes(*bytes)).collect()
}

#[tokio::test]
async fn coordinates_that_depend_on_no_reduced_dimension_stay() {
    for (path, expected) in [
        ("tas/time.month/mean", vec!["basin", "height", "lat", "lon", "month", "zone"]),
        ("tas/time.month/mean/over=lat", vec!["height", "lon", "month"]),
        ("tas/zone/mean", vec!["height", "lon", "phase", "time", "zone"]),
        ("tas/lat/mean", vec!["height", "lat", "lon", "phase", "time"]),
        ("tas/basin/mean", vec!["basin", "height", "phase", "time"]),
        ("tas/time.month/mean/lat=0", vec!["basin", "height", "lat", "lon", "month", "zone"]),
        ("tas/lat/mean/bins=-90,0,90", vec!["height", "lat_bins", "lon", "phase", "time"]),
        ("tas/time.year/quantile/q=0.5", vec!["basin", "height", "lat", "lon", "quantile", "year", "zone"]),
        ("tas/time.month/mean/anomaly=1", vec!["basin", "height", "lat", "lon", "phase", "time", "zone"]),
    ] {
        let (_, described) = described(path).await;
        let mut found = described.coordinates.clone();
        found.sort();
        assert_eq!(found, expected, "{path}");
    }
}

#[tokio::test]
async fn what_is_selected_is_cut_out_and_single_positions_are_scalars() {
    let (_, described) = described("tas/time.month/mean/lat=0/isel=lon=::-1").await;

    let basin = variable(&described, "basin");
    assert_eq!(
        (basin.dims.as_slice(), basin.shape.as_slice()),
        (["lon".to_owned()].as_slice(), [2].as_slice())
    );
    let ArrayBytes::Fixed(bytes) = described.values_of("basin").unwrap().as_ref() else { panic!("texts") };
    assert_eq!(bytes.as_slice(), [2, 0, 0, 0, 1, 0, 0, 0]);
    assert_eq!((variable(&described, "lat").shape.len(), floats(&described, "lat")), (0, vec![0.0]));
    let zone = described.values_of("zone").unwrap().as_ref();
    assert_eq!(*zone, ArrayBytes::Texts(vec!["équateur".into()]));
    assert_eq!(floats(&described, "lat_bnds"), [-30.0, 30.0]);
}

#[tokio::test]
async fn bounds_and_grid_mappings_stay_and_are_no_coordinates() {
    let (_, with_lat) = described("tas/time.month/mean").await;
    assert_eq!(variable(&with_lat, "lat_bnds").dims, ["lat", "nv"]);
    assert_eq!(variable(&with_lat, "crs").attrs.text("grid_mapping_name"), Some("latitude_longitude"));
    assert!(!with_lat.coordinates.iter().any(|name| name == "lat_bnds" || name == "crs"));

    let (_, without) = described("tas/time.month/mean/over=lat").await;
    assert!(without.root.variable("lat_bnds").is_none());
}

#[tokio::test]
async fn intervals_are_midpoints_with_bounds() {
    let (_, described) = described("tas/lat/mean/bins=-90,-30,30,90").await;

    let bins = variable(&described, "lat_bins");
    assert_eq!(
        (bins.attrs.text("bounds"), bins.attrs.text("closed")),
        (Some("lat_bins_bnds"), Some("right"))
    );
    assert_eq!(floats(&described, "lat_bins"), [-60.0, 0.0, 60.0]);
    assert_eq!(floats(&described, "lat_bins_bnds"), [-90.0, -30.0, -30.0, 30.0, 30.0, 90.0]);
    assert_eq!(variable(&described, "lat_bins_bnds").dims, ["lat_bins", "bnds"]);
}

#[tokio::test]
async fn resampled_times_keep_units_and_calendar() {
    let (_, described) = described("tas/time/mean/freq=YS").await;

    let time = variable(&described, "time");
    assert_eq!(time.attrs.text("units"), Some("days since 2000-01-01"));
    assert_eq!(time.attrs.text("calendar"), Some("noleap"));
    assert_eq!(integers(&described, "time"), [0, 365]);
}

#[tokio::test]
async fn attributes_stay_but_for_those_that_would_be_false() {
    for (path, units, standard_name) in [
        ("tas/time.month/mean", Some("K"), Some("air_temperature")),
        ("tas/time.month/count", Some("1"), None),
        ("tas/time.month/any", Some("1"), None),
        ("tas/time.month/var", Some("K2"), Some("air_temperature")),
        ("tas/time.month/prod", None, Some("air_temperature")),
        ("packed/time.month/var", Some("(m s-1)2"), None),
    ] {
        let (_, described) = described(path).await;
        let attrs = &described.result().unwrap().attrs;
        assert_eq!((attrs.text("units"), attrs.text("standard_name")), (units, standard_name), "{path}");
        assert!(["scale_factor", "valid_range"].iter().all(|name| attrs.get(name).is_none()), "{path}");
    }
    let (_, described) = described("tas/time.month/mean").await;
    let attrs = &described.result().unwrap().attrs;
    assert_eq!(attrs.text("cell_methods"), Some("time: mean"));
    assert_eq!(attrs.text("coordinates"), Some("height zone basin"));
    assert!(matches!(attrs.get("_FillValue"), Some(Attribute::Numbers { .. })));
}

#[tokio::test]
async fn the_dataset_says_where_it_comes_from() {
    let (_, described) = described("tas/time.month/mean/lat=0:60").await;

    let attrs = &described.root.attrs;
    assert_eq!(attrs.text("title"), Some("a world"));
    assert_eq!(attrs.get("comment"), None);
    let line = "thermocline groupby /datasets/world/groupby/tas/time.month/mean/lat=0:60";
    assert_eq!(attrs.text("history").unwrap().replace("%3A", ":"), format!("made\n{line}"));
}

#[tokio::test]
async fn the_variable_has_the_dimensions_and_chunks_of_the_plan() {
    let (plan, described) = described("tas/time.month/count").await;

    let variable = described.result().unwrap();
    assert_eq!((variable.dims.join(" "), &variable.shape), ("month lat lon".to_owned(), &plan.shape));
    assert_eq!(variable.storage.chunk_shape, plan.chunk_shape);
    assert_eq!((variable.fill.clone(), variable.attrs.get("_FillValue")), (None, None));
    assert_eq!(described.root.variables.last().map(|last| last.name.as_str()), Some("tas"));
}

#[tokio::test]
async fn a_manifest_in_memory_holds_every_value() {
    let (plan, described) = described("tas/time.month/sum").await;
    let values: Vec<u8> = (0_u8..72).flat_map(|value| f32::from(value).to_le_bytes()).collect();
    let values = Arc::new(ArrayBytes::Fixed(values));
    let manifest = described.manifest(&plan, Some(&values)).unwrap();

    assert_eq!((manifest.revision.0.clone(), manifest.id.as_str()), (plan.etag(), "world"));
    for variable in &manifest.dataset.root.variables {
        let read = thermocline_core::select::Coordinate::read(&manifest, variable).unwrap();
        assert_eq!(read.labels.len() as u64, variable.n_elements().unwrap(), "{}", variable.name);
    }
    let tas = manifest.dataset.root.variable("tas").unwrap();
    let read = thermocline_core::select::Coordinate::read(&manifest, tas).unwrap();
    assert_eq!(read.labels.into_numbers().unwrap(), (0..72).map(f64::from).collect::<Vec<_>>());
}

#[tokio::test]
async fn values_that_do_not_fit_are_refused() {
    let (plan, described) = described("tas/time.month/sum").await;
    assert!(described.manifest(&plan, Some(&Arc::new(ArrayBytes::Fixed(vec![0; 8])))).is_err());
}

#[tokio::test]
async fn a_mesh_stays_with_what_it_names_while_its_dimension_does() {
    let topology = texts(&[
        ("cf_role", "mesh_topology"),
        ("node_coordinates", "node_lon node_lat"),
        ("face_node_connectivity", "faces"),
    ]);
    let mut missing = texts(&[("cf_role", "face_node_connectivity")]);
    missing.set("_FillValue", crate::testing::number(thermocline_model::NumberType::I32, -1.0));
    let i4 = crate::testing::I4;
    let world = world()
        .data("v", &[("time", 24), ("face", 2)], &[24, 2], (F8, texts(&[("mesh", "mesh")])))
        .coordinate("mesh", &[], (i4.clone(), topology), &[0.0])
        .coordinate("node_lon", &[("node", 3)], (F8, texts(&[])), &[0.0, 1.0, 2.0])
        .coordinate("node_lat", &[("node", 3)], (F8, texts(&[])), &[0.0, 1.0, 2.0])
        .coordinate("faces", &[("face", 2), ("max", 2)], (i4, missing), &[0.0, 1.0, 2.0, -1.0]);
    let manifest = world.manifest();

    let plan_of = async |path: &str| plan(&manifest, path).await.unwrap();
    let kept = Described::of(&plan_of("v/time.month/mean").await).unwrap();
    let faces = variable(&kept, "faces");
    assert!(faces.attrs.get("_FillValue").is_some() && matches!(faces.dtype, DataType::Int { size: 4, .. }));
    assert!(kept.root.variable("node_lat").is_some());
    let gone = Described::of(&plan_of("v/time.month/mean/over=face").await).unwrap();
    assert!(gone.root.variable("mesh").is_none());
}

#[tokio::test]
async fn labels_of_a_plain_coordinate_have_its_type() {
    for (path, name, dtype) in [
        ("tas/basin/mean", "basin", crate::testing::I4),
        ("tas/time.month/mean", "month", I8),
        ("tas/phase/mean", "phase", F8),
    ] {
        let (_, described) = described(path).await;
        assert_eq!(variable(&described, name).dtype, dtype, "{path}");
    }
    let (_, described) = described("tas/basin/mean").await;
    let bytes: Vec<u8> = [1_i32, 2, 7].into_iter().flat_map(i32::to_le_bytes).collect();
    assert_eq!(*described.values_of("basin").unwrap().as_ref(), ArrayBytes::Fixed(bytes));
}

#[tokio::test]
async fn spans_of_time_stay_some() {
    let span = || texts(&[("units", "days"), ("dtype", "timedelta64[ns]")]);
    let mut delay = span();
    delay.set("coordinates", Attribute::Text("lead sure".into()));
    let manifest = world()
        .data("delay", &[("time", 24), ("lat", 3)], &[24, 3], (I8, delay))
        .coordinate("lead", &[("lat", 3)], (I8, span()), &[1.0, 2.0, 3.0])
        .coordinate(
            "sure",
            &[("lat", 3)],
            (
                DataType::Int { size: 1, order: thermocline_model::ByteOrder::Little },
                texts(&[("dtype", "bool")]),
            ),
            &[1.0, 0.0, 1.0],
        )
        .manifest();
    for (action, dtype) in [("mean", Some("timedelta64[ns]")), ("count", None), ("var", None), ("any", None)]
    {
        let described =
            Described::of(&plan(&manifest, &format!("delay/time.month/{action}")).await.unwrap()).unwrap();
        assert_eq!(described.result().unwrap().attrs.text("dtype"), dtype, "{action}");
        assert_eq!(variable(&described, "lead").attrs.text("dtype"), Some("timedelta64[ns]"));
        assert_eq!(variable(&described, "sure").attrs.text("dtype"), None);
        assert_eq!(variable(&described, "sure").dtype, DataType::Bool);
    }
}

#[tokio::test]
async fn a_description_weighs_its_coordinates_attributes_and_names() {
    let noleap = || texts(&[("units", "days since 2000-01-01"), ("calendar", "noleap")]);
    let days: Vec<f64> = (0..24).map(f64::from).collect();
    let dims = [("time", 24), ("cell", 1000)];
    let names: Vec<String> = (0..1000).map(|cell| format!("cell {cell:05}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let weight = async |world: World| {
        let plan = plan(&world.manifest(), "v/time.month/mean").await.unwrap();
        Described::of(&plan).unwrap().len_bytes()
    };
    let plain = |attrs| {
        let world = World::default().data("v", &dims, &[24, 1000], (F8, attrs));
        world.coordinate("time", &dims[..1], (F8, noleap()), &days)
    };
    let bare = weight(plain(Attributes::new())).await;
    assert!(bare < 8192, "{bare}");

    let numbers = plain(Attributes::new()).coordinate(
        "cell",
        &dims[1..],
        (F8, Attributes::new()),
        &(0..1000).map(f64::from).collect::<Vec<_>>(),
    );
    let numbers = weight(numbers).await - bare;
    assert!((8000..10_000).contains(&numbers), "8 bytes each: {numbers}");

    let texts_twice = 2 * 1000 * (10 + size_of::<String>() as u64);
    let words = weight(plain(Attributes::new()).words("cell", "cell", &names)).await - bare;
    assert!((texts_twice..texts_twice + 2000).contains(&words), "once more in the manifest: {words}");

    let comment = "c".repeat(100_000);
    let commented = weight(plain(texts(&[("comment", &comment)]))).await - bare;
    assert!((200_000..201_000).contains(&commented), "the manifest has attributes of its own: {commented}");
}
