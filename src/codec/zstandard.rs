//! Zstandard frames.
//!
//! # Source
//! RFC 8878.

use std::cell::RefCell;

use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe::{CParameter, get_frame_content_size};

use crate::expected::Expected;
use crate::{CodecError, limited, spare};

thread_local! {
    /// One decoder a thread: it is large.
    static DECODER: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// Decodes one or several frames.
pub(crate) fn decode(stored: &[u8], expected: Expected) -> Result<Vec<u8>, CodecError> {
    match expected {
        Expected::Exactly(len) => decode_exactly(stored, len),
        Expected::AtMost(limit) => {
            if let Ok(Some(size)) = get_frame_content_size(stored)
                && size > limit as u64
            {
                return Err(expected.overflow("the zstd frame"));
            }
            let decoder = zstd::stream::read::Decoder::with_buffer(stored).map_err(corrupt)?;
            limited::read(decoder, "the zstd frame", expected)
        }
    }
}

fn decode_exactly(stored: &[u8], len: usize) -> Result<Vec<u8>, CodecError> {
    // Empty input would decode to nothing without an error.
    if stored.is_empty() {
        return Err(CodecError::corrupt("the zstd frame is empty"));
    }
    let mut out = spare::take(len);
    decode_into_vec(stored, &mut out)?;
    Expected::Exactly(len).check("the zstd frame", out.len())?;
    Ok(out)
}

/// Decodes into `out`, which must be filled exactly.
pub(crate) fn decode_into(stored: &[u8], out: &mut [u8]) -> Result<(), CodecError> {
    let n = with_decoder(|decoder| decoder.decompress_to_buffer(stored, out))?;
    Expected::Exactly(out.len()).check("the zstd frame", n)
}

fn decode_into_vec(stored: &[u8], out: &mut Vec<u8>) -> Result<usize, CodecError> {
    with_decoder(|decoder| decoder.decompress_to_buffer(stored, out))
}

fn with_decoder<T>(
    decode: impl FnOnce(&mut Decompressor<'static>) -> std::io::Result<T>,
) -> Result<T, CodecError> {
    DECODER.with_borrow_mut(|slot| {
        let decoder = match slot {
            Some(decoder) => decoder,
            None => slot.insert(Decompressor::new().map_err(corrupt)?),
        };
        decode(decoder).map_err(corrupt)
    })
}

/// Encodes into one frame that names the size of its content.
pub(crate) fn encode(bytes: &[u8], level: i32, checksum: bool) -> Result<Vec<u8>, CodecError> {
    let unsupported = |error: std::io::Error| CodecError::unsupported(format!("zstd: {error}"));
    let mut compressor = Compressor::new(level).map_err(unsupported)?;
    compressor.set_parameter(CParameter::ChecksumFlag(checksum)).map_err(unsupported)?;
    compressor.compress(bytes).map_err(unsupported)
}

fn corrupt(error: std::io::Error) -> CodecError {
    CodecError::corrupt(format!("zstd frame: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_must_have_the_expected_length() {
        for level in [-3, 1, 19] {
            let stored = encode(b"thermocline", level, true).unwrap();
            assert_eq!(decode(&stored, Expected::Exactly(11)).unwrap(), b"thermocline");
            assert_eq!(decode(&stored, Expected::AtMost(11)).unwrap(), b"thermocline");
            assert!(decode(&stored, Expected::Exactly(10)).is_err());
            assert!(decode(&stored, Expected::Exactly(12)).is_err());
            assert!(matches!(decode(&stored, Expected::AtMost(10)), Err(CodecError::TooLarge { .. })));
        }
    }

    #[test]
    fn the_checksum_is_checked() {
        let mut stored = encode(b"thermocline", 1, true).unwrap();
        *stored.last_mut().unwrap() ^= 1;
        assert!(matches!(decode(&stored, Expected::Exactly(11)), Err(CodecError::Corrupt { .. })));
    }

    #[test]
    fn nothing_is_not_an_empty_frame() {
        assert!(decode(&[], Expected::Exactly(0)).is_err());
    }
}
