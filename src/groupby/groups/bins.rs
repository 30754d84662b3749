//! Groups that are intervals of a coordinate's numbers, all of them listed.
//!
//! # Source
//! pandas' `cut`. Edges that are counted begin at the smallest label and end at the largest, and both belong to a bin; pandas
//! moves the open edge by a thousandth instead.

use std::cmp::Ordering;

use thermocline_core::select::Labels;
use thermocline_model::Attributes;

use super::coordinate::Along;
use super::{Coded, GroupLabels, NO_GROUP, check_listed};
use crate::{Bins, Closed, Failure};

/// Groups the numbers of a coordinate by intervals. Numbers outside of all belong to no group.
pub(super) fn intervals(along: &Along<'_>, bins: &Bins, closed: Closed) -> Result<Coded, Failure> {
    let values = Values::of(along)?;
    let (edges, has_both_ends) = match bins {
        Bins::Edges(edges) => (edges.clone(), false),
        Bins::Count(n) => (counted(along, &values, *n)?, true),
    };
    if edges.len() < 2 || edges.iter().any(|edge| edge.is_nan()) || !edges.is_sorted_by(|a, b| a < b) {
        return Err(Failure::mistake("option 'bins': edges must increase, and be at least two"));
    }
    check_listed("option 'bins'", edges.len() as u64 - 1, "bins")?;
    let is_right_closed = closed == Closed::Right;
    let code = |at: usize| {
        if !along.chosen.get(at).copied().unwrap_or(false) {
            return NO_GROUP;
        }
        bin(&edges, is_right_closed, has_both_ends, |edge| values.compare(at, edge)).unwrap_or(NO_GROUP)
    };
    let codes = (0..along.labels.len()).map(code).collect();
    let labels = GroupLabels::Intervals { edges, is_right_closed };
    Ok(Coded { codes, labels, attrs: Attributes::new() })
}

/// The bin of a label that `compare` puts before, at or after an edge; it has no answer for NaN.
fn bin(
    edges: &[f64],
    is_right_closed: bool,
    has_both_ends: bool,
    compare: impl Fn(f64) -> Option<Ordering>,
) -> Option<u32> {
    let (first, last) = (*edges.first()?, *edges.last()?);
    let (to_first, to_last) = (compare(first)?, compare(last)?);
    let n_bins = edges.len() - 1;
    if has_both_ends && to_first == Ordering::Equal {
        return Some(0);
    }
    if has_both_ends && to_last == Ordering::Equal {
        return u32::try_from(n_bins - 1).ok();
    }
    // Edges that lie before the label, those at it too if the bin that begins there has it.
    let n_before = edges.partition_point(|edge| match compare(*edge) {
        Some(Ordering::Greater) => true,
        Some(Ordering::Equal) => !is_right_closed,
        _ => false,
    });
    n_before.checked_sub(1).filter(|bin| *bin < n_bins).and_then(|bin| u32::try_from(bin).ok())
}

/// Edges of `n` bins of one width over the selected labels.
fn counted(along: &Along<'_>, values: &Values<'_>, n: u32) -> Result<Vec<f64>, Failure> {
    check_listed("option 'bins'", u64::from(n), "bins")?;
    let chosen = along.chosen.iter().enumerate().filter(|(_, is)| **is);
    let numbers = chosen.map(|(at, _)| values.number(at)).filter(|number| !number.is_nan());
    let extent = numbers.fold(None, |extent: Option<(f64, f64)>, number| {
        Some(extent.map_or((number, number), |(lo, hi)| (lo.min(number), hi.max(number))))
    });
    let (mut lo, mut hi) = extent.ok_or_else(|| along.without_labels())?;
    if lo == hi {
        // One label has no width: pandas gives it a thousandth of it to both sides.
        let width = if lo == 0.0 { 0.001 } else { 0.001 * lo.abs() };
        (lo, hi) = (lo - width, hi + width);
    }
    let width = (hi - lo) / f64::from(n);
    let edges: Vec<f64> = (0..n).map(|i| lo + f64::from(i) * width).chain(std::iter::once(hi)).collect();
    if n == 0 || !width.is_finite() || !edges.is_sorted_by(|a, b| a < b) {
        return Err(Failure::mistake(format!(
            "option 'bins': the labels of coordinate '{}' from {lo} to {hi} cannot be cut into {n} bins",
            along.name
        )));
    }
    Ok(edges)
}

/// Labels that are numbers.
enum Values<'l> {
    Floats(&'l [f64]),
    Integers(&'l [i64], i128),
}

impl<'l> Values<'l> {
    fn of(along: &'l Along<'_>) -> Result<Self, Failure> {
        match &along.labels {
            Labels::Floats { values, .. } => Ok(Self::Floats(values)),
            Labels::Integers { values, above } if !along.is_boolean => Ok(Self::Integers(values, *above)),
            _ => Err(Failure::mistake(format!(
                "option 'bins' is for numbers, and coordinate '{}' has none",
                along.name
            ))),
        }
    }

    fn number(&self, at: usize) -> f64 {
        match self {
            Self::Floats(values) => values.get(at).copied().unwrap_or(f64::NAN),
            Self::Integers(values, above) => {
                values.get(at).map_or(f64::NAN, |value| (i128::from(*value) + above) as f64)
            }
        }
    }

    /// How a label lies to an edge, exactly.
    fn compare(&self, at: usize, edge: f64) -> Option<Ordering> {
        match self {
            Self::Floats(values) => values.get(at)?.partial_cmp(&edge),
            Self::Integers(values, above) => Some(compare(i128::from(*values.get(at)?) + above, edge)),
        }
    }
}

/// How an integer of at most 65 bits lies to a number that is not NaN.
fn compare(value: i128, edge: f64) -> Ordering {
    // Beyond 2^100 the cast saturates on the right side; below, the floor of the edge is exact.
    match value.cmp(&(edge.floor() as i128)) {
        Ordering::Equal if edge.fract() > 0.0 || (edge.fract() < 0.0) => Ordering::Less,
        order => order,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bin_of(value: f64, edges: &[f64], is_right_closed: bool, has_both_ends: bool) -> Option<u32> {
        bin(edges, is_right_closed, has_both_ends, |edge| value.partial_cmp(&edge))
    }

    #[test]
    fn the_closed_side_of_an_edge_has_it() {
        let edges = [-90.0, -30.0, 30.0, 60.0];
        assert_eq!(bin_of(-30.0, &edges, true, false), Some(0));
        assert_eq!(bin_of(-30.0, &edges, false, false), Some(1));
        assert_eq!(bin_of(90.0, &edges, true, false), None);
        assert_eq!(bin_of(-90.0, &edges, true, false), None);
        assert_eq!(bin_of(-90.0, &edges, true, true), Some(0));
        assert_eq!(bin_of(60.0, &edges, false, true), Some(2));
        assert_eq!(bin_of(f64::NAN, &edges, false, true), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_bin_has_what_lies_between_its_edges(
            value in -50..50_i32,
            edges in prop::collection::btree_set(-40..40_i32, 2..9),
            is_right_closed in any::<bool>(),
        ) {
            let edges: Vec<f64> = edges.into_iter().map(f64::from).collect();
            let value = f64::from(value);
            let holds = |pair: &[f64]| match is_right_closed {
                true => pair[0] < value && value <= pair[1],
                false => pair[0] <= value && value < pair[1],
            };
            let expected = edges.windows(2).position(holds).map(|bin| bin as u32);
            prop_assert_eq!(bin_of(value, &edges, is_right_closed, false), expected);
        }

        #[test]
        fn integers_and_edges_are_compared_exactly(value in any::<i64>(), edge in -1.0e19..1.0e19_f64) {
            let value = i128::from(value);
            let floor = edge.floor() as i128;
            let expected = if value > floor { Ordering::Greater } else if value < floor || edge > edge.floor() {
                Ordering::Less
            } else {
                Ordering::Equal
            };
            prop_assert_eq!(compare(value, edge), expected);
        }
    }

    #[test]
    fn edges_beyond_all_integers_are_beyond() {
        assert_eq!(compare(i128::from(u64::MAX), f64::INFINITY), Ordering::Less);
        assert_eq!(compare(i128::from(i64::MIN), f64::NEG_INFINITY), Ordering::Greater);
        assert_eq!(compare(1 << 53, 9_007_199_254_740_993.0), Ordering::Equal);
        assert_eq!(compare((1 << 53) + 1, 9_007_199_254_740_992.0), Ordering::Greater);
    }
}
