//! WebP files, still and animated, without loss.
//!
//! # Specification
//! RFC 9649, *WebP Image Format* (2024): sections 2.7 for animations, 3 for pictures without loss.

use super::{failed, pixels};
use crate::{Error, Image, Result};

/// Longest side of an animation.
const MAX_SIDE: u32 = 1 << 14;

/// Bytes before the chunks of a file: `RIFF`, their length, `WEBP`.
const RIFF_HEADER: usize = 12;

/// Flags of the extended header: animation and opacity.
const ANIMATED_WITH_OPACITY: u32 = 0b1_0010;

/// Flag of a frame: its pixels replace those that are there.
const REPLACES: u8 = 0b10;

/// A picture as WebP without loss.
///
/// # Errors
/// [`crate::Error::Encode`].
pub fn webp(image: &Image) -> Result<Vec<u8>> {
    let is_opaque = pixels(image)?.iter().all(|pixel| pixel[3] == 255);
    let mut bytes = Vec::new();
    let encoder = image_webp::WebPEncoder::new(&mut bytes);
    let encoded = if is_opaque {
        let rgb: Vec<u8> =
            pixels(image)?.iter().flat_map(|[red, green, blue, _]| [*red, *green, *blue]).collect();
        encoder.encode(&rgb, image.width, image.height, image_webp::ColorType::Rgb8)
    } else {
        encoder.encode(&image.pixels, image.width, image.height, image_webp::ColorType::Rgba8)
    };
    encoded.map_err(failed)?;
    Ok(bytes)
}

/// Writes an animated WebP picture by picture: none is held. Every pixel is kept.
pub struct WebpWriter {
    bytes: Vec<u8>,
    size: (u32, u32),
    frame_ms: u32,
    n_frames: usize,
}

impl WebpWriter {
    /// A WebP of a size that repeats, each picture shown for so many milliseconds.
    ///
    /// # Errors
    /// [`Error::Encode`] for sizes that a WebP cannot have.
    pub fn new(width: u32, height: u32, frame_ms: u32) -> Result<Self> {
        if !((1..=MAX_SIDE).contains(&width) && (1..=MAX_SIDE).contains(&height)) {
            return Err(Error::Encode(format!("a WebP cannot have {width} × {height} pixels")));
        }
        let mut writer =
            Self { bytes: Vec::new(), size: (width, height), frame_ms: frame_ms.min(0xff_ffff), n_frames: 0 };
        writer.bytes.extend_from_slice(b"RIFF\0\0\0\0WEBP");
        let mut header = ANIMATED_WITH_OPACITY.to_le_bytes().to_vec();
        header.extend(three_bytes(width - 1).into_iter().chain(three_bytes(height - 1)));
        writer.chunk(b"VP8X", &[&header])?;
        // The background is transparent, and the animation repeats without end.
        writer.chunk(b"ANIM", &[&[0; 6]])?;
        Ok(writer)
    }

    /// Adds a picture.
    ///
    /// # Errors
    /// [`Error::Encode`] for a picture of another size.
    pub fn push(&mut self, image: &Image) -> Result<()> {
        let (width, height) = self.size;
        if (image.width, image.height) != (width, height) {
            let found = format!("{} × {}", image.width, image.height);
            return Err(Error::Encode(format!(
                "a picture of {found} pixels in an animation of {width} × {height}"
            )));
        }
        let still = webp(image)?;
        let still = still.get(RIFF_HEADER..).filter(|chunks| chunks.starts_with(b"VP8L"));
        let still =
            still.ok_or_else(|| Error::Encode("a still picture is not in the form of frames".into()))?;
        let mut header = vec![0; 6];
        for number in [width - 1, height - 1, self.frame_ms] {
            header.extend(three_bytes(number));
        }
        header.push(REPLACES);
        self.chunk(b"ANMF", &[&header, still])?;
        self.n_frames += 1;
        Ok(())
    }

    /// The file.
    ///
    /// # Errors
    /// [`Error::Encode`] without pictures.
    pub fn finish(mut self) -> Result<Vec<u8>> {
        if self.n_frames == 0 {
            return Err(Error::Encode("an animation without pictures".into()));
        }
        let length = length_of(self.bytes.len() - 8)?;
        if let Some(place) = self.bytes.get_mut(4..8) {
            place.copy_from_slice(&length.to_le_bytes());
        }
        Ok(self.bytes)
    }

    fn chunk(&mut self, name: &[u8; 4], parts: &[&[u8]]) -> Result<()> {
        let n_bytes: usize = parts.iter().map(|part| part.len()).sum();
        self.bytes.extend_from_slice(name);
        self.bytes.extend_from_slice(&length_of(n_bytes)?.to_le_bytes());
        for part in parts {
            self.bytes.extend_from_slice(part);
        }
        // Chunks begin at even places.
        self.bytes.resize(self.bytes.len().next_multiple_of(2), 0);
        Ok(())
    }
}

fn length_of(n_bytes: usize) -> Result<u32> {
    u32::try_from(n_bytes).map_err(|_| Error::Encode("an animation of more than 4 GiB".into()))
}

fn three_bytes(number: u32) -> [u8; 3] {
    let [first, second, third, _] = number.to_le_bytes();
    [first, second, third]
}
