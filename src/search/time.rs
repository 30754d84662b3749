//! Relations of times.
//!
//! # Source
//! OGC 21-065r2 (CQL2), section 7.6. An instant is an interval whose ends are one.

use crate::filter::TemporalOp;

/// From one instant to another, both included, in microseconds since 1970. Open ends are the ends of the numbers.
pub(crate) type Interval = (i64, i64);

/// True if two intervals stand in a relation.
pub(crate) fn relates(op: TemporalOp, a: Interval, b: Interval) -> bool {
    match op {
        TemporalOp::After => a.0 > b.1,
        TemporalOp::Before => a.1 < b.0,
        TemporalOp::Contains => a.0 < b.0 && a.1 > b.1,
        TemporalOp::Disjoint => a.0 > b.1 || a.1 < b.0,
        TemporalOp::During => a.0 > b.0 && a.1 < b.1,
        TemporalOp::Equals => a == b,
        TemporalOp::FinishedBy => a.0 < b.0 && a.1 == b.1,
        TemporalOp::Finishes => a.0 > b.0 && a.1 == b.1,
        TemporalOp::Intersects => a.0 <= b.1 && a.1 >= b.0,
        TemporalOp::Meets => a.1 == b.0,
        TemporalOp::MetBy => a.0 == b.1,
        TemporalOp::OverlappedBy => a.0 > b.0 && a.0 < b.1 && a.1 > b.1,
        TemporalOp::Overlaps => a.0 < b.0 && a.1 > b.0 && a.1 < b.1,
        TemporalOp::StartedBy => a.0 == b.0 && a.1 > b.1,
        TemporalOp::Starts => a.0 == b.0 && a.1 < b.1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use TemporalOp::*;

    #[test]
    fn each_relation_holds_where_the_standard_draws_it() {
        let b = (10, 20);
        for (a, relations) in [
            ((0, 5), &[Before, Disjoint][..]),
            ((25, 30), &[After, Disjoint]),
            ((0, 10), &[Meets, Intersects]),
            ((20, 30), &[MetBy, Intersects]),
            ((5, 15), &[Overlaps, Intersects]),
            ((15, 25), &[OverlappedBy, Intersects]),
            ((10, 15), &[Starts, Intersects]),
            ((10, 25), &[StartedBy, Intersects]),
            ((15, 20), &[Finishes, Intersects]),
            ((5, 20), &[FinishedBy, Intersects]),
            ((12, 18), &[During, Intersects]),
            ((5, 25), &[Contains, Intersects]),
            ((10, 20), &[Equals, Intersects]),
            ((15, 15), &[During, Intersects]),
        ] {
            for op in [
                After,
                Before,
                Contains,
                Disjoint,
                During,
                Equals,
                FinishedBy,
                Finishes,
                Intersects,
                Meets,
                MetBy,
                OverlappedBy,
                Overlaps,
                StartedBy,
                Starts,
            ] {
                assert_eq!(relates(op, a, b), relations.contains(&op), "{a:?} {op:?} {b:?}");
            }
        }
    }

    #[test]
    fn open_ends_reach_beyond_every_instant() {
        assert!(relates(During, (15, 15), (10, i64::MAX)));
        assert!(relates(Intersects, (15, 15), (i64::MIN, 15)));
        assert!(!relates(After, (15, 15), (10, i64::MAX)));
    }
}
