use std::io::Write;

use libdeflater::{CompressionLvl, Compressor, Decompressor};
use proptest::prelude::*;

use super::*;

/// Longer than what is needed to see whether a stream is suited.
const LEN: usize = 300_000;

/// Numbers in no order, the same each time.
fn random(seed: u64) -> impl FnMut(usize) -> usize {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    move |below| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as usize % below.max(1)
    }
}

/// A plane of shuffled floats: bytes of `n_values` values in no order.
fn plane(seed: u64, n_values: usize) -> Vec<u8> {
    let mut random = random(seed);
    (0..LEN).map(|_| (random(n_values) * 256 / n_values) as u8).collect()
}

fn deflate(bytes: &[u8], level: u8) -> Vec<u8> {
    crate::deflate::encode_zlib(bytes, level).unwrap()
}

fn deflate_otherwise(bytes: &[u8], level: i32) -> Vec<u8> {
    let mut compressor = Compressor::new(CompressionLvl::new(level).unwrap());
    let mut stored = vec![0; compressor.zlib_compress_bound(bytes.len())];
    let len = compressor.zlib_compress(bytes, &mut stored).unwrap();
    stored.truncate(len);
    stored
}

fn inflate(stored: &[u8], len: usize) -> Result<Vec<u8>, Refused> {
    let mut out = vec![0xaa; len];
    Inflater::default().zlib(stored, &mut out).map(|()| out)
}

/// What libdeflate makes of it.
fn inflate_otherwise(stored: &[u8], len: usize) -> Option<Vec<u8>> {
    let mut out = vec![0; len];
    let n = Decompressor::new().zlib_decompress(stored, &mut out).ok()?;
    (n == len).then_some(out)
}

#[test]
fn shuffled_floats_are_not_left_to_others() {
    for n_values in [4, 16, 20] {
        let mut bytes = vec![0; LEN];
        bytes.extend(plane(1, n_values));
        bytes.extend(vec![67; LEN]);
        for stored in [deflate(&bytes, 1), deflate(&bytes, 4), deflate_otherwise(&bytes, 6)] {
            assert!(inflate(&stored, bytes.len()).as_ref() == Ok(&bytes), "{n_values}");
        }
    }
}

#[test]
fn what_others_do_better_is_left_to_them_early() {
    // Seven bits for each: one literal a step.
    let bytes = plane(2, 120);
    assert!(inflate(&deflate(&bytes, 6), LEN) == Err(Refused));
    // Less than half is seen of it.
    let mut stored = deflate(&bytes, 6);
    stored.truncate(stored.len() / 2);
    let mut out = vec![0xaa; LEN];
    assert_eq!(Inflater::default().zlib(&stored, &mut out), Err(Refused));
    assert!(out[LEN / 2 + LEN / 4..].iter().all(|byte| *byte == 0xaa));
}

#[test]
fn very_short_blocks_are_left_to_others() {
    let bytes = plane(8, 16);
    let stored_in = |block_len: usize| {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::new(4));
        for block in bytes.chunks(block_len) {
            encoder.write_all(block).unwrap();
            encoder.flush().unwrap();
        }
        encoder.finish().unwrap()
    };
    assert!(inflate(&stored_in(100), LEN) == Err(Refused));
    assert!(inflate(&stored_in(10_000), LEN).as_ref() == Ok(&bytes));
}

#[test]
fn matches_of_all_distances_and_lengths_are_copied() {
    let mut inflater = Inflater::default();
    for period in (1..=70).chain([255, 256, 257, 258, 4096, 32_767, 32_768]) {
        for len in
            [period, period + 1, period + 3, period + 17, period + 258, 2 * period + 300, 3 * period + 1000]
        {
            let pattern = plane(period as u64, 256);
            let bytes: Vec<u8> = pattern[..period].iter().copied().cycle().take(len).collect();
            for stored in [deflate(&bytes, 1), deflate(&bytes, 9), deflate_otherwise(&bytes, 9)] {
                let mut out = vec![0xaa; len];
                assert_eq!(inflater.zlib(&stored, &mut out), Ok(()), "{period} {len}");
                assert!(out == bytes, "{period} {len}");
            }
        }
    }
}

#[test]
fn all_kinds_of_blocks_are_taken() {
    let bytes = plane(3, 16);
    // Stored, and fixed codes for short streams.
    assert!(inflate(&deflate(&bytes, 0), LEN).as_ref() == Ok(&bytes));
    for len in 0..300 {
        for level in [0, 1, 6] {
            assert!(inflate(&deflate(&bytes[..len], level), len).as_deref() == Ok(&bytes[..len]), "{len}");
        }
    }
}

#[test]
fn bytes_behind_the_stream_have_no_meaning() {
    let bytes = plane(4, 16);
    let mut stored = deflate(&bytes[..1000], 6);
    stored.extend([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    assert_eq!(inflate(&stored, 1000).as_deref(), Ok(&bytes[..1000]));
}

#[test]
fn a_stream_of_another_length_is_refused() {
    let bytes = plane(5, 16);
    let stored = deflate(&bytes, 1);
    for len in [0, 1, LEN / 2, LEN - 200, LEN - 1, LEN + 1, LEN + 200, 2 * LEN] {
        assert!(inflate(&stored, len) == Err(Refused), "{len}");
    }
}

#[test]
fn a_stream_that_is_cut_is_refused() {
    let bytes = plane(6, 16);
    let stored = deflate(&bytes[..2000], 1);
    for len in 0..stored.len() {
        assert_eq!(inflate(&stored[..len], 2000), Err(Refused), "{len}");
    }
    let stored = deflate(&bytes, 1);
    let mut random = random(7);
    for _ in 0..100 {
        assert!(inflate(&stored[..random(stored.len())], LEN) == Err(Refused));
    }
}

#[test]
fn what_no_stream_may_say_is_refused() {
    let cases: [(&str, &[u8]); 8] = [
        ("another method", &[0x79, 0x01, 0x03, 0x00, 0, 0, 0, 1]),
        ("a wrong check of the head", &[0x78, 0x02, 0x03, 0x00, 0, 0, 0, 1]),
        ("a preset dictionary", &[0x78, 0x20, 0x03, 0x00, 0, 0, 0, 1]),
        ("a block of no kind", &[0x78, 0x01, 0x07, 0x00, 0, 0, 0, 1]),
        ("a stored length that is not said twice", &[0x78, 0x01, 0x01, 0, 0, 0, 0, 0, 0, 0, 1]),
        ("a match before the start", &[0x78, 0x01, 0x03, 0x02, 0x00, 0, 0, 0, 1]),
        (
            "codes that are too many",
            &[0x78, 0x01, 0x05, 0xe0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        ),
        ("a wrong checksum", &[0x78, 0x01, 0x03, 0x00, 0, 0, 0, 2]),
    ];
    assert_eq!(inflate(&[0x78, 0x01, 0x03, 0x00, 0, 0, 0, 1], 0), Ok(Vec::new()));
    for (what, stored) in cases {
        for len in [0, 3] {
            assert_eq!(inflate(stored, len), Err(Refused), "{what}");
        }
    }
}

/// Bytes as chunks have them: in no order, in runs, and repeated from before.
fn chunk_like(seed: u64, len: usize) -> Vec<u8> {
    let mut random = random(seed);
    let mut bytes: Vec<u8> = Vec::with_capacity(len);
    while bytes.len() < len {
        let n = 1 + random(400);
        let n_values = 1 + random(256);
        match random(4) {
            0 => bytes.extend(std::iter::repeat_n(random(256) as u8, n)),
            1 if !bytes.is_empty() => {
                let start = bytes.len() - 1 - random(bytes.len().min(32_768));
                (start..start + n).for_each(|from| bytes.push(bytes[from]));
            }
            _ => bytes.extend((0..n).map(|_| random(n_values) as u8)),
        }
    }
    bytes.truncate(len);
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn it_gives_what_was_deflated(seed in any::<u64>(), len in 0_usize..8_000, level in 0_u8..=9) {
        let bytes = chunk_like(seed, len);
        prop_assert!(inflate(&deflate(&bytes, level), len).as_ref() == Ok(&bytes));
        let level = i32::from(level).max(1);
        prop_assert!(inflate(&deflate_otherwise(&bytes, level), len).as_ref() == Ok(&bytes));
    }

    #[test]
    fn damage_is_refused_as_by_others(seed in any::<u64>(), len in 1_usize..5_000, level in 1_u8..=9) {
        let mut stored = deflate(&chunk_like(seed, len), level);
        let mut random = random(seed);
        for _ in 0..20 {
            let at = random(stored.len());
            let before = stored[at];
            stored[at] ^= 1 << random(8);
            // Bits of the head that have no meaning may change.
            if let Ok(bytes) = inflate(&stored, len) {
                prop_assert!(inflate_otherwise(&stored, len).as_ref() == Some(&bytes));
            }
            stored[at] = before;
        }
    }

    #[test]
    fn whatever_comes_is_taken_as_by_others(mut stored in proptest::collection::vec(any::<u8>(), 3..400), len in 0_usize..600) {
        stored[..2].copy_from_slice(&[0x78, 0x01]);
        // All three kinds of blocks.
        for kind in 0..3 {
            stored[2..3].iter_mut().for_each(|byte| *byte = *byte & !7 | 1 | kind << 1);
            if let Ok(bytes) = inflate(&stored, len) {
                prop_assert!(inflate_otherwise(&stored, len).as_ref() == Some(&bytes));
            }
        }
    }
}
