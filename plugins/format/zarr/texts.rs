//! Arrays of numpy's `U` texts: four bytes a character, which nothing but numpy serves.
//!
//! They are decoded when they are indexed and kept with the manifest; larger arrays are refused.

use thermocline_core::format::{Indexed, Limits};
use thermocline_core::{Error, ErrorKind, Result};
use thermocline_model::{
    ArrayBytes, ByteOrder, ChunkPart, ChunkRef, ChunkTable, ChunkTableBuilder, Codec, DataType, Place,
    StringPadding,
};
use thermocline_zarr::parse::{ArrayMetadata, Elements};

use crate::chunks::{ChunksError, StoredObject};
use crate::store::Store;

/// Decoded bytes for each byte that may be kept: most characters need one byte instead of four.
const DECODED_PER_KEPT: u64 = 8;

/// The chunk table of an array of `U` texts, whose chunks are kept with the manifest.
pub(crate) fn table(
    store: &Store<'_>,
    array: &ArrayMetadata,
    objects: &[StoredObject],
    indexed: &mut Indexed,
) -> Result<ChunkTable, ChunksError> {
    if array.sharding.is_some() {
        return Err(ChunksError::Refused("texts of four bytes a character in shards".to_owned()));
    }
    let limits = store.source().limits;
    let chunk_len = array.grid().and_then(|grid| grid.chunk_len()).unwrap_or(u64::MAX);
    let decoded = chunk_len.saturating_mul(array.element_bytes().unwrap_or(1) as u64);
    let all = decoded.saturating_mul(objects.len() as u64);
    let before = indexed.inline.len();
    let mut builder = ChunkTableBuilder::new();
    for stored in objects {
        let kept = (indexed.inline.len() - before) as u64;
        if all > limits.inline_bytes.saturating_mul(DECODED_PER_KEPT) || kept > limits.inline_bytes {
            indexed.inline.truncate(before);
            return Err(ChunksError::Refused(format!("texts of more than {} bytes", limits.inline_bytes)));
        }
        let texts = chunk(store, array, &stored.name)?;
        let encoded = vlen_utf8(&texts, &array.chunk_shape, limits)?;
        let part = ChunkPart { place: Place::Inline, encoding: 0, filter_mask: 0, is_short: false };
        let (offset, len_bytes) = (indexed.inline.len() as u64, stored_u32(encoded.len() as u64)?);
        builder.push(stored.linear, ChunkRef { part, offset, len_bytes });
        indexed.inline.extend_from_slice(&encoded);
    }
    Ok(builder.build())
}

fn stored_u32(len_bytes: u64) -> Result<u32> {
    u32::try_from(len_bytes)
        .map_err(|_| Error::refused(format!("a chunk of {len_bytes} bytes: 4 GiB are the most")))
}

/// Length of a stored chunk that is to be read whole.
pub(crate) fn stored_len(len_bytes: u64, limits: &Limits) -> Result<usize> {
    // Stored bytes may be somewhat longer than what they decode to, never many times.
    let most = limits.chunk_bytes.saturating_mul(2);
    usize::try_from(len_bytes)
        .ok()
        .filter(|_| len_bytes <= most)
        .ok_or_else(|| Error::new(ErrorKind::TooLarge, format!("a stored chunk of {len_bytes} bytes")))
}

fn vlen_utf8(texts: &[String], chunk_shape: &[u64], limits: &Limits) -> Result<Vec<u8>> {
    let spec = thermocline_codec::ChunkSpec {
        dtype: &DataType::String,
        shape: chunk_shape,
        max_bytes: limits.chunk_bytes,
    };
    Ok(thermocline_codec::encode(&[Codec::VlenUtf8], ArrayBytes::Texts(texts.to_vec()), &spec)?)
}

/// The texts of one stored chunk.
fn chunk(store: &Store<'_>, array: &ArrayMetadata, name: &str) -> Result<Vec<String>> {
    let Elements::Ucs4 { n_chars, order, .. } = &array.elements else {
        return Err(Error::internal(format!("{name} holds no texts of four bytes a character")));
    };
    let object = store.object(name)?;
    let object = object.ok_or_else(|| Error::corrupt(format!("{name} is listed and cannot be opened")))?;
    let limits = store.source().limits;
    let stored = object.read_at(0, stored_len(object.object().len_bytes, limits)?)?;
    let element_bytes = n_chars * 4;
    let dtype = DataType::FixedString { len: element_bytes, padding: StringPadding::NullPadded, utf8: false };
    let spec = thermocline_codec::ChunkSpec {
        dtype: &dtype,
        shape: &array.chunk_shape,
        max_bytes: limits.chunk_bytes,
    };
    match thermocline_codec::decode(&array.codecs, 0, &stored, &spec)? {
        ArrayBytes::Fixed(bytes) => texts(&bytes, element_bytes, *order, name),
        ArrayBytes::Texts(_) => Err(Error::internal(format!("{name} decoded to texts of any length"))),
    }
}

fn texts(bytes: &[u8], element_bytes: usize, order: ByteOrder, name: &str) -> Result<Vec<String>> {
    let text = |element: &[u8]| {
        ArrayMetadata::ucs4_text(element, order)
            .ok_or_else(|| Error::corrupt(format!("{name} holds a number that is no character")))
    };
    bytes.chunks_exact(element_bytes.max(1)).map(text).collect()
}
