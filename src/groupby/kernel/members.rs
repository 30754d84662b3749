//! Medians and quantiles: all valid values of a cell are kept until they are complete.

use super::Cells;
use super::number::{Kept, Numeric};
use super::run::{Run, Take, part};

/// The valid values of each cell.
pub(super) struct Members<K: Numeric> {
    /// Room for the values of all cells, one cell after another.
    values: Vec<K::Kept>,
    /// Where the room of each cell begins, and where the last one ends.
    starts: Vec<usize>,
    /// How many values each cell has.
    lens: Vec<usize>,
    /// Values of cells without room: they were announced too small.
    others: Vec<(usize, K::Kept)>,
    q: Vec<f64>,
}

impl<K: Numeric> Members<K> {
    /// Of no values, with room for `n_members` in each cell.
    pub(super) fn new(n_cells: usize, n_members: &dyn Fn(usize) -> u64, q: &[f64]) -> Self {
        let mut starts = Vec::with_capacity(n_cells + 1);
        let mut end = 0_usize;
        starts.push(0);
        for cell in 0..n_cells {
            end = end.saturating_add(usize::try_from(n_members(cell)).unwrap_or(usize::MAX));
            starts.push(end);
        }
        Self {
            values: vec![K::Kept::default(); end],
            starts,
            lens: vec![0; n_cells],
            others: Vec::new(),
            q: q.to_vec(),
        }
    }

    /// The results: all quantiles of a cell follow each other.
    pub(super) fn finish(mut self) -> Cells {
        let mut ascending: Vec<(usize, f64)> = self.q.iter().copied().enumerate().collect();
        ascending.sort_by(|(_, a), (_, b)| a.total_cmp(b));
        let n_quantiles = self.q.len();
        let mut results = vec![f64::NAN; n_quantiles.saturating_mul(self.lens.len())];
        let bounds = self.starts.iter().zip(&self.lens);
        for ((cell, (start, len)), results) in
            bounds.enumerate().zip(results.chunks_exact_mut(n_quantiles.max(1)))
        {
            let mut whole: Vec<K::Kept>;
            let mut values = self.values.get_mut(*start..start + len).unwrap_or_default();
            if !self.others.is_empty() {
                let others = self.others.iter().filter(|(other, _)| *other == cell);
                whole = values.iter().copied().chain(others.map(|(_, value)| *value)).collect();
                values = &mut whole;
            }
            quantiles(values, &ascending, results);
        }
        Cells::Floats(results)
    }
}

impl<K: Numeric> Take<K> for Members<K> {
    fn push(&mut self, cell: usize, run: &Run<'_, K>, i: usize) {
        let Some(value) = run.values.get(i).copied().filter(|value| !K::is_missing(value)) else { return };
        let (Some(start), Some(end)) = (self.starts.get(cell), self.starts.get(cell + 1)) else { return };
        let Some(len) = self.lens.get_mut(cell) else { return };
        let place = self.values.get_mut(*start..*end).and_then(|room| room.get_mut(*len));
        match place {
            Some(place) => {
                *place = K::keep(value);
                *len += 1;
            }
            None => self.others.push((cell, K::keep(value))),
        }
    }

    fn each(&mut self, first: usize, run: &Run<'_, K>) {
        let n = run.values.len();
        let bounds = self.starts.get(first..=first + n).unwrap_or_default().windows(2);
        let cells = bounds.zip(part(&mut self.lens, first, n)).zip(run.values);
        for (i, ((bounds, len), value)) in cells.enumerate() {
            let &[start, end] = bounds else { continue };
            if K::is_missing(value) {
                continue;
            }
            match self.values.get_mut(start + *len).filter(|_| start + *len < end) {
                Some(place) => {
                    *place = K::keep(*value);
                    *len += 1;
                }
                None => self.others.push((first + i, K::keep(*value))),
            }
        }
    }
}

/// Quantiles in ascending order, each to its place; NaN of no values. The values are reordered.
///
/// # Source
/// numpy's `quantile`, method `linear`.
fn quantiles<T: Kept>(values: &mut [T], ascending: &[(usize, f64)], results: &mut [f64]) {
    let Some(last) = values.len().checked_sub(1) else { return };
    let mut sorted = Sorted { values, n_done: 0 };
    for (place, q) in ascending {
        let index = q * last as f64;
        let below = (index.floor().max(0.0) as usize).min(last);
        let share = index - below as f64;
        let a = sorted.nth(below);
        let b = if share > 0.0 { sorted.nth((below + 1).min(last)) } else { a };
        if let Some(result) = results.get_mut(*place) {
            *result = between(a, b, share);
        }
    }
}

/// Values that are sorted as far as somebody asked.
struct Sorted<'v, T> {
    values: &'v mut [T],
    /// Of the values before this, those that were asked for are where they belong, and none is above the rest.
    n_done: usize,
}

impl<T: Kept> Sorted<'_, T> {
    /// The value at a position in their order; positions come in ascending order, or again.
    fn nth(&mut self, position: usize) -> f64 {
        if position >= self.n_done
            && let Some(rest) = self.values.get_mut(self.n_done..)
            && position - self.n_done < rest.len()
        {
            rest.select_nth_unstable_by(position - self.n_done, T::order);
            self.n_done = position + 1;
        }
        self.values.get(position).map_or(f64::NAN, |value| value.number())
    }
}

/// As numpy's `_lerp`.
fn between(a: f64, b: f64, share: f64) -> f64 {
    if a == b {
        return a;
    }
    let width = b - a;
    if width.is_infinite() && a.is_finite() && b.is_finite() {
        return a * (1.0 - share) + b * share;
    }
    if share >= 0.5 { b - width * (1.0 - share) } else { a + width * share }
}
