//! Latitudes and longitudes along dimensions of their own.

use super::circle::{Arc, of_points, turn, unwrapped};
use super::corners::Corners;

/// How far latitudes may be beyond the poles, in degrees: numbers beyond are none.
const BEYOND_POLE: f64 = 1e-3;

/// True for a number that can be a latitude.
pub(super) fn is_latitude(degrees: f64) -> bool {
    degrees.abs() <= 90.0 + BEYOND_POLE
}

/// True for a number that can be a longitude.
pub(super) fn is_longitude(degrees: f64) -> bool {
    degrees.abs() <= 1080.0
}

/// South and north of an axis of latitudes: its bounds, or half a spacing beyond its ends.
pub(super) fn latitudes(mut values: Vec<f64>, bounds: Option<&Corners>) -> Option<(f64, f64)> {
    let clamped = |(south, north): (f64, f64)| (south.clamp(-90.0, 90.0), north.clamp(-90.0, 90.0));
    if let Some(range) = bounds.and_then(Corners::range_of_latitudes) {
        return Some(clamped(range));
    }
    values.retain(|value| is_latitude(*value));
    values.sort_unstable_by(f64::total_cmp);
    values.dedup();
    edges(&values).map(clamped)
}

/// The part of the circle of an axis of longitudes: its bounds, or half a spacing beyond its ends.
pub(super) fn longitudes(values: Vec<f64>, bounds: Option<&Corners>) -> Option<Arc> {
    let n = values.len();
    let bounds = bounds.filter(|bounds| bounds.n_cells() == n);
    let is_there: Vec<bool> = values.iter().map(|value| is_longitude(*value)).collect();
    let kept: Vec<f64> = values.into_iter().filter(|value| is_longitude(*value)).collect();
    let Some(line) = line(&kept) else { return of_points(extended(kept), 0.0) };
    let least = line.windows(2).filter_map(|pair| Some((pair.get(1)? - pair.first()?).abs()));
    let cell = least.fold(f64::INFINITY, f64::min);
    let cell = if cell.is_finite() { cell } else { 0.0 };
    let cells = bounds.map(|bounds| {
        let present =
            bounds.cells().zip(is_there).filter(|(_, is_there)| *is_there).map(|(corners, _)| corners);
        around(&line, &kept, present)
    });
    let (west, east) = cells.flatten().or_else(|| edges(&line).map(|(a, b)| (a.min(b), a.max(b))))?;
    Some(if east - west >= 360.0 - cell / 2.0 { Arc::Circle } else { Arc::between(west, east) })
}

/// Longitudes as a line that rises or falls; across the antimeridian from 179 to -179 that is on to 181.
fn line(kept: &[f64]) -> Option<Vec<f64>> {
    let is_far = |pair: &[f64]| matches!(pair, [from, to] if (to - from).abs() > 180.0);
    let is_straight = is_monotonic(kept);
    if is_straight && !kept.windows(2).any(is_far) {
        return Some(kept.to_vec());
    }
    let unwrapped = unwrapped(kept);
    if is_monotonic(&unwrapped) { Some(unwrapped) } else { is_straight.then(|| kept.to_vec()) }
}

/// The ends of all cells around a line of longitudes; `None` if one has no corners.
fn around<'c>(line: &[f64], stored: &[f64], cells: impl Iterator<Item = &'c [f64]>) -> Option<(f64, f64)> {
    let (mut west, mut east) = (f64::INFINITY, f64::NEG_INFINITY);
    for ((at, centre), corners) in line.iter().zip(stored).zip(cells) {
        let corners = || corners.iter().copied().filter(|corner| is_longitude(*corner));
        let (least, most) =
            corners().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), c| (a.min(c), b.max(c)));
        if least > most {
            return None;
        }
        // Corners on both sides of their centre are what they are; others were counted in another turn.
        let is_around = least <= centre + 1e-6 && most >= centre - 1e-6 && most - least <= 360.0 + 1e-6;
        for corner in corners() {
            let offset = if is_around { corner - centre } else { turn(*centre, corner) };
            (west, east) = (west.min(at + offset), east.max(at + offset));
        }
    }
    (west <= east).then_some((west, east))
}

/// Half the first and the last spacing beyond the ends of a line that rises or falls.
fn edges(line: &[f64]) -> Option<(f64, f64)> {
    let (first, last) = (*line.first()?, *line.last()?);
    let half = |a: Option<&f64>, b: Option<&f64>| a.zip(b).map_or(0.0, |(a, b)| (b - a) / 2.0);
    let n = line.len();
    let before = half(line.first(), line.get(1));
    let after = half(n.checked_sub(2).and_then(|at| line.get(at)), line.last());
    Some((first - before, last + after))
}

/// Longitudes in no order, with the ends of the cells of the westernmost and easternmost.
fn extended(mut values: Vec<f64>) -> Vec<f64> {
    let Some(Arc::Part { west, width }) = of_points(values.clone(), 0.0) else { return values };
    let mut line: Vec<f64> = values.iter().map(|value| (value - west).rem_euclid(360.0)).collect();
    line.iter_mut().filter(|value| **value > width + 1e-6).for_each(|value| *value = 0.0);
    line.sort_unstable_by(f64::total_cmp);
    line.dedup_by(|a, b| (*a - *b).abs() < 1e-9);
    if let Some((first, last)) = edges(&line) {
        values.extend([west + first, west + last]);
    }
    values
}

fn is_monotonic(line: &[f64]) -> bool {
    let mut steps = line.windows(2).filter_map(|pair| pair.first()?.partial_cmp(pair.get(1)?));
    match steps.next() {
        None => true,
        Some(first) => first.is_ne() && steps.all(|step| step == first),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evenly(first: f64, step: f64, n: u32) -> Vec<f64> {
        (0..n).map(|i| first + step * f64::from(i)).collect()
    }

    fn part(values: Vec<f64>) -> (f64, f64) {
        match longitudes(values, None) {
            Some(Arc::Part { west, width }) => (west, width),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_reference_cases_of_the_contract() {
        assert_eq!(longitudes(evenly(0.0, 2.5, 144), None), Some(Arc::Circle));
        let wrapped: Vec<f64> = evenly(350.0, 1.0, 10).into_iter().chain(evenly(0.0, 1.0, 11)).collect();
        assert_eq!(part(wrapped), (-10.5, 21.0));
        assert_eq!(part(evenly(170.0, 1.0, 21)), (169.5, 21.0));
        assert_eq!(latitudes(evenly(90.0, -2.5, 73), None), Some((-90.0, 90.0)));
    }

    #[test]
    fn axes_that_fall_or_are_short_have_edges_too() {
        assert_eq!(part(evenly(30.0, -10.0, 3)), (5.0, 30.0));
        assert_eq!(part(vec![7.0]), (7.0, 0.0));
        assert_eq!(part(vec![10.0, 20.0]), (5.0, 20.0));
        assert_eq!(part(vec![20.0, 0.0, 10.0]), (-5.0, 30.0));
        assert_eq!(part(vec![179.0, -179.0]), (178.0, 4.0));
        assert_eq!(part(vec![-179.0, 179.0]), (178.0, 4.0));
        assert_eq!(longitudes(vec![-180.0, 180.0], None), Some(Arc::Circle));
        assert_eq!(latitudes(vec![10.0, f64::NAN, 20.0, 1e20], None), Some((5.0, 25.0)));
        assert_eq!(latitudes(vec![f64::NAN], None), None);
        assert_eq!(longitudes(vec![f64::NAN], None), None);
    }

    #[test]
    fn a_circle_that_lacks_less_than_half_a_cell_is_one() {
        assert_eq!(longitudes(evenly(0.0, 1.0, 360), None), Some(Arc::Circle));
        assert_eq!(part(evenly(0.0, 1.0, 359)).1, 359.0);
    }

    #[test]
    fn bounds_go_before_spacings() {
        let bounds = |values: &[f64]| Corners::new(values.to_vec(), 2);
        let arc = |values: &[f64], corners: &[f64]| longitudes(values.to_vec(), bounds(corners).as_ref());
        assert_eq!(
            arc(&[10.5, 30.0], &[10.0, 11.0, 11.0, 50.0]),
            Some(Arc::Part { west: 10.0, width: 40.0 })
        );
        // Counted in another turn than the centres.
        assert_eq!(arc(&[-5.0, 5.0], &[350.0, 0.0, 0.0, 10.0]), Some(Arc::Part { west: -10.0, width: 20.0 }));
        assert_eq!(arc(&[0.0], &[0.0, 360.0]), Some(Arc::Circle));
        assert_eq!(arc(&[180.0], &[0.0, 360.0]), Some(Arc::Circle));
        assert_eq!(arc(&[5.0], &[0.0, 300.0]), Some(Arc::Part { west: 0.0, width: 300.0 }));
        assert_eq!(latitudes(vec![0.0], bounds(&[-91.0, 5.0]).as_ref()), Some((5.0, 5.0)));
        assert_eq!(latitudes(vec![0.0], bounds(&[-90.0, 5.0]).as_ref()), Some((-90.0, 5.0)));
    }
}
