//! Reads a header piece by piece without ever asking for more than the file has.

use bytes::Bytes;
use thermocline_core::format::ReadAt;
use thermocline_core::{Error, Result};

/// Bytes asked for at once: one round trip suffices for nearly every header.
const BLOCK_BYTES: u64 = 64 << 10;

/// A position in the header of an object.
pub(super) struct Cursor<'a> {
    object: &'a dyn ReadAt,
    /// Where reading must stop: the end of the file, or the largest header allowed.
    end: u64,
    file_len_bytes: u64,
    block: Bytes,
    block_start: u64,
    position: u64,
}

impl<'a> Cursor<'a> {
    /// The start of `object`, whose header may have `max_bytes`.
    pub(super) fn new(object: &'a dyn ReadAt, max_bytes: u64) -> Self {
        let file_len_bytes = object.object().len_bytes;
        let end = file_len_bytes.min(max_bytes);
        Self { object, end, file_len_bytes, block: Bytes::new(), block_start: 0, position: 0 }
    }

    /// Bytes read so far.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// Bytes that may still be read.
    pub(super) fn remaining(&self) -> u64 {
        self.end - self.position
    }

    /// The next `len_bytes` bytes.
    pub(super) fn take(&mut self, len_bytes: u64) -> Result<&[u8]> {
        if len_bytes > self.remaining() {
            return Err(self.too_short(len_bytes));
        }
        let start = self.position;
        if start < self.block_start || start + len_bytes > self.block_start + self.block.len() as u64 {
            let wanted = len_bytes.max(BLOCK_BYTES).min(self.end - start);
            let wanted = usize::try_from(wanted).map_err(|_| self.too_short(len_bytes))?;
            self.block = self.object.read_at(start, wanted)?;
            self.block_start = start;
        }
        self.position += len_bytes;
        let from = (start - self.block_start) as usize;
        self.block.get(from..from + len_bytes as usize).ok_or_else(|| {
            Error::corrupt(format!("{} is shorter than its store says", self.object.object().href))
        })
    }

    /// The next `len_bytes` bytes; what fills them up to a multiple of four is skipped.
    pub(super) fn take_padded(&mut self, len_bytes: u64) -> Result<&[u8]> {
        let padded = len_bytes.checked_next_multiple_of(4).unwrap_or(u64::MAX);
        let bytes = self.take(padded)?;
        Ok(bytes.get(..len_bytes as usize).unwrap_or_default())
    }

    /// The next unsigned number of `len_bytes` bytes, 4 or 8.
    pub(super) fn uint(&mut self, len_bytes: u64) -> Result<u64> {
        let bytes = self.take(len_bytes)?;
        Ok(bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)))
    }

    fn too_short(&self, wanted: u64) -> Error {
        let position = self.position;
        if self.end < self.file_len_bytes {
            return Error::refused(format!(
                "the header goes on beyond its limit of {} bytes (at byte {position}, {wanted} more)",
                self.end
            ));
        }
        Error::refused(format!(
            "the file is truncated: it ends at byte {}, inside its header (at byte {position}, {wanted} more)",
            self.end
        ))
    }
}
