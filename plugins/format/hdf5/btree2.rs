//! B-trees of version 2: records of one size, of which links, attributes and chunks are kept.
//!
//! # Specification
//! HDF5 File Format Specification 3.0, III.A.2.

use std::collections::HashSet;

use thermocline_core::{Error, Result};

use crate::checksum::checked;
use crate::cursor::Cursor;
use crate::file::File;

/// Deepest tree: with two records a node it would hold 2^32 of them.
const MAX_DEPTH: usize = 32;

/// What the header of a tree says.
#[derive(Debug, Clone)]
pub(crate) struct Tree {
    /// What the records are.
    pub(crate) kind: u8,
    node_len: usize,
    /// Bytes of a record.
    pub(crate) record_len: usize,
    depth: usize,
    root: Option<u64>,
    n_root: u64,
    /// Widths of the counts in the pointers to nodes, by the height of the node that is pointed to.
    levels: Vec<Level>,
}

/// What the nodes of one height have in common; leaves have height 0.
#[derive(Debug, Clone)]
struct Level {
    max_records: u64,
    /// Bytes of "records in the subtree" in a pointer to such a node.
    total_width: usize,
    total: u64,
}

/// A node that is still to be read.
struct Pending {
    address: u64,
    n_records: u64,
}

/// Bytes that are needed for numbers up to `limit`.
fn width_of(limit: u64) -> usize {
    (limit.max(1).ilog2() / 8 + 1) as usize
}

/// Bytes of signature, version, kind and checksum around the records of a node.
const NODE_FRAME: usize = 10;

impl Tree {
    /// Reads the header at an address.
    pub(crate) fn read(file: &File, address: u64) -> Result<Self> {
        let sizes = file.sizes();
        let bytes = file.bytes.read(address, 22 + sizes.address + sizes.length)?;
        checked(&bytes, "a B-tree")?;
        let mut cursor = Cursor::new(&bytes, sizes);
        cursor.expect(b"BTHD")?;
        let version = cursor.u8()?;
        if version != 0 {
            return Err(Error::unsupported(format!("B-tree header version {version}")));
        }
        let kind = cursor.u8()?;
        let node_len = cursor.u32()? as usize;
        let record_len = usize::from(cursor.u16()?);
        let depth = usize::from(cursor.u16()?);
        cursor.skip(2)?;
        let root = cursor.address()?;
        let n_root = u64::from(cursor.u16()?);
        if record_len == 0 || node_len < NODE_FRAME + record_len || depth > MAX_DEPTH {
            return Err(Error::corrupt("a B-tree of impossible measures"));
        }
        if node_len as u64 > file.bytes.len_bytes() {
            return Err(Error::corrupt("the nodes of a B-tree are longer than the file"));
        }
        let mut tree = Self { kind, node_len, record_len, depth, root, n_root, levels: Vec::new() };
        tree.measure(sizes.address)?;
        Ok(tree)
    }

    /// Computes how many records nodes of each height can hold (`H5B2__hdr_init` in the library).
    fn measure(&mut self, address_len: usize) -> Result<()> {
        let leaf = ((self.node_len - NODE_FRAME) / self.record_len) as u64;
        self.levels.push(Level { max_records: leaf, total_width: 0, total: leaf });
        let count_width = width_of(leaf);
        for _ in 0..self.depth {
            let Some(below) = self.levels.last() else { break };
            let pointer = address_len + count_width + below.total_width;
            let room = self.node_len.checked_sub(NODE_FRAME + pointer);
            let room = room.ok_or_else(|| Error::corrupt("the nodes of a B-tree are too short"))?;
            let max_records = (room / (self.record_len + pointer)) as u64;
            let total = (max_records + 1).saturating_mul(below.total).saturating_add(max_records);
            self.levels.push(Level { max_records, total_width: width_of(total), total });
        }
        Ok(())
    }

    /// Calls `visit` with every record, in no particular order. At most `max_records` are visited.
    pub(crate) fn each_record(
        &self,
        file: &File,
        max_records: u64,
        visit: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        let Some(root) = self.root else { return Ok(()) };
        if self.n_root == 0 {
            return Ok(());
        }
        let mut left = max_records;
        let mut visited = HashSet::from([root]);
        let mut pending = vec![Pending { address: root, n_records: self.n_root }];
        for height in (0..=self.depth).rev() {
            let ranges: Vec<(u64, usize)> =
                pending.iter().map(|node| (node.address, self.used_len(file, height, node))).collect();
            let mut below = Vec::new();
            // Nodes of one height are read together: far away that is one round trip, not thousands.
            for (nodes, ranges) in pending.chunks(1024).zip(ranges.chunks(1024)) {
                for (node, bytes) in nodes.iter().zip(file.bytes.read_many(ranges)?) {
                    left = left.checked_sub(node.n_records).ok_or_else(|| {
                        Error::corrupt(format!("a B-tree holds more than {max_records} records"))
                    })?;
                    self.read_node(file, height, node, &bytes, &mut below, visit)?;
                }
            }
            if let Some(again) = below.iter().find(|node| !visited.insert(node.address)) {
                return Err(Error::corrupt(format!("the node at {} is twice in a B-tree", again.address)));
            }
            pending = below;
        }
        Ok(())
    }

    fn used_len(&self, file: &File, height: usize, node: &Pending) -> usize {
        let records = usize::try_from(node.n_records).unwrap_or(usize::MAX).saturating_mul(self.record_len);
        let pointers = match height {
            0 => 0,
            _ => (node.n_records as usize + 1).saturating_mul(self.pointer_len(file, height)),
        };
        records.saturating_add(pointers).saturating_add(NODE_FRAME).min(self.node_len)
    }

    fn pointer_len(&self, file: &File, height: usize) -> usize {
        let leaf = self.levels.first().map_or(0, |leaf| leaf.max_records);
        let total_width = height.checked_sub(1).and_then(|below| self.levels.get(below));
        file.sizes().address + width_of(leaf) + total_width.map_or(0, |level| level.total_width)
    }

    fn read_node(
        &self,
        file: &File,
        height: usize,
        node: &Pending,
        bytes: &[u8],
        below: &mut Vec<Pending>,
        visit: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        if self.levels.get(height).is_none_or(|level| node.n_records > level.max_records) {
            return Err(Error::corrupt(format!("{} records in one node of a B-tree", node.n_records)));
        }
        checked(bytes, "a node of a B-tree")?;
        let mut cursor = Cursor::new(bytes, file.sizes());
        cursor.expect(if height == 0 { b"BTLF" } else { b"BTIN" })?;
        cursor.skip(1)?;
        if cursor.u8()? != self.kind {
            return Err(Error::corrupt("a node of another kind of B-tree"));
        }
        for _ in 0..node.n_records {
            visit(cursor.take(self.record_len)?)?;
        }
        if height == 0 {
            return Ok(());
        }
        let leaf = self.levels.first().map_or(0, |leaf| leaf.max_records);
        let total_width = self.levels.get(height - 1).map_or(0, |level| level.total_width);
        for _ in 0..=node.n_records {
            let address =
                cursor.address()?.ok_or_else(|| Error::corrupt("a B-tree without one of its nodes"))?;
            let n_records = cursor.uint(width_of(leaf))?;
            cursor.skip(total_width)?;
            below.push(Pending { address, n_records });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_are_those_of_the_library() {
        for (limit, width) in [(1, 1), (255, 1), (256, 2), (65_535, 2), (65_536, 3)] {
            assert_eq!(width_of(limit), width, "{limit}");
        }
    }
}
