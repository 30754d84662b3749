//! Shapes and marks as an SVG document.
//!
//! # Specification
//! SVG 1.1, <https://www.w3.org/TR/SVG11/>.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::clip;
use super::shape::{Anchor, Label, Rect, Shape};
use crate::text;
use crate::{Color, Image, Mark, Result, encode};

/// Fonts in order of preference: ours, and those that are as wide.
const FONTS: &str = "'DejaVu Sans', Verdana, 'Bitstream Vera Sans', Geneva, sans-serif";

/// An SVG document that grows.
pub(super) struct Document {
    body: String,
}

impl Document {
    /// An empty document of a size in pixels.
    pub(super) fn new(width: u32, height: u32) -> Self {
        let body = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" xmlns:xlink=\"http://www.w3.org/1999/xlink\" \
             width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" font-family=\"{FONTS}\">\n"
        );
        Self { body }
    }

    /// The whole document.
    pub(super) fn finish(mut self) -> String {
        self.body.push_str("</svg>\n");
        self.body
    }

    fn push(&mut self, text: &str) {
        self.body.push_str(text);
        self.body.push('\n');
    }

    /// A name that readers show.
    pub(super) fn title(&mut self, title: &str) {
        if !title.is_empty() {
            self.push(&format!("<title>{}</title>", escaped(title)));
        }
    }

    /// Begins what is drawn inside a box, moved to its corner, and inside an outline, if there is one.
    pub(super) fn begin_panel(&mut self, panel: Rect, outline: Option<&[[f32; 2]]>) {
        let Rect { left, top, width, height } = panel;
        let inside = match outline {
            Some(points) => format!("<path d=\"{}Z\"/>", path(points)),
            None => format!("<rect width=\"{}\" height=\"{}\"/>", number(width), number(height)),
        };
        self.push(&format!("<clipPath id=\"panel\">{inside}</clipPath>"));
        let (left, top) = (number(left), number(top));
        self.push(&format!("<g transform=\"translate({left} {top})\"><g clip-path=\"url(#panel)\">"));
    }

    pub(super) fn end_panel(&mut self) {
        self.push("</g></g>");
    }

    /// # Errors
    /// Those of encoding an image.
    pub(super) fn shape(&mut self, shape: &Shape) -> Result<()> {
        match shape {
            Shape::Box(rect, color) => {
                let Rect { left, top, width, height } = rect;
                let (x, y, width, height) = (number(*left), number(*top), number(*width), number(*height));
                let paint = paint("fill", *color);
                self.push(&format!(
                    "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\"{paint}/>"
                ));
            }
            Shape::Polygon(points, color) => {
                self.push(&format!("<path d=\"{}Z\"{}/>", path(points), paint("fill", *color)));
            }
            Shape::Line(points, width, color) => {
                self.lines(std::slice::from_ref(points), *width, &[], *color)
            }
            Shape::Picture(rect, image) => self.image(*rect, image)?,
            Shape::Text(label) => self.text(label),
        }
        Ok(())
    }

    /// Draws a mark in a panel of a size.
    ///
    /// # Errors
    /// Those of encoding an image.
    pub(super) fn mark(&mut self, mark: &Mark, unit: f32, panel: Rect) -> Result<()> {
        match mark {
            Mark::Image(image) => self.image(Rect { left: 0.0, top: 0.0, ..panel }, image)?,
            Mark::Line { points, color, width, dashes } => {
                let dashes: Vec<f32> = dashes.iter().map(|length| length * unit).collect();
                let margin = width * unit + 2.0;
                let window = Rect {
                    left: -margin,
                    top: -margin,
                    width: panel.width + 2.0 * margin,
                    height: panel.height + 2.0 * margin,
                };
                self.lines(&clip::polyline(points, window), width * unit, &dashes, *color);
            }
            Mark::Area { rings, color } => {
                let data: String = rings.iter().map(|ring| format!("{}Z", path(ring))).collect();
                self.push(&format!("<path fill-rule=\"evenodd\" d=\"{data}\"{}/>", paint("fill", *color)));
            }
            Mark::Discs { discs, diameter } => {
                let radius = number(diameter / 2.0);
                for ([x, y], color) in discs.iter().filter(|([x, y], _)| x.is_finite() && y.is_finite()) {
                    let paint = paint("fill", *color);
                    let circle = format!(
                        "<circle cx=\"{}\" cy=\"{}\" r=\"{radius}\"{paint}/>",
                        number(*x),
                        number(*y)
                    );
                    self.push(&circle);
                }
            }
            Mark::Text { at, text, color, size, angle } => {
                let size = size * unit;
                let (sin, cos) = angle.to_radians().sin_cos();
                let drop = text::cap_height(size) / 2.0;
                let at = [at[0] - drop * sin, at[1] + drop * cos];
                let text = text.clone();
                self.text(&Label { text, at, anchor: Anchor::Middle, size, color: *color, angle: *angle });
            }
        }
        Ok(())
    }

    pub(super) fn lines(&mut self, lines: &[Vec<[f32; 2]>], width: f32, dashes: &[f32], color: Color) {
        if lines.is_empty() || color.alpha == 0 {
            return;
        }
        let data: String = lines.iter().map(|line| path(line)).collect();
        let lengths: Vec<String> = dashes.iter().map(|length| number(*length)).collect();
        let dashes = if lengths.is_empty() {
            String::new()
        } else {
            format!(" stroke-dasharray=\"{}\"", lengths.join(" "))
        };
        self.push(&format!(
            "<path fill=\"none\" stroke-linejoin=\"round\" stroke-width=\"{}\"{dashes}{} d=\"{data}\"/>",
            number(width),
            paint("stroke", color)
        ));
    }

    fn image(&mut self, rect: Rect, image: &Image) -> Result<()> {
        let bytes = STANDARD.encode(encode::png(image)?);
        let Rect { left, top, width, height } = rect;
        let (x, y, width, height) = (number(left), number(top), number(width), number(height));
        self.push(&format!(
            "<image x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" preserveAspectRatio=\"none\" \
             style=\"image-rendering:pixelated\" xlink:href=\"data:image/png;base64,{bytes}\"/>"
        ));
        Ok(())
    }

    fn text(&mut self, label: &Label) {
        let anchor = match label.anchor {
            Anchor::Start => "",
            Anchor::Middle => " text-anchor=\"middle\"",
            Anchor::End => " text-anchor=\"end\"",
        };
        let (x, y) = (number(label.at[0]), number(label.at[1]));
        let turn = match label.angle {
            0.0 => String::new(),
            angle => format!(" transform=\"rotate({} {x} {y})\"", number(angle)),
        };
        self.push(&format!(
            "<text x=\"{x}\" y=\"{y}\" font-size=\"{}\"{anchor}{turn}{}>{}</text>",
            number(label.size),
            paint("fill", label.color),
            escaped(&label.text)
        ));
    }
}

/// A colour as attributes.
fn paint(what: &str, color: Color) -> String {
    let Color { red, green, blue, alpha } = color;
    let mut text = format!(" {what}=\"#{red:02x}{green:02x}{blue:02x}\"");
    if alpha < 255 {
        // Writing to a String does not fail.
        let _ = write!(text, " {what}-opacity=\"{}\"", number(f32::from(alpha) / 255.0));
    }
    text
}

/// A line as path data. Corners that are not finite are left out.
fn path(points: &[[f32; 2]]) -> String {
    let mut data = String::with_capacity(points.len() * 12);
    for (i, [x, y]) in points.iter().filter(|[x, y]| x.is_finite() && y.is_finite()).enumerate() {
        data.push(if i == 0 { 'M' } else { 'L' });
        data.push_str(&number(*x));
        data.push(' ');
        data.push_str(&number(*y));
    }
    data
}

/// A length with at most two decimals.
fn number(value: f32) -> String {
    let text = format!("{:.2}", if value.is_finite() { value } else { 0.0 });
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".into() } else { text.to_owned() }
}

/// A text as XML holds it.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text::printable(text).chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            c => safe.push(c),
        }
    }
    safe
}
