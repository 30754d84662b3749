//! Keeps coordinates with the manifest: opening a dataset must not read its objects again.
//!
//! Coordinates are all that dimensions, `coordinates`, `bounds`, `grid_mapping`, `mesh` and the like name.
//! One-dimensional ones and bounds become one chunk each (an unlimited `time` chunked by 1 would cost
//! thousands of requests); larger ones keep their chunks, whose stored bytes are copied.

use std::collections::HashSet;
use std::sync::Arc;

use thermocline_codec::{ChunkSpec, encode, fill_chunk, region::copy_box};
use thermocline_model::{
    ArrayBytes, ChunkPart, ChunkRef, ChunkTable, ChunkTableBuilder, Codec, DataType, Encoding, Group, Note,
    Object, Place, Refusal, Variable,
};

use crate::format::{Indexed, Limits, OpenOther, ReadAt, Region};
use crate::read::decode_chunk;
use crate::{Error, ErrorKind, Result};

/// Attributes that name coordinates.
///
/// # Source
/// CF Conventions 1.11, appendix A; UGRID Conventions 1.0.
const NAMING: [&str; 18] = [
    "coordinates",
    "grid_mapping",
    "mesh",
    "geometry",
    "node_coordinates",
    "edge_coordinates",
    "face_coordinates",
    "volume_coordinates",
    "node_count",
    "part_node_count",
    "interior_ring",
    "edge_node_connectivity",
    "face_node_connectivity",
    "face_edge_connectivity",
    "face_face_connectivity",
    "edge_face_connectivity",
    "volume_node_connectivity",
    "boundary_node_connectivity",
];

/// Attributes that name the bounds of coordinates, which become one chunk too.
const NAMING_BOUNDS: [&str; 2] = ["bounds", "climatology"];

/// Decodes a region of a variable whose chunks only the format can decode; the number is that of the object.
pub type DecodeByFormat<'k> = dyn Fn(u32, &Variable, &Region) -> Result<ArrayBytes> + 'k;

/// The objects of a dataset, which may be many: a store of chunks opens only those it is asked for.
pub trait ObjectsByNumber {
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

/// Objects that are opened by their hrefs when they are asked for.
pub struct OpenedByHref<'o> {
    /// Opens them.
    pub others: &'o dyn OpenOther,
    /// The objects of the dataset in the order of their numbers.
    pub objects: &'o [Object],
}

impl ObjectsByNumber for OpenedByHref<'_> {
    fn object(&self, number: u32) -> Result<Arc<dyn ReadAt>> {
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
    let mut named = Named::default();
    named.collect(&root, "", &mut Vec::new());
    let outcome = keep_group(&mut root, "", &named, indexed, keeping);
    indexed.dataset.root = root;
    outcome
}

/// Paths of coordinates.
#[derive(Debug, Default)]
struct Named {
    coordinates: HashSet<String>,
    bounds: HashSet<String>,
}

impl Named {
    /// Collects what the variables below a group name; `above` are the groups that lead to it, with their paths.
    fn collect<'g>(&mut self, group: &'g Group, path: &str, above: &mut Vec<(String, &'g Group)>) {
        above.push((path.to_owned(), group));
        for name in group.attrs.text("coordinates").into_iter().flat_map(names) {
            self.coordinates.extend(find(above, name));
        }
        for variable in &group.variables {
            let is_dimension = variable.dims.contains(&variable.name)
                || group.dims.iter().any(|dimension| dimension.name == variable.name);
            if is_dimension {
                self.coordinates.insert(join(path, &variable.name));
            }
            for attribute in NAMING {
                for name in variable.attrs.text(attribute).into_iter().flat_map(names) {
                    self.coordinates.extend(find(above, name));
                }
            }
            for attribute in NAMING_BOUNDS {
                for name in variable.attrs.text(attribute).into_iter().flat_map(names) {
                    self.bounds.extend(find(above, name));
                }
            }
        }
        for child in &group.groups {
            self.collect(child, &join(path, &child.name), above);
        }
        above.pop();
    }
}

/// The names in an attribute; `grid_mapping` may write `crs: x y`.
fn names(text: &str) -> impl Iterator<Item = &str> {
    text.split_whitespace().map(|name| name.trim_end_matches(':')).filter(|name| !name.is_empty())
}

/// The path of the variable of a name: in the group, else in the nearest group above; names may be paths.
fn find(above: &[(String, &Group)], name: &str) -> Option<String> {
    if let Some(path) = name.strip_prefix('/') {
        let (_, root) = above.first()?;
        return root.variable(path).map(|_| path.to_owned());
    }
    above.iter().rev().find_map(|(path, group)| group.variable(name).map(|_| join(path, name)))
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") }
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
        let is_bounds = named.bounds.contains(&variable_path);
        if !is_bounds && !named.coordinates.contains(&variable_path) {
            continue;
        }
        match keep(variable, is_bounds, indexed, keeping) {
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
    let by_format = table.parts().iter().any(|part| matches!(part.place, Place::Format(_)));
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
    for (linear, chunk) in table.iter() {
        if linear >= grid.n_chunks() {
            continue;
        }
        let start = grid.start(&grid.index(linear));
        let decoded = match chunk.part.place {
            Place::Format(number) => {
                let region = Region { start: start.clone(), shape: chunk_shape.to_vec() };
                (keeping.decode)(number, variable, &region)?
            }
            _ => {
                let stored = stored_bytes(&chunk, indexed, keeping)?;
                decode_chunk(variable, &chunk, &stored, keeping.limits.chunk_bytes)?
            }
        };
        let lengths: Vec<u64> = start
            .iter()
            .zip(chunk_shape)
            .zip(&variable.shape)
            .map(|((start, chunk), length)| (*chunk).min(length - start))
            .collect();
        let from = vec![0; lengths.len()];
        copy_box(&decoded, chunk_shape, &from, &mut values, &variable.shape, &start, &lengths, size)?;
    }
    Ok(values)
}

fn stored_bytes(chunk: &ChunkRef, indexed: &Indexed, keeping: &Keeping<'_>) -> Result<bytes::Bytes> {
    match chunk.part.place {
        Place::Object(number) => {
            let object = keeping.objects.object(number)?;
            let end = chunk.offset.checked_add(u64::from(chunk.len_bytes));
            if end.is_none_or(|end| end > object.object().len_bytes) {
                return Err(Error::corrupt(format!(
                    "a chunk at {} lies beyond the end of the file",
                    chunk.offset
                )));
            }
            object.read_at(chunk.offset, chunk.len_bytes as usize)
        }
        Place::Inline => {
            let start = chunk.offset as usize;
            let bytes = indexed.inline.get(start..start + chunk.len_bytes as usize);
            bytes
                .map(bytes::Bytes::copy_from_slice)
                .ok_or_else(|| Error::internal("inline bytes are missing"))
        }
        Place::Format(_) => Err(Error::internal("a chunk without bytes was asked for its bytes")),
    }
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
    for (linear, chunk) in table.iter() {
        let copied = stored_bytes(&chunk, indexed, keeping)
            .and_then(|bytes| push_inline(indexed, &bytes, Some(chunk.part)));
        match copied {
            Ok(copied) => builder.push(linear, copied),
            Err(error) => {
                indexed.inline.truncate(before);
                return Err(error);
            }
        }
    }
    indexed.tables.push(builder.build());
    variable.storage.table = (indexed.tables.len() - 1) as u32;
    Ok(())
}

#[cfg(test)]
mod tests;
