//! Answers about what is going on: made anew for each request, kept by no cache.

use std::time::{Duration, SystemTime};

use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::response::Response;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode};
use serde::Serialize;
use thermocline_core::Error;
use thermocline_core::staging::Staging;

use crate::conditional::{Representation, content_tag, respond};
use crate::identity::Identity;
use crate::{AppState, Problem};

const JSON: &str = "application/json";

const TEXT: &str = "text/plain; charset=utf-8";

/// Target of the audit log, which is written whatever else is.
pub const AUDIT: &str = "audit";

/// The engine that brings objects online.
///
/// # Errors
/// 404 on a server that stages nothing.
pub struct Engine(pub Staging);

impl FromRequestParts<AppState> for Engine {
    type Rejection = Problem;

    async fn from_request_parts(_: &mut Parts, app: &AppState) -> Result<Self, Problem> {
        let staging = app.staging.clone();
        staging.map(Self).ok_or_else(|| Problem::not_found("this server has no cold data to stage"))
    }
}

/// A JSON document with a status. GET of it is 304 while it stays the same.
///
/// # Errors
/// A document that cannot be written.
pub fn json(parts: &Parts, status: StatusCode, document: &impl Serialize) -> Result<Response, Problem> {
    let body = serde_json::to_vec(document)
        .map_err(|cause| Error::internal("the answer cannot be written as JSON").with_source(cause))?;
    Ok(body_of(parts, status, JSON, body))
}

/// Plain text with a status.
pub fn text(parts: &Parts, status: StatusCode, text: String) -> Response {
    body_of(parts, status, TEXT, text.into_bytes())
}

fn body_of(parts: &Parts, status: StatusCode, media_type: &'static str, body: Vec<u8>) -> Response {
    let is_reading = matches!(parts.method, Method::GET | Method::HEAD) && status == StatusCode::OK;
    let mut response = if is_reading {
        let etag = content_tag(&body);
        let representation = Representation { media_type, etag, modified: None, max_age: Duration::ZERO };
        respond(&parts.method, &parts.headers, &representation, Bytes::from(body))
    } else {
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = status;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
        response
    };
    let freshness = if is_reading { "private, no-cache" } else { "no-store" };
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static(freshness));
    response
}

/// A time in nanoseconds since 1970 as ISO 8601 in UTC, to the millisecond.
pub fn iso8601(time_ns: i64) -> String {
    let since_epoch = Duration::from_nanos(u64::try_from(time_ns).unwrap_or_default());
    humantime::format_rfc3339_millis(SystemTime::UNIX_EPOCH + since_epoch).to_string()
}

/// Writes a line into the audit log: who did what, from where, and what came of it.
pub fn audit(who: &Identity, what: &str, subject: &str, outcome: &str) {
    let from = who.from.map(|from| from.to_string());
    let from = from.as_deref().unwrap_or("unknown");
    tracing::info!(target: AUDIT, owner = %who.owner, from, what, subject, outcome, "audit");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_iso_8601_in_utc() {
        assert_eq!(iso8601(1_700_000_000_123_456_789), "2023-11-14T22:13:20.123Z");
        assert_eq!(iso8601(-5), "1970-01-01T00:00:00.000Z");
    }
}
