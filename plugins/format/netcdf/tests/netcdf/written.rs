//! NetCDF-4 files that are written, read back with our own reader of HDF5 and compared with libhdf5.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;
use thermocline_core::format::Format;
use thermocline_core::write::ArraySource;
use thermocline_core::{Error, ErrorKind, Result};
use thermocline_format_hdf5::Hdf5Format;
use thermocline_model::{
    ArrayBytes, Attribute, Attributes, ByteOrder, DataType, Group, Number, NumberType, Storage,
    StringPadding, Variable, Verification,
};
use thermocline_testkit::{LocalFile, conformance, decode_all};

use super::RUNTIME;

const LITTLE: ByteOrder = ByteOrder::Little;

/// Variables with their values.
#[derive(Default)]
struct InMemory {
    root: Group,
    values: Vec<(String, Option<Arc<ArrayBytes>>)>,
}

impl ArraySource for InMemory {
    fn root(&self) -> &Group {
        &self.root
    }

    fn values(&self, variable: &str) -> Result<Arc<ArrayBytes>> {
        let found =
            self.values.iter().find(|(name, _)| name == variable).and_then(|(_, values)| values.clone());
        found.ok_or_else(|| Error::new(ErrorKind::Lost, "the values are gone"))
    }
}

impl InMemory {
    fn add(
        &mut self,
        name: &str,
        dims: &[(&str, u64)],
        dtype: DataType,
        values: Option<ArrayBytes>,
    ) -> &mut Variable {
        let shape: Vec<u64> = dims.iter().map(|(_, len)| *len).collect();
        self.values.push((name.to_owned(), values.map(Arc::new)));
        self.root.variables.push(Variable {
            name: name.into(),
            dims: dims.iter().map(|(dim, _)| (*dim).to_owned()).collect(),
            shape: shape.clone(),
            dtype,
            fill: None,
            attrs: Attributes::new(),
            storage: Storage {
                chunk_shape: shape.clone(),
                served_chunk_shape: shape,
                encodings: Vec::new(),
                table: 0,
                source_path: String::new(),
            },
            verification: Verification::Unverified { reason: "in memory".into() },
        });
        self.root.variables.last_mut().unwrap()
    }

    fn write(&self, to: &Path) -> Result<()> {
        thermocline_format_netcdf::writer().unwrap().write(self, to)
    }
}

fn numbers(dtype: &DataType, n: usize) -> ArrayBytes {
    ArrayBytes::Fixed((0..n * dtype.len_bytes().unwrap()).map(|i| (i * 37 + 11) as u8).collect())
}

fn words(words: &[&str]) -> ArrayBytes {
    ArrayBytes::Texts(words.iter().map(|word| (*word).to_owned()).collect())
}

fn attrs(pairs: &[(&str, Attribute)]) -> Attributes {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

fn text(text: &str) -> Attribute {
    Attribute::Text(text.to_owned())
}

fn array(dtype: NumberType, values: &[Number]) -> Attribute {
    Attribute::Numbers { dtype, shape: vec![values.len() as u64], values: values.to_vec() }
}

/// A result as groupby has them.
fn climatology() -> InMemory {
    let mut source = InMemory::default();
    let float = DataType::Float { size: 4, order: LITTLE };
    let double = DataType::Float { size: 8, order: LITTLE };
    let integer = DataType::Int { size: 8, order: LITTLE };
    let tas = source.add("tas", &[("month", 12), ("lat", 3)], float.clone(), Some(numbers(&float, 36)));
    tas.fill = Some(ArrayBytes::Fixed(f32::NAN.to_le_bytes().to_vec()));
    tas.attrs = attrs(&[("units", text("K")), ("long_name", text("température"))]);
    source.add("month", &[("month", 12)], integer.clone(), Some(numbers(&integer, 12)));
    let lat = source.add("lat", &[("lat", 3)], double.clone(), Some(numbers(&double, 3)));
    lat.fill = Some(ArrayBytes::Fixed(f64::NAN.to_le_bytes().to_vec()));
    source.root.attrs = attrs(&[
        ("history", text("first line\nsecond line")),
        ("empty", text("")),
        ("words", Attribute::Texts(vec!["a".into(), "é".into()])),
        ("level", Attribute::number(NumberType::I16, Number::Integer(-3))),
        ("range", array(NumberType::F64, &[Number::Float(0.5), Number::Float(1e300)])),
        ("big", Attribute::number(NumberType::U64, Number::Integer(i128::from(u64::MAX)))),
    ]);
    source
}

fn written(source: &InMemory) -> (TempDir, PathBuf) {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("result.nc");
    source.write(&path).unwrap();
    (directory, path)
}

/// What our own reader finds in a file, once libhdf5 agrees: the group, and the values of each variable in one piece.
fn read(path: &Path) -> (Group, Vec<(String, ArrayBytes)>) {
    let format = Hdf5Format::default();
    conformance::format(&format, path, RUNTIME.handle()).unwrap();
    LocalFile::open(path, RUNTIME.handle()).unwrap().with_source(|source| {
        let indexed = format.index(source).unwrap();
        let values = decode_all(&format, source, &indexed);
        let values = values.into_iter().map(|(name, _, values)| (name, values.unwrap())).collect();
        (indexed.dataset.root, values)
    })
}

#[test]
fn a_result_is_read_back_as_it_was() {
    let source = climatology();

    let (_directory, path) = written(&source);
    let (root, values) = read(&path);

    for (variable, (name, expected)) in source.root.variables.iter().zip(&source.values) {
        let found = root.variables.iter().find(|found| found.name == *name).unwrap();
        assert_eq!(
            (&found.dims, &found.shape, &found.dtype),
            (&variable.dims, &variable.shape, &variable.dtype)
        );
        let found = values.iter().find(|(found, _)| found == name).map(|(_, values)| values);
        assert_eq!(found, expected.as_deref(), "{name}");
    }
    for (name, attribute) in source.root.attrs.iter() {
        assert_eq!(root.attrs.get(name), Some(attribute), "{name}");
    }
    let tas = root.variables.iter().find(|variable| variable.name == "tas").unwrap();
    assert_eq!((tas.attrs.text("units"), tas.attrs.text("long_name")), (Some("K"), Some("température")));
    assert!(
        matches!(tas.attrs.get("_FillValue"), Some(Attribute::Numbers { dtype: NumberType::F32, values, .. })
        if matches!(values.as_slice(), [Number::Float(fill)] if fill.is_nan()))
    );
    let lat = root.variables.iter().find(|variable| variable.name == "lat").unwrap();
    assert_eq!(lat.attrs.get("_FillValue"), None);
}

#[test]
fn numbers_of_every_type_and_order_are_read_back() {
    let mut source = InMemory::default();
    let mut expected = Vec::new();
    for order in [ByteOrder::Little, ByteOrder::Big] {
        for size in [1, 2, 4, 8] {
            for dtype in [
                DataType::Int { size, order },
                DataType::UInt { size, order },
                DataType::Float { size, order },
            ] {
                if matches!(dtype, DataType::Float { size: 1 | 2, .. }) {
                    continue;
                }
                let ArrayBytes::Fixed(mut bytes) = numbers(&dtype, 6) else { panic!("texts") };
                let name = format!("v{}", expected.len());
                source.add(
                    &name,
                    &[("x", 2), ("y", 3)],
                    dtype.clone(),
                    Some(ArrayBytes::Fixed(bytes.clone())),
                );
                if dtype.byte_order() == Some(ByteOrder::Big) {
                    bytes.chunks_exact_mut(usize::from(size)).for_each(<[u8]>::reverse);
                }
                expected.push((name, dtype.little_endian(), ArrayBytes::Fixed(bytes)));
            }
        }
    }

    let (_directory, path) = written(&source);
    let (root, values) = read(&path);

    for (name, dtype, bytes) in expected {
        let found = root.variables.iter().find(|variable| variable.name == name).unwrap();
        assert_eq!(found.dtype.little_endian(), dtype.little_endian());
        assert_eq!(
            values.iter().find(|(found, _)| *found == name).map(|(_, values)| values),
            Some(&bytes),
            "{dtype:?}"
        );
    }
}

#[test]
fn texts_and_booleans_are_stored_as_xarray_has_them() {
    let mut source = InMemory::default();
    source.add("season", &[("season", 3)], DataType::String, Some(words(&["DJF", "équateur", ""])));
    let padding = StringPadding::NullPadded;
    let fixed = DataType::FixedString { len: 3, padding, utf8: true };
    source.add("fixed", &[("season", 3)], fixed, Some(ArrayBytes::Fixed(b"ab\0cdef\0\0".to_vec())));
    source.add("any", &[("season", 3)], DataType::Bool, Some(ArrayBytes::Fixed(vec![1, 0, 1])));
    source.add("code", &[("n", 4)], DataType::Char, Some(ArrayBytes::Fixed(b"wxyz".to_vec())));

    let (_directory, path) = written(&source);
    let (root, values) = read(&path);

    let of = |name: &str| {
        values.iter().find(|(found, _)| found == name).map(|(_, values)| values.clone()).unwrap()
    };
    assert_eq!(of("season"), words(&["DJF", "équateur", ""]));
    assert_eq!(of("fixed"), words(&["ab", "cde", "f"]));
    assert_eq!(of("any"), ArrayBytes::Fixed(vec![1, 0, 1]));
    let any = root.variables.iter().find(|variable| variable.name == "any").unwrap();
    assert_eq!(any.attrs.text("dtype"), Some("bool"));
}

#[test]
fn scalars_and_empty_dimensions_are_written() {
    let mut source = InMemory::default();
    let double = DataType::Float { size: 8, order: LITTLE };
    source.add("height", &[], double.clone(), Some(numbers(&double, 1)));
    source.add("none", &[("never", 0)], double, Some(ArrayBytes::Fixed(Vec::new())));

    let (_directory, path) = written(&source);
    let (root, _) = read(&path);

    let shapes: Vec<&[u64]> = root.variables.iter().map(|variable| variable.shape.as_slice()).collect();
    assert_eq!(shapes, [&[][..], &[0]]);
}

#[test]
fn the_same_source_gives_the_same_bytes() {
    let (_first, first) = written(&climatology());
    let (_second, second) = written(&climatology());
    assert_eq!(std::fs::read(first).unwrap(), std::fs::read(second).unwrap());
}

#[test]
fn a_long_attribute_is_read_back() {
    let mut source = climatology();
    let history = "a line of history\n".repeat(10_000);
    source.root.attrs.set("history", text(&history));

    let (_directory, path) = written(&source);

    assert_eq!(read(&path).0.attrs.text("history"), Some(history.as_str()));
}

fn refusal(source: &InMemory) -> Error {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("result.nc");
    let error = source.write(&path).unwrap_err();
    assert!(!path.exists(), "a file that was begun and not finished is removed");
    error
}

#[test]
fn names_that_netcdf_forbids_are_named() {
    let long = "x".repeat(300);
    for name in ["", "a/b", "a ", "\u{1}", "+x", long.as_str()] {
        let mut source = InMemory::default();
        source.add(name, &[("x", 1)], DataType::Bool, Some(ArrayBytes::Fixed(vec![0])));
        let error = refusal(&source);
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{name:?}: {error}");
        assert!(error.to_string().contains(&format!("{name:?}")), "{error}");
    }
}

#[test]
fn attributes_that_netcdf_forbids_are_left_out() {
    let mut source = climatology();
    for name in ["@type", "a/b", "a\0b", "", "a ", "_NCProperties", "title"] {
        source.root.attrs.set(name, text("here"));
        source.root.variables[0].attrs.set(name, text("here"));
    }

    let (_directory, path) = written(&source);

    let (root, _) = read(&path);
    assert_eq!(root.attrs.text("title"), Some("here"));
    for variable in &root.variables {
        assert_eq!(variable.attrs.get("@type"), None);
    }
    let names = |attrs: &Attributes| attrs.iter().filter(|(_, it)| **it == text("here")).count();
    assert_eq!(names(&root.attrs), 1);
}

#[test]
fn what_cannot_be_written_leaves_no_file() {
    let mut lost = climatology();
    lost.values[2].1 = None;
    assert_eq!(refusal(&lost).kind(), ErrorKind::Lost);

    let mut short = climatology();
    short.values[0].1 = Some(Arc::new(ArrayBytes::Fixed(vec![0; 8])));
    assert!(refusal(&short).to_string().contains("tas"));

    let mut cut = InMemory::default();
    cut.add("word", &[("n", 1)], DataType::String, Some(words(&["a\0b"])));
    assert_eq!(refusal(&cut).kind(), ErrorKind::InvalidInput);

    let mut uneven = climatology();
    uneven.add("more", &[("lat", 4)], DataType::Bool, Some(ArrayBytes::Fixed(vec![0; 4])));
    assert!(refusal(&uneven).to_string().contains("lat"));

    let mut half = InMemory::default();
    let dtype = DataType::Float { size: 2, order: LITTLE };
    half.add("half", &[("n", 1)], dtype, Some(ArrayBytes::Fixed(vec![0; 2])));
    assert_eq!(refusal(&half).kind(), ErrorKind::Unsupported);

    let mut mistyped = climatology();
    mistyped.root.variables[0]
        .attrs
        .set("_FillValue", Attribute::number(NumberType::I32, Number::Integer(1)));
    assert!(refusal(&mistyped).to_string().contains("_FillValue"));
}
