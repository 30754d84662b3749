//! BloscLZ streams.
//!
//! # Source
//! C-Blosc, `blosclz.c`: a control byte below 32 starts a run of literals, any other a match of at
//! least three bytes, at most 8191 bytes back or, with an escape, 65535 more.

use crate::CodecError;
use crate::cursor::Cursor;

/// Distance from which two more bytes name the rest.
const FAR: usize = 8191;

/// Decodes a stream into `out`, which must be filled exactly.
pub(crate) fn decode(stored: &[u8], out: &mut [u8]) -> Result<(), CodecError> {
    let mut cursor = Cursor::new(stored, "the blosclz stream");
    // The first control byte is always one of literals: its high bits are free for a version.
    let mut control = cursor.u8()? & 31;
    let mut position = 0;
    loop {
        position = if control < 32 {
            literals(&mut cursor, usize::from(control) + 1, out, position)?
        } else {
            matched(&mut cursor, control, out, position)?
        };
        if cursor.rest().is_empty() {
            break;
        }
        control = cursor.u8()?;
    }
    if position == out.len() {
        return Ok(());
    }
    Err(CodecError::corrupt(format!("the blosclz stream gives {position} bytes, not {}", out.len())))
}

fn literals(
    cursor: &mut Cursor<'_>,
    len: usize,
    out: &mut [u8],
    position: usize,
) -> Result<usize, CodecError> {
    let bytes = cursor.take(len)?;
    out.get_mut(position..position + len).ok_or_else(overflows)?.copy_from_slice(bytes);
    Ok(position + len)
}

fn matched(
    cursor: &mut Cursor<'_>,
    control: u8,
    out: &mut [u8],
    position: usize,
) -> Result<usize, CodecError> {
    let mut len = usize::from(control >> 5) - 1;
    if len == 6 {
        loop {
            let more = cursor.u8()?;
            len += usize::from(more);
            if more != 255 {
                break;
            }
        }
    }
    len += 3;
    let high = usize::from(control & 31) << 8;
    let low = usize::from(cursor.u8()?);
    let mut distance = high + low + 1;
    if distance == FAR + 1 {
        distance = FAR + 1 + (usize::from(cursor.u8()?) << 8) + usize::from(cursor.u8()?);
    }
    let start = position
        .checked_sub(distance)
        .ok_or_else(|| CodecError::corrupt("the blosclz stream refers to bytes before its start"))?;
    let end = position.checked_add(len).filter(|end| *end <= out.len()).ok_or_else(overflows)?;
    copy_match(out, start, position, end);
    Ok(end)
}

/// Repeats the bytes from `start` at `position` up to `end`; they may reach into what is being written.
fn copy_match(out: &mut [u8], start: usize, position: usize, end: usize) {
    let (distance, len) = (position - start, end - position);
    if distance == 1 {
        let value = out[start];
        out[position..end].fill(value);
    } else if distance >= len {
        out.copy_within(start..start + len, position);
    } else {
        for i in position..end {
            out[i] = out[i - distance];
        }
    }
}

fn overflows() -> CodecError {
    CodecError::corrupt("the blosclz stream gives more bytes than its block has")
}
