//! B-trees of version 1: the index of chunks in most files.
//!
//! # Specification
//! HDF5 File Format Specification 3.0, III.A.1, node type 1.

use std::collections::HashSet;

use thermocline_core::{Error, Result};

use super::{Grid, StoredChunk, Visit, check_count};
use crate::cursor::Cursor;
use crate::file::File;

/// Highest level of a tree.
const MAX_LEVEL: u8 = 32;

/// Nodes that are read at once.
const N_NODES_AT_ONCE: usize = 4096;

/// Calls `visit` with every chunk of a tree.
pub(super) fn each_chunk(
    file: &File,
    root: u64,
    chunk_shape: &[u64],
    grid: &Grid,
    visit: &mut Visit<'_>,
) -> Result<()> {
    let mut walk = Walk {
        file,
        chunk_shape,
        grid,
        visit,
        position: vec![0; chunk_shape.len()],
        n_chunks: 0,
        below: Vec::new(),
    };
    let node_len = walk.node_len();
    let max_nodes = grid.max_chunks.saturating_mul(2).min(file.bytes.len_bytes() / 8 + 1);
    let mut visited = HashSet::from([root]);
    let mut nodes = vec![root];
    let mut level = None;
    // Level by level: far away, the nodes of a level are read in few round trips.
    while !nodes.is_empty() {
        let found = walk.level(&nodes, node_len)?;
        if level.is_some_and(|level| found >= level) {
            return Err(Error::corrupt("the B-tree of chunks does not get lower"));
        }
        level = Some(found);
        nodes = std::mem::take(&mut walk.below);
        if let Some(again) = nodes.iter().find(|address| !visited.insert(**address)) {
            return Err(Error::corrupt(format!("the node at {again} is twice in a B-tree")));
        }
        if visited.len() as u64 > max_nodes {
            return Err(Error::corrupt(format!("a B-tree of more than {max_nodes} nodes")));
        }
    }
    Ok(())
}

/// Reads the nodes of a tree.
struct Walk<'w, 'v> {
    file: &'w File,
    chunk_shape: &'w [u64],
    grid: &'w Grid,
    visit: &'w mut Visit<'v>,
    position: Vec<u64>,
    n_chunks: u64,
    /// The nodes of the next level.
    below: Vec<u64>,
}

impl Walk<'_, '_> {
    /// Bytes of a node that is full.
    fn node_len(&self) -> usize {
        let address = self.file.sizes().address;
        let k = self.file.superblock.chunk_tree_k;
        8 + 2 * address + (2 * k + 1) * (8 + self.offsets_len()) + 2 * k * address
    }

    /// Bytes of the position of a chunk, that inside an element included.
    fn offsets_len(&self) -> usize {
        8 * (self.chunk_shape.len() + 1)
    }

    /// Reads the nodes of one level and returns which it is.
    fn level(&mut self, nodes: &[u64], node_len: usize) -> Result<u8> {
        let mut level = None;
        for batch in nodes.chunks(N_NODES_AT_ONCE) {
            let end = self.file.bytes.len_bytes();
            let range = |address: &u64| {
                let left = usize::try_from(end.saturating_sub(*address)).unwrap_or(usize::MAX);
                (*address, node_len.min(left))
            };
            let ranges: Vec<(u64, usize)> = batch.iter().map(range).collect();
            for bytes in self.file.bytes.read_many(&ranges)? {
                let found = self.node(&bytes)?;
                if found > MAX_LEVEL || level.is_some_and(|level| level != found) {
                    return Err(Error::corrupt("a node of another level of the B-tree of chunks"));
                }
                level = Some(found);
            }
        }
        level.ok_or_else(|| Error::internal("a level of a B-tree without nodes"))
    }

    /// Reads a node and returns its level.
    fn node(&mut self, bytes: &[u8]) -> Result<u8> {
        let mut cursor = Cursor::new(bytes, self.file.sizes());
        cursor.expect(b"TREE")?;
        let (kind, level, n) = (cursor.u8()?, cursor.u8()?, usize::from(cursor.u16()?));
        if kind != 1 {
            return Err(Error::corrupt(format!("a B-tree of kind {kind} where chunks are expected")));
        }
        cursor.skip(2 * self.file.sizes().address)?;
        for _ in 0..n {
            let len_bytes = u64::from(cursor.u32()?);
            let filter_mask = cursor.u32()?;
            let offsets = cursor.take(self.offsets_len())?;
            let address = cursor.address()?;
            let address = address.ok_or_else(|| Error::corrupt("a B-tree without one of its nodes"))?;
            if level > 0 {
                self.below.push(address);
                continue;
            }
            self.n_chunks += 1;
            check_count(self.grid, self.n_chunks)?;
            self.locate(offsets)?;
            if self.grid.contains(&self.position) {
                (self.visit)(&self.position, StoredChunk { address, len_bytes, filter_mask })?;
            }
        }
        Ok(level)
    }

    /// Turns the first element of a chunk into its position in the grid.
    fn locate(&mut self, offsets: &[u8]) -> Result<()> {
        let axes = self.position.iter_mut().zip(offsets.chunks_exact(8)).zip(self.chunk_shape);
        for ((position, offset), chunk) in axes {
            let offset = offset.try_into().map_or(u64::MAX, u64::from_le_bytes);
            if offset % chunk != 0 {
                return Err(Error::corrupt(format!("a chunk at {offset} in a grid of {chunk}")));
            }
            *position = offset / chunk;
        }
        Ok(())
    }
}
