//! Chunks of every kind, and headers that lie.

use super::*;

const CNAMES: [BloscCodec; 6] = [
    BloscCodec::BloscLz,
    BloscCodec::Lz4,
    BloscCodec::Lz4Hc,
    BloscCodec::Snappy,
    BloscCodec::Zlib,
    BloscCodec::Zstd,
];

fn parameters(cname: BloscCodec, shuffle: BloscShuffle, type_size: usize) -> Parameters {
    Parameters { cname, level: 5, shuffle, type_size, block_size: 0 }
}

/// Numbers that compress, in several blocks, the last of them short.
fn numbers() -> Vec<u8> {
    (0..100_003_u32).flat_map(|i| (i / 3 * 7).to_le_bytes()).chain([1, 2, 3]).collect()
}

#[test]
fn chunks_of_the_c_library_are_read() {
    let numbers = numbers();
    for cname in CNAMES {
        for shuffle in [BloscShuffle::None, BloscShuffle::Byte, BloscShuffle::Bit] {
            for (type_size, block_size) in [(1, 0), (4, 0), (4, 4096), (7, 0), (16, 1 << 15), (255, 0)] {
                let parameters = Parameters { block_size, ..parameters(cname, shuffle, type_size) };
                let stored = encode_chunk(&numbers, parameters).unwrap();
                let decoded = decode_chunk(&stored, Expected::Exactly(numbers.len()));
                assert!(decoded.is_ok_and(|decoded| decoded == numbers), "{parameters:?}");
            }
        }
    }
}

#[test]
fn small_and_empty_chunks_are_read() {
    for len in [0, 1, 3, 7, 8, 15, 16, 17, 128] {
        let bytes: Vec<u8> = (0..len).map(|i| i as u8).collect();
        for shuffle in [BloscShuffle::None, BloscShuffle::Byte, BloscShuffle::Bit] {
            let stored = encode_chunk(&bytes, parameters(BloscCodec::Lz4, shuffle, 2)).unwrap();
            assert_eq!(decode_chunk(&stored, Expected::Exactly(len)).unwrap(), bytes);
        }
    }
}

#[test]
fn sizes_in_the_header_are_checked_before_they_are_used() {
    let stored = encode_chunk(&numbers(), parameters(BloscCodec::Zstd, BloscShuffle::Byte, 4)).unwrap();
    let len = numbers().len();
    for field in [4, 8, 12] {
        for lie in [0_u32, 1, 15, 400_014, 400_016, 1 << 30, u32::MAX, 1 << 31] {
            let mut damaged = stored.clone();
            damaged[field..field + 4].copy_from_slice(&lie.to_le_bytes());
            if let Ok(decoded) = decode_chunk(&damaged, Expected::Exactly(len)) {
                assert_eq!(decoded.len(), len);
            }
            if let Ok(decoded) = decode_chunk(&damaged, Expected::AtMost(1 << 20)) {
                assert!(decoded.len() <= 1 << 20);
            }
        }
    }
}

#[test]
fn every_byte_of_a_small_chunk_can_be_wrong() {
    let bytes: Vec<u8> = (0..600_u32).map(|i| (i / 20) as u8).collect();
    for cname in CNAMES {
        let stored = encode_chunk(&bytes, parameters(cname, BloscShuffle::Byte, 2)).unwrap();
        for place in 0..stored.len() {
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut damaged = stored.clone();
                damaged[place] = value;
                if let Ok(decoded) = decode_chunk(&damaged, Expected::Exactly(bytes.len())) {
                    assert_eq!(decoded.len(), bytes.len());
                }
            }
        }
        for len in 0..stored.len() {
            assert!(decode_chunk(&stored[..len], Expected::Exactly(bytes.len())).is_err());
        }
    }
}

#[test]
fn special_chunks_of_version_2_repeat_one_value() {
    let chunk = |flags: u8, type_size: u8, value: &[u8]| {
        let mut chunk =
            vec![5, 1, 0x15, type_size, 16, 0, 0, 0, 16, 0, 0, 0, 32 + value.len() as u8, 0, 0, 0];
        chunk.extend([0; 15]);
        chunk.push(flags << 4);
        chunk.extend(value);
        decode_chunk(&chunk, Expected::Exactly(16))
    };
    assert_eq!(chunk(1, 4, &[]).unwrap(), [0; 16]);
    assert_eq!(chunk(2, 8, &[]).unwrap(), f64::NAN.to_le_bytes().repeat(2));
    assert_eq!(chunk(3, 2, &[1, 2]).unwrap(), [1, 2].repeat(8));
    for (flags, type_size, value) in
        [(2, 2, &[][..]), (3, 4, &[1, 2]), (3, 3, &[1, 2, 3]), (4, 4, &[]), (5, 4, &[])]
    {
        assert!(chunk(flags, type_size, value).is_err(), "{flags} {type_size}");
    }
}
