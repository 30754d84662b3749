//! Which variables of a dataset are data, and which describe them.
//!
//! # Source
//! CF Conventions 1.11, appendix A: what attributes name; UGRID Conventions 1.0.

use std::collections::HashSet;

use super::axis::Evidence;
use super::{Axis, Scope, along};
use crate::{DataType, Variable};

/// What a variable is for the others of its group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Data.
    Data,
    /// The coordinate of the dimension of its name.
    Index,
    /// A coordinate with other dimensions, bounds, a grid mapping, a mesh.
    Auxiliary,
}

/// Attributes that name coordinates, grid mappings and meshes.
///
/// # Source
/// CF Conventions 1.11, appendix A; UGRID Conventions 1.0.
pub const NAMING_COORDINATES: [&str; 18] = [
    "coordinates",
    "grid_mapping",
    "mesh",
    "geometry",
    "node_coordinates",
    "edge_coordinates",
    "face_coordinates",
    "volume_coordinates",
    "node_count",
    "part_node_count",
    "interior_ring",
    "edge_node_connectivity",
    "face_node_connectivity",
    "face_edge_connectivity",
    "face_face_connectivity",
    "edge_face_connectivity",
    "volume_node_connectivity",
    "boundary_node_connectivity",
];

/// Attributes that name the bounds of coordinates.
pub const NAMING_BOUNDS: [&str; 2] = ["bounds", "climatology"];

/// Most names in one attribute that are looked at.
const MAX_NAMES: usize = 256;

/// Attributes that only variables have which describe others.
const DESCRIBING: [&str; 4] = ["cf_role", "grid_mapping_name", "crs_wkt", "geometry_type"];

/// Which variables of a group are named by others of the dataset.
#[derive(Debug, Default)]
pub struct Roles {
    auxiliary: HashSet<*const Variable>,
}

impl Roles {
    /// Those of the variables that a scope's own and outer groups hold.
    pub fn of(scope: &Scope<'_>) -> Self {
        let mut roles = Self::default();
        for variable in scope.variables() {
            for attribute in NAMING_COORDINATES.into_iter().chain(NAMING_BOUNDS) {
                let names = variable.attrs.text(attribute).unwrap_or_default().split_whitespace();
                let named = names.take(MAX_NAMES).filter_map(|name| scope.named(name.trim_end_matches(':')));
                roles.auxiliary.extend(named.map(std::ptr::from_ref));
            }
            roles.collect_terms(variable, scope);
        }
        roles
    }

    /// What a formula of the vertical is made of, as `a: hyam b: hybm ps: ps`; fields like the surface pressure are
    /// data all the same.
    fn collect_terms(&mut self, variable: &Variable, scope: &Scope<'_>) {
        let terms = variable.attrs.text("formula_terms").unwrap_or_default().split_whitespace();
        let names = terms.take(MAX_NAMES).filter(|term| !term.ends_with(':'));
        let named = names.filter_map(|name| scope.named(name));
        self.auxiliary.extend(named.filter(|term| term.dims.len() <= 1).map(std::ptr::from_ref));
    }

    /// What a variable is.
    pub fn role(&self, variable: &Variable) -> Role {
        let is_index = |dims: &[String]| matches!(dims, [only] if *only == variable.name);
        if is_index(along(variable)) || is_index(&variable.dims) {
            return Role::Index;
        }
        let is_described = DESCRIBING.iter().any(|attribute| variable.attrs.get(attribute).is_some());
        let is_named = self.auxiliary.contains(&std::ptr::from_ref(variable));
        let is_place = [Axis::Latitude, Axis::Longitude, Axis::ProjectedX, Axis::ProjectedY]
            .iter()
            .any(|axis| axis.evidence(variable).is_some_and(|evidence| evidence <= Evidence::Units))
            || [Axis::Latitude, Axis::Longitude].iter().any(|axis| axis.evidence(variable).is_some());
        let is_time = variable.attrs.text("standard_name") == Some("time");
        let is_bare = variable.dims.is_empty() && variable.dtype == DataType::Char;
        if is_described || is_named || is_place || is_time || is_bare { Role::Auxiliary } else { Role::Data }
    }
}

#[cfg(test)]
mod tests {
    use super::super::example::variable;
    use super::*;
    use crate::Group;

    #[test]
    fn what_attributes_name_describes_and_the_rest_is_data() {
        let root = Group {
            variables: vec![
                variable("lat", &["lat"], &[("bounds", "lat_bnds")]),
                variable("lat_bnds", &["lat", "nv"], &[]),
                variable("nav_lon", &["y", "x"], &[("units", "degrees_east")]),
                variable("lev", &["lev"], &[("formula_terms", "a: a b: b ps: ps")]),
                variable("a", &["lev"], &[]),
                variable("ps", &["time", "lat"], &[]),
                variable("crs", &[], &[("grid_mapping_name", "mercator")]),
                variable("height", &[], &[]),
                variable("scale", &[], &[]),
                variable("tas", &["lat"], &[("coordinates", "height"), ("grid_mapping", "crs: lat")]),
            ],
            ..Group::default()
        };
        let scope = Scope::at(&root, "").unwrap();
        let roles = Roles::of(&scope);
        let role = |name: &str| roles.role(root.variable(name).unwrap());
        assert_eq!(role("lat"), Role::Index);
        for name in ["lat_bnds", "nav_lon", "a", "crs", "height"] {
            assert_eq!(role(name), Role::Auxiliary, "{name}");
        }
        for name in ["ps", "tas", "scale"] {
            assert_eq!(role(name), Role::Data, "{name}");
        }
    }
}
