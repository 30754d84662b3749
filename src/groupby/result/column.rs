//! Variables with their values, and cutting them.

use std::sync::Arc;

use thermocline_core::select::{Coordinate, Labels};
use thermocline_core::{Error, Result};
use thermocline_model::{
    ArrayBytes, Attributes, ByteOrder, Codec, DataType, Encoding, Storage, Variable, Verification,
};

pub(super) const F4: DataType = DataType::Float { size: 4, order: ByteOrder::Little };
pub(super) const F8: DataType = DataType::Float { size: 8, order: ByteOrder::Little };
pub(super) const I8: DataType = DataType::Int { size: 8, order: ByteOrder::Little };
pub(super) const U8: DataType = DataType::UInt { size: 8, order: ByteOrder::Little };

/// A variable of the result with its values.
#[derive(Debug, Clone)]
pub(super) struct Column {
    /// The variable.
    pub(super) variable: Variable,
    /// True for a coordinate, false for bounds and the like.
    pub(super) is_coordinate: bool,
    /// Its values.
    pub(super) values: Arc<ArrayBytes>,
}

impl Column {
    /// True for coordinates that are not those of the dimension of their name.
    pub(super) fn is_auxiliary(&self) -> bool {
        let is_index = matches!(self.variable.dims.as_slice(), [only] if *only == self.variable.name);
        self.is_coordinate && !is_index
    }
}

/// A variable in one chunk.
pub(super) fn variable(
    name: &str,
    dims: Vec<String>,
    shape: Vec<u64>,
    dtype: DataType,
    attrs: Attributes,
) -> Variable {
    let chunk_shape: Vec<u64> = shape.iter().map(|len| (*len).max(1)).collect();
    let codecs = if dtype == DataType::String { vec![Codec::VlenUtf8] } else { Vec::new() };
    Variable {
        name: name.to_owned(),
        dims,
        shape,
        fill: nan(&dtype),
        storage: Storage {
            served_chunk_shape: chunk_shape.clone(),
            chunk_shape,
            encodings: vec![Encoding { dtype: dtype.clone(), codecs }],
            table: 0,
            source_path: name.to_owned(),
        },
        dtype,
        attrs,
        verification: Verification::Unverified { reason: "computed from another dataset".to_owned() },
    }
}

/// NaN as one element of a floating type.
fn nan(dtype: &DataType) -> Option<ArrayBytes> {
    match dtype {
        DataType::Float { size: 4, .. } => Some(ArrayBytes::Fixed(f32::NAN.to_le_bytes().to_vec())),
        DataType::Float { size: 8, .. } => Some(ArrayBytes::Fixed(f64::NAN.to_le_bytes().to_vec())),
        _ => None,
    }
}

/// Numbers as little-endian bytes.
pub(super) fn bytes_of<const N: usize, T: Copy>(values: &[T], bytes: impl Fn(T) -> [u8; N]) -> ArrayBytes {
    ArrayBytes::Fixed(values.iter().flat_map(|value| bytes(*value)).collect())
}

/// Decoded labels of a variable as little-endian values, with their type: integers have that of the variable.
///
/// # Errors
/// None for labels that were read by attributes without units of time.
pub(super) fn encoded(variable: &Variable, coordinate: &Coordinate) -> Result<(DataType, ArrayBytes)> {
    Ok(match &coordinate.labels {
        Labels::Floats { values, is_single: true } => {
            (F4, bytes_of(values, |value| (value as f32).to_le_bytes()))
        }
        Labels::Floats { values, .. } => (F8, bytes_of(values, f64::to_le_bytes)),
        Labels::Texts(texts) => (DataType::String, ArrayBytes::Texts(texts.clone())),
        Labels::Integers { values, above } => {
            let dtype = integer_type(variable);
            if dtype == DataType::Bool {
                return Ok((dtype, bytes_of(values, |value| [u8::from(i128::from(value) + above != 0)])));
            }
            let bytes = integers(&dtype, values.iter().map(|value| i128::from(*value) + above));
            (dtype, bytes)
        }
        Labels::Times { .. } => {
            return Err(Error::internal(format!("{:?} was read as times", variable.name)));
        }
    })
}

/// Integers of a type as little-endian bytes. All of them fit.
pub(super) fn integers(dtype: &DataType, values: impl ExactSizeIterator<Item = i128>) -> ArrayBytes {
    let size = dtype.len_bytes().unwrap_or(8).min(8);
    let mut bytes = Vec::with_capacity(values.len().saturating_mul(size));
    for value in values {
        bytes.extend(value.to_le_bytes().iter().take(size));
    }
    ArrayBytes::Fixed(bytes)
}

/// The type of stored integers with the sign that `_Unsigned` says.
pub(super) fn integer_type(variable: &Variable) -> DataType {
    let order = ByteOrder::Little;
    let is_boolean = variable.attrs.text("dtype") == Some("bool");
    match (&variable.dtype, variable.attrs.text("_Unsigned")) {
        // How xarray writes booleans.
        (DataType::Int { size: 1, .. }, _) if is_boolean => DataType::Bool,
        (DataType::Int { size, .. }, Some("true")) => DataType::UInt { size: *size, order },
        (DataType::UInt { size, .. }, Some("false")) => DataType::Int { size: *size, order },
        (dtype, _) => dtype.little_endian(),
    }
}

/// The values at some positions along each axis; `None` takes all of an axis.
///
/// # Errors
/// Values that do not have the shape.
pub(super) fn cut(
    values: &Arc<ArrayBytes>,
    size: usize,
    shape: &[u64],
    picks: &[Option<Vec<u64>>],
) -> Result<Arc<ArrayBytes>> {
    if picks.iter().all(Option::is_none) {
        return Ok(Arc::clone(values));
    }
    let mut cells: Vec<u64> = vec![0];
    for (axis, len) in shape.iter().enumerate() {
        let along: Vec<u64> = match picks.get(axis).and_then(Option::as_ref) {
            Some(picks) => picks.clone(),
            None => (0..*len).collect(),
        };
        cells = cells
            .iter()
            .flat_map(|cell| along.iter().map(move |at| cell.saturating_mul(*len).saturating_add(*at)))
            .collect();
    }
    let outside = || Error::internal("a selection reaches beyond the values of a coordinate");
    let at = |cell: &u64| usize::try_from(*cell).ok();
    Ok(Arc::new(match values.as_ref() {
        ArrayBytes::Fixed(bytes) => {
            let mut chosen = Vec::with_capacity(cells.len().saturating_mul(size));
            for cell in &cells {
                let start = at(cell).and_then(|at| at.checked_mul(size)).ok_or_else(outside)?;
                chosen.extend_from_slice(bytes.get(start..start.saturating_add(size)).ok_or_else(outside)?);
            }
            ArrayBytes::Fixed(chosen)
        }
        ArrayBytes::Texts(texts) => {
            let chosen = cells.iter().map(|cell| texts.get(at(cell)?).cloned()).collect::<Option<_>>();
            ArrayBytes::Texts(chosen.ok_or_else(outside)?)
        }
    }))
}
