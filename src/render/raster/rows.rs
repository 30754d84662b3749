//! The values of the pixels of each row.

use crate::{CellMap, Cells, Error, Field, NO_CELL, Result, View};

/// Where the value of each pixel is.
pub(super) struct Rows<'f, V> {
    values: &'f [V],
    places: Places<'f>,
}

enum Places<'f> {
    /// Rows and columns of the values that are there, by rows and columns of pixels; [`NO_CELL`] where there is none.
    Separable { rows: Vec<u32>, columns: Vec<u32>, stride: usize },
    /// The cell of each pixel, all cells having values.
    Each { cells: &'f [u32], width: usize },
    /// The cell of each pixel, of a grid of which some rows and columns have values.
    EachOf {
        cells: &'f [u32],
        width: usize,
        rows: &'f [u32],
        columns: &'f [u32],
        stride: u32,
        n_columns: u32,
    },
}

impl<'f, V: Copy> Rows<'f, V> {
    pub(super) fn of(cells: &'f CellMap, field: &'f Field, values: &'f [V], view: &View) -> Result<Self> {
        let (width, height) = (view.width as usize, view.height as usize);
        let is_fitting = match cells {
            CellMap::Separable { rows, columns, n_columns } => {
                rows.len() == height && columns.len() == width && *n_columns == field.n_columns
            }
            CellMap::Each(cells) => Some(cells.len()) == width.checked_mul(height),
        };
        if !is_fitting {
            return Err(Error::Invalid("the cells are not those of this picture and field".into()));
        }
        Ok(Self { values, places: places(cells, &field.cells, field.n_columns, width) })
    }

    /// True if a row of pixels shows the same cells as the one above it.
    pub(super) fn is_like_above(&self, row: usize) -> bool {
        match &self.places {
            Places::Separable { rows, .. } => row > 0 && rows.get(row) == rows.get(row - 1),
            _ => false,
        }
    }

    /// Fills a row of pixels by the value of each; `None` without a cell that has one.
    pub(super) fn each<T>(&self, row: usize, pixels: &mut [T], paint: impl Fn(Option<V>) -> T) {
        match &self.places {
            Places::Separable { rows, columns, stride } => {
                let values = self.row(rows.get(row).copied().unwrap_or(NO_CELL), *stride);
                for (pixel, column) in pixels.iter_mut().zip(columns) {
                    *pixel = paint(values.get(*column as usize).copied());
                }
            }
            Places::Each { cells, width } => {
                for (pixel, cell) in pixels.iter_mut().zip(row_of(cells, row, *width)) {
                    *pixel = paint(self.values.get(*cell as usize).copied());
                }
            }
            Places::EachOf { cells, width, rows, columns, stride, n_columns } => {
                for (pixel, cell) in pixels.iter_mut().zip(row_of(cells, row, *width)) {
                    let found =
                        rows.get((cell / n_columns) as usize).zip(columns.get((cell % n_columns) as usize));
                    let found = found.filter(|(row, column)| **row != Cells::ABSENT && **column < *stride);
                    let position =
                        found.map(|(row, column)| *row as usize * *stride as usize + *column as usize);
                    *pixel = paint(position.and_then(|position| self.values.get(position)).copied());
                }
            }
        }
    }

    fn row(&self, row: u32, stride: usize) -> &'f [V] {
        let first = (row as usize).checked_mul(stride).filter(|_| row != NO_CELL);
        let range = first.and_then(|first| Some(first..first.checked_add(stride)?));
        range.and_then(|range| self.values.get(range)).unwrap_or(&[])
    }
}

fn row_of(cells: &[u32], row: usize, width: usize) -> &[u32] {
    cells.get(row * width..).unwrap_or(&[])
}

fn places<'f>(map: &'f CellMap, cells: &'f Cells, n_columns: u32, width: usize) -> Places<'f> {
    match (map, cells) {
        (CellMap::Separable { rows, columns, n_columns }, Cells::All) => {
            Places::Separable { rows: rows.clone(), columns: columns.clone(), stride: *n_columns as usize }
        }
        (
            CellMap::Separable { rows, columns, .. },
            Cells::Lattice { rows: to_row, columns: to_column, n_columns },
        ) => {
            let through = |from: &[u32], to: &[u32]| {
                from.iter().map(|cell| to.get(*cell as usize).copied().unwrap_or(NO_CELL)).collect()
            };
            let (rows, columns) = (through(rows, to_row), through(columns, to_column));
            Places::Separable { rows, columns, stride: *n_columns as usize }
        }
        (CellMap::Each(cells), Cells::All) => Places::Each { cells, width },
        (CellMap::Each(cells), Cells::Lattice { rows, columns, n_columns: stride }) => {
            Places::EachOf { cells, width, rows, columns, stride: *stride, n_columns: n_columns.max(1) }
        }
    }
}
