//! Chains of codecs: decoding runs them backwards, encoding forwards.

use thermocline_model::{ArrayBytes, Codec, DataType};

use crate::expected::Expected;
use crate::{
    ChunkSpec, CodecError, axes, bitshuffle, blosc, bzip, checksum, deflate, fletcher32, lz4, lzf, nbit,
    number, numcodecs, region, scale_offset, shuffle, spare, szip, text, zstandard,
};

/// Decodes the stored bytes of one chunk. `filter_mask` has bit `i` set where codec `i` was skipped.
///
/// The result has exactly the elements of `spec.shape`.
///
/// # Errors
/// [`CodecError::Corrupt`] when bytes do not decode to exactly the chunk, or a checksum does not hold.
pub fn decode(
    codecs: &[Codec],
    filter_mask: u32,
    stored: &[u8],
    spec: &ChunkSpec<'_>,
) -> Result<ArrayBytes, CodecError> {
    let n_elements = region::n_elements(spec.shape)?;
    let steps = Steps::plan(codecs, filter_mask, n_elements, spec)?;
    let mut bytes: Option<Vec<u8>> = None;
    for step in steps.bytes.iter().rev() {
        let decoded = decode_bytes(step.codec, bytes.as_deref().unwrap_or(stored), step.expected)?;
        bytes.replace(decoded).into_iter().for_each(spare::give);
    }
    let input = bytes.as_deref().unwrap_or(stored);
    steps.array_size.check("decoding", input.len())?;
    let mut array = match steps.texts {
        true => ArrayBytes::Texts(text::decode_vlen_utf8(input, n_elements)?),
        false => ArrayBytes::Fixed(bytes.unwrap_or_else(|| copied(stored))),
    };
    for step in steps.array.iter().rev() {
        array = decode_array(step, array)?;
    }
    check(&array, n_elements, spec)?;
    Ok(array)
}

/// Encodes the values of one whole chunk. The same values give the same bytes on every machine.
///
/// # Errors
/// [`CodecError::Unsupported`] for a codec that is only ever decoded.
pub fn encode(codecs: &[Codec], values: ArrayBytes, spec: &ChunkSpec<'_>) -> Result<Vec<u8>, CodecError> {
    let n_elements = region::n_elements(spec.shape)?;
    check(&values, n_elements, spec)?;
    let steps = Steps::plan(codecs, 0, n_elements, spec)?;
    let mut array = values;
    for step in &steps.array {
        let Codec::Transpose { order } = step.codec else { return Err(only_decoded(step.codec)) };
        array = axes::transpose(array, &step.shape, order)?;
    }
    let limit = usize::try_from(spec.max_bytes).unwrap_or(usize::MAX);
    let mut bytes = match array {
        ArrayBytes::Fixed(bytes) => bytes,
        ArrayBytes::Texts(texts) => text::encode_vlen_utf8(&texts, Expected::AtMost(limit))?,
    };
    for step in &steps.bytes {
        bytes = encode_bytes(step.codec, bytes)?;
    }
    Ok(bytes)
}

/// A chain cut in two: what works on values, and what works on bytes.
struct Steps<'a> {
    array: Vec<ArrayStep<'a>>,
    /// True if texts become bytes between the two.
    texts: bool,
    /// Length of the array's bytes as the steps on bytes give them.
    array_size: Expected,
    bytes: Vec<Step<'a>>,
}

/// A codec of values, and the lengths of the axes before it when writing.
struct ArrayStep<'a> {
    codec: &'a Codec,
    shape: Vec<u64>,
}

/// A codec of bytes, and what decoding it gives.
struct Step<'a> {
    codec: &'a Codec,
    expected: Expected,
}

/// What a step may give beyond the chunk's own limit: frames and checksums of steps before it.
const SLACK_BYTES: usize = 1 << 16;

impl<'a> Steps<'a> {
    fn plan(
        codecs: &'a [Codec],
        filter_mask: u32,
        n_elements: usize,
        spec: &ChunkSpec<'_>,
    ) -> Result<Self, CodecError> {
        let limit = usize::try_from(spec.max_bytes).unwrap_or(usize::MAX);
        let at_most = Expected::AtMost(limit.saturating_add(SLACK_BYTES));
        let mut size = match spec.dtype.len_bytes() {
            Some(size) => Expected::Exactly(within(n_elements, size, limit)?),
            None => at_most,
        };
        let mut steps = Self {
            array: Vec::new(),
            texts: *spec.dtype == DataType::String,
            array_size: size,
            bytes: Vec::new(),
        };
        let mut shape = spec.shape.to_vec();
        let active = codecs.iter().enumerate().filter(|(i, _)| *i >= 32 || filter_mask >> i & 1 == 0);
        for (_, codec) in active {
            if is_of_values(codec) {
                if !steps.bytes.is_empty() {
                    return Err(CodecError::unsupported(format!("{codec:?} behind a codec of bytes")));
                }
                steps.array.push(ArrayStep { codec, shape: shape.clone() });
            }
            match codec {
                Codec::Transpose { order } => shape = axes::transposed_shape(&shape, order)?,
                Codec::Member { record_size, .. } => {
                    size =
                        Expected::Exactly(within(members_in(codec, n_elements, spec)?, *record_size, limit)?);
                    steps.array_size = size;
                }
                Codec::Convert { from, .. } => {
                    size = Expected::Exactly(within(n_elements, number::size(from), limit)?);
                    steps.array_size = size;
                }
                Codec::VlenUtf8 if !steps.texts => {
                    return Err(CodecError::unsupported("vlen-utf8 of something else than texts"));
                }
                Codec::VlenUtf8 => {}
                codec => {
                    steps.bytes.push(Step { codec, expected: size });
                    size = after(codec, size).unwrap_or(at_most);
                }
            }
        }
        Ok(steps)
    }
}

/// True for a codec that works on values, not on bytes.
fn is_of_values(codec: &Codec) -> bool {
    matches!(codec, Codec::Transpose { .. } | Codec::Member { .. } | Codec::Convert { .. })
}

/// How many records hold the elements: a member that is an array gives several elements each.
fn members_in(codec: &Codec, n_elements: usize, spec: &ChunkSpec<'_>) -> Result<usize, CodecError> {
    let Codec::Member { size, .. } = codec else { return Ok(n_elements) };
    let n_bytes = n_elements.saturating_mul(spec.dtype.len_bytes().unwrap_or(1));
    if *size == 0 || !n_bytes.is_multiple_of(*size) {
        return Err(CodecError::corrupt(format!("members of {size} bytes do not fill {n_bytes} bytes")));
    }
    Ok(n_bytes / size)
}

fn within(n_elements: usize, size: usize, limit: usize) -> Result<usize, CodecError> {
    let len = n_elements.checked_mul(size).filter(|len| *len <= limit);
    len.ok_or_else(|| CodecError::TooLarge {
        message: format!(
            "a chunk of {n_elements} elements of {size} bytes exceeds the limit of {limit} bytes"
        ),
    })
}

/// The size after encoding, where it follows from the size before.
fn after(codec: &Codec, before: Expected) -> Option<Expected> {
    let Expected::Exactly(len) = before else { return None };
    match codec {
        Codec::Shuffle { .. } => Some(before),
        Codec::Fletcher32 | Codec::Crc32c => Some(Expected::Exactly(len.checked_add(4)?)),
        _ => None,
    }
}

fn check(array: &ArrayBytes, n_elements: usize, spec: &ChunkSpec<'_>) -> Result<(), CodecError> {
    let expected = match array {
        ArrayBytes::Fixed(_) => n_elements.saturating_mul(spec.dtype.len_bytes().unwrap_or(usize::MAX)),
        ArrayBytes::Texts(_) => n_elements,
    };
    let found = match array {
        ArrayBytes::Fixed(bytes) => bytes.len(),
        ArrayBytes::Texts(texts) => texts.len(),
    };
    Expected::Exactly(expected).check("decoding", found)
}

fn decode_array(step: &ArrayStep<'_>, array: ArrayBytes) -> Result<ArrayBytes, CodecError> {
    match (step.codec, array) {
        (Codec::Transpose { order }, array) => axes::untranspose(array, &step.shape, order),
        (Codec::Member { record_size, offset, size }, ArrayBytes::Fixed(records)) => {
            if offset.checked_add(*size).is_none_or(|end| end > *record_size) {
                return Err(CodecError::corrupt(format!(
                    "a member ends after its record of {record_size} bytes"
                )));
            }
            Ok(ArrayBytes::Fixed(axes::member(&records, *record_size, *offset, *size)))
        }
        (Codec::Convert { from, to }, ArrayBytes::Fixed(stored)) => {
            Ok(ArrayBytes::Fixed(number::convert(&stored, from, to)?))
        }
        (codec, _) => Err(CodecError::corrupt(format!("{codec:?} does not apply to texts"))),
    }
}

fn decode_bytes(codec: &Codec, stored: &[u8], expected: Expected) -> Result<Vec<u8>, CodecError> {
    let decoded = match codec {
        Codec::Shuffle { element_size } => shuffle::unshuffle(stored, *element_size),
        Codec::Zlib { .. } => deflate::decode_zlib(stored, expected)?,
        Codec::Gzip { .. } => deflate::decode_gzip(stored, expected)?,
        Codec::Zstd { .. } => zstandard::decode(stored, expected)?,
        Codec::Bzip2 { .. } => bzip::decode(stored, expected)?,
        Codec::Blosc { .. } => blosc::decode_chunk(stored, expected)?,
        Codec::Blosc2 => blosc::decode_frame(stored, expected)?,
        Codec::Lz4Hdf5 => lz4::decode_hdf5(stored, expected)?,
        Codec::Bitshuffle { element_size, block_size, compressor } => {
            bitshuffle::decode(stored, *element_size, *block_size, *compressor, expected)?
        }
        Codec::Lzf => lzf::decode(stored, expected)?,
        Codec::Fletcher32 => fletcher32::verify(stored)?.to_vec(),
        Codec::Crc32c => checksum::verify(stored)?.to_vec(),
        Codec::Szip { client_data } => szip::decode(stored, client_data, expected)?,
        Codec::Nbit(dtype) => match expected {
            Expected::Exactly(len) => nbit::decode(stored, dtype, len)?,
            Expected::AtMost(_) => return Err(CodecError::unsupported("n-bit behind another packing")),
        },
        Codec::ScaleOffset(dtype) => scale_offset::decode(stored, dtype, expected)?,
        Codec::Zarr { metadata, .. } => numcodecs::decode(metadata, stored, expected)?,
        Codec::VlenUtf8 | Codec::Transpose { .. } | Codec::Member { .. } | Codec::Convert { .. } => {
            return Err(CodecError::unsupported(format!("{codec:?} on bytes")));
        }
    };
    expected.check("decoding", decoded.len())?;
    Ok(decoded)
}

fn encode_bytes(codec: &Codec, mut bytes: Vec<u8>) -> Result<Vec<u8>, CodecError> {
    let encoded = match codec {
        Codec::Shuffle { element_size } => shuffle::shuffle(&bytes, *element_size),
        Codec::Zlib { level } => deflate::encode_zlib(&bytes, *level)?,
        Codec::Gzip { level } => deflate::encode_gzip(&bytes, *level)?,
        Codec::Zstd { level, checksum } => zstandard::encode(&bytes, *level, *checksum)?,
        Codec::Bzip2 { level } => bzip::encode(&bytes, *level)?,
        Codec::Blosc { cname, level, shuffle, type_size, block_size } => {
            let parameters = blosc::Parameters {
                cname: *cname,
                level: *level,
                shuffle: *shuffle,
                type_size: *type_size,
                block_size: *block_size,
            };
            blosc::encode_chunk(&bytes, parameters)?
        }
        Codec::Fletcher32 => {
            fletcher32::append(&mut bytes);
            return Ok(bytes);
        }
        Codec::Crc32c => {
            checksum::append(&mut bytes);
            return Ok(bytes);
        }
        codec => return Err(only_decoded(codec)),
    };
    spare::give(bytes);
    Ok(encoded)
}

fn copied(bytes: &[u8]) -> Vec<u8> {
    let mut copy = spare::take(bytes.len());
    copy.extend_from_slice(bytes);
    copy
}

fn only_decoded(codec: &Codec) -> CodecError {
    CodecError::unsupported(format!("nothing is encoded with {codec:?}"))
}

#[cfg(test)]
mod tests;
