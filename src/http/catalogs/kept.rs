//! Finished documents of all datasets, kept within a bound.

use std::sync::Arc;

use axum::response::Response;
use bytes::Bytes;
use http::request::Parts;
use moka::future::Cache;
use thermocline_core::access::View;
use thermocline_core::{Error, Result};
use thermocline_search::Seen;
use tokio::sync::Semaphore;

use crate::conditional::{Representation, content_tag, respond};
use crate::links::BaseUrl;
use crate::{App, Problem};

/// What an entry takes besides its bytes.
const ENTRY_BYTES: usize = 256;

/// Most bytes of lists of ids that are kept.
const IDS_BYTES: u64 = 32 << 20;

/// Most documents that are written at the same time: each may be tens of megabytes, and a client can ask for as many
/// as it can think of addresses for the server.
const MAX_WRITING: usize = 2;

/// A finished document.
#[derive(Debug, Clone)]
pub struct Document {
    bytes: Bytes,
    etag: String,
}

impl Document {
    /// Of these bytes; its entity tag is a hash of them. Takes milliseconds for a large one.
    fn new(bytes: Vec<u8>) -> Self {
        Self { etag: content_tag(&bytes), bytes: Bytes::from(bytes) }
    }

    /// Sends it, or the part of it that is asked for.
    pub fn respond(self, app: &App, parts: &Parts, media_type: &'static str) -> Response {
        let max_age = app.config.metadata_max_age;
        let representation = Representation { media_type, etag: self.etag, modified: None, max_age };
        respond(&parts.method, &parts.headers, &representation, self.bytes)
    }
}

/// What determines a document of all datasets.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DocumentKey {
    generation: u64,
    view: View,
    base: String,
    name: String,
}

impl DocumentKey {
    /// The document of that name of the datasets that are seen, for clients at `base`. It must not tell of staging, nor
    /// of anything else that differs between clients.
    pub fn new(seen: &Seen, base: &BaseUrl, name: impl Into<String>) -> Self {
        Self {
            generation: seen.summaries_generation(),
            view: seen.view().clone(),
            base: base.0.clone(),
            name: name.into(),
        }
    }
}

/// Sorted ids of datasets.
type Ids = Arc<[Box<str>]>;

/// What determines a list of ids: the state of the catalog, who sees it, and the collection.
type IdsKey = (u64, View, Option<String>);

/// Finished documents and lists of ids, for the present state of the catalog.
pub struct Documents {
    documents: Cache<DocumentKey, Document>,
    ids: Cache<IdsKey, Ids>,
    writing: Semaphore,
}

impl Documents {
    /// At most `max_bytes` of documents.
    pub fn new(max_bytes: u64) -> Self {
        let weigh = |_: &DocumentKey, document: &Document| weight(document.bytes.len());
        let weigh_ids =
            |_: &IdsKey, ids: &Ids| weight(ids.iter().map(|id| id.len() + size_of::<Box<str>>()).sum());
        Self {
            documents: Cache::builder().max_capacity(max_bytes).weigher(weigh).build(),
            ids: Cache::builder().max_capacity(IDS_BYTES).weigher(weigh_ids).build(),
            writing: Semaphore::new(MAX_WRITING),
        }
    }

    /// A document, written once for all who ask for it at the same time.
    ///
    /// # Errors
    /// Those of `write`.
    pub async fn get_or_write(
        &self,
        key: DocumentKey,
        write: impl Future<Output = Result<Vec<u8>>>,
    ) -> Result<Document, Problem> {
        let written = self.documents.try_get_with(key, async {
            let _permit = self.writing.acquire().await.map_err(|cause| unfinished().with_source(cause))?;
            let bytes = write.await?;
            let document = tokio::task::spawn_blocking(move || Document::new(bytes));
            document.await.map_err(|cause| unfinished().with_source(cause))
        });
        written.await.map_err(|error: Arc<Error>| error.shared().into())
    }

    /// Sorted ids of all datasets that are seen, or of those in a collection.
    ///
    /// # Errors
    /// [`thermocline_core::ErrorKind::Internal`] if the work broke off.
    pub async fn ids(&self, seen: &Seen, collection: Option<&str>) -> Result<Ids> {
        let key = (seen.summaries_generation(), seen.view().clone(), collection.map(str::to_owned));
        let listed = self.ids.try_get_with(key, list_ids(seen, collection));
        listed.await.map_err(|error: Arc<Error>| error.shared())
    }

    /// How many bytes the documents take at present.
    pub fn used_bytes(&self) -> u64 {
        self.documents.weighted_size()
    }
}

async fn list_ids(seen: &Seen, collection: Option<&str>) -> Result<Ids> {
    let (seen, collection) = (seen.clone(), collection.map(str::to_owned));
    let listed = tokio::task::spawn_blocking(move || seen.ids(collection.as_deref()).into());
    listed.await.map_err(|cause| unfinished().with_source(cause))
}

fn weight(len_bytes: usize) -> u32 {
    u32::try_from(len_bytes.saturating_add(ENTRY_BYTES)).unwrap_or(u32::MAX)
}

fn unfinished() -> Error {
    Error::internal("a document of all datasets was not finished")
}
