//! Animated GIF files.
//!
//! # Specification
//! CompuServe, *Graphics Interchange Format, Version 89a* (1990); the Netscape extension repeats without end.

use std::borrow::Cow;
use std::collections::HashMap;

use gif::{DisposalMethod, Frame, Repeat};

use super::colors::{MAX_COLORS, Palette};
use super::quantize::{nearest, quantize};
use super::{failed, pixels};
use crate::{Color, Error, Image, Result};

/// Shortest time of a frame in hundredths of a second: browsers take less for a mistake, and show it for longer.
const MIN_DELAY: u32 = 2;

/// Writes an animated GIF picture by picture: no more than two are held.
///
/// Pictures of at most 256 colours keep them all. From the first that has more on, they share a palette of its most
/// needed colours.
pub struct GifWriter {
    encoder: gif::Encoder<Vec<u8>>,
    size: (u16, u16),
    delay: u16,
    /// Colours that are kept when there are too many.
    wanted: Vec<[u8; 4]>,
    shared: Option<Palette>,
    /// True if something of the first picture is transparent: what is left on the screen is seen through it when the
    /// animation starts again. `None` before it is known.
    starts_open: Option<bool>,
    /// What is on the screen when the next frame is drawn; `None` for nothing.
    screen: Option<Image>,
    /// The last picture: how it is left depends on the one that follows.
    pending: Option<Image>,
}

impl GifWriter {
    /// A GIF of a size that repeats, each picture shown for so many milliseconds. `colors` are those that matter most: of
    /// the scale.
    ///
    /// # Errors
    /// [`Error::Encode`] for sizes that a GIF cannot have.
    pub fn new(width: u32, height: u32, frame_ms: u32, colors: &[Color]) -> Result<Self> {
        let side = |length: u32| u16::try_from(length).ok().filter(|length| *length > 0);
        let too_large = || Error::Encode(format!("a GIF cannot have {width} × {height} pixels"));
        let size = side(width).zip(side(height)).ok_or_else(too_large)?;
        let mut encoder = gif::Encoder::new(Vec::new(), size.0, size.1, &[]).map_err(failed)?;
        encoder.set_repeat(Repeat::Infinite).map_err(failed)?;
        let hundredths = (frame_ms.saturating_add(5) / 10).max(MIN_DELAY);
        let opaque = colors.iter().filter(|color| color.alpha == 255).map(|color| color.rgba());
        // Half of the palette is left for texts and lines.
        let mut wanted = Palette::of_colors(opaque).colors().to_vec();
        if wanted.len() > MAX_COLORS / 2 {
            wanted = wanted.into_iter().step_by(2).collect();
        }
        Ok(Self {
            encoder,
            size,
            delay: u16::try_from(hundredths).unwrap_or(u16::MAX),
            wanted,
            shared: None,
            starts_open: None,
            screen: None,
            pending: None,
        })
    }

    /// Adds a picture.
    ///
    /// # Errors
    /// [`Error::Encode`] for a picture of another size.
    pub fn push(&mut self, image: Image) -> Result<()> {
        pixels(&image)?;
        if (image.width, image.height) != (u32::from(self.size.0), u32::from(self.size.1)) {
            let (width, height) = self.size;
            let found = format!("{} × {}", image.width, image.height);
            return Err(Error::Encode(format!(
                "a picture of {found} pixels in an animation of {width} × {height}"
            )));
        }
        self.starts_open.get_or_insert_with(|| opacities(&image).any(|opacity| opacity < 128));
        match self.pending.take() {
            Some(last) if clears(&last, &image) => {
                self.write(&last, Area::whole(self.size), DisposalMethod::Background)?;
                self.screen = None;
            }
            Some(last) => self.write_changed(last)?,
            None => {}
        }
        self.pending = Some(image);
        Ok(())
    }

    /// The file.
    ///
    /// # Errors
    /// [`Error::Encode`] without pictures.
    pub fn finish(mut self) -> Result<Vec<u8>> {
        let last =
            self.pending.take().ok_or_else(|| Error::Encode("an animation without pictures".into()))?;
        // What is drawn is cleared in the end: the whole screen, where the first picture does not cover it.
        let area = if self.starts_open == Some(true) { Area::whole(self.size) } else { self.changed(&last) };
        self.write(&last, area, DisposalMethod::Background)?;
        self.encoder.into_inner().map_err(failed)
    }

    /// Writes what differs from the screen, and leaves it there.
    fn write_changed(&mut self, image: Image) -> Result<()> {
        let area = self.changed(&image);
        self.write(&image, area, DisposalMethod::Keep)?;
        self.screen = Some(image);
        Ok(())
    }

    fn changed(&self, image: &Image) -> Area {
        match &self.screen {
            Some(screen) => Area::of_difference(screen, image, self.size),
            None => Area::whole(self.size),
        }
    }

    fn write(&mut self, image: &Image, area: Area, dispose: DisposalMethod) -> Result<()> {
        let cut = area.cut(pixels(image)?, usize::from(self.size.0));
        let (colors, indices) = self.indices(&cut);
        let transparent = colors.iter().position(|color| color[3] < 128);
        let frame = Frame {
            delay: self.delay,
            dispose,
            transparent: transparent.and_then(|number| u8::try_from(number).ok()),
            top: area.top,
            left: area.left,
            width: area.width,
            height: area.height,
            palette: Some(colors.iter().flat_map(|[red, green, blue, _]| [*red, *green, *blue]).collect()),
            buffer: Cow::Owned(indices),
            ..Frame::default()
        };
        self.encoder.write_frame(&frame).map_err(failed)
    }

    /// The palette of pixels and their numbers in it.
    fn indices(&mut self, pixels: &[[u8; 4]]) -> (Vec<[u8; 4]>, Vec<u8>) {
        // Parts of pictures must not stand out from the rest by being nearer to the truth.
        let plain = self.shared.is_none().then(|| Palette::of_pixels(pixels, MAX_COLORS)).flatten();
        if let Some(palette) = plain.filter(is_plain) {
            return (palette.colors().to_vec(), palette.indices(pixels, |_| 0));
        }
        let wanted = &self.wanted;
        let palette = self.shared.get_or_insert_with(|| {
            let chosen = quantize(pixels, wanted, MAX_COLORS - 1);
            Palette::of_colors(std::iter::once([0; 4]).chain(chosen))
        });
        let colors = palette.colors().to_vec();
        let mut found = HashMap::new();
        let indices =
            palette.indices(pixels, |color| *found.entry(color).or_insert_with(|| nearest(&colors, color)));
        (colors, indices)
    }
}

/// True of colours that a GIF can have: opaque, but for one that is wholly transparent.
fn is_plain(palette: &Palette) -> bool {
    let mut seen = palette.colors().iter().filter(|color| color[3] != 255);
    seen.next().is_none_or(|color| color[3] == 0) && seen.next().is_none()
}

/// True if a picture is transparent where the one before is not: what is there must be taken away.
fn clears(before: &Image, after: &Image) -> bool {
    opacities(before).zip(opacities(after)).any(|(before, after)| before >= 128 && after < 128)
}

fn opacities(image: &Image) -> impl Iterator<Item = u8> {
    image.pixels.iter().skip(3).step_by(4).copied()
}

/// A part of the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Area {
    left: u16,
    top: u16,
    width: u16,
    height: u16,
}

impl Area {
    fn whole((width, height): (u16, u16)) -> Self {
        Self { left: 0, top: 0, width, height }
    }

    /// The smallest box around all pixels that differ; one pixel if none does.
    fn of_difference(before: &Image, after: &Image, (width, _): (u16, u16)) -> Self {
        let row_bytes = usize::from(width) * 4;
        let rows = before.pixels.chunks_exact(row_bytes).zip(after.pixels.chunks_exact(row_bytes));
        let (mut top, mut bottom, mut left, mut right) = (None, 0, usize::from(width), 0);
        for (row, (before, after)) in rows.enumerate().filter(|(_, (before, after))| before != after) {
            top.get_or_insert(row);
            bottom = row;
            let differs = |(before, after): (&u8, &u8)| before != after;
            let first = before.iter().zip(after).position(differs).unwrap_or(0) / 4;
            let last = before.iter().zip(after).rposition(differs).unwrap_or(0) / 4;
            (left, right) = (left.min(first), right.max(last));
        }
        let Some(top) = top else { return Self { left: 0, top: 0, width: 1, height: 1 } };
        let [left, top, width, height] = [left, top, right + 1 - left, bottom + 1 - top]
            .map(|length| u16::try_from(length).unwrap_or(u16::MAX));
        Self { left, top, width, height }
    }

    fn cut(self, pixels: &[[u8; 4]], width: usize) -> Vec<[u8; 4]> {
        let rows = pixels.chunks_exact(width).skip(usize::from(self.top)).take(usize::from(self.height));
        rows.flat_map(|row| row.iter().skip(usize::from(self.left)).take(usize::from(self.width)))
            .copied()
            .collect()
    }
}
