//! The last steps of every answer.

use axum::body::Body;
use axum::response::Response;
use http::header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, Method, StatusCode};
use http_body_util::BodyExt;
use thermocline_core::{Error, ErrorKind};
use tracing::{Level, debug, error, info, warn};

use crate::conditional::UnsizedEmpty;
use crate::problem::{INVALID_INPUT, METHOD_NOT_ALLOWED, NOT_FOUND, ProblemType, Raised, TOO_LARGE};
use crate::{App, Problem};

/// Longest text of a foreign error that becomes a detail, in bytes.
const MAX_DETAIL_BYTES: u64 = 4096;

/// Which request an answer belongs to.
pub(super) struct Asked<'a> {
    /// The server.
    pub(super) app: &'a App,
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
    let mut response =
        if is_foreign(&response) { Box::pin(translated(response, asked)).await } else { response };
    let Some(raised) = response.extensions_mut().remove::<Raised>() else {
        return response;
    };
    log(&raised, response.status(), asked);
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

/// Logs an error once, at a level that says whom it concerns.
fn log(raised: &Raised, status: StatusCode, asked: &Asked<'_>) {
    let Asked { app, method, path, request_id } = asked;
    let (error, status) = (raised.error(), status.as_u16());
    match level(raised, status, app.catalog.is_loaded()) {
        Level::ERROR => error!(%method, path, request_id, %error, "request failed"),
        Level::WARN => warn!(%method, path, request_id, %error, "request answered 503"),
        Level::INFO => info!(%method, path, request_id, %error, "request answered 503 at the start"),
        _ => debug!(%method, path, request_id, %error, status, "request refused"),
    }
}

/// What wakes somebody, what heals by itself, what is part of starting, and what the client did or has to expect.
fn level(raised: &Raised, status: u16, is_started: bool) -> Level {
    match status {
        _ if raised.is_usual() => Level::DEBUG,
        503 if is_started => Level::WARN,
        503 => Level::INFO,
        500.. => Level::ERROR,
        _ => Level::DEBUG,
    }
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse;

    use super::*;
    use crate::problem::{STAGING_NOT_ALLOWED, TIMEOUT, TOO_MANY};

    #[test]
    fn what_an_archive_on_tape_answers_all_day_is_no_warning() {
        let cold = || Problem::from(Error::needs_staging(vec!["/tape/0".into()]));
        for (problem, is_started, expected) in [
            (cold(), true, Level::DEBUG),
            (cold(), false, Level::DEBUG),
            (Problem::new(&STAGING_NOT_ALLOWED, "no"), true, Level::DEBUG),
            (Problem::new(&TOO_MANY, "streams"), true, Level::DEBUG),
            (Problem::not_found("no"), true, Level::DEBUG),
            (Problem::unavailable("the catalog is being loaded"), false, Level::INFO),
            (Problem::unavailable("a store is down"), true, Level::WARN),
            (Problem::new(&TIMEOUT, "slow"), true, Level::WARN),
            (Problem::from(Error::internal("a mistake")), false, Level::ERROR),
        ] {
            let shown = format!("{problem:?}");
            let response = problem.into_response();
            let raised = response.extensions().get::<Raised>().unwrap();
            assert_eq!(level(raised, response.status().as_u16(), is_started), expected, "{shown}");
        }
    }
}
