//! Longitudes on the circle.

/// Fewest different longitudes whose gaps say whether they go around: two have a median gap of half the circle.
const FEWEST_AROUND: usize = 9;

/// Longitudes nearer than this are one, in degrees.
const SAME: f64 = 1e-9;

/// Gaps that differ by less are of one size, in degrees.
const EQUAL: f64 = 1e-7;

/// A part of the circle of longitudes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Arc {
    /// All of it.
    Circle,
    /// From a longitude to the east: `west` in [−180, 180), `width` in [0, 360).
    Part {
        /// Degrees.
        west: f64,
        /// Degrees.
        width: f64,
    },
}

impl Arc {
    /// From west to east along an unbroken line of longitudes.
    pub(super) fn between(west: f64, east: f64) -> Self {
        if east - west >= 360.0 - SAME {
            return Self::Circle;
        }
        Self::Part { west: normal(west), width: east - west }
    }
}

/// A longitude in [−180, 180).
pub(super) fn normal(longitude: f64) -> f64 {
    let normal = (longitude + 180.0).rem_euclid(360.0) - 180.0;
    // Adding and taking away 180 costs digits that longitudes within need not lose.
    if (-180.0..180.0).contains(&longitude) { longitude } else { normal }
}

/// The way from one longitude to another the short way around, in [−180, 180).
pub(super) fn turn(from: f64, to: f64) -> f64 {
    normal(to - from)
}

/// The same line of longitudes without jumps: each goes on from the one before the short way around.
pub(super) fn unwrapped(longitudes: &[f64]) -> Vec<f64> {
    let mut at: Option<f64> = None;
    let step = |longitude: &f64| {
        let next = at.map_or(*longitude, |at| at + turn(at, *longitude));
        at = Some(next);
        next
    };
    longitudes.iter().map(step).collect()
}

/// The part of the circle that points lie on: all but the largest gap between them. Around the whole earth if that gap
/// is no larger than twice the median one, or than `cell`.
///
/// `longitudes` are not NaN; `None` without any.
pub(super) fn of_points(mut longitudes: Vec<f64>, cell: f64) -> Option<Arc> {
    longitudes.iter_mut().for_each(|longitude| *longitude = normal(*longitude));
    longitudes.sort_unstable_by(f64::total_cmp);
    longitudes.dedup_by(|a, b| (*a - *b).abs() < SAME);
    let (first, last) = (*longitudes.first()?, *longitudes.last()?);
    if longitudes.len() == 1 {
        return Some(Arc::Part { west: first, width: 0.0 });
    }
    let (mut west, mut largest) = (first, first + 360.0 - last);
    for pair in longitudes.windows(2) {
        let &[before, after] = pair else { continue };
        // Of gaps of one size that across the antimeridian is taken: the box does not cross it then.
        if after - before > largest + EQUAL {
            (west, largest) = (after, after - before);
        }
    }
    if longitudes.len() >= FEWEST_AROUND && (largest <= cell || largest <= 2.0 * median_gap(longitudes)) {
        return Some(Arc::Circle);
    }
    Some(Arc::Part { west, width: 360.0 - largest })
}

/// The median of the gaps between sorted longitudes, that across the antimeridian included; 0 without any.
fn median_gap(mut sorted: Vec<f64>) -> f64 {
    let (Some(first), n) = (sorted.first().copied(), sorted.len()) else { return 0.0 };
    let mut next = first + 360.0;
    for longitude in sorted.iter_mut().rev() {
        (*longitude, next) = (next - *longitude, *longitude);
    }
    median(&mut sorted, n / 2)
        .zip(median(&mut sorted, n.saturating_sub(1) / 2))
        .map_or(0.0, |(a, b)| (a + b) / 2.0)
}

/// The number at a position in order; numbers change their places.
pub(super) fn median(numbers: &mut [f64], position: usize) -> Option<f64> {
    if position >= numbers.len() {
        return None;
    }
    let (_, middle, _) = numbers.select_nth_unstable_by(position, f64::total_cmp);
    Some(*middle)
}

/// The part of the circle that arcs cover together: all but the largest gap that none covers. Around the whole earth if
/// that gap is no larger than half the median width of an arc.
///
/// Arcs are a beginning and a width; `None` without any.
pub(super) fn of_arcs(arcs: impl IntoIterator<Item = (f64, f64)>) -> Option<Arc> {
    let mut all = Arcs::default();
    arcs.into_iter().for_each(|arc| all.push(arc));
    all.around()
}

/// Most arcs that are kept one by one, and most widths of arcs from which the median is taken.
const MAX_ARCS: usize = 1 << 16;

/// Arcs of any number in little memory: those that touch become one.
#[derive(Debug, Default)]
pub(super) struct Arcs {
    /// Beginnings in [−180, 180) and widths.
    arcs: Vec<(f64, f64)>,
    /// How many arcs were left when those that touch became one.
    n_apart: usize,
    /// Widths of arcs at even distances in the order in which they came.
    widths: Vec<f64>,
    /// The distance of those, less one.
    n_between: u64,
    n: u64,
}

impl Arcs {
    /// One more: its beginning and width.
    pub(super) fn push(&mut self, (start, width): (f64, f64)) {
        if self.n.is_multiple_of(self.n_between + 1) {
            self.widths.push(width);
        }
        if self.widths.len() >= MAX_ARCS {
            let mut is_kept = false;
            self.widths.retain(|_| {
                is_kept = !is_kept;
                is_kept
            });
            self.n_between = 2 * self.n_between + 1;
        }
        self.n += 1;
        self.arcs.push((normal(start), width));
        if self.arcs.len() >= MAX_ARCS.max(2 * self.n_apart) {
            self.join();
            self.n_apart = self.arcs.len();
        }
    }

    /// Sorts arcs, and makes one of those that touch.
    fn join(&mut self) {
        self.arcs.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        self.arcs.dedup_by(|(start, width), (kept_start, kept_width)| {
            let is_touching = *start <= *kept_start + *kept_width + SAME;
            if is_touching {
                *kept_width = kept_width.max(*start + *width - *kept_start);
            }
            is_touching
        });
    }

    /// What they cover together.
    pub(super) fn around(mut self) -> Option<Arc> {
        self.join();
        let ends = self.arcs.iter().map(|(start, width)| start + width - 360.0);
        let mut reach = ends.fold(f64::NEG_INFINITY, f64::max);
        let mut west = self.arcs.first()?.0;
        let mut largest = 0.0;
        for (start, width) in &self.arcs {
            if start - reach > largest {
                (west, largest) = (*start, start - reach);
            }
            reach = reach.max(start + width);
        }
        let middle = self.widths.len() / 2;
        let cell = if self.n > 1 { median(&mut self.widths, middle).unwrap_or(0.0) } else { 0.0 };
        let is_whole = largest <= SAME.max(cell / 2.0);
        Some(if is_whole { Arc::Circle } else { Arc::Part { west, width: 360.0 - largest } })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn part(arc: Option<Arc>) -> (f64, f64) {
        match arc {
            Some(Arc::Part { west, width }) => (west, width),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn points_lie_on_all_but_the_largest_gap() {
        assert_eq!(part(of_points(vec![170.0, 190.0, 180.0], 0.0)), (170.0, 20.0));
        assert_eq!(part(of_points(vec![350.0, 10.0], 0.0)), (-10.0, 20.0));
        assert_eq!(part(of_points(vec![10.0, 20.0], 0.0)), (10.0, 10.0));
        assert_eq!(part(of_points(vec![5.0], 0.0)), (5.0, 0.0));
        assert_eq!(of_points(Vec::new(), 0.0), None);
    }

    #[test]
    fn points_at_even_distances_go_around() {
        let around = |n: u32| (0..n).map(|i| f64::from(i) * 360.0 / f64::from(n)).collect::<Vec<_>>();
        assert_eq!(of_points(around(9), 0.0), Some(Arc::Circle));
        assert!(matches!(of_points(around(8), 0.0), Some(Arc::Part { .. })));
        let mut gap = around(36);
        gap.remove(4);
        assert_eq!(of_points(gap.clone(), 0.0), Some(Arc::Circle));
        gap.remove(4);
        assert_eq!(part(of_points(gap, 0.0)).1, 330.0);
    }

    #[test]
    fn arcs_cover_the_circle_without_their_largest_gap() {
        assert_eq!(part(of_arcs(vec![(10.0, 1.0), (11.0, 39.0)])), (10.0, 40.0));
        assert_eq!(part(of_arcs(vec![(179.0, 2.0), (-170.0, 1.0)])), (179.0, 12.0));
        assert_eq!(of_arcs(vec![(0.0, 180.0), (180.0, 180.0)]), Some(Arc::Circle));
        assert_eq!(of_arcs(vec![(0.0, 360.0)]), Some(Arc::Circle));
        assert_eq!(part(of_arcs(vec![(0.0, 300.0)])), (0.0, 300.0));
    }

    #[test]
    fn many_arcs_cover_what_few_would() {
        let n = 3 * MAX_ARCS as u32;
        let arcs = (0..n).map(|i| (f64::from(i * 7 % n) / f64::from(n) * 200.0, 200.0 / f64::from(n)));
        let (west, width) = part(of_arcs(arcs));
        assert!(west.abs() < 1e-6 && (width - 200.0).abs() < 1e-3, "{west} {width}");
    }

    proptest! {
        #[test]
        fn what_is_found_holds_every_point_and_nothing_beyond_the_largest_gap(
            longitudes in prop::collection::vec(-720.0..720.0_f64, 1..40),
        ) {
            let Some(arc) = of_points(longitudes.clone(), 0.0) else { panic!("no arc") };
            let mut sorted: Vec<f64> = longitudes.iter().map(|longitude| normal(*longitude)).collect();
            sorted.sort_by(f64::total_cmp);
            let gaps = sorted.windows(2).map(|pair| pair[1] - pair[0]);
            let largest = gaps.fold(sorted[0] + 360.0 - sorted[sorted.len() - 1], f64::max);
            match arc {
                Arc::Circle => prop_assert!(sorted.len() >= FEWEST_AROUND),
                Arc::Part { west, width } => {
                    prop_assert!((width - (360.0 - largest)).abs() < 1e-6);
                    for longitude in longitudes {
                        let offset = (longitude - west).rem_euclid(360.0);
                        prop_assert!(offset <= width + 1e-6 || offset >= 360.0 - 1e-6, "{longitude} {west} {width}");
                    }
                }
            }
        }

        #[test]
        fn arcs_are_covered_and_the_gap_is_not(
            arcs in prop::collection::vec((-720.0..720.0_f64, 0.0..90.0_f64), 1..20),
        ) {
            if let Some(Arc::Part { west, width }) = of_arcs(arcs.clone()) {
                for (start, length) in arcs {
                    let offset = (start - west).rem_euclid(360.0);
                    let offset = if offset > 360.0 - 1e-6 { 0.0 } else { offset };
                    prop_assert!(offset + length <= width + 1e-6, "{start} {length} in {west} {width}");
                }
            }
        }
    }
}
