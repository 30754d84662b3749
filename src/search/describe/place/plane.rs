//! Grids in the plane of a map: the border of their cells on the earth.

use thermocline_model::Variable;
use thermocline_model::cf::{Plane, PlaneUnit, Projection, Scope};

use super::Place;
use super::cells::{goes_around, straight};
use super::circle::{Arc, of_points, unwrapped};
use super::corners::range;
use crate::describe::coordinates::{Coordinates, Values};

/// Most edges along one side of a grid that are looked at: more are passed over evenly.
const MAX_EDGES: usize = 1 << 13;

/// Where the cells of a grid lie; `None` if its projection is not known.
pub(super) fn place(plane: &Plane<'_>, scope: &Scope<'_>, coordinates: &Coordinates<'_>) -> Option<Place> {
    let projection = plane.projection.as_ref()?;
    let edges = |variable: &Variable| edges(variable, projection, scope, coordinates);
    let (x, mut y) = (edges(plane.x)?, edges(plane.y)?);
    if projection.plane_unit() == PlaneUnit::Degree {
        within_poles(&mut y);
    }
    if let Some((pole_x, pole_y, is_north)) = projection.pole()
        && is_within(&x, pole_x)
        && is_within(&y, pole_y)
    {
        let border = border(projection, &x, &y);
        let (south, north) = range(border.iter().map(|[_, latitude]| *latitude))?;
        let latitudes = if is_north { (south, 90.0) } else { (-90.0, north) };
        return Some(Place::of(latitudes, Arc::Circle));
    }
    let n_border = 2 * (x.len() + y.len()) - 4;
    let border = border(projection, &x, &y);
    if x.len() < 2 || y.len() < 2 || border.len() < n_border {
        off_map(projection, &x, &y)
    } else {
        of_border(border)
    }
}

/// Takes back the outer edges of latitudes whose cells reach beyond a pole.
fn within_poles(edges: &mut [f64]) {
    let is_latitude = |edge: &f64| edge.abs() <= 90.0;
    let inner = edges.get(1..edges.len().saturating_sub(1)).unwrap_or_default();
    if inner.iter().all(is_latitude) {
        edges.iter_mut().for_each(|edge| *edge = edge.clamp(-90.0, 90.0));
    }
}

fn is_within(edges: &[f64], at: f64) -> bool {
    range(edges.iter().copied()).is_some_and(|(least, most)| (least..=most).contains(&at))
}

/// Where a grid lies that is on the map as a whole.
fn of_border(border: Vec<[f64; 2]>) -> Option<Place> {
    let (south, north) = range(border.iter().map(|[_, latitude]| *latitude))?;
    if goes_around(&border) {
        let latitudes = if north.abs() >= south.abs() { (south, 90.0) } else { (-90.0, north) };
        return Some(Place::of(latitudes, Arc::Circle));
    }
    let line = unwrapped(&border.iter().map(|[longitude, _]| *longitude).collect::<Vec<_>>());
    let (west, east) = range(line.into_iter())?;
    Some(Place { border: straight(border), ..Place::of((south, north), Arc::between(west, east)) })
}

/// Where a grid lies of which a part is off the map, as the disk of a satellite is surrounded by space: by the first and
/// last edge on the map of every row and column, for maps are convex.
fn off_map(projection: &Projection, x: &[f64], y: &[f64]) -> Option<Place> {
    let mut points: Vec<[f64; 2]> = Vec::new();
    for y in y {
        points.extend(ends_on_map(x, |x| at(projection, x, *y)));
    }
    for x in x {
        points.extend(ends_on_map(y, |y| at(projection, *x, y)));
    }
    let latitudes = range(points.iter().map(|[_, latitude]| *latitude))?;
    let longitudes = || points.iter().map(|[longitude, _]| *longitude);
    let (west, east) = range(longitudes())?;
    // Maps count longitudes from their middle: those of one map are on one turn.
    let arc =
        if east - west < 359.0 { Arc::between(west, east) } else { of_points(longitudes().collect(), 1.0)? };
    Some(Place::of(latitudes, if east - west >= 359.0 { Arc::Circle } else { arc }))
}

/// The points of the first and last position of a line that are on the map.
fn ends_on_map(line: &[f64], at: impl Fn(f64) -> Option<[f64; 2]>) -> Vec<[f64; 2]> {
    let first = line.iter().find_map(|position| at(*position));
    let last = line.iter().rev().find_map(|position| at(*position));
    first.into_iter().chain(last).collect()
}

fn at(projection: &Projection, x: f64, y: f64) -> Option<[f64; 2]> {
    projection.inverse(x, y).map(|point| [point.longitude, point.latitude])
}

/// The border of the outermost cells, once around, as far as it is on the map.
fn border(projection: &Projection, x: &[f64], y: &[f64]) -> Vec<[f64; 2]> {
    let ends = |line: &[f64]| Some((*line.first()?, *line.last()?));
    let (Some((left, right)), Some((bottom, top))) = (ends(x), ends(y)) else { return Vec::new() };
    let inner = |line: &[f64]| line.get(1..line.len().saturating_sub(1)).unwrap_or_default().to_vec();
    let below = x.iter().map(|x| (*x, bottom));
    let beside = inner(y).into_iter().map(|y| (right, y));
    let above = x.iter().rev().map(|x| (*x, top));
    let before = inner(y).into_iter().rev().map(|y| (left, y));
    below.chain(beside).chain(above).chain(before).filter_map(|(x, y)| at(projection, x, y)).collect()
}

/// The edges of cells along an axis of the plane, in its own units; all centres between its ends stand for theirs.
fn edges(
    variable: &Variable,
    projection: &Projection,
    scope: &Scope<'_>,
    coordinates: &Coordinates<'_>,
) -> Option<Vec<f64>> {
    let scale = projection.scale(variable.attrs.text("units"))?;
    let numbers = coordinates.numbers(variable)?;
    let bounds = match coordinates.bounds(variable, scope) {
        Some(Values::Numbers(bounds)) => range(bounds.values.iter().copied()),
        _ => None,
    };
    let mut line: Vec<f64> = numbers.values.iter().copied().filter(|value| value.is_finite()).collect();
    line.sort_unstable_by(f64::total_cmp);
    line.dedup();
    let (first, last) = (*line.first()?, *line.last()?);
    let half = |a: Option<&f64>, b: Option<&f64>| a.zip(b).map_or(0.0, |(a, b)| (b - a) / 2.0);
    let before = half(line.first(), line.get(1));
    let after = half(line.len().checked_sub(2).and_then(|at| line.get(at)), line.last());
    let (least, most) = bounds.unwrap_or((first - before, last + after));
    let between = line.windows(2).filter_map(|pair| Some((pair.first()? + pair.get(1)?) / 2.0));
    let stride = line.len().div_ceil(MAX_EDGES).max(1);
    let inner = between.filter(|edge| least < *edge && *edge < most).step_by(stride);
    let mut edges: Vec<f64> =
        std::iter::once(least).chain(inner).chain([most]).map(|edge| edge * scale).collect();
    edges.dedup();
    Some(edges)
}
