//! Which bytes of which object are a chunk.

/// Where a chunk's bytes lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Place {
    /// In the object of this number.
    Object(u32),
    /// With the manifest.
    Inline,
    /// Nowhere as bytes: the format decodes the chunk from the object of this number.
    Format(u32),
    /// The same from further objects too. The bytes of the chunk, with the manifest, are their numbers: each
    /// four bytes, little-endian.
    Assembled(u32),
}

impl Place {
    /// Number of the object that holds the chunk, or that it is decoded from first.
    pub fn object(self) -> Option<u32> {
        match self {
            Self::Object(number) | Self::Format(number) | Self::Assembled(number) => Some(number),
            Self::Inline => None,
        }
    }

    /// True if only the format gives the chunk's values.
    pub fn is_decoded_by_format(self) -> bool {
        matches!(self, Self::Format(_) | Self::Assembled(_))
    }
}

/// What many chunks of a table have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ChunkPart {
    /// Where the bytes lie.
    pub place: Place,
    /// Which of the variable's encodings the bytes have.
    pub encoding: u16,
    /// Codecs of the encoding that were skipped for this chunk: bit `i` for codec `i` of the chain.
    pub filter_mask: u32,
    /// True if the bytes end before the chunk does (rows cut from a contiguous array): the rest is fill.
    pub is_short: bool,
}

/// The stored bytes of one chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkRef {
    /// What it shares with others.
    pub part: ChunkPart,
    /// First byte in the object, or in the inline bytes of the dataset.
    pub offset: u64,
    /// Number of bytes.
    pub len_bytes: u32,
}

/// Positions, offsets, lengths, part numbers and parts of a [`ChunkTable`], column by column.
pub type ChunkColumns<'a> = (Option<&'a [u64]>, &'a [u64], &'a [u32], Option<&'a [u32]>, &'a [ChunkPart]);

/// The chunks of one variable: at most 24 bytes each in memory.
///
/// Chunks are named by their position in C order in the stored [`crate::ChunkGrid`]. A table in
/// which every chunk exists needs 12 bytes a chunk, a sparse one 20, and 4 more when chunks
/// differ in object, encoding or filter mask.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ChunkTable {
    /// Positions in ascending order; `None` when chunk `i` is entry `i`.
    positions: Option<Vec<u64>>,
    offsets: Vec<u64>,
    lengths: Vec<u32>,
    /// Which of `parts` an entry has; `None` when all have the first.
    part_of: Option<Vec<u32>>,
    parts: Vec<ChunkPart>,
}

impl ChunkTable {
    /// The chunk at a position in C order; `None` if it was never written.
    pub fn get(&self, linear: u64) -> Option<ChunkRef> {
        let entry = match &self.positions {
            None => usize::try_from(linear).ok()?,
            Some(positions) => positions.binary_search(&linear).ok()?,
        };
        self.entry(entry)
    }

    fn entry(&self, entry: usize) -> Option<ChunkRef> {
        let part = match &self.part_of {
            None => 0,
            Some(part_of) => usize::try_from(*part_of.get(entry)?).ok()?,
        };
        Some(ChunkRef {
            part: *self.parts.get(part)?,
            offset: *self.offsets.get(entry)?,
            len_bytes: *self.lengths.get(entry)?,
        })
    }

    /// How many chunks exist.
    pub fn len(&self) -> usize {
        self.offsets.len()
    }

    /// True if no chunk was ever written.
    pub fn is_empty(&self) -> bool {
        self.offsets.is_empty()
    }

    /// Every chunk that exists, with its position, in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = (u64, ChunkRef)> + '_ {
        (0..self.len()).filter_map(|entry| {
            let position = match &self.positions {
                None => entry as u64,
                Some(positions) => *positions.get(entry)?,
            };
            Some((position, self.entry(entry)?))
        })
    }

    /// What chunks have in common; a chunk has one of these.
    pub fn parts(&self) -> &[ChunkPart] {
        &self.parts
    }

    /// Bytes of memory that the table takes.
    pub fn memory_bytes(&self) -> usize {
        self.positions.as_ref().map_or(0, |positions| positions.len() * 8)
            + self.offsets.len() * 8
            + self.lengths.len() * 4
            + self.part_of.as_ref().map_or(0, |part_of| part_of.len() * 4)
            + self.parts.len() * size_of::<ChunkPart>()
    }

    /// Bytes stored by all chunks together; lists of objects are none.
    pub fn stored_bytes(&self) -> u64 {
        if self.parts.iter().any(|part| matches!(part.place, Place::Assembled(_))) {
            let stored = self.iter().filter(|(_, chunk)| !matches!(chunk.part.place, Place::Assembled(_)));
            return stored.map(|(_, chunk)| u64::from(chunk.len_bytes)).sum();
        }
        self.lengths.iter().map(|length| u64::from(*length)).sum()
    }

    /// The columns: positions, offsets, lengths, part numbers, parts. For storing the table.
    pub fn columns(&self) -> ChunkColumns<'_> {
        (self.positions.as_deref(), &self.offsets, &self.lengths, self.part_of.as_deref(), &self.parts)
    }

    /// Puts stored columns together again.
    ///
    /// Returns `None` unless the lengths agree, positions ascend strictly and every part exists.
    pub fn from_columns(
        positions: Option<Vec<u64>>,
        offsets: Vec<u64>,
        lengths: Vec<u32>,
        part_of: Option<Vec<u32>>,
        parts: Vec<ChunkPart>,
    ) -> Option<Self> {
        let n = offsets.len();
        let positions_fit =
            positions.as_ref().is_none_or(|p| p.len() == n && p.windows(2).all(|pair| pair[0] < pair[1]));
        let parts_fit = match &part_of {
            None => n == 0 || parts.len() == 1,
            Some(part_of) => part_of.len() == n && part_of.iter().all(|part| (*part as usize) < parts.len()),
        };
        (lengths.len() == n && positions_fit && parts_fit).then_some(Self {
            positions,
            offsets,
            lengths,
            part_of,
            parts,
        })
    }
}

/// Collects chunks in any order into a [`ChunkTable`].
#[derive(Debug, Default)]
pub struct ChunkTableBuilder {
    entries: Vec<(u64, u64, u32, u32)>,
    parts: Vec<ChunkPart>,
    part_numbers: std::collections::HashMap<ChunkPart, u32>,
}

impl ChunkTableBuilder {
    /// An empty table.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the chunk at a position in C order.
    pub fn push(&mut self, linear: u64, chunk: ChunkRef) {
        let part = match self.parts.last() {
            Some(last) if *last == chunk.part => (self.parts.len() - 1) as u32,
            _ => *self.part_numbers.entry(chunk.part).or_insert_with(|| {
                self.parts.push(chunk.part);
                (self.parts.len() - 1) as u32
            }),
        };
        self.entries.push((linear, chunk.offset, chunk.len_bytes, part));
    }

    /// The table; of two chunks at one position the later one pushed is kept.
    pub fn build(mut self) -> ChunkTable {
        if !self.entries.is_sorted_by(|a, b| a.0 < b.0) {
            self.entries.reverse();
            self.entries.sort_by_key(|entry| entry.0);
            self.entries.dedup_by_key(|entry| entry.0);
        }
        let is_dense = self.entries.iter().enumerate().all(|(i, entry)| entry.0 == i as u64);
        ChunkTable {
            positions: (!is_dense).then(|| self.entries.iter().map(|entry| entry.0).collect()),
            offsets: self.entries.iter().map(|entry| entry.1).collect(),
            lengths: self.entries.iter().map(|entry| entry.2).collect(),
            part_of: (self.parts.len() > 1).then(|| self.entries.iter().map(|entry| entry.3).collect()),
            parts: self.parts,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(object: u32, offset: u64) -> ChunkRef {
        let part = ChunkPart { place: Place::Object(object), encoding: 0, filter_mask: 0, is_short: false };
        ChunkRef { part, offset, len_bytes: 10 }
    }

    #[test]
    fn a_chunk_that_was_never_written_is_absent() {
        let mut builder = ChunkTableBuilder::new();
        builder.push(5, chunk(0, 50));
        builder.push(2, chunk(1, 20));
        let table = builder.build();
        assert_eq!(table.get(2), Some(chunk(1, 20)));
        assert_eq!(table.get(5), Some(chunk(0, 50)));
        assert_eq!(table.get(3), None);
        assert_eq!(table.len(), 2);
    }

    #[test]
    fn of_two_chunks_at_one_position_the_later_is_kept() {
        let mut builder = ChunkTableBuilder::new();
        for offset in [10, 20, 30] {
            builder.push(1, chunk(0, offset));
        }
        assert_eq!(builder.build().get(1), Some(chunk(0, 30)));
    }

    #[test]
    fn a_dense_table_of_one_object_needs_twelve_bytes_a_chunk() {
        let mut builder = ChunkTableBuilder::new();
        for position in 0..1000 {
            builder.push(position, chunk(0, position * 10));
        }
        let table = builder.build();
        assert!(table.memory_bytes() <= 12 * 1000 + size_of::<ChunkPart>());
        assert_eq!(table.get(999), Some(chunk(0, 9990)));
        assert_eq!(table.get(1000), None);
    }

    #[test]
    fn columns_come_back_and_nonsense_does_not() {
        let mut builder = ChunkTableBuilder::new();
        builder.push(1, chunk(0, 1));
        builder.push(7, chunk(3, 2));
        let table = builder.build();
        let (positions, offsets, lengths, part_of, parts) = table.columns();
        let again = ChunkTable::from_columns(
            positions.map(<[_]>::to_vec),
            offsets.to_vec(),
            lengths.to_vec(),
            part_of.map(<[_]>::to_vec),
            parts.to_vec(),
        );
        assert_eq!(again, Some(table.clone()));
        assert_eq!(
            ChunkTable::from_columns(Some(vec![7, 1]), vec![1, 2], vec![1, 1], None, parts.to_vec()),
            None
        );
        assert_eq!(ChunkTable::from_columns(None, vec![1], vec![1], Some(vec![9]), parts.to_vec()), None);
    }
}
