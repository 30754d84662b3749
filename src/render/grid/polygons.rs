//! Polygons by the places of their corners, each place once.

use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use super::Corners;
use super::curvilinear::Curvilinear;
use super::faces::{Sight, on_face};
use super::shapes::Shapes;
use super::sphere::{self, Direction, Place, dot, normalized, plus};
use crate::{Cancel, Error, Result};

/// Most corners a cell.
const MAX_CORNERS: usize = 64;

/// Sides along circles of latitude lie a little beside great circles; so much closes the gaps between them.
const GROWTH: f64 = 1.03;

/// By how much a cell grows before its centre is looked for in it: at poles and in folds, centres are on its sides.
const CENTRE_SLACK: f64 = 1.1;

/// Of so many cells, all but one must have corners around their centres, or none of the corners are used.
const ONE_IN: usize = 10;

/// Cells that one thread looks at before it asks whether anybody still waits.
const PER_PART: usize = 1 << 14;

/// Polygons with up to so many corners each.
#[derive(Debug)]
pub(super) struct Polygons {
    n_each: usize,
    /// The place of each corner, cell after cell; cells with fewer corners repeat their last one.
    corners: Vec<u32>,
    places: Vec<Place>,
    /// Where they are known, one a cell.
    centres: Vec<Place>,
}

impl Polygons {
    /// Polygons around centres, if these are known; of cells without a centre there is none then.
    ///
    /// # Errors
    /// [`Error::Invalid`] for lengths that do not fit; [`Error::Cancelled`].
    pub(super) fn new(corners: Corners, centres: Option<Vec<Place>>, cancel: &Cancel) -> Result<Self> {
        let Corners { n_each, longitudes, latitudes } = corners;
        if !(3..=MAX_CORNERS).contains(&n_each) {
            return Err(Error::Invalid(format!("cells have 3 to {MAX_CORNERS} corners, not {n_each}")));
        }
        let n_corners = longitudes.len();
        if n_corners % n_each != 0 || n_corners as u64 >= u64::from(NONE) {
            return Err(Error::Invalid(format!("{n_corners} corners are not {n_each} for each cell")));
        }
        let n_cells = n_corners / n_each;
        if centres.as_ref().is_some_and(|centres| centres.len() != n_cells) {
            return Err(Error::Invalid(format!("{n_cells} cells have corners, others have centres")));
        }
        let places = sphere::places(longitudes, latitudes)?;
        let (mut corners, places) = numbered(places, cancel)?;
        for cell in corners.chunks_exact_mut(n_each) {
            repeat_last(cell, &places);
        }
        Ok(Self { n_each, corners, places, centres: centres.unwrap_or_default() })
    }

    /// The cells whose corners do not go around their centres; `None` if those are too many for corners of these cells.
    ///
    /// # Errors
    /// [`Error::Cancelled`].
    pub(super) fn astray(&self, cancel: &Cancel) -> Result<Option<Vec<u32>>> {
        let n_known = AtomicUsize::new(0);
        let look = |part: usize| {
            cancel.check()?;
            let cells = part * PER_PART..((part + 1) * PER_PART).min(self.centres.len());
            let around = cells.filter_map(|cell| Some((cell as u32, self.goes_around_centre(cell as u32)?)));
            let around: Vec<(u32, bool)> = around.collect();
            n_known.fetch_add(around.len(), Ordering::Relaxed);
            Ok(around.into_iter().filter(|(_, is_around)| !is_around).map(|(cell, _)| cell).collect())
        };
        let n_parts = self.centres.len().div_ceil(PER_PART);
        let parts: Result<Vec<Vec<u32>>> = (0..n_parts).into_par_iter().map(look).collect();
        let astray: Vec<u32> = parts?.into_iter().flatten().collect();
        let n_known = n_known.into_inner();
        Ok(Some(astray).filter(|astray| n_known > 0 && astray.len() * ONE_IN <= n_known))
    }

    /// `None` of a cell without a centre or corners.
    fn goes_around_centre(&self, cell: u32) -> Option<bool> {
        let at = self.centres.get(cell as usize).filter(|centre| !centre.is_missing())?.direction();
        let sum = self.corners(cell).fold([0.0; 3], |sum, corner| plus(&sum, &corner, 1.0));
        let n_corners = self.corners(cell).count();
        (n_corners > 0).then(|| {
            let middle = sum.map(|part| part / n_corners as f64);
            let grow = |corner: Direction| plus(&middle, &plus(&corner, &middle, -1.0), CENTRE_SLACK);
            Sight::new(&at, &on_face(&at)).is_in(self.corners(cell).map(grow))
        })
    }

    /// Gives cells other corners, four each; none to those that have none there.
    pub(super) fn with_corners_of(mut self, cells: &[u32], others: &Curvilinear) -> Self {
        for cell in cells {
            let start = *cell as usize * self.n_each;
            let corners: Vec<Direction> = others.corners(*cell).collect();
            let Some(numbers) = self.corners.get_mut(start..start + self.n_each) else { continue };
            for (at, number) in numbers.iter_mut().enumerate() {
                let place = corners.get(at).or(corners.last()).map(Place::towards);
                *number = place.map_or(NONE, |place| {
                    self.places.push(place);
                    (self.places.len() - 1) as u32
                });
            }
        }
        self
    }

    /// The centres.
    pub(super) fn centres(&self) -> &[Place] {
        &self.centres
    }

    /// The centres alone.
    pub(super) fn into_centres(self) -> Vec<Place> {
        self.centres
    }

    fn numbers(&self, cell: u32) -> &[u32] {
        let start = cell as usize * self.n_each;
        self.corners.get(start..start + self.n_each).unwrap_or(&[])
    }
}

impl Shapes for Polygons {
    fn n_cells(&self) -> usize {
        self.corners.len() / self.n_each
    }

    #[inline]
    fn corners(&self, cell: u32) -> impl Iterator<Item = Direction> {
        let places = self.numbers(cell).iter().map_while(|number| self.places.get(*number as usize));
        places.map(|place| place.direction())
    }

    #[inline]
    fn contains(&self, cell: u32, sight: &Sight) -> bool {
        let place = |number: &u32| self.places.get(*number as usize).map(|place| place.direction());
        match self.numbers(cell) {
            [a, b, c] => match (place(a), place(b), place(c)) {
                (Some(a), Some(b), Some(c)) => sight.is_in_all(&[a, b, c]),
                _ => false,
            },
            _ => sight.is_in(self.corners(cell)),
        }
    }

    fn middle(&self, cell: u32) -> Option<Direction> {
        if let Some(centre) = self.centres.get(cell as usize) {
            return (!centre.is_missing()).then(|| centre.direction());
        }
        let sum = self.corners(cell).fold([0.0; 3], |sum, corner| plus(&sum, &corner, 1.0));
        // Of what surrounds half of the sphere, nothing is the middle.
        normalized(&sum).filter(|_| dot(&sum, &sum) > 1e-6)
    }

    fn growth(&self) -> f64 {
        GROWTH
    }

    fn len_bytes(&self) -> u64 {
        (self.corners.capacity() * size_of::<u32>()
            + (self.places.capacity() + self.centres.capacity()) * size_of::<Place>()) as u64
    }
}

/// Slots that are looked at for a place.
const MAX_PROBES: usize = 64;

/// No corner.
const NONE: u32 = u32::MAX;

/// Gives cells with fewer corners their last one again; cells with less than three get none.
fn repeat_last(cell: &mut [u32], places: &[Place]) {
    let mut last = NONE;
    let mut n_known = 0;
    for corner in cell.iter_mut() {
        let is_known = places.get(*corner as usize).is_some_and(|place| !place.is_missing());
        if is_known && *corner != last {
            n_known += 1;
            last = *corner;
        }
        *corner = last;
    }
    // A missing first corner is that of the end, which comes before it around the cell.
    let at_end = last;
    for corner in cell.iter_mut() {
        *corner = if n_known < 3 {
            NONE
        } else if *corner == NONE {
            at_end
        } else {
            *corner
        };
    }
}

/// Numbers places so that equal ones have one number: the number of each, and the place of each number.
///
/// A table with open addresses holds the number of the place whose hash falls there or a little before.
fn numbered(places: Vec<Place>, cancel: &Cancel) -> Result<(Vec<u32>, Vec<Place>)> {
    let n_slots = (places.len() + places.len() / 2).next_power_of_two().max(16);
    let mut slots = vec![NONE; n_slots];
    let mut numbers = Vec::with_capacity(places.len());
    let mut unique: Vec<Place> = Vec::new();
    for (at, place) in places.into_iter().enumerate() {
        if at % PER_PART == 0 {
            cancel.check()?;
        }
        let mut slot = place.hash() as usize & (n_slots - 1);
        let mut n_probes = 0;
        let number = loop {
            let number = slots[slot];
            if number != NONE && unique[number as usize] == place {
                break number;
            }
            // Places that were made to fall on one another are numbered again rather than looked for.
            if number == NONE || n_probes == MAX_PROBES {
                slots[slot] = unique.len() as u32;
                unique.push(place);
                break slots[slot];
            }
            n_probes += 1;
            slot = (slot + 1) & (n_slots - 1);
        };
        numbers.push(number);
    }
    unique.shrink_to_fit();
    Ok((numbers, unique))
}
