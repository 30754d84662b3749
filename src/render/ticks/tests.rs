use proptest::prelude::*;
use thermocline_model::cf::{Calendar, TimeUnits};

use super::*;

const ACROSS: Ruler = Ruler { length: 800.0, size: 12.0, direction: Direction::Horizontal };
const UP: Ruler = Ruler { length: 400.0, size: 12.0, direction: Direction::Vertical };

fn axis(first: f64, last: f64, quantity: Quantity) -> Axis {
    Axis { first, last, quantity, label: None }
}

fn labels(ticks: &Ticks) -> Vec<&str> {
    ticks.major.iter().map(|tick| tick.label.as_str()).collect()
}

fn days(calendar: Calendar) -> Quantity {
    Quantity::Time(TimeUnits::parse("days since 2000-01-01", calendar).unwrap())
}

#[test]
fn numbers_stand_at_round_values_without_noise_of_floats() {
    let table: [(f64, f64, &[&str]); 5] = [
        (0.0, 0.7, &["0.0", "0.1", "0.2", "0.3", "0.4", "0.5", "0.6", "0.7"]),
        (-1.0, 1.0, &["−1.0", "−0.8", "−0.6", "−0.4", "−0.2", "0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        (0.0, 7.0, &["0", "1", "2", "3", "4", "5", "6", "7"]),
        (273.15, 300.15, &["275", "280", "285", "290", "295", "300"]),
        (0.0, 4000.0, &["0", "500", "1000", "1500", "2000", "2500", "3000", "3500", "4000"]),
    ];
    for (low, high, expected) in table {
        assert_eq!(labels(&axis(low, high, Quantity::Number).ticks(&ACROSS)), expected, "{low} to {high}");
    }
}

#[test]
fn tiny_and_huge_numbers_share_a_power_of_ten() {
    let ticks = axis(0.0, 2e-5, Quantity::Number).ticks(&UP);
    assert_eq!(ticks.factor().as_deref(), Some("×10⁻⁵"));
    assert_eq!(labels(&ticks).last(), Some(&"2.00"));

    let ticks = axis(-4e9, 0.0, Quantity::Number).ticks(&UP);
    assert_eq!(ticks.factor().as_deref(), Some("×10⁹"));
    assert_eq!(labels(&ticks).first(), Some(&"−4.0"));

    assert_eq!(axis(0.0, 100.0, Quantity::Number).ticks(&UP).factor(), None);
}

#[test]
fn an_axis_that_runs_backwards_has_its_ticks_the_other_way_round() {
    let ticks = axis(100.0, 0.0, Quantity::Number).ticks(&UP);
    assert_eq!(ticks.major.first().map(|tick| (tick.share, tick.label.as_str())), Some((0.0, "100")));
}

#[test]
fn logarithms_have_ticks_at_powers_of_ten() {
    let ticks = axis(0.01, 1000.0, Quantity::Log).ticks(&UP);
    assert_eq!(labels(&ticks), ["0.01", "0.1", "1", "10", "100", "1000"].map(|t| t.to_owned()));
    assert!((ticks.major[1].share - 0.2).abs() < 1e-12);
    assert!(ticks.minor.len() > 20);

    let ticks = axis(1e-12, 1e6, Quantity::Log).ticks(&UP);
    assert!(labels(&ticks).contains(&"10⁻⁶"), "{ticks:?}");
    let ticks = axis(1.0, 20.0, Quantity::Log).ticks(&UP);
    assert_eq!(labels(&ticks), ["1", "2", "5", "10", "20"]);
}

#[test]
fn longitudes_and_latitudes_say_their_side() {
    let ticks = axis(-180.0, 180.0, Quantity::Longitude).ticks(&ACROSS);
    let found = labels(&ticks);
    assert!(found.starts_with(&["180°"]) && found.ends_with(&["180°"]), "{found:?}");
    assert!(found.contains(&"0°") && found.contains(&"90°W") && found.contains(&"90°E"), "{found:?}");

    let ticks = axis(-90.0, 90.0, Quantity::Latitude).ticks(&UP);
    assert_eq!(labels(&ticks), ["90°S", "60°S", "30°S", "0°", "30°N", "60°N", "90°N"]);

    let ticks = axis(170.0, 200.0, Quantity::Longitude).ticks(&ACROSS);
    assert_eq!(labels(&ticks), ["170°E", "175°E", "180°", "175°W", "170°W", "165°W", "160°W"]);
}

#[test]
fn small_maps_have_minutes_and_seconds_of_arc() {
    let ticks = axis(8.9, 10.1, Quantity::Longitude).ticks(&ACROSS);
    assert!(labels(&ticks).contains(&"9°30′E"), "{ticks:?}");
    let ticks = axis(8.9, 8.902, Quantity::Longitude).ticks(&ACROSS);
    assert!(labels(&ticks).iter().any(|label| label.ends_with("″E")), "{ticks:?}");
    let ticks = axis(8.9, 8.900_01, Quantity::Latitude).ticks(&UP);
    assert!(!ticks.major.is_empty());
}

#[test]
fn a_year_has_months_above_its_number() {
    let ticks = axis(0.0, 366.0, days(Calendar::Standard)).ticks(&Ruler { length: 900.0, ..ACROSS });
    let found = labels(&ticks);
    assert!(found.starts_with(&["Jan", "Feb", "Mar"]), "{found:?}");
    assert_eq!(ticks.groups.iter().map(|group| group.label.as_str()).collect::<Vec<_>>(), ["2000"]);
    // 31 days of 366.
    assert!((ticks.major[1].share - 31.0 / 366.0).abs() < 1e-9);
}

#[test]
fn months_are_as_long_as_the_calendar_says() {
    for (calendar, march) in [
        (Calendar::Standard, 60.0),
        (Calendar::ProlepticGregorian, 60.0),
        (Calendar::Julian, 60.0),
        (Calendar::NoLeap, 59.0),
        (Calendar::AllLeap, 60.0),
        (Calendar::Day360, 60.0),
    ] {
        let ticks = axis(0.0, 100.0, days(calendar)).ticks(&Ruler { length: 300.0, ..ACROSS });
        let found = ticks.major.iter().find(|tick| tick.label == "Mar").map(|tick| tick.share * 100.0);
        assert!(found.is_some_and(|day| (day - march).abs() < 1e-9), "{calendar:?}: {ticks:?}");
    }
}

#[test]
fn centuries_days_and_hours_have_their_labels() {
    let ticks = axis(0.0, 365.25 * 250.0, days(Calendar::Standard)).ticks(&ACROSS);
    assert!(labels(&ticks).contains(&"2100"), "{ticks:?}");
    assert!(ticks.groups.is_empty());

    let ticks = axis(27.0, 36.0, days(Calendar::Standard)).ticks(&ACROSS);
    assert!(labels(&ticks).contains(&"31"), "{ticks:?}");
    assert_eq!(ticks.groups[1].label, "Feb 2000");

    let ticks = axis(0.2, 1.4, days(Calendar::Standard)).ticks(&ACROSS);
    assert!(labels(&ticks).contains(&"12:00"), "{ticks:?}");
    assert_eq!(ticks.groups[1].label, "2000-01-02");

    let ticks = axis(0.5, 0.500_01, days(Calendar::Standard)).ticks(&ACROSS);
    assert!(labels(&ticks)[0].starts_with("12:00:00"), "{ticks:?}");
}

#[test]
fn a_label_beside_a_vertical_axis_of_time_says_all() {
    let ticks = axis(0.0, 900.0, days(Calendar::Day360)).ticks(&UP);
    assert!(ticks.groups.is_empty());
    assert!(labels(&ticks).contains(&"2001-01"), "{ticks:?}");
    let ticks = axis(0.3, 0.7, days(Calendar::Day360)).ticks(&UP);
    assert!(labels(&ticks)[0].starts_with("2000-01-01 "), "{ticks:?}");
}

#[test]
fn one_time_is_written_in_full() {
    let ticks = axis(46.5, 46.5, days(Calendar::Standard)).ticks(&ACROSS);
    assert_eq!(labels(&ticks), ["2000-02-16 12:00:00"]);
}

#[test]
fn names_stand_in_the_middle_of_their_places() {
    let names = ["DJF", "MAM", "JJA", "SON"].map(String::from).to_vec();
    let ticks = axis(0.0, 4.0, Quantity::Names(names)).ticks(&ACROSS);
    assert_eq!(ticks.major.iter().map(|tick| tick.share).collect::<Vec<_>>(), [0.125, 0.375, 0.625, 0.875]);
}

#[test]
fn numbers_alone_are_short() {
    let table = [
        (0.0, "0"),
        (0.25, "0.25"),
        (-3.0, "−3"),
        (1.0 / 3.0, "0.333333"),
        (1e-7, "10⁻⁷"),
        (2.5e8, "2.5×10⁸"),
        (101_325.0, "101325"),
    ];
    for (value, text) in table {
        assert_eq!(rounded(value), text);
    }
}

fn quantities() -> impl Strategy<Value = Quantity> {
    prop_oneof![
        Just(Quantity::Number),
        Just(Quantity::Log),
        Just(Quantity::Longitude),
        Just(Quantity::Latitude),
        Just(days(Calendar::Standard)),
        Just(days(Calendar::Day360)),
        Just(days(Calendar::NoLeap)),
        prop::collection::vec(".{0,30}", 0..60).prop_map(Quantity::Names),
    ]
}

fn any_value() -> impl Strategy<Value = f64> {
    prop_oneof![
        -400.0..400.0_f64,
        (-300.0..300.0_f64).prop_map(|power| 10_f64.powf(power)),
        any::<f64>(),
        (0..40).prop_map(f64::from),
    ]
}

proptest! {
    #[test]
    fn ticks_lie_on_their_axis_and_labels_never_touch(
        quantity in quantities(),
        first in any_value(),
        last in any_value(),
        length in 1.0..4000.0_f32,
        size in 4.0..60.0_f32,
        is_upright in any::<bool>(),
    ) {
        let direction = if is_upright { Direction::Vertical } else { Direction::Horizontal };
        let ruler = Ruler { length, size, direction };
        let ticks = axis(first, last, quantity).ticks(&ruler);
        prop_assert!(ticks.major.iter().all(|tick| (-1e-6..=1.000_001).contains(&tick.share)));
        prop_assert!(ticks.minor.iter().all(|share| (-1e-6..=1.000_001).contains(share)));
        prop_assert!(ruler.holds(&ticks.major), "{ticks:?}");
        prop_assert!(ticks.major.len() <= 100);
        prop_assert!(ticks.minor.len() <= 2000);
    }

    #[test]
    fn labels_of_numbers_are_their_values(low in -1e5..1e5_f64, span in 1e-3..1e6_f64) {
        let axis = axis(low, low + span, Quantity::Number);
        let ticks = axis.ticks(&ACROSS);
        prop_assert!(!ticks.major.is_empty());
        for tick in &ticks.major {
            let value: f64 = tick.label.replace('−', "-").parse().unwrap();
            let value = value * 10_f64.powi(ticks.exponent.unwrap_or(0));
            prop_assert!((axis.share(value) - tick.share).abs() < 1e-6, "{tick:?}");
        }
    }
}
