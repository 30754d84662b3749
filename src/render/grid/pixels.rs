//! HEALPix pixels, all of a globe or some of them.

use rayon::prelude::*;
use thermocline_model::cf::{Healpix, LonLat};

use super::coverage::Coverage;
use crate::{Error, Extent, Result};

/// Pixels whose cover is found by one thread at a time.
const PER_PART: usize = 1 << 14;

/// HEALPix pixels by their numbers.
#[derive(Debug)]
pub(super) struct Pixels {
    healpix: Healpix,
    n_cells: u64,
    numbers: Numbers,
}

/// Which pixel each cell is.
#[derive(Debug)]
enum Numbers {
    /// That of its position.
    Counted,
    /// These, which rise.
    Rising(Vec<u64>),
    /// These, with the positions of the cells by rising numbers.
    Mixed(Vec<u64>, Vec<u32>),
}

impl Pixels {
    pub(super) fn new(healpix: Healpix, n_cells: u64, numbers: Option<Vec<u64>>) -> Result<Self> {
        if healpix.centre(0).is_none() {
            return Err(Error::Invalid("the order of the HEALPix pixels is not known".into()));
        }
        let Some(numbers) = numbers else {
            return Ok(Self { healpix, n_cells, numbers: Numbers::Counted });
        };
        if numbers.len() as u64 != n_cells {
            return Err(Error::Invalid(format!("{n_cells} cells have {} pixel numbers", numbers.len())));
        }
        if numbers.is_sorted() {
            return Ok(Self { healpix, n_cells, numbers: Numbers::Rising(numbers) });
        }
        let mut order: Vec<u32> = (0..n_cells as u32).collect();
        order.par_sort_by_key(|cell| (numbers.get(*cell as usize).copied(), *cell));
        Ok(Self { healpix, n_cells, numbers: Numbers::Mixed(numbers, order) })
    }

    pub(super) fn find(&self, place: LonLat) -> Option<u32> {
        let pixel = self.healpix.pixel(place)?;
        match &self.numbers {
            Numbers::Counted => u32::try_from(pixel).ok().filter(|_| pixel < self.n_cells),
            Numbers::Rising(numbers) => {
                let at = numbers.partition_point(|number| *number < pixel);
                (numbers.get(at) == Some(&pixel)).then(|| u32::try_from(at).ok())?
            }
            Numbers::Mixed(numbers, order) => {
                let number = |cell: u32| numbers.get(cell as usize).copied();
                let at = order.partition_point(|cell| number(*cell) < Some(pixel));
                order.get(at).copied().filter(|cell| number(*cell) == Some(pixel))
            }
        }
    }

    fn number(&self, cell: u32) -> Option<u64> {
        match &self.numbers {
            Numbers::Counted => Some(u64::from(cell)).filter(|number| *number < self.n_cells),
            Numbers::Rising(numbers) | Numbers::Mixed(numbers, _) => numbers.get(cell as usize).copied(),
        }
    }

    pub(super) fn centre(&self, cell: u32) -> Option<LonLat> {
        self.healpix.centre(self.number(cell)?)
    }

    pub(super) fn extent(&self) -> Extent {
        if matches!(self.numbers, Numbers::Counted) && self.n_cells >= self.healpix.n_pixels() {
            return Extent::GLOBE;
        }
        let n_parts = (self.n_cells as usize).div_ceil(PER_PART);
        let cover = |part: usize| {
            let mut coverage = Coverage::default();
            let end = ((part + 1) * PER_PART).min(self.n_cells as usize);
            for cell in part * PER_PART..end {
                let corners = self.number(cell as u32).and_then(|number| self.healpix.corners(number));
                if let Some(corners) = corners {
                    coverage.add_path(corners.iter().chain(corners.first()).copied().map(Some));
                }
            }
            coverage
        };
        let join = |one: Coverage, other: Coverage| one.merge(&other);
        let mut coverage = (0..n_parts).into_par_iter().map(cover).reduce(Coverage::default, join);
        for latitude in [-90.0, 90.0] {
            let at_pole = [45.0, 135.0, 225.0, 315.0].map(|longitude| LonLat { longitude, latitude });
            if at_pole.into_iter().all(|place| self.find(place).is_some()) {
                coverage.add_pole(latitude);
            }
        }
        coverage.extent(false)
    }

    pub(super) fn len_bytes(&self) -> u64 {
        match &self.numbers {
            Numbers::Counted => 0,
            Numbers::Rising(numbers) => (numbers.capacity() * size_of::<u64>()) as u64,
            Numbers::Mixed(numbers, order) => {
                (numbers.capacity() * size_of::<u64>() + order.capacity() * size_of::<u32>()) as u64
            }
        }
    }
}
