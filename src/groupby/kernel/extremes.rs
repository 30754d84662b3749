//! Smallest and largest values.

use super::Cells;
use super::number::Numeric;
use super::run::{Run, Take, WIDTH, part};

/// The smallest or largest valid value of each cell.
pub(super) struct Extremes<K: Numeric> {
    best: Vec<K::Value>,
    is_max: bool,
}

impl<K: Numeric> Extremes<K> {
    /// Of no values.
    pub(super) fn new(n_cells: usize, is_max: bool) -> Self {
        Self { best: vec![K::start(is_max); n_cells], is_max }
    }

    /// The results.
    pub(super) fn finish(self) -> Cells {
        K::cells(self.best.into_iter().map(K::settled).collect())
    }
}

fn each<K: Numeric, const IS_MAX: bool>(best: &mut [K::Value], values: &[K::Value]) {
    for (best, value) in best.iter_mut().zip(values) {
        *best = K::better::<IS_MAX>(*best, *value);
    }
}

fn of_all<K: Numeric, const IS_MAX: bool>(values: &[K::Value]) -> K::Value {
    let mut lanes = [K::start(IS_MAX); WIDTH];
    let (blocks, rest) = values.as_chunks::<WIDTH>();
    blocks.iter().for_each(|block| each::<K, IS_MAX>(&mut lanes, block));
    each::<K, IS_MAX>(&mut lanes, rest);
    lanes.into_iter().fold(K::start(IS_MAX), K::better::<IS_MAX>)
}

impl<K: Numeric> Take<K> for Extremes<K> {
    fn push(&mut self, cell: usize, run: &Run<'_, K>, i: usize) {
        if let (Some(best), Some(value)) = (self.best.get_mut(cell), run.values.get(i)) {
            *best = if self.is_max {
                K::better::<true>(*best, *value)
            } else {
                K::better::<false>(*best, *value)
            };
        }
    }

    fn each(&mut self, first: usize, run: &Run<'_, K>) {
        let best = part(&mut self.best, first, run.values.len());
        if self.is_max { each::<K, true>(best, run.values) } else { each::<K, false>(best, run.values) }
    }

    fn one(&mut self, cell: usize, run: &Run<'_, K>) {
        let Some(best) = self.best.get_mut(cell) else { return };
        *best = if self.is_max {
            K::better::<true>(*best, of_all::<K, true>(run.values))
        } else {
            K::better::<false>(*best, of_all::<K, false>(run.values))
        };
    }
}
