//! Objects in stores: ranged GETs that insist on the entity tag that was indexed.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::TryStreamExt;
use object_store::path::Path as StorePath;
use object_store::{GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt};
use thermocline_model::{Object, ObjectIdentity};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use super::local::CHANGED;
use crate::format::ReadAt;
use crate::{Error, ErrorKind, Result};

/// Reads from stores, a bounded number at a time.
pub(super) struct RemoteReads {
    permits: Arc<Semaphore>,
    runtime: Handle,
}

impl RemoteReads {
    pub(super) fn new(max_reads: usize, runtime: Handle) -> Self {
        Self { permits: Arc::new(Semaphore::new(max_reads.max(1))), runtime }
    }

    pub(super) async fn read(
        &self,
        store: &Arc<dyn ObjectStore>,
        path: &StorePath,
        object: &Object,
        range: Range<u64>,
    ) -> Result<Bytes> {
        let _permit = self
            .permits
            .acquire()
            .await
            .map_err(|cause| Error::internal("the limit of remote reads is closed").with_source(cause))?;
        read_range(store.as_ref(), path, object, range).await
    }

    pub(super) fn open(
        &self,
        store: Arc<dyn ObjectStore>,
        path: StorePath,
        href: &str,
    ) -> Result<RemoteObject> {
        let object =
            self.stat(&store, &path, href)?.ok_or_else(|| Error::not_found(format!("no object {href}")))?;
        let permits = Arc::clone(&self.permits);
        Ok(RemoteObject { object, path, store, permits, runtime: self.runtime.clone() })
    }

    pub(super) fn stat(
        &self,
        store: &Arc<dyn ObjectStore>,
        path: &StorePath,
        href: &str,
    ) -> Result<Option<Object>> {
        match self.runtime.block_on(store.head(path)) {
            Ok(meta) => Ok(Some(object(href, &meta))),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(cause) => Err(failure(href, cause)),
        }
    }

    pub(super) fn list(
        &self,
        store: &Arc<dyn ObjectStore>,
        path: &StorePath,
        href: &str,
    ) -> Result<Vec<Object>> {
        let listing = store.list(Some(path)).try_collect::<Vec<_>>();
        let metas = self.runtime.block_on(listing).map_err(|cause| failure(href, cause))?;
        let base = href.trim_end_matches('/');
        let mut found: Vec<Object> = metas
            .iter()
            .filter_map(|meta| {
                let rest = meta.location.as_ref().strip_prefix(path.as_ref())?;
                Some(object(&format!("{base}/{}", rest.trim_start_matches('/')), meta))
            })
            .collect();
        found.sort_by(|a, b| a.href.cmp(&b.href));
        Ok(found)
    }
}

async fn read_range(
    store: &dyn ObjectStore,
    path: &StorePath,
    object: &Object,
    range: Range<u64>,
) -> Result<Bytes> {
    let n_bytes = range.end - range.start;
    let if_match = match &object.identity {
        ObjectIdentity::ETag(etag) if !etag.starts_with(NO_ETAG) => Some(etag.clone()),
        _ => None,
    };
    let options = GetOptions { range: Some(GetRange::Bounded(range)), if_match, ..GetOptions::default() };
    let answer = store.get_opts(path, options).await.map_err(|cause| failure(&object.href, cause))?;
    if answer.meta.size != object.len_bytes || identity(&answer.meta) != object.identity {
        return Err(Error::new(CHANGED, format!("{} changed after it was indexed", object.href)));
    }
    let bytes = answer.bytes().await.map_err(|cause| failure(&object.href, cause))?;
    if bytes.len() as u64 != n_bytes {
        let kind = ErrorKind::Unavailable { retry_after: Duration::from_secs(5) };
        let message = format!("{}: {n_bytes} bytes asked for, {} came", object.href, bytes.len());
        return Err(Error::new(kind, message));
    }
    Ok(bytes)
}

/// Marks an identity made of the time of modification, for stores without entity tags.
const NO_ETAG: &str = "modified:";

fn identity(meta: &ObjectMeta) -> ObjectIdentity {
    let etag = meta.e_tag.clone();
    ObjectIdentity::ETag(
        etag.unwrap_or_else(|| format!("{NO_ETAG}{}", meta.last_modified.timestamp_millis())),
    )
}

fn object(href: &str, meta: &ObjectMeta) -> Object {
    Object { href: href.to_owned(), len_bytes: meta.size, identity: identity(meta) }
}

fn failure(href: &str, cause: object_store::Error) -> Error {
    let kind = match &cause {
        object_store::Error::NotFound { .. } => ErrorKind::Lost,
        object_store::Error::Precondition { .. } => CHANGED,
        _ => ErrorKind::Unavailable { retry_after: Duration::from_secs(10) },
    };
    Error::new(kind, format!("cannot read {href}")).with_source(cause)
}

/// An object opened for indexing.
pub(super) struct RemoteObject {
    object: Object,
    path: StorePath,
    store: Arc<dyn ObjectStore>,
    permits: Arc<Semaphore>,
    runtime: Handle,
}

impl ReadAt for RemoteObject {
    fn object(&self) -> &Object {
        &self.object
    }

    fn read_at(&self, offset: u64, len_bytes: usize) -> Result<Bytes> {
        let end = offset.checked_add(len_bytes as u64).filter(|end| *end <= self.object.len_bytes);
        let Some(end) = end else {
            return Err(Error::corrupt(format!(
                "{} has {} bytes, {len_bytes} bytes at {offset} are asked for",
                self.object.href, self.object.len_bytes
            )));
        };
        if len_bytes == 0 {
            return Ok(Bytes::new());
        }
        self.runtime.block_on(async {
            let _permit =
                self.permits.acquire().await.map_err(|cause| {
                    Error::internal("the limit of remote reads is closed").with_source(cause)
                })?;
            read_range(self.store.as_ref(), &self.path, &self.object, offset..end).await
        })
    }

    fn local_path(&self) -> Option<&std::path::Path> {
        None
    }
}
