//! What a request selects, and which objects it needs.

mod brute;
pub(super) mod world;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use thermocline_model::{Attribute, Attributes, Number, NumberType, Place};

use super::objects::objects_blocking;
use super::resolve::resolve_blocking;
use super::*;
use crate::ErrorKind;
use crate::manifest::Manifest;
use world::{F4, F8, I2, I4, World, number, texts};

/// A variable `t` over 12 days of 6 hours, descending latitudes and longitudes from 0, in an object each day.
fn model() -> Arc<Manifest> {
    let mut world = World::of(12);
    let hours: Vec<f64> = (0..48).map(|step| f64::from(step) * 6.0).collect();
    world.index("time", I4, &hours, texts(&[("units", "hours since 2000-02-25"), ("calendar", "standard")]));
    let lat: Vec<f64> = (0..19).map(|row| 90.0 - 10.0 * f64::from(row)).collect();
    world.index("lat", F4, &lat, texts(&[("units", "degrees_north")]));
    let lon: Vec<f64> = (0..36).map(|column| 10.0 * f64::from(column)).collect();
    world.index("lon", F8, &lon, texts(&[("standard_name", "longitude")]));
    world.words("member", "member", &["r1", "r2", "b:c"]);
    let dims = [("time", 48), ("member", 3), ("lat", 19), ("lon", 36), ("level", 5)];
    world.data("t", &dims, &[4, 1, 10, 12, 5], |index| Some(Place::Object(index[0] as u32)));
    world.build()
}

fn selected(pairs: &[(&str, &str)]) -> Result<Resolved> {
    let mut selection = Selection::new();
    for (name, value) in pairs {
        selection.query(name, value)?;
    }
    resolve_blocking(&model(), &selection, &["t".to_owned()])
}

fn in_path(path: &str) -> Result<Resolved> {
    let mut selection = Selection::new();
    selection.path(path)?;
    resolve_blocking(&model(), &selection, &["t".to_owned()])
}

fn along(resolved: &Resolved, dim: &str) -> Vec<u64> {
    let axis = resolved.variables[0].axis(dim).unwrap();
    axis.indices.as_ref().map_or((0..axis.len).collect(), |indices| indices.iter().collect())
}

/// Positions that one parameter of a query selects.
fn one(name: &str, value: &str) -> Vec<u64> {
    let dim = if name == "sel" || name == "isel" { value.split('=').next().unwrap() } else { name };
    along(&selected(&[(name, value)]).unwrap_or_else(|error| panic!("{name}={value}: {error}")), dim)
}

fn refused(name: &str, value: &str) -> String {
    let error = selected(&[(name, value)]).expect_err(value);
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    error.to_string()
}

#[test]
fn values_are_exact_and_absent_ones_name_the_nearest() {
    assert_eq!(one("lat", "70"), [2]);
    assert_eq!(one("lat", "-90.0"), [18]);
    assert_eq!(one("lon", "1e1"), [1]);
    assert_eq!(one("member", "r2"), [1]);
    assert_eq!(refused("lat", "71"), "lat has no label 71; the nearest is 70; lat goes from -90 to 90");
    assert!(refused("lat", "north").contains("is not a number"));
    assert!(refused("member", "r9").contains("member has no label r9"));
}

#[test]
fn ranges_have_both_ends_on_descending_labels_too() {
    assert_eq!(one("lat", "30:60"), [3, 4, 5, 6]);
    assert_eq!(one("lat", "60:30"), [3, 4, 5, 6]);
    assert_eq!(one("lat", "75:"), [0, 1]);
    assert_eq!(one("lat", ":-75"), [17, 18]);
    assert_eq!(one("lat", ":"), (0..19).collect::<Vec<_>>());
    assert_eq!(one("sel", "lon=340:360"), [34, 35]);
    assert!(refused("lon", "20:10").contains("lon goes from 0 to 350"));
    assert!(refused("lat", "91:95").contains("lat goes from -90 to 90"));
}

#[test]
fn texts_with_a_colon_are_labels_before_they_are_ranges() {
    assert_eq!(one("member", "b:c"), [2]);
    assert_eq!(one("member", "r1:r2"), [0, 1]);
    assert_eq!(one("member", "exact::b:c"), [2]);
}

#[test]
fn a_partial_date_names_its_period() {
    assert_eq!(one("time", "2000-02-29T12"), [18]);
    assert_eq!(one("time", "2000-02-29T12:00:00"), [18]);
    assert_eq!(one("time", "2000-02-29:2000-03-01"), (16..24).collect::<Vec<_>>());
    assert_eq!(one("time", "2000-02-29T12:00:2000-02-29T18:00"), [18, 19]);
    assert_eq!(one("time", "2000-03-07T06:00:"), [45, 46, 47]);
    assert_eq!(one("time", ":2000-02-25T06:00:00"), [0, 1]);
    assert!(
        refused("time", "2000-02")
            .contains("holds 20 steps, from 2000-02-25T00:00:00 to 2000-02-29T18:00:00")
    );
    assert!(refused("time", "2000-02-29T13").contains("the nearest is 2000-02-29T12:00:00"));
    assert!(refused("time", "2001-02-29").contains("is not a date"));
    assert!(
        refused("time", "2001:2002").contains("time goes from 2000-02-25T00:00:00 to 2000-03-07T18:00:00")
    );
}

#[test]
fn numbers_with_a_point_are_times_in_the_units_of_the_coordinate() {
    assert_eq!(one("time", "12.0"), [2]);
    assert_eq!(one("time", "6.0:18.5"), [1, 2, 3]);
}

#[test]
fn methods_go_by_the_order_of_the_coordinate() {
    assert_eq!(one("lon", "nearest::14"), [1]);
    assert_eq!(one("lon", "nearest::15"), [2]);
    assert_eq!(one("lat", "nearest::15"), [7]);
    assert_eq!(one("lon", "pad::19"), [1]);
    assert_eq!(one("lat", "pad::19"), [7]);
    assert_eq!(one("lon", "bfill::11"), [2]);
    assert_eq!(one("time", "nearest(3h)::2000-02-25T07:00"), [1]);
    assert_eq!(one("time", "pad::2000-02-26T23:59"), [7]);
    assert!(refused("time", "nearest(30min)::2000-02-25T07:00").contains("beyond the tolerance"));
    assert!(refused("time", "nearest(3)::2000-02-25T07:00").contains("needs a unit of time"));
    assert!(refused("lon", "nearest(3h)::14").contains("a number without unit"));
    assert!(refused("lon", "backfill::351").contains("at or after 351"));
    assert!(refused("member", "nearest::r2").contains("not sorted"));
}

#[test]
fn positions_are_those_of_python() {
    assert_eq!(one("isel", "time=-1"), [47]);
    assert_eq!(one("isel", "level=1:4"), [1, 2, 3]);
    assert_eq!(one("isel", "level=::-2"), [4, 2, 0]);
    assert_eq!(one("isel", "level=-2:99"), [3, 4]);
    assert_eq!(one("isel", "lat=3:99:7"), [3, 10, 17]);
    assert!(refused("isel", "level=5").contains("no position 5; it has 5"));
    assert!(refused("isel", "level=-6").contains("no position -6"));
    assert!(refused("isel", "level=3:3").contains("are none; it has 5"));
    assert!(refused("isel", "height=0").contains("dimensions are lat, level, lon, member, time"));
}

#[test]
fn dimensions_without_labels_have_positions_only() {
    assert_eq!(one("level", "3"), [3]);
    assert!(refused("level", "1:3").contains("isel=level=i:j"));
    assert!(refused("level", "nearest::1").contains("isel=level=i:j"));
}

#[test]
fn paths_have_positions_of_time_and_half_open_values() {
    let positions = |path: &str, dim: &str| along(&in_path(path).unwrap(), dim);
    assert_eq!(positions("time/-12_-1/lat/30_60", "time"), (36..47).collect::<Vec<_>>());
    assert_eq!(positions("time/-12_-1/lat/30_60", "lat"), [4, 5, 6]);
    assert_eq!(positions("time/2000-02-29_2000-03-01", "time"), [16, 17, 18, 19]);
    assert_eq!(positions("time/6.0_12.0", "time"), [1]);
    assert_eq!(positions("level/1_3", "level"), [1, 2]);
    assert!(in_path("lat/60_30").is_err() && in_path("time/2000_2001").is_err() && in_path("lat").is_err());
}

#[test]
fn what_is_named_once_drops_its_dimension() {
    let is_single = |pairs: &[(&str, &str)], dim: &str| {
        selected(pairs).unwrap().variables[0].axis(dim).unwrap().is_single
    };
    assert!(is_single(&[("lat", "70")], "lat") && is_single(&[("isel", "lat=0")], "lat"));
    assert!(!is_single(&[("lat", "70:70")], "lat") && !is_single(&[("isel", "lat=0:1")], "lat"));
    assert!(!is_single(&[("lat", "70")], "lon"));
}

#[test]
fn a_box_takes_the_centres_inside_in_any_turn() {
    let found = selected(&[("bbox", "-15,25,12,62")]).unwrap();
    assert_eq!(along(&found, "lon"), [0, 1, 35]);
    assert_eq!(along(&found, "lat"), [3, 4, 5, 6]);
    let across = selected(&[("bbox", "170,-10,-170,10"), ("lat", "0:90")]).unwrap();
    assert_eq!((along(&across, "lon"), along(&across, "lat")), (vec![17, 18, 19], vec![8, 9]));
    assert!(refused("bbox", "1,1,2,2").contains("lat goes from -90 to 90, lon goes from 0 to 350"));
    assert!(refused("bbox", "1,2,3").contains("west,south,east,north"));
}

#[test]
fn a_selection_names_everything_once() {
    assert!(selected(&[("lat", "0"), ("isel", "lat=1")]).is_err());
    assert!(selected(&[("bbox", "0,0,1,1"), ("bbox", "0,0,1,1")]).is_err());
    assert!(selected(&[("group", "/"), ("group", "/")]).is_err());
}

#[test]
fn the_body_of_a_request_says_the_same() {
    let mut body = Selection::new();
    body.time(Some("2000-02-29".into()), Some("2000-03-01".into())).unwrap();
    body.value("lon", 20.0).unwrap();
    body.between("lat", Some(30_i64.into()), Some(60.0.into())).unwrap();
    body.slice("level", Slice { start: Some(1), stop: None, step: 2 }).unwrap();
    let found = resolve_blocking(&model(), &body, &[]).unwrap();
    let found =
        Resolved { variables: found.variables.into_iter().filter(|found| found.path == "t").collect() };
    assert_eq!(along(&found, "time"), (16..24).collect::<Vec<_>>());
    assert_eq!((along(&found, "lon"), along(&found, "lat")), (vec![2], vec![3, 4, 5, 6]));
    assert_eq!(along(&found, "level"), [1, 3]);
}

#[test]
fn the_time_is_found_by_its_units() {
    let mut world = World::of(1);
    world.index("T", F8, &[0.0, 1.5], texts(&[("units", "days since 1850-01-01"), ("calendar", "360_day")]));
    world.data("v", &[("T", 2)], &[1], |_| Some(Place::Object(0)));
    let manifest = world.build();
    let mut body = Selection::new();
    body.time(Some("1850-01-02".into()), None).unwrap();
    let found = resolve_blocking(&manifest, &body, &["v".to_owned()]).unwrap();
    assert_eq!(along(&found, "T"), [1]);
}

#[test]
fn times_that_clients_read_differently_are_selected_by_position_only() {
    let selected = |name: &str, value: &str| {
        let mut world = World::of(1);
        world.index("T", F8, &[0.0, 6.0], texts(&[("units", "hours since 2000-01-01 06:00 CET")]));
        world.data("t", &[("T", 2)], &[1], |_| Some(Place::Object(0)));
        let mut selection = Selection::new();
        selection.query(name, value).unwrap();
        resolve_blocking(&world.build(), &selection, &["t".to_owned()])
    };
    for value in ["6", "6.0", "2000-01-01T06", "0:6", "nearest::6"] {
        let error = selected("T", value).expect_err(value);
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains("isel="), "{value}: {error}");
    }
    assert_eq!(along(&selected("isel", "T=1").unwrap(), "T"), [1]);
}

#[test]
fn packed_and_missing_labels_are_decoded() {
    let mut attrs = texts(&[("units", "m")]);
    attrs.set("scale_factor", number(0.5));
    attrs.set("_FillValue", Attribute::number(NumberType::I16, Number::Integer(-1)));
    let mut world = World::of(1);
    world.index("z", I2, &[2.0, 4.0, -1.0, 7.0], attrs);
    world.data("v", &[("z", 4)], &[1], |_| Some(Place::Object(0)));
    let manifest = world.build();
    let select = |text: &str| {
        let mut selection = Selection::new();
        selection.query("z", text).unwrap();
        resolve_blocking(&manifest, &selection, &["v".to_owned()]).map(|found| along(&found, "z"))
    };
    assert_eq!(select("3.5").unwrap(), [3]);
    assert_eq!(select("1:").unwrap(), [0, 1, 3]);
    assert!(select("nearest::2").unwrap_err().to_string().contains("some are missing"));
}

#[test]
fn labels_that_stand_twice_are_both_selected() {
    let mut world = World::of(1);
    world.index("x", F8, &[1.0, 2.0, 2.0], Attributes::new());
    world.data("v", &[("x", 3)], &[1], |_| Some(Place::Object(0)));
    let manifest = world.build();
    let select = |text: &str| {
        let mut selection = Selection::new();
        selection.query("x", text).unwrap();
        resolve_blocking(&manifest, &selection, &["v".to_owned()])
    };
    assert_eq!(along(&select("2").unwrap(), "x"), [1, 2]);
    assert!(!select("2").unwrap().variables[0].axes[0].is_single);
    assert!(select("nearest::2").is_err());
}

#[test]
fn coordinates_that_are_not_kept_with_the_index_are_not_read() {
    let mut world = World::of(1);
    world.data("x", &[("x", 3)], &[1], |_| Some(Place::Object(0)));
    world.data("v", &[("x", 3)], &[1], |_| Some(Place::Object(0)));
    let manifest = world.build();
    let mut selection = Selection::new();
    selection.query("x", "1").unwrap();
    let error = resolve_blocking(&manifest, &selection, &["v".to_owned()]).unwrap_err();
    assert!(error.to_string().contains("not kept with the index"), "{error}");
}

#[test]
fn groups_see_the_coordinates_above_them() {
    let mut world = World::of(2);
    world.index("x", F8, &[5.0, 6.0], Attributes::new());
    world.data("a", &[("x", 2)], &[1], |index| Some(Place::Object(index[0] as u32)));
    world.data("b", &[("x", 2)], &[1], |index| Some(Place::Object(index[0] as u32)));
    world.group("deep", &["b"]);
    let manifest = world.build();
    let objects_of = |pairs: &[(&str, &str)], variables: &[&str]| {
        let mut selection = Selection::new();
        pairs.iter().for_each(|(name, value)| selection.query(name, value).unwrap());
        let variables: Vec<String> = variables.iter().map(|name| (*name).to_owned()).collect();
        let resolved = resolve_blocking(&manifest, &selection, &variables)?;
        objects_blocking(&manifest, &resolved, &AtomicBool::new(false))
    };
    assert_eq!(objects_of(&[("group", "/deep"), ("x", "6")], &["b"]).unwrap(), [1]);
    assert_eq!(objects_of(&[("x", "5")], &["deep/b"]).unwrap(), [0]);
    assert_eq!(objects_of(&[], &[]).unwrap(), [0, 1]);
    assert_eq!(objects_of(&[], &["c"]).unwrap_err().kind(), ErrorKind::NotFound);
    assert!(
        objects_of(&[("group", "sea")], &[])
            .unwrap_err()
            .to_string()
            .contains("groups with variables are /, /deep")
    );
}

#[tokio::test]
async fn a_selection_becomes_the_objects_of_its_chunks() {
    let manifest = model();
    let mut selection = Selection::new();
    selection.query("time", "2000-02-27:2000-02-28").unwrap();
    let resolved = Arc::new(resolve(&manifest, &selection, &[]).await.unwrap());
    assert_eq!(objects(&manifest, &resolved).await.unwrap(), [2, 3]);
}

#[test]
fn of_chunks_that_are_put_together_the_objects_of_the_selected_ones_count() {
    let mut world = World::of(5);
    world.assembled("v", &[&[1], &[1, 2], &[4], &[3]]);
    world.data("w", &[("x", 4)], &[4], |_| Some(Place::Object(0)));
    let manifest = world.build();
    let objects_of = |positions: &str, variables: &[&str]| {
        let mut selection = Selection::new();
        selection.positions("x", positions).unwrap();
        let variables: Vec<String> = variables.iter().map(|name| (*name).to_owned()).collect();
        let resolved = resolve_blocking(&manifest, &selection, &variables).unwrap();
        objects_blocking(&manifest, &resolved, &AtomicBool::new(false)).unwrap()
    };
    assert_eq!(objects_of("0", &["v"]), [0, 1]);
    assert_eq!(objects_of("1:3", &["v"]), [0, 1, 2, 4]);
    assert_eq!(objects_of("::3", &["v"]), [0, 1, 3]);
    assert_eq!(objects_of("3", &["w", "v"]), [0, 3], "object 0 is known already");
}

/// Chunks that are not selected, and those that were never written, must cost nothing: there are 10^15 of them here.
#[test]
fn the_cost_of_a_selection_is_that_of_its_chunks() {
    const N: u64 = 100_000;
    let mut world = World::of(3);
    let at = |x: u64, y: u64, z: u64| (x * N + y) * N + z;
    let written = [(at(7, 5, 9), 0), (at(7, 6, 9), 1), (at(8, 5, 9), 2)];
    world.sparse("v", &[("x", N), ("y", N), ("z", N)], &written);
    let manifest = world.build();
    let objects_of = |positions: &[(&str, &str)]| {
        let mut selection = Selection::new();
        positions.iter().for_each(|(dim, positions)| selection.positions(dim, positions).unwrap());
        let resolved = resolve_blocking(&manifest, &selection, &["v".to_owned()]).unwrap();
        objects_blocking(&manifest, &resolved, &AtomicBool::new(false)).unwrap()
    };
    assert_eq!(objects_of(&[("x", "7")]), [0, 1]);
    assert_eq!(objects_of(&[("y", "5")]), [0, 2]);
    assert_eq!(objects_of(&[("z", "9"), ("y", "::2")]), [1]);
    assert!(objects_of(&[("z", ":9")]).is_empty());
    assert_eq!(objects_of(&[]), [0, 1, 2]);
}

#[test]
fn variables_without_the_selected_dimension_are_whole() {
    let mut world = World::of(4);
    world.index("x", F8, &[1.0, 2.0], Attributes::new());
    world.data("a", &[("x", 2)], &[1], |index| Some(Place::Object(index[0] as u32)));
    world.data("b", &[("k", 2)], &[1], |index| Some(Place::Object(2 + index[0] as u32)));
    let manifest = world.build();
    let objects_of = |variables: &[&str]| {
        let mut selection = Selection::new();
        selection.query("x", "2").unwrap();
        let variables: Vec<String> = variables.iter().map(|name| (*name).to_owned()).collect();
        let resolved = resolve_blocking(&manifest, &selection, &variables)?;
        objects_blocking(&manifest, &resolved, &AtomicBool::new(false))
    };
    assert_eq!(objects_of(&["a", "b"]).unwrap(), [1, 2, 3]);
    assert!(objects_of(&["b"]).unwrap_err().to_string().contains("dimensions are k"));
}

#[test]
fn a_range_of_a_coordinate_over_two_dimensions_is_a_mask() {
    let mut world = World::of(4);
    let lat: Vec<f64> = (0..16).map(|cell| f64::from(cell / 4 + cell % 4)).collect();
    world.coordinate("lat", (&["y", "x"], &[4, 4]), F8, &lat, texts(&[("units", "degrees_north")]));
    let lon: Vec<f64> = (0..16).map(|cell| f64::from(cell % 4)).collect();
    world.coordinate("lon", (&["y", "x"], &[4, 4]), F8, &lon, texts(&[("units", "degrees_east")]));
    let dims = [("y", 4), ("x", 4)];
    world.data("v", &dims, &[2, 2], |index| Some(Place::Object((index[0] * 2 + index[1]) as u32)));
    let manifest = world.build();
    let select = |pairs: &[(&str, &str)]| {
        let mut selection = Selection::new();
        pairs.iter().for_each(|(name, value)| selection.query(name, value).unwrap());
        let resolved = resolve_blocking(&manifest, &selection, &["v".to_owned()])?;
        let objects = objects_blocking(&manifest, &resolved, &AtomicBool::new(false))?;
        Ok((resolved.variables[0].masks.iter().map(|mask| mask.n_cells()).collect::<Vec<_>>(), objects))
    };
    let found: Result<_> = select(&[("lat", "0:1")]);
    assert_eq!(found.unwrap(), (vec![3], vec![0]));
    assert_eq!(select(&[("lat", "5:")]).unwrap(), (vec![3], vec![3]));
    assert_eq!(select(&[("lat", "2:4"), ("bbox", "0,0,0,9")]).unwrap(), (vec![2], vec![2]));
    assert_eq!(select(&[("lat", "2:4"), ("isel", "y=0")]).unwrap(), (vec![10], vec![1]));
    assert!(select(&[("lat", "6"), ("isel", "y=0")]).unwrap_err().to_string().contains("only a range of it"));
    assert!(select(&[("lat", "6:"), ("isel", "y=0")]).unwrap_err().to_string().contains("in all parts"));
}

#[test]
fn a_name_that_no_coordinate_has_names_those_that_there_are() {
    assert!(refused("height", "2").contains("\"height\"; dimensions are lat, level, lon, member, time"));
    assert!(refused("isel", "height").contains("write isel=dim=value"));
    assert!(refused("lat", "linear::2").contains("methods are exact, nearest, pad"));
}

#[test]
fn a_box_beside_all_grids_is_empty_though_other_variables_are_not_about_it() {
    let mut world = World::of(4);
    for (lat, lon, first) in [("lat", "lon", 0.0), ("lat_2", "lon_2", 50.0)] {
        world.index(lat, F8, &[first, first + 1.0], texts(&[("units", "degrees_north")]));
        world.index(lon, F8, &[first, first + 1.0], texts(&[("units", "degrees_east")]));
    }
    world.data("a", &[("lat", 2), ("lon", 2)], &[2, 2], |_| Some(Place::Object(0)));
    world.data("b", &[("lat_2", 2), ("lon_2", 2)], &[2, 2], |_| Some(Place::Object(1)));
    world.data("mean", &[("k", 1)], &[1], |_| Some(Place::Object(2)));
    let manifest = world.build();
    let select = |bounding_box: &str, variables: &[String]| {
        let mut selection = Selection::new();
        selection.query("bbox", bounding_box).unwrap();
        let resolved = resolve_blocking(&manifest, &selection, variables)?;
        objects_blocking(&manifest, &resolved, &AtomicBool::new(false))
    };
    assert_eq!(select("-1,-1,9,9", &[]).unwrap(), [0, 2]);
    assert_eq!(select("49,49,59,59", &[]).unwrap(), [1, 2]);
    assert!(
        select("-1,-1,9,9", &["b".to_owned()]).unwrap_err().to_string().contains("lat_2 goes from 50 to 51")
    );
    assert!(select("20,20,30,30", &[]).unwrap_err().to_string().contains("no cell lies in bbox=20,20,30,30"));
}
