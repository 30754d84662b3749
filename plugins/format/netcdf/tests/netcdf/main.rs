//! NetCDF-3 files written by hand, indexed and compared with libnetcdf.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod writer;
mod written;

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use proptest::prelude::*;
use tempfile::TempDir;
use thermocline_core::ErrorKind;
use thermocline_core::format::{Format, Indexed, Region};
use thermocline_format_netcdf::NetcdfFormat;
use thermocline_model::{ArrayBytes, Attribute, Number, NumberType, Place};
use thermocline_testkit::{LocalFile, conformance};
use tokio::runtime::Runtime;

use writer::{Attr, Var, Version, file};

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());

const BYTE: u32 = 1;
const CHAR: u32 = 2;
const SHORT: u32 = 3;
const INT: u32 = 4;
const FLOAT: u32 = 5;
const DOUBLE: u32 = 6;
const UINT64: u32 = 11;

const VERSIONS: [Version; 3] = [Version::Classic, Version::Offset64, Version::Data64];

fn saved(directory: &TempDir, bytes: &[u8]) -> PathBuf {
    let path = directory.path().join("file.nc");
    std::fs::write(&path, bytes).unwrap();
    path
}

fn index_at(path: &Path) -> thermocline_core::Result<Indexed> {
    LocalFile::open(path, RUNTIME.handle()).unwrap().with_source(|source| NetcdfFormat.index(source))
}

fn index(bytes: &[u8]) -> thermocline_core::Result<Indexed> {
    let directory = TempDir::new().unwrap();
    index_at(&saved(&directory, bytes))
}

fn fixed(name: &'static str, dims: &'static [u64], kind: u32, bytes: Vec<u8>) -> Var {
    Var { name, dims, attrs: Vec::new(), kind, part_len: bytes.len(), parts: vec![bytes] }
}

fn records(name: &'static str, dims: &'static [u64], kind: u32, n_records: usize, len: usize) -> Var {
    let part = |record: usize| (0..len).map(|i| (record * 31 + i * 7 + name.len()) as u8).collect();
    Var { name, dims, attrs: Vec::new(), kind, part_len: len, parts: (0..n_records).map(part).collect() }
}

/// A fixed variable and three interleaved record variables, two of which need padding.
fn interleaved(version: Version, n_records: usize) -> Vec<u8> {
    let dims = [("time", 0), ("x", 3), ("y", 5)];
    let vars = [
        fixed("lat", &[1], SHORT, vec![0, 1, 0, 2, 0, 3]),
        records("odd", &[0, 2], BYTE, n_records, 5),
        records("plain", &[0, 1], DOUBLE, n_records, 24),
        records("label", &[0, 1], CHAR, n_records, 3),
    ];
    file(version, &dims, &[], &vars)
}

#[test]
fn every_variant_agrees_with_libnetcdf() {
    for version in VERSIONS {
        for n_records in [0, 1, 7] {
            let directory = TempDir::new().unwrap();
            let path = saved(&directory, &interleaved(version, n_records));
            conformance::format(&NetcdfFormat, &path, RUNTIME.handle())
                .unwrap_or_else(|error| panic!("{version:?}, {n_records} records: {error:#}"));
        }
    }
}

#[test]
fn one_record_variable_alone_is_contiguous_and_agrees_with_libnetcdf() {
    let directory = TempDir::new().unwrap();
    let vars = [records("v", &[0, 1], BYTE, 5, 3)];
    let path = saved(&directory, &file(Version::Classic, &[("time", 0), ("x", 3)], &[], &vars));
    conformance::format(&NetcdfFormat, &path, RUNTIME.handle()).unwrap();
    let indexed = index_at(&path).unwrap();
    let chunk = indexed.tables[0].get(0).unwrap();
    assert_eq!((chunk.part.place, chunk.len_bytes), (Place::Object(0), 15));
}

/// Large records, and more than a mebibyte of small ones between them.
fn large_and_small() -> Vec<u8> {
    let dims = [("time", 0), ("x", 8192), ("y", 4000)];
    let vars = [records("large", &[0, 1], INT, 300, 32_768), records("small", &[0, 2], BYTE, 300, 4000)];
    file(Version::Offset64, &dims, &[], &vars)
}

#[test]
fn large_records_are_byte_ranges_and_many_small_ones_are_gathered() {
    let directory = TempDir::new().unwrap();
    let path = saved(&directory, &large_and_small());
    conformance::format(&NetcdfFormat, &path, RUNTIME.handle()).unwrap();
    let indexed = index_at(&path).unwrap();
    let large = &indexed.dataset.root.variables[0].storage;
    assert_eq!(
        (large.chunk_shape.as_slice(), large.served_chunk_shape.as_slice()),
        (&[1, 8192][..], &[1, 8192][..])
    );
    let small = &indexed.dataset.root.variables[1].storage;
    assert_eq!(
        (small.chunk_shape.as_slice(), small.served_chunk_shape.as_slice()),
        (&[262, 4000][..], &[262, 4000][..])
    );
    assert_eq!(indexed.tables[1].len(), 2);
    assert_eq!(indexed.tables[1].parts()[0].place, Place::Format(0));
}

fn decoded(path: &Path, region: &Region) -> thermocline_core::Result<ArrayBytes> {
    let indexed = index_at(path)?;
    LocalFile::open(path, RUNTIME.handle())
        .unwrap()
        .with_source(|source| NetcdfFormat.decode(source, &indexed.dataset.root.variables[1], region))
}

#[test]
fn any_region_of_gathered_records_has_their_values_and_fill_beyond_the_last() {
    let directory = TempDir::new().unwrap();
    let path = saved(&directory, &large_and_small());
    let parts = records("small", &[0, 2], BYTE, 300, 4000).parts;
    let region = Region { start: vec![298, 3990], shape: vec![3, 20] };
    let ArrayBytes::Fixed(values) = decoded(&path, &region).unwrap() else { panic!("bytes") };
    let fill = (-127_i8).to_be_bytes()[0];
    for (row, values) in values.chunks(20).enumerate() {
        let part = parts.get(298 + row).map_or(&[][..], |part| &part[3990..]);
        let expected = [part, &vec![fill; 20 - part.len()]].concat();
        assert_eq!(values, expected, "row {row}");
    }
}

#[test]
fn a_region_beyond_a_chunk_s_limit_is_refused_before_anything_is_read() {
    let directory = TempDir::new().unwrap();
    let path = saved(&directory, &large_and_small());
    for shape in [vec![u64::MAX, 4000], vec![1 << 40, 4000]] {
        let error = decoded(&path, &Region { start: vec![0, 0], shape }).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge);
    }
}

#[test]
fn a_file_that_is_not_what_was_indexed_has_no_values() {
    let directory = TempDir::new().unwrap();
    let path = saved(&directory, &large_and_small());
    let mut variable = index_at(&path).unwrap().dataset.root.variables[1].clone();
    variable.shape[0] += 1;
    let region = Region { start: vec![0, 0], shape: vec![1, 4000] };
    let file = LocalFile::open(&path, RUNTIME.handle()).unwrap();
    let error = file.with_source(|source| NetcdfFormat.decode(source, &variable, &region)).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Changed { .. }), "{error}");
}

#[test]
fn values_lie_where_the_index_says() {
    let bytes = interleaved(Version::Classic, 2);
    let indexed = index(&bytes).unwrap();
    let lat = indexed.tables[0].get(0).unwrap();
    assert_eq!(bytes[lat.offset as usize..][..6], [0, 1, 0, 2, 0, 3]);
    let odd = indexed.tables[1].get(0).unwrap();
    assert_eq!(odd.part.place, Place::Inline);
    let kept = &indexed.inline[odd.offset as usize..][..odd.len_bytes as usize];
    let parts = records("odd", &[0, 2], BYTE, 2, 5).parts.concat();
    assert_eq!(kept, parts);
}

#[test]
fn attributes_keep_their_types() {
    let attrs: Vec<Attr> = vec![
        ("title", CHAR, 7, b"abc\0def".to_vec()),
        ("latin", CHAR, 2, vec![0xb0, b'C']),
        ("empty", CHAR, 0, Vec::new()),
        ("one", SHORT, 1, vec![0xff, 0xfe]),
        ("two", FLOAT, 2, [1.5_f32.to_be_bytes(), f32::NAN.to_be_bytes()].concat()),
        ("big", UINT64, 1, u64::MAX.to_be_bytes().to_vec()),
        ("none", INT, 0, Vec::new()),
    ];
    let indexed = index(&file(Version::Data64, &[], &attrs, &[])).unwrap();
    let attrs = &indexed.dataset.root.attrs;
    assert_eq!(attrs.text("title"), Some("abcdef"));
    assert_eq!(attrs.text("latin"), Some("°C"));
    assert_eq!(attrs.text("empty"), Some(""));
    assert_eq!(attrs.get("one"), Some(&Attribute::number(NumberType::I16, Number::Integer(-2))));
    assert_eq!(
        attrs.get("big"),
        Some(&Attribute::number(NumberType::U64, Number::Integer(i128::from(u64::MAX))))
    );
    let none = Attribute::Numbers { dtype: NumberType::I32, shape: vec![0], values: Vec::new() };
    assert_eq!(attrs.get("none"), Some(&none));
    let Some(Attribute::Numbers { dtype, shape, values }) = attrs.get("two") else { unreachable!() };
    assert_eq!((*dtype, shape.as_slice(), values[0]), (NumberType::F32, &[2][..], Number::Float(1.5)));
}

#[test]
fn fill_values_are_the_attribute_or_the_default_of_the_type() {
    let mut own = fixed("own", &[], SHORT, vec![0, 0, 0, 0]);
    own.attrs.push(("_FillValue", SHORT, 1, vec![0x80, 0]));
    let mut wrong = fixed("wrong", &[], SHORT, vec![0, 0, 0, 0]);
    wrong.attrs.push(("_FillValue", INT, 1, vec![0, 0, 0, 1]));
    let vars = [own, wrong, fixed("none", &[], FLOAT, vec![0; 4])];
    let indexed = index(&file(Version::Classic, &[], &[], &vars)).unwrap();
    let fills: Vec<_> =
        indexed.dataset.root.variables.iter().map(|variable| variable.fill.clone().unwrap()).collect();
    let expected = [vec![0x80, 0], vec![0x80, 1], 9.969_21e36_f32.to_be_bytes().to_vec()];
    assert_eq!(fills, expected.map(ArrayBytes::Fixed));
}

#[test]
fn names_that_zarr_cannot_hold_are_refused_alone() {
    let vars = [
        fixed("..", &[], BYTE, vec![1]),
        fixed("__x", &[], BYTE, vec![1]),
        fixed("zarr.json", &[], BYTE, vec![1]),
        fixed("a", &[], BYTE, vec![1]),
        fixed("a", &[], BYTE, vec![2]),
        fixed("température (°C)", &[], BYTE, vec![1]),
    ];
    let indexed = index(&file(Version::Classic, &[], &[], &vars)).unwrap();
    let names: Vec<&str> =
        indexed.dataset.root.variables.iter().map(|variable| variable.name.as_str()).collect();
    assert_eq!(names, ["a", "température (°C)"]);
    let refused: Vec<&str> = indexed.dataset.refusals.iter().map(|refusal| refusal.path.as_str()).collect();
    assert_eq!(refused, ["..", "__x", "zarr.json", "a"]);
}

#[test]
fn streamed_files_count_their_records_by_their_size() {
    let mut bytes = interleaved(Version::Classic, 3);
    bytes[4..8].fill(0xff);
    assert_eq!(index(&bytes).unwrap().dataset.root.dims[0].len, 3);
    bytes.truncate(bytes.len() - 30);
    assert_eq!(index(&bytes).unwrap().dataset.root.dims[0].len, 2);
}

#[test]
fn a_truncated_file_is_refused_with_what_is_missing() {
    let bytes = interleaved(Version::Classic, 3);
    // The last record ends with three characters and one byte of padding, which may lack.
    assert!(index(&bytes[..bytes.len() - 1]).is_ok());
    let error = index(&bytes[..bytes.len() - 2]).unwrap_err();
    assert!(
        error.message().starts_with("the file is truncated: variable \"label\" needs bytes up to"),
        "{error}"
    );
    for len in [5, 30, 100] {
        let error = index(&bytes[..len]).unwrap_err();
        assert!(error.message().contains("truncated") || error.message().contains("cannot hold"), "{error}");
    }
}

#[test]
fn damaged_files_are_errors_and_nothing_worse() {
    let directory = TempDir::new().unwrap();
    for (version, seeds) in VERSIONS.into_iter().zip([0..1200, 1200..2400, 2400..3600]) {
        let path = saved(&directory, &interleaved(version, 4));
        conformance::format_withstands_damage(&NetcdfFormat, &path, seeds, RUNTIME.handle()).unwrap();
    }
}

proptest! {
    #[test]
    fn absurd_words_in_the_header_never_allocate_or_panic(
        at in 4_usize..200,
        word in prop::sample::select(vec![0_u32, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_fffc, u32::MAX]),
        version in prop::sample::select(VERSIONS.to_vec()),
    ) {
        let mut bytes = interleaved(version, 2);
        let end = (at + 4).min(bytes.len());
        bytes[at..end].copy_from_slice(&word.to_be_bytes()[..end - at]);
        if let Ok(indexed) = index(&bytes) {
            prop_assert!(indexed.inline.len() <= bytes.len());
        }
    }
}
