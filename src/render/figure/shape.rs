//! What stands around a panel, as shapes that both forms of a picture draw: pixels and SVG.

use crate::{Color, Image};

/// Left, top, width and height in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Rect {
    pub(super) left: f32,
    pub(super) top: f32,
    pub(super) width: f32,
    pub(super) height: f32,
}

impl Rect {
    pub(super) fn right(self) -> f32 {
        self.left + self.width
    }

    pub(super) fn bottom(self) -> f32 {
        self.top + self.height
    }

    pub(super) fn middle(self) -> [f32; 2] {
        [self.left + self.width / 2.0, self.top + self.height / 2.0]
    }
}

/// Which point of a text is at its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// A text on one line.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Label {
    pub(super) text: String,
    /// On the line on which its letters stand.
    pub(super) at: [f32; 2],
    pub(super) anchor: Anchor,
    pub(super) size: f32,
    pub(super) color: Color,
    /// Clockwise, in degrees.
    pub(super) angle: f32,
}

/// Something drawn.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Shape {
    /// A filled box.
    Box(Rect, Color),
    /// A filled polygon.
    Polygon(Vec<[f32; 2]>, Color),
    /// A line of a width.
    Line(Vec<[f32; 2]>, f32, Color),
    /// A picture stretched over a box, in whole pixels.
    Picture(Rect, Image),
    Text(Label),
}

/// Four bars around a box, outside it.
pub(super) fn frame(inner: Rect, line: f32, color: Color) -> Vec<Shape> {
    let Rect { left, top, width, height } = inner;
    let (outer_left, outer_width) = (left - line, width + 2.0 * line);
    [
        Rect { left: outer_left, top: top - line, width: outer_width, height: line },
        Rect { left: outer_left, top: top + height, width: outer_width, height: line },
        Rect { left: outer_left, top, width: line, height },
        Rect { left: left + width, top, width: line, height },
    ]
    .map(|bar| Shape::Box(bar, color))
    .into()
}
