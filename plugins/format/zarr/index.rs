//! Builds the dataset and the chunk tables of a store.

use thermocline_core::coordinates::{Keeping, OpenedByHref, keep_coordinates};
use thermocline_core::format::{Indexed, Region, Source};
use thermocline_core::{Error, Result};
use thermocline_model::{ChunkTable, Codec, Variable};
use thermocline_zarr::parse::{ArrayMetadata, DatasetBuilder, Elements, NodeMetadata, StoreMetadata};

use crate::chunks::{self, ChunksError, ObjectNumbers, StoredObject};
use crate::documents;
use crate::store::Store;
use crate::texts;

/// Indexes the store of `source`.
pub(crate) fn index(source: &Source<'_>) -> Result<Indexed> {
    let mut store = Store::open(source)?;
    let metadata = documents::read(&mut store)?;
    let mut indexed = Indexed::default();
    indexed.dataset.objects.push(source.object.object().clone());
    let mut numbers = ObjectNumbers::new(&indexed.dataset.objects);
    let mut builder = DatasetBuilder::new(&metadata);
    for (path, array) in arrays(&metadata) {
        let table = indexed.tables.len() as u32;
        match array_table(&store, path, array, &mut indexed, &mut numbers) {
            Ok(()) => builder.array(path, array, table),
            Err(ChunksError::Refused(reason)) => builder.refuse(path, array, reason),
            Err(ChunksError::Failed(error)) => return Err(error),
        }
    }
    let objects = std::mem::take(&mut indexed.dataset.objects);
    let mut notes = std::mem::take(&mut indexed.dataset.notes);
    indexed.dataset = builder.build();
    indexed.dataset.notes.append(&mut notes);
    // Kept with the manifest, an absent chunk would stay absent.
    let decode = |_: u32, _: &Variable, _: &Region| {
        Err(Error::unsupported("a chunk of it is absent, and may arrive at any time"))
    };
    let opened = OpenedByHref::new(source.others, &objects);
    keep_coordinates(&mut indexed, &Keeping { objects: &opened, decode: &decode, limits: source.limits })?;
    indexed.dataset.objects = objects;
    Ok(indexed)
}

fn arrays(metadata: &StoreMetadata) -> impl Iterator<Item = (&str, &ArrayMetadata)> {
    metadata.nodes.iter().filter_map(|(path, node)| match node {
        NodeMetadata::Array(array) => Some((path.as_str(), array.as_ref())),
        NodeMetadata::Group(_) => None,
    })
}

/// Adds the chunk table of an array to the index.
fn array_table(
    store: &Store<'_>,
    path: &str,
    array: &ArrayMetadata,
    indexed: &mut Indexed,
    numbers: &mut ObjectNumbers,
) -> Result<(), ChunksError> {
    let objects = chunks::objects(store, path, array)?;
    check_codecs(store, array, &objects)?;
    let table = stored_table(store, path, array, &objects, (indexed, numbers))?;
    indexed.tables.push(if store.is_listed() { table } else { chunks::with_absent(array, &table)? });
    Ok(())
}

/// The table of the chunks that lie in some objects of an array.
pub(crate) fn stored_table(
    store: &Store<'_>,
    path: &str,
    array: &ArrayMetadata,
    objects: &[StoredObject],
    (indexed, numbers): (&mut Indexed, &mut ObjectNumbers),
) -> Result<ChunkTable, ChunksError> {
    match &array.elements {
        Elements::Ucs4 { .. } => texts::table(store, array, objects, indexed),
        _ => chunks::table(store, path, array, objects, indexed, numbers),
    }
}

/// Decodes one chunk of an array with a codec that only the Zarr library may know.
fn check_codecs(
    store: &Store<'_>,
    array: &ArrayMetadata,
    objects: &[StoredObject],
) -> Result<(), ChunksError> {
    let Elements::Plain { dtype, .. } = &array.elements else {
        return Ok(());
    };
    let is_foreign = array.codecs.iter().any(|codec| matches!(codec, Codec::Zarr { .. }));
    let Some(first) = objects.first().filter(|_| is_foreign && array.sharding.is_none()) else {
        return Ok(());
    };
    let Some(object) = store.object(&first.name)? else {
        return Ok(());
    };
    let limits = store.source().limits;
    let len_bytes = texts::stored_len(object.object().len_bytes, limits)?;
    let stored = object.read_at(0, len_bytes)?;
    let spec =
        thermocline_codec::ChunkSpec { dtype, shape: &array.chunk_shape, max_bytes: limits.chunk_bytes };
    match thermocline_codec::decode(&array.codecs, 0, &stored, &spec) {
        Err(thermocline_codec::CodecError::Unsupported { message }) => Err(ChunksError::Refused(message)),
        // A damaged chunk is an error when it is read, and no reason to hide the others.
        Ok(_) | Err(_) => Ok(()),
    }
}
