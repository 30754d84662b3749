//! Files that a file names: sources of virtual datasets, raw data, linked files. None of them may change,
//! arrive or vanish without its being noticed.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::SystemTime;

use hdf5::{File, Result as WriteResult};
use tempfile::TempDir;
use thermocline_core::format::{Format, Indexed, OpenOther, ReadAt, Region, Source, is_missing};
use thermocline_core::{ErrorKind, Result};
use thermocline_format_hdf5::Hdf5Format;
use thermocline_model::{ArrayBytes, Object, Place, Variable};
use thermocline_testkit::{LocalFile, conformance};
use tokio::runtime::Runtime;

use crate::{fill, variable};

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());

/// Numbers in each source.
const LEN: usize = 4;

/// A folder with a file `main.h5`.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new(write: impl FnOnce(&File) -> WriteResult<()>) -> Self {
        let folder = Self(TempDir::new().unwrap());
        folder.write("main.h5", write);
        folder
    }

    /// A virtual dataset `v` of `n` sources, of which only the first `n_there` are there.
    fn of_sources(n: usize, n_there: usize) -> Self {
        let folder = Self::new(|file| {
            let mut builder = file.new_dataset::<i32>().shape((n, LEN)).fill_value(-1_i32);
            for number in 0..n {
                builder = builder.with_dcpl(|list| {
                    let (from, to) = ((0..LEN,), (number, 0..LEN));
                    list.virtual_map(format!("{number}.h5"), "d", LEN, from, (n, LEN), to)
                });
            }
            builder.create("v").map(|_| ())
        });
        (0..n_there).for_each(|number| folder.write_source(number, number as i32));
        folder
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, write: impl FnOnce(&File) -> WriteResult<()>) {
        std::fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        let file = File::create(self.path(name)).unwrap();
        write(&file).unwrap();
        file.close().unwrap();
    }

    fn write_source(&self, number: usize, value: i32) {
        self.write(&format!("{number}.h5"), |file| {
            file.new_dataset_builder().with_data(&[value; LEN]).create("d").map(|_| ())
        });
    }

    pub(crate) fn open(&self) -> LocalFile {
        LocalFile::open(&self.path("main.h5"), RUNTIME.handle()).unwrap()
    }

    pub(crate) fn index(&self) -> Indexed {
        self.open().with_source(|source| Hdf5Format::default().index(source)).unwrap()
    }

    /// All of `v`, as it was indexed, read through a format that may have it open.
    pub(crate) fn read(&self, format: &Hdf5Format, indexed: &Indexed) -> Result<Vec<i32>> {
        self.open().with_source(|source| read(format, source, variable(indexed, "v")))
    }

    pub(crate) fn conforms(&self) {
        conformance::format(&Hdf5Format::default(), &self.path("main.h5"), RUNTIME.handle()).unwrap();
    }
}

fn read(format: &Hdf5Format, source: &Source<'_>, variable: &Variable) -> Result<Vec<i32>> {
    let region = Region { start: vec![0; variable.shape.len()], shape: variable.shape.clone() };
    let ArrayBytes::Fixed(bytes) = format.decode(source, variable, &region)? else { panic!("texts") };
    let numbers = bytes.chunks_exact(4).map(|bytes| i32::from_le_bytes(bytes.try_into().unwrap()));
    Ok(numbers.collect())
}

/// File names of the objects, and whether they are missing.
fn names(indexed: &Indexed) -> Vec<(&str, bool)> {
    let name = |object| Path::new(object).file_name().unwrap().to_str().unwrap();
    let objects = indexed.dataset.objects.iter();
    objects.map(|object: &Object| (name(&object.href), is_missing(object))).collect()
}

fn repeated(values: &[i32]) -> Vec<i32> {
    values.iter().flat_map(|value| [*value; LEN]).collect()
}

/// Writes a file anew; clocks of file systems are coarse, so its time is set.
fn rewrite(path: &Path, bytes: &[u8]) {
    std::fs::write(path, bytes).unwrap();
    let file = std::fs::File::options().write(true).open(path).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
}

#[track_caller]
pub(crate) fn assert_changed<T: std::fmt::Debug>(outcome: Result<T>) {
    let error = outcome.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Changed { .. }), "{error}");
}

#[test]
fn files_of_every_kind_conform() {
    Folder::new(fill).conforms();
    Folder::of_sources(3, 2).conforms();
    let external = Folder::new(write_external);
    std::fs::write(external.path("raw.bin"), [1; 16]).unwrap();
    external.conforms();
}

#[test]
fn more_sources_than_stay_open_conform() {
    Folder::of_sources(150, 150).conforms();
}

#[test]
fn sources_are_objects_of_the_dataset_missing_ones_too() {
    let indexed = Folder::of_sources(3, 2).index();
    let expected = [("main.h5", false), ("0.h5", false), ("1.h5", false), ("2.h5", true)];
    assert_eq!(names(&indexed), expected);
    let note = &indexed.dataset.notes[0];
    assert_eq!((note.path.as_str(), note.note.contains("its source in 2.h5 does not exist")), ("v", true));
}

#[test]
fn a_source_that_is_replaced_is_noticed_and_read_after_a_new_index() {
    let folder = Folder::of_sources(2, 2);
    let (format, indexed) = (Hdf5Format::default(), folder.index());
    assert_eq!(folder.read(&format, &indexed).unwrap(), repeated(&[0, 1]));

    folder.write_source(7, 77);
    std::fs::rename(folder.path("7.h5"), folder.path("1.h5")).unwrap();

    assert_changed(folder.read(&format, &indexed));
    assert_changed(folder.read(&Hdf5Format::default(), &indexed));
    assert_eq!(folder.read(&format, &folder.index()).unwrap(), repeated(&[0, 77]));
}

#[test]
fn a_source_that_is_rewritten_in_place_is_noticed() {
    let folder = Folder::of_sources(2, 2);
    let (format, indexed) = (Hdf5Format::default(), folder.index());
    folder.read(&format, &indexed).unwrap();

    let bytes = std::fs::read(folder.path("1.h5")).unwrap();
    rewrite(&folder.path("1.h5"), &bytes);

    assert_changed(folder.read(&format, &indexed));
}

#[test]
fn a_source_that_arrives_or_vanishes_is_noticed() {
    let folder = Folder::of_sources(2, 1);
    let (format, before) = (Hdf5Format::default(), folder.index());
    assert_eq!(folder.read(&format, &before).unwrap(), repeated(&[0, -1]));

    folder.write_source(1, 1);
    assert_changed(folder.read(&format, &before));
    let after = folder.index();
    assert_eq!(folder.read(&format, &after).unwrap(), repeated(&[0, 1]));
    assert_ne!(variable(&before, "v").storage.source_path, variable(&after, "v").storage.source_path);

    std::fs::remove_file(folder.path("0.h5")).unwrap();
    assert_changed(folder.read(&format, &after));
}

#[test]
fn a_source_that_changes_while_it_is_read_is_noticed() {
    let folder = Folder::of_sources(1, 1);
    let (format, indexed) = (Hdf5Format::default(), folder.index());
    let path = folder.path("0.h5");
    let bytes = std::fs::read(&path).unwrap();
    let meddler = Arc::new(Meddler { is_armed: AtomicBool::new(false), path, bytes });

    folder.open().with_source(|source| {
        let others = Meddling { others: source.others, meddler: Arc::clone(&meddler) };
        let source = Source { object: Arc::clone(&source.object), others: &others, limits: source.limits };
        assert_eq!(read(&format, &source, variable(&indexed, "v")).unwrap(), repeated(&[0]));
        meddler.is_armed.store(true, Ordering::SeqCst);
        assert_changed(read(&format, &source, variable(&indexed, "v")));
    });
}

#[test]
fn a_source_that_may_be_there_behind_damage_is_no_fill() {
    let folder = Folder::of_sources(1, 1);
    let path = folder.path("0.h5");
    let mut bytes = std::fs::read(&path).unwrap();
    let entry = bytes.windows(4).position(|window| window == b"SNOD").unwrap() + 8;
    bytes[entry..entry + 8].fill(0x7f);
    std::fs::write(&path, bytes).unwrap();
    let indexed = folder.index();
    assert!(indexed.dataset.refusals[0].reason.contains("may be a member that cannot be read"));
}

#[test]
fn files_that_exist_and_cannot_be_opened_lose_only_what_lies_in_them() {
    let folder = Folder::new(|file| {
        file.new_dataset_builder().with_data(&[1, 2]).create("here")?;
        let builder = file.new_dataset::<i32>().shape(LEN).fill_value(-1_i32);
        let builder = builder.with_dcpl(|list| list.virtual_map("broken.h5", "d", LEN, .., LEN, ..));
        builder.create("v")?;
        file.link_external("broken.h5", "d", "linked")
    });
    std::os::unix::fs::symlink("nowhere.h5", folder.path("broken.h5")).unwrap();
    let indexed = folder.index();
    assert_eq!(names(&indexed), [("main.h5", false), ("broken.h5", true)]);
    assert!(indexed.dataset.root.variable("here").is_some());
    assert!(indexed.dataset.refusals[0].reason.contains("broken.h5 cannot be opened"));
    assert_eq!(indexed.dataset.notes[0].path, "linked");
}

#[test]
fn a_file_of_nothing_but_a_link_waits_for_what_it_leads_to() {
    let folder = Folder::new(|file| file.link_external("later.h5", "d", "d"));
    assert_eq!(names(&folder.index()), [("main.h5", false), ("later.h5", true)]);
}

#[test]
fn sources_of_a_virtual_dataset_in_a_linked_folder_are_found_and_watched() {
    let folder = Folder::new(|file| file.link_external("sub/linked.h5", "v", "v"));
    folder.write("sub/linked.h5", |file| {
        let builder = file.new_dataset::<i32>().shape(LEN).fill_value(-1_i32);
        let builder = builder.with_dcpl(|list| list.virtual_map("./s.h5", "d", LEN, .., LEN, ..));
        builder.create("v").map(|_| ())
    });
    folder.write("sub/s.h5", |file| file.new_dataset_builder().with_data(&[5; LEN]).create("d").map(|_| ()));
    let indexed = folder.index();
    assert_eq!(names(&indexed), [("main.h5", false), ("linked.h5", false), ("s.h5", false)]);
    let linked = LocalFile::open(&folder.path("sub/linked.h5"), RUNTIME.handle()).unwrap();
    let format = Hdf5Format::default();
    let values = || linked.with_source(|source| read(&format, source, variable(&indexed, "v")));
    assert_eq!(values().unwrap(), [5; LEN]);
    std::fs::remove_file(folder.path("sub/s.h5")).unwrap();
    assert_changed(values());
}

/// An array whose bytes lie in two pieces, so that its chunk has no byte range.
fn write_external(file: &File) -> WriteResult<()> {
    let builder = file.new_dataset::<i32>().shape(LEN);
    let builder = builder.with_dcpl(|list| list.external("raw.bin", 0, 8).external("raw.bin", 8, 8));
    builder.create("v").map(|_| ())
}

#[test]
fn raw_data_that_change_are_noticed() {
    let folder = Folder::new(write_external);
    std::fs::write(folder.path("raw.bin"), [1; 16]).unwrap();
    let (format, indexed) = (Hdf5Format::default(), folder.index());
    let chunk = indexed.tables[variable(&indexed, "v").storage.table as usize].get(0).unwrap();
    assert!(matches!(chunk.part.place, Place::Assembled(0)));
    assert_eq!(folder.read(&format, &indexed).unwrap(), [0x0101_0101; LEN]);

    rewrite(&folder.path("raw.bin"), &[2; 16]);
    assert_changed(folder.read(&format, &indexed));
}

#[test]
fn raw_data_that_are_missing_are_an_object_that_is_waited_for() {
    let folder = Folder::new(write_external);
    let indexed = folder.index();
    assert_eq!(names(&indexed), [("main.h5", false), ("raw.bin", true)]);
    assert!(indexed.dataset.refusals[0].reason.contains("raw.bin, which does not exist"));
}

#[test]
fn linked_files_that_are_missing_or_damaged_are_objects_that_are_waited_for() {
    let folder = Folder::new(|file| {
        file.new_dataset_builder().with_data(&[1, 2]).create("v")?;
        file.link_external("gone.h5", "d", "gone")?;
        file.link_external("cut.h5", "d", "cut")
    });
    std::fs::write(folder.path("cut.h5"), b"\x89HDF\r\n\x1a\n").unwrap();
    let indexed = folder.index();
    let mut found = names(&indexed);
    found.sort_unstable();
    assert_eq!(found, [("cut.h5", false), ("gone.h5", true), ("main.h5", false)]);
    let notes: Vec<&str> = indexed.dataset.notes.iter().map(|note| note.path.as_str()).collect();
    assert_eq!(notes, ["cut", "gone"]);
}

/// Writes a file anew as soon as it is read.
struct Meddler {
    is_armed: AtomicBool,
    path: PathBuf,
    bytes: Vec<u8>,
}

/// Objects that are meddled with.
struct Meddling<'o> {
    others: &'o dyn OpenOther,
    meddler: Arc<Meddler>,
}

impl OpenOther for Meddling<'_> {
    fn open(&self, name: &str) -> Result<Option<Arc<dyn ReadAt>>> {
        let meddler = Arc::clone(&self.meddler);
        let opened = self.others.open(name)?;
        Ok(opened.map(|object| Arc::new(MeddledWith { object, meddler }) as Arc<dyn ReadAt>))
    }

    fn list(&self, prefix: &str) -> Result<Vec<(String, u64)>> {
        self.others.list(prefix)
    }
}

struct MeddledWith {
    object: Arc<dyn ReadAt>,
    meddler: Arc<Meddler>,
}

impl ReadAt for MeddledWith {
    fn object(&self) -> &Object {
        self.object.object()
    }

    fn read_at(&self, offset: u64, len_bytes: usize) -> Result<bytes::Bytes> {
        if self.meddler.is_armed.swap(false, Ordering::SeqCst) {
            rewrite(&self.meddler.path, &self.meddler.bytes);
        }
        self.object.read_at(offset, len_bytes)
    }

    fn local_path(&self) -> Option<&Path> {
        self.object.local_path()
    }
}
