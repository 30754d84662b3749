//! References written by hand and, for parquet, by fsspec's own writer.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use serde_json::{Value, json};
use tempfile::TempDir;
use thermocline_core::format::{Format, Indexed, OpenOther, ReadAt, Region, Source, is_missing};
use thermocline_core::{Error, ErrorKind};
use thermocline_format_kerchunk::KerchunkFormat;
use thermocline_model::{ArrayBytes, Place};
use thermocline_testkit::{LocalFile, conformance, decode_all};
use tokio::runtime::Runtime;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());

/// References to `data.bin`, which holds the numbers 0, 1, 2 … as int16.
fn references() -> Value {
    json!({
        "version": 1,
        "templates": {"u": "data.bin"},
        "refs": {
            ".zgroup": "{\"zarr_format\": 2}",
            "v/.zarray": zarray("<i2", &json!(-1)).to_string(),
            "v/.zattrs": "{\"_ARRAY_DIMENSIONS\": [\"x\"]}",
            "v/0": ["{{u}}", 4, 4],
            "v/1": "base64:BQAGAA==",
            "v/3": ["data.bin", 8, 4],
        },
    })
}

fn zarray(dtype: &str, fill_value: &Value) -> Value {
    json!({
        "zarr_format": 2, "shape": [8], "chunks": [2], "dtype": dtype, "order": "C",
        "fill_value": fill_value, "filters": null, "compressor": null,
    })
}

fn saved(directory: &TempDir, document: &Value) -> PathBuf {
    let numbers: Vec<u8> = (0_i16..8).flat_map(i16::to_le_bytes).collect();
    std::fs::write(directory.path().join("data.bin"), numbers).unwrap();
    let path = directory.path().join("refs.json");
    std::fs::write(&path, document.to_string()).unwrap();
    path
}

fn open(path: &Path) -> LocalFile {
    LocalFile::open(path, RUNTIME.handle()).unwrap()
}

fn index(path: &Path) -> thermocline_core::Result<Indexed> {
    open(path).with_source(|source| KerchunkFormat.index(source))
}

/// The chunks that exist, by position: their numbers, or the kind of error.
fn chunks(path: &Path) -> Vec<(u64, Result<Vec<i16>, ErrorKind>)> {
    open(path).with_source(|source| {
        let indexed = KerchunkFormat.index(source).unwrap();
        let decoded = decode_all(&KerchunkFormat, source, &indexed);
        let numbers = |values: ArrayBytes| match values {
            ArrayBytes::Fixed(bytes) => {
                bytes.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect()
            }
            ArrayBytes::Texts(_) => unreachable!("int16"),
        };
        let one = |(_, index, values): (String, Vec<u64>, thermocline_core::Result<ArrayBytes>)| {
            (index[0], values.map(numbers).map_err(|error| error.kind()))
        };
        decoded.into_iter().map(one).collect()
    })
}

#[test]
fn references_are_byte_ranges_or_kept_with_the_manifest() {
    let directory = TempDir::new().unwrap();
    let path = saved(&directory, &references());
    conformance::format(&KerchunkFormat, &path, RUNTIME.handle()).unwrap();
    assert_eq!(chunks(&path), [(0, Ok(vec![2, 3])), (1, Ok(vec![5, 6])), (3, Ok(vec![4, 5]))]);
    let indexed = index(&path).unwrap();
    let places: Vec<Place> = indexed.tables[0].iter().map(|(_, chunk)| chunk.part.place).collect();
    assert_eq!(places, [Place::Object(1), Place::Inline, Place::Object(1)]);
    assert!(indexed.dataset.objects[1].href.ends_with("/data.bin"));
    assert_eq!(indexed.dataset.root.variables[0].dims, ["x"]);
}

#[test]
fn a_missing_object_is_noted_and_its_chunks_fail() {
    let directory = TempDir::new().unwrap();
    let mut document = references();
    document["refs"]["v/1"] = json!(["gone.bin", 0, 4]);
    document["refs"]["v/2"] = json!(["gone.bin"]);
    let path = saved(&directory, &document);
    let indexed = index(&path).unwrap();
    assert!(indexed.dataset.notes.iter().any(|note| note.note.contains("gone.bin is not there")));
    let found = chunks(&path);
    assert_eq!(found.len(), 4);
    assert!(found[1].1.is_err() && found[2].1.is_err());
    assert_eq!(found[3], (3, Ok(vec![4, 5])));
}

#[test]
fn a_range_beyond_its_object_is_noted_and_fails() {
    let directory = TempDir::new().unwrap();
    let mut document = references();
    document["refs"]["v/1"] = json!(["data.bin", 14, 4]);
    document["refs"]["v/2"] = json!(["data.bin", u64::MAX - 1, 1]);
    let path = saved(&directory, &document);
    let notes = index(&path).unwrap().dataset.notes;
    assert_eq!(notes.iter().filter(|note| note.note.contains("cannot be read")).count(), 2);
    assert_eq!(chunks(&path)[1], (1, Err(ErrorKind::Corrupt)));
}

#[test]
fn a_chunk_of_the_wrong_length_is_noted_and_fails() {
    let wrong =
        [json!(["data.bin", 4, 2]), json!(["data.bin", 4, 6]), json!(["data.bin"]), json!("abc"), json!("")];
    for reference in wrong {
        let directory = TempDir::new().unwrap();
        let mut document = references();
        document["refs"]["v/1"] = reference.clone();
        let path = saved(&directory, &document);
        let notes = index(&path).unwrap().dataset.notes;
        assert_eq!(
            notes.iter().filter(|note| note.note.contains("the whole of it")).count(),
            1,
            "{reference}"
        );
        let expected = [(0, Ok(vec![2, 3])), (1, Err(ErrorKind::Corrupt)), (3, Ok(vec![4, 5]))];
        assert_eq!(chunks(&path), expected, "{reference}");
    }
}

#[test]
fn references_lead_nowhere_outside_the_roots() {
    let directory = TempDir::new().unwrap();
    let mut document = references();
    document["refs"]["v/1"] = json!(["../../../../../../etc/hostname", 0, 4]);
    document["refs"]["v/2"] = json!(["/etc/passwd", 0, 4]);
    let path = saved(&directory, &document);
    let found = chunks(&path);
    assert!(found[1].1.is_err() && found[2].1.is_err());
}

#[test]
fn arrays_that_cannot_be_served_are_refused_alone() {
    let directory = TempDir::new().unwrap();
    let mut document = references();
    for (name, array) in [("object", zarray("|O", &Value::Null)), ("texts", zarray("<U4", &Value::Null))] {
        document["refs"][format!("{name}/.zarray")] = json!(array.to_string());
    }
    document["refs"]["broken/.zarray"] = json!("{");
    let indexed = index(&saved(&directory, &document)).unwrap();
    let refused: Vec<&str> = indexed.dataset.refusals.iter().map(|refusal| refusal.path.as_str()).collect();
    assert_eq!(refused, ["object", "texts"]);
    assert!(indexed.dataset.notes.iter().any(|note| note.path == "broken/.zarray"));
    assert_eq!(indexed.dataset.root.variables.len(), 1);
}

#[test]
fn an_array_whose_attributes_cannot_be_read_is_refused() {
    let directory = TempDir::new().unwrap();
    for damaged in [json!("{\"scale_fac"), json!("[1]"), json!(["data.bin", 0, 4])] {
        let mut document = references();
        document["refs"]["v/.zattrs"] = damaged;
        let indexed = index(&saved(&directory, &document)).unwrap();
        assert!(indexed.dataset.root.variables.is_empty());
        let [refusal] = indexed.dataset.refusals.as_slice() else { panic!("one refusal") };
        assert!(refusal.reason.contains("attributes"), "{}", refusal.reason);
    }
}

#[test]
fn other_json_is_not_taken_for_references() {
    let head = references().to_string();
    assert!(KerchunkFormat.sniff(head.as_bytes(), "a.json"));
    assert!(!KerchunkFormat.sniff(head.as_bytes(), "a.txt"));
    assert!(!KerchunkFormat.sniff(br#"{"type": "Feature"}"#, "a.json"));
    let directory = TempDir::new().unwrap();
    assert_eq!(index(&saved(&directory, &json!({"refs": {}}))).unwrap_err().kind(), ErrorKind::Refused);
    assert_eq!(index(&saved(&directory, &json!([1]))).unwrap_err().kind(), ErrorKind::Refused);
}

/// A copy of references that fsspec's `LazyReferenceMapper` wrote (record size 3): chunk 0 and 2 are
/// ranges of `data.bin`, 1 is inside, 3 was never written, 4 is the whole of `whole.bin`, 5 refers to a
/// missing object, 6 and 7 have no file.
fn parquet(directory: &TempDir) -> PathBuf {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kerchunk/parquet");
    std::fs::create_dir(directory.path().join("v")).unwrap();
    for name in [".zmetadata", "v/refs.0.parq", "v/refs.1.parq"] {
        std::fs::copy(fixture.join(name), directory.path().join(name)).unwrap();
    }
    saved(directory, &json!({}));
    std::fs::write(directory.path().join("whole.bin"), [7, 0, 8, 0]).unwrap();
    directory.path().join(".zmetadata")
}

#[test]
fn parquet_references_are_read() {
    let directory = TempDir::new().unwrap();
    let path = parquet(&directory);
    let expected = [
        (0, Ok(vec![2, 3])),
        (1, Ok(vec![5, 6])),
        (2, Ok(vec![4, 5])),
        (4, Ok(vec![7, 8])),
        (5, Err(ErrorKind::Corrupt)),
    ];
    assert_eq!(chunks(&path), expected);
    let notes = index(&path).unwrap().dataset.notes;
    assert!(notes.iter().any(|note| note.note.contains("refs.2.parq")));
}

/// A directory as a plain web server has it: its files can be asked for, not listed.
struct Unlisted<'a>(&'a dyn OpenOther);

impl OpenOther for Unlisted<'_> {
    fn open(&self, name: &str) -> thermocline_core::Result<Option<Arc<dyn ReadAt>>> {
        self.0.open(name)
    }

    fn list(&self, _: &str) -> thermocline_core::Result<Vec<(String, u64)>> {
        Err(Error::unsupported("a web server cannot be listed"))
    }
}

#[test]
fn an_absent_file_of_references_is_asked_for_again_where_nothing_is_listed() {
    let directory = TempDir::new().unwrap();
    let path = parquet(&directory);
    open(&path).with_source(|source| {
        let others = Unlisted(source.others);
        let source = Source { object: Arc::clone(&source.object), others: &others, limits: source.limits };
        let indexed = KerchunkFormat.index(&source).unwrap();
        let chunk = |linear| indexed.tables[0].get(linear).map(|chunk| chunk.part.place);
        assert_eq!((chunk(3), chunk(6), chunk(7)), (None, Some(Place::Format(0)), Some(Place::Format(0))));
        assert!(indexed.dataset.objects.iter().any(is_missing));
        let variable = &indexed.dataset.root.variables[0];
        let region = Region { start: vec![12], shape: vec![2] };
        let fill = thermocline_codec::fill_chunk(&variable.dtype, variable.fill.as_ref(), 2);
        assert_eq!(KerchunkFormat.decode(&source, variable, &region).unwrap(), fill);
        let file = |n| directory.path().join(format!("v/refs.{n}.parq"));
        std::fs::copy(file(1), file(2)).unwrap();
        let error = KerchunkFormat.decode(&source, variable, &region).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Changed { .. }), "{error}");
    });
}

#[test]
fn consolidated_metadata_without_record_size_is_no_parquet_store() {
    let directory = TempDir::new().unwrap();
    let path = parquet(&directory);
    std::fs::write(&path, r#"{"metadata": {}, "zarr_consolidated_format": 1}"#).unwrap();
    assert_eq!(index(&path).unwrap_err().kind(), ErrorKind::Refused);
}

#[test]
fn damaged_documents_are_errors_and_nothing_worse() {
    let directory = TempDir::new().unwrap();
    let path = saved(&directory, &references());
    let sound = std::fs::read(&path).unwrap();
    for seed in 0..2000 {
        std::fs::write(&path, thermocline_testkit::mutate(&sound, seed)).unwrap();
        open(&path).with_source(|source| {
            if let Ok(indexed) = KerchunkFormat.index(source) {
                decode_all(&KerchunkFormat, source, &indexed);
            }
        });
    }
}

#[test]
fn damaged_parquet_is_an_error_and_nothing_worse() {
    let directory = TempDir::new().unwrap();
    let path = parquet(&directory);
    let file = directory.path().join("v/refs.0.parq");
    let sound = std::fs::read(&file).unwrap();
    for seed in 0..2000 {
        std::fs::write(&file, thermocline_testkit::mutate(&sound, seed)).unwrap();
        open(&path).with_source(|source| {
            if let Ok(indexed) = KerchunkFormat.index(source) {
                decode_all(&KerchunkFormat, source, &indexed);
            }
        });
    }
}
