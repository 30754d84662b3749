//! Where the cells of a variable lie: its grid, found from CF metadata.

use thermocline_core::Result;
use thermocline_core::manifest::Manifest;
use thermocline_model::Variable;

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
    /// Coordinates that contradict the shape of the variable.
    pub fn of(manifest: &Manifest, path: &str, variable: &Variable) -> Result<Option<Self>> {
        let _ = (manifest, path, variable);
        Ok(None)
    }
}
