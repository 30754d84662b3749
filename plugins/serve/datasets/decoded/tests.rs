use thermocline_model::{ByteOrder, Number, NumberType, StringPadding};
use thermocline_testkit::toy_variable;

use super::*;

const LITTLE: ByteOrder = ByteOrder::Little;

fn int(size: u8) -> DataType {
    DataType::Int { size, order: LITTLE }
}

fn float(size: u8) -> DataType {
    DataType::Float { size, order: LITTLE }
}

fn text(text: &str) -> Attribute {
    Attribute::Text(text.to_owned())
}

fn real(dtype: NumberType, value: f64) -> Attribute {
    Attribute::number(dtype, Number::Float(value))
}

fn whole(dtype: NumberType, value: i128) -> Attribute {
    Attribute::number(dtype, Number::Integer(value))
}

fn variable(name: &str, dims: &[&str], dtype: DataType, attrs: &[(&str, Attribute)]) -> Variable {
    let shape = vec![2; dims.len()];
    let mut variable = toy_variable(name, dims, (&shape, &shape), dtype, Vec::new());
    variable.attrs = attrs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    variable
}

fn group(variables: Vec<Variable>) -> Group {
    Group { variables, ..Group::default() }
}

fn decoded(group: &Group) -> DecodedGroup {
    let ends = group.variables.iter().map(|variable| (variable.name.clone(), Ends([Some(1.0), Some(2.0)])));
    DecodedGroup::new(group, &ends.collect())
}

fn decoded_type(dtype: DataType, attrs: &[(&str, Attribute)]) -> String {
    decoded(&group(vec![variable("v", &["x"], dtype, attrs)])).variables[0].dtype.clone()
}

/// A stored type, attributes, and the type that xarray gives.
type Case<'a> = (DataType, &'a [(&'a str, Attribute)], &'a str);

/// Expected types are those that xarray 2026.9 gives for the same values and attributes.
#[test]
fn packed_and_masked_values_get_xarrays_types() {
    use NumberType::{F32, F64, I8, I16, I32};
    let cases: [Case<'_>; 20] = [
        (int(2), &[("scale_factor", real(F64, 0.1)), ("add_offset", real(F64, 1.0))], "float64"),
        (int(2), &[("scale_factor", real(F32, 0.1)), ("add_offset", real(F32, 1.0))], "float32"),
        (int(4), &[("scale_factor", real(F32, 0.1)), ("add_offset", real(F32, 1.0))], "float64"),
        (int(2), &[("scale_factor", real(F32, 0.1))], "float32"),
        (int(2), &[("scale_factor", real(F64, 0.1))], "float64"),
        (int(2), &[("add_offset", real(F32, 1.0))], "float64"),
        (int(2), &[("scale_factor", whole(I32, 2))], "int32"),
        (
            int(2),
            &[
                ("scale_factor", real(F32, 0.1)),
                ("add_offset", real(F64, 1.0)),
                ("_FillValue", whole(I16, -1)),
            ],
            "float64",
        ),
        (int(2), &[("_FillValue", whole(I16, -1))], "float32"),
        (int(4), &[("_FillValue", whole(I32, -1))], "float64"),
        (int(1), &[("missing_value", whole(I8, -1))], "float32"),
        (float(4), &[("_FillValue", real(F32, 1e20))], "float32"),
        (float(4), &[("_FillValue", real(F32, f64::NAN)), ("scale_factor", real(F64, 2.0))], "float32"),
        (float(4), &[("scale_factor", real(F64, 2.0))], "float64"),
        (int(2), &[("_FillValue", real(F32, f64::NAN)), ("scale_factor", real(F64, 2.0))], "float64"),
        (int(2), &[("_FillValue", real(F32, f64::NAN))], "int16"),
        (int(1), &[("_Unsigned", text("true"))], "uint8"),
        (int(1), &[("_Unsigned", text("true")), ("_FillValue", whole(I8, -1))], "float32"),
        (DataType::Float { size: 4, order: ByteOrder::Big }, &[], "float32"),
        (int(1), &[("dtype", text("bool"))], "bool"),
    ];
    for (dtype, attrs, expected) in cases {
        assert_eq!(decoded_type(dtype.clone(), attrs), expected, "{dtype:?} {attrs:?}");
    }
}

/// Expected types are those that xarray 2026.9 gives for the values 1 and 2.
#[test]
fn times_get_xarrays_types() {
    let cases = [
        ("days since 2000-01-01", None, "datetime64[ns]"),
        ("d since 2000-01-01", None, "datetime64[ns]"),
        ("seconds since 1970-01-01T00:00:00Z", Some("proleptic_gregorian"), "datetime64[ns]"),
        ("days since 2000-01-01", Some("noleap"), "object"),
        ("months since 2000-01-01", Some("360_day"), "object"),
        ("hours since 1-1-1 00:00:00", None, "object"),
        ("days since 2500-01-01", None, "object"),
        ("days since 1600-01-01", None, "object"),
        ("seconds since 1-jan-1970", None, "datetime64[ns]"),
        ("hours since 20000101 12:00", None, "datetime64[ns]"),
        ("hours since 2000/01/01", None, "datetime64[ns]"),
    ];
    for (units, calendar, expected) in cases {
        let calendar = calendar.map(|calendar| ("calendar", text(calendar)));
        let attrs: Vec<_> = [("units", text(units))].into_iter().chain(calendar).collect();
        assert_eq!(decoded_type(int(4), &attrs), expected, "{attrs:?}");
    }
}

#[test]
fn what_cannot_be_a_date_stays_a_number() {
    for (units, calendar) in [
        ("months since 2000-01-01", "standard"),
        ("days since the flood", "standard"),
        ("days since 2000-01-01", "maya"),
    ] {
        let attrs = [("units", text(units)), ("calendar", text(calendar))];
        assert_eq!(decoded_type(int(4), &attrs), "int32", "{attrs:?}");
    }
}

#[test]
fn spans_are_decoded_where_xarray_wrote_them() {
    let span =
        |units: &str, dtype: &str| decoded_type(int(8), &[("units", text(units)), ("dtype", text(dtype))]);
    assert_eq!(span("days", "timedelta64[ns]"), "timedelta64[ns]");
    assert_eq!(span("days", "timedelta64[D]"), "timedelta64[s]");
    assert_eq!(decoded_type(float(8), &[("units", text("days"))]), "float64");
    assert_eq!(
        decoded_type(int(4), &[("units", text("days")), ("_FillValue", whole(NumberType::I32, -1))]),
        "int64"
    );
}

#[test]
fn coordinates_are_dimensions_and_what_attributes_name() {
    let group = Group {
        attrs: [("coordinates".to_owned(), text("height gone"))].into_iter().collect(),
        ..group(vec![
            variable("time", &["time"], float(8), &[]),
            variable("lat2d", &["y", "x"], float(8), &[]),
            variable("tas", &["time", "y", "x"], float(4), &[("coordinates", text("lat2d lon2d"))]),
            variable("height", &[], float(8), &[]),
            variable("y", &["y", "x"], float(8), &[]),
        ])
    };

    let decoded = decoded(&group);

    let names =
        |variables: Vec<&DecodedVariable>| variables.iter().map(|v| v.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(decoded.coords().collect()), ["time", "lat2d", "height", "y"]);
    assert_eq!(names(decoded.data_vars().collect()), ["tas"]);
    assert_eq!(decoded.dims, [("y".to_owned(), 2), ("x".to_owned(), 2), ("time".to_owned(), 2)]);
    assert!(decoded.attrs.is_empty());
    assert!(decoded.variables[2].attrs.is_empty());
}

#[test]
fn bounds_are_dates_as_their_times_are() {
    let since = text("days since 2000-01-01");
    let time = [("units", since), ("bounds", text("time_bnds")), ("calendar", text("360_day"))];
    let group = group(vec![
        variable("time", &["time"], float(8), &time),
        variable("time_bnds", &["time", "bnds"], float(8), &[]),
    ]);

    let decoded = decoded(&group);

    assert_eq!(decoded.variables[1].dtype, "object");
    assert!(decoded.variables[1].attrs.is_empty());
}

#[test]
fn characters_are_joined_along_an_axis_of_their_own() {
    let chars = |name, dims: &[&str]| variable(name, dims, DataType::Char, &[]);
    let alone = group(vec![chars("code", &["station", "string2"])]);
    let shared = group(vec![chars("code", &["station", "x"]), variable("v", &["x"], int(4), &[])]);
    let encoded = group(vec![variable("name", &["n", "l"], DataType::Char, &[("_Encoding", text("utf-8"))])]);

    let code = &decoded(&alone).variables[0];
    assert_eq!((code.dtype.as_str(), code.dims.as_slice()), ("|S2", ["station".to_owned()].as_slice()));
    assert_eq!(decoded(&shared).variables[0].dtype, "|S1");
    assert_eq!(decoded(&encoded).variables[0].dtype, "object");
    let fixed = DataType::FixedString { len: 4, padding: StringPadding::NullPadded, utf8: false };
    assert_eq!(decoded_type(fixed, &[]), "object");
    assert_eq!(decoded_type(DataType::String, &[]), "object");
}
