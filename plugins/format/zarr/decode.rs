//! Chunks that were absent from a store that cannot be listed: the store is asked for them again.

use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use thermocline_codec::{fill_chunk, region};
use thermocline_core::format::{Indexed, Region, Source};
use thermocline_core::read::decode_chunk;
use thermocline_core::{Error, ErrorKind, Result};
use thermocline_model::{ArrayBytes, ChunkRef, Encoding, Place, Variable};
use thermocline_zarr::parse::{ArrayMetadata, Elements, array_v2, array_v3};

use crate::chunks::{ObjectNumbers, StoredObject, member_name};
use crate::index::stored_table;
use crate::store::Store;

/// When to ask again for a store that is not what was indexed.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// The values of one chunk: what the store has of it by now, else fill.
///
/// # Errors
/// [`ErrorKind::Changed`] when the array is not what was indexed, and what reading says.
pub(crate) fn decode(source: &Source<'_>, variable: &Variable, region: &Region) -> Result<ArrayBytes> {
    let path = variable.storage.source_path.as_str();
    let changed = || {
        let message = format!("array {path:?} is not what was indexed");
        Error::new(ErrorKind::Changed { retry_after: RETRY_AFTER }, message)
    };
    let mut store = Store::unlisted(source);
    let array = metadata(&mut store, path)?.ok_or_else(changed)?;
    if array.chunk_shape != variable.storage.chunk_shape || array.chunk_shape != region.shape {
        return Err(changed());
    }
    if !is_stored_as(&array, variable) {
        return Err(changed());
    }
    let index: Vec<u64> = divided(&region.start, &array.chunk_shape);
    let grid = array.grid().ok_or_else(changed)?;
    let linear = grid.linear(&index).ok_or_else(changed)?;
    let found = match stored_object(&store, path, &array, &region.start)?.ok_or_else(changed)? {
        Some(object) => stored_chunk(&store, path, &array, object, linear)?,
        None => None,
    };
    let max_bytes = source.limits.chunk_bytes;
    match found {
        Some((chunk, bytes)) => decode_chunk(variable, &chunk, &bytes, max_bytes),
        None => {
            let n_elements = region::n_elements(&region.shape)?;
            Ok(fill_chunk(&variable.dtype, variable.fill.as_ref(), n_elements))
        }
    }
}

/// True unless elements are of another type, or encoded otherwise, than when the array was indexed.
fn is_stored_as(array: &ArrayMetadata, variable: &Variable) -> bool {
    let Elements::Plain { dtype, fill } = &array.elements else { return true };
    let is_encoded_so = |encoding: &Encoding| encoding.dtype == *dtype && encoding.codecs == array.codecs;
    *dtype == variable.dtype
        && *fill == variable.fill
        && variable.storage.encodings.first().is_some_and(is_encoded_so)
}

fn divided(start: &[u64], shape: &[u64]) -> Vec<u64> {
    start.iter().zip(shape).map(|(start, length)| start / (*length).max(1)).collect()
}

/// The object that would hold the chunk with the element `start`, if it is there; the outer `None` if the
/// array has no such chunk.
fn stored_object(
    store: &Store<'_>,
    path: &str,
    array: &ArrayMetadata,
    start: &[u64],
) -> Result<Option<Option<StoredObject>>> {
    let Some(grid) = array.object_grid() else { return Ok(None) };
    let index = divided(start, grid.chunk_shape());
    let Some(linear) = grid.linear(&index) else { return Ok(None) };
    let name = member_name(path, &array.keys.key(&index));
    let found = store.object(&name)?;
    Ok(Some(found.map(|found| StoredObject { linear, name, object: found.object().clone() })))
}

/// A chunk with its stored bytes, if the object holds it.
fn stored_chunk(
    store: &Store<'_>,
    path: &str,
    array: &ArrayMetadata,
    object: StoredObject,
    linear: u64,
) -> Result<Option<(ChunkRef, Bytes)>> {
    let (mut indexed, mut numbers) = (Indexed::default(), ObjectNumbers::default());
    let objects = [object];
    let table = stored_table(store, path, array, &objects, (&mut indexed, &mut numbers))?;
    let ([object], Some(chunk)) = (&objects, table.get(linear)) else { return Ok(None) };
    let len_bytes = chunk.len_bytes as usize;
    let bytes = match chunk.part.place {
        Place::Inline => {
            let bytes = indexed.inline.get(chunk.offset as usize..).and_then(|rest| rest.get(..len_bytes));
            bytes.map(Bytes::copy_from_slice).ok_or_else(|| Error::internal("inline bytes are missing"))?
        }
        _ => {
            let opened = store.object(&object.name)?;
            let gone = || Error::corrupt(format!("{} was there a moment ago", object.name));
            opened.ok_or_else(gone)?.read_at(chunk.offset, len_bytes)?
        }
    };
    Ok(Some((chunk, bytes)))
}

/// What the documents say of an array: its own, else consolidated ones.
fn metadata(store: &mut Store<'_>, path: &str) -> Result<Option<ArrayMetadata>> {
    let is_v3 = store.source().object.object().href.ends_with("zarr.json");
    let (own, root, members) = if is_v3 {
        ("zarr.json", "zarr.json", &["consolidated_metadata", "metadata"][..])
    } else {
        (".zarray", ".zmetadata", &["metadata"][..])
    };
    let name = member_name(path, own);
    let document = match store.document(&name)? {
        Some(document) => Some(document),
        None => {
            let key = if is_v3 { path } else { name.as_str() };
            let consolidated = store.document(root)?;
            let member = |value: Value, name: &&str| value.get(*name).cloned();
            let all = consolidated.and_then(|root| members.iter().try_fold(root, member));
            all.and_then(|all| all.get(key).cloned())
        }
    };
    let parsed = document.map(|document| if is_v3 { array_v3(&document) } else { array_v2(&document, None) });
    parsed.transpose().map_err(|error| Error::corrupt(format!("{name}: {error}")))
}
