//! Files that are kept open between reads: positioned reads, each followed by a look at the file's identity.
//!
//! Files are not mapped: a file cut short while it is mapped ends the process with SIGBUS.

use std::fs::{File, Metadata};
use std::io::IoSliceMut;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use quick_cache::sync::Cache;
use rustix::fs::{AtFlags, StatxFlags, statx};
use rustix::io::ReadWriteFlags;
use thermocline_model::{Object, ObjectIdentity};

use super::directory::{broken_link, is_absent, resolve, unreadable};
use super::local::{MAX_IMMEDIATE_BYTES, changed, is_same, mtime_ns, open_file, read_exact};
use super::roots::Root;
use crate::{Error, ErrorKind, Result};

/// How long an open file is taken for the file of its path without looking again.
const PATH_CHECK: Duration = Duration::from_millis(500);

/// How long a file is kept open that nobody reads.
const MAX_IDLE: Duration = Duration::from_secs(60);

/// How often idle files are looked for.
const SWEEP: Duration = Duration::from_secs(10);

/// A file that is kept open between reads.
pub(super) struct OpenFile {
    file: File,
    /// The path by which it was asked for: a link in it may lead elsewhere by now.
    path: PathBuf,
    inode: u64,
    device: u64,
    opened: Instant,
    /// When the path was last seen to name this file, in milliseconds after `opened`.
    path_checked_ms: AtomicU64,
    /// The state in which the file was when the path was checked last.
    seen_mtime_ns: AtomicI64,
    seen_len_bytes: AtomicU64,
}

impl OpenFile {
    /// Opens the file of a path. Blocking.
    ///
    /// # Errors
    /// [`ErrorKind::Lost`] if nothing is there, [`ErrorKind::Refused`] if it lies outside the roots by now.
    pub(super) fn open(roots: &[Root], href: &str) -> Result<Self> {
        let resolved = resolve(roots, href).map_err(|error| match error.kind() {
            // It was inside when it was indexed: nothing that the client asks is wrong.
            ErrorKind::InvalidInput => Error::refused(error.message()),
            _ => error,
        })?;
        let path = resolved.ok_or_else(|| lost(href))?;
        let file = open_file(&path).map_err(|cause| match is_absent(&cause) {
            true => lost(href).with_source(cause),
            false => unreadable(href, cause),
        })?;
        let metadata = file.metadata().map_err(|cause| unreadable(href, cause))?;
        Ok(Self {
            path: PathBuf::from(href),
            inode: metadata.ino(),
            device: metadata.dev(),
            opened: Instant::now(),
            path_checked_ms: AtomicU64::new(0),
            seen_mtime_ns: AtomicI64::new(mtime_ns(&metadata)),
            seen_len_bytes: AtomicU64::new(metadata.len()),
            file,
        })
    }

    /// Bytes of the file in the state of `object`. Blocking.
    pub(super) fn read_checked(&self, object: &Object, offset: u64, len_bytes: usize) -> Result<Bytes> {
        if !self.is_path_fresh() {
            self.check_path(object)?;
        }
        let bytes = read_exact(&self.file, offset, len_bytes);
        // Looked at after the read: what was written before or meanwhile shows in size or time.
        let metadata = self.file.metadata().map_err(|cause| unreadable(&object.href, cause))?;
        if !is_same(object, &metadata) {
            return Err(changed(object));
        }
        bytes.map_err(|cause| unreadable(&object.href, cause))
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
        let ObjectIdentity::Modified { mtime_ns: indexed_ns, inode } = object.identity else { return false };
        object.len_bytes == state.stx_size && indexed_ns == mtime_ns && (inode == 0 || inode == state.stx_ino)
    }

    /// True if the file was seen in the state of `object`, under its path, a moment ago.
    pub(super) fn was_seen(&self, object: &Object) -> bool {
        let ObjectIdentity::Modified { mtime_ns, inode } = object.identity else { return false };
        self.is_path_fresh()
            && (inode == 0 || inode == self.inode)
            && mtime_ns == self.seen_mtime_ns.load(Ordering::Acquire)
            && object.len_bytes == self.seen_len_bytes.load(Ordering::Acquire)
    }

    /// How long nobody has read the file, give or take [`PATH_CHECK`].
    fn idle(&self) -> Duration {
        let checked = self.path_checked_ms.load(Ordering::Acquire);
        Duration::from_millis(self.age_ms().saturating_sub(checked))
    }

    fn age_ms(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn is_path_fresh(&self) -> bool {
        self.idle() < PATH_CHECK
    }

    /// Notices that the path names another file by now.
    fn check_path(&self, object: &Object) -> Result<()> {
        match std::fs::metadata(&self.path) {
            Ok(metadata) if metadata.ino() == self.inode && metadata.dev() == self.device => {
                self.saw(&metadata);
                Ok(())
            }
            Ok(_) => Err(changed(object)),
            Err(cause) if is_absent(&cause) => Err(lost(&object.href)),
            Err(cause) => Err(unreadable(&object.href, cause)),
        }
    }

    fn saw(&self, metadata: &Metadata) {
        self.seen_mtime_ns.store(mtime_ns(metadata), Ordering::Release);
        self.seen_len_bytes.store(metadata.len(), Ordering::Release);
        self.path_checked_ms.store(self.age_ms(), Ordering::Release);
    }
}

pub(super) fn lost(href: &str) -> Error {
    let message = match broken_link(href) {
        Some(link) => format!("{href} is gone: the link {} leads nowhere", link.display()),
        None => format!("{href} is gone"),
    };
    Error::new(ErrorKind::Lost, message)
}

/// Files that are kept open, the least recently used closed first.
pub(super) struct OpenFiles {
    files: Cache<String, Arc<OpenFile>>,
    started: Instant,
    /// When idle files were closed last, in milliseconds after `started`.
    swept_ms: AtomicU64,
}

impl OpenFiles {
    pub(super) fn new(max_open_files: u64) -> Self {
        let files = Cache::new(usize::try_from(max_open_files).unwrap_or(usize::MAX));
        Self { files, started: Instant::now(), swept_ms: AtomicU64::new(0) }
    }

    /// Closes files that nobody reads any more: the space of deleted ones is free only then.
    pub(super) fn close_idle(&self) {
        let now_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let swept_ms = self.swept_ms.load(Ordering::Relaxed);
        let is_due = u128::from(now_ms.saturating_sub(swept_ms)) >= SWEEP.as_millis();
        let is_mine =
            || self.swept_ms.compare_exchange(swept_ms, now_ms, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if is_due && is_mine() {
            self.files.retain(|_, file| file.idle() < MAX_IDLE);
        }
    }

    /// The file of a path, if it is open.
    pub(super) fn get(&self, href: &str) -> Option<Arc<OpenFile>> {
        self.files.get(href)
    }

    /// Keeps the file of a path open.
    pub(super) fn keep(&self, href: &str, file: Arc<OpenFile>) {
        self.files.insert(href.to_owned(), file);
    }

    /// Closes the file of a path, so that it is opened anew.
    pub(super) fn forget(&self, href: &str) {
        self.files.remove(href);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_files_are_closed_and_others_stay() {
        let dir = tempfile::tempdir().unwrap();
        let files = OpenFiles::new(8);
        let open = |name: &str, idle: Duration| {
            let path = dir.path().join(name);
            std::fs::write(&path, b"some bytes").unwrap();
            let root = Root::directory(dir.path()).unwrap();
            let mut file = OpenFile::open(&[root], path.to_str().unwrap()).unwrap();
            file.opened = file.opened.checked_sub(idle).unwrap();
            files.keep(name, Arc::new(file));
        };
        open("idle", MAX_IDLE);
        open("busy", Duration::ZERO);

        files.close_idle();
        assert!(files.get("idle").is_some(), "looked for every now and then only");
        let mut files = files;
        files.started = files.started.checked_sub(SWEEP).unwrap();
        files.close_idle();

        assert!(files.get("idle").is_none());
        assert!(files.get("busy").is_some());
    }
}
