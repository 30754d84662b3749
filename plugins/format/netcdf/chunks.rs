//! Cuts variables into chunks that are plain byte ranges of the file.

use thermocline_model::{ChunkGrid, ChunkPart, ChunkRef, ChunkTable, ChunkTableBuilder, Place};

use crate::gather;
use crate::layout::VariableLayout;

/// Smallest record of a variable that is served as a chunk of its own, in bytes: a 2.5-degree globe in
/// single precision (41 KiB) is one. What is smaller costs more to ask for than to send.
const MIN_RECORD_BYTES: u64 = 32 << 10;
/// Largest interleaved variable of small records that is kept with the manifest, in bytes.
const MAX_INLINE_BYTES: u64 = 1 << 20;
/// Values of a chunk that gathers small records, in bytes.
const GATHERED_BYTES: u64 = 1 << 20;
/// Bytes of the file that are read for such a chunk, where records lie close enough to be read together.
const GATHERED_SPAN_BYTES: u64 = 16 << 20;
/// Records of such a chunk where each is read by itself.
const MAX_SCATTERED_RECORDS: u64 = 256;
/// Most lengths that are tried on either side of the best one to find a divisor.
const MAX_TRIED: usize = 4096;
/// Bounds and aim for the chunks that a large array is cut into, in bytes: about 4–16 MiB, where a row
/// of a quarter-degree globe in single precision (3.96 MiB) still counts.
const MIN_CHUNK_BYTES: u64 = 3 << 20;
const AIM_CHUNK_BYTES: u64 = 8 << 20;
const MAX_CHUNK_BYTES: u64 = 16 << 20;

/// How a variable is stored and served.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ChunkPlan {
    /// Lengths of the axes of a stored chunk.
    pub(crate) chunk_shape: Vec<u64>,
    /// Lengths of the axes of a served chunk.
    pub(crate) served_chunk_shape: Vec<u64>,
    /// Where the bytes lie.
    pub(crate) bytes: PlannedBytes,
}

/// Where the bytes of a variable lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PlannedBytes {
    /// One after another in the file.
    Contiguous,
    /// One record after another, with other variables between them.
    Records,
    /// Gathered from the records and kept with the manifest.
    Inline,
    /// Gathered from the records whenever a chunk is asked for.
    Gathered,
}

/// Plans the chunks of a variable with elements of `element_bytes`.
pub(crate) fn plan(layout: &VariableLayout, element_bytes: u64) -> ChunkPlan {
    let shape = &layout.shape;
    let total = layout.total_bytes().unwrap_or(u64::MAX);
    if layout.record_stride.is_some() && layout.len_bytes >= MIN_RECORD_BYTES {
        let record_shape = shape.get(1..).unwrap_or_default();
        let mut chunk_shape = vec![1];
        chunk_shape.extend(cut(record_shape, element_bytes));
        return ChunkPlan {
            served_chunk_shape: chunk_shape.clone(),
            chunk_shape,
            bytes: PlannedBytes::Records,
        };
    }
    if layout.is_contiguous() || total == 0 {
        let chunk_shape = cut(shape, element_bytes);
        return ChunkPlan {
            served_chunk_shape: chunk_shape.clone(),
            chunk_shape,
            bytes: PlannedBytes::Contiguous,
        };
    }
    if total <= MAX_INLINE_BYTES {
        return ChunkPlan {
            chunk_shape: shape.clone(),
            served_chunk_shape: shape.clone(),
            bytes: PlannedBytes::Inline,
        };
    }
    gathered(layout)
}

/// Chunks of many records each, which are gathered when they are asked for.
pub(crate) fn gathered(layout: &VariableLayout) -> ChunkPlan {
    let mut chunk_shape: Vec<u64> = layout.shape.iter().map(|length| (*length).max(1)).collect();
    if let Some(n_records) = chunk_shape.first_mut() {
        let most = if gather::is_read_together(layout) {
            GATHERED_SPAN_BYTES / layout.record_stride.unwrap_or(1).max(1)
        } else {
            MAX_SCATTERED_RECORDS
        };
        *n_records = (GATHERED_BYTES / layout.len_bytes.max(1)).min(most).clamp(1, *n_records);
    }
    ChunkPlan { served_chunk_shape: chunk_shape.clone(), chunk_shape, bytes: PlannedBytes::Gathered }
}

/// Lengths of the axes of chunks that cut a C-ordered array into runs of whole rows.
///
/// One chunk up to 16 MiB; else chunks of 4–16 MiB along the outermost axis whose rows are small
/// enough, which divide it evenly where they can.
pub(crate) fn cut(shape: &[u64], element_bytes: u64) -> Vec<u64> {
    let mut chunk_shape: Vec<u64> = shape.iter().map(|length| (*length).max(1)).collect();
    let mut row_bytes: Vec<u64> = Vec::with_capacity(shape.len());
    let mut product = element_bytes;
    for length in chunk_shape.iter().rev() {
        row_bytes.push(product);
        product = product.saturating_mul(*length);
    }
    if product <= MAX_CHUNK_BYTES {
        return chunk_shape;
    }
    for (length, row) in chunk_shape.iter_mut().zip(row_bytes.iter().rev()) {
        if *row <= MAX_CHUNK_BYTES {
            *length = rows_per_chunk(*length, *row);
            break;
        }
        *length = 1;
    }
    chunk_shape
}

/// How many of `n_rows` rows make a chunk: a divisor that gives 4–16 MiB if there is one, else about 8 MiB.
fn rows_per_chunk(n_rows: u64, row_bytes: u64) -> u64 {
    let aim = (AIM_CHUNK_BYTES / row_bytes).max(1);
    let least = MIN_CHUNK_BYTES.div_ceil(row_bytes).max(1);
    let most = (MAX_CHUNK_BYTES / row_bytes).min(n_rows);
    let mut below = (least..=aim.min(most)).rev().take(MAX_TRIED);
    let mut above = (aim..=most).take(MAX_TRIED);
    let divides = |rows: &u64| n_rows.is_multiple_of(*rows);
    below.find(divides).or_else(|| above.find(divides)).unwrap_or(aim)
}

/// The chunk table of a variable that lies in object 0.
///
/// `None` if a number leaves `u64`, which a checked layout rules out.
pub(crate) fn table(layout: &VariableLayout, plan: &ChunkPlan, element_bytes: u64) -> Option<ChunkTable> {
    let grid = ChunkGrid::new(layout.shape.clone(), plan.chunk_shape.clone())?;
    let mut builder = ChunkTableBuilder::new();
    for linear in 0..grid.n_chunks() {
        let index = grid.index(linear);
        let start = grid.start(&index);
        let offset = match plan.bytes {
            PlannedBytes::Records | PlannedBytes::Gathered => {
                let record = *start.first()?;
                let within = linear_element(layout.shape.get(1..)?, start.get(1..)?)?;
                let record_start = record.checked_mul(layout.record_stride?)?.checked_add(layout.begin)?;
                record_start.checked_add(within.checked_mul(element_bytes)?)?
            }
            PlannedBytes::Contiguous | PlannedBytes::Inline => linear_element(&layout.shape, &start)?
                .checked_mul(element_bytes)?
                .checked_add(layout.begin)?,
        };
        let (len_bytes, is_short) = stored_len(&grid, &start, element_bytes)?;
        let (place, is_short) = match plan.bytes {
            PlannedBytes::Gathered => (Place::Format(0), false),
            _ => (Place::Object(0), is_short),
        };
        let part = ChunkPart { place, encoding: 0, filter_mask: 0, is_short };
        builder.push(linear, ChunkRef { part, offset, len_bytes });
    }
    Some(builder.build())
}

/// Position of an element in C order.
fn linear_element(shape: &[u64], start: &[u64]) -> Option<u64> {
    shape
        .iter()
        .zip(start)
        .try_fold(0_u64, |linear, (length, first)| linear.checked_mul(*length)?.checked_add(*first))
}

/// Bytes of the chunk that begins at `start`, and whether they end before the chunk does.
fn stored_len(grid: &ChunkGrid, start: &[u64], element_bytes: u64) -> Option<(u32, bool)> {
    let mut n_elements = 1_u64;
    for ((length, chunk), first) in grid.shape().iter().zip(grid.chunk_shape()).zip(start) {
        n_elements = n_elements.checked_mul((*chunk).min(length.checked_sub(*first)?))?;
    }
    let len_bytes = u32::try_from(n_elements.checked_mul(element_bytes)?).ok()?;
    Some((len_bytes, n_elements < grid.chunk_len()?))
}

#[cfg(test)]
mod tests;
