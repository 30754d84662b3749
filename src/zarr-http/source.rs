//! Where the chunks of a store come from: the reader, or whoever makes those of some arrays.

use std::collections::HashSet;
use std::ops::Range;

use bytes::Bytes;
use futures::future::BoxFuture;
use thermocline_core::Error;
use thermocline_core::read::{Chunk, ChunkHead};
use thermocline_http::Problem;
use thermocline_model::Variable;
use thermocline_zarr::ZarrArray;

use crate::{StoreRequest, chunk_problem};

/// Makes the chunks of some arrays of a store, which lie nowhere. Every chunk of such an array's grid exists.
pub trait ChunkSource: Send + Sync {
    /// True for an array whose chunks are made here; those of others are read.
    fn makes(&self, array: &ZarrArray) -> bool;

    /// What is known of a chunk before it is made.
    fn head(&self, array: &ZarrArray, index: &[u64]) -> ChunkHead;

    /// A chunk in the form of its array.
    ///
    /// # Errors
    /// Whatever keeps the values from being exactly right: never 404, which reads as the fill value. Cold objects are
    /// [`thermocline_core::ErrorKind::NotStaged`]: the request then waits for them.
    fn chunk<'c>(&'c self, array: &'c ZarrArray, index: &'c [u64]) -> BoxFuture<'c, Result<Chunk, Problem>>;
}

/// One array of a request.
pub(crate) struct Chunks<'r> {
    request: &'r StoreRequest,
    array: &'r ZarrArray,
    /// The variable that the array shows.
    pub(crate) variable: &'r Variable,
    source: Option<&'r dyn ChunkSource>,
}

impl StoreRequest {
    /// The chunks of an array.
    ///
    /// # Errors
    /// [`thermocline_core::ErrorKind::Internal`] if the array shows no variable of the dataset.
    pub(crate) fn chunks<'r>(&'r self, array: &'r ZarrArray) -> Result<Chunks<'r>, Problem> {
        let variable = array.variable(&self.manifest.dataset);
        let variable =
            variable.ok_or_else(|| Error::internal(format!("array {:?} has no variable", array.path)))?;
        let source = self.source.as_deref().filter(|source| source.makes(array));
        Ok(Chunks { request: self, array, variable, source })
    }
}

impl Chunks<'_> {
    /// True if they are made and not read.
    pub(crate) fn are_made(&self) -> bool {
        self.source.is_some()
    }

    /// What is known of a chunk without reading it; `Ok(None)` for one that does not exist.
    pub(crate) async fn head(&self, index: &[u64]) -> Result<Option<ChunkHead>, Problem> {
        if let Some(source) = self.source {
            return Ok(Some(source.head(self.array, index)));
        }
        let Self { request, array, variable, .. } = self;
        let head = request.app.reader.chunk_head(&request.manifest, variable, &array.form, index).await;
        head.map_err(chunk_problem)
    }

    /// A chunk; `Ok(None)` for one that does not exist.
    pub(crate) async fn chunk(&self, index: &[u64]) -> Result<Option<Chunk>, Problem> {
        if let Some(source) = self.source {
            return source.chunk(self.array, index).await.map(Some);
        }
        let Self { request, array, variable, .. } = self;
        let chunk = request.app.reader.chunk(&request.manifest, variable, &array.form, index).await;
        chunk.map_err(chunk_problem)
    }

    /// A part of a chunk whose length is known.
    pub(crate) async fn part(&self, index: &[u64], part: Range<u64>) -> Result<Option<Bytes>, Problem> {
        let Self { request, array, variable, source } = self;
        if source.is_none() {
            let reader = &request.app.reader;
            let bytes = reader.chunk_part(&request.manifest, variable, &array.form, index, part).await;
            return bytes.map_err(chunk_problem);
        }
        let Some(chunk) = self.chunk(index).await? else { return Ok(None) };
        let ends = (usize::try_from(part.start), usize::try_from(part.end));
        match ends {
            (Ok(start), Ok(end)) if start <= end && end <= chunk.bytes.len() => {
                Ok(Some(chunk.bytes.slice(start..end)))
            }
            _ => Err(Error::internal(format!("bytes {part:?} lie outside a chunk")).into()),
        }
    }

    /// Those of some positions of the grid at which there are chunks.
    pub(crate) async fn written(&self, positions: Range<u64>) -> Result<HashSet<u64>, Problem> {
        let Self { request, array, variable, source } = self;
        if source.is_some() {
            return Ok(positions.collect());
        }
        let reader = &request.app.reader;
        let located = reader.locations_in(&request.manifest, variable, &array.form, positions).await;
        Ok(located.map_err(chunk_problem)?.into_iter().map(|(linear, _)| linear).collect())
    }
}
