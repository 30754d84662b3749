//! HEALPix grids: where the pixels lie.
//!
//! # Source
//! K. M. Górski et al., *HEALPix: A Framework for High-Resolution Discretization and Fast Analysis of Data Distributed on
//! the Sphere*, Astrophysical Journal 622 (2005), sections 4 and 5. Attributes as models write them
//! (`healpix_nside`, `healpix_order`), as xdggs does (`nside`, `level`, `grid_name`) and as CF Conventions 1.13, appendix F, has them (`refinement_level`,
//! `indexing_scheme`).

use std::cmp::Ordering;

use super::LonLat;
use crate::{Attribute, Attributes};

/// Largest number of pixels along the side of one of the twelve faces.
const MAX_NSIDE: u64 = 1 << 29;

/// Rows of a face's southern corner, in sides of faces from the north pole.
const CORNER_ROW: [f64; 12] = [2.0, 2.0, 2.0, 2.0, 3.0, 3.0, 3.0, 3.0, 4.0, 4.0, 4.0, 4.0];

/// Longitudes of the faces' centres, in eighths of a turn.
const CENTRE: [u8; 12] = [1, 3, 5, 7, 0, 2, 4, 6, 1, 3, 5, 7];

/// How pixels are numbered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HealpixOrder {
    /// Along circles of latitude from the north.
    Ring,
    /// Four children after their parent.
    Nested,
}

/// A HEALPix grid.
///
/// ```
/// use thermocline_model::cf::{Healpix, HealpixOrder};
///
/// let grid = Healpix::new(4, HealpixOrder::Nested).expect("a power of two");
/// assert_eq!(grid.n_pixels(), 192);
/// assert_eq!(grid.corners(192), None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Healpix {
    nside: u64,
    /// `None` if nothing says it: no pixel is known by its number then.
    order: Option<HealpixOrder>,
}

impl Healpix {
    /// A grid of 12·nside² pixels; `None` for sides that make none.
    pub fn new(nside: u64, order: HealpixOrder) -> Option<Self> {
        Self::with(nside, Some(order))
    }

    fn with(nside: u64, order: Option<HealpixOrder>) -> Option<Self> {
        let is_side = (1..=MAX_NSIDE).contains(&nside)
            && (order != Some(HealpixOrder::Nested) || nside.is_power_of_two());
        is_side.then_some(Self { nside, order })
    }

    /// The grid that the attributes of a grid mapping, a variable or a dataset say; `None` if they say none.
    pub fn of(attrs: &Attributes) -> Option<Self> {
        let whole = |name: &str| match attrs.get(name)? {
            Attribute::Text(text) => text.trim().parse::<u64>().ok(),
            value => value
                .as_number()
                .map(|number| number.as_f64())
                .filter(|number| *number >= 0.0 && number.fract() == 0.0)
                .map(|n| n as u64),
        };
        // Sides that cannot be read, or that are not the same, are none.
        let from_level = |name| whole(name).filter(|level| *level < 30).map(|level| 1 << level);
        let sides = ["healpix_nside", "nside"].map(|name| attrs.get(name).map(|_| whole(name)));
        let levels = ["refinement_level", "healpix_zoom", "level"]
            .map(|name| attrs.get(name).map(|_| from_level(name)));
        let mut given = sides.into_iter().chain(levels).flatten();
        let nside = given.next()??;
        if given.any(|other| other != Some(nside)) {
            return None;
        }
        let text = |name: &&str| attrs.text(name);
        let order = ["healpix_order", "indexing_scheme"].iter().find_map(text).map(str::to_ascii_lowercase);
        let order = match order.as_deref() {
            Some("ring") => Some(HealpixOrder::Ring),
            Some("nest" | "nested" | "nesting") => Some(HealpixOrder::Nested),
            _ => None,
        };
        let is_named = ["grid_mapping_name", "grid_name"].iter().any(|name| text(name) == Some("healpix"));
        // A side or a level with an order of pixels is of this grid, alone it may be of anything.
        let is_healpix = is_named || attrs.get("healpix_nside").is_some() || order.is_some();
        if is_healpix { Self::with(nside, order) } else { None }
    }

    /// How many pixels cover the globe.
    pub fn n_pixels(&self) -> u64 {
        12 * self.nside * self.nside
    }

    /// The four corners of a pixel; `None` for a number that none has, or if the order is not known. At a pole,
    /// longitude is that of the pixel's middle.
    pub fn corners(&self, pixel: u64) -> Option<[LonLat; 4]> {
        if pixel >= self.n_pixels() {
            return None;
        }
        let (face, column, row) = match self.order? {
            HealpixOrder::Nested => self.of_nested(pixel),
            HealpixOrder::Ring => self.of_ring(pixel)?,
        };
        let side = self.nside as f64;
        let (column, row) = (column as f64, row as f64);
        let middle = place(face, (column + 0.5) / side, (row + 0.5) / side)?.longitude;
        let corner = |right: f64, up: f64| {
            let point = place(face, (column + right) / side, (row + up) / side)?;
            let is_pole = point.latitude.abs() > 90.0 - 1e-9;
            Some(if is_pole { LonLat { longitude: middle, ..point } } else { point })
        };
        Some([corner(0.0, 0.0)?, corner(1.0, 0.0)?, corner(1.0, 1.0)?, corner(0.0, 1.0)?])
    }

    /// The middle of a pixel; `None` for a number that none has, or if the order is not known.
    pub fn centre(&self, pixel: u64) -> Option<LonLat> {
        if pixel >= self.n_pixels() {
            return None;
        }
        let (face, column, row) = match self.order? {
            HealpixOrder::Nested => self.of_nested(pixel),
            HealpixOrder::Ring => self.of_ring(pixel)?,
        };
        let side = self.nside as f64;
        place(face, (column as f64 + 0.5) / side, (row as f64 + 0.5) / side)
    }

    /// The number of the pixel that contains a point; `None` for what is no point, or if the order is not known.
    pub fn pixel(&self, point: LonLat) -> Option<u64> {
        let order = self.order?;
        if !point.longitude.is_finite() || !(-90.0..=90.0).contains(&point.latitude) {
            return None;
        }
        let (face, column, row) = self.containing(point);
        Some(match order {
            HealpixOrder::Nested => {
                face * self.nside * self.nside + (spread_bits(column) | spread_bits(row) << 1)
            }
            HealpixOrder::Ring => self.ring_number(face, column, row),
        })
    }

    /// Face, column and row of the pixel that contains a point (sections 4 and 5 of the paper the other way round).
    fn containing(&self, point: LonLat) -> (u64, u64, u64) {
        let (last, side) = (self.nside - 1, self.nside as f64);
        let sine = point.latitude.to_radians().sin();
        let quarters = (point.longitude.rem_euclid(360.0) / 90.0) % 4.0;
        let index = |fraction: f64| ((fraction * side) as u64).min(last);
        if sine.abs() <= 2.0 / 3.0 {
            // The lines that rise and fall to the east, counted in sides of faces.
            let falling = 0.5 + quarters - 0.75 * sine;
            let rising = 0.5 + quarters + 0.75 * sine;
            let (whole_falling, whole_rising) = (falling.floor(), rising.floor());
            let (f, r) = (whole_falling as u64, whole_rising as u64);
            let face = match r.cmp(&f) {
                Ordering::Equal => (f % 4) | 4,
                Ordering::Greater => f % 4,
                Ordering::Less => (r % 4) + 8,
            };
            return (face, index(rising - whole_rising), index(1.0 - (falling - whole_falling)));
        }
        // 1 − |sin φ| loses its digits next to the poles; the colatitude keeps them.
        let half = (90.0 - point.latitude.abs()).to_radians() / 2.0;
        let from_pole = half.sin() * 6_f64.sqrt();
        let quarter = (quarters as u64).min(3);
        let within = quarters - quarter as f64;
        let (east, west) = ((within * from_pole).min(1.0), ((1.0 - within) * from_pole).min(1.0));
        if sine > 0.0 {
            return (quarter, index(1.0 - west), index(1.0 - east));
        }
        (quarter + 8, index(east), index(west))
    }

    /// The number on the circles of latitude of a face's pixel.
    fn ring_number(&self, face: u64, column: u64, row: u64) -> u64 {
        let (side, n_pixels) = (self.nside as i64, self.n_pixels() as i64);
        let at = (face as usize).min(11);
        let (corner, centre) = (CORNER_ROW[at] as i64, i64::from(CENTRE[at]));
        let (column, row) = (column as i64, row as i64);
        let ring = corner * side - column - row - 1;
        let (per_quarter, before, shift) = if ring < side {
            (ring, 2 * ring * (ring - 1), 0)
        } else if ring > 3 * side {
            let from_south = 4 * side - ring;
            (from_south, n_pixels - 2 * (from_south + 1) * from_south, 0)
        } else {
            (side, 2 * side * (side - 1) + (ring - side) * 4 * side, (ring + side) & 1)
        };
        let position = (centre * per_quarter + column - row + 1 + shift) / 2;
        let position = if position > 4 * per_quarter { position - 4 * per_quarter } else { position };
        let position = if position < 1 { position + 4 * per_quarter } else { position };
        (before + position - 1).clamp(0, n_pixels - 1) as u64
    }

    /// Face, column and row of a nested pixel: the bits of its number in turn.
    fn of_nested(&self, pixel: u64) -> (usize, u64, u64) {
        let per_face = self.nside * self.nside;
        let within = pixel % per_face;
        let every_other = |bits: u64| (0..30).fold(0, |sum, bit| sum | ((bits >> (2 * bit)) & 1) << bit);
        ((pixel / per_face) as usize, every_other(within), every_other(within >> 1))
    }

    /// Face, column and row of a pixel on a circle of latitude.
    fn of_ring(&self, pixel: u64) -> Option<(usize, u64, u64)> {
        let side = self.nside as i64;
        let (pixel, n_pixels) = (pixel as i64, self.n_pixels() as i64);
        let n_cap = 2 * side * (side - 1);
        let (ring, position, shift, per_quarter, face) = if pixel < n_cap {
            let ring = (1 + (1 + 2 * pixel).isqrt()) >> 1;
            let position = pixel + 1 - 2 * ring * (ring - 1);
            (ring, position, 0, ring, (position - 1) / ring)
        } else if pixel < n_pixels - n_cap {
            let (below, within) = ((pixel - n_cap) / (4 * side), (pixel - n_cap) % (4 * side));
            let (ring, position) = (below + side, within + 1);
            let falling = (position - (below + 1) / 2 + side - 1) / side;
            let rising = (position - (2 * side + 1 - below) / 2 + side - 1) / side;
            let face = match rising.cmp(&falling) {
                Ordering::Equal => rising | 4,
                Ordering::Less => rising,
                Ordering::Greater => falling + 8,
            };
            (ring, position, (ring + side) & 1, side, face)
        } else {
            let from_end = n_pixels - pixel;
            let ring = (1 + (2 * from_end - 1).isqrt()) >> 1;
            let position = 4 * ring + 1 - (from_end - 2 * ring * (ring - 1));
            (4 * side - ring, position, 0, ring, 8 + (position - 1) / ring)
        };
        let at = usize::try_from(face).ok()?;
        let (corner, centre) = (*CORNER_ROW.get(at)? as i64, i64::from(*CENTRE.get(at)?));
        let down = ring - corner * side + 1;
        let mut across = 2 * position - centre * per_quarter - shift - 1;
        if across >= 2 * side {
            across -= 8 * side;
        }
        Some((at, u64::try_from((across - down) >> 1).ok()?, u64::try_from((-across - down) >> 1).ok()?))
    }
}

/// The bits of a number with a zero before each.
fn spread_bits(number: u64) -> u64 {
    let mut bits = number & 0xffff_ffff;
    for (shift, mask) in [
        (16, 0x0000_ffff_0000_ffff),
        (8, 0x00ff_00ff_00ff_00ff),
        (4, 0x0f0f_0f0f_0f0f_0f0f),
        (2, 0x3333_3333_3333_3333),
        (1, 0x5555_5555_5555_5555),
    ] {
        bits = (bits | bits << shift) & mask;
    }
    bits
}

/// The point of a face at `x` and `y` from 0 to 1, from its southern corner to the north-east and north-west.
fn place(face: usize, x: f64, y: f64) -> Option<LonLat> {
    let (corner, centre) = (*CORNER_ROW.get(face)?, f64::from(*CENTRE.get(face)?));
    let row = corner - x - y;
    let (per_quarter, sine) = if row < 1.0 {
        (row, 1.0 - row * row / 3.0)
    } else if row > 3.0 {
        (4.0 - row, (4.0 - row) * (4.0 - row) / 3.0 - 1.0)
    } else {
        (1.0, (2.0 - row) * 2.0 / 3.0)
    };
    let mut eighths = centre * per_quarter + x - y;
    if eighths < 0.0 {
        eighths += 8.0;
    }
    let longitude = if per_quarter < 1e-15 { 0.0 } else { 45.0 * eighths / per_quarter };
    Some(LonLat { longitude, latitude: sine.clamp(-1.0, 1.0).asin().to_degrees() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn middle(grid: &Healpix, pixel: u64) -> (f64, f64) {
        let (face, column, row) = if grid.order == Some(HealpixOrder::Ring) {
            grid.of_ring(pixel).unwrap()
        } else {
            grid.of_nested(pixel)
        };
        let side = grid.nside as f64;
        let point = place(face, (column as f64 + 0.5) / side, (row as f64 + 0.5) / side).unwrap();
        (point.latitude, point.longitude)
    }

    #[test]
    fn the_twelve_faces_lie_where_the_paper_has_them() {
        for order in [HealpixOrder::Ring, HealpixOrder::Nested] {
            let grid = Healpix::new(1, order).unwrap();
            let north = (2.0_f64 / 3.0).asin().to_degrees();
            let rows = [north, 0.0, -north];
            for pixel in 0..12 {
                let (latitude, longitude) = middle(&grid, pixel);
                let (row, column) = (pixel / 4, (pixel % 4) as f64);
                let expected = if row == 1 { column * 90.0 } else { column * 90.0 + 45.0 };
                assert!((latitude - rows[row as usize]).abs() < 1e-9, "{pixel}");
                assert!((longitude - expected).abs() < 1e-9, "{pixel} {longitude}");
            }
        }
    }

    #[test]
    fn rings_go_south_and_each_goes_east() {
        for nside in [2, 3, 4, 8] {
            let grid = Healpix::new(nside, HealpixOrder::Ring).unwrap();
            let middles: Vec<(f64, f64)> = (0..grid.n_pixels()).map(|pixel| middle(&grid, pixel)).collect();
            for pair in middles.windows(2) {
                let is_same_ring = (pair[0].0 - pair[1].0).abs() < 1e-9;
                assert!(pair[1].0 < pair[0].0 - 1e-9 || (is_same_ring && pair[1].1 > pair[0].1), "{pair:?}");
            }
        }
    }

    #[test]
    fn both_orders_have_the_same_pixels() {
        let key = |(latitude, longitude): (f64, f64)| ((latitude * 1e6) as i64, (longitude * 1e6) as i64);
        let all = |order| {
            let grid = Healpix::new(8, order).unwrap();
            let mut keys: Vec<_> = (0..grid.n_pixels()).map(|pixel| key(middle(&grid, pixel))).collect();
            keys.sort_unstable();
            keys.dedup();
            keys
        };
        assert_eq!(all(HealpixOrder::Ring).len(), 768);
        assert_eq!(all(HealpixOrder::Ring), all(HealpixOrder::Nested));
    }

    #[test]
    fn a_pixel_contains_its_middle_and_points_within_its_corners() {
        for order in [HealpixOrder::Ring, HealpixOrder::Nested] {
            for nside in [1, 2, 3, 4, 8, 16, 37, 64] {
                let Some(grid) = Healpix::new(nside, order) else { continue };
                let side = nside as f64;
                for pixel in 0..grid.n_pixels() {
                    assert_eq!(grid.pixel(grid.centre(pixel).unwrap()), Some(pixel), "{nside} {order:?}");
                    let (face, column, row) = match order {
                        HealpixOrder::Ring => grid.of_ring(pixel).unwrap(),
                        HealpixOrder::Nested => grid.of_nested(pixel),
                    };
                    for (right, up) in [(0.01, 0.01), (0.99, 0.01), (0.5, 0.99), (0.98, 0.97), (0.02, 0.7)] {
                        let (x, y) = ((column as f64 + right) / side, (row as f64 + up) / side);
                        let point = place(face, x, y).unwrap();
                        let point = LonLat { longitude: point.longitude - 720.0, ..point };
                        assert_eq!(grid.pixel(point), Some(pixel), "{nside} {order:?} {point:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_finest_grid_knows_its_pixels() {
        for order in [HealpixOrder::Ring, HealpixOrder::Nested] {
            let grid = Healpix::new(MAX_NSIDE, order).unwrap();
            let n_pixels = grid.n_pixels();
            for k in 0..10_000_u64 {
                let pixel = k.wrapping_mul(0x9e37_79b9_7f4a_7c15) % n_pixels;
                let found = grid.pixel(grid.centre(pixel).unwrap()).unwrap();
                // Longitudes and latitudes have no digits left for the middle of such pixels near the equator.
                let (one, other) = (grid.centre(pixel).unwrap(), grid.centre(found).unwrap());
                assert!((one.latitude - other.latitude).abs() < 3e-7, "{pixel} {found}");
            }
            for (longitude, latitude) in [(0.0, 90.0), (359.9, -90.0), (-1e-300, 41.8), (1e300, 0.0)] {
                assert!(grid.pixel(LonLat { longitude, latitude }).unwrap() < n_pixels);
            }
            assert!(grid.pixel(LonLat { longitude: f64::NAN, latitude: 0.0 }).is_none());
            assert!(grid.pixel(LonLat { longitude: 0.0, latitude: 90.1 }).is_none());
        }
    }

    #[test]
    fn grids_are_known_by_any_of_their_attributes() {
        let texts = super::super::example::texts;
        let grid = Healpix::of(&texts(&[("healpix_nside", "4"), ("healpix_order", "nest")])).unwrap();
        assert_eq!(grid, Healpix::new(4, HealpixOrder::Nested).unwrap());
        let cf = [("grid_mapping_name", "healpix"), ("refinement_level", "3"), ("indexing_scheme", "ring")];
        assert_eq!(Healpix::of(&texts(&cf)).unwrap().n_pixels(), 768);
        assert!(Healpix::of(&texts(&[("healpix_nside", "3"), ("healpix_order", "nest")])).is_none());
        assert!(
            Healpix::of(&texts(&[("healpix_nside", "99999999999"), ("healpix_order", "ring")])).is_none()
        );
        let of = |given: &[(&str, &str)]| Healpix::of(&texts(given));
        let ring = Healpix::new(4, HealpixOrder::Ring);
        assert_eq!(of(&[("nside", "4"), ("healpix_order", "ring")]), ring);
        assert_eq!(of(&[("level", "2"), ("indexing_scheme", "ring")]), ring);
        assert_eq!(of(&[("grid_name", "healpix"), ("level", "2"), ("indexing_scheme", "ring")]), ring);
        assert_eq!(of(&[("nside", "4")]), None);
        assert_eq!(of(&[("level", "2"), ("indexing_scheme", "surface")]), None);
        assert_eq!(of(&[("nside", "4"), ("level", "3"), ("indexing_scheme", "ring")]), None);
        let mut broken = texts(&[("healpix_order", "ring")]);
        let side = crate::Number::Float(3.7);
        broken.set("healpix_nside", Attribute::number(crate::NumberType::F64, side));
        assert_eq!(Healpix::of(&broken), None);
        let without_order = Healpix::of(&texts(&[("healpix_nside", "4")])).unwrap();
        assert_eq!((without_order.n_pixels(), without_order.corners(0)), (192, None));
    }
}
