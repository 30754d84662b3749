//! What is drawn into a panel, in pixels from its upper left corner.

use crate::Color;

/// A picture of RGBA pixels (not premultiplied), row by row from the top.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Four bytes a pixel.
    pub pixels: Vec<u8>,
}

/// Something drawn into a panel. Later marks lie above earlier ones; all are clipped to the panel.
#[derive(Debug, Clone, PartialEq)]
pub enum Mark {
    /// A picture that fills the panel.
    Image(Image),
    /// A line.
    Line {
        /// Its corners.
        points: Vec<[f32; 2]>,
        /// Its colour.
        color: Color,
        /// Its width in pixels at a scale of 1.
        width: f32,
        /// Lengths of strokes and gaps; empty for an unbroken line.
        dashes: Vec<f32>,
    },
    /// Filled rings by the even-odd rule.
    Area {
        /// Closed rings.
        rings: Vec<Vec<[f32; 2]>>,
        /// Their colour.
        color: Color,
    },
    /// Discs of one size.
    Discs {
        /// Middle and colour of each.
        discs: Vec<([f32; 2], Color)>,
        /// Diameter in pixels.
        diameter: f32,
    },
    /// A text, as the labels of contour lines.
    Text {
        /// Its middle.
        at: [f32; 2],
        /// The text.
        text: String,
        /// Its colour.
        color: Color,
        /// Height of its letters in pixels at a scale of 1.
        size: f32,
        /// Clockwise, in degrees.
        angle: f32,
    },
}
