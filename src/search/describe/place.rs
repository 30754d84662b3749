//! Where on the earth a dataset lies.
//!
//! # Specification
//! Edges are those of cell bounds; without them, half a spacing beyond the ends of axes of their own, and the centres
//! of all other cells. Longitudes are what is left of the circle without its largest gap; a gap no larger than the
//! cells beside it is none. A grid whose border goes once around the earth holds a pole. Boxes are rounded outwards to
//! a millionth of a degree; west beyond east crosses the antimeridian (RFC 7946, section 5.2).
//!
//! # Limits
//! Where one grid lies nobody knows where, as its coordinates cannot be read or its map is not known, there is no box at
//! all: one around the others would say that it does not hold the rest.

mod axis;
mod cells;
mod circle;
mod corners;
mod outline;
mod plane;
mod round;
mod union;

use std::collections::HashSet;
use std::rc::Rc;

use thermocline_model::Variable;
use thermocline_model::cf::{Grid, Healpix, Horizontal, Pixels, Plane, Scope, is_in_radians};

use super::coordinates::{Coordinates, Numbers, Values};
use super::tree::DataVariable;
use crate::summary::Extent;
use cells::Cells;
use circle::{Arc, Arcs};
use corners::Corners;

pub use union::union_of_boxes;

/// The least and greatest of numbers; NaN and infinities are passed over.
pub(super) fn range_of(values: &[f64]) -> Option<(f64, f64)> {
    corners::range(values.iter().copied().filter(|value| value.is_finite()))
}

/// Most different grids of one dataset that are looked at.
const MAX_GRIDS: usize = 256;

/// Where the cells of one grid lie.
#[derive(Debug, Clone, PartialEq)]
struct Place {
    south: f64,
    north: f64,
    longitudes: Arc,
    /// The border of the grid in degrees, in order, neither closed nor across the antimeridian; empty if there is none.
    border: Vec<[f64; 2]>,
}

impl Place {
    /// Without a border of its own.
    fn of(latitudes: (f64, f64), longitudes: Arc) -> Self {
        Self { south: latitudes.0, north: latitudes.1, longitudes, border: Vec::new() }
    }

    fn bbox(&self) -> [f64; 4] {
        round::outwards(self.south, self.north, self.longitudes)
    }
}

/// Where data variables lie together; `None` if nothing says where any of them does, or nobody knows where one does.
pub(super) fn of(
    data: &[DataVariable<'_>],
    coordinates: &Coordinates<'_>,
    has_footprint: bool,
) -> Option<Extent> {
    let mut seen = HashSet::new();
    let mut places: Vec<Place> = Vec::new();
    for variable in data {
        if variable.grid.is_nowhere() || !seen.insert(Key::of(&variable.grid)) {
            continue;
        }
        let found = if seen.len() > MAX_GRIDS { None } else { place(variable, coordinates) };
        if found.is_none() && (seen.len() > MAX_GRIDS || is_unknown(&variable.grid, coordinates)) {
            tracing::debug!(variable = variable.placed.path, "a summary goes without an extent");
            return None;
        }
        places.extend(found);
    }
    let boxes: Vec<[f64; 4]> = places.iter().map(Place::bbox).collect();
    let bbox = union_of_boxes(&boxes)?;
    let footprint = match places.as_slice() {
        [only] if has_footprint => outline::of_border(&only.border),
        _ => None,
    };
    Some(Extent { bbox, footprint })
}

/// What tells one grid from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    /// Latitude, longitude, x, y, grid mapping, numbers of pixels.
    variables: [Option<*const Variable>; 6],
    pixels: Option<(Healpix, u64)>,
}

impl Key {
    fn of(grid: &Grid<'_>) -> Self {
        let (plane, pixels) = (grid.plane.as_ref(), grid.pixels.as_ref());
        let variables = [
            grid.degrees.map(|degrees| degrees.latitude),
            grid.degrees.map(|degrees| degrees.longitude),
            plane.map(|plane| plane.x),
            plane.map(|plane| plane.y),
            plane.and_then(|plane| plane.mapping),
            pixels.and_then(|pixels| pixels.numbers),
        ];
        Self {
            variables: variables.map(|variable| variable.map(std::ptr::from_ref)),
            pixels: pixels.map(|pixels| (pixels.grid, pixels.n)),
        }
    }
}

/// True if a grid of which no place was found lies somewhere: its coordinates cannot be read, or its map or the numbers
/// of its pixels are not known. What has no coordinate at all that is a number lies nowhere, and so does a plane that no
/// mapping puts on the earth.
fn is_unknown(grid: &Grid<'_>, coordinates: &Coordinates<'_>) -> bool {
    let is_read = |variable: &Variable| coordinates.values(variable).is_some();
    let is_unread = |degrees: Horizontal<'_>| !is_read(degrees.latitude) || !is_read(degrees.longitude);
    let is_off_maps =
        |plane: &Plane<'_>| plane.projection.is_none() || !is_read(plane.x) || !is_read(plane.y);
    grid.degrees.is_some_and(is_unread)
        || grid.pixels.is_some()
        || grid.plane.as_ref().is_some_and(|plane| plane.mapping.is_some() && is_off_maps(plane))
}

/// Where the cells of a variable lie, by the first of its grids whose coordinates can be read.
fn place(data: &DataVariable<'_>, coordinates: &Coordinates<'_>) -> Option<Place> {
    let scope = &data.placed.scope;
    let is_mpas = |degrees: &Horizontal<'_>| degrees.latitude.name == "latCell";
    let is_mesh = data.grid.is_mesh || data.grid.degrees.as_ref().is_some_and(is_mpas);
    let kind = match (is_mesh, data.is_of_features) {
        (true, _) => Cells::Mesh,
        (false, false) => Cells::Grid,
        (false, true) => Cells::Features,
    };
    let by_degrees = || in_degrees(data.grid.degrees.as_ref()?, scope, coordinates, kind);
    let by_pixels = || of_pixels(data.grid.pixels.as_ref()?, coordinates);
    let by_plane = || plane::place(data.grid.plane.as_ref()?, scope, coordinates);
    by_degrees().or_else(by_pixels).or_else(by_plane)
}

/// Where latitudes and longitudes lie.
fn in_degrees(
    degrees: &Horizontal<'_>,
    scope: &Scope<'_>,
    coordinates: &Coordinates<'_>,
    kind: Cells,
) -> Option<Place> {
    let (latitude, longitude) = (degrees.latitude, degrees.longitude);
    let bounds = |variable: &Variable| in_own_degrees(variable, scope, coordinates);
    let lat = in_unit_of(latitude, coordinates.numbers(latitude)?);
    let lon = in_unit_of(longitude, coordinates.numbers(longitude)?);
    if is_transposed(latitude, longitude) {
        return cells::place(lat, cells::transposed(lon)?, None, kind);
    }
    if latitude.dims != longitude.dims || latitude.dims.is_empty() {
        if latitude.dims.len() > 1 || longitude.dims.len() > 1 {
            return None;
        }
        let latitudes = axis::latitudes(lat.values, bounds(latitude).as_ref())?;
        return Some(Place::of(latitudes, axis::longitudes(lon.values, bounds(longitude).as_ref())?));
    }
    let corners = match (bounds(latitude), bounds(longitude)) {
        (Some(lat), Some(lon)) if lat.n_corners() == lon.n_corners() => Some((lat, lon)),
        _ => None,
    };
    cells::place(lat, lon, corners, kind)
}

/// Bounds of a latitude or longitude in degrees.
fn in_own_degrees(variable: &Variable, scope: &Scope<'_>, coordinates: &Coordinates<'_>) -> Option<Corners> {
    let Some(Values::Numbers(numbers)) = coordinates.bounds(variable, scope) else { return None };
    let n_corners = numbers.shape.last().copied().and_then(|n| usize::try_from(n).ok())?;
    Corners::new(in_unit_of(variable, numbers).values, n_corners)
}

/// Numbers of a latitude or longitude, or of its bounds, in degrees.
fn in_unit_of(variable: &Variable, numbers: Rc<Numbers>) -> Numbers {
    let mut numbers = Rc::unwrap_or_clone(numbers);
    if is_in_radians(&variable.name, &variable.attrs) {
        numbers.values.iter_mut().for_each(|value| *value = value.to_degrees());
    }
    numbers
}

/// True for coordinates over the same two dimensions, each the other way around.
fn is_transposed(a: &Variable, b: &Variable) -> bool {
    matches!((a.dims.as_slice(), b.dims.as_slice()), ([i, j], [k, l]) if i == l && j == k && i != j)
}

/// Where HEALPix pixels lie; `None` if not all of the globe is there and nothing says which.
fn of_pixels(pixels: &Pixels<'_>, coordinates: &Coordinates<'_>) -> Option<Place> {
    if pixels.n >= pixels.grid.n_pixels() {
        return Some(Place::of((-90.0, 90.0), Arc::Circle));
    }
    let numbers = coordinates.numbers(pixels.numbers?)?;
    let mut latitudes: Option<(f64, f64)> = None;
    let mut arcs = Arcs::default();
    for number in numbers.values.iter().filter(|number| **number >= 0.0) {
        let corners = pixels.grid.corners(*number as u64)?;
        arcs.push(corners::arc_of_cell(&corners.map(|corner| corner.longitude))?);
        let own = corners.map(|corner| corner.latitude);
        let known = latitudes.into_iter().flat_map(|(south, north)| [south, north]);
        latitudes = corners::range(own.into_iter().chain(known));
    }
    Some(Place::of(latitudes?, arcs.around()?))
}
