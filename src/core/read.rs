//! Chunks and values of datasets, from whatever route they take.

use std::ops::Range;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use thermocline_model::{ArrayBytes, Codec, DataType, Variable};

use crate::format::Region;
use crate::manifest::Manifest;
use crate::{Error, Result};

/// How a client wants the chunks of a variable.
#[derive(Debug, Clone, PartialEq)]
pub struct ChunkForm {
    /// Type of the elements on the wire. [`DataType::String`] for a stored [`DataType::FixedString`] or
    /// [`DataType::Char`] makes texts of them (of characters: along the last axis, which disappears).
    pub dtype: DataType,
    /// Lengths of the axes of a chunk on the wire.
    pub chunk_shape: Vec<u64>,
    /// Steps in the order of writing.
    pub codecs: Vec<Codec>,
    /// What a chunk that was never written becomes.
    pub absent: AbsentChunk,
}

/// What a chunk that was never written becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AbsentChunk {
    /// Absent: the client knows the fill value.
    Absent,
    /// A chunk of fill values.
    Filled,
}

/// The bytes of a chunk, ready to be sent.
#[derive(Debug, Clone)]
pub struct Chunk {
    /// The encoded chunk.
    pub bytes: Bytes,
    /// What is known without the bytes.
    pub head: ChunkHead,
}

/// What is known of a chunk without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChunkHead {
    /// Strong entity tag without quotes: a hash of object identity, range and route.
    pub etag: String,
    /// Number of bytes, where it is known without work.
    pub len_bytes: Option<u64>,
    /// When the source was modified, if its store says.
    pub modified: Option<SystemTime>,
}

/// Which route a variable takes in a form (DESIGN: routes a variable can take).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// Stored bytes pass through.
    Ranges,
    /// Bytes kept with the manifest.
    Inline,
    /// Decoded and encoded again.
    Derived,
    /// Some chunks pass through, others are derived.
    Mixed,
}

/// Where one chunk's stored bytes can be read unchanged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChunkLocation {
    /// The very bytes lie in an object of the dataset.
    Object {
        /// Number of the object.
        object: u32,
        /// First byte.
        offset: u64,
        /// Number of bytes.
        len_bytes: u64,
    },
    /// Kept with the manifest, small: may be sent inside a document.
    Inline,
    /// Only this server can make it.
    Derived,
}

/// Reads chunks and values.
pub struct Reader {}

impl Reader {
    /// The chunk at `index` of the form's grid; `Ok(None)` only for a chunk that was never written, when
    /// the form leaves it absent, and for an index outside the grid.
    ///
    /// # Errors
    /// Whatever keeps the bytes from being exactly right.
    pub async fn chunk(
        &self,
        manifest: &Arc<Manifest>,
        variable: &Variable,
        form: &ChunkForm,
        index: &[u64],
    ) -> Result<Option<Chunk>> {
        let _ = (manifest, variable, form, index);
        Err(Error::internal("not built"))
    }

    /// What [`Reader::chunk`] would answer, without reading or computing it.
    pub async fn chunk_head(
        &self,
        manifest: &Arc<Manifest>,
        variable: &Variable,
        form: &ChunkForm,
        index: &[u64],
    ) -> Result<Option<ChunkHead>> {
        let _ = (manifest, variable, form, index);
        Err(Error::internal("not built"))
    }

    /// Where each chunk of the form's grid that exists can be read, with its position in C order, ascending.
    pub async fn locations(
        &self,
        manifest: &Arc<Manifest>,
        variable: &Variable,
        form: &ChunkForm,
    ) -> Result<Vec<(u64, ChunkLocation)>> {
        let _ = (manifest, variable, form);
        Err(Error::internal("not built"))
    }

    /// The route that a variable takes in a form.
    pub async fn route(
        &self,
        manifest: &Arc<Manifest>,
        variable: &Variable,
        form: &ChunkForm,
    ) -> Result<Route> {
        let _ = (manifest, variable, form);
        Err(Error::internal("not built"))
    }

    /// Values of a region inside the variable's shape, in its stored type.
    pub async fn values(
        &self,
        manifest: &Arc<Manifest>,
        variable: &Variable,
        region: &Region,
    ) -> Result<ArrayBytes> {
        let _ = (manifest, variable, region);
        Err(Error::internal("not built"))
    }

    /// Bytes of the source object number `object` of a dataset.
    pub async fn object_bytes(&self, manifest: &Manifest, object: u32, range: Range<u64>) -> Result<Bytes> {
        let _ = (manifest, object, range);
        Err(Error::internal("not built"))
    }
}
