//! Virtual datasets whose shape or values are not what their header says: they grow with their sources,
//! their sources are numbered.

use std::ffi::CStr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use hdf5::{File, H5Type, Result as WriteResult};
use hdf5_sys::h5d::{H5Dclose, H5Dcreate2};
use hdf5_sys::h5i::hid_t;
use hdf5_sys::h5p::{H5P_CLS_DATASET_CREATE, H5P_DEFAULT, H5Pcreate, H5Pset_fill_value, H5Pset_virtual};
use hdf5_sys::h5s::{H5S_UNLIMITED, H5S_seloper_t, H5Screate_simple, H5Sselect_hyperslab};
use hdf5_sys::h5t::H5T_NATIVE_INT32;
use thermocline_core::format::{Format, Indexed, OpenOther, ReadAt, Region, Source};
use thermocline_core::{Error, ErrorKind, Result};
use thermocline_format_hdf5::Hdf5Format;
use thermocline_model::{ArrayBytes, Object, Place};

use crate::neighbours::{Folder, assert_changed};
use crate::variable;

/// Writes a source with numbers along an axis that can grow.
fn write_growing(folder: &Folder, name: &str, values: &[i32]) {
    folder.write(name, |file| {
        let d = file.new_dataset::<i32>().shape(values.len()..).chunk(2).create("d")?;
        d.write(values)
    });
}

/// The shape of `v` as the library has it, after all its values were compared.
#[track_caller]
fn compared_shape(folder: &Folder) -> Vec<usize> {
    folder.conforms();
    let shape = File::open(folder.path("main.h5")).unwrap().dataset("v").unwrap().shape();
    let indexed = folder.index();
    assert!(indexed.dataset.refusals.is_empty(), "{:?}", indexed.dataset.refusals);
    let ours: Vec<usize> = variable(&indexed, "v").shape.iter().map(|length| *length as usize).collect();
    assert_eq!(ours, shape);
    shape
}

/// What is selected along the axes of an array: start, stride, number of blocks, length of a block.
type Selected<'s> = &'s [(u64, u64, u64, u64)];

/// A selection in an array whose first axis can grow.
fn space(shape: &[u64], selected: Selected<'_>) -> hid_t {
    let mut max_shape = shape.to_vec();
    max_shape[0] = H5S_UNLIMITED;
    let part = |pick: fn(&(u64, u64, u64, u64)) -> u64| selected.iter().map(pick).collect::<Vec<u64>>();
    let (start, stride) = (part(|axis| axis.0), part(|axis| axis.1));
    let (count, block) = (part(|axis| axis.2), part(|axis| axis.3));
    // SAFETY: the caller holds the lock; all lists are as long as the array has axes, and outlive the calls.
    unsafe {
        let space = H5Screate_simple(shape.len() as i32, shape.as_ptr(), max_shape.as_ptr());
        let set = H5S_seloper_t::H5S_SELECT_SET;
        let (start, stride, count, block) = (start.as_ptr(), stride.as_ptr(), count.as_ptr(), block.as_ptr());
        assert!(H5Sselect_hyperslab(space, set, start, stride, count, block) >= 0);
        space
    }
}

/// Creates `v` of these mappings: source file, its shape and selection, selection in `v`. The crate that
/// writes the other files has no selections without end.
fn create_virtual(
    file: &File,
    stored: &[u64],
    mappings: &[(&CStr, &[u64], Selected<'_>, Selected<'_>)],
) -> WriteResult<()> {
    hdf5::sync::sync(|| {
        // SAFETY: the lock is held, identifiers are used before they are closed, texts end with NUL and
        // outlive the calls, the fill value has the type that it is said to have.
        unsafe {
            let list = H5Pcreate(*H5P_CLS_DATASET_CREATE);
            let fill = -1_i32;
            assert!(H5Pset_fill_value(list, *H5T_NATIVE_INT32, (&raw const fill).cast()) >= 0);
            for (name, shape, from, to) in mappings {
                let (from, to) = (space(shape, from), space(stored, to));
                assert!(H5Pset_virtual(list, to, name.as_ptr(), c"d".as_ptr(), from) >= 0);
            }
            let whole: Vec<_> = stored.iter().map(|length| (0, 1, *length, 1)).collect();
            let (space, default) = (space(stored, &whole), H5P_DEFAULT);
            let type_id = *H5T_NATIVE_INT32;
            let v = H5Dcreate2(file.id(), c"v".as_ptr(), type_id, space, default, list, default);
            assert!(v >= 0 && H5Dclose(v) >= 0);
        }
    });
    Ok(())
}

/// All of `s.h5`, however long, mapped to every third element from the second on, and the first element of
/// `t.h5` to the first.
fn growing(file: &File) -> WriteResult<()> {
    let endless: Selected<'_> = &[(0, 1, H5S_UNLIMITED, 1)];
    let one: Selected<'_> = &[(0, 1, 1, 1)];
    let every_third: Selected<'_> = &[(1, 3, H5S_UNLIMITED, 1)];
    create_virtual(file, &[4], &[(c"s.h5", &[2], endless, every_third), (c"t.h5", &[5], one, one)])
}

#[test]
fn an_array_is_as_long_as_its_sources_are_now() {
    let folder = Folder::new(growing);
    write_growing(&folder, "t.h5", &[50]);
    assert_eq!(compared_shape(&folder), [1]);
    for (values, len) in [(&[1, 2][..], 5), (&[1, 2, 3, 4, 5], 14), (&[1], 2), (&[], 1)] {
        write_growing(&folder, "s.h5", values);
        assert_eq!(compared_shape(&folder), [len]);
    }
}

#[test]
fn a_source_that_grows_is_noticed() {
    let folder = Folder::new(growing);
    write_growing(&folder, "s.h5", &[1, 2]);
    let (format, indexed) = (Hdf5Format::default(), folder.index());
    assert_eq!(folder.read(&format, &indexed).unwrap(), [-1, 1, -1, -1, 2]);
    write_growing(&folder, "s.h5", &[1, 2, 3]);
    assert_changed(folder.read(&format, &indexed));
}

/// Blocks of two rows, each from a file of its own.
fn of_numbered(file: &File) -> WriteResult<()> {
    let from: Selected<'_> = &[(0, 1, 2, 1), (0, 1, 3, 1)];
    let to: Selected<'_> = &[(0, 2, H5S_UNLIMITED, 2), (0, 1, 3, 1)];
    create_virtual(file, &[2, 3], &[(c"n-%b.h5", &[2, 3], from, to)])
}

#[test]
fn numbered_sources_are_read_up_to_the_first_that_does_not_exist() {
    let folder = Folder::new(of_numbered);
    for number in 0..4_i32 {
        assert_eq!(compared_shape(&folder), [2 * number as usize, 3]);
        folder.write(&format!("n-{number}.h5"), |file| {
            let rows = ndarray::Array2::from_elem((2, 3), number);
            file.new_dataset_builder().with_data(&rows).create("d").map(|_| ())
        });
    }
    assert!(folder.index().dataset.notes.is_empty());
    std::fs::remove_file(folder.path("n-1.h5")).unwrap();
    assert_eq!(compared_shape(&folder), [2, 3]);
}

/// A virtual dataset `v` of type `To` whose source has type `From`.
fn converted<From: H5Type, To: H5Type>(values: &[From]) -> Folder {
    let n = values.len();
    let folder = Folder::new(|file| {
        let builder = file.new_dataset::<To>().shape(n + 1);
        let builder = builder.with_dcpl(|list| list.virtual_map("s.h5", "d", n, .., n + 1, 0..n));
        builder.create("v").map(|_| ())
    });
    folder.write("s.h5", |file| file.new_dataset_builder().with_data(values).create("d").map(|_| ()));
    folder
}

#[test]
fn numbers_are_converted_as_the_library_does() {
    let integers = [i64::MIN, -40_000, -1, 0, 1, 200, 70_000, 16_777_217, i64::MAX];
    let floats = [0.1, -1.5, 1e300, -1e300, 3.402_823_47e38, 3.402_823_5e38, 1e-45, f64::NAN, f64::INFINITY];
    for folder in [
        converted::<i64, i8>(&integers),
        converted::<i64, u8>(&integers),
        converted::<i64, i32>(&integers),
        converted::<i64, u64>(&integers),
        converted::<u64, i64>(&[0, u64::MAX]),
        converted::<i8, i32>(&[-128, 127]),
        converted::<i64, f32>(&integers),
        converted::<i64, f64>(&integers),
        converted::<u64, f32>(&[u64::MAX, (1 << 63) + (1 << 39) + 1]),
        converted::<f32, f64>(&[0.1_f32, -1.5, f32::MIN_POSITIVE, f32::NAN]),
        converted::<f64, f32>(&floats),
    ] {
        let shape = compared_shape(&folder);
        assert_eq!(shape.len(), 1);
    }
}

#[test]
fn floating_point_numbers_that_would_become_integers_are_refused() {
    let refusals = converted::<f64, i32>(&[1.5]).index().dataset.refusals;
    assert!(refusals[0].reason.contains("another type than its source"), "{refusals:?}");
}

/// Numbers in each row of an array whose rows are chunks of their own.
const ROW: usize = 1 << 20;

/// A virtual dataset `v` of three rows: two from the first two files, and the fill.
fn of_rows() -> Folder {
    let folder = Folder::new(|file| {
        let mut builder = file.new_dataset::<f64>().shape((3, ROW)).fill_value(-1.0);
        for number in 0..3 {
            builder = builder.with_dcpl(|list| {
                let (from, to) = ((0..ROW,), (number, 0..ROW));
                list.virtual_map(format!("{number}.h5"), "d", ROW, from, (3, ROW), to)
            });
        }
        builder.create("v").map(|_| ())
    });
    for number in 0..2 {
        folder.write(&format!("{number}.h5"), |file| {
            let builder = file.new_dataset::<f64>().shape(ROW).fill_value(f64::from(number));
            builder.create("d").map(|_| ())
        });
    }
    folder
}

/// File names of the objects that a chunk is read from besides the first.
fn sources_of(indexed: &Indexed, linear: u64) -> Vec<&str> {
    let chunk = indexed.tables[variable(indexed, "v").storage.table as usize].get(linear).unwrap();
    if chunk.part.place == Place::Format(0) {
        return Vec::new();
    }
    assert_eq!(chunk.part.place, Place::Assembled(0));
    let bytes = &indexed.inline[chunk.offset as usize..][..chunk.len_bytes as usize];
    let numbers = bytes.chunks(4).map(|number| u32::from_le_bytes(number.try_into().unwrap()));
    let name = |number: u32| indexed.dataset.objects[number as usize].href.rsplit('/').next().unwrap();
    numbers.map(name).collect()
}

#[test]
fn the_sources_of_each_chunk_are_known_and_no_others() {
    let indexed = of_rows().index();
    let found: Vec<Vec<&str>> = (0..3).map(|linear| sources_of(&indexed, linear)).collect();
    assert_eq!(found, [vec!["0.h5"], vec!["1.h5"], vec![]], "the third does not exist");
}

#[test]
fn where_sources_have_sources_each_chunk_names_all() {
    let folder = of_rows();
    folder.write("0.h5", |file| {
        let builder = file.new_dataset::<f64>().shape(ROW);
        let builder = builder.with_dcpl(|list| list.virtual_map("deep.h5", "d", ROW, .., ROW, ..));
        builder.create("d").map(|_| ())
    });
    folder.write("deep.h5", |file| file.new_dataset::<f64>().shape(ROW).create("d").map(|_| ()));
    let indexed = folder.index();
    for linear in 0..3 {
        assert_eq!(sources_of(&indexed, linear), ["0.h5", "deep.h5", "1.h5"]);
    }
}

#[test]
fn of_the_sources_only_those_of_the_region_are_read() {
    let folder = of_rows();
    let indexed = folder.index();
    let row = |cold: &'static str, row: u64| {
        folder.open().with_source(|source| {
            let others = OnTape { others: source.others, cold };
            let source =
                Source { object: Arc::clone(&source.object), others: &others, limits: source.limits };
            let region = Region { start: vec![row, 0], shape: vec![1, ROW as u64] };
            let values = Hdf5Format::default().decode(&source, variable(&indexed, "v"), &region)?;
            let ArrayBytes::Fixed(bytes) = values else { panic!("texts") };
            let mut numbers =
                bytes.chunks_exact(8).map(|bytes| f64::from_le_bytes(bytes.try_into().unwrap()));
            let first = numbers.next().unwrap();
            assert!(numbers.all(|number| number == first));
            Ok(first)
        })
    };
    let row: &dyn Fn(&'static str, u64) -> Result<f64> = &row;
    for cold in ["0.h5", "1.h5"] {
        for number in 0..3 {
            let outcome = row(cold, number);
            match format!("{number}.h5") == cold {
                true => assert_eq!(outcome.unwrap_err().kind(), ErrorKind::NotStaged, "it is no fill"),
                false => assert_eq!(outcome.unwrap(), [0.0, 1.0, -1.0][number as usize]),
            }
        }
    }
}

#[test]
fn all_sources_that_have_to_be_recalled_are_asked_for_at_once() {
    let folder = of_rows();
    let asked = folder.open().with_source(|source| {
        let others = AllOnTape { others: source.others, asked: Mutex::default() };
        let source = Source { object: Arc::clone(&source.object), others: &others, limits: source.limits };
        assert_eq!(Hdf5Format::default().index(&source).unwrap_err().kind(), ErrorKind::NotStaged);
        others.asked.into_inner().unwrap()
    });
    assert_eq!(asked, ["0.h5", "1.h5"]);
}

/// Other objects, none of which can be read.
struct AllOnTape<'o> {
    others: &'o dyn OpenOther,
    asked: Mutex<Vec<String>>,
}

impl OpenOther for AllOnTape<'_> {
    fn open(&self, name: &str) -> Result<Option<Arc<dyn ReadAt>>> {
        let opened = self.others.open(name)?;
        Ok(opened.map(|object| {
            self.asked.lock().unwrap().push(name.to_owned());
            Arc::new(Cold(object.object().clone())) as Arc<dyn ReadAt>
        }))
    }

    fn list(&self, prefix: &str) -> Result<Vec<(String, u64)>> {
        self.others.list(prefix)
    }
}

/// Other objects, of which one can be found and not be read.
struct OnTape<'o> {
    others: &'o dyn OpenOther,
    cold: &'static str,
}

impl OpenOther for OnTape<'_> {
    fn open(&self, name: &str) -> Result<Option<Arc<dyn ReadAt>>> {
        let opened = self.others.open(name)?;
        if name != self.cold {
            return Ok(opened);
        }
        Ok(opened.map(|object| Arc::new(Cold(object.object().clone())) as Arc<dyn ReadAt>))
    }

    fn list(&self, prefix: &str) -> Result<Vec<(String, u64)>> {
        self.others.list(prefix)
    }
}

/// An object that would have to be recalled.
struct Cold(Object);

impl ReadAt for Cold {
    fn object(&self) -> &Object {
        &self.0
    }

    fn read_at(&self, _: u64, _: usize) -> Result<bytes::Bytes> {
        Err(Error::needs_staging(vec![self.0.href.as_str().into()]))
    }

    fn local_path(&self) -> Option<&Path> {
        None
    }
}
