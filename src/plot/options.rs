//! The options of a plot: a closed grammar, read from the words of a request.
//!
//! One table ([`Options::all`]) says of each option what it is called, which values it has, how they are read and how they
//! are written. Parsing, the canonical form, the lists that the server shows and the forms of its pages come from it.
//!
//! # Limits
//! Pictures have at most [`MAX_SIDE`] pixels a side and [`MAX_PIXELS`] in all, texts [`MAX_TEXT_CHARS`] characters,
//! levels [`MAX_EDGES`] edges, animations [`MAX_FRAMES`] pictures.

mod kind;
mod table;
#[cfg(test)]
mod tests;
mod values;

use thermocline_render::kinds::LineShape;
use thermocline_render::{Color, Frame, Levels, Theme};

use crate::Failure;

pub use kind::Kind;
pub use table::OptionSpec;
pub(crate) use values::shown;

/// Most pixels of a side of a picture.
pub const MAX_SIDE: u32 = 8192;

/// Most pixels of a picture.
pub const MAX_PIXELS: u64 = 1 << 25;

/// Most characters of a text.
pub const MAX_TEXT_CHARS: usize = 500;

/// Most edges between levels.
pub const MAX_EDGES: usize = 256;

/// Most pictures of an animation.
pub const MAX_FRAMES: u32 = 120;

/// How values are spread over the colour map, as requests say it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum NormChoice {
    /// Evenly.
    Linear,
    /// By their logarithm.
    Log,
    /// By their logarithm on both sides of a linear range of this half width; a hundredth of the larger end without one.
    SymLog(Option<f64>),
    /// By a power of their place in the range.
    Power(f64),
    /// Evenly around 0.
    Centered,
}

/// How the pixels between the centres of cells get their values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interpolation {
    /// The value of the cell.
    Nearest,
    /// Between the centres of the four cells around.
    Bilinear,
}

/// Something that is drawn, is not, or is where it suits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Switch {
    /// Where it suits.
    Auto,
    /// Drawn.
    On,
    /// Not drawn.
    Off,
}

/// The options of a plot; `None` where the request leaves the choice to the server.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Options {
    /// What is drawn.
    pub kind: Option<Kind>,
    /// How the values of lines are joined.
    pub line_shape: Option<LineShape>,
    /// Name of the colour map.
    pub colormap: Option<String>,
    /// Lower end of the range of values.
    pub vmin: Option<f64>,
    /// Upper end.
    pub vmax: Option<f64>,
    /// Whether the range leaves the outermost two hundredths of the values out.
    pub is_robust: Option<bool>,
    /// How values are spread over the colours.
    pub norm: Option<NormChoice>,
    /// The colour map of values on both sides of 0, centred there: where nobody asks for colours, of what is known as a
    /// difference. It is no word of a request.
    pub diverging: Option<&'static str>,
    /// How many colours.
    pub levels: Option<Levels>,
    /// Colour of values above the range.
    pub above: Option<Color>,
    /// Colour of values below the range.
    pub below: Option<Color>,
    /// Colour of missing values.
    pub bad: Option<Color>,
    /// Word of the map projection, one of [`thermocline_render::MapProjection::NAMES`].
    pub projection: Option<&'static str>,
    /// Longitude and latitude of the middle.
    pub center: Option<(f64, f64)>,
    /// The parallel that touches the sides of a polar map.
    pub bound: Option<f64>,
    /// West, east, south, north, as they were asked for.
    pub extent: Option<[f64; 4]>,
    /// Width of the picture in pixels.
    pub width: Option<u32>,
    /// Height of the picture in pixels.
    pub height: Option<u32>,
    /// Dots an inch: the size of texts and lines.
    pub dpi: Option<f64>,
    /// Factor for the size of texts and lines.
    pub scale: Option<f64>,
    /// How the pixels between the centres of cells get their values.
    pub interpolation: Option<Interpolation>,
    /// First line above the panel; empty for none.
    pub title: Option<String>,
    /// What stands below the panel.
    pub xlabel: Option<String>,
    /// What stands beside the panel.
    pub ylabel: Option<String>,
    /// Units, as they are written.
    pub units: Option<String>,
    /// How much is drawn around the data.
    pub frame: Option<Frame>,
    /// Whether a colour bar is drawn.
    pub colorbar: Option<Switch>,
    /// Whether coastlines are drawn.
    pub coast: Option<Switch>,
    /// Whether borders of countries are drawn.
    pub borders: Option<Switch>,
    /// Whether lines lead from the ticks across the panel.
    pub grid: Option<Switch>,
    /// The colours of everything but the data.
    pub theme: Option<Theme>,
    /// The dimension that is animated.
    pub dim: Option<String>,
    /// Pictures a second.
    pub fps: Option<u32>,
    /// Pictures of the animation.
    pub frames: Option<u32>,
    /// What is drawn from left to right.
    pub x: Option<String>,
    /// What is drawn upwards.
    pub y: Option<String>,
    /// The eastward component.
    pub u: Option<String>,
    /// The northward component.
    pub v: Option<String>,
    /// Diameter of points in pixels.
    pub size: Option<f64>,
    /// The dimension of several lines.
    pub hue: Option<String>,
    /// Bars of a histogram.
    pub bins: Option<u32>,
    /// A place whose value is told: longitude and latitude.
    pub at: Option<(f64, f64)>,
    /// The dimension along which the values of that place are told.
    pub series: Option<String>,
}

impl Options {
    /// Every option there is, in the order of the documentation and of the canonical form.
    pub fn all() -> &'static [OptionSpec] {
        table::OPTIONS
    }

    /// The option of a name.
    pub fn spec(name: &str) -> Option<&'static OptionSpec> {
        Self::all().iter().find(|spec| spec.name == name)
    }

    /// Names and values of all options that are set, in the order of the documentation: reading them again gives the same
    /// options.
    pub fn words(&self) -> Vec<(&'static str, String)> {
        Self::all().iter().filter_map(|spec| Some((spec.name, spec.write(self)?))).collect()
    }

    /// Refuses options that contradict each other or make a picture beyond all limits.
    ///
    /// # Errors
    /// [`Failure::Mistake`] naming the option; [`thermocline_core::ErrorKind::TooLarge`] for too many pixels.
    pub fn check(&self) -> Result<(), Failure> {
        if let (Some(vmin), Some(vmax)) = (self.vmin, self.vmax)
            && vmin > vmax
        {
            return Err(Failure::mistake(format!("vmin={vmin} is above vmax={vmax}")));
        }
        self.check_log()?;
        self.check_extent()?;
        let (width, height) = (u64::from(self.width.unwrap_or(1)), u64::from(self.height.unwrap_or(1)));
        if width.saturating_mul(height) > MAX_PIXELS {
            return Err(Failure::too_large(format!(
                "width={width} and height={height} make more than {MAX_PIXELS} pixels"
            )));
        }
        Ok(())
    }

    fn check_log(&self) -> Result<(), Failure> {
        if self.norm != Some(NormChoice::Log) {
            return Ok(());
        }
        for (name, end) in [("vmin", self.vmin), ("vmax", self.vmax)] {
            if let Some(end) = end.filter(|end| *end <= 0.0) {
                return Err(Failure::mistake(format!(
                    "{name}={end} has no logarithm: norm=log needs {name} > 0"
                )));
            }
        }
        match &self.levels {
            Some(Levels::Edges(edges)) if edges.first().is_some_and(|first| *first <= 0.0) => {
                Err(Failure::mistake("levels with norm=log begin above 0"))
            }
            _ => Ok(()),
        }
    }

    /// Extents of maps are degrees; those of a plane or of an index space may be any box.
    fn check_extent(&self) -> Result<(), Failure> {
        let Some([west, east, south, north]) = self.extent else { return Ok(()) };
        let wrong = |what: &str| {
            Err(Failure::mistake(format!(
                "extent={west},{east},{south},{north}: {what} (west,east,south,north)"
            )))
        };
        if south >= north {
            return wrong("south lies below north");
        }
        if matches!(self.projection, Some("data" | "native")) {
            return if west < east { Ok(()) } else { wrong("west lies left of east") };
        }
        let (is_longitude, is_latitude) = (-360.0..=720.0, -90.0..=90.0);
        if !is_latitude.contains(&south) || !is_latitude.contains(&north) {
            return wrong("latitudes lie within -90 and 90");
        }
        if !is_longitude.contains(&west) || !is_longitude.contains(&east) {
            return wrong("longitudes lie within -360 and 720");
        }
        let span = if east < west { east + 360.0 - west } else { east - west };
        if !(span > 0.0 && span <= 360.0) {
            return wrong("it spans more than 0 and at most 360 degrees of longitude");
        }
        Ok(())
    }
}
