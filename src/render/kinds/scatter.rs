//! Discs at places: values at stations on a map, or two variables against each other.
//!
//! A few discs are marks; many are drawn here into one picture, later ones above earlier ones.

use rayon::prelude::*;
use thermocline_model::cf::LonLat;

use super::Size;
use crate::ticks::Axis;
use crate::{Cancel, Color, Image, MapProjection, Mark, Result, View};

/// Most discs that stay marks of their own.
const MAX_MARKS: usize = 20_000;

/// Most pixels of a disc's diameter.
const MAX_DIAMETER: f32 = 512.0;

/// Whether the edges of what is filled are smoothed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edges {
    /// Pixels have one colour or the other, as in panels without a frame.
    Crisp,
    /// Pixels in which colours meet have a mixture.
    Smooth,
}

/// Discs at places on a map; `color` gives that of the disc of a number. Discs across the sides of a map once around the
/// earth appear at both, unless their edges are crisp: then each is drawn once.
///
/// # Errors
/// [`crate::Error::Cancelled`].
pub fn points(
    view: &View,
    places: &[LonLat],
    color: impl Fn(usize) -> Color + Sync,
    (diameter, edges): (f32, Edges),
    cancel: &Cancel,
) -> Result<Vec<Mark>> {
    let width = f64::from(view.width);
    let turn = match view.projection {
        MapProjection::PlateCarree | MapProjection::Mercator if edges == Edges::Smooth => {
            360.0 / (view.extent.east - view.extent.west) * width
        }
        _ => f64::INFINITY,
    };
    let compiled = view.compiled();
    let reach = f64::from(diameter);
    let mut discs = Vec::with_capacity(places.len());
    for (number, place) in places.iter().enumerate() {
        if number % 4096 == 0 {
            cancel.check()?;
        }
        let is_place = place.longitude.is_finite() && place.latitude.is_finite();
        let Some((x, y)) = is_place.then(|| compiled.position(*place)).flatten() else { continue };
        let color = color(number);
        if color.alpha == 0 || !(x.is_finite() && y.is_finite()) {
            continue;
        }
        // Views of many turns would draw each disc once for each of them.
        if !(turn.is_finite() && turn >= 1.0 && turn * 8.0 >= width) {
            discs.push(([x as f32, y as f32], color));
            continue;
        }
        let first = ((-reach - x) / turn).ceil();
        let mut x = x + first * turn;
        while x <= width + reach {
            discs.push(([x as f32, y as f32], color));
            x += turn;
        }
    }
    discs_or_image(discs, (view.width, view.height), diameter, edges, cancel)
}

/// Discs between two axes at (x, y).
///
/// # Errors
/// [`crate::Error::Cancelled`].
pub fn scatter(
    (xs, ys): (&[f64], &[f64]),
    (x, y): (&Axis, &Axis),
    size: Size,
    color: impl Fn(usize) -> Color + Sync,
    (diameter, edges): (f32, Edges),
    cancel: &Cancel,
) -> Result<Vec<Mark>> {
    let (width, height) = (f64::from(size.0), f64::from(size.1));
    let reach = f64::from(diameter);
    let mut discs = Vec::new();
    for (number, (one, other)) in xs.iter().zip(ys).enumerate() {
        if number % 4096 == 0 {
            cancel.check()?;
        }
        let (x, y) = (x.share(*one) * width, (1.0 - y.share(*other)) * height);
        let is_seen = x >= -reach && x <= width + reach && y >= -reach && y <= height + reach;
        let color = color(number);
        if one.is_finite() && other.is_finite() && is_seen && color.alpha > 0 {
            discs.push(([x as f32, y as f32], color));
        }
    }
    discs_or_image(discs, size, diameter, edges, cancel)
}

fn discs_or_image(
    discs: Vec<([f32; 2], Color)>,
    size: Size,
    diameter: f32,
    edges: Edges,
    cancel: &Cancel,
) -> Result<Vec<Mark>> {
    let diameter = if diameter.is_finite() { diameter.clamp(0.0, MAX_DIAMETER) } else { 0.0 };
    if discs.is_empty() || diameter == 0.0 {
        return Ok(Vec::new());
    }
    if discs.len() <= MAX_MARKS && edges == Edges::Smooth {
        return Ok(vec![Mark::Discs { discs, diameter }]);
    }
    Ok(vec![Mark::Image(draw(&discs, size, diameter, edges, cancel)?)])
}

/// Draws discs into a picture, a band of rows at a time.
fn draw(
    discs: &[([f32; 2], Color)],
    (width, height): Size,
    diameter: f32,
    edges: Edges,
    cancel: &Cancel,
) -> Result<Image> {
    const BAND: usize = 32;
    let mut image = Image::transparent(width, height);
    let row_bytes = width as usize * 4;
    if row_bytes == 0 {
        return Ok(image);
    }
    let radius = diameter / 2.0;
    let n_bands = (height as usize).div_ceil(BAND);
    let mut of_bands: Vec<Vec<u32>> = vec![Vec::new(); n_bands];
    for (number, ([_, y], _)) in discs.iter().enumerate() {
        let first = ((y - radius - 1.0) / BAND as f32).floor().max(0.0) as usize;
        let last = ((y + radius + 1.0) / BAND as f32).floor();
        if last >= 0.0 {
            for band in of_bands.iter_mut().take(last as usize + 1).skip(first) {
                band.push(number as u32);
            }
        }
    }
    image.pixels.par_chunks_mut(row_bytes * BAND).zip(&of_bands).enumerate().try_for_each(
        |(band, (pixels, numbers))| {
            cancel.check()?;
            let mut band = Band { first_row: band * BAND, row_bytes, pixels };
            for number in numbers {
                if let Some((at, color)) = discs.get(*number as usize) {
                    band.disc(*at, radius, *color, edges);
                }
            }
            Ok(())
        },
    )?;
    Ok(image)
}

/// Some rows of a picture.
struct Band<'p> {
    first_row: usize,
    row_bytes: usize,
    pixels: &'p mut [u8],
}

impl Band<'_> {
    fn disc(&mut self, [x, y]: [f32; 2], radius: f32, color: Color, edges: Edges) {
        let y = y - self.first_row as f32;
        let n_rows = self.pixels.len() / self.row_bytes;
        let reach = radius + 1.0;
        let rows = (y - reach).floor().max(0.0) as usize..((y + reach).ceil().max(0.0) as usize).min(n_rows);
        let last = ((x + reach).ceil().max(0.0) as usize).min(self.row_bytes / 4);
        let first = ((x - reach).floor().max(0.0) as usize).min(last);
        for row in rows {
            let row_pixels = &mut self.pixels[row * self.row_bytes..(row + 1) * self.row_bytes];
            for (pixel, column) in row_pixels[first * 4..last * 4].chunks_exact_mut(4).zip(first..) {
                let (dx, dy) = (column as f32 + 0.5 - x, row as f32 + 0.5 - y);
                lay_over(pixel, color, coverage(dx * dx + dy * dy, radius, edges));
            }
        }
    }
}

/// How much of a pixel lies within a radius, by the square of its distance.
fn coverage(square: f32, radius: f32, edges: Edges) -> f32 {
    let (inner, outer) = ((radius - 0.5).max(0.0), radius + 0.5);
    match edges {
        Edges::Crisp => f32::from(u8::from(square <= radius * radius)),
        Edges::Smooth if square >= outer * outer => 0.0,
        Edges::Smooth if square <= inner * inner && radius >= 0.5 => 1.0,
        Edges::Smooth => (outer - square.sqrt()).clamp(0.0, 1.0),
    }
}

/// Lays a colour over a pixel.
fn lay_over(pixel: &mut [u8], color: Color, coverage: f32) {
    if coverage >= 1.0 && color.alpha == 255 {
        pixel.copy_from_slice(&[color.red, color.green, color.blue, 255]);
        return;
    }
    let above = coverage * f32::from(color.alpha) / 255.0;
    if above <= 0.0 {
        return;
    }
    let &mut [_, _, _, alpha] = pixel else { return };
    let below = f32::from(alpha) / 255.0 * (1.0 - above);
    let whole = above + below;
    for (part, over) in pixel.iter_mut().zip([color.red, color.green, color.blue]) {
        *part = ((f32::from(over) * above + f32::from(*part) * below) / whole).round() as u8;
    }
    if let Some(alpha) = pixel.last_mut() {
        *alpha = (whole * 255.0).round() as u8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ticks::Quantity;

    const RED: Color = Color::rgb(255, 0, 0);

    fn axis(first: f64, last: f64) -> Axis {
        Axis { first, last, quantity: Quantity::Number, label: None }
    }

    fn image(marks: &[Mark]) -> &Image {
        match marks {
            [Mark::Image(image)] => image,
            _ => panic!("{} marks, not one image", marks.len()),
        }
    }

    #[test]
    fn crisp_discs_cover_the_pixels_whose_centres_they_hold() {
        let axes = (&axis(0.0, 20.0), &axis(0.0, 20.0));
        let marks = scatter((&[10.0], &[12.0]), axes, (20, 20), |_| RED, (7.0, Edges::Crisp), &Cancel::new())
            .expect("a picture");

        let image = image(&marks);
        for row in 0..20 {
            for column in 0..20 {
                let distance = (f64::from(column) + 0.5 - 10.0).hypot(f64::from(row) + 0.5 - 8.0);
                let expected = if distance <= 3.5 { RED } else { Color::TRANSPARENT };
                assert_eq!(image.pixel(column, row), expected, "column {column}, row {row}");
            }
        }
    }

    #[test]
    fn a_million_discs_lie_in_order() {
        let n = 1_000_000;
        let xs: Vec<f64> = (0..n).map(|i| f64::from(i % 1000)).collect();
        let ys: Vec<f64> = (0..n).map(|i| f64::from(i / 1000)).collect();
        let shade = |i: usize| Color::rgb((i / 1000 % 256) as u8, 0, 0);
        let axes = (&axis(0.0, 1000.0), &axis(0.0, 1000.0));

        let marks = scatter((&xs, &ys), axes, (500, 500), shade, (4.0, Edges::Smooth), &Cancel::new())
            .expect("a picture");

        // Rows of points ascend, so the latest disc above a pixel is the one furthest up: two rows to a pixel.
        let pixel = image(&marks).pixel(250, 250);
        let latest = (500 + 3 - 1) % 256;
        assert!(i32::from(pixel.red).abs_diff(latest) <= 2, "{pixel:?}");
        assert_eq!(pixel.alpha, 255);
    }

    proptest::proptest! {
        #[test]
        fn any_numbers_are_drawn_without_panics(
            xs: Vec<f64>, ys: Vec<f64>, diameter: f32, width in 0u32..40, height in 0u32..40
        ) {
            for edges in [Edges::Crisp, Edges::Smooth] {
                let axes = (&axis(0.0, 1.0), &axis(5.0, 5.0));
                let drawn = scatter((&xs, &ys), axes, (width, height), |_| RED, (diameter, edges), &Cancel::new());
                proptest::prop_assert!(drawn.is_ok());
            }
        }
    }
}
