//! Bytes of source objects: local files and object stores, below declared roots only.

mod cold;
mod credentials;
mod directory;
mod gate;
mod keys;
mod local;
mod open_files;
mod others;
mod remote;
mod residency;
mod roots;
mod signed;
pub(crate) mod watch;
mod web;

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use thermocline_model::Object;

use crate::format::{OpenOther, ReadAt};
use crate::{Error, ErrorKind, Result};

use cold::{ColdFiles, ColdName, ColdObject, GatedRemote, Steps, without_inode};
use gate::Gate;
use open_files::{OpenFile, OpenFiles};

pub use cold::is_same_object;
pub use credentials::{CredentialSource, Refusal, Secret};
pub use directory::Directory;
pub(crate) use keys::plain;
pub use residency::{Residency, Staged};
pub use roots::{Credentials, Root, StoreOptions, s3_client};
pub use signed::judge;

/// Ranged reads from source objects.
#[async_trait]
pub trait ByteSource: Send + Sync {
    /// Exactly the bytes of `range` of the state of `object` that was indexed.
    ///
    /// # Errors
    /// [`ErrorKind::Changed`] when the object is not in that state any more, [`ErrorKind::Lost`] when it
    /// is gone, [`ErrorKind::NotStaged`] when it has to be recalled first, [`ErrorKind::Unavailable`] when its
    /// store does not answer. Never fewer bytes, never bytes of another state.
    async fn read(&self, object: &Object, range: Range<u64>) -> Result<Bytes>;

    /// True if the object was seen in this very state a moment ago, so that bytes kept of it may be sent.
    /// Never waits.
    fn was_seen(&self, object: &Object) -> bool {
        let _ = object;
        false
    }
}

/// Finds and opens objects for indexing. Blocking: for the blocking pool only.
pub trait ObjectOpener: Send + Sync {
    /// Opens an object by absolute path or URL. One that has to be recalled is opened too: its size and state
    /// are known, and reading it is [`ErrorKind::NotStaged`].
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if nothing is there, [`ErrorKind::InvalidInput`] outside the roots.
    fn open(&self, href: &str) -> Result<Arc<dyn ReadAt>>;

    /// Size and identity at present, without reading; `Ok(None)` if nothing is there.
    fn stat(&self, href: &str) -> Result<Option<Object>>;

    /// Everything below a directory or prefix: hrefs, sizes and identities, sorted by href.
    fn list(&self, href: &str) -> Result<Vec<Object>>;

    /// The same in pages, each taken before the next one is asked for. Those of a bucket come in the order of its keys
    /// and begin after the object `after`, whether or not it is still there.
    ///
    /// # Errors
    /// Those of [`ObjectOpener::list`] and of `take`.
    fn list_pages(
        &self,
        href: &str,
        after: Option<&str>,
        take: &mut dyn FnMut(Vec<Object>) -> Result<()>,
    ) -> Result<()> {
        let is_left = |object: &Object| after.is_none_or(|after| object.href.as_str() > after);
        take(self.list(href)?.into_iter().filter(is_left).collect())
    }

    /// By which name a cold store knows what an address means, by links too; `Ok(None)` for what lies on none.
    ///
    /// # Errors
    /// Whatever keeps it from being known.
    fn cold_name(&self, href: &str) -> Result<Option<Arc<str>>> {
        let _ = href;
        Ok(None)
    }

    /// True for an object of a cold store that is known to be online at this moment. Nobody is asked: it never waits.
    fn is_known_online(&self, href: &str) -> bool {
        let _ = href;
        false
    }

    /// Opens objects relative to the directory of one object, for formats.
    fn others(&self, href: &str) -> Box<dyn OpenOther + '_>;
}

/// Bounds for reading objects.
#[derive(Debug, Clone)]
pub struct ObjectSettings {
    /// Most files kept open.
    pub max_open_files: u64,
    /// Most reads under way in object stores.
    pub max_remote_reads: usize,
    /// Most reads of files under way below one declared directory, those that the page cache answers aside:
    /// a file server that hangs keeps its readers, and must not keep everybody's.
    pub max_local_reads: usize,
    /// How long a read waits when there are that many.
    pub local_wait: Duration,
    /// How old the last change of a file must be before the file is indexed; a younger one is waited for.
    ///
    /// Linux stamps files with the time of its last tick, at most 10 ms ago. A file that is written twice
    /// within one tick has the same time after both, and a read could not tell one from the other.
    pub settled_after: Duration,
    /// Largest range read at once, in bytes.
    pub max_range_bytes: u64,
}

impl Default for ObjectSettings {
    fn default() -> Self {
        Self {
            max_open_files: 1024,
            max_remote_reads: 64,
            max_local_reads: 64,
            local_wait: Duration::from_secs(5),
            settled_after: Duration::from_millis(12),
            max_range_bytes: 4 << 30,
        }
    }
}

/// Reads objects below declared roots: local files and object stores.
pub struct Objects {
    roots: Arc<[Root]>,
    /// One for each root, and one for files that no root names: those that a link leads to.
    gates: Vec<Gate>,
    elsewhere: Gate,
    files: Arc<OpenFiles>,
    remote: remote::RemoteReads,
    /// What lies on cold stores; `None` if nothing does.
    cold: Option<Arc<ColdFiles>>,
    settings: ObjectSettings,
}

impl Objects {
    /// Objects below `roots`; `runtime` drives blocking reads from object stores.
    pub fn new(roots: Vec<Root>, settings: ObjectSettings, runtime: tokio::runtime::Handle) -> Arc<Self> {
        Self::on_cold_stores(roots, settings, runtime, None)
    }

    /// The same, with those roots among them that `residency` knows as bound to cold stores.
    pub fn on_cold_stores(
        roots: Vec<Root>,
        settings: ObjectSettings,
        runtime: tokio::runtime::Handle,
        residency: Option<Arc<dyn Residency>>,
    ) -> Arc<Self> {
        Arc::new(Self {
            cold: residency.map(|residency| Arc::new(ColdFiles::new(residency))),
            gates: roots.iter().map(|_| Gate::new(settings.max_local_reads)).collect(),
            elsewhere: Gate::new(settings.max_local_reads),
            roots: roots.into(),
            files: Arc::new(OpenFiles::new(settings.max_open_files)),
            remote: remote::RemoteReads::new(settings.max_remote_reads, runtime),
            settings,
        })
    }

    fn check_range(&self, object: &Object, range: &Range<u64>) -> Result<usize> {
        let len_bytes = range.end.checked_sub(range.start);
        match len_bytes {
            Some(len) if range.end > object.len_bytes => Err(Error::corrupt(format!(
                "{} has {} bytes, but {len} bytes at {} belong to it",
                object.href, object.len_bytes, range.start
            ))),
            Some(len) if len > self.settings.max_range_bytes => Err(Error::new(
                ErrorKind::TooLarge,
                format!("a range of {len} bytes exceeds the limit of {}", self.settings.max_range_bytes),
            )),
            Some(len) => usize::try_from(len)
                .map_err(|_| Error::new(ErrorKind::TooLarge, format!("a range of {len} bytes"))),
            None => Err(Error::internal(format!("the range {range:?} ends before it starts"))),
        }
    }
}

#[async_trait]
impl ByteSource for Objects {
    async fn read(&self, object: &Object, range: Range<u64>) -> Result<Bytes> {
        let len_bytes = self.check_range(object, &range)?;
        if len_bytes == 0 {
            return Ok(Bytes::new());
        }
        if keys::is_url(&object.href) {
            return self.read_remote(object, range).await;
        }
        // Files that are kept open lie on no cold store.
        let file = self.files.get(&object.href);
        if let Some(bytes) = file.as_ref().and_then(|file| file.read_now(object, range.start, len_bytes)) {
            return Ok(bytes);
        }
        self.read_file(file, object, (range.start, len_bytes)).await
    }

    fn was_seen(&self, object: &Object) -> bool {
        match self.files.get(&object.href) {
            Some(file) => file.was_seen(object),
            None => self.cold.as_ref().is_some_and(|cold| cold.was_seen(object)),
        }
    }
}

impl Objects {
    /// Reads on the blocking pool. A file that is open and not in the state of `object` may be an old one:
    /// the path is opened again, once.
    async fn read_file(
        &self,
        open: Option<Arc<OpenFile>>,
        object: &Object,
        (offset, len_bytes): (u64, usize),
    ) -> Result<Bytes> {
        let (roots, files, wanted) = (Arc::clone(&self.roots), Arc::clone(&self.files), object.clone());
        let cold = self.cold.clone();
        let steps =
            OnPool { gate: self.gate(&object.href), wait: self.settings.local_wait, href: &object.href };
        let read = steps.step(move || {
            files.close_idle();
            match open.map(|file| file.read_checked(&wanted, offset, len_bytes)) {
                Some(Err(error)) if is_stale(&error) => {}
                Some(result) => return Ok(Found::Read(None, result)),
                None => {}
            }
            if let Some(cold) = cold
                && let Some(name) = cold.find(&roots, &wanted.href)?
            {
                return Ok(Found::Cold(cold, name));
            }
            let file = OpenFile::open(&roots, &wanted.href)?;
            let result = file.read_checked(&wanted, offset, len_bytes);
            Ok(Found::Read(Some(Arc::new(file)), result))
        });
        match read.await {
            Ok(Found::Cold(cold, name)) => cold.read(&name, object, (offset, len_bytes), &steps).await,
            Ok(Found::Read(None, result)) => result,
            Ok(Found::Read(Some(file), result)) => {
                self.files.keep(&object.href, file);
                result
            }
            Err(error) => {
                self.files.forget(&object.href);
                Err(error)
            }
        }
    }

    async fn read_remote(&self, object: &Object, range: Range<u64>) -> Result<Bytes> {
        let (store, path) = keys::find_store(&self.roots, &object.href)?;
        let Some(cold) = self.cold.as_ref().filter(|cold| cold.is_bound(&object.href)) else {
            return self.remote.read(store, &path, object, range).await;
        };
        if cold.refuses_cold_reads(&object.href) {
            let read = self.remote.read(store, &path, object, range).await;
            return read.map_err(|error| cold.refused(&object.href, error));
        }
        cold.check_online(&object.href).await?;
        let bytes = self.remote.read(store, &path, object, range).await?;
        cold.check_was_online(&object.href).await?;
        Ok(bytes)
    }

    /// The file of a cold store that a path names. Blocking.
    fn cold_file(&self, href: &str) -> Result<Option<(&Arc<ColdFiles>, cold::ColdName)>> {
        let Some(cold) = &self.cold else { return Ok(None) };
        Ok(cold.find(&self.roots, href)?.map(|name| (cold, name)))
    }

    fn open_file(&self, href: &str) -> Result<Arc<dyn ReadAt>> {
        let settled_after = self.settings.settled_after;
        match self.cold_file(href)? {
            Some((cold, name)) => Ok(Arc::new(ColdObject::open(cold, name, href, settled_after)?)),
            None => Ok(Arc::new(local::LocalObject::open(&self.roots, href, settled_after)?)),
        }
    }

    fn stat_file(&self, href: &str) -> Result<Option<Object>> {
        let Some(path) = directory::resolve(&self.roots, href)? else { return Ok(None) };
        let found = local::stat(&path, href)?;
        let is_cold = self.cold.as_ref().is_some_and(|cold| cold.name_of(&self.roots, href, &path).is_some());
        Ok(found.map(|object| if is_cold { without_inode(object) } else { object }))
    }

    fn list_files(&self, href: &str) -> Result<Vec<Object>> {
        let found = local::list(&self.roots, href, self.settings.settled_after)?;
        let Some(cold) = &self.cold else { return Ok(found) };
        let is_all_cold = self.cold_file(href)?.is_some();
        let is_cold = |object: &Object| is_all_cold || cold.is_bound(&object.href);
        Ok(found.into_iter().map(|file| if is_cold(&file) { without_inode(file) } else { file }).collect())
    }

    /// Where work on a file of this machine counts.
    fn gate(&self, href: &str) -> &Gate {
        let is_named = |root: &Root| root.as_directory().is_some_and(|directory| directory.is_named_by(href));
        let named = self.roots.iter().zip(&self.gates).find(|(root, _)| is_named(root));
        named.map_or(&self.elsewhere, |(_, gate)| gate)
    }

    fn gated<T>(&self, href: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let _permit = self.gate(href).enter_blocking(self.settings.local_wait, href)?;
        work()
    }
}

/// What a look for a file came to.
enum Found {
    /// It was read; with the file, if it was opened for that.
    Read(Option<Arc<OpenFile>>, Result<Bytes>),
    /// It lies on a cold store.
    Cold(Arc<ColdFiles>, ColdName),
}

/// Steps on files on the blocking pool, each in a place of its folder.
struct OnPool<'o> {
    gate: &'o Gate,
    wait: Duration,
    href: &'o str,
}

impl Steps for OnPool<'_> {
    async fn step<T: Send + 'static>(&self, work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
        let permit = self.gate.enter(self.wait, self.href).await?;
        crate::manifest::blocking(move || {
            let _permit = permit;
            work()
        })
        .await
    }
}

/// True if a file that is kept open is not the one that is wanted.
fn is_stale(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Changed { .. } | ErrorKind::Lost)
}

impl ObjectOpener for Objects {
    fn open(&self, href: &str) -> Result<Arc<dyn ReadAt>> {
        if !keys::is_url(href) {
            return self.gated(href, || self.open_file(href));
        }
        let (store, path) = keys::find_store(&self.roots, href)?;
        let opened = self.remote.open(Arc::clone(store), path, href)?;
        match self.cold.as_ref().filter(|cold| cold.is_bound(href)) {
            Some(cold) => Ok(Arc::new(GatedRemote::new(opened, cold))),
            None => Ok(Arc::new(opened)),
        }
    }

    fn stat(&self, href: &str) -> Result<Option<Object>> {
        if !keys::is_url(href) {
            return self.gated(href, || self.stat_file(href));
        }
        let (store, path) = keys::find_store(&self.roots, href)?;
        self.remote.stat(store, &path, href)
    }

    fn list(&self, href: &str) -> Result<Vec<Object>> {
        if !keys::is_url(href) {
            return self.gated(href, || self.list_files(href));
        }
        let (store, path) = keys::find_store(&self.roots, href)?;
        self.remote.list(store, &path, href)
    }

    fn list_pages(
        &self,
        href: &str,
        after: Option<&str>,
        take: &mut dyn FnMut(Vec<Object>) -> Result<()>,
    ) -> Result<()> {
        if !keys::is_bucket(href) {
            let is_left = |object: &Object| after.is_none_or(|after| object.href.as_str() > after);
            return take(self.list(href)?.into_iter().filter(is_left).collect());
        }
        let (store, path) = keys::find_store(&self.roots, href)?;
        let after =
            after.map(|after| keys::find_store(&self.roots, after)).transpose()?.map(|(_, path)| path);
        self.remote.list_pages((store, &path), href, after.as_ref(), take)
    }

    fn cold_name(&self, href: &str) -> Result<Option<Arc<str>>> {
        if keys::is_url(href) {
            return Ok(None);
        }
        self.gated(href, || Ok(self.cold_file(href)?.map(|(_, cold)| cold.name)))
    }

    fn is_known_online(&self, href: &str) -> bool {
        self.cold.as_ref().is_some_and(|cold| cold.is_known_online(href))
    }

    fn others(&self, href: &str) -> Box<dyn OpenOther + '_> {
        Box::new(others::Neighbours::new(self, href))
    }
}

#[cfg(test)]
mod tests;
