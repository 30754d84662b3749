//! Datasets made by hand: coordinates kept with the manifest, data in as many objects as a test likes.

use std::sync::Arc;

use bytes::Bytes;
use thermocline_model::{
    ArrayBytes, Attribute, Attributes, ByteOrder, ChunkGrid, ChunkPart, ChunkRef, ChunkTable,
    ChunkTableBuilder, Codec, DataType, Dataset, DatasetId, Encoding, Group, Number, NumberType, Object,
    ObjectIdentity, Place, Storage, Variable, Verification,
};

use crate::catalog::{DatasetSpec, SourceSpec};
use crate::manifest::{Manifest, ManifestStorage, Revision};
use crate::{Error, Result};

pub(in super::super) const F8: DataType = DataType::Float { size: 8, order: ByteOrder::Little };
pub(in super::super) const F4: DataType = DataType::Float { size: 4, order: ByteOrder::Big };
pub(in super::super) const I4: DataType = DataType::Int { size: 4, order: ByteOrder::Little };
pub(in super::super) const I2: DataType = DataType::Int { size: 2, order: ByteOrder::Big };

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

/// A dataset in the making.
#[derive(Default)]
pub(in super::super) struct World {
    root: Group,
    tables: Vec<Arc<ChunkTable>>,
    inline: Vec<u8>,
    n_objects: u32,
}

/// Attributes that are texts.
pub(in super::super) fn texts(pairs: &[(&str, &str)]) -> Attributes {
    pairs.iter().map(|(name, text)| ((*name).to_owned(), Attribute::Text((*text).to_owned()))).collect()
}

/// A number as an attribute of type `f64`.
pub(in super::super) fn number(value: f64) -> Attribute {
    Attribute::number(NumberType::F64, Number::Float(value))
}

fn bytes_of(dtype: &DataType, values: &[f64]) -> Vec<u8> {
    let one = |value: &f64| match dtype {
        DataType::Float { size: 8, .. } => value.to_le_bytes().to_vec(),
        DataType::Float { .. } => (*value as f32).to_be_bytes().to_vec(),
        DataType::Int { size: 4, .. } => (*value as i32).to_le_bytes().to_vec(),
        _ => (*value as i16).to_be_bytes().to_vec(),
    };
    values.iter().flat_map(one).collect()
}

impl World {
    /// A dataset whose chunks lie in that many objects.
    pub(in super::super) fn of(n_objects: u32) -> Self {
        Self { n_objects, ..Self::default() }
    }

    fn add(&mut self, variable: Variable, table: ChunkTable) -> &mut Variable {
        self.tables.push(Arc::new(table));
        self.root.variables.push(variable);
        self.root.variables.last_mut().unwrap()
    }

    fn variable(&self, name: &str, dims: &[&str], shape: &[u64], dtype: DataType) -> Variable {
        Variable {
            name: name.into(),
            dims: dims.iter().map(|dim| (*dim).to_owned()).collect(),
            shape: shape.to_vec(),
            dtype: dtype.clone(),
            fill: None,
            attrs: Attributes::new(),
            storage: Storage {
                chunk_shape: shape.iter().map(|len| (*len).max(1)).collect(),
                served_chunk_shape: shape.iter().map(|len| (*len).max(1)).collect(),
                encodings: vec![Encoding { dtype, codecs: Vec::new() }],
                table: self.tables.len() as u32,
                source_path: format!("/{name}"),
            },
            verification: Verification::Unverified { reason: "made by hand".into() },
        }
    }

    fn keep(&mut self, bytes: &[u8]) -> ChunkTable {
        let part = ChunkPart { place: Place::Inline, encoding: 0, filter_mask: 0, is_short: false };
        let mut table = ChunkTableBuilder::new();
        table.push(0, ChunkRef { part, offset: self.inline.len() as u64, len_bytes: bytes.len() as u32 });
        self.inline.extend_from_slice(bytes);
        table.build()
    }

    /// A coordinate whose values are kept with the manifest.
    pub(in super::super) fn coordinate(
        &mut self,
        name: &str,
        (dims, shape): (&[&str], &[u64]),
        dtype: DataType,
        values: &[f64],
        attrs: Attributes,
    ) -> &mut Self {
        let variable = Variable { attrs, ..self.variable(name, dims, shape, dtype.clone()) };
        let table = self.keep(&bytes_of(&dtype, values));
        self.add(variable, table);
        self
    }

    /// A coordinate along the dimension of its name.
    pub(in super::super) fn index(
        &mut self,
        name: &str,
        dtype: DataType,
        values: &[f64],
        attrs: Attributes,
    ) -> &mut Self {
        self.coordinate(name, (&[name], &[values.len() as u64]), dtype, values, attrs)
    }

    /// A coordinate of texts.
    pub(in super::super) fn words(&mut self, name: &str, dim: &str, words: &[&str]) -> &mut Self {
        let texts = ArrayBytes::Texts(words.iter().map(|word| (*word).to_owned()).collect());
        let len = [words.len() as u64];
        let mut variable = self.variable(name, &[dim], &len, DataType::String);
        variable.storage.encodings =
            vec![Encoding { dtype: DataType::String, codecs: vec![Codec::VlenUtf8] }];
        let spec = thermocline_codec::ChunkSpec { dtype: &DataType::String, shape: &len, max_bytes: 1 << 20 };
        let bytes = thermocline_codec::encode(&[Codec::VlenUtf8], texts, &spec).unwrap();
        let table = self.keep(&bytes);
        self.add(variable, table);
        self
    }

    /// A variable in chunks; `place` says where each lies, by its position in the grid, or that there is none.
    pub(in super::super) fn data(
        &mut self,
        name: &str,
        dims: &[(&str, u64)],
        chunk_shape: &[u64],
        place: impl Fn(&[u64]) -> Option<Place>,
    ) -> &mut Variable {
        let (names, shape): (Vec<&str>, Vec<u64>) = dims.iter().copied().unzip();
        let mut variable = self.variable(name, &names, &shape, I2);
        variable.storage.chunk_shape = chunk_shape.to_vec();
        variable.storage.served_chunk_shape = chunk_shape.to_vec();
        let grid = ChunkGrid::new(shape, chunk_shape.to_vec()).unwrap();
        let mut table = ChunkTableBuilder::new();
        for linear in 0..grid.n_chunks() {
            if let Some(place) = place(&grid.index(linear)) {
                let part = ChunkPart { place, encoding: 0, filter_mask: 0, is_short: false };
                table.push(linear, ChunkRef { part, offset: linear, len_bytes: 1 });
            }
        }
        self.add(variable, table.build())
    }

    /// A variable of which only these chunks were ever written, each in the object of its number.
    pub(in super::super) fn sparse(&mut self, name: &str, dims: &[(&str, u64)], chunks: &[(u64, u32)]) {
        let (names, shape): (Vec<&str>, Vec<u64>) = dims.iter().copied().unzip();
        let mut variable = self.variable(name, &names, &shape, I2);
        variable.storage.chunk_shape = vec![1; shape.len()];
        variable.storage.served_chunk_shape = vec![1; shape.len()];
        let mut table = ChunkTableBuilder::new();
        for (linear, object) in chunks {
            let place = Place::Object(*object);
            let part = ChunkPart { place, encoding: 0, filter_mask: 0, is_short: false };
            table.push(*linear, ChunkRef { part, offset: 0, len_bytes: 1 });
        }
        self.add(variable, table.build());
    }

    /// A variable along `x` each chunk of which is decoded from object 0 and those that are listed.
    pub(in super::super) fn assembled(&mut self, name: &str, lists: &[&[u32]]) {
        let len = lists.len() as u64;
        let mut variable = self.variable(name, &["x"], &[len], I2);
        variable.storage.chunk_shape = vec![1];
        variable.storage.served_chunk_shape = vec![1];
        let part = ChunkPart { place: Place::Assembled(0), encoding: 0, filter_mask: 0, is_short: false };
        let mut table = ChunkTableBuilder::new();
        for (linear, list) in lists.iter().enumerate() {
            let bytes: Vec<u8> = list.iter().flat_map(|number| number.to_le_bytes()).collect();
            let (offset, len_bytes) = (self.inline.len() as u64, bytes.len() as u32);
            table.push(linear as u64, ChunkRef { part, offset, len_bytes });
            self.inline.extend(bytes);
        }
        self.add(variable, table.build());
    }

    /// A group of its own below the root.
    pub(in super::super) fn group(&mut self, name: &str, variables: &[&str]) -> &mut Self {
        let (moved, kept) = std::mem::take(&mut self.root.variables)
            .into_iter()
            .partition(|variable| variables.contains(&variable.name.as_str()));
        self.root.variables = kept;
        self.root.groups.push(Group { name: name.into(), variables: moved, ..Group::default() });
        self
    }

    pub(in super::super) fn build(self) -> Arc<Manifest> {
        let object = |number: u32| Object {
            href: format!("/archive/{number}.nc"),
            len_bytes: 1 << 20,
            identity: ObjectIdentity::ETag(number.to_string()),
        };
        let objects = (0..self.n_objects).map(object).collect();
        let dataset = Dataset { root: self.root, objects, ..Dataset::default() };
        let source = SourceSpec::Object("/archive/references.json".into());
        let spec = DatasetSpec::new(DatasetId::new("world").unwrap(), source, "a test");
        let storage = Arc::new(InMemory { tables: self.tables, inline: self.inline.into() });
        Arc::new(Manifest::new(spec, dataset, Revision("1".into()), "test".into(), storage))
    }
}
