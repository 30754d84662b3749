//! Visits decoded chunks one by one: whoever computes with more data than it can hold comes here.
//!
//! Chunks are read ahead in the order in which they lie in their objects, and decoded side by side on threads that the
//! caller names. Each goes to a callback, in any order, and is gone afterwards. Nothing is read before all objects are
//! known to be online.
//!
//! # Memory
//! Each chunk in flight takes its stored and its decoded bytes from the reader's work budget, so that visits share it
//! with the chunks that are served; no more than [`Visit::max_in_flight`] are in flight.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::{StreamExt, TryStreamExt, stream};
use thermocline_codec::{fill_chunk, spare};
use thermocline_model::{ArrayBytes, ChunkRef, ChunkTable, Place, Variable};
use tokio::sync::oneshot;

use super::derive::{decoded_bytes, n_elements, stored_grid};
use super::{Reader, Work, decode_chunk};
use crate::manifest::{ChunkObjects, Manifest, blocking};
use crate::{Error, Result};

/// Hands work over to threads.
pub type Spawn<'s> = dyn Fn(Box<dyn FnOnce() + Send>) + Send + Sync + 's;

/// Which chunks are visited, and how.
pub struct Visit<'v> {
    /// Positions of stored chunks in C order ([`Variable::stored_grid`]), each once, in any order.
    pub chunks: Vec<u64>,
    /// Most chunks that are read and decoded at the same time.
    pub max_in_flight: usize,
    /// Hands decoding and the callback over to threads.
    pub spawn: &'v Spawn<'v>,
}

/// A decoded chunk.
pub struct DecodedChunk<'c> {
    /// Its position in C order in the grid of stored chunks.
    pub linear: u64,
    /// Its position along each axis, in chunks.
    pub index: &'c [u64],
    /// Exactly the elements of a whole chunk in C order, as they are stored, the fill of one that was never written; what
    /// reaches beyond the variable's shape has no meaning.
    pub values: &'c ArrayBytes,
}

/// What a visit read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Visited {
    /// Chunks that were visited, those that were never written among them.
    pub n_chunks: u64,
    /// Bytes that were read from objects; of chunks that only their format decodes, the decoded ones. What is kept with
    /// the manifest counts as none.
    pub bytes_read: u64,
}

/// A callback of a visit. Called from several threads at once; an error ends the visit.
pub type Each = dyn Fn(&DecodedChunk<'_>) -> Result<()> + Send + Sync;

impl Reader {
    /// Hands chunks of a variable to `each`, decoded, in any order and from several threads. Ends when the future is
    /// dropped, too: chunks that are being decoded by then are the last ones.
    ///
    /// # Errors
    /// [`crate::ErrorKind::NotStaged`] with all objects that have to be recalled, before anything is read; that of `each`;
    /// whatever keeps the values from being exactly right.
    pub async fn visit(
        &self,
        manifest: &Arc<Manifest>,
        variable: &Variable,
        visit: Visit<'_>,
        each: Arc<Each>,
    ) -> Result<Visited> {
        let Visit { chunks, max_in_flight, spawn } = visit;
        let table = manifest.table(variable).await?;
        let grid = stored_grid(variable)?;
        let (chunks, objects) = blocking(move || Ok(in_file_order(&table, chunks))).await?;
        let _online = self.keep(&manifest.dataset, &objects.numbers(manifest).await?).await?;
        let shared = Arc::new(variable.clone());
        let ended = End::default();
        let mut visits = stream::iter(chunks)
            .map(|(linear, chunk)| {
                let one = One {
                    variable: Arc::clone(&shared),
                    linear,
                    index: grid.index(linear),
                    chunk,
                    each: Arc::clone(&each),
                    ended: Arc::clone(&ended.0),
                };
                self.visit_one(manifest, one, spawn)
            })
            .buffer_unordered(max_in_flight.max(1));
        let mut visited = Visited::default();
        while let Some(bytes_read) = visits.try_next().await? {
            visited.n_chunks += 1;
            visited.bytes_read += bytes_read;
        }
        Ok(visited)
    }

    async fn visit_one(&self, manifest: &Arc<Manifest>, one: One, spawn: &Spawn<'_>) -> Result<u64> {
        let decoded_len = decoded_bytes(&one.variable, &one.variable.storage.chunk_shape)?;
        let max_bytes = self.settings.limits.chunk_bytes;
        let stored_len = one.chunk.map_or(0, |chunk| u64::from(chunk.len_bytes));
        let work = self.reserve(decoded_len.saturating_add(stored_len)).await?;
        let Some(chunk) = one.chunk else {
            let fill = move |variable: &Variable| {
                let n_elements = n_elements(&variable.storage.chunk_shape)?;
                Ok(fill_chunk(&variable.dtype, variable.fill.as_ref(), n_elements))
            };
            if decoded_len > max_bytes {
                return Err(too_large(&one.variable, decoded_len, max_bytes));
            }
            return compute(one, work, spawn, fill).await.map(|()| 0);
        };
        if let Place::Format(number) | Place::Assembled(number) = chunk.part.place {
            let variable = Arc::clone(&one.variable);
            let values = self.decode_by_format(manifest, variable, &one.index, number, &work).await?;
            return compute(one, work, spawn, move |_| Ok(values)).await.map(|()| decoded_len);
        }
        let stored = self.raw_bytes(manifest, &manifest.dataset.objects, &chunk).await?;
        let bytes_read = if chunk.part.place == Place::Inline { 0 } else { stored_len };
        let decode = move |variable: &Variable| decode_chunk(variable, &chunk, &stored, max_bytes);
        compute(one, work, spawn, decode).await.map(|()| bytes_read)
    }
}

/// A chunk on its way to the callback.
struct One {
    variable: Arc<Variable>,
    linear: u64,
    index: Vec<u64>,
    chunk: Option<ChunkRef>,
    each: Arc<Each>,
    ended: Arc<AtomicBool>,
}

/// Tells chunks that wait for a thread that nobody waits for them any more.
#[derive(Default)]
struct End(Arc<AtomicBool>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Decodes and calls back on a thread.
async fn compute(
    one: One,
    work: Work,
    spawn: &Spawn<'_>,
    decode: impl FnOnce(&Variable) -> Result<ArrayBytes> + Send + 'static,
) -> Result<()> {
    let (done, result) = oneshot::channel();
    spawn(Box::new(move || {
        // Taken as long as there are bytes.
        let _work = work;
        if one.ended.load(Ordering::Relaxed) {
            return;
        }
        let outcome = decode(&one.variable).and_then(|values| {
            let chunk = DecodedChunk { linear: one.linear, index: &one.index, values: &values };
            let outcome = (one.each)(&chunk);
            if let ArrayBytes::Fixed(bytes) = values {
                spare::give(bytes);
            }
            outcome
        });
        // Nobody may wait any more.
        let _ = done.send(outcome);
    }));
    result.await.map_err(|cause| Error::internal("a chunk was not decoded to its end").with_source(cause))?
}

/// Chunks with their stored bytes, in the order in which these lie in their objects; those without any come first.
type Found = Vec<(u64, Option<ChunkRef>)>;

fn in_file_order(table: &ChunkTable, chunks: Vec<u64>) -> (Found, ChunkObjects) {
    let mut found: Found = chunks.into_iter().map(|linear| (linear, table.get(linear))).collect();
    found.sort_by_key(|(linear, chunk)| {
        (chunk.map(|chunk| (chunk.part.place.object(), chunk.offset)), *linear)
    });
    let mut objects = ChunkObjects::default();
    found.iter().filter_map(|(_, chunk)| chunk.as_ref()).for_each(|chunk| objects.add(chunk));
    (found, objects)
}

fn too_large(variable: &Variable, len_bytes: u64, limit: u64) -> Error {
    let message = format!("a chunk of {:?} has {len_bytes} bytes, more than {limit}", variable.name);
    Error::new(crate::ErrorKind::TooLarge, message)
}
