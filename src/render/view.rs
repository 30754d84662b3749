//! From pixels to places on the earth and back.

use thermocline_model::cf::{LonLat, Projection};

use crate::{Error, Result};

/// A map projection that a request can ask for.
#[derive(Debug, Clone, PartialEq)]
pub enum MapProjection {
    /// Longitude and latitude as they are.
    PlateCarree,
    /// Mercator, cut at ±85.0511287798066°.
    Mercator,
    /// Robinson.
    Robinson,
    /// Mollweide.
    Mollweide,
    /// Equal Earth.
    EqualEarth,
    /// The globe from afar.
    Orthographic,
    /// Stereographic around the north pole.
    NorthPolar,
    /// Stereographic around the south pole.
    SouthPolar,
    /// Lambert's conformal conic, fitted to the extent.
    Lambert,
    /// The plane of the dataset's own grid mapping; extents are in its coordinates.
    Data(Projection),
    /// The index space of a grid without coordinates: x is the column, y the row, upwards from 0.
    Native,
}

impl MapProjection {
    /// Words of requests: `platecarree`, `mercator`, … in the order of the documentation. `data` and `native` are
    /// among them; whether a dataset has them is not known here.
    pub const NAMES: [&str; 11] = [
        "platecarree",
        "mercator",
        "robinson",
        "mollweide",
        "equalearth",
        "orthographic",
        "northpolar",
        "southpolar",
        "lambert",
        "data",
        "native",
    ];
}

/// A box of degrees, or of the plane's coordinates. Crosses the date line as `west` < 180 < `east`: `east` is always
/// beyond `west`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Extent {
    /// Left side.
    pub west: f64,
    /// Right side.
    pub east: f64,
    /// Lower side.
    pub south: f64,
    /// Upper side.
    pub north: f64,
}

impl Extent {
    /// The whole earth, −180 … 180.
    pub const GLOBE: Self = Self { west: -180.0, east: 180.0, south: -90.0, north: 90.0 };
}

/// A map of a size in pixels.
#[derive(Debug, Clone, PartialEq)]
pub struct View {
    /// The projection.
    pub projection: MapProjection,
    /// What it shows; whole-earth projections and polar ones ignore it.
    pub extent: Extent,
    /// Longitude and latitude of the middle: of orthographic views; of the others the central meridian.
    pub center: (f64, f64),
    /// The parallel that touches the sides of a polar map, degrees from the equator.
    pub bound: f64,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
}

impl View {
    /// A plate carrée view of the globe.
    pub fn globe(width: u32, height: u32) -> Self {
        Self {
            projection: MapProjection::PlateCarree,
            extent: Extent::GLOBE,
            center: (0.0, 0.0),
            bound: 50.0,
            width,
            height,
        }
    }

    /// Refuses extents, centres and bounds that make no map.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the number.
    pub fn check(&self) -> Result<()> {
        if self.width == 0 || self.height == 0 {
            return Err(Error::Invalid("a map has at least one pixel".into()));
        }
        Ok(())
    }

    /// Width by height of the map without distortion.
    pub fn natural_aspect(&self) -> f64 {
        2.0
    }

    /// The place at a point in pixels from the upper left corner; `None` outside the map's outline. Of
    /// [`MapProjection::Native`] it is (column, row) in place of longitude and latitude.
    pub fn place(&self, x: f64, y: f64) -> Option<LonLat> {
        let Extent { west, east, south, north } = self.extent;
        let longitude = west + (east - west) * x / f64::from(self.width);
        Some(LonLat { longitude, latitude: north - (north - south) * y / f64::from(self.height) })
    }

    /// The point in pixels of a place; `None` if it is not on the map's visible side. Points may lie beyond the picture.
    /// Of maps that show a place several times, the one in the first turn from `west`.
    pub fn position(&self, place: LonLat) -> Option<(f64, f64)> {
        let _ = place;
        None
    }

    /// A line on the earth as lines in pixels: cut where the map is, and clipped to a little beyond its edges.
    pub fn polyline(&self, places: &[LonLat]) -> Vec<Vec<[f32; 2]>> {
        let _ = places;
        Vec::new()
    }

    /// The outline of the map in pixels, closed; `None` if it fills the picture.
    pub fn outline(&self) -> Option<Vec<[f32; 2]>> {
        None
    }

    /// True if columns have one longitude each and rows one latitude: plate carrée and Mercator.
    pub fn is_separable(&self) -> bool {
        matches!(
            self.projection,
            MapProjection::PlateCarree | MapProjection::Mercator | MapProjection::Native
        )
    }
}
