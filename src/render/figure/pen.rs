//! Smooth lines, by the distance of pixels from them: fast for lines of thousands of short pieces such as coasts, and
//! where pieces meet nothing is drawn twice.

use tiny_skia::{Mask, Pixmap};

use crate::Color;

/// How much of each pixel lines cover, and the box of those they cover at all.
pub(super) struct Pen {
    width: i32,
    height: i32,
    coverage: Vec<u8>,
    /// First column and row touched, and those behind the last.
    touched: [i32; 4],
}

impl Pen {
    pub(super) fn new(width: u32, height: u32) -> Self {
        let coverage = vec![0; width as usize * height as usize];
        let mut pen = Self { width: width as i32, height: height as i32, coverage, touched: [0; 4] };
        pen.forget();
        pen
    }

    fn forget(&mut self) {
        self.touched = [self.width, self.height, 0, 0];
    }

    /// Draws a line with round ends; its corners are finite and not far outside.
    pub(super) fn line(&mut self, points: &[[f32; 2]], width: f32) {
        for pair in points.windows(2) {
            if let &[from, to] = pair {
                self.piece(from, to, width / 2.0);
            }
        }
    }

    /// Covers the pixels around a straight piece.
    fn piece(&mut self, [x0, y0]: [f32; 2], [x1, y1]: [f32; 2], radius: f32) {
        // Lines thinner than a pixel are a pixel wide and paler.
        let (radius, most) = if radius < 0.5 { (0.5, radius * 2.0 * 255.0) } else { (radius, 255.0) };
        let reach = radius + 0.5;
        let (dx, dy) = (x1 - x0, y1 - y0);
        let length = dx.hypot(dy);
        let (ux, uy) = if length > 0.0 { (dx / length, dy / length) } else { (1.0, 0.0) };
        let top = ((y0.min(y1) - reach).floor() as i32).max(0);
        let bottom = ((y0.max(y1) + reach).ceil() as i32).min(self.height);
        let (low, high) = (x0.min(x1) - reach, x0.max(x1) + reach);
        for row in top..bottom {
            let y = row as f32 + 0.5;
            // Where the strip around the piece crosses this row.
            let (mut left, mut right) = (low, high);
            if uy.abs() > 1e-3 {
                let at = x0 + (y - y0) * ux / uy;
                let half = reach / uy.abs();
                (left, right) = (left.max(at - half), right.min(at + half));
            }
            let first = (left.floor() as i32).max(0);
            let last = (right.ceil() as i32).min(self.width);
            if first >= last {
                continue;
            }
            let start = row as usize * self.width as usize;
            let pixels =
                self.coverage.get_mut(start + first as usize..start + last as usize).unwrap_or_default();
            for (column, pixel) in (first..last).zip(pixels) {
                let (px, py) = (column as f32 + 0.5 - x0, y - y0);
                let along = (px * ux + py * uy).clamp(0.0, length);
                let (ox, oy) = (px - along * ux, py - along * uy);
                let covered = (reach - (ox * ox + oy * oy).sqrt()).clamp(0.0, 1.0);
                *pixel = (*pixel).max((covered * most) as u8);
            }
            let [a, b, c, d] = self.touched;
            self.touched = [a.min(first), b.min(row), c.max(last), d.max(row + 1)];
        }
    }

    /// Lays what the lines cover over pixels in a colour, and begins anew.
    pub(super) fn paint(&mut self, pixmap: &mut Pixmap, color: Color, mask: Option<&Mask>) {
        let [left, top, right, bottom] = self.touched;
        self.forget();
        if left >= right || top >= bottom {
            return;
        }
        let width = self.width as usize;
        let (left, right) = (left as usize, right as usize);
        let rows = self
            .coverage
            .chunks_exact_mut(width)
            .zip(pixmap.data_mut().chunks_exact_mut(width * 4))
            .enumerate();
        let inked = [color.red, color.green, color.blue];
        for (row, (covered, target)) in rows.take(bottom as usize).skip(top as usize) {
            let masked = mask.and_then(|mask| mask.data().chunks_exact(width).nth(row));
            let covered = covered.get_mut(left..right).unwrap_or_default();
            let target = target.get_mut(left * 4..right * 4).unwrap_or_default();
            for (column, (share, pixel)) in covered.iter_mut().zip(target.chunks_exact_mut(4)).enumerate() {
                if *share == 0 {
                    continue;
                }
                let mut alpha = u32::from(*share) * u32::from(color.alpha) / 255;
                if let Some(masked) = masked {
                    alpha = alpha * u32::from(masked.get(left + column).copied().unwrap_or(0)) / 255;
                }
                *share = 0;
                let rest = 255 - alpha;
                for (to, from) in pixel.iter_mut().zip(inked.into_iter().chain([255])) {
                    *to = ((u32::from(from) * alpha + u32::from(*to) * rest + 127) / 255) as u8;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(points: &[[f32; 2]], width: f32) -> Pixmap {
        let mut pixmap = Pixmap::new(40, 30).unwrap();
        let mut pen = Pen::new(40, 30);
        pen.line(points, width);
        pen.paint(&mut pixmap, Color::rgb(0, 0, 0), None);
        pixmap
    }

    fn ink(pixmap: &Pixmap) -> f32 {
        pixmap.pixels().iter().map(|pixel| f32::from(pixel.alpha()) / 255.0).sum()
    }

    #[test]
    fn a_line_has_as_much_ink_as_its_area_at_any_slope() {
        for (dx, dy) in [(20.0, 0.0), (0.0, 20.0), (14.0, 14.0), (19.0, 6.0), (6.0, -19.0)] {
            for width in [1.0, 1.5, 3.0] {
                let line = [[10.0, 15.0], [10.0 + dx, 15.0 + dy * 0.6]];
                let length = (dx * dx + dy * dy * 0.36_f32).sqrt();
                let area = length * width + std::f32::consts::PI * width * width / 4.0;
                let found = ink(&drawn(&line, width));
                assert!((found - area).abs() < 0.12 * area + 1.0, "{found} of {area}: {line:?}, {width}");
            }
        }
    }

    #[test]
    fn a_line_in_many_pieces_is_the_same_line() {
        let whole = drawn(&[[5.0, 5.0], [35.0, 20.0]], 1.2);
        let pieces: Vec<[f32; 2]> =
            (0..=60).map(|i| i as f32 / 60.0).map(|t| [5.0 + 30.0 * t, 5.0 + 15.0 * t]).collect();
        let parted = drawn(&pieces, 1.2);
        let differs = |(a, b): (&u8, &u8)| a.abs_diff(*b) > 3;
        assert_eq!(whole.data().iter().zip(parted.data()).filter(|pair| differs(*pair)).count(), 0);
    }

    #[test]
    fn lines_far_outside_leave_no_ink() {
        assert_eq!(ink(&drawn(&[[-50.0, -50.0], [-20.0, 60.0]], 3.0)), 0.0);
    }
}
