//! Corners of cells.

use super::axis::{is_latitude, is_longitude};
use super::circle::{Arc, of_arcs, turn};

/// Corners of cells in degrees, those of each cell together.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Corners {
    values: Vec<f64>,
    n_corners: usize,
}

impl Corners {
    /// So many of each cell; `None` unless they are whole cells.
    pub(super) fn new(values: Vec<f64>, n_corners: usize) -> Option<Self> {
        (n_corners > 0 && values.len().is_multiple_of(n_corners)).then_some(Self { values, n_corners })
    }

    /// How many each cell has.
    pub(super) fn n_corners(&self) -> usize {
        self.n_corners
    }

    /// How many cells there are.
    pub(super) fn n_cells(&self) -> usize {
        self.values.len() / self.n_corners
    }

    /// The corners of each cell.
    pub(super) fn cells(&self) -> impl Iterator<Item = &[f64]> {
        self.values.chunks_exact(self.n_corners)
    }

    /// The least and greatest of those that can be latitudes.
    pub(super) fn range_of_latitudes(&self) -> Option<(f64, f64)> {
        range(self.values.iter().copied().filter(|corner| is_latitude(*corner)))
    }

    /// The part of the circle that cells cover whose corners are longitudes.
    pub(super) fn arc(&self) -> Option<Arc> {
        of_arcs(self.cells().filter_map(arc_of_cell))
    }

    /// Makes corners of cells missing that have none of another coordinate.
    pub(super) fn keep_cells(&mut self, is_kept: impl Fn(usize) -> bool) {
        for (cell, corners) in self.values.chunks_exact_mut(self.n_corners).enumerate() {
            if !is_kept(cell) {
                corners.fill(f64::NAN);
            }
        }
    }
}

/// The shortest arc that holds the corners of a cell: its beginning and width.
pub(super) fn arc_of_cell(corners: &[f64]) -> Option<(f64, f64)> {
    let mut longitudes = corners.iter().copied().filter(|corner| is_longitude(*corner));
    let first = longitudes.next()?;
    let (west, east) = longitudes.fold((0.0_f64, 0.0_f64), |(west, east), corner| {
        let offset = turn(first, corner);
        (west.min(offset), east.max(offset))
    });
    Some((first + west, east - west))
}

/// The least and greatest of numbers; NaN is passed over.
pub(super) fn range(numbers: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    let start = (f64::INFINITY, f64::NEG_INFINITY);
    let (least, most) = numbers.fold(start, |(least, most), number| (least.min(number), most.max(number)));
    (least <= most).then_some((least, most))
}
