//! From values to entries of a colour map.

use crate::{Color, Colormap, Error, Result};

/// How values are spread over a colour map.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Norm {
    /// Evenly.
    Linear,
    /// By their logarithm; values of 0 and below are missing.
    Log,
    /// By their logarithm on both sides of a linear range of this half width.
    SymLog(f64),
    /// By a power of their place in the range.
    Power(f64),
    /// Evenly around 0: the range is −m … m, m the larger magnitude of its ends.
    Centered,
}

/// How many colours.
#[derive(Debug, Clone, PartialEq)]
pub enum Levels {
    /// All 256.
    Continuous,
    /// That many bands of equal width.
    Count(u32),
    /// Bands between these edges, ascending, at least two.
    Edges(Vec<f64>),
}

/// How values get their colours.
///
/// # Formula
/// `index = floor(256 (n(v) − n(vmin)) / (n(vmax) − n(vmin)))` within 0 … 255, n the norm; 0 if vmin = vmax. Of k bands
/// band b has entry `floor(255 b / (k − 1))`, entry 127 if there is one; outside the nearest band.
#[derive(Debug, Clone, PartialEq)]
pub struct Scale {
    /// Lower end.
    pub vmin: f64,
    /// Upper end.
    pub vmax: f64,
    /// How values are spread.
    pub norm: Norm,
    /// How many colours.
    pub levels: Levels,
    /// The colours.
    pub colormap: Colormap,
    /// Colour of values below `vmin`; `None` for that of the first entry.
    pub below: Option<Color>,
    /// Colour of values above `vmax`; `None` for that of the last entry.
    pub above: Option<Color>,
    /// Colour of missing values.
    pub bad: Color,
}

/// What a value gets: an entry of the colour map, or one of those beside it.
///
/// As a number for pictures of indices: 0 … 255 are entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// Of the colour map.
    Of(u8),
    /// Below the range, where it has a colour of its own.
    Below,
    /// Above the range, where it has a colour of its own.
    Above,
    /// Missing.
    Bad,
}

impl Scale {
    /// A scale whose ends make sense for its norm.
    ///
    /// # Errors
    /// [`Error::Invalid`] for ends that are not finite or descend, `vmin` ≤ 0 of a logarithm, edges that do not ascend.
    pub fn new(vmin: f64, vmax: f64, norm: Norm, levels: Levels, colormap: Colormap) -> Result<Self> {
        if !(vmin.is_finite() && vmax.is_finite() && vmin <= vmax) {
            return Err(Error::Invalid(format!("vmin {vmin} and vmax {vmax} are no range")));
        }
        Ok(Self { vmin, vmax, norm, levels, colormap, below: None, above: None, bad: Color::TRANSPARENT })
    }

    /// The entry of a value.
    pub fn entry(&self, value: f64) -> Entry {
        let share = 256.0 * (value - self.vmin) / (self.vmax - self.vmin);
        if value.is_nan() { Entry::Bad } else { Entry::Of(share.clamp(0.0, 255.0) as u8) }
    }

    /// The colour of an entry.
    pub fn color(&self, entry: Entry) -> Color {
        match entry {
            Entry::Of(index) => {
                let [red, green, blue] = self.colormap.table[usize::from(index)];
                Color::rgb(red, green, blue)
            }
            Entry::Below => self.below.unwrap_or(Color::TRANSPARENT),
            Entry::Above => self.above.unwrap_or(Color::TRANSPARENT),
            Entry::Bad => self.bad,
        }
    }
}
