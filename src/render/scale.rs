//! From values to entries of a colour map.

mod compiled;

use crate::{Color, Colormap, Error, Result};

pub use compiled::CompiledScale;

/// Most edges of bands.
pub const MAX_EDGES: usize = 1024;

/// Most bands of equal width: there are no more colours.
pub const MAX_BANDS: u32 = 256;

/// How values are spread over a colour map.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Norm {
    /// Evenly.
    Linear,
    /// By their logarithm; values of 0 and below are missing.
    Log,
    /// By their logarithm on both sides of a linear range of this half width, which takes as much room as 10/9 decades
    /// on each side, as matplotlib's `SymLogNorm` does by default.
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
    /// Names of the bands, from the lowest to the highest; none for bands that go by their edges.
    pub names: Vec<String>,
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
    /// A scale whose ends make sense for its norm. With edges of bands, their ends stand in for `vmin` and `vmax`.
    ///
    /// # Errors
    /// [`Error::Invalid`] for ends that are not finite or descend, `vmin` ≤ 0 of a logarithm, edges that do not ascend.
    pub fn new(vmin: f64, vmax: f64, norm: Norm, levels: Levels, colormap: Colormap) -> Result<Self> {
        let (vmin, vmax) = match &levels {
            Levels::Edges(edges) => ends_of_edges(edges)?,
            Levels::Count(count) => {
                check_bands(*count)?;
                (vmin, vmax)
            }
            Levels::Continuous => (vmin, vmax),
        };
        check_range(vmin, vmax)?;
        check_norm(norm, vmin)?;
        let (below, above, bad, names) = (None, None, Color::TRANSPARENT, Vec::new());
        Ok(Self { vmin, vmax, norm, levels, colormap, below, above, bad, names })
    }

    /// The values at the ends of the colour bar: `vmin` and `vmax`, or −m and m of a centred norm.
    pub fn range(&self) -> (f64, f64) {
        match (&self.norm, &self.levels) {
            (Norm::Centered, Levels::Continuous | Levels::Count(_)) => {
                let most = self.vmin.abs().max(self.vmax.abs());
                (-most, most)
            }
            _ => (self.vmin, self.vmax),
        }
    }

    /// The form for many values.
    pub fn compiled(&self) -> CompiledScale {
        CompiledScale::of(self)
    }

    /// The entry of a value.
    pub fn entry(&self, value: f64) -> Entry {
        self.compiled().entry(value)
    }

    /// Where a value lies between the ends of [`Scale::range`] by the norm: 0 at the lower, 1 at the upper one, beyond
    /// them below 0 and above 1. NaN for values without a place.
    pub fn share(&self, value: f64) -> f64 {
        self.compiled().share(value)
    }

    /// The value at a share of the way between the ends of [`Scale::range`].
    pub fn value_at(&self, share: f64) -> f64 {
        self.compiled().value_at(share)
    }

    /// The edges of the bands from the lower end to the upper one, one more than there are bands; `None` without bands.
    pub fn edges(&self) -> Option<Vec<f64>> {
        match &self.levels {
            Levels::Continuous => None,
            Levels::Edges(edges) => Some(edges.clone()),
            Levels::Count(count) => {
                let compiled = self.compiled();
                let share = |edge: u32| f64::from(edge) / f64::from((*count).max(1));
                let (low, high) = self.range();
                let inner = (1..*count).map(|edge| compiled.value_at(share(edge)));
                Some(std::iter::once(low).chain(inner).chain(std::iter::once(high)).collect())
            }
        }
    }

    /// The colour of an entry.
    pub fn color(&self, entry: Entry) -> Color {
        match entry {
            Entry::Of(index) => self.color_of(index),
            Entry::Below => self.below.unwrap_or_else(|| self.color_of(0)),
            Entry::Above => self.above.unwrap_or_else(|| self.color_of(255)),
            Entry::Bad => self.bad,
        }
    }

    fn color_of(&self, index: u8) -> Color {
        let [red, green, blue] = self.colormap.table[usize::from(index)];
        Color::rgb(red, green, blue)
    }
}

fn ends_of_edges(edges: &[f64]) -> Result<(f64, f64)> {
    let invalid = |why: &str| Err(Error::Invalid(format!("levels: {why}")));
    let (Some(first), Some(last)) = (edges.first(), edges.last()) else {
        return invalid("no edges, at least two are needed");
    };
    if !(2..=MAX_EDGES).contains(&edges.len()) {
        return invalid(&format!("{} edges, allowed are 2 to {MAX_EDGES}", edges.len()));
    }
    if let Some(edge) = edges.iter().find(|edge| !edge.is_finite()) {
        return invalid(&format!("the edge {edge} is not finite"));
    }
    if let Some(pair) = edges.array_windows().find(|[low, high]| low >= high) {
        return invalid(&format!("edges must ascend, {} follows {}", pair[1], pair[0]));
    }
    Ok((*first, *last))
}

fn check_bands(count: u32) -> Result<()> {
    if (1..=MAX_BANDS).contains(&count) {
        return Ok(());
    }
    Err(Error::Invalid(format!("levels: {count} bands, allowed are 1 to {MAX_BANDS}, or edges")))
}

fn check_range(vmin: f64, vmax: f64) -> Result<()> {
    let invalid = |why: String| Err(Error::Invalid(why));
    for (name, end) in [("vmin", vmin), ("vmax", vmax)] {
        if !end.is_finite() {
            return invalid(format!("{name} is {end}, allowed is a finite number"));
        }
    }
    if vmin > vmax {
        return invalid(format!("vmin {vmin} is larger than vmax {vmax}"));
    }
    Ok(())
}

fn check_norm(norm: Norm, vmin: f64) -> Result<()> {
    let invalid = |why: String| Err(Error::Invalid(why));
    match norm {
        Norm::Log if vmin <= 0.0 => invalid(format!("vmin {vmin} is not above 0, as norm=log needs it")),
        Norm::SymLog(width) if !(width.is_finite() && width > 0.0) => {
            invalid(format!("norm: the half width {width} of symlog is no finite number above 0"))
        }
        Norm::Power(exponent) if !(exponent.is_finite() && exponent > 0.0) => {
            invalid(format!("norm: the exponent {exponent} of power is no finite number above 0"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
