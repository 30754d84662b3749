//! The file of an object that is landing, and its journal. All of it blocks.

use std::fs::{File, Metadata};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;
use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;

use super::failure::LandFailure;
use super::journal;
use super::parts::{Done, Part};
use crate::cold::{ObjectId, ObjectStatus};
use crate::staging::cache::{CacheDir, CacheKey, Claim, FileStep, Stamp, label, remove_file, sync_folder};

/// An object in the cache: complete, checked, on the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Landed {
    /// Its key in the cache.
    pub key: CacheKey,
    /// Its file.
    pub path: PathBuf,
    /// Its size.
    pub len_bytes: u64,
    /// When the file was changed last, in nanoseconds since 1970: see [`crate::staging::cache::Stamp`].
    pub mtime_ns: i64,
    /// Number of the file in its file system.
    pub inode: u64,
}

/// What there is of an object at the start of a landing.
pub(super) enum Opened {
    /// All: an earlier landing came to its end, and whoever waited for it did not learn of it.
    Landed(Landed),
    /// Some of it, or nothing.
    Partial(Arc<PartialFile>, Done),
}

/// The file of an object that is landing.
pub(super) struct PartialFile {
    dir: CacheDir,
    key: CacheKey,
    /// The object, for messages.
    object: ObjectId,
    len_bytes: u64,
    file: File,
    /// First bytes of the journal.
    head: Vec<u8>,
    journal: Mutex<Journal>,
    /// Kept as long as anything works on the file.
    _claim: Arc<Claim>,
}

enum Journal {
    /// It is made with the first record: an object of one part needs none.
    None,
    Open(File),
    /// Nothing is written down any more: work that was begun in the pool may end after the landing has.
    Closed,
}

impl PartialFile {
    /// Opens what there is of an object, and takes the space for the rest.
    pub(super) fn open(
        dir: &CacheDir,
        object: &ObjectId,
        status: &ObjectStatus,
        claim: Arc<Claim>,
    ) -> Result<Opened, LandFailure> {
        let key = CacheKey::new(object, &status.version, status.len_bytes);
        let stamp = Stamp::of(&status.version, status.len_bytes);
        let opened = if let Some(landed) = landed(dir, &key, stamp) {
            Ok(Opened::Landed(landed))
        } else {
            Self::open_partial(dir, key, object, status.len_bytes, claim)
        };
        opened.map_err(|cause| LandFailure::of_disk(cause, "take the space", object))
    }

    fn open_partial(
        dir: &CacheDir,
        key: CacheKey,
        object: &ObjectId,
        len_bytes: u64,
        claim: Arc<Claim>,
    ) -> io::Result<Opened> {
        dir.before(FileStep::Open)?;
        let path = dir.partial_path(&key);
        let file = File::options().read(true).write(true).create(true).truncate(false).open(path)?;
        let head = journal::head(&key.to_string());
        let journal = dir.journal_path(&key);
        let (journal, done) = match File::options().read(true).append(true).open(&journal) {
            Ok(journal) if file.metadata()?.len() == len_bytes => {
                let (journal, done) = resume(journal, &head, len_bytes)?;
                (Journal::Open(journal), done)
            }
            Ok(_) => {
                remove_file(&journal)?;
                (Journal::None, Done::default())
            }
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => (Journal::None, Done::default()),
            Err(cause) => return Err(cause),
        };
        let partial = Self {
            dir: dir.clone(),
            key,
            object: object.clone(),
            len_bytes,
            file,
            head,
            journal: Mutex::new(journal),
            _claim: claim,
        };
        if let Err(cause) = partial.reserve() {
            // Nothing has been read yet that would be lost, and what was taken is wanted elsewhere.
            if done.len_bytes() == 0 {
                dir.discard_partial(&key)?;
            }
            return Err(cause);
        }
        Ok(Opened::Partial(Arc::new(partial), done))
    }

    /// Takes the space of the whole object, so that a full disk shows before anything is read.
    fn reserve(&self) -> io::Result<()> {
        self.dir.before(FileStep::Reserve)?;
        if self.len_bytes > 0 {
            match fallocate(&self.file, FallocateFlags::empty(), 0, self.len_bytes) {
                // A file system that cannot: its free space decides, as far as it can be told.
                Err(Errno::OPNOTSUPP | Errno::NOSYS) => {
                    let free = rustix::fs::fstatvfs(&self.file)?;
                    let taken = self.file.metadata()?.blocks().saturating_mul(512);
                    if free.f_bavail.saturating_mul(free.f_frsize) < self.len_bytes.saturating_sub(taken) {
                        return Err(Errno::NOSPC.into());
                    }
                }
                answer => answer?,
            }
        }
        self.file.set_len(self.len_bytes)
    }

    /// Writes the bytes of a part.
    pub(super) fn write(&self, offset: u64, bytes: &[u8]) -> Result<Part, LandFailure> {
        self.dir
            .before(FileStep::Write)
            .and_then(|()| self.file.write_all_at(bytes, offset))
            .map_err(|cause| self.failure(cause, "write bytes"))?;
        Ok(Part { range: offset..offset + bytes.len() as u64, crc32c: crc32c::crc32c(bytes) })
    }

    /// True if the file has the bytes of a part that the journal names.
    pub(super) fn has(&self, part: &Part) -> Result<bool, LandFailure> {
        self.read(part).map_err(|cause| self.failure(cause, "read bytes"))
    }

    fn read(&self, part: &Part) -> io::Result<bool> {
        self.dir.before(FileStep::Read)?;
        let mut buffer = vec![0; 1 << 20];
        let (mut at, mut checksum) = (part.range.start, 0);
        while at < part.range.end {
            let rest = usize::try_from(part.range.end - at).unwrap_or(usize::MAX);
            let n_bytes = rest.min(buffer.len());
            let Some(bytes) = buffer.get_mut(..n_bytes) else { break };
            self.file.read_exact_at(bytes, at)?;
            checksum = crc32c::crc32c_append(checksum, bytes);
            at += n_bytes as u64;
        }
        Ok(checksum == part.crc32c)
    }

    /// Applies `work` to the file, for reading.
    pub(super) fn read_with<T>(&self, work: impl FnOnce(&File) -> io::Result<T>) -> Result<T, LandFailure> {
        let read = self.dir.before(FileStep::Read).and_then(|()| work(&self.file));
        read.map_err(|cause| self.failure(cause, "read bytes"))
    }

    /// Flushes the file, then writes down that these parts are on the disk.
    pub(super) fn commit(&self, parts: &[Part]) -> Result<(), LandFailure> {
        self.flush().and_then(|()| self.append(parts)).map_err(|cause| self.failure(cause, "flush bytes"))
    }

    fn flush(&self) -> io::Result<()> {
        self.dir.before(FileStep::Sync)?;
        self.file.sync_data()
    }

    fn append(&self, parts: &[Part]) -> io::Result<()> {
        self.dir.before(FileStep::Journal)?;
        let mut journal = self.journal.lock();
        if let Journal::None = *journal {
            let path = self.dir.journal_path(&self.key);
            *journal = Journal::Open(File::options().append(true).create_new(true).open(path)?);
        }
        let Journal::Open(file) = &mut *journal else { return Ok(()) };
        let mut bytes = Vec::new();
        if file.metadata()?.len() == 0 {
            bytes.extend_from_slice(&self.head);
        }
        bytes.extend(parts.iter().flat_map(|part| journal::record(&self.head, part)));
        file.write_all(&bytes)?;
        file.sync_data()
    }

    /// Forgets what the journal says, and writes down what is there instead.
    pub(super) fn rewrite(&self, parts: &[Part]) -> Result<(), LandFailure> {
        self.forget()
            .and_then(|()| self.append(parts))
            .map_err(|cause| self.failure(cause, "write the journal"))
    }

    fn forget(&self) -> io::Result<()> {
        *self.journal.lock() = Journal::None;
        remove_file(&self.dir.journal_path(&self.key))
    }

    /// Gives the complete, checked file its final name. It is on the disk under that name when this returns.
    pub(super) fn finish(&self, status: &ObjectStatus) -> Result<Landed, LandFailure> {
        self.publish(status).map_err(|cause| self.failure(cause, "write bytes"))
    }

    fn publish(&self, status: &ObjectStatus) -> io::Result<Landed> {
        self.dir.before(FileStep::Sync)?;
        label(&self.file, &self.object, status);
        Stamp::of(&status.version, status.len_bytes).put_on(&self.file)?;
        self.file.sync_all()?;
        self.dir.before(FileStep::Rename)?;
        std::fs::rename(self.dir.partial_path(&self.key), self.dir.path(&self.key))?;
        self.dir.before(FileStep::SyncFolder)?;
        sync_folder(&self.dir.folder(&self.key))?;
        // One that is left over is found by the next scan.
        let _ = remove_file(&self.dir.journal_path(&self.key));
        Ok(of_file(&self.dir, &self.key, &self.file.metadata()?))
    }

    /// Removes the file and its journal.
    pub(super) fn discard(&self) -> Result<(), LandFailure> {
        *self.journal.lock() = Journal::Closed;
        self.dir.discard_partial(&self.key).map_err(|cause| self.failure(cause, "remove bytes"))
    }

    fn failure(&self, cause: io::Error, what: &str) -> LandFailure {
        LandFailure::of_disk(cause, what, &self.object)
    }
}

/// The landed file of a key, if there is one that is as it landed.
fn landed(dir: &CacheDir, key: &CacheKey, stamp: Stamp) -> Option<Landed> {
    let metadata = std::fs::symlink_metadata(dir.path(key)).ok()?;
    stamp.is_on(&metadata).then(|| of_file(dir, key, &metadata))
}

fn of_file(dir: &CacheDir, key: &CacheKey, metadata: &Metadata) -> Landed {
    Landed {
        key: *key,
        path: dir.path(key),
        len_bytes: metadata.len(),
        mtime_ns: metadata.mtime().saturating_mul(1_000_000_000).saturating_add(metadata.mtime_nsec()),
        inode: metadata.ino(),
    }
}

/// Reads a journal and cuts off what is not as it was written, so that new records follow good ones.
fn resume(mut journal: File, head: &[u8], len_bytes: u64) -> io::Result<(File, Done)> {
    let mut bytes = Vec::new();
    (&mut journal).take(journal::MAX_JOURNAL_BYTES).read_to_end(&mut bytes)?;
    let (done, n_good_bytes) = journal::read(&bytes, head, len_bytes);
    if n_good_bytes < journal.metadata()?.len() {
        journal.set_len(n_good_bytes)?;
    }
    Ok((journal, done))
}
