//! Fill values: what a client reads for a chunk that is absent, and what xarray masks.
//!
//! Format 2 has one value for both: `fill_value` **is** xarray's `_FillValue`. Format 3 has two.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use half::f16;
use serde_json::Value;
use thermocline_core::read::AbsentChunk;
use thermocline_model::{ArrayBytes, Attribute, ByteOrder, DataType, Number, StringPadding, Variable};

use crate::View;
use crate::attributes::{float_json, integer_json};

/// Longest text of repeated characters that a fill value is made of.
const MAX_FILL_TEXT: u64 = 4096;

/// What the documents of an array say of its fill, and what follows for absent chunks.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Fill {
    /// `fill_value` of the array document.
    pub(crate) value: Value,
    /// `_FillValue` among the attributes.
    pub(crate) attribute: Option<Value>,
    /// What a chunk that was never written becomes.
    pub(crate) absent: AbsentChunk,
}

/// One element, bit for bit.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Element {
    Bool(bool),
    Integer(i128),
    Float { size: u8, bits: u64 },
    Bytes(Vec<u8>),
    Text(String),
}

impl Fill {
    /// The fill of a variable whose elements are `wire` in the view.
    pub(crate) fn new(view: View, variable: &Variable, wire: &DataType) -> Self {
        let declared =
            variable.attrs.get("_FillValue").and_then(|value| declared_fill(variable, wire, value));
        let stored = stored_fill(variable, wire);
        if view.is_v2() {
            return Self::v2(declared, stored);
        }
        Self::v3(variable, wire, declared, stored)
    }

    fn v2(declared: Option<Element>, stored: Option<Element>) -> Self {
        // With `fill_value: null` clients return uninitialised memory for an absent chunk.
        let is_same =
            declared.is_some() && declared == stored && declared.as_ref().is_some_and(Element::is_plain);
        let absent = if is_same { AbsentChunk::Absent } else { AbsentChunk::Filled };
        let value = declared.as_ref().map_or(Value::Null, Element::json);
        Self { value, attribute: None, absent }
    }

    fn v3(variable: &Variable, wire: &DataType, declared: Option<Element>, stored: Option<Element>) -> Self {
        let (value, absent) = match stored {
            Some(stored) if stored.is_plain() => (stored.json(), AbsentChunk::Absent),
            Some(stored) => (stored.json(), AbsentChunk::Filled),
            None => (zero(wire).json(), AbsentChunk::Filled),
        };
        let attribute = declared.and_then(|declared| match declared {
            Element::Float { .. } => float_attribute(variable),
            // xarray cannot open an array of texts that has the attribute.
            Element::Bytes(_) | Element::Text(_) => None,
            Element::Bool(_) | Element::Integer(_) => Some(declared.json()),
        });
        Self { value, attribute, absent }
    }
}

impl Element {
    /// True if the JSON form brings back exactly these bits in every client.
    fn is_plain(&self) -> bool {
        match self {
            Self::Float { size, bits } => {
                !float_value(*size, *bits).is_nan() || *bits == canonical_nan(*size)
            }
            _ => true,
        }
    }

    fn json(&self) -> Value {
        match self {
            Self::Bool(value) => Value::Bool(*value),
            Self::Integer(value) => integer_json(*value),
            Self::Float { size, bits } => float_json(float_value(*size, *bits)),
            Self::Bytes(bytes) => Value::String(STANDARD.encode(bytes)),
            Self::Text(text) => Value::String(text.clone()),
        }
    }
}

/// `_FillValue` of a float as xarray reads it in format 3: base64 of the little-endian float64.
fn float_attribute(variable: &Variable) -> Option<Value> {
    let number = variable.attrs.get("_FillValue")?.as_number()?;
    Some(Value::String(STANDARD.encode(number.as_f64().to_le_bytes())))
}

/// The `_FillValue` attribute in the type of the elements; `None` if no element can have its value.
fn declared_fill(variable: &Variable, wire: &DataType, attribute: &Attribute) -> Option<Element> {
    match wire {
        DataType::Bool => match attribute.as_number()? {
            Number::Integer(value @ 0..=1) => Some(Element::Bool(value == 1)),
            _ => None,
        },
        DataType::Int { size, .. } => integer_fill(variable, attribute.as_number()?, *size, true),
        DataType::UInt { size, .. } => integer_fill(variable, attribute.as_number()?, *size, false),
        DataType::Float { size, .. } => float_fill(attribute.as_number()?, *size),
        DataType::Char => char_fill(attribute),
        DataType::FixedString { len, .. } => {
            let mut bytes = attribute.as_text()?.as_bytes().to_vec();
            (bytes.len() <= *len).then(|| {
                bytes.resize(*len, 0);
                Element::Bytes(bytes)
            })
        }
        DataType::String => Some(Element::Text(attribute.as_text()?.to_owned())),
        DataType::Compound { .. } => None,
    }
}

fn integer_fill(variable: &Variable, number: Number, size: u8, is_signed: bool) -> Option<Element> {
    let value = match number {
        Number::Integer(value) => value,
        Number::Float(value) if value.fract() == 0.0 && value.abs() < 1e20 => value as i128,
        Number::Float(_) => return None,
    };
    let n_bits = u32::from(size) * 8;
    let (least, most) = range(n_bits, is_signed);
    if (least..=most).contains(&value) {
        return Some(Element::Integer(value));
    }
    // The attribute has the type that `_Unsigned` gives to the elements.
    let (other_least, other_most) = range(n_bits, !is_signed);
    let is_reread = matches!(
        (variable.attrs.text("_Unsigned"), is_signed),
        (Some("true" | "True"), true) | (Some("false" | "False"), false)
    );
    let is_other = is_reread && (other_least..=other_most).contains(&value);
    let period = 1_i128 << n_bits;
    is_other.then(|| Element::Integer(if is_signed { value - period } else { value + period }))
}

fn range(n_bits: u32, is_signed: bool) -> (i128, i128) {
    if is_signed { (-(1 << (n_bits - 1)), (1 << (n_bits - 1)) - 1) } else { (0, (1 << n_bits) - 1) }
}

fn float_fill(number: Number, size: u8) -> Option<Element> {
    let value = number.as_f64();
    if value.is_nan() {
        return Some(Element::Float { size, bits: canonical_nan(size) });
    }
    let bits = match size {
        2 => u64::from(f16::from_f64(value).to_bits()),
        4 => u64::from((value as f32).to_bits()),
        _ => value.to_bits(),
    };
    // A finite fill beyond the type's range must not mask infinities.
    (value.is_infinite() || float_value(size, bits).is_finite()).then_some(Element::Float { size, bits })
}

fn char_fill(attribute: &Attribute) -> Option<Element> {
    if let Some(Number::Integer(value)) = attribute.as_number() {
        return u8::try_from(value).ok().map(|byte| Element::Bytes(vec![byte]));
    }
    let mut characters = attribute.as_text()?.chars();
    let only = characters.next().filter(|_| characters.next().is_none())?;
    u8::try_from(u32::from(only)).ok().map(|byte| Element::Bytes(vec![byte]))
}

/// What never-written elements hold, in the type of the view; `None` if the view cannot say it.
fn stored_fill(variable: &Variable, wire: &DataType) -> Option<Element> {
    let Some(fill) = &variable.fill else { return Some(zero(wire)) };
    match (fill, wire) {
        (ArrayBytes::Texts(texts), DataType::String) => Some(Element::Text(texts.first()?.clone())),
        (ArrayBytes::Texts(_), _) => None,
        (ArrayBytes::Fixed(bytes), DataType::String) => text_fill(variable, bytes).map(Element::Text),
        (ArrayBytes::Fixed(bytes), DataType::FixedString { len, .. }) => {
            let mut text = without_padding(&variable.dtype, bytes)?.to_vec();
            text.resize(*len, 0);
            Some(Element::Bytes(text))
        }
        (ArrayBytes::Fixed(bytes), _) => element(wire, bytes),
    }
}

/// The text of a chunk element made of stored characters or fixed strings.
fn text_fill(variable: &Variable, bytes: &[u8]) -> Option<String> {
    match &variable.dtype {
        DataType::Char => match (bytes, variable.shape.last().copied().unwrap_or(1)) {
            ([0], _) => Some(String::new()),
            ([byte @ 1..=127], n) if n <= MAX_FILL_TEXT => {
                Some(char::from(*byte).to_string().repeat(usize::try_from(n).ok()?))
            }
            _ => None,
        },
        dtype => std::str::from_utf8(without_padding(dtype, bytes)?).ok().map(str::to_owned),
    }
}

/// A fixed text without what fills it up; `None` for another type.
fn without_padding<'a>(dtype: &DataType, bytes: &'a [u8]) -> Option<&'a [u8]> {
    let DataType::FixedString { padding, .. } = dtype else { return None };
    Some(match padding {
        StringPadding::NullTerminated => bytes.split(|byte| *byte == 0).next().unwrap_or_default(),
        StringPadding::NullPadded => trim_end(bytes, 0),
        StringPadding::SpacePadded => trim_end(bytes, b' '),
    })
}

fn trim_end(bytes: &[u8], padding: u8) -> &[u8] {
    let len = bytes.iter().rposition(|byte| *byte != padding).map_or(0, |last| last + 1);
    bytes.get(..len).unwrap_or(bytes)
}

fn zero(wire: &DataType) -> Element {
    match wire {
        DataType::Bool => Element::Bool(false),
        DataType::Int { .. } | DataType::UInt { .. } => Element::Integer(0),
        DataType::Float { size, .. } => Element::Float { size: *size, bits: 0 },
        DataType::String => Element::Text(String::new()),
        DataType::Char | DataType::FixedString { .. } | DataType::Compound { .. } => {
            Element::Bytes(vec![0; wire.len_bytes().unwrap_or(0)])
        }
    }
}

/// One stored element; `None` if there are not as many bytes as the type has.
fn element(dtype: &DataType, bytes: &[u8]) -> Option<Element> {
    if dtype.len_bytes() != Some(bytes.len()) {
        return None;
    }
    let bits = |order: ByteOrder| {
        let push = |bits: u64, byte: &u8| (bits << 8) | u64::from(*byte);
        match order {
            ByteOrder::Big => bytes.iter().fold(0, push),
            ByteOrder::Little => bytes.iter().rev().fold(0, push),
        }
    };
    Some(match dtype {
        DataType::Bool => match bytes {
            [value @ 0..=1] => Element::Bool(*value == 1),
            _ => return None,
        },
        DataType::Int { size: 1..=8, order } => {
            let n_unused = 64 - 8 * bytes.len() as u32;
            Element::Integer(i128::from((bits(*order) << n_unused).cast_signed() >> n_unused))
        }
        DataType::UInt { size: 1..=8, order } => Element::Integer(i128::from(bits(*order))),
        DataType::Float { size: size @ (2 | 4 | 8), order } => {
            Element::Float { size: *size, bits: bits(*order) }
        }
        DataType::Char => Element::Bytes(bytes.to_vec()),
        _ => return None,
    })
}

fn float_value(size: u8, bits: u64) -> f64 {
    match size {
        2 => f16::from_bits(bits as u16).to_f64(),
        4 => f64::from(f32::from_bits(bits as u32)),
        _ => f64::from_bits(bits),
    }
}

/// The NaN that `"NaN"` stands for in a document.
fn canonical_nan(size: u8) -> u64 {
    match size {
        2 => 0x7e00,
        4 => 0x7fc0_0000,
        _ => 0x7ff8_0000_0000_0000,
    }
}

#[cfg(test)]
mod tests;
