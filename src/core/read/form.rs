//! How a client wants chunks, and whether stored bytes already are that.

use thermocline_model::{ChunkGrid, ChunkPart, ChunkRef, Codec, DataType, Place, Variable};

use super::ChunkLocation;
use crate::format::Region;

/// How a client wants the chunks of a variable.
#[derive(Debug, Clone, PartialEq)]
pub struct ChunkForm {
    /// Type of the elements on the wire. [`DataType::String`] for a stored [`DataType::FixedString`] or
    /// [`DataType::Char`] makes texts of them (of characters: along the last axis if `chunk_shape` has one axis
    /// less than the variable, else one text a character).
    pub dtype: DataType,
    /// Lengths of the axes of a chunk on the wire.
    pub chunk_shape: Vec<u64>,
    /// Steps in the order of writing.
    pub codecs: Vec<Codec>,
    /// What a chunk that was never written becomes.
    pub absent: AbsentChunk,
}

/// What a chunk that was never written becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AbsentChunk {
    /// Absent: the client knows the fill value.
    Absent,
    /// A chunk of fill values.
    Filled,
}

/// Length of a Fletcher-32 checksum.
pub(super) const CHECKSUM_BYTES: u32 = 4;

impl ChunkForm {
    /// True if characters are joined to texts along the last axis.
    pub(super) fn joins(&self, variable: &Variable) -> bool {
        variable.dtype == DataType::Char
            && self.dtype == DataType::String
            && self.chunk_shape.len() + 1 == variable.shape.len()
    }

    /// The part of the variable's shape that the form's grid divides.
    fn shape<'a>(&self, variable: &'a Variable) -> &'a [u64] {
        match variable.shape.split_last() {
            Some((_, outer)) if self.joins(variable) => outer,
            _ => &variable.shape,
        }
    }

    /// The grid of chunks on the wire; `None` if the numbers make none.
    pub fn grid(&self, variable: &Variable) -> Option<ChunkGrid> {
        ChunkGrid::new(self.shape(variable).to_vec(), self.chunk_shape.clone())
    }

    /// Position of a chunk in C order; `None` outside the grid. Does not allocate.
    pub(super) fn linear(&self, variable: &Variable, index: &[u64]) -> Option<u64> {
        let shape = self.shape(variable);
        if index.len() != shape.len() || self.chunk_shape.len() != shape.len() {
            return None;
        }
        let mut linear = 0_u64;
        for ((position, length), chunk) in index.iter().zip(shape).zip(&self.chunk_shape) {
            let count = length.div_ceil((*chunk).max(1));
            if *position >= count {
                return None;
            }
            linear = linear.checked_mul(count)?.checked_add(*position)?;
        }
        Some(linear)
    }

    /// True if a chunk on the wire covers the same elements as one stored chunk.
    pub(super) fn is_one_stored_chunk(&self, variable: &Variable) -> bool {
        !self.joins(variable) && self.chunk_shape == variable.storage.chunk_shape
    }

    /// The elements of a chunk, reaching beyond the variable's shape at the edges.
    pub(super) fn region(&self, variable: &Variable, index: &[u64]) -> Region {
        let mut start: Vec<u64> =
            index.iter().zip(&self.chunk_shape).map(|(i, length)| i.saturating_mul(*length)).collect();
        let mut shape = self.chunk_shape.clone();
        if let Some(last) = variable.shape.last().filter(|_| self.joins(variable)) {
            start.push(0);
            shape.push(*last);
        }
        Region { start, shape }
    }

    /// True if the stored bytes of a part are what is wanted, but for a checksum at their end.
    pub(super) fn passes(&self, variable: &Variable, part: &ChunkPart) -> bool {
        if part.is_short || part.place.is_decoded_by_format() || self.joins(variable) {
            return false;
        }
        let Some(encoding) = variable.storage.encodings.get(usize::from(part.encoding)) else { return false };
        if encoding.dtype != self.dtype {
            return false;
        }
        let is_summed = encoding.codecs.last() == Some(&Codec::Fletcher32);
        let n_codecs = encoding.codecs.len() - usize::from(is_summed);
        let mask_of_rest = part.filter_mask & !(u32::from(is_summed) << n_codecs.min(31));
        mask_of_rest == 0 && encoding.codecs.get(..n_codecs) == Some(self.codecs.as_slice())
    }

    /// Number of bytes of every chunk, where no step changes lengths.
    pub(super) fn exact_len(&self) -> Option<u64> {
        let keeps_length = |codec: &Codec| matches!(codec, Codec::Shuffle { .. } | Codec::Transpose { .. });
        let element = self.dtype.len_bytes().filter(|_| self.codecs.iter().all(keeps_length))?;
        self.chunk_shape.iter().try_fold(element as u64, |product, length| product.checked_mul(*length))
    }

    /// Where the stored bytes of a chunk can be read as they are wanted.
    pub(super) fn location(&self, variable: &Variable, chunk: &ChunkRef) -> ChunkLocation {
        // A checksum is verified here and nowhere else: what has one is only read through this server.
        if !self.is_one_stored_chunk(variable)
            || !self.passes(variable, &chunk.part)
            || is_summed(variable, chunk)
            || self.exact_len().is_some_and(|len_bytes| len_bytes != passed_len(variable, chunk))
        {
            return ChunkLocation::Derived;
        }
        match chunk.part.place {
            Place::Inline => ChunkLocation::Inline,
            Place::Object(object) => {
                ChunkLocation::Object { object, offset: chunk.offset, len_bytes: passed_len(variable, chunk) }
            }
            Place::Format(_) | Place::Assembled(_) => ChunkLocation::Derived,
        }
    }
}

/// Number of bytes sent of a stored chunk that passes.
pub(super) fn passed_len(variable: &Variable, chunk: &ChunkRef) -> u64 {
    let checksum = if is_summed(variable, chunk) { CHECKSUM_BYTES } else { 0 };
    u64::from(chunk.len_bytes.saturating_sub(checksum))
}

/// True if the stored bytes end with a Fletcher-32 checksum that was not skipped.
pub(super) fn is_summed(variable: &Variable, chunk: &ChunkRef) -> bool {
    let encoding = variable.storage.encodings.get(usize::from(chunk.part.encoding));
    encoding.is_some_and(|encoding| match encoding.codecs.as_slice() {
        [before @ .., Codec::Fletcher32] => chunk.part.filter_mask >> before.len().min(31) & 1 == 0,
        _ => false,
    })
}
