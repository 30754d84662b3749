use std::sync::LazyLock;

use proptest::prelude::*;
use tempfile::TempDir;
use thermocline_model::{
    ArrayBytes, Attribute, Attributes, ByteOrder, ChunkPart, ChunkRef, ChunkTableBuilder, Codec, DataType,
    Dimension, Encoding, Field, Group, NbitType, Note, Number, NumberType, ObjectIdentity, Place, Refusal,
    Storage, StoredNumber, StringPadding, Variable, Verification,
};

use super::*;
use crate::manifest::ManifestStorage;

const KEY: &str = "object auto /archive/a.nc";

fn object() -> Object {
    let identity = ObjectIdentity::Modified { mtime_ns: 1_700_000_000_123_456_789, inode: 7 };
    Object { href: "/archive/a.nc".to_owned(), len_bytes: 1 << 40, identity }
}

fn entry() -> IndexEntry {
    IndexEntry {
        key: KEY.to_owned(),
        source: SourceState { object: object(), listing: Some([3; 16]) },
        format: "fake".to_owned(),
        format_version: 4,
        verification: 1,
    }
}

fn variable(name: &str, table: u32) -> Variable {
    let dtype = DataType::Float { size: 4, order: ByteOrder::Big };
    let record = DataType::Compound {
        size: 12,
        fields: vec![
            Field { name: "x".to_owned(), offset: 0, dtype: DataType::Bool },
            Field {
                name: "s".to_owned(),
                offset: 4,
                dtype: DataType::FixedString { len: 8, padding: StringPadding::SpacePadded, utf8: true },
            },
        ],
    };
    let codecs = vec![
        Codec::Shuffle { element_size: 4 },
        Codec::Zlib { level: 6 },
        Codec::Nbit(NbitType::Array { size: 4, base: Box::new(NbitType::NoOp { size: 1 }) }),
        Codec::Convert {
            from: StoredNumber::Integer {
                size: 4,
                order: ByteOrder::Little,
                signed: true,
                precision: 24,
                bit_offset: 3,
            },
            to: record.clone(),
        },
        Codec::Szip { client_data: [1, 2, 3, 4] },
    ];
    let mut attrs = Attributes::new();
    attrs.set("units", Attribute::Text("°C".to_owned()));
    attrs.set("range", Attribute::number(NumberType::F64, Number::Float(f64::INFINITY)));
    attrs.set("big", Attribute::number(NumberType::U64, Number::Integer(i128::from(u64::MAX))));
    attrs.set("names", Attribute::Texts(vec![String::new(), "b".to_owned()]));
    Variable {
        name: name.to_owned(),
        dims: vec!["time".to_owned()],
        shape: vec![10],
        dtype: dtype.clone(),
        fill: Some(ArrayBytes::Fixed(vec![0x7f, 0xc0, 0, 1])),
        attrs,
        storage: Storage {
            chunk_shape: vec![2],
            served_chunk_shape: vec![4],
            encodings: vec![Encoding { dtype, codecs }, Encoding { dtype: record, codecs: vec![] }],
            table,
            source_path: format!("/g/{name}"),
        },
        verification: Verification::Verified { n_chunks: 5 },
    }
}

fn indexed() -> Indexed {
    let mut full = ChunkTableBuilder::new();
    for position in 0..5 {
        let part = ChunkPart { place: Place::Object(0), encoding: 0, filter_mask: 0, is_short: false };
        full.push(position, ChunkRef { part, offset: 4096 + position * 100, len_bytes: 90 });
    }
    let mut sparse = ChunkTableBuilder::new();
    let part = ChunkPart { place: Place::Inline, encoding: 1, filter_mask: 2, is_short: true };
    sparse.push(3, ChunkRef { part, offset: 70_000, len_bytes: 1000 });
    let part = ChunkPart { place: Place::Format(1), ..part };
    sparse.push(4, ChunkRef { part, offset: 0, len_bytes: 0 });
    let inner = Group { name: "g".to_owned(), variables: vec![variable("b", 1)], ..Group::default() };
    let root = Group {
        dims: vec![Dimension { name: "time".to_owned(), len: 10, is_unlimited: true }],
        variables: vec![variable("a", 0)],
        groups: vec![inner],
        ..Group::default()
    };
    let other = Object { identity: ObjectIdentity::ETag("\"x\"".to_owned()), ..object() };
    let dataset = Dataset {
        root,
        objects: vec![object(), other],
        refusals: vec![Refusal {
            path: "g/c".to_owned(),
            reason: "opaque".to_owned(),
            dtype: "opaque".to_owned(),
            shape: vec![],
        }],
        notes: vec![Note { path: "g".to_owned(), note: "dangling link".to_owned() }],
    };
    let inline = (0..150_000_u32).map(|i| (i % 251) as u8).collect();
    Indexed { dataset, tables: vec![full.build(), sparse.build()], inline }
}

fn store(dir: &TempDir) -> IndexStore {
    IndexStore::open(IndexSettings::new(dir.path())).unwrap()
}

/// Everything that can be read of a source: `None` where the index says that it cannot.
#[derive(Debug, PartialEq)]
struct Content {
    dataset: Dataset,
    tables: Vec<Option<ChunkTable>>,
    inline: Vec<Option<Vec<u8>>>,
}

fn content(stored: Stored) -> Content {
    let StoredOutcome::Indexed(dataset, storage) = stored.outcome else { panic!("a refusal") };
    let tables = (0..2).map(|n| storage.table(n).ok().map(|table| table.as_ref().clone())).collect();
    let inline = [(0, 10), (65_530, 20), (70_000, 1000), (140_000, 10_000)];
    let inline = inline.iter().map(|(at, n)| storage.inline(*at, *n).ok().map(|b| b.to_vec())).collect();
    Content { dataset, tables, inline }
}

fn whole_content() -> Content {
    let Indexed { dataset, tables, inline } = indexed();
    let part = |at: usize, n: usize| Some(inline[at..at + n].to_vec());
    Content {
        dataset,
        tables: tables.into_iter().map(Some).collect(),
        inline: vec![part(0, 10), part(65_530, 20), part(70_000, 1000), part(140_000, 10_000)],
    }
}

/// The bytes of a written index file.
static WRITTEN: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let dir = TempDir::new().unwrap();
    let store = store(&dir);
    store.save(&entry(), Ok(&indexed())).unwrap();
    fs::read(store.path(KEY)).unwrap()
});

fn store_with(bytes: &[u8]) -> (TempDir, IndexStore) {
    let dir = TempDir::new().unwrap();
    let store = store(&dir);
    fs::create_dir_all(store.path(KEY).parent().unwrap()).unwrap();
    fs::write(store.path(KEY), bytes).unwrap();
    (dir, store)
}

#[test]
fn what_was_indexed_comes_back_after_a_restart() {
    let dir = TempDir::new().unwrap();
    store(&dir).save(&entry(), Ok(&indexed())).unwrap();

    let store = store(&dir);
    assert_eq!(store.peek(KEY), Peek::Indexed);
    let stored = store.load(KEY).unwrap().unwrap();

    assert_eq!(stored.entry, entry());
    assert_eq!(content(stored), whole_content());
}

#[test]
fn a_refusal_comes_back_with_its_reason() {
    let dir = TempDir::new().unwrap();
    let store = store(&dir);
    store.save(&entry(), Err("the file is empty")).unwrap();

    assert_eq!(store.peek(KEY), Peek::Refused);
    let stored = store.load(KEY).unwrap().unwrap();
    assert!(matches!(stored.outcome, StoredOutcome::Refused(reason) if reason == "the file is empty"));
}

#[test]
fn a_source_that_was_never_indexed_or_was_removed_is_absent() {
    let dir = TempDir::new().unwrap();
    let store = store(&dir);
    assert!(store.load(KEY).unwrap().is_none());
    store.save(&entry(), Ok(&indexed())).unwrap();
    store.remove(KEY).unwrap();
    assert_eq!(store.peek(KEY), Peek::Absent);
    assert!(store.load(KEY).unwrap().is_none());
}

#[test]
fn the_same_content_has_the_same_fingerprint_and_another_has_another() {
    let dir = TempDir::new().unwrap();
    let store = store(&dir);
    let fingerprint = |indexed: &Indexed| {
        store.save(&entry(), Ok(indexed)).unwrap();
        store.load(KEY).unwrap().unwrap().fingerprint
    };
    let first = fingerprint(&indexed());
    let mut other = indexed();
    other.inline[149_999] ^= 1;
    assert_ne!(fingerprint(&other), first);
    assert_eq!(fingerprint(&indexed()), first);
}

#[test]
fn a_reader_of_a_replaced_file_is_told_and_gets_no_mixture() {
    let dir = TempDir::new().unwrap();
    let store = store(&dir);
    store.save(&entry(), Ok(&indexed())).unwrap();
    let StoredOutcome::Indexed(_, storage) = store.load(KEY).unwrap().unwrap().outcome else { panic!() };
    let mut other = indexed();
    other.inline[0] ^= 1;
    store.save(&entry(), Ok(&other)).unwrap();

    assert!(!storage.is_stale());
    let error = storage.inline(0, 10).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Changed { .. }), "{error}");
    assert!(storage.is_stale());
}

#[test]
fn a_writer_that_was_killed_leaves_the_old_state() {
    let dir = TempDir::new().unwrap();
    store(&dir).save(&entry(), Ok(&indexed())).unwrap();
    for n in [0, 10, 64, 5000, WRITTEN.len() - 1] {
        fs::write(dir.path().join("tmp").join(format!("1-{n}")), &WRITTEN[..n]).unwrap();
    }
    let stored = store(&dir).load(KEY).unwrap().unwrap();
    assert_eq!(content(stored), whole_content());
}

#[test]
fn leftovers_of_a_killed_writer_with_the_same_number_are_stepped_over() {
    let dir = TempDir::new().unwrap();
    let store = store(&dir);
    for number in 0..2000 {
        File::create(dir.path().join("tmp").join(format!("{}-{number}", std::process::id()))).unwrap();
    }
    store.save(&entry(), Ok(&indexed())).unwrap();
    assert_eq!(content(store.load(KEY).unwrap().unwrap()), whole_content());
}

#[test]
fn a_file_cut_short_anywhere_is_absent() {
    for n in (0..WRITTEN.len()).step_by(997).chain([63, 64, WRITTEN.len() - 1]) {
        let (_dir, store) = store_with(&WRITTEN[..n]);
        assert!(store.load(KEY).unwrap().is_none(), "{n} bytes");
    }
}

#[test]
fn every_damaged_byte_of_header_and_directory_makes_a_file_absent() {
    let directory = u64::from_le_bytes(WRITTEN[16..24].try_into().unwrap()) as usize;
    for at in (0..64).chain(directory..WRITTEN.len()) {
        let mut bytes = WRITTEN.clone();
        bytes[at] ^= 0x10;
        let (_dir, store) = store_with(&bytes);
        assert!(store.load(KEY).unwrap().is_none(), "byte {at}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_damaged_file_gives_nothing_or_what_was_written(at in 0..WRITTEN.len(), flip in 1_u8..=255) {
        let mut bytes = WRITTEN.clone();
        bytes[at] ^= flip;
        let (_dir, store) = store_with(&bytes);
        if let Some(stored) = store.load(KEY).unwrap() {
            let (found, whole) = (content(stored), whole_content());
            prop_assert_eq!(found.dataset, whole.dataset);
            for (found, whole) in found.tables.into_iter().zip(whole.tables) {
                prop_assert!(found.is_none() || found == whole);
            }
            for (found, whole) in found.inline.into_iter().zip(whole.inline) {
                prop_assert!(found.is_none() || found == whole);
            }
        }
    }
}

#[test]
fn a_file_of_another_source_is_absent() {
    let dir = TempDir::new().unwrap();
    let store = store(&dir);
    store.save(&entry(), Ok(&indexed())).unwrap();
    let other = "object auto /archive/b.nc";
    fs::create_dir_all(store.path(other).parent().unwrap()).unwrap();
    fs::copy(store.path(KEY), store.path(other)).unwrap();
    assert!(store.load(other).unwrap().is_none());
}

/// A header of another version with a checksum that holds.
fn with_version(bytes: &[u8], version: u32) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[8..12].copy_from_slice(&version.to_le_bytes());
    let crc32c = crc32c::crc32c(&bytes[..60]);
    bytes[60..64].copy_from_slice(&crc32c.to_le_bytes());
    bytes
}

#[test]
fn a_file_of_a_newer_version_is_absent_and_untouched() {
    let newer = with_version(&WRITTEN, VERSION + 1);
    let (_dir, store) = store_with(&newer);
    assert!(store.load(KEY).unwrap().is_none());
    assert_eq!(fs::read(store.path(KEY)).unwrap(), newer);
}

/// An invented version 0: the same file with every byte behind the header inverted.
fn version_0() -> Vec<u8> {
    let mut bytes = with_version(&WRITTEN, 0);
    bytes.iter_mut().skip(file::HEADER_BYTES).for_each(|byte| *byte = !*byte);
    bytes
}

fn from_version_0(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = with_version(bytes, 1);
    bytes.iter_mut().skip(file::HEADER_BYTES).for_each(|byte| *byte = !*byte);
    Some(bytes)
}

fn migrating(dir: &TempDir, step: fn(&[u8]) -> Option<Vec<u8>>) -> IndexStore {
    let migrations = Migrations { oldest: 0, steps: vec![step] };
    IndexStore::with_migrations(IndexSettings::new(dir.path()), migrations).unwrap()
}

#[test]
fn a_file_of_an_older_version_is_migrated_in_place() {
    let (dir, old) = store_with(&version_0());
    assert!(old.load(KEY).unwrap().is_none());

    let store = migrating(&dir, from_version_0);
    assert_eq!(store.peek(KEY), Peek::Indexed);
    assert_eq!(content(store.load(KEY).unwrap().unwrap()), whole_content());
    assert_eq!(fs::read(store.path(KEY)).unwrap(), *WRITTEN);
}

#[test]
fn a_migration_that_fails_leaves_the_file_and_counts_as_absent() {
    let (dir, _) = store_with(&version_0());
    for step in [(|_| None) as fn(&[u8]) -> _, |bytes| Some(bytes.to_vec())] {
        assert!(migrating(&dir, step).load(KEY).unwrap().is_none());
        assert_eq!(fs::read(migrating(&dir, step).path(KEY)).unwrap(), version_0());
    }
}

#[test]
fn tables_are_forgotten_when_the_budget_is_used_up_and_read_again() {
    let dir = TempDir::new().unwrap();
    let settings = IndexSettings { table_memory_bytes: 1, ..IndexSettings::new(dir.path()) };
    let store = IndexStore::open(settings).unwrap();
    store.save(&entry(), Ok(&indexed())).unwrap();
    let StoredOutcome::Indexed(_, storage) = store.load(KEY).unwrap().unwrap().outcome else { panic!() };

    assert!(storage.table_in_memory(0).is_none());
    storage.table(0).unwrap();
    assert!(storage.table_in_memory(0).is_some());
    storage.table(1).unwrap();
    assert!(storage.table_in_memory(0).is_none());
    assert_eq!(*storage.table(0).unwrap(), indexed().tables[0]);
    drop(storage);
    assert_eq!(store.table_memory_bytes(), 0);
}

#[test]
fn numbers_that_do_not_fit_together_are_never_stored() {
    let dir = TempDir::new().unwrap();
    let store = store(&dir);
    let damage: [fn(&mut Indexed); 6] = [
        |indexed| indexed.dataset.root.variables[0].storage.table = 2,
        |indexed| indexed.dataset.objects.truncate(1),
        |indexed| indexed.inline.truncate(70_999),
        |indexed| indexed.dataset.root.groups[0].variables[0].storage.encodings.truncate(1),
        |indexed| indexed.dataset.root.variables[0].shape = vec![8],
        |indexed| indexed.dataset.root.variables[0].storage.chunk_shape = vec![0],
    ];
    for (number, damage) in damage.iter().enumerate() {
        let mut indexed = indexed();
        damage(&mut indexed);
        let error = store.save(&entry(), Ok(&indexed)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Internal, "{number}: {error}");
    }
    assert!(store.load(KEY).unwrap().is_none());
}

#[test]
fn a_long_reason_is_cut_between_characters() {
    let dir = TempDir::new().unwrap();
    let store = store(&dir);
    store.save(&entry(), Err(&"é".repeat(10_000))).unwrap();
    let StoredOutcome::Refused(reason) = store.load(KEY).unwrap().unwrap().outcome else { panic!() };
    assert_eq!(reason.len(), 4096);
}
