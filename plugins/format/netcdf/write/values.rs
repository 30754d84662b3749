//! Values as libnetcdf takes them: in the order of this machine, texts with a NUL at their ends.

use std::borrow::Cow;
use std::ffi::CString;

use thermocline_core::{Error, Result};
use thermocline_model::{
    ArrayBytes, Attribute, ByteOrder, DataType, Number, NumberType, StringPadding, Variable,
};

use super::file::NcType;

/// Values in the order of this machine.
pub(super) enum Values<'v> {
    /// Elements of one size.
    Fixed {
        /// Their type.
        kind: NcType,
        /// One after another.
        bytes: Cow<'v, [u8]>,
    },
    /// Texts.
    Texts(Vec<CString>),
}

impl<'v> Values<'v> {
    /// All values of a variable, as many as its shape says.
    pub(super) fn of(variable: &Variable, kind: NcType, values: &'v ArrayBytes) -> Result<Self> {
        let n_elements = variable.n_elements().and_then(|n| usize::try_from(n).ok());
        let values = match (&variable.dtype, values) {
            (DataType::FixedString { len, padding, .. }, ArrayBytes::Fixed(bytes)) => {
                let texts: Vec<String> =
                    bytes.chunks_exact((*len).max(1)).map(|text| unpadded(text, *padding)).collect();
                c_texts(texts.iter().map(String::as_str))
            }
            (_, ArrayBytes::Texts(texts)) if kind == NcType::STRING => {
                c_texts(texts.iter().map(String::as_str))
            }
            (dtype, ArrayBytes::Fixed(bytes)) if kind != NcType::STRING => {
                Ok(Self::Fixed { kind, bytes: native(bytes, dtype) })
            }
            _ => Err(Error::internal("its values are of another type")),
        };
        let values = values.map_err(|error| {
            Error::new(error.kind(), format!("variable {:?} cannot be written", variable.name))
                .with_source(error)
        })?;
        if n_elements.is_some_and(|n| values.is_of_len(n)) {
            return Ok(values);
        }
        Err(Error::internal(format!(
            "variable {:?} has another number of values than its shape",
            variable.name
        )))
    }

    fn is_of_len(&self, n: usize) -> bool {
        match self {
            Self::Fixed { kind, bytes } => {
                kind.len_bytes().and_then(|size| size.checked_mul(n)) == Some(bytes.len())
            }
            Self::Texts(texts) => texts.len() == n,
        }
    }
}

/// Texts for C.
///
/// # Errors
/// [`thermocline_core::ErrorKind::InvalidInput`] for a text with NUL inside, which would end there.
pub(super) fn c_texts<'t>(texts: impl IntoIterator<Item = &'t str>) -> Result<Values<'static>> {
    let c_text = |text: &str| {
        CString::new(text).map_err(|_| Error::invalid_input(format!("the text {text:?} contains NUL")))
    };
    texts.into_iter().map(c_text).collect::<Result<_>>().map(Values::Texts)
}

fn unpadded(bytes: &[u8], padding: StringPadding) -> String {
    let end = match padding {
        StringPadding::NullTerminated => bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len()),
        StringPadding::NullPadded => bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1),
        StringPadding::SpacePadded => bytes.iter().rposition(|byte| *byte != b' ').map_or(0, |last| last + 1),
    };
    String::from_utf8_lossy(bytes.get(..end).unwrap_or(bytes)).into_owned()
}

/// Brings values from the order of their type to that of this machine.
fn native<'v>(bytes: &'v [u8], dtype: &DataType) -> Cow<'v, [u8]> {
    let native = if cfg!(target_endian = "big") { ByteOrder::Big } else { ByteOrder::Little };
    if dtype.byte_order().is_none_or(|order| order == native) {
        return Cow::Borrowed(bytes);
    }
    let mut bytes = bytes.to_vec();
    bytes.chunks_exact_mut(dtype.len_bytes().unwrap_or(1)).for_each(<[u8]>::reverse);
    Cow::Owned(bytes)
}

/// The fill of a variable of floats as an attribute.
pub(super) fn float_fill(variable: &Variable) -> Option<Attribute> {
    let Some(ArrayBytes::Fixed(fill)) = &variable.fill else { return None };
    let fill = native(fill, &variable.dtype);
    match variable.dtype {
        DataType::Float { size: 4, .. } => {
            let fill = f32::from_ne_bytes(fill.as_ref().try_into().ok()?);
            Some(Attribute::number(NumberType::F32, Number::Float(f64::from(fill))))
        }
        DataType::Float { size: 8, .. } => {
            let fill = f64::from_ne_bytes(fill.as_ref().try_into().ok()?);
            Some(Attribute::number(NumberType::F64, Number::Float(fill)))
        }
        _ => None,
    }
}
