//! A figure: a panel with axes, texts, colour bar and, on maps, coastlines.

use crate::ticks::Axis;
use crate::{Color, Image, Mark, Result, Scale, View};

/// How much is drawn around the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame {
    /// Everything.
    Full,
    /// Axes without titles and colour bar.
    Axes,
    /// The panel alone: no texts, no smoothing.
    None,
}

/// The colours of everything but the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Theme {
    /// Dark on white.
    Light,
    /// Light on dark.
    Dark,
    /// Dark on nothing.
    Transparent,
}

/// What the panel is a picture of.
#[derive(Debug, Clone)]
pub enum Plane {
    /// A map. The size of the view is that of the panel and is set by [`Layout::panel_view`].
    Map {
        /// The map.
        view: View,
        /// Whether coastlines are drawn.
        has_coast: bool,
        /// Whether borders of countries are drawn.
        has_borders: bool,
    },
    /// Two axes.
    Axes {
        /// From left to right.
        x: Axis,
        /// From the bottom to the top.
        y: Axis,
    },
}

/// A line of the legend of several series.
#[derive(Debug, Clone, PartialEq)]
pub struct LegendEntry {
    /// What it stands for.
    pub text: String,
    /// The colour of its line.
    pub color: Color,
}

/// All of a figure but its data.
#[derive(Debug, Clone)]
pub struct Figure {
    /// Width of the whole in pixels.
    pub width: u32,
    /// Height of the whole in pixels; `None` for what suits the panel.
    pub height: Option<u32>,
    /// How much is drawn around the data.
    pub frame: Frame,
    /// The colours of everything but the data.
    pub theme: Theme,
    /// Factor for texts and lines; 1 at 100 dots an inch.
    pub scale: f64,
    /// First line above the panel; empty for none.
    pub title: String,
    /// Second line, smaller.
    pub subtitle: String,
    /// What the panel shows.
    pub plane: Plane,
    /// Whether lines lead from the ticks across the panel.
    pub has_grid: bool,
    /// The colour bar with its label (name and units).
    pub colorbar: Option<(Scale, String)>,
    /// The legend of several series.
    pub legend: Vec<LegendEntry>,
}

/// Where the parts of a figure are.
#[derive(Debug, Clone, PartialEq)]
pub struct Layout {
    /// Width of the whole in pixels.
    pub width: u32,
    /// Height of the whole.
    pub height: u32,
    /// Left, top, width, height of the panel in pixels.
    pub panel: [u32; 4],
}

impl Layout {
    /// Where the parts of a figure will be.
    ///
    /// # Errors
    /// [`crate::Error::Invalid`] if the figure is too small for a panel.
    pub fn of(figure: &Figure) -> Result<Self> {
        let height = figure.height.unwrap_or(figure.width / 2);
        Ok(Self { width: figure.width, height, panel: [0, 0, figure.width, height] })
    }

    /// The view of a map in the panel's size.
    pub fn panel_view(&self, view: &View) -> View {
        View { width: self.panel[2], height: self.panel[3], ..view.clone() }
    }
}

/// A drawn figure.
#[derive(Debug, Clone, PartialEq)]
pub enum Picture {
    /// Pixels.
    Pixels(Image),
    /// An SVG document.
    Svg(String),
}

/// Draws a figure as pixels.
///
/// # Errors
/// [`crate::Error::TooLarge`] beyond what memory holds.
pub fn draw(figure: &Figure, layout: &Layout, marks: &[Mark]) -> Result<Image> {
    let _ = (figure, marks);
    Ok(Image {
        width: layout.width,
        height: layout.height,
        pixels: vec![0; layout.width as usize * layout.height as usize * 4],
    })
}

/// Draws a figure as an SVG document: texts and lines as such, images embedded.
///
/// # Errors
/// Those of encoding an image.
pub fn draw_svg(figure: &Figure, layout: &Layout, marks: &[Mark]) -> Result<String> {
    let _ = (figure, layout, marks);
    Ok(String::new())
}

/// A colour bar alone.
#[derive(Debug, Clone)]
pub struct Legend {
    /// The scale.
    pub scale: Scale,
    /// Name and units.
    pub label: String,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// The colours of texts.
    pub theme: Theme,
}
