//! The colours of a picture, and their numbers.

use rayon::prelude::*;

/// Most colours of a palette.
pub(super) const MAX_COLORS: usize = 256;

/// Pixels that are looked at as one piece.
const BAND: usize = 1 << 16;

/// Slots of the table of colours: a power of two, and several times as many as colours.
const N_SLOTS: usize = 2048;

/// Few colours with their numbers.
pub(super) struct Palette {
    colors: Vec<[u8; 4]>,
    slots: Vec<u16>,
}

/// Marks a slot without a colour.
const EMPTY: u16 = u16::MAX;

impl Palette {
    fn new() -> Self {
        Self { colors: Vec::new(), slots: vec![EMPTY; N_SLOTS] }
    }

    /// A palette of these colours; later ones that would make it too large, and repeated ones, are left out.
    pub(super) fn of_colors(colors: impl IntoIterator<Item = [u8; 4]>) -> Self {
        let mut palette = Self::new();
        for color in colors {
            palette.insert(color);
        }
        palette
    }

    /// The colours of pixels, the transparent ones first, then from dark to light: close colours have close numbers,
    /// which packs better. `None` if there are more than `limit`.
    pub(super) fn of_pixels(pixels: &[[u8; 4]], limit: usize) -> Option<Self> {
        let bands: Option<Vec<Self>> =
            pixels.par_chunks(BAND).map(|band| Self::of_band(band, limit)).collect();
        let mut all = Self::of_band(&[], limit)?;
        for color in bands?.iter().flat_map(|band| &band.colors) {
            if !all.insert(*color) || all.colors.len() > limit {
                return None;
            }
        }
        let mut colors = all.colors;
        colors.sort_by_key(|[red, green, blue, alpha]| {
            let luma = u32::from(*red) * 299 + u32::from(*green) * 587 + u32::from(*blue) * 114;
            (*alpha, luma, *red, *green, *blue)
        });
        Some(Self::of_colors(colors))
    }

    fn of_band(pixels: &[[u8; 4]], limit: usize) -> Option<Self> {
        let mut palette = Self::new();
        let mut last = None;
        for pixel in pixels {
            if last == Some(*pixel) {
                continue;
            }
            last = Some(*pixel);
            if !palette.insert(*pixel) || palette.colors.len() > limit {
                return None;
            }
        }
        Some(palette)
    }

    /// The colours by their numbers.
    pub(super) fn colors(&self) -> &[[u8; 4]] {
        &self.colors
    }

    /// The numbers of pixels; those of colours that it does not have come from `other`.
    pub(super) fn indices(&self, pixels: &[[u8; 4]], mut other: impl FnMut([u8; 4]) -> u8) -> Vec<u8> {
        let mut last = None;
        let mut index = |pixel: [u8; 4]| match last {
            Some((color, number)) if color == pixel => number,
            _ => {
                let number = self.index(pixel).unwrap_or_else(|| other(pixel));
                last = Some((pixel, number));
                number
            }
        };
        pixels.iter().map(|pixel| index(*pixel)).collect()
    }

    /// The number of a colour.
    pub(super) fn index(&self, color: [u8; 4]) -> Option<u8> {
        self.find(color).ok().map(|number| number as u8)
    }

    /// Adds a colour; false if there is no room for it.
    fn insert(&mut self, color: [u8; 4]) -> bool {
        let Err(slot) = self.find(color) else { return true };
        if self.colors.len() >= MAX_COLORS {
            return false;
        }
        if let Some(slot) = self.slots.get_mut(slot) {
            *slot = self.colors.len() as u16;
            self.colors.push(color);
        }
        true
    }

    /// The number of a colour, or the slot where it belongs.
    fn find(&self, color: [u8; 4]) -> Result<u16, usize> {
        let mut slot = (u32::from_le_bytes(color).wrapping_mul(0x9e37_79b1) >> 21) as usize;
        loop {
            match self.slots.get(slot % N_SLOTS) {
                Some(number) if *number != EMPTY => {
                    if self.colors.get(usize::from(*number)) == Some(&color) {
                        return Ok(*number);
                    }
                    slot += 1;
                }
                _ => return Err(slot % N_SLOTS),
            }
        }
    }
}
