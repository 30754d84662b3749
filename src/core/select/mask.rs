//! Cells of several dimensions that a box or a range of a multi-dimensional coordinate selects.

use std::ops::Range;

use super::indices::Indices;

/// Cells of a grid of two or more dimensions, as runs along the last of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mask {
    dims: Vec<String>,
    shape: Vec<u64>,
    /// Runs of cells in C order, each within one row of the last dimension.
    runs: Vec<Range<u64>>,
}

impl Mask {
    /// The cells at these positions in C order.
    pub(super) fn new(dims: Vec<String>, shape: Vec<u64>, cells: &Indices) -> Self {
        let width = shape.last().copied().unwrap_or(1).max(1);
        let mut runs = Vec::new();
        for run in cells.runs() {
            // Cells that match are gathered in runs of step 1.
            let (mut start, end) = (run.start(), run.last() + 1);
            while start < end {
                let row_end = end.min((start / width + 1).saturating_mul(width));
                runs.push(start..row_end);
                start = row_end;
            }
        }
        Self { dims, shape, runs }
    }

    /// Names of the dimensions.
    pub fn dims(&self) -> &[String] {
        &self.dims
    }

    /// Lengths of the dimensions.
    pub fn shape(&self) -> &[u64] {
        &self.shape
    }

    /// How many cells are selected.
    pub fn n_cells(&self) -> u64 {
        self.runs.iter().map(|run| run.end - run.start).sum()
    }

    /// Every row that has selected cells, with a run of them: the position along all dimensions but the last, and
    /// the positions along the last. A row with several runs comes several times; all ascend.
    pub fn rows(&self) -> impl Iterator<Item = (Vec<u64>, Range<u64>)> + '_ {
        let width = self.shape.last().copied().unwrap_or(1).max(1);
        self.runs.iter().map(move |run| {
            let mut row = run.start / width;
            let first = row * width;
            let mut position = vec![0; self.shape.len().saturating_sub(1)];
            for (axis, len) in position.iter_mut().zip(&self.shape).rev() {
                *axis = row % (*len).max(1);
                row /= (*len).max(1);
            }
            (position, run.start - first..run.end - first)
        })
    }

    /// The cells that both have; `None` unless they are over the same grid.
    pub(super) fn intersection(&self, other: &Self) -> Option<Self> {
        if self.dims != other.dims || self.shape != other.shape {
            return None;
        }
        let mut runs = Vec::new();
        let (mut a, mut b) = (self.runs.iter().peekable(), other.runs.iter().peekable());
        while let (Some(left), Some(right)) = (a.peek(), b.peek()) {
            let both = left.start.max(right.start)..left.end.min(right.end);
            if !both.is_empty() {
                runs.push(both);
            }
            let _ = if left.end <= right.end { a.next() } else { b.next() };
        }
        Some(Self { dims: self.dims.clone(), shape: self.shape.clone(), runs })
    }

    /// True if the cell at a position is selected.
    pub fn contains(&self, position: &[u64]) -> bool {
        if position.len() != self.shape.len() || position.iter().zip(&self.shape).any(|(at, len)| at >= len) {
            return false;
        }
        let cell = position.iter().zip(&self.shape).fold(0, |cell, (at, len)| cell * len + at);
        let after = self.runs.partition_point(|run| run.start <= cell);
        after.checked_sub(1).and_then(|before| self.runs.get(before)).is_some_and(|run| run.contains(&cell))
    }

    /// The positions along each dimension between the first and the last selected cell.
    pub fn bounds(&self) -> Vec<Range<u64>> {
        let mut bounds: Option<Vec<Range<u64>>> = None;
        for (position, columns) in self.rows() {
            let row = position.into_iter().map(|at| at..at + 1).chain([columns]);
            match &mut bounds {
                None => bounds = Some(row.collect()),
                Some(bounds) => bounds.iter_mut().zip(row).for_each(|(all, this)| {
                    *all = all.start.min(this.start)..all.end.max(this.end);
                }),
            }
        }
        bounds.unwrap_or_else(|| vec![0..0; self.shape.len()])
    }

    /// The parts of the grid that hold a selected cell, when it is cut every `sizes` along its dimensions and only
    /// `chosen` positions count; visited as positions of parts, some of them more than once.
    pub(super) fn visit_parts(
        &self,
        chosen: &[Option<&Indices>],
        sizes: &[u64],
        mut visit: impl FnMut(&[u64]),
    ) {
        let (Some(size), Some(columns_of)) = (sizes.last(), chosen.last()) else { return };
        let size = (*size).max(1);
        for (mut position, columns) in self.rows() {
            let is_chosen =
                |(at, chosen): (&u64, &Option<&Indices>)| chosen.is_none_or(|chosen| chosen.contains(*at));
            if !position.iter().zip(chosen).all(is_chosen) {
                continue;
            }
            position.iter_mut().zip(sizes).for_each(|(at, size)| *at /= (*size).max(1));
            position.push(0);
            for part in columns.start / size..columns.end.div_ceil(size) {
                let within = columns.start.max(part * size)..columns.end.min((part + 1).saturating_mul(size));
                if columns_of.is_none_or(|chosen| chosen.meets(&within)) {
                    if let Some(last) = position.last_mut() {
                        *last = part;
                    }
                    visit(&position);
                }
            }
        }
    }

    /// True if a selected cell is among the `chosen` positions.
    pub(super) fn meets(&self, chosen: &[Option<&Indices>]) -> bool {
        let mut is_met = false;
        self.visit_parts(chosen, &self.shape, |_| is_met = true);
        is_met
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 3 × 4 cells, of which a corner and a stripe over the end of a row are selected.
    fn mask() -> Mask {
        let mut cells = Indices::range(0..1);
        cells.push_range(3..6);
        Mask::new(vec!["y".into(), "x".into()], vec![3, 4], &cells)
    }

    #[test]
    fn runs_end_where_rows_do() {
        let rows: Vec<_> = mask().rows().collect();
        assert_eq!(rows, [(vec![0], 0..1), (vec![0], 3..4), (vec![1], 0..2)]);
        assert_eq!((mask().n_cells(), mask().bounds()), (4, vec![0..2, 0..4]));
    }

    #[test]
    fn cells_are_found_again() {
        let mask = mask();
        let found: Vec<(u64, u64)> = (0..3)
            .flat_map(|y| (0..4).map(move |x| (y, x)))
            .filter(|(y, x)| mask.contains(&[*y, *x]))
            .collect();
        assert_eq!(found, [(0, 0), (0, 3), (1, 0), (1, 1)]);
        assert!(!mask.contains(&[0, 4]) && !mask.contains(&[0]));
    }

    #[test]
    fn parts_count_only_with_chosen_cells() {
        let parts = |chosen: &[Option<&Indices>]| {
            let mut parts = Vec::new();
            mask().visit_parts(chosen, &[2, 2], |part| parts.push(part.to_vec()));
            parts.sort();
            parts.dedup();
            parts
        };
        assert_eq!(parts(&[None, None]), [[0, 0], [0, 1]]);
        let odd = Indices::strided(1, 2, 2);
        assert_eq!(parts(&[None, Some(&odd)]), [[0, 0], [0, 1]]);
        assert_eq!(parts(&[Some(&Indices::one(0)), Some(&odd)]), [[0, 1]]);
        assert!(!mask().meets(&[Some(&Indices::one(2)), None]));
    }
}
