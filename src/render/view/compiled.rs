//! The form of a view for many places.

use thermocline_model::cf::{LonLat, Projection};

use super::azimuthal::{Orthographic, Polar};
use super::cone::Cone;
use super::pseudocylindrical::{Parallel, PseudoCylindrical};
use super::separable::Separable;
use super::{MapProjection, View};

/// Corners of the outlines of maps.
const N_OUTLINE: u32 = 720;

/// A view with everything that does not depend on the place worked out.
pub struct CompiledView<'v> {
    width: f64,
    height: f64,
    columns: u32,
    map: Map<'v>,
}

enum Map<'v> {
    Separable(Separable, Turns),
    PseudoCylindrical(PseudoCylindrical, f64),
    Orthographic(Orthographic),
    Polar(Polar),
    Lambert(Cone),
    Plane(&'v Projection, Separable),
}

/// Whether x goes round the earth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turns {
    Degrees,
    Never,
}

impl<'v> CompiledView<'v> {
    pub(super) fn of(view: &'v View) -> Self {
        let meridian = view.center.0;
        let map = match &view.projection {
            MapProjection::PlateCarree => Map::Separable(Separable::linear(&view.extent), Turns::Degrees),
            MapProjection::Mercator => Map::Separable(Separable::mercator(&view.extent), Turns::Degrees),
            MapProjection::Native => Map::Separable(Separable::linear(&view.extent), Turns::Never),
            MapProjection::Robinson => Map::PseudoCylindrical(PseudoCylindrical::Robinson, meridian),
            MapProjection::Mollweide => Map::PseudoCylindrical(PseudoCylindrical::Mollweide, meridian),
            MapProjection::EqualEarth => Map::PseudoCylindrical(PseudoCylindrical::EqualEarth, meridian),
            MapProjection::Orthographic => Map::Orthographic(Orthographic::around(view.center)),
            MapProjection::NorthPolar => Map::Polar(Polar::north(meridian, view.bound)),
            MapProjection::SouthPolar => Map::Polar(Polar::south(meridian, view.bound)),
            MapProjection::Lambert => Map::Lambert(Cone::of(&view.extent)),
            MapProjection::Data(projection) => Map::Plane(projection, Separable::linear(&view.extent)),
        };
        Self { width: f64::from(view.width), height: f64::from(view.height), columns: view.width, map }
    }

    /// As [`View::place`].
    pub fn place(&self, x: f64, y: f64) -> Option<LonLat> {
        let (u, v) = (x / self.width, y / self.height);
        match &self.map {
            Map::Separable(map, _) => Some(LonLat { longitude: map.longitude(u), latitude: map.latitude(v) }),
            Map::PseudoCylindrical(map, meridian) => {
                let y = 1.0 - 2.0 * v;
                if y.abs() > 1.0 {
                    return None;
                }
                along(&map.at(y), *meridian, 2.0 * u - 1.0)
            }
            Map::Orthographic(map) => map.inverse(2.0 * u - 1.0, 1.0 - 2.0 * v),
            Map::Polar(map) => Some(map.inverse(2.0 * u - 1.0, 1.0 - 2.0 * v)),
            Map::Lambert(map) => map.inverse(u, v),
            Map::Plane(projection, plane) => projection.inverse(plane.longitude(u), plane.latitude(v)),
        }
    }

    /// The places of the centres of a row of pixels, from the left: that of each, `None` outside the map's outline. What
    /// a row has in common is worked out once.
    pub fn row_places(&self, row: u32) -> impl Iterator<Item = Option<LonLat>> + '_ {
        let y = f64::from(row) + 0.5;
        let common = match &self.map {
            Map::PseudoCylindrical(map, meridian) => {
                let parallel = map.at(1.0 - 2.0 * (y / self.height));
                Common::Parallel(parallel, *meridian)
            }
            Map::Separable(map, _) => Common::Latitude(map, map.latitude(y / self.height)),
            _ => Common::Nothing,
        };
        (0..self.columns).map(move |column| {
            let x = f64::from(column) + 0.5;
            match &common {
                Common::Parallel(parallel, meridian) => {
                    along(parallel, *meridian, 2.0 * (x / self.width) - 1.0)
                }
                Common::Latitude(map, latitude) => {
                    Some(LonLat { longitude: map.longitude(x / self.width), latitude: *latitude })
                }
                Common::Nothing => self.place(x, y),
            }
        })
    }

    /// As [`View::column_longitude`].
    pub fn column_longitude(&self, column: u32) -> Option<f64> {
        match &self.map {
            Map::Separable(map, _) => Some(map.longitude((f64::from(column) + 0.5) / self.width)),
            _ => None,
        }
    }

    /// As [`View::row_latitude`].
    pub fn row_latitude(&self, row: u32) -> Option<f64> {
        match &self.map {
            Map::Separable(map, _) => Some(map.latitude((f64::from(row) + 0.5) / self.height)),
            _ => None,
        }
    }

    /// As [`View::position`].
    pub fn position(&self, place: LonLat) -> Option<(f64, f64)> {
        let turns = self.turns();
        let longitude = match turns {
            Some((west, _)) => west + (place.longitude - west).rem_euclid(360.0),
            None => place.longitude,
        };
        self.unwrapped_position(LonLat { longitude, ..place })
    }

    /// The longitudes that the map shows, one after another, of maps that are cut along a meridian.
    pub(super) fn turns(&self) -> Option<(f64, f64)> {
        match &self.map {
            Map::Separable(map, Turns::Degrees) => Some((map.longitude(0.0), map.longitude(1.0))),
            Map::PseudoCylindrical(_, meridian) => Some((meridian - 180.0, meridian + 180.0)),
            Map::Lambert(cone) => Some((cone.meridian() - 180.0, cone.meridian() + 180.0)),
            _ => None,
        }
    }

    /// True if nothing of the map is beyond [`Self::turns`], so that lines end there.
    pub(super) fn ends_at_turns(&self) -> bool {
        matches!(self.map, Map::PseudoCylindrical(..) | Map::Lambert(_))
    }

    /// The point in pixels of a place whose longitude is in the right turn; `None` if it is not visible or no number.
    pub(super) fn unwrapped_position(&self, place: LonLat) -> Option<(f64, f64)> {
        let of_square = |(x, y): (f64, f64)| ((x + 1.0) / 2.0, (1.0 - y) / 2.0);
        let (u, v) = match &self.map {
            Map::Separable(map, _) => Some(map.forward(place)),
            Map::PseudoCylindrical(map, meridian) => {
                let parallel = map.of(place.latitude);
                let x = (place.longitude - meridian) / 180.0 * parallel.half;
                Some(of_square((x, parallel.y)))
            }
            Map::Orthographic(map) => map.forward(place).map(of_square),
            Map::Polar(map) => map.forward(place).map(of_square),
            Map::Lambert(map) => map.forward(place),
            Map::Plane(projection, plane) => {
                projection.forward(place).map(|(x, y)| plane.forward(LonLat { longitude: x, latitude: y }))
            }
        }?;
        Some((u * self.width, v * self.height)).filter(|(x, y)| x.is_finite() && y.is_finite())
    }

    /// True if what is straight in longitude and latitude is so in pixels.
    pub(super) fn is_straight(&self) -> bool {
        matches!(&self.map, Map::Separable(map, _) if map.is_linear())
    }

    /// True if places are those of the earth, and no columns and rows.
    pub(super) fn is_earth(&self) -> bool {
        !matches!(self.map, Map::Separable(_, Turns::Never))
    }

    /// Width and height in pixels.
    pub(super) fn size(&self) -> (f64, f64) {
        (self.width, self.height)
    }

    pub(super) fn natural_aspect(&self) -> f64 {
        match &self.map {
            Map::Separable(map, _) | Map::Plane(_, map) => map.aspect(),
            Map::PseudoCylindrical(map, _) => map.aspect(),
            Map::Orthographic(_) | Map::Polar(_) => 1.0,
            Map::Lambert(cone) => cone.aspect(),
        }
    }

    pub(super) fn outline(&self) -> Option<Vec<[f32; 2]>> {
        let half = f64::from(N_OUTLINE / 2);
        let corner = |number: u32| -> (f64, f64) {
            let share = f64::from(number);
            match &self.map {
                // Down the eastern side and up the western one. Corners lie closer to the poles, where it is bent.
                Map::PseudoCylindrical(map, _) => {
                    let (sign, step) =
                        if share <= half { (1.0, share) } else { (-1.0, f64::from(N_OUTLINE) - share) };
                    let y = (std::f64::consts::PI * step / half).cos();
                    (sign * map.at(y).half, y)
                }
                _ => (std::f64::consts::TAU * share / f64::from(N_OUTLINE)).sin_cos(),
            }
        };
        let in_pixels = |(x, y): (f64, f64)| {
            [((x + 1.0) / 2.0 * self.width) as f32, ((1.0 - y) / 2.0 * self.height) as f32]
        };
        match &self.map {
            Map::PseudoCylindrical(..) | Map::Orthographic(_) => {
                Some((0..=N_OUTLINE).chain([0]).map(|number| in_pixels(corner(number))).collect())
            }
            _ => None,
        }
    }
}

/// What the pixels of a row have in common.
enum Common<'m> {
    Parallel(Parallel, f64),
    Latitude(&'m Separable, f64),
    Nothing,
}

/// The place on a parallel at x; `None` beyond its ends.
fn along(parallel: &Parallel, meridian: f64, x: f64) -> Option<LonLat> {
    if x.abs() > parallel.half {
        return None;
    }
    // A pole that is a point has every longitude.
    let east = if parallel.half > 0.0 { 180.0 * x / parallel.half } else { 0.0 };
    Some(LonLat { longitude: meridian + east, latitude: parallel.latitude })
}
