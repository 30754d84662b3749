//! Zlib and gzip streams.
//!
//! # Source
//! RFC 1950 and RFC 1952. Like libhdf5, a zlib stream ends where it says; bytes after it have no meaning.
//!
//! Streams of known length that are not short go through a decoder for shuffled floats. What it leaves, and the short ones, go
//! through libdeflate, which has the whole of both sides and is 1.4 times as fast as zlib-rs on such data. What both refuse is
//! given to zlib-rs, which decides and says what is wrong.

use std::cell::RefCell;

use flate2::{Compression, Decompress, FlushDecompress, Status};
use libdeflater::Decompressor;

use crate::expected::Expected;
use crate::inflate::Inflater;
use crate::{CodecError, limited, spare};

/// Room beyond the expected length: the decoder's fast loop needs it near the end.
const SLACK: usize = 512;

/// Shortest stream, inflated, that is worth the tables of [`Inflater`], in bytes.
const MIN_TABLES_BYTES: usize = 256 << 10;

/// First guess of the output of a stream whose length is not known, in multiples of its input.
const GUESSED_RATIO: usize = 4;

/// No stream gives more bytes for one of its own: memory for more need not be touched.
const MAX_RATIO: usize = 1032;

thread_local! {
    /// One decoder a thread: it is larger than most chunks of coordinates.
    static INFLATE: RefCell<Decompress> = RefCell::new(Decompress::new(true));
    /// The same of libdeflate.
    static INFLATE_WHOLE: RefCell<Decompressor> = RefCell::new(Decompressor::new());
    /// The tables for streams that are not short.
    static INFLATE_TABLES: RefCell<Inflater> = RefCell::new(Inflater::default());
}

/// Fills `out` with a zlib stream at once; false if it is not exactly that, whatever the reason.
fn inflates_whole(stored: &[u8], out: &mut [u8]) -> bool {
    if out.len() >= MIN_TABLES_BYTES
        && INFLATE_TABLES.with_borrow_mut(|inflate| inflate.zlib(stored, out)).is_ok()
    {
        return true;
    }
    let inflated = INFLATE_WHOLE.with_borrow_mut(|inflate| inflate.zlib_decompress(stored, out));
    inflated.is_ok_and(|len| len == out.len())
}

/// Inflates a zlib stream.
pub(crate) fn decode_zlib(stored: &[u8], expected: Expected) -> Result<Vec<u8>, CodecError> {
    if let Expected::Exactly(len) = expected
        && len / MAX_RATIO <= stored.len()
    {
        let mut out = spare::take_filled(len, SLACK);
        if inflates_whole(stored, &mut out) {
            return Ok(out);
        }
        spare::give(out);
    }
    INFLATE.with_borrow_mut(|inflate| {
        inflate.reset(true);
        run(inflate, stored, expected)
    })
}

/// Inflates a zlib stream into `out`, which must be filled exactly.
pub(crate) fn decode_zlib_into(stored: &[u8], out: &mut [u8]) -> Result<(), CodecError> {
    if inflates_whole(stored, out) {
        return Ok(());
    }
    INFLATE.with_borrow_mut(|inflate| {
        inflate.reset(true);
        let status = inflate
            .decompress(stored, out, FlushDecompress::Finish)
            .map_err(|error| CodecError::corrupt(format!("zlib stream: {error}")))?;
        match status {
            Status::StreamEnd if inflate.total_out() == out.len() as u64 => Ok(()),
            _ => Err(CodecError::corrupt(format!("the zlib stream does not give {} bytes", out.len()))),
        }
    })
}

fn run(inflate: &mut Decompress, stored: &[u8], expected: Expected) -> Result<Vec<u8>, CodecError> {
    let capacity = match expected {
        Expected::Exactly(len) => len.saturating_add(SLACK),
        Expected::AtMost(limit) => {
            stored.len().saturating_mul(GUESSED_RATIO).min(limit).saturating_add(SLACK)
        }
    };
    let mut out = spare::take(capacity);
    loop {
        let position = usize::try_from(inflate.total_in()).unwrap_or(usize::MAX);
        let input = stored.get(position..).unwrap_or_default();
        let before = (inflate.total_in(), inflate.total_out());
        let status = inflate
            .decompress_vec(input, &mut out, FlushDecompress::Finish)
            .map_err(|error| CodecError::corrupt(format!("zlib stream: {error}")))?;
        if out.len() > expected.limit() {
            return Err(expected.overflow("the zlib stream"));
        }
        match status {
            Status::StreamEnd => break,
            _ if out.len() == out.capacity() => {
                let wanted = out.capacity().saturating_mul(2).min(expected.limit().saturating_add(SLACK));
                out.reserve_exact(wanted.saturating_sub(out.len()).max(1));
            }
            _ if before == (inflate.total_in(), inflate.total_out()) => {
                return Err(CodecError::corrupt("the zlib stream ends too early"));
            }
            _ => {}
        }
    }
    expected.check("the zlib stream", out.len())?;
    Ok(out)
}

/// Deflates into a zlib stream.
pub(crate) fn encode_zlib(bytes: &[u8], level: u8) -> Result<Vec<u8>, CodecError> {
    let encoder = flate2::write::ZlibEncoder::new(Vec::new(), Compression::new(u32::from(level.min(9))));
    finish(encoder, bytes, flate2::write::ZlibEncoder::finish)
}

/// Inflates one or several gzip members.
pub(crate) fn decode_gzip(stored: &[u8], expected: Expected) -> Result<Vec<u8>, CodecError> {
    limited::read(flate2::bufread::MultiGzDecoder::new(stored), "the gzip stream", expected)
}

/// Deflates into one gzip member without a time or a name.
pub(crate) fn encode_gzip(bytes: &[u8], level: u8) -> Result<Vec<u8>, CodecError> {
    let level = Compression::new(u32::from(level.min(9)));
    let encoder = flate2::GzBuilder::new().mtime(0).operating_system(255).write(Vec::new(), level);
    finish(encoder, bytes, flate2::write::GzEncoder::finish)
}

fn finish<E: std::io::Write>(
    mut encoder: E,
    bytes: &[u8],
    finish: impl FnOnce(E) -> std::io::Result<Vec<u8>>,
) -> Result<Vec<u8>, CodecError> {
    encoder.write_all(bytes).map_err(not_deflated)?;
    finish(encoder).map_err(not_deflated)
}

fn not_deflated(error: std::io::Error) -> CodecError {
    CodecError::unsupported(format!("deflate: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `zlib.compress(b"thermocline" * 3, 6)` of Python.
    const ZLIB: [u8; 21] = [
        0x78, 0x9c, 0x2b, 0xc9, 0x48, 0x2d, 0xca, 0xcd, 0x4f, 0xce, 0xc9, 0xcc, 0x4b, 0x2d, 0xa1, 0x9a, 0x00,
        0x00, 0xd8, 0x05, 0x0e,
    ];

    fn thrice() -> Vec<u8> {
        b"thermocline".repeat(3)
    }

    #[test]
    fn a_stream_must_have_the_expected_length() {
        let stored = encode_zlib(&thrice(), 6).unwrap();
        assert_eq!(decode_zlib(&stored, Expected::Exactly(33)).unwrap(), thrice());
        for wrong in [0, 1, 32, 34, 1000] {
            assert!(matches!(
                decode_zlib(&stored, Expected::Exactly(wrong)),
                Err(CodecError::Corrupt { .. })
            ));
        }
    }

    #[test]
    fn a_stream_of_unknown_length_is_read_up_to_the_limit() {
        let zeros = vec![0; 1_000_000];
        let stored = encode_zlib(&zeros, 9).unwrap();
        assert_eq!(decode_zlib(&stored, Expected::AtMost(1_000_000)).unwrap(), zeros);
        assert!(matches!(decode_zlib(&stored, Expected::AtMost(999_999)), Err(CodecError::TooLarge { .. })));
    }

    #[test]
    fn a_stream_cut_anywhere_is_corrupt() {
        let stored = encode_zlib(&thrice(), 6).unwrap();
        for len in 0..stored.len() {
            assert!(decode_zlib(&stored[..len], Expected::Exactly(33)).is_err(), "{len}");
        }
    }

    #[test]
    fn a_wrong_checksum_is_corrupt() {
        let mut stored = ZLIB;
        *stored.last_mut().unwrap() ^= 1;
        assert!(decode_zlib(&stored, Expected::Exactly(33)).is_err());
    }

    #[test]
    fn gzip_members_follow_each_other() {
        let mut stored = encode_gzip(b"thermo", 6).unwrap();
        stored.extend(encode_gzip(b"cline", 0).unwrap());
        assert_eq!(decode_gzip(&stored, Expected::Exactly(11)).unwrap(), b"thermocline");
        assert!(decode_gzip(&stored, Expected::Exactly(10)).is_err());
        assert!(decode_gzip(&stored[..stored.len() - 1], Expected::Exactly(11)).is_err());
    }
}
