//! Cross-origin requests: which pages may read answers.
//!
//! # Specification
//! <https://fetch.spec.whatwg.org/#http-cors-protocol>

use axum::body::Body;
use axum::response::Response;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS, ALLOW, ORIGIN,
    VARY,
};
use http::{HeaderMap, HeaderValue, StatusCode};

const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, DELETE, OPTIONS, PROPFIND");
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "ETag, Content-Length, Content-Range, Accept-Ranges, Retry-After, Link, Location, X-Request-Id, X-Locality, X-Incomplete",
);
const ANY: HeaderValue = HeaderValue::from_static("*");

/// Which origins may read answers.
pub(super) enum Cors {
    /// All.
    Any,
    /// These.
    Listed(Vec<String>),
}

impl Cors {
    /// From the configured origins; `*` among them means any.
    pub(super) fn new(origins: &[String]) -> Self {
        if origins.iter().any(|origin| origin == "*") { Self::Any } else { Self::Listed(origins.to_vec()) }
    }

    /// The value of `Access-Control-Allow-Origin` for a request; `None` if its origin is not listed.
    pub(super) fn allowed_origin(&self, request: &HeaderMap) -> Option<HeaderValue> {
        match self {
            Self::Any => Some(ANY),
            Self::Listed(origins) => {
                let origin = request.get(ORIGIN)?;
                let is_listed = origins.iter().any(|listed| listed.as_bytes() == origin.as_bytes());
                is_listed.then(|| origin.clone())
            }
        }
    }

    /// Adds what browsers need to an answer.
    pub(super) fn mark(&self, allowed_origin: Option<HeaderValue>, answer: &mut HeaderMap) {
        if matches!(self, Self::Listed(_)) {
            answer.append(VARY, HeaderValue::from_static("Origin"));
        }
        if let Some(origin) = allowed_origin {
            answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            answer.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
        }
    }

    /// Answers OPTIONS: what a browser may ask, and what a client can.
    pub(super) fn preflight(request: &HeaderMap) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let headers = response.headers_mut();
        // A `*` does not cover `Authorization`: the headers that were asked for are named.
        let asked = request.get(ACCESS_CONTROL_REQUEST_HEADERS).cloned();
        headers.insert(ALLOW, METHODS);
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, asked.unwrap_or(ANY));
        headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(origin: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(ORIGIN, HeaderValue::from_static(origin))])
    }

    #[test]
    fn any_origin_may_read_by_default() {
        let cors = Cors::new(&["*".into()]);
        assert_eq!(cors.allowed_origin(&HeaderMap::new()), Some(ANY));
    }

    #[test]
    fn only_listed_origins_may_read() {
        let cors = Cors::new(&["https://a.example".into()]);
        assert_eq!(cors.allowed_origin(&origin("https://a.example")).unwrap(), "https://a.example");
        assert_eq!(cors.allowed_origin(&origin("https://b.example")), None);
        assert_eq!(cors.allowed_origin(&HeaderMap::new()), None);
    }
}
