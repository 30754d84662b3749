//! Datasets made by hand, whose coordinates are kept with the manifest.

use std::sync::Arc;

use bytes::Bytes;
use thermocline_core::catalog::{DatasetSpec, SourceSpec};
use thermocline_core::manifest::{Manifest, ManifestStorage, Revision};
use thermocline_core::select::{Selection, resolve};
use thermocline_core::{Error, Result};
use thermocline_model::{
    ArrayBytes, Attribute, Attributes, ByteOrder, ChunkPart, ChunkRef, ChunkTable, ChunkTableBuilder, Codec,
    DataType, Dataset, DatasetId, Encoding, Group, Place, Storage, Variable, Verification,
};

use crate::groups::{Factor, factors};
use crate::request::{Action, Grouper};
use crate::{Component, Failure, Options, Request};

pub(super) const F8: DataType = DataType::Float { size: 8, order: ByteOrder::Little };
pub(super) const I4: DataType = DataType::Int { size: 4, order: ByteOrder::Little };

/// A dataset in the making.
#[derive(Default)]
pub(super) struct World {
    variables: Vec<Variable>,
    tables: Vec<Arc<ChunkTable>>,
    inline: Vec<u8>,
}

struct InMemory {
    tables: Vec<Arc<ChunkTable>>,
    inline: Bytes,
}

impl ManifestStorage for InMemory {
    fn table(&self, table: u32) -> Result<Arc<ChunkTable>> {
        self.tables.get(table as usize).cloned().ok_or_else(|| Error::internal("no table"))
    }
    fn table_in_memory(&self, table: u32) -> Option<Arc<ChunkTable>> {
        self.tables.get(table as usize).cloned()
    }
    fn inline(&self, offset: u64, len_bytes: usize) -> Result<Bytes> {
        Ok(self.inline.slice(offset as usize..offset as usize + len_bytes))
    }
}

/// Attributes that are texts.
pub(super) fn texts(pairs: &[(&str, &str)]) -> Attributes {
    pairs.iter().map(|(name, text)| ((*name).to_owned(), Attribute::Text((*text).to_owned()))).collect()
}

fn bytes_of(dtype: &DataType, value: f64) -> Vec<u8> {
    match dtype {
        DataType::Float { size: 8, .. } => value.to_le_bytes().to_vec(),
        DataType::Float { .. } => (value as f32).to_le_bytes().to_vec(),
        DataType::UInt { size: 8, .. } => (value as u64).to_le_bytes().to_vec(),
        DataType::Int { size: 4, .. } => (value as i32).to_le_bytes().to_vec(),
        _ => vec![value as u8],
    }
}

impl World {
    fn add(
        &mut self,
        name: &str,
        dims: &[(&str, u64)],
        dtype: DataType,
        codecs: Vec<Codec>,
        attrs: Attributes,
    ) {
        let shape: Vec<u64> = dims.iter().map(|(_, len)| *len).collect();
        self.variables.push(Variable {
            name: name.into(),
            dims: dims.iter().map(|(dim, _)| (*dim).to_owned()).collect(),
            shape: shape.clone(),
            dtype: dtype.clone(),
            fill: None,
            attrs,
            storage: Storage {
                chunk_shape: shape.clone(),
                served_chunk_shape: shape,
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

    /// A variable without any values.
    pub(super) fn data(&mut self, name: &str, dims: &[(&str, u64)]) {
        self.add(name, dims, F8, Vec::new(), Attributes::new());
        self.tables.push(Arc::new(ChunkTableBuilder::new().build()));
    }

    /// A coordinate of numbers.
    pub(super) fn coordinate(
        &mut self,
        name: &str,
        dims: &[(&str, u64)],
        dtype: DataType,
        values: &[f64],
        attrs: Attributes,
    ) {
        let bytes: Vec<u8> = values.iter().flat_map(|value| bytes_of(&dtype, *value)).collect();
        self.add(name, dims, dtype, Vec::new(), attrs);
        self.keep(&bytes);
    }

    /// A coordinate of texts.
    pub(super) fn words(&mut self, name: &str, dim: &str, words: &[&str]) {
        let texts = ArrayBytes::Texts(words.iter().map(|word| (*word).to_owned()).collect());
        let len = words.len() as u64;
        self.add(name, &[(dim, len)], DataType::String, vec![Codec::VlenUtf8], Attributes::new());
        let spec =
            thermocline_codec::ChunkSpec { dtype: &DataType::String, shape: &[len], max_bytes: 1 << 20 };
        let bytes = thermocline_codec::encode(&[Codec::VlenUtf8], texts, &spec).unwrap();
        self.keep(&bytes);
    }

    /// The factors of groupers of the variable `tas`, as the path has them.
    pub(super) fn factors(
        &self,
        groupers: &str,
        options: &Options,
        selecting: &[(&str, &str)],
    ) -> std::result::Result<Vec<Factor>, Failure> {
        let mut selection = Selection::new();
        for (name, value) in selecting {
            selection.query(name, value).unwrap();
        }
        let request = Request {
            variable: "tas".into(),
            groupers: groupers.split(',').map(grouper).collect(),
            action: Action::Mean,
            options: options.clone(),
            selection: selection.clone(),
            selecting: Vec::new(),
        };
        let manifest = self.manifest();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let resolved = runtime.block_on(resolve(&manifest, &selection, &["tas".to_owned()])).unwrap();
        factors(&manifest, "tas", &request, &resolved, 100)
    }

    fn manifest(&self) -> Arc<Manifest> {
        let root = Group { variables: self.variables.clone(), ..Group::default() };
        let dataset = Dataset { root, ..Dataset::default() };
        let source = SourceSpec::Object("/archive/world.nc".into());
        let spec = DatasetSpec::new(DatasetId::new("world").unwrap(), source, "a test");
        let storage = InMemory { tables: self.tables.clone(), inline: self.inline.clone().into() };
        Arc::new(Manifest::new(spec, dataset, Revision("1".into()), "test".into(), Arc::new(storage)))
    }
}

fn grouper(text: &str) -> Grouper {
    let (coordinate, component) = match text.split_once('.') {
        Some((coordinate, word)) => (coordinate, Some((word.to_owned(), Component::parse(word).unwrap()))),
        None => (text, None),
    };
    Grouper { coordinate: coordinate.to_owned(), component }
}
