//! LZF, HDF5 filter 32000 as h5py writes it.
//!
//! # Source
//! LibLZF's stream format: a control byte below 32 starts a run of literals, any other a match.

use crate::CodecError;
use crate::expected::Expected;

/// Decodes a stream.
pub(crate) fn decode(stored: &[u8], expected: Expected) -> Result<Vec<u8>, CodecError> {
    let mut out = Vec::with_capacity(expected.limit().min(stored.len().saturating_mul(64)));
    let mut input = stored.iter();
    while let Some(&control) = input.next() {
        if control < 32 {
            let run = usize::from(control) + 1;
            let literals = input.as_slice().get(..run).ok_or_else(ends_early)?;
            room(&out, run, expected)?;
            out.extend_from_slice(literals);
            input = input.as_slice().get(run..).unwrap_or_default().iter();
            continue;
        }
        let mut len = usize::from(control >> 5);
        if len == 7 {
            len += usize::from(*input.next().ok_or_else(ends_early)?);
        }
        let low = usize::from(*input.next().ok_or_else(ends_early)?);
        let distance = (usize::from(control & 31) << 8) + low + 1;
        room(&out, len + 2, expected)?;
        copy_match(&mut out, distance, len + 2)?;
    }
    expected.check("the LZF stream", out.len())?;
    Ok(out)
}

fn room(out: &[u8], wanted: usize, expected: Expected) -> Result<(), CodecError> {
    if wanted > expected.limit() - out.len() {
        return Err(expected.overflow("the LZF stream"));
    }
    Ok(())
}

/// Appends `len` bytes from `distance` before the end; they may reach into what is being written.
fn copy_match(out: &mut Vec<u8>, distance: usize, len: usize) -> Result<(), CodecError> {
    let start = out
        .len()
        .checked_sub(distance)
        .ok_or_else(|| CodecError::corrupt("the LZF stream refers to bytes before its start"))?;
    if distance >= len {
        out.extend_from_within(start..start + len);
        return Ok(());
    }
    for i in 0..len {
        let Some(byte) = out.get(start + i).copied() else { break };
        out.push(byte);
    }
    Ok(())
}

fn ends_early() -> CodecError {
    CodecError::corrupt("the LZF stream ends too early")
}
