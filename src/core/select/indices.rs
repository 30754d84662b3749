//! Positions along one dimension, as runs: a thousand years of steps are one run.

use std::ops::Range;

/// Positions that lie evenly: `start`, `start + step`, … `count` times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    start: u64,
    count: u64,
    step: u64,
}

impl Run {
    /// The first position.
    pub fn start(&self) -> u64 {
        self.start
    }

    /// How many positions there are, at least 1.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Distance of two neighbours, at least 1.
    pub fn step(&self) -> u64 {
        self.step
    }

    /// The last position.
    pub fn last(&self) -> u64 {
        self.start + (self.count - 1) * self.step
    }

    /// The positions from the first one at or after `from`, up to and excluding `to`.
    fn clipped(&self, from: u64, to: u64) -> Option<Self> {
        let skipped = from.saturating_sub(self.start).div_ceil(self.step);
        let start = self.start.checked_add(skipped.checked_mul(self.step)?)?;
        let end = to.min(self.last() + 1);
        let count = end.checked_sub(start).filter(|len| *len > 0)?.div_ceil(self.step);
        Some(Self { start, count, step: self.step })
    }

    fn contains(&self, position: u64) -> bool {
        (self.start..=self.last()).contains(&position) && (position - self.start).is_multiple_of(self.step)
    }

    fn iter(self) -> impl DoubleEndedIterator<Item = u64> {
        (0..self.count).map(move |i| self.start + i * self.step)
    }
}

/// Positions along one dimension: each once, in ascending runs that do not interleave.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Indices {
    runs: Vec<Run>,
    is_reversed: bool,
}

impl Indices {
    /// Every position of a range.
    pub fn range(range: Range<u64>) -> Self {
        let mut indices = Self::default();
        indices.push_range(range);
        indices
    }

    /// The one position.
    pub fn one(position: u64) -> Self {
        Self { runs: vec![Run { start: position, count: 1, step: 1 }], is_reversed: false }
    }

    /// `count` positions from `start`, `step` apart; none for a `step` of 0.
    pub(super) fn strided(start: u64, count: u64, step: u64) -> Self {
        let reaches = count.checked_sub(1).and_then(|n| n.checked_mul(step)?.checked_add(start));
        let runs = match reaches {
            Some(last) if step > 0 && last < u64::MAX => vec![Run { start, count, step }],
            _ => Vec::new(),
        };
        Self { runs, is_reversed: false }
    }

    /// The same positions, to be taken from the last to the first.
    pub(super) fn reversed(mut self) -> Self {
        self.is_reversed = !self.is_reversed;
        self
    }

    /// The positions below `len` for which `holds`.
    pub(super) fn matching(len: usize, mut holds: impl FnMut(usize) -> bool) -> Self {
        let mut indices = Self::default();
        for position in (0..len).filter(|position| holds(*position)) {
            indices.push_range(position as u64..position as u64 + 1);
        }
        indices
    }

    /// The last `n` of the positions in their order; all if they are not more.
    pub fn last_n(&self, n: u64) -> Self {
        let mut n_left_out = self.len().saturating_sub(n);
        let mut shorten = |run: &Run| {
            let n_here = n_left_out.min(run.count);
            n_left_out -= n_here;
            let start =
                if self.is_reversed { run.start } else { run.start + n_here.min(run.count - 1) * run.step };
            (n_here < run.count).then_some(Run { start, count: run.count - n_here, step: run.step })
        };
        let runs = if self.is_reversed {
            let mut runs: Vec<Run> = self.runs.iter().rev().filter_map(&mut shorten).collect();
            runs.reverse();
            runs
        } else {
            self.runs.iter().filter_map(&mut shorten).collect()
        };
        Self { runs, is_reversed: self.is_reversed }
    }

    /// Adds positions after all that are there; neighbours become one run.
    pub(super) fn push_range(&mut self, range: Range<u64>) {
        let Some(count) = range.end.checked_sub(range.start).filter(|count| *count > 0) else { return };
        match self.runs.last_mut() {
            Some(run) if run.step == 1 && run.start + run.count == range.start => run.count += count,
            _ => self.runs.push(Run { start: range.start, count, step: 1 }),
        }
    }

    /// The runs, ascending.
    pub fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// True if the positions are to be taken from the last to the first (`isel=x=::-1`).
    pub fn is_reversed(&self) -> bool {
        self.is_reversed
    }

    /// How many positions there are.
    pub fn len(&self) -> u64 {
        self.runs.iter().map(|run| run.count).sum()
    }

    /// True without any position.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// The smallest position.
    pub fn first(&self) -> Option<u64> {
        self.runs.first().map(Run::start)
    }

    /// The largest position.
    pub fn last(&self) -> Option<u64> {
        self.runs.last().map(Run::last)
    }

    /// The `n` largest of them, all if there are fewer.
    #[must_use]
    pub fn largest(&self, n: u64) -> Self {
        let mut left_out = self.len().saturating_sub(n);
        let mut runs = Vec::new();
        for run in &self.runs {
            let skipped = left_out.min(run.count);
            left_out -= skipped;
            if run.count > skipped {
                let start = run.start + skipped * run.step;
                runs.push(Run { start, count: run.count - skipped, step: run.step });
            }
        }
        Self { runs, is_reversed: self.is_reversed }
    }

    /// True if `position` is one of them.
    pub fn contains(&self, position: u64) -> bool {
        let after = self.runs.partition_point(|run| run.start <= position);
        let run = after.checked_sub(1).and_then(|before| self.runs.get(before));
        run.is_some_and(|run| run.contains(position))
    }

    /// True if one of them is in a range.
    pub(super) fn meets(&self, range: &Range<u64>) -> bool {
        let after = self.runs.partition_point(|run| run.last() < range.start);
        let runs = self.runs.iter().skip(after).take_while(|run| run.start < range.end);
        runs.into_iter().any(|run| run.clipped(range.start, range.end).is_some())
    }

    /// The positions, ascending unless [`Indices::is_reversed`].
    pub fn iter(&self) -> Box<dyn Iterator<Item = u64> + '_> {
        let ascending = self.runs.iter().copied().flat_map(Run::iter);
        if self.is_reversed { Box::new(ascending.rev()) } else { Box::new(ascending) }
    }

    /// The positions that both have, in the order of `self`.
    pub(super) fn intersection(&self, other: &Self) -> Self {
        let mut runs = Vec::new();
        let (mut a, mut b) = (self.runs.iter().peekable(), other.runs.iter().peekable());
        while let (Some(left), Some(right)) = (a.peek(), b.peek()) {
            common(left, right, &mut runs);
            let _ = if left.last() <= right.last() { a.next() } else { b.next() };
        }
        Self { runs, is_reversed: self.is_reversed }
    }

    /// Which parts of a dimension hold a position, when it is cut every `size` positions.
    pub(super) fn parts(&self, size: u64) -> Self {
        let size = size.max(1);
        let mut parts = Self::default();
        for run in &self.runs {
            if run.step <= size {
                // Steps no longer than a part leave no part out.
                parts.push_new(run.start / size..run.last() / size + 1);
            } else {
                run.iter().for_each(|position| parts.push_new(position / size..position / size + 1));
            }
        }
        parts
    }

    /// Adds what of a range is not there yet; its end is not before that of the others.
    fn push_new(&mut self, range: Range<u64>) {
        let next = self.last().map_or(0, |last| last + 1);
        self.push_range(range.start.max(next)..range.end);
    }
}

/// Adds what two runs have in common, after all that is in `runs`.
fn common(a: &Run, b: &Run, runs: &mut Vec<Run>) {
    let (narrow, wide) = if a.step >= b.step { (a, b) } else { (b, a) };
    if wide.step == 1 {
        runs.extend(narrow.clipped(wide.start, wide.last() + 1));
        return;
    }
    let Some(candidates) = narrow.clipped(wide.start, wide.last() + 1) else { return };
    let shared = candidates.iter().filter(|position| wide.contains(*position));
    runs.extend(shared.map(|start| Run { start, count: 1, step: 1 }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn positions(indices: &Indices) -> Vec<u64> {
        indices.iter().collect()
    }

    #[test]
    fn neighbours_become_one_run() {
        let indices = Indices::matching(10, |position| position != 4);
        assert_eq!(indices.runs().len(), 2);
        assert_eq!(positions(&indices), [0, 1, 2, 3, 5, 6, 7, 8, 9]);
    }

    #[test]
    fn strides_beyond_a_part_leave_parts_out() {
        assert_eq!(positions(&Indices::strided(1, 4, 10).parts(5)), [0, 2, 4, 6]);
        assert_eq!(positions(&Indices::strided(1, 4, 5).parts(5)), [0, 1, 2, 3]);
    }

    #[test]
    fn numbers_near_the_end_of_u64_do_not_overflow() {
        assert!(Indices::strided(u64::MAX - 1, 3, 2).is_empty());
        assert!(Indices::strided(1, u64::MAX, u64::MAX).is_empty());
        assert!(Indices::strided(5, 0, 1).is_empty());
    }

    fn indices() -> impl Strategy<Value = Indices> {
        prop_oneof![
            (0_u64..60, 1_u64..20, 1_u64..9)
                .prop_map(|(start, count, step)| Indices::strided(start, count, step)),
            prop::collection::btree_set(0_usize..80, 0..40)
                .prop_map(|set| Indices::matching(80, |position| set.contains(&position))),
        ]
    }

    proptest! {
        #[test]
        fn intersections_and_parts_are_those_of_sets(a in indices(), b in indices(), size in 1_u64..12) {
            let set = |indices: &Indices| indices.iter().collect::<BTreeSet<u64>>();
            let both: Vec<u64> = set(&a).intersection(&set(&b)).copied().collect();
            prop_assert_eq!(positions(&a.intersection(&b)), both);
            let parts: BTreeSet<u64> = a.iter().map(|position| position / size).collect();
            prop_assert_eq!(positions(&a.parts(size)), parts.iter().copied().collect::<Vec<_>>());
            prop_assert_eq!(a.len(), set(&a).len() as u64);
            for a in [a.clone(), a.clone().reversed()] {
                let all: Vec<u64> = a.iter().collect();
                let last = all.iter().copied().skip(all.len().saturating_sub(size as usize));
                prop_assert_eq!(positions(&a.last_n(size)), last.collect::<Vec<_>>());
            }
            for position in 0..90 {
                prop_assert_eq!(a.contains(position), set(&a).contains(&position));
                let range = position..position + size;
                prop_assert_eq!(a.meets(&range), set(&a).range(range).next().is_some());
            }
        }
    }
}
