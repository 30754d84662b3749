//! Datasets made by hand, their coordinates kept with the manifest.

use std::sync::Arc;

use thermocline_core::catalog::{DatasetSpec, SourceSpec};
use thermocline_core::manifest::{Manifest, ManifestStorage, Revision};
use thermocline_core::{Error, Result};
use thermocline_model::{
    Attribute, Attributes, ByteOrder, ChunkPart, ChunkRef, ChunkTable, ChunkTableBuilder, DataType, Dataset,
    DatasetId, Encoding, Group, Object, ObjectIdentity, Place, Storage, Variable, Verification,
};

const F8: DataType = DataType::Float { size: 8, order: ByteOrder::Little };

/// When the only object was modified: ten days after the beginning of 1970.
const MTIME_NS: i64 = 10 * 86_400_000_000_000;

struct InMemory {
    tables: Vec<Arc<ChunkTable>>,
    inline: Vec<u8>,
}

impl ManifestStorage for InMemory {
    fn table(&self, table: u32) -> Result<Arc<ChunkTable>> {
        self.tables.get(table as usize).cloned().ok_or_else(|| Error::internal("no table"))
    }
    fn table_in_memory(&self, table: u32) -> Option<Arc<ChunkTable>> {
        self.tables.get(table as usize).cloned()
    }
    fn inline(&self, offset: u64, len_bytes: usize) -> Result<bytes::Bytes> {
        Ok(self.inline[offset as usize..offset as usize + len_bytes].to_vec().into())
    }
}

/// Attributes that are texts.
pub(super) fn texts(pairs: &[(&str, &str)]) -> Attributes {
    pairs.iter().map(|(name, text)| ((*name).to_owned(), Attribute::Text((*text).to_owned()))).collect()
}

/// A declaration without anything but a name.
pub(super) fn spec() -> DatasetSpec {
    let id: DatasetId = DatasetId::new("d").unwrap();
    DatasetSpec::new(id, SourceSpec::Object("/archive/d.nc".into()), "a test")
}

/// A dataset in the making.
#[derive(Default)]
pub(super) struct World {
    root: Group,
    tables: Vec<Arc<ChunkTable>>,
    inline: Vec<u8>,
    spec: Option<DatasetSpec>,
    identity: Option<ObjectIdentity>,
}

impl World {
    /// A coordinate of `f64` that is kept with the manifest.
    pub(super) fn coordinate(
        &mut self,
        name: &str,
        dims: &[&str],
        shape: &[usize],
        values: &[f64],
        attrs: Attributes,
    ) {
        assert_eq!(shape.iter().product::<usize>(), values.len(), "{name}");
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let part = ChunkPart { place: Place::Inline, encoding: 0, filter_mask: 0, is_short: false };
        let mut builder = ChunkTableBuilder::new();
        builder.push(0, ChunkRef { part, offset: self.inline.len() as u64, len_bytes: bytes.len() as u32 });
        self.inline.extend(bytes);
        let dims = dims.iter().zip(shape).map(|(dim, len)| (*dim, *len)).collect::<Vec<_>>();
        self.variable(name, &dims, attrs, builder.build());
    }

    /// Data without values.
    pub(super) fn data(&mut self, name: &str, dims: &[(&str, usize)], attrs: &[(&str, &str)]) {
        self.variable(name, dims, texts(attrs), ChunkTableBuilder::new().build());
    }

    /// Leaves a coordinate in the archive.
    pub(super) fn archive(&mut self, name: &str) {
        let part = ChunkPart { place: Place::Object(0), encoding: 0, filter_mask: 0, is_short: false };
        let mut builder = ChunkTableBuilder::new();
        builder.push(0, ChunkRef { part, offset: 0, len_bytes: 8 });
        let variable = self.root.variables.iter().find(|variable| variable.name == name).unwrap();
        self.tables[variable.storage.table as usize] = Arc::new(builder.build());
    }

    /// Global attributes.
    pub(super) fn attrs(&mut self, attrs: Attributes) {
        self.root.attrs = attrs;
    }

    /// An attribute of a variable.
    pub(super) fn attribute(&mut self, variable: &str, name: &str, value: Attribute) {
        let variable = self.root.variables.iter_mut().find(|other| other.name == variable).unwrap();
        variable.attrs.set(name, value);
    }

    /// What the catalog says.
    pub(super) fn spec(&mut self, spec: DatasetSpec) {
        self.spec = Some(spec);
    }

    /// What tells the only object from another of its name.
    pub(super) fn identity(&mut self, identity: ObjectIdentity) {
        self.identity = Some(identity);
    }

    fn variable(&mut self, name: &str, dims: &[(&str, usize)], attrs: Attributes, table: ChunkTable) {
        let shape: Vec<u64> = dims.iter().map(|(_, len)| *len as u64).collect();
        self.tables.push(Arc::new(table));
        self.root.variables.push(Variable {
            name: name.to_owned(),
            dims: dims.iter().map(|(dim, _)| (*dim).to_owned()).collect(),
            dtype: F8,
            fill: None,
            attrs,
            storage: Storage {
                chunk_shape: shape.clone(),
                served_chunk_shape: shape.clone(),
                encodings: vec![Encoding { dtype: F8, codecs: Vec::new() }],
                table: self.tables.len() as u32 - 1,
                source_path: String::new(),
            },
            shape,
            verification: Verification::Unverified { reason: String::new() },
        });
    }

    /// The manifest.
    pub(super) fn build(self) -> Manifest {
        let by_clock = ObjectIdentity::Modified { mtime_ns: MTIME_NS, inode: 1 };
        let identity = self.identity.unwrap_or(by_clock);
        let object = Object { href: "/archive/d.nc".into(), len_bytes: 1, identity };
        let dataset = Dataset { root: self.root, objects: vec![object], ..Dataset::default() };
        let storage = Arc::new(InMemory { tables: self.tables, inline: self.inline });
        Manifest::new(self.spec.unwrap_or_else(spec), dataset, Revision("r".into()), "netcdf".into(), storage)
    }
}
