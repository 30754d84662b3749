//! Chunk tables as columns of small numbers: differences written as varints, then zstd.
//!
//! A table is: the parts (postcard), two flags, then one column after another. Positions are
//! written as gaps, offsets as the distance from the end of the chunk before, lengths as the
//! difference from the length before, part numbers as runs.

use thermocline_model::{ChunkPart, ChunkTable};

use super::record::{self, Mirror};

const HAS_POSITIONS: u8 = 1;
const HAS_PARTS: u8 = 2;

/// The columns of a table, uncompressed.
pub(super) fn encode(table: &ChunkTable) -> Result<Vec<u8>, postcard::Error> {
    let (positions, offsets, lengths, part_of, parts) = table.columns();
    let parts: Vec<record::ChunkPart> = Mirror::record(&parts.to_vec());
    let mut bytes = postcard::to_allocvec(&parts)?;
    let flags =
        if positions.is_some() { HAS_POSITIONS } else { 0 } | if part_of.is_some() { HAS_PARTS } else { 0 };
    bytes.push(flags);
    put(&mut bytes, offsets.len() as u64);
    let mut next = 0_u64;
    for position in positions.unwrap_or_default() {
        put(&mut bytes, position.wrapping_sub(next));
        next = position.wrapping_add(1);
    }
    let mut end = 0_u64;
    for (offset, length) in offsets.iter().zip(lengths) {
        put(&mut bytes, zigzag(offset.wrapping_sub(end) as i64));
        end = offset.wrapping_add(u64::from(*length));
    }
    let mut before = 0_u32;
    for length in lengths {
        put(&mut bytes, zigzag(i64::from(*length) - i64::from(before)));
        before = *length;
    }
    for run in part_of.unwrap_or_default().chunk_by(|a, b| a == b) {
        put(&mut bytes, run.first().copied().map_or(0, u64::from));
        put(&mut bytes, run.len() as u64);
    }
    Ok(bytes)
}

/// The table again; `None` if the bytes are not one.
pub(super) fn decode(bytes: &[u8]) -> Option<ChunkTable> {
    let (parts, bytes): (Vec<record::ChunkPart>, &[u8]) = postcard::take_from_bytes(bytes).ok()?;
    let parts: Vec<ChunkPart> = parts.model();
    let (flags, mut bytes) = bytes.split_first()?;
    let n = usize::try_from(take(&mut bytes)?).ok()?;
    // Every chunk takes at least a byte of offset and one of length.
    if n > bytes.len() / 2 {
        return None;
    }
    let positions = if flags & HAS_POSITIONS != 0 { Some(take_positions(&mut bytes, n)?) } else { None };
    let distances = take_signed(&mut bytes, n)?;
    let lengths = take_lengths(&mut bytes, n)?;
    let offsets = offsets(&distances, &lengths);
    let part_of = if flags & HAS_PARTS != 0 { Some(take_runs(&mut bytes, n)?) } else { None };
    if !bytes.is_empty() {
        return None;
    }
    ChunkTable::from_columns(positions, offsets, lengths, part_of, parts)
}

fn take_positions(bytes: &mut &[u8], n: usize) -> Option<Vec<u64>> {
    let mut next = 0_u64;
    (0..n)
        .map(|_| {
            let position = next.wrapping_add(take(bytes)?);
            next = position.wrapping_add(1);
            Some(position)
        })
        .collect()
}

fn take_signed(bytes: &mut &[u8], n: usize) -> Option<Vec<i64>> {
    (0..n).map(|_| take(bytes).map(unzigzag)).collect()
}

fn take_lengths(bytes: &mut &[u8], n: usize) -> Option<Vec<u32>> {
    let mut before = 0_i64;
    (0..n)
        .map(|_| {
            before = before.checked_add(unzigzag(take(bytes)?))?;
            u32::try_from(before).ok()
        })
        .collect()
}

fn offsets(distances: &[i64], lengths: &[u32]) -> Vec<u64> {
    let mut end = 0_u64;
    distances
        .iter()
        .zip(lengths)
        .map(|(distance, length)| {
            let offset = end.wrapping_add(*distance as u64);
            end = offset.wrapping_add(u64::from(*length));
            offset
        })
        .collect()
}

fn take_runs(bytes: &mut &[u8], n: usize) -> Option<Vec<u32>> {
    let mut part_of = Vec::with_capacity(n);
    while part_of.len() < n {
        let part = u32::try_from(take(bytes)?).ok()?;
        let length = usize::try_from(take(bytes)?).ok()?;
        if length == 0 || length > n - part_of.len() {
            return None;
        }
        part_of.resize(part_of.len() + length, part);
    }
    Some(part_of)
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

fn put(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use thermocline_model::{ChunkRef, ChunkTableBuilder, Place};

    fn chunk_ref() -> impl Strategy<Value = ChunkRef> {
        let place = prop_oneof![
            (0_u32..3).prop_map(Place::Object),
            Just(Place::Inline),
            (0_u32..2).prop_map(Place::Format),
            (0_u32..2).prop_map(Place::Assembled)
        ];
        let part =
            (place, 0_u16..2, any::<u32>(), any::<bool>()).prop_map(|(place, encoding, mask, is_short)| {
                ChunkPart { place, encoding, filter_mask: mask % 3, is_short }
            });
        (part, any::<u64>(), any::<u32>()).prop_map(|(part, offset, len_bytes)| ChunkRef {
            part,
            offset,
            len_bytes,
        })
    }

    fn table() -> impl Strategy<Value = ChunkTable> {
        prop::collection::vec((any::<u64>(), chunk_ref()), 0..60).prop_map(|chunks| {
            let mut builder = ChunkTableBuilder::new();
            for (position, chunk) in chunks {
                builder.push(position, chunk);
            }
            builder.build()
        })
    }

    proptest! {
        #[test]
        fn every_table_comes_back(table in table()) {
            prop_assert_eq!(decode(&encode(&table).unwrap()), Some(table));
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&bytes);
        }
    }

    #[test]
    fn chunks_in_the_order_of_the_file_take_few_bytes() {
        let mut builder = ChunkTableBuilder::new();
        let part = ChunkPart { place: Place::Object(0), encoding: 0, filter_mask: 0, is_short: false };
        for position in 0..10_000 {
            builder.push(position, ChunkRef { part, offset: 4096 + position * 1000, len_bytes: 1000 });
        }
        assert!(encode(&builder.build()).unwrap().len() < 2 * 10_000 + 100);
    }
}
