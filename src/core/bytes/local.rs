//! Files of this machine, for indexing: found, opened, listed.

use std::fs::{File, Metadata};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use rustix::buffer::spare_capacity;
use rustix::fs::OFlags;
use thermocline_codec::spare;
use thermocline_model::{Object, ObjectIdentity};
use walkdir::{DirEntry, WalkDir};

use super::directory::{broken_link, is_absent, resolve, unreadable};
use super::roots::Root;
use crate::format::ReadAt;
use crate::{Error, ErrorKind, Result};

/// What a client is told to wait while a changed file is indexed again.
pub(super) const CHANGED: ErrorKind = ErrorKind::Changed { retry_after: Duration::from_secs(2) };

/// Largest range that is read on the caller's thread when the page cache holds it: a copy of this size
/// takes some tens of microseconds.
pub(super) const MAX_IMMEDIATE_BYTES: usize = 128 << 10;

/// How often a file that changes is waited for before it counts as being written.
const MAX_WAITS: usize = 5;

/// The error of an object that is not in the state in which it was indexed.
pub(super) fn changed(object: &Object) -> Error {
    Error::new(CHANGED, format!("{} changed after it was indexed", object.href))
}

fn being_written(href: &str) -> Error {
    Error::new(CHANGED, format!("{href} is being written"))
}

/// Opens a file for reading. A pipe is not waited for.
pub(super) fn open_file(path: &Path) -> std::io::Result<File> {
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or(0);
    File::options().read(true).custom_flags(flags).open(path)
}

/// Exactly `len_bytes` bytes at `offset`, without zeroing the buffer first.
pub(super) fn read_exact(file: &File, offset: u64, len_bytes: usize) -> std::io::Result<Bytes> {
    let is_lent = len_bytes > MAX_IMMEDIATE_BYTES;
    let mut buffer = if is_lent { spare::take_close(len_bytes) } else { Vec::with_capacity(len_bytes) };
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

/// True if a file is in the state of `object`. An inode of 0 is that of an object whose inode was not noted.
pub(super) fn is_same(object: &Object, metadata: &Metadata) -> bool {
    let ObjectIdentity::Modified { mtime_ns: indexed_ns, inode } = object.identity else { return false };
    object.len_bytes == metadata.len()
        && indexed_ns == mtime_ns(metadata)
        && (inode == 0 || inode == metadata.ino())
}

/// When a file was changed last, in nanoseconds since 1970.
pub(super) fn mtime_ns(metadata: &Metadata) -> i64 {
    metadata.mtime().saturating_mul(1_000_000_000).saturating_add(metadata.mtime_nsec())
}

pub(super) fn identity(metadata: &Metadata) -> ObjectIdentity {
    ObjectIdentity::Modified { mtime_ns: mtime_ns(metadata), inode: metadata.ino() }
}

pub(super) fn object(href: &str, metadata: &Metadata) -> Object {
    Object { href: href.to_owned(), len_bytes: metadata.len(), identity: identity(metadata) }
}

/// How long to wait until the next change of a file must show in its time; `None` if it would show now.
///
/// A time far from now says nothing of when the file will be changed next: it would show.
fn unsettled_for(mtime_ns: i64, settled_after: Duration) -> Option<Duration> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now_ns = i64::try_from(now.as_nanos()).unwrap_or(i64::MAX);
    let age = Duration::from_nanos(now_ns.abs_diff(mtime_ns));
    let rest = if now_ns < mtime_ns { settled_after } else { settled_after.saturating_sub(age) };
    (age < settled_after).then_some(rest)
}

/// The state of a file once the next change would show in it; `look` asks for it.
pub(super) fn settled(
    look: impl Fn() -> std::io::Result<Metadata>,
    href: &str,
    settled_after: Duration,
) -> Result<Metadata> {
    for _ in 0..MAX_WAITS {
        let metadata = look().map_err(|cause| match is_absent(&cause) {
            true => absent(href),
            false => unreadable(href, cause),
        })?;
        match unsettled_for(mtime_ns(&metadata), settled_after) {
            Some(wait) if metadata.is_file() => std::thread::sleep(wait),
            _ => return Ok(metadata),
        }
    }
    Err(being_written(href))
}

/// A file opened for indexing.
pub(super) struct LocalObject {
    object: Object,
    path: PathBuf,
    file: File,
}

impl LocalObject {
    pub(super) fn open(roots: &[Root], href: &str, settled_after: Duration) -> Result<Self> {
        let Some(path) = resolve(roots, href)? else { return Err(absent(href)) };
        let file = open_file(&path).map_err(|cause| match is_absent(&cause) {
            true => absent(href).with_source(cause),
            false => unreadable(href, cause),
        })?;
        let metadata = settled(|| file.metadata(), href, settled_after)?;
        if !metadata.is_file() {
            return Err(Error::not_found(format!("{href} is not a file")));
        }
        Ok(Self { object: object(href, &metadata), path, file })
    }
}

/// The error of a file that is not there. Behind a link that leads nowhere there is something, which
/// must not be taken for nothing.
pub(super) fn absent(href: &str) -> Error {
    let Some(link) = broken_link(href) else { return Error::not_found(format!("no file {href}")) };
    let kind = ErrorKind::Unavailable { retry_after: Duration::from_secs(60) };
    Error::new(kind, format!("cannot read {href}: the link {} leads nowhere", link.display()))
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
        let bytes = read_exact(&self.file, offset, len_bytes);
        // What is read bit by bit must all be of one state.
        let metadata = self.file.metadata().map_err(|cause| unreadable(&self.object.href, cause))?;
        if !is_same(&self.object, &metadata) {
            return Err(Error::new(CHANGED, format!("{} changed while it was read", self.object.href)));
        }
        bytes.map_err(|cause| unreadable(&self.object.href, cause))
    }

    fn local_path(&self) -> Option<&Path> {
        Some(&self.path)
    }
}

/// Size and identity of the file at a path without links; `Ok(None)` if there is none.
pub(super) fn stat(path: &Path, href: &str) -> Result<Option<Object>> {
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => Ok(Some(object(href, &metadata))),
        Ok(_) => Ok(None),
        Err(cause) if is_absent(&cause) => Ok(None),
        Err(cause) => Err(unreadable(href, cause)),
    }
}

/// All files below a directory (or the file itself), sorted by path.
///
/// # Errors
/// Whatever cannot be read, [`ErrorKind::Refused`] for a link that leads nowhere or out of the roots: a
/// chunk that is not listed would look as if it was never written.
pub(super) fn list(roots: &[Root], href: &str, settled_after: Duration) -> Result<Vec<Object>> {
    if resolve(roots, href)?.is_none() {
        return Err(Error::not_found(format!("no directory {href}")));
    }
    for _ in 0..MAX_WAITS {
        let found = list_now(roots, href)?;
        let waits = found.iter().filter_map(|object| match object.identity {
            ObjectIdentity::Modified { mtime_ns, .. } => unsettled_for(mtime_ns, settled_after),
            ObjectIdentity::ETag(_) => None,
        });
        match waits.max() {
            Some(wait) => std::thread::sleep(wait),
            None => return Ok(found),
        }
    }
    Err(being_written(href))
}

fn list_now(roots: &[Root], href: &str) -> Result<Vec<Object>> {
    let mut found = Vec::new();
    for entry in WalkDir::new(href).follow_links(true).sort_by_file_name() {
        let entry = entry.map_err(|cause| unlisted(href, cause))?;
        if entry.path_is_symlink() {
            check_link(roots, &entry)?;
        }
        let Some(path) = entry.path().to_str() else { continue };
        if entry.file_type().is_file() {
            let metadata = entry.metadata().map_err(|cause| unlisted(href, cause))?;
            found.push(object(path, &metadata));
        }
    }
    Ok(found)
}

fn check_link(roots: &[Root], entry: &DirEntry) -> Result<()> {
    let path = entry.path().to_str().unwrap_or_default();
    match resolve(roots, path) {
        Err(error) if error.kind() == ErrorKind::InvalidInput => Err(Error::refused(format!(
            "the link {} leads out of the declared roots",
            entry.path().display()
        ))),
        other => other.map(|_| ()),
    }
}

fn unlisted(href: &str, cause: walkdir::Error) -> Error {
    let broken = cause.path().and_then(|path| path.to_str()).and_then(broken_link);
    if let Some(link) = broken {
        return Error::refused(format!("the link {} leads nowhere", link.display()));
    }
    let kind = ErrorKind::Unavailable { retry_after: Duration::from_secs(10) };
    Error::new(kind, format!("cannot list {href}")).with_source(cause)
}
