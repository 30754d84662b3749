//! Pictures of fields: the colour of each pixel.
//!
//! Pixels without a cell, and cells that were not read, are transparent; cells without a value have the scale's colour
//! for missing ones.

mod palette;
mod rows;

use rayon::prelude::*;

use crate::{Cancel, CellMap, Error, Field, Grid, Image, MapProjection, Result, Scale, Values, View};

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
    if !grid.has_axes() || view.projection == MapProjection::Native {
        let allowed = "of longitudes and latitudes, or of a projection's plane, on a map";
        return Err(Error::Invalid(format!("interp: bilinear needs one-dimensional coordinates {allowed}")));
    }
    if grid.shape().1 != field.n_columns {
        return Err(Error::Invalid("the field is not one of this grid".into()));
    }
    let (palette, compiled) = (Palette::of(scale), view.compiled());
    by_bands(view, cancel, |row, pixels, _| {
        let places = u32::try_from(row).into_iter().flat_map(|row| compiled.row_places(row));
        for (pixel, place) in pixels.iter_mut().zip(places) {
            let around = place.and_then(|place| grid.around(place));
            *pixel = around.map_or([0; 4], |around| palette.color(between(field, &around)));
        }
    })
}

/// The mean of four cells by their weights; the value of the first if one that counts is missing.
fn between(field: &Field, around: &[(u32, f64); 4]) -> f64 {
    let counted = around.iter().filter(|(_, weight)| *weight > 0.0);
    let mean: f64 = counted.map(|(cell, weight)| field.value(*cell) * weight).sum();
    if mean.is_nan() { field.value(around[0].0) } else { mean }
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
