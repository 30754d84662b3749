//! Places as directions from the middle of the earth, where longitudes have no ends and poles are places like others.

use rayon::prelude::*;
use thermocline_model::cf::LonLat;

use crate::{Error, Result};

/// A direction from the middle of the earth: towards 0° E on the equator, 90° E, and the north pole.
pub(super) type Direction = [f64; 3];

/// Fixed point: a unit is 6 mm on the earth.
const SCALE: f64 = (1_i64 << 30) as f64;

/// Latitudes that pass a pole by more than rounding are no latitudes.
const LATITUDE_SLACK: f64 = 1e-3;

/// Longitudes further around the globe are no longitudes.
const MAX_LONGITUDE: f64 = 1e6;

/// A unit vector in twelve bytes, to 6 mm on the earth. Equal places are equal bytes: what cells share has no rounding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Place([i32; 3]);

impl Place {
    /// No place.
    pub(super) const MISSING: Self = Self([0; 3]);

    /// The place at degrees; missing for what is none.
    pub(super) fn new(longitude: f64, latitude: f64) -> Self {
        if !(longitude.abs() <= MAX_LONGITUDE && latitude.abs() <= 90.0 + LATITUDE_SLACK) {
            return Self::MISSING;
        }
        let (sine, cosine) = longitude.to_radians().sin_cos();
        let latitude = latitude.clamp(-90.0, 90.0);
        // The cosine of a right angle is a hair beside 0, in as many directions as there are longitudes.
        let (up, out) =
            if latitude.abs() == 90.0 { (latitude.signum(), 0.0) } else { latitude.to_radians().sin_cos() };
        Self::rounded(&[out * cosine, out * sine, up])
    }

    /// The place in a direction of any length; missing for none.
    pub(super) fn towards(direction: &Direction) -> Self {
        match normalized(direction) {
            Some(unit) => Self::rounded(&unit),
            None => Self::MISSING,
        }
    }

    fn rounded(unit: &Direction) -> Self {
        Self(unit.map(|part| (part * SCALE).round() as i32))
    }

    /// True if it is no place.
    pub(super) fn is_missing(self) -> bool {
        self == Self::MISSING
    }

    /// Its coordinate along one axis, for ordering.
    pub(super) fn along(self, axis: usize) -> i32 {
        self.0[axis % 3]
    }

    /// A number that differs for most places.
    pub(super) fn hash(self) -> u64 {
        let [x, y, z] = self.0.map(|part| u64::from(part as u32));
        let mixed = (x ^ y << 32).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ z.wrapping_mul(0xd6e8_feb8_6659_fd93);
        (mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 20
    }

    /// Its direction, of length 1 but for rounding.
    pub(super) fn direction(self) -> Direction {
        self.0.map(|part| f64::from(part) * (1.0 / SCALE))
    }

    /// In degrees, −180 … 180; `None` if it is missing.
    pub(super) fn degrees(self) -> Option<LonLat> {
        (!self.is_missing()).then(|| degrees(&self.direction()))
    }
}

/// The direction of a place; `None` for what is none.
pub(super) fn direction(place: LonLat) -> Option<Direction> {
    if !place.longitude.is_finite() || !(-90.0..=90.0).contains(&place.latitude) {
        return None;
    }
    let (sine, cosine) = place.longitude.to_radians().sin_cos();
    let (up, out) = place.latitude.to_radians().sin_cos();
    Some([out * cosine, out * sine, up])
}

/// Longitude and latitude of a direction.
pub(super) fn degrees(direction: &Direction) -> LonLat {
    let [x, y, z] = *direction;
    LonLat { longitude: y.atan2(x).to_degrees(), latitude: z.atan2(x.hypot(y)).to_degrees() }
}

/// The same direction with length 1; `None` for none.
pub(super) fn normalized(direction: &Direction) -> Option<Direction> {
    let length = dot(direction, direction).sqrt();
    (length > 1e-12 && length.is_finite()).then(|| direction.map(|part| part / length))
}

pub(super) fn dot(one: &Direction, other: &Direction) -> f64 {
    one[0] * other[0] + one[1] * other[1] + one[2] * other[2]
}

pub(super) fn cross(one: &Direction, other: &Direction) -> Direction {
    [
        one[1] * other[2] - one[2] * other[1],
        one[2] * other[0] - one[0] * other[2],
        one[0] * other[1] - one[1] * other[0],
    ]
}

pub(super) fn plus(one: &Direction, other: &Direction, times: f64) -> Direction {
    [one[0] + other[0] * times, one[1] + other[1] * times, one[2] + other[2] * times]
}

/// The squared length of the way through the earth between two directions of length 1.
pub(super) fn squared_distance(one: &Direction, other: &Direction) -> f64 {
    let way = plus(one, other, -1.0);
    dot(&way, &way)
}

/// The places at degrees, in parallel.
///
/// # Errors
/// [`Error::Invalid`] for as many longitudes as there are not latitudes.
pub(super) fn places(longitudes: Vec<f64>, latitudes: Vec<f64>) -> Result<Vec<Place>> {
    if longitudes.len() != latitudes.len() {
        return Err(Error::Invalid(format!(
            "{} longitudes have {} latitudes",
            longitudes.len(),
            latitudes.len()
        )));
    }
    let both = longitudes.par_iter().zip(&latitudes);
    Ok(both.map(|(longitude, latitude)| Place::new(*longitude, *latitude)).collect())
}
