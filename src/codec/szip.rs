//! SZIP, HDF5 filter 4.
//!
//! # Source
//! CCSDS 121.0-B, and HDF5's `H5Zszip.c`: four bytes of length, least significant first, go before
//! the coded stream.

use hdf5_reader::filters::szip;

use crate::CodecError;
use crate::expected::Expected;

/// Decodes a chunk; `client_data` are options, pixels a block, bits a pixel, pixels a scan line.
pub(crate) fn decode(
    stored: &[u8],
    client_data: &[u32; 4],
    expected: Expected,
) -> Result<Vec<u8>, CodecError> {
    if let Some((len, _)) = stored.split_first_chunk::<4>()
        && u32::from_le_bytes(*len) as usize > expected.limit()
    {
        return Err(expected.overflow("the szip chunk"));
    }
    let out = szip::decompress_with_limit(stored, client_data, expected.limit())
        .map_err(|error| CodecError::corrupt(format!("szip: {error}")))?;
    expected.check("the szip chunk", out.len())?;
    Ok(out)
}
