//! How the documents of this plugin are sent.

use std::time::{Duration, SystemTime};

use axum::response::Response;
use bytes::Bytes;
use http::request::Parts;
use serde_json::Value;
use thermocline_http::conditional::{Representation, content_tag, respond, vary_on_accept};
use thermocline_zarr::ascii_json;

use crate::{HTML, JSON};

/// How long caches may keep a document, and how old its source is.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Freshness {
    /// How long caches may keep it.
    pub(crate) max_age: Duration,
    /// When the source was modified.
    pub(crate) modified: Option<SystemTime>,
}

/// A JSON document.
pub(crate) fn json(parts: &Parts, value: &Value, freshness: Freshness) -> Response {
    document(parts, JSON, ascii_json(value), freshness)
}

/// A page.
pub(crate) fn page(parts: &Parts, html: String, freshness: Freshness) -> Response {
    document(parts, HTML, html.into_bytes(), freshness)
}

/// A document of a path that has a page and JSON.
pub(crate) fn negotiated(response: Response) -> Response {
    vary_on_accept(response)
}

/// A document of any media type; its entity tag is a hash of its bytes.
pub(crate) fn document(
    parts: &Parts,
    media_type: &'static str,
    body: Vec<u8>,
    freshness: Freshness,
) -> Response {
    let Freshness { max_age, modified } = freshness;
    let representation = Representation { media_type, etag: content_tag(&body), modified, max_age };
    respond(&parts.method, &parts.headers, &representation, Bytes::from(body))
}
