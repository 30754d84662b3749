//! Where the cells of a variable lie: its grid, found from CF metadata.
//!
//! Nothing goes by a list of names but the meshes of MPAS, whose specification has names in place of attributes: what
//! `coordinates`, `bounds`, `mesh` and `grid_mapping` name, and what says so itself, is looked at in the order
//! HEALPix, meshes, latitudes and longitudes, planes. Where two-dimensional latitudes and longitudes are there beside a
//! plane whose projection is known, the plane is taken: it is exact between the centres.
//!
//! # Limits
//! Places that differ along a further dimension of more than one position (the tiles of a cubed sphere, the passes of a
//! satellite, nests that move) make no grid: which of them a picture shows is not known here. Cells along one axis end
//! midway between neighbouring coordinates, whatever their bounds say. A latitude over one dimension beside a longitude
//! over two is no pair.

mod find;
mod make;
mod mesh;
mod roles;
#[cfg(test)]
mod tests;

use thermocline_core::Result;
use thermocline_core::manifest::Manifest;
use thermocline_model::cf::{Horizontal, Scope};
use thermocline_model::{Group, Variable};

use crate::plan::group_of;

pub(crate) use find::Found;
pub(crate) use make::{make, making_bytes};
pub(crate) use roles::axis_of;
pub use roles::{AxisRole, axis_roles};

/// How the cells of a variable lie on the earth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Places {
    /// One-dimensional latitudes and longitudes along two dimensions.
    Rectilinear,
    /// The plane of a grid mapping along two dimensions.
    Plane,
    /// Latitudes and longitudes over both dimensions.
    Curvilinear,
    /// Polygons along one dimension: faces of a mesh, cells with vertices.
    Polygons,
    /// Centres along one dimension.
    Centres,
    /// HEALPix pixels along one dimension.
    Healpix,
    /// Nothing is known of them.
    Native,
}

/// Where the cells of a variable lie. Metadata only; coordinates are read when the grid is made.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Placement {
    /// How they lie.
    pub places: Places,
    /// The axis of the variable along the rows of the grid; `None` of one-dimensional grids.
    pub row_axis: Option<usize>,
    /// The axis of the variable along the columns of the grid, or along all of its cells.
    pub column_axis: usize,
    /// What the grid is made of: paths of the coordinate variables and of the grid mapping. Variables with the same key in
    /// one revision of a dataset share a grid.
    pub key: String,
}

impl Placement {
    /// That of a variable; `None` if it has no two dimensions to draw nor places along one.
    ///
    /// # Errors
    /// A path whose group does not exist.
    pub fn of(manifest: &Manifest, path: &str, variable: &Variable) -> Result<Option<Self>> {
        let scope = scope_of(&manifest.dataset.root, path)?;
        let others = Horizontal::candidates(&scope);
        Ok(Self::within(&manifest.dataset.root, variable, &scope, &others))
    }

    /// The same for one of many variables of a group: `others` are the [`Horizontal::candidates`] of its scope.
    pub fn within<'m>(
        root: &'m Group,
        variable: &'m Variable,
        scope: &Scope<'m>,
        others: &[&'m Variable],
    ) -> Option<Self> {
        Found::of(variable, scope, others).map(|found| found.placement(root, variable))
    }

    /// The axes that are drawn on its map: rows and columns, or the one of all cells.
    pub fn drawn(&self) -> Vec<usize> {
        self.row_axis.into_iter().chain([self.column_axis]).collect()
    }

    /// True if the cells lie somewhere on the earth.
    pub fn is_on_earth(&self) -> bool {
        self.places != Places::Native
    }
}

/// What the variable at a path sees.
///
/// # Errors
/// A path whose group does not exist.
pub(crate) fn scope_of<'m>(root: &'m Group, path: &str) -> Result<Scope<'m>> {
    let group = group_of(path);
    let gone = || thermocline_core::Error::not_found(format!("Variable '{path}' not found in dataset"));
    Scope::at(root, group).ok_or_else(gone)
}
