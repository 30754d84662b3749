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
    let n_entries = numbering.end.min(header.n_entries);
    check_count(grid, n_entries)?;
    let sizes = file.sizes();
    let prefix_len = 6 + sizes.address;
    let entries_len = |n: u64| {
        let len = usize::try_from(n).ok().and_then(|n| n.checked_mul(header.entry_len));
        len.ok_or_else(|| Error::corrupt("a fixed array of more than 2^64 bytes"))
    };
    let mut position = vec![0_u64; grid.counts.len()];
    let mut take = |bytes: &[u8], first: u64, n: u64| -> Result<()> {
        let mut cursor = Cursor::new(bytes, sizes);
        for number in first..first.saturating_add(n).min(n_entries) {
            let chunk = entry(&mut cursor, header.entry_len, grid, header.is_filtered)?;
            numbering.locate(number, &mut position);
            if let Some(chunk) = chunk
                && grid.contains(&position)
            {
                visit(&position, chunk)?;
            }
        }
        Ok(())
    };
    if header.n_entries <= header.page_len {
        let len = prefix_len + entries_len(header.n_entries)?;
        let bytes = file.bytes.read(data, len + 4)?;
        checked(&bytes, "a fixed array")?;
        Cursor::new(&bytes, sizes).expect(b"FADB")?;
        return take(bytes.get(prefix_len..len).unwrap_or_default(), 0, header.n_entries);
    }
    let n_pages = header.n_entries.div_ceil(header.page_len);
    let bitmap_len =
        usize::try_from(n_pages.div_ceil(8)).map_err(|_| Error::corrupt("a fixed array too long"))?;
    let prefix = file.bytes.read(data, prefix_len + bitmap_len + 4)?;
    checked(&prefix, "a fixed array")?;
    Cursor::new(&prefix, sizes).expect(b"FADB")?;
    let bitmap = prefix.get(prefix_len..).unwrap_or_default();
    let page_bytes = entries_len(header.page_len)? as u64 + 4;
    let first_page = data + prefix.len() as u64;
    let mut pages: Vec<(u64, u64, (u64, usize))> = Vec::new();
    for page in 0..n_pages {
        let first = page * header.page_len;
        let is_written = bitmap.get((page / 8) as usize).is_some_and(|byte| byte & (0x80 >> (page % 8)) != 0);
        if first >= n_entries || !is_written {
            continue;
        }
        let n = header.page_len.min(header.n_entries - first);
        let offset = page.checked_mul(page_bytes).and_then(|offset| first_page.checked_add(offset));
        let address = offset.ok_or_else(|| Error::corrupt("a page beyond 2^64 bytes"))?;
        pages.push((first, n, (address, entries_len(n)? + 4)));
    }
    for batch in pages.chunks(256) {
        let ranges: Vec<(u64, usize)> = batch.iter().map(|(_, _, range)| *range).collect();
        for ((first, n, _), bytes) in batch.iter().zip(file.bytes.read_many(&ranges)?) {
            checked(&bytes, "a page of a fixed array")?;
            take(&bytes, *first, *n)?;
        }
    }
    Ok(())
}
