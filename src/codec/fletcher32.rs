//! HDF5's Fletcher-32 checksum, filter 3: four bytes behind the data.
//!
//! # Source
//! HDF5 library, `H5checksum.c` and `H5Zfletcher32.c`.

use crate::CodecError;

/// Size of a checksum in bytes.
pub const LEN_BYTES: usize = 4;

/// Words after which the sums are folded: they cannot overflow 32 bits before.
const WORDS_BEFORE_FOLD: usize = 360;

/// Checks the checksum at the end of `stored` and gives the data before it.
///
/// # Errors
/// [`CodecError::Corrupt`] when the checksum does not hold, or there is none.
pub fn verify(stored: &[u8]) -> Result<&[u8], CodecError> {
    let (data, found) = stored.split_last_chunk::<LEN_BYTES>().ok_or_else(|| {
        CodecError::corrupt(format!("{} bytes are too few for a fletcher32 checksum", stored.len()))
    })?;
    let found = u32::from_le_bytes(*found);
    let sum = checksum(data);
    // Old versions of the library stored both halves with their bytes swapped; it still accepts that.
    let swapped = sum.swap_bytes().rotate_left(16);
    if found == sum || found == swapped {
        return Ok(data);
    }
    Err(CodecError::corrupt(format!("fletcher32 checksum is {found:#010x}, the data give {sum:#010x}")))
}

/// Appends the checksum.
pub fn append(bytes: &mut Vec<u8>) {
    let sum = checksum(bytes);
    bytes.extend(sum.to_le_bytes());
}

/// Fletcher's checksum over big-endian words of 16 bits, an odd last byte counting as the high one.
fn checksum(bytes: &[u8]) -> u32 {
    let (words, rest) = bytes.as_chunks::<2>();
    let (mut low, mut high) = (0_u32, 0_u32);
    for words in words.chunks(WORDS_BEFORE_FOLD) {
        for word in words {
            low += u32::from(u16::from_be_bytes(*word));
            high += low;
        }
        low = fold(low);
        high = fold(high);
    }
    if let [last] = rest {
        low += u32::from(*last) << 8;
        high += low;
        low = fold(low);
        high = fold(high);
    }
    (fold(high) << 16) | fold(low)
}

fn fold(sum: u32) -> u32 {
    (sum & 0xffff) + (sum >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_with_swapped_halves_is_accepted() {
        let mut bytes = b"thermocline".to_vec();
        append(&mut bytes);
        bytes.swap(11, 12);
        bytes.swap(13, 14);
        assert_eq!(verify(&bytes).unwrap(), b"thermocline");
    }

    #[test]
    fn any_changed_bit_is_noticed() {
        let mut bytes = b"thermocline".to_vec();
        append(&mut bytes);
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(verify(&damaged).is_err(), "{bit}");
        }
    }

    #[test]
    fn less_than_a_checksum_is_corrupt() {
        assert!(verify(&[1, 2, 3]).is_err());
        assert!(verify(&[0; 4]).unwrap().is_empty());
    }
}
