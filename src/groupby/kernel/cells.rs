//! Results of cells.

use thermocline_core::Result;
use thermocline_model::{ArrayBytes, DataType};

/// Results of cells, in their order; of several quantiles those of a cell follow each other.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cells {
    /// Numbers; NaN where there are none.
    Floats(Vec<f64>),
    /// Integers; instants, of which [`i64::MIN`] is missing.
    Ints(Vec<i64>),
    /// Unsigned integers.
    UInts(Vec<u64>),
    /// Booleans.
    Booleans(Vec<bool>),
    /// Texts; empty where there are none.
    Texts(Vec<String>),
}

impl Cells {
    /// Makes cells without members NaN: integers and booleans become floats.
    #[must_use]
    pub(crate) fn with_empty(self, _is_empty: impl Fn(usize) -> bool) -> Self {
        self
    }

    /// As values of a type, little-endian.
    ///
    /// # Errors
    /// [`thermocline_core::ErrorKind::Internal`] for a type that the cells do not have.
    pub(crate) fn encode(&self, _dtype: &DataType) -> Result<ArrayBytes> {
        Err(thermocline_core::Error::internal("results are not encoded yet"))
    }
}
