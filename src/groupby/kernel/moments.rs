//! Variances and standard deviations.
//!
//! # Source
//! Chan, Golub and LeVeque, "Updating Formulae and a Pairwise Algorithm for Computing Sample Variances" (1979), with weights
//! as West, "Updating mean and variance estimates" (1979).

use std::marker::PhantomData;

use super::number::Numeric;
use super::run::{Run, Take, part};
use super::sums::total;
use super::{Cells, RunWeights};

/// Σw, mean and Σw·(x − mean)² of each cell.
pub(super) struct Moments<K> {
    weights: Vec<f64>,
    /// Less the shift.
    means: Vec<f64>,
    squares: Vec<f64>,
    /// About the first valid value of a cell, NaN as long as there is none: what is subtracted from each value, exactly
    /// or nearly so, lest small variances drown in large means. Empty for `f32`, which has no such values.
    shifts: Vec<f32>,
    kind: PhantomData<K>,
}

/// The moments of some values less a shift.
#[derive(Debug, Clone, Copy)]
struct Block {
    weight: f64,
    mean: f64,
    squares: f64,
}

impl<K: Numeric> Moments<K> {
    /// Of no values.
    pub(super) fn new(n_cells: usize) -> Self {
        let shifts = if K::IS_SHIFTED { vec![f32::NAN; n_cells] } else { Vec::new() };
        Self {
            weights: vec![0.0; n_cells],
            means: vec![0.0; n_cells],
            squares: vec![0.0; n_cells],
            shifts,
            kind: PhantomData,
        }
    }

    /// Variances with the divisor Σw − ddof, or their roots.
    pub(super) fn finish(mut self, ddof: u64, is_root: bool) -> Cells {
        for (squares, weight) in self.squares.iter_mut().zip(&self.weights) {
            let divisor = weight - ddof as f64;
            let variance = if divisor > 0.0 { *squares / divisor } else { f64::NAN };
            *squares = if is_root { variance.sqrt() } else { variance };
        }
        Cells::Floats(self.squares)
    }

    /// The shift of a cell, which the first valid value decides.
    fn shift(&mut self, cell: usize, value: Option<K::Value>) -> f64 {
        match (self.shifts.get_mut(cell), value) {
            (Some(shift), Some(value)) => {
                *shift = shift_by::<K>(*shift, value);
                f64::from(*shift)
            }
            _ => 0.0,
        }
    }

    fn merge(&mut self, cell: usize, block: Block) {
        let cells = (self.weights.get_mut(cell), self.means.get_mut(cell), self.squares.get_mut(cell));
        let (Some(weight), Some(mean), Some(squares)) = cells else { return };
        let together = *weight + block.weight;
        if block.weight == 0.0 || together == 0.0 {
            return;
        }
        if *weight == 0.0 {
            (*weight, *mean, *squares) = (block.weight, block.mean, block.squares);
            return;
        }
        let delta = block.mean - *mean;
        let share = block.weight / together;
        *mean += delta * share;
        *squares += block.squares + delta * delta * *weight * share;
        *weight = together;
    }
}

/// The shift after a value.
fn shift_by<K: Numeric>(shift: f32, value: K::Value) -> f32 {
    let near = K::to_f64(value) as f32;
    let first = if near.is_infinite() { 0.0 } else { near };
    if shift.is_nan() { first } else { shift }
}

/// Takes a value into moments: nothing if it or its weight is missing, or the weight zero.
fn update(weight: &mut f64, mean: &mut f64, squares: &mut f64, value: f64, own: f64) {
    let is_taken = !(value.is_nan() | own.is_nan());
    let own = if is_taken { own } else { 0.0 };
    let delta = if is_taken { value - *mean } else { 0.0 };
    let together = *weight + own;
    let share = if own == 0.0 { 0.0 } else { own / together };
    let step = delta * share;
    *mean += step;
    *squares += *weight * delta * step;
    *weight = together;
}

impl<K: Numeric> Take<K> for Moments<K> {
    fn push(&mut self, cell: usize, run: &Run<'_, K>, i: usize) {
        let Some(value) = run.values.get(i).copied().filter(|value| !K::is_missing(value)) else { return };
        let value = K::to_f64(value) - self.shift(cell, Some(value));
        let cells = (self.weights.get_mut(cell), self.means.get_mut(cell), self.squares.get_mut(cell));
        if let (Some(weight), Some(mean), Some(squares)) = cells {
            update(weight, mean, squares, value, run.weight(i));
        }
    }

    fn each(&mut self, first: usize, run: &Run<'_, K>) {
        let n = run.values.len();
        let weights = part(&mut self.weights, first, n).iter_mut();
        let cells = weights.zip(part(&mut self.means, first, n)).zip(part(&mut self.squares, first, n));
        let shifts = part(&mut self.shifts, first, n);
        let number = |value: K::Value| if K::is_missing(&value) { f64::NAN } else { K::to_f64(value) };
        let shifted = |shift: &mut f32, value: K::Value| {
            *shift = shift_by::<K>(*shift, value);
            number(value) - f64::from(*shift)
        };
        match run.weights {
            RunWeights::One(own) if shifts.is_empty() => {
                for (((weight, mean), squares), value) in cells.zip(run.values) {
                    update(weight, mean, squares, number(*value), own);
                }
            }
            RunWeights::One(own) => {
                for ((((weight, mean), squares), value), shift) in cells.zip(run.values).zip(shifts) {
                    update(weight, mean, squares, shifted(shift, *value), own);
                }
            }
            RunWeights::Each(owns) if shifts.is_empty() => {
                for ((((weight, mean), squares), value), own) in cells.zip(run.values).zip(owns) {
                    update(weight, mean, squares, number(*value), *own);
                }
            }
            RunWeights::Each(owns) => {
                for (((((weight, mean), squares), value), shift), own) in
                    cells.zip(run.values).zip(shifts).zip(owns)
                {
                    update(weight, mean, squares, shifted(shift, *value), *own);
                }
            }
        }
    }

    /// Two passes over the run, then one merge.
    fn one(&mut self, cell: usize, run: &Run<'_, K>) {
        let first = run.values.iter().find(|value| !K::is_missing(value)).copied();
        let Some(first) = first else { return };
        let shift = self.shift(cell, Some(first));
        // Less the first value: runs of equal values have no variance at all.
        let first = K::to_f64(first);
        let valid = |i: usize, value: K::Value| {
            let own = run.weight(i);
            let is_taken = !(K::is_missing(&value) | own.is_nan());
            if is_taken { (K::to_f64(value) - first, own) } else { (0.0, 0.0) }
        };
        let (sum, weight) = total(run.values, |i, value| {
            let (value, own) = valid(i, value);
            (value * own, own)
        });
        let mean = sum / weight;
        let (squares, rest) = total(run.values, |i, value| {
            let (value, own) = valid(i, value);
            let delta = value - mean;
            (own * delta * delta, own * delta)
        });
        // What rounding left out of the mean.
        let squares = squares - rest * rest / weight;
        self.merge(cell, Block { weight, mean: first - shift + mean, squares });
    }
}
