//! What is drawn into a panel, in pixels from its upper left corner.
//!
//! Marks know nothing of values: those who make them ([`crate::kinds`], [`crate::raster`]) have turned values into
//! places and colours. Those who draw them ([`crate::figure`]) clip them to the panel, widen lines and texts by
//! [`crate::Layout::unit`], and smooth edges, unless the frame is [`crate::Frame::None`].
//!
//! Images and areas that come first are fields: they lie below coastlines and grid lines. From the first line, disc or
//! text on, all marks lie above them.

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

impl Image {
    /// A picture of nothing.
    pub fn transparent(width: u32, height: u32) -> Self {
        Self { width, height, pixels: vec![0; width as usize * height as usize * 4] }
    }

    /// The colour of a pixel; transparent beyond the picture.
    pub fn pixel(&self, column: u32, row: u32) -> Color {
        let start = (row as usize * self.width as usize + column as usize) * 4;
        match self.pixels.get(start..start + 4) {
            Some(&[red, green, blue, alpha]) if column < self.width => Color { red, green, blue, alpha },
            _ => Color::TRANSPARENT,
        }
    }
}

/// Something drawn into a panel. Later marks lie above earlier ones; all are clipped to the panel.
#[derive(Debug, Clone, PartialEq)]
pub enum Mark {
    /// A picture that fills the panel.
    Image(Image),
    /// A line with round joints and flat ends.
    Line {
        /// Its corners. Those of a closed line end with the first.
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
    /// Discs of one size, the later ones above.
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
