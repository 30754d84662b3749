//! The selected positions of an axis, counted.

use std::ops::Range;

use crate::ResultAxis;

/// The selected positions of an axis in ascending order; the number of one among them is its *ordinal*.
#[derive(Debug, Clone)]
pub(super) struct Positions {
    runs: Vec<Counted>,
    n: u64,
    is_reversed: bool,
}

/// Positions that lie evenly, and how many come before them.
#[derive(Debug, Clone, Copy)]
struct Counted {
    start: u64,
    count: u64,
    step: u64,
    before: u64,
}

impl Positions {
    pub(super) fn of(axis: &ResultAxis) -> Self {
        let Some(indices) = &axis.indices else {
            let all = Counted { start: 0, count: axis.len, step: 1, before: 0 };
            return Self { runs: vec![all], n: axis.len, is_reversed: false };
        };
        let mut n = 0;
        let mut runs = Vec::new();
        for run in indices.runs() {
            runs.push(Counted { start: run.start(), count: run.count(), step: run.step().max(1), before: n });
            n += run.count();
        }
        Self { runs, n, is_reversed: indices.is_reversed() }
    }

    /// How many there are.
    pub(super) fn n(&self) -> u64 {
        self.n
    }

    /// True if they are to be taken from the last to the first.
    pub(super) fn is_reversed(&self) -> bool {
        self.is_reversed
    }

    /// Ordinals of a range along a dimension that has them in their order, or from the last to the first.
    pub(super) fn ordinals(&self, along: &Range<u64>, is_reversed: bool) -> Range<u64> {
        let (start, end) = (along.start.min(self.n), along.end.min(self.n));
        if is_reversed { self.n - end..self.n - start } else { start..end }
    }

    /// How many of them are below a position.
    pub(super) fn below(&self, position: u64) -> u64 {
        let after = self.runs.partition_point(|run| run.start < position);
        let Some(run) = after.checked_sub(1).and_then(|before| self.runs.get(before)) else { return 0 };
        run.before + (position - run.start).div_ceil(run.step).min(run.count)
    }

    /// Ordinals of those in a range of positions.
    pub(super) fn within(&self, positions: &Range<u64>) -> Range<u64> {
        self.below(positions.start)..self.below(positions.end)
    }

    /// Calls with each position of a range of ordinals, ascending, and its ordinal.
    pub(super) fn each(&self, ordinals: &Range<u64>, mut see: impl FnMut(u64, u64)) {
        let first = self.runs.partition_point(|run| run.before + run.count <= ordinals.start);
        for run in self.runs.iter().skip(first).take_while(|run| run.before < ordinals.end) {
            let from = ordinals.start.saturating_sub(run.before);
            let to = (ordinals.end - run.before).min(run.count);
            (from..to).for_each(|i| see(run.start + i * run.step, run.before + i));
        }
    }

    /// The position with an ordinal.
    pub(super) fn at(&self, ordinal: u64) -> Option<u64> {
        let mut found = None;
        self.each(&(ordinal..ordinal.checked_add(1)?), |position, _| found = Some(position));
        found
    }

    /// Numbers of the pieces of a length that hold one of some ordinals, ascending, with the ordinals in each.
    pub(super) fn pieces(&self, ordinals: &Range<u64>, len: u64) -> Vec<(u64, Range<u64>)> {
        let len = len.max(1);
        let mut pieces = Vec::new();
        let mut next = ordinals.start;
        while next < ordinals.end
            && let Some(position) = self.at(next)
        {
            let piece = position / len;
            let end = self.below(piece.saturating_add(1).saturating_mul(len)).min(ordinals.end);
            pieces.push((piece, next..end));
            next = end.max(next + 1);
        }
        pieces
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use thermocline_core::select::Indices;

    use super::*;

    fn axis(indices: Option<Indices>) -> ResultAxis {
        let indices = indices.map(Arc::new);
        ResultAxis { dim: "x".into(), len: 10, indices, is_single: false, is_kept: true }
    }

    #[test]
    fn ordinals_count_the_selected_positions() {
        let positions = Positions::of(&axis(Some(Indices::range(3..8))));
        assert_eq!((positions.n(), positions.below(3), positions.below(5), positions.below(9)), (5, 0, 2, 5));
        assert_eq!((positions.at(0), positions.at(4), positions.at(5)), (Some(3), Some(7), None));
        assert_eq!(positions.pieces(&(1..5), 4), [(1, 1..5)]);
        assert_eq!(positions.pieces(&(0..5), 4), [(0, 0..1), (1, 1..5)]);
    }

    #[test]
    fn all_positions_are_selected_where_none_are_named() {
        let positions = Positions::of(&axis(None));
        assert_eq!(positions.within(&(2..20)), 2..10);
        assert_eq!(positions.pieces(&(0..10), 4).len(), 3);
    }
}
