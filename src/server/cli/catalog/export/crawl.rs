//! Asking the router for every document that links lead to.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use hyper::{HeaderMap, Request, Response, StatusCode, header};
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

/// Below this every document is one dataset's own: without it the others are worth as much as before.
const DATASETS: &str = "/datasets/";

/// Most links that lead nowhere which are named.
const MAX_NAMED: usize = 100;

/// How often a document is asked for that is not available for the moment.
const ATTEMPTS: u32 = 5;

/// Longest pause before it is asked for again.
const MAX_PAUSE: Duration = Duration::from_secs(5);

/// Documents that wait to be written.
const WAITING: usize = 4;

/// What was exported.
pub(super) struct Exported {
    pub(super) tree: Tree,
    pub(super) n_documents: u64,
    pub(super) n_bytes: u64,
    pub(super) unreachable: Unreachable,
}

/// Links that lead nowhere.
#[derive(Debug, Default)]
pub(super) struct Unreachable {
    /// How many there are.
    pub(super) n: u64,
    /// Some of them, with the reason.
    pub(super) named: Vec<(String, String)>,
    /// True if any of them is more than a dataset's own document.
    pub(super) is_any_catalog: bool,
}

impl Unreachable {
    fn add(&mut self, path: String, reason: String) {
        self.n += 1;
        self.is_any_catalog |= !path.starts_with(DATASETS);
        if self.named.len() < MAX_NAMED {
            self.named.push((path, reason));
        }
    }
}

/// Follows links from document to document.
pub(super) struct Crawl {
    stack: Stack,
    base: String,
    seen: HashSet<String>,
    waiting: VecDeque<String>,
    n_documents: u64,
    n_bytes: u64,
    unreachable: Unreachable,
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
            unreachable: Unreachable::default(),
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
        let (head, body) = self.answer(&path).await?.into_parts();
        if head.status != StatusCode::OK {
            let is_optional = ENTRIES.contains(&path.as_str()) && head.status == StatusCode::NOT_FOUND;
            if !is_optional {
                self.unreachable.add(path, head.status.to_string());
            }
            return Ok(None);
        }
        let bytes = match to_bytes(body, MAX_DOCUMENT_BYTES).await {
            Ok(bytes) => bytes,
            Err(cause) => {
                self.unreachable.add(path, format!("could not be read: {cause}"));
                return Ok(None);
            }
        };
        let text = |name| {
            head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
        };
        let (media_type, etag) = (text(header::CONTENT_TYPE), text(header::ETAG));
        Ok(Some(Document { path, media_type, etag, bytes }))
    }

    /// What the router answers; not at once that a document is not available for the moment.
    async fn answer(&self, path: &str) -> Result<Response<Body>, Failure> {
        let mut n_asked = 0;
        loop {
            let request = Request::get(path)
                .header(header::ACCEPT, "*/*")
                .body(Body::empty())
                .map_err(|cause| Failure::because(format_args!("cannot ask for {path}"), cause))?;
            let answer = self.stack.answer(request).await;
            n_asked += 1;
            if answer.status() != StatusCode::SERVICE_UNAVAILABLE || n_asked == ATTEMPTS {
                return Ok(answer);
            }
            tokio::time::sleep(pause(answer.headers())).await;
        }
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

/// How long to wait before asking again, as far as an answer says.
fn pause(headers: &HeaderMap) -> Duration {
    let seconds = headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    Duration::from_secs(seconds.unwrap_or(1)).min(MAX_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_a_dataset_lacks_is_told_apart_from_what_a_catalog_lacks() {
        let mut unreachable = Unreachable::default();
        for number in 0..200 {
            unreachable.add(format!("/datasets/{number}/stac"), "500".to_owned());
        }
        assert_eq!(
            (unreachable.n, unreachable.named.len(), unreachable.is_any_catalog),
            (200, MAX_NAMED, false)
        );

        unreachable.add("/stac/collections/c".to_owned(), "500".to_owned());
        assert!(unreachable.is_any_catalog);
    }

    #[test]
    fn nobody_waits_longer_than_a_few_seconds() {
        let after =
            |seconds: &str| pause(&HeaderMap::from_iter([(header::RETRY_AFTER, seconds.parse().unwrap())]));

        assert_eq!([after("2"), after("3600"), after("soon")].map(|pause| pause.as_secs()), [2, 5, 1]);
        assert_eq!(pause(&HeaderMap::new()), Duration::from_secs(1));
    }
}
