//! Files on cold stores: read only where and while they are online.
//!
//! A stub of such a file has its size and its time, and reads as zeros, or blocks for hours. So whoever reads
//! asks first where the bytes are. What came online in place may be released at any time: it is asked after each
//! read again, and what was read is dropped if the file is not online any more or was exchanged meanwhile.
//!
//! The inode is no part of the identity of such a file: a recall may put a new file in place of the stub.

use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use quick_cache::sync::Cache;
use thermocline_model::{Object, ObjectIdentity};

use super::directory::{is_absent, resolve, unreadable};
use super::local::{changed, mtime_ns, object, open_file, read_exact, settled};
use super::open_files::lost;
use super::residency::Residency;
use super::roots::Root;
use crate::format::{LocalState, ReadAt};
use crate::staging::Presence;
use crate::staging::cache::ReadGuard;
use crate::{Error, ErrorKind, Result};

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
        Self { residency, seen: Cache::new(MAX_SEEN) }
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

    /// Refuses an object of a store that has to be recalled.
    ///
    /// # Errors
    /// Those of [`check_online`].
    pub(super) async fn check_online(&self, href: &str) -> Result<()> {
        let (residency, href) = (Arc::clone(&self.residency), href.to_owned());
        crate::manifest::blocking(move || check_online(residency.as_ref(), &href)).await
    }

    /// True if the file was seen in the archive in this very state a moment ago.
    pub(super) fn was_seen(&self, object: &Object) -> bool {
        let ObjectIdentity::Modified { mtime_ns, .. } = object.identity else { return false };
        let seen = self.seen.get(&object.href);
        seen.is_some_and(|seen| {
            seen.at.elapsed() < SEEN_FOR && seen.mtime_ns == mtime_ns && seen.len_bytes == object.len_bytes
        })
    }

    /// Bytes of a file in the state of `object`. Blocking.
    ///
    /// # Errors
    /// [`ErrorKind::NotStaged`] if it has to be recalled, also when it is made cold while it is read;
    /// [`ErrorKind::Changed`] and [`ErrorKind::Lost`] as for every other file.
    pub(super) fn read(
        &self,
        cold: &ColdName,
        object: &Object,
        (offset, len_bytes): (u64, usize),
    ) -> Result<Bytes> {
        for _ in 0..MAX_TRIES {
            match self.residency.presence(&cold.name)? {
                Presence::Cold => return Err(needs_staging(cold)),
                Presence::Unbound => return Err(disagree(cold)),
                Presence::Online { path, guard: Some(_guard) } => {
                    let copy = self.open_copy(cold, object, &path)?;
                    return read_exact(&copy, offset, len_bytes)
                        .map_err(|cause| unreadable(&object.href, cause));
                }
                Presence::Online { guard: None, .. } => {
                    let file = open_in_place(cold, object)?;
                    if let Some(bytes) = self.read_in_place(cold, object, &file, (offset, len_bytes))? {
                        return Ok(bytes);
                    }
                }
            }
        }
        Err(exchanged(object))
    }

    /// Opens the copy of a file in the cache. It is of the state of `object`, and so is the file in the
    /// archive as far as that can be told.
    fn open_copy(&self, cold: &ColdName, object: &Object, path: &Path) -> Result<File> {
        self.check_archive(cold, object)?;
        let file = open_file(path).map_err(|cause| unreadable(&object.href, cause))?;
        let metadata = file.metadata().map_err(|cause| unreadable(&object.href, cause))?;
        if is_same_state(object, &metadata) {
            return Ok(file);
        }
        // The archive has what is wanted, so the copy is of an older state, or damaged.
        self.residency.doubt(&cold.name);
        Err(needs_staging(cold))
    }

    /// Notices that the file in the archive is not the one that is wanted. An archive that does not answer
    /// keeps nobody from reading a copy.
    fn check_archive(&self, cold: &ColdName, object: &Object) -> Result<()> {
        let Some(path) = cold.path.as_deref().filter(|_| !self.was_seen(object)) else { return Ok(()) };
        match std::fs::metadata(path) {
            Ok(metadata) => {
                self.saw(object, &metadata);
                if is_same_state(object, &metadata) { Ok(()) } else { Err(changed(object)) }
            }
            Err(cause) if is_absent(&cause) => Err(lost(&object.href)),
            Err(_) => Ok(()),
        }
    }

    /// Bytes of a file that is online in place; `Ok(None)` if it was exchanged meanwhile.
    fn read_in_place(
        &self,
        cold: &ColdName,
        object: &Object,
        file: &InPlace,
        (offset, len_bytes): (u64, usize),
    ) -> Result<Option<Bytes>> {
        let bytes = read_exact(&file.file, offset, len_bytes);
        let after = file.file.metadata().map_err(|cause| unreadable(&object.href, cause))?;
        if !is_same_state(object, &after) {
            return Err(changed(object));
        }
        if matches!(self.residency.presence(&cold.name)?, Presence::Cold) {
            return Err(needs_staging(cold));
        }
        if !file.is_untouched(&after)? {
            return Ok(None);
        }
        self.saw(object, &after);
        bytes.map(Some).map_err(|cause| unreadable(&object.href, cause))
    }

    fn saw(&self, object: &Object, metadata: &Metadata) {
        let seen = Seen { mtime_ns: mtime_ns(metadata), len_bytes: metadata.len(), at: Instant::now() };
        self.seen.insert(object.href.clone(), seen);
    }
}

/// A file that is online where it always lies, as it was before it was read.
struct InPlace {
    file: File,
    path: PathBuf,
    before: Metadata,
}

impl InPlace {
    /// True if neither the file nor its place on disk was exchanged while it was read: times and blocks are
    /// those from before, and the path still names it.
    fn is_untouched(&self, after: &Metadata) -> Result<bool> {
        let named = match std::fs::metadata(&self.path) {
            Ok(named) => named,
            Err(cause) if is_absent(&cause) => return Ok(false),
            Err(cause) => return Err(unreadable(self.path.display(), cause)),
        };
        let state = |metadata: &Metadata| {
            let times = (metadata.ctime(), metadata.ctime_nsec());
            (metadata.dev(), metadata.ino(), metadata.blocks(), times)
        };
        Ok(state(after) == state(&self.before) && state(after) == state(&named))
    }
}

fn open_in_place(cold: &ColdName, object: &Object) -> Result<InPlace> {
    let path = cold.path.clone().ok_or_else(|| away(&object.href))?;
    let file = open_file(&path).map_err(|cause| match is_absent(&cause) {
        true => lost(&object.href).with_source(cause),
        false => unreadable(&object.href, cause),
    })?;
    let before = file.metadata().map_err(|cause| unreadable(&object.href, cause))?;
    if !is_same_state(object, &before) {
        return Err(changed(object));
    }
    Ok(InPlace { file, path, before })
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
    guard: Option<ReadGuard>,
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
        match self.files.residency.presence(&self.cold.name) {
            Ok(Presence::Online { guard: None, .. }) => Some(stamp(&metadata)),
            Ok(_) | Err(_) => None,
        }
    }

    fn lend(&self) -> Option<Lent> {
        match self.files.residency.presence(&self.cold.name).ok()? {
            Presence::Unbound | Presence::Cold => None,
            Presence::Online { path, guard: Some(guard) } => {
                self.files.open_copy(&self.cold, &self.object, &path).ok()?;
                Some(Lent { path, guard: Some(guard) })
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
        self.files.read(&self.cold, &self.object, (offset, len_bytes))
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

/// Refuses an object of a store that has to be recalled, before and after it is read. Blocking.
///
/// # Errors
/// [`ErrorKind::NotStaged`] if it has to be recalled, and what the residency says.
fn check_online(residency: &dyn Residency, href: &str) -> Result<()> {
    match residency.presence(href)? {
        Presence::Unbound | Presence::Online { guard: None, .. } => Ok(()),
        Presence::Cold => Err(Error::needs_staging(vec![href.into()])),
        // Stores name states by tags, which a file in the cache does not have.
        Presence::Online { guard: Some(_), .. } => Err(Error::internal(format!(
            "the copy of {href} in the cache cannot be compared with the object"
        ))),
    }
}

/// Reads of an object in a store, each with a look at whether it is online before and after.
pub(super) struct GatedRemote<T> {
    inner: T,
    residency: Arc<dyn Residency>,
}

impl<T> GatedRemote<T> {
    pub(super) fn new(inner: T, cold: &ColdFiles) -> Self {
        Self { inner, residency: Arc::clone(&cold.residency) }
    }
}

impl<T: ReadAt> ReadAt for GatedRemote<T> {
    fn object(&self) -> &Object {
        self.inner.object()
    }

    fn read_at(&self, offset: u64, len_bytes: usize) -> Result<Bytes> {
        let href = &self.inner.object().href;
        check_online(self.residency.as_ref(), href)?;
        let bytes = self.inner.read_at(offset, len_bytes)?;
        check_online(self.residency.as_ref(), href)?;
        Ok(bytes)
    }

    fn local_path(&self) -> Option<&Path> {
        None
    }
}
