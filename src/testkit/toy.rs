//! Datasets made by hand: every chunk's bytes are what a test says.

use std::collections::HashMap;

use thermocline_core::format::{Format, Indexed, ReferenceError, ReferenceReader, Region, Source};
use thermocline_core::{Error, Result};
use thermocline_model::{
    ArrayBytes, Attributes, ChunkPart, ChunkRef, ChunkTableBuilder, Codec, DataType, Dataset, Encoding,
    Group, Place, Storage, Variable, Verification,
};

/// First bytes of a toy file.
const MAGIC: &[u8] = b"toy dataset\n";

/// Where the bytes of a toy chunk lie.
#[derive(Debug, Clone)]
pub enum ToyChunk {
    /// In the file.
    Stored(Vec<u8>),
    /// With the manifest.
    Inline(Vec<u8>),
}

/// A dataset made by hand, one file large.
#[derive(Debug, Clone)]
pub struct ToyDataset {
    dataset: Dataset,
    chunks: Vec<Vec<(u64, ChunkRef)>>,
    inline: Vec<u8>,
    file: Vec<u8>,
}

impl Default for ToyDataset {
    fn default() -> Self {
        Self { dataset: Dataset::default(), chunks: Vec::new(), inline: Vec::new(), file: MAGIC.to_vec() }
    }
}

impl ToyDataset {
    /// The root group, to set attributes of.
    pub fn root_mut(&mut self) -> &mut Group {
        &mut self.dataset.root
    }

    /// Adds a variable to the group at `path` (made if need be), with chunks by their position in C order.
    #[must_use]
    pub fn with(mut self, path: &str, mut variable: Variable, chunks: &[(u64, ToyChunk)]) -> Self {
        variable.storage.table = u32::try_from(self.chunks.len()).unwrap_or(u32::MAX);
        let mut refs = Vec::new();
        for (linear, chunk) in chunks {
            let (place, bytes, all) = match chunk {
                ToyChunk::Stored(bytes) => (Place::Object(0), bytes, &mut self.file),
                ToyChunk::Inline(bytes) => (Place::Inline, bytes, &mut self.inline),
            };
            let part = ChunkPart { place, encoding: 0, filter_mask: 0, is_short: false };
            let len_bytes = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
            refs.push((*linear, ChunkRef { part, offset: all.len() as u64, len_bytes }));
            all.extend(bytes);
        }
        self.chunks.push(refs);
        group_mut(&mut self.dataset.root, path).variables.push(variable);
        self
    }

    /// The bytes of its file.
    pub fn file(&self) -> &[u8] {
        &self.file
    }

    fn indexed(&self, source: &Source<'_>) -> Indexed {
        let tables = self.chunks.iter().map(|chunks| {
            let mut table = ChunkTableBuilder::new();
            chunks.iter().for_each(|(linear, chunk)| table.push(*linear, *chunk));
            table.build()
        });
        let mut dataset = self.dataset.clone();
        dataset.objects = vec![source.object.object().clone()];
        Indexed { dataset, tables: tables.collect(), inline: self.inline.clone() }
    }
}

fn group_mut<'a>(root: &'a mut Group, path: &str) -> &'a mut Group {
    path.split('/').filter(|name| !name.is_empty()).fold(root, |group, name| {
        let found = group.groups.iter().position(|child| child.name == name);
        let number = found.unwrap_or_else(|| {
            group.groups.push(Group { name: name.to_owned(), ..Group::default() });
            group.groups.len() - 1
        });
        &mut group.groups[number]
    })
}

/// A variable without attributes, served in the chunks in which it is stored.
pub fn toy_variable(
    name: &str,
    dims: &[&str],
    (shape, chunk_shape): (&[u64], &[u64]),
    dtype: DataType,
    codecs: Vec<Codec>,
) -> Variable {
    Variable {
        name: name.to_owned(),
        dims: dims.iter().map(ToString::to_string).collect(),
        shape: shape.to_vec(),
        dtype: dtype.clone(),
        fill: None,
        attrs: Attributes::new(),
        storage: Storage {
            chunk_shape: chunk_shape.to_vec(),
            served_chunk_shape: chunk_shape.to_vec(),
            encodings: vec![Encoding { dtype, codecs }],
            table: 0,
            source_path: name.to_owned(),
        },
        verification: Verification::Unverified { reason: "made by hand".to_owned() },
    }
}

/// The format of toy files: it knows them by their names.
pub(crate) struct ToyFormat(pub(crate) HashMap<String, ToyDataset>);

impl Format for ToyFormat {
    fn id(&self) -> &'static str {
        "toy"
    }

    fn sniff(&self, head: &[u8], _name: &str) -> bool {
        head.starts_with(MAGIC)
    }

    fn index(&self, source: &Source<'_>) -> Result<Indexed> {
        let href = &source.object.object().href;
        let toy = self.0.get(href.rsplit('/').next().unwrap_or_default());
        toy.map(|toy| toy.indexed(source)).ok_or_else(|| Error::refused("no such toy"))
    }

    fn decode(&self, _: &Source<'_>, _: &Variable, _: &Region) -> Result<ArrayBytes> {
        Err(Error::unsupported("toys have bytes"))
    }

    fn reference(&self, _: &Source<'_>) -> Result<Box<dyn ReferenceReader>, ReferenceError> {
        Err(ReferenceError::Unable("toys have no library".to_owned()))
    }
}
