//! Contours: lines of equal value, and levels filled with colours.
//!
//! Lines and fills show the same surface over a [`Lattice`]. Nothing is drawn across missing values; between the
//! centres of the outermost cells and their edges a fill has the value of the cell.

use rayon::prelude::*;

use super::lattice::{self, Lattice, Quad};
use super::range::{self, MAX_LEVELS};
use super::scatter::Edges;
use super::{Size, isoline, label};
use crate::scale::{CompiledScale, Entry};
use crate::{Cancel, CellMap, Color, Error, Field, Grid, Image, Levels, Mark, Norm, Result, Scale, View};

/// Most lines if nobody says; with round levels there are about nine.
const DEFAULT_LINES: usize = 12;

/// Most corners of all lines of a picture.
const MAX_POINTS: usize = 20_000_000;

/// What colour lines have.
#[derive(Debug, Clone, Copy)]
pub enum LineColor<'s> {
    /// One for all; those of negative levels are dashed.
    Plain(Color),
    /// That of their level.
    Of(&'s Scale),
}

/// How contour lines look.
#[derive(Debug, Clone, Copy)]
pub struct ContourStyle<'s> {
    /// Their colour.
    pub color: LineColor<'s>,
    /// Their width in pixels at a scale of 1.
    pub width: f32,
    /// Height of the letters of their labels in pixels at a scale of 1; `None` for no labels.
    pub label_size: Option<f32>,
    /// Factor for labels: [`crate::Layout::unit`], by which the figure widens texts.
    pub scale: f32,
}

/// Lines at levels, with labels in gaps of the longer ones.
///
/// # Errors
/// Those of [`range::check_levels`], [`Error::TooLarge`] for lines without end, [`Error::Cancelled`].
pub fn contour(
    lattice: &Lattice,
    levels: &[f64],
    size: Size,
    style: &ContourStyle<'_>,
    cancel: &Cancel,
) -> Result<Vec<Mark>> {
    range::check_levels(levels)?;
    let mut lines = Vec::with_capacity(levels.len());
    let mut n_points = 0;
    // A few levels at a time: no more is held than what is drawn in the end.
    for levels in levels.chunks(8) {
        let found: Vec<_> = levels
            .par_iter()
            .map(|level| isoline::isolines(lattice, *level, cancel))
            .collect::<Result<_>>()?;
        n_points += found.iter().flatten().map(Vec::len).sum::<usize>();
        if n_points > MAX_POINTS {
            return Err(Error::TooLarge(format!(
                "the lines have more than {MAX_POINTS} corners: ask for fewer levels or a smaller picture"
            )));
        }
        lines.extend(found);
    }
    let mut labels = label::Labels::new(size, style.label_size.map(|height| height * style.scale));
    let mut marks = Vec::new();
    let mut texts = Vec::new();
    for ((level, lines), text) in levels.iter().zip(lines).zip(range::level_texts(levels)) {
        let (color, dashes) = match style.color {
            LineColor::Plain(color) if *level < 0.0 => (color, vec![4.0, 2.5]),
            LineColor::Plain(color) => (color, Vec::new()),
            LineColor::Of(scale) => (scale.color(scale.entry(*level)), Vec::new()),
        };
        for line in lines {
            let (pieces, placed) = labels.place(line, &text);
            marks.extend(pieces.into_iter().map(|points| Mark::Line {
                points,
                color,
                width: style.width,
                dashes: dashes.clone(),
            }));
            texts.extend(placed.into_iter().map(|label| Mark::Text {
                at: label.at,
                text: text.clone(),
                color,
                size: style.label_size.unwrap_or_default(),
                angle: label.angle,
            }));
        }
    }
    marks.extend(texts);
    Ok(marks)
}

/// The lines of a field on a map.
///
/// # Errors
/// Those of [`contour`].
pub fn contour_map(
    (cells, grid, field): (&CellMap, &Grid, &Field),
    view: &View,
    levels: &[f64],
    style: &ContourStyle<'_>,
    cancel: &Cancel,
) -> Result<Vec<Mark>> {
    let lattice = Lattice::of_cells(cells, grid, field, view, cancel)?;
    contour(&lattice, levels, (view.width, view.height), style, cancel)
}

/// The filled levels of a field on a map: each pixel has the colour of its interpolated value.
///
/// # Errors
/// [`Error::Cancelled`].
pub fn filled_map(
    (cells, grid, field): (&CellMap, &Grid, &Field),
    view: &View,
    scale: &Scale,
    edges: Edges,
    cancel: &Cancel,
) -> Result<Image> {
    let lattice = Lattice::of_cells(cells, grid, field, view, cancel)?;
    let nearest = |column: u32, row: u32| {
        lattice::cell_at(cells, view.width, column, row).map_or(f64::NAN, |cell| field.value(cell))
    };
    filled(&lattice, (view.width, view.height), nearest, (scale, edges), cancel)
}

/// Filled levels over a lattice; `nearest` gives the value of a pixel (column, row) that no quad covers, and is missing
/// where nothing may be drawn.
///
/// # Errors
/// [`Error::Cancelled`].
pub fn filled(
    lattice: &Lattice,
    (width, height): Size,
    nearest: impl Fn(u32, u32) -> f64 + Sync,
    (scale, edges): (&Scale, Edges),
    cancel: &Cancel,
) -> Result<Image> {
    let values = interpolated(lattice, (width, height), nearest, cancel)?;
    let mut image = Image::transparent(width, height);
    let paint = Paint { scale, compiled: scale.compiled() };
    let columns = width as usize;
    if columns == 0 {
        return Ok(image);
    }
    image.pixels.par_chunks_mut(columns * 4).enumerate().try_for_each(|(row, pixels)| {
        cancel.check()?;
        for (column, pixel) in pixels.chunks_exact_mut(4).enumerate() {
            let color = match edges {
                Edges::Crisp => paint.color(values[row * columns + column]),
                Edges::Smooth => paint.smooth_color(&values, columns, (column, row)),
            };
            pixel.copy_from_slice(&[color.red, color.green, color.blue, color.alpha]);
        }
        Ok(())
    })?;
    Ok(image)
}

/// A scale made ready for many values.
struct Paint<'s> {
    scale: &'s Scale,
    compiled: CompiledScale,
}

impl Paint<'_> {
    fn color(&self, value: f64) -> Color {
        self.scale.color(self.compiled.entry(value))
    }

    /// The colour of a pixel in which levels may meet: the mean over it.
    fn smooth_color(&self, values: &[f64], columns: usize, (column, row): (usize, usize)) -> Color {
        const SHARES: [f64; 4] = [-0.375, -0.125, 0.125, 0.375];
        let position = row * columns + column;
        let value = values[position];
        if !value.is_finite() {
            return self.color(value);
        }
        let left = if column > 0 { values.get(position - 1) } else { None };
        let right = if column + 1 < columns { values.get(position + 1) } else { None };
        let above = position.checked_sub(columns).and_then(|above| values.get(above));
        let slope_x = slope(left, value, right);
        let slope_y = slope(above, value, values.get(position + columns));
        let reach = (slope_x.abs() + slope_y.abs()) / 2.0;
        let (low, high) = (self.compiled.entry(value - reach), self.compiled.entry(value + reach));
        if low == high || !reach.is_finite() || low == Entry::Bad || high == Entry::Bad {
            return self.color(value);
        }
        let mut sums = [0u32; 4];
        for dy in SHARES {
            for dx in SHARES {
                let color = self.color(value + dx * slope_x + dy * slope_y);
                let weight = u32::from(color.alpha);
                for (sum, part) in sums.iter_mut().zip([color.red, color.green, color.blue]) {
                    *sum += u32::from(part) * weight;
                }
                sums[3] += weight;
            }
        }
        let mean = |sum: u32| ((sum + sums[3] / 2) / sums[3].max(1)) as u8;
        Color { red: mean(sums[0]), green: mean(sums[1]), blue: mean(sums[2]), alpha: (sums[3] / 16) as u8 }
    }
}

fn slope(before: Option<&f64>, value: f64, after: Option<&f64>) -> f64 {
    let finite = |value: Option<&f64>| value.copied().filter(|value| value.is_finite());
    match (finite(before), finite(after)) {
        (Some(before), Some(after)) => after / 2.0 - before / 2.0,
        (Some(before), None) => value - before,
        (None, Some(after)) => after - value,
        (None, None) => 0.0,
    }
}

/// The value of each pixel's centre on the surface over a lattice; that of `nearest` where no quad covers it.
fn interpolated(
    lattice: &Lattice,
    (width, height): Size,
    nearest: impl Fn(u32, u32) -> f64 + Sync,
    cancel: &Cancel,
) -> Result<Vec<f64>> {
    const BAND: usize = 32;
    let columns = width as usize;
    let mut values = vec![f64::NAN; columns * height as usize];
    if columns == 0 {
        return Ok(values);
    }
    let reaches = row_reaches(lattice);
    values.par_chunks_mut(columns * BAND).enumerate().try_for_each(|(band, values)| {
        let first_row = band * BAND;
        let mut raster = Raster { first_row, columns, values };
        raster.fill_nearest(&nearest);
        let (top, foot) = (first_row as f32, (first_row + BAND) as f32);
        for (row, (from, to)) in reaches.iter().enumerate() {
            if *to < top || *from > foot {
                continue;
            }
            cancel.check()?;
            for column in 0..lattice.n_columns.saturating_sub(1) {
                if let Some(quad) = lattice.quad(row, column) {
                    raster.quad(&quad);
                }
            }
        }
        Ok(())
    })?;
    Ok(values)
}

/// From where to where each row of quads reaches downwards.
fn row_reaches(lattice: &Lattice) -> Vec<(f32, f32)> {
    let n_quads = lattice.n_rows.saturating_sub(1);
    let columns = lattice.n_columns;
    (0..n_quads)
        .map(|row| {
            let places = lattice.places.get(row * columns..(row + 2) * columns).unwrap_or_default();
            places
                .iter()
                .fold((f32::INFINITY, f32::NEG_INFINITY), |(from, to), [_, y]| (from.min(*y), to.max(*y)))
        })
        .collect()
}

/// Some rows of pixels that are given values.
struct Raster<'v> {
    first_row: usize,
    columns: usize,
    values: &'v mut [f64],
}

impl Raster<'_> {
    fn fill_nearest(&mut self, nearest: &(impl Fn(u32, u32) -> f64 + Sync)) {
        for (position, value) in self.values.iter_mut().enumerate() {
            let (row, column) = (self.first_row + position / self.columns, position % self.columns);
            *value = nearest(column as u32, row as u32);
        }
    }

    /// Gives the pixels of a quad their values. Missing pixels stay so: no quad speaks for them.
    fn quad(&mut self, quad: &Quad) {
        // Nodes of one cell fall together: most quads of large cells are points or lines.
        let [a, b, c, d] = quad.places;
        if (a == b && c == d) || (a == d && b == c) {
            return;
        }
        let (middle, mean) = quad.middle();
        for corner in 0..4 {
            let next = (corner + 1) % 4;
            self.triangle(
                [quad.places[corner], quad.places[next], middle],
                [quad.values[corner], quad.values[next], mean],
            );
        }
    }

    fn triangle(&mut self, places: [[f32; 2]; 3], corners: [f64; 3]) {
        let n_rows = self.values.len() / self.columns;
        let [a, b, c] = places.map(|[x, y]| (f64::from(x) - 0.5, f64::from(y) - 0.5 - self.first_row as f64));
        let (low, high) = (a.1.min(b.1).min(c.1), a.1.max(b.1).max(c.1));
        let (left, right) = (a.0.min(b.0).min(c.0), a.0.max(b.0).max(c.0));
        let area = (b.0 - a.0) * (c.1 - a.1) - (c.0 - a.0) * (b.1 - a.1);
        let is_seen = high >= 0.0 && low < n_rows as f64 && right >= 0.0 && left < self.columns as f64;
        if !is_seen || area.abs() < 1e-9 {
            return;
        }
        let rows = low.ceil().max(0.0) as usize..(high.floor() as usize + 1).min(n_rows);
        let columns = left.ceil().max(0.0) as usize..(right.floor() as usize + 1).min(self.columns);
        for row in rows {
            for column in columns.clone() {
                let (x, y) = (column as f64, row as f64);
                let weight_b = ((x - a.0) * (c.1 - a.1) - (c.0 - a.0) * (y - a.1)) / area;
                let weight_c = ((b.0 - a.0) * (y - a.1) - (x - a.0) * (b.1 - a.1)) / area;
                let weight_a = 1.0 - weight_b - weight_c;
                // Pixels on an edge belong to both sides, which agree there.
                if weight_a < -1e-6 || weight_b < -1e-6 || weight_c < -1e-6 {
                    continue;
                }
                let value = &mut self.values[row * self.columns + column];
                if value.is_finite() {
                    *value = weight_a * corners[0] + weight_b * corners[1] + weight_c * corners[2];
                }
            }
        }
    }
}

/// The values at which there are lines: the given edges, or round numbers, about as many as asked for; those between that
/// number of bands on a logarithmic scale.
pub fn contour_levels(levels: &Levels, norm: Norm, (min, max): (f64, f64)) -> Vec<f64> {
    match levels {
        Levels::Edges(edges) => edges.clone(),
        Levels::Count(count) if norm != Norm::Log => range::nice_levels(min, max, *count as usize),
        Levels::Count(count) => {
            let edges = log_bands(*count, (min, max));
            edges.get(1..edges.len().saturating_sub(1)).map(<[f64]>::to_vec).unwrap_or_default()
        }
        Levels::Continuous if norm == Norm::Log => log_levels(min, max),
        Levels::Continuous => range::nice_levels(min, max, DEFAULT_LINES),
    }
}

/// The edges of filled levels: the given ones, or round numbers around the range, about as many as asked for; those of that
/// number of bands on a logarithmic scale. Empty for ranges without width.
pub fn filled_levels(levels: &Levels, norm: Norm, (min, max): (f64, f64)) -> Vec<f64> {
    match levels {
        Levels::Edges(edges) => edges.clone(),
        Levels::Count(count) if norm != Norm::Log => range::nice_edges(min, max, *count as usize),
        Levels::Count(count) => log_bands(*count, (min, max)),
        Levels::Continuous if norm == Norm::Log => {
            let mut edges = log_levels(min, max);
            if min > 0.0 && min.is_finite() && edges.first().is_none_or(|first| *first > min) {
                edges.insert(0, min);
            }
            if max > min && max.is_finite() && edges.last().is_none_or(|last| *last < max) {
                edges.push(max);
            }
            edges
        }
        Levels::Continuous => range::nice_edges(min, max, DEFAULT_LINES),
    }
}

/// Edges of as many bands of equal width on a logarithmic scale.
fn log_bands(count: u32, (min, max): (f64, f64)) -> Vec<f64> {
    let count = (count as usize).min(MAX_LEVELS - 1);
    if !(min > 0.0 && max.is_finite() && min < max) || count == 0 {
        return Vec::new();
    }
    let edge = |number: usize| {
        let share = number as f64 / count as f64;
        match number {
            0 => min,
            _ if number == count => max,
            _ => (min.ln() + share * (max.ln() - min.ln())).exp(),
        }
    };
    let mut edges: Vec<f64> = (0..=count).map(edge).collect();
    edges.dedup();
    edges
}

/// 1, 2 and 5 times powers of ten within a range, or fewer of them if the range is wide.
fn log_levels(min: f64, max: f64) -> Vec<f64> {
    if !(min > 0.0 && max.is_finite() && min < max) {
        return Vec::new();
    }
    let (first, last) = (min.log10().floor() as i32, max.log10().ceil() as i32);
    let decades = (last - first).max(1) as usize;
    let factors: &[f64] = match decades {
        ..=4 => &[1.0, 2.0, 5.0],
        5..=6 => &[1.0, 3.0],
        _ => &[1.0],
    };
    let stride = decades.div_ceil(12);
    let levels = (first..=last).step_by(stride).flat_map(|exponent| {
        factors.iter().map(move |factor| {
            if exponent < 0 { factor / 10f64.powi(-exponent) } else { factor * 10f64.powi(exponent) }
        })
    });
    levels.filter(|level| level.is_finite() && (min..=max).contains(level)).collect()
}

#[cfg(test)]
mod tests;
