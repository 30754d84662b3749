//! Decoded values in the four shapes that kernels know.

use thermocline_core::Result;
use thermocline_model::{ArrayBytes, Variable};

use crate::Source;

/// Decoded values of a run.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Lane<'v> {
    /// NaN is missing.
    Single(&'v [f32]),
    /// NaN is missing.
    Double(&'v [f64]),
    /// Signed integers and booleans, none missing; instants, of which [`i64::MIN`] is missing.
    Int(&'v [i64]),
    /// Unsigned integers of 8 bytes.
    UInt(&'v [u64]),
    /// Texts, none missing.
    Text(&'v [String]),
}

/// Room for the decoded values of a run, used again for the next.
#[derive(Debug, Default)]
pub(crate) struct LaneBuffer {
    // Private: a vector for each shape.
}

/// Decodes stored elements of one variable into lanes.
pub(crate) struct LaneDecoder {
    // Private.
}

impl LaneDecoder {
    /// That of a variable.
    pub(crate) fn of(_variable: &Variable) -> Result<(Self, Source)> {
        Err(thermocline_core::Error::internal("lanes are not decoded yet"))
    }

    /// Decodes `n` elements from element `first` on of a chunk.
    pub(crate) fn decode<'b>(
        &'b self,
        _chunk: &'b ArrayBytes,
        _first: usize,
        _n: usize,
        _buffer: &'b mut LaneBuffer,
    ) -> Lane<'b> {
        Lane::Single(&[])
    }
}
