//! Datasets made by hand in memory, for tests.

use std::sync::Arc;

use bytes::Bytes;
use thermocline_codec::{ChunkSpec, encode};
use thermocline_core::catalog::{DatasetSpec, SourceSpec};
use thermocline_core::manifest::{Manifest, ManifestStorage, Revision};
use thermocline_core::{Error, Result};
use thermocline_model::{
    ArrayBytes, Attribute, Attributes, ByteOrder, ChunkPart, ChunkRef, ChunkTable, ChunkTableBuilder, Codec,
    DataType, Dataset, DatasetId, Encoding, Group, Number, NumberType, Object, ObjectIdentity, Place,
    Storage, Variable, Verification,
};

use crate::{Engine, EngineSettings, Failure, Plan, Request};

pub(crate) const F4: DataType = DataType::Float { size: 4, order: ByteOrder::Little };
pub(crate) const F8: DataType = DataType::Float { size: 8, order: ByteOrder::Little };
pub(crate) const I2: DataType = DataType::Int { size: 2, order: ByteOrder::Big };
pub(crate) const I4: DataType = DataType::Int { size: 4, order: ByteOrder::Little };
pub(crate) const I8: DataType = DataType::Int { size: 8, order: ByteOrder::Little };

/// A dataset in the making.
#[derive(Default, Clone)]
pub(crate) struct World {
    root: Group,
    tables: Vec<Arc<ChunkTable>>,
    inline: Vec<u8>,
    revision: Option<String>,
}

struct InMemory(Vec<Arc<ChunkTable>>, Bytes);

impl ManifestStorage for InMemory {
    fn table(&self, table: u32) -> Result<Arc<ChunkTable>> {
        self.table_in_memory(table).ok_or_else(|| Error::internal("no table"))
    }
    fn table_in_memory(&self, table: u32) -> Option<Arc<ChunkTable>> {
        self.0.get(table as usize).cloned()
    }
    fn inline(&self, offset: u64, len_bytes: usize) -> Result<Bytes> {
        Ok(self.1.slice(offset as usize..offset as usize + len_bytes))
    }
}

/// Attributes that are texts.
pub(crate) fn texts(pairs: &[(&str, &str)]) -> Attributes {
    pairs.iter().map(|(name, text)| ((*name).to_owned(), Attribute::Text((*text).to_owned()))).collect()
}

/// An attribute that is a number of a type.
pub(crate) fn number(dtype: NumberType, value: f64) -> Attribute {
    let value = if dtype.is_float() { Number::Float(value) } else { Number::Integer(value as i128) };
    Attribute::number(dtype, value)
}

fn element(dtype: &DataType, value: f64) -> Vec<u8> {
    match dtype {
        DataType::Float { size: 4, .. } => (value as f32).to_le_bytes().to_vec(),
        DataType::Float { .. } => value.to_le_bytes().to_vec(),
        DataType::Int { size: 2, .. } => (value as i16).to_be_bytes().to_vec(),
        DataType::Int { size: 4, .. } => (value as i32).to_le_bytes().to_vec(),
        DataType::Int { size: 8, .. } => (value as i64).to_le_bytes().to_vec(),
        DataType::UInt { size: 8, .. } => (value as u64).to_le_bytes().to_vec(),
        _ => vec![value as u8],
    }
}

impl World {
    /// Adds an attribute of the dataset.
    pub(crate) fn attr(mut self, name: &str, text: &str) -> Self {
        self.root.attrs.set(name, Attribute::Text(text.into()));
        self
    }

    /// The dataset in another state than its first.
    pub(crate) fn revision(mut self, revision: &str) -> Self {
        self.revision = Some(revision.into());
        self
    }

    fn add(&mut self, name: &str, dims: &[(&str, u64)], chunk: &[u64], dtype: DataType, attrs: Attributes) {
        let codecs = if dtype == DataType::String { vec![Codec::VlenUtf8] } else { Vec::new() };
        self.root.variables.push(Variable {
            name: name.into(),
            dims: dims.iter().map(|(dim, _)| (*dim).to_owned()).collect(),
            shape: dims.iter().map(|(_, len)| *len).collect(),
            dtype: dtype.clone(),
            fill: None,
            attrs,
            storage: Storage {
                chunk_shape: chunk.to_vec(),
                served_chunk_shape: chunk.to_vec(),
                encodings: vec![Encoding { dtype, codecs }],
                table: self.tables.len() as u32,
                source_path: format!("/{name}"),
            },
            verification: Verification::Unverified { reason: "made by hand".into() },
        });
    }

    fn keep(&mut self, bytes: &[u8]) {
        let part = ChunkPart { place: Place::Inline, encoding: 0, filter_mask: 0, is_short: false };
        let mut table = ChunkTableBuilder::new();
        table.push(0, ChunkRef { part, offset: self.inline.len() as u64, len_bytes: bytes.len() as u32 });
        self.inline.extend_from_slice(bytes);
        self.tables.push(Arc::new(table.build()));
    }

    /// Adds a variable whose values are in no object.
    pub(crate) fn data(
        mut self,
        name: &str,
        dims: &[(&str, u64)],
        chunk: &[u64],
        (dtype, attrs): (DataType, Attributes),
    ) -> Self {
        self.add(name, dims, chunk, dtype, attrs);
        let part = ChunkPart { place: Place::Object(0), encoding: 0, filter_mask: 0, is_short: false };
        let mut table = ChunkTableBuilder::new();
        table.push(0, ChunkRef { part, offset: 0, len_bytes: 1 });
        self.tables.push(Arc::new(table.build()));
        self
    }

    /// Adds a variable of which some chunks were written, by their positions in the grid, kept with the manifest.
    pub(crate) fn chunked(
        mut self,
        name: &str,
        dims: &[(&str, u64)],
        chunk: &[u64],
        of: (DataType, Attributes),
        chunks: &[(u64, Vec<u8>)],
        fill: f64,
    ) -> Self {
        let start = self.inline.len() as u64;
        chunks.iter().for_each(|(_, bytes)| self.inline.extend_from_slice(bytes));
        self.written(name, dims, chunk, of, (Place::Inline, start), (chunks, fill))
    }

    /// The same with the chunks one after another in an object.
    pub(crate) fn in_object(
        self,
        name: &str,
        dims: &[(&str, u64)],
        chunk: &[u64],
        of: (DataType, Attributes),
        chunks: &[(u64, Vec<u8>)],
        fill: f64,
    ) -> Self {
        self.written(name, dims, chunk, of, (Place::Object(0), 0), (chunks, fill))
    }

    /// Adds a variable whose chunks lie one after another from a position of a place on.
    fn written(
        mut self,
        name: &str,
        dims: &[(&str, u64)],
        chunk: &[u64],
        (dtype, attrs): (DataType, Attributes),
        (place, start): (Place, u64),
        (chunks, fill): (&[(u64, Vec<u8>)], f64),
    ) -> Self {
        self.add(name, dims, chunk, dtype, attrs);
        let mut table = ChunkTableBuilder::new();
        let mut offset = start;
        for (linear, bytes) in chunks {
            let part = ChunkPart { place, encoding: 0, filter_mask: 0, is_short: false };
            table.push(*linear, ChunkRef { part, offset, len_bytes: bytes.len() as u32 });
            offset += bytes.len() as u64;
        }
        self.tables.push(Arc::new(table.build()));
        if let Some(variable) = self.root.variables.last_mut() {
            variable.fill = Some(ArrayBytes::Fixed(element(&variable.dtype, fill)));
        }
        self
    }

    /// Adds a coordinate of numbers, kept with the manifest.
    pub(crate) fn coordinate(
        mut self,
        name: &str,
        dims: &[(&str, u64)],
        (dtype, attrs): (DataType, Attributes),
        values: &[f64],
    ) -> Self {
        let bytes: Vec<u8> = values.iter().flat_map(|value| element(&dtype, *value)).collect();
        let shape: Vec<u64> = dims.iter().map(|(_, len)| *len).collect();
        self.add(name, dims, &shape, dtype, attrs);
        self.keep(&bytes);
        self
    }

    /// Adds a coordinate of texts, kept with the manifest.
    pub(crate) fn words(mut self, name: &str, dim: &str, words: &[&str]) -> Self {
        let texts = ArrayBytes::Texts(words.iter().map(|word| (*word).to_owned()).collect());
        let len = words.len() as u64;
        self.add(name, &[(dim, len)], &[len], DataType::String, Attributes::new());
        let spec = ChunkSpec { dtype: &DataType::String, shape: &[len], max_bytes: 1 << 20 };
        self.keep(&encode(&[Codec::VlenUtf8], texts, &spec).unwrap());
        self
    }

    /// The dataset.
    pub(crate) fn manifest(self) -> Arc<Manifest> {
        let object = Object {
            href: "/archive/world.nc".into(),
            len_bytes: 1 << 40,
            identity: ObjectIdentity::ETag("1".into()),
        };
        let dataset = Dataset { root: self.root, objects: vec![object], ..Dataset::default() };
        let source = SourceSpec::Object("/archive/world.nc".into());
        let spec = DatasetSpec::new(DatasetId::new("world").unwrap(), source, "a test");
        let storage = Arc::new(InMemory(self.tables, self.inline.into()));
        let revision = Revision(self.revision.unwrap_or_else(|| "r1".into()));
        Arc::new(Manifest::new(spec, dataset, revision, "test".into(), storage))
    }
}

/// The request of a path: `tas/time.month/mean/ddof=1`.
pub(crate) fn request(path: &str) -> std::result::Result<Request, Failure> {
    let mut parts = path.split('/');
    let mut part = || parts.next().unwrap_or_default();
    let (variable, grouper, action) = (part(), part(), part());
    let pairs: Vec<(String, String)> = parts
        .map(|pair| pair.split_once('=').expect("an option"))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    Request::parse(variable, grouper, action, &pairs)
}

/// The plan of a path.
pub(crate) async fn plan(manifest: &Arc<Manifest>, path: &str) -> std::result::Result<Plan, Failure> {
    Engine::new(EngineSettings::default()).plan(manifest, request(path)?).await
}

/// Two years of months over three latitudes and two longitudes, with coordinates of every kind.
pub(crate) fn world() -> World {
    let noleap = || texts(&[("units", "days since 2000-01-01"), ("calendar", "noleap"), ("axis", "T")]);
    let days: Vec<f64> = (0..24).map(|month| 15.0 + 365.0 / 12.0 * f64::from(month)).collect();
    let phase: Vec<f64> =
        (0..24).map(|month| if month % 7 == 0 { f64::NAN } else { f64::from(month % 3) }).collect();
    let tas = texts(&[
        ("units", "K"),
        ("standard_name", "air_temperature"),
        ("cell_methods", "time: mean"),
        ("coordinates", "height zone basin phase"),
        ("grid_mapping", "crs"),
    ]);
    let mut packed = texts(&[("units", "m s-1")]);
    packed.set("scale_factor", number(NumberType::F64, 0.5));
    packed.set("_FillValue", number(NumberType::I16, -1.0));
    packed.set("valid_range", number(NumberType::I16, 7.0));
    let dims = [("time", 24), ("lat", 3), ("lon", 2)];
    World::default()
        .attr("title", "a world")
        .attr("comment", "not carried over")
        .attr("history", "made")
        .data("tas", &dims, &[12, 3, 2], (F4, tas))
        .data("packed", &dims, &[12, 2, 2], (I2, packed))
        .data("count", &dims, &[24, 3, 2], (I4, Attributes::new()))
        .data("prof", &[("lat", 3), ("time", 24), ("lon", 2)], &[3, 24, 2], (F8, Attributes::new()))
        .data("start", &dims, &[24, 3, 2], (F8, texts(&[("units", "hours since 2000-01-01")])))
        .data("letter", &[("time", 24)], &[24], (DataType::String, Attributes::new()))
        .coordinate("time", &[("time", 24)], (F8, noleap()), &days)
        .coordinate(
            "lat",
            &[("lat", 3)],
            (F8, texts(&[("units", "degrees_north"), ("bounds", "lat_bnds")])),
            &[-60.0, 0.0, 60.0],
        )
        .coordinate(
            "lat_bnds",
            &[("lat", 3), ("nv", 2)],
            (F8, Attributes::new()),
            &[-90.0, -30.0, -30.0, 30.0, 30.0, 90.0],
        )
        .coordinate("lon", &[("lon", 2)], (F4, texts(&[("units", "degrees_east")])), &[0.0, 180.0])
        .coordinate("height", &[], (F8, texts(&[("units", "m")])), &[2.0])
        .coordinate("crs", &[], (I4, texts(&[("grid_mapping_name", "latitude_longitude")])), &[0.0])
        .words("zone", "lat", &["south", "équateur", "north"])
        .coordinate(
            "basin",
            &[("lat", 3), ("lon", 2)],
            (I4, Attributes::new()),
            &[2.0, 1.0, 1.0, 2.0, 7.0, 2.0],
        )
        .coordinate("phase", &[("time", 24)], (F8, Attributes::new()), &phase)
}
