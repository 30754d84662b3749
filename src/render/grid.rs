//! From places on the earth to cells: a search structure for each family of grids.
//!
//! | family | a place is in the cell |
//! |---|---|
//! | rectilinear, plane | whose centre is nearest along each axis, up to half a spacing beyond the outermost centres |
//! | curvilinear | between whose corners it lies; corners that are not known are midway between centres |
//! | polygons | between whose corners it lies, sides being great circles |
//! | centres | whose centre is nearest on the sphere, within the distance of the centres around it |
//! | HEALPix | that closed formulas give |
//!
//! # Limits
//! At most [`MAX_CELLS`] cells with 64 corners each. Where more than 4096 cells may contain a place, those numbered last
//! are not looked at. Polygons that reach further than 80° from their middle are no cells. Of centres, a place that is
//! nearly as far from thousands of them (the middle of a circle of stations) gets one that is about as near as the
//! nearest. What building takes is [`build_bytes`].

mod axis;
mod bins;
mod centres;
mod coverage;
mod curvilinear;
mod faces;
mod lattice;
mod pixels;
mod polygons;
mod rows;
mod shapes;
mod sphere;
mod tree;

use std::sync::OnceLock;

use thermocline_model::cf::{Healpix, LonLat, Projection};

use crate::{Cancel, Error, Extent, MapProjection, Result, View};
use centres::Centres;
use curvilinear::Curvilinear;
use lattice::Lattice;
use pixels::Pixels;
use polygons::Polygons;
use shapes::{Located, Shapes};

/// Marks a pixel without a cell.
pub const NO_CELL: u32 = u32::MAX;

/// Most cells of a grid: their numbers are below [`NO_CELL`].
pub const MAX_CELLS: u64 = NO_CELL as u64;

/// Memory at most that building a grid takes, its coordinates and the grid itself included, in bytes: of so many cells in
/// rows and columns or around centres, and with so many corners of all of them together, 0 if these are not given.
/// Rectilinear grids and planes take next to nothing.
pub fn build_bytes(n_cells: u64, n_corners: u64) -> u64 {
    n_cells.saturating_mul(BYTES_PER_CELL).saturating_add(n_corners.saturating_mul(BYTES_PER_CORNER))
}

/// What a cell takes while bins are filled: its place and corner, its rectangle, and its numbers in bins.
const BYTES_PER_CELL: u64 = 80;

/// What a corner takes while equal ones are found: its place twice, its number, and the table of places.
const BYTES_PER_CORNER: u64 = 48;

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
    family: Family,
    extent: OnceLock<Extent>,
}

#[derive(Debug)]
enum Family {
    Lattice(Box<Lattice>),
    Curvilinear(Located<Curvilinear>),
    Polygons(Located<Polygons>),
    Centres(Centres),
    Pixels(Pixels),
    Native,
}

impl Grid {
    /// Cells between one-dimensional longitudes (columns) and latitudes (rows), in any order, evenly or not.
    ///
    /// # Errors
    /// [`Error::Invalid`] for coordinates that are not monotonic, [`Error::TooLarge`] beyond [`MAX_CELLS`].
    pub fn rectilinear(longitudes: &[f64], latitudes: &[f64]) -> Result<Self> {
        let shape = (latitudes.len(), longitudes.len());
        within_limits(shape)?;
        let lattice = Lattice::rectilinear(longitudes, latitudes)?;
        Self::sized(shape, Family::Lattice(Box::new(lattice)))
    }

    /// Cells of a projection's plane: one-dimensional x (columns) and y (rows), in its own units.
    ///
    /// # Errors
    /// Those of [`Grid::rectilinear`].
    pub fn plane(x: &[f64], y: &[f64], projection: Projection) -> Result<Self> {
        let shape = (y.len(), x.len());
        within_limits(shape)?;
        Self::sized(shape, Family::Lattice(Box::new(Lattice::plane(x, y, projection)?)))
    }

    /// Cells around two-dimensional centres in C order; `corners` are four a cell, in order around it, if known.
    /// Corners that do not go around their centres are not used: cells have corners midway to their neighbours in place
    /// of these, all cells if they are more than one in ten.
    ///
    /// # Errors
    /// [`Error::Invalid`] for lengths that do not fit, [`Error::TooLarge`] beyond [`MAX_CELLS`], [`Error::Cancelled`].
    pub fn curvilinear(
        shape: (usize, usize),
        longitudes: Vec<f64>,
        latitudes: Vec<f64>,
        corners: Option<Corners>,
        cancel: &Cancel,
    ) -> Result<Self> {
        within_limits(shape)?;
        cancel.check()?;
        let centres = sphere::places(longitudes, latitudes)?;
        if shape.0.checked_mul(shape.1) != Some(centres.len()) {
            return Err(Error::Invalid(format!(
                "{} places are not {} × {}",
                centres.len(),
                shape.0,
                shape.1
            )));
        }
        let Some(corners) = corners else {
            let cells = Curvilinear::new(shape, centres, cancel)?;
            return Self::sized(shape, Family::Curvilinear(Located::new(cells, cancel)?));
        };
        let polygons = Polygons::new(corners, Some(centres), cancel)?;
        let Some(astray) = polygons.astray(cancel)? else {
            let cells = Curvilinear::new(shape, polygons.into_centres(), cancel)?;
            return Self::sized(shape, Family::Curvilinear(Located::new(cells, cancel)?));
        };
        let polygons = if astray.is_empty() {
            polygons
        } else {
            let midway = Curvilinear::new(shape, polygons.centres().to_vec(), cancel)?;
            polygons.with_corners_of(&astray, &midway)
        };
        Self::sized(shape, Family::Polygons(Located::new(polygons, cancel)?))
    }

    /// Polygons around their centres, with `corners.n_each` corners a cell (ICON, MPAS, CF bounds).
    ///
    /// # Errors
    /// Those of [`Grid::curvilinear`].
    pub fn polygons(corners: Corners, cancel: &Cancel) -> Result<Self> {
        cancel.check()?;
        let polygons = Polygons::new(corners, None, cancel)?;
        let shape = (1, polygons.n_cells());
        within_limits(shape)?;
        Self::sized(shape, Family::Polygons(Located::new(polygons, cancel)?))
    }

    /// Centres of which nothing but their places is known: the nearest one within the size of the cells around it.
    ///
    /// # Errors
    /// Those of [`Grid::curvilinear`].
    pub fn centres(longitudes: Vec<f64>, latitudes: Vec<f64>, cancel: &Cancel) -> Result<Self> {
        let shape = (1, longitudes.len());
        within_limits(shape)?;
        cancel.check()?;
        let centres = Centres::new(sphere::places(longitudes, latitudes)?, cancel)?;
        Self::sized(shape, Family::Centres(centres))
    }

    /// HEALPix pixels; `numbers` are those of the cells in order, `None` if they are counted from 0.
    ///
    /// # Errors
    /// Those of [`Grid::curvilinear`], and for pixels whose order is not known.
    pub fn healpix(healpix: Healpix, n_cells: u64, numbers: Option<Vec<u64>>) -> Result<Self> {
        let shape = (1, usize::try_from(n_cells).unwrap_or(usize::MAX));
        within_limits(shape)?;
        Self::sized(shape, Family::Pixels(Pixels::new(healpix, n_cells, numbers)?))
    }

    /// Cells without any place on the earth: columns and rows are their coordinates, row 0 at the bottom.
    ///
    /// # Errors
    /// [`Error::TooLarge`] beyond [`MAX_CELLS`].
    pub fn native(n_rows: usize, n_columns: usize) -> Result<Self> {
        Self::sized((n_rows, n_columns), Family::Native)
    }

    fn sized(shape: (usize, usize), family: Family) -> Result<Self> {
        within_limits(shape)?;
        let side = |n: usize| {
            u32::try_from(n).map_err(|_| Error::TooLarge(format!("{n} cells in a row exceed {MAX_CELLS}")))
        };
        Ok(Self { n_rows: side(shape.0)?, n_columns: side(shape.1)?, family, extent: OnceLock::new() })
    }

    /// Rows and columns; one row for one-dimensional grids.
    pub fn shape(&self) -> (u32, u32) {
        (self.n_rows, self.n_columns)
    }

    /// The cell that contains a place; of [`Grid::native`], a place is (column, row), counted from lower left edges.
    pub fn locate(&self, place: LonLat) -> Option<u32> {
        match &self.family {
            Family::Lattice(lattice) => lattice.locate(place),
            Family::Curvilinear(cells) => cells.find(&sphere::direction(place)?),
            Family::Polygons(cells) => cells.find(&sphere::direction(place)?),
            Family::Centres(centres) => centres.find(&sphere::direction(place)?, NO_CELL),
            Family::Pixels(pixels) => pixels.find(place),
            Family::Native => {
                let index = |at: f64, n: u32| (at >= 0.0 && at < f64::from(n)).then_some(at as u32);
                let (column, row) =
                    (index(place.longitude, self.n_columns)?, index(place.latitude, self.n_rows)?);
                row.checked_mul(self.n_columns)?.checked_add(column)
            }
        }
    }

    /// The four cells between whose centres a place lies, the nearest first, with their weights, which are 1 in all;
    /// `None` where no cell is. Only of grids that [`Grid::has_axes`].
    pub fn around(&self, place: LonLat) -> Option<[(u32, f64); 4]> {
        match &self.family {
            Family::Lattice(lattice) => lattice.around(place),
            _ => None,
        }
    }

    /// True of rectilinear grids and grids in a plane.
    pub fn has_axes(&self) -> bool {
        matches!(self.family, Family::Lattice(_))
    }

    /// The middle of a cell; `None` for missing coordinates and numbers beyond the grid. Of [`Grid::native`] it is
    /// (column + ½, row + ½) in place of longitude and latitude.
    pub fn centre(&self, cell: u32) -> Option<LonLat> {
        if u64::from(cell) >= u64::from(self.n_rows) * u64::from(self.n_columns) {
            return None;
        }
        match &self.family {
            Family::Lattice(lattice) => lattice.centre(cell),
            Family::Curvilinear(cells) => cells.centre(cell),
            Family::Polygons(cells) => cells.centre(cell),
            Family::Centres(centres) => centres.centre(cell),
            Family::Pixels(pixels) => pixels.centre(cell),
            Family::Native => Some(LonLat {
                longitude: f64::from(cell % self.n_columns) + 0.5,
                latitude: f64::from(cell / self.n_columns) + 0.5,
            }),
        }
    }

    /// The cell of each pixel. Of every grid, [`MapProjection::Native`] shows rows and columns.
    ///
    /// # Errors
    /// [`Error::Cancelled`].
    pub fn cells(&self, view: &View, cancel: &Cancel) -> Result<CellMap> {
        cancel.check()?;
        if view.projection == MapProjection::Native {
            return Ok(self.index_space(view));
        }
        let each = match &self.family {
            Family::Lattice(lattice) => return lattice.cells(view, cancel),
            Family::Curvilinear(cells) => cells.cells(view, cancel),
            Family::Polygons(cells) => cells.cells(view, cancel),
            Family::Centres(centres) => centres.cells(view, cancel),
            Family::Pixels(pixels) => {
                rows::each_place(view, cancel, |place| pixels.find(place).unwrap_or(NO_CELL))
            }
            Family::Native => rows::each_place(view, cancel, |_| NO_CELL),
        };
        each.map(CellMap::Each)
    }

    fn index_space(&self, view: &View) -> CellMap {
        let Extent { west, east, south, north } = view.extent;
        let index = |at: f64, n: u32| {
            if at >= 0.0 && at < f64::from(n) { at as u32 } else { NO_CELL }
        };
        let row = |pixel: u32| {
            let at = north - (f64::from(pixel) + 0.5) / f64::from(view.height) * (north - south);
            index(at, self.n_rows)
        };
        let column = |pixel: u32| {
            let at = west + (f64::from(pixel) + 0.5) / f64::from(view.width) * (east - west);
            index(at, self.n_columns)
        };
        CellMap::Separable {
            rows: (0..view.height).map(row).collect(),
            columns: (0..view.width).map(column).collect(),
            n_columns: self.n_columns,
        }
    }

    /// What the cells cover, from the outer edges of the outermost ones; all longitudes, −180 … 180 (or 0 … 360, as the
    /// longitudes are), if at least 350° of them, and then [`Extent::GLOBE`] if at least 120° of latitude. Of
    /// [`Grid::native`]: 0 … columns, 0 … rows.
    pub fn extent(&self) -> Extent {
        *self.extent.get_or_init(|| match &self.family {
            Family::Lattice(lattice) => lattice.extent(),
            Family::Curvilinear(cells) => cells.extent(),
            Family::Polygons(cells) => cells.extent(),
            Family::Centres(centres) => centres.extent(),
            Family::Pixels(pixels) => pixels.extent(),
            Family::Native => self.index_extent(),
        })
    }

    fn index_extent(&self) -> Extent {
        Extent { west: 0.0, east: f64::from(self.n_columns), south: 0.0, north: f64::from(self.n_rows) }
    }

    /// What the cells cover in the coordinates of their own plane; `None` of grids that have none.
    pub fn plane_extent(&self) -> Option<Extent> {
        match &self.family {
            Family::Lattice(lattice) => lattice.plane_extent(),
            Family::Native => Some(self.index_extent()),
            _ => None,
        }
    }

    /// Memory that it takes, in bytes.
    pub fn len_bytes(&self) -> u64 {
        let family = match &self.family {
            Family::Lattice(lattice) => lattice.len_bytes() + size_of::<Lattice>() as u64,
            Family::Curvilinear(cells) => cells.len_bytes(),
            Family::Polygons(cells) => cells.len_bytes(),
            Family::Centres(centres) => centres.len_bytes(),
            Family::Pixels(pixels) => pixels.len_bytes(),
            Family::Native => 0,
        };
        family + size_of::<Self>() as u64
    }
}

fn within_limits((n_rows, n_columns): (usize, usize)) -> Result<()> {
    let n_cells = (n_rows as u64).checked_mul(n_columns as u64);
    if n_cells.is_none_or(|n_cells| n_cells > MAX_CELLS) {
        return Err(Error::TooLarge(format!("{n_rows} × {n_columns} cells exceed {MAX_CELLS}")));
    }
    Ok(())
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

#[cfg(test)]
mod tests;
