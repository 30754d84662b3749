use serde_json::json;
use thermocline_model::{Attributes, NumberType, Storage, Verification};

use super::*;

const I2: DataType = DataType::Int { size: 2, order: ByteOrder::Little };
const U1: DataType = DataType::UInt { size: 1, order: ByteOrder::Little };
const F4: DataType = DataType::Float { size: 4, order: ByteOrder::Little };
const F8_BIG: DataType = DataType::Float { size: 8, order: ByteOrder::Big };

fn variable(dtype: DataType, fill: Option<&[u8]>, attribute: Option<Attribute>) -> Variable {
    Variable {
        name: "v".into(),
        dims: vec!["x".into()],
        shape: vec![3],
        dtype,
        fill: fill.map(|bytes| ArrayBytes::Fixed(bytes.to_vec())),
        attrs: attribute.map(|value| ("_FillValue".to_owned(), value)).into_iter().collect::<Attributes>(),
        storage: Storage {
            chunk_shape: vec![3],
            served_chunk_shape: vec![3],
            encodings: vec![],
            table: 0,
            source_path: "v".into(),
        },
        verification: Verification::Unverified { reason: String::new() },
    }
}

fn integer(dtype: NumberType, value: i128) -> Option<Attribute> {
    Some(Attribute::number(dtype, Number::Integer(value)))
}

fn float(dtype: NumberType, value: f64) -> Option<Attribute> {
    Some(Attribute::number(dtype, Number::Float(value)))
}

fn fill(view: View, variable: &Variable) -> Fill {
    Fill::new(view, variable, &variable.dtype)
}

#[test]
fn without_the_attribute_format_2_has_no_fill_value_and_sends_filled_chunks() {
    let found = fill(View::V2, &variable(I2, None, None));
    assert_eq!(found, Fill { value: Value::Null, attribute: None, absent: AbsentChunk::Filled });
}

#[test]
fn chunks_are_absent_in_format_2_only_where_the_attribute_is_the_files_fill() {
    let attribute = || integer(NumberType::I16, -9);
    let same = fill(View::V2, &variable(I2, Some(&(-9_i16).to_le_bytes()), attribute()));
    assert_eq!((same.value, same.absent), (json!(-9), AbsentChunk::Absent));
    let differs = fill(View::V2, &variable(I2, None, attribute()));
    assert_eq!((differs.value, differs.absent), (json!(-9), AbsentChunk::Filled));
}

#[test]
fn format_3_has_the_files_fill_and_the_attribute_beside_it() {
    let found = fill(View::V3, &variable(I2, Some(&7_i16.to_le_bytes()), integer(NumberType::I16, -9)));
    assert_eq!(found, Fill { value: json!(7), attribute: Some(json!(-9)), absent: AbsentChunk::Absent });
    let none = fill(View::V3, &variable(F4, None, None));
    assert_eq!(none, Fill { value: json!(0.0), attribute: None, absent: AbsentChunk::Absent });
}

#[test]
fn a_floating_attribute_is_base64_of_the_little_endian_float64_in_format_3() {
    let found = fill(View::V3, &variable(F4, None, float(NumberType::F32, f64::from(1e20_f32))));
    assert_eq!(found.attribute, Some(json!("AAAAgB2vFUQ=")), "the contract's example");
    let integer = fill(View::V3, &variable(F4, None, integer(NumberType::I64, -99)));
    assert_eq!(integer.attribute, Some(json!("AAAAAADAWMA=")), "struct.pack('<d', -99.0)");
}

#[test]
fn an_attribute_of_another_type_is_brought_to_the_elements_type() {
    let cases = [
        (I2, float(NumberType::F32, -99.0), json!(-99)),
        (F4, integer(NumberType::I64, -99), json!(-99.0)),
        (F8_BIG, float(NumberType::F32, 0.5), json!(0.5)),
        (F4, float(NumberType::F64, 1e20), json!(f64::from(1e20_f32))),
        (I2, integer(NumberType::I32, 70_000), Value::Null),
        (I2, float(NumberType::F64, 0.5), Value::Null),
        (F4, float(NumberType::F64, 1e300), Value::Null),
        (I2, Some(Attribute::Text("-9".into())), Value::Null),
    ];
    for (dtype, attribute, expected) in cases {
        let found = fill(View::V2, &variable(dtype, None, attribute.clone()));
        assert_eq!(found.value, expected, "{attribute:?}");
    }
}

#[test]
fn an_attribute_in_the_type_that_unsigned_gives_names_the_same_bits() {
    let mut signed =
        variable(DataType::Int { size: 1, order: ByteOrder::Little }, None, integer(NumberType::U8, 255));
    assert_eq!(fill(View::V2, &signed).value, Value::Null);
    signed.attrs.set("_Unsigned", Attribute::Text("true".into()));
    assert_eq!(fill(View::V2, &signed).value, json!(-1));
    let mut unsigned = variable(U1, None, integer(NumberType::I8, -1));
    unsigned.attrs.set("_Unsigned", Attribute::Text("false".into()));
    assert_eq!(fill(View::V2, &unsigned).value, json!(255));
}

#[test]
fn nan_and_infinities_are_named() {
    let nan =
        fill(View::V2, &variable(F8_BIG, Some(&f64::NAN.to_be_bytes()), float(NumberType::F64, f64::NAN)));
    assert_eq!((nan.value, nan.absent), (json!("NaN"), AbsentChunk::Absent));
    let infinite = fill(View::V3, &variable(F4, Some(&f32::NEG_INFINITY.to_le_bytes()), None));
    assert_eq!((infinite.value, infinite.absent), (json!("-Infinity"), AbsentChunk::Absent));
}

#[test]
fn a_fill_that_json_cannot_say_bit_for_bit_is_sent_as_chunks() {
    let payload = 0x7ff8_dead_beef_0001_u64.to_be_bytes();
    let found = fill(View::V3, &variable(F8_BIG, Some(&payload), None));
    assert_eq!((found.value, found.absent), (json!("NaN"), AbsentChunk::Filled));
    let zero = fill(View::V3, &variable(F4, Some(&(-0.0_f32).to_le_bytes()), None));
    assert!(zero.value.as_f64().is_some_and(f64::is_sign_negative));
    assert_eq!(zero.absent, AbsentChunk::Absent);
}

#[test]
fn texts_are_base64_in_format_2_and_text_in_format_3() {
    let dtype = DataType::FixedString { len: 4, padding: StringPadding::NullPadded, utf8: false };
    let fixed = variable(dtype, Some(b"ab\0\0"), Some(Attribute::Text("ab".into())));
    let found = fill(View::V2, &fixed);
    assert_eq!((found.value, found.absent), (json!("YWIAAA=="), AbsentChunk::Absent));
    let found = Fill::new(View::V3, &fixed, &DataType::String);
    assert_eq!(found, Fill { value: json!("ab"), attribute: None, absent: AbsentChunk::Absent });
    let characters = variable(DataType::Char, Some(b"x"), Some(Attribute::Text("x".into())));
    assert_eq!(fill(View::V2, &characters).value, json!("eA=="));
    assert_eq!(Fill::new(View::V3, &characters, &DataType::String).value, json!("xxx"));
}

#[test]
fn half_precision_and_booleans() {
    let half = variable(DataType::Float { size: 2, order: ByteOrder::Little }, Some(&[0x00, 0x3c]), None);
    assert_eq!(fill(View::V3, &half).value, json!(1.0));
    let flag = variable(DataType::Bool, Some(&[1]), integer(NumberType::U8, 1));
    assert_eq!(fill(View::V2, &flag).value, json!(true));
    let found = fill(View::V3, &flag);
    assert_eq!((found.value, found.attribute), (json!(true), Some(json!(true))));
}
