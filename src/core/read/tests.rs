//! Chunks as clients get them: passed through untouched where they can be, exactly right where not.

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use thermocline_model::{
    Attributes, ByteOrder, ChunkPart, ChunkRef, ChunkTable, ChunkTableBuilder, Codec, DataType, Dataset,
    DatasetId, Encoding, Group, Object, ObjectIdentity, Storage, Verification,
};

use super::*;
use crate::bytes::{ObjectSettings, Objects};
use crate::catalog::{DatasetSpec, SourceSpec};
use crate::manifest::{ManifestStorage, Revision};

const I2: DataType = DataType::Int { size: 2, order: ByteOrder::Little };

struct OneObject(Vec<u8>);

#[async_trait]
impl ByteSource for OneObject {
    async fn read(&self, _: &Object, range: Range<u64>) -> Result<Bytes> {
        let bytes = self.0.get(range.start as usize..range.end as usize);
        bytes.map(Bytes::copy_from_slice).ok_or_else(|| Error::corrupt("beyond the end"))
    }
}

struct InMemory {
    table: Arc<ChunkTable>,
    inline: Vec<u8>,
}

impl ManifestStorage for InMemory {
    fn table(&self, _: u32) -> Result<Arc<ChunkTable>> {
        Ok(Arc::clone(&self.table))
    }
    fn table_in_memory(&self, _: u32) -> Option<Arc<ChunkTable>> {
        Some(Arc::clone(&self.table))
    }
    fn inline(&self, offset: u64, len_bytes: usize) -> Result<Bytes> {
        Ok(Bytes::copy_from_slice(&self.inline[offset as usize..][..len_bytes]))
    }
}

/// A variable of int16 with shape 5 in chunks of 2, its chunks as given.
struct Fixture {
    codecs: Vec<Codec>,
    chunks: Vec<(u64, Vec<u8>, u32)>,
    fill: Option<i16>,
}

impl Fixture {
    fn raw(chunks: &[(u64, [i16; 2])]) -> Self {
        let chunks = chunks.iter().map(|(linear, values)| (*linear, bytes_of(values), 0)).collect();
        Self { codecs: Vec::new(), chunks, fill: Some(-1) }
    }

    fn build(self) -> (Reader, Arc<Manifest>, Variable) {
        let mut object = vec![0; 3];
        let mut table = ChunkTableBuilder::new();
        for (linear, bytes, filter_mask) in &self.chunks {
            let part = ChunkPart {
                place: Place::Object(0),
                encoding: 0,
                filter_mask: *filter_mask,
                is_short: false,
            };
            let chunk = ChunkRef { part, offset: object.len() as u64, len_bytes: bytes.len() as u32 };
            table.push(*linear, chunk);
            object.extend(bytes);
        }
        let variable = Variable {
            name: "v".into(),
            dims: vec!["x".into()],
            shape: vec![5],
            dtype: I2,
            fill: self.fill.map(|fill| ArrayBytes::Fixed(fill.to_le_bytes().to_vec())),
            attrs: Attributes::new(),
            storage: Storage {
                chunk_shape: vec![2],
                served_chunk_shape: vec![2],
                encodings: vec![Encoding { dtype: I2, codecs: self.codecs }],
                table: 0,
                source_path: "/v".into(),
            },
            verification: Verification::Unverified { reason: "made by hand".into() },
        };
        let source = Object {
            href: "/data/a.nc".into(),
            len_bytes: object.len() as u64,
            identity: ObjectIdentity::ETag("1".into()),
        };
        let root = Group { variables: vec![variable.clone()], ..Group::default() };
        let dataset = Dataset { root, objects: vec![source], ..Dataset::default() };
        let spec =
            DatasetSpec::new(DatasetId::new("a").unwrap(), SourceSpec::Object("/data/a.nc".into()), "a test");
        let storage = Arc::new(InMemory { table: Arc::new(table.build()), inline: Vec::new() });
        let manifest = Manifest::new(spec, dataset, Revision("r1".into()), "test".into(), storage);
        let opener = Objects::new(Vec::new(), ObjectSettings::default(), tokio::runtime::Handle::current());
        let reader = Reader::new(Arc::new(OneObject(object)), opener, Vec::new(), ReadSettings::default());
        (reader, Arc::new(manifest), variable)
    }
}

fn bytes_of(values: &[i16]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn raw_form(chunk: u64, absent: AbsentChunk) -> ChunkForm {
    ChunkForm { dtype: I2, chunk_shape: vec![chunk], codecs: Vec::new(), absent }
}

async fn chunk(fixture: (Reader, Arc<Manifest>, Variable), form: &ChunkForm, index: u64) -> Option<Bytes> {
    let (reader, manifest, variable) = fixture;
    reader.chunk(&manifest, &variable, form, &[index]).await.unwrap().map(|chunk| chunk.bytes)
}

#[tokio::test]
async fn stored_bytes_pass_through_untouched() {
    let fixture =
        Fixture { codecs: vec![Codec::Lzf], chunks: vec![(1, b"whatever".to_vec(), 0)], fill: None };
    let form = ChunkForm { codecs: vec![Codec::Lzf], ..raw_form(2, AbsentChunk::Absent) };
    assert_eq!(chunk(fixture.build(), &form, 1).await.unwrap().as_ref(), b"whatever");
}

#[tokio::test]
async fn a_chunk_that_was_never_written_is_absent_or_filled_as_the_form_says() {
    let absent = raw_form(2, AbsentChunk::Absent);
    assert_eq!(chunk(Fixture::raw(&[(0, [1, 2])]).build(), &absent, 1).await, None);
    let filled = raw_form(2, AbsentChunk::Filled);
    let bytes = chunk(Fixture::raw(&[(0, [1, 2])]).build(), &filled, 1).await.unwrap();
    assert_eq!(bytes.as_ref(), bytes_of(&[-1, -1]));
}

#[tokio::test]
async fn an_index_outside_the_grid_is_absent_even_when_absent_chunks_are_filled() {
    let form = raw_form(2, AbsentChunk::Filled);
    let (reader, manifest, variable) = Fixture::raw(&[(0, [1, 2])]).build();
    for index in [vec![3], vec![u64::MAX], vec![], vec![0, 0]] {
        assert!(reader.chunk(&manifest, &variable, &form, &index).await.unwrap().is_none(), "{index:?}");
    }
}

#[tokio::test]
async fn larger_chunks_are_gathered_from_stored_ones_and_gaps_are_fill() {
    let fixture = Fixture::raw(&[(0, [1, 2]), (2, [5, 99])]).build();
    let bytes = chunk(fixture, &raw_form(6, AbsentChunk::Absent), 0).await.unwrap();
    // Element 5 lies beyond the array: whatever the file has there is not served.
    assert_eq!(bytes.as_ref(), bytes_of(&[1, 2, -1, -1, 5, -1]));
}

#[tokio::test]
async fn a_chunk_whose_filter_was_skipped_is_derived_and_its_neighbours_are_not() {
    let codecs = vec![Codec::Shuffle { element_size: 2 }];
    let chunks = vec![(0, vec![1, 2, 0, 0], 0), (1, bytes_of(&[3, 4]), 1)];
    let form = ChunkForm { codecs: codecs.clone(), ..raw_form(2, AbsentChunk::Absent) };
    let build = || Fixture { codecs: codecs.clone(), chunks: chunks.clone(), fill: None }.build();
    assert_eq!(chunk(build(), &form, 0).await.unwrap().as_ref(), [1, 2, 0, 0]);
    assert_eq!(chunk(build(), &form, 1).await.unwrap().as_ref(), [3, 4, 0, 0]);
    let (reader, manifest, variable) = build();
    assert_eq!(reader.route(&manifest, &variable, &form).await.unwrap(), Route::Mixed);
}

#[tokio::test]
async fn a_checksum_at_the_end_is_verified_and_cut_off() {
    // Fletcher-32 of 01 00 02 00 as HDF5 computes it over big-endian 16-bit words.
    let sums = |words: [u32; 2]| {
        let (mut low, mut high) = (0_u32, 0_u32);
        for word in words {
            low = (low + word) % 65535;
            high = (high + low) % 65535;
        }
        (high << 16 | low).to_le_bytes()
    };
    let good = [bytes_of(&[1, 2]), sums([0x0100, 0x0200]).to_vec()].concat();
    let mut bad = good.clone();
    bad[0] = 7;
    let codecs = vec![Codec::Fletcher32];
    let build =
        |bytes: Vec<u8>| Fixture { codecs: codecs.clone(), chunks: vec![(0, bytes, 0)], fill: None }.build();
    let form = raw_form(2, AbsentChunk::Absent);
    assert_eq!(chunk(build(good), &form, 0).await.unwrap().as_ref(), bytes_of(&[1, 2]));
    let (reader, manifest, variable) = build(bad);
    let error = reader.chunk(&manifest, &variable, &form, &[0]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
}

#[tokio::test]
async fn a_damaged_chunk_is_an_error_however_it_is_asked_for() {
    let fixture = Fixture {
        codecs: vec![Codec::Zlib { level: 4 }],
        chunks: vec![(0, b"not a zlib stream".to_vec(), 0)],
        fill: None,
    };
    let (reader, manifest, variable) = fixture.build();
    let form = raw_form(2, AbsentChunk::Filled);
    assert_eq!(reader.chunk(&manifest, &variable, &form, &[0]).await.unwrap_err().kind(), ErrorKind::Corrupt);
    let region = Region { start: vec![0], shape: vec![5] };
    assert_eq!(reader.values(&manifest, &variable, &region).await.unwrap_err().kind(), ErrorKind::Corrupt);
}

#[tokio::test]
async fn values_of_a_region_are_those_of_the_array() {
    let (reader, manifest, variable) = Fixture::raw(&[(0, [1, 2]), (1, [3, 4])]).build();
    let region = Region { start: vec![1], shape: vec![4] };
    let values = reader.values(&manifest, &variable, &region).await.unwrap();
    assert_eq!(values, ArrayBytes::Fixed(bytes_of(&[2, 3, 4, -1])));
}

#[tokio::test]
async fn tags_differ_between_chunks_and_forms_and_stay_the_same_otherwise() {
    let (reader, manifest, variable) = Fixture::raw(&[(0, [1, 2]), (1, [1, 2])]).build();
    let tag = async |form: &ChunkForm, index: u64| {
        reader.chunk_head(&manifest, &variable, form, &[index]).await.unwrap().unwrap().etag
    };
    let raw = raw_form(2, AbsentChunk::Absent);
    let zlib = ChunkForm { codecs: vec![Codec::Zlib { level: 1 }], ..raw.clone() };
    assert_eq!(tag(&raw, 0).await, tag(&raw, 0).await);
    assert_ne!(tag(&raw, 0).await, tag(&raw, 1).await);
    assert_ne!(tag(&raw, 0).await, tag(&zlib, 0).await);
}

#[tokio::test]
async fn two_members_of_the_same_records_are_two_arrays() {
    let records = vec![(0, bytes_of(&[1, 10, 2, 20]), 0)];
    let member = |offset| vec![Codec::Member { record_size: 4, offset, size: 2 }];
    let (reader, manifest, first) =
        Fixture { codecs: member(0), chunks: records.clone(), fill: None }.build();
    let (_, _, mut second) = Fixture { codecs: member(2), chunks: records, fill: None }.build();
    second.name = "w".into();
    let form = raw_form(2, AbsentChunk::Absent);
    let a = reader.chunk(&manifest, &first, &form, &[0]).await.unwrap().unwrap();
    let b = reader.chunk(&manifest, &second, &form, &[0]).await.unwrap().unwrap();
    assert_eq!(a.bytes.as_ref(), bytes_of(&[1, 2]));
    assert_eq!(b.bytes.as_ref(), bytes_of(&[10, 20]));
    assert_ne!(a.head.etag, b.head.etag);
}

#[tokio::test]
async fn the_length_of_a_passed_chunk_is_known_without_reading_it() {
    let (reader, manifest, variable) = Fixture::raw(&[(0, [1, 2])]).build();
    let form = raw_form(2, AbsentChunk::Absent);
    let head = reader.chunk_head(&manifest, &variable, &form, &[0]).await.unwrap().unwrap();
    assert_eq!(head.len_bytes, Some(4));
}

#[tokio::test]
async fn locations_of_a_range_are_those_of_the_whole_that_lie_in_it() {
    let (reader, manifest, variable) = Fixture::raw(&[(0, [1, 2]), (2, [5, 6])]).build();
    for absent in [AbsentChunk::Absent, AbsentChunk::Filled] {
        let form = raw_form(2, absent);
        let whole = reader.locations(&manifest, &variable, &form).await.unwrap();
        let part = reader.locations_in(&manifest, &variable, &form, 1..9).await.unwrap();
        let expected: Vec<_> = whole.into_iter().filter(|(linear, _)| *linear >= 1).collect();
        assert_eq!(part, expected, "{absent:?}");
        assert!(part.iter().any(|(linear, _)| *linear == 2));
    }
}

#[tokio::test]
async fn stored_bytes_of_another_length_than_their_elements_are_never_sent() {
    for stored in [vec![], vec![1, 0, 2], vec![1, 0, 2, 0, 3, 0]] {
        let fixture = Fixture { codecs: Vec::new(), chunks: vec![(0, stored.clone(), 0)], fill: None };
        let (reader, manifest, variable) = fixture.build();
        let form = raw_form(2, AbsentChunk::Absent);
        let sent = reader.chunk(&manifest, &variable, &form, &[0]).await;
        assert_eq!(sent.unwrap_err().kind(), ErrorKind::Corrupt, "{} bytes", stored.len());
        assert!(reader.chunk_head(&manifest, &variable, &form, &[0]).await.is_err());
        let located = reader.locations(&manifest, &variable, &form).await.unwrap();
        assert_eq!(located, [(0, ChunkLocation::Derived)], "read through this server, which refuses it");
    }
}

/// A chunk of 200 kB that passes: too large to be kept.
fn large() -> (Reader, Arc<Manifest>, Variable, ChunkForm) {
    let n = 200_000;
    let bytes: Vec<u8> = (0..n).map(|i: u32| (i % 251) as u8).collect();
    let fixture = Fixture { codecs: vec![Codec::Lzf], chunks: vec![(0, bytes, 0)], fill: None };
    let (reader, manifest, variable) = fixture.build();
    (reader, manifest, variable, ChunkForm { codecs: vec![Codec::Lzf], ..raw_form(2, AbsentChunk::Absent) })
}

#[tokio::test]
async fn parts_are_those_of_the_whole_chunk() {
    let (reader, manifest, variable, form) = large();
    let whole = reader.chunk(&manifest, &variable, &form, &[0]).await.unwrap().unwrap().bytes;
    for part in [0..1, 5..100_000, 199_999..200_000, 7..7] {
        let range = part.start as usize..part.end as usize;
        let read = reader.chunk_part(&manifest, &variable, &form, &[0], part).await.unwrap().unwrap();
        assert_eq!(read, whole.slice(range));
    }
    assert!(reader.chunk_part(&manifest, &variable, &form, &[0], 0..200_001).await.is_err());
    assert!(reader.chunk_part(&manifest, &variable, &form, &[1], 0..1).await.unwrap().is_none());
}

#[tokio::test]
async fn a_large_chunk_counts_as_work_until_it_was_sent() {
    let (reader, manifest, variable, form) = large();
    let free = reader.work.available_permits();
    let sent = reader.chunk(&manifest, &variable, &form, &[0]).await.unwrap().unwrap();
    assert_eq!(free - reader.work.available_permits(), 200_000_usize.div_ceil(1024));
    drop(sent);
    assert_eq!(reader.work.available_permits(), free);
}

#[tokio::test(start_paused = true)]
async fn who_waits_too_long_for_the_work_budget_is_told_to_come_again() {
    let (reader, manifest, variable, form) = large();
    let n_permits = reader.work.available_permits() as u32;
    let _taken = reader.work.acquire_many(n_permits).await.unwrap();
    let error = reader.chunk(&manifest, &variable, &form, &[0]).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Unavailable { .. }), "{error}");
}

mod cold;
mod visit;
