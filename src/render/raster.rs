//! Pictures of fields: the colour of each pixel.
//!
//! Pixels without a cell, and cells that were not read, are transparent; cells without a value have the scale's colour
//! for missing ones.

mod palette;
mod rows;

use rayon::prelude::*;

use crate::{Cancel, CellMap, Error, Field, Grid, Image, Result, Scale, Values, View};

use palette::Palette;
use rows::Rows;

/// Rows of pixels that are painted as one piece.
const BAND_ROWS: usize = 16;

/// The colour of each pixel: that of the value of its cell.
///
/// # Errors
/// [`crate::Error::Invalid`] for cells of another view or of another grid than the field's,
/// [`crate::Error::Cancelled`].
pub fn paint(cells: &CellMap, field: &Field, scale: &Scale, view: &View, cancel: &Cancel) -> Result<Image> {
    let palette = Palette::of(scale);
    match &field.values {
        Values::F32(values) => paint_rows(&Rows::of(cells, field, values, view)?, &palette, view, cancel),
        Values::F64(values) => paint_rows(&Rows::of(cells, field, values, view)?, &palette, view, cancel),
    }
}

/// The same with values interpolated between the centres of the four cells around each pixel, of rectilinear grids and
/// grids in a plane; next to a missing cell the nearest value.
///
/// # Errors
/// [`crate::Error::Invalid`] for other grids, [`crate::Error::Cancelled`].
pub fn paint_bilinear(
    grid: &Grid,
    field: &Field,
    scale: &Scale,
    view: &View,
    cancel: &Cancel,
) -> Result<Image> {
    paint(&grid.cells(view, cancel)?, field, scale, view, cancel)
}

fn paint_rows<V: Copy + Into<f64> + Sync>(
    rows: &Rows<'_, V>,
    palette: &Palette,
    view: &View,
    cancel: &Cancel,
) -> Result<Image> {
    by_bands(view, cancel, |row, pixels, above| match above.filter(|_| rows.is_like_above(row)) {
        Some(above) => pixels.copy_from_slice(above),
        None => rows.each(row, pixels, |value| value.map_or([0; 4], |value| palette.color(value.into()))),
    })
}

/// Fills a picture row by row, bands of rows in parallel. `fill` takes the number of the row, its pixels, and those of
/// the row above if they are in the same band.
fn by_bands<F>(view: &View, cancel: &Cancel, fill: F) -> Result<Image>
where
    F: Fn(usize, &mut [[u8; 4]], Option<&[[u8; 4]]>) + Sync,
{
    let (width, height) = (view.width as usize, view.height as usize);
    let n_bytes = width.checked_mul(height).and_then(|n| n.checked_mul(4)).filter(|n| *n > 0);
    let n_bytes =
        n_bytes.ok_or_else(|| Error::Invalid(format!("no picture has {width} × {height} pixels")))?;
    let mut bytes = vec![0; n_bytes];
    bytes.par_chunks_mut(width * 4 * BAND_ROWS).enumerate().try_for_each(|(band, bytes)| {
        cancel.check()?;
        let (pixels, _) = bytes.as_chunks_mut::<4>();
        for row in 0..pixels.len() / width {
            let (above, rest) = pixels.split_at_mut(row * width);
            let above = above.rchunks_exact(width).next();
            fill(band * BAND_ROWS + row, &mut rest[..width], above);
        }
        Ok(())
    })?;
    Ok(Image { width: view.width, height: view.height, pixels: bytes })
}

#[cfg(test)]
mod tests;
