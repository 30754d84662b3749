//! Files of this machine: positioned reads, each followed by a look at the file's identity.
//!
//! Files are not mapped: a file cut short while it is mapped ends the process with SIGBUS.

use std::fs::{File, Metadata};
use std::io::IoSliceMut;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use moka::sync::Cache;
use rustix::buffer::spare_capacity;
use rustix::fs::{AtFlags, StatxFlags, statx};
use rustix::io::ReadWriteFlags;
use thermocline_codec::spare;
use thermocline_model::{Object, ObjectIdentity};

use super::roots::{Root, resolve};
use crate::format::ReadAt;
use crate::{Error, ErrorKind, Result};

/// How long an open file is taken for the file of its path without looking again.
const PATH_CHECK: Duration = Duration::from_millis(500);

/// What a client is told to wait while a changed file is indexed again.
pub(super) const CHANGED: ErrorKind = ErrorKind::Changed { retry_after: Duration::from_secs(2) };

/// Largest range that is read on the caller's thread when the page cache holds it: a copy of this size
/// takes some tens of microseconds.
const MAX_IMMEDIATE_BYTES: usize = 128 << 10;

/// A file that is kept open between reads.
pub(super) struct OpenFile {
    file: File,
    path: PathBuf,
    inode: u64,
    opened: Instant,
    /// When the path was last seen to name this file, in milliseconds after `opened`.
    path_checked_ms: AtomicU64,
    /// The state in which the file was when the path was checked last.
    seen_mtime_ns: AtomicI64,
    seen_len_bytes: AtomicU64,
}

impl OpenFile {
    /// Bytes of the file in the state of `object`. Blocking.
    pub(super) fn read_checked(&self, object: &Object, offset: u64, len_bytes: usize) -> Result<Bytes> {
        if !self.is_path_fresh() {
            self.check_path(object)?;
        }
        let bytes = read_exact(&self.file, offset, len_bytes);
        // Looked at after the read: what was written before or meanwhile shows in size or time.
        let metadata = self.file.metadata().map_err(|cause| unavailable(object, cause))?;
        if !is_same(object, &metadata) {
            return Err(changed(object));
        }
        bytes.map_err(|cause| unavailable(object, cause))
    }

    /// Bytes of the file in the state of `object` if the page cache holds them: never waits for a disk.
    ///
    /// `None` when it cannot be told without waiting, or when anything is not as it should be:
    /// [`OpenFile::read_checked`] finds out.
    pub(super) fn read_now(&self, object: &Object, offset: u64, len_bytes: usize) -> Option<Bytes> {
        if len_bytes > MAX_IMMEDIATE_BYTES || !self.is_path_fresh() {
            return None;
        }
        let mut buffer = vec![0; len_bytes];
        let parts = &mut [IoSliceMut::new(&mut buffer)];
        let n_read = rustix::io::preadv2(&self.file, parts, offset, ReadWriteFlags::NOWAIT).ok()?;
        (n_read == len_bytes && self.is_same_now(object)).then(|| Bytes::from(buffer))
    }

    /// Compares the file's state without asking a file server for it.
    fn is_same_now(&self, object: &Object) -> bool {
        let flags = AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC;
        let wanted = StatxFlags::MTIME | StatxFlags::SIZE | StatxFlags::INO;
        let Ok(state) = statx(&self.file, c"", flags, wanted) else { return false };
        let mtime_ns = state
            .stx_mtime
            .tv_sec
            .saturating_mul(1_000_000_000)
            .saturating_add(i64::from(state.stx_mtime.tv_nsec));
        object.len_bytes == state.stx_size
            && object.identity == ObjectIdentity::Modified { mtime_ns, inode: state.stx_ino }
    }

    /// True if the file was seen in the state of `object`, under its path, a moment ago.
    pub(super) fn was_seen(&self, object: &Object) -> bool {
        let ObjectIdentity::Modified { mtime_ns, inode } = object.identity else { return false };
        self.is_path_fresh()
            && inode == self.inode
            && mtime_ns == self.seen_mtime_ns.load(Ordering::Acquire)
            && object.len_bytes == self.seen_len_bytes.load(Ordering::Acquire)
    }

    fn age_ms(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn is_path_fresh(&self) -> bool {
        let checked = self.path_checked_ms.load(Ordering::Acquire);
        u128::from(self.age_ms().saturating_sub(checked)) < PATH_CHECK.as_millis()
    }

    /// Notices that the path names another file by now.
    fn check_path(&self, object: &Object) -> Result<()> {
        match std::fs::metadata(&self.path) {
            Ok(metadata) if metadata.ino() == self.inode => {
                self.saw(&metadata);
                Ok(())
            }
            Ok(_) => Err(changed(object)),
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => {
                Err(Error::new(ErrorKind::Lost, format!("{} is gone", object.href)))
            }
            Err(cause) => Err(unavailable(object, cause)),
        }
    }

    fn saw(&self, metadata: &Metadata) {
        self.seen_mtime_ns.store(mtime_ns(metadata), Ordering::Release);
        self.seen_len_bytes.store(metadata.len(), Ordering::Release);
        self.path_checked_ms.store(self.age_ms(), Ordering::Release);
    }
}

fn changed(object: &Object) -> Error {
    Error::new(CHANGED, format!("{} changed after it was indexed", object.href))
}

fn unavailable(object: &Object, cause: std::io::Error) -> Error {
    let kind = ErrorKind::Unavailable { retry_after: Duration::from_secs(10) };
    Error::new(kind, format!("cannot read {}", object.href)).with_source(cause)
}

/// Exactly `len_bytes` bytes at `offset`, without zeroing the buffer first.
fn read_exact(file: &File, offset: u64, len_bytes: usize) -> std::io::Result<Bytes> {
    let is_lent = len_bytes > MAX_IMMEDIATE_BYTES;
    let mut buffer = if is_lent { spare::take(len_bytes) } else { Vec::with_capacity(len_bytes) };
    while buffer.len() < len_bytes {
        let n_before = buffer.len();
        match rustix::io::pread(file, spare_capacity(&mut buffer), offset + n_before as u64) {
            Ok(0) => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    // The allocator may give more than was asked for, and the read may have filled it.
    buffer.truncate(len_bytes);
    Ok(if is_lent { Bytes::from_owner(spare::Lent::new(buffer)) } else { Bytes::from(buffer) })
}

/// Files that are kept open, the least recently used closed first.
pub(super) struct OpenFiles {
    files: Cache<String, Arc<OpenFile>>,
}

impl OpenFiles {
    pub(super) fn new(max_open_files: u64) -> Self {
        let files =
            Cache::builder().max_capacity(max_open_files).time_to_idle(Duration::from_secs(60)).build();
        Self { files }
    }

    /// The file of a path, if it is open.
    pub(super) fn get_open(&self, href: &str) -> Option<Arc<OpenFile>> {
        self.files.get(href)
    }

    /// The open file of a path, opened on the blocking pool if it is not open yet.
    pub(super) async fn get(&self, roots: &[Root], href: &str) -> Result<Arc<OpenFile>> {
        if let Some(file) = self.files.get(href) {
            return Ok(file);
        }
        let roots = roots.to_vec();
        let name = href.to_owned();
        let file = crate::manifest::blocking(move || open_file(&roots, &name)).await?;
        let file = Arc::new(file);
        self.files.insert(href.to_owned(), Arc::clone(&file));
        Ok(file)
    }

    /// Closes everything, so that changed files are opened anew.
    pub(super) fn forget_stale(&self) {
        self.files.invalidate_all();
    }
}

fn open_file(roots: &[Root], href: &str) -> Result<OpenFile> {
    let lost = || Error::new(ErrorKind::Lost, format!("{href} is gone"));
    let path = resolve(roots, href)?.ok_or_else(lost)?;
    let file = File::open(&path).map_err(|cause| {
        let kind = ErrorKind::Unavailable { retry_after: Duration::from_secs(10) };
        Error::new(kind, format!("cannot open {href}")).with_source(cause)
    })?;
    let metadata = file.metadata().map_err(|cause| lost().with_source(cause))?;
    Ok(OpenFile {
        path,
        inode: metadata.ino(),
        opened: Instant::now(),
        path_checked_ms: AtomicU64::new(0),
        seen_mtime_ns: AtomicI64::new(mtime_ns(&metadata)),
        seen_len_bytes: AtomicU64::new(metadata.len()),
        file,
    })
}

fn is_same(object: &Object, metadata: &Metadata) -> bool {
    object.len_bytes == metadata.len() && object.identity == identity(metadata)
}

fn mtime_ns(metadata: &Metadata) -> i64 {
    metadata.mtime().saturating_mul(1_000_000_000).saturating_add(metadata.mtime_nsec())
}

fn identity(metadata: &Metadata) -> ObjectIdentity {
    ObjectIdentity::Modified { mtime_ns: mtime_ns(metadata), inode: metadata.ino() }
}

fn object(href: &str, metadata: &Metadata) -> Object {
    Object { href: href.to_owned(), len_bytes: metadata.len(), identity: identity(metadata) }
}

/// A file opened for indexing.
pub(super) struct LocalObject {
    object: Object,
    path: PathBuf,
    file: File,
}

impl LocalObject {
    pub(super) fn open(roots: &[Root], href: &str) -> Result<Self> {
        let absent = || Error::not_found(format!("no file {href}"));
        let path = resolve(roots, href)?.ok_or_else(absent)?;
        let file = File::open(&path).map_err(|cause| absent().with_source(cause))?;
        let metadata = file.metadata().map_err(|cause| absent().with_source(cause))?;
        if !metadata.is_file() {
            return Err(Error::not_found(format!("{href} is not a file")));
        }
        Ok(Self { object: object(href, &metadata), path, file })
    }
}

impl ReadAt for LocalObject {
    fn object(&self) -> &Object {
        &self.object
    }

    fn read_at(&self, offset: u64, len_bytes: usize) -> Result<Bytes> {
        let end = offset.checked_add(len_bytes as u64);
        if end.is_none_or(|end| end > self.object.len_bytes) {
            return Err(Error::corrupt(format!(
                "{} has {} bytes, {len_bytes} bytes at {offset} are asked for",
                self.object.href, self.object.len_bytes
            )));
        }
        read_exact(&self.file, offset, len_bytes).map_err(|cause| unavailable(&self.object, cause))
    }

    fn local_path(&self) -> Option<&Path> {
        Some(&self.path)
    }
}

/// Size and identity of a file; `Ok(None)` if there is none.
pub(super) fn stat(roots: &[Root], href: &str) -> Result<Option<Object>> {
    let Some(path) = resolve(roots, href)? else { return Ok(None) };
    match std::fs::metadata(&path) {
        Ok(metadata) if metadata.is_file() => Ok(Some(object(href, &metadata))),
        Ok(_) => Ok(None),
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(Error::not_found(format!("cannot look at {href}")).with_source(cause)),
    }
}

/// All files below a directory (or the file itself), sorted by path. Links that leave the roots are skipped.
///
/// What cannot be read is an error: a chunk that is not listed would look as if it was never written.
pub(super) fn list(roots: &[Root], href: &str) -> Result<Vec<Object>> {
    if resolve(roots, href)?.is_none() {
        return Err(Error::not_found(format!("no directory {href}")));
    }
    let mut found = Vec::new();
    for entry in walkdir::WalkDir::new(href).follow_links(true).sort_by_file_name() {
        let entry = entry.map_err(|cause| unlisted(href, cause))?;
        let Some(path) = entry.path().to_str() else { continue };
        if !entry.file_type().is_file() {
            continue;
        }
        if entry.path_is_symlink() && resolve(roots, path).is_err() {
            continue;
        }
        let metadata = entry.metadata().map_err(|cause| unlisted(href, cause))?;
        found.push(object(path, &metadata));
    }
    Ok(found)
}

fn unlisted(href: &str, cause: walkdir::Error) -> Error {
    let kind = ErrorKind::Unavailable { retry_after: Duration::from_secs(10) };
    Error::new(kind, format!("cannot list {href}")).with_source(cause)
}
