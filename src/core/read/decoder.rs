//! From stored elements to numbers, as xarray decodes them: sign, missing values, packing.
//!
//! # Source
//! CF Conventions 1.11, sections 2.5.1 (missing values) and 8.1 (packed data); where they leave the type of decoded
//! values open, xarray's `coding/variables.py`. Like xarray, ranges of validity (`valid_range`) change nothing.

use thermocline_model::{Attributes, ByteOrder, DataType, Number, Variable};

use super::packed::{Missing, Packing, missing_numbers, signedness, stored_numbers, unpacked};

/// Decodes the elements of one variable. Missing ones become NaN.
///
/// ```
/// use thermocline_core::read::Decoder;
/// use thermocline_model::{Attribute, Attributes, ByteOrder, DataType, Number, NumberType};
///
/// let mut attrs = Attributes::new();
/// attrs.set("scale_factor", Attribute::number(NumberType::F64, Number::Float(0.5)));
/// attrs.set("_FillValue", Attribute::number(NumberType::I16, Number::Integer(-1)));
/// let dtype = DataType::Int { size: 2, order: ByteOrder::Little };
/// let decoder = Decoder::new(&dtype, &attrs).expect("numbers");
/// let mut values = [0.0_f64; 2];
/// decoder.decode(&[3, 0, 0xff, 0xff], &mut values);
/// assert_eq!(values[0], 1.5);
/// assert!(values[1].is_nan());
/// ```
pub struct Decoder {
    /// With the sign that `_Unsigned` says.
    dtype: DataType,
    missing: Missing,
    packing: Option<Packing>,
    is_single: bool,
    size: usize,
}

/// `f32` or `f64`.
pub trait Real: Copy + Send + Sync + 'static {
    /// The nearest number.
    fn from_f64(value: f64) -> Self;
    /// The same number.
    fn to_f64(self) -> f64;
    /// No number.
    const NAN: Self;
}

impl Real for f32 {
    fn from_f64(value: f64) -> Self {
        value as Self
    }
    fn to_f64(self) -> f64 {
        f64::from(self)
    }
    const NAN: Self = Self::NAN;
}

impl Real for f64 {
    fn from_f64(value: f64) -> Self {
        value
    }
    fn to_f64(self) -> f64 {
        self
    }
    const NAN: Self = Self::NAN;
}

impl Decoder {
    /// That of a variable; `None` for texts and records.
    pub fn of(variable: &Variable) -> Option<Self> {
        Self::new(&variable.dtype, &variable.attrs)
    }

    /// That of elements of a type with the attributes of a variable; `None` for texts and records.
    pub fn new(dtype: &DataType, attrs: &Attributes) -> Option<Self> {
        if !dtype.is_number() {
            return None;
        }
        let dtype = signedness(dtype, attrs);
        let size = dtype.len_bytes().filter(|size| matches!(size, 1 | 2 | 4 | 8))?;
        let packing = Packing::of(attrs);
        let is_single = match &packing {
            Some(packing) => packing.is_single(&dtype),
            None if matches!(dtype, DataType::Float { .. }) => size <= 4,
            None => size <= 2,
        };
        Some(Self { missing: missing_numbers(&dtype, attrs), dtype, packing, is_single, size })
    }

    /// True if all values are exact as `f32`.
    pub fn is_single(&self) -> bool {
        self.is_single
    }

    /// Size of a stored element in bytes.
    pub fn element_size(&self) -> usize {
        self.size
    }

    /// The type of the stored elements, with the sign that `_Unsigned` says.
    pub fn dtype(&self) -> &DataType {
        &self.dtype
    }

    /// True if values are packed.
    pub fn is_packed(&self) -> bool {
        self.packing.is_some()
    }

    /// True if some stored number stands for a missing value, whether it occurs or not: integers are then decoded as
    /// floats. NaN does not: floats have it anyway, and integers do not have it.
    pub fn has_missing(&self) -> bool {
        self.missing.0.iter().any(|number| !number.as_f64().is_nan())
    }

    /// True for a stored number that stands for a missing one.
    pub fn is_missing(&self, stored: Number) -> bool {
        self.missing.has(stored)
    }

    /// Reads stored integers and booleans as they are, neither unpacked nor looked through for missing ones, as many as
    /// there are in both. False, and nothing is read, for floats and for what only `u64` holds.
    pub fn signed(&self, stored: &[u8], values: &mut [i64]) -> bool {
        match &self.dtype {
            DataType::Int { size: 1, .. } => self.plain(stored, values, |[byte]| byte.cast_signed().into()),
            DataType::Int { size: 2, .. } => self.plain(stored, values, |b| i16::from_le_bytes(b).into()),
            DataType::Int { size: 4, .. } => self.plain(stored, values, |b| i32::from_le_bytes(b).into()),
            DataType::Int { .. } => self.plain(stored, values, i64::from_le_bytes),
            DataType::UInt { size: 1, .. } | DataType::Bool => {
                self.plain(stored, values, |[byte]| byte.into());
            }
            DataType::UInt { size: 2, .. } => self.plain(stored, values, |b| u16::from_le_bytes(b).into()),
            DataType::UInt { size: 4, .. } => self.plain(stored, values, |b| u32::from_le_bytes(b).into()),
            _ => return false,
        }
        true
    }

    /// The same of integers of 8 bytes without sign; false for everything else.
    pub fn unsigned(&self, stored: &[u8], values: &mut [u64]) -> bool {
        let is_wide = matches!(self.dtype, DataType::UInt { size: 8, .. });
        if is_wide {
            self.plain(stored, values, u64::from_le_bytes);
        }
        is_wide
    }

    fn plain<const N: usize, T>(&self, stored: &[u8], values: &mut [T], read: impl Fn([u8; N]) -> T) {
        let pairs = values.iter_mut().zip(stored.as_chunks::<N>().0);
        if self.dtype.byte_order() == Some(ByteOrder::Big) {
            pairs.for_each(|(value, bytes)| {
                let mut bytes = *bytes;
                bytes.reverse();
                *value = read(bytes);
            });
            return;
        }
        pairs.for_each(|(value, bytes)| *value = read(*bytes));
    }

    /// Decodes stored elements, as many as there are in both.
    pub fn decode<R: Real>(&self, stored: &[u8], values: &mut [R]) {
        match &self.dtype {
            DataType::Float { size: 4, .. } => self.each::<4, f32, R>(stored, values, f32::from_bits_of),
            DataType::Float { size: 8, .. } => self.each::<8, f64, R>(stored, values, f64::from_bits_of),
            DataType::Int { size: 1, .. } => {
                self.each::<1, i8, R>(stored, values, |[byte]| byte.cast_signed())
            }
            DataType::Int { size: 2, .. } => self.each::<2, i16, R>(stored, values, i16::from_le_bytes),
            DataType::Int { size: 4, .. } => self.each::<4, i32, R>(stored, values, i32::from_le_bytes),
            DataType::UInt { size: 1, .. } | DataType::Bool => {
                self.each::<1, u8, R>(stored, values, |[byte]| byte);
            }
            DataType::UInt { size: 2, .. } => self.each::<2, u16, R>(stored, values, u16::from_le_bytes),
            DataType::UInt { size: 4, .. } => self.each::<4, u32, R>(stored, values, u32::from_le_bytes),
            _ => self.rare(stored, values),
        }
    }

    fn each<const N: usize, E: Element, R: Real>(
        &self,
        stored: &[u8],
        values: &mut [R],
        element: impl Fn([u8; N]) -> E,
    ) {
        let is_big = self.dtype.byte_order() == Some(ByteOrder::Big);
        let (elements, _) = stored.as_chunks::<N>();
        let missing: Vec<E> = self.missing.0.iter().filter_map(|number| E::exactly(*number)).collect();
        let read = |bytes: &[u8; N]| {
            let mut bytes = *bytes;
            if is_big {
                bytes.reverse();
            }
            element(bytes)
        };
        // One missing value is the rule; the loops of these two are fast.
        match missing.as_slice() {
            [] => self.unpack(elements.iter().map(|bytes| Some(read(bytes))), values),
            [only] => self.unpack(
                elements.iter().map(|bytes| Some(read(bytes)).filter(|element| element != only)),
                values,
            ),
            several => self.unpack(
                elements.iter().map(|bytes| Some(read(bytes)).filter(|element| !several.contains(element))),
                values,
            ),
        }
    }

    fn unpack<E: Element, R: Real>(&self, elements: impl Iterator<Item = Option<E>>, values: &mut [R]) {
        let pairs = values.iter_mut().zip(elements);
        let rounded = |value: f64| if self.is_single { f64::from(value as f32) } else { value };
        let (scale, offset) = match &self.packing {
            None => {
                pairs.for_each(|(value, element)| {
                    *value = element.map_or(R::NAN, |element| R::from_f64(element.to_f64()));
                });
                return;
            }
            Some(packing) => (packing.scale().unwrap_or(1.0), packing.offset()),
        };
        pairs.for_each(|(value, element)| {
            *value = element.map_or(R::NAN, |element| {
                let scaled = rounded(rounded(element.to_f64()) * scale);
                R::from_f64(offset.map_or(scaled, |offset| rounded(scaled + offset)))
            });
        });
    }

    /// Half precision and integers of 64 bits.
    fn rare<R: Real>(&self, stored: &[u8], values: &mut [R]) {
        let Some(stored) = stored_numbers(&self.dtype, stored) else { return values.fill(R::NAN) };
        let decoded = unpacked(stored, &self.missing, self.packing.as_ref(), self.is_single);
        values.iter_mut().zip(decoded).for_each(|(value, decoded)| *value = R::from_f64(decoded));
    }
}

/// A stored element.
trait Element: Copy + PartialEq {
    /// The number as `f64`, exactly.
    fn to_f64(self) -> f64;
    /// An attribute's number as an element; `None` for one that no element equals.
    fn exactly(number: Number) -> Option<Self>;
}

macro_rules! integer_element {
    ($($type:ty),*) => {$(
        impl Element for $type {
            fn to_f64(self) -> f64 {
                f64::from(self)
            }
            fn exactly(number: Number) -> Option<Self> {
                match number {
                    Number::Integer(value) => Self::try_from(value).ok(),
                    Number::Float(value) => Some(value as Self).filter(|element| f64::from(*element) == value),
                }
            }
        }
    )*};
}

integer_element!(i8, i16, i32, u8, u16, u32);

/// Floats from their bytes, least significant first.
trait FromBits<const N: usize> {
    fn from_bits_of(bytes: [u8; N]) -> Self;
}

impl FromBits<4> for f32 {
    fn from_bits_of(bytes: [u8; 4]) -> Self {
        Self::from_le_bytes(bytes)
    }
}

impl FromBits<8> for f64 {
    fn from_bits_of(bytes: [u8; 8]) -> Self {
        Self::from_le_bytes(bytes)
    }
}

impl Element for f32 {
    fn to_f64(self) -> f64 {
        f64::from(self)
    }
    fn exactly(number: Number) -> Option<Self> {
        let value = number.as_f64();
        Some(value as Self).filter(|element| f64::from(*element) == value)
    }
}

impl Element for f64 {
    fn to_f64(self) -> f64 {
        self
    }
    fn exactly(number: Number) -> Option<Self> {
        Some(number.as_f64()).filter(|value| !value.is_nan())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use thermocline_model::{Attribute, NumberType};

    fn dtypes() -> impl Strategy<Value = DataType> {
        let order = prop_oneof![Just(ByteOrder::Little), Just(ByteOrder::Big)];
        (0_u8..4, 0_u8..3, order).prop_map(|(size, kind, order)| {
            let size = 1 << size;
            match kind {
                0 => DataType::Int { size, order },
                1 => DataType::UInt { size, order },
                _ => DataType::Float { size: size.max(2), order },
            }
        })
    }

    proptest! {
        #[test]
        fn fast_ways_give_what_the_slow_one_gives(
            dtype in dtypes(),
            bytes in prop::collection::vec(prop_oneof![Just(0_u8), Just(1), Just(255), any::<u8>()], 0..64),
            fill in prop::option::of(-2_i16..2),
            scale in prop::option::of((any::<bool>(), 1_u8..9)),
            offset in prop::option::of((any::<bool>(), 1_u8..9)),
        ) {
            let mut attrs = Attributes::new();
            let float = |(is_single, value): (bool, u8)| {
                let dtype = if is_single { NumberType::F32 } else { NumberType::F64 };
                Attribute::number(dtype, Number::Float(f64::from(value) / 8.0))
            };
            if let Some(fill) = fill {
                attrs.set("_FillValue", Attribute::number(NumberType::I16, Number::Integer(fill.into())));
            }
            if let Some(scale) = scale {
                attrs.set("scale_factor", float(scale));
            }
            if let Some(offset) = offset {
                attrs.set("add_offset", float(offset));
            }
            let decoder = Decoder::new(&dtype, &attrs).unwrap();
            let n = bytes.len() / decoder.element_size();
            let (mut fast, mut slow) = (vec![0.0_f64; n], vec![0.0_f64; n]);
            decoder.decode(&bytes[..n * decoder.element_size()], &mut fast);
            decoder.rare(&bytes[..n * decoder.element_size()], &mut slow);
            let bits = |values: &[f64]| -> Vec<Option<u64>> {
                values.iter().map(|value| (!value.is_nan()).then(|| value.to_bits())).collect()
            };
            prop_assert_eq!(bits(&fast), bits(&slow));
            if decoder.is_single() {
                let mut single = vec![0.0_f32; n];
                decoder.decode(&bytes[..n * decoder.element_size()], &mut single);
                let single: Vec<f64> = single.into_iter().map(f64::from).collect();
                prop_assert_eq!(bits(&single), bits(&fast));
            }
        }
    }
}
