//! First and last values.

use super::Cells;
use super::number::Kind;
use super::run::{Run, Take};

/// The first or last value of each cell, in whatever order they come.
pub(super) struct Ends<K: Kind> {
    values: Vec<K::Value>,
    /// The smallest key is that of the value; [`NOTHING`] where there is none.
    keys: Vec<u64>,
    is_last: bool,
    /// True if missing values are left out.
    skipna: bool,
}

const NOTHING: u64 = u64::MAX;

impl<K: Kind> Ends<K> {
    /// Of no values.
    pub(super) fn new(n_cells: usize, is_last: bool, skipna: bool) -> Self {
        Self { values: vec![K::nothing(); n_cells], keys: vec![NOTHING; n_cells], is_last, skipna }
    }

    /// The results.
    pub(super) fn finish(self) -> Cells {
        K::cells(self.values)
    }
}

impl<K: Kind> Take<K> for Ends<K> {
    fn push(&mut self, cell: usize, run: &Run<'_, K>, i: usize) {
        let position = run.position(i).min(NOTHING - 1);
        let key = if self.is_last { NOTHING - 1 - position } else { position };
        let (Some(best), Some(value)) = (self.keys.get_mut(cell), run.values.get(i)) else { return };
        if key < *best && !(self.skipna && K::is_missing(value)) {
            *best = key;
            if let Some(cell) = self.values.get_mut(cell) {
                *cell = value.clone();
            }
        }
    }

    /// Positions ascend within a run: the first or last that counts is enough.
    fn one(&mut self, cell: usize, run: &Run<'_, K>) {
        let counts = |value: &K::Value| !(self.skipna && K::is_missing(value));
        let i = match self.is_last {
            false => run.values.iter().position(counts),
            true => run.values.iter().rposition(counts),
        };
        if let Some(i) = i {
            self.push(cell, run, i);
        }
    }
}
