//! Groupby diagnostics of a dataset's variables: from what is asked for to the numbers. No HTTP: the server and the command
//! line both come here.
//!
//! ```text
//! Request    the words of a request, checked by a closed grammar                        request
//! Factor     which group each position of the variable belongs to, and the labels       groups
//! Plan       dimensions, type and cost of the result; metadata and coordinates only     plan
//! Kernel     partial aggregates of runs of values                                       kernel
//! compute    one bounded pass over the chunks, tile by tile                             compute
//! Described  the result as a dataset: dimensions, coordinates, attributes               result
//! Engine     what requests share: memory, threads, kept results, one computation each   engine
//! ```
//!
//! # Specification
//! Values, labels and types are those of xarray's `groupby` (2026.9, with flox) on the decoded variable in `float64`; where
//! this crate differs, the module says so.

mod compute;
mod engine;
mod failure;
mod groups;
mod kernel;
mod plan;
mod request;
mod result;
#[cfg(test)]
mod testing;

pub use compute::Progress;
pub use engine::{Engine, EngineSettings, Grouped, KeptResult};
pub use failure::Failure;
pub use groups::{Factor, GroupLabels, NO_GROUP};
pub use plan::{AxisWeights, Estimate, Plan, ResultAxis, ResultDim, Source, WeightValues};
pub use request::{
    Action, Bins, Closed, Component, Frequency, FrequencyUnit, Grouper, OptionSpec, Options, Request, Weights,
};
pub use result::Described;
