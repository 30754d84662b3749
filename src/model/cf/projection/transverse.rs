//! The transverse Mercator projection.

use super::{Ellipsoid, LonLat, Parameters, turn};

/// How far from the central meridian the series are followed, in radians of the rectifying sphere.
const MAX_ETA: f64 = 2.0;

/// The transverse Mercator projection of an ellipsoid by series in its third flattening.
///
/// # Source
/// C. F. F. Karney, *Transverse Mercator with an accuracy of a few nanometers*, J. Geodesy 85 (2011), equations 7 to 35
/// to the fourth order: better than a millimetre within 4,000 km of the central meridian. Snyder's series (8-17) fails
/// beyond a few degrees.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct TransverseMercator {
    /// Degrees.
    central_longitude: f64,
    /// Degrees.
    origin_latitude: f64,
    scale: f64,
    eccentricity: f64,
    /// Metres of the plane for one radian of the rectifying sphere, scaled.
    radius: f64,
    /// Coefficients from the conformal sphere to the plane.
    alpha: [f64; 4],
    /// Coefficients from the plane to the conformal sphere.
    beta: [f64; 4],
    /// Northing of the origin in radians of the rectifying sphere.
    origin: f64,
}

impl TransverseMercator {
    pub(super) fn of(parameters: &Parameters<'_>, ellipsoid: &Ellipsoid) -> Option<Self> {
        let longitudes = ["longitude_of_central_meridian", "longitude_of_projection_origin"];
        let central_longitude = parameters.any(&longitudes)?;
        let scales = ["scale_factor_at_central_meridian", "scale_factor_at_projection_origin"];
        let scale = parameters.any_or(&scales, 1.0)?;
        let origin_latitude = parameters.number_or("latitude_of_projection_origin", 0.0)?;
        let ratio = (1.0 - ellipsoid.eccentricity_squared).sqrt();
        let n = (1.0 - ratio) / (1.0 + ratio);
        let (n2, n3, n4) = (n * n, n.powi(3), n.powi(4));
        let rectifying = ellipsoid.semi_major / (1.0 + n) * (1.0 + n2 / 4.0 + n4 / 64.0);
        let alpha = [
            n / 2.0 - 2.0 * n2 / 3.0 + 5.0 * n3 / 16.0 + 41.0 * n4 / 180.0,
            13.0 * n2 / 48.0 - 3.0 * n3 / 5.0 + 557.0 * n4 / 1440.0,
            61.0 * n3 / 240.0 - 103.0 * n4 / 140.0,
            49_561.0 * n4 / 161_280.0,
        ];
        let beta = [
            n / 2.0 - 2.0 * n2 / 3.0 + 37.0 * n3 / 96.0 - n4 / 360.0,
            n2 / 48.0 + n3 / 15.0 - 437.0 * n4 / 1440.0,
            17.0 * n3 / 480.0 - 37.0 * n4 / 840.0,
            4397.0 * n4 / 161_280.0,
        ];
        let conformal = conformal_latitude(origin_latitude.to_radians(), ellipsoid.eccentricity());
        let waves = alpha.iter().zip([2.0, 4.0, 6.0, 8.0]).map(|(a, k)| a * (k * conformal).sin());
        let origin = conformal + waves.sum::<f64>();
        (scale > 0.0 && origin_latitude.abs() <= 90.0).then(|| Self {
            central_longitude,
            origin_latitude,
            scale,
            eccentricity: ellipsoid.eccentricity(),
            radius: rectifying * scale,
            alpha,
            beta,
            origin,
        })
    }

    pub(super) fn inverse(&self, x: f64, y: f64) -> Option<LonLat> {
        let (xi, eta) = (y / self.radius + self.origin, x / self.radius);
        if eta.abs() > MAX_ETA {
            return None;
        }
        let (mut xi_c, mut eta_c) = (xi, eta);
        for (beta, k) in self.beta.iter().zip([2.0, 4.0, 6.0, 8.0]) {
            xi_c -= beta * (k * xi).sin() * (k * eta).cosh();
            eta_c -= beta * (k * xi).cos() * (k * eta).sinh();
        }
        let sine = (xi_c.sin() / eta_c.cosh()).clamp(-1.0, 1.0);
        let turn = eta_c.sinh().atan2(xi_c.cos());
        let latitude = geographic_latitude(sine.asin(), self.eccentricity);
        Some(LonLat {
            longitude: self.central_longitude + turn.to_degrees(),
            latitude: latitude.to_degrees(),
        })
    }

    /// Karney's equations 7 to 11; `None` where the series are not followed.
    pub(super) fn forward(&self, point: LonLat) -> Option<(f64, f64)> {
        let tangent = conformal_latitude(point.latitude.to_radians(), self.eccentricity).tan();
        let (sine, cosine) = turn(point.longitude - self.central_longitude).to_radians().sin_cos();
        let (xi_c, eta_c) = (tangent.atan2(cosine), (sine / tangent.hypot(cosine)).asinh());
        if eta_c.is_nan() || eta_c.abs() > MAX_ETA {
            return None;
        }
        let (mut xi, mut eta) = (xi_c, eta_c);
        for (alpha, k) in self.alpha.iter().zip([2.0, 4.0, 6.0, 8.0]) {
            xi += alpha * (k * xi_c).sin() * (k * eta_c).cosh();
            eta += alpha * (k * xi_c).cos() * (k * eta_c).sinh();
        }
        (eta.abs() <= MAX_ETA).then_some((self.radius * eta, self.radius * (xi - self.origin)))
    }

    pub(super) fn proj_terms(&self) -> String {
        format!(
            "+proj=tmerc +lat_0={} +lon_0={} +k_0={}",
            self.origin_latitude, self.central_longitude, self.scale
        )
    }
}

/// Snyder 3-1.
fn conformal_latitude(latitude: f64, e: f64) -> f64 {
    let sine = latitude.sin();
    ((sine.atanh() - e * (e * sine).atanh()).sinh()).atan()
}

/// Snyder 3-4: the latitude of a conformal latitude, by iteration.
fn geographic_latitude(conformal: f64, e: f64) -> f64 {
    let isometric = conformal.sin().atanh();
    let mut sine = conformal.sin();
    for _ in 0..20 {
        let next = (isometric + e * (e * sine).atanh()).tanh();
        let step = (next - sine).abs();
        sine = next;
        if step < 1e-15 {
            break;
        }
    }
    sine.clamp(-1.0, 1.0).asin()
}
