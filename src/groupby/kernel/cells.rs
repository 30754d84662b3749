//! Results of cells.

use thermocline_core::{Error, Result};
use thermocline_model::cf::TimeUnits;
use thermocline_model::{ArrayBytes, ByteOrder, DataType, Number};

use super::number::MISSING_TIME;

/// Results of cells, in their order; of several quantiles those of a cell follow each other.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cells {
    /// Numbers; NaN where there are none.
    Floats(Vec<f64>),
    /// Integers.
    Ints(Vec<i64>),
    /// Unsigned integers.
    UInts(Vec<u64>),
    /// Booleans.
    Booleans(Vec<bool>),
    /// Instants in microseconds of their calendar, of which [`i64::MIN`] is missing.
    Times(Vec<i64>),
    /// Texts; empty where there are none.
    Texts(Vec<String>),
}

impl Cells {
    /// How many results there are.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Floats(values) => values.len(),
            Self::Ints(values) | Self::Times(values) => values.len(),
            Self::UInts(values) => values.len(),
            Self::Booleans(values) => values.len(),
            Self::Texts(values) => values.len(),
        }
    }

    /// Makes results without members missing, given by their number: integers and booleans become floats and are NaN
    /// then, texts empty.
    #[must_use]
    pub(crate) fn with_empty(self, is_empty: impl Fn(usize) -> bool) -> Self {
        fn masked<T: Clone>(values: Vec<T>, missing: T, is_empty: impl Fn(usize) -> bool) -> Vec<T> {
            let values = values.into_iter().enumerate();
            values.map(|(i, value)| if is_empty(i) { missing.clone() } else { value }).collect()
        }
        match self {
            Self::Times(ticks) => Self::Times(masked(ticks, MISSING_TIME, is_empty)),
            Self::Texts(texts) => Self::Texts(masked(texts, String::new(), is_empty)),
            numbers => Self::Floats(masked(numbers.into_floats(), f64::NAN, is_empty)),
        }
    }

    /// The numbers as floats; NaN for missing instants and for texts.
    pub(crate) fn into_floats(self) -> Vec<f64> {
        match self {
            Self::Floats(values) => values,
            Self::Ints(values) => values.into_iter().map(|value| value as f64).collect(),
            Self::UInts(values) => values.into_iter().map(|value| value as f64).collect(),
            Self::Booleans(values) => values.into_iter().map(|value| f64::from(u8::from(value))).collect(),
            Self::Times(ticks) => {
                let number = |tick: i64| if tick == MISSING_TIME { f64::NAN } else { tick as f64 };
                ticks.into_iter().map(number).collect()
            }
            Self::Texts(texts) => vec![f64::NAN; texts.len()],
        }
    }

    /// As values of a type.
    ///
    /// # Errors
    /// [`thermocline_core::ErrorKind::Internal`] for a type that cannot hold them; instants need [`Self::encode_times`].
    pub(crate) fn encode(&self, dtype: &DataType) -> Result<ArrayBytes> {
        let bytes = match self {
            Self::Texts(texts) if *dtype == DataType::String => return Ok(ArrayBytes::Texts(texts.clone())),
            Self::Texts(_) | Self::Times(_) => None,
            Self::Floats(values) => encode_all(dtype, values.iter().map(|value| Number::Float(*value))),
            Self::Ints(values) => encode_all(dtype, values.iter().map(|value| integer(*value))),
            Self::UInts(values) => encode_all(dtype, values.iter().map(|value| integer(*value))),
            Self::Booleans(values) => encode_all(dtype, values.iter().map(|value| integer(u8::from(*value)))),
        };
        bytes.map(ArrayBytes::Fixed).ok_or_else(|| self.unfit(dtype))
    }

    /// Instants as numbers in units; missing ones are NaN.
    ///
    /// # Errors
    /// [`thermocline_core::ErrorKind::Internal`] for other results, and for a type that cannot hold them.
    pub(crate) fn encode_times(&self, dtype: &DataType, units: &TimeUnits) -> Result<ArrayBytes> {
        let Self::Times(ticks) = self else { return Err(self.unfit(dtype)) };
        let number = |tick: &i64| match tick {
            &MISSING_TIME => Number::Float(f64::NAN),
            tick => units.encode_ticks(*tick),
        };
        let bytes = encode_all(dtype, ticks.iter().map(number));
        bytes.map(ArrayBytes::Fixed).ok_or_else(|| self.unfit(dtype))
    }

    fn unfit(&self, dtype: &DataType) -> Error {
        let kind = match self {
            Self::Floats(_) => "floats",
            Self::Ints(_) | Self::UInts(_) => "integers",
            Self::Booleans(_) => "booleans",
            Self::Times(_) => "times",
            Self::Texts(_) => "texts",
        };
        Error::internal(format!("results are {kind} and do not fit into {dtype:?}"))
    }
}

fn integer(value: impl Into<i128>) -> Number {
    Number::Integer(value.into())
}

/// The bytes of numbers; `None` if one of them is beyond the type.
fn encode_all(dtype: &DataType, numbers: impl Iterator<Item = Number>) -> Option<Vec<u8>> {
    let is_big = dtype.byte_order() == Some(ByteOrder::Big);
    let mut bytes = Vec::with_capacity(numbers.size_hint().0 * dtype.len_bytes().unwrap_or(0));
    for number in numbers {
        let start = bytes.len();
        encode_one(dtype, number, &mut bytes)?;
        if is_big {
            bytes.get_mut(start..)?.reverse();
        }
    }
    Some(bytes)
}

/// A number, least significant byte first.
fn encode_one(dtype: &DataType, number: Number, bytes: &mut Vec<u8>) -> Option<()> {
    match (dtype, number) {
        (DataType::Float { size: 4, .. }, number) => {
            bytes.extend((number.as_f64() as f32).to_le_bytes());
        }
        (DataType::Float { size: 8, .. }, number) => bytes.extend(number.as_f64().to_le_bytes()),
        (DataType::Bool, Number::Integer(value @ 0..=1)) => bytes.push(value as u8),
        (DataType::Int { size: size @ 1..=8, .. }, Number::Integer(value)) => {
            let limit = 1_i128 << (8 * u32::from(*size) - 1);
            let fits = (-limit..limit).contains(&value);
            bytes.extend(value.to_le_bytes().get(..usize::from(*size)).filter(|_| fits)?);
        }
        (DataType::UInt { size: size @ 1..=8, .. }, Number::Integer(value)) => {
            let fits = (0..1_i128 << (8 * u32::from(*size))).contains(&value);
            bytes.extend(value.to_le_bytes().get(..usize::from(*size)).filter(|_| fits)?);
        }
        _ => return None,
    }
    Some(())
}
