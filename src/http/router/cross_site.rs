//! Calls that a web page of somebody else makes a browser send in the name of its user: refused where they would change
//! something.
//!
//! A browser in a network that may stage, or one that keeps a password of Basic authentication, lends its rights to every
//! page that it shows. It says so: `Sec-Fetch-Site` and `Origin` are headers that no page can write. A bearer token is
//! none of these rights: a page that sends one has been given it. Programs send neither header.
//!
//! # Specification
//! <https://fetch.spec.whatwg.org/#origin-header>, <https://www.w3.org/TR/fetch-metadata/>

use axum::extract::Request;
use http::header::ORIGIN;
use http::{HeaderMap, HeaderName, Method};

use crate::links::{BaseUrl, peer_of};
use crate::problem::NOT_ALLOWED;
use crate::{App, Identity, Problem};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The problem of a request that changes something and comes from the page of another site, without a token of its own.
pub(super) fn refusal(app: &App, request: &Request) -> Option<Problem> {
    if !matches!(*request.method(), Method::POST | Method::PUT | Method::PATCH | Method::DELETE) {
        return None;
    }
    let headers = request.headers();
    let peer = peer_of(request.extensions());
    let own = || BaseUrl::seen_by(app, headers, request.uri(), peer);
    if !is_foreign(headers, &app.config.cors_origins, || own().origin().to_owned()) {
        return None;
    }
    if Identity::of_request(app, request).holds_bearer_token(headers) {
        return None;
    }
    let detail = "a web page of another site sent this request: it needs a bearer token, or the operator lists the page's \
                  origin in server.cors.allowed_origins";
    Some(Problem::new(&NOT_ALLOWED, detail))
}

/// True if a page sent the request that is neither our own nor of an origin that is `listed` by its name.
fn is_foreign(headers: &HeaderMap, listed: &[String], own: impl Fn() -> String) -> bool {
    let site = headers.get(SEC_FETCH_SITE).map(http::HeaderValue::as_bytes);
    if matches!(site, Some(b"same-origin" | b"none")) {
        return false;
    }
    let Some(origin) = headers.get(ORIGIN) else { return site.is_some() };
    let is_listed = listed.iter().any(|listed| listed != "*" && listed.as_bytes() == origin.as_bytes());
    !is_listed && (site.is_some() || !own().as_bytes().eq_ignore_ascii_case(origin.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_others_are_told_by_what_browsers_say() {
        for (site, origin, is_expected) in [
            (None, None, false),
            (Some("same-origin"), Some("https://data.example"), false),
            // Behind a proxy that hides our name from us.
            (Some("same-origin"), Some("https://outside.example"), false),
            (Some("none"), None, false),
            (Some("cross-site"), Some("https://evil.example"), true),
            (Some("cross-site"), Some("https://data.example"), true),
            (Some("cross-site"), None, true),
            (Some("same-site"), Some("https://other.data.example"), true),
            (Some("nonsense"), None, true),
            (Some("cross-site"), Some("https://portal.example"), false),
            (None, Some("https://data.example"), false),
            (None, Some("https://Data.Example"), false),
            (None, Some("https://portal.example"), false),
            (None, Some("http://data.example"), true),
            (None, Some("https://evil.example"), true),
            (None, Some("*"), true),
            (None, Some("null"), true),
        ] {
            let mut headers = HeaderMap::new();
            headers.extend(site.map(|site| (SEC_FETCH_SITE, http::HeaderValue::from_static(site))));
            headers.extend(origin.map(|origin| (ORIGIN, http::HeaderValue::from_static(origin))));
            let listed = ["*".to_owned(), "https://portal.example".to_owned()];
            let is_found = is_foreign(&headers, &listed, || "https://data.example".to_owned());
            assert_eq!(is_found, is_expected, "{site:?} {origin:?}");
        }
    }
}
