//! PNG files.
//!
//! # Specification
//! *Portable Network Graphics (PNG) Specification (Third Edition)*, W3C Recommendation (2025).

use super::colors::{MAX_COLORS, Palette};
use super::deflate::zlib;
use super::{failed, pixels};
use crate::{Image, Result};

/// Bytes of rows that are compressed as one piece: larger ones pack a little better, smaller ones keep more threads busy.
const PIECE_BYTES: usize = 1 << 18;

/// Level of compression: a field of 1600 × 900 pixels is a seventh larger than at level 6, in a third of the time.
const LEVEL: u32 = 3;

/// A picture as PNG: with a palette where it has at most 256 colours, else without opacity where it is opaque.
///
/// # Errors
/// [`crate::Error::Encode`].
pub fn png(image: &Image) -> Result<Vec<u8>> {
    let pixels = pixels(image)?;
    match Palette::of_pixels(pixels, MAX_COLORS) {
        Some(palette) => with_palette(image, &palette),
        None if pixels.iter().all(|pixel| pixel[3] == 255) => {
            let form = Form { color: png::ColorType::Rgb, filter: Filter::None };
            write(image, form, |[red, green, blue, _]| [*red, *green, *blue], |_| {})
        }
        None => {
            let form = Form { color: png::ColorType::Rgba, filter: Filter::None };
            write(image, form, |pixel| *pixel, |_| {})
        }
    }
}

fn with_palette(image: &Image, palette: &Palette) -> Result<Vec<u8>> {
    // Numbers of smooth fields differ little from one to the next, as colours are sorted by their lightness.
    let form = Form { color: png::ColorType::Indexed, filter: Filter::Sub };
    let number = |pixel: &[u8; 4]| [palette.index(*pixel).unwrap_or(0)];
    write(image, form, number, |encoder| {
        let colors = palette.colors();
        let rgb: Vec<u8> = colors.iter().flat_map(|[red, green, blue, _]| [*red, *green, *blue]).collect();
        encoder.set_palette(rgb);
        // Opaque colours come last and need no entry.
        let opacities: Vec<u8> =
            colors.iter().map(|color| color[3]).take_while(|alpha| *alpha < 255).collect();
        if !opacities.is_empty() {
            encoder.set_trns(opacities);
        }
    })
}

/// How pixels are stored.
#[derive(Clone, Copy)]
struct Form {
    color: png::ColorType,
    filter: Filter,
}

/// What is stored of a row, by the numbers of section 9.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Filter {
    /// Bytes as they are.
    None = 0,
    /// Differences from the pixel on the left.
    Sub = 1,
}

/// Writes a picture of which each pixel is stored as the bytes that `bytes_of` gives.
fn write<const N: usize>(
    image: &Image,
    form: Form,
    bytes_of: impl Fn(&[u8; 4]) -> [u8; N] + Sync,
    prepare: impl FnOnce(&mut png::Encoder<'_, &mut Vec<u8>>),
) -> Result<Vec<u8>> {
    let (pixels, width) = (pixels(image)?, image.width as usize);
    let rows_each = (PIECE_BYTES / (width * N + 1)).max(1);
    let n_pieces = (image.height as usize).div_ceil(rows_each);
    let stream = zlib(n_pieces, LEVEL, |piece| {
        let rows = pixels.chunks_exact(width).skip(piece * rows_each).take(rows_each);
        let mut bytes = Vec::with_capacity(rows_each * (width * N + 1));
        for row in rows {
            bytes.push(form.filter as u8);
            append(&mut bytes, row, form.filter, &bytes_of);
        }
        bytes
    })?;
    let mut out = Vec::with_capacity(stream.len() + 2048);
    let mut encoder = png::Encoder::new(&mut out, image.width, image.height);
    encoder.set_color(form.color);
    encoder.set_depth(png::BitDepth::Eight);
    prepare(&mut encoder);
    let mut writer = encoder.write_header().map_err(failed)?;
    writer.write_chunk(png::chunk::IDAT, &stream).map_err(failed)?;
    writer.finish().map_err(failed)?;
    Ok(out)
}

fn append<const N: usize>(
    bytes: &mut Vec<u8>,
    row: &[[u8; 4]],
    filter: Filter,
    bytes_of: impl Fn(&[u8; 4]) -> [u8; N],
) {
    let (mut left, mut last) = ([0; N], ([0; 4], bytes_of(&[0; 4])));
    for pixel in row {
        // Runs of one colour are looked up once.
        if last.0 != *pixel {
            last = (*pixel, bytes_of(pixel));
        }
        let stored = last.1;
        match filter {
            Filter::None => bytes.extend_from_slice(&stored),
            Filter::Sub => {
                bytes.extend(stored.iter().zip(left).map(|(byte, left)| byte.wrapping_sub(left)));
                left = stored;
            }
        }
    }
}
