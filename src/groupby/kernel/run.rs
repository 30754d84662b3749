//! Runs of values on their way to cells.

use super::RunWeights;
use super::number::Kind;

/// A run of values.
pub(super) struct Run<'r, K: Kind> {
    pub(super) values: &'r [K::Value],
    pub(super) weights: RunWeights<'r>,
    position: u64,
    step: u64,
}

impl<'r, K: Kind> Run<'r, K> {
    /// A run whose first value is at a position, and each next one a step later.
    pub(super) fn new(values: &'r [K::Value], weights: RunWeights<'r>, position: u64, step: u64) -> Self {
        Self { values, weights, position, step }
    }

    /// The position of a value.
    pub(super) fn position(&self, i: usize) -> u64 {
        self.position.saturating_add(self.step.saturating_mul(i as u64))
    }

    /// The weight of a value.
    pub(super) fn weight(&self, i: usize) -> f64 {
        match self.weights {
            RunWeights::One(weight) => weight,
            RunWeights::Each(weights) => weights.get(i).copied().unwrap_or(f64::NAN),
        }
    }
}

/// Partial aggregates that take runs. Cells are known to exist, and weights to be as many as values.
pub(super) trait Take<K: Kind> {
    /// Value `i` of the run to a cell.
    fn push(&mut self, cell: usize, run: &Run<'_, K>, i: usize);

    /// Value `i` to cell `first + i`.
    fn each(&mut self, first: usize, run: &Run<'_, K>) {
        (0..run.values.len()).for_each(|i| self.push(first + i, run, i));
    }

    /// All to one cell.
    fn one(&mut self, cell: usize, run: &Run<'_, K>) {
        (0..run.values.len()).for_each(|i| self.push(cell, run, i));
    }
}

/// Values that are taken side by side where the order of a sum is free.
pub(super) const WIDTH: usize = 8;

/// The parts of an array that belong to neighbouring cells; empty if there are not so many.
pub(super) fn part<T>(cells: &mut [T], first: usize, len: usize) -> &mut [T] {
    cells.get_mut(first..first + len).unwrap_or_default()
}
