//! Sharded arrays of version 3: which bytes of a shard are an inner chunk.
//!
//! # Specification
//! ZEP 2, `sharding_indexed`: an index of (offset, length) pairs in C order of the inner chunks, all ones
//! for a chunk that was never written.

use super::ParseError;

/// Bytes of one entry of the index: offset and length.
const ENTRY_BYTES: u64 = 16;
/// Bytes of a CRC-32C checksum.
const CHECKSUM_BYTES: u64 = 4;

/// How the chunks of an array are packed into shards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sharding {
    /// Lengths of the axes of a shard: a multiple of the inner chunk's.
    pub shard_shape: Vec<u64>,
    /// Where and how the index is stored.
    pub index: ShardIndex,
}

/// Where and how the index of a shard is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShardIndex {
    /// True if it lies at the start of the shard, false for the end.
    pub is_first: bool,
    /// True if its numbers have the most significant byte first.
    pub is_big_endian: bool,
    /// True if a CRC-32C checksum follows it.
    pub has_checksum: bool,
}

/// An inner chunk that was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShardEntry {
    /// Its position among the shard's inner chunks, in C order.
    pub position: u64,
    /// First byte in the shard.
    pub offset: u64,
    /// Number of bytes.
    pub len_bytes: u64,
}

impl ShardIndex {
    /// Bytes of the index of a shard with `n_chunks` inner chunks; `None` beyond `u64`.
    pub fn len_bytes(self, n_chunks: u64) -> Option<u64> {
        n_chunks.checked_mul(ENTRY_BYTES)?.checked_add(if self.has_checksum { CHECKSUM_BYTES } else { 0 })
    }

    /// First byte of the index in a shard of `shard_len_bytes`; `None` if the shard is too short for it.
    pub fn offset(self, n_chunks: u64, shard_len_bytes: u64) -> Option<u64> {
        let end = shard_len_bytes.checked_sub(self.len_bytes(n_chunks)?)?;
        Some(if self.is_first { 0 } else { end })
    }

    /// The inner chunks that were written, from the bytes of the index.
    ///
    /// # Errors
    /// [`ParseError`] when the checksum does not hold or an entry lies outside the shard.
    pub fn entries(self, bytes: &[u8], shard_len_bytes: u64) -> Result<Vec<ShardEntry>, ParseError> {
        let entries = self.checked(bytes)?;
        let mut found = Vec::new();
        for (position, entry) in entries.chunks_exact(ENTRY_BYTES as usize).enumerate() {
            let (offset, len_bytes) = entry.split_at(ENTRY_BYTES as usize / 2);
            let (offset, len_bytes) = (self.number(offset), self.number(len_bytes));
            if offset == u64::MAX && len_bytes == u64::MAX {
                continue;
            }
            if offset.checked_add(len_bytes).is_none_or(|end| end > shard_len_bytes) {
                return Err(ParseError::new(format!(
                    "inner chunk {position} claims {len_bytes} bytes at {offset} of a shard of {shard_len_bytes}"
                )));
            }
            found.push(ShardEntry { position: position as u64, offset, len_bytes });
        }
        Ok(found)
    }

    /// The entries without their checksum, which must hold.
    fn checked(self, bytes: &[u8]) -> Result<&[u8], ParseError> {
        if !self.has_checksum {
            return Ok(bytes);
        }
        let split = bytes.len().checked_sub(CHECKSUM_BYTES as usize);
        let (entries, stored) = split
            .and_then(|at| bytes.split_at_checked(at))
            .ok_or_else(|| ParseError::new("no shard index"))?;
        // The `crc32c` codec writes its checksum little-endian whatever the order of the entries.
        let stored = stored.iter().rev().fold(0_u32, |sum, byte| sum << 8 | u32::from(*byte));
        let computed = crc32c::crc32c(entries);
        if stored != computed {
            return Err(ParseError::new(format!(
                "the checksum of the shard index is {stored:08x}, its bytes give {computed:08x}"
            )));
        }
        Ok(entries)
    }

    fn number(self, bytes: &[u8]) -> u64 {
        let fold = |value: u64, byte: &u8| value << 8 | u64::from(*byte);
        if self.is_big_endian { bytes.iter().fold(0, fold) } else { bytes.iter().rev().fold(0, fold) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const END: ShardIndex = ShardIndex { is_first: false, is_big_endian: false, has_checksum: true };

    fn index(entries: &[(u64, u64)]) -> Vec<u8> {
        let mut bytes: Vec<u8> =
            entries.iter().flat_map(|(a, b)| [a.to_le_bytes(), b.to_le_bytes()].concat()).collect();
        bytes.extend(crc32c::crc32c(&bytes).to_le_bytes());
        bytes
    }

    #[test]
    fn entries_of_all_ones_were_never_written() {
        let bytes = index(&[(0, 10), (u64::MAX, u64::MAX), (10, 5)]);
        let found = END.entries(&bytes, 100).unwrap();
        assert_eq!(found.iter().map(|entry| entry.position).collect::<Vec<_>>(), [0, 2]);
        assert_eq!(found[1], ShardEntry { position: 2, offset: 10, len_bytes: 5 });
    }

    #[test]
    fn a_wrong_checksum_or_an_entry_outside_is_an_error() {
        let mut bytes = index(&[(0, 10)]);
        assert!(END.entries(&bytes, 9).is_err());
        assert!(END.entries(&index(&[(u64::MAX, 1)]), 9).is_err());
        bytes[0] ^= 1;
        assert!(END.entries(&bytes, 100).unwrap_err().reason.contains("checksum"));
        assert!(END.entries(&[1, 2], 100).is_err());
    }

    #[test]
    fn the_index_lies_at_the_end_or_the_start() {
        assert_eq!(END.offset(2, 100), Some(64));
        assert_eq!(ShardIndex { is_first: true, ..END }.offset(2, 100), Some(0));
        assert_eq!(END.offset(10, 100), None);
        assert_eq!(END.offset(u64::MAX, 100), None);
    }
}
