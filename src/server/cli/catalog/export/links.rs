//! Which documents a document leads to.

use serde_json::Value;
use url::Url;

/// Relations of STAC and OGC API whose targets are no documents of a static tree.
const NOT_FOLLOWED: [&str; 9] =
    ["search", "items", "next", "prev", "previous", "order", "preview", "service-doc", "license"];

/// Addresses that a document links to as other catalog documents. Data, pages for people and what
/// is not text lead nowhere.
pub(super) fn links(media_type: &str, document: &[u8], address: &Url) -> Vec<Url> {
    let text = String::from_utf8_lossy(document);
    let hrefs = match kind(media_type) {
        Some(Kind::Json) => in_json(&text),
        Some(Kind::Yaml) => in_yaml(&text),
        Some(Kind::Xml) => in_xml(&text),
        None => Vec::new(),
    };
    hrefs.iter().filter_map(|href| address.join(href).ok()).filter(|url| url.query().is_none()).collect()
}

/// How a document is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Json,
    Yaml,
    Xml,
}

fn kind(media_type: &str) -> Option<Kind> {
    let plain = media_type.split(';').next().unwrap_or_default().trim();
    let subtype = plain.rsplit('/').next().unwrap_or_default();
    match subtype.rsplit('+').next().unwrap_or_default() {
        "json" => Some(Kind::Json),
        "yaml" | "x-yaml" => Some(Kind::Yaml),
        "xml" => Some(Kind::Xml),
        _ => None,
    }
}

fn in_json(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    if let Ok(document) = serde_json::from_str(text) {
        gather(&document, &mut found);
    }
    found
}

/// Targets of `links` at any depth, and the table of an intake-esm collection.
fn gather(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match (name.as_str(), member) {
                    ("links", Value::Array(links)) => found.extend(links.iter().filter_map(target)),
                    ("catalog_file", Value::String(href)) => found.push(href.clone()),
                    _ => gather(member, found),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| gather(value, found)),
        _ => {}
    }
}

/// Where a link leads, if that is a document to be asked for with GET.
fn target(link: &Value) -> Option<String> {
    let text = |name: &str| link.get(name).and_then(Value::as_str);
    let is_followed = !NOT_FOLLOWED.contains(&text("rel")?)
        && text("method").is_none_or(|method| method == "GET")
        && text("type").is_none_or(|media_type| kind(media_type).is_some() || media_type == "text/csv");
    is_followed.then(|| text("href").map(str::to_owned)).flatten()
}

/// Addresses of further catalogs among the arguments of sources: those of data end otherwise, and what is said of
/// sources leads nowhere.
fn in_yaml(text: &str) -> Vec<String> {
    let ends = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | ',' | '}' | ']');
    let is_catalog = |word: &&str| word.contains("://") && word.ends_with(".yaml");
    let words = arguments(text).flat_map(|line| line.split(ends));
    words.map(|word| word.trim_start_matches(['{', '['])).filter(is_catalog).map(str::to_owned).collect()
}

/// Lines that begin with the key `args`, and those below it.
fn arguments(text: &str) -> impl Iterator<Item = &str> {
    let mut above = None;
    text.lines().filter(move |line| {
        let begun = line.trim_start();
        let indent = line.len() - begun.len();
        if begun.starts_with("args:") {
            above = Some(indent);
        } else if !begun.is_empty() && above.is_some_and(|above| indent <= above) {
            above = None;
        }
        above.is_some()
    })
}

/// Targets of THREDDS' `catalogRef`, and the parts of a divided sitemap.
fn in_xml(text: &str) -> Vec<String> {
    let references = text.split("xlink:href=").skip(1).filter_map(|rest| {
        let quote = rest.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
        rest.get(1..)?.split(quote).next()
    });
    let parts = text.split("<sitemap>").skip(1).filter_map(|rest| {
        let (_, rest) = rest.split_once("<loc>")?;
        rest.split("</loc>").next().map(str::trim)
    });
    references.chain(parts).map(|href| href.replace("&amp;", "&")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(media_type: &str, document: &str) -> Vec<String> {
        let address = Url::parse("http://host/base/catalog.xml").unwrap();
        links(media_type, document.as_bytes(), &address).iter().map(Url::to_string).collect()
    }

    #[test]
    fn links_of_stac_are_followed_where_they_lead_to_documents() {
        let document = r#"{"collections": [{"links": [
            {"rel": "item", "href": "http://host/base/i", "type": "application/geo+json"},
            {"rel": "search", "href": "http://host/base/search"},
            {"rel": "order", "href": "http://host/base/stage", "method": "POST"},
            {"rel": "alternate", "href": "http://host/base/page", "type": "text/html"},
            {"rel": "child", "href": "./c?x=1"},
            {"rel": "child", "href": "c", "type": "application/json"}]}],
          "assets": {"zarr": {"href": "http://host/base/zarr"}}, "catalog_file": "http://host/base/e.csv"}"#;

        assert_eq!(
            found("application/json", document),
            ["http://host/base/i", "http://host/base/c", "http://host/base/e.csv"]
        );
        assert_eq!(found("text/csv", document), [""; 0]);
        assert_eq!(found("application/json", "{"), [""; 0]);
    }

    #[test]
    fn catalogs_within_catalogs_of_intake_are_followed_and_data_are_not() {
        let document = "sources:\n  a:\n    description: see http://host/base/other.yaml\n    \
                        args: {path: \"http://host/base/a/catalog.yaml\"}\n  b:\n    args:\n      \
                        urlpath: 'http://host/base/datasets/b/{{ method }}'\n\n      \
                        x: [http://host/base/b.yaml]\n    metadata: {x: 'http://host/base/c.yaml'}\n";

        assert_eq!(
            found("text/yaml; charset=utf-8", document),
            ["http://host/base/a/catalog.yaml", "http://host/base/b.yaml"]
        );
    }

    #[test]
    fn references_of_thredds_and_parts_of_sitemaps_are_followed() {
        let document = "<catalog><catalogRef xlink:href=\"c/catalog.xml\" x=''/><dataset urlPath=\"d.nc\"/>\
                        <sitemap>\n<loc>http://host/base/sitemap/1.xml</loc></sitemap>\
                        <url><loc>http://host/base/datasets/d.xml</loc></url></catalog>";

        assert_eq!(
            found("application/xml", document),
            ["http://host/base/c/catalog.xml", "http://host/base/sitemap/1.xml"]
        );
    }
}
