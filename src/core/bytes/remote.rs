//! Objects in stores: ranged GETs that insist on the state that was indexed.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path as StorePath;
use object_store::{GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt};
use thermocline_model::{Object, ObjectIdentity};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use super::keys::{is_bucket, join};
use super::local::CHANGED;
use super::signed::code_of;
use super::web::NotOffered;
use crate::format::ReadAt;
use crate::{Error, ErrorKind, Result};

/// Marks an identity made of the time of modification, for stores without entity tags.
const NO_ETAG: &str = "modified:";

/// How old the last change of an object without an entity tag must be before it is indexed: its time
/// has whole seconds (RFC 9110, section 8.8.2.2).
const SETTLED_AFTER: Duration = Duration::from_secs(2);

/// Longest part of a store's own words in a message.
const MAX_REASON_CHARS: usize = 300;

/// Objects of a page: what S3 lists in one answer.
const LISTED_AT_ONCE: usize = 1000;

/// Most folders of a web server that are listed one by one.
const MAX_FOLDERS: usize = 10_000;

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
        let absent = || Error::not_found(format!("no object {href}"));
        let mut object = self.stat(&store, &path, href)?.ok_or_else(absent)?;
        if let Some(wait) = unsettled_for(&object.identity) {
            std::thread::sleep(wait);
            object = self.stat(&store, &path, href)?.ok_or_else(absent)?;
        }
        if unsettled_for(&object.identity).is_some() {
            return Err(Error::new(CHANGED, format!("{href} is being written")));
        }
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
            Ok(meta) => Ok(Some(object(href, &meta)?)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(cause) => Err(failure(href, &cause)),
        }
    }

    /// Everything below a prefix.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] when the store cannot list.
    pub(super) fn list(
        &self,
        store: &Arc<dyn ObjectStore>,
        path: &StorePath,
        href: &str,
    ) -> Result<Vec<Object>> {
        let listing = async {
            let mut metas: Vec<ObjectMeta> = store.list(Some(path)).try_collect().await?;
            if !is_bucket(href) {
                list_folders(store.as_ref(), path, &mut metas).await?;
            }
            Ok(metas)
        };
        let metas = self.runtime.block_on(listing).map_err(|cause| failure(href, &cause))?;
        let mut found = Vec::with_capacity(metas.len());
        for meta in &metas {
            let Some(name) = meta.location.as_ref().strip_prefix(path.as_ref()) else { continue };
            found.push(object(&join(href, name.trim_start_matches('/')), meta)?);
        }
        found.sort_by(|a, b| a.href.cmp(&b.href));
        Ok(found)
    }

    /// Everything below a prefix of a bucket, page by page, beginning after an object.
    pub(super) fn list_pages(
        &self,
        (store, path): (&Arc<dyn ObjectStore>, &StorePath),
        href: &str,
        after: Option<&StorePath>,
        take: &mut dyn FnMut(Vec<Object>) -> Result<()>,
    ) -> Result<()> {
        let mut listing = match after {
            Some(after) => store.list_with_offset(Some(path), after),
            None => store.list(Some(path)),
        };
        loop {
            let next = async { (&mut listing).take(LISTED_AT_ONCE).try_collect::<Vec<ObjectMeta>>().await };
            let metas = self.runtime.block_on(next).map_err(|cause| failure(href, &cause))?;
            let is_last = metas.len() < LISTED_AT_ONCE;
            let below = |meta: &ObjectMeta| {
                let name = meta.location.as_ref().strip_prefix(path.as_ref())?;
                Some(object(&join(href, name.trim_start_matches('/')), meta))
            };
            take(metas.iter().filter_map(below).collect::<Result<_>>()?)?;
            if is_last {
                return Ok(());
            }
        }
    }
}

/// Adds what a web server holds deeper than it listed.
///
/// RFC 4918 lets servers refuse to list everything at once, and some then list one level whatever is
/// asked: what lies deeper would look as if it was not there.
async fn list_folders(
    store: &dyn ObjectStore,
    path: &StorePath,
    found: &mut Vec<ObjectMeta>,
) -> object_store::Result<()> {
    let known: BTreeSet<String> = found.iter().map(|meta| meta.location.to_string()).collect();
    let is_known = |folder: &StorePath| {
        let start = format!("{folder}/");
        known.range(start.clone()..).next().is_some_and(|first| first.starts_with(&start))
    };
    let mut folders = vec![path.clone()];
    let mut n_folders = 0;
    while let Some(folder) = folders.pop() {
        n_folders += 1;
        if n_folders > MAX_FOLDERS {
            let source = format!("more than {MAX_FOLDERS} folders").into();
            return Err(object_store::Error::Generic { store: "HTTP", source });
        }
        let level = store.list_with_delimiter(Some(&folder)).await?;
        found.extend(level.objects.into_iter().filter(|meta| !known.contains(meta.location.as_ref())));
        let below = level.common_prefixes.into_iter().filter(|below| below.prefix_matches(&folder));
        folders.extend(below.filter(|below| *below != folder && !is_known(below)));
    }
    Ok(())
}

async fn read_range(
    store: &dyn ObjectStore,
    path: &StorePath,
    object: &Object,
    range: Range<u64>,
) -> Result<Bytes> {
    let n_bytes = range.end - range.start;
    let if_match = strong_tag(&object.identity).map(str::to_owned);
    let options = GetOptions { range: Some(GetRange::Bounded(range)), if_match, ..GetOptions::default() };
    let answer = store.get_opts(path, options).await.map_err(|cause| failure(&object.href, &cause))?;
    if answer.meta.size != object.len_bytes || !is_same(&object.identity, &answer.meta) {
        return Err(Error::new(CHANGED, format!("{} changed after it was indexed", object.href)));
    }
    let bytes = answer.bytes().await.map_err(|cause| failure(&object.href, &cause))?;
    if bytes.len() as u64 != n_bytes {
        let kind = ErrorKind::Unavailable { retry_after: Duration::from_secs(5) };
        let message = format!("{}: {n_bytes} bytes asked for, {} came", object.href, bytes.len());
        return Err(Error::new(kind, message));
    }
    Ok(bytes)
}

/// The entity tag that a request may insist on: a weak one never matches (RFC 9110, section 13.1.1).
fn strong_tag(identity: &ObjectIdentity) -> Option<&str> {
    match identity {
        ObjectIdentity::ETag(tag) if !tag.starts_with(NO_ETAG) && !tag.starts_with("W/") => Some(tag),
        _ => None,
    }
}

/// True if an answer is of the state that was indexed. A listing may name a time where an answer names a
/// tag as well.
fn is_same(identity: &ObjectIdentity, meta: &ObjectMeta) -> bool {
    match identity {
        ObjectIdentity::ETag(tag) if tag.starts_with(NO_ETAG) => *tag == modified_tag(meta),
        ObjectIdentity::ETag(tag) => meta.e_tag.as_ref() == Some(tag),
        ObjectIdentity::Modified { .. } => false,
    }
}

/// The time of modification in whole seconds: a listing may be finer than the header of an answer.
fn modified_tag(meta: &ObjectMeta) -> String {
    format!("{NO_ETAG}{}", meta.last_modified.timestamp().saturating_mul(1000))
}

/// The object of an answer.
///
/// # Errors
/// [`ErrorKind::Refused`] when its state has no name: it could be replaced unnoticed, and answers would
/// mix old bytes with new ones.
fn object(href: &str, meta: &ObjectMeta) -> Result<Object> {
    let tag = match &meta.e_tag {
        Some(tag) => tag.clone(),
        // The client's sign for a time that the server does not name.
        None if meta.last_modified.timestamp() == 0 => {
            return Err(Error::refused(format!(
                "{href}: the server names neither an ETag nor a time of modification, so that nobody could \
                 notice a change"
            )));
        }
        None => modified_tag(meta),
    };
    Ok(Object { href: href.to_owned(), len_bytes: meta.size, identity: ObjectIdentity::ETag(tag) })
}

/// How long to wait until the next change of an object must show in its time; `None` if it would show now.
fn unsettled_for(identity: &ObjectIdentity) -> Option<Duration> {
    let ObjectIdentity::ETag(tag) = identity else { return None };
    let modified_ms: u64 = tag.strip_prefix(NO_ETAG)?.parse().ok()?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now_ms = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
    (Duration::from_millis(now_ms.abs_diff(modified_ms)) < SETTLED_AFTER).then_some(SETTLED_AFTER)
}

/// A store refuses to read an object because it is cold.
#[derive(Debug, thiserror::Error)]
#[error("it has to be restored first, and its root lies on no [cold.NAME] of the configuration")]
struct ColdRefusal;

/// True for the error of a read that a store refused because the object is cold.
pub(super) fn is_cold_refusal(error: &Error) -> bool {
    error.is_caused_by::<ColdRefusal>()
}

/// True for the refusal of S3 to read an object of a class of storage that has to be restored first.
///
/// Source: Amazon S3 API reference, GetObject, error `InvalidObjectState` with status 403.
fn is_invalid_state(cause: &object_store::Error) -> bool {
    let object_store::Error::PermissionDenied { source, .. } = cause else { return false };
    let mut next: Option<&dyn std::error::Error> = Some(source.as_ref());
    while let Some(cause) = next {
        if code_of(&cause.to_string()).as_deref() == Some("InvalidObjectState") {
            return true;
        }
        next = cause.source();
    }
    false
}

/// What a store's error means, named once: the library's own texts repeat each cause.
fn failure(href: &str, cause: &object_store::Error) -> Error {
    let unavailable = ErrorKind::Unavailable { retry_after: Duration::from_secs(10) };
    if is_invalid_state(cause) {
        return Error::new(unavailable, format!("cannot read {href}")).with_source(ColdRefusal);
    }
    let (kind, reason) = match cause {
        object_store::Error::NotFound { .. } => (ErrorKind::Lost, "it is not there".to_owned()),
        object_store::Error::Precondition { .. } => (CHANGED, "it changed after it was indexed".to_owned()),
        object_store::Error::NotSupported { .. } => {
            (ErrorKind::Unsupported, "the server sends whole objects only, no ranges".to_owned())
        }
        other => match NotOffered::among(other) {
            Some(answer) => (ErrorKind::Unsupported, answer.to_string()),
            None => (unavailable, root_cause(other)),
        },
    };
    Error::new(kind, format!("cannot read {href}: {reason}"))
}

fn root_cause(error: &object_store::Error) -> String {
    let mut deepest: &dyn std::error::Error = error;
    while let Some(cause) = deepest.source() {
        deepest = cause;
    }
    let words = without_markup(&deepest.to_string());
    let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
    words.trim_end_matches([':', ' ']).chars().take(MAX_REASON_CHARS).collect()
}

/// The words of an error that S3 writes as XML, or a web server as a page.
fn without_markup(text: &str) -> String {
    let mut parts = text.split('<');
    let first = parts.next().unwrap_or_default();
    let rest = parts.map(|part| part.split_once('>').map_or("", |(_, words)| words));
    std::iter::once(first).chain(rest).collect::<Vec<_>>().join(" ")
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

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(tag: Option<&str>, seconds: u64) -> ObjectMeta {
        let last_modified = (UNIX_EPOCH + Duration::from_secs(seconds)).into();
        let e_tag = tag.map(str::to_owned);
        ObjectMeta { location: StorePath::from("a"), last_modified, size: 1, e_tag, version: None }
    }

    #[test]
    fn a_request_insists_on_strong_tags_only() {
        for (tag, wanted) in [(Some("\"a\""), Some("\"a\"")), (Some("W/\"a\""), None), (None, None)] {
            let meta = stored(tag, 1);
            let object = object("https://host.example/a", &meta).unwrap();
            assert_eq!(strong_tag(&object.identity), wanted);
            assert!(is_same(&object.identity, &meta));
            assert!(!is_same(&object.identity, &stored(Some("\"b\""), 2)));
        }
    }

    #[test]
    fn a_time_from_a_listing_is_compared_with_the_time_of_an_answer() {
        let listed = object("https://host.example/a", &stored(None, 1)).unwrap();
        assert!(is_same(&listed.identity, &stored(Some("\"a\""), 1)));
        assert!(!is_same(&listed.identity, &stored(Some("\"a\""), 2)));
    }

    #[test]
    fn a_refusal_of_what_is_cold_is_told_from_every_other_one() {
        let denied = |code: &str| object_store::Error::PermissionDenied {
            path: "a".to_owned(),
            source: format!("403 Forbidden: <Error><Code>{code}</Code></Error>").into(),
        };
        let cold = failure("s3://bucket/a", &denied("InvalidObjectState"));
        assert!(is_cold_refusal(&cold), "{cold}");
        assert!(cold.to_string().contains("restored first"), "{cold}");
        assert!(!is_cold_refusal(&failure("s3://bucket/a", &denied("AccessDenied"))));
        let elsewhere = object_store::Error::Generic {
            store: "S3",
            source: "500: <Code>InvalidObjectState</Code>".into(),
        };
        assert!(!is_cold_refusal(&failure("s3://bucket/a", &elsewhere)));
    }

    #[test]
    fn what_a_store_says_is_said_in_plain_words() {
        let said = "403 Forbidden: <?xml version=\"1.0\"?><Error><Code>AccessDenied</Code></Error>";
        let error = object_store::Error::Generic { store: "S3", source: said.into() };
        let message = failure("s3://bucket/a", &error).to_string();
        assert_eq!(message, "cannot read s3://bucket/a: 403 Forbidden: AccessDenied");
    }
}
