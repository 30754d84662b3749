use super::*;

const F4: DataType = DataType::Float { size: 4, order: ByteOrder::Little };
const SHUFFLE: Codec = Codec::Shuffle { element_size: 4 };
const ZLIB: Codec = Codec::Zlib { level: 5 };

fn fits(view: View, codecs: &[Codec]) -> bool {
    is_expressible(view, codecs, &F4, Some(400))
}

#[test]
fn shuffle_and_deflate_are_filter_and_compressor() {
    let codecs = v2_codecs(&[SHUFFLE, ZLIB]);
    assert_eq!(codecs.filters, [json!({"id": "shuffle", "elementsize": 4})]);
    assert_eq!(codecs.compressor, Some(json!({"id": "zlib", "level": 5})));
    assert_eq!(
        v3_codecs(&[SHUFFLE, ZLIB], &F4),
        [
            json!({"name": "bytes", "configuration": {"endian": "little"}}),
            json!({"name": "numcodecs.shuffle", "configuration": {"elementsize": 4}}),
            json!({"name": "numcodecs.zlib", "configuration": {"level": 5}}),
        ]
    );
}

#[test]
fn of_several_compressors_the_last_is_the_compressor() {
    let codecs = v2_codecs(&[SHUFFLE, Codec::Bzip2 { level: 9 }, ZLIB]);
    assert_eq!(
        codecs.filters,
        [json!({"id": "shuffle", "elementsize": 4}), json!({"id": "bz2", "level": 9})]
    );
    assert_eq!(codecs.compressor, Some(json!({"id": "zlib", "level": 5})));
}

#[test]
fn shuffle_alone_is_a_filter_without_compressor() {
    let codecs = v2_codecs(&[SHUFFLE]);
    assert_eq!(codecs.filters.len(), 1);
    assert_eq!(codecs.compressor, None);
}

#[test]
fn shuffling_compressed_bytes_is_not_expressible() {
    assert!(!fits(View::V2, &[ZLIB, SHUFFLE]));
    assert!(fits(View::V2, &[SHUFFLE, ZLIB]));
    assert!(!fits(View::V2, &[Codec::Shuffle { element_size: 3 }, ZLIB]), "400 is no multiple of 3");
}

#[test]
fn a_checksum_that_is_compressed_is_not_expressible() {
    let written = [Codec::Fletcher32, SHUFFLE, ZLIB];
    assert!(!fits(View::V2, without_checksum(&written)));
    assert!(fits(View::V3, without_checksum(&[SHUFFLE, ZLIB, Codec::Fletcher32])));
}

#[test]
fn the_core_view_has_only_core_codecs() {
    assert!(!fits(View::Core, &[SHUFFLE, ZLIB]));
    assert!(!fits(View::Core, &[ZLIB]));
    assert!(fits(View::Core, &[Codec::Gzip { level: 1 }, Codec::Crc32c]));
    assert!(fits(View::Core, &[]));
}

#[test]
fn the_reverse_order_is_order_f_in_format_2() {
    let reverse = Codec::Transpose { order: vec![2, 1, 0] };
    let other = Codec::Transpose { order: vec![1, 0, 2] };
    assert!(fits(View::V2, std::slice::from_ref(&reverse)));
    assert_eq!(v2_codecs(std::slice::from_ref(&reverse)).order, "F");
    assert!(!fits(View::V2, std::slice::from_ref(&other)));
    assert_eq!(
        v3_codecs(&[other], &DataType::Float { size: 4, order: ByteOrder::Big }),
        [
            json!({"name": "transpose", "configuration": {"order": [1, 0, 2]}}),
            json!({"name": "bytes", "configuration": {"endian": "big"}}),
        ]
    );
}

#[test]
fn texts_need_their_codec_and_numbers_must_not_have_it() {
    let texts = [Codec::VlenUtf8, Codec::Zstd { level: 1, checksum: false }];
    assert!(is_expressible(View::V3, &texts, &DataType::String, None));
    assert!(!is_expressible(View::V3, &[], &DataType::String, None));
    assert!(!fits(View::V3, &texts));
    assert_eq!(
        v3_codecs(&texts, &DataType::String),
        [
            json!({"name": "vlen-utf8"}),
            json!({"name": "zstd", "configuration": {"level": 1, "checksum": false}}),
        ]
    );
}

#[test]
fn derived_chunks_are_blosc_zstd_with_shuffle() {
    assert_eq!(
        v2_codecs(&derived_codecs(&F4)).compressor,
        Some(json!({"id": "blosc", "cname": "lz4", "clevel": 5, "shuffle": 1, "blocksize": 0}))
    );
    let configuration =
        json!({"typesize": 4, "cname": "lz4", "clevel": 5, "shuffle": "shuffle", "blocksize": 0});
    assert_eq!(
        v3_codecs(&derived_codecs(&F4), &F4).pop(),
        Some(json!({"name": "blosc", "configuration": configuration}))
    );
}

#[test]
fn codecs_that_only_zarr_knows_stay_in_their_own_format() {
    let lz4 = Codec::Zarr { format: 2, metadata: r#"{"id":"lz4","acceleration":1}"#.into() };
    assert!(fits(View::V2, std::slice::from_ref(&lz4)));
    assert!(!fits(View::V3, std::slice::from_ref(&lz4)));
    assert_eq!(
        v2_codecs(std::slice::from_ref(&lz4)).compressor,
        Some(json!({"id": "lz4", "acceleration": 1}))
    );
    assert_eq!(codec_names(&[lz4]), ["lz4"]);
}
