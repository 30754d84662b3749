//! Asking the router for every document that links lead to.

use std::collections::{HashSet, VecDeque};

use axum::body::{Body, to_bytes};
use bytes::Bytes;
use hyper::{Request, StatusCode, header};
use indicatif::ProgressBar;
use thermocline_http::router::Stack;
use tokio::sync::mpsc;
use url::Url;

use super::links::links;
use super::tree::{Document, Tree};
use crate::cli::Failure;

/// Where catalogs begin. What no plugin serves is left out.
const ENTRIES: [&str; 8] = [
    "/stac-collection-all.json",
    "/stac",
    "/intake.yaml",
    "/intake-nested.yaml",
    "/intake-esm.json",
    "/catalog.xml",
    "/sitemap.xml",
    "/openapi.json",
];

/// Most bytes of one document.
const MAX_DOCUMENT_BYTES: usize = 256 << 20;

/// Most documents.
const MAX_DOCUMENTS: usize = 4_000_000;

/// Most links that lead nowhere which are named.
const MAX_UNREACHABLE: usize = 100;

/// Documents that wait to be written.
const WAITING: usize = 4;

/// What was exported.
pub(super) struct Exported {
    pub(super) tree: Tree,
    pub(super) n_documents: u64,
    pub(super) n_bytes: u64,
    /// Links that lead nowhere, with the reason.
    pub(super) unreachable: Vec<(String, String)>,
}

/// Follows links from document to document.
pub(super) struct Crawl {
    stack: Stack,
    base: String,
    seen: HashSet<String>,
    waiting: VecDeque<String>,
    n_documents: u64,
    n_bytes: u64,
    unreachable: Vec<(String, String)>,
}

impl Crawl {
    /// A crawl of what is served under an address without a slash at its end.
    pub(super) fn new(stack: Stack, base: &str) -> Self {
        let waiting: VecDeque<String> = ENTRIES.into_iter().map(str::to_owned).collect();
        Self {
            stack,
            base: base.to_owned(),
            seen: waiting.iter().cloned().collect(),
            waiting,
            n_documents: 0,
            n_bytes: 0,
            unreachable: Vec::new(),
        }
    }

    /// Writes all documents into a tree.
    ///
    /// # Errors
    /// No entry point that is served; too many documents, or one that is too large; a tree that cannot be written.
    pub(super) async fn run(mut self, tree: Tree, bar: &ProgressBar) -> Result<Exported, Failure> {
        let (documents, to_write) = mpsc::channel(WAITING);
        let base = self.base.clone();
        let writing = tokio::task::spawn_blocking(move || tree.write_all(&base, to_write));
        while let Some(path) = self.waiting.pop_front() {
            bar.inc(1);
            let Some(document) = self.ask(path).await? else { continue };
            self.follow(&document)?;
            self.n_documents += 1;
            self.n_bytes += document.bytes.len() as u64;
            // If nobody takes it, writing has failed: why is told below.
            if documents.send(document).await.is_err() {
                break;
            }
        }
        drop(documents);
        bar.finish_and_clear();
        let written = writing.await.map_err(|cause| Failure::because("writing broke off", cause))?;
        let Self { n_documents, n_bytes, unreachable, .. } = self;
        let exported = Exported { tree: written?, n_documents, n_bytes, unreachable };
        match exported.n_documents {
            0 => Err(Failure::Failed("no plugin serves a catalog".to_owned())),
            _ => Ok(exported),
        }
    }

    /// The document at a path; `None` for what is not there.
    async fn ask(&mut self, path: String) -> Result<Option<Document>, Failure> {
        let request = Request::get(&path)
            .header(header::ACCEPT, "*/*")
            .body(Body::empty())
            .map_err(|cause| Failure::because(format_args!("cannot ask for {path}"), cause))?;
        let answer = self.stack.answer(request).await;
        let (head, body) = answer.into_parts();
        if head.status != StatusCode::OK {
            let is_optional = ENTRIES.contains(&path.as_str()) && head.status == StatusCode::NOT_FOUND;
            if !is_optional && self.unreachable.len() < MAX_UNREACHABLE {
                self.unreachable.push((path, head.status.to_string()));
            }
            return Ok(None);
        }
        let bytes: Bytes = to_bytes(body, MAX_DOCUMENT_BYTES)
            .await
            .map_err(|cause| Failure::because(format_args!("{path} could not be read"), cause))?;
        let text = |name| {
            head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
        };
        let (media_type, etag) = (text(header::CONTENT_TYPE), text(header::ETAG));
        Ok(Some(Document { path, media_type, etag, bytes }))
    }

    /// Queues the documents that a document leads to.
    fn follow(&mut self, document: &Document) -> Result<(), Failure> {
        let address = format!("{}{}", self.base, document.path);
        let Ok(address) = Url::parse(&address) else { return Ok(()) };
        for link in links(&document.media_type, &document.bytes, &address) {
            let Some(path) = link.as_str().strip_prefix(&self.base).filter(|path| path.starts_with('/'))
            else {
                continue;
            };
            let path = path.split('#').next().unwrap_or_default().trim_end_matches('/');
            if path.is_empty() || self.seen.contains(path) {
                continue;
            }
            if self.seen.len() == MAX_DOCUMENTS {
                return Err(Failure::Failed(format!("there are more than {MAX_DOCUMENTS} documents")));
            }
            self.seen.insert(path.to_owned());
            self.waiting.push_back(path.to_owned());
        }
        Ok(())
    }
}
