//! Addresses of the datasets' pages, for search engines.
//!
//! # Source
//! Sitemaps 0.90: at most 50,000 addresses in one document, an index of several beyond that.

use std::fmt::Write;

use axum::response::Response;
use thermocline_core::Result;
use thermocline_http::Problem;
use thermocline_http::catalogs::{Asked, DocumentKey, Documents};
use thermocline_http::html::Escaped;
use thermocline_http::links::BaseUrl;

use crate::XML;
use crate::xml::allowed;

/// Most addresses in one document.
const MAX_ADDRESSES: usize = 50_000;

const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
const NAMESPACE: &str = "http://www.sitemaps.org/schemas/sitemap/0.9";

/// Answers with the addresses, or with the addresses of their parts; with a part if it is named.
pub(crate) async fn answer(
    documents: &Documents,
    part: Option<&str>,
    asked: &Asked,
) -> Result<Response, Problem> {
    let ids = documents.ids(&asked.seen, None).await?;
    let number = part.map(|part| part_number(part, ids.len())).transpose()?;
    let key = DocumentKey::new(&asked.seen, &asked.base, format!("sitemap/{number:?}"));
    let base = asked.base.clone();
    let write = async move {
        let written =
            tokio::task::spawn_blocking(move || document(&ids, number, &base, MAX_ADDRESSES).into_bytes());
        written.await.map_err(|cause| {
            thermocline_core::Error::internal("a site map was not written").with_source(cause)
        })
    };
    Ok(asked.respond(documents.get_or_write(key, write).await?, XML))
}

/// The number of a part from the name of its document.
fn part_number(name: &str, n_ids: usize) -> Result<usize, Problem> {
    let number = name.strip_suffix(".xml").and_then(|number| number.parse::<usize>().ok());
    let number = number.filter(|number| (1..=n_parts(n_ids, MAX_ADDRESSES)).contains(number));
    number.ok_or_else(|| Problem::not_found(format!("Part '{name}' of the site map not found")))
}

fn n_parts(n_ids: usize, max: usize) -> usize {
    n_ids.div_ceil(max).max(1)
}

/// A part by its number, or all: addresses, or the index of the parts if there are several.
fn document(ids: &[Box<str>], number: Option<usize>, base: &BaseUrl, max: usize) -> String {
    match number {
        Some(number) => {
            addresses(ids.iter().skip(number.saturating_sub(1).saturating_mul(max)).take(max), base)
        }
        None if ids.len() > max => index(n_parts(ids.len(), max), base),
        None => addresses(ids.iter(), base),
    }
}

fn addresses<'a>(ids: impl Iterator<Item = &'a Box<str>>, base: &BaseUrl) -> String {
    let mut xml = format!("{HEAD}<urlset xmlns=\"{NAMESPACE}\">\n");
    for id in ids {
        push(&mut xml, "url", &base.dataset(id));
    }
    xml + "</urlset>\n"
}

fn index(n_parts: usize, base: &BaseUrl) -> String {
    let mut xml = format!("{HEAD}<sitemapindex xmlns=\"{NAMESPACE}\">\n");
    for number in 1..=n_parts {
        push(&mut xml, "sitemap", &format!("{}/sitemap/{number}.xml", base.0));
    }
    xml + "</sitemapindex>\n"
}

fn push(xml: &mut String, element: &str, url: &str) {
    // Writing into a text does not fail.
    let _ = writeln!(xml, "<{element}><loc>{}</loc></{element}>", Escaped(&allowed(url)));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(n_ids: usize) -> Vec<Box<str>> {
        (0..n_ids).map(|number| format!("d&{number}").into()).collect()
    }

    #[test]
    fn many_addresses_are_in_parts_with_an_index() {
        let base = BaseUrl("http://h/p".into());
        let whole = document(&ids(2), None, &base, 2);
        assert!(whole.contains("<url><loc>http://h/p/datasets/d%261</loc></url>"), "{whole}");
        let index = document(&ids(5), None, &base, 2);
        assert_eq!(index.matches("<loc>http://h/p/sitemap/").count(), 3, "{index}");
        assert!(index.contains("<loc>http://h/p/sitemap/3.xml</loc>"), "{index}");
        let last = document(&ids(5), Some(3), &base, 2);
        assert_eq!(last.matches("<loc>").count(), 1, "{last}");
        assert!(last.contains("datasets/d%264"), "{last}");
    }

    #[test]
    fn parts_that_do_not_exist_are_not_found() {
        assert!(part_number("1.xml", 0).is_ok() && part_number("2.xml", 50_001).is_ok());
        for part in ["0.xml", "2.xml", "-1.xml", "x.xml", ".xml", "", "1", "99999999999999999999999.xml"] {
            assert!(part_number(part, 50_000).is_err(), "{part}");
        }
    }
}
