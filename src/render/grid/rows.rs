//! Pixels in parallel: bands of rows, each the same on any number of threads.

use rayon::prelude::*;
use thermocline_model::cf::LonLat;

use super::NO_CELL;
use super::sphere::{Direction, direction};
use crate::view::CompiledView;
use crate::{Cancel, Result, View};

/// Rows between two looks at whether anybody still waits.
const ROWS_PER_BAND: usize = 8;

/// The cell of each pixel's place, row by row.
pub(super) fn each_place(
    view: &View,
    cancel: &Cancel,
    find: impl Fn(LonLat) -> u32 + Sync,
) -> Result<Vec<u32>> {
    let row_of = |view: &CompiledView<'_>, row: u32, cells: &mut [u32]| {
        for (cell, place) in cells.iter_mut().zip(view.row_places(row)) {
            if let Some(place) = place {
                *cell = find(place);
            }
        }
    };
    bands(view, cancel, row_of)
}

/// The cell in each pixel's direction from the middle of the earth. `find` is also given the cell of the pixel before.
pub(super) fn each_direction(
    view: &View,
    cancel: &Cancel,
    find: impl Fn(&Direction, u32) -> u32 + Sync,
) -> Result<Vec<u32>> {
    if view.is_separable() {
        return each_of_separable(view, cancel, find);
    }
    let row_of = |view: &CompiledView<'_>, row: u32, cells: &mut [u32]| {
        let mut last = NO_CELL;
        for (cell, place) in cells.iter_mut().zip(view.row_places(row)) {
            if let Some(at) = place.and_then(direction) {
                last = find(&at, last);
                *cell = last;
            }
        }
    };
    bands(view, cancel, row_of)
}

/// The same where sines and cosines are those of a row and of a column.
fn each_of_separable(
    view: &View,
    cancel: &Cancel,
    find: impl Fn(&Direction, u32) -> u32 + Sync,
) -> Result<Vec<u32>> {
    let compiled = view.compiled();
    let meridian = |column: u32| {
        let longitude = compiled.column_longitude(column).filter(|longitude| longitude.is_finite())?;
        Some(longitude.to_radians().sin_cos())
    };
    let meridians: Vec<Option<(f64, f64)>> = (0..view.width).map(meridian).collect();
    let row_of = |view: &CompiledView<'_>, row: u32, cells: &mut [u32]| {
        let Some(latitude) = view.row_latitude(row).filter(|latitude| latitude.abs() <= 90.0) else {
            return;
        };
        let (up, out) = latitude.to_radians().sin_cos();
        let mut last = NO_CELL;
        for (cell, meridian) in cells.iter_mut().zip(&meridians) {
            if let Some((sine, cosine)) = meridian {
                last = find(&[out * cosine, out * sine, up], last);
                *cell = last;
            }
        }
    };
    bands(view, cancel, row_of)
}

fn bands(
    view: &View,
    cancel: &Cancel,
    row_of: impl Fn(&CompiledView<'_>, u32, &mut [u32]) + Sync,
) -> Result<Vec<u32>> {
    let (width, height) = (view.width as usize, view.height as usize);
    let mut cells = vec![NO_CELL; width * height];
    if cells.is_empty() {
        return Ok(cells);
    }
    let compiled = view.compiled();
    cells.par_chunks_mut(width * ROWS_PER_BAND).enumerate().try_for_each(|(band, cells)| {
        cancel.check()?;
        for (row, cells) in cells.chunks_mut(width).enumerate() {
            row_of(&compiled, (band * ROWS_PER_BAND + row) as u32, cells);
        }
        Ok(())
    })?;
    Ok(cells)
}
