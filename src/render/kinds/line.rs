//! Series over an axis: lines, steps and areas.
//!
//! Missing values break a line; one between two missing ones is a dot. Of many points in one column of pixels the first,
//! the smallest, the largest and the last are drawn: no extreme is lost.

use super::{Size, palette, range};
use crate::figure::LegendEntry;
use crate::ticks::Axis;
use crate::{Color, Frame, Mark};

/// Lines reach so many pixels beyond the panel at most.
const BEYOND: f64 = 64.0;

/// Room above and below the values where the axis may choose, as a share of their range.
const ROOM: f64 = 0.05;

/// Opacity of the area below a line.
const AREA_ALPHA: u8 = 0x50;

/// A series: a value at each coordinate.
#[derive(Debug, Clone)]
pub struct Series<'s> {
    /// What it is called in the legend.
    pub text: String,
    /// The coordinates, in any order.
    pub coordinates: &'s [f64],
    /// The values; NaN for missing ones.
    pub values: Vec<f64>,
    /// Its colour.
    pub color: Color,
    /// Strokes and gaps; empty for an unbroken line.
    pub dashes: Vec<f32>,
}

impl<'s> Series<'s> {
    /// The series of a number among others, with the colour of that number.
    pub fn new(number: usize, text: String, coordinates: &'s [f64], values: Vec<f64>) -> Self {
        Self { text, coordinates, values, color: palette::color(number), dashes: palette::dashes(number) }
    }
}

/// How values are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineShape {
    /// By straight lines.
    Line,
    /// By steps midway between the coordinates.
    Step,
    /// By straight lines, filled down to 0 or to the nearest edge.
    Area,
}

/// How series look.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LineStyle {
    /// How values are joined.
    pub shape: LineShape,
    /// Width of lines in pixels at a scale of 1.
    pub width: f32,
    /// Diameter of a dot at each value in pixels at a scale of 1, where there is room for them; `None` for no dots.
    pub marker: Option<f32>,
    /// Factor for dots: [`crate::Layout::unit`], by which the figure widens lines.
    pub scale: f32,
}

/// From the first to the last coordinate of some series.
pub fn coordinate_range(series: &[Series<'_>]) -> (f64, f64) {
    let finite = |value: &&f64| value.is_finite();
    let first = series.iter().find_map(|series| series.coordinates.iter().find(finite)).copied();
    let last = series.iter().rev().find_map(|series| series.coordinates.iter().rev().find(finite)).copied();
    match (first, last) {
        (Some(first), Some(last)) if series.len() > 1 => {
            let all = range::extremes(series.iter().flat_map(|series| series.coordinates.iter().copied()));
            let (low, high) = all.unwrap_or((first, last));
            if first <= last { unless_equal(low, high) } else { (high, low) }
        }
        (Some(first), Some(last)) => unless_equal(first, last),
        _ => (0.0, 1.0),
    }
}

fn unless_equal(first: f64, last: f64) -> (f64, f64) {
    if first == last { range::padded(first, last, 0.0) } else { (first, last) }
}

/// The range of the values' axis: the given ends; where there is none that of the values, with some room unless the
/// panel stands alone.
pub fn value_range(series: &[Series<'_>], given: (Option<f64>, Option<f64>), frame: Frame) -> (f64, f64) {
    let found = range::extremes(series.iter().flat_map(|series| series.values.iter().copied()));
    let (min, max) = found.unwrap_or((given.0.unwrap_or(0.0), given.1.unwrap_or(1.0)));
    let (min, max) = if min <= max { (min, max) } else { (max, min) };
    let share = if frame == Frame::None { 0.0 } else { ROOM };
    let (low, high) = range::padded(min, max, share);
    let (low, high) = (given.0.unwrap_or(low), given.1.unwrap_or(high));
    if low < high {
        return (low, high);
    }
    match given {
        (Some(low), None) => (low, low + (low.abs() * ROOM).max(1.0)),
        (None, Some(high)) => (high - (high.abs() * ROOM).max(1.0), high),
        _ => range::padded(low.min(high), high.max(low), share),
    }
}

/// The lines of the legend; none for a single series.
pub fn legend(series: &[Series<'_>]) -> Vec<LegendEntry> {
    if series.len() < 2 {
        return Vec::new();
    }
    series.iter().map(|series| LegendEntry { text: series.text.clone(), color: series.color }).collect()
}

/// Draws series between two axes: areas first, then lines, then dots.
pub fn lines(series: &[Series<'_>], (x, y): (&Axis, &Axis), size: Size, style: &LineStyle) -> Vec<Mark> {
    let (width, height) = (f64::from(size.0), f64::from(size.1));
    let base = y.share(0.0);
    let base = if base.is_finite() { (1.0 - base.clamp(0.0, 1.0)) * height } else { height };
    let (mut areas, mut strokes, mut dots) = (Vec::new(), Vec::new(), Vec::new());
    for series in series {
        let runs = runs(series, (x, y), size);
        let mut alone = Vec::new();
        for run in &runs {
            if let [only] = run.as_slice() {
                alone.push(([only.0 as f32, only.1 as f32], series.color));
                continue;
            }
            let path = if style.shape == LineShape::Step { steps(run) } else { run.clone() };
            let points = clamped(&path, (width, height));
            if style.shape == LineShape::Area {
                areas.push(area(&points, base as f32, series.color));
            }
            let (color, dashes) = (series.color, series.dashes.clone());
            strokes.push(Mark::Line { points, color, width: style.width, dashes });
        }
        if !alone.is_empty() {
            dots.push(Mark::Discs { discs: alone, diameter: style.width * style.scale * 3.0 });
        }
        dots.extend(markers(series, &runs, size, style));
    }
    areas.into_iter().chain(strokes).chain(dots).collect()
}

/// Dots at values, if neighbours stay apart.
fn markers(
    series: &Series<'_>,
    runs: &[Vec<(f64, f64)>],
    (width, _): Size,
    style: &LineStyle,
) -> Option<Mark> {
    let diameter = style.marker? * style.scale;
    let n_points: usize = runs.iter().map(Vec::len).sum();
    if n_points as f64 * f64::from(diameter) * 2.0 > f64::from(width) {
        return None;
    }
    let discs = runs.iter().flatten().map(|(x, y)| ([*x as f32, *y as f32], series.color)).collect();
    Some(Mark::Discs { discs, diameter })
}

fn area(points: &[[f32; 2]], base: f32, color: Color) -> Mark {
    let mut ring = points.to_vec();
    ring.extend(points.last().map(|[x, _]| [*x, base]));
    ring.extend(points.first().map(|[x, _]| [*x, base]));
    Mark::Area { rings: vec![ring], color: Color { alpha: AREA_ALPHA, ..color } }
}

/// Points in pixels, without those that cannot be seen beside others; one list between missing values.
fn runs(series: &Series<'_>, (x, y): (&Axis, &Axis), (width, height): Size) -> Vec<Vec<(f64, f64)>> {
    const FAR: f64 = 1e9;
    let (width, height) = (f64::from(width), f64::from(height));
    let mut runs = Vec::new();
    let mut run = Reduced::default();
    for (coordinate, value) in series.coordinates.iter().zip(&series.values) {
        let at = (x.share(*coordinate) * width, (1.0 - y.share(*value)) * height);
        // Values without a place (0 on a logarithmic axis) are missing, as are infinite ones.
        if coordinate.is_finite() && value.is_finite() && at.0.is_finite() && at.1.is_finite() {
            run.push((at.0.clamp(-FAR, FAR), at.1.clamp(-FAR, FAR)));
        } else {
            runs.push(std::mem::take(&mut run).finish());
        }
    }
    runs.push(run.finish());
    runs.retain(|run| !run.is_empty());
    runs
}

/// A line of which at most four points of each visit to a column of pixels are kept.
#[derive(Debug, Default)]
struct Reduced {
    kept: Vec<(f64, f64)>,
    column: Option<Column>,
}

#[derive(Debug, Clone, Copy)]
struct Column {
    number: f64,
    /// First, upmost, lowest and last point, each with its number among those of the column.
    points: [(u64, (f64, f64)); 4],
    n_points: u64,
}

impl Reduced {
    fn push(&mut self, point: (f64, f64)) {
        let number = point.0.floor();
        match &mut self.column {
            Some(column) if column.number == number => column.push(point),
            _ => {
                self.flush();
                self.column = Some(Column { number, points: [(0, point); 4], n_points: 1 });
            }
        }
    }

    fn flush(&mut self) {
        if let Some(mut column) = self.column.take() {
            column.points.sort_by_key(|(number, _)| *number);
            let mut last = None;
            for (number, point) in column.points {
                if last.replace(number) != Some(number) {
                    self.kept.push(point);
                }
            }
        }
    }

    fn finish(mut self) -> Vec<(f64, f64)> {
        self.flush();
        self.kept
    }
}

impl Column {
    fn push(&mut self, point: (f64, f64)) {
        let entry = (self.n_points, point);
        self.n_points += 1;
        if point.1 < self.points[1].1.1 {
            self.points[1] = entry;
        }
        if point.1 > self.points[2].1.1 {
            self.points[2] = entry;
        }
        self.points[3] = entry;
    }
}

/// Each value as a level piece, from midway to the neighbour before to midway to the one after.
fn steps(run: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mut path = Vec::with_capacity(run.len() * 2);
    for (position, (x, y)) in run.iter().enumerate() {
        let before = position.checked_sub(1).and_then(|before| run.get(before));
        let after = run.get(position + 1);
        path.push((before.map_or(*x, |(other, _)| (x + other) / 2.0), *y));
        path.push((after.map_or(*x, |(other, _)| (x + other) / 2.0), *y));
    }
    path
}

/// A line whose parts far beyond the panel are drawn in to its surroundings; what is seen stays as it is.
fn clamped(path: &[(f64, f64)], (width, height): (f64, f64)) -> Vec<[f32; 2]> {
    let path = clamped_along(path, -BEYOND, height + BEYOND, |(x, y)| (y, x), |(y, x)| (x, y));
    let path = clamped_along(&path, -BEYOND, width + BEYOND, |point| point, |point| point);
    path.into_iter().map(|(x, y)| [x as f32, y as f32]).collect()
}

fn clamped_along(
    path: &[(f64, f64)],
    low: f64,
    high: f64,
    turn: impl Fn((f64, f64)) -> (f64, f64),
    back: impl Fn((f64, f64)) -> (f64, f64),
) -> Vec<(f64, f64)> {
    let mut clamped: Vec<(f64, f64)> = Vec::with_capacity(path.len());
    let mut before: Option<(f64, f64)> = None;
    for point in path {
        let (along, across) = turn(*point);
        if let Some((from, from_across)) = before {
            let bounds = if from < along { [low, high] } else { [high, low] };
            for bound in bounds {
                if (from < bound) != (along < bound) && from != bound && along != bound {
                    let share = (bound - from) / (along - from);
                    clamped.push(back((bound, from_across + share * (across - from_across))));
                }
            }
        }
        clamped.push(back((along.clamp(low, high), across)));
        before = Some((along, across));
    }
    clamped
}

#[cfg(test)]
mod tests;
