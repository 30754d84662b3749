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

/// Chunk tables by number, and the bytes of all chunks.
struct InMemory {
    tables: Vec<Arc<ChunkTable>>,
    bytes: Bytes,
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
        let start = usize::try_from(offset).ok();
        let range = start.and_then(|start| Some(start..start.checked_add(len_bytes)?));
        let range = range.filter(|range| range.end <= self.bytes.len());
        let range = range.ok_or_else(|| Error::internal("a result ends before its chunk"))?;
        Ok(self.bytes.slice(range))
    }
}

/// The manifest of a result, with the values of its variable if they are given.
pub(super) fn manifest(
    described: &Described,
    plan: &Plan,
    values: Option<&ArrayBytes>,
) -> Result<Arc<Manifest>> {
    let (mut tables, mut bytes) = (Vec::new(), Vec::new());
    for variable in &described.root.variables {
        let known = described.values_of(&variable.name).map(Arc::as_ref);
        let values = if variable.name == described.variable { values } else { known };
        let table = match values {
            Some(values) => chunks(variable, values, &mut bytes)?,
            None => ChunkTable::default(),
        };
        tables.push(Arc::new(table));
    }
    let dataset = Dataset { root: described.root.clone(), ..Dataset::default() };
    let storage = Arc::new(InMemory { tables, bytes: bytes.into() });
    let revision = Revision(plan.etag());
    let spec = plan.manifest.spec.clone();
    Ok(Arc::new(Manifest::new(spec, dataset, revision, FORMAT.to_owned(), storage)))
}

/// Cuts values into the chunks of a variable.
fn chunks(variable: &Variable, values: &ArrayBytes, all: &mut Vec<u8>) -> Result<ChunkTable> {
    let unfit = || Error::internal(format!("the values of {:?} have not its shape", variable.name));
    if variable.n_elements() != Some(values.n_elements(&variable.dtype) as u64) {
        return Err(unfit());
    }
    let grid = variable.stored_grid().ok_or_else(unfit)?;
    let encoding = variable.storage.encodings.first().ok_or_else(unfit)?;
    let part = ChunkPart { place: Place::Inline, encoding: 0, filter_mask: 0, is_short: false };
    let spec = ChunkSpec { dtype: &variable.dtype, shape: grid.chunk_shape(), max_bytes: MAX_CHUNK_BYTES };
    let mut table = ChunkTableBuilder::new();
    for linear in 0..grid.n_chunks() {
        let chunk = if grid.chunk_shape() == variable.shape {
            values.clone()
        } else {
            chunk_at(variable, values, &grid.start(&grid.index(linear)))?
        };
        let stored = encode(&encoding.codecs, chunk, &spec)?;
        let too_long = |_| Error::internal("a chunk of a result beyond 4 GiB");
        let len_bytes = u32::try_from(stored.len()).map_err(too_long)?;
        table.push(linear, ChunkRef { part, offset: all.len() as u64, len_bytes });
        all.extend_from_slice(&stored);
    }
    Ok(table.build())
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
