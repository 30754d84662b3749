//! HDF5 filters and their client data, as codecs.
//!
//! # Source
//! HDF5 library, `H5Z*.c`; the registry of filters of The HDF Group.

use thermocline_model::{
    BitshuffleCompressor, BloscCodec, BloscShuffle, ByteOrder, Codec, NbitType, ScaleOffsetType,
};

/// Deepest nesting of n-bit types.
const MAX_DEPTH: usize = 32;

/// The codec of a filter, or why there is none.
///
/// `client_data` are the filter's words in the file, `name` its name there if it has one;
/// `element_size` is the size of the dataset's elements in bytes, for filters that do not name it.
///
/// ```
/// use thermocline_codec::hdf5::codec_of_filter;
/// use thermocline_model::Codec;
///
/// assert_eq!(codec_of_filter(1, &[4], None, 8), Ok(Codec::Zlib { level: 4 }));
/// let reason = codec_of_filter(32013, &[], None, 8).unwrap_err();
/// assert_eq!(reason, "filter 32013 (zfp) has no decoder");
/// ```
///
/// # Errors
/// The reason, naming the filter.
pub fn codec_of_filter(
    id: u16,
    client_data: &[u32],
    name: Option<&str>,
    element_size: usize,
) -> Result<Codec, String> {
    let word = |i: usize, default: u32| client_data.get(i).copied().unwrap_or(default);
    let codec = match id {
        1 => Some(Codec::Zlib { level: word(0, 6).min(9) as u8 }),
        2 => Some(Codec::Shuffle {
            element_size: client_data.first().map_or(element_size, |size| *size as usize),
        }),
        3 => Some(Codec::Fletcher32),
        4 => client_data.first_chunk().map(|client_data| Codec::Szip { client_data: *client_data }),
        5 => nbit(client_data).map(Codec::Nbit),
        6 => Some(Codec::ScaleOffset(ScaleOffsetType { client_data: client_data.to_vec() })),
        307 => Some(Codec::Bzip2 { level: word(0, 9).clamp(1, 9) as u8 }),
        32000 => Some(Codec::Lzf),
        32001 => blosc(client_data, element_size),
        32004 => Some(Codec::Lz4Hdf5),
        32008 => bitshuffle(client_data, element_size),
        32015 => Some(Codec::Zstd { level: word(0, 3) as i32, checksum: false }),
        32026 => Some(Codec::Blosc2),
        _ => return Err(format!("filter {id} ({}) has no decoder", filter_name(id, name))),
    };
    codec.ok_or_else(|| {
        format!("filter {id} ({}) has client data without meaning: {client_data:?}", filter_name(id, name))
    })
}

/// What a filter is called: by the file, else by the registry.
fn filter_name(id: u16, name: Option<&str>) -> &str {
    (match id {
        1 => "deflate",
        2 => "shuffle",
        3 => "fletcher32",
        4 => "szip",
        5 => "nbit",
        6 => "scaleoffset",
        305 => "lzo",
        307 => "bzip2",
        32000 => "lzf",
        32001 => "blosc",
        32002 => "mafisc",
        32003 => "snappy",
        32004 => "lz4",
        32005 => "apax",
        32006 => "cbf",
        32007 => "jpeg-xr",
        32008 => "bitshuffle",
        32009 => "spdp",
        32010 => "lpc-rice",
        32011 => "ccsds-123",
        32012 => "jpeg-ls",
        32013 => "zfp",
        32014 => "fpzip",
        32015 => "zstd",
        32016 => "b3d",
        32017 => "sz",
        32018 => "fcidecomp",
        32019 => "jpeg",
        32020 => "vbz",
        32021 => "fapec",
        32022 => "bitgroom",
        32023 => "granular bitround",
        32024 => "sz3",
        32025 => "delta-rice",
        32026 => "blosc2",
        32027 => "flac",
        32028 => "sperr",
        32029 => "terse/prolix",
        32030 => "ffmpeg",
        _ => return name.filter(|name| !name.is_empty()).unwrap_or("unknown"),
    }) as _
}

/// Words: filter revision, Blosc format, type size, chunk length, level, shuffling, compressor.
fn blosc(client_data: &[u32], element_size: usize) -> Option<Codec> {
    let word = |i: usize, default: u32| client_data.get(i).copied().unwrap_or(default);
    let cname = match word(6, 0) {
        0 => BloscCodec::BloscLz,
        1 => BloscCodec::Lz4,
        2 => BloscCodec::Lz4Hc,
        3 => BloscCodec::Snappy,
        4 => BloscCodec::Zlib,
        5 => BloscCodec::Zstd,
        _ => return None,
    };
    let shuffle = match word(5, 1) {
        0 => BloscShuffle::None,
        1 => BloscShuffle::Byte,
        2 => BloscShuffle::Bit,
        _ => return None,
    };
    let type_size = client_data.get(2).map_or(element_size, |size| *size as usize);
    // Blosc itself takes elements beyond 255 bytes for single bytes.
    let type_size = if (1..=255).contains(&type_size) { type_size } else { 1 };
    Some(Codec::Blosc { cname, level: word(4, 5).min(9) as u8, shuffle, type_size, block_size: 0 })
}

/// Words: version of the filter (two), element size, block size in elements, compressor, level.
fn bitshuffle(client_data: &[u32], element_size: usize) -> Option<Codec> {
    let compressor = match client_data.get(4) {
        None | Some(0) => BitshuffleCompressor::None,
        Some(2) => BitshuffleCompressor::Lz4,
        Some(3) => BitshuffleCompressor::Zstd,
        Some(_) => return None,
    };
    let element_size = client_data.get(2).map_or(element_size, |size| *size as usize);
    let block_size = client_data.get(3).map_or(0, |size| *size as usize);
    Some(Codec::Bitshuffle { element_size, block_size, compressor })
}

/// Words: their number, whether the filter does nothing, number of elements, then the type.
fn nbit(client_data: &[u32]) -> Option<NbitType> {
    let (head, mut words) = client_data.split_at_checked(3)?;
    let dtype = nbit_type(&mut words, 0)?;
    match head.get(1)? {
        0 => Some(dtype),
        _ => Some(NbitType::NoOp { size: crate::nbit::size(&dtype) }),
    }
}

fn nbit_type(words: &mut &[u32], depth: usize) -> Option<NbitType> {
    if depth > MAX_DEPTH {
        return None;
    }
    let (class, size) = (take(words)?, take(words)? as usize);
    match class {
        1 => {
            let order = match take(words)? {
                0 => ByteOrder::Little,
                1 => ByteOrder::Big,
                _ => return None,
            };
            let (precision, offset) = (take(words)? as usize, take(words)? as usize);
            Some(NbitType::Atomic { size, order, precision, offset })
        }
        2 => Some(NbitType::Array { size, base: Box::new(nbit_type(words, depth + 1)?) }),
        3 => {
            let members: Option<Vec<_>> = (0..take(words)?)
                .map(|_| Some((take(words)? as usize, nbit_type(words, depth + 1)?)))
                .collect();
            Some(NbitType::Compound { size, members: members? })
        }
        4 => Some(NbitType::NoOp { size }),
        _ => None,
    }
}

fn take(words: &mut &[u32]) -> Option<u32> {
    let (first, rest) = words.split_first()?;
    *words = rest;
    Some(*first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_client_data_mean_the_filters_defaults() {
        assert_eq!(codec_of_filter(1, &[], None, 4), Ok(Codec::Zlib { level: 6 }));
        assert_eq!(codec_of_filter(2, &[], None, 4), Ok(Codec::Shuffle { element_size: 4 }));
        assert_eq!(codec_of_filter(32015, &[], None, 4), Ok(Codec::Zstd { level: 3, checksum: false }));
        let blosc = Codec::Blosc {
            cname: BloscCodec::BloscLz,
            level: 5,
            shuffle: BloscShuffle::Byte,
            type_size: 4,
            block_size: 0,
        };
        assert_eq!(codec_of_filter(32001, &[2, 2, 4, 400], None, 4), Ok(blosc));
    }

    #[test]
    fn a_negative_level_of_zstd_is_one() {
        let codec = codec_of_filter(32015, &[(-7_i32) as u32], None, 4);
        assert_eq!(codec, Ok(Codec::Zstd { level: -7, checksum: false }));
    }

    #[test]
    fn nbit_types_nest() {
        // A record of 8 bytes: a big-endian number of 12 bits, and two bytes as they are.
        let words = [13, 0, 9, 3, 8, 2, 0, 1, 4, 1, 12, 3, 4, 4, 2];
        let dtype = NbitType::Compound {
            size: 8,
            members: vec![
                (0, NbitType::Atomic { size: 4, order: ByteOrder::Big, precision: 12, offset: 3 }),
                (4, NbitType::NoOp { size: 2 }),
            ],
        };
        assert_eq!(codec_of_filter(5, &words, None, 8), Ok(Codec::Nbit(dtype)));
    }

    #[test]
    fn nbit_that_was_told_to_do_nothing_does_nothing() {
        let codec = codec_of_filter(5, &[8, 1, 9, 1, 4, 0, 32, 0], None, 4);
        assert_eq!(codec, Ok(Codec::Nbit(NbitType::NoOp { size: 4 })));
    }

    #[test]
    fn what_cannot_be_decoded_is_named() {
        assert_eq!(codec_of_filter(32017, &[], None, 4), Err("filter 32017 (sz) has no decoder".to_owned()));
        assert_eq!(
            codec_of_filter(300, &[], Some("mine"), 4),
            Err("filter 300 (mine) has no decoder".to_owned())
        );
        assert_eq!(codec_of_filter(301, &[], None, 4), Err("filter 301 (unknown) has no decoder".to_owned()));
        for (id, words) in
            [(4, &[1, 2, 3][..]), (5, &[1]), (5, &[9, 0, 1, 3, 8, u32::MAX]), (32008, &[0, 0, 4, 0, 9])]
        {
            assert!(codec_of_filter(id, words, None, 4).unwrap_err().contains("client data"), "{id}");
        }
    }
}
