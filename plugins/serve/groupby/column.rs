//! Values of an array one by one, as answers write them: numbers decoded from their bytes, times as instants.

use std::sync::Arc;

use thermocline_core::{Error, Result};
use thermocline_model::cf::{Calendar, DateTime, TimeUnits};
use thermocline_model::{ArrayBytes, Attributes, ByteOrder, DataType, Number, Variable};

/// One value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Cell<'c> {
    /// A missing time.
    Missing,
    /// A boolean.
    Bool(bool),
    /// A signed integer.
    Int(i64),
    /// An unsigned integer.
    UInt(u64),
    /// A number; of `f4` widened exactly. NaN is missing.
    Float(f64),
    /// An instant.
    Time(DateTime),
    /// A text.
    Text(&'c str),
}

/// What the bytes of a column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Booleans.
    Bool,
    /// Signed integers of so many bytes.
    Int(u8),
    /// Unsigned integers of so many bytes.
    UInt(u8),
    /// Floats of 4 or 8 bytes.
    Float(u8),
    /// Instants.
    Time(Calendar),
    /// Texts.
    Text,
}

impl Kind {
    /// What the values of a variable will be, as far as its metadata say; `None` for types that results do not have.
    pub(crate) fn of(variable: &Variable) -> Option<Self> {
        let kind = match &variable.dtype {
            DataType::Bool => Self::Bool,
            DataType::Int { size, .. } => Self::Int(*size),
            DataType::UInt { size, .. } => Self::UInt(*size),
            DataType::Float { size: size @ (4 | 8), .. } => Self::Float(*size),
            dtype if dtype.is_text() => Self::Text,
            _ => return None,
        };
        let units = TimeUnits::of(&variable.attrs).and_then(std::result::Result::ok);
        let time = units.filter(|_| kind.counts()).map(|units| Self::Time(units.calendar()));
        Some(time.unwrap_or(kind))
    }

    /// True for what can be numbers of times.
    fn counts(self) -> bool {
        matches!(self, Self::Int(_) | Self::UInt(_) | Self::Float(_))
    }

    /// The type's name: numpy's, but for times and texts.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Int(1) => "int8",
            Self::Int(2) => "int16",
            Self::Int(4) => "int32",
            Self::Int(_) => "int64",
            Self::UInt(1) => "uint8",
            Self::UInt(2) => "uint16",
            Self::UInt(4) => "uint32",
            Self::UInt(_) => "uint64",
            Self::Float(4) => "float32",
            Self::Float(_) => "float64",
            Self::Time(_) => "datetime64",
            Self::Text => "string",
        }
    }
}

/// Values of an array in C order.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    kind: Kind,
    values: Values,
    n_cells: usize,
}

#[derive(Debug, Clone)]
enum Values {
    Stored { values: Arc<ArrayBytes>, size: usize, order: ByteOrder },
    Instants(Vec<Option<i64>>),
    Texts(Vec<String>),
}

/// Where [`i64::MIN`] stands for no time, as in numpy.
const NO_TIME: i64 = i64::MIN;

impl Column {
    /// The values of a variable. Numbers whose attributes make them times become instants, but where one of them is none.
    ///
    /// # Errors
    /// [`thermocline_core::ErrorKind::Internal`] for types that results do not have, and for values that are too few.
    pub(crate) fn of(variable: &Variable, attrs: &Attributes, values: &Arc<ArrayBytes>) -> Result<Self> {
        let column = Self::stored(variable, values)?;
        let n_expected = variable.n_elements().and_then(|n| usize::try_from(n).ok());
        if n_expected != Some(column.n_cells) {
            let message =
                format!("{:?} has {} values for shape {:?}", variable.name, column.n_cells, variable.shape);
            return Err(Error::internal(message));
        }
        Ok(column.instants(attrs).unwrap_or(column))
    }

    fn stored(variable: &Variable, values: &Arc<ArrayBytes>) -> Result<Self> {
        let kind = match &variable.dtype {
            DataType::Bool => Kind::Bool,
            DataType::Int { size, .. } => Kind::Int(*size),
            DataType::UInt { size, .. } => Kind::UInt(*size),
            DataType::Float { size: size @ (4 | 8), .. } => Kind::Float(*size),
            dtype if dtype.is_text() => return Ok(Self::texts(dtype, values)),
            dtype => return Err(Error::internal(format!("{:?} has the type {dtype:?}", variable.name))),
        };
        let (size, order) = (variable.dtype.len_bytes().unwrap_or(1), variable.dtype.byte_order());
        let n_cells = values.n_elements(&variable.dtype);
        let order = order.unwrap_or(ByteOrder::Little);
        Ok(Self { kind, values: Values::Stored { values: Arc::clone(values), size, order }, n_cells })
    }

    fn texts(dtype: &DataType, values: &Arc<ArrayBytes>) -> Self {
        let n_cells = values.n_elements(dtype);
        let values = match &**values {
            ArrayBytes::Texts(_) => {
                Values::Stored { values: Arc::clone(values), size: 0, order: ByteOrder::Little }
            }
            ArrayBytes::Fixed(bytes) => {
                let texts = bytes
                    .chunks_exact(dtype.len_bytes().unwrap_or(1).max(1))
                    .map(|text| String::from_utf8_lossy(text).trim_end_matches(['\0', ' ']).to_owned());
                Values::Texts(texts.collect())
            }
        };
        Self { kind: Kind::Text, values, n_cells }
    }

    /// The same values as instants; `None` for what is no time.
    fn instants(&self, attrs: &Attributes) -> Option<Self> {
        if !self.kind.counts() {
            return None;
        }
        let units = TimeUnits::of(attrs)?.ok()?;
        let ticks = (0..self.n_cells).map(|position| match self.cell(position) {
            Cell::Int(NO_TIME) => Some(None),
            Cell::Float(value) if value.is_nan() => Some(None),
            Cell::Int(value) => units.decode_ticks(Number::Integer(value.into())).ok().map(Some),
            Cell::UInt(value) => units.decode_ticks(Number::Integer(value.into())).ok().map(Some),
            Cell::Float(value) => units.decode_ticks(Number::Float(value)).ok().map(Some),
            _ => None,
        });
        let ticks: Vec<Option<i64>> = ticks.collect::<Option<_>>()?;
        let kind = Kind::Time(units.calendar());
        Some(Self { kind, values: Values::Instants(ticks), n_cells: self.n_cells })
    }

    /// What the values are.
    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// How many there are.
    pub(crate) fn n_cells(&self) -> usize {
        self.n_cells
    }

    /// The value at a position.
    pub(crate) fn cell(&self, position: usize) -> Cell<'_> {
        match (&self.values, self.kind) {
            (Values::Instants(ticks), Kind::Time(calendar)) => {
                let ticks = ticks.get(position).copied().flatten();
                let time = ticks.and_then(|ticks| DateTime::from_ticks(calendar, ticks).ok());
                time.map_or(Cell::Missing, Cell::Time)
            }
            (Values::Texts(texts), _) => texts.get(position).map_or(Cell::Missing, |text| Cell::Text(text)),
            (Values::Stored { values, size, order }, kind) => match &**values {
                ArrayBytes::Texts(texts) => {
                    texts.get(position).map_or(Cell::Missing, |text| Cell::Text(text))
                }
                ArrayBytes::Fixed(bytes) => {
                    let start = position.saturating_mul(*size);
                    let element = bytes.get(start..start.saturating_add(*size));
                    element.map_or(Cell::Missing, |element| number(element, *order, kind))
                }
            },
            (Values::Instants(_), _) => Cell::Missing,
        }
    }
}

/// The value of an element of at most 8 bytes.
fn number(element: &[u8], order: ByteOrder, kind: Kind) -> Cell<'static> {
    let fold = |bits: u64, byte: &u8| (bits << 8) | u64::from(*byte);
    let bits = match order {
        ByteOrder::Little => element.iter().rev().fold(0, fold),
        ByteOrder::Big => element.iter().fold(0, fold),
    };
    let n_unused = 64 - 8 * element.len().clamp(1, 8);
    match kind {
        Kind::Bool => Cell::Bool(bits != 0),
        Kind::Int(_) => Cell::Int(((bits << n_unused) as i64) >> n_unused),
        Kind::UInt(_) => Cell::UInt(bits),
        Kind::Float(4) => Cell::Float(f32::from_bits(bits as u32).into()),
        Kind::Float(_) => Cell::Float(f64::from_bits(bits)),
        Kind::Time(_) | Kind::Text => Cell::Missing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_either_byte_order_keep_their_values() {
        assert_eq!(number(&[0xff, 0xfe], ByteOrder::Big, Kind::Int(2)), Cell::Int(-2));
        assert_eq!(number(&[0xfe, 0xff], ByteOrder::Little, Kind::Int(2)), Cell::Int(-2));
        assert_eq!(number(&[0xfe, 0xff], ByteOrder::Little, Kind::UInt(2)), Cell::UInt(65534));
        assert_eq!(number(&u64::MAX.to_le_bytes(), ByteOrder::Little, Kind::UInt(8)), Cell::UInt(u64::MAX));
        assert_eq!(number(&i64::MIN.to_le_bytes(), ByteOrder::Little, Kind::Int(8)), Cell::Int(i64::MIN));
        assert_eq!(
            number(&0.1_f32.to_le_bytes(), ByteOrder::Little, Kind::Float(4)),
            Cell::Float(0.1_f32.into())
        );
        assert_eq!(number(&1.5_f64.to_be_bytes(), ByteOrder::Big, Kind::Float(8)), Cell::Float(1.5));
        assert_eq!(number(&[2], ByteOrder::Little, Kind::Bool), Cell::Bool(true));
    }
}
