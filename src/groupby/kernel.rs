//! Partial aggregates: runs of values go to cells, and the cells become results.
//!
//! Pure and single-threaded: who feeds a [`State`] decides the order, and with it every bit of the result. Sums of floats are
//! accumulated in `f64`, of integers exactly.

mod cells;
mod lane;
mod state;

pub(crate) use cells::Cells;
pub(crate) use lane::{Lane, LaneBuffer, LaneDecoder};
pub(crate) use state::{Overflow, RunWeights, Spec, State, Target};
