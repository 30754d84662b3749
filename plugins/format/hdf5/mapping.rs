//! From datatypes of HDF5 to types of the model: which arrays an HDF5 array becomes, and by which codecs.
//!
//! A plain number is one array. A record is one array for each member, an array type more axes. What has
//! no counterpart is refused with a reason.

use thermocline_model::{ByteOrder, Codec, DataType, StoredNumber};

use crate::datatype::{Bits, Class, Datatype, Float, Member, Normalization};

/// Most arrays that one HDF5 array may become.
const MAX_LEAVES: usize = 4096;

/// One array that an HDF5 array becomes, or why it does not.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Leaf {
    /// What follows the name: empty, or `.member`.
    pub(crate) suffix: String,
    /// The type in the words of HDF5.
    pub(crate) words: String,
    /// How its values are got, or why they cannot be.
    pub(crate) values: Result<Values, String>,
}

/// How the values of an array are got from stored elements.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Values {
    /// Type of the elements.
    pub(crate) dtype: DataType,
    /// Codecs that lead from stored elements to values, the last to be undone first.
    pub(crate) codecs: Vec<Codec>,
    /// Further axes that each stored element has.
    pub(crate) inner_shape: Vec<u64>,
    /// Names and values of an enumeration.
    pub(crate) flags: Option<Flags>,
    /// True if a value may not be representable exactly: arrays of such are refused, attributes are tried.
    pub(crate) may_be_inexact: bool,
}

/// The names of an enumeration's values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Flags {
    pub(crate) names: Vec<String>,
    /// Values in the bytes of the base type.
    pub(crate) values: Vec<Vec<u8>>,
}

/// Whose reading of types counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// HDF5's own.
    Hdf5,
    /// netCDF-4's: texts of one byte are characters.
    Netcdf,
}

/// The arrays that an HDF5 array of this type becomes.
pub(crate) fn leaves(datatype: &Datatype, dialect: Dialect) -> Vec<Leaf> {
    let mut leaves = Vec::new();
    let path = Path { suffix: String::new(), codecs: Vec::new(), inner_shape: Vec::new() };
    collect(datatype, path, dialect, &mut leaves);
    leaves
}

/// The way from a stored element to a part of it.
#[derive(Debug, Clone)]
struct Path {
    suffix: String,
    codecs: Vec<Codec>,
    inner_shape: Vec<u64>,
}

impl Path {
    fn member(&self, name: &str, record_size: usize, offset: usize, size: usize) -> Self {
        let mut codecs = self.codecs.clone();
        match codecs.first_mut() {
            // A member of a member is a member of the outer record.
            Some(Codec::Member { offset: outer, size: outer_size, .. }) if *outer_size == record_size => {
                *outer += offset;
                *outer_size = size;
            }
            _ => codecs.insert(0, Codec::Member { record_size, offset, size }),
        }
        Self { suffix: format!("{}.{name}", self.suffix), codecs, inner_shape: self.inner_shape.clone() }
    }
}

fn collect(datatype: &Datatype, mut path: Path, dialect: Dialect, leaves: &mut Vec<Leaf>) {
    if leaves.len() > MAX_LEAVES {
        return;
    }
    match &datatype.class {
        Class::Compound(members) => {
            for Member { name, offset, datatype: member } in members {
                let below = path.member(name, datatype.size, *offset, member.size);
                collect(member, below, dialect, leaves);
            }
        }
        Class::Complex(base) => {
            for (name, offset) in [("r", 0), ("i", base.size)] {
                collect(base, path.member(name, datatype.size, offset, base.size), dialect, leaves);
            }
        }
        Class::Array { base, shape } => {
            path.inner_shape.extend(shape);
            collect(base, path, dialect, leaves);
        }
        _ => {
            let words = datatype.words();
            let values = values(datatype, &path, dialect);
            leaves.push(Leaf { suffix: path.suffix, words, values });
        }
    }
}

fn values(datatype: &Datatype, path: &Path, dialect: Dialect) -> Result<Values, String> {
    let words = datatype.words();
    let mut values = Values {
        dtype: DataType::String,
        codecs: path.codecs.clone(),
        inner_shape: path.inner_shape.clone(),
        flags: None,
        may_be_inexact: false,
    };
    match &datatype.class {
        Class::Integer { order, signed, bits } => {
            let number = Integer { size: datatype.size, order: *order, signed: *signed, bits: *bits };
            integer(&number, &mut values)?;
        }
        Class::Bitfield { order, bits } => {
            let number = Integer { size: datatype.size, order: *order, signed: false, bits: *bits };
            integer(&number, &mut values)?;
        }
        Class::Float(number) => float(datatype.size, number, &mut values)?,
        Class::FixedString { .. } if dialect == Dialect::Netcdf && datatype.size == 1 => {
            values.dtype = DataType::Char
        }
        Class::FixedString { padding, utf8 } => {
            values.dtype = DataType::FixedString { len: datatype.size, padding: *padding, utf8: *utf8 };
        }
        Class::Enum { base, names, values: numbers } => {
            let Class::Integer { order, signed, bits } = &base.class else {
                return Err(format!("an {words} has no Zarr counterpart"));
            };
            if is_boolean(base.size, names, numbers) {
                values.dtype = DataType::Bool;
                return Ok(values);
            }
            let number = Integer { size: base.size, order: *order, signed: *signed, bits: *bits };
            integer(&number, &mut values)?;
            values.flags = Some(Flags { names: names.clone(), values: numbers.clone() });
        }
        Class::String { .. } if path.codecs.is_empty() && path.inner_shape.is_empty() => {}
        Class::String { .. } => {
            return Err("a variable-length string inside another type has no Zarr counterpart".to_owned());
        }
        _ => return Err(format!("values of type {words} have no Zarr counterpart")),
    }
    Ok(values)
}

/// True for the enumeration that h5py and others use for booleans.
fn is_boolean(size: usize, names: &[String], values: &[Vec<u8>]) -> bool {
    let named =
        |name: &str, value: u8| names.iter().zip(values).any(|(n, v)| n == name && v.as_slice() == [value]);
    size == 1 && names.len() == 2 && named("FALSE", 0) && named("TRUE", 1)
}

struct Integer {
    size: usize,
    order: ByteOrder,
    signed: bool,
    bits: Bits,
}

fn integer(number: &Integer, values: &mut Values) -> Result<(), String> {
    let full = [1_usize, 2, 4, 8].into_iter().find(|full| *full >= number.size.min(8));
    let full = full.filter(|full| number.bits.precision as usize <= 8 * full);
    let size =
        full.ok_or_else(|| format!("an integer of {} bits has no Zarr counterpart", number.bits.precision))?;
    let order = if size == 1 { ByteOrder::Little } else { number.order };
    let small = size as u8;
    values.dtype = if number.signed {
        DataType::Int { size: small, order }
    } else {
        DataType::UInt { size: small, order }
    };
    let is_plain = size == number.size && number.bits == Bits { offset: 0, precision: 8 * size as u32 };
    if !is_plain {
        let from = StoredNumber::Integer {
            size: number.size,
            order: number.order,
            signed: number.signed,
            precision: number.bits.precision,
            bit_offset: number.bits.offset,
        };
        values.codecs.insert(0, Codec::Convert { from, to: values.dtype.clone() });
    }
    Ok(())
}

/// The parts of the formats of IEEE 754: size, sign, exponent position and bits, mantissa bits, bias.
const IEEE: [(usize, u32, u32, u32, u32, u32); 3] =
    [(2, 15, 10, 5, 10, 15), (4, 31, 23, 8, 23, 127), (8, 63, 52, 11, 52, 1023)];

fn float(size: usize, number: &Float, values: &mut Values) -> Result<(), String> {
    let order = number.order.ok_or("floating-point numbers in VAX byte order are not supported")?;
    let parts = (
        size,
        number.sign_position,
        number.exponent_position,
        number.exponent_bits,
        number.mantissa_bits,
        number.exponent_bias,
    );
    let is_plain = number.normalization == Normalization::Implied
        && number.mantissa_position == 0
        && number.bits == Bits { offset: 0, precision: 8 * size as u32 };
    if is_plain && IEEE.contains(&parts) {
        values.dtype = DataType::Float { size: size as u8, order };
        return Ok(());
    }
    let implied_one = match number.normalization {
        Normalization::Implied => true,
        // The x87 keeps the leading bit and calls it not normalized.
        Normalization::Stored | Normalization::None => false,
    };
    let (to_size, is_exact) =
        if fits(number, implied_one, 23, 8) { (4, true) } else { (8, fits(number, implied_one, 52, 11)) };
    let from = StoredNumber::Float {
        size,
        order,
        sign_position: number.sign_position,
        exponent_position: number.exponent_position,
        exponent_bits: number.exponent_bits,
        mantissa_position: number.mantissa_position,
        mantissa_bits: number.mantissa_bits,
        exponent_bias: number.exponent_bias,
        implied_one,
    };
    values.dtype = DataType::Float { size: to_size, order };
    values.codecs.insert(0, Codec::Convert { from, to: values.dtype.clone() });
    values.may_be_inexact = !is_exact;
    Ok(())
}

/// True if every number of the format is one of an IEEE format with these bits.
fn fits(number: &Float, implied_one: bool, mantissa_bits: u32, exponent_bits: u32) -> bool {
    if number.exponent_bits > 15 || number.mantissa_bits > 64 {
        return false;
    }
    let mantissa = if implied_one { number.mantissa_bits } else { number.mantissa_bits.saturating_sub(1) };
    let bias = i64::from(number.exponent_bias);
    let ieee_bias = (1_i64 << (exponent_bits - 1)) - 1;
    let largest = (1_i64 << number.exponent_bits) - 2 - bias;
    let smallest_bit = 1 - bias - i64::from(mantissa);
    mantissa <= mantissa_bits
        && largest <= ieee_bias
        && smallest_bit >= 1 - ieee_bias - i64::from(mantissa_bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn int(size: usize, precision: u32, offset: u32) -> Datatype {
        let bits = Bits { offset, precision };
        Datatype { size, class: Class::Integer { order: ByteOrder::Little, signed: true, bits } }
    }

    fn member(name: &str, offset: usize, datatype: Datatype) -> Member {
        Member { name: name.to_owned(), offset, datatype }
    }

    #[test]
    fn an_integer_of_24_bits_becomes_one_of_32() {
        let leaves = leaves(&int(3, 24, 0), Dialect::Hdf5);
        let values = leaves[0].values.as_ref().unwrap();
        assert_eq!(values.dtype, DataType::Int { size: 4, order: ByteOrder::Little });
        assert!(matches!(values.codecs.as_slice(), [Codec::Convert { .. }]));
    }

    #[test]
    fn members_of_members_are_picked_from_the_outer_record() {
        let inner = Datatype { size: 12, class: Class::Compound(vec![member("n", 8, int(4, 32, 0))]) };
        let outer = Datatype { size: 20, class: Class::Compound(vec![member("in", 4, inner)]) };
        let leaves = leaves(&outer, Dialect::Hdf5);
        assert_eq!(leaves[0].suffix, ".in.n");
        let values = leaves[0].values.as_ref().unwrap();
        assert_eq!(values.codecs, vec![Codec::Member { record_size: 20, offset: 12, size: 4 }]);
    }

    #[test]
    fn members_of_arrays_of_records_are_picked_twice() {
        let inner = Datatype { size: 8, class: Class::Compound(vec![member("n", 4, int(4, 32, 0))]) };
        let array = Datatype { size: 24, class: Class::Array { base: Box::new(inner), shape: vec![3] } };
        let outer = Datatype { size: 32, class: Class::Compound(vec![member("a", 8, array)]) };
        let leaves = leaves(&outer, Dialect::Hdf5);
        let values = leaves[0].values.as_ref().unwrap();
        assert_eq!(values.inner_shape, vec![3]);
        assert_eq!(
            values.codecs,
            vec![
                Codec::Member { record_size: 8, offset: 4, size: 4 },
                Codec::Member { record_size: 32, offset: 8, size: 24 }
            ]
        );
    }

    #[test]
    fn x87_numbers_must_be_tried() {
        let float = Float {
            order: Some(ByteOrder::Little),
            bits: Bits { offset: 0, precision: 80 },
            sign_position: 79,
            exponent_position: 64,
            exponent_bits: 15,
            mantissa_position: 0,
            mantissa_bits: 64,
            exponent_bias: 16_383,
            normalization: Normalization::Stored,
        };
        let leaves = leaves(&Datatype { size: 16, class: Class::Float(float) }, Dialect::Hdf5);
        assert!(leaves[0].values.as_ref().unwrap().may_be_inexact);
    }

    #[test]
    fn bfloat16_fits_float32() {
        let float = Float {
            order: Some(ByteOrder::Little),
            bits: Bits { offset: 0, precision: 16 },
            sign_position: 15,
            exponent_position: 7,
            exponent_bits: 8,
            mantissa_position: 0,
            mantissa_bits: 7,
            exponent_bias: 127,
            normalization: Normalization::Implied,
        };
        assert!(fits(&float, true, 23, 8));
    }
}
