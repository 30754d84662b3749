//! Datatypes as HDF5 describes them.
//!
//! # Specification
//! HDF5 File Format Specification 3.0, IV.A.2.d, versions 1 to 5; class 11 (complex) as in HDF5 2.0.

use thermocline_core::{Error, Result};
use thermocline_model::{ByteOrder, StringPadding};

use crate::cursor::{Cursor, text};

/// Deepest nesting of types.
const MAX_DEPTH: usize = 16;

/// Most members of one compound or enumeration.
const MAX_MEMBERS: usize = 65_535;

/// A datatype.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Datatype {
    /// Bytes of one element.
    pub(crate) size: usize,
    /// What the bytes are.
    pub(crate) class: Class,
}

/// The classes of datatypes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Class {
    /// An integer.
    Integer { order: ByteOrder, signed: bool, bits: Bits },
    /// A floating-point number.
    Float(Float),
    /// A time, which nobody writes.
    Time,
    /// Text of fixed length.
    FixedString { padding: StringPadding, utf8: bool },
    /// Bits without a meaning as a number.
    Bitfield { order: ByteOrder, bits: Bits },
    /// Bytes without a meaning.
    Opaque { tag: String },
    /// A record.
    Compound(Vec<Member>),
    /// A reference to an object, a region or an attribute.
    Reference(Reference),
    /// Named integers.
    Enum { base: Box<Datatype>, names: Vec<String>, values: Vec<Vec<u8>> },
    /// A sequence of any length.
    Sequence(Box<Datatype>),
    /// Text of any length.
    String { padding: StringPadding },
    /// A small array in each element.
    Array { base: Box<Datatype>, shape: Vec<u64> },
    /// Two numbers: real and imaginary part.
    Complex(Box<Datatype>),
}

/// Which bits of a number count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bits {
    /// Position of the lowest.
    pub(crate) offset: u32,
    /// How many.
    pub(crate) precision: u32,
}

/// Where the parts of a floating-point number lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Float {
    /// `None`: the order of the VAX.
    pub(crate) order: Option<ByteOrder>,
    pub(crate) bits: Bits,
    pub(crate) sign_position: u32,
    pub(crate) exponent_position: u32,
    pub(crate) exponent_bits: u32,
    pub(crate) mantissa_position: u32,
    pub(crate) mantissa_bits: u32,
    pub(crate) exponent_bias: u32,
    pub(crate) normalization: Normalization,
}

/// How the leading bit of a mantissa is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Normalization {
    /// The mantissa is not normalized.
    None,
    /// The leading 1 is stored.
    Stored,
    /// The leading 1 is not stored.
    Implied,
}

/// A member of a record.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) offset: usize,
    pub(crate) datatype: Datatype,
}

/// What references refer to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reference {
    /// An object, by its address.
    Object,
    /// A region of an array.
    Region,
    /// Any of the kinds of HDF5 1.12.
    Standard,
}

impl Datatype {
    /// Reads the body of a datatype message.
    ///
    /// # Errors
    /// [`thermocline_core::ErrorKind::Unsupported`] for what is newer than this reader.
    pub(crate) fn parse(cursor: &mut Cursor<'_>) -> Result<Self> {
        parse(cursor, 0)
    }

    /// The type in words, for reports.
    pub(crate) fn words(&self) -> String {
        match &self.class {
            Class::Integer { order, signed, bits } => {
                let kind = if *signed { "int" } else { "uint" };
                let odd = odd_bits(*bits, self.size);
                format!("{kind}{}{}{odd}", self.size * 8, order_words(*order))
            }
            Class::Float(float) => {
                let order = float.order.map_or(" VAX", order_words);
                format!("float{}{order}{}", self.size * 8, odd_bits(float.bits, self.size))
            }
            Class::Time => format!("time{}", self.size * 8),
            Class::FixedString { .. } => format!("string of {} bytes", self.size),
            Class::Bitfield { bits, .. } => {
                format!("bitfield{}{}", self.size * 8, odd_bits(*bits, self.size))
            }
            Class::Opaque { tag } if tag.is_empty() => format!("opaque of {} bytes", self.size),
            Class::Opaque { tag } => format!("opaque of {} bytes ({tag})", self.size),
            Class::Compound(members) => {
                let words: Vec<String> = members
                    .iter()
                    .take(20)
                    .map(|member| format!("{}: {}", member.name, member.datatype.words()))
                    .collect();
                let more = if members.len() > 20 { ", …" } else { "" };
                format!("{{{}{more}}}", words.join(", "))
            }
            Class::Reference(Reference::Object) => "object reference".to_owned(),
            Class::Reference(Reference::Region) => "region reference".to_owned(),
            Class::Reference(Reference::Standard) => "reference".to_owned(),
            Class::Enum { base, .. } => format!("enum of {}", base.words()),
            Class::Sequence(base) => format!("vlen of {}", base.words()),
            Class::String { .. } => "string".to_owned(),
            Class::Array { base, shape } => format!("{}{shape:?}", base.words()),
            Class::Complex(base) => format!("complex of {}", base.words()),
        }
    }
}

fn odd_bits(bits: Bits, size: usize) -> String {
    if bits.offset == 0 && bits.precision as usize == size * 8 {
        return String::new();
    }
    format!(" ({} bits at {})", bits.precision, bits.offset)
}

fn order_words(order: ByteOrder) -> &'static str {
    match order {
        ByteOrder::Little => "",
        ByteOrder::Big => " big-endian",
    }
}

fn parse(cursor: &mut Cursor<'_>, depth: usize) -> Result<Datatype> {
    if depth > MAX_DEPTH {
        return Err(Error::unsupported(format!("types nested more than {MAX_DEPTH} deep")));
    }
    let head = cursor.u8()?;
    let (version, class) = (head >> 4, head & 0x0f);
    let flags = cursor.uint(3)? as u32;
    let size = cursor.u32()? as usize;
    if size == 0 {
        return Err(Error::corrupt("a datatype of 0 bytes"));
    }
    if !(1..=5).contains(&version) {
        return Err(Error::unsupported(format!("datatype version {version}")));
    }
    let class = match class {
        0 => Class::Integer { order: order(flags), signed: flags & 0x08 != 0, bits: bits(cursor)? },
        1 => Class::Float(float(cursor, flags)?),
        2 => {
            cursor.skip(2)?;
            Class::Time
        }
        3 => Class::FixedString { padding: padding(flags & 0x0f)?, utf8: (flags >> 4) & 0x0f == 1 },
        4 => Class::Bitfield { order: order(flags), bits: bits(cursor)? },
        5 => {
            let tag = cursor.take((flags & 0xff) as usize)?;
            let tag = tag.split(|byte| *byte == 0).next().unwrap_or_default();
            Class::Opaque { tag: text(tag).0 }
        }
        6 => Class::Compound(members(cursor, version, (flags & 0xffff) as usize, size, depth)?),
        7 => Class::Reference(match flags & 0x0f {
            0 => Reference::Object,
            1 => Reference::Region,
            _ => Reference::Standard,
        }),
        8 => enumeration(cursor, version, (flags & 0xffff) as usize, depth)?,
        9 => {
            let base = parse(cursor, depth + 1)?;
            match flags & 0x0f {
                0 => Class::Sequence(Box::new(base)),
                1 => Class::String { padding: padding((flags >> 4) & 0x0f)? },
                kind => return Err(Error::unsupported(format!("variable-length type {kind}"))),
            }
        }
        10 => array(cursor, version, depth)?,
        11 => Class::Complex(Box::new(parse(cursor, depth + 1)?)),
        class => return Err(Error::unsupported(format!("datatype class {class}"))),
    };
    let datatype = Datatype { size, class };
    check(&datatype)?;
    Ok(datatype)
}

/// Checks that the parts of a type fit into its size.
fn check(datatype: &Datatype) -> Result<()> {
    let n_bits = datatype.size.saturating_mul(8);
    let fits = |bits: &Bits| {
        bits.precision > 0 && bits.offset as usize + bits.precision as usize <= n_bits && datatype.size <= 64
    };
    let is_sound = match &datatype.class {
        Class::Integer { bits, .. } | Class::Bitfield { bits, .. } => fits(bits),
        Class::Float(float) => {
            fits(&float.bits)
                && (float.sign_position as usize) < n_bits
                && (float.exponent_position + float.exponent_bits) as usize <= n_bits
                && (float.mantissa_position + float.mantissa_bits) as usize <= n_bits
                && float.exponent_bits > 0
        }
        Class::Compound(members) => members.iter().all(|member| {
            member.offset.checked_add(member.datatype.size).is_some_and(|end| end <= datatype.size)
        }),
        Class::Enum { base, .. } => base.size == datatype.size,
        Class::Array { base, shape } => {
            let n = shape.iter().try_fold(base.size as u64, |product, length| product.checked_mul(*length));
            n == Some(datatype.size as u64)
        }
        Class::Complex(base) => base.size.checked_mul(2) == Some(datatype.size),
        _ => true,
    };
    if is_sound {
        Ok(())
    } else {
        Err(Error::corrupt(format!("a type that does not fit: {}", datatype.words())))
    }
}

fn order(flags: u32) -> ByteOrder {
    if flags & 1 == 0 { ByteOrder::Little } else { ByteOrder::Big }
}

fn bits(cursor: &mut Cursor<'_>) -> Result<Bits> {
    Ok(Bits { offset: u32::from(cursor.u16()?), precision: u32::from(cursor.u16()?) })
}

fn float(cursor: &mut Cursor<'_>, flags: u32) -> Result<Float> {
    let order = match (flags & 0x40 != 0, flags & 1 != 0) {
        (false, false) => Some(ByteOrder::Little),
        (false, true) => Some(ByteOrder::Big),
        _ => None,
    };
    let normalization = match (flags >> 4) & 3 {
        0 => Normalization::None,
        1 => Normalization::Stored,
        2 => Normalization::Implied,
        kind => return Err(Error::unsupported(format!("mantissa normalization {kind}"))),
    };
    Ok(Float {
        order,
        bits: bits(cursor)?,
        sign_position: (flags >> 8) & 0xff,
        exponent_position: u32::from(cursor.u8()?),
        exponent_bits: u32::from(cursor.u8()?),
        mantissa_position: u32::from(cursor.u8()?),
        mantissa_bits: u32::from(cursor.u8()?),
        exponent_bias: cursor.u32()?,
        normalization,
    })
}

fn padding(code: u32) -> Result<StringPadding> {
    match code {
        0 => Ok(StringPadding::NullTerminated),
        1 => Ok(StringPadding::NullPadded),
        2 => Ok(StringPadding::SpacePadded),
        code => Err(Error::unsupported(format!("string padding {code}"))),
    }
}

/// A name that ends with a NUL, in old versions filled up to a multiple of 8 bytes.
fn name(cursor: &mut Cursor<'_>, version: u8) -> Result<String> {
    let start = cursor.position();
    let name = text(cursor.until_nul()?).0;
    if version < 3 {
        cursor.align(start)?;
    }
    Ok(name)
}

fn members(cursor: &mut Cursor<'_>, version: u8, n: usize, size: usize, depth: usize) -> Result<Vec<Member>> {
    if n > MAX_MEMBERS {
        return Err(Error::corrupt(format!("{n} members")));
    }
    let mut members = Vec::new();
    for _ in 0..n {
        let name = name(cursor, version)?;
        let offset = match version {
            1 | 2 => cursor.u32()? as usize,
            _ => cursor.uint((size.max(1).ilog2() / 8 + 1) as usize)? as usize,
        };
        let mut shape = Vec::new();
        if version == 1 {
            let rank = usize::from(cursor.u8()?);
            cursor.skip(3 + 4 + 4)?;
            for axis in 0..4 {
                let length = u64::from(cursor.u32()?);
                if axis < rank {
                    shape.push(length);
                }
            }
        }
        let mut datatype = parse(cursor, depth + 1)?;
        if !shape.is_empty() {
            let n =
                shape.iter().try_fold(datatype.size as u64, |product, length| product.checked_mul(*length));
            let size = n.and_then(|n| usize::try_from(n).ok());
            let size = size.ok_or_else(|| Error::corrupt("a member of more than 2^64 bytes"))?;
            datatype = Datatype { size, class: Class::Array { base: Box::new(datatype), shape } };
        }
        members.push(Member { name, offset, datatype });
    }
    Ok(members)
}

fn enumeration(cursor: &mut Cursor<'_>, version: u8, n: usize, depth: usize) -> Result<Class> {
    let base = parse(cursor, depth + 1)?;
    let names = (0..n).map(|_| name(cursor, version)).collect::<Result<Vec<_>>>()?;
    let values = (0..n).map(|_| Ok(cursor.take(base.size)?.to_vec())).collect::<Result<Vec<_>>>()?;
    Ok(Class::Enum { base: Box::new(base), names, values })
}

fn array(cursor: &mut Cursor<'_>, version: u8, depth: usize) -> Result<Class> {
    let rank = usize::from(cursor.u8()?);
    if version < 3 {
        cursor.skip(3)?;
    }
    let shape = (0..rank).map(|_| Ok(u64::from(cursor.u32()?))).collect::<Result<Vec<_>>>()?;
    if version < 3 {
        cursor.skip(4 * rank)?;
    }
    Ok(Class::Array { base: Box::new(parse(cursor, depth + 1)?), shape })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cursor::Sizes;
    use proptest::prelude::*;

    const SIZES: Sizes = Sizes { address: 8, length: 8 };

    #[test]
    fn a_little_endian_int32_is_read() {
        let bytes = [0x10, 0x08, 0, 0, 4, 0, 0, 0, 0, 0, 32, 0];
        let parsed = Datatype::parse(&mut Cursor::new(&bytes, SIZES)).unwrap();
        assert_eq!(parsed.words(), "int32");
    }

    #[test]
    fn a_type_wider_than_its_size_is_damaged() {
        let bytes = [0x10, 0x08, 0, 0, 4, 0, 0, 0, 8, 0, 32, 0];
        assert!(Datatype::parse(&mut Cursor::new(&bytes, SIZES)).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_type_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Datatype::parse(&mut Cursor::new(&bytes, SIZES));
        }
    }
}
