//! What crawlers leave alone: a search engine that reads chunks would recall a whole archive.
//!
//! # Specification
//! RFC 9309; sitemaps 0.90 for the line `Sitemap`.

use std::fmt::Write;

use axum::extract::State;
use axum::response::Response;
use http::request::Parts;
use thermocline_http::AppState;
use thermocline_http::links::BaseUrl;

use crate::answer::{self, Freshness};

pub(crate) const TEXT: &str = "text/plain; charset=utf-8";

/// Beginnings of the addresses of data, of each dataset and of a server with only one. Pages are none of them.
const DATA: [&str; 6] = ["/zarr", "/kerchunk", "/objects", "/plot", "/legend", "/groupby"];

/// The picture that pages name for search engines.
const THUMBNAIL: &str = "/plot/thumbnail.png";

/// Keeps crawlers from data and files, and tells them where the pages are.
pub(crate) async fn show(State(app): State<AppState>, base: BaseUrl, parts: Parts) -> Response {
    let mut rules = rules(base.prefix());
    let mut routes = app.running().flat_map(|plugin| plugin.app_routes());
    if routes.any(|route| route.path == SITEMAP) {
        // Writing into a text does not fail.
        let _ = writeln!(rules, "Sitemap: {}{SITEMAP}", base.0);
    }
    answer::document(&parts, TEXT, rules.into_bytes(), Freshness::default())
}

/// Where a plugin lists the pages of all datasets.
const SITEMAP: &str = "/sitemap.xml";

fn rules(prefix: &str) -> String {
    let mut rules = String::from("User-agent: *\n");
    for data in DATA {
        // Writing into a text does not fail.
        let _ = write!(rules, "Disallow: {prefix}/datasets/*{data}\nDisallow: {prefix}{data}\n");
    }
    // Search engines show it beside the page, and it recalls nothing. The longer rule counts.
    let _ = write!(rules, "Allow: {prefix}/datasets/*{THUMBNAIL}\nAllow: {prefix}{THUMBNAIL}\n");
    rules
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_are_left_alone_below_the_prefix_of_a_proxy_too() {
        let rules = rules("/tc");
        assert!(rules.starts_with("User-agent: *\n"));
        assert!(rules.contains("\nAllow: /tc/datasets/*/plot/thumbnail.png\n"), "{rules}");
        for rule in ["/tc/datasets/*/zarr", "/tc/datasets/*/kerchunk", "/tc/datasets/*/objects", "/tc/zarr"] {
            assert!(rules.contains(&format!("\nDisallow: {rule}\n")), "{rule} is not in {rules}");
        }
    }
}
