//! Bytes of source objects: local files and object stores, below declared roots only.

mod local;
mod others;
mod remote;
mod roots;

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use thermocline_model::Object;

use crate::format::{OpenOther, ReadAt};
use crate::{Error, ErrorKind, Result};

pub use roots::{Credentials, Root, StoreOptions};

/// Ranged reads from source objects.
#[async_trait]
pub trait ByteSource: Send + Sync {
    /// Exactly the bytes of `range` of the state of `object` that was indexed.
    ///
    /// # Errors
    /// [`ErrorKind::Changed`] when the object is not in that state any more, [`ErrorKind::Lost`] when it
    /// is gone, [`ErrorKind::Unavailable`] when its store does not answer. Never fewer bytes, never bytes
    /// of another state.
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
    /// Opens an object by absolute path or URL.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if nothing is there, [`ErrorKind::InvalidInput`] outside the roots.
    fn open(&self, href: &str) -> Result<Arc<dyn ReadAt>>;

    /// Size and identity at present, without reading; `Ok(None)` if nothing is there.
    fn stat(&self, href: &str) -> Result<Option<Object>>;

    /// Everything below a directory or prefix: hrefs, sizes and identities, sorted by href.
    fn list(&self, href: &str) -> Result<Vec<Object>>;

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
    /// Largest range read at once, in bytes.
    pub max_range_bytes: u64,
}

impl Default for ObjectSettings {
    fn default() -> Self {
        Self { max_open_files: 1024, max_remote_reads: 64, max_range_bytes: 4 << 30 }
    }
}

/// Reads objects below declared roots: local files and object stores.
pub struct Objects {
    roots: Vec<Root>,
    files: local::OpenFiles,
    remote: remote::RemoteReads,
    settings: ObjectSettings,
}

impl Objects {
    /// Objects below `roots`; `runtime` drives blocking reads from object stores.
    pub fn new(roots: Vec<Root>, settings: ObjectSettings, runtime: tokio::runtime::Handle) -> Arc<Self> {
        Arc::new(Self {
            roots,
            files: local::OpenFiles::new(settings.max_open_files),
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
        if !roots::is_url(&object.href) {
            let file = self.files.get(&self.roots, &object.href).await?;
            if let Some(bytes) = file.read_now(object, range.start, len_bytes) {
                return Ok(bytes);
            }
            let object = object.clone();
            let read = crate::manifest::blocking(move || file.read_checked(&object, range.start, len_bytes));
            return read.await.inspect_err(|error| self.forget_on_change(error));
        }
        let (store, path) = roots::find_store(&self.roots, &object.href)?;
        self.remote.read(store, &path, object, range).await
    }

    fn was_seen(&self, object: &Object) -> bool {
        self.files.get_open(&object.href).is_some_and(|file| file.was_seen(object))
    }
}

impl Objects {
    fn forget_on_change(&self, error: &Error) {
        if matches!(error.kind(), ErrorKind::Changed { .. } | ErrorKind::Lost) {
            self.files.forget_stale();
        }
    }
}

impl ObjectOpener for Objects {
    fn open(&self, href: &str) -> Result<Arc<dyn ReadAt>> {
        if !roots::is_url(href) {
            return Ok(Arc::new(local::LocalObject::open(&self.roots, href)?));
        }
        let (store, path) = roots::find_store(&self.roots, href)?;
        Ok(Arc::new(self.remote.open(Arc::clone(store), path, href)?))
    }

    fn stat(&self, href: &str) -> Result<Option<Object>> {
        if !roots::is_url(href) {
            return local::stat(&self.roots, href);
        }
        let (store, path) = roots::find_store(&self.roots, href)?;
        self.remote.stat(store, &path, href)
    }

    fn list(&self, href: &str) -> Result<Vec<Object>> {
        if !roots::is_url(href) {
            return local::list(&self.roots, href);
        }
        let (store, path) = roots::find_store(&self.roots, href)?;
        self.remote.list(store, &path, href)
    }

    fn others(&self, href: &str) -> Box<dyn OpenOther + '_> {
        Box::new(others::Neighbours::new(self, href))
    }
}

#[cfg(test)]
mod tests;
