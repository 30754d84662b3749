//! Contiguous frames of Blosc 2, as HDF5 filter 32026 writes them: one chunk, plain or cut into
//! boxes (`b2nd`).
//!
//! # Source
//! C-Blosc2 `README_CFRAME_FORMAT.rst` and `README_B2ND_METALAYER.rst`.

use thermocline_model::ArrayBytes;

use crate::cursor::Cursor;
use crate::expected::Expected;
use crate::{CodecError, region};

use super::decode_chunk;
use super::msgpack::Reader;

const MAGIC: &[u8] = b"b2frame\0";

/// Most dimensions of a `b2nd` array.
const MAX_DIMENSIONS: usize = 16;

/// How much larger than the array its padded boxes may be, and a floor for small arrays, in bytes.
const MAX_PADDING: usize = 16;
const PADDING_FLOOR: usize = 1 << 20;

/// Decodes the one chunk of a frame.
pub(crate) fn decode_frame(stored: &[u8], expected: Expected) -> Result<Vec<u8>, CodecError> {
    // A bare chunk is what the filter wrote before it knew frames.
    if stored.get(2..10) != Some(MAGIC) {
        return decode_chunk(stored, expected);
    }
    let frame = Frame::parse(stored)?;
    match &frame.boxes {
        None => frame.chunk(stored, expected),
        Some(boxes) => {
            let len = boxes.len_bytes(frame.type_size)?;
            if len > expected.limit() {
                return Err(expected.overflow("the blosc2 array"));
            }
            expected.check("the blosc2 array", len)?;
            let padded = boxes.padded_len_bytes(frame.type_size, len)?;
            boxes.gather(&frame.chunk(stored, Expected::Exactly(padded))?, frame.type_size)
        }
    }
}

struct Frame {
    header_len: usize,
    /// Length of all chunks together in bytes.
    c_bytes: usize,
    n_bytes: usize,
    type_size: usize,
    boxes: Option<Boxes>,
}

impl Frame {
    fn parse(stored: &[u8]) -> Result<Self, CodecError> {
        let mut reader = Reader::new(stored);
        reader.array()?;
        let _magic = reader.bytes()?;
        let header_len = reader.size()?;
        let _frame_len = reader.size()?;
        let flags = reader.bytes()?;
        if flags.get(1).is_some_and(|frame_type| frame_type & 0x0f != 0) {
            return Err(CodecError::unsupported("a blosc2 frame spread over a directory has no decoder"));
        }
        let (n_bytes, c_bytes) = (reader.size()?, reader.size()?);
        let type_size = reader.size()?.max(1);
        let _block_size = reader.size()?;
        let chunk_size = reader.size()?;
        if chunk_size != n_bytes {
            return Err(CodecError::unsupported(format!(
                "a blosc2 frame of several chunks ({n_bytes} bytes in chunks of {chunk_size}) has no decoder"
            )));
        }
        let _threads = (reader.size()?, reader.size()?);
        let _has_metadata_behind = reader.boolean()?;
        reader.skip_extension_16()?;
        let boxes = Boxes::find(reader, stored)?;
        Ok(Self { header_len, c_bytes, n_bytes, type_size, boxes })
    }

    /// The values of the chunk, in the order of the boxes if there are any.
    fn chunk(&self, stored: &[u8], expected: Expected) -> Result<Vec<u8>, CodecError> {
        let behind_header = stored
            .get(self.header_len..)
            .ok_or_else(|| CodecError::corrupt("the blosc2 frame ends in its header"))?;
        let (chunks, index) = behind_header
            .split_at_checked(self.c_bytes)
            .ok_or_else(|| CodecError::corrupt("the blosc2 frame ends in its chunks"))?;
        let offsets = decode_chunk(index, Expected::Exactly(8))?;
        let offset = Cursor::new(&offsets, "the blosc2 index").u64_le()?;
        match usize::try_from(offset).ok().and_then(|offset| chunks.get(offset..)) {
            Some(chunk) => decode_chunk(chunk, expected),
            None => self.special_chunk(offset, expected),
        }
    }

    /// A chunk that is nothing but the highest byte of its offset.
    fn special_chunk(&self, offset: u64, expected: Expected) -> Result<Vec<u8>, CodecError> {
        if self.n_bytes > expected.limit() {
            return Err(expected.overflow("the blosc2 frame"));
        }
        expected.check("the blosc2 frame", self.n_bytes)?;
        match (offset >> 56, self.type_size) {
            (0x81, _) => Ok(vec![0; self.n_bytes]),
            (0x82, 4) => Ok(f32::NAN.to_le_bytes().repeat(self.n_bytes / 4)),
            (0x82, 8) => Ok(f64::NAN.to_le_bytes().repeat(self.n_bytes / 8)),
            (high, _) => Err(CodecError::corrupt(format!(
                "the blosc2 frame has a chunk at the unknown place {high:#x}"
            ))),
        }
    }
}

/// An array cut into boxes of one shape, stored one after another and padded at the far edges.
struct Boxes {
    shape: Vec<u64>,
    box_shape: Vec<u64>,
}

impl Boxes {
    /// Looks for the metadata named `b2nd`.
    fn find(mut reader: Reader<'_>, stored: &[u8]) -> Result<Option<Self>, CodecError> {
        reader.array()?;
        let _len_of_the_map = reader.size()?;
        for _ in 0..reader.map()? {
            let name = reader.bytes()?;
            let offset = reader.size()?;
            match name {
                b"b2nd" => return Self::parse(stored.get(offset..).unwrap_or_default()).map(Some),
                b"caterva" => {
                    return Err(CodecError::unsupported("blosc2 with a caterva array has no decoder"));
                }
                _ => {}
            }
        }
        Ok(None)
    }

    fn parse(metadata: &[u8]) -> Result<Self, CodecError> {
        let content = Reader::new(metadata).bytes()?;
        let mut reader = Reader::new(content);
        reader.array()?;
        let _version = reader.size()?;
        let n_dims = reader.size()?;
        let shape = lengths(&mut reader, n_dims)?;
        let chunk_shape = lengths(&mut reader, n_dims)?;
        let box_shape = lengths(&mut reader, n_dims)?;
        if shape != chunk_shape {
            return Err(CodecError::unsupported(format!(
                "a blosc2 array of shape {shape:?} in chunks of {chunk_shape:?} has no decoder"
            )));
        }
        if box_shape.contains(&0) || box_shape.iter().zip(&shape).any(|(part, whole)| part > whole) {
            return Err(CodecError::corrupt(format!("a blosc2 array {shape:?} is cut into {box_shape:?}")));
        }
        Ok(Self { shape, box_shape })
    }

    fn len_bytes(&self, type_size: usize) -> Result<usize, CodecError> {
        region::len_bytes(&self.shape, type_size)
    }

    /// Length of all boxes with their padding.
    fn padded_len_bytes(&self, type_size: usize, len: usize) -> Result<usize, CodecError> {
        let padded: Option<Vec<u64>> =
            self.n_boxes().iter().zip(&self.box_shape).map(|(n, part)| n.checked_mul(*part)).collect();
        let padded = region::len_bytes(&padded.unwrap_or_default(), type_size)?;
        if padded > len.saturating_mul(MAX_PADDING).max(PADDING_FLOOR) {
            return Err(CodecError::corrupt(format!("a blosc2 array of {len} bytes is padded to {padded}")));
        }
        Ok(padded)
    }

    fn n_boxes(&self) -> Vec<u64> {
        self.shape.iter().zip(&self.box_shape).map(|(whole, part)| whole.div_ceil(*part)).collect()
    }

    /// Puts the boxes in their places.
    fn gather(&self, padded: &[u8], type_size: usize) -> Result<Vec<u8>, CodecError> {
        let mut out = ArrayBytes::Fixed(vec![0; self.len_bytes(type_size)?]);
        let zeros = vec![0; self.shape.len()];
        let box_len = region::len_bytes(&self.box_shape, type_size)?;
        let mut index = zeros.clone();
        for part in padded.chunks_exact(box_len.max(1)) {
            let start: Vec<u64> = index.iter().zip(&self.box_shape).map(|(i, part)| i * part).collect();
            let copied: Vec<u64> = start
                .iter()
                .zip(self.shape.iter().zip(&self.box_shape))
                .map(|(start, (whole, part))| (*part).min(whole - start))
                .collect();
            let part = ArrayBytes::Fixed(part.to_vec());
            let from = (&self.box_shape, &zeros);
            region::copy_box(&part, from.0, from.1, &mut out, &self.shape, &start, &copied, type_size)?;
            region::advance(&mut index, &self.n_boxes());
        }
        match out {
            ArrayBytes::Fixed(bytes) => Ok(bytes),
            ArrayBytes::Texts(_) => Ok(Vec::new()),
        }
    }
}

fn lengths(reader: &mut Reader<'_>, n_dims: usize) -> Result<Vec<u64>, CodecError> {
    let n = reader.array()?;
    if n != n_dims || n > MAX_DIMENSIONS {
        return Err(CodecError::corrupt(format!("a blosc2 array of {n_dims} dimensions has {n} lengths")));
    }
    (0..n).map(|_| Ok(reader.size()? as u64)).collect()
}
