//! Shapes and marks as pixels.

use tiny_skia::{
    FillRule, LineCap, LineJoin, Mask, Paint, Path, PathBuilder, Pixmap, PremultipliedColorU8, Stroke,
    StrokeDash, Transform,
};

use super::clip;
use super::pen::Pen;
use super::shape::{Anchor, Label, Rect, Shape};
use crate::text::{self, Spot};
use crate::{Color, Error, Image, Mark, Result};

/// Pixels that are drawn on.
pub(super) struct Canvas {
    pixmap: Pixmap,
    /// Whether edges are smoothed. If not, pixels are opaque or nothing.
    is_smooth: bool,
    /// Draws thin lines; made with the first.
    pen: Option<Pen>,
}

/// Widest line in pixels that the pen draws; wider ones are paths.
const MAX_PEN_WIDTH: f32 = 8.0;

impl Canvas {
    /// An empty canvas.
    ///
    /// # Errors
    /// [`Error::TooLarge`] for a size that has no memory.
    pub(super) fn new(width: u32, height: u32, is_smooth: bool) -> Result<Self> {
        let pixmap = Pixmap::new(width, height);
        let pixmap = pixmap.ok_or_else(|| {
            Error::TooLarge(format!("a picture of {width} × {height} pixels cannot be drawn"))
        })?;
        Ok(Self { pixmap, is_smooth, pen: None })
    }

    pub(super) fn fill(&mut self, color: Color) {
        self.pixmap.fill(tiny_skia::Color::from_rgba8(color.red, color.green, color.blue, color.alpha));
    }

    /// The picture.
    pub(super) fn into_image(self) -> Image {
        let (width, height) = (self.pixmap.width(), self.pixmap.height());
        let mut pixels = self.pixmap.take();
        if pixels.iter().skip(3).step_by(4).all(|alpha| *alpha == 255) {
            return Image { width, height, pixels };
        }
        for pixel in pixels.chunks_exact_mut(4) {
            let alpha = u32::from(pixel[3]);
            if alpha != 0 && alpha != 255 {
                for channel in pixel.iter_mut().take(3) {
                    *channel = ((u32::from(*channel) * 255 + alpha / 2) / alpha).min(255) as u8;
                }
            }
        }
        Image { width, height, pixels }
    }

    pub(super) fn shape(&mut self, shape: &Shape) {
        match shape {
            Shape::Box(rect, color) => self.rect(*rect, *color),
            Shape::Polygon(points, color) => self.area(std::slice::from_ref(points), *color, None),
            Shape::Line(points, width, color) => self.line(points, *width, &[], *color, None),
            Shape::Picture(rect, image) => self.stretched(*rect, image),
            Shape::Text(label) => self.text(label),
        }
    }

    /// Draws a mark; lengths and sizes of texts are multiplied by `unit`. Outside the mask nothing changes.
    pub(super) fn mark(&mut self, mark: &Mark, unit: f32, mask: Option<&Mask>) {
        match mark {
            Mark::Image(image) => {
                let (width, height) = (self.pixmap.width() as f32, self.pixmap.height() as f32);
                self.stretched(Rect { left: 0.0, top: 0.0, width, height }, image);
            }
            Mark::Line { points, color, width, dashes } => {
                let dashes: Vec<f32> = dashes.iter().map(|length| length * unit).collect();
                self.line(points, width * unit, &dashes, *color, mask);
            }
            Mark::Area { rings, color } => self.area(rings, *color, mask),
            Mark::Discs { discs, diameter } if self.is_smooth => {
                for (middle, color) in discs {
                    self.disc(*middle, diameter / 2.0, *color, mask);
                }
            }
            Mark::Discs { discs, diameter } => {
                for (middle, color) in discs {
                    self.sharp_disc(*middle, diameter / 2.0, *color);
                }
            }
            // A picture without smoothing has no texts.
            Mark::Text { .. } if !self.is_smooth => {}
            Mark::Text { at, text, color, size, angle } => {
                let size = size * unit;
                let (sin, cos) = angle.to_radians().sin_cos();
                let drop = text::cap_height(size) / 2.0;
                let at = [at[0] - drop * sin, at[1] + drop * cos];
                let text = text.clone();
                self.text(&Label { text, at, anchor: Anchor::Middle, size, color: *color, angle: *angle });
            }
        }
    }

    /// What lies inside an outline.
    pub(super) fn mask_of(&self, outline: &[[f32; 2]]) -> Option<Mask> {
        let mut mask = Mask::new(self.pixmap.width(), self.pixmap.height())?;
        let path = closed_path(std::slice::from_ref(&outline.to_vec()))?;
        mask.fill_path(&path, FillRule::EvenOdd, true, Transform::identity());
        Some(mask)
    }

    /// Copies a canvas onto this one with its upper left corner at a place.
    pub(super) fn lay(&mut self, other: &Self, left: u32, top: u32) {
        let (width, height) = (self.pixmap.width(), self.pixmap.height());
        let n_columns = other.pixmap.width().min(width.saturating_sub(left)) as usize;
        let n_rows = other.pixmap.height().min(height.saturating_sub(top)) as usize;
        let from_width = other.pixmap.width().max(1) as usize;
        let rows = other.pixmap.data().chunks_exact(from_width * 4);
        let targets = self.pixmap.data_mut().chunks_exact_mut(width as usize * 4);
        for (row, target) in rows.take(n_rows).zip(targets.skip(top as usize)) {
            let pixels = target.chunks_exact_mut(4).skip(left as usize).take(n_columns);
            for (to, from) in pixels.zip(row.chunks_exact(4)) {
                match from[3] {
                    255 => to.copy_from_slice(from),
                    0 => {}
                    alpha => over(to, from, alpha),
                }
            }
        }
    }

    /// A picture over a box, each pixel the one of the picture under its centre.
    fn stretched(&mut self, rect: Rect, image: &Image) {
        let (left, top) = (rect.left.round() as i64, rect.top.round() as i64);
        let (width, height) = (rect.width.round() as i64, rect.height.round() as i64);
        let (from_width, from_height) = (i64::from(image.width), i64::from(image.height));
        let is_whole = image.pixels.len() as i64 == from_width * from_height * 4;
        if width <= 0 || height <= 0 || from_width == 0 || from_height == 0 || !is_whole {
            return;
        }
        let target_width = i64::from(self.pixmap.width());
        let columns = left.max(0)..(left + width).min(target_width);
        let rows = image.pixels.chunks_exact(from_width as usize * 4);
        let targets = self.pixmap.data_mut().chunks_exact_mut(target_width as usize * 4);
        let rows: Vec<&[u8]> = rows.collect();
        for (y, target) in (0_i64..).zip(targets).skip(top.max(0) as usize) {
            if y >= top + height {
                break;
            }
            let row = ((2 * (y - top) + 1) * from_height / (2 * height)).clamp(0, from_height - 1);
            let Some(row) = rows.get(row as usize) else { break };
            let pixels = target.chunks_exact_mut(4).skip(columns.start as usize);
            if from_width == width && left >= 0 {
                pixels.zip(row.chunks_exact(4)).for_each(|(to, from)| blend(to, from));
                continue;
            }
            for (x, to) in columns.clone().zip(pixels) {
                let column = ((2 * (x - left) + 1) * from_width / (2 * width)).clamp(0, from_width - 1);
                if let Some(from) = row.get(column as usize * 4..column as usize * 4 + 4) {
                    blend(to, from);
                }
            }
        }
    }

    fn rect(&mut self, rect: Rect, color: Color) {
        let Some(rect) = tiny_skia::Rect::from_xywh(rect.left, rect.top, rect.width, rect.height) else {
            return;
        };
        self.pixmap.fill_rect(rect, &self.paint(color), Transform::identity(), None);
    }

    fn area(&mut self, rings: &[Vec<[f32; 2]>], color: Color, mask: Option<&Mask>) {
        let (Some(color), Some(path)) = (self.ink(color), closed_path(rings)) else { return };
        let paint = self.paint(color);
        self.pixmap.fill_path(&path, &paint, FillRule::EvenOdd, Transform::identity(), mask);
    }

    /// A line without what lies far outside.
    fn line(&mut self, points: &[[f32; 2]], width: f32, dashes: &[f32], color: Color, mask: Option<&Mask>) {
        let dash = Some(dashes).filter(|lengths| lengths.iter().sum::<f32>() >= 1.0);
        if dash.is_none() && self.is_smooth && width <= MAX_PEN_WIDTH {
            self.strokes(std::slice::from_ref(&points.to_vec()), width, color, mask);
            return;
        }
        let Some(color) = self.ink(color).filter(|_| width > 0.0 && width.is_finite()) else { return };
        let Some(path) = open_path(&clip::polyline(points, self.window(width))) else { return };
        let stroke = Stroke {
            width,
            line_cap: LineCap::Butt,
            line_join: if self.is_smooth { LineJoin::Round } else { LineJoin::Bevel },
            dash: dash.and_then(|lengths| StrokeDash::new(lengths.to_vec(), 0.0)),
            ..Stroke::default()
        };
        self.pixmap.stroke_path(&path, &self.paint(color), &stroke, Transform::identity(), mask);
    }

    /// Thin smooth lines of one colour; where they meet they are drawn once.
    pub(super) fn strokes(&mut self, lines: &[Vec<[f32; 2]>], width: f32, color: Color, mask: Option<&Mask>) {
        if color.alpha == 0 || !(width > 0.0 && width.is_finite()) {
            return;
        }
        let window = self.window(width);
        let (columns, rows) = (self.pixmap.width(), self.pixmap.height());
        let pen = self.pen.get_or_insert_with(|| Pen::new(columns, rows));
        for piece in lines.iter().flat_map(|line| clip::polyline(line, window)) {
            pen.line(&piece, width);
        }
        pen.paint(&mut self.pixmap, color, mask);
    }

    /// What a line of a width may reach the picture from.
    fn window(&self, width: f32) -> Rect {
        let margin = width + 2.0;
        let (columns, rows) = (self.pixmap.width() as f32, self.pixmap.height() as f32);
        Rect { left: -margin, top: -margin, width: columns + 2.0 * margin, height: rows + 2.0 * margin }
    }

    /// A smooth disc, by the distance of pixels from its middle.
    fn disc(&mut self, [x, y]: [f32; 2], radius: f32, color: Color, mask: Option<&Mask>) {
        let (width, height) = (self.pixmap.width() as i32, self.pixmap.height() as i32);
        let reach = radius + 0.5;
        let is_near = x > -reach && y > -reach && x < width as f32 + reach && y < height as f32 + reach;
        if !(is_near && radius > 0.0) {
            return;
        }
        let pixels = self.pixmap.data_mut();
        for row in ((y - reach).floor() as i32).max(0)..((y + reach).ceil() as i32).min(height) {
            for column in ((x - reach).floor() as i32).max(0)..((x + reach).ceil() as i32).min(width) {
                let distance = (column as f32 + 0.5 - x).hypot(row as f32 + 0.5 - y);
                let at = row as usize * width as usize + column as usize;
                let masked = mask.map_or(255, |mask| mask.data().get(at).copied().unwrap_or(0));
                let share = (reach - distance).clamp(0.0, 1.0) * f32::from(masked) / 255.0;
                let alpha = (f32::from(color.alpha) * share).round() as u8;
                if let Some(pixel) = pixels.get_mut(at * 4..at * 4 + 4) {
                    blend(pixel, &[color.red, color.green, color.blue, alpha]);
                }
            }
        }
    }

    /// The pixels whose centres lie in a disc, and at least the one that holds its middle.
    fn sharp_disc(&mut self, [x, y]: [f32; 2], radius: f32, color: Color) {
        let Some(color) = self.ink(color) else { return };
        let (width, height) = (self.pixmap.width() as i32, self.pixmap.height() as i32);
        let is_near = x > -radius && y > -radius && x < width as f32 + radius && y < height as f32 + radius;
        if !(is_near && radius > 0.0) {
            return;
        }
        let Some(ink) = PremultipliedColorU8::from_rgba(color.red, color.green, color.blue, 255) else {
            return;
        };
        let pixels = self.pixmap.pixels_mut();
        let (middle_column, middle_row) = (x.floor() as i32, y.floor() as i32);
        for row in ((y - radius).floor() as i32).max(0)..((y + radius).ceil() as i32).min(height) {
            for column in ((x - radius).floor() as i32).max(0)..((x + radius).ceil() as i32).min(width) {
                let (dx, dy) = (column as f32 + 0.5 - x, row as f32 + 0.5 - y);
                let is_middle = column == middle_column && row == middle_row;
                let is_inside = is_middle || dx * dx + dy * dy <= radius * radius;
                if let Some(pixel) = pixels.get_mut((row * width + column) as usize).filter(|_| is_inside) {
                    *pixel = ink;
                }
            }
        }
    }

    fn text(&mut self, label: &Label) {
        let along = match label.anchor {
            Anchor::Start => 0.0,
            Anchor::Middle => -text::width(&label.text, label.size) / 2.0,
            Anchor::End => -text::width(&label.text, label.size),
        };
        let angle = label.angle.to_radians();
        let (x, y) = (label.at[0] + along * angle.cos(), label.at[1] + along * angle.sin());
        // Letters are sharpest when their line lies between pixels.
        let (x, y) = match label.angle {
            0.0 => (x, y.round()),
            angle if angle.abs() == 90.0 => (x.round(), y),
            _ => (x, y),
        };
        let (width, height) = (self.pixmap.width() as i32, self.pixmap.height() as i32);
        let Color { red, green, blue, alpha } = label.color;
        let pixels = self.pixmap.data_mut();
        text::draw(&label.text, label.size, Spot { x, y, angle }, &mut |column, row, coverage| {
            if (0..width).contains(&column) && (0..height).contains(&row) {
                let start = (row as usize * width as usize + column as usize) * 4;
                let alpha = (f32::from(alpha) * coverage).round() as u8;
                if let Some(pixel) = pixels.get_mut(start..start + 4) {
                    blend(pixel, &[red, green, blue, alpha]);
                }
            }
        });
    }

    /// The colour that is drawn with: opaque or none without smoothing.
    fn ink(&self, color: Color) -> Option<Color> {
        match color.alpha {
            0 => None,
            _ if self.is_smooth => Some(color),
            1..128 => None,
            _ => Some(Color { alpha: 255, ..color }),
        }
    }

    fn paint(&self, color: Color) -> Paint<'static> {
        let mut paint = Paint { anti_alias: self.is_smooth, ..Paint::default() };
        paint.set_color_rgba8(color.red, color.green, color.blue, color.alpha);
        paint
    }
}

/// Lays a colour that is not premultiplied over a premultiplied pixel.
fn blend(to: &mut [u8], from: &[u8]) {
    let alpha = from[3];
    match alpha {
        255 => to.copy_from_slice(from),
        0 => {}
        _ => {
            let part = |channel: u8| ((u32::from(channel) * u32::from(alpha) + 127) / 255) as u8;
            over(to, &[part(from[0]), part(from[1]), part(from[2]), alpha], alpha);
        }
    }
}

/// Lays a premultiplied pixel over another.
fn over(to: &mut [u8], from: &[u8], alpha: u8) {
    let rest = 255 - u32::from(alpha);
    for (to, from) in to.iter_mut().zip(from) {
        *to = (u32::from(*from) + (u32::from(*to) * rest + 127) / 255).min(255) as u8;
    }
}

/// Rings as a path.
fn closed_path(rings: &[Vec<[f32; 2]>]) -> Option<Path> {
    let mut builder = PathBuilder::new();
    for ring in rings {
        let mut points = ring.iter().filter(|p| p[0].is_finite() && p[1].is_finite()).map(|p| p.map(near));
        let Some([x, y]) = points.next() else { continue };
        builder.move_to(x, y);
        points.for_each(|[x, y]| builder.line_to(x, y));
        builder.close();
    }
    builder.finish()
}

/// A coordinate within what paths are exact for.
fn near(coordinate: f32) -> f32 {
    coordinate.clamp(-30_000.0, 30_000.0)
}

fn open_path(lines: &[Vec<[f32; 2]>]) -> Option<Path> {
    let mut builder = PathBuilder::new();
    for line in lines {
        let mut points = line.iter();
        let Some([x, y]) = points.next() else { continue };
        builder.move_to(*x, *y);
        points.for_each(|[x, y]| builder.line_to(*x, *y));
    }
    builder.finish()
}
