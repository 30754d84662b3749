//! Where each chunk of an array lies.

use std::collections::HashMap;

use thermocline_core::format::Indexed;
use thermocline_core::{Error, ErrorKind, Result, parallel};
use thermocline_model::{ChunkGrid, ChunkPart, ChunkRef, ChunkTable, ChunkTableBuilder, Note, Object, Place};
use thermocline_zarr::parse::{ArrayMetadata, ShardIndex, Sharding};

use crate::store::Store;

/// Most objects of an array that are asked for one by one.
const MAX_PROBES: u64 = 10_000;

/// Most chunks of an array with absent ones in a store that cannot be listed.
const MAX_ASKED_AGAIN: u64 = 1 << 20;

/// An object that holds a chunk, or a shard.
pub(crate) struct StoredObject {
    /// Its position in C order in the grid of stored objects.
    pub(crate) linear: u64,
    /// Its name in the store.
    pub(crate) name: String,
    /// Its state.
    pub(crate) object: Object,
}

/// Why an array cannot be served, or why indexing must stop.
pub(crate) enum ChunksError {
    /// The array is left out.
    Refused(String),
    /// A store does not answer.
    Failed(Error),
}

impl From<Error> for ChunksError {
    /// What the store says of an object concerns the array; a store that is away concerns everything.
    fn from(error: Error) -> Self {
        match error.kind() {
            ErrorKind::Unavailable { .. } | ErrorKind::Changed { .. } | ErrorKind::Internal => {
                Self::Failed(error)
            }
            _ => Self::Refused(error.to_string()),
        }
    }
}

impl From<ChunksError> for Error {
    /// What concerns an array when it is indexed concerns the chunk when it is read.
    fn from(error: ChunksError) -> Self {
        match error {
            ChunksError::Refused(reason) => Self::corrupt(reason),
            ChunksError::Failed(error) => error,
        }
    }
}

/// The objects of an array that exist.
pub(crate) fn objects(
    store: &Store<'_>,
    path: &str,
    array: &ArrayMetadata,
) -> Result<Vec<StoredObject>, ChunksError> {
    let grid = array.object_grid().ok_or_else(|| ChunksError::Refused("no grid of chunks".to_owned()))?;
    let Some(below) = store.below(path) else {
        return probe(store, path, array, &grid);
    };
    let mut found = Vec::new();
    for (key, object) in below {
        let index = array.keys.index(key, array.shape.len());
        if let Some(linear) = index.and_then(|index| grid.linear(&index)) {
            found.push(StoredObject { linear, name: member_name(path, key), object: object.clone() });
        }
    }
    Ok(found)
}

/// The name of a key below an array.
pub(crate) fn member_name(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}/{key}") }
}

/// Asks for every object of the grid, where there is no list.
fn probe(
    store: &Store<'_>,
    path: &str,
    array: &ArrayMetadata,
    grid: &ChunkGrid,
) -> Result<Vec<StoredObject>, ChunksError> {
    let n_objects = grid.n_chunks();
    if n_objects > MAX_PROBES {
        return Err(ChunksError::Refused(format!(
            "its store cannot be listed, and {n_objects} objects are too many to ask for ({MAX_PROBES} at most)"
        )));
    }
    let positions: Vec<u64> = (0..n_objects).collect();
    let found = parallel::map(&positions, |linear| {
        let name = member_name(path, &array.keys.key(&grid.index(*linear)));
        let object = store.object(&name)?;
        Ok(object.map(|object| StoredObject { linear: *linear, name, object: object.object().clone() }))
    });
    Ok(found?.into_iter().flatten().collect())
}

/// The table of an array whose store cannot be listed: a chunk that was absent when it was asked for may
/// arrive at any time, so the store is asked for it again whenever it is read.
pub(crate) fn with_absent(array: &ArrayMetadata, table: &ChunkTable) -> Result<ChunkTable, ChunksError> {
    let n_chunks = array.grid().map_or(0, |grid| grid.n_chunks());
    if n_chunks > MAX_ASKED_AGAIN && (table.len() as u64) < n_chunks {
        return Err(ChunksError::Refused(format!(
            "its store cannot be listed, and of its {n_chunks} chunks some are absent: {MAX_ASKED_AGAIN} are the most"
        )));
    }
    let mut builder = ChunkTableBuilder::new();
    let part = ChunkPart { place: Place::Format(0), encoding: 0, filter_mask: 0, is_short: false };
    for linear in 0..n_chunks {
        let absent = ChunkRef { part, offset: 0, len_bytes: 0 };
        builder.push(linear, table.get(linear).unwrap_or(absent));
    }
    Ok(builder.build())
}

/// The chunk table of an array; its objects are added to the dataset.
pub(crate) fn table(
    store: &Store<'_>,
    path: &str,
    array: &ArrayMetadata,
    objects: &[StoredObject],
    indexed: &mut Indexed,
    numbers: &mut ObjectNumbers,
) -> Result<ChunkTable, ChunksError> {
    let mut chunks = Chunks { array, builder: ChunkTableBuilder::new(), unreadable: Vec::new() };
    for stored in objects {
        let number = numbers.number(&stored.object, indexed)?;
        match &array.sharding {
            None => chunks.push(stored, number, (stored.linear, 0, stored.object.len_bytes))?,
            Some(sharding) => chunks.push_shard(store, sharding, stored, number)?,
        }
    }
    if let Some(first) = chunks.unreadable.first() {
        let note = format!("{} chunks cannot be read: {first}", chunks.unreadable.len());
        indexed.dataset.notes.push(Note { path: path.to_owned(), note });
    }
    Ok(chunks.builder.build())
}

/// Collects the chunks of an array.
struct Chunks<'a> {
    array: &'a ArrayMetadata,
    builder: ChunkTableBuilder,
    /// What is wrong with chunks whose length alone says that they are damaged.
    unreadable: Vec<String>,
}

impl Chunks<'_> {
    /// Adds the chunk at a position with its bytes in a stored object. One that cannot be whole is made
    /// to lie beyond the end of its object: reading it is an error, and its neighbours are served.
    fn push(
        &mut self,
        stored: &StoredObject,
        number: u32,
        (linear, offset, len_bytes): (u64, u64, u64),
    ) -> Result<(), ChunksError> {
        let (mut offset, mut len_bytes) = (offset, len_bytes);
        if !self.array.may_have(len_bytes) {
            let expected = self.array.stored_chunk_bytes();
            let words = expected.map_or_else(|| "some".to_owned(), |expected| expected.to_string());
            self.unreadable.push(format!("{} has {len_bytes} bytes of a chunk of {words}", stored.name));
            (offset, len_bytes) = (stored.object.len_bytes, expected.unwrap_or(1));
        }
        let len_bytes = u32::try_from(len_bytes)
            .map_err(|_| ChunksError::Refused(format!("a chunk of {len_bytes} bytes: 4 GiB are the most")))?;
        let part = ChunkPart { place: Place::Object(number), encoding: 0, filter_mask: 0, is_short: false };
        self.builder.push(linear, ChunkRef { part, offset, len_bytes });
        Ok(())
    }

    /// Adds the inner chunks of one shard.
    fn push_shard(
        &mut self,
        store: &Store<'_>,
        sharding: &Sharding,
        stored: &StoredObject,
        number: u32,
    ) -> Result<(), ChunksError> {
        let no_grid = || ChunksError::Refused("no grid of chunks".to_owned());
        let grid = self.array.grid().ok_or_else(no_grid)?;
        let shards = self.array.object_grid().ok_or_else(no_grid)?;
        let inner = ChunkGrid::new(sharding.shard_shape.clone(), self.array.chunk_shape.clone())
            .ok_or_else(no_grid)?;
        let first: Vec<u64> = shards
            .index(stored.linear)
            .iter()
            .zip(inner.counts())
            .map(|(shard, per_shard)| shard.saturating_mul(per_shard))
            .collect();
        let bytes = index_bytes(store, sharding.index, stored, inner.n_chunks())?;
        let entries = sharding.index.entries(&bytes, stored.object.len_bytes);
        for entry in entries.map_err(|error| ChunksError::Refused(format!("{}: {error}", stored.name)))? {
            let position = inner.index(entry.position);
            let index: Vec<u64> = position.iter().zip(&first).map(|(a, b)| a.saturating_add(*b)).collect();
            // Inner chunks of a shard that reaches beyond the array have no values.
            if let Some(linear) = grid.linear(&index) {
                self.push(stored, number, (linear, entry.offset, entry.len_bytes))?;
            }
        }
        Ok(())
    }
}

fn index_bytes(
    store: &Store<'_>,
    index: ShardIndex,
    stored: &StoredObject,
    n_chunks: u64,
) -> Result<Vec<u8>, ChunksError> {
    let len_bytes = stored.object.len_bytes;
    let place = index.len_bytes(n_chunks).zip(index.offset(n_chunks, len_bytes));
    let (index_len, offset) = place.ok_or_else(|| {
        ChunksError::Refused(format!(
            "{} has {len_bytes} bytes, too few for an index of {n_chunks} chunks",
            stored.name
        ))
    })?;
    let gone = || ChunksError::Refused(format!("{} is listed and cannot be opened", stored.name));
    let object = store.object(&stored.name)?.ok_or_else(gone)?;
    Ok(object.read_at(offset, usize::try_from(index_len).map_err(|_| gone())?)?.to_vec())
}

/// Numbers of objects in the dataset, each object once.
#[derive(Default)]
pub(crate) struct ObjectNumbers {
    numbers: HashMap<String, u32>,
}

impl ObjectNumbers {
    /// Knows the objects that a dataset has already.
    pub(crate) fn new(objects: &[Object]) -> Self {
        let numbers = objects.iter().zip(0_u32..).map(|(object, number)| (object.href.clone(), number));
        Self { numbers: numbers.collect() }
    }

    /// The number of an object, which is added to the dataset if it is new.
    pub(crate) fn number(&mut self, object: &Object, indexed: &mut Indexed) -> Result<u32, ChunksError> {
        if let Some(number) = self.numbers.get(&object.href) {
            return Ok(*number);
        }
        let number = u32::try_from(indexed.dataset.objects.len())
            .map_err(|_| ChunksError::Refused("more than 2^32 objects".to_owned()))?;
        indexed.dataset.objects.push(object.clone());
        self.numbers.insert(object.href.clone(), number);
        Ok(number)
    }
}
