//! Codec chains as Zarr documents, and which chains a view can express.

use serde_json::{Value, json};
use thermocline_model::{BitshuffleCompressor, BloscCodec, BloscShuffle, ByteOrder, Codec, DataType};

use crate::View;

/// Largest element that Blosc shuffles.
const MAX_BLOSC_TYPE_SIZE: usize = 255;

/// The codec fields of a format 2 array document.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct V2Codecs {
    /// `"C"` or `"F"`.
    pub(crate) order: &'static str,
    /// Steps before the compressor.
    pub(crate) filters: Vec<Value>,
    /// The last step, if it compresses.
    pub(crate) compressor: Option<Value>,
}

/// The steps by which chunks that no stored bytes fit are encoded: LZ4 after shuffling, since a client waits
/// while it is done. Zstandard takes seven times as long for a fifth less.
pub(crate) fn derived_codecs(dtype: &DataType) -> Vec<Codec> {
    let Some(size) = dtype.len_bytes() else {
        return vec![Codec::VlenUtf8, Codec::Zstd { level: 1, checksum: false }];
    };
    let is_shuffled = (2..=MAX_BLOSC_TYPE_SIZE).contains(&size);
    vec![Codec::Blosc {
        cname: BloscCodec::Lz4,
        level: 5,
        shuffle: if is_shuffled { BloscShuffle::Byte } else { BloscShuffle::None },
        type_size: if is_shuffled { size } else { 1 },
        block_size: 0,
    }]
}

/// The declared chain without a Fletcher-32 checksum at its end, which is verified and cut off.
pub(crate) fn without_checksum(codecs: &[Codec]) -> &[Codec] {
    match codecs {
        [rest @ .., Codec::Fletcher32] => rest,
        _ => codecs,
    }
}

/// How far a chain has come while it is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    /// Still an array.
    Array,
    /// The bytes of the elements, as many as the elements have.
    Elements,
    /// Bytes of any length.
    Packed,
}

/// True if clients of the view can decode bytes that the chain wrote.
///
/// `n_bytes` is the length of a chunk's elements; `None` for texts of any length.
pub(crate) fn is_expressible(view: View, codecs: &[Codec], dtype: &DataType, n_bytes: Option<u64>) -> bool {
    let is_text = *dtype == DataType::String;
    if is_text != codecs.contains(&Codec::VlenUtf8) {
        return false;
    }
    let mut stage = Stage::Array;
    for codec in codecs {
        let (fits, next) = match codec {
            Codec::Transpose { order } => (stage == Stage::Array && can_transpose(view, order), Stage::Array),
            Codec::VlenUtf8 => (stage == Stage::Array && is_text, Stage::Packed),
            Codec::Shuffle { element_size } => {
                // HDF5 leaves odd bytes at the end alone; numcodecs refuses them.
                let fits = n_bytes.is_some_and(|n| *element_size > 0 && n % (*element_size as u64) == 0);
                (
                    stage <= Stage::Elements && fits && (view != View::Core || *element_size == 1),
                    Stage::Elements,
                )
            }
            Codec::Zlib { level } | Codec::Bzip2 { level } => {
                (view != View::Core && *level <= 9, Stage::Packed)
            }
            Codec::Gzip { level } => (*level <= 9, Stage::Packed),
            Codec::Zstd { level, .. } => (*level <= 22, Stage::Packed),
            // numcodecs is built without Snappy.
            Codec::Blosc { cname: BloscCodec::Snappy, .. } => return false,
            Codec::Blosc { level, .. } => (*level <= 9, Stage::Packed),
            Codec::Crc32c => (!view.is_v2(), Stage::Packed),
            Codec::Zarr { format, metadata } => (is_native(view, *format, metadata), stage),
            _ => return false,
        };
        if !fits {
            return false;
        }
        stage = next;
    }
    true
}

/// Format 2 knows only the array's order and its reverse.
fn can_transpose(view: View, order: &[usize]) -> bool {
    !view.is_v2() || is_identity(order) || is_reversal(order)
}

fn is_identity(order: &[usize]) -> bool {
    order.iter().enumerate().all(|(i, axis)| i == *axis)
}

fn is_reversal(order: &[usize]) -> bool {
    order.iter().rev().enumerate().all(|(i, axis)| i == *axis)
}

/// True if the metadata of a codec that only Zarr knows may stand in a document of the view as they are.
fn is_native(view: View, format: u8, metadata: &str) -> bool {
    if format != view.zarr_format() {
        return false;
    }
    let Ok(metadata) = serde_json::from_str::<Value>(metadata) else { return false };
    match view {
        View::V2 => metadata.get("id").is_some_and(Value::is_string),
        View::V3 => codec_name(&metadata).is_some(),
        View::Core => codec_name(&metadata).is_some_and(is_core),
    }
}

fn codec_name(metadata: &Value) -> Option<&str> {
    metadata.as_str().or_else(|| metadata.get("name")?.as_str())
}

fn is_core(name: &str) -> bool {
    matches!(
        name,
        "bytes" | "gzip" | "zstd" | "blosc" | "crc32c" | "transpose" | "sharding_indexed" | "vlen-utf8"
    )
}

/// The chain as format 2 writes it: everything in `filters`, the last compressor in `compressor`.
pub(crate) fn v2_codecs(codecs: &[Codec]) -> V2Codecs {
    let order = match codecs {
        [Codec::Transpose { order }, ..] if order.len() > 1 && is_reversal(order) => "F",
        _ => "C",
    };
    let mut filters: Vec<Value> = codecs.iter().filter_map(v2_codec).collect();
    let compressor = if codecs.last().is_some_and(is_v2_compressor) { filters.pop() } else { None };
    V2Codecs { order, filters, compressor }
}

fn is_v2_compressor(codec: &Codec) -> bool {
    match codec {
        Codec::Zarr { metadata, .. } => {
            let id = serde_json::from_str::<Value>(metadata).ok();
            let id = id.as_ref().and_then(|metadata| metadata.get("id")?.as_str());
            matches!(id, Some("blosc" | "zlib" | "gzip" | "zstd" | "bz2" | "lzma" | "lz4"))
        }
        Codec::Zlib { .. }
        | Codec::Gzip { .. }
        | Codec::Zstd { .. }
        | Codec::Bzip2 { .. }
        | Codec::Blosc { .. } => true,
        _ => false,
    }
}

/// One step as numcodecs writes it; `None` for steps that change nothing or stand elsewhere in the document.
fn v2_codec(codec: &Codec) -> Option<Value> {
    Some(match codec {
        Codec::Shuffle { element_size } => json!({"id": "shuffle", "elementsize": element_size}),
        Codec::Zlib { level } => json!({"id": "zlib", "level": level}),
        Codec::Gzip { level } => json!({"id": "gzip", "level": level}),
        // Older numcodecs know no `checksum`, and decoding needs none.
        Codec::Zstd { level, .. } => json!({"id": "zstd", "level": level}),
        Codec::Bzip2 { level } => json!({"id": "bz2", "level": level}),
        Codec::Blosc { cname, level, shuffle, block_size, .. } => json!({
            "id": "blosc", "cname": blosc_cname(*cname), "clevel": level,
            "shuffle": match shuffle { BloscShuffle::None => 0, BloscShuffle::Byte => 1, BloscShuffle::Bit => 2 },
            "blocksize": block_size,
        }),
        Codec::VlenUtf8 => json!({"id": "vlen-utf8"}),
        Codec::Zarr { format: 2, metadata } => serde_json::from_str(metadata).ok()?,
        _ => return None,
    })
}

/// The chain as format 3 writes it, with the step from elements to bytes in its place.
pub(crate) fn v3_codecs(codecs: &[Codec], dtype: &DataType) -> Vec<Value> {
    let written: Vec<Value> = codecs.iter().filter_map(v3_codec).collect();
    if written.iter().any(|codec| codec_name(codec).is_some_and(is_array_to_bytes)) {
        return written;
    }
    let n_before =
        written.iter().take_while(|codec| codec_name(codec).is_some_and(is_array_to_array)).count();
    let mut chain = written;
    chain.insert(n_before, bytes_codec(dtype));
    chain
}

fn bytes_codec(dtype: &DataType) -> Value {
    match dtype.byte_order() {
        Some(ByteOrder::Big) => json!({"name": "bytes", "configuration": {"endian": "big"}}),
        Some(ByteOrder::Little) => json!({"name": "bytes", "configuration": {"endian": "little"}}),
        // zarr-python 3.0 wants the key even where one byte has no order.
        None => json!({"name": "bytes", "configuration": {"endian": "little"}}),
    }
}

fn is_array_to_bytes(name: &str) -> bool {
    matches!(
        name.trim_start_matches("numcodecs."),
        "bytes" | "vlen-utf8" | "vlen-bytes" | "sharding_indexed" | "zfpy" | "zfp" | "pcodec" | "packbits"
    ) && name != "numcodecs.packbits"
}

fn is_array_to_array(name: &str) -> bool {
    matches!(
        name.trim_start_matches("numcodecs."),
        "transpose"
            | "bitround"
            | "delta"
            | "fixedscaleoffset"
            | "quantize"
            | "packbits"
            | "astype"
            | "squeeze"
    )
}

fn v3_codec(codec: &Codec) -> Option<Value> {
    let named = |name: &str, configuration: Value| json!({"name": name, "configuration": configuration});
    Some(match codec {
        Codec::Transpose { order } if !is_identity(order) => named("transpose", json!({"order": order})),
        Codec::VlenUtf8 => json!({"name": "vlen-utf8"}),
        Codec::Shuffle { element_size } if *element_size > 1 => {
            named("numcodecs.shuffle", json!({"elementsize": element_size}))
        }
        Codec::Zlib { level } => named("numcodecs.zlib", json!({"level": level})),
        Codec::Gzip { level } => named("gzip", json!({"level": level})),
        Codec::Zstd { level, checksum } => named("zstd", json!({"level": level, "checksum": checksum})),
        Codec::Bzip2 { level } => named("numcodecs.bz2", json!({"level": level})),
        Codec::Blosc { cname, level, shuffle, type_size, block_size } => {
            let shuffle = match shuffle {
                BloscShuffle::None => "noshuffle",
                BloscShuffle::Byte => "shuffle",
                BloscShuffle::Bit => "bitshuffle",
            };
            named(
                "blosc",
                json!({
                    "typesize": (*type_size).max(1), "cname": blosc_cname(*cname), "clevel": level,
                    "shuffle": shuffle, "blocksize": block_size,
                }),
            )
        }
        Codec::Crc32c => json!({"name": "crc32c"}),
        Codec::Zarr { format: 3, metadata } => serde_json::from_str(metadata).ok()?,
        _ => return None,
    })
}

fn blosc_cname(cname: BloscCodec) -> &'static str {
    match cname {
        BloscCodec::BloscLz => "blosclz",
        BloscCodec::Lz4 => "lz4",
        BloscCodec::Lz4Hc => "lz4hc",
        BloscCodec::Snappy => "snappy",
        BloscCodec::Zlib => "zlib",
        BloscCodec::Zstd => "zstd",
    }
}

/// Short names of the steps, for reports.
///
/// ```
/// use thermocline_model::Codec;
/// let chain = [Codec::Shuffle { element_size: 4 }, Codec::Zlib { level: 4 }];
/// assert_eq!(thermocline_zarr::codec_names(&chain), ["shuffle", "zlib"]);
/// ```
pub fn codec_names(codecs: &[Codec]) -> Vec<String> {
    codecs.iter().map(short_name).collect()
}

fn short_name(codec: &Codec) -> String {
    let name = match codec {
        Codec::Shuffle { .. } => "shuffle",
        Codec::Zlib { .. } => "zlib",
        Codec::Gzip { .. } => "gzip",
        Codec::Zstd { .. } => "zstd",
        Codec::Bzip2 { .. } => "bz2",
        Codec::Blosc { cname, .. } => return format!("blosc:{}", blosc_cname(*cname)),
        Codec::Blosc2 => "blosc2",
        Codec::Lz4Hdf5 => "lz4",
        Codec::Bitshuffle { compressor, .. } => match compressor {
            BitshuffleCompressor::None => "bitshuffle",
            BitshuffleCompressor::Lz4 => "bitshuffle:lz4",
            BitshuffleCompressor::Zstd => "bitshuffle:zstd",
        },
        Codec::Lzf => "lzf",
        Codec::Fletcher32 => "fletcher32",
        Codec::Crc32c => "crc32c",
        Codec::Szip { .. } => "szip",
        Codec::Nbit(_) => "nbit",
        Codec::ScaleOffset(_) => "scaleoffset",
        Codec::VlenUtf8 => "vlen-utf8",
        Codec::Transpose { .. } => "transpose",
        Codec::Zarr { metadata, .. } => {
            let metadata = serde_json::from_str::<Value>(metadata).unwrap_or_default();
            let id = metadata.get("id").and_then(Value::as_str);
            return codec_name(&metadata).or(id).unwrap_or("zarr").to_owned();
        }
        Codec::Member { .. } => "member",
        Codec::Convert { .. } => "convert",
    };
    name.to_owned()
}

#[cfg(test)]
mod tests;
