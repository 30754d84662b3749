//! The blocks of a chunk and the streams in them.

use crate::cursor::Cursor;
use crate::expected::Expected;
use crate::{CodecError, deflate, lz4, zstandard};

use super::blosclz;
use super::filter::{self, Filter};
use super::header::{Compressor, Header};

/// Most streams of a block, and least bytes of a stream, that version 1 splits into.
const MAX_STREAMS_V1: usize = 16;
const MIN_STREAM_BYTES_V1: usize = 128;

/// Decodes every block of a chunk whose values are neither copied nor one repeated value.
pub(crate) fn decode_all(header: &Header, stored: &[u8]) -> Result<Vec<u8>, CodecError> {
    if let Some(place) = header.filters.iter().position(|filter| *filter == Filter::Delta)
        && place > 0
    {
        return Err(CodecError::unsupported("blosc with a delta after other filters has no decoder"));
    }
    let mut out = vec![0; header.n_bytes];
    let mut starts = Cursor::new(stored.get(header.len..).unwrap_or_default(), "the blosc chunk");
    let mut scratch = Scratch::new(header);
    let mut position = 0;
    while position < out.len() {
        let start = usize::try_from(starts.i32_le()?).unwrap_or(usize::MAX);
        let streams = stored
            .get(start..)
            .ok_or_else(|| CodecError::corrupt("a blosc block starts behind the end of its chunk"))?;
        let (done, rest) = out.split_at_mut(position);
        let len = header.block_size.min(rest.len());
        let block = rest.get_mut(..len).unwrap_or_default();
        decode_block(header, streams, block, &mut scratch)?;
        if header.filters.first() == Some(&Filter::Delta) {
            match done.get(..header.block_size) {
                None => filter::undo_delta_of_first(block, header.type_size),
                Some(first) => filter::undo_delta(block, first),
            }
        }
        position += len;
    }
    Ok(out)
}

/// Two blocks for what lies between filters.
struct Scratch {
    from: Vec<u8>,
    to: Vec<u8>,
}

impl Scratch {
    fn new(header: &Header) -> Self {
        let len = if header.filters.is_empty() { 0 } else { header.block_size };
        let second = if header.filters.len() > 1 { len } else { 0 };
        Self { from: vec![0; len], to: vec![0; second] }
    }
}

/// Decodes one block and undoes its filters, but for the delta.
fn decode_block(
    header: &Header,
    streams: &[u8],
    out: &mut [u8],
    scratch: &mut Scratch,
) -> Result<(), CodecError> {
    let filters: Vec<Filter> =
        header.filters.iter().copied().rev().filter(|filter| *filter != Filter::Delta).collect();
    let Some((last, others)) = filters.split_last() else {
        return decode_streams(header, streams, out);
    };
    let from = scratch.from.get_mut(..out.len()).unwrap_or_default();
    decode_streams(header, streams, from)?;
    for filter in others {
        let to = scratch.to.get_mut(..out.len()).unwrap_or_default();
        unfilter(*filter, header, scratch.from.get(..out.len()).unwrap_or_default(), to);
        std::mem::swap(&mut scratch.from, &mut scratch.to);
    }
    unfilter(*last, header, scratch.from.get(..out.len()).unwrap_or_default(), out);
    Ok(())
}

fn unfilter(filter: Filter, header: &Header, from: &[u8], to: &mut [u8]) {
    match filter {
        Filter::Shuffle { element_size } => {
            filter::byte_unshuffle(from, to, element_size.unwrap_or(header.type_size));
        }
        Filter::BitShuffle => filter::bit_unshuffle(from, to, header.type_size, header.is_v2),
        Filter::Delta => to.copy_from_slice(from),
    }
}

/// Decodes the streams of one block into `out`, which they must fill exactly.
fn decode_streams(header: &Header, streams: &[u8], out: &mut [u8]) -> Result<(), CodecError> {
    let n_streams = n_streams(header, out.len());
    if !out.len().is_multiple_of(n_streams) || out.len() < n_streams {
        return Err(CodecError::corrupt(format!(
            "a blosc block of {} bytes cannot be split in {n_streams}",
            out.len()
        )));
    }
    let mut cursor = Cursor::new(streams, "the blosc block");
    for stream in out.chunks_mut(out.len() / n_streams) {
        decode_stream(header, &mut cursor, stream)?;
    }
    Ok(())
}

fn n_streams(header: &Header, block_len: usize) -> usize {
    let is_last = block_len < header.block_size;
    let is_split = header.is_v2
        || (header.type_size <= MAX_STREAMS_V1 && block_len / header.type_size >= MIN_STREAM_BYTES_V1);
    if header.is_not_split || is_last || !is_split { 1 } else { header.type_size }
}

fn decode_stream(header: &Header, cursor: &mut Cursor<'_>, out: &mut [u8]) -> Result<(), CodecError> {
    let size = cursor.i32_le()?;
    if header.is_v2 && size <= 0 {
        return fill_run(size, cursor, out);
    }
    let len = usize::try_from(size)
        .map_err(|_| CodecError::corrupt(format!("a blosc stream has the negative length {size}")))?;
    let stored = cursor.take(len)?;
    if len == out.len() {
        out.copy_from_slice(stored);
        return Ok(());
    }
    match header.compressor {
        Compressor::BloscLz => blosclz::decode(stored, out),
        Compressor::Lz4 => lz4::decode_block(stored, out),
        Compressor::Snappy => decode_snappy(stored, out),
        Compressor::Zlib => deflate::decode_zlib_into(stored, out),
        Compressor::Zstd => zstandard::decode_into(stored, out),
    }
}

/// A stream that repeats one byte: zero, or the low byte of a negated size.
fn fill_run(size: i32, cursor: &mut Cursor<'_>, out: &mut [u8]) -> Result<(), CodecError> {
    if size == 0 {
        out.fill(0);
        return Ok(());
    }
    let token = cursor.u8()?;
    match u8::try_from(size.unsigned_abs()) {
        Ok(value) if token & 1 == 1 => {
            out.fill(value);
            Ok(())
        }
        _ => Err(CodecError::corrupt(format!("a blosc run has size {size} and token {token}"))),
    }
}

fn decode_snappy(stored: &[u8], out: &mut [u8]) -> Result<(), CodecError> {
    let len = snap::raw::Decoder::new()
        .decompress(stored, out)
        .map_err(|error| CodecError::corrupt(format!("snappy stream: {error}")))?;
    Expected::Exactly(out.len()).check("the snappy stream", len)
}
