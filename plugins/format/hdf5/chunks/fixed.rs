//! Fixed arrays: one table of all chunks, in pages when it is long.

use thermocline_core::{Error, Result};

use super::{Grid, Numbering, Visit, check_client, check_count, entry};
use crate::checksum::checked;
use crate::cursor::Cursor;
use crate::file::File;

/// What a header says.
struct Header {
    is_filtered: bool,
    entry_len: usize,
    page_len: u64,
    n_entries: u64,
    data: Option<u64>,
}

fn read_header(file: &File, address: u64, grid: &Grid) -> Result<Header> {
    let sizes = file.sizes();
    let bytes = file.bytes.read(address, 12 + sizes.length + sizes.address)?;
    checked(&bytes, "a fixed array")?;
    let mut cursor = Cursor::new(&bytes, sizes);
    cursor.expect(b"FAHD")?;
    let version = cursor.u8()?;
    if version != 0 {
        return Err(Error::unsupported(format!("fixed array version {version}")));
    }
    let is_filtered = check_client(cursor.u8()?, grid)?;
    let entry_len = usize::from(cursor.u8()?);
    let page_bits = cursor.u8()?;
    let page_len = 1_u64.checked_shl(u32::from(page_bits)).unwrap_or(u64::MAX);
    let n_entries = cursor.length()?;
    Ok(Header { is_filtered, entry_len, page_len, n_entries, data: cursor.address()? })
}

/// Calls `visit` with every chunk of a fixed array.
pub(super) fn each_chunk(file: &File, address: u64, grid: &Grid, visit: &mut Visit<'_>) -> Result<()> {
    let header = read_header(file, address, grid)?;
    let Some(data) = header.data else { return Ok(()) };
    let numbering = Numbering::new(grid);
    let n_needed = numbering.end.min(header.n_entries);
    check_count(grid, n_needed)?;
    let position = vec![0; grid.counts.len()];
    let mut reading = Reading { file, header, grid, numbering, n_needed, visit, position };
    if reading.header.n_entries <= reading.header.page_len {
        reading.block(data)
    } else {
        reading.pages(data)
    }
}

/// Reads a table and hands its chunks on.
struct Reading<'r, 'v> {
    file: &'r File,
    header: Header,
    grid: &'r Grid,
    numbering: Numbering,
    /// Entries beyond this many lie outside the present shape.
    n_needed: u64,
    visit: &'r mut Visit<'v>,
    position: Vec<u64>,
}

impl Reading<'_, '_> {
    fn prefix_len(&self) -> usize {
        6 + self.file.sizes().address
    }

    fn entries_len(&self, n: u64) -> Result<usize> {
        let len = usize::try_from(n).ok().and_then(|n| n.checked_mul(self.header.entry_len));
        len.ok_or_else(|| Error::corrupt("a fixed array of more than 2^64 bytes"))
    }

    /// Reads a table without pages.
    fn block(&mut self, data: u64) -> Result<()> {
        let prefix_len = self.prefix_len();
        let len = self.entries_len(self.header.n_entries)?.saturating_add(prefix_len + 4);
        let bytes = self.file.bytes.read(data, len)?;
        let entries = checked(&bytes, "a fixed array")?;
        Cursor::new(entries, self.file.sizes()).expect(b"FADB")?;
        self.entries(entries.get(prefix_len..).unwrap_or_default(), 0, self.header.n_entries)
    }

    /// Reads the pages that were written.
    fn pages(&mut self, data: u64) -> Result<()> {
        let n_pages = self.header.n_entries.div_ceil(self.header.page_len);
        let bitmap_len = usize::try_from(n_pages.div_ceil(8)).unwrap_or(usize::MAX);
        let len = bitmap_len.saturating_add(self.prefix_len() + 4);
        let prefix = self.file.bytes.read(data, len)?;
        let checked_prefix = checked(&prefix, "a fixed array")?;
        Cursor::new(checked_prefix, self.file.sizes()).expect(b"FADB")?;
        let bitmap = checked_prefix.get(self.prefix_len()..).unwrap_or_default();
        let page_bytes = self.entries_len(self.header.page_len)? as u64 + 4;
        let mut pages: Vec<(u64, u64, (u64, usize))> = Vec::new();
        for page in 0..n_pages {
            let first = page * self.header.page_len;
            let byte = bitmap.get((page / 8) as usize);
            if first >= self.n_needed || byte.is_none_or(|byte| byte & (0x80 >> (page % 8)) == 0) {
                continue;
            }
            let n = self.header.page_len.min(self.header.n_entries - first);
            let offset =
                page.checked_mul(page_bytes).and_then(|offset| offset.checked_add(data + len as u64));
            let address = offset.ok_or_else(|| Error::corrupt("a page beyond 2^64 bytes"))?;
            pages.push((first, n, (address, self.entries_len(n)? + 4)));
        }
        for batch in pages.chunks(256) {
            let ranges: Vec<(u64, usize)> = batch.iter().map(|(_, _, range)| *range).collect();
            for ((first, n, _), bytes) in batch.iter().zip(self.file.bytes.read_many(&ranges)?) {
                self.entries(checked(&bytes, "a page of a fixed array")?, *first, *n)?;
            }
        }
        Ok(())
    }

    fn entries(&mut self, bytes: &[u8], first: u64, n: u64) -> Result<()> {
        let mut cursor = Cursor::new(bytes, self.file.sizes());
        for number in first..first.saturating_add(n).min(self.n_needed) {
            let chunk = entry(&mut cursor, self.header.entry_len, self.grid, self.header.is_filtered)?;
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
