//! Grids along two axes: longitudes and latitudes, or the coordinates of a projection's plane.

use thermocline_model::cf::{LonLat, PlaneUnit, Projection};

use super::axis::Axis;
use super::coverage::Coverage;
use super::rows;
use super::{CellMap, NO_CELL};
use crate::{Cancel, Extent, MapProjection, Result, View};

/// Places along each side of a plane that are looked at for what it covers.
const N_SAMPLES: u32 = 96;

/// Cells between columns and rows.
#[derive(Debug)]
pub(super) struct Lattice {
    columns: Axis,
    rows: Axis,
    /// That of the plane; `None` for longitudes and latitudes.
    projection: Option<Projection>,
}

impl Lattice {
    /// Between longitudes and latitudes.
    pub(super) fn rectilinear(longitudes: &[f64], latitudes: &[f64]) -> Result<Self> {
        let rows = Axis::latitudes(latitudes)?;
        let columns = Axis::longitudes(longitudes, rows.spacing())?;
        Ok(Self { columns, rows, projection: None })
    }

    /// Between the coordinates of a plane.
    pub(super) fn plane(x: &[f64], y: &[f64], projection: Projection) -> Result<Self> {
        let (columns, rows) = if projection.plane_unit() == PlaneUnit::Degree {
            let rows = Axis::latitudes(y)?;
            (Axis::longitudes(x, rows.spacing())?, rows)
        } else {
            (Axis::linear("x", x, projection.period())?, Axis::linear("y", y, None)?)
        };
        Ok(Self { columns, rows, projection: Some(projection) })
    }

    /// Longitude and latitude, or x and y in the plane, of a place.
    fn coordinates(&self, place: LonLat) -> Option<(f64, f64)> {
        match &self.projection {
            Some(projection) => projection.forward(place),
            None => Some((place.longitude, place.latitude)),
        }
    }

    pub(super) fn locate(&self, place: LonLat) -> Option<u32> {
        let (x, y) = self.coordinates(place)?;
        self.cell(self.rows.find(y)?, self.columns.find(x)?)
    }

    fn cell(&self, row: u32, column: u32) -> Option<u32> {
        u32::try_from(u64::from(row) * self.columns.len() as u64 + u64::from(column)).ok()
    }

    pub(super) fn centre(&self, cell: u32) -> Option<LonLat> {
        let n_columns = u32::try_from(self.columns.len()).ok().filter(|n| *n > 0)?;
        let (x, y) = (self.columns.centre(cell % n_columns)?, self.rows.centre(cell / n_columns)?);
        match &self.projection {
            Some(projection) => projection.inverse(x, y),
            None => Some(LonLat { longitude: x, latitude: y }),
        }
    }

    /// The four cells between whose centres a place lies, with their weights.
    pub(super) fn around(&self, place: LonLat) -> Option<[(u32, f64); 4]> {
        let (x, y) = self.coordinates(place)?;
        let (row, next_row, up) = self.rows.between(y)?;
        let (column, next_column, along) = self.columns.between(x)?;
        Some([
            (self.cell(row, column)?, (1.0 - up) * (1.0 - along)),
            (self.cell(row, next_column)?, (1.0 - up) * along),
            (self.cell(next_row, column)?, up * (1.0 - along)),
            (self.cell(next_row, next_column)?, up * along),
        ])
    }

    pub(super) fn cells(&self, view: &View, cancel: &Cancel) -> Result<CellMap> {
        match (&view.projection, &self.projection) {
            (MapProjection::Data(shown), Some(own)) if shown == own => Ok(self.in_plane(view)),
            (MapProjection::PlateCarree | MapProjection::Mercator, None) if view.is_separable() => {
                Ok(self.along_axes(view))
            }
            _ => {
                let find = |place: LonLat| self.locate(place).unwrap_or(NO_CELL);
                Ok(CellMap::Each(rows::each_place(view, cancel, find)?))
            }
        }
    }

    /// Pixels straight from the coordinates of the plane.
    fn in_plane(&self, view: &View) -> CellMap {
        let Extent { west, east, south, north } = view.extent;
        let across = |pixel: u32| west + (f64::from(pixel) + 0.5) / f64::from(view.width) * (east - west);
        let down = |pixel: u32| north - (f64::from(pixel) + 0.5) / f64::from(view.height) * (north - south);
        self.separable(
            (0..view.height).map(|pixel| self.rows.find(down(pixel))),
            (0..view.width).map(|pixel| self.columns.find(across(pixel))),
        )
    }

    fn along_axes(&self, view: &View) -> CellMap {
        let view_of = view.compiled();
        self.separable(
            (0..view.height).map(|row| self.rows.find(view_of.row_latitude(row)?)),
            (0..view.width).map(|column| self.columns.find(view_of.column_longitude(column)?)),
        )
    }

    fn separable(
        &self,
        rows: impl Iterator<Item = Option<u32>>,
        columns: impl Iterator<Item = Option<u32>>,
    ) -> CellMap {
        CellMap::Separable {
            rows: rows.map(|row| row.unwrap_or(NO_CELL)).collect(),
            columns: columns.map(|column| column.unwrap_or(NO_CELL)).collect(),
            n_columns: self.columns.len() as u32,
        }
    }

    pub(super) fn plane_extent(&self) -> Option<Extent> {
        let ((west, east), (south, north)) = (self.columns.ends(), self.rows.ends());
        self.projection.as_ref().map(|_| Extent { west, east, south, north })
    }

    pub(super) fn extent(&self) -> Extent {
        let ((west, east), (south, north)) = (self.columns.ends(), self.rows.ends());
        let from_zero = self.columns.largest() > 180.0;
        let Some(projection) = &self.projection else {
            return super::coverage::framed(west, east, (south, north), from_zero);
        };
        let mut coverage = Coverage::default();
        let step = |k: u32| f64::from(k) / f64::from(N_SAMPLES);
        let x = |k: u32| west + (east - west) * step(k);
        let y = |k: u32| south + (north - south) * step(k);
        for k in 0..=N_SAMPLES {
            coverage.add_path((0..=N_SAMPLES).map(|l| projection.inverse(x(l), y(k))));
            coverage.add_path((0..=N_SAMPLES).map(|l| projection.inverse(x(k), y(l))));
        }
        for latitude in [-90.0, 90.0] {
            // A map that does not show a pole as one point may show all of its meridians.
            if self.locate(LonLat { longitude: 0.0, latitude }).is_some() && projection.period().is_none() {
                coverage.add_pole(latitude);
            }
        }
        coverage.extent(false)
    }

    pub(super) fn len_bytes(&self) -> u64 {
        self.columns.len_bytes() + self.rows.len_bytes()
    }
}
