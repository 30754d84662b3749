//! The six faces of a cube around the earth: great circles are straight lines on them.

use super::sphere::{Direction, dot, plus};

/// How many faces a cube has.
pub(super) const N_FACES: usize = 6;

/// Room for rounding to 32 bits on each side of a box.
const SLACK: f32 = 2e-7;

/// A point of the earth as seen from its middle through a face of the cube, which reaches from −1 to 1 both ways.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct OnFace {
    pub(super) face: usize,
    pub(super) u: f32,
    pub(super) v: f32,
}

/// Sides along u and v.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rectangle {
    pub(super) low: [f32; 2],
    pub(super) high: [f32; 2],
}

impl Rectangle {
    /// Contains nothing.
    pub(super) const EMPTY: Self = Self { low: [f32::INFINITY; 2], high: [f32::NEG_INFINITY; 2] };

    fn add(&mut self, u: f64, v: f64) {
        for (axis, at) in [u as f32, v as f32].into_iter().enumerate() {
            self.low[axis] = self.low[axis].min((at - SLACK).max(-1.0));
            self.high[axis] = self.high[axis].max((at + SLACK).min(1.0));
        }
    }

    /// The smallest one around both.
    pub(super) fn joined(&self, other: &Self) -> Self {
        let pick = |one: [f32; 2], other: [f32; 2], pick: fn(f32, f32) -> f32| {
            [pick(one[0], other[0]), pick(one[1], other[1])]
        };
        Self { low: pick(self.low, other.low, f32::min), high: pick(self.high, other.high, f32::max) }
    }

    /// True if it contains nothing.
    pub(super) fn is_empty(&self) -> bool {
        !(self.low[0] <= self.high[0] && self.low[1] <= self.high[1])
    }
}

/// The face that a direction goes through.
#[inline]
pub(super) fn face_of(direction: &Direction) -> usize {
    let [x, y, z] = direction.map(f64::abs);
    let axis = if x >= y && x >= z {
        0
    } else if y >= z {
        1
    } else {
        2
    };
    2 * axis + usize::from(direction[axis] < 0.0)
}

/// Where a direction goes through its face.
#[inline]
pub(super) fn on_face(direction: &Direction) -> OnFace {
    let face = face_of(direction);
    let (u, v) = seen_through(face, direction);
    OnFace { face, u: u as f32, v: v as f32 }
}

/// Where a direction goes through the plane of a face that it is on the side of.
#[inline]
fn seen_through(face: usize, direction: &Direction) -> (f64, f64) {
    let axis = face / 2;
    let depth = direction[axis].abs();
    (direction[(axis + 1) % 3] / depth, direction[(axis + 2) % 3] / depth)
}

/// The rectangles on faces around a polygon that fits into half of the sphere.
pub(super) fn rectangles(corners: &[Direction], mut found: impl FnMut(usize, Rectangle)) {
    let Some(first) = corners.first() else { return };
    let face = face_of(first);
    if corners.iter().all(|corner| face_of(corner) == face) {
        let mut rectangle = Rectangle::EMPTY;
        for corner in corners {
            let (u, v) = seen_through(face, corner);
            rectangle.add(u, v);
        }
        found(face, rectangle);
        return;
    }
    for face in 0..N_FACES {
        let rectangle = clipped(face, corners);
        if !rectangle.is_empty() {
            found(face, rectangle);
        }
    }
}

/// The rectangle around what of a polygon is seen through one face: cut along the four planes through its sides.
///
/// # Source
/// I. E. Sutherland and G. W. Hodgman, *Reentrant polygon clipping*, Communications of the ACM 17 (1974).
fn clipped(face: usize, corners: &[Direction]) -> Rectangle {
    let axis = face / 2;
    let sign = if face % 2 == 1 { -1.0 } else { 1.0 };
    let mut polygon = corners.to_vec();
    for (across, side) in [(1, 1.0), (1, -1.0), (2, 1.0), (2, -1.0)] {
        let mut plane = [0.0; 3];
        plane[axis] = sign;
        plane[(axis + across) % 3] = side;
        let mut kept = Vec::with_capacity(polygon.len() + 4);
        for (at, corner) in polygon.iter().enumerate() {
            let next = &polygon[(at + 1) % polygon.len()];
            let (here, there) = (dot(&plane, corner), dot(&plane, next));
            if here >= 0.0 {
                kept.push(*corner);
            }
            if (here >= 0.0) != (there >= 0.0) {
                let way = here / (here - there);
                kept.push(plus(corner, &plus(next, corner, -1.0), way));
            }
        }
        polygon = kept;
    }
    let mut rectangle = Rectangle::EMPTY;
    for corner in polygon.iter().filter(|corner| corner[axis] * sign > 1e-12) {
        let (u, v) = seen_through(face, corner);
        rectangle.add(u, v);
    }
    rectangle
}

/// A direction as polygons are looked at from there: what is to its right, above it and in front of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sight {
    direction: Direction,
    axes: [usize; 3],
}

impl Sight {
    #[inline]
    pub(super) fn new(direction: &Direction, on_face: &OnFace) -> Self {
        let depth = on_face.face / 2;
        Self { direction: *direction, axes: [(depth + 1) % 3, (depth + 2) % 3, depth] }
    }

    /// Where a corner is seen; beyond the middle of the earth mirrored.
    #[inline]
    fn seen(&self, corner: &Direction) -> (f64, f64) {
        let [right, up, depth] = self.axes;
        let at = &self.direction;
        (
            corner[right] * at[depth] - corner[depth] * at[right],
            corner[up] * at[depth] - corner[depth] * at[up],
        )
    }

    /// True if it is inside a polygon whose sides are great circles; on a side, it is inside one of the two polygons
    /// that share it.
    ///
    /// Each side is crossed or not by a line that goes to the right. Two polygons compute the same for the side that
    /// they share, whichever way they go along it, so that there are neither gaps nor overlaps.
    #[inline]
    pub(super) fn is_in(&self, corners: impl Iterator<Item = Direction>) -> bool {
        let mut corners = corners;
        let Some(first) = corners.next() else { return false };
        let start = self.seen(&first);
        let (mut last, mut is_inside) = (start, false);
        for corner in corners {
            let next = self.seen(&corner);
            is_inside ^= is_crossed(last, next);
            last = next;
        }
        is_inside ^= is_crossed(last, start);
        // What surrounds the opposite direction surrounds this one as well.
        is_inside && dot(&first, &self.direction) > 0.0
    }

    /// The same of a polygon with so many corners.
    #[inline]
    pub(super) fn is_in_all<const N: usize>(&self, corners: &[Direction; N]) -> bool {
        let seen = corners.each_ref().map(|corner| self.seen(corner));
        let mut is_inside = false;
        for at in 0..N {
            is_inside ^= is_crossed(seen[at], seen[(at + 1) % N]);
        }
        is_inside && dot(&corners[0], &self.direction) > 0.0
    }
}

/// True if the line from the origin to the right crosses the side between two points.
#[inline]
fn is_crossed((a, b): (f64, f64), (c, d): (f64, f64)) -> bool {
    ((b > 0.0) != (d > 0.0)) & ((a * d - b * c > 0.0) == (d > b))
}
