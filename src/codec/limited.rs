//! Reading a decoder to its end without reading more than is expected.

use std::io::Read;

use crate::CodecError;
use crate::expected::Expected;

/// Reads `decoder` to its end.
pub(crate) fn read(decoder: impl Read, step: &str, expected: Expected) -> Result<Vec<u8>, CodecError> {
    let mut out = match expected {
        Expected::Exactly(len) => Vec::with_capacity(len.saturating_add(1)),
        Expected::AtMost(_) => Vec::new(),
    };
    let limit = u64::try_from(expected.limit()).unwrap_or(u64::MAX).saturating_add(1);
    decoder
        .take(limit)
        .read_to_end(&mut out)
        .map_err(|error| CodecError::corrupt(format!("{step}: {error}")))?;
    if out.len() > expected.limit() {
        return Err(expected.overflow(step));
    }
    expected.check(step, out.len())?;
    Ok(out)
}
