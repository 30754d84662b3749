//! Keeps coordinates with the manifest: opening a dataset must not read its objects again.
//!
//! Coordinates are all that dimensions, `coordinates`, `bounds`, `grid_mapping`, `mesh` and the like name, and latitudes,
//! longitudes and times that say so themselves.
//! One-dimensional ones and bounds become one chunk each (an unlimited `time` chunked by 1 would cost
//! thousands of requests); larger ones keep their chunks, whose stored bytes are copied.

mod named;
mod stored;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use parking_lot::Mutex;
use thermocline_codec::{ChunkSpec, encode, fill_chunk, region::copy_box};
use thermocline_model::{
    ArrayBytes, ChunkPart, ChunkRef, ChunkTable, ChunkTableBuilder, Codec, DataType, Encoding, Group, Note,
    Object, Place, Refusal, Variable,
};

use crate::format::{Indexed, Limits, OpenOther, ReadAt, Region};
use crate::read::decode_chunk;
use crate::verify::clip;
use crate::{Error, ErrorKind, Result};

use named::{Named, join};

/// Decodes a region of a variable whose chunks only the format can decode; the number is that of the object.
pub type DecodeByFormat<'k> = dyn Fn(u32, &Variable, &Region) -> Result<ArrayBytes> + 'k;

/// The objects of a dataset, which may be many: a store of chunks opens only those it is asked for.
pub trait ObjectsByNumber: Sync {
    /// The object of that number.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] for a number that the dataset does not have, and what its store says.
    fn object(&self, number: u32) -> Result<Arc<dyn ReadAt>>;
}

impl ObjectsByNumber for Vec<Arc<dyn ReadAt>> {
    fn object(&self, number: u32) -> Result<Arc<dyn ReadAt>> {
        let object = self.get(number as usize).cloned();
        object.ok_or_else(|| Error::internal(format!("no object {number}")))
    }
}

/// Most objects that are kept open: coordinates of one dataset often share theirs.
const MAX_OPEN: usize = 256;

/// Objects that are opened by their hrefs when they are asked for.
pub struct OpenedByHref<'o> {
    others: &'o dyn OpenOther,
    objects: &'o [Object],
    opened: Mutex<HashMap<u32, Arc<dyn ReadAt>>>,
}

impl<'o> OpenedByHref<'o> {
    /// The objects of a dataset in the order of their numbers, to be opened by `others`.
    pub fn new(others: &'o dyn OpenOther, objects: &'o [Object]) -> Self {
        Self { others, objects, opened: Mutex::default() }
    }

    fn open(&self, number: u32) -> Result<Arc<dyn ReadAt>> {
        let known = self.objects.get(number as usize);
        let known = known.ok_or_else(|| Error::internal(format!("no object {number}")))?;
        let opened = self.others.open(&known.href).map_err(|error| match error.kind() {
            ErrorKind::Unavailable { .. } | ErrorKind::Changed { .. } | ErrorKind::Internal => error,
            _ => Error::corrupt(format!("{} cannot be opened", known.href)).with_source(error),
        })?;
        match opened {
            Some(opened) if opened.object() == known => Ok(opened),
            Some(_) => Err(Error::corrupt(format!("{} changed while it was indexed", known.href))),
            None => Err(Error::corrupt(format!("{} is not there", known.href))),
        }
    }
}

impl ObjectsByNumber for OpenedByHref<'_> {
    fn object(&self, number: u32) -> Result<Arc<dyn ReadAt>> {
        if let Some(opened) = self.opened.lock().get(&number) {
            return Ok(Arc::clone(opened));
        }
        let object = self.open(number)?;
        let mut opened = self.opened.lock();
        if opened.len() >= MAX_OPEN {
            opened.clear();
        }
        opened.insert(number, Arc::clone(&object));
        Ok(object)
    }
}

/// What keeping coordinates needs to read them.
pub struct Keeping<'k> {
    /// The objects of the dataset by number.
    pub objects: &'k dyn ObjectsByNumber,
    /// Decodes chunks of the place `Format`.
    pub decode: &'k DecodeByFormat<'k>,
    /// Bounds: how large an array may be to become one chunk, and the budget of the dataset.
    pub limits: &'k Limits,
}

/// Keeps the coordinates of a dataset with its manifest. What is beyond the budget, or damaged, stays where
/// it is and is noted; the damaged coordinate of a dimension is left out, or no client could open the dataset.
///
/// # Errors
/// Those of stores that do not answer.
pub fn keep_coordinates(indexed: &mut Indexed, keeping: &Keeping<'_>) -> Result<()> {
    let mut root = std::mem::take(&mut indexed.dataset.root);
    let named = Named::of(&root);
    let outcome = keep_group(&mut root, "", &named, indexed, keeping);
    indexed.dataset.root = root;
    outcome
}

fn keep_group(
    group: &mut Group,
    path: &str,
    named: &Named,
    indexed: &mut Indexed,
    keeping: &Keeping<'_>,
) -> Result<()> {
    let mut unreadable = HashSet::new();
    for variable in &mut group.variables {
        let variable_path = join(path, &variable.name);
        if !named.contains(&variable_path) {
            continue;
        }
        match keep(variable, named.is_bounds(&variable_path), indexed, keeping) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::Corrupt && is_index(variable) => {
                indexed.dataset.refusals.push(refusal(variable, variable_path, &error));
                unreadable.insert(variable.name.clone());
            }
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::Corrupt | ErrorKind::Unsupported | ErrorKind::TooLarge
                ) =>
            {
                let note = format!("a coordinate that is not kept with the manifest: {error}");
                indexed.dataset.notes.push(Note { path: variable_path, note });
            }
            Err(error) => return Err(error),
        }
    }
    group.variables.retain(|variable| !unreadable.contains(&variable.name));
    for child in &mut group.groups {
        let child_path = join(path, &child.name);
        keep_group(child, &child_path, named, indexed, keeping)?;
    }
    Ok(())
}

/// True for the coordinate of one dimension, which clients read to open the dataset: if it cannot be read,
/// nothing of the dataset can.
fn is_index(variable: &Variable) -> bool {
    matches!(variable.dims.as_slice(), [only] if *only == variable.name)
}

fn refusal(variable: &Variable, path: String, error: &Error) -> Refusal {
    Refusal {
        path,
        reason: format!("a coordinate that cannot be read: {error}"),
        dtype: format!("{:?}", variable.dtype),
        shape: variable.shape.clone(),
    }
}

/// Bytes that decoded values of a variable take; texts are counted when they are decoded.
fn decoded_bytes(variable: &Variable) -> Option<u64> {
    let size = variable.dtype.len_bytes().unwrap_or(4) as u64;
    variable.n_elements()?.checked_mul(size)
}

fn keep(
    variable: &mut Variable,
    is_bounds: bool,
    indexed: &mut Indexed,
    keeping: &Keeping<'_>,
) -> Result<()> {
    let table = indexed.tables.get(variable.storage.table as usize).cloned().unwrap_or_default();
    let is_inline = table.parts().iter().all(|part| part.place == Place::Inline);
    let is_one = variable.stored_grid().is_some_and(|grid| grid.n_chunks() <= 1);
    let becomes_one = variable.shape.len() <= 1 || is_bounds;
    if is_inline && (is_one || !becomes_one || table.is_empty()) {
        return Ok(());
    }
    let by_format = table.parts().iter().any(|part| part.place.is_decoded_by_format());
    let is_small = decoded_bytes(variable).is_some_and(|len| len <= keeping.limits.inline_bytes);
    if is_small && (becomes_one || by_format) {
        return keep_as_one(variable, &table, indexed, keeping);
    }
    if by_format {
        return Err(Error::new(ErrorKind::TooLarge, "it has no stored bytes and is too large to be decoded"));
    }
    copy_stored(variable, &table, indexed, keeping)
}

fn check_budget(indexed: &Indexed, len_bytes: u64, limits: &Limits) -> Result<()> {
    if (indexed.inline.len() as u64).saturating_add(len_bytes) <= limits.coordinate_bytes {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::TooLarge,
        format!("{len_bytes} bytes exceed the budget of {} bytes for coordinates", limits.coordinate_bytes),
    ))
}

/// Decodes the whole variable into one chunk without codecs.
fn keep_as_one(
    variable: &mut Variable,
    table: &ChunkTable,
    indexed: &mut Indexed,
    keeping: &Keeping<'_>,
) -> Result<()> {
    let values = decode_all(variable, table, indexed, keeping)?;
    let chunk_shape: Vec<u64> = variable.shape.iter().map(|length| (*length).max(1)).collect();
    let codecs = if variable.dtype == DataType::String { vec![Codec::VlenUtf8] } else { Vec::new() };
    let mut builder = ChunkTableBuilder::new();
    if variable.n_elements() != Some(0) {
        let spec =
            ChunkSpec { dtype: &variable.dtype, shape: &chunk_shape, max_bytes: keeping.limits.chunk_bytes };
        let bytes = encode(&codecs, values, &spec)?;
        check_budget(indexed, bytes.len() as u64, keeping.limits)?;
        builder.push(0, push_inline(indexed, &bytes, None)?);
    }
    indexed.tables.push(builder.build());
    variable.storage.served_chunk_shape.clone_from(&chunk_shape);
    variable.storage.chunk_shape = chunk_shape;
    variable.storage.encodings = vec![Encoding { dtype: variable.dtype.clone(), codecs }];
    variable.storage.table = (indexed.tables.len() - 1) as u32;
    Ok(())
}

/// Puts bytes to the inline bytes of the dataset; a stored chunk keeps how it is encoded.
fn push_inline(indexed: &mut Indexed, bytes: &[u8], stored: Option<ChunkPart>) -> Result<ChunkRef> {
    let len_bytes = u32::try_from(bytes.len()).map_err(|_| Error::internal("inline bytes beyond 4 GiB"))?;
    let offset = indexed.inline.len() as u64;
    indexed.inline.extend_from_slice(bytes);
    let plain = ChunkPart { place: Place::Inline, encoding: 0, filter_mask: 0, is_short: false };
    let part = ChunkPart { place: Place::Inline, ..stored.unwrap_or(plain) };
    Ok(ChunkRef { part, offset, len_bytes })
}

/// All values of a variable.
fn decode_all(
    variable: &Variable,
    table: &ChunkTable,
    indexed: &Indexed,
    keeping: &Keeping<'_>,
) -> Result<ArrayBytes> {
    let impossible = || Error::internal(format!("{:?} has no chunk grid", variable.name));
    let grid = variable.stored_grid().ok_or_else(impossible)?;
    let n = variable.n_elements().and_then(|n| usize::try_from(n).ok()).ok_or_else(impossible)?;
    let mut values = fill_chunk(&variable.dtype, variable.fill.as_ref(), n);
    let chunk_shape = grid.chunk_shape();
    let size = variable.dtype.len_bytes().unwrap_or(1);
    let origin = vec![0; chunk_shape.len()];
    let mut chunks = table.iter().take_while(|(linear, _)| *linear < grid.n_chunks()).peekable();
    while chunks.peek().is_some() {
        let round = stored::next_round(&mut chunks);
        let bytes = stored::read(&round, &indexed.inline, keeping.objects)?;
        for ((linear, chunk), stored) in round.iter().zip(bytes) {
            let Region { start, shape } = clip(variable, grid.start(&grid.index(*linear)));
            let decoded = match chunk.part.place {
                Place::Format(number) | Place::Assembled(number) => {
                    let region = Region { start: start.clone(), shape: chunk_shape.to_vec() };
                    (keeping.decode)(number, variable, &region)?
                }
                _ => decode_chunk(variable, chunk, &stored, keeping.limits.chunk_bytes)?,
            };
            copy_box(&decoded, chunk_shape, &origin, &mut values, &variable.shape, &start, &shape, size)?;
        }
    }
    Ok(values)
}

/// Copies the stored bytes of all chunks; a table that cannot be copied whole is left as it is.
fn copy_stored(
    variable: &mut Variable,
    table: &ChunkTable,
    indexed: &mut Indexed,
    keeping: &Keeping<'_>,
) -> Result<()> {
    check_budget(indexed, table.stored_bytes(), keeping.limits)?;
    let before = indexed.inline.len();
    let mut builder = ChunkTableBuilder::new();
    let mut chunks = table.iter().peekable();
    while chunks.peek().is_some() {
        let round = stored::next_round(&mut chunks);
        let copied = stored::read(&round, &indexed.inline, keeping.objects).and_then(|bytes| {
            let pairs = round.iter().zip(bytes);
            pairs.map(|((_, chunk), bytes)| push_inline(indexed, &bytes, Some(chunk.part))).collect()
        });
        let copied: Vec<ChunkRef> = copied.inspect_err(|_| indexed.inline.truncate(before))?;
        round.iter().zip(copied).for_each(|((linear, _), copied)| builder.push(*linear, copied));
    }
    indexed.tables.push(builder.build());
    variable.storage.table = (indexed.tables.len() - 1) as u32;
    Ok(())
}

#[cfg(test)]
mod tests;
