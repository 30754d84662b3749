//! Numbers that HDF5 describes bit by bit, brought exactly to standard types.
//!
//! # Source
//! HDF5 File Format Specification 3.0, IV.A.2.d; the conversion of NaNs is that of `H5Tconv.c`.

use thermocline_model::{ByteOrder, DataType, StoredNumber};

use crate::CodecError;

/// Largest stored number in bytes.
const MAX_BYTES: usize = 16;

/// Size of a stored number in bytes.
pub(crate) fn size(number: &StoredNumber) -> usize {
    match number {
        StoredNumber::Integer { size, .. } | StoredNumber::Float { size, .. } => *size,
    }
}

/// Brings every stored number to the type `to`; one that has no exact place there is an error.
pub(crate) fn convert(stored: &[u8], from: &StoredNumber, to: &DataType) -> Result<Vec<u8>, CodecError> {
    let from_size = size(from);
    let to_size = to.len_bytes().unwrap_or(0);
    check(from)?;
    let n_elements = stored.len() / from_size;
    let mut out = vec![0; n_elements * to_size];
    for (stored, out) in stored.chunks_exact(from_size).zip(out.chunks_exact_mut(to_size.max(1))) {
        let bits = read(stored, order(from));
        let (converted, order) = match (from, to) {
            (StoredNumber::Integer { signed, precision, bit_offset, .. }, to) => {
                integer(field(bits, *bit_offset, *precision), *signed, *precision, to)?
            }
            (StoredNumber::Float { .. }, DataType::Float { size, order }) => {
                (float(bits, from, *size)?, *order)
            }
            _ => return Err(no_way(from, to)),
        };
        write(converted, order, out);
    }
    Ok(out)
}

fn order(number: &StoredNumber) -> ByteOrder {
    match number {
        StoredNumber::Integer { order, .. } | StoredNumber::Float { order, .. } => *order,
    }
}

/// Checks that every field lies inside the number.
fn check(from: &StoredNumber) -> Result<(), CodecError> {
    let n_bits = size(from) as u64 * 8;
    let fits = |position: u32, length: u32| u64::from(position) + u64::from(length) <= n_bits;
    let is_sound = match from {
        StoredNumber::Integer { precision, bit_offset, .. } => {
            *precision > 0 && fits(*bit_offset, *precision)
        }
        StoredNumber::Float {
            sign_position,
            exponent_position,
            exponent_bits,
            mantissa_position,
            mantissa_bits,
            ..
        } => {
            fits(*sign_position, 1)
                && fits(*exponent_position, *exponent_bits)
                && fits(*mantissa_position, *mantissa_bits)
                && (1..=16).contains(exponent_bits)
                && (1..=112).contains(mantissa_bits)
        }
    };
    if is_sound && (1..=MAX_BYTES).contains(&size(from)) {
        return Ok(());
    }
    Err(CodecError::unsupported(format!("numbers stored as {from:?} have no decoder")))
}

fn read(stored: &[u8], order: ByteOrder) -> u128 {
    let push = |value: u128, byte: &u8| (value << 8) | u128::from(*byte);
    match order {
        ByteOrder::Little => stored.iter().rev().fold(0, push),
        ByteOrder::Big => stored.iter().fold(0, push),
    }
}

fn write(value: u64, order: ByteOrder, out: &mut [u8]) {
    let bytes = value.to_le_bytes();
    match order {
        ByteOrder::Little => out.iter_mut().zip(bytes).for_each(|(out, byte)| *out = byte),
        ByteOrder::Big => out.iter_mut().rev().zip(bytes).for_each(|(out, byte)| *out = byte),
    }
}

/// The bits from `position`, as many as `length`.
fn field(bits: u128, position: u32, length: u32) -> u128 {
    let shifted = bits.checked_shr(position).unwrap_or(0);
    shifted & u128::MAX.checked_shr(128 - length.min(128)).unwrap_or(0)
}

/// An integer in the representation of `to`, and the byte order that it has there.
fn integer(bits: u128, signed: bool, precision: u32, to: &DataType) -> Result<(u64, ByteOrder), CodecError> {
    let is_negative = signed && field(bits, precision - 1, 1) == 1;
    let value = if is_negative {
        (bits | u128::MAX.checked_shl(precision).unwrap_or(0)) as i128
    } else {
        bits as i128
    };
    if bits > i128::MAX as u128 && !is_negative {
        return Err(not_exact(bits, to));
    }
    let (fits, order) = match to {
        DataType::Bool => ((0..=1).contains(&value), ByteOrder::Little),
        DataType::UInt { size, order } => (value >= 0 && value >> (u32::from(*size) * 8) == 0, *order),
        DataType::Int { size, order } => {
            let above = value >> (u32::from(*size) * 8 - 1);
            (above == 0 || above == -1, *order)
        }
        _ => return Err(CodecError::unsupported(format!("integers do not become {to:?}"))),
    };
    if !fits {
        return Err(not_exact(value, to));
    }
    Ok((value as u64, order))
}

/// A floating-point number in the bits of an IEEE 754 number of `to_size` bytes.
fn float(bits: u128, from: &StoredNumber, to_size: u8) -> Result<u64, CodecError> {
    let StoredNumber::Float {
        sign_position,
        exponent_position,
        exponent_bits,
        mantissa_position,
        mantissa_bits,
        exponent_bias,
        implied_one,
        ..
    } = from
    else {
        return Err(CodecError::unsupported("integers do not become floats"));
    };
    let target = Ieee::of_size(to_size)?;
    let sign = field(bits, *sign_position, 1) as u64;
    let exponent = field(bits, *exponent_position, *exponent_bits) as i64;
    let mantissa = field(bits, *mantissa_position, *mantissa_bits);
    let largest_exponent = (1_i64 << exponent_bits) - 1;
    // Without an implied one the leading one is stored, and says nothing in infinities and NaNs.
    let fraction_bits = if *implied_one { *mantissa_bits } else { mantissa_bits - 1 };
    if exponent == largest_exponent {
        let is_infinite = field(mantissa, 0, fraction_bits) == 0;
        return Ok(target.special(sign, is_infinite));
    }
    let (significand, power) = match (*implied_one, exponent) {
        (true, 0) => (mantissa, 1 - i64::from(*exponent_bias)),
        (true, _) => (mantissa | (1 << mantissa_bits), exponent - i64::from(*exponent_bias)),
        (false, 0) => (mantissa, 1 - i64::from(*exponent_bias)),
        (false, _) => (mantissa, exponent - i64::from(*exponent_bias)),
    };
    target.exactly(sign, significand, power - i64::from(fraction_bits)).ok_or_else(|| {
        not_exact(format!("{bits:#x}"), &DataType::Float { size: to_size, order: ByteOrder::Big })
    })
}

/// An interchange format of IEEE 754.
#[derive(Debug, Clone, Copy)]
struct Ieee {
    exponent_bits: u32,
    mantissa_bits: u32,
}

impl Ieee {
    fn of_size(size: u8) -> Result<Self, CodecError> {
        match size {
            2 => Ok(Self { exponent_bits: 5, mantissa_bits: 10 }),
            4 => Ok(Self { exponent_bits: 8, mantissa_bits: 23 }),
            8 => Ok(Self { exponent_bits: 11, mantissa_bits: 52 }),
            _ => Err(CodecError::unsupported(format!("floats of {size} bytes have no encoder"))),
        }
    }

    fn bias(self) -> i64 {
        (1 << (self.exponent_bits - 1)) - 1
    }

    /// Infinity, or the NaN that the library makes of every NaN.
    fn special(self, sign: u64, is_infinite: bool) -> u64 {
        let mantissa = if is_infinite { 0 } else { (1 << self.mantissa_bits) - 1 };
        self.assemble(sign, (1 << self.exponent_bits) - 1, mantissa)
    }

    fn assemble(self, sign: u64, exponent: u64, mantissa: u64) -> u64 {
        (sign << (self.exponent_bits + self.mantissa_bits)) | (exponent << self.mantissa_bits) | mantissa
    }

    /// `significand` times two to the power `power`, or `None` if that is not a number of the format.
    fn exactly(self, sign: u64, significand: u128, power: i64) -> Option<u64> {
        if significand == 0 {
            return Some(self.assemble(sign, 0, 0));
        }
        // The power of two of the lowest place that the format has for a number of this magnitude.
        let leading = i64::from(127 - significand.leading_zeros()) + power;
        let lowest_normal = 1 - self.bias();
        let place = leading.max(lowest_normal) - i64::from(self.mantissa_bits);
        let shifted = match u32::try_from(power - place) {
            Ok(up) => significand.checked_shl(up)?,
            Err(_) => {
                let down = u32::try_from(place - power).ok()?;
                (significand.trailing_zeros() >= down).then(|| significand >> down)?
            }
        };
        let mantissa = field(shifted, 0, self.mantissa_bits) as u64;
        if leading < lowest_normal {
            return Some(self.assemble(sign, 0, mantissa));
        }
        let exponent = u64::try_from(leading + self.bias()).ok()?;
        (exponent < (1 << self.exponent_bits) - 1).then(|| self.assemble(sign, exponent, mantissa))
    }
}

fn no_way(from: &StoredNumber, to: &DataType) -> CodecError {
    CodecError::unsupported(format!("there is no exact way from {from:?} to {to:?}"))
}

fn not_exact(value: impl std::fmt::Display, to: &DataType) -> CodecError {
    CodecError::unsupported(format!("the stored number {value} has no exact value in {to:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ByteOrder::{Big, Little};
    use proptest::prelude::*;

    /// An IEEE number described bit by bit.
    fn ieee(size: usize, order: ByteOrder) -> StoredNumber {
        let (exponent_bits, mantissa_bits) = match size {
            2 => (5, 10),
            4 => (8, 23),
            _ => (11, 52),
        };
        StoredNumber::Float {
            size,
            order,
            sign_position: exponent_bits + mantissa_bits,
            exponent_position: mantissa_bits,
            exponent_bits,
            mantissa_position: 0,
            mantissa_bits,
            exponent_bias: (1 << (exponent_bits - 1)) - 1,
            implied_one: true,
        }
    }

    /// The x87 format of 80 bits, in 16 bytes.
    fn x87() -> StoredNumber {
        StoredNumber::Float {
            size: 16,
            order: Little,
            sign_position: 79,
            exponent_position: 64,
            exponent_bits: 15,
            mantissa_position: 0,
            mantissa_bits: 64,
            exponent_bias: 16383,
            implied_one: false,
        }
    }

    fn x87_bytes(sign_and_exponent: u16, mantissa: u64) -> Vec<u8> {
        [&mantissa.to_le_bytes()[..], &sign_and_exponent.to_le_bytes(), &[0; 6]].concat()
    }

    fn f64_le() -> DataType {
        DataType::Float { size: 8, order: Little }
    }

    fn twelve_bits(signed: bool, bit_offset: u32, order: ByteOrder) -> StoredNumber {
        StoredNumber::Integer { size: 2, order, signed, precision: 12, bit_offset }
    }

    #[test]
    fn integers_of_few_bits_are_widened_with_their_sign() {
        let to = DataType::Int { size: 2, order: Big };
        assert_eq!(
            convert(&[0xff, 0x0f, 0xff, 0x07], &twelve_bits(true, 0, Little), &to).unwrap(),
            [0xff, 0xff, 0x07, 0xff]
        );
        let to = DataType::UInt { size: 4, order: Little };
        assert_eq!(convert(&[0xff, 0xf5], &twelve_bits(false, 4, Big), &to).unwrap(), [0xff, 0x0f, 0, 0]);
    }

    #[test]
    fn an_integer_that_does_not_fit_is_an_error() {
        let from = twelve_bits(false, 0, Little);
        let to = DataType::UInt { size: 1, order: Little };
        assert_eq!(convert(&[0xff, 0x00], &from, &to).unwrap(), [0xff]);
        assert!(convert(&[0x00, 0x01], &from, &to).is_err());
        assert!(convert(&[0x80, 0x00], &from, &DataType::Int { size: 1, order: Little }).is_err());
        assert!(convert(&[0x02, 0x00], &from, &DataType::Bool).is_err());
        assert!(convert(&[0xff, 0x0f], &twelve_bits(true, 0, Little), &to).is_err());
    }

    #[test]
    fn eighty_bit_floats_become_doubles_where_that_is_exact() {
        for (stored, expected) in [
            (x87_bytes(0x3fff, 0x8000_0000_0000_0000), 1.0),
            (x87_bytes(0xc000, 0xc000_0000_0000_0000), -3.0),
            (x87_bytes(0x3fff - 1074, 0x8000_0000_0000_0000), 5e-324),
            (x87_bytes(0x7fff, 0x8000_0000_0000_0000), f64::INFINITY),
            (x87_bytes(0, 0), 0.0),
        ] {
            assert_eq!(convert(&stored, &x87(), &f64_le()).unwrap(), expected.to_le_bytes());
        }
    }

    #[test]
    fn eighty_bit_floats_that_need_rounding_are_errors() {
        for stored in [
            x87_bytes(0x3fff, 0x8000_0000_0000_0001),
            x87_bytes(0x7ffe, 0x8000_0000_0000_0000),
            x87_bytes(0x3fff - 1075, 0x8000_0000_0000_0000),
            x87_bytes(0x3fff - 1074, 0xc000_0000_0000_0000),
        ] {
            assert!(convert(&stored, &x87(), &f64_le()).is_err());
        }
    }

    #[test]
    fn every_nan_is_the_librarys() {
        let stored = x87_bytes(0xffff, 0xc000_0000_0000_0000);
        assert_eq!(convert(&stored, &x87(), &f64_le()).unwrap(), u64::MAX.to_le_bytes());
    }

    #[test]
    fn every_half_is_the_same_double() {
        for half in 0..=u16::MAX {
            let value = half::f16::from_bits(half);
            let converted = convert(&half.to_be_bytes(), &ieee(2, Big), &f64_le()).unwrap();
            if !value.is_nan() {
                assert_eq!(converted, value.to_f64().to_le_bytes(), "{half:#x}");
            }
        }
    }

    #[test]
    fn fields_outside_the_number_are_refused() {
        let StoredNumber::Float { size, order, .. } = ieee(4, Little) else { unreachable!() };
        let broken = StoredNumber::Float {
            size,
            order,
            sign_position: 32,
            exponent_position: u32::MAX,
            exponent_bits: 60,
            mantissa_position: 0,
            mantissa_bits: 0,
            exponent_bias: 0,
            implied_one: false,
        };
        assert!(convert(&[0; 4], &broken, &f64_le()).is_err());
        let broken = StoredNumber::Integer { size: 1, order, signed: true, precision: 9, bit_offset: 0 };
        assert!(convert(&[0; 4], &broken, &f64_le()).is_err());
        let empty = StoredNumber::Integer { size: 0, order, signed: true, precision: 0, bit_offset: 0 };
        assert!(convert(&[0; 4], &empty, &f64_le()).is_err());
    }

    proptest! {
        #[test]
        fn floats_widen_and_narrow_exactly(value in any::<f32>()) {
            let wide = convert(&value.to_le_bytes(), &ieee(4, Little), &f64_le()).unwrap();
            if !value.is_nan() {
                prop_assert_eq!(&wide, &f64::from(value).to_le_bytes());
                let to = DataType::Float { size: 4, order: Big };
                prop_assert_eq!(convert(&wide, &ieee(8, Little), &to).unwrap(), value.to_be_bytes());
            }
        }

        #[test]
        fn a_double_that_is_no_float_is_an_error(value in any::<f64>()) {
            let to = DataType::Float { size: 4, order: Little };
            let narrow = convert(&value.to_le_bytes(), &ieee(8, Little), &to);
            let is_exact = value.is_nan() || f64::from(value as f32) == value;
            prop_assert_eq!(narrow.is_ok(), is_exact);
        }
    }
}
