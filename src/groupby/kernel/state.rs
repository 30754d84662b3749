//! Partial aggregates of cells.

use super::{Cells, Lane};
use crate::{Action, Source};

/// What is aggregated, and how.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Spec {
    /// The action.
    pub(crate) action: Action,
    /// The decoded type.
    pub(crate) source: Source,
    /// Whether missing values are left out; else one of them makes the cell missing.
    pub(crate) skipna: bool,
    /// `sum`, `prod`: fewer valid values give NaN.
    pub(crate) min_count: u64,
    /// `std`, `var`: the divisor is n − ddof.
    pub(crate) ddof: u64,
    /// `median` (0.5), `quantile`.
    pub(crate) q: Vec<f64>,
    /// Whether runs come with weights.
    pub(crate) is_weighted: bool,
}

/// To which cells the values of a run go.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Target<'t> {
    /// Value i to cell `first + i`.
    Each {
        /// The first cell.
        first: usize,
    },
    /// All to one cell.
    One {
        /// The cell.
        cell: usize,
    },
    /// Value i to cell `first + cells[i]`; [`crate::NO_GROUP`] for none.
    Table {
        /// Added to each.
        first: usize,
        /// One for each value.
        cells: &'t [u32],
    },
}

/// The weights of a run.
#[derive(Debug, Clone, Copy)]
pub(crate) enum RunWeights<'w> {
    /// All have this one; 1 where there are none.
    One(f64),
    /// One for each value.
    Each(&'w [f64]),
}

/// Partial aggregates of `n` cells.
pub(crate) struct State {
    // Private: one variant for each family of actions and each lane.
}

impl State {
    /// Memory that a cell takes, in bytes; of actions that need all values, what each value takes is
    /// [`State::value_bytes`].
    pub(crate) fn cell_bytes(_spec: &Spec) -> u64 {
        24
    }

    /// Memory that each member of a cell takes, in bytes: 0 for streaming actions.
    pub(crate) fn value_bytes(_spec: &Spec) -> u64 {
        0
    }

    /// Nothing seen. `n_members` is how many values each cell may be given at most, for actions that need all of them.
    pub(crate) fn new(_spec: &Spec, _n_cells: usize, _n_members: &dyn Fn(usize) -> u64) -> Self {
        Self {}
    }

    /// Takes a run. `position` is that of the first value among the members in their order (for `first` and `last`), and
    /// each next value stands `step` later.
    pub(crate) fn take(
        &mut self,
        _values: Lane<'_>,
        _to: Target<'_>,
        _weights: RunWeights<'_>,
        _position: u64,
        _step: u64,
    ) {
    }

    /// The results.
    ///
    /// # Errors
    /// The number of the first cell whose integers leave 64 bits.
    pub(crate) fn finish(self) -> Result<Cells, Overflow> {
        Err(Overflow { cell: 0 })
    }
}

/// An integer result that 64 bits cannot hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Overflow {
    /// The cell.
    pub(crate) cell: usize,
}
