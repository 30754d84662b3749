//! Chunk tables and inline bytes of one dataset, read from its index file when they are needed.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use thermocline_model::ChunkTable;
use tracing::warn;

use super::check::check_table;
use super::file::{FileError, Header, Inline, Reader, Section};
use super::lru::Lru;
use crate::manifest::ManifestStorage;
use crate::{Error, ErrorKind, Result};

/// Where a file lies and which version it has.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) path: PathBuf,
    pub(super) version: u32,
}

/// What all datasets of an index share, and this one's number among them.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) number: u64,
    pub(super) tables: Arc<Lru<(u64, u32), Arc<ChunkTable>>>,
    pub(super) n_objects: usize,
}

/// The storage of a manifest that came from the index.
#[derive(Debug)]
pub struct IndexedStorage {
    place: Place,
    header: Header,
    tables: Vec<Section>,
    inline: Inline,
    shared: Shared,
    is_stale: AtomicBool,
}

impl IndexedStorage {
    pub(super) fn new(
        place: Place,
        header: Header,
        tables: Vec<Section>,
        inline: Inline,
        shared: Shared,
    ) -> Self {
        Self { place, header, tables, inline, shared, is_stale: AtomicBool::new(false) }
    }

    /// True once the file was found damaged, replaced or gone: the dataset must be loaded again.
    pub fn is_stale(&self) -> bool {
        self.is_stale.load(Ordering::Relaxed)
    }

    /// Opens the file, if it still has the content that the metadata came with.
    fn reader(&self) -> Result<Reader, FileError> {
        let reader = Reader::open(&self.place.path, self.place.version)?;
        if reader.header != self.header {
            return Err(FileError::Replaced);
        }
        Ok(reader)
    }

    fn failed(&self, error: FileError) -> Error {
        if let FileError::Io(cause) = &error
            && cause.kind() != std::io::ErrorKind::NotFound
        {
            return super::unavailable(format!("cannot read the index file {}", self.place.path.display()))
                .with_source(error);
        }
        if matches!(error, FileError::Damaged(_)) {
            self.put_aside();
        }
        if !self.is_stale.swap(true, Ordering::Relaxed) {
            let path = self.place.path.display();
            warn!(%path, %error, "index file is not usable any more, the dataset will be loaded again");
        }
        let kind = ErrorKind::Changed { retry_after: Duration::from_secs(1) };
        Error::new(kind, "the index of the dataset is being loaded again").with_source(error)
    }

    /// Takes a damaged file out of the way: it would be loaded and found damaged again and again.
    fn put_aside(&self) {
        let aside = self.place.path.with_extension("damaged");
        if let Err(error) = std::fs::rename(&self.place.path, &aside)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            warn!(path = %self.place.path.display(), %error, "damaged index file was not put aside");
        }
    }

    fn load_table(&self, number: u32, section: &Section) -> Result<ChunkTable, FileError> {
        let table = self.reader()?.table(section)?;
        check_table(&table, self.shared.n_objects, self.inline.len()).map_err(FileError::Damaged)?;
        tracing::debug!(path = %self.place.path.display(), number, n_chunks = table.len(), "chunk table loaded");
        Ok(table)
    }
}

impl ManifestStorage for IndexedStorage {
    fn table(&self, table: u32) -> Result<Arc<ChunkTable>> {
        if let Some(found) = self.table_in_memory(table) {
            return Ok(found);
        }
        let section = self.tables.get(table as usize);
        let section = section.ok_or_else(|| Error::internal(format!("there is no chunk table {table}")))?;
        let loaded = Arc::new(self.load_table(table, section).map_err(|error| self.failed(error))?);
        let len_bytes = loaded.memory_bytes() + size_of::<ChunkTable>();
        self.shared.tables.insert((self.shared.number, table), Arc::clone(&loaded), len_bytes);
        Ok(loaded)
    }

    fn table_in_memory(&self, table: u32) -> Option<Arc<ChunkTable>> {
        self.shared.tables.get(&(self.shared.number, table))
    }

    fn inline(&self, offset: u64, len_bytes: usize) -> Result<Bytes> {
        if offset.checked_add(len_bytes as u64).is_none_or(|end| end > self.inline.len()) {
            return Err(Error::internal("a chunk lies beyond the inline bytes"));
        }
        self.reader()
            .and_then(|reader| reader.inline(&self.inline, offset, len_bytes))
            .map_err(|error| self.failed(error))
    }
}

impl Drop for IndexedStorage {
    fn drop(&mut self) {
        for table in 0..self.tables.len() as u32 {
            self.shared.tables.remove(&(self.shared.number, table));
        }
    }
}
