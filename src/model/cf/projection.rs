//! Map projections of grid mappings in closed form: from a projection's plane to longitude and latitude, and back.
//!
//! # Source
//! CF Conventions 1.11, appendix F, for the attributes. J. P. Snyder, *Map Projections: A Working Manual*, US Geological
//! Survey Professional Paper 1395 (1987), for the formulas, by the numbers of its equations.
//!
//! # Limits
//! Mappings other than those of [`Projection`] are not known, and what is known is refused with parameters that make
//! no map: no extent is better than a wrong one.

mod azimuthal;
mod conic;
mod cylindrical;
mod ellipsoid;
mod geostationary;
mod parameters;
mod rotated;
mod transverse;

use crate::Attributes;

use azimuthal::{LambertAzimuthal, PolarStereographic};
use conic::{Albers, LambertConformal};
use cylindrical::{Mercator, Sinusoidal};
use geostationary::Geostationary;
use parameters::Parameters;
use rotated::RotatedPole;
use transverse::TransverseMercator;

pub use ellipsoid::Ellipsoid;

/// Degrees to which maps are continued around the globe.
const MAX_LONGITUDE: f64 = 1080.0;

/// A point of the earth in degrees.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LonLat {
    /// Degrees east, in any turn of the globe.
    pub longitude: f64,
    /// Degrees north.
    pub latitude: f64,
}

/// What the numbers of a projection's coordinates are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlaneUnit {
    /// Metres.
    Metre,
    /// Degrees.
    Degree,
    /// Radians as seen from a satellite.
    Radian,
}

/// A projection with its parameters.
///
/// ```
/// use thermocline_model::cf::Projection;
/// use thermocline_model::{Attribute, Attributes, Number, NumberType};
///
/// let mut crs = Attributes::new();
/// crs.set("grid_mapping_name", Attribute::Text("polar_stereographic".into()));
/// for (name, value) in [("latitude_of_projection_origin", 90.0), ("straight_vertical_longitude_from_pole", -45.0),
///     ("standard_parallel", 70.0), ("earth_radius", 6_371_000.0)]
/// {
///     crs.set(name, Attribute::number(NumberType::F64, Number::Float(value)));
/// }
/// let projection = Projection::of(&crs).expect("a known mapping");
/// assert_eq!(projection.inverse(0.0, 0.0).map(|point| point.latitude), Some(90.0));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Projection {
    kind: Kind,
    ellipsoid: Ellipsoid,
    /// In the unit of the plane, as is the next one.
    false_easting: f64,
    false_northing: f64,
    /// Degrees east of Greenwich from which the mapping counts longitudes.
    prime_meridian: f64,
}

#[derive(Debug, Clone, PartialEq)]
enum Kind {
    PlateCarree,
    RotatedPole(RotatedPole),
    Mercator(Mercator),
    TransverseMercator(TransverseMercator),
    PolarStereographic(PolarStereographic),
    LambertAzimuthal(LambertAzimuthal),
    LambertConformal(LambertConformal),
    Albers(Albers),
    Sinusoidal(Sinusoidal),
    Geostationary(Geostationary),
}

impl Projection {
    /// The projection of a grid mapping's attributes; `None` if it is not known, or its parameters make no map.
    pub fn of(attrs: &Attributes) -> Option<Self> {
        let name = attrs.text("grid_mapping_name")?;
        let parameters = Parameters::new(attrs);
        let ellipsoid = Ellipsoid::of(attrs)?;
        let kind = match name {
            "latitude_longitude" => Kind::PlateCarree,
            "rotated_latitude_longitude" => Kind::RotatedPole(RotatedPole::of(&parameters)?),
            "mercator" => Kind::Mercator(Mercator::of(&parameters, &ellipsoid)?),
            "transverse_mercator" => {
                Kind::TransverseMercator(TransverseMercator::of(&parameters, &ellipsoid)?)
            }
            "polar_stereographic" => {
                Kind::PolarStereographic(PolarStereographic::of(&parameters, &ellipsoid)?)
            }
            "stereographic" => {
                Kind::PolarStereographic(PolarStereographic::of_stereographic(&parameters, &ellipsoid)?)
            }
            "lambert_azimuthal_equal_area" => {
                Kind::LambertAzimuthal(LambertAzimuthal::of(&parameters, &ellipsoid)?)
            }
            "lambert_conformal_conic" => {
                Kind::LambertConformal(LambertConformal::of(&parameters, &ellipsoid)?)
            }
            "albers_conical_equal_area" => Kind::Albers(Albers::of(&parameters, &ellipsoid)?),
            "sinusoidal" => Kind::Sinusoidal(Sinusoidal::of(&parameters)?),
            "geostationary" => Kind::Geostationary(Geostationary::of(&parameters, &ellipsoid)?),
            _ => return None,
        };
        let or_zero = |name| parameters.number_or(name, 0.0);
        Some(Self {
            kind,
            ellipsoid,
            false_easting: or_zero("false_easting")?,
            false_northing: or_zero("false_northing")?,
            prime_meridian: or_zero("longitude_of_prime_meridian")?,
        })
    }

    /// What [`Self::inverse`] takes.
    pub fn plane_unit(&self) -> PlaneUnit {
        match self.kind {
            Kind::PlateCarree | Kind::RotatedPole(_) => PlaneUnit::Degree,
            Kind::Geostationary(_) => PlaneUnit::Radian,
            _ => PlaneUnit::Metre,
        }
    }

    /// By what to multiply coordinates in these units for [`Self::inverse`]; `None` for units that are none of its
    /// plane. Without units, coordinates are in those of the plane, but for a satellite's view, which is written in
    /// angles by some and in metres by others.
    pub fn scale(&self, units: Option<&str>) -> Option<f64> {
        let units = units.map(str::trim).filter(|units| !units.is_empty());
        let metres = units.and_then(super::axis::metres_of);
        let is_radians = units.is_some_and(super::axis::is_radians);
        match (&self.kind, self.plane_unit(), units) {
            (_, PlaneUnit::Radian, None) => None,
            (_, _, None) => Some(1.0),
            (_, PlaneUnit::Metre, _) => metres,
            (_, PlaneUnit::Degree, _) if is_radians => Some(1_f64.to_degrees()),
            (_, PlaneUnit::Degree, Some(units)) => units.starts_with("deg").then_some(1.0),
            (_, PlaneUnit::Radian, Some("1")) => Some(1.0),
            (_, PlaneUnit::Radian, _) if is_radians => Some(1.0),
            (_, PlaneUnit::Radian, Some("microradian" | "microradians" | "urad")) => Some(1e-6),
            // Metres are the scanning angle times the height of the satellite.
            (Kind::Geostationary(view), ..) if metres.is_some() => {
                metres.map(|metres| metres / view.height())
            }
            (_, PlaneUnit::Radian, Some(units)) => units.starts_with("deg").then_some(1_f64.to_radians()),
        }
    }

    /// The same map for coordinates in these units: its false easting and northing are in them, too. They are those of
    /// the plane until this says otherwise, and for units that are none of the plane.
    ///
    /// # Source
    /// CF Conventions 1.11, table F.1: both are "expressed in the unit of the coordinate variable".
    pub fn with_units(self, x_units: Option<&str>, y_units: Option<&str>) -> Self {
        let scale = |units: Option<&str>| self.scale(units).unwrap_or(1.0);
        let (x_scale, y_scale) = (scale(x_units), scale(y_units));
        Self {
            false_easting: self.false_easting * x_scale,
            false_northing: self.false_northing * y_scale,
            ..self
        }
    }

    /// The point of the earth at a point of the plane; `None` where the map shows nothing.
    pub fn inverse(&self, x: f64, y: f64) -> Option<LonLat> {
        let (x, y) = (x - self.false_easting, y - self.false_northing);
        let point = match &self.kind {
            Kind::PlateCarree => Some(LonLat { longitude: x, latitude: y }),
            Kind::RotatedPole(pole) => pole.inverse(x, y),
            Kind::Mercator(map) => map.inverse(&self.ellipsoid, x, y),
            Kind::TransverseMercator(map) => map.inverse(x, y),
            Kind::PolarStereographic(map) => map.inverse(&self.ellipsoid, x, y),
            Kind::LambertAzimuthal(map) => map.inverse(&self.ellipsoid, x, y),
            Kind::LambertConformal(map) => map.inverse(&self.ellipsoid, x, y),
            Kind::Albers(map) => map.inverse(&self.ellipsoid, x, y),
            Kind::Sinusoidal(map) => map.inverse(&self.ellipsoid, x, y),
            Kind::Geostationary(view) => view.inverse(&self.ellipsoid, x, y),
        };
        let point = point.map(|point| LonLat { longitude: point.longitude + self.prime_meridian, ..point });
        point.filter(|point| {
            point.longitude.abs() <= MAX_LONGITUDE && (-90.0..=90.0).contains(&point.latitude)
        })
    }

    /// The point of the plane at a point of the earth; `None` where the map does not show it. Of maps that show it several
    /// times, the one within half a turn of the central meridian.
    pub fn forward(&self, point: LonLat) -> Option<(f64, f64)> {
        if !point.longitude.is_finite() || !(-90.0..=90.0).contains(&point.latitude) {
            return None;
        }
        let point = LonLat { longitude: point.longitude - self.prime_meridian, ..point };
        let (x, y) = match &self.kind {
            Kind::PlateCarree => Some((turn(point.longitude), point.latitude)),
            Kind::RotatedPole(pole) => Some(pole.forward(point)),
            Kind::Mercator(map) => Some(map.forward(&self.ellipsoid, point)),
            Kind::TransverseMercator(map) => map.forward(point),
            Kind::PolarStereographic(map) => map.forward(&self.ellipsoid, point),
            Kind::LambertAzimuthal(map) => map.forward(&self.ellipsoid, point),
            Kind::LambertConformal(map) => map.forward(&self.ellipsoid, point),
            Kind::Albers(map) => map.forward(&self.ellipsoid, point),
            Kind::Sinusoidal(map) => Some(map.forward(&self.ellipsoid, point)),
            Kind::Geostationary(view) => view.forward(&self.ellipsoid, point),
        }?;
        let (x, y) = (x + self.false_easting, y + self.false_northing);
        (x.is_finite() && y.is_finite()).then_some((x, y))
    }

    /// How far apart in x the plane shows the same place again; `None` of maps that show each place once.
    pub fn period(&self) -> Option<f64> {
        match &self.kind {
            Kind::PlateCarree | Kind::RotatedPole(_) => Some(360.0),
            Kind::Mercator(map) => Some(map.period(&self.ellipsoid)),
            _ => None,
        }
    }

    /// Where the plane shows a pole of the earth in one point: its coordinates, and whether it is the north pole.
    pub fn pole(&self) -> Option<(f64, f64, bool)> {
        let is_north = match &self.kind {
            Kind::PolarStereographic(map) => map.is_north(),
            Kind::LambertAzimuthal(map) => map.is_north_polar()?,
            _ => return None,
        };
        Some((self.false_easting, self.false_northing, is_north))
    }

    /// As PROJ writes it.
    ///
    /// # Source
    /// <https://proj.org/en/stable/operations/projections/>
    pub fn proj_string(&self) -> String {
        let kind = match &self.kind {
            Kind::PlateCarree => return format!("+proj=longlat {} +no_defs", self.ellipsoid.proj_terms()),
            Kind::RotatedPole(pole) => pole.proj_terms(),
            Kind::Mercator(map) => map.proj_terms(),
            Kind::TransverseMercator(map) => map.proj_terms(),
            Kind::PolarStereographic(map) => map.proj_terms(),
            Kind::LambertAzimuthal(map) => map.proj_terms(),
            Kind::LambertConformal(map) => map.proj_terms(),
            Kind::Albers(map) => map.proj_terms(),
            Kind::Sinusoidal(map) => map.proj_terms(),
            Kind::Geostationary(view) => view.proj_terms(),
        };
        let mut terms = kind;
        if self.plane_unit() != PlaneUnit::Degree {
            // PROJ counts a satellite's angles as lengths, too.
            let metres = if let Kind::Geostationary(view) = &self.kind { view.height() } else { 1.0 };
            let (x, y) = (self.false_easting * metres, self.false_northing * metres);
            terms.push_str(&format!(" +x_0={x} +y_0={y}"));
        }
        if self.prime_meridian != 0.0 {
            terms.push_str(&format!(" +pm={}", self.prime_meridian));
        }
        format!("{terms} {} +no_defs", self.ellipsoid.proj_terms())
    }
}

/// An angle in degrees as one from −180 to 180.
fn turn(degrees: f64) -> f64 {
    let turned = (degrees + 180.0).rem_euclid(360.0) - 180.0;
    // Both ends are the same meridian; what was within half a turn stays what it was.
    if turned == -180.0 && degrees > 0.0 { 180.0 } else { turned }
}

#[cfg(test)]
mod tests;
