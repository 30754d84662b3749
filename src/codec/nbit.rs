//! HDF5's n-bit filter, number 5: only the significant bits of each number are stored.
//!
//! # Source
//! HDF5 library, `H5Znbit.c`. Bits are packed most significant first, element after element; those
//! that are not stored read as zero.

use thermocline_model::{ByteOrder, NbitType};

use crate::CodecError;
use crate::bits::BitReader;

/// Deepest nesting of types.
const MAX_DEPTH: usize = 32;

/// Largest number in bytes.
const MAX_NUMBER_BYTES: usize = 16;

/// Decodes a chunk of `len` bytes.
pub(crate) fn decode(stored: &[u8], dtype: &NbitType, len: usize) -> Result<Vec<u8>, CodecError> {
    let size = size(dtype);
    if size == 0 || !len.is_multiple_of(size) {
        return Err(CodecError::corrupt(format!("n-bit elements of {size} bytes do not fill {len} bytes")));
    }
    check(dtype, 0)?;
    let mut bits = BitReader::new(stored, "the n-bit chunk");
    let mut out = vec![0; len];
    for element in out.chunks_exact_mut(size) {
        unpack(&mut bits, dtype, element)?;
    }
    Ok(out)
}

/// Size of an element of the type in bytes.
pub(crate) fn size(dtype: &NbitType) -> usize {
    match dtype {
        NbitType::Atomic { size, .. }
        | NbitType::Array { size, .. }
        | NbitType::Compound { size, .. }
        | NbitType::NoOp { size } => *size,
    }
}

/// Checks that every part of a type lies inside of what holds it.
fn check(dtype: &NbitType, depth: usize) -> Result<(), CodecError> {
    let corrupt = |what: String| Err(CodecError::corrupt(format!("n-bit type: {what}")));
    if depth > MAX_DEPTH {
        return corrupt(format!("more than {MAX_DEPTH} types in each other"));
    }
    match dtype {
        NbitType::NoOp { .. } => Ok(()),
        NbitType::Atomic { size, precision, offset, .. } => {
            let fits = precision.checked_add(*offset).is_some_and(|end| end <= size.saturating_mul(8));
            if *size > MAX_NUMBER_BYTES || *precision == 0 || !fits {
                return corrupt(format!("{precision} bits from bit {offset} of {size} bytes"));
            }
            Ok(())
        }
        NbitType::Array { size: whole, base } => {
            if size(base) == 0 || !whole.is_multiple_of(size(base)) {
                return corrupt(format!("an array of {whole} bytes of elements of {} bytes", size(base)));
            }
            check(base, depth + 1)
        }
        NbitType::Compound { size: whole, members } => members.iter().try_for_each(|(offset, member)| {
            if size(member) == 0 || offset.checked_add(size(member)).is_none_or(|end| end > *whole) {
                return corrupt(format!("a member at {offset} of {} bytes in {whole}", size(member)));
            }
            check(member, depth + 1)
        }),
    }
}

/// Unpacks one element of a checked type.
fn unpack(bits: &mut BitReader<'_>, dtype: &NbitType, out: &mut [u8]) -> Result<(), CodecError> {
    match dtype {
        NbitType::Atomic { order, precision, offset, .. } => {
            let value = bits.read_wide(*precision as u32)? << offset;
            write_number(value, *order, out);
            Ok(())
        }
        NbitType::Array { base, .. } => {
            out.chunks_exact_mut(size(base).max(1)).try_for_each(|element| unpack(bits, base, element))
        }
        NbitType::Compound { members, .. } => members.iter().try_for_each(|(offset, member)| {
            let end = offset.saturating_add(size(member));
            unpack(bits, member, out.get_mut(*offset..end).unwrap_or_default())
        }),
        NbitType::NoOp { .. } => {
            for byte in out {
                *byte = bits.read(8)? as u8;
            }
            Ok(())
        }
    }
}

/// Writes the lowest bytes of a number, as many as `out` has.
fn write_number(value: u128, order: ByteOrder, out: &mut [u8]) {
    let bytes = value.to_le_bytes();
    match order {
        ByteOrder::Little => out.iter_mut().zip(bytes).for_each(|(out, byte)| *out = byte),
        ByteOrder::Big => out.iter_mut().rev().zip(bytes).for_each(|(out, byte)| *out = byte),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn atomic(size: usize, order: ByteOrder, precision: usize, offset: usize) -> NbitType {
        NbitType::Atomic { size, order, precision, offset }
    }

    #[test]
    fn bits_are_packed_most_significant_first() {
        let dtype = atomic(2, ByteOrder::Little, 12, 0);
        assert_eq!(decode(&[0xab, 0xc1, 0x23], &dtype, 4).unwrap(), [0xbc, 0x0a, 0x23, 0x01]);
    }

    #[test]
    fn significant_bits_go_where_the_type_has_them() {
        let dtype = atomic(2, ByteOrder::Big, 8, 4);
        assert_eq!(decode(&[0xff, 0x81], &dtype, 4).unwrap(), [0x0f, 0xf0, 0x08, 0x10]);
    }

    #[test]
    fn members_follow_each_other_without_their_gaps() {
        let dtype = NbitType::Compound {
            size: 6,
            members: vec![
                (0, atomic(1, ByteOrder::Little, 4, 0)),
                (2, NbitType::Array { size: 2, base: Box::new(atomic(1, ByteOrder::Little, 2, 0)) }),
                (5, NbitType::NoOp { size: 1 }),
            ],
        };
        let stored = [0b1010_0110, 0xee, 0b0001_1100, 0x11];
        assert_eq!(decode(&stored, &dtype, 12).unwrap(), [10, 0, 1, 2, 0, 0xee, 1, 0, 3, 0, 0, 0x11]);
    }

    #[test]
    fn too_few_bits_are_corrupt() {
        let dtype = atomic(4, ByteOrder::Little, 9, 0);
        assert!(decode(&[0; 8], &dtype, 32).is_err());
        assert!(decode(&[0; 9], &dtype, 32).is_ok());
    }

    #[test]
    fn types_that_do_not_fit_are_corrupt() {
        let byte = || atomic(1, ByteOrder::Little, 8, 0);
        for dtype in [
            atomic(1, ByteOrder::Little, 9, 0),
            atomic(1, ByteOrder::Little, 0, 0),
            atomic(1, ByteOrder::Little, usize::MAX, 1),
            NbitType::Array { size: 1, base: Box::new(NbitType::NoOp { size: 0 }) },
            NbitType::Compound { size: 1, members: vec![(1, byte())] },
            NbitType::Compound { size: 1, members: vec![(usize::MAX, byte())] },
            NbitType::NoOp { size: 0 },
        ] {
            assert!(decode(&[0; 100], &dtype, 4).is_err(), "{dtype:?}");
        }
    }
}
