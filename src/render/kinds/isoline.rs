//! Lines of equal value over a lattice.
//!
//! Each quad is shared by four triangles around its middle, which has the mean of the four values; values are linear in
//! each triangle. So a level crosses a triangle in one straight line, and saddles need no rule: the middle decides. What is
//! filled and where lines run is the same surface.

use std::collections::HashMap;

use super::lattice::{Lattice, Quad};
use crate::{Cancel, Error, Result};

/// Most corners of the lines of one level.
const MAX_POINTS: usize = 8_000_000;

/// Corners nearer than this to the last one are left out, in pixels.
const RESOLUTION: f32 = 0.2;

/// The place where a level crosses an edge of a triangle: the number of the edge, and the point.
type Crossing = (u64, [f32; 2]);

/// Lines where the surface over a lattice has a value; closed ones end where they begin.
///
/// # Errors
/// [`Error::TooLarge`] beyond [`MAX_POINTS`] corners, [`Error::Cancelled`].
pub(super) fn isolines(lattice: &Lattice, level: f64, cancel: &Cancel) -> Result<Vec<Vec<[f32; 2]>>> {
    let mut segments = Vec::new();
    for row in 0..lattice.n_rows.saturating_sub(1) {
        cancel.check()?;
        for column in 0..lattice.n_columns.saturating_sub(1) {
            if is_crossed(lattice, row, column, level)
                && let Some(quad) = lattice.quad(row, column)
            {
                cross(&quad, level, &mut segments);
            }
        }
        if segments.len() > MAX_POINTS {
            return Err(Error::TooLarge(format!(
                "the lines of level {level} have more than {MAX_POINTS} corners: ask for a smaller picture or smoother data"
            )));
        }
    }
    Ok(join(&segments))
}

/// True if the level lies between the values at the corners of a quad.
fn is_crossed(lattice: &Lattice, row: usize, column: usize, level: f64) -> bool {
    let above = row * lattice.n_columns + column;
    let below = above + lattice.n_columns;
    let (Some(upper), Some(lower)) =
        (lattice.values.get(above..above + 2), lattice.values.get(below..below + 2))
    else {
        return false;
    };
    let n_above = upper.iter().chain(lower).filter(|value| **value >= level).count();
    (1..4).contains(&n_above)
}

/// The pieces of a level within a quad. They cross two edges each.
fn cross(quad: &Quad, level: f64, segments: &mut Vec<[Crossing; 2]>) {
    let (middle, mean) = quad.middle();
    for corner in 0..4 {
        let next = (corner + 1) % 4;
        // Edges are numbered by the node and the direction in which they leave it, so that both triangles of an edge
        // find the same number. Directions: 0 right, 1 down, 2 to 5 towards the middle from each corner of the quad.
        let side = match corner {
            0 => edge(quad.nodes[0], 0),
            1 => edge(quad.nodes[1], 1),
            2 => edge(quad.nodes[3], 0),
            _ => edge(quad.nodes[0], 1),
        };
        let spoke = |corner: usize| edge(quad.nodes[0], 2 + corner as u64);
        let ends = [
            (quad.places[corner], quad.values[corner]),
            (quad.places[next], quad.values[next]),
            (middle, mean),
        ];
        let crossings = [
            crossing(side, ends[0], ends[1], level),
            crossing(spoke(next), ends[1], ends[2], level),
            crossing(spoke(corner), ends[0], ends[2], level),
        ];
        let mut found = crossings.into_iter().flatten();
        if let (Some(one), Some(other)) = (found.next(), found.next()) {
            segments.push([one, other]);
        }
    }
}

fn edge(node: usize, direction: u64) -> u64 {
    node as u64 * 6 + direction
}

fn crossing(edge: u64, one: ([f32; 2], f64), other: ([f32; 2], f64), level: f64) -> Option<Crossing> {
    if (one.1 >= level) == (other.1 >= level) {
        return None;
    }
    // From the lower end on, so that both sides of an edge find the same point.
    let (one, other) = if one.1 < other.1 { (one, other) } else { (other, one) };
    // Halves keep differences of the largest numbers finite.
    let share = (level / 2.0 - one.1 / 2.0) / (other.1 / 2.0 - one.1 / 2.0);
    let share = if share.is_finite() { share.clamp(0.0, 1.0) as f32 } else { 0.5 };
    let at = |axis: usize| one.0[axis] + share * (other.0[axis] - one.0[axis]);
    Some((edge, [at(0), at(1)]))
}

/// Joins pieces that meet at an edge. An edge is crossed by at most two pieces, so they form chains and rings.
fn join(segments: &[[Crossing; 2]]) -> Vec<Vec<[f32; 2]>> {
    const NONE: u32 = u32::MAX;
    let mut meeting: HashMap<u64, [u32; 2]> = HashMap::with_capacity(segments.len() + 1);
    for (number, segment) in segments.iter().enumerate() {
        for (edge, _) in segment {
            let pieces = meeting.entry(*edge).or_insert([NONE; 2]);
            pieces[usize::from(pieces[0] != NONE)] = number as u32;
        }
    }
    let mut is_used = vec![false; segments.len()];
    let mut lines = Vec::new();
    for number in 0..segments.len() {
        if std::mem::replace(&mut is_used[number], true) {
            continue;
        }
        let forwards = walk(segments, &meeting, &mut is_used, (number, 1));
        let mut line = walk(segments, &meeting, &mut is_used, (number, 0));
        line.reverse();
        line.extend(forwards);
        let line = simplified(&line);
        if line.len() > 1 {
            lines.push(line);
        }
    }
    lines
}

/// Points from one end of a piece on, along pieces that were not used yet.
fn walk(
    segments: &[[Crossing; 2]],
    meeting: &HashMap<u64, [u32; 2]>,
    is_used: &mut [bool],
    start: (usize, usize),
) -> Vec<[f32; 2]> {
    let (mut number, mut end) = start;
    let mut line = Vec::new();
    loop {
        let (edge, point) = segments[number][end];
        line.push(point);
        let Some(pieces) = meeting.get(&edge) else { return line };
        let next = if pieces[0] as usize == number { pieces[1] } else { pieces[0] } as usize;
        match is_used.get_mut(next) {
            Some(used) if !*used => *used = true,
            _ => return line,
        }
        end = usize::from(segments[next][0].0 == edge);
        number = next;
    }
}

/// A line without corners that nobody could see; it keeps its ends.
fn simplified(line: &[[f32; 2]]) -> Vec<[f32; 2]> {
    let is_near = |one: [f32; 2], other: [f32; 2]| {
        (one[0] - other[0]).abs() < RESOLUTION && (one[1] - other[1]).abs() < RESOLUTION
    };
    let mut kept: Vec<[f32; 2]> = Vec::new();
    for point in line {
        if !kept.last().is_some_and(|last| is_near(*last, *point)) {
            kept.push(*point);
        }
    }
    if let (Some(end), Some(last)) = (line.last(), kept.last_mut()) {
        *last = *end;
    }
    kept
}
