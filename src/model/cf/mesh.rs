//! Unstructured meshes: where the positions of a variable's cells are.
//!
//! # Source
//! UGRID Conventions 1.0, <https://ugrid-conventions.github.io/ugrid-conventions/>.

use super::{Horizontal, Scope};
use crate::Variable;

/// Most names in one attribute that are looked at.
const MAX_NAMES: usize = 16;

/// The positions of the mesh that a variable lies on; `None` if it lies on none.
///
/// The nodes go before the centres of edges, faces and volumes: cells reach to their nodes.
pub(super) fn positions<'m>(variable: &Variable, scope: &Scope<'m>) -> Option<Horizontal<'m>> {
    let topology = scope.named(variable.attrs.text("mesh")?.trim())?;
    let own = match variable.attrs.text("location") {
        Some("node") => "node_coordinates",
        Some("edge") => "edge_coordinates",
        Some("volume") => "volume_coordinates",
        _ => "face_coordinates",
    };
    ["node_coordinates", own].into_iter().find_map(|attribute| {
        let names = topology.attrs.text(attribute)?.split_whitespace().take(MAX_NAMES);
        let positions: Vec<&'m Variable> = names.filter_map(|name| scope.named(name)).collect();
        Horizontal::among(&positions)
    })
}

#[cfg(test)]
mod tests {
    use super::super::example::variable;
    use super::*;
    use crate::Group;

    #[test]
    fn cells_lie_where_the_nodes_of_their_mesh_do() {
        let root = Group {
            variables: vec![
                variable("m", &[], &[("node_coordinates", "nx ny"), ("face_coordinates", "fx fy")]),
                variable("nx", &["n"], &[("standard_name", "longitude")]),
                variable("ny", &["n"], &[("standard_name", "latitude")]),
                variable("fx", &["f"], &[("standard_name", "longitude")]),
                variable("fy", &["f"], &[("standard_name", "latitude")]),
            ],
            ..Group::default()
        };
        let scope = Scope::at(&root, "").unwrap();
        let data = variable("v", &["f"], &[("mesh", "m"), ("location", "face")]);
        assert_eq!(positions(&data, &scope).unwrap().latitude.name, "ny");
        assert!(positions(&variable("v", &["f"], &[("mesh", "gone")]), &scope).is_none());
    }
}
