//! Attributes as JSON.

use serde_json::{Map, Number as JsonNumber, Value};
use thermocline_model::{Attribute, Attributes, Number, NumberType};

/// An attribute as strict JSON: scalars plain, arrays as lists (nested by their shape), an array of one
/// as its value, NaN and infinities as texts.
pub fn attribute_json(attribute: &Attribute) -> Value {
    match attribute {
        Attribute::Text(text) => Value::String(text.clone()),
        Attribute::Texts(texts) => match texts.as_slice() {
            [text] => Value::String(text.clone()),
            _ => texts.iter().cloned().map(Value::String).collect(),
        },
        Attribute::Numbers { dtype, shape, values } => {
            let plain: Vec<Value> = values.iter().map(|value| number_json(*dtype, *value)).collect();
            match (shape.as_slice(), plain.as_slice()) {
                ([] | [_], [only]) => only.clone(),
                _ => nested(shape, plain),
            }
        }
    }
}

/// Attributes as a JSON object in their order, without those that `leave_out` names.
pub fn attributes_json(attrs: &Attributes, leave_out: &[&str]) -> Map<String, Value> {
    attrs
        .iter()
        .filter(|(name, _)| !leave_out.contains(name))
        .map(|(name, value)| (name.to_owned(), attribute_json(value)))
        .collect()
}

/// Lists of lists by `shape`; one flat list if the shape does not fit the values.
fn nested(shape: &[u64], values: Vec<Value>) -> Value {
    let Some((_, inner)) = shape.split_first().filter(|(_, inner)| !inner.is_empty()) else {
        return Value::Array(values);
    };
    let n_inner = inner.iter().try_fold(1_u64, |product, length| product.checked_mul(*length));
    let Some(n_inner) = n_inner.and_then(|n| usize::try_from(n).ok()).filter(|n| *n > 0) else {
        return Value::Array(values);
    };
    values.chunks(n_inner).map(|row| nested(inner, row.to_vec())).collect()
}

fn number_json(dtype: NumberType, number: Number) -> Value {
    match number {
        Number::Integer(value) if dtype == NumberType::Bool => Value::Bool(value != 0),
        Number::Integer(value) => integer_json(value),
        Number::Float(value) => float_json(value),
    }
}

/// An integer; every attribute type fits `i64` or `u64`.
pub(crate) fn integer_json(value: i128) -> Value {
    let number =
        i64::try_from(value).map(JsonNumber::from).or_else(|_| u64::try_from(value).map(JsonNumber::from));
    number.map_or_else(|_| Value::String(value.to_string()), Value::Number)
}

/// A float, or the name that Zarr gives to what JSON has no number for.
pub(crate) fn float_json(value: f64) -> Value {
    match JsonNumber::from_f64(value) {
        Some(number) => Value::Number(number),
        None if value.is_nan() => Value::String("NaN".to_owned()),
        None if value > 0.0 => Value::String("Infinity".to_owned()),
        None => Value::String("-Infinity".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn floats(shape: &[u64], values: &[f64]) -> Attribute {
        let values = values.iter().copied().map(Number::Float).collect();
        Attribute::Numbers { dtype: NumberType::F64, shape: shape.to_vec(), values }
    }

    fn integers(shape: &[u64], values: &[i128]) -> Attribute {
        let values = values.iter().copied().map(Number::Integer).collect();
        Attribute::Numbers { dtype: NumberType::I64, shape: shape.to_vec(), values }
    }

    #[test]
    fn scalars_and_arrays_of_one_are_plain() {
        assert_eq!(attribute_json(&floats(&[], &[2.0])), json!(2.0));
        assert_eq!(attribute_json(&integers(&[1], &[7])), json!(7));
        assert_eq!(attribute_json(&Attribute::Texts(vec!["a".into()])), json!("a"));
    }

    #[test]
    fn arrays_are_lists_nested_by_their_shape() {
        assert_eq!(attribute_json(&integers(&[2, 3], &[0, 1, 2, 3, 4, 5])), json!([[0, 1, 2], [3, 4, 5]]));
        assert_eq!(attribute_json(&integers(&[0], &[])), json!([]));
        assert_eq!(attribute_json(&integers(&[2, 0], &[])), json!([]));
        assert_eq!(attribute_json(&Attribute::Texts(vec!["a".into(), String::new()])), json!(["a", ""]));
    }

    #[test]
    fn what_json_has_no_number_for_becomes_a_text() {
        let value = attribute_json(&floats(&[3], &[f64::NAN, f64::INFINITY, f64::NEG_INFINITY]));
        assert_eq!(value, json!(["NaN", "Infinity", "-Infinity"]));
    }

    #[test]
    fn the_largest_integers_stay_integers() {
        assert_eq!(integer_json(i128::from(u64::MAX)), json!(18_446_744_073_709_551_615_u64));
        assert_eq!(integer_json(i128::from(i64::MIN)), json!(i64::MIN));
    }
}
