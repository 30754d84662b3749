//! Bytes of source objects: local files and object stores, below declared roots only.

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use thermocline_model::Object;

use crate::Result;
use crate::format::{OpenOther, ReadAt};

/// Ranged reads from source objects.
#[async_trait]
pub trait ByteSource: Send + Sync {
    /// Exactly the bytes of `range` of the state of `object` that was indexed.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Changed`] when the object is not in that state any more,
    /// [`crate::ErrorKind::Lost`] when it is gone, [`crate::ErrorKind::Unavailable`] when its store does
    /// not answer. Never fewer bytes, never bytes of another state.
    async fn read(&self, object: &Object, range: Range<u64>) -> Result<Bytes>;
}

/// Finds and opens objects for indexing. Blocking: for the blocking pool only.
pub trait ObjectOpener: Send + Sync {
    /// Opens an object by absolute path or URL.
    ///
    /// # Errors
    /// [`crate::ErrorKind::NotFound`] if nothing is there, [`crate::ErrorKind::InvalidInput`] outside the roots.
    fn open(&self, href: &str) -> Result<Arc<dyn ReadAt>>;

    /// Size and identity at present, without reading; `Ok(None)` if nothing is there.
    fn stat(&self, href: &str) -> Result<Option<Object>>;

    /// Everything below a directory or prefix: hrefs, sizes and identities, sorted by href.
    fn list(&self, href: &str) -> Result<Vec<Object>>;

    /// Opens objects relative to one object or directory, for formats.
    fn others(&self, href: &str) -> Box<dyn OpenOther + '_>;
}
