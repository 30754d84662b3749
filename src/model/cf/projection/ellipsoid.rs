//! The figure of the earth, and the auxiliary latitudes of it.

use std::f64::consts::FRAC_PI_2;

use super::Parameters;
use crate::Attributes;

/// Most steps of an iteration; each gains at least two digits.
const MAX_STEPS: usize = 20;

/// Where an iteration ends, in radians: a hundredth of a millimetre on the earth.
const ENOUGH: f64 = 1e-12;

/// A sphere or an ellipsoid of revolution.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ellipsoid {
    /// Semi-major axis in metres.
    pub semi_major: f64,
    /// Squared eccentricity; 0 for a sphere.
    pub eccentricity_squared: f64,
}

impl Ellipsoid {
    /// World Geodetic System 1984.
    pub const WGS84: Self = Self { semi_major: 6_378_137.0, eccentricity_squared: 0.006_694_379_990_141_316 };

    /// That of a grid mapping; WGS 84 if it names none, as other readers take it. `None` for numbers that make none.
    ///
    /// # Source
    /// CF Conventions 1.11, appendix F, table F.1.
    pub fn of(attrs: &Attributes) -> Option<Self> {
        let parameters = Parameters::new(attrs);
        let given = |name| parameters.optional(name, Parameters::number);
        let radius = given("earth_radius")?;
        let semi_major = given("semi_major_axis")?.or(radius);
        let (semi_minor, flattening) = (given("semi_minor_axis")?, given("inverse_flattening")?);
        let named = attrs.text("reference_ellipsoid_name").and_then(Self::named);
        let ellipsoid = match (semi_major, semi_minor, flattening) {
            (Some(major), _, Some(inverse)) if inverse != 0.0 => {
                let flattening = 1.0 / inverse;
                Self { semi_major: major, eccentricity_squared: flattening * (2.0 - flattening) }
            }
            (Some(major), Some(minor), _) => {
                Self { semi_major: major, eccentricity_squared: 1.0 - (minor / major) * (minor / major) }
            }
            (Some(major), ..) => Self { semi_major: major, eccentricity_squared: 0.0 },
            (None, ..) => named.unwrap_or(Self::WGS84),
        };
        let is_earth = (1e5..1e8).contains(&ellipsoid.semi_major);
        // Axes that were rounded may make a sphere a hair longer than wide.
        let ellipsoid = Self { eccentricity_squared: ellipsoid.eccentricity_squared.max(0.0), ..ellipsoid };
        (is_earth && ellipsoid.eccentricity_squared < 0.1).then_some(ellipsoid)
    }

    /// One of the ellipsoids that are in use.
    fn named(name: &str) -> Option<Self> {
        let name: String =
            name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
        let inverse = |semi_major: f64, inverse: f64| {
            let flattening = 1.0 / inverse;
            Self { semi_major, eccentricity_squared: flattening * (2.0 - flattening) }
        };
        Some(match name.as_str() {
            "wgs84" | "wgs1984" => Self::WGS84,
            "grs80" | "grs1980" => inverse(6_378_137.0, 298.257_222_101),
            "airy1830" => inverse(6_377_563.396, 299.324_964_6),
            "bessel1841" => inverse(6_377_397.155, 299.152_812_8),
            "clarke1866" => inverse(6_378_206.4, 294.978_698_2),
            "sphere" | "spherical" => Self { semi_major: 6_371_000.0, eccentricity_squared: 0.0 },
            _ => return None,
        })
    }

    /// The eccentricity.
    pub(super) fn eccentricity(&self) -> f64 {
        self.eccentricity_squared.sqrt()
    }

    /// True for a sphere.
    pub(super) fn is_sphere(&self) -> bool {
        self.eccentricity_squared < 1e-12
    }

    /// Semi-minor axis in metres.
    pub(super) fn semi_minor(&self) -> f64 {
        self.semi_major * (1.0 - self.eccentricity_squared).sqrt()
    }

    /// Radius of a parallel in semi-major axes (Snyder 14-15).
    pub(super) fn m(&self, latitude: f64) -> f64 {
        let sine = latitude.sin();
        latitude.cos() / (1.0 - self.eccentricity_squared * sine * sine).sqrt()
    }

    /// The tangent of half the conformal colatitude (Snyder 15-9).
    pub(super) fn t(&self, latitude: f64) -> f64 {
        let e_sine = self.eccentricity() * latitude.sin();
        let shift = ((1.0 - e_sine) / (1.0 + e_sine)).powf(self.eccentricity() / 2.0);
        (FRAC_PI_2 / 2.0 - latitude / 2.0).tan() / shift
    }

    /// The latitude of a `t` (Snyder 7-9).
    pub(super) fn latitude_of_t(&self, t: f64) -> f64 {
        let mut latitude = FRAC_PI_2 - 2.0 * t.atan();
        for _ in 0..MAX_STEPS {
            let e_sine = self.eccentricity() * latitude.sin();
            let shift = ((1.0 - e_sine) / (1.0 + e_sine)).powf(self.eccentricity() / 2.0);
            let next = FRAC_PI_2 - 2.0 * (t * shift).atan();
            let step = (next - latitude).abs();
            latitude = next;
            if step < ENOUGH {
                break;
            }
        }
        latitude
    }

    /// What areas between the equator and a parallel are proportional to (Snyder 3-12).
    pub(super) fn q(&self, latitude: f64) -> f64 {
        let sine = latitude.sin();
        if self.is_sphere() {
            return 2.0 * sine;
        }
        let e = self.eccentricity();
        let e_sine = e * sine;
        (1.0 - self.eccentricity_squared)
            * (sine / (1.0 - e_sine * e_sine) - ((1.0 - e_sine) / (1.0 + e_sine)).ln() / (2.0 * e))
    }

    /// The latitude of a `q` (Snyder 3-16); `None` beyond the poles.
    pub(super) fn latitude_of_q(&self, q: f64) -> Option<f64> {
        let q_pole = self.q(FRAC_PI_2);
        let ratio = q / q_pole;
        if ratio.is_nan() || ratio.abs() > 1.0 + 1e-9 {
            return None;
        }
        if ratio.abs() >= 1.0 - 1e-14 {
            return Some(FRAC_PI_2.copysign(ratio));
        }
        let mut latitude = ratio.asin();
        if self.is_sphere() {
            return Some(latitude);
        }
        let e = self.eccentricity();
        for _ in 0..MAX_STEPS {
            let sine = latitude.sin();
            let e_sine = e * sine;
            let narrow = 1.0 - e_sine * e_sine;
            let missing = q / (1.0 - self.eccentricity_squared) - sine / narrow
                + ((1.0 - e_sine) / (1.0 + e_sine)).ln() / (2.0 * e);
            let step = narrow * narrow / (2.0 * latitude.cos()) * missing;
            if !step.is_finite() {
                break;
            }
            latitude = (latitude + step).clamp(-FRAC_PI_2, FRAC_PI_2);
            if step.abs() < ENOUGH {
                break;
            }
        }
        Some(latitude)
    }

    /// As PROJ writes it.
    pub(super) fn proj_terms(&self) -> String {
        if self.is_sphere() {
            return format!("+R={}", self.semi_major);
        }
        if *self == Self::WGS84 {
            return "+ellps=WGS84".to_owned();
        }
        format!("+a={} +b={}", self.semi_major, self.semi_minor())
    }
}
