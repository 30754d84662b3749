//! Files on cold stores: read only where and while they are online.
//!
//! A stub of such a file has its size and its time, and reads as zeros, or blocks for hours. So whoever reads
//! asks first where the bytes are. What came online in place may be released at any time: it is asked after each
//! read again, and what was read is dropped if the file is not online any more or was exchanged meanwhile.
//!
//! Object stores refuse to read what is cold: there nobody is asked, and a refusal is what makes an object cold.
//!
//! The inode is no part of the identity of such a file: a recall may put a new file in place of the stub.

mod read;

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use quick_cache::sync::Cache;
use thermocline_model::{Object, ObjectIdentity};

use super::directory::{is_absent, resolve, unreadable};
use super::local::{changed, mtime_ns, object, open_file, read_exact, settled};
use super::open_files::lost;
use super::remote::is_cold_refusal;
use super::residency::Residency;
use super::roots::Root;
use read::{Here, Tie};

use crate::format::{LocalState, ReadAt};
use crate::staging::{CopyGuard, Presence};
use crate::{Error, ErrorKind, Result};
pub(super) use read::Steps;

/// How long a file that was seen in a state is taken to be in it.
const SEEN_FOR: Duration = Duration::from_millis(500);

/// Most files whose states are remembered.
const MAX_SEEN: usize = 4096;

/// How often a read is repeated of a file that is exchanged meanwhile.
const MAX_TRIES: usize = 4;

/// Files below roots that are bound to cold stores.
pub(super) struct ColdFiles {
    residency: Arc<dyn Residency>,
    seen: Cache<String, Seen>,
    /// The copies that were compared with the archive, by address.
    ties: Cache<String, Tie>,
}

/// A state in which a file was seen in the archive.
#[derive(Debug, Clone, Copy)]
struct Seen {
    mtime_ns: i64,
    len_bytes: u64,
    at: Instant,
}

/// A file of a cold store.
#[derive(Debug, Clone)]
pub(super) struct ColdName {
    /// By which the store knows it.
    pub(super) name: Arc<str>,
    /// Where it lies without links, if the archive answers.
    path: Option<PathBuf>,
}

impl ColdFiles {
    pub(super) fn new(residency: Arc<dyn Residency>) -> Self {
        Self { residency, seen: Cache::new(MAX_SEEN), ties: Cache::new(MAX_SEEN) }
    }

    /// True if an address itself lies below a bound root. A path may lead there by a link all the same.
    pub(super) fn is_bound(&self, href: &str) -> bool {
        self.residency.is_bound(href)
    }

    /// The file of a cold store that a path of this machine names, directly or by links; `Ok(None)` if it names
    /// something else, or nothing.
    ///
    /// # Errors
    /// Those of [`resolve`].
    pub(super) fn find(&self, roots: &[Root], href: &str) -> Result<Option<ColdName>> {
        let path = match resolve(roots, href) {
            Ok(Some(path)) => path,
            Ok(None) => return Ok(None),
            // A copy in the cache can be read while the archive is away.
            Err(error) if matches!(error.kind(), ErrorKind::Unavailable { .. }) && self.is_bound(href) => {
                return Ok(Some(ColdName { name: href.into(), path: None }));
            }
            Err(error) => return Err(error),
        };
        Ok(self.name_of(roots, href, &path).map(|name| ColdName { name, path: Some(path) }))
    }

    /// By which name a store knows a file: where it really lies counts before how it was called, so that
    /// links to one file cause one recall.
    pub(super) fn name_of(&self, roots: &[Root], href: &str, path: &Path) -> Option<Arc<str>> {
        let declared = roots.iter().filter_map(Root::as_directory).filter_map(|root| root.as_declared(path));
        let declared: Vec<PathBuf> = declared.collect();
        let real = declared.iter().map(PathBuf::as_path).chain([path]).filter_map(Path::to_str);
        let named = real.chain([href]).find(|name| self.is_bound(name));
        named.map(Arc::from)
    }

    /// True for an object of a store that is known to be online at this moment.
    pub(super) fn is_known_online(&self, href: &str) -> bool {
        self.residency.known_locality(href).is_online()
    }

    /// True if the store of an object itself refuses to read what is cold: it is read without asking.
    pub(super) fn refuses_cold_reads(&self, href: &str) -> bool {
        self.residency.refuses_cold_reads(href)
    }

    /// The error of a read that failed. If the store refused because the object is cold, it has to be recalled, and
    /// that it was seen online counts no more.
    pub(super) fn refused(&self, href: &str, error: Error) -> Error {
        if !is_cold_refusal(&error) {
            return error;
        }
        self.residency.doubt(href);
        Error::needs_staging(vec![href.into()])
    }

    /// Refuses an object of a store that has to be recalled.
    ///
    /// # Errors
    /// Those of [`check_online`].
    pub(super) async fn check_online(&self, href: &str) -> Result<()> {
        check_online(href, self.residency.presence(href).await)
    }

    /// Refuses an object of a store that has to be recalled, after it was read.
    ///
    /// # Errors
    /// Those of [`check_online`].
    pub(super) async fn check_was_online(&self, href: &str) -> Result<()> {
        check_online(href, self.residency.presence_now(href).await)
    }

    /// True if the file was seen in the archive in this very state a moment ago.
    pub(super) fn was_seen(&self, object: &Object) -> bool {
        let ObjectIdentity::Modified { mtime_ns, .. } = object.identity else { return false };
        let seen = self.seen.get(&object.href);
        seen.is_some_and(|seen| {
            seen.at.elapsed() < SEEN_FOR && seen.mtime_ns == mtime_ns && seen.len_bytes == object.len_bytes
        })
    }

    fn saw(&self, object: &Object, metadata: &Metadata) {
        let seen = Seen { mtime_ns: mtime_ns(metadata), len_bytes: metadata.len(), at: Instant::now() };
        self.seen.insert(object.href.clone(), seen);
    }
}

/// What changes when a file is made cold, recalled or exchanged.
fn stamp(metadata: &Metadata) -> [i64; 8] {
    let (number, blocks) = (metadata.ino().cast_signed(), metadata.blocks().cast_signed());
    let changed = [metadata.ctime(), metadata.ctime_nsec()];
    let modified = [metadata.mtime(), metadata.mtime_nsec()];
    let (device, len) = (metadata.dev().cast_signed(), metadata.len().cast_signed());
    [device, number, len, blocks, changed[0], changed[1], modified[0], modified[1]]
}

/// True if size and time are those of `object`, whatever the inode is.
fn is_same_state(object: &Object, metadata: &Metadata) -> bool {
    let ObjectIdentity::Modified { mtime_ns: indexed_ns, .. } = object.identity else { return false };
    object.len_bytes == metadata.len() && indexed_ns == mtime_ns(metadata)
}

fn needs_staging(cold: &ColdName) -> Error {
    Error::needs_staging(vec![Arc::clone(&cold.name)])
}

fn disagree(cold: &ColdName) -> Error {
    Error::internal(format!("{} lies on a cold store that does not know it", cold.name))
}

fn away(href: &str) -> Error {
    let kind = ErrorKind::Unavailable { retry_after: Duration::from_secs(10) };
    Error::new(kind, format!("cannot read {href}: its archive does not answer"))
}

fn exchanged(object: &Object) -> Error {
    let kind = ErrorKind::Unavailable { retry_after: Duration::from_secs(5) };
    Error::new(kind, format!("{} is exchanged all the time while it is read", object.href))
}

/// A file of a cold store, opened for indexing or decoding: that it exists can be told at once, its bytes
/// only while it is online.
///
/// It keeps no file open: formats keep objects between calls, and nothing could be evicted then.
pub(super) struct ColdObject {
    object: Object,
    cold: ColdName,
    files: Arc<ColdFiles>,
    /// Where libraries may open the file, and what keeps it there as long as this object lives.
    lent: OnceLock<Option<Lent>>,
}

/// A path that was given out.
struct Lent {
    path: PathBuf,
    guard: Option<CopyGuard>,
}

impl ColdObject {
    /// The file as it is in the archive now; nothing of it is read.
    ///
    /// # Errors
    /// Those of every other file.
    pub(super) fn open(
        files: &Arc<ColdFiles>,
        cold: ColdName,
        href: &str,
        settled_after: Duration,
    ) -> Result<Self> {
        let path = cold.path.as_deref().ok_or_else(|| away(href))?;
        let metadata = settled(|| std::fs::metadata(path), href, settled_after)?;
        if !metadata.is_file() {
            return Err(Error::not_found(format!("{href} is not a file")));
        }
        let object = without_inode(object(href, &metadata));
        Ok(Self { object, cold, files: Arc::clone(files), lent: OnceLock::new() })
    }

    /// What the file system says of the file in place, if it is online.
    fn seen_in_place(&self) -> Option<[i64; 8]> {
        let path = self.cold.path.as_deref()?;
        let metadata = std::fs::metadata(path).ok().filter(|found| is_same_state(&self.object, found))?;
        // Asked for last: what was seen before was the file, and no stub.
        match wait(self.files.residency.presence_now(&self.cold.name)) {
            Ok(Presence::Online { guard: None, .. }) => Some(stamp(&metadata)),
            Ok(_) | Err(_) => None,
        }
    }

    fn lend(&self) -> Option<Lent> {
        match wait(self.files.residency.presence(&self.cold.name)).ok()? {
            Presence::Unbound | Presence::Cold => None,
            Presence::Online { path, guard: Some(copy) } => {
                wait(self.files.check_copy(&self.cold, &self.object, &copy, &Here)).ok()?;
                self.files.open_copy(&self.cold, &self.object, &path, &copy).ok()?;
                Some(Lent { path, guard: Some(copy) })
            }
            Presence::Online { guard: None, .. } => Some(Lent { path: self.cold.path.clone()?, guard: None }),
        }
    }
}

impl ReadAt for ColdObject {
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
        wait(self.files.read(&self.cold, &self.object, (offset, len_bytes), &Here))
    }

    /// Of a file that is not online there is none: a library would read the stub.
    fn local_path(&self) -> Option<&Path> {
        self.lent.get_or_init(|| self.lend()).as_ref().map(|lent| lent.path.as_path())
    }

    /// A copy in the cache is held, a file in place is not.
    fn local_state(&self) -> Option<LocalState> {
        match self.lent.get()? {
            Some(Lent { guard: None, .. }) => {
                Some(LocalState { name: Arc::clone(&self.cold.name), seen: self.seen_in_place() })
            }
            Some(Lent { guard: Some(_), .. }) | None => None,
        }
    }
}

/// An object as it is on a cold store: a recall may give it another inode.
pub(super) fn without_inode(mut object: Object) -> Object {
    if let ObjectIdentity::Modified { inode, .. } = &mut object.identity {
        *inode = 0;
    }
    object
}

/// True if two looks at an object show one state. An inode counts only if both have one: when a root is bound
/// to a cold store, or is not any more, what was indexed before stays valid.
pub fn is_same_object(a: &Object, b: &Object) -> bool {
    if a.href != b.href || a.len_bytes != b.len_bytes {
        return false;
    }
    match (&a.identity, &b.identity) {
        (
            ObjectIdentity::Modified { mtime_ns: a_ns, inode: a_inode },
            ObjectIdentity::Modified { mtime_ns: b_ns, inode: b_inode },
        ) => a_ns == b_ns && (a_inode == b_inode || *a_inode == 0 || *b_inode == 0),
        (a, b) => a == b,
    }
}

/// Refuses an object of a store that has to be recalled.
///
/// # Errors
/// [`ErrorKind::NotStaged`] if it has to be recalled, and what the residency says.
fn check_online(href: &str, presence: Result<Presence>) -> Result<()> {
    match presence? {
        Presence::Unbound | Presence::Online { guard: None, .. } => Ok(()),
        Presence::Cold => Err(Error::needs_staging(vec![href.into()])),
        // Stores name states by tags, which a file in the cache does not have.
        Presence::Online { guard: Some(_), .. } => Err(Error::internal(format!(
            "the copy of {href} in the cache cannot be compared with the object"
        ))),
    }
}

/// Reads of an object in a store, each with a look at whether it is online before and after, unless the store itself
/// refuses to read what is cold.
pub(super) struct GatedRemote<T> {
    inner: T,
    cold: Arc<ColdFiles>,
}

impl<T> GatedRemote<T> {
    pub(super) fn new(inner: T, cold: &Arc<ColdFiles>) -> Self {
        Self { inner, cold: Arc::clone(cold) }
    }
}

impl<T: ReadAt> ReadAt for GatedRemote<T> {
    fn object(&self) -> &Object {
        self.inner.object()
    }

    fn read_at(&self, offset: u64, len_bytes: usize) -> Result<Bytes> {
        let href = &self.inner.object().href;
        if self.cold.refuses_cold_reads(href) {
            let read = self.inner.read_at(offset, len_bytes);
            return read.map_err(|error| self.cold.refused(href, error));
        }
        wait(self.cold.check_online(href))?;
        let bytes = self.inner.read_at(offset, len_bytes)?;
        wait(self.cold.check_was_online(href))?;
        Ok(bytes)
    }

    fn local_path(&self) -> Option<&Path> {
        None
    }
}

/// Waits on a thread that may block for what is done elsewhere.
fn wait<T>(work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    let waker = Waker::from(Arc::new(Waiting(std::thread::current())));
    loop {
        match work.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(outcome) => return outcome,
            Poll::Pending => std::thread::park(),
        }
    }
}

/// A thread that waits.
struct Waiting(Thread);

impl Wake for Waiting {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
