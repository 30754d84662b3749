//! Exact sums, means and products of integers, and means of instants.

use std::marker::PhantomData;

use super::number::{MISSING_TIME, Numeric};
use super::run::{Run, Take, part};
use super::{Cells, Overflow};

/// Which integers results are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    /// `i64`.
    Signed,
    /// `u64`.
    Unsigned,
}

/// Σx of each cell.
pub(super) struct IntegerSums<K> {
    /// Fewer than 2^63 values of 64 bits each.
    sums: Vec<i128>,
    /// How many valid values; empty where nobody asks for it.
    counts: Vec<u64>,
    kind: PhantomData<K>,
}

impl<K: Numeric> IntegerSums<K> {
    /// Of no values, with or without their number.
    pub(super) fn new(n_cells: usize, is_counted: bool) -> Self {
        let n_counts = if is_counted { n_cells } else { 0 };
        Self { sums: vec![0; n_cells], counts: vec![0; n_counts], kind: PhantomData }
    }

    /// Sums.
    pub(super) fn sums(self, sign: Sign, min_count: u64) -> Result<Cells, Overflow> {
        integers(&self.sums, &self.counts, sign, min_count)
    }

    /// Means as floats.
    pub(super) fn means(self) -> Cells {
        let means = self.sums.iter().zip(&self.counts).map(|(sum, count)| mean(*sum, *count));
        Cells::Floats(means.collect())
    }

    /// Means as instants.
    pub(super) fn instants(self) -> Cells {
        let means = self.sums.iter().zip(&self.counts).map(|(sum, count)| middle(*sum, *count));
        Cells::Times(means.collect())
    }
}

/// An exact sum divided, rounded but for its last bit; NaN of no values.
fn mean(sum: i128, count: u64) -> f64 {
    let n = i128::from(count);
    let Some(whole) = sum.checked_div_euclid(n) else { return f64::NAN };
    // Whole and fraction on their own keep small means of large numbers exact.
    whole as f64 + (sum - whole * n) as f64 / count as f64
}

/// The nearest integer to a mean, half to even; missing of no values.
fn middle(sum: i128, count: u64) -> i64 {
    let n = i128::from(count);
    let Some(floor) = sum.checked_div_euclid(n) else { return MISSING_TIME };
    let twice = 2 * (sum - floor * n);
    let is_up = twice > n || (twice == n && floor % 2 != 0);
    // A mean lies between instants.
    i64::try_from(floor + i128::from(is_up)).unwrap_or(MISSING_TIME)
}

impl<K: Numeric> Take<K> for IntegerSums<K> {
    fn push(&mut self, cell: usize, run: &Run<'_, K>, i: usize) {
        let Some(value) = run.values.get(i).filter(|value| !K::is_missing(value)) else { return };
        if let Some(sum) = self.sums.get_mut(cell) {
            *sum += K::to_i128(*value);
        }
        if let Some(count) = self.counts.get_mut(cell) {
            *count += 1;
        }
    }

    fn each(&mut self, first: usize, run: &Run<'_, K>) {
        let sums = part(&mut self.sums, first, run.values.len());
        for (sum, value) in sums.iter_mut().zip(run.values) {
            *sum += if K::is_missing(value) { 0 } else { K::to_i128(*value) };
        }
        let counts = part(&mut self.counts, first, run.values.len());
        for (count, value) in counts.iter_mut().zip(run.values) {
            *count += u64::from(!K::is_missing(value));
        }
    }

    fn one(&mut self, cell: usize, run: &Run<'_, K>) {
        let valid = run.values.iter().filter(|value| !K::is_missing(value));
        let (sum, count) = valid.fold((0_i128, 0_u64), |(sum, n), value| (sum + K::to_i128(*value), n + 1));
        if let Some(cell) = self.sums.get_mut(cell) {
            *cell += sum;
        }
        if let Some(cell) = self.counts.get_mut(cell) {
            *cell += count;
        }
    }
}

/// Πx of each cell.
pub(super) struct IntegerProducts<K> {
    /// [`i128::MAX`] or its negative once it was beyond: only a 0 brings a product back into 64 bits then.
    products: Vec<i128>,
    /// How many values; empty where nobody asks for it.
    counts: Vec<u64>,
    kind: PhantomData<K>,
}

impl<K: Numeric> IntegerProducts<K> {
    /// Of no values, with or without their number.
    pub(super) fn new(n_cells: usize, is_counted: bool) -> Self {
        let n_counts = if is_counted { n_cells } else { 0 };
        Self { products: vec![1; n_cells], counts: vec![0; n_counts], kind: PhantomData }
    }

    /// The results.
    pub(super) fn finish(self, sign: Sign, min_count: u64) -> Result<Cells, Overflow> {
        integers(&self.products, &self.counts, sign, min_count)
    }
}

impl<K: Numeric> Take<K> for IntegerProducts<K> {
    fn push(&mut self, cell: usize, run: &Run<'_, K>, i: usize) {
        let Some(value) = run.values.get(i).filter(|value| !K::is_missing(value)) else { return };
        if let Some(product) = self.products.get_mut(cell) {
            *product = product.checked_mul(K::to_i128(*value)).unwrap_or(i128::MAX);
        }
        if let Some(count) = self.counts.get_mut(cell) {
            *count += 1;
        }
    }
}

/// Integers of 64 bits; floats if some cell has too few values.
fn integers(values: &[i128], counts: &[u64], sign: Sign, min_count: u64) -> Result<Cells, Overflow> {
    let overflow = |value: &i128| match sign {
        Sign::Signed => i64::try_from(*value).is_err(),
        Sign::Unsigned => u64::try_from(*value).is_err(),
    };
    let is_short = |cell: usize| counts.get(cell).is_some_and(|count| *count < min_count);
    if let Some(cell) = values.iter().position(overflow) {
        return Err(Overflow { cell });
    }
    if (0..values.len()).any(is_short) {
        let floats = values.iter().enumerate();
        let floats = floats.map(|(cell, value)| if is_short(cell) { f64::NAN } else { *value as f64 });
        return Ok(Cells::Floats(floats.collect()));
    }
    // All fit.
    Ok(match sign {
        Sign::Signed => Cells::Ints(values.iter().map(|value| *value as i64).collect()),
        Sign::Unsigned => Cells::UInts(values.iter().map(|value| *value as u64).collect()),
    })
}
