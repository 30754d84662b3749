//! Boxes in degrees, and the cells of a grid that lie in one.

use std::sync::Arc;

use thermocline_model::Attributes;
use thermocline_model::cf::is_in_radians;

use super::coordinate::{Coordinate, Labels};
use super::indices::Indices;
use super::mask::Mask;
use crate::{Error, Result};

/// A box in degrees, edges included. A cell belongs to it when its centre does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BoundingBox {
    west: f64,
    south: f64,
    east: f64,
    north: f64,
}

impl BoundingBox {
    /// West, south, east and north; across the antimeridian when west is larger than east.
    ///
    /// # Errors
    /// [`crate::ErrorKind::InvalidInput`] for numbers that are no degrees, and for a south above the north.
    pub fn new([west, south, east, north]: [f64; 4]) -> Result<Self> {
        let this = Self { west, south, east, north };
        let is_longitude = |degrees: f64| (-360.0..=720.0).contains(&degrees);
        if !is_longitude(west) || !is_longitude(east) {
            return Err(Error::invalid_input(format!(
                "bbox={this}: longitudes lie between -360 and 720 degrees"
            )));
        }
        let is_latitude = |degrees: f64| (-90.0..=90.0).contains(&degrees);
        if !is_latitude(south) || !is_latitude(north) {
            return Err(Error::invalid_input(format!(
                "bbox={this}: latitudes lie between -90 and 90 degrees"
            )));
        }
        if south > north {
            return Err(Error::invalid_input(format!("bbox={this}: its south is above its north")));
        }
        Ok(this)
    }

    /// The box as west, south, east and north.
    pub fn edges(&self) -> [f64; 4] {
        [self.west, self.south, self.east, self.north]
    }

    fn has_latitude(&self, degrees: f64, round: impl Fn(f64) -> f64) -> bool {
        (round(self.south)..=round(self.north)).contains(&degrees)
    }

    /// True for a longitude inside, in whichever turn of the globe it is counted.
    fn has_longitude(&self, degrees: f64, round: impl Fn(f64) -> f64) -> bool {
        let east = if self.east < self.west { self.east + 360.0 } else { self.east };
        if east - self.west >= 360.0 {
            return degrees.is_finite();
        }
        let mut turns = (-4..=4).map(|turn| f64::from(turn) * 360.0);
        turns.any(|turn| (round(self.west + turn)..=round(east + turn)).contains(&degrees))
    }
}

impl std::fmt::Display for BoundingBox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{},{},{},{}", self.west, self.south, self.east, self.north)
    }
}

/// What a box selects of a grid.
#[derive(Debug, Clone)]
pub(super) enum Boxed {
    /// Positions along each of these dimensions, independently.
    Dims(Vec<(String, u64, Arc<Indices>)>),
    /// Cells.
    Cells(Arc<Mask>),
}

/// The cells of a grid that lie in a box; `Ok(None)` if none does.
///
/// # Errors
/// [`crate::ErrorKind::InvalidInput`] for coordinates without numbers or of unlike dimensions.
pub(super) fn in_box(
    bounding_box: &BoundingBox,
    (latitude, latitude_attrs): (&Coordinate, &Attributes),
    (longitude, longitude_attrs): (&Coordinate, &Attributes),
) -> Result<Option<Boxed>> {
    let lat = Degrees::of(latitude, latitude_attrs)?;
    let lon = Degrees::of(longitude, longitude_attrs)?;
    let is_lat = |position| bounding_box.has_latitude(lat.at(position), |edge| lat.rounded(edge));
    let is_lon = |position| bounding_box.has_longitude(lon.at(position), |edge| lon.rounded(edge));
    if latitude.dims == longitude.dims && latitude.shape == longitude.shape {
        let cells = Indices::matching(latitude.labels.len(), |position| is_lat(position) && is_lon(position));
        return Ok(boxed(latitude, cells));
    }
    let (rows, columns) =
        (Indices::matching(latitude.labels.len(), is_lat), Indices::matching(longitude.labels.len(), is_lon));
    let mut dims = Vec::new();
    for (coordinate, indices) in [(latitude, rows), (longitude, columns)] {
        match (coordinate.dims.as_slice(), coordinate.shape.as_slice()) {
            _ if indices.is_empty() => return Ok(None),
            ([], _) => {}
            ([dim], [len]) => dims.push((dim.clone(), *len, Arc::new(indices))),
            _ => {
                return Err(Error::invalid_input(format!(
                    "a box cannot be found on {} and {}: their dimensions are {:?} and {:?}",
                    latitude.name, longitude.name, latitude.dims, longitude.dims
                )));
            }
        }
    }
    Ok(Some(Boxed::Dims(dims)))
}

fn boxed(coordinate: &Coordinate, cells: Indices) -> Option<Boxed> {
    if cells.is_empty() {
        return None;
    }
    Some(match (coordinate.dims.as_slice(), coordinate.shape.as_slice()) {
        ([], _) => Boxed::Dims(Vec::new()),
        ([dim], [len]) => Boxed::Dims(vec![(dim.clone(), *len, Arc::new(cells))]),
        (dims, shape) => Boxed::Cells(Arc::new(Mask::new(dims.to_vec(), shape.to_vec(), &cells))),
    })
}

/// Labels of a coordinate in degrees.
struct Degrees<'c> {
    labels: &'c Labels,
    factor: f64,
}

impl<'c> Degrees<'c> {
    fn of(coordinate: &'c Coordinate, attrs: &Attributes) -> Result<Self> {
        if !matches!(coordinate.labels, Labels::Floats { .. } | Labels::Integers { .. }) {
            return Err(Error::invalid_input(format!(
                "{} has no numbers, a box needs degrees",
                coordinate.name
            )));
        }
        let is_radians = is_in_radians(&coordinate.name, attrs);
        Ok(Self {
            labels: &coordinate.labels,
            factor: if is_radians { 180.0 / std::f64::consts::PI } else { 1.0 },
        })
    }

    /// NaN where the label is missing, which lies in no box.
    fn at(&self, position: usize) -> f64 {
        let value = match self.labels {
            Labels::Floats { values, .. } => values.get(position).copied(),
            Labels::Integers { values, above } => {
                values.get(position).map(|value| (i128::from(*value) + above) as f64)
            }
            Labels::Times { .. } | Labels::Texts(_) => None,
        };
        value.unwrap_or(f64::NAN) * self.factor
    }

    /// An edge in the precision of the labels, so that a label on the edge is inside.
    fn rounded(&self, edge: f64) -> f64 {
        match self.labels {
            Labels::Floats { is_single: true, .. } if self.factor == 1.0 => f64::from(edge as f32),
            _ => edge,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boxed(edges: [f64; 4]) -> BoundingBox {
        BoundingBox::new(edges).unwrap()
    }

    #[test]
    fn longitudes_are_found_in_every_turn() {
        let europe = boxed([-10.0, 30.0, 40.0, 70.0]);
        for (degrees, is_inside) in
            [(0.0, true), (355.0, true), (350.0, true), (349.9, false), (-320.0, true), (41.0, false)]
        {
            assert_eq!(europe.has_longitude(degrees, |edge| edge), is_inside, "{degrees}");
        }
    }

    #[test]
    fn a_west_beyond_the_east_crosses_the_antimeridian() {
        let pacific = boxed([170.0, -10.0, -170.0, 10.0]);
        for (degrees, is_inside) in
            [(175.0, true), (180.0, true), (-180.0, true), (185.0, true), (-171.0, true), (0.0, false)]
        {
            assert_eq!(pacific.has_longitude(degrees, |edge| edge), is_inside, "{degrees}");
        }
    }

    #[test]
    fn a_whole_turn_is_everywhere() {
        for edges in [[-180.0, -90.0, 180.0, 90.0], [0.0, -90.0, 360.0, 90.0], [-200.0, 0.0, 300.0, 1.0]] {
            assert!(
                boxed(edges).has_longitude(123.4, |edge| edge)
                    && boxed(edges).has_longitude(-179.9, |edge| edge)
            );
            assert!(!boxed(edges).has_longitude(f64::NAN, |edge| edge));
        }
    }

    #[test]
    fn what_is_no_box_is_refused() {
        for edges in
            [[0.0, 10.0, 1.0, 9.0], [0.0, -91.0, 1.0, 9.0], [0.0, 0.0, 1e9, 1.0], [f64::NAN, 0.0, 1.0, 1.0]]
        {
            assert!(BoundingBox::new(edges).is_err(), "{edges:?}");
        }
    }
}
