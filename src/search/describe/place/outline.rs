//! The outline of a grid with few points.

use geo::{Area, Coord, LineString, Polygon, Simplify, Validation};

/// Most points of an outline, the closing one included.
const MAX_POINTS: usize = 100;

/// Most points of a border that are looked at: of more, some are passed over evenly. Making a line simpler goes as deep
/// as it has points.
const MAX_BORDER: usize = 1024;

/// Most times that an outline is made coarser.
const MAX_STEPS: u32 = 40;

/// A closed ring, counter-clockwise, along a border; `None` without one, or if it crosses itself.
pub(super) fn of_border(border: &[[f64; 2]]) -> Option<Vec<[f64; 2]>> {
    let first = border.first()?;
    let stride = border.len().div_ceil(MAX_BORDER).max(1);
    let closed = border.iter().step_by(stride).chain([first]).map(|[x, y]| Coord { x: *x, y: *y });
    let whole = LineString::from_iter(closed);
    let mut tolerance = 1e-6;
    let mut ring = whole.simplify(tolerance);
    for _ in 0..MAX_STEPS {
        if ring.0.len() <= MAX_POINTS {
            break;
        }
        tolerance *= 2.0;
        ring = whole.simplify(tolerance);
    }
    let polygon = Polygon::new(ring, Vec::new());
    let is_ring = (4..=MAX_POINTS).contains(&polygon.exterior().0.len()) && polygon.is_valid();
    if !is_ring || polygon.unsigned_area() == 0.0 {
        return None;
    }
    let mut points: Vec<[f64; 2]> =
        polygon.exterior().coords().map(|point| [rounded(point.x), rounded(point.y)]).collect();
    if polygon.signed_area() < 0.0 {
        points.reverse();
    }
    Some(points)
}

fn rounded(degrees: f64) -> f64 {
    (degrees * 1e6).round() / 1e6 + 0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outline_is_closed_counter_clockwise_and_short() {
        let circle: Vec<[f64; 2]> = (0..1000)
            .map(|step| (-f64::from(step) / 1000.0 * std::f64::consts::TAU).sin_cos())
            .map(|(sine, cosine)| [10.0 * cosine, 10.0 * sine])
            .collect();
        let ring = of_border(&circle).unwrap();
        assert!(ring.len() <= MAX_POINTS && ring.first() == ring.last());
        let area: f64 = ring.windows(2).map(|pair| pair[0][0] * pair[1][1] - pair[1][0] * pair[0][1]).sum();
        assert!(area / 2.0 > 300.0);
    }

    #[test]
    fn a_long_border_to_and_fro_is_no_deep_recursion() {
        let zigzag =
            (0..2_000_000).map(|step| [f64::from(step) * 1e-5, f64::from(step % 2) * f64::from(step) * 1e-6]);
        assert_eq!(of_border(&zigzag.collect::<Vec<_>>()), None);
    }

    #[test]
    fn what_is_no_area_has_no_outline() {
        assert_eq!(of_border(&[]), None);
        assert_eq!(of_border(&[[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]]), None);
        assert_eq!(of_border(&[[0.0, 0.0], [10.0, 10.0], [10.0, 0.0], [0.0, 10.0]]), None);
    }
}
