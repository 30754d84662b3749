//! Which variables say where the cells of another one lie.

use thermocline_model::cf::{Axis, Grid, Healpix, Horizontal, Pixels, Plane, Projection, Scope};
use thermocline_model::{Group, Variable};

use super::mesh::{self, Faces, Mpas};
use super::roles::roles_within;
use super::{AxisRole, Placement, Places};

/// Most corners of a cell.
pub(super) const MAX_CORNERS: u64 = 64;

/// A variable's cells with all that says where they lie.
pub(crate) enum Found<'m> {
    /// Latitudes along rows, longitudes along columns.
    Rectilinear { axes: (usize, usize), degrees: Horizontal<'m> },
    /// A plane, with the degrees that are there besides.
    Plane {
        axes: (usize, usize),
        x: &'m Variable,
        y: &'m Variable,
        mapping: &'m Variable,
        projection: Projection,
    },
    /// Degrees over rows and columns, with their bounds.
    Curvilinear { axes: (usize, usize), degrees: Horizontal<'m>, bounds: Option<Horizontal<'m>> },
    /// Polygons by the bounds of their centres.
    Bounded { axis: usize, degrees: Horizontal<'m>, bounds: Horizontal<'m> },
    /// The faces of a mesh.
    Faces { axis: usize, faces: Faces<'m> },
    /// The cells of MPAS.
    Mpas { axis: usize, mpas: Mpas<'m> },
    /// Centres.
    Centres { axis: usize, degrees: Horizontal<'m> },
    /// HEALPix pixels.
    Healpix { axis: usize, grid: Healpix, numbers: Option<&'m Variable> },
    /// Two dimensions of which nothing is known.
    Native { axes: (usize, usize) },
}

impl<'m> Found<'m> {
    /// That of a variable; `others` are the [`Horizontal::candidates`] of its scope.
    pub(crate) fn of(variable: &'m Variable, scope: &Scope<'m>, others: &[&'m Variable]) -> Option<Self> {
        if !variable.dtype.is_number() {
            return None;
        }
        let grid = Grid::of(variable, scope, others);
        let on_pixels = grid.pixels.as_ref().and_then(|pixels| on_pixels(variable, pixels));
        let on_mesh = || mesh::faces(variable, scope).or_else(|| mesh::points(variable, scope));
        // The degrees of a mesh are those of its nodes; a variable may have its own.
        let degrees = if grid.is_mesh { Horizontal::of(variable, scope, others) } else { grid.degrees };
        let on_degrees = |degrees: Option<Horizontal<'m>>| Self::on_degrees(variable, scope, degrees?);
        let on_plane = || grid.plane.as_ref().and_then(|plane| on_plane(variable, plane));
        let found = on_pixels.or_else(on_mesh).or_else(|| {
            let by_degrees = on_degrees(degrees);
            match &by_degrees {
                Some(Self::Rectilinear { .. }) => by_degrees,
                _ => on_plane().or(by_degrees),
            }
        });
        found.or_else(|| native(variable, scope, grid.plane.as_ref()))
    }

    fn on_degrees(variable: &'m Variable, scope: &Scope<'m>, degrees: Horizontal<'m>) -> Option<Self> {
        let (latitude, longitude) = (degrees.latitude, degrees.longitude);
        let axes_of = |coordinate: &Variable| axes_along(variable, coordinate);
        let (rows, columns) = (axes_of(latitude)?, axes_of(longitude)?);
        match (rows.as_slice(), columns.as_slice()) {
            ([row], [column]) if row != column => Some(Self::Rectilinear { axes: (*row, *column), degrees }),
            ([row], [column]) if row == column => Some(Self::along(variable, scope, *row, degrees)),
            ([.., row, column], others) if rows == others && latitude.dims == longitude.dims => {
                let bounds = bounds_of(scope, &degrees);
                Some(Self::Curvilinear { axes: (*row, *column), degrees, bounds })
            }
            _ => None,
        }
    }

    fn along(variable: &'m Variable, scope: &Scope<'m>, axis: usize, degrees: Horizontal<'m>) -> Self {
        if let Some(mpas) = mesh::mpas(variable, scope, &degrees) {
            return Self::Mpas { axis, mpas };
        }
        match bounds_of(scope, &degrees) {
            Some(bounds) => Self::Bounded { axis, degrees, bounds },
            None => Self::Centres { axis, degrees },
        }
    }

    /// Without the variables.
    pub(super) fn placement(&self, root: &Group, variable: &Variable) -> Placement {
        let degrees = |degrees: &Horizontal<'m>| vec![degrees.latitude, degrees.longitude];
        let (places, axes, made_of) = match self {
            Self::Rectilinear { axes, degrees: of } => (Places::Rectilinear, Ok(*axes), degrees(of)),
            Self::Plane { axes, x, y, mapping, .. } => (Places::Plane, Ok(*axes), vec![*x, *y, *mapping]),
            Self::Curvilinear { axes, degrees: of, .. } => (Places::Curvilinear, Ok(*axes), degrees(of)),
            Self::Bounded { axis, degrees: of, .. } => (Places::Polygons, Err(*axis), degrees(of)),
            Self::Faces { axis, faces } => (Places::Polygons, Err(*axis), faces.made_of()),
            Self::Mpas { axis, mpas } => (Places::Polygons, Err(*axis), mpas.made_of()),
            Self::Centres { axis, degrees: of } => (Places::Centres, Err(*axis), degrees(of)),
            Self::Healpix { axis, numbers, .. } => {
                (Places::Healpix, Err(*axis), numbers.iter().copied().collect())
            }
            Self::Native { axes } => (Places::Native, Ok(*axes), Vec::new()),
        };
        let (row_axis, column_axis) = match axes {
            Ok((row, column)) => (Some(row), column),
            Err(axis) => (None, axis),
        };
        let mut key = format!("{places:?}");
        if let Self::Healpix { grid, .. } = self {
            key.push_str(&format!(" {grid:?}"));
        }
        // Lengths tell native grids apart; of others they follow from what they are made of.
        for axis in row_axis.into_iter().chain([column_axis]) {
            key.push_str(&format!(" {}", variable.shape.get(axis).copied().unwrap_or_default()));
        }
        // Which of two dimensions the rows are.
        let dim = |axis: usize| variable.dims.get(axis).map(String::as_str).unwrap_or_default();
        if let (Some(row), Places::Curvilinear) = (row_axis, places) {
            key.push_str(&format!(" {:?}", dim(row)));
        }
        for one in made_of {
            key.push_str(&format!(" {:?}", path_of(root, one).unwrap_or_default()));
        }
        Placement { places, row_axis, column_axis, key }
    }
}

/// The axes of a variable along the dimensions of a coordinate, in the coordinate's order; `None` unless it has them all,
/// as long and once each.
pub(super) fn axes_along(variable: &Variable, coordinate: &Variable) -> Option<Vec<usize>> {
    let axes: Option<Vec<usize>> = coordinate
        .dims
        .iter()
        .zip(&coordinate.shape)
        .map(|(dim, len)| {
            let axis = variable.dims.iter().position(|other| other == dim)?;
            (variable.shape.get(axis) == Some(len)).then_some(axis)
        })
        .collect();
    let axes = axes?;
    let is_once = axes.iter().enumerate().all(|(at, axis)| !axes[..at].contains(axis));
    is_once.then_some(axes)
}

/// The bounds of both coordinates, if each cell has at least three corners.
fn bounds_of<'m>(scope: &Scope<'m>, degrees: &Horizontal<'m>) -> Option<Horizontal<'m>> {
    let bounds = |coordinate: &Variable| {
        let bounds = scope.named(coordinate.attrs.text("bounds")?.trim())?;
        let (n_each, shape) = bounds.shape.split_last()?;
        let fits =
            shape == coordinate.shape && (3..=MAX_CORNERS).contains(n_each) && bounds.dtype.is_number();
        fits.then_some(bounds)
    };
    let (latitude, longitude) = (bounds(degrees.latitude)?, bounds(degrees.longitude)?);
    (latitude.shape == longitude.shape).then_some(Horizontal { latitude, longitude })
}

fn on_pixels<'m>(variable: &Variable, pixels: &Pixels<'m>) -> Option<Found<'m>> {
    // Without an order no pixel is known by its number.
    pixels.grid.corners(0)?;
    let axis = variable.dims.iter().position(|dim| *dim == pixels.dim)?;
    let n = *variable.shape.get(axis)?;
    let numbers = pixels.numbers.filter(|numbers| numbers.shape == [n] && numbers.dtype.is_number());
    let is_whole = n == pixels.grid.n_pixels();
    (is_whole || numbers.is_some()).then_some(Found::Healpix { axis, grid: pixels.grid, numbers })
}

fn on_plane<'m>(variable: &Variable, plane: &Plane<'m>) -> Option<Found<'m>> {
    let (projection, mapping) = (plane.projection.clone()?, plane.mapping?);
    let axis_of = |coordinate: &Variable| match axes_along(variable, coordinate)?.as_slice() {
        [axis] => Some(*axis),
        _ => None,
    };
    let (row, column) = (axis_of(plane.y)?, axis_of(plane.x)?);
    // Coordinates in other units than those of the plane make no place.
    projection.scale(plane.x.attrs.text("units"))?;
    projection.scale(plane.y.attrs.text("units"))?;
    let axes = (row, column);
    (row != column).then_some(Found::Plane { axes, x: plane.x, y: plane.y, mapping, projection })
}

/// The last two dimensions that are neither time nor vertical; those of a plane whose projection is not known go first.
fn native<'m>(variable: &Variable, scope: &Scope<'m>, plane: Option<&Plane<'m>>) -> Option<Found<'m>> {
    if let Some(plane) = plane
        && let (Some([row]), Some([column])) =
            (axes_along(variable, plane.y).as_deref(), axes_along(variable, plane.x).as_deref())
        && row != column
    {
        return Some(Found::Native { axes: (*row, *column) });
    }
    let roles = roles_within(variable, scope, None);
    let is_free = |axis: &usize| {
        matches!(roles.get(*axis), Some(AxisRole::Other))
            && variable.shape.get(*axis).is_some_and(|len| *len > 1)
    };
    let free: Vec<usize> = (0..variable.dims.len()).filter(is_free).collect();
    match free.as_slice() {
        [.., row, column] => {
            // One-dimensional coordinates say which of them goes up.
            let measures = |axis: &usize| Axis::of(scope.index_of(variable.dims.get(*axis)?)?);
            let is_turned = matches!(measures(row), Some(Axis::Longitude | Axis::ProjectedX))
                || matches!(measures(column), Some(Axis::Latitude | Axis::ProjectedY));
            Some(Found::Native { axes: if is_turned { (*column, *row) } else { (*row, *column) } })
        }
        _ => None,
    }
}

/// The path of a variable of a tree.
pub(super) fn path_of(group: &Group, variable: &Variable) -> Option<String> {
    if group.variables.iter().any(|other| std::ptr::eq(other, variable)) {
        return Some(variable.name.clone());
    }
    group.groups.iter().find_map(|child| Some(format!("{}/{}", child.name, path_of(child, variable)?)))
}
