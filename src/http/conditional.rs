//! Conditional and partial answers: ETag, 304, Range, HEAD.
//!
//! [`respond`] is all that a handler needs whose body is at hand. A handler that reads only what is asked
//! calls [`evaluate`] first and then [`respond_whole`] or [`respond_part`].
//!
//! # Specification
//! RFC 9110, sections 13 (conditional requests) and 14 (range requests).

use std::ops::Range;
use std::time::{Duration, SystemTime};

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_MATCH,
    IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, LAST_MODIFIED, RANGE, VARY,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use sha2::{Digest, Sha256};
use thermocline_model::{Dataset, ObjectIdentity};

use crate::Problem;
use crate::problem::{PRECONDITION_FAILED, RANGE_NOT_SATISFIABLE};

mod empty;
mod gzip;
mod range;
mod tag;
mod values;

pub(crate) use empty::UnsizedEmpty;
pub(crate) use gzip::{Compressible, GZIP_SUFFIX};
use range::Wish;
use tag::Coding;

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

/// Which bytes a request wants of a body.
#[derive(Debug)]
pub enum Wanted {
    /// All of it.
    Whole,
    /// These bytes.
    Part(Range<u64>),
    /// None: this answer says why (304, 412, 416).
    Nothing(Response),
}

/// Sends `body` as RFC 9110 says: 304, 206, 416 or 200, with `Content-Length`, `ETag` and `Accept-Ranges`.
///
/// JSON, HTML and other text is compressed on its way out by the router, if the request accepts that.
pub fn respond(
    method: &Method,
    headers: &HeaderMap,
    representation: &Representation,
    body: Bytes,
) -> Response {
    respond_compressed_from(gzip::MIN_LEN_BYTES, method, headers, (representation, body))
}

/// The same of a body whose HEAD [`respond_head_of_text`] answers before it is made: short text is compressed
/// too, if that makes it shorter.
pub fn respond_text(
    method: &Method,
    headers: &HeaderMap,
    representation: &Representation,
    body: Bytes,
) -> Response {
    respond_compressed_from(0, method, headers, (representation, body))
}

fn respond_compressed_from(
    min_len_bytes: usize,
    method: &Method,
    headers: &HeaderMap,
    (representation, body): (&Representation, Bytes),
) -> Response {
    let len_bytes = body.len() as u64;
    match evaluate(method, headers, representation, len_bytes) {
        Wanted::Nothing(response) => response,
        Wanted::Part(range) => {
            let part = usize::try_from(range.start)
                .and_then(|start| usize::try_from(range.end).map(|end| body.slice(start..end)));
            match part {
                Ok(part) => respond_part(representation, range, len_bytes, part),
                Err(_) => unsatisfiable(len_bytes),
            }
        }
        Wanted::Whole => {
            let compressible = Compressible::of(headers, representation, &body, min_len_bytes);
            let sent = if method == Method::HEAD { Body::empty() } else { Body::from(body) };
            let mut response = respond_whole(representation, len_bytes, sent);
            if let Some(compressible) = compressible {
                response.extensions_mut().insert(compressible);
            }
            response
        }
    }
}

/// Answers HEAD without a body that was made: `len_bytes` is left out where it is not known.
pub fn respond_head(
    headers: &HeaderMap,
    representation: &Representation,
    len_bytes: Option<u64>,
) -> Response {
    if let Some(response) = precondition(headers, representation) {
        return response;
    }
    let mut response = with_headers(representation, Body::new(UnsizedEmpty));
    if let Some(len_bytes) = len_bytes {
        response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(len_bytes));
    }
    response
}

/// The same of what [`respond_text`] will send.
///
/// Whether text becomes shorter by compression shows when it is made. If the request accepts that, its length, its
/// coding and its entity tag, which follows the coding, are left out.
///
/// # Source
/// RFC 9110, section 9.3.2: HEAD may omit header fields whose values are determined only while the content is made.
pub fn respond_head_of_text(headers: &HeaderMap, representation: &Representation) -> Response {
    let mut response = respond_head(headers, representation, None);
    if response.status() == StatusCode::OK && gzip::may_compress(headers, representation) {
        response.headers_mut().remove(ETAG);
    }
    response
}

/// The same of what [`respond_stream`] will send.
pub fn respond_head_of_stream(headers: &HeaderMap, representation: &Representation) -> Response {
    let mut response = respond_head(headers, representation, None);
    response.headers_mut().remove(ACCEPT_RANGES);
    response
}

/// Which bytes of a body of `len_bytes` the request wants, before any is read.
pub fn evaluate(
    method: &Method,
    headers: &HeaderMap,
    representation: &Representation,
    len_bytes: u64,
) -> Wanted {
    if let Some(response) = precondition(headers, representation) {
        return Wanted::Nothing(response);
    }
    let Some(asked) = headers.get(RANGE).filter(|_| method == Method::GET) else {
        return Wanted::Whole;
    };
    if !range_holds(headers, representation) {
        return Wanted::Whole;
    }
    match range::parse(asked.as_bytes(), len_bytes) {
        Wish::Part(range) => Wanted::Part(range),
        Wish::Unsatisfiable => Wanted::Nothing(unsatisfiable(len_bytes)),
        Wish::Ignored => Wanted::Whole,
    }
}

/// The answer of a request whose conditions do not hold: 304 or 412. Of use before a body is read.
pub fn precondition(headers: &HeaderMap, representation: &Representation) -> Option<Response> {
    let etag = representation.etag.as_str();
    let modified = representation.modified;
    if headers.contains_key(IF_MATCH) {
        // A request for a range never gets the compressed body.
        let coding = if headers.contains_key(RANGE) { Coding::Identity } else { Coding::Any };
        if !headers.get_all(IF_MATCH).iter().any(|list| tag::strongly_matches(list.as_bytes(), etag, coding))
        {
            return Some(failed("If-Match names another state than the present one"));
        }
    } else if is_modified_since(headers, &IF_UNMODIFIED_SINCE, modified) == Some(true) {
        return Some(failed("modified since the time that If-Unmodified-Since names"));
    }

    if headers.contains_key(IF_NONE_MATCH) {
        let found = headers.get_all(IF_NONE_MATCH).iter().find_map(|list| tag::find(list.as_bytes(), etag));
        return found.map(|suffix| not_modified(representation, suffix));
    }
    let is_unchanged = is_modified_since(headers, &IF_MODIFIED_SINCE, modified) == Some(false);
    is_unchanged.then(|| not_modified(representation, ""))
}

/// 200 with a whole body of `len_bytes`.
pub fn respond_whole(representation: &Representation, len_bytes: u64, body: impl Into<Body>) -> Response {
    let mut response = with_headers(representation, body.into());
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(len_bytes));
    response
}

/// 200 with a body whose length is not known before it has been sent. Parts of it cannot be asked for.
pub fn respond_stream(representation: &Representation, body: impl Into<Body>) -> Response {
    let mut response = with_headers(representation, body.into());
    response.headers_mut().remove(ACCEPT_RANGES);
    response
}

/// 206 with the bytes of `range` of a body of `len_bytes`.
pub fn respond_part(
    representation: &Representation,
    range: Range<u64>,
    len_bytes: u64,
    part: impl Into<Body>,
) -> Response {
    let mut response = with_headers(representation, part.into());
    *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    let last = range.end.saturating_sub(1);
    let described = format!("bytes {}-{last}/{len_bytes}", range.start);
    let headers = response.headers_mut();
    headers.insert(CONTENT_LENGTH, HeaderValue::from(range.end.saturating_sub(range.start)));
    if let Ok(described) = HeaderValue::try_from(described) {
        headers.insert(CONTENT_RANGE, described);
    }
    response
}

/// An entity tag that is a hash of the body: of documents that are made whole before they are asked for.
pub fn content_tag(body: &[u8]) -> String {
    let digest = Sha256::digest(body);
    digest.iter().take(12).map(|byte| format!("{byte:02x}")).collect()
}

/// When the youngest source object of a dataset was modified, if its stores say.
pub fn source_modified(dataset: &Dataset) -> Option<SystemTime> {
    let modified = dataset.objects.iter().filter_map(|object| match object.identity {
        ObjectIdentity::Modified { mtime_ns, .. } => u64::try_from(mtime_ns).ok(),
        ObjectIdentity::ETag(_) => None,
    });
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_nanos(modified.max()?))
}

/// Says that the answer depends on `Accept` too: for paths that answer HTML and JSON.
#[must_use]
pub fn vary_on_accept(mut response: Response) -> Response {
    response.headers_mut().insert(VARY, HeaderValue::from_static("Accept, Accept-Encoding"));
    response
}

fn with_headers(representation: &Representation, body: Body) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.reserve(12);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(representation.media_type));
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    insert_validators(headers, representation, "");
    response
}

fn insert_validators(headers: &mut HeaderMap, representation: &Representation, tag_suffix: &str) {
    if let Some(etag) = values::etag(&representation.etag, tag_suffix) {
        headers.insert(ETAG, etag);
    }
    if let Some(modified) = representation.modified.and_then(values::http_date) {
        headers.insert(LAST_MODIFIED, modified);
    }
    headers.insert(CACHE_CONTROL, values::public_for(representation.max_age));
    if gzip::is_text(representation.media_type) {
        headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    }
}

fn not_modified(representation: &Representation, tag_suffix: &str) -> Response {
    let mut response = Response::new(Body::new(UnsizedEmpty));
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    insert_validators(response.headers_mut(), representation, tag_suffix);
    response
}

fn failed(detail: &str) -> Response {
    Problem::new(&PRECONDITION_FAILED, detail).into_response()
}

fn unsatisfiable(len_bytes: u64) -> Response {
    let problem = Problem::new(&RANGE_NOT_SATISFIABLE, format!("the body has {len_bytes} bytes"));
    match HeaderValue::try_from(format!("bytes */{len_bytes}")) {
        Ok(described) => problem.with_header(CONTENT_RANGE, described).into_response(),
        Err(_) => problem.into_response(),
    }
}

/// True if `If-Range` is absent or names the present state.
fn range_holds(headers: &HeaderMap, representation: &Representation) -> bool {
    let Some(condition) = headers.get(IF_RANGE) else {
        return true;
    };
    let condition = condition.as_bytes();
    if condition.starts_with(b"\"") || condition.starts_with(b"W/") {
        return tag::is_exactly(condition, &representation.etag);
    }
    let asked = std::str::from_utf8(condition).ok().and_then(|text| httpdate::parse_http_date(text).ok());
    let modified = representation.modified.and_then(values::whole_seconds);
    asked.and_then(values::whole_seconds).is_some_and(|asked| Some(asked) == modified)
}

/// Whether the source was modified after the time in a header; `None` if either is unknown.
fn is_modified_since(
    headers: &HeaderMap,
    name: &http::HeaderName,
    modified: Option<SystemTime>,
) -> Option<bool> {
    let asked = headers.get(name)?.to_str().ok()?;
    let asked = values::whole_seconds(httpdate::parse_http_date(asked).ok()?)?;
    Some(values::whole_seconds(modified?)? > asked)
}

#[cfg(test)]
mod tests;
