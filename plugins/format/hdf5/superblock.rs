//! The superblock: where the file begins, how wide its numbers are, whether it is whole.
//!
//! # Specification
//! HDF5 File Format Specification 3.0, II.A, versions 0 to 3.

use thermocline_core::format::ReadAt;
use thermocline_core::{Error, Result};

use crate::cursor::{Cursor, Sizes};

/// The first bytes of every HDF5 file, at 0, 512, 1024, 2048, …
pub(crate) const SIGNATURE: [u8; 8] = *b"\x89HDF\r\n\x1a\n";

/// Longest user block that is looked behind.
const MAX_USER_BLOCK: u64 = 1 << 30;

/// Bytes that hold every version of the superblock.
const MAX_SUPERBLOCK_BYTES: usize = 128;

/// What the superblock says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Superblock {
    /// Where addresses count from: the position of the signature.
    pub(crate) base: u64,
    /// Widths of addresses and lengths.
    pub(crate) sizes: Sizes,
    /// Where the file ends, as an address: what lies behind belongs to nobody.
    pub(crate) end: u64,
    /// Address of the root group's object header.
    pub(crate) root: u64,
    /// Address of the superblock extension's object header.
    pub(crate) extension: Option<u64>,
    /// Half the number of children of a chunk B-tree's nodes (version 1 only).
    pub(crate) chunk_tree_k: usize,
}

/// Where the signature lies in the first bytes of a file.
pub(crate) fn find_signature(head: &[u8]) -> Option<usize> {
    positions()
        .map_while(|position| usize::try_from(position).ok())
        .take_while(|position| position + SIGNATURE.len() <= head.len())
        .find(|position| head.get(*position..position + SIGNATURE.len()) == Some(&SIGNATURE))
}

fn positions() -> impl Iterator<Item = u64> {
    std::iter::once(0).chain((9..).map(|bit| 1_u64 << bit)).take_while(|position| *position <= MAX_USER_BLOCK)
}

impl Superblock {
    /// Reads the superblock and checks that the file is whole and not being written.
    ///
    /// # Errors
    /// [`thermocline_core::ErrorKind::Refused`] with what is wrong.
    pub(crate) fn read(object: &dyn ReadAt) -> Result<Self> {
        let len_bytes = object.object().len_bytes;
        if len_bytes == 0 {
            return Err(Error::refused("the file is empty (0 bytes)"));
        }
        let base = find_base(object)?;
        let len = MAX_SUPERBLOCK_BYTES.min(usize::try_from(len_bytes - base).unwrap_or(usize::MAX));
        let bytes = object.read_at(base, len)?;
        let parsed = parse(&bytes, base, len_bytes);
        parsed.map_err(|error| match error.kind() {
            thermocline_core::ErrorKind::Refused => error,
            _ => Error::refused(format!("the superblock is damaged: {error}")),
        })
    }
}

fn find_base(object: &dyn ReadAt) -> Result<u64> {
    let len_bytes = object.object().len_bytes;
    for position in positions().take_while(|position| position + 8 <= len_bytes) {
        if object.read_at(position, SIGNATURE.len())? == SIGNATURE.as_slice() {
            return Ok(position);
        }
    }
    Err(Error::refused("no HDF5 signature: the file is of another format"))
}

fn parse(bytes: &[u8], base: u64, len_bytes: u64) -> Result<Superblock> {
    let mut cursor = Cursor::new(bytes, Sizes { address: 8, length: 8 });
    cursor.expect(&SIGNATURE)?;
    match cursor.u8()? {
        version @ (0 | 1) => parse_old(bytes, version, base, len_bytes),
        version @ (2 | 3) => parse_new(bytes, version, base, len_bytes),
        version => Err(Error::refused(format!("superblock version {version} is newer than this reader"))),
    }
}

fn parse_old(bytes: &[u8], version: u8, base: u64, len_bytes: u64) -> Result<Superblock> {
    let sizes = Sizes { address: byte(bytes, 13)?, length: byte(bytes, 14)? };
    check_sizes(sizes)?;
    let mut cursor = Cursor::new(bytes, sizes);
    cursor.skip(16)?;
    let _group_leaf_k = cursor.u16()?;
    let _group_internal_k = cursor.u16()?;
    let _consistency = cursor.u32()?;
    let mut chunk_tree_k = 32;
    if version == 1 {
        chunk_tree_k = usize::from(cursor.u16()?);
        cursor.skip(2)?;
    }
    let stored_base = cursor.address()?.unwrap_or(0);
    let _free_space = cursor.address()?;
    let end = cursor.address()?;
    let driver = cursor.address()?;
    if driver.is_some() {
        return Err(Error::refused(
            "the file is one part of a family or multi-file set, which needs all its parts",
        ));
    }
    let end = check_end(end, stored_base, base, len_bytes)?;
    let _link_name = cursor.length()?;
    let root = cursor.address()?.ok_or_else(|| Error::refused("the file has no root group"))?;
    Ok(Superblock { base, sizes, end, root, extension: None, chunk_tree_k })
}

fn parse_new(bytes: &[u8], version: u8, base: u64, len_bytes: u64) -> Result<Superblock> {
    let sizes = Sizes { address: byte(bytes, 9)?, length: byte(bytes, 10)? };
    check_sizes(sizes)?;
    let mut cursor = Cursor::new(bytes, sizes);
    cursor.skip(11)?;
    let flags = cursor.u8()?;
    let stored_base = cursor.address()?.unwrap_or(0);
    let extension = cursor.address()?;
    let end = cursor.address()?;
    let root = cursor.address()?;
    let summed = bytes.get(..cursor.position()).unwrap_or_default();
    if hdf5_reader::checksum::jenkins_lookup3(summed) != cursor.u32()? {
        return Err(Error::refused("the superblock is damaged: its checksum does not hold"));
    }
    if version >= 3 && flags & 0b101 != 0 {
        let how = if flags & 0b100 != 0 { " (SWMR)" } else { "" };
        return Err(Error::refused(format!(
            "the file is open for writing{how}, or its writer did not close it"
        )));
    }
    let end = check_end(end, stored_base, base, len_bytes)?;
    let root = root.ok_or_else(|| Error::refused("the file has no root group"))?;
    Ok(Superblock { base, sizes, end, root, extension, chunk_tree_k: 32 })
}

fn byte(bytes: &[u8], position: usize) -> Result<usize> {
    bytes
        .get(position)
        .map(|byte| usize::from(*byte))
        .ok_or_else(|| Error::refused("the superblock is cut off"))
}

fn check_sizes(sizes: Sizes) -> Result<()> {
    let is_known = |size| matches!(size, 2 | 4 | 8);
    if is_known(sizes.address) && is_known(sizes.length) {
        return Ok(());
    }
    Err(Error::refused(format!(
        "addresses of {} bytes and lengths of {} bytes are not supported",
        sizes.address, sizes.length
    )))
}

/// The end of the file as it was closed, as an address; a file that was moved behind a user block ends later.
fn check_end(end: Option<u64>, stored_base: u64, base: u64, len_bytes: u64) -> Result<u64> {
    let Some(end) = end else {
        return Err(Error::refused("the file does not say where it ends: it was not closed"));
    };
    let length = end.saturating_sub(stored_base);
    let end = length.saturating_add(base);
    if end > len_bytes {
        return Err(Error::refused(format!("the file is truncated: {len_bytes} bytes of {end} are there")));
    }
    Ok(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_found_behind_a_user_block() {
        let mut head = vec![0; 4096];
        assert_eq!(find_signature(&head), None);
        head[1024..1032].copy_from_slice(&SIGNATURE);
        assert_eq!(find_signature(&head), Some(1024));
        head[512..520].copy_from_slice(&SIGNATURE);
        assert_eq!(find_signature(&head), Some(512));
        assert_eq!(find_signature(&head[..515]), None);
    }

    #[test]
    fn a_file_shorter_than_its_end_is_truncated() {
        assert!(check_end(Some(100), 0, 0, 100).is_ok());
        let error = check_end(Some(100), 0, 0, 99).unwrap_err();
        assert_eq!(error.message(), "the file is truncated: 99 bytes of 100 are there");
        assert!(check_end(Some(100), 0, 512, 611).is_err());
    }
}
