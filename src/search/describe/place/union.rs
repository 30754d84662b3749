//! The box around several boxes.

use super::circle::normal;

/// Gaps nearer to one another than this are of one size, in degrees.
const SAME: f64 = 1e-6;

/// The box around several: west, south, east and north in degrees, across the antimeridian where west is beyond east.
///
/// Without any box across the antimeridian it is the usual one. Else it leaves out the largest gap of longitudes; if two
/// are as large, or there is none, it goes around the earth. `None` without boxes.
///
/// ```
/// # use thermocline_search::union_of_boxes;
/// let crossing = [170.0, -10.0, -170.0, 10.0];
/// assert_eq!(union_of_boxes(&[crossing, [160.0, 0.0, 165.0, 20.0]]), Some([160.0, -10.0, -170.0, 20.0]));
/// assert_eq!(union_of_boxes(&[]), None);
/// ```
pub fn union_of_boxes(boxes: &[[f64; 4]]) -> Option<[f64; 4]> {
    let least = |at: usize| boxes.iter().filter_map(|edges| edges.get(at)).copied().reduce(f64::min);
    let most = |at: usize| boxes.iter().filter_map(|edges| edges.get(at)).copied().reduce(f64::max);
    let (south, north) = (least(1)?, most(3)?);
    if boxes.iter().all(|[west, _, east, _]| west <= east) {
        return Some([least(0)?, south, most(2)?, north]);
    }
    let (west, east) = match boxes {
        [[west, _, east, _]] => (*west, *east),
        _ => around(boxes)?,
    };
    Some([west, south, east, north])
}

/// West and east of all but the largest gap.
fn around(boxes: &[[f64; 4]]) -> Option<(f64, f64)> {
    let width = |west: f64, east: f64| if west <= east { east - west } else { east + 360.0 - west };
    let mut arcs: Vec<(f64, f64)> =
        boxes.iter().map(|[west, _, east, _]| (*west, width(*west, *east))).collect();
    arcs.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut reach = arcs.iter().map(|(west, width)| west + width - 360.0).reduce(f64::max)?;
    let (mut largest, mut second, mut found) = (0.0, 0.0, None);
    for (west, width) in arcs {
        let gap = west - reach;
        if gap > largest {
            (second, largest, found) = (largest, gap, Some((west, reach)));
        } else if gap > second {
            second = gap;
        }
        reach = reach.max(west + width);
    }
    let (west, east) = found.filter(|_| largest - second > SAME).unwrap_or((-180.0, 180.0));
    let east = if east < -180.0 { normal(east) } else { east };
    Some((west, east))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_on_one_side_have_the_usual_hull() {
        let boxes = [[10.0, 0.0, 20.0, 5.0], [-30.0, -5.0, -20.0, 1.0]];
        assert_eq!(union_of_boxes(&boxes), Some([-30.0, -5.0, 20.0, 5.0]));
    }

    #[test]
    fn boxes_across_the_antimeridian_leave_the_largest_gap_out() {
        let crossing = [170.0, 0.0, -170.0, 1.0];
        assert_eq!(union_of_boxes(&[crossing]), Some(crossing));
        assert_eq!(union_of_boxes(&[crossing, [-175.0, 0.0, -100.0, 1.0]]), Some([170.0, 0.0, -100.0, 1.0]));
        assert_eq!(union_of_boxes(&[crossing, [-10.0, 0.0, 10.0, 1.0]]), Some([-180.0, 0.0, 180.0, 1.0]));
        assert_eq!(union_of_boxes(&[crossing, [-180.0, 0.0, 180.0, 1.0]]), Some([-180.0, 0.0, 180.0, 1.0]));
        assert_eq!(union_of_boxes(&[crossing, [100.0, 0.0, 110.0, 1.0]]), Some([100.0, 0.0, -170.0, 1.0]));
    }
}
