//! A figure: a panel with axes, texts, colour bar and, on maps, coastlines.
//!
//! ```text
//! layout     where the parts are: the panel, the colour bar, what there is no room for
//! furniture  shapes around the panel: texts, ticks (axes), colours (colorbar), names of series (key)
//! panel      what is drawn inside it: marks, graticule, coastlines
//! canvas     both as pixels
//! svg        both as a document
//! ```
//!
//! # Limits
//! What a small picture has no room for is left out, never drawn over something else: first the subtitle, then the label
//! of the colour bar, those of the axes, the colour bar, the title, and last the labels of ticks.

mod axes;
mod canvas;
mod clip;
mod colorbar;
mod furniture;
mod graticule;
mod key;
mod layout;
mod legend;
mod panel;
mod pen;
mod shape;
mod svg;
mod theme;

use crate::ticks::Axis;
use crate::{Color, Image, Mark, Result, Scale, View};

pub use layout::Layout;
pub use legend::{Legend, legend, legend_svg};

use canvas::Canvas;
use svg::Document;
use theme::Palette;

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
    /// Factor for texts and lines; 1 at 100 dots an inch. They grow with the picture besides.
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
/// The scale of its colour bar may differ from the one that the layout was made with: it is known only after reading.
///
/// # Errors
/// [`crate::Error::TooLarge`] beyond what memory holds.
pub fn draw(figure: &Figure, layout: &Layout, marks: &[Mark]) -> Result<Image> {
    let panel = panel::draw(figure, layout, marks)?;
    if figure.frame == Frame::None {
        return Ok(panel.into_image());
    }
    let mut canvas = Canvas::new(layout.width, layout.height, true)?;
    let palette = Palette::of(figure.theme);
    canvas.fill(palette.background);
    let [left, top, ..] = layout.panel;
    canvas.lay(&panel, left, top);
    drop(panel);
    for shape in furniture::shapes(figure, layout, &palette) {
        canvas.shape(&shape);
    }
    Ok(canvas.into_image())
}

/// Draws a figure as an SVG document: texts and lines as such, images embedded.
///
/// # Errors
/// Those of encoding an image.
pub fn draw_svg(figure: &Figure, layout: &Layout, marks: &[Mark]) -> Result<String> {
    let palette = Palette::of(figure.theme);
    let mut document = Document::new(layout.width, layout.height);
    document.title(&figure.title);
    let has_frame = figure.frame != Frame::None;
    if has_frame {
        document.shape(&layout::background(layout, palette.background))?;
    }
    panel::draw_svg(figure, layout, marks, &mut document)?;
    if has_frame {
        for shape in furniture::shapes(figure, layout, &palette) {
            document.shape(&shape)?;
        }
    }
    Ok(document.finish())
}

#[cfg(test)]
mod tests;
