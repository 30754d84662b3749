//! Codec chains of versions 2 and 3.

use serde_json::Value;
use thermocline_model::{BloscCodec, BloscShuffle, ByteOrder, Codec};

use super::ParseError;
use super::json::{lengths, member};
use super::shard::ShardIndex;

/// The chain of a version 3 array.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ChainV3 {
    /// Steps in the order of writing, without the one that makes bytes of elements.
    pub(super) codecs: Vec<Codec>,
    /// Order of the bytes of an element.
    pub(super) order: ByteOrder,
    /// True if the elements are texts of any length.
    pub(super) is_text: bool,
    /// Inner chunk shape and index, when the chunks of the grid are shards.
    pub(super) sharding: Option<(Vec<u64>, ShardIndex)>,
}

/// The chain of a version 2 array document, with elements of `element_bytes` bytes.
pub(super) fn v2(
    document: &Value,
    element_bytes: Option<usize>,
    rank: usize,
) -> Result<Vec<Codec>, ParseError> {
    let mut codecs = Vec::new();
    match document.get("order").and_then(Value::as_str) {
        Some("F") if rank > 1 => codecs.push(Codec::Transpose { order: (0..rank).rev().collect() }),
        Some("C" | "F") => {}
        other => return Err(ParseError::new(format!("order {other:?} is neither C nor F"))),
    }
    let filters = member(document, "filters").and_then(Value::as_array).map(Vec::as_slice);
    for codec in filters.unwrap_or_default().iter().chain(member(document, "compressor")) {
        let id = codec.get("id").and_then(Value::as_str);
        let id = id.ok_or_else(|| ParseError::new(format!("{codec} is no codec")))?;
        codecs.extend(numcodec(id, codec, element_bytes, 2)?);
    }
    Ok(codecs)
}

/// The codec of numcodecs that `id` names; `None` for one that leaves stored values as they are.
fn numcodec(
    id: &str,
    configuration: &Value,
    element_bytes: Option<usize>,
    format: u8,
) -> Result<Option<Codec>, ParseError> {
    let level = |default: i64| member(configuration, "level").map_or(Some(default), Value::as_i64);
    let small = |level: Option<i64>| level.and_then(|level| u8::try_from(level).ok());
    let codec = match id {
        "shuffle" => {
            let size = member(configuration, "elementsize").map_or(Some(4), Value::as_u64);
            size.and_then(|size| usize::try_from(size).ok())
                .map(|element_size| Codec::Shuffle { element_size })
        }
        // A level of -1 is zlib's default, which is 6.
        "zlib" => small(level(1).map(|level| if level == -1 { 6 } else { level }))
            .map(|level| Codec::Zlib { level }),
        "gzip" => small(level(1)).map(|level| Codec::Gzip { level }),
        "bz2" => small(level(1)).map(|level| Codec::Bzip2 { level }),
        "zstd" => zstd(configuration),
        "blosc" => blosc_v2(configuration, element_bytes),
        "fletcher32" => Some(Codec::Fletcher32),
        "vlen-utf8" => Some(Codec::VlenUtf8),
        // Both round when they write and change nothing when they read.
        "bitround" => return Ok(None),
        "quantize" if member(configuration, "astype") == member(configuration, "dtype") => return Ok(None),
        "json2" | "pickle" | "msgpack2" | "vlen-bytes" | "vlen-array" | "categorize" | "base64" => {
            return Err(ParseError::new(format!("codec {id:?} has no counterpart")));
        }
        _ => Some(Codec::Zarr { format, metadata: configuration.to_string() }),
    };
    codec.map(Some).ok_or_else(|| ParseError::new(format!("codec {configuration} is malformed")))
}

fn zstd(configuration: &Value) -> Option<Codec> {
    let level = member(configuration, "level").map_or(Some(0), Value::as_i64)?;
    let checksum = member(configuration, "checksum").map_or(Some(false), Value::as_bool)?;
    Some(Codec::Zstd { level: i32::try_from(level).ok()?, checksum })
}

fn blosc_v2(configuration: &Value, element_bytes: Option<usize>) -> Option<Codec> {
    let element_bytes = element_bytes.unwrap_or(1);
    let shuffle = match member(configuration, "shuffle").map_or(Some(1), Value::as_i64)? {
        0 => BloscShuffle::None,
        1 => BloscShuffle::Byte,
        2 => BloscShuffle::Bit,
        -1 if element_bytes == 1 => BloscShuffle::Bit,
        -1 => BloscShuffle::Byte,
        _ => return None,
    };
    blosc(configuration, shuffle, element_bytes)
}

fn blosc_v3(configuration: &Value) -> Option<Codec> {
    let shuffle = match member(configuration, "shuffle").map_or(Some("noshuffle"), Value::as_str)? {
        "noshuffle" => BloscShuffle::None,
        "shuffle" => BloscShuffle::Byte,
        "bitshuffle" => BloscShuffle::Bit,
        _ => return None,
    };
    let type_size = member(configuration, "typesize").map_or(Some(1), Value::as_u64)?;
    blosc(configuration, shuffle, usize::try_from(type_size).ok()?)
}

fn blosc(configuration: &Value, shuffle: BloscShuffle, type_size: usize) -> Option<Codec> {
    let cname = match member(configuration, "cname").map_or(Some("lz4"), Value::as_str)? {
        "blosclz" => BloscCodec::BloscLz,
        "lz4" => BloscCodec::Lz4,
        "lz4hc" => BloscCodec::Lz4Hc,
        "snappy" => BloscCodec::Snappy,
        "zlib" => BloscCodec::Zlib,
        "zstd" => BloscCodec::Zstd,
        _ => return None,
    };
    let level = member(configuration, "clevel").map_or(Some(5), Value::as_u64)?;
    let block_size = member(configuration, "blocksize").map_or(Some(0), Value::as_u64)?;
    Some(Codec::Blosc {
        cname,
        level: u8::try_from(level).ok()?,
        shuffle,
        type_size,
        block_size: usize::try_from(block_size).ok()?,
    })
}

/// The chain of a version 3 array of that rank; `codecs` is its list.
pub(super) fn v3(codecs: &[Value], rank: usize) -> Result<ChainV3, ParseError> {
    let mut chain = ChainV3 { codecs: Vec::new(), order: ByteOrder::Little, is_text: false, sharding: None };
    let mut has_bytes = false;
    for codec in codecs {
        let (name, configuration) = named(codec)?;
        if chain.sharding.is_some() {
            return Err(ParseError::new(format!("codec {name:?} after sharding hides the inner chunks")));
        }
        match name {
            "bytes" | "endian" => {
                chain.order = byte_order(configuration)?;
                has_bytes = true;
            }
            "vlen-utf8" => {
                chain.codecs.push(Codec::VlenUtf8);
                chain.is_text = true;
                has_bytes = true;
            }
            "sharding_indexed" if chain.codecs.is_empty() => {
                chain = sharded(configuration, rank)?;
                has_bytes = true;
            }
            "sharding_indexed" => {
                return Err(ParseError::new("a codec before sharding permutes the inner chunks"));
            }
            "transpose" if has_bytes => return Err(ParseError::new("bytes cannot be transposed")),
            "transpose" => chain.codecs.extend(transpose(configuration, rank)?),
            _ => chain.codecs.extend(bytes_codec(name, codec, configuration)?),
        }
    }
    if !has_bytes {
        return Err(ParseError::new("no codec makes bytes of the elements"));
    }
    let foreign = chain.codecs.iter().position(|codec| matches!(codec, Codec::Zarr { .. }));
    let transposed = chain.codecs.iter().rposition(|codec| matches!(codec, Codec::Transpose { .. }));
    if foreign.zip(transposed).is_some_and(|(foreign, transposed)| foreign < transposed) {
        return Err(ParseError::new("axes permuted after another codec"));
    }
    for codec in &mut chain.codecs {
        as_numcodec(codec, chain.order);
    }
    Ok(chain)
}

/// Codecs of numcodecs keep the metadata of version 2, which says the byte order too.
fn as_numcodec(codec: &mut Codec, order: ByteOrder) {
    let Codec::Zarr { format: 3, metadata } = codec else {
        return;
    };
    let Ok(document) = serde_json::from_str::<Value>(metadata) else {
        return;
    };
    let Ok((name, configuration)) = named(&document) else {
        return;
    };
    let Some(id) = name.strip_prefix("numcodecs.") else {
        return;
    };
    let mut numcodec = configuration.as_object().cloned().unwrap_or_default();
    for name in ["dtype", "astype"] {
        if let Some(short) =
            numcodec.get(name).and_then(Value::as_str).and_then(|text| short_type(text, order))
        {
            numcodec.insert(name.to_owned(), Value::String(short));
        }
    }
    numcodec.insert("id".to_owned(), Value::String(id.to_owned()));
    *codec = Codec::Zarr { format: 2, metadata: Value::Object(numcodec).to_string() };
}

/// `int32` or `<i4` as `<i4` in the byte order of the array.
fn short_type(text: &str, order: ByteOrder) -> Option<String> {
    let plain = text.trim_start_matches(['<', '>', '|', '=']);
    let short = match plain {
        "int8" => "i1",
        "int16" => "i2",
        "int32" => "i4",
        "int64" => "i8",
        "uint8" => "u1",
        "uint16" => "u2",
        "uint32" => "u4",
        "uint64" => "u8",
        "float32" => "f4",
        "float64" => "f8",
        other if other.len() == 2 => other,
        _ => return None,
    };
    let prefix = if order == ByteOrder::Big { '>' } else { '<' };
    Some(format!("{prefix}{short}"))
}

/// Name and configuration of a version 3 codec.
fn named(codec: &Value) -> Result<(&str, &Value), ParseError> {
    let name = codec.as_str().or_else(|| codec.get("name").and_then(Value::as_str));
    let name = name.ok_or_else(|| ParseError::new(format!("{codec} is no codec")))?;
    Ok((name, codec.get("configuration").unwrap_or(&Value::Null)))
}

fn byte_order(configuration: &Value) -> Result<ByteOrder, ParseError> {
    match member(configuration, "endian").map(|endian| endian.as_str()) {
        None | Some(Some("little")) => Ok(ByteOrder::Little),
        Some(Some("big")) => Ok(ByteOrder::Big),
        other => Err(ParseError::new(format!("byte order {other:?} is neither little nor big"))),
    }
}

fn transpose(configuration: &Value, rank: usize) -> Result<Option<Codec>, ParseError> {
    let order: Vec<usize> = match member(configuration, "order").and_then(Value::as_str) {
        Some("C") => return Ok(None),
        Some("F") => (0..rank).rev().collect(),
        _ => {
            let order = lengths(configuration, "order")?;
            order.into_iter().filter_map(|axis| usize::try_from(axis).ok()).collect()
        }
    };
    let mut sorted = order.clone();
    sorted.sort_unstable();
    if !sorted.into_iter().eq(0..rank) {
        return Err(ParseError::new(format!("{order:?} is no permutation of {rank} axes")));
    }
    Ok((!order.is_sorted()).then_some(Codec::Transpose { order }))
}

fn bytes_codec(name: &str, codec: &Value, configuration: &Value) -> Result<Option<Codec>, ParseError> {
    let level =
        member(configuration, "level").and_then(Value::as_u64).and_then(|level| u8::try_from(level).ok());
    let found = match name {
        "gzip" => level.map(|level| Codec::Gzip { level }),
        "zstd" => zstd(configuration),
        "blosc" => blosc_v3(configuration),
        "crc32c" => Some(Codec::Crc32c),
        "bitround" | "numcodecs.bitround" => return Ok(None),
        _ => {
            let plain =
                ["numcodecs.", "zarrs."].iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(name);
            // Blosc of numcodecs leaves the type size to the array, which this codec cannot see.
            let is_direct = matches!(plain, "shuffle" | "zlib" | "bz2" | "gzip" | "zstd" | "fletcher32");
            if is_direct {
                return numcodec(plain, configuration, None, 3);
            }
            Some(Codec::Zarr { format: 3, metadata: codec.to_string() })
        }
    };
    found.map(Some).ok_or_else(|| ParseError::new(format!("codec {codec} is malformed")))
}

/// The chain of the inner chunks of a sharded array.
fn sharded(configuration: &Value, rank: usize) -> Result<ChainV3, ParseError> {
    let inner_shape = lengths(configuration, "chunk_shape")?;
    let list = |name: &str| {
        let list = configuration.get(name).and_then(Value::as_array).map(Vec::as_slice);
        list.ok_or_else(|| ParseError::new(format!("sharding without {name:?}")))
    };
    let mut chain = v3_inner(list("codecs")?, rank)?;
    let is_first = match member(configuration, "index_location").map_or(Some("end"), Value::as_str) {
        Some("start") => true,
        Some("end") => false,
        other => return Err(ParseError::new(format!("shard index location {other:?}"))),
    };
    chain.sharding = Some((inner_shape, shard_index(list("index_codecs")?, is_first)?));
    Ok(chain)
}

fn v3_inner(codecs: &[Value], rank: usize) -> Result<ChainV3, ParseError> {
    if codecs.iter().any(|codec| named(codec).is_ok_and(|(name, _)| name == "sharding_indexed")) {
        return Err(ParseError::new("shards inside shards"));
    }
    v3(codecs, rank)
}

fn shard_index(codecs: &[Value], is_first: bool) -> Result<ShardIndex, ParseError> {
    let names = codecs.iter().map(named).collect::<Result<Vec<_>, _>>()?;
    let (order, has_checksum) = match names.as_slice() {
        [("bytes", bytes)] => (byte_order(bytes)?, false),
        [("bytes", bytes), ("crc32c", _)] => (byte_order(bytes)?, true),
        _ => {
            let names: Vec<&str> = names.iter().map(|(name, _)| *name).collect();
            return Err(ParseError::new(format!("shard index with codecs {names:?}")));
        }
    };
    Ok(ShardIndex { is_first, is_big_endian: order == ByteOrder::Big, has_checksum })
}

#[cfg(test)]
mod tests;
