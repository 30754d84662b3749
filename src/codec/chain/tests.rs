//! Whole chains: round trips, and bytes that nobody wrote.

use proptest::prelude::*;
use thermocline_model::{
    BitshuffleCompressor, BloscCodec, BloscShuffle, ByteOrder, NbitType, ScaleOffsetType, StoredNumber,
};

use super::*;

const I4: DataType = DataType::Int { size: 4, order: ByteOrder::Little };

fn spec<'a>(dtype: &'a DataType, shape: &'a [u64]) -> ChunkSpec<'a> {
    ChunkSpec { dtype, shape, max_bytes: 1 << 16 }
}

fn blosc(cname: BloscCodec, shuffle: BloscShuffle, type_size: usize) -> Codec {
    Codec::Blosc { cname, level: 5, shuffle, type_size, block_size: 0 }
}

/// Every codec that is written.
fn written() -> impl Strategy<Value = Codec> {
    let cnames = [
        BloscCodec::BloscLz,
        BloscCodec::Lz4,
        BloscCodec::Lz4Hc,
        BloscCodec::Snappy,
        BloscCodec::Zlib,
        BloscCodec::Zstd,
    ];
    let shuffles = [BloscShuffle::None, BloscShuffle::Byte, BloscShuffle::Bit];
    prop_oneof![
        (0_usize..9).prop_map(|element_size| Codec::Shuffle { element_size }),
        (0_u8..10).prop_map(|level| Codec::Zlib { level }),
        (0_u8..10).prop_map(|level| Codec::Gzip { level }),
        (-5..9, any::<bool>()).prop_map(|(level, checksum)| Codec::Zstd { level, checksum }),
        (1_u8..10).prop_map(|level| Codec::Bzip2 { level }),
        (proptest::sample::select(cnames.to_vec()), proptest::sample::select(shuffles.to_vec()), 1_usize..20)
            .prop_map(|(cname, shuffle, type_size)| blosc(cname, shuffle, type_size)),
        Just(Codec::Fletcher32),
        Just(Codec::Crc32c),
    ]
}

/// Every codec that is read.
fn read() -> impl Strategy<Value = Codec> {
    let compressors = [BitshuffleCompressor::None, BitshuffleCompressor::Lz4, BitshuffleCompressor::Zstd];
    let atomic = (0_usize..20, 0_usize..140, 0_usize..140).prop_map(|(size, precision, offset)| {
        NbitType::Atomic { size, order: ByteOrder::Little, precision, offset }
    });
    let words = proptest::collection::vec(prop_oneof![0_u32..5, Just(4), any::<u32>()], 18);
    prop_oneof![
        written(),
        Just(Codec::Blosc2),
        Just(Codec::Lz4Hdf5),
        Just(Codec::Lzf),
        (0_usize..20, 0_usize..70, proptest::sample::select(compressors.to_vec())).prop_map(
            |(element_size, block_size, compressor)| Codec::Bitshuffle {
                element_size,
                block_size,
                compressor
            }
        ),
        [0_u32..256, 0..40, 0..70, 0..600].prop_map(|client_data| Codec::Szip { client_data }),
        atomic.prop_map(Codec::Nbit),
        (0_usize..3, words).prop_map(|(method, words)| {
            let client_data = [&[[2, 0, 0][method], 0][..], &words].concat();
            Codec::ScaleOffset(ScaleOffsetType { client_data })
        }),
        Just(Codec::VlenUtf8),
        Just(Codec::Zarr { format: 2, metadata: r#"{"id":"lz4"}"#.to_owned() }),
        Just(Codec::Zarr { format: 2, metadata: r#"{"id":"delta","dtype":"<i2"}"#.to_owned() }),
    ]
}

/// Bytes as they come, or behind a start that a decoder goes further with.
fn anything() -> impl Strategy<Value = Vec<u8>> {
    let starts = [
        &b""[..],
        &[2, 1, 0x21, 4, 64, 0, 0, 0, 32, 0, 0, 0, 60, 0, 0, 0, 24, 0, 0, 0],
        &[
            5, 1, 0x05, 4, 64, 0, 0, 0, 64, 0, 0, 0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0,
            0, 0,
        ],
        &[0, 0, 0, 0, 0, 0, 0, 64, 0, 0, 0, 64],
        &[64, 0, 0, 0],
        &[7, 0, 0, 0, 8],
        &[0x78, 0x9c],
        &[0x28, 0xb5, 0x2f, 0xfd],
    ];
    (proptest::sample::select(starts.to_vec()), proptest::collection::vec(any::<u8>(), 0..200))
        .prop_map(|(start, rest)| [start, &rest].concat())
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(
        codecs in proptest::collection::vec(written(), 0..4),
        values in proptest::collection::vec(0_i32..50, 1..2000),
    ) {
        let shape = [values.len() as u64];
        let values = ArrayBytes::Fixed(values.iter().flat_map(|value| value.to_le_bytes()).collect());
        let stored = encode(&codecs, values.clone(), &spec(&I4, &shape)).unwrap();
        prop_assert_eq!(encode(&codecs, values.clone(), &spec(&I4, &shape)).unwrap(), stored.clone());
        prop_assert_eq!(decode(&codecs, 0, &stored, &spec(&I4, &shape)).unwrap(), values);
    }

    #[test]
    fn a_chunk_of_another_length_is_never_read(
        codecs in proptest::collection::vec(written(), 0..4),
        n in 1_u64..100,
        other in 1_u64..100,
    ) {
        let values = ArrayBytes::Fixed(vec![7; n as usize * 4]);
        let stored = encode(&codecs, values.clone(), &spec(&I4, &[n])).unwrap();
        prop_assert_eq!(decode(&codecs, 0, &stored, &spec(&I4, &[other])).is_ok(), n == other);
    }

    #[test]
    fn bytes_that_nobody_wrote_never_crash_a_decoder(
        codecs in proptest::collection::vec(read(), 1..3),
        filter_mask in 0_u32..4,
        stored in anything(),
        texts in any::<bool>(),
    ) {
        let dtype = if texts { DataType::String } else { I4 };
        if let Ok(array) = decode(&codecs, filter_mask, &stored, &spec(&dtype, &[4, 4])) {
            prop_assert_eq!(array.n_elements(&dtype), 16);
        }
    }
}

#[test]
fn a_codec_that_was_skipped_is_not_undone() {
    let codecs = [Codec::Shuffle { element_size: 4 }, Codec::Zlib { level: 1 }];
    let values = ArrayBytes::Fixed((0..32).collect());
    let shuffled = encode(&codecs[..1], values.clone(), &spec(&I4, &[8])).unwrap();
    let deflated = encode(&codecs[1..], values.clone(), &spec(&I4, &[8])).unwrap();
    assert_eq!(decode(&codecs, 0b10, &shuffled, &spec(&I4, &[8])).unwrap(), values);
    assert_eq!(decode(&codecs, 0b01, &deflated, &spec(&I4, &[8])).unwrap(), values);
    assert_eq!(decode(&codecs, 0b11, &(0..32).collect::<Vec<_>>(), &spec(&I4, &[8])).unwrap(), values);
}

#[test]
fn axes_that_are_permuted_twice_are_put_back_in_both_steps() {
    let codecs = [Codec::Transpose { order: vec![1, 2, 0] }, Codec::Transpose { order: vec![1, 0, 2] }];
    // np.arange(24).reshape(2, 3, 4).transpose(1, 2, 0).transpose(1, 0, 2).ravel()
    let stored = [0, 12, 4, 16, 8, 20, 1, 13, 5, 17, 9, 21, 2, 14, 6, 18, 10, 22, 3, 15, 7, 19, 11, 23];
    let (dtype, shape) = (DataType::UInt { size: 1, order: ByteOrder::Little }, [2, 3, 4]);
    let values = ArrayBytes::Fixed((0..24).collect());
    assert_eq!(encode(&codecs, values.clone(), &spec(&dtype, &shape)).unwrap(), stored);
    assert_eq!(decode(&codecs, 0, &stored, &spec(&dtype, &shape)).unwrap(), values);
}

#[test]
fn stored_bytes_must_be_whole_elements_before_any_step_over_values() {
    let dtype = DataType::UInt { size: 1, order: ByteOrder::Little };
    let bits = StoredNumber::Integer {
        size: 2,
        order: ByteOrder::Little,
        signed: false,
        precision: 8,
        bit_offset: 0,
    };
    for codec in [
        Codec::Transpose { order: vec![0] },
        Codec::Member { record_size: 2, offset: 0, size: 1 },
        Codec::Convert { from: bits, to: dtype.clone() },
    ] {
        let codecs = [codec];
        let len = if matches!(codecs[0], Codec::Transpose { .. }) { 3 } else { 6 };
        assert!(decode(&codecs, 0, &vec![0; len], &spec(&dtype, &[3])).is_ok(), "{codecs:?}");
        assert!(decode(&codecs, 0, &vec![0; len + 1], &spec(&dtype, &[3])).is_err(), "{codecs:?}");
        assert!(decode(&codecs, 0, &vec![0; len - 1], &spec(&dtype, &[3])).is_err(), "{codecs:?}");
    }
}

#[test]
fn steps_over_values_stand_before_steps_over_bytes() {
    let codecs = [Codec::Zlib { level: 1 }, Codec::Transpose { order: vec![1, 0] }];
    let stored = encode(&codecs[..1], ArrayBytes::Fixed(vec![0; 24]), &spec(&I4, &[2, 3])).unwrap();
    let decoded = decode(&codecs, 0, &stored, &spec(&I4, &[2, 3]));
    assert!(matches!(decoded, Err(CodecError::Unsupported { .. })));
    let decoded = decode(&[Codec::VlenUtf8], 0, &[0; 24], &spec(&I4, &[2, 3]));
    assert!(matches!(decoded, Err(CodecError::Unsupported { .. })));
}

#[test]
fn a_chunk_beyond_the_limit_is_too_large() {
    let spec = ChunkSpec { dtype: &I4, shape: &[1 << 40, 1 << 40], max_bytes: 100 };
    assert!(matches!(decode(&[], 0, &[], &spec), Err(CodecError::TooLarge { .. })));
    let spec = ChunkSpec { dtype: &I4, shape: &[26], max_bytes: 100 };
    assert!(matches!(decode(&[], 0, &[0; 104], &spec), Err(CodecError::TooLarge { .. })));
}

#[test]
fn a_stream_inside_a_stream_is_bounded() {
    let bomb = encode(
        &[Codec::Zlib { level: 9 }],
        ArrayBytes::Fixed(vec![0; 1 << 24]),
        &ChunkSpec { dtype: &I4, shape: &[1 << 22], max_bytes: 1 << 24 },
    );
    let codecs = [Codec::Zlib { level: 9 }, Codec::Zlib { level: 9 }];
    let decoded = decode(&codecs, 0, &bomb.unwrap(), &spec(&I4, &[4]));
    assert!(matches!(decoded, Err(CodecError::TooLarge { .. })));
}
