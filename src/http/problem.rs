//! Errors as answers: RFC 9457 problem documents. The only place that knows status codes.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::{Map, Value};
use thermocline_core::{Error, ErrorKind};

mod types;

pub use types::*;

/// Longest list of what would have been right.
const MAX_ALLOWED: usize = 50;

/// When to ask again for what is being recalled, where nothing better is known.
const RECALL_RETRY: Duration = Duration::from_secs(30);

/// An error answer: `application/problem+json`.
#[derive(Debug)]
pub struct Problem {
    /// Status of the answer.
    pub status: StatusCode,
    /// The error.
    pub error: Error,
    about: &'static ProblemType,
    more: Option<Box<More>>,
}

/// What few problems have.
#[derive(Debug, Default)]
struct More {
    fields: Map<String, Value>,
    headers: Vec<(HeaderName, HeaderValue)>,
    retry_after: Option<Duration>,
}

impl Problem {
    /// A problem of a type, with `detail` for the client.
    pub fn new(about: &'static ProblemType, detail: impl Into<String>) -> Self {
        let kind = if about.status < 500 { ErrorKind::InvalidInput } else { ErrorKind::Internal };
        Self { status: about.status(), error: Error::new(kind, detail), about, more: None }
    }

    /// What the path names does not exist: 404.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Error::not_found(detail).into()
    }

    /// There is no such dataset, or not for whoever asks: 404.
    pub(crate) fn no_dataset(id: &str) -> Self {
        Self::not_found(format!("Dataset '{id}' not found"))
    }

    /// The request makes no sense: 400.
    pub fn invalid_input(detail: impl Into<String>) -> Self {
        Error::invalid_input(detail).into()
    }

    /// Something is not there yet, or not at present: 503, to be asked again in a few seconds.
    pub fn unavailable(detail: impl Into<String>) -> Self {
        Error::new(ErrorKind::Unavailable { retry_after: Duration::from_secs(2) }, detail).into()
    }

    /// A method that the path does not know: 405. `allow` is the list of those that it knows.
    pub fn method_not_allowed(method: &http::Method, allow: HeaderValue) -> Self {
        let allowed = allow.to_str().unwrap_or_default();
        let problem =
            Self::new(&METHOD_NOT_ALLOWED, format!("{method} is not offered here, but {allowed} are"))
                .with_allowed(allowed.split(',').map(str::trim));
        problem.with_header(ALLOW, allow)
    }

    /// The problem that an error is for a metadata document: a source that stays away is 410, so that
    /// opening fails loudly. Never for a chunk.
    pub fn for_metadata(error: Error) -> Self {
        let is_lost = error.kind() == ErrorKind::Lost;
        let problem = Self::from(error);
        if is_lost {
            return Self { status: StatusCode::GONE, ..problem };
        }
        problem
    }

    /// Adds a field of the case.
    #[must_use]
    pub fn with_field(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.more.get_or_insert_default().fields.insert(name.to_owned(), value.into());
        self
    }

    /// Names what would have been right, as the field `allowed`: the first 50.
    #[must_use]
    pub fn with_allowed<T: Into<String>>(self, allowed: impl IntoIterator<Item = T>) -> Self {
        let allowed: Vec<Value> =
            allowed.into_iter().take(MAX_ALLOWED).map(|name| Value::String(name.into())).collect();
        self.with_field("allowed", allowed)
    }

    /// Says when asking again is of use.
    #[must_use]
    pub fn with_retry_after(mut self, retry_after: Duration) -> Self {
        self.more.get_or_insert_default().retry_after = Some(retry_after);
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.more.get_or_insert_default().headers.push((name, value));
        self
    }

    /// The problem as a part of another document.
    pub fn document(&self) -> Map<String, Value> {
        let mut body = Map::new();
        body.insert("type".into(), format!("/problems/{}", self.about.name).into());
        body.insert("title".into(), self.about.title.into());
        body.insert("status".into(), self.status.as_u16().into());
        body.insert("detail".into(), self.detail().into());
        body
    }

    /// The answer. `instance` is the path that was asked, `request_id` finds the error in the log.
    fn render(&self, instance: Option<&str>, request_id: Option<&str>) -> Response {
        let mut body = self.document();
        if let Some(instance) = instance {
            body.insert("instance".into(), instance.into());
        }
        if let Some(request_id) = request_id.filter(|_| self.status.is_server_error()) {
            body.insert("request_id".into(), request_id.into());
        }
        let more = self.more.as_deref();
        body.extend(more.iter().flat_map(|more| more.fields.clone()));

        let body = Value::Object(body).to_string();
        let len_bytes = body.len();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CONTENT_LENGTH, HeaderValue::from(len_bytes));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(retry_after) = self.retry_after() {
            headers.insert(RETRY_AFTER, whole_seconds(retry_after));
        }
        headers.extend(more.iter().flat_map(|more| more.headers.clone()));
        response
    }

    /// When asking again is of use: as was said, else as the error says.
    fn retry_after(&self) -> Option<Duration> {
        let said = self.more.as_ref().and_then(|more| more.retry_after);
        said.or(match self.error.kind() {
            ErrorKind::Changed { retry_after }
            | ErrorKind::Unavailable { retry_after }
            | ErrorKind::OverQuota { retry_after } => Some(retry_after),
            ErrorKind::NotStaged => Some(RECALL_RETRY),
            _ => None,
        })
    }

    /// What the client reads: the message, without the folders of this machine where it is our failure.
    pub fn detail(&self) -> Cow<'_, str> {
        let message = self.error.message();
        if self.status.is_server_error() || matches!(self.error.kind(), ErrorKind::Refused | ErrorKind::Lost)
        {
            return without_folders(message);
        }
        Cow::Borrowed(message)
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let about = match error.kind() {
            ErrorKind::NotFound => &NOT_FOUND,
            ErrorKind::InvalidInput => &INVALID_INPUT,
            ErrorKind::TooLarge => &TOO_LARGE,
            ErrorKind::Refused => &REFUSED,
            ErrorKind::Changed { .. } => &SOURCE_CHANGED,
            ErrorKind::Lost => &SOURCE_LOST,
            ErrorKind::Unavailable { .. } => &UNAVAILABLE,
            ErrorKind::OverQuota { .. } => &QUOTA,
            ErrorKind::NotStaged => &NOT_STAGED,
            ErrorKind::RecallFailed => &RECALL_FAILED,
            ErrorKind::Corrupt => &CORRUPT,
            ErrorKind::Unsupported => &UNSUPPORTED,
            ErrorKind::Internal => &INTERNAL,
        };
        Self { status: about.status(), error, about, more: None }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.render(None, None);
        response.extensions_mut().insert(Raised(Arc::new(self)));
        response
    }
}

/// Marks an answer that is a [`Problem`], until the router completes it.
#[derive(Clone)]
pub(crate) struct Raised(Arc<Problem>);

impl Raised {
    /// The error, for the log.
    pub(crate) fn error(&self) -> &Error {
        &self.0.error
    }

    /// True for what clients of cold data have to expect at any time: nothing is wrong.
    pub(crate) fn is_usual(&self) -> bool {
        let usual: [&ProblemType; 4] = [&NOT_STAGED, &STAGING_NOT_ALLOWED, &TOO_MANY, &QUOTA];
        usual.iter().any(|usual| usual.name == self.0.about.name)
    }

    /// The answer with what only the router knows. Headers that a handler added stay.
    pub(crate) fn complete(&self, early: Response, instance: &str, request_id: &str) -> Response {
        let mut response = self.0.render(Some(instance), Some(request_id));
        for (name, value) in early.headers() {
            if !response.headers().contains_key(name) {
                response.headers_mut().append(name.clone(), value.clone());
            }
        }
        response
    }
}

/// Seconds, rounded up and at least one: `Retry-After: 0` would be an invitation to hammer.
fn whole_seconds(duration: Duration) -> HeaderValue {
    let seconds = duration.as_secs().saturating_add(u64::from(duration.subsec_nanos() > 0));
    HeaderValue::from(seconds.max(1))
}

/// Absolute paths of this machine in a message, cut to their last name.
fn without_folders(message: &str) -> Cow<'_, str> {
    let is_border = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '(' | ')' | '=' | ',');
    let is_path = |word: &str| word.starts_with('/') && word.matches('/').count() > 1;
    if !message.split(is_border).any(is_path) {
        return Cow::Borrowed(message);
    }
    let mut shown = String::with_capacity(message.len());
    for piece in message.split_inclusive(is_border) {
        let is_local = is_path(piece.trim_end_matches(is_border));
        let kept = piece.rfind('/').filter(|_| is_local).and_then(|slash| piece.get(slash + 1..));
        shown.push_str(kept.unwrap_or(piece));
    }
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests;
