//! Visits decoded chunks one by one: whoever computes with more data than it can hold comes here.
//!
//! Chunks are read ahead in the order in which they lie in their objects, and decoded side by side on threads that the
//! caller names. Each goes to a callback, in any order, and is gone afterwards, or when the callback lets it go. Nothing is
//! read before all objects are known to be online.
//!
//! # Memory
//! Each chunk in flight takes its stored and its decoded bytes from the reader's work budget, so that visits share it
//! with the chunks that are served; no more than [`Visit::max_in_flight`] are in flight. A visit waits for its part of the
//! budget as long as it takes: what it has computed for hours is not lost to a busy minute.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::{StreamExt, TryStreamExt, stream};
use thermocline_codec::{fill_chunk, spare};
use thermocline_model::{ArrayBytes, ChunkRef, ChunkTable, Place, Variable};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::derive::{decoded_bytes, n_elements, stored_grid};
use super::online::Online;
use super::{Reader, Work, decode_chunk};
use crate::manifest::{ChunkObjects, Manifest, blocking};
use crate::{Error, Result};

/// Most chunks in flight, whatever a visit asks for.
const MAX_IN_FLIGHT: usize = 1024;

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

/// A decoded chunk that its callback may keep. As long as it does, the chunk counts as in flight.
pub struct OwnedChunk {
    linear: u64,
    index: Vec<u64>,
    values: ArrayBytes,
    bytes_read: u64,
    _taken: Taken,
}

impl OwnedChunk {
    /// The same to be looked at.
    pub fn decoded(&self) -> DecodedChunk<'_> {
        DecodedChunk { linear: self.linear, index: &self.index, values: &self.values }
    }

    /// Bytes that were read of objects for it, as [`Visited::bytes_read`] counts them.
    pub fn bytes_read(&self) -> u64 {
        self.bytes_read
    }
}

impl Drop for OwnedChunk {
    fn drop(&mut self) {
        if let ArrayBytes::Fixed(bytes) = &mut self.values {
            spare::give(std::mem::take(bytes));
        }
    }
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

/// A callback of a visit that may keep chunks for later. Called from several threads at once; an error ends the visit.
pub type EachOwned = dyn Fn(OwnedChunk) -> Result<()> + Send + Sync;

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
        let each: Arc<EachOwned> = Arc::new(move |chunk: OwnedChunk| each(&chunk.decoded()));
        self.visit_owned(manifest, variable, visit, each).await
    }

    /// The same for a callback that may keep chunks. Reading begins in the order of [`Reader::in_file_order`], and no
    /// further chunk is begun while [`Visit::max_in_flight`] are kept: whoever waits for a chunk gets it as long as it
    /// keeps only later ones.
    ///
    /// # Errors
    /// Those of [`Reader::visit`].
    pub async fn visit_owned(
        &self,
        manifest: &Arc<Manifest>,
        variable: &Variable,
        visit: Visit<'_>,
        each: Arc<EachOwned>,
    ) -> Result<Visited> {
        let Visit { chunks, max_in_flight, spawn } = visit;
        let table = manifest.table(variable).await?;
        let grid = stored_grid(variable)?;
        let grid_of = &grid;
        let (chunks, objects) = blocking(move || Ok(in_file_order(&table, chunks))).await?;
        let _online = self.keep(&manifest.dataset, &objects.numbers(manifest).await?).await?;
        let shared = Arc::new(variable.clone());
        let ended = End::default();
        let max_in_flight = max_in_flight.clamp(1, MAX_IN_FLIGHT);
        let in_flight = Arc::new(Semaphore::new(max_in_flight));
        let (shared, each, in_flight, ended_flag) = (&shared, &each, &in_flight, &ended.0);
        // Parts of the budgets are taken one after the other: what is kept waits for nothing that comes later.
        let begun = stream::iter(chunks).then(|(linear, chunk)| async move {
            let taken = self.begin(shared, chunk, in_flight).await?;
            let (variable, each, ended) = (Arc::clone(shared), Arc::clone(each), Arc::clone(ended_flag));
            Ok::<_, Error>(One { variable, linear, index: grid_of.index(linear), chunk, each, ended, taken })
        });
        // As a named type the stream is not general enough for whoever spawns the future of a visit.
        let mut visits = begun
            .map(|one| async move { self.visit_one(manifest, one?, spawn).await })
            .buffer_unordered(max_in_flight)
            .boxed();
        let mut visited = Visited::default();
        while let Some(bytes_read) = visits.try_next().await? {
            visited.n_chunks += 1;
            visited.bytes_read += bytes_read;
        }
        Ok(visited)
    }

    /// Chunks of a variable in the order in which a visit reads them: that in which they lie in their objects.
    ///
    /// # Errors
    /// Those of loading the chunk table.
    pub async fn in_file_order(
        &self,
        manifest: &Arc<Manifest>,
        variable: &Variable,
        chunks: Vec<u64>,
    ) -> Result<Vec<(u64, Option<ChunkRef>)>> {
        let table = manifest.table(variable).await?;
        blocking(move || Ok(in_file_order(&table, chunks).0)).await
    }

    /// Keeps objects of a dataset online by their numbers ([`ChunkObjects`]), if they are.
    ///
    /// # Errors
    /// [`crate::ErrorKind::NotStaged`] with all that are not.
    pub async fn keep_objects_online(&self, manifest: &Manifest, numbers: &[u32]) -> Result<Online> {
        self.keep(&manifest.dataset, numbers).await
    }

    /// Takes the parts of a chunk of what is bounded.
    async fn begin(
        &self,
        variable: &Variable,
        chunk: Option<ChunkRef>,
        in_flight: &Arc<Semaphore>,
    ) -> Result<Taken> {
        let decoded_len = decoded_bytes(variable, &variable.storage.chunk_shape)?;
        let stored_len = chunk.map_or(0, |chunk| u64::from(chunk.len_bytes));
        let closed = |cause| Error::internal("a visit is closed").with_source(cause);
        let in_flight = Arc::clone(in_flight).acquire_owned().await.map_err(closed)?;
        let work = self.reserve_in_turn(decoded_len.saturating_add(stored_len)).await?;
        Ok(Taken { work, _in_flight: in_flight })
    }

    async fn visit_one(&self, manifest: &Arc<Manifest>, one: One, spawn: &Spawn<'_>) -> Result<u64> {
        let decoded_len = decoded_bytes(&one.variable, &one.variable.storage.chunk_shape)?;
        let max_bytes = self.settings.limits.chunk_bytes;
        let Some(chunk) = one.chunk else {
            let fill = move |variable: &Variable| {
                let n_elements = n_elements(&variable.storage.chunk_shape)?;
                Ok(fill_chunk(&variable.dtype, variable.fill.as_ref(), n_elements))
            };
            if decoded_len > max_bytes {
                return Err(too_large(&one.variable, decoded_len, max_bytes));
            }
            return compute(one, spawn, (0, fill)).await;
        };
        if let Place::Format(number) | Place::Assembled(number) = chunk.part.place {
            let variable = Arc::clone(&one.variable);
            let values =
                self.decode_by_format(manifest, variable, &one.index, number, &one.taken.work).await?;
            return compute(one, spawn, (decoded_len, move |_: &Variable| Ok(values))).await;
        }
        let stored = self.raw_bytes(manifest, &manifest.dataset.objects, &chunk).await?;
        let bytes_read = if chunk.part.place == Place::Inline { 0 } else { u64::from(chunk.len_bytes) };
        let decode = move |variable: &Variable| decode_chunk(variable, &chunk, &stored, max_bytes);
        compute(one, spawn, (bytes_read, decode)).await
    }
}

/// A chunk on its way to the callback.
struct One {
    variable: Arc<Variable>,
    linear: u64,
    index: Vec<u64>,
    chunk: Option<ChunkRef>,
    each: Arc<EachOwned>,
    ended: Arc<AtomicBool>,
    taken: Taken,
}

/// The parts of a chunk of what is bounded, until it is gone.
struct Taken {
    work: Work,
    _in_flight: OwnedSemaphorePermit,
}

/// Tells chunks that wait for a thread that nobody waits for them any more.
#[derive(Default)]
struct End(Arc<AtomicBool>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Decodes and calls back on a thread. Gives the bytes that were read for it.
async fn compute(
    one: One,
    spawn: &Spawn<'_>,
    (bytes_read, decode): (u64, impl FnOnce(&Variable) -> Result<ArrayBytes> + Send + 'static),
) -> Result<u64> {
    let (done, result) = oneshot::channel();
    spawn(Box::new(move || {
        if one.ended.load(Ordering::Relaxed) {
            return;
        }
        let One { variable, linear, index, each, taken, .. } = one;
        let outcome = decode(&variable)
            .and_then(|values| each(OwnedChunk { linear, index, values, bytes_read, _taken: taken }));
        // Nobody may wait any more.
        let _ = done.send(outcome);
    }));
    let outcome = result.await;
    outcome.map_err(|cause| Error::internal("a chunk was not decoded to its end").with_source(cause))??;
    Ok(bytes_read)
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
