//! Bzip2 streams, HDF5 filter 307 and Zarr's `bz2`.

use std::io::Write as _;

use crate::expected::Expected;
use crate::{CodecError, limited};

/// Decodes one or several bzip2 streams.
pub(crate) fn decode(stored: &[u8], expected: Expected) -> Result<Vec<u8>, CodecError> {
    limited::read(bzip2::bufread::MultiBzDecoder::new(stored), "the bzip2 stream", expected)
}

/// Encodes into one bzip2 stream.
pub(crate) fn encode(bytes: &[u8], level: u8) -> Result<Vec<u8>, CodecError> {
    let level = bzip2::Compression::new(u32::from(level.clamp(1, 9)));
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), level);
    encoder
        .write_all(bytes)
        .and_then(|()| encoder.finish())
        .map_err(|error| CodecError::unsupported(format!("bzip2: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_must_have_the_expected_length() {
        let stored = encode(b"thermocline", 9).unwrap();
        assert_eq!(decode(&stored, Expected::Exactly(11)).unwrap(), b"thermocline");
        assert!(decode(&stored, Expected::Exactly(10)).is_err());
        assert!(decode(&stored[..stored.len() - 1], Expected::Exactly(11)).is_err());
    }
}
