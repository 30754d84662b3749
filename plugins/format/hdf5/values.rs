//! Values of arrays, read from the file itself: for what has no byte ranges that others could decode.

use std::sync::Arc;

use bytes::Bytes;
use thermocline_codec::{ChunkSpec, decode, fill_chunk, region::copy_box};
use thermocline_core::format::{ReadAt, Region};
use thermocline_core::{Error, Result};
use thermocline_model::{ArrayBytes, ChunkGrid, Codec, DataType, StringPadding};

use crate::array::{Array, Piece};
use crate::chunks::{StoredChunk, each_chunk};
use crate::cursor::text;
use crate::datatype::Class;
use crate::file::File;
use crate::fill::stored_fill;
use crate::filters::Pipeline;
use crate::layout::cut;
use crate::mapping::Values;
use crate::messages::Layout;

/// The chunks of an array by position.
pub(crate) struct StoredChunks {
    grid: ChunkGrid,
    /// Position in C order and chunk, ascending.
    chunks: Vec<(u64, StoredChunk)>,
}

impl StoredChunks {
    /// Lists the chunks of an array; empty for an array that has none.
    pub(crate) fn list(file: &File, array: &Array) -> Result<Self> {
        let shape = array.shape().unwrap_or_default().to_vec();
        let chunk_shape = match &array.layout {
            Layout::Chunked { chunk_shape, .. } => chunk_shape.clone(),
            _ => cut(&shape, array.datatype.size as u64),
        };
        let grid = ChunkGrid::new(shape, chunk_shape);
        let grid = grid.ok_or_else(|| Error::corrupt("the array has more than 2^64 chunks"))?;
        let mut chunks = Vec::new();
        each_chunk(file, array, &mut |position, chunk| {
            if let Some(linear) = grid.linear(position) {
                chunks.push((linear, chunk));
            }
            Ok(())
        })?;
        // Of two chunks at one place the later one counts, as in the tables.
        chunks.reverse();
        chunks.sort_by_key(|(linear, _)| *linear);
        chunks.dedup_by_key(|(linear, _)| *linear);
        Ok(Self { grid, chunks })
    }

    fn get(&self, linear: u64) -> Option<StoredChunk> {
        let found = self.chunks.binary_search_by_key(&linear, |(linear, _)| *linear).ok()?;
        self.chunks.get(found).map(|(_, chunk)| *chunk)
    }
}

/// Reads values of one array.
pub(crate) struct Reading<'r> {
    pub(crate) file: &'r File,
    pub(crate) array: &'r Array,
    pub(crate) values: &'r Values,
    pub(crate) chunks: &'r StoredChunks,
    /// The files of external storage.
    pub(crate) external: &'r [Arc<dyn ReadAt>],
    /// What elements beyond the file's shape read as.
    pub(crate) beyond: Option<&'r ArrayBytes>,
}

impl Reading<'_> {
    /// Values of a region; elements beyond the file's shape are `beyond`.
    pub(crate) fn region(&self, region: &Region) -> Result<ArrayBytes> {
        let n = n_elements(
            &region.shape,
            self.values.dtype.len_bytes().unwrap_or(24),
            self.file.limits.chunk_bytes,
        )?;
        let mut values = fill_chunk(&self.values.dtype, self.beyond, n);
        let rank = self.grid_shape().len();
        let pipeline = Pipeline::new(self.array);
        let fill = stored_fill(self.file, self.array, self.values)?;
        for index in self.covering(region)? {
            let linear = self.chunks.grid.linear(&index).unwrap_or(u64::MAX);
            let chunk = self.chunk(linear, &index, &pipeline, fill.as_ref())?;
            let start = self.chunks.grid.start(&index);
            let mut shape = self.chunks.grid.chunk_shape().to_vec();
            shape.extend(&self.values.inner_shape);
            let mut starts = start.clone();
            starts.resize(shape.len(), 0);
            let mut lengths = Vec::with_capacity(shape.len());
            let (mut from, mut to) = (Vec::with_capacity(shape.len()), Vec::with_capacity(shape.len()));
            for axis in 0..shape.len() {
                let end = match self.grid_shape().get(axis) {
                    Some(length) if axis < rank => *length,
                    _ => u64::MAX,
                };
                let at = |list: &[u64]| list.get(axis).copied().unwrap_or(0);
                let first = at(&starts).max(at(&region.start));
                let chunk_end = at(&starts).saturating_add(at(&shape));
                let region_end = at(&region.start).saturating_add(at(&region.shape));
                let last = chunk_end.min(region_end).min(end);
                from.push(first - at(&starts));
                to.push(first - at(&region.start));
                lengths.push(last.saturating_sub(first));
            }
            let size = self.values.dtype.len_bytes().unwrap_or(1);
            copy_box(&chunk, &shape, &from, &mut values, &region.shape, &to, &lengths, size)?;
        }
        Ok(values)
    }

    fn grid_shape(&self) -> &[u64] {
        self.chunks.grid.shape()
    }

    /// The chunks that a region touches.
    fn covering(&self, region: &Region) -> Result<Vec<Vec<u64>>> {
        let shape = self.grid_shape();
        let rank = shape.len() + self.values.inner_shape.len();
        if region.start.len() != rank || region.shape.len() != rank {
            return Err(Error::internal(format!(
                "a region of {} axes in an array of {rank}",
                region.shape.len()
            )));
        }
        Ok(self.chunks.grid.covering(&region.start, &region.shape))
    }

    /// The values of a whole chunk.
    fn chunk(
        &self,
        linear: u64,
        index: &[u64],
        pipeline: &Pipeline,
        fill: Option<&ArrayBytes>,
    ) -> Result<ArrayBytes> {
        let mut shape = self.chunks.grid.chunk_shape().to_vec();
        shape.extend(&self.values.inner_shape);
        let size = self.values.dtype.len_bytes().unwrap_or(24);
        let n = n_elements(&shape, size, self.file.limits.chunk_bytes)?;
        let (stored, filter_mask, codecs) = match &self.array.layout {
            Layout::Chunked { .. } => {
                let Some(chunk) = self.chunks.get(linear) else {
                    return Ok(fill_chunk(&self.values.dtype, fill, n));
                };
                let filter_mask = self.filter_mask(index, chunk.filter_mask, pipeline);
                let undecodable = pipeline.undecodable() & !filter_mask;
                if undecodable != 0 {
                    return Err(Error::unsupported(pipeline.reason(undecodable)));
                }
                let mut usable = pipeline.clone();
                usable.drop_undecodable();
                let len =
                    usize::try_from(chunk.len_bytes).map_err(|_| Error::corrupt("a chunk of 2^64 bytes"))?;
                (self.file.bytes.read_exactly(chunk.address, len)?, filter_mask, usable)
            }
            _ => match self.cut_bytes(index)? {
                Some(bytes) => (bytes, 0, pipeline.clone()),
                None => return Ok(fill_chunk(&self.values.dtype, fill, n)),
            },
        };
        if self.values.dtype == DataType::String {
            return self.texts(&stored, filter_mask, &codecs, &shape);
        }
        let mut chain = self.values.codecs.clone();
        let mask = codecs.mask(filter_mask, chain.len());
        chain.extend(codecs.codecs());
        let spec =
            ChunkSpec { dtype: &self.values.dtype, shape: &shape, max_bytes: self.file.limits.chunk_bytes };
        Ok(decode(&chain, mask, &stored, &spec)?)
    }

    /// The filters that a chunk skips, those of unfiltered edge chunks included.
    fn filter_mask(&self, index: &[u64], filter_mask: u32, pipeline: &Pipeline) -> u32 {
        let Layout::Chunked { edges_are_unfiltered: true, .. } = &self.array.layout else {
            return filter_mask;
        };
        let lengths = self.grid_shape().iter().zip(self.chunks.grid.chunk_shape());
        let is_partial =
            index.iter().zip(lengths).any(|(position, (length, chunk))| *position >= length / chunk);
        if is_partial { pipeline.all() } else { filter_mask }
    }

    /// The texts that the elements of a chunk refer to.
    fn texts(
        &self,
        stored: &[u8],
        filter_mask: u32,
        pipeline: &Pipeline,
        shape: &[u64],
    ) -> Result<ArrayBytes> {
        let len = self.array.datatype.size;
        let dtype = DataType::FixedString { len, padding: StringPadding::NullPadded, utf8: false };
        let spec = ChunkSpec { dtype: &dtype, shape, max_bytes: self.file.limits.chunk_bytes };
        let mask = pipeline.mask(filter_mask, 0);
        let codecs: Vec<Codec> = pipeline.codecs();
        let ArrayBytes::Fixed(references) = decode(&codecs, mask, stored, &spec)? else {
            return Err(Error::internal("references decoded to texts"));
        };
        let padding = match &self.array.datatype.class {
            Class::String { padding } => *padding,
            _ => return Err(Error::internal("texts of an array of another type")),
        };
        let mut left = self.file.limits.chunk_bytes;
        let texts = references.chunks_exact(len).map(|reference| {
            let bytes = self.file.sequence(reference, 1)?;
            let bytes = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
            left = left.checked_sub(bytes.len() as u64).ok_or_else(|| {
                Error::corrupt(format!(
                    "the texts of one chunk exceed {} bytes",
                    self.file.limits.chunk_bytes
                ))
            })?;
            Ok(text(crate::attributes::unpadded(bytes, padding)).0)
        });
        Ok(ArrayBytes::Texts(texts.collect::<Result<_>>()?))
    }

    /// The bytes of a chunk that is cut from consecutive elements, zeros where it reaches beyond the array;
    /// `None` if they were never written.
    fn cut_bytes(&self, index: &[u64]) -> Result<Option<Bytes>> {
        let grid = &self.chunks.grid;
        let size = self.array.datatype.size as u64;
        let start = grid.start(index);
        let (mut first, mut n) = (0_u64, 1_u64);
        for ((start, length), chunk) in start.iter().zip(grid.shape()).zip(grid.chunk_shape()) {
            first = first * length + start;
            n *= (*chunk).min(length - start);
        }
        let whole = grid.chunk_len().and_then(|len| len.checked_mul(size)).unwrap_or(u64::MAX);
        let whole = usize::try_from(whole).map_err(|_| Error::corrupt("a chunk of 2^64 bytes"))?;
        let Some(bytes) = self.stored_range(first * size, (n * size) as usize)? else { return Ok(None) };
        if bytes.len() == whole {
            return Ok(Some(bytes));
        }
        let mut padded = bytes.to_vec();
        padded.resize(whole, 0);
        Ok(Some(Bytes::from(padded)))
    }

    /// A range of the bytes of an array that is not chunked.
    fn stored_range(&self, start: u64, len: usize) -> Result<Option<Bytes>> {
        if !self.array.external.is_empty() {
            return self.external_range(start, len).map(Some);
        }
        match &self.array.layout {
            Layout::Compact(bytes) => {
                let start = usize::try_from(start).map_err(|_| Error::corrupt("a compact array too long"))?;
                let end = start.checked_add(len).filter(|end| *end <= bytes.len());
                let end =
                    end.ok_or_else(|| Error::corrupt("a compact array that is shorter than its shape says"))?;
                Ok(Some(bytes.slice(start..end)))
            }
            Layout::Contiguous { address: None } => Ok(None),
            Layout::Contiguous { address: Some(address) } => {
                let at =
                    address.checked_add(start).ok_or_else(|| Error::corrupt("an array beyond 2^64 bytes"))?;
                self.file.bytes.read_exactly(at, len).map(Some)
            }
            Layout::Chunked { .. } | Layout::Virtual { .. } => {
                Err(Error::internal("an array without ranges"))
            }
        }
    }

    fn external_range(&self, start: u64, len: usize) -> Result<Bytes> {
        let end = start + len as u64;
        let mut bytes = vec![0_u8; len];
        for Piece { start: piece_start, len_bytes, number, offset } in self.array.pieces()? {
            let (first, last) = (start.max(piece_start), end.min(piece_start + len_bytes));
            if first >= last {
                continue;
            }
            let object = self.external.get(number);
            let object =
                object.ok_or_else(|| Error::unsupported("a file of its raw data cannot be opened"))?;
            let at = offset.saturating_add(first - piece_start);
            // The library reads zeros where a raw file ends early.
            let there = object.object().len_bytes.saturating_sub(at).min(last - first) as usize;
            let target = (first - start) as usize;
            if let Some(target) = bytes.get_mut(target..target + there)
                && there > 0
            {
                target.copy_from_slice(&object.read_at(at, there)?);
            }
        }
        Ok(Bytes::from(bytes))
    }
}

/// Number of elements of a shape that fits into memory.
pub(crate) fn n_elements(shape: &[u64], size: usize, max_bytes: u64) -> Result<usize> {
    if shape.contains(&0) {
        return Ok(0);
    }
    let n = shape.iter().try_fold(1_u64, |product, length| product.checked_mul(*length));
    let fits = n.filter(|n| n.checked_mul(size.max(1) as u64).is_some_and(|bytes| bytes <= max_bytes));
    let n = fits.and_then(|n| usize::try_from(n).ok());
    n.ok_or_else(|| {
        Error::new(
            thermocline_core::ErrorKind::TooLarge,
            format!("a part of shape {shape:?} exceeds {max_bytes} bytes"),
        )
    })
}
