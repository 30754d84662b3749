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
    values: Option<&ArrayBytes>,
) -> Result<Arc<Manifest>> {
    let (mut tables, mut pieces) = (Vec::new(), Pieces::default());
    for variable in &described.root.variables {
        let table = match (described.values_of(&variable.name), values) {
            _ if variable.n_elements() == Some(0) => ChunkTable::default(),
            (Some(known), _) => one_chunk(variable, known, &mut pieces)?,
            (None, Some(values)) => chunks(variable, values, &mut pieces)?,
            (None, None) => ChunkTable::default(),
        };
        tables.push(Arc::new(table));
    }
    let dataset = Dataset { root: described.root.clone(), ..Dataset::default() };
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

/// Cuts values into the chunks of a variable.
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
