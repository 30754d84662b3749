//! Stores written by hand.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use serde_json::{Value, json};
use tempfile::TempDir;
use thermocline_core::format::{Format, Indexed, Limits, OpenOther, ReadAt, Region, Source};
use thermocline_core::{Error, ErrorKind, Result};
use thermocline_format_zarr::ZarrFormat;
use thermocline_model::{ArrayBytes, Attribute, Object, Place};
use thermocline_testkit::{LocalFile, conformance, decode_all, mutate};
use tokio::runtime::Runtime;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());

/// A store in a directory of its own.
struct Store {
    directory: TempDir,
    marker: &'static str,
}

impl Store {
    fn new(marker: &'static str) -> Self {
        Self { directory: TempDir::new().unwrap(), marker }
    }

    fn with(self, name: &str, bytes: impl AsRef<[u8]>) -> Self {
        let path = self.directory.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
        self
    }

    fn document(self, name: &str, document: &Value) -> Self {
        self.with(name, document.to_string())
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join(self.marker)
    }

    fn index(&self) -> Result<Indexed> {
        LocalFile::open(&self.path(), RUNTIME.handle())
            .unwrap()
            .with_source(|source| ZarrFormat.index(source))
    }

    /// Every stored chunk: path, index, values.
    fn chunks(&self) -> BTreeMap<(String, Vec<u64>), ArrayBytes> {
        LocalFile::open(&self.path(), RUNTIME.handle()).unwrap().with_source(|source| {
            let indexed = ZarrFormat.index(source).unwrap();
            let decoded = decode_all(&ZarrFormat, source, &indexed);
            decoded.into_iter().map(|(path, index, values)| ((path, index), values.unwrap())).collect()
        })
    }
}

fn zarray(shape: &[u64], chunks: &[u64], dtype: &Value) -> Value {
    json!({
        "zarr_format": 2, "shape": shape, "chunks": chunks, "dtype": dtype, "order": "C",
        "fill_value": 0, "filters": null, "compressor": null,
    })
}

fn zarr_json(shape: &[u64], chunks: &[u64], codecs: &Value) -> Value {
    json!({
        "zarr_format": 3, "node_type": "array", "shape": shape, "data_type": "uint8",
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": chunks}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": 9, "codecs": codecs, "attributes": {"units": "1"}, "dimension_names": ["y", "x"],
    })
}

fn key(path: &str, index: &[u64]) -> (String, Vec<u64>) {
    (path.to_owned(), index.to_vec())
}

fn bytes(values: &[u8]) -> ArrayBytes {
    ArrayBytes::Fixed(values.to_vec())
}

/// A group with an array of 3 by 4 bytes in chunks of 2 by 2, one of which was never written.
fn version_2() -> Store {
    Store::new(".zgroup")
        .document(".zgroup", &json!({"zarr_format": 2}))
        .with(".zattrs", r#"{"title": "t"}"#)
        .document("v/.zarray", &zarray(&[3, 4], &[2, 2], &json!("|u1")))
        .document("v/.zattrs", &json!({"_ARRAY_DIMENSIONS": ["y", "x"], "units": "K"}))
        .with("v/0.0", [1, 2, 3, 4])
        .with("v/0.1", [5, 6, 7, 8])
        .with("v/1.1", [9, 10, 0, 0])
        .with("v/2.0", [0; 4])
        .with("v/README", "not a chunk")
        .document("g/h/.zgroup", &json!({"zarr_format": 2}))
}

#[test]
fn chunks_of_version_2_are_objects_and_missing_ones_are_absent() {
    let store = version_2();
    conformance::format(&ZarrFormat, &store.path(), RUNTIME.handle()).unwrap();
    let expected = [
        (key("v", &[0, 0]), bytes(&[1, 2, 3, 4])),
        (key("v", &[0, 1]), bytes(&[5, 6, 7, 8])),
        (key("v", &[1, 1]), bytes(&[9, 10, 0, 0])),
    ];
    assert_eq!(store.chunks(), BTreeMap::from(expected));
    let indexed = store.index().unwrap();
    assert!(indexed.tables[0].iter().all(|(_, chunk)| matches!(chunk.part.place, Place::Object(1..))));
    assert_eq!(indexed.dataset.root.variables[0].dims, ["y", "x"]);
    assert!(indexed.dataset.root.group("g/h").is_some());
}

#[test]
fn attributes_may_hold_bare_nan_as_python_writes_it() {
    let indexed = version_2().with(".zattrs", r#"{"limit": NaN, "name": "NaN"}"#).index().unwrap();
    let limit = indexed.dataset.root.attrs.get("limit").and_then(Attribute::as_number);
    assert!(limit.is_some_and(|limit| limit.as_f64().is_nan()));
    assert_eq!(indexed.dataset.root.attrs.text("name"), Some("NaN"));
}

#[test]
fn documents_that_consolidated_metadata_lacks_are_read_too() {
    let consolidated = json!({"zarr_consolidated_format": 1, "metadata": {
        ".zgroup": {"zarr_format": 2},
        "v/.zarray": zarray(&[3, 4], &[2, 2], &json!("|u1")),
    }});
    let store = version_2()
        .document(".zmetadata", &consolidated)
        .document("w/.zarray", &zarray(&[2], &[2], &json!("|u1")))
        .with("w/0", [1, 2]);
    let indexed = store.index().unwrap();
    let names: Vec<&str> =
        indexed.dataset.root.variables.iter().map(|variable| variable.name.as_str()).collect();
    assert_eq!(names, ["v", "w"]);
    assert_eq!(indexed.dataset.root.variables[0].dims, ["y", "x"]);
}

/// A shard of two by two inner chunks of 1 by 2 bytes, of which one was never written.
fn shard(index_first: bool) -> Vec<u8> {
    let base: u64 = if index_first { 68 } else { 0 };
    let entries = [(base, 2), (base + 2, 2), (u64::MAX, u64::MAX), (base + 4, 2)];
    let mut index: Vec<u8> = entries
        .iter()
        .flat_map(|(offset, len): &(u64, u64)| [offset.to_le_bytes(), len.to_le_bytes()].concat())
        .collect();
    index.extend(crc32c::crc32c(&index).to_le_bytes());
    let values = vec![1, 2, 3, 4, 5, 6];
    if index_first { [index, values].concat() } else { [values, index].concat() }
}

fn sharded(location: &str) -> Store {
    let inner = json!([{"name": "bytes"}]);
    let index_codecs = json!([{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "crc32c"}]);
    let codecs = json!([{"name": "sharding_indexed", "configuration": {
        "chunk_shape": [1, 2], "codecs": inner, "index_codecs": index_codecs, "index_location": location,
    }}]);
    Store::new("zarr.json")
        .document("zarr.json", &json!({"zarr_format": 3, "node_type": "group", "attributes": {}}))
        .document("v/zarr.json", &zarr_json(&[3, 8], &[2, 4], &codecs))
        .with("v/c/0/1", shard(location == "start"))
}

#[test]
fn inner_chunks_of_shards_are_byte_ranges() {
    for location in ["start", "end"] {
        let store = sharded(location);
        conformance::format(&ZarrFormat, &store.path(), RUNTIME.handle()).unwrap();
        let expected = [
            (key("v", &[0, 2]), bytes(&[1, 2])),
            (key("v", &[0, 3]), bytes(&[3, 4])),
            (key("v", &[1, 3]), bytes(&[5, 6])),
        ];
        assert_eq!(store.chunks(), BTreeMap::from(expected), "{location}");
        let variable = &store.index().unwrap().dataset.root.variables[0];
        assert_eq!(variable.storage.chunk_shape, [1, 2]);
        assert_eq!(variable.fill, Some(bytes(&[9])));
    }
}

#[test]
fn an_array_whose_shard_index_is_damaged_is_refused() {
    let mut damaged = shard(false);
    damaged[10] ^= 1;
    let indexed = sharded("end").with("v/c/0/1", damaged).index().unwrap();
    assert!(indexed.dataset.refusals[0].reason.contains("checksum"), "{:?}", indexed.dataset.refusals);
    let short = sharded("end").with("v/c/0/1", [1, 2, 3]).index().unwrap();
    assert!(short.dataset.refusals[0].reason.contains("too few"), "{:?}", short.dataset.refusals);
}

#[test]
fn numpy_texts_are_decoded_and_kept() {
    let ucs4 = |text: &str| text.chars().flat_map(|c| u32::from(c).to_be_bytes()).collect::<Vec<u8>>();
    let store = Store::new(".zarray")
        .document(".zarray", &zarray(&[3], &[2], &json!(">U2")))
        .with("0", [ucs4("añ"), ucs4("b\0")].concat())
        .with("1", [ucs4("京\0"), ucs4("\0\0")].concat());
    let texts = |texts: [&str; 2]| ArrayBytes::Texts(texts.map(str::to_owned).to_vec());
    let expected = [(key("array", &[0]), texts(["añ", "b"])), (key("array", &[1]), texts(["京", ""]))];
    assert_eq!(store.chunks(), BTreeMap::from(expected));
    let no_character = store.with("0", [0xff; 16]).index().unwrap();
    assert!(no_character.dataset.refusals[0].reason.contains("no character"));
}

#[test]
fn arrays_that_cannot_be_served_are_refused_alone() {
    let mut foreign = zarray(&[2], &[2], &json!("|u1"));
    foreign["compressor"] = json!({"id": "no-such-codec"});
    let store = version_2()
        .document("foreign/.zarray", &foreign)
        .with("foreign/0", [1, 2])
        .document("object/.zarray", &zarray(&[2], &[2], &json!("|O")))
        .with("broken/.zarray", "{");
    let indexed = store.index().unwrap();
    let refused: Vec<&str> = indexed.dataset.refusals.iter().map(|refusal| refusal.path.as_str()).collect();
    assert_eq!(refused, ["object", "foreign"]);
    assert!(indexed.dataset.notes.iter().any(|note| note.path == "broken/.zarray"));
    assert_eq!(indexed.dataset.root.variables.len(), 1);
}

/// Every stored chunk with its kind of error, if it has one.
fn failures(store: &Store) -> Vec<(Vec<u64>, Option<ErrorKind>)> {
    LocalFile::open(&store.path(), RUNTIME.handle()).unwrap().with_source(|source| {
        let indexed = ZarrFormat.index(source).unwrap();
        assert!(indexed.dataset.notes.iter().any(|note| note.note.contains("cannot be read")));
        let decoded = decode_all(&ZarrFormat, source, &indexed).into_iter();
        decoded.map(|(_, index, values)| (index, values.err().map(|error| error.kind()))).collect()
    })
}

#[test]
fn a_chunk_of_the_wrong_length_lies_where_no_bytes_are_and_its_neighbours_are_served() {
    for damaged in [&[1, 2][..], &[1, 2, 3, 4, 5], &[]] {
        let store = version_2().with("v/0.1", damaged);
        let expected = [(vec![0, 0], None), (vec![0, 1], Some(ErrorKind::Corrupt)), (vec![1, 1], None)];
        assert_eq!(failures(&store), expected);
        let indexed = store.index().unwrap();
        let chunk = indexed.tables[0].get(1).unwrap();
        let Place::Object(number) = chunk.part.place else { panic!("in an object") };
        let object = &indexed.dataset.objects[number as usize];
        assert!(chunk.offset + u64::from(chunk.len_bytes) > object.len_bytes);
    }
}

#[test]
fn an_inner_chunk_of_the_wrong_length_fails_alone() {
    let mut shard = shard(false);
    let index_at = shard.len() - 68;
    shard[index_at + 8..index_at + 16].copy_from_slice(&1_u64.to_le_bytes());
    let checksum = crc32c::crc32c(&shard[index_at..index_at + 64]).to_le_bytes();
    shard[index_at + 64..].copy_from_slice(&checksum);
    let store = sharded("end").with("v/c/0/1", shard);
    let expected = [(vec![0, 2], Some(ErrorKind::Corrupt)), (vec![0, 3], None), (vec![1, 3], None)];
    assert_eq!(failures(&store), expected);
}

#[test]
fn an_array_whose_attributes_cannot_be_read_is_refused_and_a_group_goes_on_without() {
    for damaged in [r#"{"_ARRAY_DIMENSIONS": ["y", "x"], "scale_fac"#, "[1]", "\"scale_factor\""] {
        let indexed = version_2().with("v/.zattrs", damaged).with(".zattrs", "{").index().unwrap();
        let [refusal] = indexed.dataset.refusals.as_slice() else { panic!("one refusal for {damaged}") };
        assert_eq!(refusal.path, "v");
        assert!(refusal.reason.contains("attributes"), "{}", refusal.reason);
        assert!(indexed.dataset.root.variables.is_empty());
        assert!(indexed.dataset.notes.iter().any(|note| note.path == ".zattrs"));
    }
}

/// Objects in memory, as a web server has them: they can be asked for, not listed.
struct Unlisted(BTreeMap<&'static str, Vec<u8>>);

struct InMemory(Object, Vec<u8>);

impl ReadAt for InMemory {
    fn object(&self) -> &Object {
        &self.0
    }

    fn read_at(&self, offset: u64, len_bytes: usize) -> Result<bytes::Bytes> {
        let range = self.1.get(offset as usize..offset as usize + len_bytes);
        range.map(bytes::Bytes::copy_from_slice).ok_or_else(|| Error::corrupt("short"))
    }

    fn local_path(&self) -> Option<&Path> {
        None
    }
}

impl OpenOther for Unlisted {
    fn open(&self, name: &str) -> Result<Option<Arc<dyn ReadAt>>> {
        let name = name.strip_prefix("https://host/").unwrap_or(name);
        Ok(self.0.get(name).map(|content| {
            let object = Object {
                href: format!("https://host/{name}"),
                len_bytes: content.len() as u64,
                identity: thermocline_model::ObjectIdentity::ETag("e".to_owned()),
            };
            Arc::new(InMemory(object, content.clone())) as Arc<dyn ReadAt>
        }))
    }

    fn list(&self, _prefix: &str) -> Result<Vec<(String, u64)>> {
        Err(Error::unsupported("a web server cannot be listed"))
    }
}

/// Consolidated metadata of an array `v`, in a place that cannot be listed.
fn unlisted(zarray: &Value, chunks: &[(&'static str, Vec<u8>)]) -> Unlisted {
    let group = json!({"zarr_format": 2}).to_string().into_bytes();
    let consolidated = json!({"zarr_consolidated_format": 1, "metadata": {
        ".zgroup": {"zarr_format": 2},
        "many/.zarray": self::zarray(&[20_000], &[1], &json!("|u1")),
        "v/.zarray": zarray,
    }});
    let documents = [(".zgroup", group), (".zmetadata", consolidated.to_string().into_bytes())];
    Unlisted(documents.into_iter().chain(chunks.iter().cloned()).collect())
}

fn source<'a>(others: &'a Unlisted, limits: &'a Limits) -> Source<'a> {
    let marker = [".zgroup", "zarr.json"].iter().find_map(|name| others.open(name).unwrap());
    Source { object: marker.unwrap(), others, limits }
}

#[test]
fn a_store_that_cannot_be_listed_is_asked_for_every_chunk() {
    let others = unlisted(&zarray(&[3, 4], &[2, 2], &json!("|u1")), &[("v/0.1", vec![5, 6, 7, 8])]);
    let indexed = ZarrFormat.index(&source(&others, &Limits::default())).unwrap();
    let places: Vec<Place> = indexed.tables[0].iter().map(|(_, chunk)| chunk.part.place).collect();
    assert_eq!(places, [Place::Format(0), Place::Object(1), Place::Format(0), Place::Format(0)]);
    assert_eq!(indexed.dataset.refusals[0].path, "many");
}

#[test]
fn a_chunk_that_was_absent_is_asked_for_again_whenever_it_is_read() {
    let limits = Limits::default();
    let mut others = unlisted(&zarray(&[3, 4], &[2, 2], &json!("|u1")), &[]);
    let indexed = ZarrFormat.index(&source(&others, &limits)).unwrap();
    let variable = &indexed.dataset.root.variables[0];
    let region = Region { start: vec![2, 0], shape: vec![2, 2] };
    let decoded = |others: &Unlisted| ZarrFormat.decode(&source(others, &limits), variable, &region);
    assert_eq!(decoded(&others).unwrap(), bytes(&[0; 4]));
    others.0.insert("v/1.0", vec![1, 2, 3, 4]);
    assert_eq!(decoded(&others).unwrap(), bytes(&[1, 2, 3, 4]));
    others.0.insert("v/1.0", vec![1, 2, 3]);
    assert_eq!(decoded(&others).unwrap_err().kind(), ErrorKind::Corrupt);
    let others = unlisted(&zarray(&[3, 4], &[2, 4], &json!("|u1")), &[]);
    assert!(matches!(decoded(&others).unwrap_err().kind(), ErrorKind::Changed { .. }));
}

#[test]
fn an_inner_chunk_that_was_absent_is_asked_for_again_too() {
    let limits = Limits::default();
    let store = sharded("end");
    let array: Value =
        serde_json::from_slice(&std::fs::read(store.directory.path().join("v/zarr.json")).unwrap()).unwrap();
    let root = json!({"zarr_format": 3, "node_type": "group", "attributes": {},
        "consolidated_metadata": {"metadata": {"v": array}}});
    let mut others = Unlisted(BTreeMap::from([("zarr.json", root.to_string().into_bytes())]));
    let indexed = ZarrFormat.index(&source(&others, &limits)).unwrap();
    let variable = &indexed.dataset.root.variables[0];
    let decoded = |others: &Unlisted, start: [u64; 2]| {
        let region = Region { start: start.to_vec(), shape: vec![1, 2] };
        ZarrFormat.decode(&source(others, &limits), variable, &region).unwrap()
    };
    assert_eq!(decoded(&others, [1, 6]), bytes(&[9, 9]));
    others.0.insert("v/c/0/1", shard(false));
    assert_eq!(decoded(&others, [1, 6]), bytes(&[5, 6]));
    assert_eq!(decoded(&others, [1, 4]), bytes(&[9, 9]));
}

#[test]
fn a_coordinate_with_absent_chunks_is_not_kept_as_it_is() {
    let limits = Limits::default();
    let mut others = unlisted(&zarray(&[4], &[2], &json!("|u1")), &[]);
    let document = String::from_utf8(others.0[".zmetadata"].clone()).unwrap();
    let dims = json!({"_ARRAY_DIMENSIONS": ["v"]});
    let document = document.replace("\"v/.zarray\"", &format!("\"v/.zattrs\":{dims},\"v/.zarray\""));
    others.0.insert(".zmetadata", document.into_bytes());
    let indexed = ZarrFormat.index(&source(&others, &limits)).unwrap();
    let variable = &indexed.dataset.root.variables[0];
    let table = &indexed.tables[variable.storage.table as usize];
    assert!(table.iter().all(|(_, chunk)| chunk.part.place == Place::Format(0)));
    assert!(indexed.dataset.notes[0].note.contains("may arrive at any time"));
}

#[test]
fn damaged_stores_are_errors_and_nothing_worse() {
    let documents =
        [("v/.zarray", version_2()), ("v/zarr.json", sharded("end")), ("v/c/0/1", sharded("start"))];
    for (name, store) in documents {
        let sound = std::fs::read(store.directory.path().join(name)).unwrap();
        let mut store = store;
        for seed in 0..700 {
            store = store.with(name, mutate(&sound, seed));
            LocalFile::open(&store.path(), RUNTIME.handle()).unwrap().with_source(|source| {
                if let Ok(indexed) = ZarrFormat.index(source) {
                    decode_all(&ZarrFormat, source, &indexed);
                }
            });
        }
    }
}
