//! Maps on cones: Lambert's conformal and Albers' equal-area.

use std::f64::consts::{FRAC_PI_2, PI};

use super::{Ellipsoid, LonLat, Parameters, turn};

/// Cones that are flatter are cylinders: the formulas have no digits left.
const LEAST_CONE: f64 = 1e-6;

/// What both conic maps are made from.
#[derive(Debug, Clone, PartialEq)]
struct Cone {
    /// Radians.
    parallels: (f64, f64),
    /// Radians.
    origin_latitude: f64,
    /// Degrees.
    central_longitude: f64,
}

impl Cone {
    fn of(parameters: &Parameters<'_>) -> Option<Self> {
        let origin = parameters.optional("latitude_of_projection_origin", Parameters::latitude)?;
        let parallels = parameters.optional("standard_parallel", Parameters::parallels)?;
        let parallels = parallels.or_else(|| origin.map(|origin| (origin, origin)))?;
        let longitudes = ["longitude_of_central_meridian", "longitude_of_projection_origin"];
        Some(Self {
            parallels,
            origin_latitude: origin.unwrap_or(0.0),
            central_longitude: parameters.any(&longitudes)?,
        })
    }

    /// The angle and distance from the apex at a point of the plane, and the longitude there (Snyder 14-9 to 14-11).
    fn around_apex(&self, n: f64, apex_distance: f64, x: f64, y: f64) -> Option<(f64, f64)> {
        let sign = n.signum();
        let rho = x.hypot(apex_distance - y);
        let angle = (sign * x).atan2(sign * (apex_distance - y));
        let turn = angle / n;
        // Beyond half a turn is the gap where the cone was cut.
        (turn.abs() <= PI * (1.0 + 1e-9)).then(|| (rho, self.central_longitude + turn.to_degrees()))
    }

    /// The point of the plane at a distance from the apex, which has the sign of `n` (Snyder 14-1, 14-2 and 14-4).
    fn in_plane(&self, n: f64, apex_distance: f64, rho: f64, longitude: f64) -> (f64, f64) {
        let angle = n * turn(longitude - self.central_longitude).to_radians();
        (rho * angle.sin(), apex_distance - rho * angle.cos())
    }

    fn proj_terms(&self, name: &str) -> String {
        let (first, second) = self.parallels;
        format!(
            "+proj={name} +lat_1={} +lat_2={} +lat_0={} +lon_0={}",
            first.to_degrees(),
            second.to_degrees(),
            self.origin_latitude.to_degrees(),
            self.central_longitude
        )
    }
}

/// Lambert's conformal conic projection.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct LambertConformal {
    cone: Cone,
    /// Along the parallels.
    scale: f64,
    n: f64,
    /// Distance from the apex in metres for a `t` of 1.
    radius: f64,
    apex_distance: f64,
}

impl LambertConformal {
    /// Snyder 15-7 to 15-10 and 14-12.
    pub(super) fn of(parameters: &Parameters<'_>, ellipsoid: &Ellipsoid) -> Option<Self> {
        let cone = Cone::of(parameters)?;
        let (first, second) = cone.parallels;
        let (m1, t1) = (ellipsoid.m(first), ellipsoid.t(first));
        let n = if (first - second).abs() < 1e-10 {
            first.sin()
        } else {
            (m1.ln() - ellipsoid.m(second).ln()) / (t1.ln() - ellipsoid.t(second).ln())
        };
        let scale = parameters.number_or("scale_factor_at_projection_origin", 1.0)?;
        let radius = scale * ellipsoid.semi_major * m1 / (n * t1.powf(n));
        let apex_distance = radius * ellipsoid.t(cone.origin_latitude).powf(n);
        let is_map = scale > 0.0 && n.abs() > LEAST_CONE && radius.is_finite() && apex_distance.is_finite();
        is_map.then_some(Self { cone, scale, n, radius, apex_distance })
    }

    /// Snyder 14-9 to 14-11, 15-11 and 7-9.
    pub(super) fn inverse(&self, ellipsoid: &Ellipsoid, x: f64, y: f64) -> Option<LonLat> {
        let (rho, longitude) = self.cone.around_apex(self.n, self.apex_distance, x, y)?;
        if rho == 0.0 {
            return Some(LonLat {
                longitude: self.cone.central_longitude,
                latitude: 90_f64.copysign(self.n),
            });
        }
        let t = (rho / self.radius.abs()).powf(1.0 / self.n);
        Some(LonLat { longitude, latitude: ellipsoid.latitude_of_t(t).to_degrees().clamp(-90.0, 90.0) })
    }

    /// Snyder 15-7; `None` at the pole that the map never reaches.
    pub(super) fn forward(&self, ellipsoid: &Ellipsoid, point: LonLat) -> Option<(f64, f64)> {
        let latitude = point.latitude.to_radians();
        let from_apex = FRAC_PI_2 - latitude * self.n.signum();
        if from_apex > PI - 1e-9 {
            return None;
        }
        let rho = if from_apex < 1e-12 { 0.0 } else { self.radius * ellipsoid.t(latitude).powf(self.n) };
        Some(self.cone.in_plane(self.n, self.apex_distance, rho, point.longitude))
    }

    pub(super) fn proj_terms(&self) -> String {
        let terms = self.cone.proj_terms("lcc");
        if self.scale == 1.0 { terms } else { format!("{terms} +k_0={}", self.scale) }
    }
}

/// Albers' equal-area conic projection.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Albers {
    cone: Cone,
    n: f64,
    c: f64,
    apex_distance: f64,
}

impl Albers {
    /// Snyder 14-12 to 14-14.
    pub(super) fn of(parameters: &Parameters<'_>, ellipsoid: &Ellipsoid) -> Option<Self> {
        let cone = Cone::of(parameters)?;
        let (first, second) = cone.parallels;
        let (m1, q1) = (ellipsoid.m(first), ellipsoid.q(first));
        let n = if (first - second).abs() < 1e-10 {
            first.sin()
        } else {
            let m2 = ellipsoid.m(second);
            (m1 * m1 - m2 * m2) / (ellipsoid.q(second) - q1)
        };
        let c = m1 * m1 + n * q1;
        let apex_distance = ellipsoid.semi_major * (c - n * ellipsoid.q(cone.origin_latitude)).sqrt() / n;
        (n.abs() > LEAST_CONE && apex_distance.is_finite()).then_some(Self { cone, n, c, apex_distance })
    }

    /// Snyder 14-9 to 14-11, 14-19 and 3-16.
    pub(super) fn inverse(&self, ellipsoid: &Ellipsoid, x: f64, y: f64) -> Option<LonLat> {
        let (rho, longitude) = self.cone.around_apex(self.n, self.apex_distance, x, y)?;
        let reach = rho * self.n / ellipsoid.semi_major;
        let latitude = ellipsoid.latitude_of_q((self.c - reach * reach) / self.n)?;
        Some(LonLat { longitude, latitude: latitude.to_degrees() })
    }

    /// Snyder 14-3; `None` where areas would be negative.
    pub(super) fn forward(&self, ellipsoid: &Ellipsoid, point: LonLat) -> Option<(f64, f64)> {
        let squared = self.c - self.n * ellipsoid.q(point.latitude.to_radians());
        if squared < -1e-9 {
            return None;
        }
        let rho = ellipsoid.semi_major * squared.max(0.0).sqrt() / self.n;
        Some(self.cone.in_plane(self.n, self.apex_distance, rho, point.longitude))
    }

    pub(super) fn proj_terms(&self) -> String {
        self.cone.proj_terms("aea")
    }
}
