//! Aggregates against their plain definitions.

mod decoding;
mod edges;
mod exact;
mod floats;

use super::*;
use crate::{Action, NO_GROUP, Source};

/// A spec without options.
fn spec(action: Action, source: Source) -> Spec {
    let q = if action == Action::Median { vec![0.5] } else { Vec::new() };
    Spec { action, source, skipna: true, min_count: 0, ddof: 0, q, is_weighted: false }
}

/// What an action gives for all values of one cell.
fn of_one_cell(spec: &Spec, values: Lane<'_>) -> Result<Cells, Overflow> {
    let mut state = State::new(spec, 1, &|_| values.len() as u64);
    state.take(values, Target::One { cell: 0 }, RunWeights::One(1.0), 0, 1).expect("one cell");
    state.finish()
}

fn number(cells: Cells) -> f64 {
    cells.into_floats()[0]
}
