//! The labels of a coordinate, read from the bytes that are kept with the manifest and decoded as xarray does.
//!
//! # Source
//! CF Conventions 1.11, sections 2.5.1 (missing values), 4.4 (time) and 8.1 (packed data); where they leave
//! the type of decoded values open, xarray's `coding/variables.py`.

use thermocline_codec::{fill_chunk, region::copy_box};
use thermocline_model::{ArrayBytes, Attributes, DataType, Number, Place, StringPadding, Variable};

use super::times::TimeAxis;
use crate::manifest::Manifest;
use crate::read::decode_chunk;
use crate::read::packed::{Packing, Stored, missing_numbers, signedness, stored_numbers, unpacked};
use crate::verify::clip;
use crate::{Error, ErrorKind, Result};

/// Most labels of a coordinate that are looked at: as many as the budget for coordinates holds of `f64`.
const MAX_LABELS: u64 = 1 << 25;

/// Most bytes that the stored values of a coordinate may take.
const MAX_BYTES: u64 = 1 << 29;

/// Largest decoded chunk of a coordinate, in bytes.
const MAX_CHUNK_BYTES: u64 = 1 << 30;

/// A coordinate with its labels in C order.
#[derive(Debug)]
pub struct Coordinate {
    /// Its name, for messages.
    pub name: String,
    /// Names of the axes; those of characters are not among them.
    pub dims: Vec<String>,
    /// Lengths of the axes.
    pub shape: Vec<u64>,
    /// The labels.
    pub labels: Labels,
}

/// Decoded labels.
#[derive(Debug)]
pub enum Labels {
    /// Numbers; missing ones are NaN.
    Floats {
        /// The numbers.
        values: Vec<f64>,
        /// True if they have the precision of `f32`.
        is_single: bool,
    },
    /// Integers: what is stored and `above` together.
    Integers {
        /// What is stored.
        values: Vec<i64>,
        /// What is added to each.
        above: i128,
    },
    /// Instants in microseconds of their calendar, [`TimeAxis::MISSING`] where they are missing.
    Times {
        /// The instants.
        ticks: Vec<i64>,
        /// Units and calendar.
        axis: TimeAxis,
    },
    /// Texts.
    Texts(Vec<String>),
}

impl Labels {
    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Floats { values, .. } => values.len(),
            Self::Integers { values, .. } => values.len(),
            Self::Times { ticks, .. } => ticks.len(),
            Self::Texts(texts) => texts.len(),
        }
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The numbers; missing ones are NaN. `None` for times and texts.
    pub fn into_numbers(self) -> Option<Vec<f64>> {
        match self {
            Self::Floats { values, .. } => Some(values),
            Self::Integers { values, above } => {
                Some(values.into_iter().map(|value| (i128::from(value) + above) as f64).collect())
            }
            Self::Times { .. } | Self::Texts(_) => None,
        }
    }
}

impl Coordinate {
    /// Reads a coordinate. Blocking.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] for one that is not kept with the manifest or has no labels that can be
    /// named; what decoding says of the stored bytes.
    pub fn read(manifest: &Manifest, variable: &Variable) -> Result<Self> {
        Self::read_with(manifest, variable, &variable.attrs)
    }

    /// Reads a variable by other attributes than its own: bounds have the units and calendar of what they bound.
    /// Blocking.
    ///
    /// # Errors
    /// Those of [`Self::read`].
    pub fn read_with(manifest: &Manifest, variable: &Variable, attrs: &Attributes) -> Result<Self> {
        let size = variable.dtype.len_bytes().unwrap_or(1) as u64;
        let is_small = |n: &u64| *n <= MAX_LABELS && n.saturating_mul(size) <= MAX_BYTES;
        let n_labels = variable.n_elements().filter(is_small).and_then(|n| usize::try_from(n).ok());
        let n_labels = n_labels.ok_or_else(|| {
            let message = format!("{:?} has too many labels to be looked up; select by isel=", variable.name);
            Error::new(ErrorKind::TooLarge, message)
        })?;
        let values = read_all(manifest, variable, n_labels)?;
        let (mut dims, mut shape) = (variable.dims.clone(), variable.shape.clone());
        let labels = match (&variable.dtype, values) {
            (DataType::Char, ArrayBytes::Fixed(bytes)) => {
                // A scalar of one character has no axis of characters.
                dims.pop();
                let width = shape.pop().unwrap_or(1);
                Labels::Texts(rows(&bytes, width, &shape))
            }
            (DataType::FixedString { len, padding, .. }, ArrayBytes::Fixed(bytes)) => Labels::Texts(
                bytes.chunks_exact((*len).max(1)).map(|text| fixed_text(text, *padding)).collect(),
            ),
            (_, ArrayBytes::Texts(texts)) => Labels::Texts(texts),
            (dtype, ArrayBytes::Fixed(bytes)) => numbers(dtype, &bytes, attrs).map_err(|error| {
                Error::invalid_input(format!("{:?} cannot be decoded", variable.name)).with_source(error)
            })?,
        };
        Ok(Self { name: variable.name.clone(), dims, shape, labels })
    }
}

/// All values of a variable whose bytes are kept with the manifest.
fn read_all(manifest: &Manifest, variable: &Variable, n_elements: usize) -> Result<ArrayBytes> {
    let table = manifest.table_blocking(variable)?;
    if !table.parts().iter().all(|part| part.place == Place::Inline) {
        return Err(Error::invalid_input(format!(
            "the values of {:?} are not kept with the index, so nothing can be selected by them; select by \
             position: isel=",
            variable.name
        )));
    }
    let grid = variable.stored_grid();
    let grid = grid.ok_or_else(|| Error::internal(format!("{:?} has no chunk grid", variable.name)))?;
    let mut values = fill_chunk(&variable.dtype, variable.fill.as_ref(), n_elements);
    let origin = vec![0; variable.shape.len()];
    let size = variable.dtype.len_bytes().unwrap_or(1);
    for (linear, chunk) in table.iter().take_while(|(linear, _)| *linear < grid.n_chunks()) {
        let stored = manifest.inline_blocking(chunk.offset, chunk.len_bytes as usize)?;
        let decoded = decode_chunk(variable, &chunk, &stored, MAX_CHUNK_BYTES)?;
        let region = clip(variable, grid.start(&grid.index(linear)));
        let (start, shape) = (&region.start, &region.shape);
        copy_box(&decoded, grid.chunk_shape(), &origin, &mut values, &variable.shape, start, shape, size)?;
    }
    Ok(values)
}

/// Texts of characters along their last axis.
fn rows(bytes: &[u8], width: u64, shape: &[u64]) -> Vec<String> {
    match usize::try_from(width) {
        Ok(width) if width > 0 => {
            bytes.chunks_exact(width).map(|row| fixed_text(row, StringPadding::NullPadded)).collect()
        }
        _ => vec![String::new(); usize::try_from(shape.iter().product::<u64>()).unwrap_or(0)],
    }
}

fn fixed_text(bytes: &[u8], padding: StringPadding) -> String {
    let end = match padding {
        StringPadding::NullTerminated => bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len()),
        StringPadding::NullPadded => bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1),
        StringPadding::SpacePadded => bytes.iter().rposition(|byte| *byte != b' ').map_or(0, |last| last + 1),
    };
    String::from_utf8_lossy(bytes.get(..end).unwrap_or(bytes)).into_owned()
}

/// Numbers as xarray decodes them.
fn numbers(dtype: &DataType, bytes: &[u8], attrs: &Attributes) -> Result<Labels> {
    let dtype = &signedness(dtype, attrs);
    let stored = stored_numbers(dtype, bytes);
    let stored = stored.ok_or_else(|| Error::invalid_input("records have no labels that can be named"))?;
    let missing = missing_numbers(dtype, attrs);
    let packing = Packing::of(attrs);
    let has_time = TimeAxis::of(attrs)?;
    let is_single = match (&packing, &stored) {
        (Some(packing), _) => packing.is_single(dtype),
        // Times keep the integers and have no precision of `f32` to be rounded to.
        (None, _) if has_time.is_some() => false,
        (None, Stored::Floats(_)) => dtype.len_bytes().is_some_and(|size| size <= 4),
        (None, Stored::Integers { .. }) => dtype.len_bytes().is_some_and(|size| size <= 2),
    };
    let is_plain = packing.is_none() && (missing.0.is_empty() || has_time.is_some());
    match (stored, has_time) {
        (Stored::Integers { values, above }, Some(axis)) if is_plain => {
            let integers = values.into_iter().map(|value| Number::Integer(i128::from(value) + above));
            let ticks = integers
                .map(|number| if missing.has(number) { Ok(TimeAxis::MISSING) } else { axis.ticks(number) });
            Ok(Labels::Times { ticks: ticks.collect::<Result<_>>()?, axis })
        }
        (stored, Some(axis)) => {
            let values = unpacked(stored, &missing, packing.as_ref(), is_single);
            let ticks = values.into_iter().map(|value| axis.ticks(Number::Float(value)));
            Ok(Labels::Times { ticks: ticks.collect::<Result<_>>()?, axis })
        }
        (Stored::Integers { values, above }, None) if is_plain => Ok(Labels::Integers { values, above }),
        (stored, None) => {
            Ok(Labels::Floats { values: unpacked(stored, &missing, packing.as_ref(), is_single), is_single })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use thermocline_model::{Attribute, ByteOrder, NumberType};

    const I2: DataType = DataType::Int { size: 2, order: ByteOrder::Big };

    fn attrs(pairs: &[(&str, NumberType, Number)]) -> Attributes {
        pairs
            .iter()
            .map(|(name, dtype, value)| ((*name).to_owned(), Attribute::number(*dtype, *value)))
            .collect()
    }

    #[test]
    fn packed_labels_are_scaled_and_missing_ones_are_nan() {
        let attrs = attrs(&[
            ("scale_factor", NumberType::F32, Number::Float(f64::from(0.1_f32))),
            ("_FillValue", NumberType::I16, Number::Integer(-1)),
        ]);
        let Ok(Labels::Floats { values, is_single }) = numbers(&I2, &[0, 3, 0xff, 0xff], &attrs) else {
            panic!("no floats")
        };
        assert!(is_single);
        assert_eq!(values.first(), Some(&f64::from(3.0_f32 * 0.1_f32)));
        assert!(values.last().is_some_and(|value| value.is_nan()));
    }

    #[test]
    fn integers_without_sign_are_exact() {
        let dtype = DataType::UInt { size: 8, order: ByteOrder::Little };
        let Ok(Labels::Integers { values, above }) = numbers(&dtype, &[0xff; 8], &Attributes::new()) else {
            panic!("no integers")
        };
        assert_eq!(i128::from(values[0]) + above, i128::from(u64::MAX));
    }

    #[test]
    fn an_attribute_makes_bytes_unsigned() {
        let mut attrs = attrs(&[("_FillValue", NumberType::I8, Number::Integer(-1))]);
        attrs.set("_Unsigned", Attribute::Text("true".into()));
        let dtype = DataType::Int { size: 1, order: ByteOrder::Little };
        let Ok(Labels::Floats { values, .. }) = numbers(&dtype, &[200, 255], &attrs) else {
            panic!("no floats")
        };
        assert_eq!(values.first(), Some(&200.0));
        assert!(values.last().is_some_and(|value| value.is_nan()));
    }

    #[test]
    fn fixed_texts_end_where_their_padding_begins() {
        assert_eq!(fixed_text(b"ab\0c", StringPadding::NullTerminated), "ab");
        assert_eq!(fixed_text(b"a\0b\0\0", StringPadding::NullPadded), "a\0b");
        assert_eq!(fixed_text(b"ab  ", StringPadding::SpacePadded), "ab");
        assert_eq!(rows(b"ab\0cd\0", 3, &[2]), ["ab", "cd"]);
    }
}
