//! Latitudes and longitudes of a rotated pole.

use super::{LonLat, Parameters};

/// A pole that was moved, in degrees.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct RotatedPole {
    pole_latitude: f64,
    pole_longitude: f64,
    /// Longitude of the true north pole in the rotated grid.
    north_pole_grid_longitude: f64,
}

impl RotatedPole {
    pub(super) fn of(parameters: &Parameters<'_>) -> Option<Self> {
        parameters.latitude("grid_north_pole_latitude")?;
        Some(Self {
            pole_latitude: parameters.number("grid_north_pole_latitude")?,
            pole_longitude: parameters.number("grid_north_pole_longitude")?,
            north_pole_grid_longitude: parameters.number_or("north_pole_grid_longitude", 0.0)?,
        })
    }

    /// A rotation of the sphere by the colatitude of the pole (Snyder 5-7 and 5-8b turned around).
    pub(super) fn inverse(&self, x: f64, y: f64) -> Option<LonLat> {
        if !(-90.0 - 1e-9..=90.0 + 1e-9).contains(&y) {
            return None;
        }
        let (sine, cosine) = y.to_radians().sin_cos();
        let (east, north) = (x - self.north_pole_grid_longitude).to_radians().sin_cos();
        let (pole_sine, pole_cosine) = self.pole_latitude.to_radians().sin_cos();
        // As a vector: towards the pole's meridian, across it, and to the north.
        let along = pole_cosine * sine - pole_sine * cosine * north;
        let across = -cosine * east;
        let up = pole_sine * sine + pole_cosine * cosine * north;
        let (latitude, turn) = (up.atan2(along.hypot(across)), across.atan2(along));
        Some(LonLat { longitude: self.pole_longitude + turn.to_degrees(), latitude: latitude.to_degrees() })
    }

    /// The same rotation the other way round.
    pub(super) fn forward(&self, point: LonLat) -> (f64, f64) {
        let (sine, cosine) = point.latitude.to_radians().sin_cos();
        let (across, along) = (point.longitude - self.pole_longitude).to_radians().sin_cos();
        let (across, along) = (cosine * across, cosine * along);
        let (pole_sine, pole_cosine) = self.pole_latitude.to_radians().sin_cos();
        let north = pole_cosine * sine - pole_sine * along;
        let up = pole_cosine * along + pole_sine * sine;
        let x = (-across).atan2(north).to_degrees() + self.north_pole_grid_longitude;
        (x, up.atan2(north.hypot(across)).to_degrees())
    }

    pub(super) fn proj_terms(&self) -> String {
        format!(
            "+proj=ob_tran +o_proj=longlat +o_lat_p={} +o_lon_p={} +lon_0={}",
            self.pole_latitude,
            self.north_pole_grid_longitude,
            self.pole_longitude + 180.0
        )
    }
}
