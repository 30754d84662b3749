//! Compression of texts on their way out. Bodies are whole in memory, so that their length is known.

use std::io::Write;
use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use flate2::{Compression, GzBuilder};
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, ETAG};
use http::{HeaderValue, StatusCode};
use moka::sync::Cache;

use crate::conditional::{Compressible, GZIP_SUFFIX};

/// Memory for compressed bodies that are asked for again, in bytes.
const MAX_KEPT_BYTES: u64 = 32 << 20;

/// From this length on a body is compressed away from the threads that answer requests.
const LONG_BYTES: usize = 32 << 10;

/// Compresses texts, and keeps what it made.
pub(super) struct Compressor {
    /// By path and entity tag.
    kept: Cache<(Arc<str>, Arc<str>), Bytes>,
}

impl Compressor {
    /// Nothing kept yet.
    pub(super) fn new() -> Self {
        let weigher = |key: &(Arc<str>, Arc<str>), body: &Bytes| {
            u32::try_from(body.len() + key.0.len() + key.1.len()).unwrap_or(u32::MAX)
        };
        Self { kept: Cache::builder().max_capacity(MAX_KEPT_BYTES).weigher(weigher).build() }
    }

    /// The answer compressed, if it is marked for that and becomes shorter by it.
    pub(super) async fn compress(&self, mut response: Response, path: &str) -> Response {
        let Some(marked) = response.extensions_mut().remove::<Compressible>() else {
            return response;
        };
        if response.status() != StatusCode::OK || response.headers().contains_key(CONTENT_ENCODING) {
            return response;
        }
        let Some(body) = self.gzip(&marked, path).await.filter(|body| body.len() < marked.body.len()) else {
            return response;
        };
        let Ok(etag) = HeaderValue::try_from(format!("\"{}{GZIP_SUFFIX}\"", marked.etag)) else {
            return response;
        };
        let headers = response.headers_mut();
        headers.insert(ETAG, etag);
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        *response.body_mut() = Body::from(body);
        response
    }

    async fn gzip(&self, marked: &Compressible, path: &str) -> Option<Bytes> {
        let key = (Arc::from(path), Arc::from(marked.etag.as_str()));
        if let Some(body) = self.kept.get(&key) {
            return Some(body);
        }
        let plain = marked.body.clone();
        let body = if plain.len() < LONG_BYTES {
            gzip(&plain)?
        } else {
            tokio::task::spawn_blocking(move || gzip(&plain)).await.ok()??
        };
        self.kept.insert(key, body.clone());
        Some(body)
    }
}

/// A gzip stream that is the same every time: without name and time.
fn gzip(plain: &[u8]) -> Option<Bytes> {
    let mut encoder = GzBuilder::new().write(Vec::with_capacity(plain.len() / 4), Compression::new(4));
    encoder.write_all(plain).ok()?;
    Some(Bytes::from(encoder.finish().ok()?))
}
