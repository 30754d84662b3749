//! One-dimensional coordinates: from a number to the cell whose centre is nearest.

use crate::{Error, Result};

/// Longitudes further around the globe are no longitudes.
const MAX_LONGITUDE: f64 = 1e6;

/// Latitudes that pass a pole by more than rounding are no latitudes.
const LATITUDE_SLACK: f64 = 1e-3;

/// The width of a cell that is alone on its axis, where nothing else tells it.
const LONE_WIDTH: f64 = 1.0;

/// Degrees from which on the cells of an axis go round the globe.
const WHOLE_TURN: f64 = 359.9;

/// Coordinates along one dimension, monotonic, with the edges between them.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Axis {
    /// As they were given, but for turns of the globe.
    centres: Vec<f64>,
    /// One more than centres, ascending.
    edges: Vec<f64>,
    is_descending: bool,
    /// After how much the same place comes again.
    turn: Option<f64>,
    /// Cells for one of the coordinates' units, on average.
    density: f64,
}

impl Axis {
    /// Coordinates of a plane, which repeats after `turn`; edges lie midway between neighbours.
    ///
    /// # Errors
    /// [`Error::Invalid`] for missing coordinates and those that are not monotonic.
    pub(super) fn linear(name: &str, centres: &[f64], turn: Option<f64>) -> Result<Self> {
        let mut axis = Self::midway(name, centres.to_vec(), LONE_WIDTH)?;
        axis.turn = turn.filter(|turn| turn.is_finite() && *turn > 0.0);
        Ok(axis)
    }

    /// Longitudes in degrees. `lone_width` is the width of a single one.
    ///
    /// # Errors
    /// Those of [`Axis::linear`].
    pub(super) fn longitudes(centres: &[f64], lone_width: Option<f64>) -> Result<Self> {
        if let Some(at) = centres.iter().position(|centre| centre.is_nan() || centre.abs() > MAX_LONGITUDE) {
            return Err(Error::Invalid(format!("longitude {at} is missing or no longitude")));
        }
        let mut axis = Self::midway("longitude", in_one_turn(centres), lone_width.unwrap_or(LONE_WIDTH))?;
        axis.turn = Some(360.0);
        axis.close_around();
        Ok(axis)
    }

    /// Latitudes in degrees: the outermost rows reach the poles if these are within one spacing.
    ///
    /// # Errors
    /// Those of [`Axis::linear`], and for latitudes beyond the poles.
    pub(super) fn latitudes(centres: &[f64]) -> Result<Self> {
        let is_latitude = |centre: &f64| centre.abs() <= 90.0 + LATITUDE_SLACK;
        if let Some(at) = centres.iter().position(|centre| !is_latitude(centre)) {
            return Err(Error::Invalid(format!("latitude {at} is missing or beyond the poles")));
        }
        let centres = centres.iter().map(|centre| centre.clamp(-90.0, 90.0)).collect();
        let mut axis = Self::midway("latitude", centres, LONE_WIDTH)?;
        axis.reach_poles();
        Ok(axis)
    }

    /// How many cells.
    pub(super) fn len(&self) -> usize {
        self.centres.len()
    }

    /// The cell around a coordinate.
    pub(super) fn find(&self, coordinate: f64) -> Option<u32> {
        let (first, last) = self.ends();
        let at = match self.turn {
            Some(turn) => first + (coordinate - first).rem_euclid(turn),
            None => coordinate,
        };
        if !(first <= at && at <= last) {
            return None;
        }
        let n = self.centres.len();
        let guess = (((at - first) * self.density) as usize).min(n - 1);
        let is_in = |cell: usize| self.edges[cell] <= at && at < self.edges[cell + 1];
        let cell =
            if is_in(guess) { guess } else { self.edges.partition_point(|edge| *edge <= at).clamp(1, n) - 1 };
        u32::try_from(if self.is_descending { n - 1 - cell } else { cell }).ok()
    }

    /// The coordinate of a cell.
    pub(super) fn centre(&self, cell: u32) -> Option<f64> {
        self.centres.get(cell as usize).copied()
    }

    /// The cells between whose centres a coordinate lies, and how far it is on the way from one to the other, from 0
    /// to 1. Both are the same beyond the outermost centres.
    pub(super) fn between(&self, coordinate: f64) -> Option<(u32, u32, f64)> {
        let cell = self.find(coordinate)?;
        let n = self.centres.len() as u32;
        let centre = self.centre(cell)?;
        let nearest_turn = |other: f64| match self.turn {
            Some(turn) => centre + (other - centre + turn / 2.0).rem_euclid(turn) - turn / 2.0,
            None => other,
        };
        let at = nearest_turn(coordinate);
        let is_up = (at >= centre) != self.is_descending;
        let neighbour = match (is_up, self.is_closed()) {
            (true, _) if cell + 1 < n => cell + 1,
            (false, _) if cell > 0 => cell - 1,
            (true, true) => 0,
            (false, true) => n - 1,
            _ => return Some((cell, cell, 0.0)),
        };
        let other = nearest_turn(self.centre(neighbour)?);
        let way = (at - centre) / (other - centre);
        if way.is_finite() { Some((cell, neighbour, way.clamp(0.0, 1.0))) } else { Some((cell, cell, 0.0)) }
    }

    /// The outermost edges, the lower one first.
    pub(super) fn ends(&self) -> (f64, f64) {
        match (self.edges.first(), self.edges.last()) {
            (Some(first), Some(last)) => (*first, *last),
            _ => (0.0, 0.0),
        }
    }

    /// Mean distance between neighbours; `None` of a single one.
    pub(super) fn spacing(&self) -> Option<f64> {
        let (first, last) = (self.centres.first()?, self.centres.last()?);
        (self.len() > 1).then(|| (last - first).abs() / (self.len() - 1) as f64)
    }

    /// True if it goes all the way round.
    pub(super) fn is_closed(&self) -> bool {
        let (first, last) = self.ends();
        self.turn.is_some_and(|turn| last - first >= turn * (WHOLE_TURN / 360.0))
    }

    /// The largest coordinate.
    pub(super) fn largest(&self) -> f64 {
        self.centres.iter().copied().fold(f64::NEG_INFINITY, f64::max)
    }

    /// Memory that it takes, in bytes.
    pub(super) fn len_bytes(&self) -> u64 {
        ((self.centres.capacity() + self.edges.capacity()) * size_of::<f64>()) as u64
    }

    fn midway(name: &str, centres: Vec<f64>, lone_width: f64) -> Result<Self> {
        let n = centres.len();
        let (Some(first), Some(last)) = (centres.first().copied(), centres.last().copied()) else {
            return Err(Error::Invalid(format!("there is no {name}")));
        };
        // Halves of the largest numbers still add up.
        if let Some(at) = centres.iter().position(|centre| centre.is_nan() || centre.abs() > 1e300) {
            return Err(Error::Invalid(format!("{name} {at} is missing")));
        }
        let is_descending = last < first;
        let is_next = |pair: &[f64]| if is_descending { pair[1] < pair[0] } else { pair[1] > pair[0] };
        if let Some(at) = centres.windows(2).position(|pair| !is_next(pair)) {
            return Err(Error::Invalid(format!(
                "{name} is not monotonic: {} follows {}",
                centres[at + 1],
                centres[at]
            )));
        }
        let mut edges = Vec::with_capacity(n + 1);
        let middle = |pair: &[f64]| pair[0] / 2.0 + pair[1] / 2.0;
        match centres.as_slice() {
            [only] => edges.extend([only - lone_width / 2.0, only + lone_width / 2.0]),
            many => {
                edges.push(many[0] - (many[1] - many[0]) / 2.0);
                edges.extend(many.windows(2).map(middle));
                edges.push(many[n - 1] + (many[n - 1] - many[n - 2]) / 2.0);
            }
        }
        if is_descending {
            edges.reverse();
        }
        let density = density(&edges);
        Ok(Self { centres, edges, is_descending, turn: None, density })
    }

    /// Lets the outermost cells meet where the axis goes round the globe.
    fn close_around(&mut self) {
        let Some(spacing) = self.spacing() else { return };
        let (low, high) = self.outermost();
        if spacing * self.len() as f64 >= WHOLE_TURN && high - low <= 360.0 {
            let seam = (low + 360.0 + high) / 2.0;
            let n = self.edges.len();
            self.edges[n - 1] = seam;
            self.edges[0] = seam - 360.0;
            self.density = density(&self.edges);
        }
    }

    fn reach_poles(&mut self) {
        let n = self.edges.len();
        let (low, high) = self.outermost();
        let (from_low, from_high) = match n {
            2 => (0.0, 0.0),
            // Outer edges lie half a spacing outside.
            _ => (2.0 * (low - self.edges[0]), 2.0 * (self.edges[n - 1] - high)),
        };
        self.edges[0] = if low + 90.0 <= from_low { -90.0 } else { self.edges[0].max(-90.0) };
        self.edges[n - 1] = if 90.0 - high <= from_high { 90.0 } else { self.edges[n - 1].min(90.0) };
        self.density = density(&self.edges);
    }

    /// The smallest and the largest centre.
    fn outermost(&self) -> (f64, f64) {
        let (first, last) = match (self.centres.first(), self.centres.last()) {
            (Some(first), Some(last)) => (*first, *last),
            _ => (0.0, 0.0),
        };
        if self.is_descending { (last, first) } else { (first, last) }
    }
}

fn density(edges: &[f64]) -> f64 {
    match (edges.first(), edges.last()) {
        (Some(first), Some(last)) if last > first => (edges.len() - 1) as f64 / (last - first),
        _ => 0.0,
    }
}

/// Longitudes that do not go on after half or a whole turn, as 0 … 179, −180 … −1, put into one turn.
fn in_one_turn(longitudes: &[f64]) -> Vec<f64> {
    let is_rising = longitudes.windows(2).all(|pair| pair[1] > pair[0]);
    let is_falling = longitudes.windows(2).all(|pair| pair[1] < pair[0]);
    if is_rising || is_falling {
        return longitudes.to_vec();
    }
    let mut last: Option<f64> = None;
    let join = |longitude: &f64| {
        let next = match last {
            Some(before) => longitude - 360.0 * ((longitude - before) / 360.0_f64).round(),
            None => *longitude,
        };
        last = Some(next);
        next
    };
    longitudes.iter().map(join).collect()
}
