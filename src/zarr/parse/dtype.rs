//! Data types of versions 2 and 3.

use serde_json::Value;
use thermocline_model::{ByteOrder, DataType, StringPadding};

use super::ParseError;
use super::json::member;

/// Largest element accepted, in bytes.
const MAX_ELEMENT_BYTES: usize = 1 << 20;

/// The type of the stored elements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum StoredType {
    /// A type that the model has.
    Plain(DataType),
    /// Times or durations as 64-bit integers.
    Time {
        /// The integer.
        dtype: DataType,
        /// CF units that say the same.
        units: String,
    },
    /// Characters of four bytes (numpy's `U`).
    Ucs4 {
        /// Number of characters.
        n_chars: usize,
        /// Order of the bytes of a character.
        order: ByteOrder,
    },
    /// Records.
    Record {
        /// Size of a record in bytes.
        size: usize,
        /// Name, position in bytes and type of each member.
        members: Vec<(String, usize, StoredType)>,
    },
    /// Texts of any length.
    Text,
}

impl StoredType {
    /// Size of an element in bytes; `None` for [`StoredType::Text`].
    pub(super) fn len_bytes(&self) -> Option<usize> {
        match self {
            Self::Plain(dtype) | Self::Time { dtype, .. } => dtype.len_bytes(),
            Self::Ucs4 { n_chars, .. } => Some(n_chars * 4),
            Self::Record { size, .. } => Some(*size),
            Self::Text => None,
        }
    }
}

/// The type that a version 2 `dtype` names.
pub(super) fn v2(dtype: &Value) -> Result<StoredType, ParseError> {
    match dtype {
        Value::String(text) => v2_simple(text),
        Value::Array(fields) => v2_record(fields),
        other => Err(unknown(other)),
    }
}

fn unknown(dtype: &Value) -> ParseError {
    ParseError::new(format!("no reader for data type {dtype}"))
}

fn v2_simple(text: &str) -> Result<StoredType, ParseError> {
    let error = || unknown(&Value::String(text.to_owned()));
    let mut chars = text.chars();
    let order = match chars.next() {
        Some('<' | '|') => ByteOrder::Little,
        Some('>') => ByteOrder::Big,
        _ => return Err(error()),
    };
    let kind = chars.next().ok_or_else(error)?;
    let rest = chars.as_str();
    if kind == 'O' && rest.is_empty() {
        return Ok(StoredType::Text);
    }
    if matches!(kind, 'M' | 'm') {
        let unit = rest.strip_prefix("8[").and_then(|rest| rest.strip_suffix(']')).ok_or_else(error)?;
        return time(kind == 'M', 1, unit, order).ok_or_else(error);
    }
    let len: usize = rest.parse().ok().filter(|len| *len <= MAX_ELEMENT_BYTES).ok_or_else(error)?;
    match kind {
        'b' if len == 1 => Ok(StoredType::Plain(DataType::Bool)),
        'i' | 'u' | 'f' => number(kind, len, order).map(StoredType::Plain).ok_or_else(error),
        'c' => complex(len, order).ok_or_else(error),
        'S' if len > 0 => Ok(StoredType::Plain(fixed_string(len))),
        'U' if len > 0 => Ok(StoredType::Ucs4 { n_chars: len, order }),
        _ => Err(error()),
    }
}

fn fixed_string(len: usize) -> DataType {
    DataType::FixedString { len, padding: StringPadding::NullPadded, utf8: false }
}

fn number(kind: char, len: usize, order: ByteOrder) -> Option<DataType> {
    let size = u8::try_from(len).ok()?;
    match (kind, size) {
        ('i', 1 | 2 | 4 | 8) => Some(DataType::Int { size, order }),
        ('u', 1 | 2 | 4 | 8) => Some(DataType::UInt { size, order }),
        ('f', 2 | 4 | 8) => Some(DataType::Float { size, order }),
        _ => None,
    }
}

/// Complex numbers are records of `r` and `i`, as h5py writes them.
fn complex(len: usize, order: ByteOrder) -> Option<StoredType> {
    let part = number('f', len / 2, order).filter(|part| part.len_bytes() == Some(len / 2) && len >= 8)?;
    let members = [("r", 0), ("i", len / 2)];
    let members =
        members.map(|(name, offset)| (name.to_owned(), offset, StoredType::Plain(part.clone()))).to_vec();
    Some(StoredType::Record { size: len, members })
}

/// Times since 1970 and durations in units that CF knows exactly.
fn time(is_date: bool, scale: u64, unit: &str, order: ByteOrder) -> Option<StoredType> {
    let unit = match unit {
        "ns" => "nanoseconds",
        "us" | "μs" => "microseconds",
        "ms" => "milliseconds",
        "s" => "seconds",
        "m" => "minutes",
        "h" => "hours",
        "D" => "days",
        _ => return None,
    };
    let units = if is_date { format!("{unit} since 1970-01-01") } else { unit.to_owned() };
    (scale == 1).then_some(StoredType::Time { dtype: DataType::Int { size: 8, order }, units })
}

fn v2_record(fields: &[Value]) -> Result<StoredType, ParseError> {
    record(fields.iter().map(|field| {
        let parts = field.as_array().map(Vec::as_slice).unwrap_or_default();
        match parts {
            [Value::String(name), dtype] => Ok((name.clone(), v2(dtype)?)),
            _ => Err(unknown(field)),
        }
    }))
}

fn record(
    fields: impl Iterator<Item = Result<(String, StoredType), ParseError>>,
) -> Result<StoredType, ParseError> {
    let mut members = Vec::new();
    let mut size = 0_usize;
    for field in fields {
        let (name, dtype) = field?;
        let len =
            dtype.len_bytes().ok_or_else(|| ParseError::new(format!("member {name:?} is an object")))?;
        members.push((name, size, dtype));
        size = size.saturating_add(len);
        if size > MAX_ELEMENT_BYTES {
            return Err(ParseError::new(format!("records of more than {MAX_ELEMENT_BYTES} bytes")));
        }
    }
    if members.is_empty() {
        return Err(ParseError::new("records without members"));
    }
    Ok(StoredType::Record { size, members })
}

/// The type that a version 3 `data_type` names; `order` is that of its `bytes` codec.
pub(super) fn v3(data_type: &Value, order: ByteOrder) -> Result<StoredType, ParseError> {
    let name = data_type.as_str().or_else(|| data_type.get("name").and_then(Value::as_str));
    let name = name.ok_or_else(|| unknown(data_type))?;
    let configuration = member(data_type, "configuration").unwrap_or(&Value::Null);
    let found = match name {
        "bool" => Some(StoredType::Plain(DataType::Bool)),
        "string" => Some(StoredType::Text),
        "complex64" | "complex_float32" => complex(8, order),
        "complex128" | "complex_float64" => complex(16, order),
        "null_terminated_bytes" => {
            let len = length(configuration).filter(|len| *len > 0);
            len.map(|len| StoredType::Plain(fixed_string(len)))
        }
        "fixed_length_utf32" => {
            let len = length(configuration).filter(|len| *len > 0 && len % 4 == 0);
            len.map(|len| StoredType::Ucs4 { n_chars: len / 4, order })
        }
        "numpy.datetime64" | "numpy.timedelta64" => {
            let scale = member(configuration, "scale_factor").map_or(Some(1), Value::as_u64);
            let unit = member(configuration, "unit").and_then(Value::as_str);
            scale.zip(unit).and_then(|(scale, unit)| time(name == "numpy.datetime64", scale, unit, order))
        }
        "struct" | "structured" => return v3_record(configuration, order),
        _ => v3_number(name, order).map(StoredType::Plain),
    };
    found.ok_or_else(|| unknown(data_type))
}

fn length(configuration: &Value) -> Option<usize> {
    let len = member(configuration, "length_bytes").and_then(Value::as_u64)?;
    usize::try_from(len).ok().filter(|len| *len <= MAX_ELEMENT_BYTES)
}

fn v3_number(name: &str, order: ByteOrder) -> Option<DataType> {
    let (kind, bits) = if let Some(bits) = name.strip_prefix("uint") {
        ('u', bits)
    } else if let Some(bits) = name.strip_prefix("int") {
        ('i', bits)
    } else {
        ('f', name.strip_prefix("float")?)
    };
    let bits: usize = bits.parse().ok().filter(|bits| bits % 8 == 0)?;
    number(kind, bits / 8, order)
}

fn v3_record(configuration: &Value, order: ByteOrder) -> Result<StoredType, ParseError> {
    let fields = member(configuration, "fields").and_then(Value::as_array).map(Vec::as_slice);
    record(fields.unwrap_or_default().iter().map(|field| {
        let pair = match field {
            Value::Array(parts) => match parts.as_slice() {
                [Value::String(name), dtype] => Some((name, dtype)),
                _ => None,
            },
            Value::Object(object) => match (object.get("name"), object.get("data_type")) {
                (Some(Value::String(name)), Some(dtype)) => Some((name, dtype)),
                _ => None,
            },
            _ => None,
        };
        let (name, dtype) = pair.ok_or_else(|| unknown(field))?;
        Ok((name.clone(), v3(dtype, order)?))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const LE: ByteOrder = ByteOrder::Little;
    const BE: ByteOrder = ByteOrder::Big;

    #[test]
    fn simple_types_of_version_2() {
        for (text, expected) in [
            ("<f4", StoredType::Plain(DataType::Float { size: 4, order: LE })),
            (">i2", StoredType::Plain(DataType::Int { size: 2, order: BE })),
            ("|u1", StoredType::Plain(DataType::UInt { size: 1, order: LE })),
            ("|b1", StoredType::Plain(DataType::Bool)),
            ("|S5", StoredType::Plain(fixed_string(5))),
            (">U7", StoredType::Ucs4 { n_chars: 7, order: BE }),
            ("|O", StoredType::Text),
        ] {
            assert_eq!(v2(&json!(text)), Ok(expected), "{text}");
        }
    }

    #[test]
    fn types_without_an_exact_counterpart_are_refused() {
        for text in
            ["<f16", "<i3", "|V7", "<M8[Y]", "<M8", "<M8[25s]", "f4", "", "<f", "<S0", "<c4", "<U99999999999"]
        {
            assert!(v2(&json!(text)).is_err(), "{text}");
        }
        for text in ["bfloat16", "r16", "int3", "float128", "variable_length_bytes"] {
            assert!(v3(&json!(text), LE).is_err(), "{text}");
        }
    }

    #[test]
    fn times_are_integers_with_units() {
        let expected = StoredType::Time {
            dtype: DataType::Int { size: 8, order: LE },
            units: "nanoseconds since 1970-01-01".to_owned(),
        };
        assert_eq!(v2(&json!("<M8[ns]")), Ok(expected.clone()));
        let v3_type = json!({"name": "numpy.datetime64", "configuration": {"unit": "ns", "scale_factor": 1}});
        assert_eq!(v3(&v3_type, LE), Ok(expected));
    }

    #[test]
    fn records_have_members_one_after_another() {
        let StoredType::Record { size, members } = v2(&json!([["a", "|i1"], ["b", ">f8"]])).unwrap() else {
            unreachable!()
        };
        assert_eq!(size, 9);
        assert_eq!(members[1].1, 1);
        let complex = v2(&json!("<c16")).unwrap();
        assert_eq!(complex, v3(&json!("complex128"), LE).unwrap());
        assert_eq!(complex.len_bytes(), Some(16));
        assert!(v2(&json!([["a", "<f4", [2]]])).is_err());
    }
}
