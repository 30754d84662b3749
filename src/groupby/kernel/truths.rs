//! Numbers of valid values, and whether any or all values are true.

use super::Cells;
use super::number::{Kind, Numeric};
use super::run::{Run, Take, part};

/// How many valid values each cell has.
pub(super) struct Counts(Vec<u64>);

impl Counts {
    /// Of no values.
    pub(super) fn new(n_cells: usize) -> Self {
        Self(vec![0; n_cells])
    }

    /// The results.
    pub(super) fn finish(self) -> Cells {
        Cells::Ints(self.0.into_iter().map(u64::cast_signed).collect())
    }
}

impl<K: Kind> Take<K> for Counts {
    fn push(&mut self, cell: usize, run: &Run<'_, K>, i: usize) {
        if let (Some(count), Some(value)) = (self.0.get_mut(cell), run.values.get(i)) {
            *count += u64::from(!K::is_missing(value));
        }
    }

    fn each(&mut self, first: usize, run: &Run<'_, K>) {
        let counts = part(&mut self.0, first, run.values.len());
        for (count, value) in counts.iter_mut().zip(run.values) {
            *count += u64::from(!K::is_missing(value));
        }
    }

    fn one(&mut self, cell: usize, run: &Run<'_, K>) {
        if let Some(count) = self.0.get_mut(cell) {
            *count += run.values.iter().map(|value| u64::from(!K::is_missing(value))).sum::<u64>();
        }
    }
}

/// Whether any or all values of each cell are true: NaN is, zero is not.
pub(super) struct Truths {
    truths: Vec<bool>,
    is_all: bool,
}

impl Truths {
    /// Of no values: all are, none is.
    pub(super) fn new(n_cells: usize, is_all: bool) -> Self {
        Self { truths: vec![is_all; n_cells], is_all }
    }

    /// The results.
    pub(super) fn finish(self) -> Cells {
        Cells::Booleans(self.truths)
    }
}

fn is_true<K: Numeric>(value: K::Value) -> bool {
    K::to_f64(value) != 0.0
}

impl<K: Numeric> Take<K> for Truths {
    fn push(&mut self, cell: usize, run: &Run<'_, K>, i: usize) {
        if let (Some(truth), Some(value)) = (self.truths.get_mut(cell), run.values.get(i)) {
            let is_true = is_true::<K>(*value);
            *truth = if self.is_all { *truth & is_true } else { *truth | is_true };
        }
    }

    fn each(&mut self, first: usize, run: &Run<'_, K>) {
        let truths = part(&mut self.truths, first, run.values.len());
        let pairs = truths.iter_mut().zip(run.values);
        match self.is_all {
            true => pairs.for_each(|(truth, value)| *truth &= is_true::<K>(*value)),
            false => pairs.for_each(|(truth, value)| *truth |= is_true::<K>(*value)),
        }
    }
}
