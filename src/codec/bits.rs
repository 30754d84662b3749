//! Bits off the front of untrusted bytes, most significant first.

use crate::CodecError;

/// Unread bits of something with a name.
#[derive(Debug)]
pub(crate) struct BitReader<'a> {
    bytes: &'a [u8],
    /// Bits taken from the bytes and not yet given out: the lowest `n_held`.
    held: u64,
    n_held: u32,
    name: &'static str,
}

impl<'a> BitReader<'a> {
    /// All bits of `bytes`; `name` says in errors what they are.
    pub(crate) fn new(bytes: &'a [u8], name: &'static str) -> Self {
        Self { bytes, held: 0, n_held: 0, name }
    }

    /// The next `n_bits` bits as a number, at most 128.
    pub(crate) fn read_wide(&mut self, n_bits: u32) -> Result<u128, CodecError> {
        let mut value = 0_u128;
        let mut left = n_bits.min(128);
        while left > 0 {
            let n = left.min(32);
            value = (value << n) | u128::from(self.read(n)?);
            left -= n;
        }
        Ok(value)
    }

    /// The next `n_bits` bits as a number, at most 56.
    pub(crate) fn read(&mut self, n_bits: u32) -> Result<u64, CodecError> {
        while self.n_held < n_bits {
            let (byte, rest) = self
                .bytes
                .split_first()
                .ok_or_else(|| CodecError::corrupt(format!("{} ends too early", self.name)))?;
            self.held = (self.held << 8) | u64::from(*byte);
            self.n_held += 8;
            self.bytes = rest;
        }
        self.n_held -= n_bits;
        Ok((self.held >> self.n_held) & ((1 << n_bits) - 1))
    }
}

/// Transposes a matrix of 8 by 8 bits whose rows are the bytes of `rows`, bit 0 being column 0.
pub(crate) fn transpose_8x8(rows: [u8; 8]) -> [u8; 8] {
    let mut x = u64::from_le_bytes(rows);
    let mut t = (x ^ (x >> 7)) & 0x00aa_00aa_00aa_00aa;
    x ^= t ^ (t << 7);
    t = (x ^ (x >> 14)) & 0x0000_cccc_0000_cccc;
    x ^= t ^ (t << 14);
    t = (x ^ (x >> 28)) & 0x0000_0000_f0f0_f0f0;
    x ^= t ^ (t << 28);
    x.to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_come_most_significant_first() {
        let mut bits = BitReader::new(&[0b1010_0101, 0b1100_0011, 0xff], "the test");
        assert_eq!(bits.read(3).unwrap(), 0b101);
        assert_eq!(bits.read(0).unwrap(), 0);
        assert_eq!(bits.read_wide(10).unwrap(), 0b00_1011_1000);
        assert_eq!(bits.read(11).unwrap(), 0b011_1111_1111);
        assert!(bits.read(1).is_err());
    }

    #[test]
    fn a_transposed_bit_stands_at_the_mirrored_place() {
        for row in 0..8 {
            for column in 0..8 {
                let mut rows = [0; 8];
                rows[row] = 1 << column;
                let mut expected = [0; 8];
                expected[column] = 1 << row;
                assert_eq!(transpose_8x8(rows), expected);
            }
        }
    }
}
