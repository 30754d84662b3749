//! Unstructured meshes: faces with their nodes.
//!
//! # Source
//! UGRID Conventions 1.0, <https://ugrid-conventions.github.io/ugrid-conventions/>; MPAS Mesh Specification 1.0.

use thermocline_model::Variable;
use thermocline_model::cf::{Horizontal, Scope};

use super::Found;
use super::find::MAX_CORNERS;

/// Most names in one attribute that are looked at.
const MAX_NAMES: usize = 16;

/// The faces of a mesh by the numbers of their nodes.
pub(crate) struct Faces<'m> {
    /// Numbers of the nodes of each face.
    pub connectivity: &'m Variable,
    /// True if the numbers of one node of all faces lie together.
    pub is_turned: bool,
    /// Places of the nodes.
    pub nodes: Horizontal<'m>,
}

impl<'m> Faces<'m> {
    pub(super) fn made_of(&self) -> Vec<&'m Variable> {
        vec![self.connectivity, self.nodes.latitude, self.nodes.longitude]
    }
}

/// The cells of MPAS.
pub(crate) struct Mpas<'m> {
    /// Numbers of the vertices around each cell, counted from 1.
    pub vertices_on_cell: &'m Variable,
    /// How many of them a cell has; all, if nothing says so.
    pub n_edges_on_cell: Option<&'m Variable>,
    /// Places of the vertices.
    pub vertices: Horizontal<'m>,
}

impl<'m> Mpas<'m> {
    pub(super) fn made_of(&self) -> Vec<&'m Variable> {
        vec![self.vertices_on_cell, self.vertices.latitude, self.vertices.longitude]
    }
}

/// The topology that a variable names.
fn topology<'m>(variable: &Variable, scope: &Scope<'m>) -> Option<&'m Variable> {
    scope.named(variable.attrs.text("mesh")?.trim())
}

/// The coordinates that an attribute of a topology names: longitudes and latitudes.
fn coordinates<'m>(topology: &Variable, scope: &Scope<'m>, attribute: &str) -> Option<Horizontal<'m>> {
    let names = topology.attrs.text(attribute)?.split_whitespace().take(MAX_NAMES);
    let named: Vec<&'m Variable> = names.filter_map(|name| scope.named(name)).collect();
    let degrees = Horizontal::among(&named)?;
    let is_one_list = degrees.latitude.dims.len() == 1 && degrees.latitude.dims == degrees.longitude.dims;
    let is_as_long = degrees.latitude.shape == degrees.longitude.shape;
    (is_one_list && is_as_long).then_some(degrees)
}

/// The faces that a variable is on; `None` if it is on nodes or edges, or if the nodes of its faces are not there.
pub(super) fn faces<'m>(variable: &Variable, scope: &Scope<'m>) -> Option<Found<'m>> {
    let topology = topology(variable, scope)?;
    if variable.attrs.text("location").is_some_and(|location| location.trim() != "face") {
        return None;
    }
    let connectivity = scope.named(topology.attrs.text("face_node_connectivity")?.trim())?;
    let nodes = coordinates(topology, scope, "node_coordinates")?;
    let ([first, second], [n_first, n_second]) =
        (connectivity.dims.as_slice(), connectivity.shape.as_slice())
    else {
        return None;
    };
    let axis_of = |dim: &String, len: u64| {
        let axis = variable.dims.iter().position(|other| other == dim)?;
        (variable.shape.get(axis) == Some(&len)).then_some(axis)
    };
    // A topology may say which dimension the faces are, else it is the one that the variable has.
    let says_second = topology.attrs.text("face_dimension").is_some_and(|dim| dim.trim() == second);
    let along_first = axis_of(first, *n_first).filter(|_| !says_second).map(|axis| (axis, false, *n_second));
    let (axis, is_turned, n_each) =
        along_first.or_else(|| axis_of(second, *n_second).map(|axis| (axis, true, *n_first)))?;
    let fits = (3..=MAX_CORNERS).contains(&n_each) && connectivity.dtype.is_number();
    fits.then_some(Found::Faces { axis, faces: Faces { connectivity, is_turned, nodes } })
}

/// The nodes, edges or centres of faces that a variable is on.
pub(super) fn points<'m>(variable: &Variable, scope: &Scope<'m>) -> Option<Found<'m>> {
    let topology = topology(variable, scope)?;
    let attribute = match variable.attrs.text("location").map(str::trim) {
        Some("node") => "node_coordinates",
        Some("edge") => "edge_coordinates",
        Some("volume") => "volume_coordinates",
        _ => "face_coordinates",
    };
    let degrees = coordinates(topology, scope, attribute)?;
    let axes = super::find::axes_along(variable, degrees.latitude)?;
    axes.first().map(|axis| Found::Centres { axis: *axis, degrees })
}

/// The cells of MPAS, whose specification has fixed names.
pub(super) fn mpas<'m>(variable: &Variable, scope: &Scope<'m>, degrees: &Horizontal<'m>) -> Option<Mpas<'m>> {
    if degrees.latitude.name != "latCell" || degrees.longitude.name != "lonCell" {
        return None;
    }
    let numbers = |name: &str| scope.variable(name).filter(|found| found.dtype.is_number());
    let vertices_on_cell = numbers("verticesOnCell")?;
    let vertices = Horizontal { latitude: numbers("latVertex")?, longitude: numbers("lonVertex")? };
    let [n_cells, n_each] = vertices_on_cell.shape.as_slice() else { return None };
    let has_cells = variable.dims.contains(vertices_on_cell.dims.first()?)
        && degrees.latitude.shape == [*n_cells]
        && (3..=MAX_CORNERS).contains(n_each);
    let is_one_list =
        vertices.latitude.shape.len() == 1 && vertices.latitude.shape == vertices.longitude.shape;
    let n_edges_on_cell = numbers("nEdgesOnCell").filter(|edges| edges.shape == [*n_cells]);
    (has_cells && is_one_list).then_some(Mpas { vertices_on_cell, n_edges_on_cell, vertices })
}
