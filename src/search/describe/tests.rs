//! Summaries of whole datasets, made by hand.

mod world;

use thermocline_core::catalog::DatasetSpec;
use thermocline_model::{Attribute, Attributes, Number, NumberType, ObjectIdentity};

use super::{SearchableAttributes, describe, describe_with};
use crate::summary::{DimensionKind, Summary, Value, VariableRole};
use world::{World, texts};

const LAT: &[(&str, &str)] = &[("units", "degrees_north")];
const LON: &[(&str, &str)] = &[("units", "degrees_east")];

fn bbox(world: World) -> Option<[f64; 4]> {
    describe(&world.build()).extent.map(|extent| extent.bbox)
}

fn evenly(first: f64, step: f64, n: u32) -> Vec<f64> {
    (0..n).map(|i| first + step * f64::from(i)).collect()
}

fn number(value: f64) -> Attribute {
    Attribute::number(NumberType::F64, Number::Float(value))
}

/// A grid over latitudes and longitudes of their own.
fn rectilinear(lat: &[f64], lon: &[f64]) -> World {
    let mut world = World::default();
    world.coordinate("lat", &["lat"], &[lat.len()], lat, texts(LAT));
    world.coordinate("lon", &["lon"], &[lon.len()], lon, texts(LON));
    world.data("v", &[("lat", lat.len()), ("lon", lon.len())], &[]);
    world
}

/// A grid over latitudes and longitudes of two dimensions.
fn curvilinear(rows: usize, columns: usize, at: impl Fn(f64, f64) -> (f64, f64)) -> World {
    let cells: Vec<(f64, f64)> = (0..rows)
        .flat_map(|row| (0..columns).map(move |column| (row as f64, column as f64)))
        .map(|(r, c)| at(r, c))
        .collect();
    let (lat, lon): (Vec<f64>, Vec<f64>) = cells.into_iter().unzip();
    let mut world = World::default();
    world.coordinate("nav_lat", &["j", "i"], &[rows, columns], &lat, texts(&[("standard_name", "latitude")]));
    world.coordinate(
        "nav_lon",
        &["j", "i"],
        &[rows, columns],
        &lon,
        texts(&[("standard_name", "longitude")]),
    );
    world.data("v", &[("j", rows), ("i", columns)], &[("coordinates", "nav_lat nav_lon")]);
    world
}

#[test]
fn regular_grids_reach_half_a_cell_beyond_their_centres() {
    assert_eq!(
        bbox(rectilinear(&evenly(-90.0, 2.5, 73), &evenly(0.0, 2.5, 144))),
        Some([-180.0, -90.0, 180.0, 90.0])
    );
    assert_eq!(bbox(rectilinear(&[10.0, 20.0], &[170.0, 180.0, 190.0])), Some([165.0, 5.0, -165.0, 25.0]));
    assert_eq!(bbox(rectilinear(&[53.55], &[350.0])), Some([-10.0, 53.55, -10.0, 53.55]));
}

#[test]
fn a_curvilinear_grid_lies_where_its_centres_do() {
    let turned = |row: f64, column: f64| (45.0 + 0.5 * row - 0.25 * column, 175.0 + 0.8 * column + 0.3 * row);
    assert_eq!(bbox(curvilinear(8, 10, turned)), Some([175.0, 42.75, -175.7, 48.5]));
}

#[test]
fn missing_and_impossible_coordinates_are_passed_over() {
    let holes = |row: f64, column: f64| match (row as u32, column as u32) {
        (1, 1) => (f64::NAN, 5.0),
        (1, 2) => (-999.0, -999.0),
        (2, 2) => (9.969_209_968_386_869e36, 9.969_209_968_386_869e36),
        _ => (row, column),
    };
    assert_eq!(bbox(curvilinear(4, 4, holes)), Some([0.0, 0.0, 3.0, 3.0]));
}

#[test]
fn a_border_once_around_the_earth_holds_a_pole() {
    let cap = |row: f64, column: f64| {
        let (x, y) = (row - 4.5, column - 4.5);
        (-90.0 + x.hypot(y), x.atan2(y).to_degrees())
    };
    let found = bbox(curvilinear(10, 10, cap)).unwrap();
    assert_eq!([found[0], found[1], found[2]], [-180.0, -90.0, 180.0]);
    assert!((found[3] - (-90.0 + 4.5_f64.hypot(4.5))).abs() < 1e-5);
}

#[test]
fn a_grid_of_two_dimensions_around_the_earth_is_global_and_holds_no_pole() {
    let around = |row: f64, column: f64| (row * 10.0 - 40.0, column * 10.0);
    assert_eq!(bbox(curvilinear(9, 36, around)), Some([-180.0, -40.0, 180.0, 40.0]));
}

#[test]
fn a_grid_whose_first_row_is_missing_holds_no_pole() {
    let masked = |row: f64, column: f64| match row as u32 {
        0 => (f64::NAN, f64::NAN),
        _ => (row * 10.0 - 78.0, column * 10.0),
    };
    assert_eq!(bbox(curvilinear(15, 36, masked)), Some([-180.0, -68.0, 180.0, 62.0]));
}

#[test]
fn a_cap_whose_corners_are_off_the_earth_holds_its_pole() {
    let cap = |row: f64, column: f64| {
        let (x, y) = (row - 9.5, column - 9.5);
        if x.hypot(y) > 12.0 { (f64::NAN, f64::NAN) } else { (90.0 - x.hypot(y), x.atan2(y).to_degrees()) }
    };
    let found = bbox(curvilinear(20, 20, cap)).unwrap();
    assert_eq!([found[0], found[2], found[3]], [-180.0, 180.0, 90.0]);
}

#[test]
fn a_grid_at_one_time_is_a_grid() {
    let (mut lat, mut lon) = (Vec::new(), Vec::new());
    for (row, column) in (0..10).flat_map(|row| (0..10).map(move |column| (row, column))) {
        let (x, y) = (f64::from(row) - 4.5, f64::from(column) - 4.5);
        lat.push(-90.0 + x.hypot(y));
        lon.push(x.atan2(y).to_degrees());
    }
    let mut world = World::default();
    let dims = ["Time", "j", "i"];
    world.coordinate("XLAT", &dims, &[1, 10, 10], &lat, texts(LAT));
    world.coordinate("XLONG", &dims, &[1, 10, 10], &lon, texts(LON));
    world.data("v", &[("Time", 1), ("j", 10), ("i", 10)], &[]);
    assert_eq!(bbox(world).map(|found| found[1]), Some(-90.0));
}

#[test]
fn tracks_side_by_side_have_no_border() {
    // Three tracks whose ends go once around the earth.
    let start = |storm: f64| (10.0 + storm, storm * 120.0 - 180.0);
    let track = |storm: f64, step: f64| (start(storm).0 + step * 0.1, start(storm).1 + step * 0.1);
    let found = bbox(curvilinear(3, 5, track)).unwrap();
    assert!(found[3] < 20.0, "{found:?}");
    let mut world = curvilinear(3, 5, track);
    world.attrs(texts(&[("featureType", "trajectory")]));
    assert!(bbox(world).unwrap()[3] < 20.0);
}

#[test]
fn a_satellites_own_position_is_not_that_of_its_view() {
    let mut world = stereographic(&[1.05e6, 1.15e6], "polar_stereographic");
    let alone = bbox(stereographic(&[1.05e6, 1.15e6], "polar_stereographic"));
    world.coordinate("nominal_lat", &[], &[], &[0.0], texts(&[("standard_name", "latitude")]));
    world.coordinate("nominal_lon", &[], &[], &[-75.0], texts(&[("standard_name", "longitude")]));
    assert_eq!(bbox(world), alone);
}

#[test]
fn a_grid_that_lies_nobody_knows_where_leaves_no_box_around_the_others() {
    let mut world = rectilinear(&[0.0, 10.0], &[0.0, 10.0]);
    world.coordinate("y", &["y"], &[2], &[20.0, 30.0], texts(LAT));
    world.coordinate("x", &["x"], &[2], &[40.0, 50.0], texts(LON));
    world.data("w", &[("y", 2), ("x", 2)], &[]);
    world.archive("y");
    assert_eq!(bbox(world), None);
}

#[test]
fn a_map_of_degrees_reaches_no_further_than_the_poles() {
    let mut world = World::default();
    let along = |axis: &str| texts(&[("axis", axis)]);
    world.coordinate("x", &["x"], &[4], &evenly(-135.0, 90.0, 4), along("X"));
    world.coordinate("y", &["y"], &[3], &evenly(-90.0, 90.0, 3), along("Y"));
    world.coordinate("crs", &[], &[], &[0.0], texts(&[("grid_mapping_name", "latitude_longitude")]));
    world.data("v", &[("y", 3), ("x", 4)], &[("grid_mapping", "crs")]);
    assert_eq!(bbox(world), Some([-180.0, -90.0, 180.0, 90.0]));
}

#[test]
fn corners_of_cells_go_before_their_centres() {
    let mut world = World::default();
    let attrs =
        |name: &str, bounds: &str| texts(&[("standard_name", name), ("bounds", bounds), ("units", "radian")]);
    world.coordinate("clat", &["cell"], &[2], &[0.1, 0.2], attrs("latitude", "clat_v"));
    world.coordinate("clon", &["cell"], &[2], &[3.1, 3.12], attrs("longitude", "clon_v"));
    let corners = [10_f64, 12.0, 11.0, 20.0, 22.0, 21.0].map(f64::to_radians);
    world.coordinate("clat_v", &["cell", "v"], &[2, 3], &corners, Attributes::new());
    let corners = [179.0_f64, -179.0, 180.0, 178.0, 176.0, 177.0].map(f64::to_radians);
    world.coordinate("clon_v", &["cell", "v"], &[2, 3], &corners, Attributes::new());
    world.data("v", &[("cell", 2)], &[("coordinates", "clat clon")]);
    assert_eq!(bbox(world), Some([176.0, 10.0, -179.0, 22.0]));
}

#[test]
fn several_grids_are_told_by_one_box_around_them() {
    let mut world = rectilinear(&[0.0, 10.0], &[0.0, 10.0]);
    world.coordinate("y", &["y"], &[2], &[20.0, 30.0], texts(LAT));
    world.coordinate("x", &["x"], &[2], &[40.0, 50.0], texts(LON));
    world.data("w", &[("y", 2), ("x", 2)], &[]);
    assert_eq!(bbox(world), Some([-5.0, -5.0, 55.0, 35.0]));
}

fn stereographic(x: &[f64], mapping: &str) -> World {
    let mut world = World::default();
    world.coordinate(
        "x",
        &["x"],
        &[x.len()],
        x,
        texts(&[("standard_name", "projection_x_coordinate"), ("units", "m")]),
    );
    world.coordinate(
        "y",
        &["y"],
        &[x.len()],
        x,
        texts(&[("standard_name", "projection_y_coordinate"), ("units", "m")]),
    );
    let mut crs = texts(&[("grid_mapping_name", mapping)]);
    for (name, value) in [
        ("straight_vertical_longitude_from_pole", -45.0),
        ("latitude_of_projection_origin", 90.0),
        ("standard_parallel", 70.0),
        ("earth_radius", 6_371_000.0),
    ] {
        crs.set(name, number(value));
    }
    world.coordinate("crs", &[], &[], &[0.0], crs);
    world.data("v", &[("y", x.len()), ("x", x.len())], &[("grid_mapping", "crs")]);
    world
}

#[test]
fn a_polar_map_around_its_origin_holds_the_pole() {
    let found = bbox(stereographic(&evenly(-1.9e6, 2e5, 20), "polar_stereographic")).unwrap();
    let scale = (1.0 + 70_f64.to_radians().sin()) / 2.0;
    let corner = 2e6 * 2_f64.sqrt();
    let south = 90.0 - (2.0 * (corner / (2.0 * 6_371_000.0 * scale)).atan()).to_degrees();
    assert_eq!([found[0], found[2], found[3]], [-180.0, 180.0, 90.0]);
    assert!((found[1] - south).abs() < 2e-6 && found[1] <= south);
}

#[test]
fn a_map_beside_its_pole_lies_between_the_edges_of_its_cells() {
    let found = bbox(stereographic(&[1.05e6, 1.15e6], "polar_stereographic")).unwrap();
    // Seen from the pole, from the lower right to the upper left corner.
    let angle = |x: f64, y: f64| -45.0 + x.atan2(-y).to_degrees();
    assert!((found[0] - angle(1.2e6, 1.0e6)).abs() < 2e-6, "{found:?}");
    assert!((found[2] - angle(1.0e6, 1.2e6)).abs() < 2e-6, "{found:?}");
}

#[test]
fn an_unknown_map_has_no_extent() {
    assert_eq!(bbox(stereographic(&[1.05e6, 1.15e6], "azimuthal_equidistant")), None);
}

#[test]
fn what_is_not_kept_with_the_index_is_left_out_and_the_rest_is_told() {
    let mut world = rectilinear(&[0.0, 10.0], &[0.0, 10.0]);
    world.archive("lat");
    let summary = describe(&world.build());
    assert_eq!(summary.extent, None);
    assert_eq!(dimension(&summary, "lat").kind, DimensionKind::Index);
    assert!(matches!(dimension(&summary, "lon").kind, DimensionKind::Horizontal { axis: 'x', .. }));
}

#[test]
fn a_healpix_grid_lies_where_its_pixels_do() {
    let healpix = |order: &str| {
        texts(&[("grid_mapping_name", "healpix"), ("healpix_nside", "1"), ("healpix_order", order)])
    };
    let mut whole = World::default();
    whole.coordinate("crs", &[], &[], &[0.0], healpix("nest"));
    whole.data("v", &[("cell", 12)], &[("grid_mapping", "crs")]);
    assert_eq!(bbox(whole), Some([-180.0, -90.0, 180.0, 90.0]));

    let mut unordered = World::default();
    let attrs = texts(&[("grid_mapping_name", "healpix"), ("healpix_nside", "1")]);
    unordered.coordinate("crs", &[], &[], &[0.0], attrs);
    unordered.data("v", &[("cell", 12)], &[("grid_mapping", "crs")]);
    assert_eq!(bbox(unordered), Some([-180.0, -90.0, 180.0, 90.0]));

    let mut part = World::default();
    part.coordinate("crs", &[], &[], &[0.0], healpix("nest"));
    part.coordinate("cell", &["cell"], &[2], &[0.0, 5.0], Attributes::new());
    part.data("v", &[("cell", 2)], &[("grid_mapping", "crs")]);
    let found = bbox(part).unwrap();
    assert!((found[1] - -41.810_315).abs() < 2e-6 && found[3] == 90.0, "{found:?}");
    assert_eq!([found[0], found[2]], [0.0, 135.0]);
}

#[test]
fn parts_of_a_healpix_grid_are_told_apart_by_their_numbers() {
    let mut world = World::default();
    let attrs = [("grid_mapping_name", "healpix"), ("healpix_nside", "1"), ("healpix_order", "nest")];
    world.coordinate("crs", &[], &[], &[0.0], texts(&attrs));
    for (name, dim, first) in [("v", "cell", 0.0), ("w", "pixel", 8.0)] {
        world.coordinate(dim, &[dim], &[2], &[first, first + 1.0], Attributes::new());
        world.data(name, &[(dim, 2)], &[("grid_mapping", "crs")]);
    }
    assert_eq!(bbox(world).map(|found| [found[1], found[3]]), Some([-90.0, 90.0]));
}

fn timed(values: &[f64], attrs: &[(&str, &str)]) -> World {
    let mut world = World::default();
    world.coordinate("time", &["time"], &[values.len()], values, texts(attrs));
    world.data("v", &[("time", values.len())], &[]);
    world
}

const DAY: i64 = 86_400_000_000;

#[test]
fn times_are_told_with_their_bounds_and_step() {
    let mut world = timed(&[14.5, 44.5, 74.0], &[("units", "days since 1970-01-01"), ("bounds", "b")]);
    world.coordinate("b", &["time", "nv"], &[3, 2], &[0.0, 31.0, 31.0, 59.0, 59.0, 90.0], Attributes::new());
    let summary = describe(&world.build());
    assert_eq!((summary.span.start_us, summary.span.end_us, summary.span.is_instant), (0, 90 * DAY, false));
    let time = dimension(&summary, "time");
    assert_eq!(time.kind, DimensionKind::Temporal { calendar: "standard".into() });
    assert_eq!((time.times_us, time.step_text.as_deref()), (Some([0, 90 * DAY]), Some("P1M")));
}

#[test]
fn one_time_is_an_instant_and_clipped_years_are_noted() {
    let summary = describe(&timed(&[1.0], &[("units", "days since 1970-01-01")]).build());
    assert!(summary.span.is_instant && summary.span.start_us == DAY && summary.span.note.is_none());
    let far = timed(&[0.0, 10.0], &[("units", "days since 9999-12-30"), ("calendar", "noleap")]);
    let far = describe(&far.build());
    assert!(far.span.note.is_some() && far.span.end_us == super::instants::LAST);
    assert_eq!(dimension(&far, "time").step_text.as_deref(), Some("P10D"));
}

#[test]
fn forecasts_lie_when_they_are_valid() {
    let mut world =
        timed(&[0.0], &[("units", "days since 1970-01-01"), ("standard_name", "forecast_reference_time")]);
    let valid = texts(&[("units", "days since 1970-01-01"), ("standard_name", "time")]);
    world.coordinate("valid", &["time"], &[1], &[5.0], valid);
    assert_eq!(describe(&world.build()).span.start_us, 5 * DAY);
}

#[test]
fn without_times_attributes_and_then_the_newest_object_say_when() {
    let with = |pairs: &[(&str, &str)]| {
        let mut world = World::default();
        world.data("v", &[("x", 2)], &[]);
        world.attrs(texts(pairs));
        let span = describe(&world.build()).span;
        (span.start_us / DAY, span.end_us / DAY)
    };
    let coverage =
        [("time_coverage_start", "1970-01-02T00:00:00Z"), ("time_coverage_end", "1970-01-05T00:00:00Z")];
    assert_eq!(with(&coverage), (1, 4));
    assert_eq!(with(&[("date_created", "1970-01-03")]), (2, 2));
    assert_eq!(with(&[]), (10, 10));
}

#[test]
fn spans_say_what_they_do_not_know() {
    let note = |world: World| describe(&world.build()).span.note;
    let mut unread = timed(&[1.0], &[("units", "days since 1970-01-01")]);
    unread.attrs(texts(&[("date_created", "1970-01-03")]));
    unread.archive("time");
    assert_eq!(note(unread).as_deref(), Some("times of some data cannot be read"));
    let no_calendar = timed(&[1.0], &[("units", "days since 1970-01-01"), ("calendar", "of Mars")]);
    assert_eq!(note(no_calendar).as_deref(), Some("times of some data cannot be read"));

    let mut nowhen = World::default();
    nowhen.data("v", &[("x", 2)], &[]);
    nowhen.identity(ObjectIdentity::ETag("e".into()));
    assert_eq!(note(nowhen).as_deref(), Some("nothing tells of which time the data are"));
}

fn catalogued(
    mut world: World,
    change: impl FnOnce(&mut thermocline_core::catalog::About, &mut DatasetSpec),
) -> Summary {
    let mut spec = world::spec();
    let mut about = thermocline_core::catalog::About::default();
    change(&mut about, &mut spec);
    spec.about = about.into();
    world.spec(spec);
    describe(&world.build())
}

#[test]
fn what_the_catalog_says_goes_first() {
    let world = timed(&[1.0, 2.0], &[("units", "days since 1970-01-01")]);
    let summary = catalogued(world, |about, spec| {
        about.bbox = Some([1.0, 2.0, 3.0, 4.0]);
        about.temporal = Some((Some("1970-01-01".into()), None));
        about.collection = Some("c".into());
        spec.title = Some("T".into());
    });
    assert_eq!(summary.extent.unwrap().bbox, [1.0, 2.0, 3.0, 4.0]);
    assert_eq!((summary.span.start_us, summary.span.end_us), (0, 2 * DAY));
    assert_eq!((summary.collection.as_str(), summary.title.as_deref()), ("c", Some("T")));
}

#[test]
fn an_outline_follows_the_border_of_a_grid() {
    let turned = |row: f64, column: f64| (45.0 + 0.5 * row - 0.25 * column, 5.0 + 0.5 * column + 0.25 * row);
    let summary = catalogued(curvilinear(8, 10, turned), |about, _| about.has_footprint = true);
    let ring = summary.extent.unwrap().footprint.unwrap();
    assert_eq!(ring.len(), 5);
    assert_eq!(ring.first(), ring.last());
    assert!(ring.contains(&[5.0, 45.0]) && ring.contains(&[11.25, 46.25]));
}

fn dimension<'s>(summary: &'s Summary, name: &str) -> &'s crate::summary::CubeDimension {
    summary.dimensions.iter().find(|dimension| dimension.name == name).unwrap()
}

#[test]
fn dimensions_are_told_by_what_they_mean() {
    let mut world = rectilinear(&evenly(80.0, -10.0, 17), &evenly(0.0, 10.0, 36));
    world.coordinate(
        "plev",
        &["plev"],
        &[3],
        &[1e5, 8.5e4, 5e4],
        texts(&[("units", "Pa"), ("positive", "down")]),
    );
    world.coordinate("band", &["band"], &[2], &[4.0, 9.0], Attributes::new());
    world.data("w", &[("plev", 3), ("band", 2), ("n", 7), ("lat", 17)], &[]);
    let summary = describe(&world.build());
    let lat = dimension(&summary, "lat");
    assert_eq!(lat.kind, DimensionKind::Horizontal { axis: 'y', reference_system: Some("4326".into()) });
    assert_eq!(
        (lat.extent, lat.step, lat.unit.as_deref()),
        (Some([-80.0, 80.0]), Some(-10.0), Some("degrees_north"))
    );
    let plev = dimension(&summary, "plev");
    assert_eq!(
        (&plev.kind, plev.step, plev.values.as_ref().map(Vec::len)),
        (&DimensionKind::Vertical, None, Some(3))
    );
    let band = dimension(&summary, "band");
    assert_eq!(band.kind, DimensionKind::Other);
    assert_eq!(band.values, Some(vec![Value::Float(4.0), Value::Float(9.0)]));
    let n = dimension(&summary, "n");
    assert_eq!((&n.kind, n.extent, n.len), (&DimensionKind::Index, Some([0.0, 6.0]), 7));
}

#[test]
fn axes_of_a_map_name_it() {
    let summary = describe(&stereographic(&evenly(-1.9e6, 2e5, 20), "polar_stereographic").build());
    let DimensionKind::Horizontal { axis, reference_system } = &dimension(&summary, "x").kind else {
        panic!("no x")
    };
    let expected = "+proj=stere +lat_0=90 +lat_ts=70 +lon_0=-45 +x_0=0 +y_0=0 +R=6371000 +no_defs";
    assert_eq!((*axis, reference_system.as_deref()), ('x', Some(expected)));
}

#[test]
fn indices_of_cells_are_no_places() {
    let mut world = curvilinear(3, 4, |row, column| (row, column));
    world.coordinate("j", &["j"], &[3], &[1.0, 2.0, 3.0], Attributes::new());
    let summary = describe(&world.build());
    assert_eq!(dimension(&summary, "j").kind, DimensionKind::Index);
    assert_eq!(dimension(&summary, "j").extent, Some([0.0, 2.0]));
}

#[test]
fn variables_are_data_or_describe_them() {
    let mut world = curvilinear(3, 4, |row, column| (row, column));
    world.data(
        "u",
        &[("j", 3)],
        &[("units", "m s-1"), ("long_name", "U"), ("standard_name", "eastward_wind")],
    );
    world.attribute(
        "u",
        "_FillValue",
        Attribute::number(NumberType::F32, Number::Float(f64::from(1e20_f32))),
    );
    let summary = describe(&world.build());
    let names: Vec<(&str, VariableRole)> =
        summary.variables.iter().map(|variable| (variable.name.as_str(), variable.role)).collect();
    let (data, auxiliary) = (VariableRole::Data, VariableRole::Auxiliary);
    assert_eq!(names, [("v", data), ("u", data), ("nav_lat", auxiliary), ("nav_lon", auxiliary)]);
    let u = &summary.variables[1];
    assert_eq!((u.dtype.as_str(), u.nodata, u.unit.as_deref()), ("float64", Some(1e20), Some("m s-1")));
}

#[test]
fn which_attributes_are_searchable_is_the_callers_choice() {
    let mut world = World::default();
    world.attrs(texts(&[("source_id", "X"), ("station", "S")]));
    let manifest = world.build();
    assert_eq!(describe(&manifest).attribute("source_id"), Some(&Value::Text("X".into())));
    let own = describe_with(&manifest, &SearchableAttributes::new(["station"]));
    assert_eq!(own.attributes, [("station".to_owned(), Value::Text("S".into()))]);
}

#[test]
fn an_empty_dataset_has_a_summary() {
    let summary = describe(&World::default().build());
    assert!(summary.extent.is_none() && summary.dimensions.is_empty() && summary.variables.is_empty());
}
