//! Takes bits out of bytes, lowest first: RFC 1951, section 3.1.1.

use super::Refused;
use super::tables::Step;

/// After a refill there are at least so many bits, unless the bytes end.
pub(super) const MIN_BITS: u32 = 56;

/// Bits that were read ahead, and the bytes behind them.
#[derive(Clone, Copy)]
pub(super) struct Reader<'s> {
    stored: &'s [u8],
    /// Bytes that are in `buffer` or were taken.
    next: usize,
    /// The next bits, lowest first. Above `n_bits` there may be some of those that follow, already at their places.
    buffer: u64,
    n_bits: u32,
}

impl<'s> Reader<'s> {
    pub(super) fn new(stored: &'s [u8]) -> Self {
        Self { stored, next: 0, buffer: 0, n_bits: 0 }
    }

    /// Reads ahead, eight bytes at once; false if there are not so many.
    #[inline(always)]
    pub(super) fn refill_fast(&mut self) -> bool {
        let Some(bytes) = self.stored.get(self.next..).and_then(|rest| rest.first_chunk::<8>()) else {
            return false;
        };
        self.buffer |= u64::from_le_bytes(*bytes) << (self.n_bits & 63);
        self.next += 7 - (self.n_bits as usize >> 3 & 7);
        self.n_bits |= MIN_BITS;
        true
    }

    /// Reads ahead, up to the last byte.
    #[inline(always)]
    pub(super) fn refill(&mut self) {
        if !self.refill_fast() {
            self.refill_slowly();
        }
    }

    #[cold]
    fn refill_slowly(&mut self) {
        self.buffer &= !(u64::MAX << self.n_bits);
        while self.n_bits < MIN_BITS
            && let Some(byte) = self.stored.get(self.next)
        {
            self.buffer |= u64::from(*byte) << self.n_bits;
            self.next += 1;
            self.n_bits += 8;
        }
    }

    /// The next bits, all that were read ahead.
    #[inline(always)]
    pub(super) fn ahead(&self) -> u64 {
        self.buffer
    }

    /// Drops the bits of a step, of which it is known that they are there.
    #[inline(always)]
    pub(super) fn drop_known(&mut self, step: Step) {
        self.buffer = self.buffer.wrapping_shr(step.shift());
        self.n_bits -= step.n_bits();
    }

    /// Drops up to 63 bits.
    ///
    /// # Errors
    /// There are not so many.
    #[inline(always)]
    pub(super) fn drop(&mut self, n_bits: u32) -> Result<(), Refused> {
        if n_bits > self.n_bits {
            return Err(Refused);
        }
        self.buffer >>= n_bits & 63;
        self.n_bits -= n_bits;
        Ok(())
    }

    /// Takes a number of up to 16 bits.
    ///
    /// # Errors
    /// The bytes end before.
    pub(super) fn take(&mut self, n_bits: u32) -> Result<usize, Refused> {
        if self.n_bits < n_bits {
            self.refill();
        }
        let number = self.buffer & !(u64::MAX << n_bits);
        self.drop(n_bits)?;
        Ok(number as usize)
    }

    /// The bytes behind the one that holds the last bit that was taken.
    pub(super) fn bytes(&self) -> &'s [u8] {
        self.stored.get(self.next - (self.n_bits / 8) as usize..).unwrap_or_default()
    }

    /// Goes on with bytes of its own that lie further behind.
    pub(super) fn skip_to(&mut self, rest: &'s [u8]) {
        *self = Self::new(rest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_come_lowest_first_up_to_the_last() {
        let mut reader = Reader::new(&[0b1010_0110, 0xff, 0x01, 1, 2, 3, 4, 5, 6, 0x80]);
        assert_eq!(reader.take(1), Ok(0));
        assert_eq!(reader.take(3), Ok(0b011));
        assert_eq!(reader.take(6), Ok(0b11_1010));
        assert_eq!(reader.bytes(), [0x01, 1, 2, 3, 4, 5, 6, 0x80]);
        assert_eq!(reader.take(14), Ok(0b111_1111));
        for byte in 1..=6 {
            assert_eq!(reader.take(8), Ok(byte));
        }
        assert_eq!(reader.take(7), Ok(0));
        assert_eq!(reader.take(1), Ok(1));
        assert_eq!(reader.take(1), Err(Refused));
        assert!(reader.bytes().is_empty());
    }

    #[test]
    fn reading_goes_on_behind_skipped_bytes() {
        let mut reader = Reader::new(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
        assert_eq!(reader.take(3), Ok(1));
        let rest = reader.bytes();
        assert_eq!(rest, [2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
        reader.skip_to(&rest[8..]);
        assert_eq!(reader.take(16), Ok(0x0b0a));
    }
}
