//! Results of computations.
