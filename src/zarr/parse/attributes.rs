//! Attributes from JSON.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};
use thermocline_model::{Attribute, Attributes, DataType, Number, NumberType};

use super::json;

/// Deepest nesting of lists that becomes an array of numbers.
const MAX_RANK: usize = 8;

/// Attributes of a group or an array; the second list names those that became JSON text.
pub fn attributes(object: &Map<String, Value>) -> (Attributes, Vec<String>) {
    let mut attrs = Attributes::new();
    let mut as_json = Vec::new();
    for (name, value) in object {
        let attribute = attribute(value).unwrap_or_else(|| {
            as_json.push(name.clone());
            Attribute::Text(json::text(value))
        });
        attrs.set(name.clone(), attribute);
    }
    (attrs, as_json)
}

/// The attribute that a JSON value is; `None` for objects, null and mixed lists.
fn attribute(value: &Value) -> Option<Attribute> {
    if let Some((dtype, number)) = number(value) {
        return Some(Attribute::number(dtype, number));
    }
    match value {
        Value::String(text) => Some(Attribute::Text(text.clone())),
        Value::Array(values) if !values.is_empty() && values.iter().all(is_text) => {
            Some(Attribute::Texts(values.iter().filter_map(Value::as_str).map(str::to_owned).collect()))
        }
        Value::Array(_) => numbers(value),
        _ => None,
    }
}

fn is_text(value: &Value) -> bool {
    value.is_string() && json::float(value).is_none()
}

/// A number and the smallest of the types that JSON tells apart.
fn number(value: &Value) -> Option<(NumberType, Number)> {
    if let Some(value) = value.as_i64() {
        return Some((NumberType::I64, Number::Integer(i128::from(value))));
    }
    if let Some(value) = value.as_u64() {
        return Some((NumberType::U64, Number::Integer(i128::from(value))));
    }
    if let Some(value) = value.as_bool() {
        return Some((NumberType::Bool, Number::Integer(i128::from(value))));
    }
    json::float(value).map(|value| (NumberType::F64, Number::Float(value)))
}

/// A list of numbers, or of equally long lists of numbers.
fn numbers(value: &Value) -> Option<Attribute> {
    let mut shape = Vec::new();
    let mut flat = Vec::new();
    flatten(value, 0, &mut shape, &mut flat)?;
    let dtype = common_type(flat.iter().map(|(dtype, _)| *dtype))?;
    let exact = |number: Number| match (dtype, number) {
        (NumberType::F64, Number::Integer(value)) => Number::Float(value as f64),
        (_, number) => number,
    };
    let values = flat.into_iter().map(|(_, number)| exact(number)).collect();
    Some(Attribute::Numbers { dtype, shape, values })
}

fn flatten(
    value: &Value,
    depth: usize,
    shape: &mut Vec<u64>,
    flat: &mut Vec<(NumberType, Number)>,
) -> Option<()> {
    let Value::Array(values) = value else {
        flat.push(number(value)?);
        return (depth == shape.len()).then_some(());
    };
    match shape.get(depth) {
        None if depth < MAX_RANK && flat.is_empty() => shape.push(values.len() as u64),
        Some(len) if *len == values.len() as u64 => {}
        _ => return None,
    }
    values.iter().try_for_each(|value| flatten(value, depth + 1, shape, flat))
}

/// One type for all; an empty list is of floats, booleans mix with nothing.
fn common_type(types: impl Iterator<Item = NumberType>) -> Option<NumberType> {
    let mut common = None;
    for dtype in types {
        common = match (common, dtype) {
            (None, dtype) => Some(dtype),
            (Some(old), new) if old == new => Some(old),
            (Some(NumberType::Bool), _) | (_, NumberType::Bool) => return None,
            (Some(NumberType::F64), _) | (_, NumberType::F64) => Some(NumberType::F64),
            // Signed and unsigned: no 64-bit type holds both ends.
            _ => Some(NumberType::F64),
        };
    }
    Some(common.unwrap_or(NumberType::F64))
}

/// `_FillValue` as xarray stores it among version 3 attributes, in the type of its array.
///
/// # Source
/// xarray, `FillValueCoder`: floats as base64 of the little-endian float64, bytes as base64.
pub(super) fn fill_attribute(value: &Value, dtype: &DataType) -> Option<Attribute> {
    let text = value.as_str().filter(|_| json::float(value).is_none());
    let decoded = text.and_then(|text| STANDARD.decode(text).ok());
    match dtype {
        DataType::Float { size, .. } => {
            let from_text = || Some(f64::from_le_bytes(decoded.clone()?.try_into().ok()?));
            let number = json::float(value).or_else(from_text).or_else(|| json::named_float(text?))?;
            let number_type = match size {
                2 => NumberType::F16,
                4 => NumberType::F32,
                _ => NumberType::F64,
            };
            Some(Attribute::number(number_type, Number::Float(number)))
        }
        DataType::FixedString { .. } => Some(Attribute::Text(String::from_utf8(decoded?).ok()?)),
        DataType::Int { .. } | DataType::UInt { .. } | DataType::Bool => {
            let (_, number) = number(value)?;
            Some(Attribute::number(NumberType::of(dtype)?, number))
        }
        _ => None,
    }
}

/// `_FillValue` with the bits of a fill element, as xarray makes it of a version 2 `fill_value`.
pub(super) fn fill_of_element(element: &[u8], dtype: &DataType) -> Option<Attribute> {
    if let DataType::FixedString { .. } = dtype {
        let end = element.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        let text = String::from_utf8(element.get(..end)?.to_vec()).ok()?;
        return (!text.is_empty()).then_some(Attribute::Text(text));
    }
    let number_type = NumberType::of(dtype)?;
    let mut bytes = element.to_vec();
    if dtype.byte_order() == Some(thermocline_model::ByteOrder::Big) {
        bytes.reverse();
    }
    let bits = bytes.iter().rev().fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
    let number = match dtype {
        DataType::Float { size: 2, .. } => Number::Float(half::f16::from_bits(bits as u16).to_f64()),
        DataType::Float { size: 4, .. } => Number::Float(f64::from(f32::from_bits(bits as u32))),
        DataType::Float { .. } => Number::Float(f64::from_bits(bits)),
        DataType::Int { size, .. } => {
            let unused = 64 - u32::from(*size) * 8;
            Number::Integer(i128::from((bits << unused) as i64 >> unused))
        }
        _ => Number::Integer(i128::from(bits)),
    };
    Some(Attribute::number(number_type, number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use thermocline_model::ByteOrder;

    fn one(value: Value) -> (Option<Attribute>, bool) {
        let Value::Object(object) = json!({"a": value}) else { unreachable!() };
        let (attrs, as_json) = attributes(&object);
        (attrs.get("a").cloned(), !as_json.is_empty())
    }

    #[test]
    fn numbers_keep_integer_and_float_apart() {
        assert_eq!(one(json!(3)), (Some(Attribute::number(NumberType::I64, Number::Integer(3))), false));
        assert_eq!(one(json!(3.0)), (Some(Attribute::number(NumberType::F64, Number::Float(3.0))), false));
        assert_eq!(one(json!(true)), (Some(Attribute::number(NumberType::Bool, Number::Integer(1))), false));
        let nested = Attribute::Numbers {
            dtype: NumberType::F64,
            shape: vec![2, 1],
            values: vec![Number::Float(1.0), Number::Float(2.5)],
        };
        assert_eq!(one(json!([[1], [2.5]])), (Some(nested), false));
    }

    #[test]
    fn what_no_file_could_hold_becomes_json_text() {
        for value in [json!({"x": 1}), json!(null), json!([1, "a"]), json!([[1], [2, 3]]), json!([1, [2]])] {
            assert_eq!(one(value.clone()), (Some(Attribute::Text(value.to_string())), true));
        }
    }

    #[test]
    fn fill_values_of_version_3_floats_are_base64() {
        let f4 = DataType::Float { size: 4, order: ByteOrder::Little };
        let expected = Attribute::number(NumberType::F32, Number::Float(f64::from(1e20_f32)));
        assert_eq!(
            fill_attribute(&json!("AAAAgB2vFUQ="), &f4).map(|a| a.as_number()),
            Some(expected.as_number())
        );
    }

    #[test]
    fn elements_become_typed_attributes() {
        let i2 = DataType::Int { size: 2, order: ByteOrder::Big };
        let expected = Attribute::number(NumberType::I16, Number::Integer(-2));
        assert_eq!(fill_of_element(&[0xff, 0xfe], &i2), Some(expected));
    }
}
