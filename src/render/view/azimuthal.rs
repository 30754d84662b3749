//! Maps around a point: the globe from afar and the poles.

use thermocline_model::cf::LonLat;

/// The globe seen from afar: a unit disc, north up.
pub(super) struct Orthographic {
    longitude: f64,
    sin: f64,
    cos: f64,
}

impl Orthographic {
    pub(super) fn around((longitude, latitude): (f64, f64)) -> Self {
        let (sin, cos) = latitude.to_radians().sin_cos();
        Self { longitude, sin, cos }
    }

    /// The place at a point of the disc.
    pub(super) fn inverse(&self, x: f64, y: f64) -> Option<LonLat> {
        let square = x * x + y * y;
        if square > 1.0 {
            return None;
        }
        let towards = (1.0 - square).sqrt();
        let sine = towards * self.sin + y * self.cos;
        let longitude = x.atan2(towards * self.cos - y * self.sin).to_degrees() + self.longitude;
        Some(LonLat { longitude, latitude: sine.clamp(-1.0, 1.0).asin().to_degrees() })
    }

    /// The point of the disc; `None` on the far side.
    pub(super) fn forward(&self, place: LonLat) -> Option<(f64, f64)> {
        let (sin, cos) = place.latitude.to_radians().sin_cos();
        let (sin_east, cos_east) = (place.longitude - self.longitude).to_radians().sin_cos();
        let towards = self.sin * sin + self.cos * cos * cos_east;
        let point = (cos * sin_east, self.cos * sin - self.sin * cos * cos_east);
        (towards >= 0.0).then_some(point)
    }
}

/// A pole in stereographic projection. The meridian of the middle points down of the north pole, up of the south pole.
pub(super) struct Polar {
    /// 1 around the north pole, −1 around the south pole.
    sign: f64,
    meridian: f64,
    /// tan of half the distance of the parallel that touches the sides from the pole.
    radius: f64,
}

/// Parallels farther than this from the pole, in degrees, are beyond every picture.
const FARTHEST: f64 = 170.0;

impl Polar {
    pub(super) fn north(meridian: f64, bound: f64) -> Self {
        Self { sign: 1.0, meridian, radius: ((90.0 - bound) / 2.0).to_radians().tan() }
    }

    pub(super) fn south(meridian: f64, bound: f64) -> Self {
        Self { sign: -1.0, ..Self::north(meridian, bound) }
    }

    pub(super) fn inverse(&self, x: f64, y: f64) -> LonLat {
        let distance = 2.0 * ((x * x + y * y).sqrt() * self.radius).atan().to_degrees();
        let longitude = x.atan2(-self.sign * y).to_degrees() + self.meridian;
        LonLat { longitude, latitude: self.sign * (90.0 - distance) }
    }

    pub(super) fn forward(&self, place: LonLat) -> Option<(f64, f64)> {
        let distance = 90.0 - self.sign * place.latitude;
        if distance > FARTHEST {
            return None;
        }
        let radius = (distance / 2.0).to_radians().tan() / self.radius;
        let (sin, cos) = (place.longitude - self.meridian).to_radians().sin_cos();
        Some((radius * sin, -self.sign * radius * cos))
    }
}
