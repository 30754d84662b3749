use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use thermocline_model::{
    Attribute, ByteOrder, Dataset, Dimension, Object, ObjectIdentity, Storage, Verification,
};

use super::*;

struct Memory {
    object: Object,
    bytes: Vec<u8>,
    n_reads: AtomicUsize,
}

impl ReadAt for Memory {
    fn object(&self) -> &Object {
        &self.object
    }

    fn read_at(&self, offset: u64, len_bytes: usize) -> Result<bytes::Bytes> {
        self.n_reads.fetch_add(1, Ordering::Relaxed);
        let start = offset as usize;
        Ok(bytes::Bytes::copy_from_slice(&self.bytes[start..start + len_bytes]))
    }

    fn local_path(&self) -> Option<&Path> {
        None
    }
}

fn memory(href: &str, len: u8) -> Arc<Memory> {
    let bytes: Vec<u8> = (0..len).collect();
    let identity = ObjectIdentity::ETag("a".to_owned());
    let object = Object { href: href.to_owned(), len_bytes: bytes.len() as u64, identity };
    Arc::new(Memory { object, bytes, n_reads: AtomicUsize::new(0) })
}

/// A variable of one-byte numbers, its chunks one after another from the first byte of the object.
fn variable(
    name: &str,
    dims: &[&str],
    shape: &[u64],
    chunk_shape: &[u64],
    indexed: &mut Indexed,
) -> Variable {
    let mut variable = Variable {
        name: name.to_owned(),
        dims: dims.iter().map(|dim| (*dim).to_owned()).collect(),
        shape: shape.to_vec(),
        dtype: DataType::UInt { size: 1, order: ByteOrder::Little },
        fill: None,
        attrs: thermocline_model::Attributes::new(),
        storage: Storage {
            chunk_shape: chunk_shape.to_vec(),
            served_chunk_shape: chunk_shape.to_vec(),
            encodings: vec![],
            table: indexed.tables.len() as u32,
            source_path: name.to_owned(),
        },
        verification: Verification::Unverified { reason: String::new() },
    };
    variable.storage.encodings = vec![Encoding { dtype: variable.dtype.clone(), codecs: vec![] }];
    let grid = variable.stored_grid().unwrap();
    let len_bytes = grid.chunk_len().unwrap() as u32;
    let mut table = ChunkTableBuilder::new();
    for linear in 0..grid.n_chunks() {
        let part = ChunkPart { place: Place::Object(0), encoding: 0, filter_mask: 0, is_short: false };
        table.push(linear, ChunkRef { part, offset: linear * u64::from(len_bytes), len_bytes });
    }
    indexed.tables.push(table.build());
    variable
}

fn keep_all(variables: impl Fn(&mut Indexed) -> Vec<Variable>, limits: &Limits) -> Indexed {
    let mut indexed = Indexed { dataset: Dataset::default(), ..Indexed::default() };
    let variables = variables(&mut indexed);
    indexed.dataset.root.variables = variables;
    indexed.dataset.root.dims = vec![Dimension { name: "time".to_owned(), len: 5, is_unlimited: true }];
    keep_of(&mut indexed, &vec![memory("memory", 100) as Arc<dyn ReadAt>], limits);
    indexed
}

fn keep_of(indexed: &mut Indexed, objects: &dyn ObjectsByNumber, limits: &Limits) {
    let decode = |_: u32, _: &Variable, _: &Region| Err(Error::internal("not asked for"));
    keep_coordinates(indexed, &Keeping { objects, decode: &decode, limits }).unwrap();
}

#[test]
fn chunks_of_one_object_are_read_at_once() {
    let mut indexed = Indexed::default();
    indexed.dataset.root.variables = vec![variable("time", &["time"], &[100], &[1], &mut indexed)];
    let object = memory("memory", 100);
    keep_of(&mut indexed, &vec![Arc::clone(&object) as Arc<dyn ReadAt>], &Limits::default());
    assert_eq!(object.n_reads.load(Ordering::Relaxed), 1);
    assert_eq!(indexed.inline, (0..100).collect::<Vec<u8>>());
}

/// Objects that take as long to open as it takes until several are being opened.
struct Slow {
    n_opened: AtomicUsize,
    meeting: std::sync::Barrier,
}

impl OpenOther for Slow {
    fn open(&self, name: &str) -> Result<Option<Arc<dyn ReadAt>>> {
        self.n_opened.fetch_add(1, Ordering::Relaxed);
        self.meeting.wait();
        Ok(Some(memory(name, 100)))
    }

    fn list(&self, _: &str) -> Result<Vec<(String, u64)>> {
        Err(Error::unsupported("not asked for"))
    }
}

#[test]
fn objects_are_opened_once_each_and_side_by_side() {
    let mut indexed = Indexed::default();
    let mut time = variable("time", &["time"], &[8], &[1], &mut indexed);
    time.attrs.set("bounds", Attribute::Text("bounds".to_owned()));
    let bounds = variable("bounds", &["time", "n"], &[4, 2], &[1, 2], &mut indexed);
    indexed.dataset.root.variables = vec![time, bounds];
    for table in &mut indexed.tables {
        let mut scattered = ChunkTableBuilder::new();
        for (linear, chunk) in table.iter() {
            let part = ChunkPart { place: Place::Object((linear % 4) as u32), ..chunk.part };
            scattered.push(linear, ChunkRef { part, ..chunk });
        }
        *table = scattered.build();
    }
    let objects: Vec<Object> = (0..4).map(|n| memory(&format!("o{n}"), 100).object.clone()).collect();
    let slow = Slow { n_opened: AtomicUsize::new(0), meeting: std::sync::Barrier::new(4) };
    keep_of(&mut indexed, &OpenedByHref::new(&slow, &objects), &Limits::default());
    assert_eq!(slow.n_opened.load(Ordering::Relaxed), 4);
    assert_eq!(indexed.inline, (0..8).chain(0..8).collect::<Vec<u8>>());
}

#[test]
fn a_coordinate_in_many_chunks_becomes_one() {
    let indexed =
        keep_all(|indexed| vec![variable("time", &["time"], &[5], &[2], indexed)], &Limits::default());
    let time = &indexed.dataset.root.variables[0];
    assert_eq!(time.storage.chunk_shape, [5]);
    let chunk = indexed.tables[time.storage.table as usize].get(0).unwrap();
    assert_eq!(chunk.part.place, Place::Inline);
    assert_eq!(indexed.inline, [0, 1, 2, 3, 4]);
}

#[test]
fn coordinates_of_two_dimensions_keep_their_chunks() {
    let make = |indexed: &mut Indexed| {
        let lat = variable("lat", &["y", "x"], &[4, 4], &[2, 4], indexed);
        let mut data = variable("data", &["y", "x"], &[4, 4], &[2, 4], indexed);
        data.attrs.set("coordinates", Attribute::Text("lat missing".to_owned()));
        vec![lat, data]
    };
    let indexed = keep_all(make, &Limits::default());
    let [lat, data] = indexed.dataset.root.variables.as_slice() else { panic!("two variables") };
    assert_eq!(lat.storage.chunk_shape, [2, 4]);
    let lat = &indexed.tables[lat.storage.table as usize];
    assert!(lat.iter().all(|(_, chunk)| chunk.part.place == Place::Inline));
    assert_eq!(lat.len(), 2);
    let data = &indexed.tables[data.storage.table as usize];
    assert!(data.iter().all(|(_, chunk)| chunk.part.place == Place::Object(0)));
}

#[test]
fn bounds_become_one_chunk() {
    let make = |indexed: &mut Indexed| {
        let mut time = variable("time", &["time"], &[5], &[5], indexed);
        time.attrs.set("bounds", Attribute::Text("time_bnds".to_owned()));
        vec![time, variable("time_bnds", &["time", "n"], &[5, 2], &[1, 2], indexed)]
    };
    let indexed = keep_all(make, &Limits::default());
    assert_eq!(indexed.dataset.root.variables[1].storage.chunk_shape, [5, 2]);
}

#[test]
fn what_is_beyond_the_budget_stays_and_is_noted() {
    let limits = Limits { coordinate_bytes: 4, ..Limits::default() };
    let indexed = keep_all(|indexed| vec![variable("time", &["time"], &[5], &[2], indexed)], &limits);
    assert_eq!(indexed.dataset.root.variables[0].storage.chunk_shape, [2]);
    assert_eq!(indexed.dataset.notes.len(), 1);
}

#[test]
fn the_coordinate_of_a_dimension_that_cannot_be_read_is_left_out() {
    let make = |indexed: &mut Indexed| {
        let data = variable("data", &["time"], &[200], &[200], indexed);
        vec![variable("time", &["time"], &[200], &[100], indexed), data]
    };
    let indexed = keep_all(make, &Limits::default());
    let [data] = indexed.dataset.root.variables.as_slice() else { panic!("one variable") };
    assert_eq!(data.name, "data");
    let [refusal] = indexed.dataset.refusals.as_slice() else { panic!("one refusal") };
    assert_eq!(refusal.path, "time");
    assert!(refusal.reason.contains("beyond the end of the file"), "{}", refusal.reason);
}
