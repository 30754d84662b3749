//! Bit shuffling: HDF5 filter 32008, and the transposition that Blosc shares with it.
//!
//! # Source
//! The bitshuffle library, `bitshuffle_core.c` and `bshuf_h5filter.c`. Values are cut into blocks of
//! elements; in a block the bits of all elements are regrouped by their position in the element.
//! Elements after the last multiple of eight are stored as they are, behind everything else.
//! When compressed, 12 bytes go before: total length and block length in bytes, big-endian; each
//! block then has its stored length before it, in four bytes.

use thermocline_model::BitshuffleCompressor;

use crate::bits::transpose_8x8;
use crate::cursor::Cursor;
use crate::expected::Expected;
use crate::{CodecError, lz4, shuffle, zstandard};

/// Elements are shuffled in groups of this many.
const GROUP: usize = 8;

/// The library aims at blocks of this many bytes, and of no fewer elements than the second.
const TARGET_BLOCK_BYTES: usize = 8192;
const MIN_BLOCK_ELEMENTS: usize = 128;

/// Decodes a chunk.
pub(crate) fn decode(
    stored: &[u8],
    element_size: usize,
    block_size: usize,
    compressor: BitshuffleCompressor,
    expected: Expected,
) -> Result<Vec<u8>, CodecError> {
    if element_size == 0 {
        return Err(CodecError::corrupt("bitshuffle of elements of no size"));
    }
    match compressor {
        BitshuffleCompressor::None => {
            let block_size = if block_size == 0 { default_block_size(element_size) } else { block_size };
            check_block_size(block_size)?;
            expected.check("bitshuffle", stored.len())?;
            Ok(untranspose_blocks(stored, element_size, block_size))
        }
        BitshuffleCompressor::Lz4 => decode_compressed(stored, element_size, expected, lz4::decode_block),
        BitshuffleCompressor::Zstd => {
            decode_compressed(stored, element_size, expected, zstandard::decode_into)
        }
    }
}

fn untranspose_blocks(stored: &[u8], element_size: usize, block_size: usize) -> Vec<u8> {
    let mut out = vec![0; stored.len()];
    let n_shuffled = shuffled_len(stored.len(), element_size);
    let (shuffled, rest) = stored.split_at(n_shuffled);
    let (head, tail) = out.split_at_mut(n_shuffled);
    tail.copy_from_slice(rest);
    let block_len = block_size.saturating_mul(element_size);
    for (from, to) in shuffled.chunks(block_len).zip(head.chunks_mut(block_len)) {
        untranspose(from, to, element_size);
    }
    out
}

fn decode_compressed(
    stored: &[u8],
    element_size: usize,
    expected: Expected,
    decode_block: impl Fn(&[u8], &mut [u8]) -> Result<(), CodecError>,
) -> Result<Vec<u8>, CodecError> {
    let mut cursor = Cursor::new(stored, "the bitshuffle chunk");
    let total = usize::try_from(cursor.u64_be()?).unwrap_or(usize::MAX);
    let block_len = cursor.u32_be()? as usize;
    if total > expected.limit() {
        return Err(expected.overflow("the bitshuffle chunk"));
    }
    expected.check("the bitshuffle chunk", total)?;
    let block_size = match block_len / element_size {
        0 => default_block_size(element_size),
        block_size => block_size,
    };
    check_block_size(block_size)?;
    let block_len = block_size.saturating_mul(element_size);
    let mut out = vec![0; total];
    let (shuffled, rest) = out.split_at_mut(shuffled_len(total, element_size));
    let mut scratch = vec![0; block_len.min(shuffled.len())];
    for block in shuffled.chunks_mut(block_len) {
        let len = cursor.u32_be()? as usize;
        let scratch = scratch.get_mut(..block.len()).unwrap_or_default();
        decode_block(cursor.take(len)?, scratch)?;
        untranspose(scratch, block, element_size);
    }
    rest.copy_from_slice(cursor.take(rest.len())?);
    Ok(out)
}

fn check_block_size(block_size: usize) -> Result<(), CodecError> {
    if block_size.is_multiple_of(GROUP) {
        return Ok(());
    }
    Err(CodecError::corrupt(format!("bitshuffle in blocks of {block_size} elements")))
}

/// Length in bytes of the elements that are shuffled: whole groups.
fn shuffled_len(len: usize, element_size: usize) -> usize {
    len / element_size / GROUP * GROUP * element_size
}

fn default_block_size(element_size: usize) -> usize {
    (TARGET_BLOCK_BYTES / element_size / GROUP * GROUP).max(MIN_BLOCK_ELEMENTS)
}

/// Undoes the regrouping of bits in one block of whole groups. `out` has the length of `block`.
pub(crate) fn untranspose(block: &[u8], out: &mut [u8], element_size: usize) {
    let n_groups = block.len() / element_size / GROUP;
    if n_groups == 0 {
        return;
    }
    // Row `8 j + k` holds bit `k` of byte `j` of all elements: eight rows give one plane of bytes.
    let mut planes = vec![0; block.len()];
    for (rows, plane) in block.chunks_exact(8 * n_groups).zip(planes.chunks_exact_mut(8 * n_groups)) {
        let rows: [&[u8]; 8] = std::array::from_fn(|bit| &rows[bit * n_groups..][..n_groups]);
        for (group, bytes) in plane.as_chunks_mut::<8>().0.iter_mut().enumerate() {
            *bytes = transpose_8x8(std::array::from_fn(|bit| rows[bit][group]));
        }
    }
    shuffle::unshuffle_into(&planes, out, element_size);
}
