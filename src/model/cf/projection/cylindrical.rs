//! Mercator and sinusoidal maps.

use std::f64::consts::PI;

use super::{Ellipsoid, LonLat, Parameters, turn};

/// Mercator's projection.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Mercator {
    /// Degrees.
    central_longitude: f64,
    /// Scale along the equator.
    scale: f64,
    standard_parallel: Option<f64>,
}

impl Mercator {
    pub(super) fn of(parameters: &Parameters<'_>, ellipsoid: &Ellipsoid) -> Option<Self> {
        let names = ["longitude_of_projection_origin", "longitude_of_central_meridian"];
        let central_longitude = parameters.any_or(&names, 0.0)?;
        let parallels = parameters.optional("standard_parallel", Parameters::parallels)?;
        let standard_parallel = parallels.map(|(parallel, _)| parallel);
        let scale = match standard_parallel {
            Some(parallel) => ellipsoid.m(parallel),
            None => parameters.number_or("scale_factor_at_projection_origin", 1.0)?,
        };
        (scale > 0.0).then_some(Self { central_longitude, scale, standard_parallel })
    }

    /// Snyder 7-4, 7-9 to 7-12.
    pub(super) fn inverse(&self, ellipsoid: &Ellipsoid, x: f64, y: f64) -> Option<LonLat> {
        let radius = ellipsoid.semi_major * self.scale;
        let latitude = ellipsoid.latitude_of_t((-y / radius).exp());
        Some(LonLat {
            longitude: self.central_longitude + (x / radius).to_degrees(),
            latitude: latitude.to_degrees(),
        })
    }

    /// Snyder 7-6 and 7-7; the poles are infinitely far.
    pub(super) fn forward(&self, ellipsoid: &Ellipsoid, point: LonLat) -> (f64, f64) {
        let radius = ellipsoid.semi_major * self.scale;
        let x = radius * turn(point.longitude - self.central_longitude).to_radians();
        let is_pole = point.latitude.abs() >= 90.0;
        (x, if is_pole { f64::INFINITY } else { -radius * ellipsoid.t(point.latitude.to_radians()).ln() })
    }

    /// A whole turn along the equator in metres of the plane.
    pub(super) fn period(&self, ellipsoid: &Ellipsoid) -> f64 {
        2.0 * PI * ellipsoid.semi_major * self.scale
    }

    pub(super) fn proj_terms(&self) -> String {
        let scale = match self.standard_parallel {
            Some(parallel) => format!("+lat_ts={}", parallel.to_degrees()),
            None => format!("+k_0={}", self.scale),
        };
        format!("+proj=merc +lon_0={} {scale}", self.central_longitude)
    }
}

/// The sinusoidal projection.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sinusoidal {
    /// Degrees.
    central_longitude: f64,
}

impl Sinusoidal {
    pub(super) fn of(parameters: &Parameters<'_>) -> Option<Self> {
        let names = ["longitude_of_projection_origin", "longitude_of_central_meridian"];
        Some(Self { central_longitude: parameters.any_or(&names, 0.0)? })
    }

    /// Snyder 30-7 to 30-11, with 3-26 for the latitude of an arc of the meridian.
    pub(super) fn inverse(&self, ellipsoid: &Ellipsoid, x: f64, y: f64) -> Option<LonLat> {
        let e2 = ellipsoid.eccentricity_squared;
        let quarter = 1.0 - e2 / 4.0 - 3.0 * e2 * e2 / 64.0 - 5.0 * e2.powi(3) / 256.0;
        let mu = y / (ellipsoid.semi_major * quarter);
        let root = (1.0 - e2).sqrt();
        let e1 = (1.0 - root) / (1.0 + root);
        let latitude = mu
            + (3.0 * e1 / 2.0 - 27.0 * e1.powi(3) / 32.0) * (2.0 * mu).sin()
            + (21.0 * e1 * e1 / 16.0 - 55.0 * e1.powi(4) / 32.0) * (4.0 * mu).sin()
            + 151.0 * e1.powi(3) / 96.0 * (6.0 * mu).sin()
            + 1097.0 * e1.powi(4) / 512.0 * (8.0 * mu).sin();
        if mu.abs() > PI / 2.0 + 1e-9 {
            return None;
        }
        let parallel = ellipsoid.semi_major * ellipsoid.m(latitude);
        if parallel < 1e-3 {
            return (x.abs() < 1e-3)
                .then_some(LonLat { longitude: self.central_longitude, latitude: latitude.to_degrees() });
        }
        let turn = x / parallel;
        // The map ends at half a turn on both sides; rounding may pass it by a hair.
        (turn.abs() <= PI * (1.0 + 1e-9)).then(|| LonLat {
            longitude: self.central_longitude + turn.to_degrees(),
            latitude: latitude.to_degrees().clamp(-90.0, 90.0),
        })
    }

    /// Snyder 30-8 and 30-9, with 3-21 for the arc of the meridian.
    pub(super) fn forward(&self, ellipsoid: &Ellipsoid, point: LonLat) -> (f64, f64) {
        let (e2, latitude) = (ellipsoid.eccentricity_squared, point.latitude.to_radians());
        let (e4, e6) = (e2 * e2, e2.powi(3));
        let arc = (1.0 - e2 / 4.0 - 3.0 * e4 / 64.0 - 5.0 * e6 / 256.0) * latitude
            - (3.0 * e2 / 8.0 + 3.0 * e4 / 32.0 + 45.0 * e6 / 1024.0) * (2.0 * latitude).sin()
            + (15.0 * e4 / 256.0 + 45.0 * e6 / 1024.0) * (4.0 * latitude).sin()
            - 35.0 * e6 / 3072.0 * (6.0 * latitude).sin();
        let across = turn(point.longitude - self.central_longitude).to_radians();
        (ellipsoid.semi_major * ellipsoid.m(latitude) * across, ellipsoid.semi_major * arc)
    }

    pub(super) fn proj_terms(&self) -> String {
        format!("+proj=sinu +lon_0={}", self.central_longitude)
    }
}
