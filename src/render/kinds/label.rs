//! Labels of contour lines: on straight parts, readable from below, apart from each other, each in a gap of its line.

use super::Size;
use crate::text;

/// Room on both sides of a label, as a share of the height of its letters.
const MARGIN: f32 = 0.35;

/// Most that a line may leave the straight line behind a label, as a share of the height of its letters.
const BEND: f32 = 0.35;

/// Lines get a further label after so many pixels for each pixel of the letters' height.
const DISTANCE: f32 = 45.0;

/// Where a label stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Label {
    /// Its middle.
    pub(super) at: [f32; 2],
    /// Clockwise, in degrees.
    pub(super) angle: f32,
}

/// The labels of a picture.
#[derive(Debug)]
pub(super) struct Labels {
    size: Size,
    height: Option<f32>,
    /// Middle and half width of each.
    placed: Vec<([f32; 2], f32)>,
}

impl Labels {
    /// None yet; `height` is that of their letters in pixels, `None` if there will be none.
    pub(super) fn new(size: Size, height: Option<f32>) -> Self {
        let height = height.filter(|height| height.is_finite() && *height > 0.0);
        Self { size, height, placed: Vec::new() }
    }

    /// Finds places for a text along a line. Gives what is left of the line, and where the text stands.
    pub(super) fn place(&mut self, line: Vec<[f32; 2]>, text: &str) -> (Vec<Vec<[f32; 2]>>, Vec<Label>) {
        let Some(height) = self.height else { return (vec![line], Vec::new()) };
        let length = text::width(text, height) + 2.0 * MARGIN * height;
        let measured = Measured::of(&line);
        if measured.length() < 3.0 * length {
            return (vec![line], Vec::new());
        }
        let mut labels = Vec::new();
        let mut gaps = Vec::new();
        let n_parts = (measured.length() / (DISTANCE * height)).ceil().clamp(1.0, 64.0);
        let part = measured.length() / n_parts;
        for number in 0..n_parts as usize {
            let from = number as f32 * part;
            if let Some((start, label)) = self.straightest(&measured, (from, from + part), length, height) {
                self.placed.push((label.at, length / 2.0));
                gaps.push((start, start + length));
                labels.push(label);
            }
        }
        (measured.without(&gaps), labels)
    }

    /// The start of the straightest piece of a part of a line where a label of a length fits.
    fn straightest(
        &self,
        line: &Measured<'_>,
        (from, to): (f32, f32),
        length: f32,
        height: f32,
    ) -> Option<(f32, Label)> {
        const CANDIDATES: usize = 24;
        let room = to - from - length;
        if room < 0.0 {
            return None;
        }
        // From the middle of the part outwards: of equally straight pieces the one in the middle is taken.
        let mut best: Option<(f32, f32, Label)> = None;
        for number in 0..CANDIDATES {
            let outwards =
                number.div_ceil(2) as f32 / CANDIDATES as f32 * if number % 2 == 0 { 1.0 } else { -1.0 };
            let start = from + room * (0.5 + outwards).clamp(0.0, 1.0);
            let (one, other) = (line.at(start), line.at(start + length));
            let label = Label {
                at: [(one[0] + other[0]) / 2.0, (one[1] + other[1]) / 2.0],
                angle: readable_angle(one, other),
            };
            let bend = line.bend(start, start + length);
            let is_better = best.is_none_or(|(least, ..)| bend < least * 0.9);
            if bend <= BEND * height && is_better && self.is_free(&label, length, height) {
                best = Some((bend, start, label));
            }
        }
        best.map(|(_, start, label)| (start, label))
    }

    fn is_free(&self, label: &Label, length: f32, height: f32) -> bool {
        let (sine, cosine) = label.angle.to_radians().sin_cos();
        let half = [
            (cosine.abs() * length + sine.abs() * height) / 2.0,
            (sine.abs() * length + cosine.abs() * height) / 2.0,
        ];
        let sides = [self.size.0 as f32, self.size.1 as f32];
        let is_inside = (0..2).all(|axis| {
            label.at[axis] - half[axis] >= 2.0 && label.at[axis] + half[axis] <= sides[axis] - 2.0
        });
        is_inside
            && self.placed.iter().all(|(at, reach)| {
                (at[0] - label.at[0]).hypot(at[1] - label.at[1]) > reach + length / 2.0 + height
            })
    }
}

/// The angle of a text along a piece of line, from left to right.
fn readable_angle(one: [f32; 2], other: [f32; 2]) -> f32 {
    let angle = (other[1] - one[1]).atan2(other[0] - one[0]).to_degrees();
    match angle {
        _ if angle > 90.0 => angle - 180.0,
        _ if angle <= -90.0 => angle + 180.0,
        _ => angle,
    }
}

/// A line with the distance of each corner from its start.
struct Measured<'l> {
    line: &'l [[f32; 2]],
    distances: Vec<f32>,
}

impl<'l> Measured<'l> {
    fn of(line: &'l [[f32; 2]]) -> Self {
        let mut sum = 0.0f64;
        let mut distances = Vec::with_capacity(line.len());
        for (position, point) in line.iter().enumerate() {
            let before = line[position.saturating_sub(1)];
            sum += f64::from((point[0] - before[0]).hypot(point[1] - before[1]));
            distances.push(sum as f32);
        }
        Self { line, distances }
    }

    fn length(&self) -> f32 {
        self.distances.last().copied().unwrap_or(0.0)
    }

    /// The number of the first corner beyond a distance, at least 1.
    fn beyond(&self, distance: f32) -> usize {
        self.distances.partition_point(|corner| *corner <= distance).max(1)
    }

    fn at(&self, distance: f32) -> [f32; 2] {
        let after = self.beyond(distance).min(self.line.len() - 1);
        let before = after.saturating_sub(1);
        let (start, end) = (self.distances[before], self.distances[after]);
        let share = if end > start { ((distance - start) / (end - start)).clamp(0.0, 1.0) } else { 0.0 };
        let (one, other) = (self.line[before], self.line[after]);
        [one[0] + share * (other[0] - one[0]), one[1] + share * (other[1] - one[1])]
    }

    /// How far a piece leaves the straight line between its ends.
    fn bend(&self, from: f32, to: f32) -> f32 {
        let (one, other) = (self.at(from), self.at(to));
        let (dx, dy) = (other[0] - one[0], other[1] - one[1]);
        let chord = dx.hypot(dy);
        if chord < 0.5 * (to - from) {
            return f32::INFINITY;
        }
        let corners = self.beyond(from)..self.beyond(to).max(self.beyond(from));
        let distance = |point: &[f32; 2]| ((point[0] - one[0]) * dy - (point[1] - one[1]) * dx).abs() / chord;
        self.line.get(corners).unwrap_or_default().iter().map(distance).fold(0.0, f32::max)
    }

    /// The pieces outside some gaps, which ascend.
    fn without(&self, gaps: &[(f32, f32)]) -> Vec<Vec<[f32; 2]>> {
        let mut pieces = Vec::new();
        let mut from = 0.0;
        for (start, end) in gaps.iter().copied().chain(std::iter::once((self.length(), self.length()))) {
            if start > from {
                let mut piece = vec![self.at(from)];
                let last = self.beyond(start);
                let corners = self.beyond(from)..last.max(self.beyond(from));
                piece.extend_from_slice(self.line.get(corners).unwrap_or_default());
                if piece.last() != Some(&self.at(start)) {
                    piece.push(self.at(start));
                }
                pieces.push(piece);
            }
            from = end;
        }
        pieces
    }
}
