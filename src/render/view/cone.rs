//! Lambert's conformal conic projection, fitted to an extent.
//!
//! Its standard parallels are at 1/6 and 5/6 of the range of latitudes, its meridian in the middle. The picture is the
//! smallest upright box around the extent on the cone, and shows what else lies in it.

use std::f64::consts::FRAC_PI_2;

use thermocline_model::cf::LonLat;

use super::Extent;
use super::check::invalid;
use crate::Result;

/// Farthest latitude on the side of the equator where the cone opens: from there on scales grow beyond use.
const FARTHEST: f64 = 80.0;

/// Below it the cone is as good as a cylinder.
const FLAT: f64 = 1e-6;

/// Largest distance from the cone's tip that is drawn, in units of that of the extent's farthest parallel.
const MAX_DISTANCE: f64 = 100.0;

/// A fitted cone.
pub(super) struct Cone {
    meridian: f64,
    /// The cone's constant: sine of the latitude where it touches; above 0 around the north pole.
    n: f64,
    /// Distance from the tip of the extent's farthest parallel, which becomes 1.
    most: f64,
    west: f64,
    east: f64,
    south: f64,
    north: f64,
}

/// Refuses extents that reach too far to the side where the cone opens.
pub(super) fn check(extent: &Extent) -> Result<()> {
    let Extent { west, east, south, north } = *extent;
    if east - west > 360.0 {
        return invalid(format!("extent: {west} to {east} is wider than 360°, more than lambert shows"));
    }
    let n = constant(south, north);
    if n > -FLAT && south < -FARTHEST {
        return invalid(format!("extent: south {south} is beyond -{FARTHEST}, too far for lambert"));
    }
    if n < FLAT && north > FARTHEST {
        return invalid(format!("extent: north {north} is beyond {FARTHEST}, too far for lambert"));
    }
    Ok(())
}

impl Cone {
    pub(super) fn of(extent: &Extent) -> Self {
        let Extent { west, east, south, north } = *extent;
        let n = constant(south, north);
        let mut cone = Self {
            meridian: (west + east) / 2.0,
            n,
            most: 1.0,
            west: 0.0,
            east: 0.0,
            south: 0.0,
            north: 0.0,
        };
        let angle = ((east - west) / 2.0).to_radians();
        if n.abs() < FLAT {
            (cone.west, cone.east, cone.south, cone.north) = (-angle, angle, psi(south), psi(north));
            return cone;
        }
        let sides = [distance(n, south), distance(n, north)];
        cone.most = sides[0].max(sides[1]);
        let (near, turned) = (sides[0].min(sides[1]) / cone.most, n.abs() * angle);
        // Along the middle, away from the tip: the farthest point is on the meridian, the nearest one on the sides.
        let nearest = turned.cos() * if turned > FRAC_PI_2 { 1.0 } else { near };
        cone.east = turned.min(FRAC_PI_2).sin();
        cone.west = -cone.east;
        (cone.south, cone.north) = if n > 0.0 { (-1.0, -nearest) } else { (nearest, 1.0) };
        cone
    }

    /// The place at u and v; `None` beyond the cut of the cone.
    pub(super) fn inverse(&self, u: f64, v: f64) -> Option<LonLat> {
        let x = self.west + u * (self.east - self.west);
        let y = self.north - v * (self.north - self.south);
        if self.n.abs() < FLAT {
            let longitude = self.meridian + x.to_degrees();
            return Some(LonLat { longitude, latitude: y.sinh().atan().to_degrees() });
        }
        let sign = self.n.signum();
        let east = x.atan2(-sign * y) / self.n.abs();
        if east.abs() > std::f64::consts::PI {
            return None;
        }
        let distance = (x * x + y * y).sqrt() * self.most;
        let latitude = 2.0 * distance.powf(-1.0 / self.n).atan() - FRAC_PI_2;
        Some(LonLat { longitude: self.meridian + east.to_degrees(), latitude: latitude.to_degrees() })
    }

    /// u and v of a place within 180° of the meridian; `None` too far from the tip.
    pub(super) fn forward(&self, place: LonLat) -> Option<(f64, f64)> {
        let east = (place.longitude - self.meridian).to_radians();
        let (x, y) = if self.n.abs() < FLAT {
            (east, psi(place.latitude.clamp(-FARTHEST - 9.0, FARTHEST + 9.0)))
        } else {
            let distance = distance(self.n, place.latitude) / self.most;
            if distance.is_nan() || distance > MAX_DISTANCE {
                return None;
            }
            let (sin, cos) = (self.n.abs() * east).sin_cos();
            (distance * sin, -self.n.signum() * distance * cos)
        };
        Some(((x - self.west) / (self.east - self.west), (self.north - y) / (self.north - self.south)))
    }

    pub(super) fn meridian(&self) -> f64 {
        self.meridian
    }

    pub(super) fn aspect(&self) -> f64 {
        (self.east - self.west) / (self.north - self.south)
    }
}

/// The constant of the cone through the standard parallels of an extent (Snyder, equation 15-3).
fn constant(south: f64, north: f64) -> f64 {
    let sixth = (north - south) / 6.0;
    let (first, second) = (south + sixth, north - sixth);
    if second - first < 1e-6 {
        return first.to_radians().sin();
    }
    (first.to_radians().cos() / second.to_radians().cos()).ln() / (psi(second) - psi(first))
}

/// ψ = ln tan(45° + φ/2).
fn psi(latitude: f64) -> f64 {
    latitude.to_radians().tan().asinh()
}

/// Distance from the tip but for a factor (Snyder, equation 15-1): 0 at the pole within, huge at the other one.
fn distance(n: f64, latitude: f64) -> f64 {
    let half = (FRAC_PI_2 - n.signum() * latitude.to_radians()) / 2.0;
    half.tan().max(0.0).powf(n.abs())
}
