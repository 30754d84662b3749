//! Stored elements as lanes.

use thermocline_model::{
    ArrayBytes, Attribute, Attributes, ByteOrder, DataType, Number, NumberType, Storage, StringPadding,
    Variable, Verification,
};

use super::*;

const BIG: ByteOrder = ByteOrder::Big;
const LITTLE: ByteOrder = ByteOrder::Little;

fn variable(dtype: DataType, shape: &[u64], attrs: &[(&str, Attribute)]) -> Variable {
    let mut all = Attributes::new();
    attrs.iter().for_each(|(name, value)| all.set(*name, value.clone()));
    Variable {
        name: "v".into(),
        dims: (0..shape.len()).map(|axis| format!("d{axis}")).collect(),
        shape: shape.to_vec(),
        dtype,
        fill: None,
        attrs: all,
        storage: Storage {
            chunk_shape: shape.to_vec(),
            served_chunk_shape: shape.to_vec(),
            encodings: Vec::new(),
            table: 0,
            source_path: String::new(),
        },
        verification: Verification::Unverified { reason: "made by hand".into() },
    }
}

fn whole(dtype: NumberType, value: i128) -> Attribute {
    Attribute::number(dtype, Number::Integer(value))
}

fn text(text: &str) -> Attribute {
    Attribute::Text(text.into())
}

/// What all elements of a variable are, shown, with the decoded type.
fn shown(variable: &Variable, stored: ArrayBytes, n: usize) -> (Source, String) {
    let (decoder, source) = LaneDecoder::of(variable).expect("values");
    let mut buffer = LaneBuffer::default();
    let lane = decoder.decode(&stored, 0, n, &mut buffer).expect("enough elements");
    (source, format!("{lane:?}"))
}

/// A stored type, its attributes, an element, and what it is decoded to.
type Case = (DataType, Vec<(&'static str, Attribute)>, &'static [u8], Source, &'static str);

#[test]
fn numbers_have_the_types_that_xarray_gives_them() {
    let int = |size, order| DataType::Int { size, order };
    let uint = |size, order| DataType::UInt { size, order };
    let float = |size, order| DataType::Float { size, order };
    let factor = |dtype| Attribute::number(dtype, Number::Float(0.5));
    let cases: Vec<Case> = vec![
        (float(4, LITTLE), vec![], &[0, 0, 128, 63], Source::Single, "Single([1.0])"),
        (float(4, BIG), vec![], &[63, 128, 0, 0], Source::Single, "Single([1.0])"),
        (float(2, BIG), vec![], &[0x3c, 0], Source::Single, "Single([1.0])"),
        (float(8, BIG), vec![], &[63, 240, 0, 0, 0, 0, 0, 0], Source::Double, "Double([1.0])"),
        (
            float(4, LITTLE),
            vec![("_FillValue", Attribute::number(NumberType::F32, Number::Float(1.0)))],
            &[0, 0, 128, 63],
            Source::Single,
            "Single([NaN])",
        ),
        (int(1, LITTLE), vec![], &[255], Source::Int(1), "Int([-1])"),
        (int(2, BIG), vec![], &[255, 254], Source::Int(2), "Int([-2])"),
        (int(4, LITTLE), vec![], &[254, 255, 255, 255], Source::Int(4), "Int([-2])"),
        (int(8, BIG), vec![], &[128, 0, 0, 0, 0, 0, 0, 0], Source::Int(8), "Int([-9223372036854775808])"),
        (uint(1, LITTLE), vec![], &[255], Source::UInt(1), "Int([255])"),
        (uint(4, BIG), vec![], &[255, 255, 255, 255], Source::UInt(4), "Int([4294967295])"),
        (uint(8, LITTLE), vec![], &[255; 8], Source::UInt(8), "UInt([18446744073709551615])"),
        (int(1, LITTLE), vec![("_Unsigned", text("true"))], &[255], Source::UInt(1), "Int([255])"),
        (uint(1, LITTLE), vec![("_Unsigned", text("false"))], &[255], Source::Int(1), "Int([-1])"),
        (DataType::Bool, vec![], &[1], Source::Bool, "Int([1])"),
        (int(1, LITTLE), vec![("dtype", text("bool"))], &[3], Source::Bool, "Int([1])"),
        (
            int(2, LITTLE),
            vec![("_FillValue", whole(NumberType::I16, -1))],
            &[255, 255],
            Source::Single,
            "Single([NaN])",
        ),
        (
            int(4, LITTLE),
            vec![("_FillValue", whole(NumberType::I32, -1))],
            &[2, 0, 0, 0],
            Source::Double,
            "Double([2.0])",
        ),
        (
            int(2, LITTLE),
            vec![("_FillValue", Attribute::number(NumberType::F32, Number::Float(f64::NAN)))],
            &[2, 0],
            Source::Int(2),
            "Int([2])",
        ),
        (
            int(2, LITTLE),
            vec![("scale_factor", factor(NumberType::F32))],
            &[3, 0],
            Source::Single,
            "Single([1.5])",
        ),
        (
            int(2, LITTLE),
            vec![("scale_factor", factor(NumberType::F64))],
            &[3, 0],
            Source::Double,
            "Double([1.5])",
        ),
    ];
    for (dtype, attrs, stored, source, expected) in cases {
        let found = shown(&variable(dtype.clone(), &[1], &attrs), ArrayBytes::Fixed(stored.to_vec()), 1);
        assert_eq!(found, (source, expected.to_owned()), "{dtype:?} {attrs:?}");
    }
}

#[test]
fn times_are_microseconds_and_missing_ones_are_marked() {
    let units = ("units", text("seconds since 1970-01-01"));
    let dtype = DataType::Int { size: 4, order: BIG };
    let fill = ("_FillValue", whole(NumberType::I32, -1));
    let plain = variable(dtype, &[2], &[units.clone(), fill]);
    let stored = ArrayBytes::Fixed(vec![0, 0, 0, 2, 255, 255, 255, 255]);
    let epoch =
        thermocline_model::cf::TimeUnits::of(&plain.attrs).unwrap().unwrap().reference().unwrap().ticks();
    let expected = format!("Int([{}, {}])", epoch + 2_000_000, i64::MIN);
    assert_eq!(shown(&plain, stored, 2), (Source::Time, expected));

    let real = variable(DataType::Float { size: 8, order: LITTLE }, &[2], &[units]);
    let stored = [0.5_f64, f64::NAN].iter().flat_map(|value| value.to_le_bytes()).collect();
    let expected = format!("Int([{}, {}])", epoch + 500_000, i64::MIN);
    assert_eq!(shown(&real, ArrayBytes::Fixed(stored), 2), (Source::Time, expected));
}

#[test]
fn a_time_beyond_all_years_is_an_error() {
    let attrs = [("units", text("days since 1970-01-01"))];
    let far = variable(DataType::Float { size: 8, order: LITTLE }, &[1], &attrs);
    let (decoder, _) = LaneDecoder::of(&far).unwrap();
    let stored = ArrayBytes::Fixed(1e300_f64.to_le_bytes().to_vec());
    assert!(decoder.decode(&stored, 0, 1, &mut LaneBuffer::default()).is_err());
}

#[test]
fn texts_are_cut_as_they_are_stored() {
    let fixed = DataType::FixedString { len: 3, padding: StringPadding::NullPadded, utf8: true };
    let stored = ArrayBytes::Fixed(b"ab\0c\0\0".to_vec());
    let expected = (Source::Text, r#"Text(["ab", "c"])"#.to_owned());
    assert_eq!(shown(&variable(fixed, &[2], &[]), stored.clone(), 2), expected);
    assert_eq!(shown(&variable(DataType::Char, &[2, 3], &[]), stored, 2), expected);
    let texts = ArrayBytes::Texts(vec!["ab".into(), "c".into()]);
    assert_eq!(shown(&variable(DataType::String, &[2], &[]), texts, 2), expected);
}

#[test]
fn texts_whose_characters_lie_in_several_chunks_are_refused() {
    let mut split = variable(DataType::Char, &[2, 4], &[]);
    split.storage.chunk_shape = vec![2, 3];
    assert!(LaneDecoder::of(&split).is_err());
}

#[test]
fn a_chunk_that_is_too_short_is_an_error() {
    let (decoder, _) = LaneDecoder::of(&variable(DataType::Bool, &[2], &[])).unwrap();
    let chunk = ArrayBytes::Fixed(vec![1, 0]);
    let mut buffer = LaneBuffer::default();
    assert!(decoder.decode(&chunk, 1, 1, &mut buffer).is_ok());
    for (first, n) in [(0, 3), (2, 1), (usize::MAX, 1), (1, usize::MAX)] {
        assert!(decoder.decode(&chunk, first, n, &mut buffer).is_err(), "{first} {n}");
    }
}
