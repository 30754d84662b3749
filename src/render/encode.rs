//! Pictures as files: PNG, WebP and animated GIF and WebP.
//!
//! PNG and WebP keep every pixel. A GIF has 256 colours a frame: from the first frame with more on, all are drawn with the
//! nearest of the colours that this one needs most.

mod colors;
mod deflate;
mod gif;
mod png;
mod quantize;
mod webp;

use crate::{Error, Image, Result};

pub use gif::GifWriter;
pub use png::png;
pub use webp::{WebpWriter, webp};

/// Pictures of one size as an animated GIF that repeats, each shown for so many milliseconds.
///
/// # Errors
/// [`crate::Error::Encode`] for none or for different sizes.
pub fn gif(images: &[Image], frame_ms: u32) -> Result<Vec<u8>> {
    let first = images.first().ok_or_else(|| Error::Encode("an animation without pictures".into()))?;
    let mut writer = GifWriter::new(first.width, first.height, frame_ms, &[])?;
    for image in images {
        writer.push(image.clone())?;
    }
    writer.finish()
}

/// The pixels of a picture.
///
/// # Errors
/// [`Error::Encode`] if there are not as many as its size says, or none.
fn pixels(image: &Image) -> Result<&[[u8; 4]]> {
    let (pixels, rest) = image.pixels.as_chunks::<4>();
    let n_pixels = u64::from(image.width) * u64::from(image.height);
    if n_pixels == 0 || n_pixels != pixels.len() as u64 || !rest.is_empty() {
        let (width, height, n_bytes) = (image.width, image.height, image.pixels.len());
        return Err(Error::Encode(format!("{n_bytes} bytes are no {width} × {height} pixels")));
    }
    Ok(pixels)
}

fn failed(cause: impl std::fmt::Display) -> Error {
    Error::Encode(cause.to_string())
}

#[cfg(test)]
mod tests;
