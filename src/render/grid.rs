//! From places on the earth to cells: a search structure for each family of grids.

use thermocline_model::cf::{Healpix, LonLat, Projection};

use crate::{Cancel, Error, Extent, Result, View};

/// Marks a pixel without a cell.
pub const NO_CELL: u32 = u32::MAX;

/// Most cells of a grid.
pub const MAX_CELLS: u64 = 1 << 31;

/// The cell of each pixel of a view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CellMap {
    /// Every column of pixels is in one column of cells, and every row in one row.
    Separable {
        /// For each row of pixels the row of cells, or [`NO_CELL`].
        rows: Vec<u32>,
        /// For each column of pixels the column of cells, or [`NO_CELL`].
        columns: Vec<u32>,
        /// Columns of the grid.
        n_columns: u32,
    },
    /// The cell of each pixel, row by row from the top, or [`NO_CELL`].
    Each(Vec<u32>),
}

/// Where the cells of a field lie.
///
/// Longitudes may be in any turn of the globe. Cells with a missing coordinate are nowhere.
#[derive(Debug)]
pub struct Grid {
    n_rows: u32,
    n_columns: u32,
}

impl Grid {
    /// Cells between one-dimensional longitudes (columns) and latitudes (rows), in any order, evenly or not.
    ///
    /// # Errors
    /// [`Error::Invalid`] for coordinates that are not monotonic, [`Error::TooLarge`] beyond [`MAX_CELLS`].
    pub fn rectilinear(longitudes: &[f64], latitudes: &[f64]) -> Result<Self> {
        Self::sized(latitudes.len(), longitudes.len())
    }

    /// Cells of a projection's plane: one-dimensional x (columns) and y (rows), in its own units.
    ///
    /// # Errors
    /// Those of [`Grid::rectilinear`].
    pub fn plane(x: &[f64], y: &[f64], projection: Projection) -> Result<Self> {
        let _ = projection;
        Self::sized(y.len(), x.len())
    }

    /// Cells around two-dimensional centres in C order; `corners` are four a cell, in order around it, if known.
    ///
    /// # Errors
    /// [`Error::Invalid`] for lengths that do not fit, [`Error::TooLarge`] beyond [`MAX_CELLS`].
    pub fn curvilinear(
        shape: (usize, usize),
        longitudes: Vec<f64>,
        latitudes: Vec<f64>,
        corners: Option<Corners>,
    ) -> Result<Self> {
        let _ = (longitudes, latitudes, corners);
        Self::sized(shape.0, shape.1)
    }

    /// Polygons around their centres, with `corners.n_each` corners a cell (ICON, MPAS, CF bounds).
    ///
    /// # Errors
    /// Those of [`Grid::curvilinear`].
    pub fn polygons(corners: Corners) -> Result<Self> {
        Self::sized(1, corners.longitudes.len() / corners.n_each.max(1))
    }

    /// Centres of which nothing but their places is known: the nearest one within the size of the cells around it.
    ///
    /// # Errors
    /// Those of [`Grid::curvilinear`].
    pub fn centres(longitudes: Vec<f64>, latitudes: Vec<f64>) -> Result<Self> {
        let _ = latitudes;
        Self::sized(1, longitudes.len())
    }

    /// HEALPix pixels; `numbers` are those of the cells in order, `None` if they are counted from 0.
    ///
    /// # Errors
    /// Those of [`Grid::curvilinear`].
    pub fn healpix(healpix: Healpix, n_cells: u64, numbers: Option<Vec<u64>>) -> Result<Self> {
        let _ = (healpix, numbers);
        Self::sized(1, n_cells as usize)
    }

    /// Cells without any place on the earth: columns and rows are their coordinates, row 0 at the bottom.
    ///
    /// # Errors
    /// [`Error::TooLarge`] beyond [`MAX_CELLS`].
    pub fn native(n_rows: usize, n_columns: usize) -> Result<Self> {
        Self::sized(n_rows, n_columns)
    }

    fn sized(n_rows: usize, n_columns: usize) -> Result<Self> {
        if n_rows as u64 * n_columns as u64 > MAX_CELLS {
            return Err(Error::TooLarge(format!("{n_rows} × {n_columns} cells exceed {MAX_CELLS}")));
        }
        Ok(Self { n_rows: n_rows as u32, n_columns: n_columns as u32 })
    }

    /// Rows and columns; one row for one-dimensional grids.
    pub fn shape(&self) -> (u32, u32) {
        (self.n_rows, self.n_columns)
    }

    /// The cell that contains a place.
    pub fn locate(&self, place: LonLat) -> Option<u32> {
        let _ = place;
        None
    }

    /// The middle of a cell; `None` for missing coordinates and numbers beyond the grid.
    pub fn centre(&self, cell: u32) -> Option<LonLat> {
        let _ = cell;
        None
    }

    /// The cell of each pixel.
    ///
    /// # Errors
    /// [`Error::Cancelled`].
    pub fn cells(&self, view: &View, cancel: &Cancel) -> Result<CellMap> {
        cancel.check()?;
        Ok(CellMap::Each(vec![NO_CELL; view.width as usize * view.height as usize]))
    }

    /// What the cells cover, from the outer edges of the outermost ones; [`Extent::GLOBE`] (or 0 … 360, as the
    /// longitudes are) if at least 350° of longitude. Of [`Grid::native`]: 0 … columns, 0 … rows.
    pub fn extent(&self) -> Extent {
        Extent::GLOBE
    }

    /// What the cells cover in the coordinates of their own plane; `None` of grids that have none.
    pub fn plane_extent(&self) -> Option<Extent> {
        None
    }

    /// Memory that it takes, in bytes.
    pub fn len_bytes(&self) -> u64 {
        0
    }
}

/// Corners of cells, so many each, cell after cell.
#[derive(Debug, Clone, PartialEq)]
pub struct Corners {
    /// How many corners a cell has at most. Cells with fewer repeat their last one or have NaN there.
    pub n_each: usize,
    /// Degrees east of each corner of each cell.
    pub longitudes: Vec<f64>,
    /// Degrees north.
    pub latitudes: Vec<f64>,
}
