//! What cells cover: the smallest box of longitudes and latitudes, across the date line if it must be.

use thermocline_model::cf::LonLat;

use crate::Extent;

/// Parts of a turn that are told apart; gaps are at least as wide.
const N_PARTS: usize = 720;

/// Degrees of longitude from which on the whole globe is shown.
const NEARLY_GLOBAL: f64 = 350.0;

/// Degrees of latitude that make a map of the globe of what goes round it.
const MOSTLY_GLOBAL: f64 = 120.0;

/// Longitudes and latitudes of what is covered. Parts may be added in any order.
#[derive(Debug, Clone)]
pub(super) struct Coverage {
    /// The smallest and largest longitude that ends within each part of the turn; NaN where a path only passes.
    parts: Vec<Option<(f64, f64)>>,
    south: f64,
    north: f64,
}

impl Default for Coverage {
    fn default() -> Self {
        Self { parts: vec![None; N_PARTS], south: f64::INFINITY, north: f64::NEG_INFINITY }
    }
}

impl Coverage {
    /// Covers a line between places, the shorter way round; it ends where a place is missing.
    pub(super) fn add_path(&mut self, places: impl IntoIterator<Item = Option<LonLat>>) {
        let mut last = None;
        for place in places {
            if let Some(place) = &place {
                self.add(*place);
                if let Some(last) = last {
                    self.pass(last, place.longitude);
                }
            }
            last = place.map(|place| place.longitude);
        }
    }

    /// Covers all longitudes up to a pole.
    pub(super) fn add_pole(&mut self, latitude: f64) {
        self.add_latitude(latitude);
        for (part, seen) in self.parts.iter_mut().enumerate() {
            let west = part as f64 * 360.0 / N_PARTS as f64;
            seen.get_or_insert((west, west));
        }
    }

    /// Covers a latitude at longitudes that are covered.
    pub(super) fn add_latitude(&mut self, latitude: f64) {
        self.south = self.south.min(latitude);
        self.north = self.north.max(latitude);
    }

    /// True if nothing more can be covered but latitudes.
    pub(super) fn goes_round(&self) -> bool {
        let Extent { west, east, .. } = self.extent(false);
        east - west >= NEARLY_GLOBAL && self.parts.iter().any(Option::is_some)
    }

    /// Covers what another does.
    pub(super) fn merge(mut self, other: &Self) -> Self {
        for (own, other) in self.parts.iter_mut().zip(&other.parts) {
            *own = match (*own, *other) {
                (Some(one), Some(two)) => Some((one.0.min(two.0), one.1.max(two.1))),
                (one, two) => one.or(two),
            };
        }
        self.south = self.south.min(other.south);
        self.north = self.north.max(other.north);
        self
    }

    /// The smallest box; the globe if nothing is covered. `from_zero` shows whole turns from 0 to 360.
    pub(super) fn extent(&self, from_zero: bool) -> Extent {
        let covered: Vec<(usize, (f64, f64))> =
            self.parts.iter().enumerate().filter_map(|(at, part)| part.map(|part| (at, part))).collect();
        let (Some(first), Some(last)) = (covered.first(), covered.last()) else { return Extent::GLOBE };
        // The widest gap between parts that follow one another; the first one is around the end of the turn.
        let mut gap = (first.1.0 + 360.0 - last.1.1, first.1.0, last.1.1);
        for pair in covered.windows(2) {
            if let [(at, (_, before)), (next, (after, _))] = pair
                && next - at > 1
                && after - before > gap.0
            {
                gap = (after - before, *after, before + 360.0);
            }
        }
        framed(gap.1, gap.2, (self.south, self.north), from_zero)
    }

    fn add(&mut self, place: LonLat) {
        if !place.longitude.is_finite() || !place.latitude.is_finite() {
            return;
        }
        self.add_latitude(place.latitude);
        let longitude = place.longitude.rem_euclid(360.0) % 360.0;
        if let Some(seen) = self.parts.get_mut(part_of(longitude)) {
            let (low, high) = seen.unwrap_or((longitude, longitude));
            *seen = Some((low.min(longitude), high.max(longitude)));
        }
    }

    /// Covers the parts between two longitudes.
    fn pass(&mut self, from: f64, to: f64) {
        let (from, to) = (from.rem_euclid(360.0) % 360.0, to.rem_euclid(360.0) % 360.0);
        let is_eastward = (to - from).rem_euclid(360.0) <= 180.0;
        let (west, east) = if is_eastward { (from, to) } else { (to, from) };
        let n_passed = (part_of(east) + N_PARTS - part_of(west)) % N_PARTS;
        for k in 1..n_passed {
            let part = (part_of(west) + k) % N_PARTS;
            let start = part as f64 * 360.0 / N_PARTS as f64;
            if let Some(seen) = self.parts.get_mut(part) {
                seen.get_or_insert((start, start));
            }
        }
    }
}

fn part_of(longitude: f64) -> usize {
    ((longitude / 360.0 * N_PARTS as f64) as usize).min(N_PARTS - 1)
}

/// A box with its western side in −180 … 180; whole turns as a whole, and with both poles if they are mostly there.
pub(super) fn framed(west: f64, east: f64, latitudes: (f64, f64), from_zero: bool) -> Extent {
    let (south, north) = (latitudes.0.clamp(-90.0, 90.0), latitudes.1.clamp(-90.0, 90.0));
    if east - west >= NEARLY_GLOBAL {
        let (west, east) = if from_zero { (0.0, 360.0) } else { (-180.0, 180.0) };
        let is_globe = north - south >= MOSTLY_GLOBAL;
        let (south, north) = if is_globe { (-90.0, 90.0) } else { (south, north) };
        return Extent { west, east, south, north };
    }
    let turns = ((west + 180.0) / 360.0).floor() * 360.0;
    Extent { west: west - turns, east: east - turns, south, north }
}
