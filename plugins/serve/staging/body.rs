//! What bodies of requests say.

use http::header::CONTENT_TYPE;
use http::request::Parts;
use serde::de::DeserializeOwned;
use thermocline_http::Problem;
use thermocline_http::problem::TOO_LARGE;

/// How a body is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Written {
    /// A JSON document.
    Json,
    /// One object a line.
    Lines,
}

/// How a body is written: as its label says, else as it begins. Forms are a habit of curl's, not meant.
pub(crate) fn written(parts: &Parts, bytes: &[u8]) -> Written {
    let label = parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = label.split(';').next().unwrap_or_default().trim();
    if media_type.eq_ignore_ascii_case("text/plain") {
        return Written::Lines;
    }
    let is_json = media_type.eq_ignore_ascii_case("application/json") || media_type.ends_with("+json");
    if is_json || bytes.trim_ascii_start().starts_with(b"{") { Written::Json } else { Written::Lines }
}

/// A JSON document; nothing is an empty object.
///
/// # Errors
/// 400 with what is wrong, and where.
pub(crate) fn json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let bytes = if bytes.trim_ascii().is_empty() { b"{}" } else { bytes };
    serde_json::from_slice(bytes)
        .map_err(|cause| Problem::invalid_input(format!("the body cannot be read: {cause}")))
}

/// Does work on a body: large ones away from the threads that answer requests.
///
/// # Errors
/// Those of `work`.
pub(crate) async fn work<T: Send + 'static>(
    len_bytes: usize,
    work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    if len_bytes < 16 << 10 {
        return work();
    }
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(_) => Err(thermocline_core::Error::internal("reading the body stopped by a mistake").into()),
    }
}

/// 413 that names the limit.
pub(crate) fn too_large(detail: String, limit: usize) -> Problem {
    Problem::new(&TOO_LARGE, detail).with_field("limit", limit)
}
