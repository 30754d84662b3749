//! The result as a manifest in memory: everything that it has lies beside it.

use std::sync::Arc;

use bytes::Bytes;
use thermocline_codec::region::copy_box;
use thermocline_codec::{ChunkSpec, encode, fill_chunk};
use thermocline_core::manifest::{Manifest, ManifestStorage, Revision};
use thermocline_core::{Error, Result};
use thermocline_model::{
    ArrayBytes, ChunkPart, ChunkRef, ChunkTable, ChunkTableBuilder, Dataset, Place, Variable,
};

use super::Described;
use crate::Plan;

/// Name of what made the manifest.
const FORMAT: &str = "groupby";

/// Largest chunk of a result in memory, in bytes.
const MAX_CHUNK_BYTES: u64 = 1 << 32;

/// Whole rows of the values become one chunk of the manifest up to this, in bytes.
const ROWS_BYTES: u64 = 4 << 20;

/// Chunk tables by number, and the bytes of all chunks: pieces one after another.
struct InMemory {
    tables: Vec<Arc<ChunkTable>>,
    pieces: Pieces,
}

/// Bytes in pieces, each with the position of its first byte.
#[derive(Default)]
struct Pieces {
    pieces: Vec<(u64, Bytes)>,
    len: u64,
}

impl Pieces {
    /// Adds a piece and returns the position of its first byte.
    fn push(&mut self, bytes: Bytes) -> u64 {
        let start = self.len;
        self.len = start.saturating_add(bytes.len() as u64);
        self.pieces.push((start, bytes));
        start
    }

    /// Bytes that lie within one piece.
    fn get(&self, offset: u64, len_bytes: usize) -> Option<Bytes> {
        let after = self.pieces.partition_point(|(start, _)| *start <= offset);
        let (start, bytes) = self.pieces.get(after.checked_sub(1)?)?;
        let from = usize::try_from(offset.checked_sub(*start)?).ok()?;
        let to = from.checked_add(len_bytes).filter(|to| *to <= bytes.len())?;
        Some(bytes.slice(from..to))
    }
}

/// Values whose memory is shared with whoever described them.
struct Shared(Arc<ArrayBytes>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        match self.0.as_ref() {
            ArrayBytes::Fixed(bytes) => bytes,
            ArrayBytes::Texts(_) => &[],
        }
    }
}

impl ManifestStorage for InMemory {
    fn table(&self, table: u32) -> Result<Arc<ChunkTable>> {
        self.table_in_memory(table)
            .ok_or_else(|| Error::internal(format!("a result has no chunk table {table}")))
    }

    fn table_in_memory(&self, table: u32) -> Option<Arc<ChunkTable>> {
        self.tables.get(usize::try_from(table).ok()?).cloned()
    }

    fn inline(&self, offset: u64, len_bytes: usize) -> Result<Bytes> {
        let found = self.pieces.get(offset, len_bytes);
        found.ok_or_else(|| Error::internal("a result ends before its chunk"))
    }
}

/// The manifest of a result, with the values of its variable if they are given.
pub(super) fn manifest(
    described: &Described,
    plan: &Plan,
    values: Option<&Arc<ArrayBytes>>,
) -> Result<Arc<Manifest>> {
    let (mut tables, mut pieces) = (Vec::new(), Pieces::default());
    let mut root = described.root.clone();
    for variable in &mut root.variables {
        let table = match (described.values_of(&variable.name), values) {
            _ if variable.n_elements() == Some(0) => ChunkTable::default(),
            (Some(known), _) => one_chunk(variable, known, &mut pieces)?,
            (None, Some(values)) if matches!(**values, ArrayBytes::Fixed(_)) => {
                rows(variable, values, &mut pieces)?
            }
            (None, Some(values)) => chunks(variable, values, &mut pieces)?,
            (None, None) => ChunkTable::default(),
        };
        tables.push(Arc::new(table));
    }
    let dataset = Dataset { root, ..Dataset::default() };
    let storage = Arc::new(InMemory { tables, pieces });
    let revision = Revision(plan.etag());
    let spec = plan.manifest.spec.clone();
    Ok(Arc::new(Manifest::new(spec, dataset, revision, FORMAT.to_owned(), storage)))
}

const INLINE: ChunkPart = ChunkPart { place: Place::Inline, encoding: 0, filter_mask: 0, is_short: false };

fn unfit(variable: &Variable) -> Error {
    Error::internal(format!("the values of {:?} have not its shape", variable.name))
}

fn len_bytes(stored: &Bytes) -> Result<u32> {
    u32::try_from(stored.len()).map_err(|_| Error::internal("a chunk of a result beyond 4 GiB"))
}

/// A variable in one chunk, whose memory is that of its values.
fn one_chunk(variable: &Variable, values: &Arc<ArrayBytes>, pieces: &mut Pieces) -> Result<ChunkTable> {
    if variable.n_elements() != Some(values.n_elements(&variable.dtype) as u64) {
        return Err(unfit(variable));
    }
    let stored = match values.as_ref() {
        ArrayBytes::Fixed(_) => Bytes::from_owner(Shared(Arc::clone(values))),
        ArrayBytes::Texts(_) => encoded(variable, values.as_ref().clone())?,
    };
    let mut table = ChunkTableBuilder::new();
    let len_bytes = len_bytes(&stored)?;
    table.push(0, ChunkRef { part: INLINE, offset: pieces.push(stored), len_bytes });
    Ok(table.build())
}

/// Values in chunks of whole rows, whose memory is that of the values; the variable gets these chunks.
fn rows(variable: &mut Variable, values: &Arc<ArrayBytes>, pieces: &mut Pieces) -> Result<ChunkTable> {
    let size = variable.dtype.len_bytes().ok_or_else(|| unfit(variable))? as u64;
    let bytes = Bytes::from_owner(Shared(Arc::clone(values)));
    let len_bytes = bytes.len() as u64;
    if variable.n_elements().and_then(|n| n.checked_mul(size)) != Some(len_bytes) {
        return Err(unfit(variable));
    }
    variable.storage.chunk_shape = shape_of_rows(&variable.shape, size);
    variable.storage.served_chunk_shape.clone_from(&variable.storage.chunk_shape);
    let grid = variable.stored_grid().ok_or_else(|| unfit(variable))?;
    let strides = strides(&variable.shape, size);
    let chunk_bytes = variable.storage.chunk_shape.iter().fold(size, |bytes, len| bytes.saturating_mul(*len));
    // Only one axis is cut into more than single rows: at its end, a chunk ends before its time.
    let cut = variable.storage.chunk_shape.iter().position(|len| *len > 1);
    let mut table = ChunkTableBuilder::new();
    let first = pieces.push(bytes);
    for linear in 0..grid.n_chunks() {
        let start = grid.start(&grid.index(linear));
        let offset = start.iter().zip(&strides).map(|(start, stride)| start * stride).sum::<u64>();
        let left = cut.and_then(|axis| {
            let rows = variable.shape.get(axis)?.checked_sub(*start.get(axis)?)?;
            rows.checked_mul(*strides.get(axis)?)
        });
        let stored = left.map_or(chunk_bytes, |left| left.min(chunk_bytes));
        let len_bytes = u32::try_from(stored).map_err(|_| unfit(variable))?;
        let part = ChunkPart { is_short: stored < chunk_bytes, ..INLINE };
        table.push(linear, ChunkRef { part, offset: first.saturating_add(offset), len_bytes });
    }
    Ok(table.build())
}

/// The longest chunks that lie side by side in C order and take no more than [`ROWS_BYTES`].
fn shape_of_rows(shape: &[u64], size: u64) -> Vec<u64> {
    let mut chunk = vec![1; shape.len()];
    let mut row_bytes = size.max(1);
    for (chunk, len) in chunk.iter_mut().zip(shape).rev() {
        *chunk = (ROWS_BYTES / row_bytes).clamp(1, (*len).max(1));
        if *chunk < *len {
            break;
        }
        row_bytes = row_bytes.saturating_mul(*len);
    }
    chunk
}

/// Bytes from one position to the next along each axis, in C order.
fn strides(shape: &[u64], size: u64) -> Vec<u64> {
    let mut stride = size;
    let mut strides: Vec<u64> = Vec::with_capacity(shape.len());
    for len in shape.iter().rev() {
        strides.push(stride);
        stride = stride.saturating_mul(*len);
    }
    strides.reverse();
    strides
}

/// Cuts texts into the chunks of a variable.
fn chunks(variable: &Variable, values: &ArrayBytes, pieces: &mut Pieces) -> Result<ChunkTable> {
    if variable.n_elements() != Some(values.n_elements(&variable.dtype) as u64) {
        return Err(unfit(variable));
    }
    let grid = variable.stored_grid().ok_or_else(|| unfit(variable))?;
    let mut table = ChunkTableBuilder::new();
    for linear in 0..grid.n_chunks() {
        let stored = encoded(variable, chunk_at(variable, values, &grid.start(&grid.index(linear)))?)?;
        let len_bytes = len_bytes(&stored)?;
        table.push(linear, ChunkRef { part: INLINE, offset: pieces.push(stored), len_bytes });
    }
    Ok(table.build())
}

/// A chunk as it is stored.
fn encoded(variable: &Variable, chunk: ArrayBytes) -> Result<Bytes> {
    let encoding = variable.storage.encodings.first().ok_or_else(|| unfit(variable))?;
    let shape = &variable.storage.chunk_shape;
    let spec = ChunkSpec { dtype: &variable.dtype, shape, max_bytes: MAX_CHUNK_BYTES };
    Ok(encode(&encoding.codecs, chunk, &spec)?.into())
}

/// One chunk, filled beyond the edges.
fn chunk_at(variable: &Variable, values: &ArrayBytes, start: &[u64]) -> Result<ArrayBytes> {
    let chunk_shape = &variable.storage.chunk_shape;
    let n = chunk_shape.iter().try_fold(1_usize, |n, len| n.checked_mul(usize::try_from(*len).ok()?));
    let n = n.ok_or_else(|| Error::internal("a chunk of a result beyond the memory"))?;
    let mut chunk = fill_chunk(&variable.dtype, variable.fill.as_ref(), n);
    let within: Vec<u64> = start
        .iter()
        .zip(chunk_shape)
        .zip(&variable.shape)
        .map(|((start, len), whole)| (*len).min(whole.saturating_sub(*start)))
        .collect();
    let origin = vec![0; start.len()];
    let size = variable.dtype.len_bytes().unwrap_or(1);
    copy_box(values, &variable.shape, start, &mut chunk, chunk_shape, &origin, &within, size)?;
    Ok(chunk)
}

#[cfg(test)]
mod tests {
    use thermocline_model::{Attributes, DataType};

    use super::super::column::{self, F8};
    use super::*;

    fn variable(shape: &[u64], dtype: DataType) -> Variable {
        let dims = (0..shape.len()).map(|number| format!("d{number}")).collect();
        column::variable("tas", dims, shape.to_vec(), dtype, Attributes::default())
    }

    #[test]
    fn chunks_of_a_result_are_rows_of_its_own_memory() {
        for (shape, expected) in [
            (&[5, 700, 300][..], &[2, 700, 300][..]),
            (&[3, 2, 1_000_000], &[1, 1, 524_288]),
            (&[12, 6], &[12, 6]),
            (&[], &[]),
        ] {
            let mut variable = variable(shape, F8);
            let n_bytes = shape.iter().product::<u64>() * 8;
            let bytes: Vec<u8> = (0..n_bytes).map(|at| (at % 251) as u8).collect();
            let values = Arc::new(ArrayBytes::Fixed(bytes.clone()));
            let mut pieces = Pieces::default();
            let table = rows(&mut variable, &values, &mut pieces).unwrap();
            assert_eq!(variable.storage.chunk_shape, expected);
            let chunk_bytes = expected.iter().product::<u64>() * 8;
            let mut joined = Vec::new();
            for linear in 0..variable.stored_grid().unwrap().n_chunks() {
                let chunk = table.get(linear).unwrap();
                let stored = pieces.get(chunk.offset, chunk.len_bytes as usize).unwrap();
                assert_eq!(chunk.part.is_short, (stored.len() as u64) < chunk_bytes);
                joined.extend_from_slice(&stored);
            }
            assert!(joined == bytes, "{shape:?}");
            assert_eq!(pieces.pieces.len(), 1);
            let ArrayBytes::Fixed(of_values) = &*values else { panic!("numbers") };
            assert_eq!(pieces.pieces[0].1.as_ptr(), of_values.as_ptr(), "nothing is copied");
        }
    }
}
