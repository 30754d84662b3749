//! Extensible arrays: a table of chunks that grows along one axis, in blocks that get longer.
//!
//! # Source
//! HDF5 library, `H5EA.c`, `H5EAhdr.c`, `H5EAsblock.c`: super block `u` has 2^(u/2) data blocks of
//! 2^((u+1)/2) times the least number of entries.

use std::collections::HashSet;

use thermocline_core::{Error, Result};

use super::{Grid, Numbering, StoredChunk, Visit, check_client, check_count, entry};
use crate::checksum::checked;
use crate::cursor::Cursor;
use crate::file::File;

/// What a header says.
struct Header {
    is_filtered: bool,
    entry_len: usize,
    /// Bytes of a position in the table.
    position_len: usize,
    n_index_entries: u64,
    min_block_entries: u64,
    min_pointers: u64,
    page_entries: u64,
    n_super_blocks: u32,
    index_block: Option<u64>,
}

fn read_header(file: &File, address: u64, grid: &Grid) -> Result<Header> {
    let sizes = file.sizes();
    let bytes = file.bytes.read(address, 16 + 6 * sizes.length + sizes.address)?;
    checked(&bytes, "an extensible array")?;
    let mut cursor = Cursor::new(&bytes, sizes);
    cursor.expect(b"EAHD")?;
    let version = cursor.u8()?;
    if version != 0 {
        return Err(Error::unsupported(format!("extensible array version {version}")));
    }
    let is_filtered = check_client(cursor.u8()?, grid)?;
    let entry_len = usize::from(cursor.u8()?);
    let max_bits = u32::from(cursor.u8()?);
    let n_index_entries = u64::from(cursor.u8()?);
    let min_block_entries = u64::from(cursor.u8()?);
    let min_pointers = u64::from(cursor.u8()?);
    let page_bits = u32::from(cursor.u8()?);
    cursor.skip(6 * sizes.length)?;
    let is_sound = min_block_entries.is_power_of_two()
        && min_pointers.is_power_of_two()
        && max_bits <= 64
        && max_bits >= min_block_entries.trailing_zeros()
        && page_bits < 32;
    if !is_sound {
        return Err(Error::corrupt("an extensible array of impossible measures"));
    }
    Ok(Header {
        is_filtered,
        entry_len,
        position_len: max_bits.div_ceil(8) as usize,
        n_index_entries,
        min_block_entries,
        min_pointers,
        page_entries: 1 << page_bits,
        n_super_blocks: 1 + max_bits - min_block_entries.trailing_zeros(),
        index_block: cursor.address()?,
    })
}

impl Header {
    /// Data blocks of a super block, and entries of each.
    fn super_block(&self, number: u32) -> (u64, u64) {
        let n_blocks = 1_u64.checked_shl(number / 2).unwrap_or(u64::MAX);
        let n_entries = 1_u64.checked_shl(number.div_ceil(2)).unwrap_or(u64::MAX);
        (n_blocks, n_entries.saturating_mul(self.min_block_entries))
    }

    /// Super blocks whose data blocks the index block points to itself.
    fn n_direct(&self) -> u32 {
        (2 * self.min_pointers.trailing_zeros()).min(self.n_super_blocks)
    }

    fn entries_len(&self, n: u64) -> Result<usize> {
        let len = usize::try_from(n).ok().and_then(|n| n.checked_mul(self.entry_len));
        len.ok_or_else(|| Error::corrupt("an extensible array of more than 2^64 bytes"))
    }
}

/// A data block, or a page of one, that is to be read.
struct Part {
    address: u64,
    first: u64,
    n: u64,
    /// Bytes before the entries; 0 for a page.
    prefix_len: usize,
}

/// Reads a table and hands its chunks on.
struct Reading<'r, 'v> {
    file: &'r File,
    header: &'r Header,
    grid: &'r Grid,
    numbering: &'r Numbering,
    visit: &'r mut Visit<'v>,
    position: Vec<u64>,
    visited: HashSet<u64>,
    parts: Vec<Part>,
}

/// Calls `visit` with every chunk of an extensible array.
pub(super) fn each_chunk(file: &File, address: u64, grid: &Grid, visit: &mut Visit<'_>) -> Result<()> {
    let header = read_header(file, address, grid)?;
    let Some(index_block) = header.index_block else { return Ok(()) };
    let numbering = Numbering::new(grid);
    let mut reading = Reading {
        file,
        header: &header,
        grid,
        numbering: &numbering,
        visit,
        position: vec![0; grid.counts.len()],
        visited: HashSet::new(),
        parts: Vec::new(),
    };
    reading.index_block(index_block)
}

impl Reading<'_, '_> {
    /// Entries beyond this one lie outside the present shape.
    fn end(&self) -> u64 {
        self.numbering.end
    }

    fn index_block(&mut self, address: u64) -> Result<()> {
        let sizes = self.file.sizes();
        let header = self.header;
        let n_direct_blocks = 2 * (header.min_pointers - 1);
        let n_super = header.n_super_blocks - header.n_direct();
        let prefix_len = 6 + sizes.address;
        let pointers_len = (n_direct_blocks as usize + n_super as usize) * sizes.address;
        let entries_len = header.entries_len(header.n_index_entries)?;
        let bytes = self.file.bytes.read(address, prefix_len + entries_len + pointers_len + 4)?;
        checked(&bytes, "an extensible array")?;
        let mut cursor = Cursor::new(&bytes, sizes);
        cursor.expect(b"EAIB")?;
        cursor.skip(prefix_len - 4)?;
        let entries = cursor.take(entries_len)?;
        self.entries(entries, 0, header.n_index_entries)?;
        let mut first = header.n_index_entries;
        for number in 0..header.n_direct() {
            let (n_blocks, n_entries) = header.super_block(number);
            for _ in 0..n_blocks {
                let block = cursor.address()?;
                if let Some(block) = block {
                    self.data_block(block, first, n_entries, None)?;
                }
                first = first.saturating_add(n_entries);
            }
        }
        for number in header.n_direct()..header.n_super_blocks {
            let (n_blocks, n_entries) = header.super_block(number);
            let block = cursor.address()?;
            if let Some(block) = block
                && first < self.end()
            {
                self.super_block(block, first, n_blocks, n_entries)?;
            }
            first = first.saturating_add(n_blocks.saturating_mul(n_entries));
        }
        self.read_parts()
    }

    fn super_block(&mut self, address: u64, first: u64, n_blocks: u64, n_entries: u64) -> Result<()> {
        let sizes = self.file.sizes();
        let n_pages =
            if n_entries > self.header.page_entries { n_entries / self.header.page_entries } else { 0 };
        let bitmap_len = n_blocks.saturating_mul(n_pages.div_ceil(8));
        let pointers_len = n_blocks.saturating_mul(sizes.address as u64);
        let prefix_len = (6 + sizes.address + self.header.position_len) as u64;
        let len = prefix_len.saturating_add(bitmap_len).saturating_add(pointers_len).saturating_add(4);
        self.file.bytes.check(address, len)?;
        let bytes = self.file.bytes.read(address, len as usize)?;
        checked(&bytes, "a super block of an extensible array")?;
        let mut cursor = Cursor::new(&bytes, sizes);
        cursor.expect(b"EASB")?;
        cursor.skip(prefix_len as usize - 4)?;
        let bitmap = cursor.take(bitmap_len as usize)?;
        for number in 0..n_blocks {
            let first = first.saturating_add(number.saturating_mul(n_entries));
            if first >= self.end() {
                break;
            }
            if let Some(block) = cursor.address()? {
                let pages = (n_pages > 0).then_some((bitmap, number * n_pages, n_pages));
                self.data_block(block, first, n_entries, pages)?;
            }
        }
        Ok(())
    }

    /// Plans to read a data block; `pages` are the bits that tell which of its pages were written.
    fn data_block(
        &mut self,
        address: u64,
        first: u64,
        n: u64,
        pages: Option<(&[u8], u64, u64)>,
    ) -> Result<()> {
        if first >= self.end() {
            return Ok(());
        }
        if !self.visited.insert(address) {
            return Err(Error::corrupt(format!("the block at {address} is twice in an extensible array")));
        }
        check_count(self.grid, self.visited.len() as u64)?;
        let prefix_len = 6 + self.file.sizes().address + self.header.position_len;
        let Some((bitmap, first_bit, n_pages)) = pages else {
            if n > self.header.page_entries {
                return Err(Error::unsupported("an extensible array whose first blocks have pages"));
            }
            self.parts.push(Part { address, first, n, prefix_len });
            return Ok(());
        };
        let page_entries = self.header.page_entries;
        let page_len = self.header.entries_len(page_entries)? as u64 + 4;
        for page in 0..n_pages {
            let bit = first_bit + page;
            let is_written =
                bitmap.get((bit / 8) as usize).is_some_and(|byte| byte & (0x80 >> (bit % 8)) != 0);
            let first = first.saturating_add(page.saturating_mul(page_entries));
            if !is_written || first >= self.end() {
                continue;
            }
            let offset =
                page.checked_mul(page_len).and_then(|offset| offset.checked_add(prefix_len as u64 + 4));
            let address = offset.and_then(|offset| address.checked_add(offset));
            let address = address.ok_or_else(|| Error::corrupt("a page beyond 2^64 bytes"))?;
            self.parts.push(Part { address, first, n: page_entries, prefix_len: 0 });
        }
        Ok(())
    }

    fn read_parts(&mut self) -> Result<()> {
        let parts = std::mem::take(&mut self.parts);
        for batch in parts.chunks(256) {
            let ranges = batch
                .iter()
                .map(|part| Ok((part.address, part.prefix_len + self.header.entries_len(part.n)? + 4)))
                .collect::<Result<Vec<_>>>()?;
            for (part, bytes) in batch.iter().zip(self.file.bytes.read_many(&ranges)?) {
                checked(&bytes, "a block of an extensible array")?;
                if part.prefix_len > 0 {
                    Cursor::new(&bytes, self.file.sizes()).expect(b"EADB")?;
                }
                self.entries(bytes.get(part.prefix_len..).unwrap_or_default(), part.first, part.n)?;
            }
        }
        Ok(())
    }

    fn entries(&mut self, bytes: &[u8], first: u64, n: u64) -> Result<()> {
        let mut cursor = Cursor::new(bytes, self.file.sizes());
        for number in first..first.saturating_add(n).min(self.end()) {
            let chunk: Option<StoredChunk> =
                entry(&mut cursor, self.header.entry_len, self.grid, self.header.is_filtered)?;
            self.numbering.locate(number, &mut self.position);
            if let Some(chunk) = chunk
                && self.grid.contains(&self.position)
            {
                (self.visit)(&self.position, chunk)?;
            }
        }
        Ok(())
    }
}
