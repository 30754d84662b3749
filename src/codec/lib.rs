//! Decodes stored chunks into values and encodes values into chunks.
//!
//! Every decoder is given the length that it must produce: a stream that is longer or shorter is
//! an error, never data.

mod axes;
mod bits;
mod bitshuffle;
mod blosc;
mod bzip;
mod chain;
mod checksum;
mod cursor;
mod deflate;
mod error;
mod expected;
mod fill;
pub mod fletcher32;
pub mod hdf5;
mod inflate;
mod limited;
mod lz4;
mod lzf;
mod nbit;
mod number;
mod numcodecs;
pub mod region;
mod scale_offset;
mod shuffle;
pub mod spare;
mod szip;
mod text;
#[cfg(test)]
mod vectors;
mod zstandard;

use thermocline_model::DataType;

pub use chain::{decode, encode};
pub use error::CodecError;
pub use fill::fill_chunk;
pub use shuffle::{shuffle, swap_byte_order, unshuffle};
pub use text::{fixed_to_text, join_chars};

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
