//! Absolute URLs of this server as the client sees it.

use std::convert::Infallible;
use std::fmt::Write;
use std::net::SocketAddr;

use axum::extract::{ConnectInfo, FromRequestParts};
use http::header::{FORWARDED, HOST};
use http::request::Parts;
use http::{Extensions, HeaderMap, HeaderName, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

use crate::{App, AppState};

/// What a path segment shows as it is (RFC 3986, `unreserved`).
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Scheme, host and prefix by which a client reached the server, without a trailing slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl(pub String);

impl BaseUrl {
    /// From the configuration, else the forwarding headers of trusted proxies, else `Host`.
    ///
    /// Of several proxies the last one counts, the one that we trust; what it forwards of others is
    /// not believed.
    pub fn of(app: &App, parts: &Parts) -> Self {
        Self::seen_by(app, &parts.headers, &parts.uri, peer(parts))
    }

    /// The same for a request from `peer` that was taken apart.
    pub fn seen_by(app: &App, headers: &HeaderMap, uri: &Uri, peer: Option<SocketAddr>) -> Self {
        if let Some(url) = &app.config.public_url {
            return Self(url.trim_end_matches('/').to_owned());
        }
        let forwarded =
            if is_from_proxy(app, peer) { Forwarded::read(headers) } else { Forwarded::default() };
        let own_scheme = if app.config.is_tls { "https" } else { "http" };
        let scheme = forwarded.scheme.unwrap_or(own_scheme);
        let host = forwarded.host.or_else(|| own_host(headers, uri)).unwrap_or("localhost");
        let prefix = forwarded.prefix.unwrap_or_default();
        Self(format!("{scheme}://{host}{prefix}"))
    }

    /// Address of a dataset.
    pub fn dataset(&self, id: &str) -> String {
        format!("{}/datasets/{}", self.0, segment(id))
    }

    /// Scheme, host and port, as browsers call the site.
    pub fn origin(&self) -> &str {
        self.0.get(..self.0.len() - self.prefix().len()).unwrap_or(&self.0)
    }

    /// The path before this server's own paths, for links inside pages: empty or `/prefix`.
    pub fn prefix(&self) -> &str {
        let after_scheme = self.0.find("://").map_or(0, |position| position + 3);
        let rest = self.0.get(after_scheme..).unwrap_or_default();
        rest.find('/').and_then(|slash| rest.get(slash..)).unwrap_or_default()
    }
}

impl FromRequestParts<AppState> for BaseUrl {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, Infallible> {
        Ok(Self::of(app, parts))
    }
}

/// A text as one segment of a path, percent-encoded.
pub fn segment(text: &str) -> String {
    percent_encode(text.as_bytes(), SEGMENT).to_string()
}

/// A path of several segments, each percent-encoded.
pub fn path(path: &str) -> String {
    let mut encoded = String::with_capacity(path.len());
    for (number, part) in path.split('/').enumerate() {
        let slash = if number > 0 { "/" } else { "" };
        // Writing into a text does not fail.
        let _ = write!(encoded, "{slash}{}", percent_encode(part.as_bytes(), SEGMENT));
    }
    encoded
}

/// Who sent a request, if the server noted it.
pub fn peer(parts: &Parts) -> Option<SocketAddr> {
    peer_of(&parts.extensions)
}

/// The same of a request that is whole.
pub(crate) fn peer_of(extensions: &Extensions) -> Option<SocketAddr> {
    extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| *peer)
}

fn is_from_proxy(app: &App, peer: Option<SocketAddr>) -> bool {
    let Some(peer) = peer else { return false };
    let peer = peer.ip().to_canonical();
    app.config.trusted_proxies.iter().any(|network| network.contains(&peer))
}

fn own_host<'a>(headers: &'a HeaderMap, uri: &'a Uri) -> Option<&'a str> {
    let authority = uri.authority().map(http::uri::Authority::as_str);
    let host = headers.get(HOST).and_then(|value| value.to_str().ok()).or(authority);
    host.filter(|host| is_host(host))
}

/// What forwarding headers say.
#[derive(Debug, Default, PartialEq, Eq)]
struct Forwarded<'a> {
    scheme: Option<&'static str>,
    host: Option<&'a str>,
    prefix: Option<&'a str>,
}

impl<'a> Forwarded<'a> {
    /// From `Forwarded` (RFC 7239), else from `X-Forwarded-Proto`, `-Host` and `-Prefix`.
    fn read(headers: &'a HeaderMap) -> Self {
        let mut found = Self {
            scheme: last(headers, &HeaderName::from_static("x-forwarded-proto")).and_then(scheme),
            host: last(headers, &HeaderName::from_static("x-forwarded-host")).filter(|host| is_host(host)),
            prefix: last(headers, &HeaderName::from_static("x-forwarded-prefix")).and_then(prefix),
        };
        for pair in last(headers, &FORWARDED).unwrap_or_default().split(';') {
            let Some((name, value)) = pair.split_once('=') else { continue };
            let value = value.trim().trim_matches('"');
            match name.trim().to_ascii_lowercase().as_str() {
                "proto" => found.scheme = scheme(value).or(found.scheme),
                "host" => found.host = Some(value).filter(|host| is_host(host)).or(found.host),
                _ => {}
            }
        }
        found
    }
}

/// The last item of the last header of a name: what the proxy in front of us added.
fn last<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let list = headers.get_all(name).iter().next_back()?.to_str().ok()?;
    list.rsplit(',').next().map(str::trim)
}

fn scheme(text: &str) -> Option<&'static str> {
    if text.eq_ignore_ascii_case("https") {
        return Some("https");
    }
    text.eq_ignore_ascii_case("http").then_some("http")
}

/// True for what can stand between `//` and `/` of a URL, so that a header cannot write into documents.
fn is_host(text: &str) -> bool {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']');
    !text.is_empty() && text.len() <= 255 && text.chars().all(is_allowed)
}

fn prefix(text: &str) -> Option<&str> {
    let text = text.trim_end_matches('/');
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '-' | '_' | '~' | '%');
    let is_path = text.starts_with('/') && !text.starts_with("//") && text.chars().all(is_allowed);
    is_path.then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forwarded(
        headers: &[(&'static str, &'static str)],
    ) -> (Option<&'static str>, Option<String>, Option<String>) {
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), http::HeaderValue::from_static(value)))
            .collect();
        let found = Forwarded::read(&headers);
        (found.scheme, found.host.map(str::to_owned), found.prefix.map(str::to_owned))
    }

    #[test]
    fn forwarding_headers_are_understood() {
        let some = |text: &str| Some(text.to_owned());
        let cases: [(&[(&str, &str)], _); 7] = [
            (
                &[
                    ("x-forwarded-proto", "https"),
                    ("x-forwarded-host", "data.example"),
                    ("x-forwarded-prefix", "/tc/"),
                ],
                (Some("https"), some("data.example"), some("/tc")),
            ),
            (
                &[("forwarded", "for=1.2.3.4;proto=https;host=a.example:8443")],
                (Some("https"), some("a.example:8443"), None),
            ),
            (
                &[("forwarded", "host=evil;proto=http, for=1.2.3.4; Host=\"b.example\"; Proto=HTTPS")],
                (Some("https"), some("b.example"), None),
            ),
            (&[("x-forwarded-host", "evil, real.example")], (None, some("real.example"), None)),
            (&[("x-forwarded-host", "a\"><script>")], (None, None, None)),
            (&[("x-forwarded-proto", "gopher"), ("x-forwarded-prefix", "//evil")], (None, None, None)),
            (&[], (None, None, None)),
        ];
        for (headers, expected) in cases {
            assert_eq!(forwarded(headers), expected, "{headers:?}");
        }
    }

    #[test]
    fn segments_and_paths_are_encoded() {
        assert_eq!(segment("era5.t2m a/b°"), "era5.t2m%20a%2Fb%C2%B0");
        assert_eq!(path("ocean/deep sea"), "ocean/deep%20sea");
    }

    #[test]
    fn the_prefix_is_what_follows_the_host() {
        assert_eq!(BaseUrl("https://a.example/tc/x".into()).prefix(), "/tc/x");
        assert_eq!(BaseUrl("https://a.example".into()).prefix(), "");
        assert_eq!(BaseUrl("https://a.example:8443/tc".into()).origin(), "https://a.example:8443");
    }
}
