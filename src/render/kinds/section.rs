//! Sections: cells between two coordinates that are not both horizontal (depth and latitude, time and longitude).
//!
//! Both axes are linear in the coordinate's values. Cells meet midway between neighbouring values; the outermost ones
//! reach as far outwards as inwards.

use crate::ticks::{Axis, Quantity};
use crate::{CellMap, Error, NO_CELL, Result};

/// In which direction the values of an axis ascend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// To the right or upwards.
    Ascending,
    /// To the left or downwards, as depth and pressure (CF `positive: down`).
    Descending,
}

/// A coordinate along one side of a section.
#[derive(Debug, Clone)]
pub struct SectionAxis {
    /// Edges of the cells, ascending: one more than there are cells.
    edges: Vec<f64>,
    /// True if the coordinate's values descend.
    is_reversed: bool,
    direction: Direction,
    axis: Axis,
}

impl SectionAxis {
    /// The axis of a coordinate: `name` for messages, `label` for what stands beside it.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a coordinate without values, with missing ones, or that neither ascends nor descends.
    pub fn new(
        name: &str,
        values: &[f64],
        quantity: Quantity,
        label: Option<String>,
        direction: Direction,
    ) -> Result<Self> {
        let (edges, is_reversed) = cell_edges(name, values)?;
        let (low, high) = (edges.first().copied().unwrap_or(0.0), edges.last().copied().unwrap_or(1.0));
        let (first, last) = match direction {
            Direction::Ascending => (low, high),
            Direction::Descending => (high, low),
        };
        Ok(Self { edges, is_reversed, direction, axis: Axis { first, last, quantity, label } })
    }

    /// The axis, from outer edge to outer edge.
    pub fn axis(&self) -> &Axis {
        &self.axis
    }

    /// How many cells it has.
    pub fn len(&self) -> usize {
        self.edges.len() - 1
    }

    /// True if it has no cells.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The cell of each of `n_pixels` pixels from the left or lower end: the one that holds the pixel's centre.
    pub fn cells(&self, n_pixels: u32) -> Vec<u32> {
        let (low, high) = (self.edges[0], self.edges[self.edges.len() - 1]);
        let n_cells = self.len();
        let cell_at = |pixel: u32| {
            let share = (f64::from(pixel) + 0.5) / f64::from(n_pixels);
            let value = match self.direction {
                Direction::Ascending => low + share * (high - low),
                Direction::Descending => high - share * (high - low),
            };
            let above = self.edges.partition_point(|edge| *edge <= value);
            let ascending = above.saturating_sub(1).min(n_cells - 1);
            let cell = if self.is_reversed { n_cells - 1 - ascending } else { ascending };
            u32::try_from(cell).unwrap_or(NO_CELL)
        };
        (0..n_pixels).map(cell_at).collect()
    }
}

/// The cell of each pixel of a panel between two coordinates: `y` runs along the rows of the field, `x` along its columns.
pub fn section_cells(x: &SectionAxis, y: &SectionAxis, (width, height): super::Size) -> CellMap {
    let mut rows = y.cells(height);
    rows.reverse();
    CellMap::Separable { rows, columns: x.cells(width), n_columns: u32::try_from(x.len()).unwrap_or(NO_CELL) }
}

/// Edges of the cells around values, ascending, and whether the values descend.
///
/// # Errors
/// [`Error::Invalid`] as [`SectionAxis::new`].
pub fn cell_edges(name: &str, values: &[f64]) -> Result<(Vec<f64>, bool)> {
    if let Some(position) = values.iter().position(|value| !value.is_finite()) {
        return Err(Error::Invalid(format!("coordinate '{name}' has no value at position {position}")));
    }
    let is_reversed = values.len() > 1 && values[0] > values[values.len() - 1];
    let mut centres = values.to_vec();
    if is_reversed {
        centres.reverse();
    }
    if let Some(position) = centres.windows(2).position(|pair| pair[0] >= pair[1]) {
        let (one, other) = (centres[position], centres[position + 1]);
        return Err(Error::Invalid(format!(
            "coordinate '{name}' neither ascends nor descends: {one} and {other} stand side by side"
        )));
    }
    let edges = match centres.as_slice() {
        [] => return Err(Error::Invalid(format!("coordinate '{name}' has no values"))),
        [only] => {
            let half = (only.abs() * 1e-9).max(0.5);
            vec![only - half, only + half]
        }
        [first, second, ..] => {
            let [.., last_but_one, last] = centres.as_slice() else { return Ok((Vec::new(), false)) };
            let inner = centres.windows(2).map(|pair| pair[0] + (pair[1] - pair[0]) / 2.0);
            std::iter::once(first - (second - first) / 2.0)
                .chain(inner)
                .chain(std::iter::once(last + (last - last_but_one) / 2.0))
                .collect()
        }
    };
    if edges.iter().any(|edge| !edge.is_finite()) {
        return Err(Error::Invalid(format!("coordinate '{name}' has values too large to draw")));
    }
    Ok((edges, is_reversed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(values: &[f64], direction: Direction) -> SectionAxis {
        SectionAxis::new("depth", values, Quantity::Number, None, direction).expect("an axis")
    }

    #[test]
    fn cells_meet_midway_and_reach_half_a_spacing_outwards() {
        let (edges, _) = cell_edges("depth", &[5.0, 15.0, 35.0]).expect("edges");
        assert_eq!(edges, vec![0.0, 10.0, 25.0, 45.0]);
    }

    #[test]
    fn depth_runs_downwards() {
        let depth = axis(&[5.0, 15.0, 35.0], Direction::Descending);
        let latitude = axis(&[-30.0, 30.0], Direction::Ascending);

        let cells = section_cells(&latitude, &depth, (4, 9));

        let rows = vec![0, 0, 1, 1, 1, 2, 2, 2, 2];
        assert_eq!(cells, CellMap::Separable { rows, columns: vec![0, 0, 1, 1], n_columns: 2 });
        assert_eq!((depth.axis().first, depth.axis().last), (45.0, 0.0));
    }

    #[test]
    fn descending_coordinates_still_ascend_to_the_right() {
        assert_eq!(axis(&[30.0, 0.0, -30.0], Direction::Ascending).cells(6), vec![2, 2, 1, 1, 0, 0]);
    }

    #[test]
    fn missing_and_unordered_values_are_named() {
        let missing = cell_edges("lev", &[1.0, f64::NAN]).expect_err("missing");
        assert!(missing.to_string().contains("'lev' has no value at position 1"));
        let unordered = cell_edges("lev", &[1.0, 3.0, 2.0, 4.0]).expect_err("unordered");
        assert!(unordered.to_string().contains("3 and 2 stand side by side"));
        assert!(cell_edges("lev", &[]).is_err());
        assert!(cell_edges("lev", &[1.0, 1.0]).is_err());
    }

    proptest::proptest! {
        #[test]
        fn any_coordinate_is_drawn_or_refused(values: Vec<f64>, n_pixels in 0u32..100) {
            if let Ok(axis) = SectionAxis::new("x", &values, Quantity::Number, None, Direction::Descending) {
                let cells = axis.cells(n_pixels);
                proptest::prop_assert!(cells.iter().all(|cell| (*cell as usize) < values.len()));
            }
        }
    }
}
