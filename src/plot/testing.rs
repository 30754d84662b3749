//! Datasets made by hand in memory, for tests.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use thermocline_core::bytes::{ByteSource, ObjectSettings, Objects};
use thermocline_core::catalog::{DatasetSpec, SourceSpec};
use thermocline_core::manifest::{Manifest, ManifestStorage, Revision};
use thermocline_core::read::{ReadSettings, Reader};
use thermocline_core::{Error, Result};
use thermocline_model::{
    Attribute, Attributes, ByteOrder, ChunkPart, ChunkRef, ChunkTable, ChunkTableBuilder, DataType, Dataset,
    DatasetId, Encoding, Group, Number, NumberType, Object, ObjectIdentity, Place, Storage, Variable,
    Verification,
};

/// Little-endian 32-bit floats.
pub(crate) const F4: DataType = DataType::Float { size: 4, order: ByteOrder::Little };
/// Little-endian 64-bit floats.
pub(crate) const F8: DataType = DataType::Float { size: 8, order: ByteOrder::Little };
/// Big-endian 16-bit integers.
pub(crate) const I2: DataType = DataType::Int { size: 2, order: ByteOrder::Big };

/// A dataset under construction.
#[derive(Default)]
pub(crate) struct World {
    root: Group,
    tables: Vec<Arc<ChunkTable>>,
    object: Vec<u8>,
    inline: Vec<u8>,
    n_read: Arc<AtomicU64>,
}

/// A dataset with its reader.
pub(crate) struct Built {
    pub(crate) manifest: Arc<Manifest>,
    pub(crate) reader: Arc<Reader>,
    /// Bytes that were read of its object.
    pub(crate) n_read: Arc<AtomicU64>,
}

struct InMemory(Vec<Arc<ChunkTable>>, Vec<u8>);

impl ManifestStorage for InMemory {
    fn table(&self, table: u32) -> Result<Arc<ChunkTable>> {
        self.table_in_memory(table).ok_or_else(|| Error::internal("no table"))
    }
    fn table_in_memory(&self, table: u32) -> Option<Arc<ChunkTable>> {
        self.0.get(table as usize).cloned()
    }
    fn inline(&self, offset: u64, len_bytes: usize) -> Result<Bytes> {
        Ok(Bytes::copy_from_slice(&self.1[offset as usize..][..len_bytes]))
    }
}

struct OneObject(Vec<u8>, Arc<AtomicU64>);

#[async_trait]
impl ByteSource for OneObject {
    async fn read(&self, _: &Object, range: Range<u64>) -> Result<Bytes> {
        self.1.fetch_add(range.end - range.start, Ordering::Relaxed);
        let bytes = self.0.get(range.start as usize..range.end as usize);
        bytes.map(Bytes::copy_from_slice).ok_or_else(|| Error::corrupt("beyond the end"))
    }
}

/// Attributes that are texts.
pub(crate) fn texts(pairs: &[(&str, &str)]) -> Attributes {
    pairs.iter().map(|(name, text)| ((*name).to_owned(), Attribute::Text((*text).to_owned()))).collect()
}

/// An attribute that is a number.
pub(crate) fn float(value: f64) -> Attribute {
    Attribute::number(NumberType::F64, Number::Float(value))
}

fn element(dtype: &DataType, value: f64) -> Vec<u8> {
    match dtype {
        DataType::Float { size: 4, .. } => (value as f32).to_le_bytes().to_vec(),
        DataType::Float { .. } => value.to_le_bytes().to_vec(),
        _ => (value as i16).to_be_bytes().to_vec(),
    }
}

impl World {
    /// Adds a variable whose stored values are in C order, `dims` as `name` and length, in chunks of `chunk_shape`.
    /// Chunks whose values are all NaN are never written.
    pub(crate) fn with(
        mut self,
        name: &str,
        dims: &[(&str, u64)],
        of: (DataType, Attributes),
        chunk_shape: &[u64],
        values: &[f64],
    ) -> Self {
        self.add(name, dims, of, (chunk_shape, Place::Object(0)), values);
        self
    }

    fn add(
        &mut self,
        name: &str,
        dims: &[(&str, u64)],
        (dtype, attrs): (DataType, Attributes),
        (chunk_shape, place): (&[u64], Place),
        values: &[f64],
    ) {
        let shape: Vec<u64> = dims.iter().map(|(_, len)| *len).collect();
        let variable = Variable {
            name: name.to_owned(),
            dims: dims.iter().map(|(dim, _)| (*dim).to_owned()).collect(),
            shape: shape.clone(),
            dtype: dtype.clone(),
            fill: None,
            attrs,
            storage: Storage {
                chunk_shape: chunk_shape.to_vec(),
                served_chunk_shape: chunk_shape.to_vec(),
                encodings: vec![Encoding { dtype: dtype.clone(), codecs: Vec::new() }],
                table: self.tables.len() as u32,
                source_path: name.to_owned(),
            },
            verification: Verification::Unverified { reason: "made by hand".into() },
        };
        let grid = variable.stored_grid().unwrap();
        let mut table = ChunkTableBuilder::new();
        for linear in 0..grid.n_chunks() {
            let start = grid.start(&grid.index(linear));
            let n = chunk_shape.iter().product::<u64>();
            let within =
                thermocline_model::ChunkGrid::new(chunk_shape.to_vec(), vec![1; chunk_shape.len()]).unwrap();
            let chunk: Vec<f64> = (0..n)
                .map(|at| {
                    let index: Vec<u64> =
                        within.index(at).iter().zip(&start).map(|(at, start)| at + start).collect();
                    let is_inside = index.iter().zip(&shape).all(|(at, len)| at < len);
                    let position =
                        index.iter().zip(&shape).fold(0, |position, (at, len)| position * len + at);
                    if is_inside { values[position as usize] } else { f64::NAN }
                })
                .collect();
            if chunk.iter().all(|value| value.is_nan()) {
                continue;
            }
            let bytes: Vec<u8> = chunk.iter().flat_map(|value| element(&dtype, *value)).collect();
            let part = ChunkPart { place, encoding: 0, filter_mask: 0, is_short: false };
            let all = if place == Place::Inline { &mut self.inline } else { &mut self.object };
            let (offset, len_bytes) = (all.len() as u64, bytes.len() as u32);
            table.push(linear, ChunkRef { part, offset, len_bytes });
            all.extend(bytes);
        }
        self.tables.push(Arc::new(table.build()));
        self.root.variables.push(variable);
    }

    /// Adds a coordinate, kept with the manifest.
    pub(crate) fn coordinate(
        mut self,
        name: &str,
        dims: &[(&str, u64)],
        attrs: &[(&str, &str)],
        values: &[f64],
    ) -> Self {
        let chunk_shape: Vec<u64> = dims.iter().map(|(_, len)| *len).collect();
        self.add(name, dims, (F8, texts(attrs)), (&chunk_shape, Place::Inline), values);
        self
    }

    /// The dataset.
    pub(crate) fn build(self) -> Built {
        let object = Object {
            href: "/data/a.nc".into(),
            len_bytes: self.object.len() as u64,
            identity: ObjectIdentity::ETag("1".into()),
        };
        let dataset = Dataset { root: self.root, objects: vec![object], ..Dataset::default() };
        let spec =
            DatasetSpec::new(DatasetId::new("a").unwrap(), SourceSpec::Object("/data/a.nc".into()), "a test");
        let storage = Arc::new(InMemory(self.tables, self.inline));
        let manifest = Manifest::new(spec, dataset, Revision("r1".into()), "test".into(), storage);
        let opener = Objects::new(Vec::new(), ObjectSettings::default(), tokio::runtime::Handle::current());
        let bytes = Arc::new(OneObject(self.object, Arc::clone(&self.n_read)));
        let reader = Reader::new(bytes, opener, Vec::new(), ReadSettings::default());
        Built { manifest: Arc::new(manifest), reader: Arc::new(reader), n_read: self.n_read }
    }
}
