use super::*;
use serde_json::json;

#[test]
fn filters_come_before_the_compressor_and_order_f_before_both() {
    let document = json!({
        "order": "F",
        "filters": [{"id": "shuffle", "elementsize": 8}],
        "compressor": {"id": "zlib", "level": 4},
    });
    let expected = [
        Codec::Transpose { order: vec![1, 0] },
        Codec::Shuffle { element_size: 8 },
        Codec::Zlib { level: 4 },
    ];
    assert_eq!(v2(&document, Some(8), 2).unwrap(), expected);
    assert_eq!(v2(&json!({"order": "F", "filters": null, "compressor": null}), Some(8), 1).unwrap(), []);
}

#[test]
fn blosc_takes_its_type_size_from_the_array_in_version_2() {
    let document =
        json!({"order": "C", "compressor": {"id": "blosc", "cname": "zstd", "clevel": 3, "shuffle": -1}});
    let blosc = |type_size, shuffle| Codec::Blosc {
        cname: BloscCodec::Zstd,
        level: 3,
        shuffle,
        type_size,
        block_size: 0,
    };
    assert_eq!(v2(&document, Some(4), 1).unwrap(), [blosc(4, BloscShuffle::Byte)]);
    assert_eq!(v2(&document, Some(1), 1).unwrap(), [blosc(1, BloscShuffle::Bit)]);
}

#[test]
fn codecs_that_only_the_zarr_library_may_know_keep_their_metadata() {
    let document = json!({"order": "C", "compressor": {"id": "lz4", "acceleration": 1}});
    let metadata = r#"{"id":"lz4","acceleration":1}"#.to_owned();
    assert_eq!(v2(&document, Some(4), 1).unwrap(), [Codec::Zarr { format: 2, metadata }]);
}

#[test]
fn object_codecs_without_counterpart_are_refused() {
    for id in ["json2", "pickle", "vlen-array"] {
        let document = json!({"order": "C", "filters": [{"id": id}]});
        assert!(v2(&document, None, 1).is_err(), "{id}");
    }
}

#[test]
fn malformed_chains_are_refused() {
    for document in [
        json!({}),
        json!({"order": "X"}),
        json!({"order": "C", "filters": [{}]}),
        json!({"order": "C", "compressor": {"id": "zlib", "level": 1000}}),
        json!({"order": "C", "compressor": {"id": "blosc", "cname": "lzma"}}),
    ] {
        assert!(v2(&document, Some(4), 2).is_err(), "{document}");
    }
    let bytes = json!({"name": "bytes", "configuration": {"endian": "little"}});
    for codecs in [
        json!([]),
        json!([{"name": "gzip", "configuration": {"level": 5}}]),
        json!([{"name": "bytes", "configuration": {"endian": "middle"}}]),
        json!([{"name": "transpose", "configuration": {"order": [0, 0]}}, bytes]),
        json!([bytes, {"name": "blosc", "configuration": {"shuffle": "x"}}]),
    ] {
        assert!(v3(codecs.as_array().unwrap(), 2).is_err(), "{codecs}");
    }
}

#[test]
fn the_bytes_codec_gives_the_byte_order() {
    let codecs = json!([
        {"name": "transpose", "configuration": {"order": [1, 0]}},
        {"name": "bytes", "configuration": {"endian": "big"}},
        {"name": "numcodecs.zlib", "configuration": {"level": 2}},
        {"name": "crc32c"},
    ]);
    let chain = v3(codecs.as_array().unwrap(), 2).unwrap();
    assert_eq!(chain.order, ByteOrder::Big);
    assert_eq!(
        chain.codecs,
        [Codec::Transpose { order: vec![1, 0] }, Codec::Zlib { level: 2 }, Codec::Crc32c]
    );
}

fn sharding(index_codecs: Value) -> Value {
    json!({"name": "sharding_indexed", "configuration": {
        "chunk_shape": [2, 3],
        "codecs": [{"name": "bytes", "configuration": {"endian": "big"}}, {"name": "gzip", "configuration": {"level": 5}}],
        "index_codecs": index_codecs,
        "index_location": "start",
    }})
}

#[test]
fn the_chain_of_a_sharded_array_is_that_of_its_inner_chunks() {
    let codecs =
        [sharding(json!([{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "crc32c"}]))];
    let chain = v3(&codecs, 2).unwrap();
    assert_eq!(chain.order, ByteOrder::Big);
    assert_eq!(chain.codecs, [Codec::Gzip { level: 5 }]);
    let index = ShardIndex { is_first: true, is_big_endian: false, has_checksum: true };
    assert_eq!(chain.sharding, Some((vec![2, 3], index)));
}

#[test]
fn shards_whose_inner_chunks_are_hidden_are_refused() {
    let plain = sharding(json!(["bytes"]));
    let gzip = json!({"name": "gzip", "configuration": {"level": 5}});
    let transpose = json!({"name": "transpose", "configuration": {"order": [1, 0]}});
    assert!(v3(&[plain.clone(), gzip.clone()], 2).is_err());
    assert!(v3(&[transpose, plain], 2).is_err());
    assert!(v3(&[sharding(json!(["bytes", gzip]))], 2).is_err());
}

#[test]
fn codecs_of_numcodecs_keep_the_metadata_of_version_2_with_the_byte_order() {
    let delta = json!({"name": "numcodecs.delta", "configuration": {"dtype": "int32"}});
    let bytes = json!({"name": "bytes", "configuration": {"endian": "big"}});
    let chain = v3(&[delta.clone(), bytes.clone()], 1).unwrap();
    let metadata = r#"{"dtype":">i4","id":"delta"}"#.to_owned();
    assert_eq!(chain.codecs, [Codec::Zarr { format: 2, metadata }]);
    let transpose = json!({"name": "transpose", "configuration": {"order": [1, 0]}});
    assert!(v3(&[transpose.clone(), delta.clone(), bytes.clone()], 2).is_ok());
    assert!(v3(&[delta, transpose, bytes], 2).is_err());
}
