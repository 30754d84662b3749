//! The folder of the cache: where the file of a key lies, who may touch it, and what lies there at start.
//!
//! | in the folder | what it is |
//! |---|---|
//! | `lock` | held by the one process that uses the folder |
//! | `objects/3f/3f…-91…` | a landed object under its [`CacheKey`]: complete, checked, on the disk |
//! | `objects/3f/.3f…-91….part` | an object that is landing: as long as the object, with holes |
//! | `objects/3f/.3f…-91….journal` | which of its parts have reached the disk |
//!
//! 256 sub-folders keep 2,000,000 files at some thousands each. Names are hashes; which object a file holds
//! stands in its extended attributes `user.thermocline.{root,path,version}` where the file system has them:
//! `getfattr -d FILE` tells an operator, and [`CacheDir::identify`] adopts files after a database was lost.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use rustix::fs::{FlockOperation, XattrFlags, flock};
use rustix::io::Errno;
use tokio::sync::Notify;

use super::CacheKey;
use crate::clock::Clock;
use crate::cold::{ObjectId, ObjectStatus};
use crate::{Error, ErrorKind, Result};

/// Sub-folder of the objects.
const OBJECTS: &str = "objects";

/// Ends of the names of files that belong to a landing.
const PARTIAL: &str = ".part";
const JOURNAL: &str = ".journal";

/// Extended attributes that name a file's object. Together they fit the 4 KiB that ext4 has for a file unless
/// the path is very long; a file without them is as good, only it cannot be adopted.
const ROOT_ATTRIBUTE: &str = "user.thermocline.root";
const PATH_ATTRIBUTE: &str = "user.thermocline.path";
const VERSION_ATTRIBUTE: &str = "user.thermocline.version";

/// Longest value of an attribute that is read.
const MAX_ATTRIBUTE_BYTES: usize = 8192;

/// The folder of the cache. Cloning gives the same one.
#[derive(Clone)]
pub struct CacheDir {
    shared: Arc<Shared>,
}

struct Shared {
    objects: PathBuf,
    clock: Arc<dyn Clock>,
    /// Keys whose files somebody changes at present.
    claimed: Mutex<HashSet<CacheKey>>,
    released: Notify,
    /// Locked as long as it is open.
    _lock: File,
    #[cfg(test)]
    faults: Mutex<Option<Fault>>,
}

/// What tests do before a step on a file: look at what there is, or let the step fail.
#[cfg(test)]
pub(crate) type Fault = Box<dyn FnMut(FileStep) -> io::Result<()> + Send>;

/// A step on the files of the cache that can fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileStep {
    Open,
    Reserve,
    Write,
    Read,
    Sync,
    Journal,
    Rename,
    SyncFolder,
}

/// What [`CacheDir::scan`] finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// A landed object.
    Landed {
        /// Its key.
        key: CacheKey,
        /// Its size.
        len_bytes: u64,
    },
    /// An object that had not landed completely.
    Partial {
        /// Its key.
        key: CacheKey,
        /// Bytes that it takes on the disk.
        disk_bytes: u64,
    },
    /// A journal; it may be left over from a landing that came to its end.
    Journal {
        /// Its key.
        key: CacheKey,
    },
}

impl Found {
    /// Its key.
    pub fn key(&self) -> &CacheKey {
        match self {
            Self::Landed { key, .. } | Self::Partial { key, .. } | Self::Journal { key } => key,
        }
    }
}

/// Which object a landed file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identified {
    /// The object.
    pub id: ObjectId,
    /// Its version.
    pub version: String,
    /// Its size.
    pub len_bytes: u64,
}

impl CacheDir {
    /// Opens or makes the folder, for this process alone. Blocking.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] if it cannot be made or written, or another process uses it.
    pub fn open(folder: &Path, clock: Arc<dyn Clock>) -> Result<Self> {
        let objects = folder.join(OBJECTS);
        let broken = |cause| unusable(folder, "cannot be made").with_source(cause);
        let is_new = !objects.join("ff").is_dir();
        std::fs::create_dir_all(&objects).map_err(broken)?;
        if is_new {
            for number in 0..=u8::MAX {
                std::fs::create_dir_all(objects.join(format!("{number:02x}"))).map_err(broken)?;
            }
            sync_folder(&objects).and_then(|()| sync_folder(folder)).map_err(broken)?;
        }
        let lock = File::options().create(true).truncate(false).write(true).open(folder.join("lock"));
        let lock = lock.map_err(broken)?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Err(unusable(folder, "is in use by another process")),
            Err(cause) => {
                tracing::warn!(folder = %folder.display(), error = %cause, "cache folder cannot be locked")
            }
        }
        let shared = Shared {
            objects,
            clock,
            claimed: Mutex::default(),
            released: Notify::new(),
            _lock: lock,
            #[cfg(test)]
            faults: Mutex::default(),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Path of the landed file of a key, whether there is one or not.
    pub fn path(&self, key: &CacheKey) -> PathBuf {
        self.folder(key).join(key.to_string())
    }

    /// Bytes that the file system has left for this process. Blocking.
    ///
    /// # Errors
    /// A file system that does not answer.
    pub fn free_bytes(&self) -> Result<u64> {
        let space = rustix::fs::statvfs(&self.shared.objects).map_err(|cause| {
            unusable(&self.shared.objects, "cannot be asked for its space").with_source(cause)
        })?;
        Ok(space.f_bavail.saturating_mul(space.f_frsize))
    }

    /// Visits all that lies in the cache, one sub-folder after the other; nothing is kept in memory. What is
    /// no file of this cache is passed over. Blocking.
    ///
    /// # Errors
    /// A folder that cannot be read.
    pub fn scan(&self, mut visit: impl FnMut(Found)) -> Result<()> {
        for number in 0..=u8::MAX {
            let folder = self.shared.objects.join(format!("{number:02x}"));
            let broken = |cause| unusable(&folder, "cannot be listed").with_source(cause);
            for entry in std::fs::read_dir(&folder).map_err(broken)? {
                let entry = entry.map_err(broken)?;
                if let Some(found) = found(&entry).map_err(broken)? {
                    visit(found);
                }
            }
        }
        Ok(())
    }

    /// Objects of which a folder holds a copy, by [`CacheKey::object`]. The folder may be another process's; nothing
    /// of it is claimed or changed. What is no folder of a cache holds none. Blocking.
    pub fn landed_in(folder: &Path) -> HashSet<[u8; 16]> {
        let folders = (0..=u8::MAX).map(|number| folder.join(OBJECTS).join(format!("{number:02x}")));
        let entries = folders.filter_map(|folder| std::fs::read_dir(folder).ok()).flatten().flatten();
        let key = |entry: std::fs::DirEntry| CacheKey::parse(entry.file_name().to_str()?);
        entries.filter_map(key).map(|key| key.object()).collect()
    }

    /// Which object a landed file holds, by its extended attributes; `None` if they are missing or are not
    /// those of the file's name. Blocking.
    pub fn identify(&self, key: &CacheKey) -> Option<Identified> {
        let path = self.path(key);
        let len_bytes = std::fs::symlink_metadata(&path).ok().filter(std::fs::Metadata::is_file)?.len();
        let attribute = |name: &str| {
            let mut value = vec![0; MAX_ATTRIBUTE_BYTES];
            let n_bytes = rustix::fs::getxattr(&path, name, value.as_mut_slice()).ok()?;
            value.truncate(n_bytes);
            String::from_utf8(value).ok()
        };
        let id = ObjectId::new(attribute(ROOT_ATTRIBUTE)?, &attribute(PATH_ATTRIBUTE)?).ok()?;
        let version = attribute(VERSION_ATTRIBUTE)?;
        let is_of_key = CacheKey::new(&id, &version, len_bytes) == *key;
        is_of_key.then_some(Identified { id, version, len_bytes })
    }

    /// Removes whatever there is of a key: its file, and what a landing left. Waits for a landing of the key
    /// to end. A file that is open can be read to its end by who has opened it.
    ///
    /// # Errors
    /// A disk that fails.
    pub async fn remove(&self, key: CacheKey) -> Result<()> {
        let claim = self.claim(key).await;
        let dir = self.clone();
        crate::manifest::blocking(move || {
            let removed = dir.discard_partial(&key).and_then(|()| remove_file(&dir.path(&key)));
            drop(claim);
            removed.map_err(|cause| unusable(&dir.path(&key), "cannot be removed").with_source(cause))
        })
        .await
    }

    pub(crate) fn clock(&self) -> &Arc<dyn Clock> {
        &self.shared.clock
    }

    /// Waits until nobody else changes the files of a key. Work that was begun on the blocking pool goes on
    /// when the future that began it is dropped: it keeps the claim until it has ended.
    pub(crate) async fn claim(&self, key: CacheKey) -> Claim {
        loop {
            // Registered before the look: a release in between is not missed.
            let mut released = std::pin::pin!(self.shared.released.notified());
            released.as_mut().enable();
            if self.shared.claimed.lock().insert(key) {
                return Claim { dir: self.clone(), key };
            }
            released.await;
        }
    }

    pub(crate) fn partial_path(&self, key: &CacheKey) -> PathBuf {
        self.folder(key).join(format!(".{key}{PARTIAL}"))
    }

    pub(crate) fn journal_path(&self, key: &CacheKey) -> PathBuf {
        self.folder(key).join(format!(".{key}{JOURNAL}"))
    }

    pub(crate) fn folder(&self, key: &CacheKey) -> PathBuf {
        self.shared.objects.join(format!("{:02x}", key.folder()))
    }

    /// Removes a file that a scan found. Blocking, and only while nothing lands.
    pub(super) fn remove_found(&self, found: &Found) -> Result<()> {
        let path = match found {
            Found::Landed { key, .. } => self.path(key),
            Found::Partial { key, .. } => self.partial_path(key),
            Found::Journal { key } => self.journal_path(key),
        };
        remove_file(&path).map_err(|cause| unusable(&path, "cannot be removed").with_source(cause))
    }

    /// Removes what a landing left of a key. Blocking; the caller holds the claim.
    pub(crate) fn discard_partial(&self, key: &CacheKey) -> io::Result<()> {
        // The journal goes first: without it nothing of the other file counts as done.
        remove_file(&self.journal_path(key))?;
        remove_file(&self.partial_path(key))
    }

    /// Asked before each step on a file, so that tests can let it fail.
    pub(crate) fn before(&self, step: FileStep) -> io::Result<()> {
        #[cfg(test)]
        if let Some(fault) = self.shared.faults.lock().as_mut() {
            return fault(step);
        }
        let _ = step;
        Ok(())
    }

    #[cfg(test)]
    pub(crate) fn inject(&self, fault: Fault) {
        *self.shared.faults.lock() = Some(fault);
    }
}

/// The right to change the files of a key.
pub(crate) struct Claim {
    dir: CacheDir,
    key: CacheKey,
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.dir.shared.claimed.lock().remove(&self.key);
        self.dir.shared.released.notify_waiters();
    }
}

/// Writes down which object a file holds, where the file system can.
pub(crate) fn label(file: &File, id: &ObjectId, status: &ObjectStatus) {
    let attributes =
        [(ROOT_ATTRIBUTE, id.root()), (PATH_ATTRIBUTE, id.path()), (VERSION_ATTRIBUTE, &status.version)];
    for (name, value) in attributes {
        if rustix::fs::fsetxattr(file, name, value.as_bytes(), XattrFlags::empty()).is_err() {
            return;
        }
    }
}

/// Makes the names in a folder durable.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Removes a file; one that is not there is fine.
pub(crate) fn remove_file(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(cause),
        _ => Ok(()),
    }
}

fn found(entry: &std::fs::DirEntry) -> io::Result<Option<Found>> {
    let name = entry.file_name();
    let Some(name) = name.to_str() else { return Ok(None) };
    if let Some(key) = CacheKey::parse(name) {
        let state = state(entry)?;
        return Ok(state.map(|state| Found::Landed { key, len_bytes: state.len() }));
    }
    let Some(hidden) = name.strip_prefix('.') else { return Ok(None) };
    if let Some(key) = hidden.strip_suffix(PARTIAL).and_then(CacheKey::parse) {
        let state = state(entry)?;
        return Ok(state.map(|state| Found::Partial { key, disk_bytes: state.blocks().saturating_mul(512) }));
    }
    Ok(hidden.strip_suffix(JOURNAL).and_then(CacheKey::parse).map(|key| Found::Journal { key }))
}

/// Size of a file; `None` if it is none, or none any more.
fn state(entry: &std::fs::DirEntry) -> io::Result<Option<std::fs::Metadata>> {
    match entry.metadata() {
        Ok(metadata) => Ok(metadata.is_file().then_some(metadata)),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(cause),
    }
}

fn unusable(path: &Path, what: &str) -> Error {
    let kind = ErrorKind::Unavailable { retry_after: std::time::Duration::from_secs(60) };
    Error::new(kind, format!("the cache at {} {what}", path.display()))
}
