//! Cells with corners, and how the one around a place is found.

use rayon::prelude::*;
use thermocline_model::cf::LonLat;

use super::bins::{Bins, Entry};
use super::coverage::Coverage;
use super::faces::{N_FACES, Sight, on_face, rectangles};
use super::sphere::{Direction, cross, degrees, dot, normalized, plus, squared_distance};
use super::{NO_CELL, rows};
use crate::{Cancel, Extent, Result, View};

/// Cells that one thread prepares at a time.
const PER_PART: usize = 1 << 14;

/// Of so many cells, one is looked at for whether a grid goes round the globe.
const SPARSE: usize = 37;

/// The cosine of how far a corner may be from the middle of its cell: 80°.
const FARTHEST: f64 = 0.17;

/// Twice the area of what is no more than rounding, on the unit sphere: a few square centimetres.
const LEAST_AREA: f64 = 1e-17;

/// Cells with corners.
pub(super) trait Shapes: Sync {
    /// How many cells.
    fn n_cells(&self) -> usize;

    /// The corners of a cell in order around it; none of a cell that is nowhere.
    fn corners(&self, cell: u32) -> impl Iterator<Item = Direction>;

    /// True if a cell contains what is looked at.
    #[inline]
    fn contains(&self, cell: u32, sight: &Sight) -> bool {
        sight.is_in(self.corners(cell))
    }

    /// The middle of a cell.
    fn middle(&self, cell: u32) -> Option<Direction>;

    /// By how much cells grow to close gaps between them where no cell contains a place.
    fn growth(&self) -> f64;

    /// Memory that they take, in bytes.
    fn len_bytes(&self) -> u64;
}

/// Cells with corners, in bins.
#[derive(Debug)]
pub(super) struct Located<S> {
    shapes: S,
    bins: Bins,
}

impl<S: Shapes> Located<S> {
    /// Cells in bins.
    ///
    /// # Errors
    /// [`crate::Error::Cancelled`].
    pub(super) fn new(shapes: S, cancel: &Cancel) -> Result<Self> {
        let n_cells = shapes.n_cells();
        let part = |part: usize| {
            cancel.check()?;
            let mut entries = [const { Vec::new() }; N_FACES];
            let mut corners = Vec::with_capacity(8);
            for cell in part * PER_PART..((part + 1) * PER_PART).min(n_cells) {
                let cell = cell as u32;
                if grown(&shapes, cell, &mut corners) {
                    rectangles(&corners, |face, rectangle| entries[face].push(Entry { cell, rectangle }));
                }
            }
            entries.iter_mut().for_each(Vec::shrink_to_fit);
            Ok(entries)
        };
        let parts: Result<Vec<[Vec<Entry>; N_FACES]>> =
            (0..n_cells.div_ceil(PER_PART)).into_par_iter().map(part).collect();
        let mut faces = [const { Vec::new() }; N_FACES];
        for part in parts? {
            for (face, entries) in faces.iter_mut().zip(part).filter(|(_, entries)| !entries.is_empty()) {
                face.push(entries);
            }
        }
        let bins = Bins::new(faces, cancel)?;
        Ok(Self { shapes, bins })
    }

    /// The cell around a direction: of several the first, of none the nearest that reaches there when it grows.
    #[inline]
    pub(super) fn find(&self, at: &Direction) -> Option<u32> {
        let on_face = on_face(at);
        let sight = Sight::new(at, &on_face);
        let candidates = self.bins.at(&on_face);
        let first = candidates.iter().find(|cell| self.shapes.contains(**cell, &sight));
        first.copied().or_else(|| self.find_grown(at, &sight, candidates))
    }

    fn find_grown(&self, at: &Direction, sight: &Sight, candidates: &[u32]) -> Option<u32> {
        let growth = self.shapes.growth();
        let mut nearest: Option<(f64, u32)> = None;
        for cell in candidates {
            let Some(middle) = self.shapes.middle(*cell) else { continue };
            let distance = squared_distance(&middle, at);
            if nearest.is_some_and(|(nearest, _)| nearest <= distance) {
                continue;
            }
            let grow = |corner: Direction| grow(&middle, &corner, growth);
            if sight.is_in(self.shapes.corners(*cell).map(grow)) {
                nearest = Some((distance, *cell));
            }
        }
        nearest.map(|(_, cell)| cell)
    }

    pub(super) fn centre(&self, cell: u32) -> Option<LonLat> {
        self.shapes.middle(cell).map(|middle| degrees(&middle))
    }

    pub(super) fn cells(&self, view: &View, cancel: &Cancel) -> Result<Vec<u32>> {
        rows::each_direction(view, cancel, |at, _| self.find(at).unwrap_or(NO_CELL))
    }

    pub(super) fn extent(&self) -> Extent {
        let some = self.covered(SPARSE, |coverage, corners| coverage.add_path(closed(corners)));
        // Round the globe, only latitudes are left to be known, which are found faster than longitudes.
        let mut coverage = if some.goes_round() {
            let add = |coverage: &mut Coverage, corners: &[Direction]| {
                for corner in corners {
                    coverage.add_latitude(corner[2].clamp(-1.0, 1.0).asin().to_degrees());
                }
            };
            self.covered(1, add).merge(&some)
        } else {
            self.covered(1, |coverage, corners| coverage.add_path(closed(corners)))
        };
        for up in [-1.0, 1.0] {
            if self.find(&[0.0, 0.0, up]).is_some() {
                coverage.add_pole(90.0 * up);
            }
        }
        coverage.extent(false)
    }

    /// What every so many cells cover; `add` is given the corners of each.
    fn covered(&self, step: usize, add: impl Fn(&mut Coverage, &[Direction]) + Sync) -> Coverage {
        let n_cells = self.shapes.n_cells();
        let cover = |part: usize| {
            let mut coverage = Coverage::default();
            let mut corners = Vec::with_capacity(8);
            for cell in (part * PER_PART..((part + 1) * PER_PART).min(n_cells)).step_by(step) {
                if grown(&self.shapes, cell as u32, &mut corners) {
                    corners.clear();
                    corners.extend(self.shapes.corners(cell as u32));
                    add(&mut coverage, &corners);
                }
            }
            coverage
        };
        let join = |one: Coverage, other: Coverage| one.merge(&other);
        (0..n_cells.div_ceil(PER_PART)).into_par_iter().map(cover).reduce(Coverage::default, join)
    }

    pub(super) fn len_bytes(&self) -> u64 {
        self.shapes.len_bytes() + self.bins.len_bytes()
    }
}

/// The way around a cell. At a pole, a corner has no longitude.
fn closed(corners: &[Direction]) -> impl Iterator<Item = Option<LonLat>> + '_ {
    let place = |corner: &Direction| Some(degrees(corner)).filter(|at| at.latitude.abs() < 89.999_999);
    corners.iter().chain(corners.first()).map(place)
}

/// A corner a little farther from the middle.
#[inline]
fn grow(middle: &Direction, corner: &Direction, growth: f64) -> Direction {
    plus(middle, &plus(corner, middle, -1.0), growth)
}

/// The corners of a cell when it has grown; false for what is no cell.
fn grown(shapes: &impl Shapes, cell: u32, corners: &mut Vec<Direction>) -> bool {
    corners.clear();
    let Some(middle) = shapes.middle(cell) else { return false };
    corners.extend(shapes.corners(cell).map(|corner| grow(&middle, &corner, shapes.growth())));
    let reaches = |corner: &Direction| normalized(corner).is_some_and(|unit| dot(&unit, &middle) > FARTHEST);
    corners.len() >= 3 && corners.iter().all(reaches) && doubled_area(&middle, corners) > LEAST_AREA
}

/// Twice the area of the triangles between the sides of a polygon and its middle, on the unit sphere.
fn doubled_area(middle: &Direction, corners: &[Direction]) -> f64 {
    let from_middle = |corner: &Direction| plus(corner, middle, -1.0);
    let next = corners.iter().cycle().skip(1);
    let sides = corners.iter().zip(next).map(|(one, other)| cross(&from_middle(one), &from_middle(other)));
    sides.map(|normal| dot(&normal, &normal).sqrt()).sum()
}
