//! Answers the keys of a dataset's Zarr stores over HTTP: documents, chunks, listings.
//!
//! Several plugins offer the same keys below different paths; what they share is here. A [`Store`] says
//! which [`View`]s its keys come from, its [`handler`](Store::handler) answers GET, HEAD and PROPFIND.
//!
//! Names with `#` or `?` are found although clients cut their URLs there, where that is certain.
//!
//! Only a key that can never exist and a chunk that was never written are 404: every Zarr client reads
//! that as the fill value.

mod chunk;
mod cut;
mod document;
mod href;
mod listing;
mod propfind;
mod request;
mod source;

use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use futures::FutureExt;
use futures::future::BoxFuture;
use thermocline_core::{Error, ErrorKind};
use thermocline_http::hold::{self, Wait};
use thermocline_http::{AppState, KeyHandler, KeyRequest, Problem, with_propfind};
use thermocline_zarr::{Hierarchy, View, ZarrKey};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

pub use chunk::chunk_problem;
pub use document::{Body, document_body};
pub use href::encoded_path;
pub use request::StoreRequest;
pub use source::ChunkSource;

/// A tree of keys below one path of a dataset.
#[derive(Debug, Clone, Copy)]
pub struct Store {
    /// Views whose keys it has; of a key in several the first counts.
    pub views: &'static [View],
}

impl Store {
    /// Answers GET, HEAD and PROPFIND of the store's root and keys.
    pub fn handler(self) -> MethodRouter<AppState> {
        let route = get(move |request: StoreRequest| async move { self.answer(request).await });
        with_propfind(route, move |request: StoreRequest| async move { self.propfind(request).await })
    }

    /// Answers `PROPFIND` of a key.
    ///
    /// # Errors
    /// 404 for a key that does not exist; 413 where not everything can be listed: a client that copies what
    /// is listed would take the rest for fill values.
    pub async fn propfind(self, request: StoreRequest) -> Result<Response, Problem> {
        aside(async move { propfind::answer(self, &request).await }).await
    }

    /// Answers GET and HEAD of a key: a document, a chunk, or the listing of a node.
    ///
    /// # Errors
    /// 404 for a key that can never exist and a chunk that was never written; 400 for the beginning of
    /// names with `#`; whatever keeps the bytes from being exactly right.
    pub async fn answer(self, mut request: StoreRequest) -> Result<Response, Problem> {
        cut::put_back_query(self, &mut request);
        for view in self.views {
            let hierarchy = Hierarchy::of(&request.manifest, *view);
            match ZarrKey::parse(&hierarchy, &request.key) {
                Some(ZarrKey::Chunk { array, index }) => {
                    return match chunk::answer(&request, array, &index).await {
                        Err(problem) if is_cold(&problem) => {
                            let mut wait = wait_of(&request);
                            // Looking for what comes next costs as many looks as there are chunks.
                            if wait.may_read_ahead() {
                                wait.ahead = chunk::objects_ahead(&request, array, &index).await;
                            }
                            Ok(self.held(problem.error, request, wait))
                        }
                        answer => answer,
                    };
                }
                Some(ZarrKey::Document { path, kind }) => {
                    return document::answer(&request, &hierarchy, &path, kind).await;
                }
                Some(ZarrKey::Node { .. } | ZarrKey::ChunkDirectory { .. }) => {
                    cut::check_listing(self, &request)?;
                    return aside(async move { listing::answer(self, &request).await }).await;
                }
                None => {}
            }
        }
        match cut::answer(self, &request).await {
            Err(problem) if is_cold(&problem) => {
                let wait = wait_of(&request);
                Ok(self.held(problem.error, request, wait))
            }
            answer => answer?.ok_or_else(|| request.not_found()),
        }
    }

    /// The request waits for the objects that an error names, and begins again.
    fn held(self, error: Error, request: StoreRequest, wait: Wait) -> Response {
        let request = request.detached();
        hold::held(error, wait, Box::new(move || self.answer_boxed(request)))
    }

    fn answer_boxed(self, request: StoreRequest) -> BoxFuture<'static, Response> {
        async move { self.answer(request).await.into_response() }.boxed()
    }
}

fn wait_of(request: &StoreRequest) -> Wait {
    Wait::of(&request.app, &request.asked(), &request.manifest.id)
}

fn is_cold(problem: &Problem) -> bool {
    problem.error.kind() == ErrorKind::NotStaged
}

/// Listings that are made at the same time; further ones wait.
///
/// Each holds a thread of the blocking pool while it waits for documents and chunk tables, which are made on
/// others of that pool: as many listings as threads would wait for ever.
static LISTINGS: Semaphore = Semaphore::const_new(8);

/// Makes a listing, which looks at thousands of chunks, away from the threads that answer requests.
async fn aside<T: Send + 'static>(
    work: impl Future<Output = Result<T, Problem>> + Send + 'static,
) -> Result<T, Problem> {
    let turn = LISTINGS.acquire().await;
    let runtime = Handle::current();
    let done = tokio::task::spawn_blocking(move || {
        // It ends with the work, not with the request: a client may go away meanwhile.
        let _turn = turn;
        runtime.block_on(work)
    });
    done.await.map_err(|cause| Error::internal("a listing was not finished").with_source(cause))?
}

impl KeyHandler for Store {
    fn answer(&self, request: KeyRequest) -> BoxFuture<'static, Response> {
        let store = *self;
        let answer = async move {
            let manifest = request.open().await?;
            Self::answer(store, StoreRequest::new(request, manifest)).await
        };
        answer.map(IntoResponse::into_response).boxed()
    }
}

impl StoreRequest {
    /// What a key that does not exist is answered with.
    pub(crate) fn not_found(&self) -> Problem {
        Error::not_found(format!("Key '{}' not found in dataset '{}'", self.key, self.manifest.id)).into()
    }
}
