//! A cube of numbers in any order of dimensions and any chunks.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use thermocline_core::Error;
use thermocline_core::bytes::{ByteSource, ObjectSettings, Objects};
use thermocline_core::manifest::Manifest;
use thermocline_core::read::{ReadSettings, Reader};
use thermocline_model::{Attributes, ChunkGrid, Object};

use crate::testing::{F8, I4, World, texts};

/// The dimensions of a cube.
pub(super) const DIMS: [(&str, u64); 3] = [("time", 25), ("lat", 5), ("lon", 7)];

/// What was never written; no number is this one.
const FILL: f64 = -99.125;

/// A variable `v` over `DIMS` in some order, in chunks of some shape; the numbers follow from the seed.
#[derive(Debug, Clone)]
pub(super) struct Cube {
    pub(super) order: [usize; 3],
    /// Lengths of chunks along `DIMS`.
    pub(super) chunk: [u64; 3],
    pub(super) seed: u64,
    /// False if some chunks were never written, and some values are missing.
    pub(super) is_whole: bool,
}

/// A reader that has no objects.
pub(super) fn reader() -> Arc<Reader> {
    reader_of(Vec::new())
}

struct OneObject(Vec<u8>);

#[async_trait]
impl ByteSource for OneObject {
    async fn read(&self, _: &Object, range: std::ops::Range<u64>) -> thermocline_core::Result<Bytes> {
        let bytes = self.0.get(range.start as usize..range.end as usize);
        bytes.map(Bytes::copy_from_slice).ok_or_else(|| Error::corrupt("beyond the end"))
    }
}

fn reader_of(object: Vec<u8>) -> Arc<Reader> {
    let objects = Objects::new(Vec::new(), ObjectSettings::default(), tokio::runtime::Handle::current());
    Arc::new(Reader::new(Arc::new(OneObject(object)), objects, Vec::new(), ReadSettings::default()))
}

impl Cube {
    fn dims(&self) -> Vec<(&'static str, u64)> {
        self.order.iter().map(|dim| DIMS[*dim]).collect()
    }

    /// The number at a position along `DIMS`: sums of these are exact.
    pub(super) fn value(&self, at: [u64; 3]) -> f64 {
        let chunk = at.iter().zip(&self.chunk).fold(1, |chunk, (at, len)| chunk * 31 + at / len);
        if !self.is_whole && hash(self.seed, chunk).is_multiple_of(4) {
            return FILL;
        }
        let number = hash(self.seed, at.iter().fold(7, |number, at| number * 101 + at));
        if !self.is_whole && number.is_multiple_of(9) {
            f64::NAN
        } else {
            (number % 2000) as f64 / 4.0 - 200.0
        }
    }

    /// The bytes of every chunk that was written, in an order that is not that of the grid.
    fn chunks(&self) -> Vec<(u64, Vec<u8>)> {
        let dims = self.dims();
        let shape: Vec<u64> = dims.iter().map(|(_, len)| *len).collect();
        let chunk: Vec<u64> = self.order.iter().map(|dim| self.chunk[*dim]).collect();
        let grid = ChunkGrid::new(shape.clone(), chunk.clone()).unwrap();
        let mut chunks = Vec::new();
        for linear in 0..grid.n_chunks() {
            let start = grid.start(&grid.index(linear));
            let mut at = [0; 3];
            start.iter().zip(&self.order).for_each(|(start, dim)| at[*dim] = *start);
            if !self.is_whole && self.value(at) == FILL {
                continue;
            }
            let mut bytes = Vec::new();
            for element in 0..chunk.iter().product::<u64>() {
                let mut rest = element;
                let mut within = [0; 3];
                for (number, dim) in self.order.iter().enumerate().rev() {
                    within[*dim] = start[number] + rest % chunk[number];
                    rest /= chunk[number];
                }
                let is_inside = within.iter().zip(&DIMS).all(|(at, (_, len))| at < len);
                bytes.extend(if is_inside { self.value(within) } else { 1e30 }.to_le_bytes());
            }
            chunks.push((linear, bytes));
        }
        chunks.sort_by_key(|(linear, _)| hash(self.seed, *linear));
        chunks
    }

    fn world(&self) -> World {
        let noleap = texts(&[("units", "days since 2000-01-01"), ("calendar", "noleap")]);
        let days: Vec<f64> = (0..25).map(|month| 15.0 + 365.0 / 12.0 * f64::from(month)).collect();
        let basins: Vec<f64> = (0..35).map(|cell| f64::from(cell * 5 % 4)).collect();
        World::default()
            .coordinate("time", &[DIMS[0]], (F8, noleap), &days)
            .coordinate("lat", &[DIMS[1]], (F8, Attributes::new()), &[-60.0, -30.0, 0.0, 30.0, 60.0])
            .coordinate("lon", &[DIMS[2]], (F8, Attributes::new()), &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
            .coordinate("basin", &[DIMS[1], DIMS[2]], (I4, Attributes::new()), &basins)
            .words("zone", "lat", &["south", "south", "mid", "north", "north"])
    }

    fn chunk_shape(&self) -> Vec<u64> {
        self.order.iter().map(|dim| self.chunk[*dim]).collect()
    }

    fn attrs(&self) -> Attributes {
        texts(&[("coordinates", "basin zone")])
    }

    /// The cube with its chunks kept with the manifest.
    pub(super) fn manifest(&self) -> Arc<Manifest> {
        let chunks = self.chunks();
        self.world()
            .chunked("v", &self.dims(), &self.chunk_shape(), (F8, self.attrs()), &chunks, FILL)
            .manifest()
    }

    /// The cube with its chunks in an object, one after another.
    pub(super) fn stored(&self) -> Arc<Manifest> {
        let chunks = self.chunks();
        self.world()
            .in_object("v", &self.dims(), &self.chunk_shape(), (F8, self.attrs()), &chunks, FILL)
            .manifest()
    }

    /// The same with weights `w` over latitudes and longitudes: a chunk of one byte, which nobody is meant to read.
    pub(super) fn weighted(&self) -> Arc<Manifest> {
        let chunks = self.chunks();
        self.world()
            .in_object("v", &self.dims(), &self.chunk_shape(), (F8, self.attrs()), &chunks, FILL)
            .data("w", &[DIMS[1], DIMS[2]], &[5, 7], (F8, Attributes::new()))
            .manifest()
    }

    /// The reader of that object.
    pub(super) fn reader(&self) -> Arc<Reader> {
        reader_of(self.chunks().into_iter().flat_map(|(_, bytes)| bytes).collect())
    }
}

/// Splitmix64.
fn hash(seed: u64, number: u64) -> u64 {
    let mut mixed = seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
