//! Stored bytes of many chunks at once: planned first, neighbours merged, read side by side.

use std::collections::HashMap;
use std::iter::Peekable;
use std::sync::Arc;

use bytes::Bytes;
use thermocline_model::{ChunkRef, Place};

use super::ObjectsByNumber;
use crate::format::ReadAt;
use crate::{Error, Result, parallel};

/// Unwanted bytes that are read along rather than asking again.
const MAX_GAP_BYTES: u64 = 64 << 10;
/// Largest read of neighbours.
const MAX_READ_BYTES: u64 = 8 << 20;
/// Bounds of what is read at once: stored bytes in memory, and chunks, each of which may be an object.
const ROUND_BYTES: u64 = 64 << 20;
const ROUND_CHUNKS: usize = 1024;

/// A chunk with its position in the grid.
pub(super) type Positioned = (u64, ChunkRef);

/// The next chunks of a table that are to be read at once; none at its end.
pub(super) fn next_round(chunks: &mut Peekable<impl Iterator<Item = Positioned>>) -> Vec<Positioned> {
    let mut round = Vec::new();
    let mut len_bytes = 0_u64;
    while let Some((_, chunk)) = chunks.peek() {
        len_bytes = len_bytes.saturating_add(u64::from(chunk.len_bytes));
        if !round.is_empty() && (len_bytes > ROUND_BYTES || round.len() >= ROUND_CHUNKS) {
            break;
        }
        round.extend(chunks.next());
    }
    round
}

/// The stored bytes of every chunk of a round; none for chunks that only the format can decode.
pub(super) fn read(round: &[Positioned], inline: &[u8], objects: &dyn ObjectsByNumber) -> Result<Vec<Bytes>> {
    let opened = open(round, objects)?;
    let mut bytes = vec![Bytes::new(); round.len()];
    let mut wanted = Vec::new();
    for (entry, (_, chunk)) in round.iter().enumerate() {
        match chunk.part.place {
            Place::Object(number) => wanted.push(Wanted::new(entry, number, chunk, &opened)?),
            Place::Inline => bytes[entry] = inline_bytes(chunk, inline)?,
            Place::Format(_) | Place::Assembled(_) => {}
        }
    }
    wanted.sort_by_key(|wanted| (wanted.object, wanted.offset));
    let reads = merge(&wanted);
    let done = read_all(&reads, &opened)?;
    for (read, found) in reads.iter().zip(done) {
        for wanted in read.wanted {
            let first = (wanted.offset - read.offset()) as usize;
            bytes[wanted.entry] = found.slice(first..first + wanted.len_bytes as usize);
        }
    }
    Ok(bytes)
}

type Opened = HashMap<u32, Arc<dyn ReadAt>>;

/// Opens every object that chunks of a round lie in, each once.
fn open(round: &[Positioned], objects: &dyn ObjectsByNumber) -> Result<Opened> {
    let number = |(_, chunk): &Positioned| match chunk.part.place {
        Place::Object(number) => Some(number),
        Place::Inline | Place::Format(_) | Place::Assembled(_) => None,
    };
    let mut numbers: Vec<u32> = round.iter().filter_map(number).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let opened = parallel::map(&numbers, |number| objects.object(*number))?;
    Ok(numbers.into_iter().zip(opened).collect())
}

/// Bytes of an object that belong to one entry of a round.
#[derive(Debug, Clone, Copy)]
struct Wanted {
    entry: usize,
    object: u32,
    offset: u64,
    len_bytes: u64,
}

impl Wanted {
    /// Refuses bytes that the object does not have.
    fn new(entry: usize, object: u32, chunk: &ChunkRef, opened: &Opened) -> Result<Self> {
        let object_len = opened.get(&object).map_or(0, |object| object.object().len_bytes);
        let len_bytes = u64::from(chunk.len_bytes);
        if chunk.offset.checked_add(len_bytes).is_none_or(|end| end > object_len) {
            return Err(Error::corrupt(format!(
                "a chunk at {} lies beyond the end of the file",
                chunk.offset
            )));
        }
        Ok(Self { entry, object, offset: chunk.offset, len_bytes })
    }

    fn end(&self) -> u64 {
        self.offset + self.len_bytes
    }
}

/// One read of neighbours in an object.
#[derive(Debug, Clone, Copy)]
struct MergedRead<'a> {
    wanted: &'a [Wanted],
    object: u32,
    end: u64,
}

impl MergedRead<'_> {
    fn offset(&self) -> u64 {
        self.wanted.first().map_or(self.end, |first| first.offset)
    }
}

/// The fewest reads for sorted ranges.
fn merge(wanted: &[Wanted]) -> Vec<MergedRead<'_>> {
    let mut reads = Vec::new();
    let mut rest = wanted;
    while let Some(first) = rest.first() {
        let mut end = first.end();
        let is_neighbour = |next: &&Wanted| {
            let is_near = next.object == first.object
                && next.offset <= end.saturating_add(MAX_GAP_BYTES)
                && next.end() - first.offset <= MAX_READ_BYTES;
            if is_near {
                end = end.max(next.end());
            }
            is_near
        };
        let n_merged = 1 + rest.iter().skip(1).take_while(is_neighbour).count();
        let (merged, after) = rest.split_at(n_merged);
        reads.push(MergedRead { wanted: merged, object: first.object, end });
        rest = after;
    }
    reads
}

/// Reads side by side where each read waits for a store; files of this machine are faster one by one.
fn read_all(reads: &[MergedRead<'_>], opened: &Opened) -> Result<Vec<Bytes>> {
    let one = |read: &MergedRead<'_>| {
        let object = opened.get(&read.object);
        let object = object.ok_or_else(|| Error::internal(format!("object {} is not open", read.object)))?;
        object.read_at(read.offset(), (read.end - read.offset()) as usize)
    };
    if opened.values().all(|object| object.local_path().is_some()) {
        return reads.iter().map(one).collect();
    }
    parallel::map(reads, one)
}

fn inline_bytes(chunk: &ChunkRef, inline: &[u8]) -> Result<Bytes> {
    let range = usize::try_from(chunk.offset)
        .ok()
        .and_then(|start| Some(start..start.checked_add(chunk.len_bytes as usize)?));
    let bytes = range.and_then(|range| inline.get(range));
    bytes.map(Bytes::copy_from_slice).ok_or_else(|| Error::internal("inline bytes are missing"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(object: u32, offset: u64, len_bytes: u64) -> Wanted {
        Wanted { entry: 0, object, offset, len_bytes }
    }

    #[test]
    fn neighbours_are_read_together_and_others_apart() {
        let sorted = [
            wanted(0, 0, 10),
            wanted(0, 10, 10),
            wanted(0, 20 + MAX_GAP_BYTES, 10),
            wanted(0, 31 + 2 * MAX_GAP_BYTES, 10),
            wanted(1, 0, MAX_READ_BYTES + 5),
            wanted(1, MAX_READ_BYTES + 5, 1),
        ];
        let reads: Vec<_> =
            merge(&sorted).iter().map(|read| (read.object, read.offset(), read.end)).collect();
        let gap = MAX_GAP_BYTES;
        let expected = [
            (0, 0, gap + 30),
            (0, 31 + 2 * gap, 41 + 2 * gap),
            (1, 0, MAX_READ_BYTES + 5),
            (1, MAX_READ_BYTES + 5, MAX_READ_BYTES + 6),
        ];
        assert_eq!(reads, expected);
    }

    #[test]
    fn ranges_that_overlap_are_one_read_to_the_farthest_end() {
        let sorted = [wanted(0, 0, 100), wanted(0, 10, 10), wanted(0, 90, 20)];
        let reads = merge(&sorted);
        assert_eq!((reads.len(), reads[0].end), (1, 110));
    }
}
