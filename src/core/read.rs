//! Chunks and values of datasets, from whatever route they take.
//!
//! A chunk whose stored bytes are already what the client wants passes through untouched. Every other
//! one is gathered from stored chunks, decoded, put together, encoded, and kept in a bounded cache.

mod decoder;
mod derive;
mod etag;
mod form;
mod online;
pub(crate) mod packed;
mod recalls;
mod stored;
mod visit;

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use moka::future::Cache;
use thermocline_model::{ArrayBytes, ChunkPart, ChunkRef, ChunkTable, Place, Variable};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::bytes::{ByteSource, ObjectOpener, Residency};
use crate::format::{Format, Limits, Region};
use crate::manifest::Manifest;
use crate::{Error, ErrorKind, Result};

use etag::Tag;

pub use decoder::{Decoder, Real};
pub use derive::{decode_chunk, encode_chunk};
pub use form::{AbsentChunk, ChunkForm};
pub use online::Online;
pub use recalls::{NotOnline, ReadFor, Recalls};
pub use visit::{DecodedChunk, Each, EachOwned, OwnedChunk, Spawn, Visit, Visited};

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
    /// True if the next reading may give other bytes although no object changed: nobody should keep them.
    pub is_passing: bool,
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

/// Bounds for reading and deriving.
#[derive(Debug, Clone)]
pub struct ReadSettings {
    /// Bytes of derived chunks that are kept.
    pub cache_bytes: u64,
    /// Bytes of stored and decoded data that may be in work at once.
    pub work_bytes: u64,
    /// Largest answer of [`Reader::values`], in bytes.
    pub max_values_bytes: u64,
    /// Bounds for untrusted numbers.
    pub limits: Limits,
}

impl Default for ReadSettings {
    fn default() -> Self {
        Self {
            cache_bytes: 256 << 20,
            work_bytes: 1 << 30,
            max_values_bytes: 1 << 30,
            limits: Limits::default(),
        }
    }
}

/// Reads chunks and values.
pub struct Reader {
    bytes: Arc<dyn ByteSource>,
    opener: Arc<dyn ObjectOpener>,
    formats: Vec<Arc<dyn Format>>,
    settings: ReadSettings,
    /// Derived chunks by entity tag; who asks for one that is being made waits for it.
    cache: Cache<u128, Bytes>,
    /// Small stored chunks by entity tag.
    kept: quick_cache::sync::Cache<u128, Bytes, EntryWeight>,
    /// Counts tags that were given to chunks which may have other bytes at the next reading.
    n_passing: AtomicU64,
    /// One permit for each KiB of data in work.
    work: Arc<Semaphore>,
    /// One permit for each processor: more at once would only need more memory.
    processors: Arc<Semaphore>,
    /// For objects on cold stores; `None` if there are none.
    recalls: Option<Arc<Recalls>>,
}

/// How long a request waits for its part of the work budget: clients that read slowly hold theirs.
const WORK_WAIT: Duration = Duration::from_secs(60);

/// What a client is told to wait when it did not get its part.
const WORK_RETRY: Duration = Duration::from_secs(10);

/// What an entry of a cache takes besides its bytes.
const ENTRY_BYTES: usize = 128;

/// The part of the caches' memory that is for small stored chunks.
const SHARE_OF_KEPT: u64 = 4;

/// Weighs small stored chunks in bytes.
#[derive(Clone)]
struct EntryWeight;

impl quick_cache::Weighter<u128, Bytes> for EntryWeight {
    fn weight(&self, _: &u128, chunk: &Bytes) -> u64 {
        (chunk.len() + ENTRY_BYTES) as u64
    }
}

/// Largest stored chunk that is kept in memory: larger ones are as fast from the page cache.
const MAX_KEPT_BYTES: u32 = 128 << 10;

/// Bytes that one permit of the work budget stands for.
const PERMIT_BYTES: u64 = 1024;

impl Reader {
    /// A reader of `formats` over `bytes`.
    pub fn new(
        bytes: Arc<dyn ByteSource>,
        opener: Arc<dyn ObjectOpener>,
        formats: Vec<Arc<dyn Format>>,
        settings: ReadSettings,
    ) -> Self {
        let kept_bytes = settings.cache_bytes / SHARE_OF_KEPT;
        let n_kept = kept_bytes / u64::from(MAX_KEPT_BYTES);
        let kept = quick_cache::sync::Cache::with_weighter(n_kept as usize, kept_bytes, EntryWeight);
        let cache = Cache::builder()
            .max_capacity(settings.cache_bytes - kept_bytes)
            .weigher(|_, chunk: &Bytes| u32::try_from(chunk.len() + ENTRY_BYTES).unwrap_or(u32::MAX))
            .build();
        let n_permits = (settings.work_bytes / PERMIT_BYTES).clamp(1, u64::from(u32::MAX >> 3));
        let work = Arc::new(Semaphore::new(n_permits as usize));
        let n_processors = std::thread::available_parallelism().map_or(1, usize::from);
        let processors = Arc::new(Semaphore::new(n_processors));
        Self {
            bytes,
            opener,
            formats,
            settings,
            cache,
            kept,
            n_passing: AtomicU64::new(seed()),
            work,
            processors,
            recalls: None,
        }
    }

    /// The same reader of objects that may lie on cold stores.
    #[must_use]
    pub fn on_cold_stores(mut self, residency: Option<Arc<dyn Residency>>) -> Self {
        self.recalls = residency.map(|residency| Arc::new(Recalls::new(residency)));
        self
    }

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
        let Some(wanted) = self.find(manifest, variable, form, index).await? else { return Ok(None) };
        let tag = wanted.tag(manifest, variable, form);
        let bytes = match &wanted.found {
            Found::Stored(chunk) => {
                check_length(variable, form, chunk)?;
                self.passed_bytes(manifest, variable, chunk, tag).await?
            }
            Found::Derived(_) | Found::Filled => {
                self.derived_bytes(manifest, variable, form, index, &wanted, tag).await?
            }
        };
        let is_passing = self.is_passing(manifest, variable, &wanted).await?;
        let head = ChunkHead {
            etag: if is_passing { etag::of_bytes(&bytes).text() } else { tag.text() },
            len_bytes: Some(bytes.len() as u64),
            modified: wanted.modified(manifest).filter(|_| !is_passing),
            is_passing,
        };
        Ok(Some(Chunk { bytes, head }))
    }

    /// A part of a chunk whose [`ChunkHead::len_bytes`] is known; reads no more than that where it can.
    ///
    /// # Errors
    /// Those of [`Reader::chunk`]; [`ErrorKind::InvalidInput`] for a part outside the chunk.
    pub async fn chunk_part(
        &self,
        manifest: &Arc<Manifest>,
        variable: &Variable,
        form: &ChunkForm,
        index: &[u64],
        part: Range<u64>,
    ) -> Result<Option<Bytes>> {
        let Some(wanted) = self.find(manifest, variable, form, index).await? else { return Ok(None) };
        if let Found::Stored(chunk) = &wanted.found
            && chunk.len_bytes > MAX_KEPT_BYTES
            && !form::is_summed(variable, chunk)
            && part.end <= u64::from(chunk.len_bytes)
            && let Place::Object(number) = chunk.part.place
            && let Some(object) = manifest.dataset.objects.get(number as usize)
        {
            check_length(variable, form, chunk)?;
            let range = chunk.offset.saturating_add(part.start)..chunk.offset.saturating_add(part.end);
            let work = self.reserve(part.end.saturating_sub(part.start)).await?;
            return Ok(Some(work.hold(self.read_object(object, range).await?)));
        }
        let Some(chunk) = self.chunk(manifest, variable, form, index).await? else { return Ok(None) };
        let outside = || Error::invalid_input(format!("bytes {part:?} lie outside a chunk"));
        let (start, end) = (usize::try_from(part.start), usize::try_from(part.end));
        let (Ok(start), Ok(end)) = (start, end) else { return Err(outside()) };
        if start > end || end > chunk.bytes.len() {
            return Err(outside());
        }
        Ok(Some(chunk.bytes.slice(start..end)))
    }

    /// The bytes of a stored chunk that passes, from memory if its object was seen unchanged a moment ago.
    async fn passed_bytes(
        &self,
        manifest: &Manifest,
        variable: &Variable,
        chunk: &ChunkRef,
        tag: Tag,
    ) -> Result<Bytes> {
        let objects = &manifest.dataset.objects;
        let is_kept = chunk.len_bytes <= MAX_KEPT_BYTES;
        let is_unchanged = match chunk.part.place {
            Place::Object(number) => {
                objects.get(number as usize).is_some_and(|object| self.bytes.was_seen(object))
            }
            Place::Inline | Place::Format(_) | Place::Assembled(_) => true,
        };
        if is_kept
            && is_unchanged
            && let Some(bytes) = self.kept.get(&tag.0)
        {
            return Ok(bytes);
        }
        let is_summed = form::is_summed(variable, chunk);
        // Not of inline bytes: a reference document holds many of them at once and would wait for itself.
        if !is_kept && matches!(chunk.part.place, Place::Object(_)) {
            let work = self.reserve(u64::from(chunk.len_bytes)).await?;
            return Ok(work.hold(self.stored_bytes(manifest, objects, chunk, is_summed).await?));
        }
        let bytes = self.stored_bytes(manifest, objects, chunk, is_summed).await?;
        if !is_kept {
            return Ok(bytes);
        }
        // Bytes that lie with the manifest are a part of a larger block, which would be kept with them.
        let bytes = if chunk.part.place == Place::Inline { Bytes::copy_from_slice(&bytes) } else { bytes };
        self.kept.insert(tag.0, bytes.clone());
        Ok(bytes)
    }

    /// True for a chunk that its format looks for at each reading.
    async fn is_passing(
        &self,
        manifest: &Arc<Manifest>,
        variable: &Variable,
        wanted: &Wanted,
    ) -> Result<bool> {
        match wanted.found {
            Found::Derived(_) => self.decodes_anew(manifest, variable).await,
            Found::Stored(_) | Found::Filled => Ok(false),
        }
    }

    /// What [`Reader::chunk`] would answer, without reading or computing it.
    ///
    /// # Errors
    /// Those of loading the chunk table.
    pub async fn chunk_head(
        &self,
        manifest: &Arc<Manifest>,
        variable: &Variable,
        form: &ChunkForm,
        index: &[u64],
    ) -> Result<Option<ChunkHead>> {
        let wanted = self.find(manifest, variable, form, index).await?;
        let Some(wanted) = wanted else { return Ok(None) };
        let tag = wanted.tag(manifest, variable, form);
        let len_bytes = match &wanted.found {
            Found::Stored(chunk) => {
                check_length(variable, form, chunk)?;
                Some(form::passed_len(variable, chunk))
            }
            Found::Derived(_) | Found::Filled => self.cache.get(&tag.0).await.map(|kept| kept.len() as u64),
        };
        if self.is_passing(manifest, variable, &wanted).await? {
            // A tag that nobody has: what the bytes are is known when they are read.
            let etag = etag::of_bytes(&self.n_passing.fetch_add(1, Ordering::Relaxed).to_le_bytes()).text();
            return Ok(Some(ChunkHead { etag, len_bytes: None, modified: None, is_passing: true }));
        }
        let (etag, modified) = (tag.text(), wanted.modified(manifest));
        Ok(Some(ChunkHead { etag, len_bytes, modified, is_passing: false }))
    }

    /// Where each chunk of the form's grid that exists can be read, with its position in C order, ascending.
    ///
    /// # Errors
    /// Those of loading the chunk table.
    pub async fn locations(
        &self,
        manifest: &Arc<Manifest>,
        variable: &Variable,
        form: &ChunkForm,
    ) -> Result<Vec<(u64, ChunkLocation)>> {
        let table = manifest.table(variable).await?;
        let Some(grid) = form.grid(variable) else { return Ok(Vec::new()) };
        if form.chunk_shape == variable.storage.chunk_shape && form.absent == AbsentChunk::Absent {
            let located = table.iter().map(|(linear, chunk)| (linear, form.location(variable, &chunk)));
            return Ok(located.collect());
        }
        self.locations_in(manifest, variable, form, 0..grid.n_chunks()).await
    }

    /// The same as [`Reader::locations`] for a range of positions: it costs no more than the range has.
    ///
    /// # Errors
    /// Those of loading the chunk table.
    pub async fn locations_in(
        &self,
        manifest: &Arc<Manifest>,
        variable: &Variable,
        form: &ChunkForm,
        positions: Range<u64>,
    ) -> Result<Vec<(u64, ChunkLocation)>> {
        let table = manifest.table(variable).await?;
        let Some(grid) = form.grid(variable) else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        for linear in positions.start..positions.end.min(grid.n_chunks()) {
            let wanted = self.find_in(&table, manifest, variable, form, &grid.index(linear))?;
            let location = match wanted.map(|wanted| wanted.found) {
                None => continue,
                Some(Found::Stored(chunk)) => form.location(variable, &chunk),
                Some(Found::Derived(_) | Found::Filled) => ChunkLocation::Derived,
            };
            found.push((linear, location));
        }
        Ok(found)
    }

    /// Numbers of the objects that a chunk is read from, in ascending order.
    ///
    /// # Errors
    /// Those of loading the chunk table.
    pub async fn objects_of(
        &self,
        manifest: &Arc<Manifest>,
        variable: &Variable,
        form: &ChunkForm,
        index: &[u64],
    ) -> Result<Vec<u32>> {
        derive::objects_below(manifest, variable, &form.region(variable, index)).await
    }

    /// The route that a variable takes in a form.
    ///
    /// # Errors
    /// Those of loading the chunk table.
    pub async fn route(
        &self,
        manifest: &Arc<Manifest>,
        variable: &Variable,
        form: &ChunkForm,
    ) -> Result<Route> {
        let table = manifest.table(variable).await?;
        if form.chunk_shape != variable.storage.chunk_shape || form.joins(variable) {
            return Ok(Route::Derived);
        }
        let passes = |part: &ChunkPart| form.passes(variable, part);
        let parts = table.parts();
        if parts.iter().all(|part| part.place == Place::Inline) && !parts.is_empty() {
            return Ok(Route::Inline);
        }
        Ok(match (parts.iter().any(passes), parts.iter().all(passes)) {
            (_, true) => Route::Ranges,
            (true, false) => Route::Mixed,
            (false, false) => Route::Derived,
        })
    }

    /// Values of a region inside the variable's shape, in its stored type.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] for a region outside the shape, [`ErrorKind::TooLarge`] beyond the limit,
    /// and whatever keeps the values from being exactly right.
    pub async fn values(
        &self,
        manifest: &Arc<Manifest>,
        variable: &Variable,
        region: &Region,
    ) -> Result<ArrayBytes> {
        derive::check_region(variable, region)?;
        let len_bytes = derive::decoded_bytes(variable, &region.shape)?;
        if len_bytes > self.settings.max_values_bytes {
            return Err(Error::new(
                ErrorKind::TooLarge,
                format!("{len_bytes} bytes of {:?} exceed {}", variable.name, self.settings.max_values_bytes),
            ));
        }
        let _online = self.keep_online(manifest, variable, region).await?;
        let work = self.reserve(derive::work_bytes(variable, len_bytes)?).await?;
        self.gather(manifest, variable, region, &work).await
    }

    /// Bytes of the source object number `object` of a dataset.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] for a number that no object has, and those of reading.
    pub async fn object_bytes(&self, manifest: &Manifest, object: u32, range: Range<u64>) -> Result<Bytes> {
        let found = manifest.dataset.objects.get(object as usize);
        let found = found.ok_or_else(|| {
            Error::not_found(format!("Object {object} not found in dataset '{}'", manifest.id))
        })?;
        self.read_object(found, range).await
    }

    /// Forgets the bytes of chunks that are kept.
    pub fn forget_chunks(&self) {
        self.cache.invalidate_all();
        self.kept.clear();
    }

    /// Bytes of chunks that are kept at present.
    pub fn cached_bytes(&self) -> u64 {
        self.cache.weighted_size() + self.kept.weight()
    }

    /// Takes `len_bytes` of the work budget for an answer, which does not wait for ever.
    async fn reserve(&self, len_bytes: u64) -> Result<Work> {
        tokio::time::timeout(WORK_WAIT, self.reserve_in_turn(len_bytes)).await.map_err(|_| {
            let kind = ErrorKind::Unavailable { retry_after: WORK_RETRY };
            Error::new(kind, "too much data is in work or waits for slow clients")
        })?
    }

    /// Waits until `len_bytes` of data may be in work, at most the whole budget at once.
    async fn reserve_in_turn(&self, len_bytes: u64) -> Result<Work> {
        let whole = (self.settings.work_bytes / PERMIT_BYTES).clamp(1, u64::from(u32::MAX >> 3));
        let n_permits = len_bytes.div_ceil(PERMIT_BYTES).clamp(1, whole);
        let n_permits = u32::try_from(n_permits).unwrap_or(u32::MAX >> 3);
        let permit = Arc::clone(&self.work).acquire_many_owned(n_permits).await;
        let permit =
            permit.map_err(|cause| Error::internal("the work budget is closed").with_source(cause))?;
        Ok(Work { _permit: Arc::new(permit) })
    }

    async fn find(
        &self,
        manifest: &Arc<Manifest>,
        variable: &Variable,
        form: &ChunkForm,
        index: &[u64],
    ) -> Result<Option<Wanted>> {
        let table = manifest.table(variable).await?;
        self.find_in(&table, manifest, variable, form, index)
    }

    fn find_in(
        &self,
        table: &Arc<ChunkTable>,
        manifest: &Manifest,
        variable: &Variable,
        form: &ChunkForm,
        index: &[u64],
    ) -> Result<Option<Wanted>> {
        let Some(linear) = form.linear(variable, index) else { return Ok(None) };
        let found = if form.is_one_stored_chunk(variable) {
            match table.get(linear) {
                None => None,
                Some(chunk) if form.passes(variable, &chunk.part) => Some(Found::Stored(chunk)),
                Some(chunk) => {
                    let made_of = [Some(chunk)].into_iter();
                    Some(Found::Derived(etag::of_chunks(&manifest.dataset.objects, made_of)))
                }
            }
        } else {
            derive::covering_tag(table, &manifest.dataset.objects, variable, &form.region(variable, index))?
                .map(Found::Derived)
        };
        Ok(match (found, form.absent) {
            (Some(found), _) => Some(Wanted { linear, found }),
            (None, AbsentChunk::Filled) => Some(Wanted { linear, found: Found::Filled }),
            (None, AbsentChunk::Absent) => None,
        })
    }
}

/// Refuses a stored chunk whose length cannot be that of its elements, where no step changes lengths: clients
/// take what they get for data.
fn check_length(variable: &Variable, form: &ChunkForm, chunk: &ChunkRef) -> Result<()> {
    let found = form::passed_len(variable, chunk);
    match form.exact_len() {
        Some(expected) if expected != found => Err(Error::corrupt(format!(
            "a chunk of {:?} has {found} bytes, its elements have {expected}",
            variable.name
        ))),
        _ => Ok(()),
    }
}

/// A part of the work budget, taken until the last of its copies is gone: also when nobody waits any more.
#[derive(Clone)]
struct Work {
    _permit: Arc<OwnedSemaphorePermit>,
}

impl Work {
    /// Bytes that take their part of the budget until they were sent.
    fn hold(self, bytes: Bytes) -> Bytes {
        Bytes::from_owner(Held { bytes, _work: self })
    }
}

struct Held {
    bytes: Bytes,
    _work: Work,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// A number that differs between processes.
fn seed() -> u64 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    RandomState::new().build_hasher().finish()
}

/// A chunk that a client asks for and that exists.
struct Wanted {
    linear: u64,
    found: Found,
}

enum Found {
    /// Its stored bytes are what is wanted.
    Stored(ChunkRef),
    /// It must be derived; a tag of what it is derived from.
    Derived(Tag),
    /// It was never written; the fill is sent.
    Filled,
}

impl Wanted {
    fn tag(&self, manifest: &Manifest, variable: &Variable, form: &ChunkForm) -> Tag {
        let revision = &manifest.revision;
        match &self.found {
            Found::Stored(chunk) => etag::stored(&manifest.dataset.objects, chunk, revision),
            Found::Derived(made_of) => etag::derived(*made_of, revision, variable, self.linear, form),
            Found::Filled => etag::derived(Tag(0), revision, variable, u64::MAX, form),
        }
    }

    /// When the object of the chunk was modified; `None` where several may have changed it.
    fn modified(&self, manifest: &Manifest) -> Option<SystemTime> {
        let objects = &manifest.dataset.objects;
        let only = || objects.first().filter(|_| objects.len() == 1);
        let object = match &self.found {
            Found::Stored(ChunkRef { part: ChunkPart { place: Place::Object(number), .. }, .. }) => {
                objects.get(*number as usize)
            }
            Found::Stored(_) | Found::Derived(_) | Found::Filled => only(),
        };
        etag::modified(object?)
    }
}

#[cfg(test)]
mod tests;
