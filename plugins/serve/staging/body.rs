//! What bodies of requests say.

use http::header::CONTENT_TYPE;
use http::request::Parts;
use serde::Deserialize;
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

/// What a body is labelled as, if that says how it is written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Label(Option<Written>);

impl Label {
    /// That of a request. Forms are a habit of curl's, not meant.
    pub(crate) fn of(parts: &Parts) -> Self {
        let label = parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let media_type = label.split(';').next().unwrap_or_default().trim();
        if media_type.eq_ignore_ascii_case("text/plain") {
            return Self(Some(Written::Lines));
        }
        let is_json = media_type.eq_ignore_ascii_case("application/json") || media_type.ends_with("+json");
        Self(is_json.then_some(Written::Json))
    }

    /// How a body with this label is written: as the label says, else as it begins.
    pub(crate) fn written(self, bytes: &[u8]) -> Written {
        let begins_as_json = || bytes.trim_ascii_start().starts_with(b"{");
        self.0.unwrap_or_else(|| if begins_as_json() { Written::Json } else { Written::Lines })
    }
}

/// A JSON document; nothing is an empty object.
///
/// # Errors
/// 400 with what is wrong, and where.
pub(crate) fn json<'b, T: Deserialize<'b>>(bytes: &'b [u8]) -> Result<T, Problem> {
    let bytes = if bytes.trim_ascii().is_empty() { b"{}" } else { bytes };
    serde_json::from_slice(bytes)
        .map_err(|cause| Problem::invalid_input(format!("the body cannot be read: {cause}")))
}

/// 413 that names the limit.
pub(crate) fn too_large(detail: String, limit: usize) -> Problem {
    Problem::new(&TOO_LARGE, detail).with_field("limit", limit)
}
