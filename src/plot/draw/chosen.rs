//! The cells of a grid that a selection leaves.

use std::sync::Arc;

use thermocline_core::select::{Indices, Mask, ResolvedAxis, ResolvedVariable};

/// The cells of a grid that a selection leaves.
#[derive(Debug, Clone)]
pub(super) struct Chosen {
    rows: Arc<Indices>,
    columns: Arc<Indices>,
    shape: [u64; 2],
    masks: Vec<Masked>,
}

/// A mask, and for each of its dimensions the row, the column, or the position of another axis.
#[derive(Debug, Clone)]
struct Masked {
    mask: Arc<Mask>,
    dims: Vec<Along>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Along {
    Rows,
    Columns,
    Other(u64),
}

impl Chosen {
    /// What is selected along drawn axes: rows and columns, or the one of all cells.
    pub(super) fn of(selected: &ResolvedVariable, axes: &[usize]) -> Self {
        let axis_of = |number: Option<&usize>| number.and_then(|number| selected.axes.get(*number));
        let (row, column) = match axes {
            [row, column, ..] => (axis_of(Some(row)), axis_of(Some(column))),
            _ => (None, axis_of(axes.first())),
        };
        let masked = |mask: &Arc<Mask>| {
            let along = |dim: &String| match dim {
                _ if row.is_some_and(|row| row.dim == *dim) => Along::Rows,
                _ if column.is_some_and(|column| column.dim == *dim) => Along::Columns,
                _ => {
                    let other = selected.axes.iter().find(|axis| axis.dim == *dim);
                    let indices = other.and_then(|axis| axis.indices.as_ref());
                    Along::Other(indices.and_then(|indices| indices.first()).unwrap_or(0))
                }
            };
            Masked { mask: Arc::clone(mask), dims: mask.dims().iter().map(along).collect() }
        };
        Self {
            rows: row.map_or_else(|| Arc::new(Indices::one(0)), positions),
            columns: column.map_or_else(|| Arc::new(Indices::one(0)), positions),
            shape: [row.map_or(1, |row| row.len), column.map_or(1, |column| column.len)],
            masks: selected.masks.iter().map(masked).collect(),
        }
    }

    /// True if no cell is left out.
    pub(super) fn is_all(&self) -> bool {
        self.masks.is_empty() && [self.rows.len(), self.columns.len()] == self.shape
    }

    /// How many cells there are; with several masks, at most.
    pub(super) fn n_cells(&self) -> u64 {
        let within = self.rows.len().saturating_mul(self.columns.len());
        self.masks.iter().map(|masked| masked.mask.n_cells()).fold(within, u64::min)
    }

    /// True if a cell is one of them.
    pub(super) fn contains(&self, row: u64, column: u64) -> bool {
        self.rows.contains(row) && self.columns.contains(column) && self.is_unmasked(row, column)
    }

    fn is_unmasked(&self, row: u64, column: u64) -> bool {
        let place = |along: &Along| match along {
            Along::Rows => row,
            Along::Columns => column,
            Along::Other(position) => *position,
        };
        self.masks.iter().all(|masked| {
            let position: Vec<u64> = masked.dims.iter().map(place).collect();
            masked.mask.contains(&position)
        })
    }

    /// All cells as (row, column).
    pub(super) fn cells(&self) -> Box<dyn Iterator<Item = [u64; 2]> + '_> {
        if let Some(masked) = self.masks.first() {
            let cells = masked
                .mask
                .rows()
                .flat_map(move |(position, last)| last.map(move |last| masked.cell(&position, last)));
            return Box::new(cells.filter(|[row, column]| self.contains(*row, *column)));
        }
        Box::new(self.rows.iter().flat_map(|row| self.columns.iter().map(move |column| [row, column])))
    }

    /// Some of the cells, about `most` times as many along each side, the outermost among them.
    pub(super) fn some(&self, most: u64) -> Vec<[u64; 2]> {
        if let Some(masked) = self.masks.first() {
            let n_runs = masked.mask.rows().count() as u64;
            let every = usize::try_from(n_runs.div_ceil(most.saturating_mul(most)).max(1)).unwrap_or(1);
            let ends = masked.mask.rows().step_by(every).flat_map(|(position, last)| {
                let ends = [last.start, last.end.saturating_sub(1)];
                ends.map(|last| masked.cell(&position, last))
            });
            return ends.filter(|[row, column]| self.contains(*row, *column)).collect();
        }
        let most_columns = if self.shape[0] == 1 { most.saturating_mul(most) } else { most };
        let columns = spread(&self.columns, most_columns);
        let rows = spread(&self.rows, most);
        rows.iter().flat_map(|row| columns.iter().map(move |column| [*row, *column])).collect()
    }
}

impl Masked {
    /// The cell at a place of the mask: its position along all dimensions but the last, and along that.
    fn cell(&self, position: &[u64], last: u64) -> [u64; 2] {
        let at = |along: Along| {
            let number = self.dims.iter().position(|dim| *dim == along);
            number.map_or(0, |number| position.get(number).copied().unwrap_or(last))
        };
        [at(Along::Rows), at(Along::Columns)]
    }
}

fn positions(axis: &ResolvedAxis) -> Arc<Indices> {
    axis.indices.clone().unwrap_or_else(|| Arc::new(Indices::range(0..axis.len)))
}

/// About `most` of some positions, the first and the last among them.
fn spread(indices: &Indices, most: u64) -> Vec<u64> {
    let every = indices.len().div_ceil(most.max(1)).max(1);
    let mut before = 0_u64;
    let mut some = Vec::new();
    for run in indices.runs() {
        let mut number = before.next_multiple_of(every) - before;
        while number < run.count() {
            some.push(run.start() + number * run.step());
            number += every;
        }
        before += run.count();
    }
    some.extend(indices.last().filter(|last| some.last() != Some(last)));
    some
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_positions_have_both_ends() {
        assert_eq!(spread(&Indices::range(10..20), 4), vec![10, 13, 16, 19]);
        assert_eq!(spread(&Indices::range(0..8), 3), vec![0, 3, 6, 7]);
        assert_eq!(spread(&Indices::one(5), 3), vec![5]);
    }

    #[test]
    fn cells_of_a_row_and_columns() {
        let axis = |dim: &str, len, indices: Option<Indices>| ResolvedAxis {
            dim: dim.into(),
            len,
            indices: indices.map(Arc::new),
            is_single: false,
        };
        let axes = vec![axis("y", 4, Some(Indices::range(1..3))), axis("x", 2, None)];
        let chosen = Chosen::of(&ResolvedVariable { path: "a".into(), axes, masks: vec![] }, &[0, 1]);
        assert_eq!(chosen.cells().collect::<Vec<_>>(), [[1, 0], [1, 1], [2, 0], [2, 1]]);
        assert_eq!((chosen.n_cells(), chosen.is_all()), (4, false));
        assert!(chosen.contains(2, 1) && !chosen.contains(3, 1));
    }
}
