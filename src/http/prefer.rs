//! What a client prefers: to wait, and for how long.
//!
//! # Specification
//! RFC 7240, sections 2 and 4.3: of several preferences of one name the first counts. What follows `;` is a parameter of
//! a preference there; it is taken for a preference all the same, since who writes `respond-async; wait=10` means it.

use std::time::Duration;

use http::{HeaderMap, HeaderName};

use crate::query::Query;

const PREFER: HeaderName = HeaderName::from_static("prefer");

/// How long a client asks to be kept waiting: `?wait=N`, else `Prefer: wait=N`, in seconds, at most `limit`. `None`
/// if it says nothing of it, or no number.
pub fn wait(headers: &HeaderMap, query: &Query, limit: Duration) -> Option<Duration> {
    let asked = query.value("wait").or_else(|| preferred(headers, "wait"))?;
    let seconds = asked.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(limit))
}

/// The value of a preference.
fn preferred(headers: &HeaderMap, name: &str) -> Option<String> {
    let lists = headers.get_all(PREFER).into_iter().filter_map(|list| list.to_str().ok());
    let mut preferences = lists.flat_map(|list| list.split([',', ';']));
    preferences.find_map(|preference| {
        let (found, value) = preference.split_once('=')?;
        found.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"').to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_to_wait_comes_in_a_header_or_the_query() {
        for (header, uri, seconds) in [
            ("wait=5", "/", Some(5)),
            ("respond-async, wait=7", "/", Some(7)),
            ("Wait = \"8\"; x=1", "/", Some(8)),
            ("wait=6, wait=7", "/", Some(6)),
            ("respond-async; wait=7", "/", Some(7)),
            ("wait=1000000", "/", Some(60)),
            ("wait=5", "/?wait=9", Some(9)),
            ("wait=5", "/?wait=%209", Some(9)),
            ("wait=5", "/?wait=soon", None),
            ("wait=soon", "/", None),
            ("respond-async", "/", None),
        ] {
            let request = http::Request::get(uri).header("prefer", header).body(()).unwrap();
            let (parts, ()) = request.into_parts();
            let wait = wait(&parts.headers, &Query::of(&parts), Duration::from_secs(60));
            assert_eq!(wait, seconds.map(Duration::from_secs), "{header} {uri}");
        }
    }
}
