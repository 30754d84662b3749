//! Where the cells of a variable lie: latitudes and longitudes, a mesh, a projection's plane or HEALPix.
//!
//! # Source
//! CF Conventions 1.11, sections 5 and 5.6.

use super::{Axis, Healpix, Horizontal, Projection, Scope, mesh};
use crate::Variable;

/// Most grid mappings of a variable that are looked at.
const MAX_MAPPINGS: usize = 16;

/// The coordinates of a projection's plane.
#[derive(Debug, Clone)]
pub struct Plane<'m> {
    /// Along the plane's first axis.
    pub x: &'m Variable,
    /// Along its second.
    pub y: &'m Variable,
    /// What leads from the plane to the earth; `None` if it is not known.
    pub projection: Option<Projection>,
    /// The variable that says so; `None` if none does.
    pub mapping: Option<&'m Variable>,
}

/// A HEALPix grid along a dimension.
#[derive(Debug, Clone)]
pub struct Pixels<'m> {
    /// The grid.
    pub grid: Healpix,
    /// The dimension of the pixels.
    pub dim: String,
    /// How many pixels there are along it.
    pub n: u64,
    /// The numbers of the pixels; `None` if they are counted from 0.
    pub numbers: Option<&'m Variable>,
}

/// Where the cells of a variable lie, by everything that says so.
///
/// ```
/// use thermocline_model::Group;
/// use thermocline_model::cf::{Grid, Horizontal, Scope};
///
/// let root = Group::default();
/// let scope = Scope::at(&root, "").expect("the root");
/// let others = Horizontal::candidates(&scope);
/// for variable in &root.variables {
///     let grid = Grid::of(variable, &scope, &others);
///     println!("{} has degrees: {}", variable.name, grid.degrees.is_some());
/// }
/// ```
#[derive(Debug, Clone, Default)]
pub struct Grid<'m> {
    /// By latitudes and longitudes, of the cells or of the nodes of their mesh.
    pub degrees: Option<Horizontal<'m>>,
    /// True if `degrees` are those of a mesh.
    pub is_mesh: bool,
    /// By a projection.
    pub plane: Option<Plane<'m>>,
    /// By the numbers of pixels.
    pub pixels: Option<Pixels<'m>>,
}

impl<'m> Grid<'m> {
    /// That of a variable; `others` are the [`Horizontal::candidates`] of its scope.
    pub fn of(variable: &'m Variable, scope: &Scope<'m>, others: &[&'m Variable]) -> Self {
        let mappings = mappings(variable, scope);
        let of_mesh = mesh::positions(variable, scope);
        let degrees = of_mesh.or_else(|| Horizontal::of(variable, scope, others));
        Self {
            degrees,
            is_mesh: of_mesh.is_some(),
            plane: plane(variable, scope, &mappings),
            pixels: pixels(variable, scope, &mappings),
        }
    }

    /// True if nothing says where the cells lie.
    pub fn is_nowhere(&self) -> bool {
        self.degrees.is_none() && self.plane.is_none() && self.pixels.is_none()
    }
}

/// True if a projection, other than that of latitudes and longitudes, or the numbers of pixels say where a variable lies.
pub(super) fn is_on_another(variable: &Variable, scope: &Scope<'_>) -> bool {
    let mappings = mappings(variable, scope);
    let is_of_degrees = |mapping: &Mapping<'_>| {
        mapping.variable.attrs.text("grid_mapping_name") == Some("latitude_longitude")
    };
    !mappings.iter().all(is_of_degrees)
        || plane(variable, scope, &mappings).is_some()
        || pixels(variable, scope, &mappings).is_some()
}

/// A grid mapping with the coordinates that it is for; without any, it is for all.
struct Mapping<'m> {
    variable: &'m Variable,
    coordinates: Vec<&'m Variable>,
}

/// Those that `grid_mapping` names: `crs`, or in the extended form `crs: x y wgs: lat lon`.
fn mappings<'m>(variable: &Variable, scope: &Scope<'m>) -> Vec<Mapping<'m>> {
    let text = variable.attrs.text("grid_mapping").unwrap_or_default();
    let is_extended = text.contains(':');
    let mut found: Vec<Mapping<'m>> = Vec::new();
    for word in text.split_whitespace().take(8 * MAX_MAPPINGS) {
        let name = word.trim_end_matches(':');
        let is_mapping = !is_extended || word.ends_with(':');
        match (scope.named(name), found.last_mut()) {
            (Some(variable), _) if is_mapping => found.push(Mapping { variable, coordinates: Vec::new() }),
            (Some(coordinate), Some(mapping)) => mapping.coordinates.push(coordinate),
            _ => {}
        }
    }
    found.truncate(MAX_MAPPINGS);
    found
}

fn plane<'m>(variable: &Variable, scope: &Scope<'m>, mappings: &[Mapping<'m>]) -> Option<Plane<'m>> {
    let along: Vec<&'m Variable> = variable.dims.iter().filter_map(|dim| scope.index_of(dim)).collect();
    let find = |candidates: &[&'m Variable], axis: Axis| {
        let known = candidates.iter().filter_map(|candidate| Some((axis.evidence(candidate)?, *candidate)));
        known.min_by_key(|(evidence, _)| *evidence).map(|(_, candidate)| candidate)
    };
    for mapping in mappings {
        let known = Projection::of(&mapping.variable.attrs);
        let of_plane = |x: &'m Variable, y: &'m Variable| {
            let units = (x.attrs.text("units"), y.attrs.text("units"));
            let projection = known.clone().map(|projection| projection.with_units(units.0, units.1));
            Plane { x, y, projection, mapping: Some(mapping.variable) }
        };
        let candidates = if mapping.coordinates.is_empty() { &along } else { &mapping.coordinates };
        let (x, y) = (find(candidates, Axis::ProjectedX), find(candidates, Axis::ProjectedY));
        if let (Some(x), Some(y)) = (x, y) {
            return Some(of_plane(x, y));
        }
        // Planes whose coordinates say nothing but their names.
        let named = |name: &str| {
            candidates.iter().copied().find(|candidate| candidate.name.eq_ignore_ascii_case(name))
        };
        if let (Some(x), Some(y), Some(_)) = (named("x"), named("y"), &known) {
            return Some(of_plane(x, y));
        }
    }
    let (x, y) = (find(&along, Axis::ProjectedX)?, find(&along, Axis::ProjectedY)?);
    Some(Plane { x, y, projection: None, mapping: None })
}

fn pixels<'m>(variable: &Variable, scope: &Scope<'m>, mappings: &[Mapping<'m>]) -> Option<Pixels<'m>> {
    let by_mapping = mappings.iter().find_map(|mapping| Healpix::of(&mapping.variable.attrs));
    let of_index = |dim: &String| Healpix::of(&scope.index_of(dim)?.attrs);
    let by_variable = || Healpix::of(&variable.attrs).or_else(|| variable.dims.iter().find_map(of_index));
    let grid = by_mapping.or_else(by_variable)?;
    let is_index = |dim: &str| {
        let index = scope.index_of(dim);
        matches!(dim, "cell" | "cells" | "pix" | "pixel" | "ncells" | "values" | "healpix_index")
            || index.is_some_and(|index| index.attrs.text("standard_name") == Some("healpix_index"))
    };
    let axes = || variable.dims.iter().zip(&variable.shape);
    let whole = axes().find(|(_, len)| **len == grid.n_pixels());
    let (dim, n) = whole.or_else(|| axes().find(|(dim, _)| is_index(dim)))?;
    let is_numbers = |other: &&'m Variable| {
        *other.dims == [dim.clone()] && other.attrs.text("standard_name") == Some("healpix_index")
    };
    let numbers = scope.index_of(dim).or_else(|| scope.variables().find(is_numbers));
    Some(Pixels { grid, dim: dim.clone(), n: *n, numbers })
}

#[cfg(test)]
mod tests {
    use super::super::example::variable;
    use super::*;
    use crate::Group;

    /// Name, dimensions, texts.
    type Sketch<'a> = (&'a str, &'a [&'a str], &'a [(&'a str, &'a str)]);

    const X: Sketch<'_> = ("x", &["x"], &[("standard_name", "projection_x_coordinate")]);
    const Y: Sketch<'_> = ("y", &["y"], &[("standard_name", "projection_y_coordinate")]);

    fn group(variables: &[Sketch<'_>]) -> Group {
        let variables = variables.iter().map(|(name, dims, attrs)| variable(name, dims, attrs));
        Group { variables: variables.collect(), ..Group::default() }
    }

    fn grid<'m>(root: &'m Group, name: &str) -> Grid<'m> {
        let scope = Scope::at(root, "").unwrap();
        Grid::of(root.variable(name).unwrap(), &scope, &Horizontal::candidates(&scope))
    }

    #[test]
    fn a_plane_has_the_projection_of_its_mapping() {
        let mercator = [("grid_mapping_name", "mercator")];
        let plain = group(&[X, Y, ("crs", &[], &mercator), ("v", &["y", "x"], &[("grid_mapping", "crs")])]);
        assert!(grid(&plain, "v").plane.unwrap().projection.is_some());

        let none = group(&[X, Y, ("v", &["y", "x"], &[])]);
        assert!(grid(&none, "v").plane.unwrap().projection.is_none());
        assert!(grid(&none, "v").degrees.is_none());
    }

    #[test]
    fn false_easting_is_in_the_units_of_the_coordinates() {
        let pole = [
            ("grid_mapping_name", "polar_stereographic"),
            ("latitude_of_projection_origin", "90"),
            ("straight_vertical_longitude_from_pole", "0"),
            ("false_easting", "2000"),
            ("false_northing", "3000"),
        ];
        let x = [("standard_name", "projection_x_coordinate"), ("units", "km")];
        let y = [("standard_name", "projection_y_coordinate"), ("units", "km")];
        let root = group(&[
            ("x", &["x"], &x),
            ("y", &["y"], &y),
            ("crs", &[], &pole),
            ("v", &["y", "x"], &[("grid_mapping", "crs")]),
        ]);
        let projection = grid(&root, "v").plane.unwrap().projection.unwrap();
        assert_eq!(projection.inverse(2e6, 3e6).map(|point| point.latitude), Some(90.0));
    }

    #[test]
    fn the_extended_form_names_the_coordinates_of_each_mapping() {
        let root = group(&[
            X,
            Y,
            ("wgs", &[], &[("grid_mapping_name", "latitude_longitude")]),
            ("map", &[], &[("grid_mapping_name", "mercator")]),
            ("lat", &["y", "x"], &[("standard_name", "latitude")]),
            ("lon", &["y", "x"], &[("standard_name", "longitude")]),
            ("v", &["y", "x"], &[("grid_mapping", "wgs: lat lon map: x y")]),
        ]);
        let grid = grid(&root, "v");
        assert_eq!(grid.plane.unwrap().mapping.unwrap().name, "map");
        assert_eq!(grid.degrees.unwrap().latitude.name, "lat");
    }

    #[test]
    fn pixels_are_found_along_their_dimension() {
        let healpix = [("grid_mapping_name", "healpix"), ("healpix_nside", "4"), ("healpix_order", "nest")];
        let root = group(&[("crs", &[], &healpix), ("v", &["time", "cell"], &[("grid_mapping", "crs")])]);
        let pixels = grid(&root, "v").pixels.unwrap();
        assert_eq!((pixels.dim.as_str(), pixels.n), ("cell", 2));
    }
}
