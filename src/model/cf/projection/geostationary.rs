//! The earth as a geostationary satellite sees it.

use super::{Ellipsoid, LonLat, Parameters, turn};

/// Which mirror turns first, the one whose axis the other moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sweep {
    /// As GOES scans.
    X,
    /// As Meteosat and Himawari scan.
    Y,
}

/// The view of a geostationary satellite.
///
/// # Source
/// CGMS 03, *LRIT/HRIT Global Specification*, section 4.4.3.2, and *GOES-R Product Definition and Users' Guide*, volume
/// 3, section 5.1.2.8.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Geostationary {
    /// Metres above the equator.
    height: f64,
    /// Degrees.
    longitude: f64,
    sweep: Sweep,
}

impl Geostationary {
    pub(super) fn of(parameters: &Parameters<'_>, ellipsoid: &Ellipsoid) -> Option<Self> {
        let height = parameters.number("perspective_point_height")?;
        // Some writers count the height from the centre of the earth.
        let height = if height > 40e6 { height - ellipsoid.semi_major } else { height };
        let sweep = parameters.optional("sweep_angle_axis", Parameters::text)?;
        let fixed = parameters.optional("fixed_angle_axis", Parameters::text)?;
        let sweep = match (sweep, fixed) {
            (Some("x" | "X"), _) | (None, Some("y" | "Y")) => Sweep::X,
            (Some("y" | "Y") | None, _) => Sweep::Y,
            (Some(_), _) => return None,
        };
        let is_above = height > 1e5;
        let longitude = parameters.number("longitude_of_projection_origin")?;
        is_above.then_some(Self { height, longitude, sweep })
    }

    /// Height above the equator in metres.
    pub(super) fn height(&self) -> f64 {
        self.height
    }

    /// The point that is seen under two angles; `None` for space.
    pub(super) fn inverse(&self, ellipsoid: &Ellipsoid, x: f64, y: f64) -> Option<LonLat> {
        // The direction of sight: towards the earth, to the east and to the north.
        let (forward, east, north) = match self.sweep {
            Sweep::X => (x.cos() * y.cos(), x.sin(), x.cos() * y.sin()),
            Sweep::Y => (x.cos() * y.cos(), x.sin() * y.cos(), y.sin()),
        };
        let squash = 1.0 / (1.0 - ellipsoid.eccentricity_squared);
        let distance = self.height + ellipsoid.semi_major;
        let a = forward * forward + east * east + squash * north * north;
        let b = -2.0 * distance * forward;
        let c = distance * distance - ellipsoid.semi_major * ellipsoid.semi_major;
        let discriminant = b * b - 4.0 * a * c;
        if !(discriminant >= 0.0 && forward > 0.0) {
            return None;
        }
        let reach = (-b - discriminant.sqrt()) / (2.0 * a);
        let (along, east, north) = (distance - reach * forward, reach * east, reach * north);
        let latitude = (squash * north).atan2(along.hypot(east));
        Some(LonLat {
            longitude: self.longitude + east.atan2(along).to_degrees(),
            latitude: latitude.to_degrees(),
        })
    }

    /// The angles under which a point is seen; `None` behind the earth's rim.
    pub(super) fn forward(&self, ellipsoid: &Ellipsoid, point: LonLat) -> Option<(f64, f64)> {
        let e2 = ellipsoid.eccentricity_squared;
        let (sine, cosine) = point.latitude.to_radians().sin_cos();
        let (east, along) = turn(point.longitude - self.longitude).to_radians().sin_cos();
        // The point from the earth's centre: towards the satellite, to the east and to the north.
        let curvature = ellipsoid.semi_major / (1.0 - e2 * sine * sine).sqrt();
        let (along, east, north) =
            (curvature * cosine * along, curvature * cosine * east, curvature * (1.0 - e2) * sine);
        let distance = self.height + ellipsoid.semi_major;
        if along * distance < ellipsoid.semi_major * ellipsoid.semi_major {
            return None;
        }
        let forward = distance - along;
        Some(match self.sweep {
            Sweep::X => (east.atan2(forward.hypot(north)), north.atan2(forward)),
            Sweep::Y => (east.atan2(forward), north.atan2(forward.hypot(east))),
        })
    }

    pub(super) fn proj_terms(&self) -> String {
        let sweep = if self.sweep == Sweep::X { 'x' } else { 'y' };
        format!("+proj=geos +h={} +lon_0={} +sweep={sweep}", self.height, self.longitude)
    }
}
