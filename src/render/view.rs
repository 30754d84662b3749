//! From pixels to places on the earth and back.
//!
//! # Pixel rules
//! u = x / width and v = y / height of a point in pixels. Maps of an [`Extent`] are linear in u and v between its sides:
//! plate carrée in degrees, Mercator in longitude and ψ = ln tan(45° + φ/2), those of a plane in its coordinates. Of the
//! others the whole map fills the picture in both directions, stretched if the aspect differs, with x = 2u − 1 and
//! y = 1 − 2v.
//!
//! # Source
//! J. P. Snyder, *Map Projections: A Working Manual*, US Geological Survey Professional Paper 1395 (1987): Mercator,
//! Mollweide, orthographic, stereographic, Lambert's conformal conic. A. H. Robinson, *A New Map Projection: Its
//! Development and Characteristics* (1974), for its table. B. Šavrič, T. Patterson, B. Jenny, *The Equal Earth map
//! projection* (2019). The earth is a sphere in all of them.

mod azimuthal;
mod check;
mod compiled;
mod cone;
mod line;
mod pseudocylindrical;
mod separable;

use thermocline_model::cf::{LonLat, Projection};

use crate::Result;

pub use compiled::CompiledView;

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

    /// The word of requests for it, one of [`Self::NAMES`].
    pub fn name(&self) -> &'static str {
        match self {
            Self::PlateCarree => "platecarree",
            Self::Mercator => "mercator",
            Self::Robinson => "robinson",
            Self::Mollweide => "mollweide",
            Self::EqualEarth => "equalearth",
            Self::Orthographic => "orthographic",
            Self::NorthPolar => "northpolar",
            Self::SouthPolar => "southpolar",
            Self::Lambert => "lambert",
            Self::Data(_) => "data",
            Self::Native => "native",
        }
    }
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
    /// [`crate::Error::Invalid`] naming the number.
    pub fn check(&self) -> Result<()> {
        check::check(self)
    }

    /// The form for many places: what does not depend on the place is worked out before.
    pub fn compiled(&self) -> CompiledView<'_> {
        CompiledView::of(self)
    }

    /// Width by height of the map without distortion.
    pub fn natural_aspect(&self) -> f64 {
        let aspect = self.compiled().natural_aspect();
        if aspect.is_finite() && aspect > 0.0 { aspect } else { 1.0 }
    }

    /// The place at a point in pixels from the upper left corner; `None` outside the map's outline. Of
    /// [`MapProjection::Native`] it is (column, row) in place of longitude and latitude. Longitudes may be in any turn.
    ///
    /// ```
    /// use thermocline_render::View;
    ///
    /// let globe = View::globe(360, 180);
    /// let place = globe.place(0.5, 0.5);
    /// assert_eq!(place.map(|place| (place.longitude, place.latitude)), Some((-179.5, 89.5)));
    /// ```
    pub fn place(&self, x: f64, y: f64) -> Option<LonLat> {
        self.compiled().place(x, y)
    }

    /// The point in pixels of a place; `None` if it is not on the map's visible side. Points may lie beyond the picture.
    /// Of maps that show a place several times, the one in the first turn from `west`.
    pub fn position(&self, place: LonLat) -> Option<(f64, f64)> {
        self.compiled().position(place)
    }

    /// A line on the earth as lines in pixels: cut where the map is, and clipped to a little beyond its edges.
    ///
    /// Between its places the line is straight in longitude and latitude, the shorter way round: parallels and
    /// meridians have steps of less than 180°. Places that are no numbers interrupt it. Where the map shows a part of the
    /// earth twice, it is there twice.
    pub fn polyline(&self, places: &[LonLat]) -> Vec<Vec<[f32; 2]>> {
        line::polyline(&self.compiled(), places)
    }

    /// The outline of the map in pixels, closed; `None` if it fills the picture.
    pub fn outline(&self) -> Option<Vec<[f32; 2]>> {
        self.compiled().outline()
    }

    /// True if columns have one longitude each and rows one latitude: plate carrée, Mercator and index space.
    pub fn is_separable(&self) -> bool {
        matches!(
            self.projection,
            MapProjection::PlateCarree | MapProjection::Mercator | MapProjection::Native
        )
    }

    /// The longitude of the centres of a column of pixels; `None` if they have not the same.
    pub fn column_longitude(&self, column: u32) -> Option<f64> {
        self.compiled().column_longitude(column)
    }

    /// The latitude of the centres of a row of pixels; `None` if they have not the same.
    pub fn row_latitude(&self, row: u32) -> Option<f64> {
        self.compiled().row_latitude(row)
    }
}

#[cfg(test)]
mod tests;
