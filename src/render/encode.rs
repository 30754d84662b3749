//! Pictures as files.

use crate::{Image, Result};

/// A picture as PNG, with a palette where it has at most 256 colours.
///
/// # Errors
/// [`crate::Error::Encode`].
pub fn png(image: &Image) -> Result<Vec<u8>> {
    let _ = image;
    Ok(Vec::new())
}

/// A picture as WebP without loss.
///
/// # Errors
/// [`crate::Error::Encode`].
pub fn webp(image: &Image) -> Result<Vec<u8>> {
    let _ = image;
    Ok(Vec::new())
}

/// Pictures of one size as an animated GIF that repeats, each shown for so many milliseconds.
///
/// # Errors
/// [`crate::Error::Encode`] for none or for different sizes.
pub fn gif(images: &[Image], frame_ms: u32) -> Result<Vec<u8>> {
    let _ = (images, frame_ms);
    Ok(Vec::new())
}
