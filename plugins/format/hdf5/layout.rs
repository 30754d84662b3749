//! From the layout of an array to its chunk table: which bytes of which object are which chunk.

use thermocline_core::{Error, Result};
use thermocline_model::{ChunkGrid, ChunkPart, ChunkRef, ChunkTable, ChunkTableBuilder, Place};

use crate::array::Array;
use crate::chunks::each_chunk;
use crate::file::File;
use crate::filters::Pipeline;
use crate::messages::Layout;

/// Bytes of a chunk that is cut from a contiguous array.
const MIN_CUT_BYTES: u64 = 4 << 20;
const MAX_CUT_BYTES: u64 = 16 << 20;

/// Numbers of rows tried for one array: enough for every array below 300 GiB.
const MAX_DIVISORS_TRIED: usize = 1 << 16;

/// An array whose chunks are to be placed.
pub(crate) struct Placing<'p> {
    pub(crate) file: &'p File,
    /// Number of the file among the dataset's objects.
    pub(crate) object: u32,
    pub(crate) array: &'p Array,
    /// The shape that is served: that of the file, or longer along axes that other variables let grow.
    pub(crate) shape: &'p [u64],
    /// Codecs that stand before those of the filters.
    pub(crate) n_leading: usize,
    /// Numbers of the objects that hold the pieces of external storage, with their lengths.
    pub(crate) external: &'p [(u32, u64)],
    /// True if chunks that were never written must be filled by the format: their fill is not the variable's.
    pub(crate) fills_by_format: bool,
    /// True if stored bytes are not values: all chunks are decoded by the format.
    pub(crate) decodes_by_format: bool,
}

/// Where the chunks of an array lie.
pub(crate) struct Placed {
    pub(crate) chunk_shape: Vec<u64>,
    pub(crate) table: ChunkTable,
    /// Bytes to be kept with the manifest: those of the one chunk.
    pub(crate) inline: Option<bytes::Bytes>,
    /// What is odd about it.
    pub(crate) notes: Vec<String>,
}

/// A chunk on its way into the table.
#[derive(Clone, Copy)]
struct Entry {
    linear: u64,
    offset: u64,
    len_bytes: u32,
    filter_mask: u32,
    by_format: bool,
}

impl Placing<'_> {
    /// Finds all chunks.
    ///
    /// # Errors
    /// What makes the whole array unreadable.
    pub(crate) fn place(&self, pipeline: &mut Pipeline) -> Result<Placed> {
        if self.array.external.is_empty() {
            match &self.array.layout {
                Layout::Chunked { chunk_shape, .. } => return self.place_chunked(chunk_shape, pipeline),
                Layout::Compact(bytes) => return self.place_compact(bytes),
                Layout::Contiguous { address: None } => return Ok(self.unwritten()),
                Layout::Contiguous { address: Some(address) } => return self.place_contiguous(*address),
                Layout::Virtual { .. } => return self.place_by_format(),
            }
        }
        self.place_external()
    }

    fn placed(&self, chunk_shape: Vec<u64>, table: ChunkTable) -> Placed {
        Placed { chunk_shape, table, inline: None, notes: Vec::new() }
    }

    fn unwritten(&self) -> Placed {
        self.placed(self.cut(), ChunkTable::default())
    }

    /// The shape of chunks that are cut from consecutive elements.
    fn cut(&self) -> Vec<u64> {
        cut(self.shape, self.array.datatype.size as u64)
    }

    fn grid(&self, chunk_shape: &[u64]) -> Result<ChunkGrid> {
        let grid = ChunkGrid::new(self.shape.to_vec(), chunk_shape.to_vec());
        let grid = grid.ok_or_else(|| Error::corrupt("the array has more than 2^64 chunks"))?;
        Ok(grid)
    }

    /// A grid of which every chunk exists.
    fn whole_grid(&self, chunk_shape: &[u64]) -> Result<ChunkGrid> {
        let grid = self.grid(chunk_shape)?;
        if grid.n_chunks() > self.file.limits.n_chunks {
            return Err(Error::corrupt(format!(
                "{} chunks, {} are allowed",
                grid.n_chunks(),
                self.file.limits.n_chunks
            )));
        }
        Ok(grid)
    }

    fn place_compact(&self, bytes: &bytes::Bytes) -> Result<Placed> {
        let len = self.array.len_bytes().unwrap_or(0);
        let bytes = usize::try_from(len).ok().filter(|len| *len <= bytes.len()).map(|len| bytes.slice(..len));
        let bytes =
            bytes.ok_or_else(|| Error::corrupt("a compact array that is shorter than its shape says"))?;
        let chunk_shape: Vec<u64> = self.shape.iter().map(|length| (*length).max(1)).collect();
        let mut table = ChunkTableBuilder::new();
        let place = if self.decodes_by_format { Place::Format(self.object) } else { Place::Inline };
        let part = ChunkPart { place, encoding: 0, filter_mask: 0, is_short: false };
        if len > 0 {
            table.push(0, ChunkRef { part, offset: 0, len_bytes: bytes.len() as u32 });
        }
        let inline = (len > 0 && place == Place::Inline).then_some(bytes);
        Ok(Placed { inline, ..self.placed(chunk_shape, table.build()) })
    }

    fn place_by_format(&self) -> Result<Placed> {
        let chunk_shape = self.cut();
        let grid = self.whole_grid(&chunk_shape)?;
        let mut table = ChunkTableBuilder::new();
        for linear in 0..grid.n_chunks() {
            table.push(linear, self.by_format());
        }
        Ok(self.placed(chunk_shape, table.build()))
    }

    fn by_format(&self) -> ChunkRef {
        let part =
            ChunkPart { place: Place::Format(self.object), encoding: 0, filter_mask: 0, is_short: false };
        ChunkRef { part, offset: 0, len_bytes: 0 }
    }

    fn place_contiguous(&self, address: u64) -> Result<Placed> {
        let total = self.array.len_bytes().unwrap_or(0);
        self.file.bytes.check(address, total)?;
        self.place_ranges(|start, _| Some((self.object, self.file.bytes.base() + address + start)))
    }

    fn place_external(&self) -> Result<Placed> {
        let pieces = self.array.pieces()?;
        self.place_ranges(|start, len| {
            let piece = pieces.partition_point(|piece| piece.start <= start).checked_sub(1)?;
            let piece = pieces.get(piece)?;
            let within = start - piece.start;
            let (object, object_len) = self.external.get(piece.number)?;
            let offset = piece.offset.checked_add(within)?;
            let is_whole = within + len <= piece.len_bytes && offset.checked_add(len)? <= *object_len;
            is_whole.then_some((*object, offset))
        })
    }

    /// Cuts consecutive elements into chunks; `locate` tells where a range of the array's bytes lies, or
    /// nothing where it does not lie in one piece.
    fn place_ranges(&self, locate: impl Fn(u64, u64) -> Option<(u32, u64)>) -> Result<Placed> {
        let chunk_shape = self.cut();
        let grid = self.whole_grid(&chunk_shape)?;
        let size = self.array.datatype.size as u64;
        let whole = grid.chunk_len().and_then(|len| len.checked_mul(size));
        let whole = whole.ok_or_else(|| Error::corrupt("chunks of more than 2^64 bytes"))?;
        let mut table = ChunkTableBuilder::new();
        for linear in 0..grid.n_chunks() {
            let start = grid.start(&grid.index(linear));
            let (first, len) = self.range(&start, &chunk_shape);
            let (first, len) = (first * size, len * size);
            let is_short = len < whole;
            let located = if self.decodes_by_format || (is_short && self.n_leading > 0) {
                None
            } else {
                locate(first, len)
            };
            let chunk = match (located, u32::try_from(len)) {
                (Some((object, offset)), Ok(len_bytes)) => {
                    let place = Place::Object(object);
                    let part = ChunkPart { place, encoding: 0, filter_mask: 0, is_short };
                    ChunkRef { part, offset, len_bytes }
                }
                _ => self.by_format(),
            };
            table.push(linear, chunk);
        }
        Ok(self.placed(chunk_shape, table.build()))
    }

    /// First element and number of elements of a chunk that is cut from consecutive elements.
    fn range(&self, start: &[u64], chunk_shape: &[u64]) -> (u64, u64) {
        let mut first = 0;
        let mut n = 1;
        for ((start, length), chunk) in start.iter().zip(self.shape).zip(chunk_shape) {
            first = first * length + start;
            n *= (*chunk).min(length - start);
        }
        (first, n)
    }

    fn place_chunked(&self, chunk_shape: &[u64], pipeline: &mut Pipeline) -> Result<Placed> {
        let chunk_bytes = self.array.chunk_bytes().unwrap_or(u64::MAX);
        if chunk_bytes > self.file.limits.chunk_bytes {
            return Err(Error::unsupported(format!(
                "its chunks have {chunk_bytes} bytes, {} are allowed",
                self.file.limits.chunk_bytes
            )));
        }
        let grid = self.grid(chunk_shape)?;
        let mut entries = self.collect(chunk_shape, &grid, chunk_bytes, pipeline)?;
        if pipeline.undecodable() != 0 {
            let used =
                entries.iter().fold(0, |used, entry| used | !entry.filter_mask) & pipeline.undecodable();
            if used != 0 {
                return Err(Error::unsupported(pipeline.reason(used)));
            }
            pipeline.drop_undecodable();
        }
        let mut notes = Vec::new();
        self.look_for_oddities(&entries, &mut notes);
        if self.fills_by_format {
            self.add_unwritten(&grid, chunk_shape, &mut entries)?;
        }
        let mut table = ChunkTableBuilder::new();
        for entry in entries {
            let chunk = match entry.by_format {
                true => self.by_format(),
                false => {
                    let filter_mask = match entry.filter_mask {
                        0 => 0,
                        mask => pipeline.mask(mask, self.n_leading),
                    };
                    let place = Place::Object(self.object);
                    let part = ChunkPart { place, encoding: 0, filter_mask, is_short: false };
                    ChunkRef { part, offset: entry.offset, len_bytes: entry.len_bytes }
                }
            };
            table.push(entry.linear, chunk);
        }
        Ok(Placed { notes, ..self.placed(chunk_shape.to_vec(), table.build()) })
    }

    fn collect(
        &self,
        chunk_shape: &[u64],
        grid: &ChunkGrid,
        chunk_bytes: u64,
        pipeline: &Pipeline,
    ) -> Result<Vec<Entry>> {
        let shape = self.array.shape().unwrap_or_default();
        let edges_are_unfiltered =
            matches!(self.array.layout, Layout::Chunked { edges_are_unfiltered: true, .. });
        // Positions along an axis from which on a chunk reaches beyond the array as the file has it.
        let partial_from: Vec<u64> =
            shape.iter().zip(chunk_shape).map(|(length, chunk)| length / chunk).collect();
        let is_longer: Vec<bool> =
            self.shape.iter().zip(shape).map(|(served, stored)| served > stored).collect();
        let has_longer = is_longer.contains(&true);
        let strides = strides(grid);
        let base = self.file.bytes.base();
        let all_filters = pipeline.all();
        let mut entries = Vec::new();
        each_chunk(self.file, self.array, &mut |position, chunk| {
            let linear =
                position.iter().zip(&strides).fold(0, |sum, (position, stride)| sum + position * stride);
            let mut filter_mask = chunk.filter_mask & all_filters;
            if edges_are_unfiltered
                && position.iter().zip(&partial_from).any(|(position, from)| position >= from)
            {
                filter_mask = all_filters;
            }
            let reaches_beyond = has_longer
                && position
                    .iter()
                    .zip(&partial_from)
                    .zip(&is_longer)
                    .any(|((p, from), longer)| *longer && p >= from);
            let is_plain = filter_mask == all_filters;
            let by_format =
                self.decodes_by_format || reaches_beyond || (is_plain && chunk.len_bytes != chunk_bytes);
            let len_bytes = u32::try_from(chunk.len_bytes)
                .map_err(|_| Error::unsupported(format!("a stored chunk of {} bytes", chunk.len_bytes)))?;
            let offset = base.saturating_add(chunk.address);
            entries.push(Entry { linear, offset, len_bytes, filter_mask, by_format });
            Ok(())
        })?;
        Ok(entries)
    }

    /// Reports chunks beyond the end of the file, chunks that overlap, and chunks of a wrong length.
    fn look_for_oddities(&self, entries: &[Entry], notes: &mut Vec<String>) {
        let end = self.file.bytes.base() + self.file.bytes.len_bytes();
        let mut ranges: Vec<(u64, u64)> = entries
            .iter()
            .map(|entry| (entry.offset, entry.offset.saturating_add(u64::from(entry.len_bytes))))
            .collect();
        if !ranges.is_sorted() {
            ranges.sort_unstable();
        }
        let n_beyond = ranges.iter().filter(|(_, chunk_end)| *chunk_end > end).count();
        if n_beyond > 0 {
            notes.push(format!("{n_beyond} chunks lie beyond the end of the file and cannot be read"));
        }
        let n_overlapping = ranges.windows(2).filter(|pair| matches!(pair, [a, b] if b.0 < a.1)).count();
        if n_overlapping > 0 {
            notes.push(format!("{n_overlapping} chunks overlap others"));
        }
    }

    /// Adds the chunks inside the file's own shape that were never written.
    fn add_unwritten(&self, grid: &ChunkGrid, chunk_shape: &[u64], entries: &mut Vec<Entry>) -> Result<()> {
        let shape = self.array.shape().unwrap_or_default();
        let own = ChunkGrid::new(shape.to_vec(), chunk_shape.to_vec());
        let own = own.ok_or_else(|| Error::corrupt("the array has more than 2^64 chunks"))?;
        if own.n_chunks() > self.file.limits.n_chunks {
            return Err(Error::corrupt(format!("{} chunks", own.n_chunks())));
        }
        entries.sort_unstable_by_key(|entry| entry.linear);
        let mut missing = Vec::new();
        for number in 0..own.n_chunks() {
            let Some(linear) = grid.linear(&own.index(number)) else { continue };
            if entries.binary_search_by_key(&linear, |entry| entry.linear).is_err() {
                missing.push(Entry { linear, offset: 0, len_bytes: 0, filter_mask: 0, by_format: true });
            }
        }
        entries.append(&mut missing);
        Ok(())
    }
}

/// How far apart neighbours along each axis are in C order.
fn strides(grid: &ChunkGrid) -> Vec<u64> {
    let mut strides: Vec<u64> = vec![1; grid.shape().len()];
    let mut product = 1_u64;
    for (stride, count) in strides.iter_mut().rev().zip(grid.counts().collect::<Vec<_>>().into_iter().rev()) {
        *stride = product;
        product = product.saturating_mul(count);
    }
    strides
}

/// The shape of chunks of 4 to 16 MiB that are consecutive in C order: whole rows along the first axis
/// that is longer than that, one element along the axes before. A number of rows that divides the axis
/// is preferred.
pub(crate) fn cut(shape: &[u64], element_size: u64) -> Vec<u64> {
    let mut chunk_shape: Vec<u64> = shape.iter().map(|length| (*length).max(1)).collect();
    let mut row_bytes = element_size.max(1);
    for (axis, length) in shape.iter().enumerate().rev() {
        let bytes = row_bytes.saturating_mul((*length).max(1));
        if bytes <= MAX_CUT_BYTES {
            row_bytes = bytes;
            continue;
        }
        let most = (MAX_CUT_BYTES / row_bytes).max(1);
        let least = (MIN_CUT_BYTES / row_bytes).max(1);
        let n_rows = largest_divisor(*length, least, most);
        if let Some(rows) = chunk_shape.get_mut(axis) {
            *rows = n_rows.unwrap_or((most / 2).max(1));
        }
        if let Some(before) = chunk_shape.get_mut(..axis) {
            before.fill(1);
        }
        return chunk_shape;
    }
    chunk_shape
}

/// The largest divisor of `number` from `least` to `most`, searched among the divisors or their cofactors,
/// whichever are fewer; `None` where even these are too many.
fn largest_divisor(number: u64, least: u64, most: u64) -> Option<u64> {
    let (fewest, largest) = (number.div_ceil(most).max(1), number / least);
    if most - least <= largest.saturating_sub(fewest) {
        let tried = (least..=most).rev().take(MAX_DIVISORS_TRIED);
        return tried.into_iter().find(|divisor| number.is_multiple_of(*divisor));
    }
    let tried = (fewest..=largest).take(MAX_DIVISORS_TRIED);
    tried.into_iter().find(|cofactor| number.is_multiple_of(*cofactor)).map(|cofactor| number / cofactor)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn small_arrays_are_one_chunk() {
        assert_eq!(cut(&[10, 12], 8), vec![10, 12]);
        assert_eq!(cut(&[], 8), Vec::<u64>::new());
        assert_eq!(cut(&[0, 3], 8), vec![1, 3]);
    }

    #[test]
    fn large_arrays_are_cut_into_rows_that_divide_them() {
        assert_eq!(cut(&[96, 1024, 1024], 4), vec![4, 1024, 1024]);
        assert_eq!(cut(&[1, 100_000_000], 8), vec![1, 2_000_000]);
        assert_eq!(cut(&[3, 5000, 1000], 4), vec![1, 2500, 1000]);
    }

    #[test]
    fn the_search_for_a_divisor_has_an_end() {
        // The only divisor in this range is the last that would be tried: 2^40 + 15 is a prime.
        assert_eq!(largest_divisor((1 << 22) * 1_099_511_627_791, 1 << 22, 1 << 24), None);
    }

    proptest! {
        #[test]
        fn divisors_are_those_of_trying_all(number in 0_u64..100_000_000, least in 1_u64..500, more in 0_u64..5000) {
            let tried = (least..=least + more).rev().find(|n| number.is_multiple_of(*n)).filter(|_| number > 0);
            prop_assert_eq!(largest_divisor(number, least, least + more), tried);
        }

        #[test]
        fn cuts_are_never_too_long(shape in prop::collection::vec(0_u64..1_000_000, 0..4), size in 1_u64..64) {
            let chunk_shape = cut(&shape, size);
            let bytes = chunk_shape.iter().fold(size, |product, length| product * length);
            prop_assert!(bytes <= MAX_CUT_BYTES);
        }
    }
}
