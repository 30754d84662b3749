//! Partial aggregates: runs of values go to cells, and the cells become results.
//!
//! Pure and single-threaded: who feeds a [`State`] decides the order, and with it every bit of the result. Sums of floats are
//! accumulated in `f64`, of integers exactly. What a cell needs lies in arrays of its own, so that the loops over runs for
//! neighbouring cells take several at once.
//!
//! # Source
//! Values and types are those of xarray's `groupby` (2026.9, with flox 0.11) on the variable in `float64`.

mod cells;
mod ends;
mod extremes;
mod integers;
mod lane;
mod members;
mod moments;
mod number;
mod run;
mod state;
mod sums;
#[cfg(test)]
mod tests;
mod truths;

pub(crate) use cells::Cells;
pub(crate) use lane::{Lane, LaneBuffer, LaneDecoder};
pub(crate) use state::{Overflow, RunWeights, Spec, State, Target};
