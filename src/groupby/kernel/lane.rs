//! Decoded values in the shapes that kernels know.

use thermocline_codec::{fixed_to_text, join_chars};
use thermocline_core::read::Decoder;
use thermocline_core::{Error, Result};
use thermocline_model::cf::TimeUnits;
use thermocline_model::{ArrayBytes, ByteOrder, DataType, Number, StringPadding, Variable};

use super::number::MISSING_TIME;
use crate::{Failure, Source};

/// Decoded values of a run.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Lane<'v> {
    /// NaN is missing.
    Single(&'v [f32]),
    /// NaN is missing.
    Double(&'v [f64]),
    /// Signed integers and booleans, none missing; instants, of which [`i64::MIN`] is missing.
    Int(&'v [i64]),
    /// Unsigned integers of 8 bytes.
    UInt(&'v [u64]),
    /// Texts, none missing.
    Text(&'v [String]),
}

impl Lane<'_> {
    /// How many values there are.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Single(values) => values.len(),
            Self::Double(values) => values.len(),
            Self::Int(values) => values.len(),
            Self::UInt(values) => values.len(),
            Self::Text(values) => values.len(),
        }
    }
}

/// Room for the decoded values of a run, used again for the next.
#[derive(Debug, Default)]
pub(crate) struct LaneBuffer {
    singles: Vec<f32>,
    doubles: Vec<f64>,
    ints: Vec<i64>,
    uints: Vec<u64>,
    texts: Vec<String>,
}

/// Decodes stored elements of one variable into lanes.
pub(crate) struct LaneDecoder {
    way: Way,
    /// Bytes of an element; 0 for texts that have none.
    size: usize,
}

/// How stored elements become values.
enum Way {
    /// Stored as they are decoded.
    PlainSingle,
    Single(Decoder),
    Double(Decoder),
    Int(Decoder),
    UInt(Decoder),
    Bool(Decoder),
    Time(Decoder, TimeUnits),
    Text(TextForm),
}

/// How texts are stored.
enum TextForm {
    /// Each as long as it is.
    Any,
    /// Bytes of equal number, in one element.
    Fixed { padding: StringPadding, utf8: bool },
    /// Rows of characters, of the encoding that an attribute names.
    Characters { encoding: Option<String> },
}

impl LaneDecoder {
    /// That of a variable. The last axis of characters is a text, and no axis of the values.
    ///
    /// # Errors
    /// [`thermocline_core::ErrorKind::InvalidInput`] for records, for times that clients do not read alike, and for texts
    /// whose characters lie in several chunks.
    pub(crate) fn of(variable: &Variable) -> Result<(Self, Source)> {
        let source = Source::of(variable).map_err(|failure| match failure {
            Failure::Core(error) => error,
            Failure::Mistake { detail, .. }
            | Failure::Impossible(detail)
            | Failure::TooLarge { detail, .. } => Error::invalid_input(detail),
        })?;
        if let Some(form) = TextForm::of(variable) {
            return Ok((Self { way: Way::Text(form), size: text_size(variable)? }, source));
        }
        let decoder = Decoder::of(variable).ok_or_else(|| {
            Error::invalid_input(format!("{:?} holds neither numbers nor texts of one kind", variable.name))
        })?;
        let size = decoder.element_size();
        let way = match (source, TimeUnits::of(&variable.attrs)) {
            (Source::Time, Some(Ok(units))) => Way::Time(decoder, units),
            _ => number_way(source, decoder),
        };
        Ok((Self { way, size }, source))
    }

    /// Decodes `n` elements from element `first` on of a chunk. Of arrays of characters an element is a text: a row of
    /// the chunk's last axis.
    ///
    /// # Errors
    /// A chunk that is shorter; times beyond all years.
    pub(crate) fn decode<'b>(
        &'b self,
        chunk: &'b ArrayBytes,
        first: usize,
        n: usize,
        buffer: &'b mut LaneBuffer,
    ) -> Result<Lane<'b>> {
        let bytes = match chunk {
            ArrayBytes::Texts(texts) => {
                let run = first.checked_add(n).and_then(|end| texts.get(first..end));
                return match (&self.way, run) {
                    (Way::Text(TextForm::Any), Some(texts)) => Ok(Lane::Text(texts)),
                    _ => Err(too_short(first, n)),
                };
            }
            ArrayBytes::Fixed(bytes) => bytes,
        };
        let bounds = first.checked_mul(self.size).zip(n.checked_mul(self.size));
        let stored = bounds.and_then(|(start, len)| bytes.get(start..start.checked_add(len)?));
        let stored = stored.ok_or_else(|| too_short(first, n))?;
        Ok(match &self.way {
            Way::PlainSingle => {
                // Chunks begin where allocators let floats begin, with rare exceptions.
                if let Ok(values) = bytemuck::try_cast_slice(stored)
                    && cfg!(target_endian = "little")
                {
                    return Ok(Lane::Single(values));
                }
                let (elements, _) = stored.as_chunks::<4>();
                buffer.singles.clear();
                buffer.singles.extend(elements.iter().map(|bytes| f32::from_le_bytes(*bytes)));
                Lane::Single(&buffer.singles)
            }
            Way::Single(decoder) => {
                buffer.singles.resize(n, 0.0);
                decoder.decode(stored, &mut buffer.singles);
                Lane::Single(&buffer.singles)
            }
            Way::Double(decoder) => {
                buffer.doubles.resize(n, 0.0);
                decoder.decode(stored, &mut buffer.doubles);
                Lane::Double(&buffer.doubles)
            }
            Way::Int(decoder) => Lane::Int(integers(decoder, stored, n, &mut buffer.ints)?),
            Way::Bool(decoder) => {
                integers(decoder, stored, n, &mut buffer.ints)?;
                buffer.ints.iter_mut().for_each(|value| *value = i64::from(*value != 0));
                Lane::Int(&buffer.ints)
            }
            Way::UInt(decoder) => {
                buffer.uints.resize(n, 0);
                if !decoder.unsigned(stored, &mut buffer.uints) {
                    return Err(Error::internal("integers with sign were decoded as such without"));
                }
                Lane::UInt(&buffer.uints)
            }
            Way::Time(decoder, units) => Lane::Int(instants(decoder, units, stored, n, buffer)?),
            Way::Text(form) => {
                form.cut(stored, self.size, n, &mut buffer.texts)?;
                Lane::Text(&buffer.texts)
            }
        })
    }
}

impl TextForm {
    /// That of a variable; `None` for numbers.
    fn of(variable: &Variable) -> Option<Self> {
        match &variable.dtype {
            DataType::String => Some(Self::Any),
            DataType::FixedString { padding, utf8, .. } => {
                Some(Self::Fixed { padding: *padding, utf8: *utf8 })
            }
            DataType::Char => {
                Some(Self::Characters { encoding: variable.attrs.text("_Encoding").map(str::to_owned) })
            }
            _ => None,
        }
    }

    /// Cuts `n` texts of `size` bytes.
    fn cut(&self, stored: &[u8], size: usize, n: usize, texts: &mut Vec<String>) -> Result<()> {
        texts.clear();
        match self {
            _ if size == 0 => texts.resize(n, String::new()),
            Self::Any => {
                return Err(Error::internal("texts of any length were stored in as many bytes each"));
            }
            Self::Fixed { padding, utf8 } => {
                texts.extend(stored.chunks_exact(size).map(|text| fixed_to_text(text, *padding, *utf8)));
            }
            Self::Characters { encoding } => *texts = join_chars(stored, size, encoding.as_deref())?,
        }
        Ok(())
    }
}

/// How numbers become values of a decoded type.
fn number_way(source: Source, decoder: Decoder) -> Way {
    let is_little = matches!(decoder.dtype(), DataType::Float { size: 4, order: ByteOrder::Little });
    match source {
        Source::Single if is_little && !decoder.is_packed() && !decoder.has_missing() => Way::PlainSingle,
        Source::Single => Way::Single(decoder),
        Source::UInt(8) => Way::UInt(decoder),
        Source::Int(_) | Source::UInt(_) => Way::Int(decoder),
        Source::Bool => Way::Bool(decoder),
        _ => Way::Double(decoder),
    }
}

/// Bytes of a text; 0 for those that have a length of their own.
fn text_size(variable: &Variable) -> Result<usize> {
    if variable.dtype != DataType::Char {
        return Ok(variable.dtype.len_bytes().unwrap_or(0));
    }
    let width = variable.shape.last().copied().unwrap_or(1);
    if variable.storage.chunk_shape.last().is_some_and(|len| *len != width) {
        return Err(Error::invalid_input(format!(
            "the texts of {:?} are not whole: their {width} characters lie in several chunks",
            variable.name
        )));
    }
    usize::try_from(width).map_err(|_| Error::invalid_input("texts are longer than memory"))
}

fn integers<'b>(decoder: &Decoder, stored: &[u8], n: usize, ints: &'b mut Vec<i64>) -> Result<&'b [i64]> {
    ints.resize(n, 0);
    if !decoder.signed(stored, ints) {
        return Err(Error::internal("floats were decoded as integers"));
    }
    Ok(ints)
}

fn instants<'b>(
    decoder: &Decoder,
    units: &TimeUnits,
    stored: &[u8],
    n: usize,
    buffer: &'b mut LaneBuffer,
) -> Result<&'b [i64]> {
    let ticks = |number: Number| {
        units.decode_ticks(number).map_err(|cause| Error::invalid_input(format!("a time is wrong: {cause}")))
    };
    buffer.ints.resize(n, 0);
    if !decoder.is_packed() && decoder.signed(stored, &mut buffer.ints) {
        for value in &mut buffer.ints {
            let number = Number::Integer(i128::from(*value));
            *value = if decoder.is_missing(number) { MISSING_TIME } else { ticks(number)? };
        }
        return Ok(&buffer.ints);
    }
    buffer.uints.resize(n, 0);
    if !decoder.is_packed() && decoder.unsigned(stored, &mut buffer.uints) {
        for (value, stored) in buffer.ints.iter_mut().zip(&buffer.uints) {
            let number = Number::Integer(i128::from(*stored));
            *value = if decoder.is_missing(number) { MISSING_TIME } else { ticks(number)? };
        }
        return Ok(&buffer.ints);
    }
    buffer.doubles.resize(n, 0.0);
    decoder.decode(stored, &mut buffer.doubles);
    for (value, number) in buffer.ints.iter_mut().zip(&buffer.doubles) {
        *value = if number.is_nan() { MISSING_TIME } else { ticks(Number::Float(*number))? };
    }
    Ok(&buffer.ints)
}

fn too_short(first: usize, n: usize) -> Error {
    Error::corrupt(format!("a decoded chunk does not have the {n} elements from {first} on"))
}
