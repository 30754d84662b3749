//! Blosc 1 and Blosc 2 chunks.
//!
//! Decoding is our own: stored bytes are untrusted, and every size in them is checked before it is
//! used. Encoding is the C library's, so that others read what we write as their own.
//!
//! # Source
//! C-Blosc 1.21 `README_CHUNK_FORMAT.rst`; C-Blosc2 `README_CHUNK_FORMAT.rst`.
//!
//! # Limits
//! Chunks with dictionaries, user-defined codecs or user-defined filters are not decoded.

mod block;
mod blosclz;
mod filter;
mod frame;
mod header;
mod msgpack;
#[cfg(test)]
mod tests;

use thermocline_model::{BloscCodec, BloscShuffle};
use zarrs::array::codec::{BloscCompressionLevel, BloscCompressor, BloscShuffleMode};

use crate::CodecError;
use crate::expected::Expected;

use header::{Header, Special};

pub(crate) use frame::decode_frame;

/// Decodes one chunk of either version.
pub(crate) fn decode_chunk(stored: &[u8], expected: Expected) -> Result<Vec<u8>, CodecError> {
    let header = Header::parse(stored)?;
    if header.n_bytes > expected.limit() {
        return Err(expected.overflow("the blosc chunk"));
    }
    expected.check("the blosc chunk", header.n_bytes)?;
    let stored = stored.get(..header.c_bytes).unwrap_or(stored);
    if header.n_bytes == 0 {
        return Ok(Vec::new());
    }
    if let Some(special) = header.special {
        return special_values(special, &header, stored);
    }
    if header.is_copied {
        let copied = stored.get(header.len..).and_then(|bytes| bytes.get(..header.n_bytes));
        return copied
            .map(<[u8]>::to_vec)
            .ok_or_else(|| CodecError::corrupt("the blosc chunk is shorter than the bytes copied into it"));
    }
    block::decode_all(&header, stored)
}

/// A chunk of one repeated value.
fn special_values(special: Special, header: &Header, stored: &[u8]) -> Result<Vec<u8>, CodecError> {
    let value = match special {
        Special::Zeros => return Ok(vec![0; header.n_bytes]),
        Special::Nan => not_a_number(header.type_size)?,
        Special::Repeated => stored
            .get(header.len..)
            .and_then(|bytes| bytes.get(..header.type_size))
            .map(<[u8]>::to_vec)
            .ok_or_else(|| CodecError::corrupt("the blosc chunk lacks the value that it repeats"))?,
    };
    if !header.n_bytes.is_multiple_of(value.len()) {
        return Err(CodecError::corrupt("the blosc chunk does not hold whole values"));
    }
    Ok(value.repeat(header.n_bytes / value.len()))
}

fn not_a_number(type_size: usize) -> Result<Vec<u8>, CodecError> {
    match type_size {
        4 => Ok(f32::NAN.to_le_bytes().to_vec()),
        8 => Ok(f64::NAN.to_le_bytes().to_vec()),
        _ => Err(CodecError::corrupt(format!("the blosc chunk has NaNs of {type_size} bytes"))),
    }
}

/// How a chunk is encoded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parameters {
    /// Compressor inside.
    pub(crate) cname: BloscCodec,
    /// Level, 0–9.
    pub(crate) level: u8,
    /// Shuffling inside.
    pub(crate) shuffle: BloscShuffle,
    /// Size of the elements in bytes.
    pub(crate) type_size: usize,
    /// Block size in bytes, 0 for automatic.
    pub(crate) block_size: usize,
}

/// Encodes one chunk of version 1, on this thread alone.
pub(crate) fn encode_chunk(bytes: &[u8], parameters: Parameters) -> Result<Vec<u8>, CodecError> {
    let unsupported = |reason: String| CodecError::unsupported(format!("blosc: {reason}"));
    if i32::try_from(bytes.len()).is_err() {
        return Err(unsupported(format!("{} bytes are too many for one chunk", bytes.len())));
    }
    let level = BloscCompressionLevel::try_from(parameters.level)
        .map_err(|level| unsupported(format!("there is no level {level}")))?;
    zarrs::array::codec::blosc_compress_bytes(
        bytes,
        level,
        shuffle_mode(parameters.shuffle),
        parameters.type_size.clamp(1, 255),
        compressor(parameters.cname),
        parameters.block_size,
        1,
    )
    .map_err(|error| unsupported(error.to_string()))
}

fn shuffle_mode(shuffle: BloscShuffle) -> BloscShuffleMode {
    match shuffle {
        BloscShuffle::None => BloscShuffleMode::NoShuffle,
        BloscShuffle::Byte => BloscShuffleMode::Shuffle,
        BloscShuffle::Bit => BloscShuffleMode::BitShuffle,
    }
}

fn compressor(cname: BloscCodec) -> BloscCompressor {
    match cname {
        BloscCodec::BloscLz => BloscCompressor::BloscLZ,
        BloscCodec::Lz4 => BloscCompressor::LZ4,
        BloscCodec::Lz4Hc => BloscCompressor::LZ4HC,
        BloscCodec::Snappy => BloscCompressor::Snappy,
        BloscCodec::Zlib => BloscCompressor::Zlib,
        BloscCodec::Zstd => BloscCompressor::Zstd,
    }
}
