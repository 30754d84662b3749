//! The chunks of an array, whatever kind of index finds them.
//!
//! # Specification
//! HDF5 File Format Specification 3.0, III.A.1 (B-tree version 1, node type 1), III.A.2 (version 2, record
//! types 10 and 11), VII (single, implicit, fixed array, extensible array); numbering of chunks as in the
//! library's `H5Dearray.c` and `H5Dfarray.c`.

mod btree1;
mod extensible;
mod fixed;

use thermocline_core::{Error, Result};

use crate::array::Array;
use crate::btree2::Tree;
use crate::cursor::Cursor;
use crate::file::File;
use crate::messages::{ChunkIndexKind, Dataspace, Layout};

/// A chunk as an index tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StoredChunk {
    /// First byte, as an address of the file.
    pub(crate) address: u64,
    /// Bytes.
    pub(crate) len_bytes: u64,
    /// Filters that were skipped.
    pub(crate) filter_mask: u32,
}

/// Receives chunks: the position along each axis, counted in chunks, and the chunk.
pub(crate) type Visit<'v> = dyn FnMut(&[u64], StoredChunk) -> Result<()> + 'v;

/// What all indexes need to know of an array.
pub(crate) struct Grid {
    /// Chunks along each axis at present.
    pub(crate) counts: Vec<u64>,
    /// Chunks along each axis at most; `None` without bound.
    pub(crate) max_counts: Vec<Option<u64>>,
    /// Bytes of a chunk that no filter has changed.
    pub(crate) chunk_bytes: u64,
    /// Most chunks that an index may hold.
    pub(crate) max_chunks: u64,
    is_filtered: bool,
}

impl Grid {
    fn contains(&self, position: &[u64]) -> bool {
        position.iter().zip(&self.counts).all(|(position, count)| position < count)
    }

    /// Chunks at present.
    fn n_chunks(&self) -> u64 {
        self.counts.iter().fold(1, |product, count| product.saturating_mul(*count))
    }
}

/// Calls `visit` with every chunk inside the present shape that was ever written.
pub(crate) fn each_chunk(file: &File, array: &Array, visit: &mut Visit<'_>) -> Result<()> {
    let (Layout::Chunked { chunk_shape, index, address, .. }, Dataspace::Simple { shape, max_shape }) =
        (&array.layout, &array.dataspace)
    else {
        return Ok(());
    };
    let Some(address) = *address else { return Ok(()) };
    let grid = Grid {
        counts: shape.iter().zip(chunk_shape).map(|(length, chunk)| length.div_ceil(*chunk)).collect(),
        max_counts: max_shape
            .iter()
            .zip(chunk_shape)
            .map(|(max, chunk)| max.map(|max| max.div_ceil(*chunk)))
            .collect(),
        chunk_bytes: array.chunk_bytes().ok_or_else(|| Error::corrupt("chunks of more than 2^64 bytes"))?,
        max_chunks: file.limits.n_chunks,
        is_filtered: !array.filters.is_empty(),
    };
    if grid.counts.contains(&0) {
        return Ok(());
    }
    match index {
        ChunkIndexKind::BTree1 => btree1::each_chunk(file, address, chunk_shape, &grid, visit),
        ChunkIndexKind::Single { filtered } => {
            let (len_bytes, filter_mask) = filtered.unwrap_or((grid.chunk_bytes, 0));
            visit(&vec![0; grid.counts.len()], StoredChunk { address, len_bytes, filter_mask })
        }
        ChunkIndexKind::Implicit => implicit(address, &grid, visit),
        ChunkIndexKind::FixedArray => fixed::each_chunk(file, address, &grid, visit),
        ChunkIndexKind::ExtensibleArray => extensible::each_chunk(file, address, &grid, visit),
        ChunkIndexKind::BTree2 => btree2(file, address, &grid, visit),
    }
}

/// A number of chunks that is too large to be listed.
fn check_count(grid: &Grid, n: u64) -> Result<()> {
    if n <= grid.max_chunks {
        return Ok(());
    }
    Err(Error::corrupt(format!("{n} chunks, {} are allowed", grid.max_chunks)))
}

fn implicit(address: u64, grid: &Grid, visit: &mut Visit<'_>) -> Result<()> {
    let n = grid.n_chunks();
    check_count(grid, n)?;
    // The table is laid out for the largest shape, which for this index is the present one or fixed.
    let strides = strides(&grid.max_counts, &grid.counts);
    let mut position = vec![0_u64; grid.counts.len()];
    loop {
        let number =
            position.iter().zip(&strides).fold(0_u64, |sum, (p, s)| sum.saturating_add(p.saturating_mul(*s)));
        let offset = number.checked_mul(grid.chunk_bytes).and_then(|offset| address.checked_add(offset));
        let address = offset.ok_or_else(|| Error::corrupt("a chunk beyond 2^64 bytes"))?;
        visit(&position, StoredChunk { address, len_bytes: grid.chunk_bytes, filter_mask: 0 })?;
        if !advance(&mut position, &grid.counts) {
            return Ok(());
        }
    }
}

/// How far apart neighbours along each axis are numbered.
fn strides(max_counts: &[Option<u64>], counts: &[u64]) -> Vec<u64> {
    let mut strides = vec![1_u64; counts.len()];
    let mut product = 1_u64;
    for (axis, stride) in strides.iter_mut().enumerate().rev() {
        *stride = product;
        let count =
            max_counts.get(axis).copied().flatten().or_else(|| counts.get(axis).copied()).unwrap_or(1);
        product = product.saturating_mul(count);
    }
    strides
}

/// The next position in C order; `false` after the last.
fn advance(position: &mut [u64], counts: &[u64]) -> bool {
    for (position, count) in position.iter_mut().zip(counts).rev() {
        *position += 1;
        if *position < *count {
            return true;
        }
        *position = 0;
    }
    false
}

fn btree2(file: &File, address: u64, grid: &Grid, visit: &mut Visit<'_>) -> Result<()> {
    let tree = Tree::read(file, address)?;
    let rank = grid.counts.len();
    let sizes = file.sizes();
    let len_width = match tree.kind {
        10 => 0,
        11 => tree
            .record_len
            .checked_sub(sizes.address + 4 + 8 * rank)
            .filter(|width| (1..=8).contains(width))
            .ok_or_else(|| Error::corrupt("records of chunks that have an impossible length"))?,
        kind => return Err(Error::corrupt(format!("a B-tree of kind {kind} where chunks are expected"))),
    };
    let mut position = vec![0_u64; rank];
    tree.each_record(file, grid.max_chunks, &mut |record| {
        let mut cursor = Cursor::new(record, sizes);
        let Some(address) = cursor.address()? else { return Ok(()) };
        let (len_bytes, filter_mask) = match len_width {
            0 => (grid.chunk_bytes, 0),
            width => (cursor.uint(width)?, cursor.u32()?),
        };
        for position in &mut position {
            *position = cursor.uint(8)?;
        }
        if grid.contains(&position) {
            visit(&position, StoredChunk { address, len_bytes, filter_mask })?;
        }
        Ok(())
    })
}

/// One entry of a fixed or extensible array.
fn entry(
    cursor: &mut Cursor<'_>,
    entry_len: usize,
    grid: &Grid,
    is_filtered: bool,
) -> Result<Option<StoredChunk>> {
    let start = cursor.position();
    let address = cursor.address()?;
    let (len_bytes, filter_mask) = if is_filtered {
        let width = entry_len.checked_sub(cursor.sizes().address + 4).filter(|width| (1..=8).contains(width));
        let width =
            width.ok_or_else(|| Error::corrupt("entries of chunks that have an impossible length"))?;
        (cursor.uint(width)?, cursor.u32()?)
    } else {
        (grid.chunk_bytes, 0)
    };
    if cursor.position() - start != entry_len {
        return Err(Error::corrupt("entries of chunks that have an impossible length"));
    }
    Ok(address.map(|address| StoredChunk { address, len_bytes, filter_mask }))
}

/// The kind of entries that a table of chunks says it has.
fn check_client(client: u8, grid: &Grid) -> Result<bool> {
    match client {
        0 if !grid.is_filtered => Ok(false),
        1 if grid.is_filtered => Ok(true),
        client => Err(Error::corrupt(format!("a table of chunks of kind {client} does not fit the filters"))),
    }
}

/// The numbers of chunks in a table, turned into positions in the grid.
struct Numbering {
    /// The axis that varies slowest, then the others in order.
    axes: Vec<usize>,
    strides: Vec<u64>,
    /// Numbers from here on belong to chunks outside the present shape.
    end: u64,
}

impl Numbering {
    /// Numbers over the largest shape; an axis without bound comes first.
    fn new(grid: &Grid) -> Self {
        let rank = grid.counts.len();
        let mut axes: Vec<usize> = (0..rank).collect();
        if let Some(unlimited) = grid.max_counts.iter().position(Option::is_none) {
            axes.remove(unlimited);
            axes.insert(0, unlimited);
        }
        let mut strides = vec![1_u64; rank];
        let mut product = 1_u64;
        for (axis, stride) in axes.iter().zip(strides.iter_mut()).rev() {
            *stride = product;
            let count = grid.max_counts.get(*axis).copied().flatten();
            let count = count.or_else(|| grid.counts.get(*axis).copied()).unwrap_or(1);
            product = product.saturating_mul(count.max(1));
        }
        let last = axes.iter().zip(&strides).fold(0_u64, |sum, (axis, stride)| {
            let last = grid.counts.get(*axis).map_or(0, |count| count.saturating_sub(1));
            sum.saturating_add(last.saturating_mul(*stride))
        });
        Self { axes, strides, end: last.saturating_add(1) }
    }

    /// Writes the position of a number.
    fn locate(&self, mut number: u64, position: &mut [u64]) {
        for (axis, stride) in self.axes.iter().zip(&self.strides) {
            if let Some(position) = position.get_mut(*axis) {
                *position = number / (*stride).max(1);
            }
            number %= (*stride).max(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(counts: &[u64], max_counts: &[Option<u64>]) -> Grid {
        Grid {
            counts: counts.to_vec(),
            max_counts: max_counts.to_vec(),
            chunk_bytes: 1,
            max_chunks: 100,
            is_filtered: false,
        }
    }

    #[test]
    fn an_unlimited_axis_varies_slowest() {
        let numbering = Numbering::new(&grid(&[2, 25], &[Some(2), None]));
        let mut position = [0, 0];
        numbering.locate(5, &mut position);
        assert_eq!(position, [1, 2]);
        assert_eq!(numbering.end, 50);
    }

    #[test]
    fn chunks_are_numbered_over_the_largest_shape() {
        let numbering = Numbering::new(&grid(&[2, 2], &[Some(2), Some(5)]));
        let mut position = [0, 0];
        numbering.locate(6, &mut position);
        assert_eq!(position, [1, 1]);
        assert_eq!(numbering.end, 7);
    }
}
