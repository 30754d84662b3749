//! Files written by libhdf5, indexed by this crate, compared with what libhdf5 reads; and damaged copies of them.

#![cfg(feature = "libhdf5")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail as tests do")]

mod damaged;
mod memory;
mod neighbours;
mod virtual_datasets;

use std::sync::Arc;

use hdf5::types::{FixedAscii, VarLenUnicode};
use hdf5::{File, FileBuilder, H5Type};
use memory::{Memory, NoOthers, read_all};
use proptest::prelude::*;
use thermocline_core::ErrorKind;
use thermocline_core::format::{Format, Indexed, Limits, ReferenceError, Region, Source};
use thermocline_format_hdf5::Hdf5Format;
use thermocline_model::{ArrayBytes, Attribute, ByteOrder, Codec, DataType, Place, Variable};

#[derive(H5Type, Clone, PartialEq, Debug)]
#[repr(C)]
struct Wind {
    flag: i8,
    speed: f64,
    direction: i16,
}

/// Writes a file and returns its bytes.
fn written(write: impl FnOnce(&File) -> hdf5::Result<()>) -> Vec<u8> {
    written_as(FileBuilder::new(), write)
}

fn written_as(builder: FileBuilder, write: impl FnOnce(&File) -> hdf5::Result<()>) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file.h5");
    let file = builder.create(&path).unwrap();
    write(&file).unwrap();
    file.close().unwrap();
    std::fs::read(path).unwrap()
}

fn newest(builder: &mut FileBuilder) -> &mut FileBuilder {
    builder.with_fapl(|access| access.libver_v110())
}

/// Arrays of many kinds.
fn fill(file: &File) -> hdf5::Result<()> {
    let numbers: Vec<i32> = (0..60).collect();
    let table = ndarray_of(&numbers, 6, 10);
    file.new_dataset_builder().with_data(&table).create("contiguous")?;
    file.new_dataset_builder().with_data(&table).chunk((4, 4)).shuffle().deflate(5).create("chunked")?;
    file.new_dataset_builder().with_data(&table).chunk((4, 4)).fletcher32().create("summed")?;
    let growing =
        file.new_dataset::<f32>().shape((0.., 5)).chunk((2, 5)).fill_value(7.5_f32).create("growing")?;
    growing.resize((5, 5))?;
    growing.write_slice(&ndarray_of(&[1_f32; 10], 2, 5), (2..4, ..))?;
    file.new_dataset_builder().with_data(&[true, false, true]).create("flags")?;
    let texts: Vec<VarLenUnicode> =
        ["Bergen", "", "Tromsø"].iter().map(|text| text.parse().unwrap()).collect();
    file.new_dataset_builder().with_data(&texts).create("texts")?;
    let fixed: Vec<FixedAscii<6>> =
        ["one", "three", ""].iter().map(|t| FixedAscii::from_ascii(t).unwrap()).collect();
    file.new_dataset_builder().with_data(&fixed).create("fixed")?;
    let winds = [Wind { flag: 1, speed: 0.5, direction: 10 }, Wind { flag: 2, speed: -3.0, direction: 20 }];
    file.new_dataset_builder().with_data(&winds).create("winds")?;
    let group = file.create_group("deep")?.create_group("deeper")?;
    let depth = group.new_dataset::<f64>().shape(()).create("depth")?;
    depth.write_scalar(&3.5)?;
    depth.new_attr::<i16>().create("level")?.write_scalar(&-4_i16)?;
    let title: VarLenUnicode = "µ° title".parse().unwrap();
    file.new_attr::<VarLenUnicode>().create("title")?.write_scalar(&title)?;
    Ok(())
}

fn ndarray_of<T: Clone>(values: &[T], rows: usize, columns: usize) -> ndarray::Array2<T> {
    ndarray::Array2::from_shape_vec((rows, columns), values.to_vec()).unwrap()
}

fn index(bytes: &[u8]) -> thermocline_core::Result<Indexed> {
    let limits = Limits::default();
    let source = Source { object: Arc::new(Memory::new(bytes.to_vec())), others: &NoOthers, limits: &limits };
    Hdf5Format::default().index(&source)
}

fn variable<'i>(indexed: &'i Indexed, path: &str) -> &'i Variable {
    indexed.dataset.root.variable(path).unwrap_or_else(|| panic!("no variable {path}"))
}

/// Compares every variable with the reference library; returns how many there are.
fn compare(bytes: &[u8]) -> usize {
    let limits = Limits::default();
    let format = Hdf5Format::default();
    let source = Source { object: Arc::new(Memory::new(bytes.to_vec())), others: &NoOthers, limits: &limits };
    let indexed = format.index(&source).unwrap();
    let mut reference = format.reference(&source).unwrap_or_else(|error| panic!("{error:?}"));
    let variables = indexed.dataset.root.variables_below();
    for (path, variable) in &variables {
        let region = Region { start: vec![0; variable.shape.len()], shape: variable.shape.clone() };
        let expected =
            reference.read(variable, &variable.dtype, &region).unwrap_or_else(|e| panic!("{path}: {e:?}"));
        assert_eq!(read_all(&format, &source, &indexed, variable).unwrap(), expected, "{path}");
    }
    variables.len()
}

#[test]
fn values_are_those_of_the_reference_library() {
    assert_eq!(compare(&written(fill)), 11);
    let mut builder = FileBuilder::new();
    newest(&mut builder);
    assert_eq!(compare(&written_as(builder, fill)), 11);
}

#[test]
fn types_have_their_counterparts() {
    let indexed = index(&written(fill)).unwrap();
    let int = DataType::Int { size: 4, order: ByteOrder::Little };
    assert_eq!(variable(&indexed, "contiguous").dtype, int);
    assert_eq!(variable(&indexed, "flags").dtype, DataType::Bool);
    assert_eq!(variable(&indexed, "texts").dtype, DataType::String);
    let codecs = &variable(&indexed, "winds.speed").storage.encodings[0].codecs;
    assert_eq!(*codecs, [Codec::Member { record_size: 24, offset: 8, size: 8 }]);
    let codecs = &variable(&indexed, "chunked").storage.encodings[0].codecs;
    assert_eq!(*codecs, [Codec::Shuffle { element_size: 4 }, Codec::Zlib { level: 5 }]);
    assert_eq!(variable(&indexed, "deep/deeper/depth").shape, Vec::<u64>::new());
}

#[test]
fn chunks_that_were_never_written_are_absent_and_read_as_fill() {
    let indexed = index(&written(fill)).unwrap();
    let growing = variable(&indexed, "growing");
    let table = &indexed.tables[growing.storage.table as usize];
    assert_eq!(table.iter().map(|(linear, _)| linear).collect::<Vec<_>>(), [1]);
    assert_eq!(growing.fill, Some(ArrayBytes::Fixed(7.5_f32.to_le_bytes().to_vec())));
    assert!(indexed.dataset.root.dims.iter().any(|dimension| dimension.is_unlimited));
}

#[test]
fn texts_are_kept_with_the_manifest() {
    let indexed = index(&written(fill)).unwrap();
    let texts = variable(&indexed, "texts");
    let table = &indexed.tables[texts.storage.table as usize];
    assert!(table.iter().all(|(_, chunk)| chunk.part.place == Place::Inline));
    assert_eq!(indexed.dataset.root.attrs.get("title"), Some(&Attribute::Text("µ° title".to_owned())));
}

#[test]
fn files_that_are_not_whole_are_refused_with_one_message() {
    let bytes = written(fill);
    let mut cut = bytes.clone();
    cut.truncate(bytes.len() - 10);
    let message = format!("the file is truncated: {} bytes of {} are there", cut.len(), bytes.len());
    for (bytes, expected) in [
        (Vec::new(), "the file is empty (0 bytes)".to_owned()),
        (b"<!DOCTYPE html>".to_vec(), "no HDF5 signature: the file is of another format".to_owned()),
        (cut, message),
    ] {
        let error = index(&bytes).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused);
        assert_eq!(error.message(), expected);
    }
}

#[test]
fn a_file_that_is_open_for_writing_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file.h5");
    let mut builder = FileBuilder::new();
    newest(&mut builder);
    let file = builder.create(&path).unwrap();
    fill(&file).unwrap();
    file.flush().unwrap();
    let error = index(&std::fs::read(&path).unwrap()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(error.message().contains("open for writing"), "{error}");
}

#[test]
fn a_group_that_contains_itself_is_cut() {
    let bytes = written(|file| {
        let group = file.create_group("a")?;
        group.new_dataset_builder().with_data(&[1, 2, 3]).create("v")?;
        group.link_hard("/", "root")?;
        group.link_soft("/a/v", "again")?;
        group.link_soft("/nowhere", "lost")
    });
    let indexed = index(&bytes).unwrap();
    let paths: Vec<String> =
        indexed.dataset.root.variables_below().into_iter().map(|(path, _)| path).collect();
    assert_eq!(paths, ["a/again", "a/v"]);
    let notes: Vec<&str> = indexed.dataset.notes.iter().map(|note| note.path.as_str()).collect();
    assert_eq!(notes, ["a/lost", "a/root"]);
}

#[test]
fn the_reference_library_tells_damage_from_what_it_cannot_judge() {
    let bytes = written(fill);
    let limits = Limits::default();
    let mut cut = bytes;
    cut.truncate(600);
    let source = Source { object: Arc::new(Memory::new(cut)), others: &NoOthers, limits: &limits };
    assert!(matches!(Hdf5Format::default().reference(&source), Err(ReferenceError::Refused(_))));
}

/// Indexes a damaged file and reads all that it offers. Whatever comes out, it must be an answer.
fn survive(bytes: Vec<u8>) {
    let limits = Limits {
        header_bytes: 1 << 20,
        n_nodes: 1000,
        n_chunks: 10_000,
        chunk_bytes: 1 << 20,
        inline_bytes: 1 << 20,
        ..Limits::default()
    };
    let format = Hdf5Format::default();
    let source = Source { object: Arc::new(Memory::new(bytes)), others: &NoOthers, limits: &limits };
    match format.index(&source) {
        Ok(indexed) => {
            for (path, variable) in indexed.dataset.root.variables_below() {
                if variable.n_elements().is_some_and(|n| n < 100_000)
                    && let Err(error) = read_all(&format, &source, &indexed, variable)
                {
                    assert!(!error.message().contains("did not foresee"), "{path}: {error}");
                }
            }
        }
        Err(error) => assert!(!error.message().contains("did not foresee"), "{error}"),
    }
}

/// Files to be damaged: written here, and those that the environment names.
fn originals() -> Vec<Vec<u8>> {
    let mut builder = FileBuilder::new();
    newest(&mut builder);
    let mut originals = vec![written(fill), written_as(builder, fill)];
    if let Ok(paths) = std::env::var("THERMOCLINE_MUTANTS_OF") {
        originals = std::env::split_paths(&paths).map(|path| std::fs::read(path).unwrap()).collect();
    }
    originals
}

fn n_mutants() -> u32 {
    std::env::var("THERMOCLINE_MUTANTS").ok().and_then(|n| n.parse().ok()).unwrap_or(2000)
}

#[test]
fn damaged_files_never_panic() {
    let originals = originals();
    let config =
        ProptestConfig { cases: n_mutants(), failure_persistence: None, ..ProptestConfig::default() };
    let damage = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6);
    proptest!(config, |(number in any::<prop::sample::Index>(), damage in damage)| {
        let mut bytes = originals[number.index(originals.len())].clone();
        for (position, value) in damage {
            let position = position.index(bytes.len());
            bytes[position] = value;
        }
        survive(bytes);
    });
}
