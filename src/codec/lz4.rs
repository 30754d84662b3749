//! LZ4 blocks, and the framing of HDF5 filter 32004.
//!
//! # Source
//! HDF5 registered filter 32004: total length (8 bytes), block length (4 bytes), then for each
//! block its stored length (4 bytes) and its bytes; all numbers big-endian. A block stored with its
//! full length is not compressed.

use crate::CodecError;
use crate::cursor::Cursor;
use crate::expected::Expected;

/// Decodes the framing of HDF5 filter 32004.
pub(crate) fn decode_hdf5(stored: &[u8], expected: Expected) -> Result<Vec<u8>, CodecError> {
    let mut cursor = Cursor::new(stored, "the LZ4 frame");
    let total = usize::try_from(cursor.u64_be()?).unwrap_or(usize::MAX);
    let block_len = usize::try_from(cursor.u32_be()?).unwrap_or(usize::MAX);
    if total > expected.limit() {
        return Err(expected.overflow("the LZ4 frame"));
    }
    expected.check("the LZ4 frame", total)?;
    if block_len == 0 && total > 0 {
        return Err(CodecError::corrupt("the LZ4 frame has blocks of no length"));
    }
    let mut out = vec![0; total];
    for block in out.chunks_mut(block_len.max(1)) {
        let stored_len = usize::try_from(cursor.u32_be()?).unwrap_or(usize::MAX);
        let stored = cursor.take(stored_len)?;
        if stored_len == block.len() {
            block.copy_from_slice(stored);
        } else {
            decode_block(stored, block)?;
        }
    }
    Ok(out)
}

/// Decodes one bare LZ4 block into `out`, which must be filled exactly.
pub(crate) fn decode_block(stored: &[u8], out: &mut [u8]) -> Result<(), CodecError> {
    let len = lz4_flex::block::decompress_into(stored, out)
        .map_err(|error| CodecError::corrupt(format!("LZ4 block: {error}")))?;
    Expected::Exactly(out.len()).check("the LZ4 block", len)
}
