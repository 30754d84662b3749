//! Latitudes and longitudes of the same cells: curvilinear grids, unstructured ones, points.

use super::Place;
use super::axis::{is_latitude, is_longitude};
use super::circle::{Arc, median, normal, of_points, turn, unwrapped};
use super::corners::{Corners, range};
use crate::describe::coordinates::Numbers;

/// Most neighbours that are looked at to know the size of cells.
const MAX_NEIGHBOURS: usize = 1 << 14;

/// How many cells centres may be apart around the earth: half a cell less than a whole one may be missing.
const REACH: f64 = 1.5;

/// Fewest unstructured positions from whose number the size of cells is guessed.
const FEWEST_CELLS: usize = 1000;

/// Fewest nodes of a mesh from whose number that is guessed.
const FEWEST_NODES: usize = 32;

/// How far neighbours on the border of a grid may be apart, in degrees of a great circle: those of a coarse grid where
/// it is folded around two poles are as far.
const MAX_STEP: f64 = 45.0;

/// What positions belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cells {
    /// A mesh: positions are its nodes.
    Mesh,
    /// Cells of a grid, as far as anything says.
    Grid,
    /// Stations, profiles or trajectories, which have no cells.
    Features,
}

/// Where cells lie whose latitudes and longitudes have the same axes; with the corners of both if they have bounds.
pub(super) fn place(
    mut lat: Numbers,
    mut lon: Numbers,
    corners: Option<(Corners, Corners)>,
    kind: Cells,
) -> Option<Place> {
    if lat.values.len() != lon.values.len() {
        return None;
    }
    for (lat, lon) in lat.values.iter_mut().zip(&mut lon.values) {
        if !(is_latitude(*lat) && is_longitude(*lon)) {
            (*lat, *lon) = (f64::NAN, f64::NAN);
        }
    }
    let is_there = |cell: usize| lat.values.get(cell).is_some_and(|lat| !lat.is_nan());
    let centres = range(lat.values.iter().copied())?;
    lat.shape = of_grid(&lat.shape);
    lon.shape = of_grid(&lon.shape);
    let border = if kind == Cells::Grid { border(&lat, &lon) } else { Vec::new() };
    let pole = if goes_around(&border) { Some(centres) } else { None };
    let corners = corners.and_then(|(mut lats, mut lons)| {
        lats.keep_cells(is_there);
        lons.keep_cells(is_there);
        Some((lats.range_of_latitudes()?, lons.arc()?))
    });
    if let Some((least, most)) = pole {
        let (south, north) = corners.map_or((least, most), |(latitudes, _)| latitudes);
        let is_north = most.abs() >= least.abs();
        let latitudes = if is_north { (south, 90.0) } else { (-90.0, north) };
        return Some(Place::of(clamped(latitudes), Arc::Circle));
    }
    let (latitudes, longitudes) = match corners {
        Some(both) => both,
        None => {
            let size = size(&lon, centres, kind);
            lon.values.retain(|value| !value.is_nan());
            (centres, of_points(lon.values, size)?)
        }
    };
    Some(Place { border: straight(border), ..Place::of(clamped(latitudes), longitudes) })
}

/// The lengths of axes without those of one position before the last two: a grid at one time is a grid.
fn of_grid(shape: &[u64]) -> Vec<u64> {
    let n_before = shape.len().saturating_sub(2);
    let n_single = shape.iter().take(n_before).take_while(|len| **len == 1).count();
    shape.iter().skip(n_single).copied().collect()
}

/// Numbers of two axes with the axes the other way around; `None` unless they have two.
pub(super) fn transposed(numbers: Numbers) -> Option<Numbers> {
    let &[n_rows, n_columns] = numbers.shape.as_slice() else { return None };
    let (rows, columns) = (usize::try_from(n_rows).ok()?, usize::try_from(n_columns).ok()?);
    let turned = (0..columns).flat_map(|column| (0..rows).map(move |row| row * columns + column));
    let values = turned.map(|cell| numbers.values.get(cell).copied()).collect::<Option<_>>()?;
    Some(Numbers { values, shape: vec![n_columns, n_rows] })
}

fn clamped((south, north): (f64, f64)) -> (f64, f64) {
    (south.clamp(-90.0, 90.0), north.clamp(-90.0, 90.0))
}

/// Longitude and latitude along the outermost border of a grid of two dimensions on which no position is missing, once
/// around; empty for any other, and if neighbours on it are no neighbours on the earth, as with tracks side by side.
fn border(lat: &Numbers, lon: &Numbers) -> Vec<[f64; 2]> {
    let &[n_rows, n_columns] = lat.shape.as_slice() else { return Vec::new() };
    let (Ok(rows), Ok(columns)) = (usize::try_from(n_rows), usize::try_from(n_columns)) else {
        return Vec::new();
    };
    let at = |(row, column): (usize, usize)| {
        let cell = row * columns + column;
        let (lon, lat) = (*lon.values.get(cell)?, *lat.values.get(cell)?);
        (!lon.is_nan() && !lat.is_nan()).then_some([lon, lat])
    };
    let rings = (0..rows.min(columns) / 2).map(|inset| ring(inset, rows, columns).map(at).collect());
    let whole: Option<Vec<[f64; 2]>> = rings.flat_map(|ring: Option<_>| ring).next();
    whole.filter(|border| is_continuous(border)).unwrap_or_default()
}

/// Rows and columns of the cells so many within the border of a grid, once around.
fn ring(inset: usize, rows: usize, columns: usize) -> impl Iterator<Item = (usize, usize)> {
    let (last_row, last_column) = (rows - 1 - inset, columns - 1 - inset);
    let bottom = (inset..=last_column).map(move |column| (inset, column));
    let right = (inset + 1..=last_row).map(move |row| (row, last_column));
    let top = (inset..last_column).rev().map(move |column| (last_row, column));
    let left = (inset + 1..last_row).rev().map(move |row| (row, inset));
    bottom.chain(right).chain(top).chain(left)
}

/// True if all neighbours on a closed line are near one another on the earth.
fn is_continuous(border: &[[f64; 2]]) -> bool {
    let next = border.iter().skip(1).chain(border.first());
    border.iter().zip(next).all(|(from, to)| distance(*from, *to) <= MAX_STEP)
}

/// Degrees of the great circle between two points.
fn distance([from_lon, from_lat]: [f64; 2], [to_lon, to_lat]: [f64; 2]) -> f64 {
    let half_sine = |degrees: f64| (degrees.to_radians() / 2.0).sin();
    let cosines = from_lat.to_radians().cos() * to_lat.to_radians().cos();
    let square = half_sine(to_lat - from_lat).powi(2) + cosines * half_sine(to_lon - from_lon).powi(2);
    2.0 * square.clamp(0.0, 1.0).sqrt().asin().to_degrees()
}

/// True for a closed line that goes once around the earth.
pub(super) fn goes_around(border: &[[f64; 2]]) -> bool {
    let next = border.iter().skip(1).chain(border.first());
    let sum: f64 = border.iter().zip(next).map(|([from, _], [to, _])| turn(*from, *to)).sum();
    sum.abs() > 180.0
}

/// A border without jumps and in the turn of the globe around Greenwich; empty if it crosses the antimeridian.
pub(super) fn straight(mut border: Vec<[f64; 2]>) -> Vec<[f64; 2]> {
    let line = unwrapped(&border.iter().map(|[longitude, _]| *longitude).collect::<Vec<_>>());
    let Some((west, east)) = range(line.iter().copied()) else { return Vec::new() };
    let shift = normal(west) - west;
    if east + shift > 180.0 {
        return Vec::new();
    }
    for (point, longitude) in border.iter_mut().zip(line) {
        let [lon, _] = point;
        *lon = longitude + shift;
    }
    border
}

/// How wide a gap between the longitudes of cells may be that is none, in degrees: as much as their own size leaves
/// between them. 0 where nothing tells their size.
fn size(lon: &Numbers, (south, north): (f64, f64), kind: Cells) -> f64 {
    let fewest = match kind {
        Cells::Mesh => FEWEST_NODES,
        Cells::Grid => FEWEST_CELLS,
        Cells::Features => usize::MAX,
    };
    match lon.shape.as_slice() {
        [_, columns] if kind != Cells::Features => {
            REACH * spacing(&lon.values, 1).max(spacing(&lon.values, *columns as usize))
        }
        [n] if *n as usize >= fewest => {
            // Of as many cells of one size as there are between two parallels.
            let height = (north.to_radians().sin() - south.to_radians().sin()).to_degrees();
            REACH * (360.0 * height / *n as f64).sqrt()
        }
        _ => 0.0,
    }
}

/// The median distance between longitudes so many positions apart.
fn spacing(longitudes: &[f64], apart: usize) -> f64 {
    let Some(n) = longitudes.len().checked_sub(apart).filter(|n| *n > 0) else { return 0.0 };
    let stride = n.div_ceil(MAX_NEIGHBOURS).max(1);
    let pair = |at: usize| Some(turn(*longitudes.get(at)?, *longitudes.get(at + apart)?).abs());
    let mut steps: Vec<f64> = (0..n).step_by(stride).filter_map(pair).filter(|step| !step.is_nan()).collect();
    let middle = steps.len() / 2;
    median(&mut steps, middle).unwrap_or(0.0)
}
