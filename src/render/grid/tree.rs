//! The nearest of many places on the sphere: a tree that halves them along the widest side of the box around them.
//!
//! # Source
//! J. H. Friedman, J. L. Bentley and R. A. Finkel, *An algorithm for finding best matches in logarithmic expected time*,
//! ACM Transactions on Mathematical Software 3 (1977).

use super::NO_CELL;
use super::sphere::{Direction, Place, squared_distance};
use crate::{Cancel, Result};

/// Places in a leaf, at most.
const PER_LEAF: usize = 12;

/// Places below which one thread goes on alone.
const PER_THREAD: usize = 1 << 14;

/// Nodes that one search looks at, at most. Only places that were made to be as far as one another need as many.
const MAX_STEPS: usize = 1 << 14;

/// A box around places.
#[derive(Debug, Clone, Copy)]
struct Around {
    low: [f32; 3],
    high: [f32; 3],
}

impl Around {
    fn of(places: &[Item]) -> Self {
        let (mut low, mut high) = ([f32::INFINITY; 3], [f32::NEG_INFINITY; 3]);
        for item in places {
            for (axis, at) in item.place.direction().into_iter().enumerate() {
                low[axis] = low[axis].min(at as f32 - 1e-7);
                high[axis] = high[axis].max(at as f32 + 1e-7);
            }
        }
        Self { low, high }
    }

    fn widest_axis(&self) -> usize {
        let width = |axis: usize| self.high[axis] - self.low[axis];
        let wider = |one: usize, other: usize| if width(other) > width(one) { other } else { one };
        wider(wider(0, 1), 2)
    }

    /// The squared distance to the nearest point of the box.
    #[inline]
    fn squared_distance(&self, at: &Direction) -> f64 {
        let sides = self.low.iter().zip(&self.high).zip(at);
        let beyond = |((low, high), at): ((&f32, &f32), &f64)| {
            (f64::from(*low) - at).max(at - f64::from(*high)).max(0.0)
        };
        sides.map(beyond).map(|beyond| beyond * beyond).sum()
    }
}

/// A place with its number.
#[derive(Debug, Clone, Copy)]
struct Item {
    place: Place,
    number: u32,
}

/// Places in an order in which the halves of a part are next to one another.
#[derive(Debug)]
pub(super) struct Tree {
    items: Vec<Item>,
    /// The box around each part: node k halves into 2k + 1 and 2k + 2.
    boxes: Vec<Around>,
    depth: u32,
}

impl Tree {
    /// A tree of places; missing ones are in none of its parts.
    ///
    /// # Errors
    /// [`crate::Error::Cancelled`].
    pub(super) fn new(places: &[Place], cancel: &Cancel) -> Result<Self> {
        let known = places.iter().zip(0_u32..).filter(|(place, _)| !place.is_missing());
        let mut items: Vec<Item> = known.map(|(place, number)| Item { place: *place, number }).collect();
        let depth = items.len().div_ceil(PER_LEAF).max(1).next_power_of_two().trailing_zeros();
        cancel.check()?;
        halve(&mut items, depth, cancel)?;
        let mut boxes = vec![Around { low: [0.0; 3], high: [0.0; 3] }; (2 << depth) - 1];
        for level in 0..=depth {
            cancel.check()?;
            let first = (1_usize << level) - 1;
            for part in 0..1_usize << level {
                boxes[first + part] = Around::of(&items[range(items.len(), level, part)]);
            }
        }
        Ok(Self { items, boxes, depth })
    }

    /// How many places.
    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    /// How many leaves.
    pub(super) fn n_leaves(&self) -> usize {
        1 << self.depth
    }

    /// The place that is at a position of the tree.
    pub(super) fn place(&self, position: usize) -> Option<Place> {
        self.items.get(position).map(|item| item.place)
    }

    /// The number of the place at a position of the tree.
    pub(super) fn number(&self, position: usize) -> Option<u32> {
        self.items.get(position).map(|item| item.number)
    }

    /// The positions that are in a leaf.
    pub(super) fn leaf(&self, leaf: usize) -> std::ops::Range<usize> {
        range(self.items.len(), self.depth, leaf)
    }

    /// The leaf of a position.
    pub(super) fn leaf_of(&self, position: usize) -> usize {
        let n = self.items.len().max(1);
        let guess = ((position as u128 * (1_u128 << self.depth)) / n as u128) as usize;
        let is_in = |leaf: &usize| self.leaf(*leaf).contains(&position);
        [guess, guess + 1, guess.saturating_sub(1)].into_iter().find(is_in).unwrap_or(guess)
    }

    /// The position of the nearest place and its squared distance, the one with the lowest number of several. A search
    /// starts from a position that may be near.
    pub(super) fn nearest(&self, at: &Direction, hint: Option<usize>) -> Option<(usize, f64)> {
        let mut best = Best { squared: f64::INFINITY, number: NO_CELL, position: None };
        if let Some(position) = hint {
            best.see(self, at, position);
        }
        let mut n_steps = 0;
        self.search(at, (0, 0, 0), &mut best, &mut n_steps);
        best.position.map(|position| (position, best.squared))
    }

    fn search(
        &self,
        at: &Direction,
        (node, level, part): (usize, u32, usize),
        best: &mut Best,
        n_steps: &mut usize,
    ) {
        *n_steps += 1;
        if *n_steps > MAX_STEPS {
            return;
        }
        if level == self.depth {
            for position in self.leaf(part) {
                best.see(self, at, position);
            }
            return;
        }
        let distance =
            |child: usize| self.boxes.get(child).map_or(f64::INFINITY, |around| around.squared_distance(at));
        let below = [(2 * node + 1, level + 1, 2 * part), (2 * node + 2, level + 1, 2 * part + 1)];
        let ways = [distance(below[0].0), distance(below[1].0)];
        let order = if ways[0] <= ways[1] { [0, 1] } else { [1, 0] };
        for which in order {
            // Boxes are a little larger than what is in them: what is as near as the best is seen.
            if ways[which] < best.squared {
                self.search(at, below[which], best, n_steps);
            }
        }
    }

    /// The squared distance of the nearest place but so many, to a place of the tree. Places that coincide count once.
    pub(super) fn squared_distance_of(&self, rank: usize, at: &Direction) -> Option<f64> {
        let mut nearest = Vec::with_capacity(rank + 2);
        let mut n_steps = 0;
        self.gather(at, (0, 0, 0), (rank + 1, &mut nearest), &mut n_steps);
        nearest.get(rank).copied()
    }

    fn gather(
        &self,
        at: &Direction,
        (node, level, part): (usize, u32, usize),
        (n_wanted, nearest): (usize, &mut Vec<f64>),
        n_steps: &mut usize,
    ) {
        *n_steps += 1;
        let farthest = if nearest.len() < n_wanted { f64::INFINITY } else { nearest[n_wanted - 1] };
        let way = self.boxes.get(node).map_or(f64::INFINITY, |around| around.squared_distance(at));
        if *n_steps > MAX_STEPS / 16 || way >= farthest {
            return;
        }
        if level == self.depth {
            for position in self.leaf(part) {
                let Some(place) = self.place(position) else { continue };
                let squared = squared_distance(&place.direction(), at);
                let slot = nearest.partition_point(|known| *known < squared);
                // Distances within the rounding of places are those of one place.
                let is_same = |known: Option<&f64>| {
                    known.is_some_and(|known| (known.sqrt() - squared.sqrt()).abs() < 2e-9)
                };
                let is_known = squared < 1e-16 && (is_same(nearest.get(slot)) || slot > 0);
                if !is_known {
                    nearest.insert(slot, squared);
                    nearest.truncate(n_wanted);
                }
            }
            return;
        }
        let below = [(2 * node + 1, level + 1, 2 * part), (2 * node + 2, level + 1, 2 * part + 1)];
        let distance =
            |child: usize| self.boxes.get(child).map_or(f64::INFINITY, |around| around.squared_distance(at));
        let order = if distance(below[0].0) <= distance(below[1].0) { [0, 1] } else { [1, 0] };
        for which in order {
            self.gather(at, below[which], (n_wanted, &mut *nearest), n_steps);
        }
    }

    /// Memory that it takes, in bytes.
    pub(super) fn len_bytes(&self) -> u64 {
        (self.items.capacity() * size_of::<Item>() + self.boxes.capacity() * size_of::<Around>()) as u64
    }
}

/// The nearest place until now.
struct Best {
    squared: f64,
    number: u32,
    position: Option<usize>,
}

impl Best {
    #[inline]
    fn see(&mut self, tree: &Tree, at: &Direction, position: usize) {
        let Some(item) = tree.items.get(position) else { return };
        let squared = squared_distance(&item.place.direction(), at);
        if squared < self.squared || (squared == self.squared && item.number < self.number) {
            *self = Self { squared, number: item.number, position: Some(position) };
        }
    }
}

/// The positions of a part: each level has twice as many parts as the one above, as equal as they can be.
fn range(n_items: usize, level: u32, part: usize) -> std::ops::Range<usize> {
    let bound = |part: usize| ((n_items as u128 * part as u128) >> level) as usize;
    bound(part)..bound(part + 1)
}

/// Orders items so that both halves of each part are on one side of its widest axis.
fn halve(items: &mut [Item], depth: u32, cancel: &Cancel) -> Result<()> {
    if depth == 0 || items.len() < 2 {
        return Ok(());
    }
    split(items, (0, items.len(), 0, 0), depth, cancel)
}

/// One part of all items: where it starts in them, how many all are, its level and its number.
fn split(
    items: &mut [Item],
    (start, n_items, level, part): (usize, usize, u32, usize),
    depth: u32,
    cancel: &Cancel,
) -> Result<()> {
    if level == depth || items.len() < 2 {
        return Ok(());
    }
    let axis = Around::of(items).widest_axis();
    let middle = range(n_items, level + 1, 2 * part).end - start;
    if middle > 0 && middle < items.len() {
        let key = |item: &Item| (item.place.along(axis), item.number);
        items.select_nth_unstable_by_key(middle, key);
    }
    let n = items.len();
    let (left, right) = items.split_at_mut(middle.min(n));
    let (one, other) =
        ((start, n_items, level + 1, 2 * part), (start + middle, n_items, level + 1, 2 * part + 1));
    if n < PER_THREAD {
        split(left, one, depth, cancel)?;
        return split(right, other, depth, cancel);
    }
    cancel.check()?;
    let (one, other) = rayon::join(|| split(left, one, depth, cancel), || split(right, other, depth, cancel));
    one.and(other)
}
