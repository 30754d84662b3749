//! LZF, HDF5 filter 32000 as h5py writes it.
//!
//! # Source
//! LibLZF's stream format: a control byte below 32 starts a run of literals, any other a match.

use crate::expected::Expected;
use crate::{CodecError, spare};

/// Longest run of literals.
const MAX_LITERALS: usize = 32;

/// First guess of the output of a stream whose length is not known, in multiples of its input.
const GUESSED_RATIO: usize = 4;

/// Decodes a stream.
pub(crate) fn decode(stored: &[u8], expected: Expected) -> Result<Vec<u8>, CodecError> {
    let mut out = Output::new(stored.len(), expected);
    let mut position = 0;
    while let Some(&control) = stored.get(position) {
        position += 1;
        if control < 32 {
            let run = usize::from(control) + 1;
            out.literals(stored.get(position..).unwrap_or_default(), run)?;
            position += run;
            continue;
        }
        let mut byte = || {
            let byte = stored.get(position).copied().ok_or_else(ends_early);
            position += 1;
            byte.map(usize::from)
        };
        let mut len = usize::from(control >> 5);
        if len == 7 {
            len += byte()?;
        }
        let distance = (usize::from(control & 31) << 8) + byte()? + 1;
        out.repeat(distance, len + 2)?;
    }
    out.finish()
}

/// What was decoded so far, at the front of a buffer.
struct Output {
    buffer: Vec<u8>,
    len: usize,
    expected: Expected,
}

impl Output {
    fn new(n_stored: usize, expected: Expected) -> Self {
        let size = match expected {
            // A match of three bytes gives at most 264: a stream cannot make its reader take more.
            Expected::Exactly(len) => len.min(n_stored.saturating_mul(88)),
            Expected::AtMost(limit) => n_stored.saturating_mul(GUESSED_RATIO).min(limit),
        };
        let mut buffer = spare::take(size);
        buffer.resize(size, 0);
        Self { buffer, len: 0, expected }
    }

    /// Makes room for `n` more bytes.
    fn room(&mut self, n: usize) -> Result<(), CodecError> {
        let wanted = self.len + n;
        if wanted <= self.buffer.len() {
            return Ok(());
        }
        if wanted > self.expected.limit() {
            return Err(self.expected.overflow("the LZF stream"));
        }
        self.buffer.resize(wanted.saturating_mul(2).min(self.expected.limit()), 0);
        Ok(())
    }

    /// Appends the first `run` bytes of `input`.
    fn literals(&mut self, input: &[u8], run: usize) -> Result<(), CodecError> {
        self.room(run)?;
        let out = self.buffer.get_mut(self.len..).unwrap_or_default();
        // Copies of one known size are a few instructions; what is too much is written over later.
        if let (Some(out), Some(input)) =
            (out.first_chunk_mut::<MAX_LITERALS>(), input.first_chunk::<MAX_LITERALS>())
        {
            *out = *input;
        } else {
            let input = input.get(..run).ok_or_else(ends_early)?;
            out.get_mut(..run).unwrap_or_default().copy_from_slice(input);
        }
        self.len += run;
        Ok(())
    }

    /// Appends `n` bytes from `distance` before the end; they may reach into what is being written.
    fn repeat(&mut self, distance: usize, n: usize) -> Result<(), CodecError> {
        self.room(n)?;
        let start = self
            .len
            .checked_sub(distance)
            .ok_or_else(|| CodecError::corrupt("the LZF stream refers to bytes before its start"))?;
        let (mut end, stop) = (self.len, self.len + n);
        // What lies between `start` and `end` repeats itself: each copy may be twice as long.
        while end < stop {
            let step = (end - start).min(stop - end);
            self.buffer.copy_within(start..start + step, end);
            end += step;
        }
        self.len = stop;
        Ok(())
    }

    fn finish(mut self) -> Result<Vec<u8>, CodecError> {
        self.expected.check("the LZF stream", self.len)?;
        self.buffer.truncate(self.len);
        Ok(self.buffer)
    }
}

fn ends_early() -> CodecError {
    CodecError::corrupt("the LZF stream ends too early")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_reach_into_what_they_write() {
        // Three literals, then 9 bytes from 2 before the end, then 4 from 12 before the end.
        let stored = [2, b'a', b'b', b'c', 7 << 5, 0, 1, 2 << 5, 11];
        assert_eq!(decode(&stored, Expected::AtMost(100)).unwrap(), b"abcbcbcbcbcbabcb");
    }

    #[test]
    fn a_stream_must_have_the_expected_length() {
        let stored = [3, 1, 2, 3, 4, 7 << 5, 255, 0];
        let n = 4 + 264;
        assert_eq!(decode(&stored, Expected::Exactly(n)).unwrap().len(), n);
        for expected in [Expected::Exactly(n - 1), Expected::Exactly(n + 1), Expected::AtMost(n - 1)] {
            assert!(decode(&stored, expected).is_err(), "{expected:?}");
        }
        for len in 1..stored.len() {
            assert!(decode(&stored[..len], Expected::Exactly(n)).is_err());
        }
    }

    #[test]
    fn a_match_before_the_start_is_refused() {
        assert!(decode(&[0, 7, 1 << 5, 1], Expected::AtMost(100)).is_err());
    }
}
