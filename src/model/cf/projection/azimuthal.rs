//! Maps around a point: polar stereographic and Lambert's azimuthal equal-area.

use std::f64::consts::FRAC_PI_2;

use super::{Ellipsoid, LonLat, Parameters, turn};

/// Latitudes within this of a pole are the pole, in radians.
const AT_POLE: f64 = 1e-9;

/// The stereographic projection around a pole.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct PolarStereographic {
    is_north: bool,
    /// Degrees.
    vertical_longitude: f64,
    /// Distance from the pole in metres for a `t` of 1.
    radius: f64,
    scale: Scale,
}

/// Where the map is true to scale.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Scale {
    /// Along this parallel, in degrees.
    Parallel(f64),
    /// At the pole times this.
    AtPole(f64),
}

impl PolarStereographic {
    pub(super) fn of(parameters: &Parameters<'_>, ellipsoid: &Ellipsoid) -> Option<Self> {
        let parallel = parameters.optional("standard_parallel", Parameters::latitude)?;
        let origin = parameters.optional("latitude_of_projection_origin", Parameters::latitude)?;
        let origin = origin.or(parallel)?;
        let is_north = origin > 0.0;
        let longitudes = [
            "straight_vertical_longitude_from_pole",
            "longitude_of_projection_origin",
            "longitude_of_central_meridian",
        ];
        let vertical_longitude = parameters.any(&longitudes)?;
        let (a, e) = (ellipsoid.semi_major, ellipsoid.eccentricity());
        let at_pole = |k: f64| 2.0 * a * k / ((1.0 + e).powf(1.0 + e) * (1.0 - e).powf(1.0 - e)).sqrt();
        let (radius, scale) = match parallel.map(f64::abs).filter(|parallel| *parallel < FRAC_PI_2 - AT_POLE)
        {
            Some(parallel) => (a * ellipsoid.m(parallel) / ellipsoid.t(parallel), {
                Scale::Parallel(if is_north { parallel } else { -parallel }.to_degrees())
            }),
            None => {
                let k = parameters.number_or("scale_factor_at_projection_origin", 1.0)?;
                (at_pole(k), Scale::AtPole(k))
            }
        };
        (radius > 0.0 && radius.is_finite()).then_some(Self { is_north, vertical_longitude, radius, scale })
    }

    /// The stereographic projection around any point, of which only those around a pole are known.
    pub(super) fn of_stereographic(parameters: &Parameters<'_>, ellipsoid: &Ellipsoid) -> Option<Self> {
        let origin = parameters.latitude("latitude_of_projection_origin")?;
        if origin.abs() > FRAC_PI_2 - AT_POLE { Self::of(parameters, ellipsoid) } else { None }
    }

    pub(super) fn is_north(&self) -> bool {
        self.is_north
    }

    /// Snyder 20-16 to 20-18, 21-39 and 21-40 with the signs of the southern aspect.
    pub(super) fn inverse(&self, ellipsoid: &Ellipsoid, x: f64, y: f64) -> Option<LonLat> {
        let latitude = ellipsoid.latitude_of_t(x.hypot(y) / self.radius).to_degrees();
        let (latitude, angle) = if self.is_north { (latitude, x.atan2(-y)) } else { (-latitude, x.atan2(y)) };
        Some(LonLat {
            longitude: self.vertical_longitude + angle.to_degrees(),
            latitude: latitude.clamp(-90.0, 90.0),
        })
    }

    /// Snyder 21-5, 21-6 and 21-34 with the signs of the southern aspect; `None` at the other pole.
    pub(super) fn forward(&self, ellipsoid: &Ellipsoid, point: LonLat) -> Option<(f64, f64)> {
        let sign = if self.is_north { 1.0 } else { -1.0 };
        let latitude = sign * point.latitude.to_radians();
        if latitude < AT_POLE - FRAC_PI_2 {
            return None;
        }
        let rho = self.radius * ellipsoid.t(latitude);
        let (sine, cosine) = turn(point.longitude - self.vertical_longitude).to_radians().sin_cos();
        Some((rho * sine, -sign * rho * cosine))
    }

    pub(super) fn proj_terms(&self) -> String {
        let pole = if self.is_north { 90 } else { -90 };
        let scale = match self.scale {
            Scale::Parallel(parallel) => format!("+lat_ts={parallel}"),
            Scale::AtPole(k) => format!("+k_0={k}"),
        };
        format!("+proj=stere +lat_0={pole} {scale} +lon_0={}", self.vertical_longitude)
    }
}

/// Lambert's azimuthal equal-area projection.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct LambertAzimuthal {
    /// Radians.
    central_latitude: f64,
    /// Degrees.
    central_longitude: f64,
}

impl LambertAzimuthal {
    pub(super) fn of(parameters: &Parameters<'_>, _: &Ellipsoid) -> Option<Self> {
        Some(Self {
            central_latitude: parameters.latitude("latitude_of_projection_origin")?,
            central_longitude: parameters.number("longitude_of_projection_origin")?,
        })
    }

    /// Which pole the map is around; `None` if it is around none.
    pub(super) fn is_north_polar(&self) -> Option<bool> {
        (self.central_latitude.abs() > FRAC_PI_2 - AT_POLE).then_some(self.central_latitude > 0.0)
    }

    /// Snyder 24-26 to 24-31; a sphere is an ellipsoid without eccentricity.
    pub(super) fn inverse(&self, ellipsoid: &Ellipsoid, x: f64, y: f64) -> Option<LonLat> {
        let q_pole = ellipsoid.q(FRAC_PI_2);
        if let Some(is_north) = self.is_north_polar() {
            let distance = x.hypot(y) / ellipsoid.semi_major;
            let q = q_pole - distance * distance;
            let latitude = ellipsoid.latitude_of_q(q)?.to_degrees();
            let (latitude, angle) = if is_north { (latitude, x.atan2(-y)) } else { (-latitude, x.atan2(y)) };
            return Some(LonLat { longitude: self.central_longitude + angle.to_degrees(), latitude });
        }
        let radius = ellipsoid.semi_major * (q_pole / 2.0).sqrt();
        let beta_origin = (ellipsoid.q(self.central_latitude) / q_pole).clamp(-1.0, 1.0).asin();
        let d = ellipsoid.semi_major * ellipsoid.m(self.central_latitude) / (radius * beta_origin.cos());
        let rho = (x / d).hypot(d * y);
        if rho < 1e-9 {
            let latitude = self.central_latitude.to_degrees();
            return Some(LonLat { longitude: self.central_longitude, latitude });
        }
        let half = rho / (2.0 * radius);
        if half > 1.0 {
            return None;
        }
        let (sine, cosine) = (2.0 * half.asin()).sin_cos();
        let q = q_pole * (cosine * beta_origin.sin() + d * y * sine * beta_origin.cos() / rho);
        let east = x * sine;
        let north = d * rho * beta_origin.cos() * cosine - d * d * y * beta_origin.sin() * sine;
        Some(LonLat {
            longitude: self.central_longitude + east.atan2(north).to_degrees(),
            latitude: ellipsoid.latitude_of_q(q)?.to_degrees(),
        })
    }

    /// Snyder 24-17 to 24-25; `None` at the point opposite to the middle.
    pub(super) fn forward(&self, ellipsoid: &Ellipsoid, point: LonLat) -> Option<(f64, f64)> {
        let q_pole = ellipsoid.q(FRAC_PI_2);
        let latitude = point.latitude.to_radians();
        let (sine, cosine) = turn(point.longitude - self.central_longitude).to_radians().sin_cos();
        if let Some(is_north) = self.is_north_polar() {
            let sign = if is_north { 1.0 } else { -1.0 };
            let rho = ellipsoid.semi_major * (q_pole - ellipsoid.q(sign * latitude)).max(0.0).sqrt();
            return Some((rho * sine, -sign * rho * cosine));
        }
        let radius = ellipsoid.semi_major * (q_pole / 2.0).sqrt();
        let beta_of = |latitude: f64| (ellipsoid.q(latitude) / q_pole).clamp(-1.0, 1.0).asin();
        let (sine_origin, cosine_origin) = beta_of(self.central_latitude).sin_cos();
        let (sine_beta, cosine_beta) = beta_of(latitude).sin_cos();
        let d = ellipsoid.semi_major * ellipsoid.m(self.central_latitude) / (radius * cosine_origin);
        let facing = 1.0 + sine_origin * sine_beta + cosine_origin * cosine_beta * cosine;
        if facing < 1e-12 {
            return None;
        }
        let b = radius * (2.0 / facing).sqrt();
        let north = cosine_origin * sine_beta - sine_origin * cosine_beta * cosine;
        Some((b * d * cosine_beta * sine, b / d * north))
    }

    pub(super) fn proj_terms(&self) -> String {
        format!("+proj=laea +lat_0={} +lon_0={}", self.central_latitude.to_degrees(), self.central_longitude)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::FRAC_PI_4;

    #[test]
    fn forty_five_degrees_lie_at_the_tangent_of_an_eighth_turn_on_a_sphere() {
        let sphere = Ellipsoid { semi_major: 1.0e6, eccentricity_squared: 0.0 };
        assert!((sphere.t(FRAC_PI_4) - (FRAC_PI_4 / 2.0).tan()).abs() < 1e-15);
    }
}
