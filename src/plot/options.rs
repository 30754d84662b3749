//! The options of a plot, read from the words of a request.

/// What is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Colour by cell.
    Image,
    /// Lines of equal value.
    Contour,
    /// Filled levels.
    ContourFilled,
    /// A series, or several.
    Line,
    /// Values at their places, or two variables against each other.
    Scatter,
    /// The distribution.
    Histogram,
    /// Two dimensions that are not both horizontal.
    Section,
    /// Arrows of two components.
    Quiver,
}

/// The options of a plot; `None` where the request leaves the choice to the server.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Options {
    /// What is drawn.
    pub kind: Option<Kind>,
    /// Name of the colour map.
    pub colormap: Option<String>,
    /// Lower end of the range of values.
    pub vmin: Option<f64>,
    /// Upper end.
    pub vmax: Option<f64>,
    /// Width of the picture in pixels.
    pub width: Option<u32>,
    /// Height of the picture in pixels.
    pub height: Option<u32>,
}
