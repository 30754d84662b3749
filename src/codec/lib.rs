//! Decodes stored chunks into values and encodes values into chunks.
//!
//! Every decoder is given the length that it must produce: a stream that is longer or shorter is
//! an error, never data.

mod error;

pub use error::CodecError;

use thermocline_model::{ArrayBytes, Codec, DataType};

/// What a chunk must decode to.
#[derive(Debug, Clone, Copy)]
pub struct ChunkSpec<'a> {
    /// Type of the elements that the chain gives.
    pub dtype: &'a DataType,
    /// Lengths of the chunk's axes, in elements.
    pub shape: &'a [u64],
    /// Largest number of bytes that any step may produce.
    pub max_bytes: u64,
}

/// Decodes the stored bytes of one chunk. `filter_mask` has bit `i` set where codec `i` was skipped.
///
/// The result has exactly the elements of `spec.shape`.
///
/// # Errors
/// [`CodecError::Corrupt`] when bytes do not decode to exactly the chunk, or a checksum does not hold.
pub fn decode(
    codecs: &[Codec],
    filter_mask: u32,
    stored: &[u8],
    spec: &ChunkSpec<'_>,
) -> Result<ArrayBytes, CodecError> {
    let _ = (codecs, filter_mask, stored, spec);
    Err(CodecError::Unsupported { message: String::new() })
}

/// Encodes the values of one whole chunk. The same values give the same bytes on every machine.
///
/// # Errors
/// [`CodecError::Unsupported`] for a codec that is only ever decoded.
pub fn encode(codecs: &[Codec], values: &ArrayBytes, spec: &ChunkSpec<'_>) -> Result<Vec<u8>, CodecError> {
    let _ = (codecs, values, spec);
    Err(CodecError::Unsupported { message: String::new() })
}
