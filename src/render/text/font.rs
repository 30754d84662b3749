//! The font: widths of texts, and their pixels.

use std::sync::OnceLock;

use ab_glyph::{
    Font, FontRef, Glyph, GlyphId, Outline, OutlineCurve, OutlinedGlyph, Point, PxScaleFactor, Rect,
};

use super::shortened;

/// DejaVu Sans 2.37 of the characters that texts of pictures have.
const FONT: &[u8] = include_bytes!("DejaVuSans.ttf");

/// Height of a capital letter as a share of the size.
const CAP_HEIGHT: f32 = 0.729;

/// The font; `None` only if the bytes compiled in were no font.
fn font() -> Option<&'static FontRef<'static>> {
    static LOADED: OnceLock<Option<FontRef<'static>>> = OnceLock::new();
    LOADED.get_or_init(|| FontRef::try_from_slice(FONT).ok()).as_ref()
}

/// Pixels of a font unit at a size (that of the em square).
fn factor(font: &FontRef<'_>, size: f32) -> f32 {
    size / font.units_per_em().unwrap_or(2048.0)
}

/// Height of letters above the line at a size, accents included.
pub(crate) fn ascent(size: f32) -> f32 {
    size * 0.93
}

/// Height of capital letters and digits at a size.
pub(crate) fn cap_height(size: f32) -> f32 {
    size * CAP_HEIGHT
}

/// Distance from a line to the next at a size.
pub(crate) fn line_height(size: f32) -> f32 {
    size * 1.2
}

/// Glyphs of a text with their places on the line in font units, and the width of all.
fn glyphs(font: &FontRef<'_>, text: &str) -> (Vec<(GlyphId, f32)>, f32) {
    let mut at = 0.0;
    let mut last = None;
    let mut placed = Vec::with_capacity(text.len());
    for c in text.chars() {
        let id = font.glyph_id(c);
        if let Some(last) = last {
            at += font.kern_unscaled(last, id);
        }
        placed.push((id, at));
        at += font.h_advance_unscaled(id);
        last = Some(id);
    }
    (placed, at)
}

/// Width of a text in pixels at a size (height of the em square in pixels).
pub fn width(text: &str, size: f32) -> f32 {
    font().map_or(0.0, |font| glyphs(font, text).1 * factor(font, size))
}

/// A text as lines of at most `most` pixels, broken at spaces; what does not fit into `n_lines` is cut with `…`.
pub fn wrap(text: &str, size: f32, most: f32, n_lines: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut words = text.split_whitespace().peekable();
    while let Some(word) = words.next() {
        let longer = if line.is_empty() { word.to_owned() } else { format!("{line} {word}") };
        if line.is_empty() || width(&longer, size) <= most {
            line = longer;
        } else if lines.len() + 1 < n_lines {
            lines.push(std::mem::replace(&mut line, word.to_owned()));
        } else {
            line = longer;
            for rest in words.by_ref() {
                line.push(' ');
                line.push_str(rest);
            }
        }
    }
    lines.push(line);
    lines.iter().map(|line| shortened(line, size, most)).filter(|line| !line.is_empty()).collect()
}

/// Where a text begins: the left end of its line, and its turn clockwise in radians.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spot {
    /// Pixels from the left.
    pub(crate) x: f32,
    /// Pixels from the top to the line on which the letters stand.
    pub(crate) y: f32,
    /// Clockwise, in radians.
    pub(crate) angle: f32,
}

/// Calls `paint(x, y, coverage)` for each pixel that a text touches, coverage between 0 and 1.
pub(crate) fn draw(text: &str, size: f32, spot: Spot, paint: &mut impl FnMut(i32, i32, f32)) {
    let Some(font) = font() else { return };
    let scale = factor(font, size);
    let (sin, cos) = spot.angle.sin_cos();
    for (id, along) in glyphs(font, text).0 {
        let Some(outline) = font.outline(id) else { continue };
        let outline = if spot.angle == 0.0 { outline } else { turned(&outline, sin, cos) };
        let along = along * scale;
        let position = Point { x: spot.x + along * cos, y: spot.y + along * sin };
        let glyph = Glyph { id, scale: size.into(), position };
        let drawn = OutlinedGlyph::new(glyph, outline, PxScaleFactor { horizontal: scale, vertical: scale });
        let (left, top) = (drawn.px_bounds().min.x as i32, drawn.px_bounds().min.y as i32);
        drawn.draw(|x, y, coverage| {
            if coverage > 0.0 {
                paint(left.saturating_add(x as i32), top.saturating_add(y as i32), coverage.min(1.0));
            }
        });
    }
}

/// An outline turned clockwise around its origin. In font units y points up.
fn turned(outline: &Outline, sin: f32, cos: f32) -> Outline {
    let turn = |p: Point| Point { x: p.x * cos + p.y * sin, y: p.y * cos - p.x * sin };
    let curves: Vec<OutlineCurve> = outline
        .curves
        .iter()
        .map(|curve| match *curve {
            OutlineCurve::Line(a, b) => OutlineCurve::Line(turn(a), turn(b)),
            OutlineCurve::Quad(a, b, c) => OutlineCurve::Quad(turn(a), turn(b), turn(c)),
            OutlineCurve::Cubic(a, b, c, d) => OutlineCurve::Cubic(turn(a), turn(b), turn(c), turn(d)),
        })
        .collect();
    let Rect { min, max } = outline.bounds;
    let corners = [min, max, Point { x: min.x, y: max.y }, Point { x: max.x, y: min.y }].map(turn);
    let fold = |pick: fn(&Point) -> f32, choose: fn(f32, f32) -> f32, start: f32| {
        corners.iter().map(pick).fold(start, choose)
    };
    // The upper left corner comes first, as of outlines that the font gives.
    let bounds = Rect {
        min: Point {
            x: fold(|p| p.x, f32::min, f32::INFINITY),
            y: fold(|p| p.y, f32::max, f32::NEG_INFINITY),
        },
        max: Point {
            x: fold(|p| p.x, f32::max, f32::NEG_INFINITY),
            y: fold(|p| p.y, f32::min, f32::INFINITY),
        },
    };
    Outline { bounds, curves }
}
