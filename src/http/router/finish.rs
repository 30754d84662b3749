//! The last steps of every answer.

use axum::body::Body;
use axum::response::Response;
use http::header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, Method, StatusCode};
use http_body_util::BodyExt;
use thermocline_core::{Error, ErrorKind};
use tracing::{debug, error, warn};

use crate::Problem;
use crate::conditional::UnsizedEmpty;
use crate::problem::{INVALID_INPUT, METHOD_NOT_ALLOWED, NOT_FOUND, ProblemType, Raised, TOO_LARGE};

/// Longest text of a foreign error that becomes a detail, in bytes.
const MAX_DETAIL_BYTES: u64 = 4096;

/// Which request an answer belongs to.
pub(super) struct Asked<'a> {
    /// Method of the request.
    pub(super) method: &'a Method,
    /// Its path, as it was sent.
    pub(super) path: &'a str,
    /// Its id.
    pub(super) request_id: &'a str,
}

/// Completes problems, and makes problems of errors that frameworks and layers answered as text.
pub(super) async fn problems(response: Response, asked: &Asked<'_>) -> Response {
    if !response.status().is_client_error() && !response.status().is_server_error() {
        return response;
    }
    let mut response = if is_foreign(&response) { translated(response, asked).await } else { response };
    let Some(raised) = response.extensions_mut().remove::<Raised>() else {
        return response;
    };
    log(raised.error(), response.status(), asked);
    raised.complete(response, asked.path, asked.request_id)
}

/// Sees to it that HEAD and 304 have no body, and a length only if it is that of GET.
pub(super) fn bodies(mut response: Response, method: &Method) -> Response {
    let is_bare = response.status() == StatusCode::NOT_MODIFIED;
    if is_bare {
        response.headers_mut().remove(CONTENT_LENGTH);
    }
    if is_bare || method == Method::HEAD {
        if let Some(len_bytes) = http_body::Body::size_hint(response.body()).exact().filter(|len| *len > 0) {
            response.headers_mut().entry(CONTENT_LENGTH).or_insert(HeaderValue::from(len_bytes));
        }
        *response.body_mut() = Body::new(UnsizedEmpty);
    }
    response
}

/// True for an error that is no document of ours: axum's rejections, 405, layers.
fn is_foreign(response: &Response) -> bool {
    if response.extensions().get::<Raised>().is_some() {
        return false;
    }
    let media_type = response.headers().get(CONTENT_TYPE);
    media_type.is_none_or(|media_type| media_type.as_bytes().starts_with(b"text/plain"))
}

async fn translated(response: Response, asked: &Asked<'_>) -> Response {
    use axum::response::IntoResponse;

    let status = response.status();
    let (parts, body) = response.into_parts();
    if status == StatusCode::METHOD_NOT_ALLOWED {
        let allow = allow_of(parts.headers.get(ALLOW));
        return Problem::method_not_allowed(asked.method, allow).into_response();
    }
    let text = match http_body::Body::size_hint(&body).upper() {
        Some(len_bytes) if len_bytes <= MAX_DETAIL_BYTES => {
            body.collect().await.ok().map(|body| body.to_bytes())
        }
        _ => None,
    };
    let text = text.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).filter(|text| !text.is_empty());
    let reason = status.canonical_reason().unwrap_or("error").to_owned();
    let mut problem = match about(status) {
        Some(about) => Problem::new(about, text.unwrap_or(reason)),
        None => Error::new(ErrorKind::Internal, text.unwrap_or(reason)).into(),
    };
    problem.status = status;
    for (name, value) in
        parts.headers.iter().filter(|(name, _)| !matches!(**name, CONTENT_TYPE | CONTENT_LENGTH))
    {
        problem = problem.with_header(name.clone(), value.clone());
    }
    problem.into_response()
}

fn about(status: StatusCode) -> Option<&'static ProblemType> {
    match status {
        StatusCode::NOT_FOUND => Some(&NOT_FOUND),
        StatusCode::METHOD_NOT_ALLOWED => Some(&METHOD_NOT_ALLOWED),
        StatusCode::PAYLOAD_TOO_LARGE => Some(&TOO_LARGE),
        status if status.is_client_error() => Some(&INVALID_INPUT),
        _ => None,
    }
}

/// `Allow` with the methods that every path knows.
fn allow_of(known: Option<&HeaderValue>) -> HeaderValue {
    let known = known.and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut methods: Vec<&str> =
        known.split(',').map(str::trim).filter(|method| !method.is_empty()).collect();
    if !methods.contains(&"OPTIONS") {
        methods.push("OPTIONS");
    }
    HeaderValue::try_from(methods.join(", ")).unwrap_or(HeaderValue::from_static("OPTIONS"))
}

/// Logs an error once: what wakes somebody, what heals by itself, what the client did.
fn log(error: &Error, status: StatusCode, asked: &Asked<'_>) {
    let Asked { method, path, request_id } = asked;
    if status == StatusCode::SERVICE_UNAVAILABLE {
        warn!(%method, path, request_id, %error, "request answered 503");
    } else if status.is_server_error() {
        error!(%method, path, request_id, %error, "request failed");
    } else {
        debug!(%method, path, request_id, %error, status = status.as_u16(), "request refused");
    }
}
