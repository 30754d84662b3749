//! Coastlines and borders.
//!
//! The lines are packed into small files by `earth/pack.py` and unpacked once, with the box that each lies in.
//!
//! # Source
//! Natural Earth (public domain), 1:110m and 1:50m; see `earth/NOTICE`.

use std::sync::OnceLock;

use thermocline_model::cf::LonLat;

use crate::{Extent, MapProjection, View};

/// How finely coastlines and borders are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Detail {
    /// 1:110m, for maps of the whole earth on a small screen.
    Coarse,
    /// 1:50m.
    Fine,
}

/// Pixels a degree from which coastlines are drawn finely.
const FINE_FROM: f64 = 2.2;

impl Detail {
    /// The detail that suits a map.
    pub fn of(view: &View) -> Self {
        let Extent { west, east, .. } = view.extent;
        let degrees = match view.projection {
            MapProjection::PlateCarree | MapProjection::Mercator | MapProjection::Lambert => east - west,
            MapProjection::Robinson | MapProjection::Mollweide | MapProjection::EqualEarth => 360.0,
            MapProjection::Orthographic => 120.0,
            MapProjection::NorthPolar | MapProjection::SouthPolar => 2.0 * (90.0 - view.bound),
            // The extent of other planes has no degrees.
            MapProjection::Data(_) | MapProjection::Native => return Self::Fine,
        };
        if f64::from(view.width) / degrees >= FINE_FROM { Self::Fine } else { Self::Coarse }
    }

    /// Degrees of a unit in the packed files.
    fn unit(self) -> f64 {
        match self {
            Self::Coarse => 0.01,
            Self::Fine => 0.005,
        }
    }
}

/// A line on the earth.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// Its corners.
    pub places: Vec<LonLat>,
    /// The box around them.
    pub bounds: Extent,
}

/// Coastlines.
pub fn coast(detail: Detail) -> &'static [Line] {
    static COARSE: OnceLock<Vec<Line>> = OnceLock::new();
    static FINE: OnceLock<Vec<Line>> = OnceLock::new();
    match detail {
        Detail::Coarse => COARSE.get_or_init(|| unpack(include_bytes!("earth/coast-110m.bin"), detail)),
        Detail::Fine => FINE.get_or_init(|| unpack(include_bytes!("earth/coast-50m.bin"), detail)),
    }
}

/// Borders between countries on land.
pub fn borders(detail: Detail) -> &'static [Line] {
    static COARSE: OnceLock<Vec<Line>> = OnceLock::new();
    static FINE: OnceLock<Vec<Line>> = OnceLock::new();
    match detail {
        Detail::Coarse => COARSE.get_or_init(|| unpack(include_bytes!("earth/borders-110m.bin"), detail)),
        Detail::Fine => FINE.get_or_init(|| unpack(include_bytes!("earth/borders-50m.bin"), detail)),
    }
}

/// Lines in the pixels of a view, without those that lie outside it and without points closer than half a pixel.
pub fn project(lines: &[Line], view: &View) -> Vec<Vec<[f32; 2]>> {
    let seen = lines.iter().filter(|line| may_show(view, &line.bounds));
    seen.flat_map(|line| view.polyline(&line.places)).filter_map(thinned).collect()
}

/// False if a view surely shows nothing of a box.
fn may_show(view: &View, bounds: &Extent) -> bool {
    match view.projection {
        MapProjection::PlateCarree | MapProjection::Mercator | MapProjection::Lambert => {
            let Extent { west, east, south, north } = view.extent;
            let in_rows = bounds.north >= south && bounds.south <= north;
            let in_columns = |turn: f64| bounds.east + turn >= west && bounds.west + turn <= east;
            // A conic map shows more than its extent in the corners.
            let is_conic = matches!(view.projection, MapProjection::Lambert);
            is_conic || in_rows && [-360.0, 0.0, 360.0, 720.0].into_iter().any(in_columns)
        }
        MapProjection::NorthPolar => bounds.north >= corner_latitude(view.bound),
        MapProjection::SouthPolar => bounds.south <= -corner_latitude(view.bound),
        _ => true,
    }
}

/// The latitude in the corners of a polar map whose sides touch the parallel `bound`; a little less, for safety.
fn corner_latitude(bound: f64) -> f64 {
    let radius = std::f64::consts::SQRT_2 * ((90.0 - bound) / 2.0).to_radians().tan();
    90.0 - 2.0 * radius.atan().to_degrees() - 1.0
}

/// A line without corners that lie within half a pixel of the one before; `None` if nothing is left of it.
fn thinned(points: Vec<[f32; 2]>) -> Option<Vec<[f32; 2]>> {
    let last = points.last().copied()?;
    let mut kept: Vec<[f32; 2]> = Vec::with_capacity(points.len() / 2 + 2);
    for point in points {
        let is_far = kept.last().is_none_or(|[x, y]| (point[0] - x).abs().max((point[1] - y).abs()) >= 0.5);
        if is_far {
            kept.push(point);
        }
    }
    if kept.last() != Some(&last) {
        kept.push(last);
    }
    (kept.len() > 1).then_some(kept)
}

/// Reads packed lines: see `earth/pack.py`.
fn unpack(bytes: &[u8], detail: Detail) -> Vec<Line> {
    let mut bytes = bytes.iter().copied();
    let mut lines = Vec::new();
    while let Some(n_points) = number(&mut bytes) {
        let (mut x, mut y) = (0, 0);
        let mut places = Vec::with_capacity(n_points.min(1 << 16) as usize);
        for _ in 0..n_points {
            let (Some(dx), Some(dy)) = (number(&mut bytes), number(&mut bytes)) else { break };
            x += signed(dx);
            y += signed(dy);
            places.push(LonLat { longitude: x as f64 * detail.unit(), latitude: y as f64 * detail.unit() });
        }
        lines.push(Line { bounds: bounds_of(&places), places });
    }
    lines
}

/// The box around places.
fn bounds_of(places: &[LonLat]) -> Extent {
    let mut bounds = Extent {
        west: f64::INFINITY,
        east: f64::NEG_INFINITY,
        south: f64::INFINITY,
        north: f64::NEG_INFINITY,
    };
    for place in places {
        bounds.west = bounds.west.min(place.longitude);
        bounds.east = bounds.east.max(place.longitude);
        bounds.south = bounds.south.min(place.latitude);
        bounds.north = bounds.north.max(place.latitude);
    }
    bounds
}

/// A LEB128 number.
fn number(bytes: &mut impl Iterator<Item = u8>) -> Option<u64> {
    let mut value = 0;
    for shift in (0..63).step_by(7) {
        let byte = bytes.next()?;
        value |= u64::from(byte & 127) << shift;
        if byte < 128 {
            return Some(value);
        }
    }
    None
}

/// A zigzag number with its sign.
fn signed(number: u64) -> i64 {
    (number >> 1) as i64 ^ -((number & 1) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coasts_and_borders_lie_on_the_earth() {
        for detail in [Detail::Coarse, Detail::Fine] {
            for line in coast(detail).iter().chain(borders(detail)) {
                assert!(line.places.len() > 1);
                assert!(line.places.iter().all(|p| p.longitude.abs() <= 180.0 && p.latitude.abs() <= 90.0));
            }
        }
        assert!(coast(Detail::Fine).len() > 1_000 && borders(Detail::Fine).len() > 300);
    }

    #[test]
    fn no_coast_runs_along_the_date_line_or_the_pole() {
        for detail in [Detail::Coarse, Detail::Fine] {
            for pair in coast(detail).iter().flat_map(|line| line.places.windows(2)) {
                let is_edge = pair.iter().all(|p| p.longitude.abs() > 179.995);
                let is_pole = pair.iter().all(|p| p.latitude < -89.9);
                assert!(!is_edge && !is_pole, "{pair:?}");
            }
        }
    }

    #[test]
    fn the_coast_passes_the_cape_of_good_hope() {
        let cape = (18.47, -34.36);
        let near = |p: &LonLat| (p.longitude - cape.0).abs() < 0.3 && (p.latitude - cape.1).abs() < 0.3;
        assert!(coast(Detail::Fine).iter().any(|line| line.places.iter().any(near)));
    }

    #[test]
    fn small_maps_of_the_earth_are_coarse_and_regions_are_fine() {
        assert_eq!(Detail::of(&View::globe(600, 300)), Detail::Coarse);
        assert_eq!(Detail::of(&View::globe(1600, 800)), Detail::Fine);
        let extent = Extent { west: 0.0, east: 20.0, south: 40.0, north: 60.0 };
        assert_eq!(Detail::of(&View { extent, ..View::globe(300, 300) }), Detail::Fine);
    }

    #[test]
    fn lines_outside_a_region_are_skipped() {
        let extent = Extent { west: 350.0, east: 370.0, south: 40.0, north: 60.0 };
        let view = View { extent, ..View::globe(300, 300) };
        let london = Extent { west: -0.5, east: 0.5, south: 51.0, north: 52.0 };
        let tokyo = Extent { west: 139.0, east: 140.0, south: 35.0, north: 36.0 };
        assert!(may_show(&view, &london) && !may_show(&view, &tokyo));
    }

    #[test]
    fn damaged_bytes_give_fewer_lines_and_no_panic() {
        assert!(unpack(&[255; 40], Detail::Fine).is_empty());
        assert_eq!(unpack(&[2, 2, 2], Detail::Fine).len(), 1);
    }
}
