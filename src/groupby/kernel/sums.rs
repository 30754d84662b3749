//! Sums, means and products of floats, and of integers with weights.

use std::marker::PhantomData;

use multiversion::multiversion;

use super::number::Numeric;
use super::run::{Run, Take, WIDTH, part};
use super::{Cells, RunWeights};

/// Σw·x of each cell, and what it is divided by or judged by.
pub(super) struct Sums<K> {
    sums: Vec<f64>,
    /// Of means Σw, of sums the number of valid values; empty where nobody asks for it.
    others: Vec<f64>,
    is_mean: bool,
    min_count: f64,
    kind: PhantomData<K>,
}

impl<K: Numeric> Sums<K> {
    /// For means.
    pub(super) fn of_means(n_cells: usize) -> Self {
        Self {
            sums: vec![0.0; n_cells],
            others: vec![0.0; n_cells],
            is_mean: true,
            min_count: 0.0,
            kind: PhantomData,
        }
    }

    /// For sums.
    pub(super) fn of_sums(n_cells: usize, min_count: u64) -> Self {
        let n_others = if min_count == 0 { 0 } else { n_cells };
        Self {
            sums: vec![0.0; n_cells],
            others: vec![0.0; n_others],
            is_mean: false,
            min_count: min_count as f64,
            kind: PhantomData,
        }
    }

    /// The results.
    pub(super) fn finish(mut self) -> Cells {
        let min_count = self.min_count;
        for (sum, other) in self.sums.iter_mut().zip(&self.others) {
            if self.is_mean {
                *sum /= other;
            } else if *other < min_count {
                *sum = f64::NAN;
            }
        }
        Cells::Floats(self.sums)
    }

    /// What a value with its weight counts for.
    fn count(&self, weight: f64) -> f64 {
        if self.is_mean { weight } else { 1.0 }
    }
}

/// What a value adds, and what it counts for: nothing if it or its weight is missing.
fn term<K: Numeric>(value: K::Value, weight: f64, count: f64) -> (f64, f64) {
    if K::is_missing(&value) | weight.is_nan() {
        return (0.0, 0.0);
    }
    (K::to_f64(value) * weight, count)
}

impl<K: Numeric> Take<K> for Sums<K> {
    fn push(&mut self, cell: usize, run: &Run<'_, K>, i: usize) {
        let weight = run.weight(i);
        let Some(value) = run.values.get(i) else { return };
        let (sum, count) = term::<K>(*value, weight, self.count(weight));
        if let Some(cell) = self.sums.get_mut(cell) {
            *cell += sum;
        }
        if let Some(cell) = self.others.get_mut(cell) {
            *cell += count;
        }
    }

    fn each(&mut self, first: usize, run: &Run<'_, K>) {
        let is_mean = self.is_mean;
        let sums = part(&mut self.sums, first, run.values.len());
        let others = part(&mut self.others, first, run.values.len());
        // One loop for each case: none of them branches within, so that several cells are taken at once.
        match run.weights {
            RunWeights::One(weight) if others.is_empty() => add::<K>(sums, run.values, weight),
            RunWeights::One(weight) => {
                count::<K>((sums, others), run.values, weight, if is_mean { weight } else { 1.0 });
            }
            RunWeights::Each(weights) if others.is_empty() => add_weighted::<K>(sums, run.values, weights),
            RunWeights::Each(weights) => count_weighted::<K>((sums, others), run.values, weights, is_mean),
        }
    }

    fn one(&mut self, cell: usize, run: &Run<'_, K>) {
        let (sum, count) = match run.weights {
            RunWeights::One(weight) => {
                let one = self.count(weight);
                total(run.values, |_, value| term::<K>(value, weight, one))
            }
            RunWeights::Each(_) => total(run.values, |i, value| {
                let weight = run.weight(i);
                term::<K>(value, weight, self.count(weight))
            }),
        };
        if let Some(cell) = self.sums.get_mut(cell) {
            *cell += sum;
        }
        if let Some(cell) = self.others.get_mut(cell) {
            *cell += count;
        }
    }
}

/// Adds each value to its sum.
#[multiversion(targets("x86_64+avx2"))]
fn add<K: Numeric>(sums: &mut [f64], values: &[K::Value], weight: f64) {
    for (sum, value) in sums.iter_mut().zip(values) {
        *sum += term::<K>(*value, weight, 0.0).0;
    }
}

/// Adds each value to its sum, and what it counts for to the count beside it.
#[multiversion(targets("x86_64+avx2"))]
fn count<K: Numeric>((sums, counts): (&mut [f64], &mut [f64]), values: &[K::Value], weight: f64, one: f64) {
    for ((sum, count), value) in sums.iter_mut().zip(counts).zip(values) {
        let (addend, counted) = term::<K>(*value, weight, one);
        *sum += addend;
        *count += counted;
    }
}

/// [`add`] with a weight for each value.
#[multiversion(targets("x86_64+avx2"))]
fn add_weighted<K: Numeric>(sums: &mut [f64], values: &[K::Value], weights: &[f64]) {
    for ((sum, value), weight) in sums.iter_mut().zip(values).zip(weights) {
        *sum += term::<K>(*value, *weight, 0.0).0;
    }
}

/// [`count`] with a weight for each value.
#[multiversion(targets("x86_64+avx2"))]
fn count_weighted<K: Numeric>(
    (sums, counts): (&mut [f64], &mut [f64]),
    values: &[K::Value],
    weights: &[f64],
    is_mean: bool,
) {
    for (((sum, count), value), weight) in sums.iter_mut().zip(counts).zip(values).zip(weights) {
        let (addend, counted) = term::<K>(*value, *weight, if is_mean { *weight } else { 1.0 });
        *sum += addend;
        *count += counted;
    }
}

/// The sum of pairs of terms, several side by side; the order depends on the number of values alone.
#[multiversion(targets("x86_64+avx2"))]
pub(super) fn total<V: Copy>(values: &[V], term: impl Fn(usize, V) -> (f64, f64)) -> (f64, f64) {
    let (mut left, mut right) = ([0.0; WIDTH], [0.0; WIDTH]);
    let (blocks, rest) = values.as_chunks::<WIDTH>();
    for (block, values) in blocks.iter().enumerate() {
        for (lane, value) in values.iter().enumerate() {
            let (a, b) = term(block * WIDTH + lane, *value);
            left[lane] += a;
            right[lane] += b;
        }
    }
    for (lane, value) in rest.iter().enumerate() {
        let (a, b) = term(blocks.len() * WIDTH + lane, *value);
        left[lane] += a;
        right[lane] += b;
    }
    (halves(left), halves(right))
}

fn halves(mut lanes: [f64; WIDTH]) -> f64 {
    let mut n = WIDTH;
    while n > 1 {
        n /= 2;
        for lane in 0..n {
            lanes[lane] += lanes[lane + n];
        }
    }
    lanes[0]
}

/// Πx of each cell.
pub(super) struct Products<K> {
    products: Vec<f64>,
    /// How many valid values; empty where nobody asks for it.
    counts: Vec<u64>,
    min_count: u64,
    kind: PhantomData<K>,
}

impl<K: Numeric> Products<K> {
    /// Of no values.
    pub(super) fn new(n_cells: usize, min_count: u64) -> Self {
        let n_counts = if min_count == 0 { 0 } else { n_cells };
        Self { products: vec![1.0; n_cells], counts: vec![0; n_counts], min_count, kind: PhantomData }
    }

    /// The results.
    pub(super) fn finish(mut self) -> Cells {
        for (product, count) in self.products.iter_mut().zip(&self.counts) {
            if *count < self.min_count {
                *product = f64::NAN;
            }
        }
        Cells::Floats(self.products)
    }
}

impl<K: Numeric> Take<K> for Products<K> {
    fn push(&mut self, cell: usize, run: &Run<'_, K>, i: usize) {
        let Some(value) = run.values.get(i).filter(|value| !K::is_missing(value)) else { return };
        if let Some(product) = self.products.get_mut(cell) {
            *product *= K::to_f64(*value);
        }
        if let Some(count) = self.counts.get_mut(cell) {
            *count += 1;
        }
    }

    fn each(&mut self, first: usize, run: &Run<'_, K>) {
        let products = part(&mut self.products, first, run.values.len());
        for (product, value) in products.iter_mut().zip(run.values) {
            *product *= if K::is_missing(value) { 1.0 } else { K::to_f64(*value) };
        }
        let counts = part(&mut self.counts, first, run.values.len());
        for (count, value) in counts.iter_mut().zip(run.values) {
            *count += u64::from(!K::is_missing(value));
        }
    }
}
