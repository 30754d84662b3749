//! Maps whose columns have one longitude and whose rows have one latitude.

use thermocline_model::cf::LonLat;

use super::Extent;

/// Where Mercator maps are cut, degrees from the equator: there the globe is a square.
pub(super) const MERCATOR_LIMIT: f64 = 85.051_128_779_806_6;

/// Latitudes beyond it are drawn as if they were it: they are beyond every picture.
const MERCATOR_FARTHEST: f64 = 89.9;

/// A map with straight meridians and parallels.
pub(super) struct Separable {
    west: f64,
    width: f64,
    north: f64,
    south: f64,
    /// ψ of north and south of Mercator maps.
    psi: Option<(f64, f64)>,
}

impl Separable {
    pub(super) fn linear(extent: &Extent) -> Self {
        let Extent { west, east, south, north } = *extent;
        Self { west, width: east - west, north, south, psi: None }
    }

    pub(super) fn mercator(extent: &Extent) -> Self {
        let psi = (psi_within(extent.north, MERCATOR_LIMIT), psi_within(extent.south, MERCATOR_LIMIT));
        Self { psi: Some(psi), ..Self::linear(extent) }
    }

    /// True if latitudes are spread evenly.
    pub(super) fn is_linear(&self) -> bool {
        self.psi.is_none()
    }

    pub(super) fn longitude(&self, u: f64) -> f64 {
        self.west + u * self.width
    }

    pub(super) fn latitude(&self, v: f64) -> f64 {
        match self.psi {
            None => self.north - v * (self.north - self.south),
            Some((north, south)) => (north - v * (north - south)).sinh().atan().to_degrees(),
        }
    }

    /// u and v of a place, in the turn of its longitude.
    pub(super) fn forward(&self, place: LonLat) -> (f64, f64) {
        let v = match self.psi {
            None => (self.north - place.latitude) / (self.north - self.south),
            Some((north, south)) => (north - psi_within(place.latitude, MERCATOR_FARTHEST)) / (north - south),
        };
        ((place.longitude - self.west) / self.width, v)
    }

    pub(super) fn aspect(&self) -> f64 {
        match self.psi {
            None => self.width / (self.north - self.south),
            Some((north, south)) => self.width.to_radians() / (north - south),
        }
    }
}

/// ψ = ln tan(45° + φ/2) of a latitude that is cut at ±`limit`.
fn psi_within(latitude: f64, limit: f64) -> f64 {
    latitude.clamp(-limit, limit).to_radians().tan().asinh()
}
