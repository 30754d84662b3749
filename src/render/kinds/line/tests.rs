use proptest::prelude::*;

use super::*;
use crate::ticks::Quantity;

fn axis(first: f64, last: f64) -> Axis {
    Axis { first, last, quantity: Quantity::Number, label: None }
}

fn style(shape: LineShape) -> LineStyle {
    LineStyle { shape, width: 1.5, marker: None, scale: 1.0 }
}

fn strokes(marks: &[Mark]) -> Vec<Vec<[f32; 2]>> {
    marks
        .iter()
        .filter_map(|mark| match mark {
            Mark::Line { points, .. } => Some(points.clone()),
            _ => None,
        })
        .collect()
}

#[test]
fn the_first_coordinate_is_at_the_left_and_vmin_at_the_bottom() {
    let coordinates = [10.0, 20.0, 30.0];
    let series = [Series::new(0, "a".into(), &coordinates, vec![0.0, 5.0, 10.0])];
    let (first, last) = coordinate_range(&series);
    let (low, high) = value_range(&series, (None, None), Frame::None);

    let marks = lines(&series, (&axis(first, last), &axis(low, high)), (200, 100), &style(LineShape::Line));

    assert_eq!(strokes(&marks), vec![vec![[0.0, 100.0], [100.0, 50.0], [200.0, 0.0]]]);
}

#[test]
fn missing_values_break_the_line_and_lone_ones_are_dots() {
    let coordinates = [0.0, 1.0, 2.0, 3.0, 4.0];
    let series = [Series::new(0, "a".into(), &coordinates, vec![1.0, 2.0, f64::NAN, 3.0, f64::INFINITY])];

    let marks = lines(&series, (&axis(0.0, 4.0), &axis(0.0, 4.0)), (40, 40), &style(LineShape::Line));

    assert_eq!(strokes(&marks), vec![vec![[0.0, 30.0], [10.0, 20.0]]]);
    let alone = vec![([30.0, 10.0], palette::color(0))];
    assert!(matches!(&marks[1], Mark::Discs { discs, .. } if *discs == alone));
}

#[test]
fn of_ten_million_points_no_extreme_is_lost() {
    let n = 10_000_000usize;
    let coordinates: Vec<f64> = (0..n).map(|i| i as f64).collect();
    let mut values: Vec<f64> = coordinates.iter().map(|x| (x * 1e-5).sin() * 0.5).collect();
    values[1_234_567] = 1.0;
    values[7_654_321] = -1.0;
    let series = [Series::new(0, "a".into(), &coordinates, values)];

    let axes = (&axis(0.0, n as f64 - 1.0), &axis(-1.0, 1.0));
    let marks = lines(&series, axes, (800, 200), &style(LineShape::Line));

    let points = strokes(&marks).concat();
    assert!(points.len() <= 4 * 801);
    assert!(points.iter().any(|[x, y]| *y == 0.0 && (x - 98.77).abs() < 0.01));
    assert!(points.iter().any(|[x, y]| *y == 200.0 && (x - 612.35).abs() < 0.01));
}

#[test]
fn steps_change_midway() {
    assert_eq!(
        steps(&[(0.0, 1.0), (10.0, 2.0), (20.0, 0.0)]),
        vec![(0.0, 1.0), (5.0, 1.0), (5.0, 2.0), (15.0, 2.0), (15.0, 0.0), (20.0, 0.0)]
    );
}

#[test]
fn parts_far_beyond_the_panel_keep_the_slope_of_what_is_seen() {
    let points = clamped(&[(0.0, 0.0), (100.0, 1e6)], (100.0, 100.0));

    assert_eq!(points[1][1], 164.0);
    assert!((points[1][0] - 0.0164).abs() < 1e-6);
    assert_eq!(points[2], [100.0, 164.0]);
}

#[test]
fn areas_end_at_zero() {
    let coordinates = [0.0, 1.0];
    let series = [Series::new(0, "a".into(), &coordinates, vec![1.0, -1.0])];

    let marks = lines(&series, (&axis(0.0, 1.0), &axis(-2.0, 2.0)), (10, 40), &style(LineShape::Area));

    let ring = vec![[0.0, 10.0], [10.0, 30.0], [10.0, 20.0], [0.0, 20.0]];
    assert!(matches!(&marks[0], Mark::Area { rings, .. } if *rings == vec![ring]));
}

#[test]
fn free_axes_have_room_and_given_ends_are_kept() {
    let coordinates = [0.0, 1.0];
    let series = [Series::new(0, "a".into(), &coordinates, vec![0.0, 10.0])];

    assert_eq!(value_range(&series, (None, None), Frame::Full), (-0.5, 10.5));
    assert_eq!(value_range(&series, (Some(-3.0), None), Frame::Full), (-3.0, 10.5));
    assert_eq!(value_range(&series, (Some(2.0), Some(3.0)), Frame::Full), (2.0, 3.0));
    assert_eq!(value_range(&[], (None, None), Frame::Full), (-0.05, 1.05));
}

proptest! {
    #[test]
    fn any_numbers_are_drawn_without_panics(values: Vec<f64>, coordinates: Vec<f64>, width in 0u32..300, height in 0u32..300) {
        for shape in [LineShape::Line, LineShape::Step, LineShape::Area] {
            let series = [Series::new(9, String::new(), &coordinates, values.clone())];
            let (first, last) = coordinate_range(&series);
            let (low, high) = value_range(&series, (None, None), Frame::Full);
            let style = LineStyle { marker: Some(3.0), ..style(shape) };
            for mark in lines(&series, (&axis(first, last), &axis(low, high)), (width, height), &style) {
                if let Mark::Line { points, .. } = mark {
                    prop_assert!(points.iter().flatten().all(|number| number.is_finite()));
                }
            }
        }
    }
}
