//! Cells of which only the centres are known: the nearest one, where places are as near as cells are to one another.

use rayon::prelude::*;
use thermocline_model::cf::LonLat;

use super::coverage::Coverage;
use super::sphere::{Direction, Place};
use super::tree::Tree;
use super::{NO_CELL, rows};
use crate::{Cancel, Extent, Result, View};

/// Which of the centres around a cell tells how far it reaches.
const NEIGHBOUR: usize = 4;

/// How far a cell reaches, in distances to that neighbour.
const REACH: f64 = 1.5;

/// How far it reaches at least, in such distances as half of all cells have.
const USUAL_REACH: f64 = 0.75;

/// The largest distance that is one of cells: 60°.
const MAX_SQUARED: f64 = 1.0;

/// Of so many leaves of the tree, one is looked at for whether a grid goes round the globe.
const SPARSE: usize = 37;

/// The smallest distance that is more than rounding, squared: half a metre.
const LEAST_SQUARED: f64 = 1e-14;

/// Centres of cells.
#[derive(Debug)]
pub(super) struct Centres {
    tree: Tree,
    /// Where in the tree each cell is, or [`NO_CELL`].
    positions: Vec<u32>,
    /// For each leaf of the tree the squared distance to which its cells reach.
    reach: Vec<f32>,
}

impl Centres {
    /// # Errors
    /// [`crate::Error::Cancelled`].
    pub(super) fn new(places: Vec<Place>, cancel: &Cancel) -> Result<Self> {
        let tree = Tree::new(&places, cancel)?;
        let mut positions = vec![NO_CELL; places.len()];
        for position in 0..tree.len() {
            let cell = tree.number(position).and_then(|number| positions.get_mut(number as usize));
            if let Some(cell) = cell {
                *cell = position as u32;
            }
        }
        let reach = reaches(&tree, cancel)?;
        Ok(Self { tree, positions, reach })
    }

    /// The cell in a direction; a search starts from a cell that may be near.
    pub(super) fn find(&self, at: &Direction, near: u32) -> Option<u32> {
        let hint = self.positions.get(near as usize).filter(|position| **position != NO_CELL);
        let (position, squared) = self.tree.nearest(at, hint.map(|position| *position as usize))?;
        let reach = self.reach.get(self.tree.leaf_of(position))?;
        (squared <= f64::from(*reach)).then(|| self.tree.number(position))?
    }

    pub(super) fn centre(&self, cell: u32) -> Option<LonLat> {
        let position = self.positions.get(cell as usize).filter(|position| **position != NO_CELL)?;
        self.tree.place(*position as usize)?.degrees()
    }

    pub(super) fn cells(&self, view: &View, cancel: &Cancel) -> Result<Vec<u32>> {
        rows::each_direction(view, cancel, |at, near| self.find(at, near).unwrap_or(NO_CELL))
    }

    pub(super) fn extent(&self) -> Extent {
        let some = self.covered(SPARSE);
        let coverage = if some.goes_round() { self.latitudes().merge(&some) } else { self.covered(1) };
        coverage.extent(false)
    }

    /// The outermost latitudes, to half of the way to the neighbours.
    fn latitudes(&self) -> Coverage {
        let mut coverage = Coverage::default();
        for leaf in 0..self.tree.n_leaves() {
            let reach = self.half_way(leaf).to_degrees();
            for position in self.tree.leaf(leaf) {
                let Some(place) = self.tree.place(position) else { continue };
                let latitude = place.direction()[2].clamp(-1.0, 1.0).asin().to_degrees();
                coverage.add_latitude((latitude - reach).max(-90.0));
                coverage.add_latitude((latitude + reach).min(90.0));
            }
        }
        coverage
    }

    /// Half of the way from the cells of a leaf to their neighbours, in radians.
    fn half_way(&self, leaf: usize) -> f64 {
        self.reach.get(leaf).map_or(0.0, |reach| f64::from(*reach).sqrt() / (2.0 * REACH))
    }

    /// What the cells of every so many leaves cover.
    fn covered(&self, step: usize) -> Coverage {
        let cover = |leaf: usize| {
            let mut coverage = Coverage::default();
            let up = self.half_way(leaf).to_degrees();
            for position in self.tree.leaf(leaf) {
                let Some(LonLat { longitude, latitude }) = self.tree.place(position).and_then(Place::degrees)
                else {
                    continue;
                };
                if latitude.abs() + up >= 90.0 {
                    coverage.add_pole(90_f64.copysign(latitude));
                }
                let along = (up / latitude.to_radians().cos().max(1e-6)).min(90.0);
                let at = |longitude: f64, latitude: f64| {
                    Some(LonLat { longitude, latitude: latitude.clamp(-90.0, 90.0) })
                };
                coverage.add_path([
                    at(longitude - along, latitude),
                    at(longitude, latitude),
                    at(longitude + along, latitude),
                ]);
                coverage.add_path([at(longitude, latitude - up), at(longitude, latitude + up)]);
            }
            coverage
        };
        let join = |one: Coverage, other: Coverage| one.merge(&other);
        let leaves = (0..self.tree.n_leaves()).into_par_iter().step_by(step).with_min_len(256);
        leaves.map(cover).reduce(Coverage::default, join)
    }

    pub(super) fn len_bytes(&self) -> u64 {
        self.tree.len_bytes()
            + (self.positions.capacity() * size_of::<u32>() + self.reach.capacity() * size_of::<f32>()) as u64
    }
}

/// The squared reach of the cells of each leaf, seen from the one in its middle.
fn reaches(tree: &Tree, cancel: &Cancel) -> Result<Vec<f32>> {
    let distance = |leaf: usize| {
        let positions = tree.leaf(leaf);
        let middle = tree.place(positions.start + positions.len() / 2).filter(|_| !positions.is_empty())?;
        tree.squared_distance_of(NEIGHBOUR.min(tree.len().saturating_sub(1)), &middle.direction())
    };
    let leaves = (0..tree.n_leaves()).into_par_iter().with_min_len(64);
    let distances: Result<Vec<Option<f64>>> =
        leaves.map(|leaf| cancel.check().map(|()| distance(leaf))).collect();
    let distances = distances?;
    let mut known: Vec<f64> =
        distances.iter().flatten().copied().filter(|squared| *squared <= MAX_SQUARED).collect();
    known.sort_unstable_by(f64::total_cmp);
    let usual = known.get(known.len() / 2).copied().unwrap_or(0.0);
    let reach = |squared: Option<f64>| {
        let own = squared.unwrap_or(0.0).min(MAX_SQUARED) * REACH * REACH;
        own.max(usual * USUAL_REACH * USUAL_REACH).max(LEAST_SQUARED) as f32
    };
    Ok(distances.into_iter().map(reach).collect())
}
