//! What is known of every source that was ever indexed, kept on disk.
//!
//! One file for each source, `{dir}/{first two digits}/{SHA-256 of the source's key}.index`, in the
//! layout of `index/file.rs`: written below `{dir}/tmp`, synced, renamed, so that a reader
//! sees the old state or the new one. Directories are not synced: a power cut may bring the old state back,
//! which only means to index the source again, and each sync takes as long as indexing a small file. For the same
//! reason files of sources that can be indexed again at any time are not synced at all: one that a power cut tore
//! is noticed by its checksums. Nothing is held open: a file that was replaced meanwhile is noticed by its header
//! before any byte of it is used.
//!
//! A damaged file counts as absent, an older version is migrated in place, a newer one is left alone
//! until it is written over. Metadata and tables are in memory only while they are used, within the
//! budgets of [`IndexSettings`].

mod check;
mod file;
mod lru;
mod migrate;
pub(crate) mod record;
mod storage;
mod table;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use sha2::{Digest, Sha256};
use thermocline_model::{ChunkTable, Dataset, Object};
use tracing::{info, warn};

use crate::format::Indexed;
use crate::{Error, ErrorKind, Result};
use file::{About, FileError, Reader};
use migrate::Migrations;
use record::{Metadata, Mirror};

pub(crate) use check::check;
pub(crate) use lru::Lru;
pub use storage::IndexedStorage;

/// Version of the files that are written.
pub const VERSION: u32 = 1;

/// Longest reason of a refusal that is kept, in bytes.
const MAX_REASON_BYTES: usize = 4096;

/// Where the index lies, and what it may hold in memory.
#[derive(Debug, Clone)]
pub struct IndexSettings {
    /// Directory of the index.
    pub dir: PathBuf,
    /// Budget of chunk tables in memory, over all datasets, in bytes. The table used last stays even
    /// if it is larger.
    pub table_memory_bytes: usize,
}

impl IndexSettings {
    /// An index in `dir` with the default budget of 128 MiB: about ten million chunks.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into(), table_memory_bytes: 128 << 20 }
    }
}

/// What was indexed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceState {
    /// The object, or for a directory the document by which it was recognised.
    pub object: Object,
    /// For a directory: a hash over names, sizes and identities of everything below it.
    pub listing: Option<[u8; 16]>,
}

/// One source's place in the index, and by what it is to be indexed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexEntry {
    /// What names the source: its kind, its address and the format asked for.
    pub key: String,
    /// The state that was indexed.
    pub source: SourceState,
    /// Id of the format plugin; empty when none recognised the source.
    pub format: String,
    /// [`crate::format::Format::index_version`] of the plugin.
    pub format_version: u32,
    /// How thoroughly it was verified, see [`crate::verify::VerifyLevel`]: larger is more.
    pub verification: u8,
}

/// What the index holds of a source.
#[derive(Debug)]
pub struct Stored {
    /// What was indexed.
    pub entry: IndexEntry,
    /// Version of the program that indexed it.
    pub program: String,
    /// Changes with every bit of the content.
    pub fingerprint: [u8; 16],
    /// The dataset, or why there is none.
    pub outcome: StoredOutcome,
    /// Size of the metadata document, uncompressed, in bytes.
    pub metadata_bytes: usize,
}

/// What indexing said.
#[derive(Debug)]
pub enum StoredOutcome {
    /// The source is a dataset; its tables and inline bytes are read when they are needed.
    Indexed(Dataset, Arc<IndexedStorage>),
    /// The source is refused, with the reason.
    Refused(String),
}

/// Whether a file is on the disk when it is put in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Durability {
    /// It is: to index the source again may take a recall.
    Synced,
    /// It will be: the source can be indexed again.
    Rebuildable,
}

/// What can be said of a source without reading its metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peek {
    /// Not in the index, or not usable.
    Absent,
    /// Indexed.
    Indexed,
    /// Refused.
    Refused,
}

/// The index of all sources. Blocking.
#[derive(Debug)]
pub struct IndexStore {
    dir: PathBuf,
    migrations: Migrations,
    tables: Arc<Lru<(u64, u32), Arc<ChunkTable>>>,
    n_opened: AtomicU64,
}

impl IndexStore {
    /// Opens the index, making its directory if there is none.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] when the directory cannot be made or written to.
    pub fn open(settings: IndexSettings) -> Result<Self> {
        Self::with_migrations(settings, Migrations::built_in())
    }

    fn with_migrations(settings: IndexSettings, migrations: Migrations) -> Result<Self> {
        let tmp = settings.dir.join("tmp");
        fs::create_dir_all(&tmp).map_err(|cause| cannot("make", &tmp, cause))?;
        remove_leftovers(&tmp);
        Ok(Self {
            dir: settings.dir,
            migrations,
            tables: Arc::new(Lru::new(settings.table_memory_bytes)),
            n_opened: AtomicU64::new(0),
        })
    }

    /// Looks at a source's file without reading its metadata.
    pub fn peek(&self, key: &str) -> Peek {
        match Reader::open(&self.path(key), self.migrations.current()) {
            Ok(reader) if reader.header.is_refusal => Peek::Refused,
            Ok(_) => Peek::Indexed,
            // Its content is not known before it is migrated.
            Err(FileError::Version(version)) if self.migrations.can_migrate(version) => Peek::Indexed,
            Err(_) => Peek::Absent,
        }
    }

    /// The fingerprint of a source that is indexed, without reading its metadata; `None` if it is not, if it is refused,
    /// or if an older program wrote it.
    pub fn fingerprint(&self, key: &str) -> Option<[u8; 16]> {
        let reader = Reader::open(&self.path(key), self.migrations.current()).ok()?;
        (!reader.header.is_refusal).then_some(reader.header.fingerprint)
    }

    /// What the index holds of a source; `Ok(None)` if nothing usable.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] when the file cannot be read.
    pub fn load(&self, key: &str) -> Result<Option<Stored>> {
        let path = self.path(key);
        match self.read(&path, key) {
            Ok(stored) => Ok(Some(stored)),
            Err(FileError::Version(version)) if self.migrations.can_migrate(version) => {
                Ok(self.migrate(&path, key, version))
            }
            Err(FileError::Io(error)) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(FileError::Io(cause)) => Err(cannot("read", &path, cause)),
            Err(error) => {
                warn!(path = %path.display(), %error, "index file is not usable, the source will be indexed again");
                Ok(None)
            }
        }
    }

    /// Keeps what indexing said of a source, in place of what was there.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] when tables, objects and inline bytes do not fit together,
    /// [`ErrorKind::Unavailable`] when the file cannot be written.
    pub fn save(&self, entry: &IndexEntry, outcome: Result<&Indexed, &str>) -> Result<()> {
        self.save_as(entry, outcome, Durability::Synced)
    }

    /// The same for a source that can be indexed again at any time: a power cut may lose it.
    ///
    /// # Errors
    /// Those of [`IndexStore::save`].
    pub fn save_rebuildable(&self, entry: &IndexEntry, outcome: Result<&Indexed, &str>) -> Result<()> {
        self.save_as(entry, outcome, Durability::Rebuildable)
    }

    fn save_as(
        &self,
        entry: &IndexEntry,
        outcome: Result<&Indexed, &str>,
        durability: Durability,
    ) -> Result<()> {
        if let Ok(indexed) = outcome {
            check(indexed)?;
        }
        let nothing = Indexed::default();
        let indexed = outcome.unwrap_or(&nothing);
        let metadata = match outcome {
            Ok(indexed) => Metadata::Indexed(Mirror::record(&indexed.dataset)),
            Err(reason) => Metadata::Refused(bounded(reason)),
        };
        self.replace(&self.path(&entry.key), durability, |file| {
            let parts = (indexed.tables.as_slice(), indexed.inline.as_slice());
            file::write(file, self.migrations.current(), about(entry), &metadata, parts).map(|_| ())
        })
    }

    /// Forgets a source.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] when the file cannot be removed.
    pub fn remove(&self, key: &str) -> Result<()> {
        let path = self.path(key);
        match fs::remove_file(&path) {
            Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => Err(cannot("remove", &path, cause)),
            _ => Ok(()),
        }
    }

    /// Bytes of chunk tables in memory.
    pub fn table_memory_bytes(&self) -> usize {
        self.tables.used_bytes()
    }

    /// Where a source's file lies.
    pub fn path(&self, key: &str) -> PathBuf {
        let name = hex(&Sha256::digest(key.as_bytes()));
        self.dir.join(name.get(..2).unwrap_or("00")).join(format!("{name}.index"))
    }

    fn read(&self, path: &Path, key: &str) -> Result<Stored, FileError> {
        let reader = Reader::open(path, self.migrations.current())?;
        let directory = reader.directory()?;
        if directory.about.key != key {
            return Err(FileError::Damaged("it is of another source"));
        }
        let metadata_bytes = directory.metadata.raw_len();
        let outcome = match reader.metadata(&directory.metadata)? {
            Metadata::Refused(reason) => StoredOutcome::Refused(reason),
            Metadata::Indexed(record) => {
                let dataset: Dataset = record.model();
                check::check_tables_exist(&dataset, directory.tables.len())?;
                let storage = IndexedStorage::new(
                    storage::Place { path: path.to_owned(), version: self.migrations.current() },
                    reader.header,
                    directory.tables,
                    directory.inline,
                    storage::Shared {
                        number: self.n_opened.fetch_add(1, Ordering::Relaxed),
                        tables: Arc::clone(&self.tables),
                        n_objects: dataset.objects.len(),
                    },
                );
                StoredOutcome::Indexed(dataset, Arc::new(storage))
            }
        };
        Ok(Stored {
            program: directory.about.program.clone(),
            entry: entry(directory.about),
            fingerprint: reader.header.fingerprint,
            outcome,
            metadata_bytes,
        })
    }

    fn migrate(&self, path: &Path, key: &str, version: u32) -> Option<Stored> {
        let migrated = fs::read(path)
            .map_err(FileError::Io)
            .and_then(|bytes| self.migrations.run(version, bytes))
            .map_err(|error| {
                Error::corrupt(format!("{} does not migrate", path.display())).with_source(error)
            })
            .and_then(|bytes| {
                self.replace(path, Durability::Synced, |file| {
                    Ok(std::io::Write::write_all(&mut &*file, &bytes)?)
                })
            })
            .and_then(|()| {
                self.read(path, key).map_err(|error| Error::corrupt("not readable").with_source(error))
            });
        match migrated {
            Ok(stored) => {
                info!(path = %path.display(), version, "index file migrated");
                Some(stored)
            }
            Err(error) => {
                warn!(path = %path.display(), version, %error, "index file was not migrated, the source will be indexed again");
                None
            }
        }
    }

    /// Writes a file beside its place, and puts it there in one step.
    fn replace(
        &self,
        path: &Path,
        durability: Durability,
        write: impl FnOnce(&File) -> Result<(), FileError>,
    ) -> Result<()> {
        let (tmp, file) = self.create_tmp().map_err(|cause| {
            unavailable(format!("cannot write below {}", self.dir.display())).with_source(cause)
        })?;
        let done = write(&file).and_then(|()| {
            if durability == Durability::Synced {
                file.sync_data()?;
            }
            fs::create_dir_all(path.parent().unwrap_or(&self.dir))?;
            Ok(fs::rename(&tmp, path)?)
        });
        done.map_err(|error| {
            let _ = fs::remove_file(&tmp);
            unavailable(format!("cannot write the index file {}", path.display())).with_source(error)
        })
    }

    /// A new file of a name that nobody has: a process killed while it wrote may have had the same number, as
    /// in a container, where it always is 1.
    fn create_tmp(&self) -> std::io::Result<(PathBuf, File)> {
        static N_WRITTEN: AtomicU64 = AtomicU64::new(0);
        loop {
            let number = N_WRITTEN.fetch_add(1, Ordering::Relaxed);
            let tmp = self.dir.join("tmp").join(format!("{}-{number}", std::process::id()));
            match File::create_new(&tmp) {
                Err(cause) if cause.kind() == std::io::ErrorKind::AlreadyExists => {}
                created => return Ok((tmp, created?)),
            }
        }
    }
}

fn about(entry: &IndexEntry) -> About {
    About {
        key: entry.key.clone(),
        source: Mirror::record(&entry.source.object),
        listing: entry.source.listing,
        format: entry.format.clone(),
        format_version: entry.format_version,
        verification: entry.verification,
        program: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

fn entry(about: About) -> IndexEntry {
    IndexEntry {
        key: about.key,
        source: SourceState { object: about.source.model(), listing: about.listing },
        format: about.format,
        format_version: about.format_version,
        verification: about.verification,
    }
}

fn bounded(reason: &str) -> String {
    let end = (0..=reason.len().min(MAX_REASON_BYTES)).rev().find(|end| reason.is_char_boundary(*end));
    reason.get(..end.unwrap_or(0)).unwrap_or_default().to_owned()
}

/// Files of a writer that was killed; those of a writer at work are younger.
fn remove_leftovers(tmp: &Path) {
    let old = SystemTime::now() - Duration::from_secs(3600);
    for leftover in fs::read_dir(tmp).into_iter().flatten().flatten() {
        let modified = leftover.metadata().and_then(|metadata| metadata.modified());
        if modified.is_ok_and(|modified| modified < old) {
            let _ = fs::remove_file(leftover.path());
        }
    }
}

fn unavailable(message: String) -> Error {
    Error::new(ErrorKind::Unavailable { retry_after: Duration::from_secs(10) }, message)
}

fn cannot(verb: &str, path: &Path, cause: std::io::Error) -> Error {
    unavailable(format!("cannot {verb} {} of the index", path.display())).with_source(cause)
}

/// Bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
