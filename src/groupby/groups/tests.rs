//! Claims about groups, on datasets made by hand and against what xarray says of the same times.

mod components;
mod resample;
mod world;

use thermocline_core::ErrorKind;
use thermocline_model::{ByteOrder, DataType};

use super::*;
use crate::testing::{F8, I4, World, texts};
use crate::{Bins, Closed};
use world::{plain, tas};

const NAN: f64 = f64::NAN;

/// A variable of three axes with coordinates of every kind.
fn world() -> World {
    let noleap = texts(&[("units", "days since 2000-01-15"), ("calendar", "noleap")]);
    let years = texts(&[("units", "years since 2000-01-01")]);
    let (size, order) = (8, ByteOrder::Little);
    let (time, lat) = ([("time", 6)], [("lat", 3)]);
    tas(&[("time", 6), ("lat", 3), ("x", 2)])
        .coordinate("time", &time, (I4, noleap), &[0.0, 31.0, 60.0, 90.0, 340.0, 365.0])
        .coordinate("lat", &lat, plain(F8), &[60.0, 0.0, -60.0])
        .coordinate("height", &[], plain(F8), &[2.0])
        .coordinate("phase", &time, plain(F8), &[1.5, NAN, 0.5, 1.5, NAN, 0.5])
        .coordinate("basin", &[("x", 2), ("lat", 3)], plain(I4), &[2.0, 1.0, 1.0, 2.0, 7.0, 2.0])
        .coordinate("elsewhere", &[("n", 4)], plain(F8), &[0.0, 1.0, 2.0, 3.0])
        .coordinate("years", &time, (I4, years), &[0.0; 6])
        .coordinate("is_land", &lat, plain(DataType::Bool), &[1.0, 0.0, 1.0])
        .coordinate("number", &lat, plain(DataType::UInt { size, order }), &[3.0, 1.8e19, 3.0])
        .words("zone", "lat", &["north", "équateur", "south"])
}

fn mistake(result: Result<Vec<Factor>, Failure>) -> String {
    match result {
        Err(Failure::Mistake { detail, .. }) => detail,
        other => panic!("no mistake: {other:?}"),
    }
}

fn only(result: Result<Vec<Factor>, Failure>) -> Factor {
    let mut factors = result.unwrap();
    assert_eq!(factors.len(), 1);
    factors.remove(0)
}

fn integers(factor: &Factor) -> &[i64] {
    let GroupLabels::Integers(labels) = &factor.labels else { panic!("no integers: {:?}", factor.labels) };
    labels
}

#[test]
fn months_that_occur_are_listed_in_order() {
    let factor = only(world().factors("time.month", &Options::default(), &[]));

    assert_eq!(integers(&factor), [1, 2, 3, 4, 12]);
    assert_eq!(factor.codes.as_ref(), [0, 1, 2, 3, 4, 0]);
    assert_eq!(
        (factor.n_members.as_slice(), factor.axes.as_slice()),
        ([2, 1, 1, 1, 1].as_slice(), [0].as_slice())
    );
    assert_eq!((factor.name.as_str(), factor.attrs.len()), ("month", 0));
    assert!(!factor.lists_empty && !factor.is_identity);
}

#[test]
fn only_what_is_selected_is_listed() {
    let factor = only(world().factors("time.month", &Options::default(), &[("isel", "time=4:1:-1")]));

    assert_eq!(integers(&factor), [3, 4, 12]);
    assert_eq!(factor.codes.as_ref(), [NO_GROUP, NO_GROUP, 0, 1, 2, NO_GROUP]);
    assert!(!factor.is_identity);
}

#[test]
fn seasons_come_by_code_point_or_as_they_are_asked_for() {
    let plain = only(world().factors("time.season", &Options::default(), &[]));
    let seasons = Some(vec![("SON".to_owned(), vec![9, 10, 11]), ("DJF".to_owned(), vec![12, 1, 2])]);
    let asked = only(world().factors("time.season", &Options { seasons, ..Options::default() }, &[]));

    assert!(matches!(&plain.labels, GroupLabels::Texts(labels) if labels == &["DJF", "MAM"]));
    assert!(matches!(&asked.labels, GroupLabels::Texts(labels) if labels == &["SON", "DJF"]));
    assert_eq!(asked.codes.as_ref(), [1, 1, NO_GROUP, NO_GROUP, 1, 1]);
    assert_eq!(asked.n_members, [0, 4]);
    assert!(asked.lists_empty && !plain.lists_empty);
}

#[test]
fn missing_labels_belong_to_no_group() {
    let factor = only(world().factors("phase", &Options::default(), &[]));

    assert!(
        matches!(&factor.labels, GroupLabels::Floats { values, is_single: false } if values == &[0.5, 1.5])
    );
    assert_eq!(factor.codes.as_ref(), [1, NO_GROUP, 0, 1, NO_GROUP, 0]);
}

#[test]
fn codes_of_two_axes_are_in_the_order_of_the_variable() {
    let factor = only(world().factors("basin", &Options::default(), &[]));

    assert_eq!((integers(&factor), factor.axes.as_slice()), ([1, 2, 7].as_slice(), [1, 2].as_slice()));
    assert_eq!(factor.codes.as_ref(), [1, 1, 0, 2, 0, 1]);
}

#[test]
fn one_axis_of_two_may_be_dropped() {
    let factor = only(world().factors("basin", &Options::default(), &[("isel", "x=0")]));

    assert_eq!(integers(&factor), [1, 2]);
    assert_eq!(factor.codes.as_ref(), [1, NO_GROUP, 0, NO_GROUP, 0, NO_GROUP]);
}

#[test]
fn texts_booleans_and_unsigned_integers_are_labels() {
    let zone = only(world().factors("zone", &Options::default(), &[]));
    let is_land = only(world().factors("is_land", &Options::default(), &[]));
    let number = only(world().factors("number", &Options::default(), &[]));

    assert!(matches!(&zone.labels, GroupLabels::Texts(labels) if labels == &["north", "south", "équateur"]));
    assert!(matches!(&is_land.labels, GroupLabels::Booleans(labels) if labels == &[false, true]));
    assert!(
        matches!(&number.labels, GroupLabels::Unsigned(labels) if labels == &[3, 18_000_000_000_000_000_000])
    );
}

#[test]
fn a_sorted_index_is_the_identity_and_keeps_its_order() {
    let time = only(world().factors("time", &Options::default(), &[]));
    let lat = only(world().factors("lat", &Options::default(), &[]));
    let reversed = only(world().factors("lat", &Options::default(), &[("isel", "lat=::-1")]));
    let x = only(world().factors("x", &Options::default(), &[]));

    assert!(time.is_identity && x.is_identity && lat.is_identity && reversed.is_identity);
    assert_eq!((lat.codes.as_ref(), reversed.codes.as_ref()), ([0, 1, 2].as_slice(), [2, 1, 0].as_slice()));
    let floats = |factor: &Factor| match &factor.labels {
        GroupLabels::Floats { values, .. } => values.clone(),
        other => panic!("no floats: {other:?}"),
    };
    assert_eq!((floats(&lat), floats(&reversed)), (vec![60.0, 0.0, -60.0], vec![-60.0, 0.0, 60.0]));
    assert_eq!(integers(&x), [0, 1]);
    assert_eq!(time.attrs.text("units"), Some("days since 2000-01-15"));
    assert_eq!(time.attrs.text("calendar"), Some("noleap"));
}

#[test]
fn an_unsorted_index_is_sorted() {
    let lat = [("lat", 3)];
    let world = tas(&lat).coordinate("lat", &lat, plain(I4), &[3.0, 1.0, 2.0]);

    let factor = only(world.factors("lat", &Options::default(), &[]));

    assert_eq!((integers(&factor), factor.codes.as_ref()), ([1, 2, 3].as_slice(), [2, 0, 1].as_slice()));
    assert!(!factor.is_identity);
}

#[test]
fn bins_are_all_listed() {
    let bins = Some(Bins::Edges(vec![-90.0, -60.0, -30.0, 30.0, 60.0]));
    let right = only(world().factors("lat", &Options { bins: bins.clone(), ..Options::default() }, &[]));
    let left = Options { bins, closed: Closed::Left, ..Options::default() };
    let left = only(world().factors("lat", &left, &[]));

    assert_eq!((right.name.as_str(), right.n_members.as_slice()), ("lat_bins", [1, 0, 1, 1].as_slice()));
    assert_eq!(left.codes.as_ref(), [NO_GROUP, 2, 1]);
    assert!(right.lists_empty);
}

#[test]
fn counted_bins_hold_every_label() {
    let bins = Some(Bins::Count(4));
    let factor = only(world().factors("lat", &Options { bins, ..Options::default() }, &[]));

    let GroupLabels::Intervals { edges, is_right_closed: true } = &factor.labels else {
        panic!("no intervals")
    };
    assert_eq!(edges, &[-60.0, -30.0, 0.0, 30.0, 60.0]);
    assert_eq!(factor.codes.as_ref(), [3, 1, 0]);
}

#[test]
fn midnights_that_the_units_cannot_tell_are_in_microseconds() {
    let units = [("units", "days since 0001-01-01 00:00:00.000123"), ("calendar", "proleptic_gregorian")];
    let time = [("time", 2)];
    let world = tas(&time).coordinate("time", &time, (I4, texts(&units)), &[730_119.0, 730_119.0]);

    let factor = only(world.factors("time.date", &Options::default(), &[]));

    assert_eq!(factor.attrs.text("units"), Some("microseconds since 1970-01-01 00:00:00"));
    let GroupLabels::Times { ticks, .. } = &factor.labels else { panic!("no times") };
    assert_eq!(ticks, &[946_684_800_000_000]);
}

#[test]
fn products_have_a_factor_for_each() {
    let factors = world().factors("time.year,time.month", &Options::default(), &[]).unwrap();

    let names: Vec<&str> = factors.iter().map(|factor| factor.name.as_str()).collect();
    assert_eq!(names, ["year", "month"]);
    assert!(mistake(world().factors("time.month,time.month", &Options::default(), &[])).contains("month"));
}

#[test]
fn what_cannot_be_grouped_is_named() {
    let options = Options::default();
    let mistakes = [
        ("height", "height"),
        ("elsewhere", "elsewhere"),
        ("n", "'n'"),
        ("lat.month", "lat"),
        ("time.week", "week"),
    ];
    for (grouper, named) in mistakes {
        assert!(mistake(world().factors(grouper, &options, &[])).contains(named), "{grouper}");
    }
    assert!(mistake(world().factors("time.month", &options, &[("isel", "time=0")])).contains("time"));
    let years = world().factors("years.month", &options, &[]);
    assert!(matches!(years, Err(Failure::Impossible(detail)) if detail.contains("years")));
    let Err(Failure::Core(error)) = world().factors("nope.month", &options, &[]) else { panic!("found") };
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(error.to_string(), "Groupby coordinate 'nope.month' not found in dataset");
}

#[test]
fn options_that_no_grouper_takes_are_mistakes() {
    let bins = Options { bins: Some(Bins::Count(3)), ..Options::default() };
    let freq = Options { freq: Some(resample::frequency("MS")), ..Options::default() };
    let drop = Options { drop_incomplete: true, ..freq.clone() };
    for (grouper, options, named) in [
        ("time", &bins, "bins"),
        ("zone", &bins, "bins"),
        ("is_land", &bins, "bins"),
        ("lat,phase", &bins, "bins"),
        ("lat", &freq, "freq"),
        ("time.month", &freq, "freq"),
        ("time", &drop, "drop_incomplete"),
    ] {
        assert!(mistake(world().factors(grouper, options, &[])).contains(named), "{grouper} {named}");
    }
}

#[test]
fn more_spans_than_can_be_listed_are_refused_before_they_are() {
    let units = texts(&[("units", "days since 0001-01-01")]);
    let time = [("time", 2)];
    let world = tas(&time).coordinate("time", &time, (I4, units), &[0.0, 700_000.0]);
    let options = Options { freq: Some(resample::frequency("s")), ..Options::default() };

    let Err(Failure::TooLarge { estimate, .. }) = world.factors("time", &options, &[]) else {
        panic!("listed")
    };
    assert_eq!(estimate.groups, 700_000 * 86_400 + 1);
    let bins = Options { bins: Some(Bins::Count(u32::MAX)), ..Options::default() };
    assert!(matches!(self::world().factors("lat", &bins, &[]), Err(Failure::TooLarge { .. })));
}

#[test]
fn masks_take_positions_and_labels_away() {
    let dims = [("y", 3), ("x", 2)];
    let world = tas(&dims)
        .coordinate("lon", &dims, plain(F8), &[0.0, 1.0, 10.0, 11.0, 20.0, 21.0])
        .coordinate("belt", &[("y", 3)], plain(I4), &[5.0, 6.0, 7.0])
        .coordinate("cell", &[("x", 2), ("y", 3)], plain(I4), &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);

    let belt = only(world.factors("belt", &Options::default(), &[("lon", "1:10")]));
    let cell = only(world.factors("cell", &Options::default(), &[("lon", "1:10")]));
    let column = only(world.factors("belt", &Options::default(), &[("lon", "1:10"), ("isel", "x=1:2")]));

    assert_eq!((integers(&belt), belt.codes.as_ref()), ([5, 6].as_slice(), [0, 1, NO_GROUP].as_slice()));
    assert_eq!(integers(&cell), [2, 4]);
    assert_eq!(cell.codes.as_ref(), [NO_GROUP, 1, 0, NO_GROUP, NO_GROUP, NO_GROUP]);
    assert_eq!(integers(&column), [5]);
}
