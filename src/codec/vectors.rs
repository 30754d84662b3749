//! Decodes chunks as HDF5's reference implementations store them (`vectors/make.py` made them).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use thermocline_model::{ArrayBytes, Codec, DataType};

use crate::hdf5::codec_of_filter;
use crate::{ChunkSpec, CodecError, decode};

/// One stored chunk, and what libhdf5 makes of it.
struct Vector {
    name: String,
    codecs: Vec<Codec>,
    filter_mask: u32,
    dtype: DataType,
    shape: Vec<u64>,
    stored: Vec<u8>,
    len: usize,
    crc32: u32,
}

impl Vector {
    fn parse(vector: &Value) -> Self {
        let name = vector["name"].as_str().unwrap().to_owned();
        let element_size = vector["element_size"].as_u64().unwrap() as usize;
        let codecs = vector["filters"].as_array().unwrap().iter().map(|filter| {
            let id = filter[0].as_u64().unwrap() as u16;
            let words = filter[1].as_array().unwrap().iter().map(|word| word.as_u64().unwrap() as u32);
            codec_of_filter(id, &words.collect::<Vec<_>>(), None, element_size).unwrap()
        });
        Self {
            codecs: codecs.collect(),
            name,
            filter_mask: vector["mask"].as_u64().unwrap() as u32,
            dtype: DataType::Compound { size: element_size, fields: Vec::new() },
            shape: vector["shape"]
                .as_array()
                .unwrap()
                .iter()
                .map(|length| length.as_u64().unwrap())
                .collect(),
            stored: STANDARD.decode(vector["stored"].as_str().unwrap()).unwrap(),
            len: vector["len"].as_u64().unwrap() as usize,
            crc32: vector["crc32"].as_u64().unwrap() as u32,
        }
    }

    fn decode(&self, stored: &[u8]) -> Result<Vec<u8>, CodecError> {
        let spec = ChunkSpec { dtype: &self.dtype, shape: &self.shape, max_bytes: 1 << 21 };
        match decode(&self.codecs, self.filter_mask, stored, &spec)? {
            ArrayBytes::Fixed(bytes) => Ok(bytes),
            ArrayBytes::Texts(_) => panic!("texts"),
        }
    }

    fn is_right(&self, bytes: &[u8]) -> bool {
        let mut sum = flate2::Crc::new();
        sum.update(bytes);
        bytes.len() == self.len && sum.sum() == self.crc32
    }
}

fn vectors() -> Vec<Vector> {
    let vectors: Vec<Value> = serde_json::from_str(include_str!("vectors/vectors.json")).unwrap();
    assert!(vectors.len() > 300);
    vectors.iter().map(Vector::parse).collect()
}

#[test]
fn every_chunk_decodes_to_what_libhdf5_reads() {
    let wrong: Vec<String> = vectors()
        .iter()
        .filter_map(|vector| match vector.decode(&vector.stored) {
            Ok(bytes) if vector.is_right(&bytes) => None,
            Ok(_) => Some(format!("{}: wrong values", vector.name)),
            Err(error) => Some(format!("{}: {error}", vector.name)),
        })
        .collect();
    assert!(wrong.is_empty(), "{} of them:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn a_chunk_that_lacks_its_end_never_has_the_right_length() {
    for vector in vectors() {
        let half = &vector.stored[..vector.stored.len() / 2];
        // Streams that end early by themselves (a run of zeros to the end) may still be whole.
        if let Ok(bytes) = vector.decode(half) {
            assert_eq!(bytes.len(), vector.len, "{}", vector.name);
        }
    }
}

#[test]
fn damaged_chunks_are_errors_or_values_but_never_a_crash() {
    let mut state = 88_172_645_463_325_252_u64;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as usize
    };
    for vector in vectors() {
        for round in 0..24 {
            let mut stored = vector.stored.clone();
            for _ in 0..=round % 4 {
                // Headers stand at the front: half of the damage goes there.
                let within = if random() % 2 == 0 { stored.len().min(48) } else { stored.len() };
                let place = random() % within.max(1);
                stored[place] = if random() % 3 == 0 { 0xff } else { random() as u8 };
            }
            if let Ok(bytes) = vector.decode(&stored) {
                assert_eq!(bytes.len(), vector.len, "{}", vector.name);
            }
        }
    }
}
