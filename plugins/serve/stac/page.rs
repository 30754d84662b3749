//! Pages that show documents to people.

use std::fmt::Write;

use serde_json::{Map, Value};
use thermocline_http::html::{self, Escaped};

use crate::documents::Context;

/// Most rows of a table.
const MAX_ROWS: usize = 1000;

/// Longest value in a table, in characters.
const MAX_SHOWN: usize = 2000;

/// Links that are no use to people.
const HIDDEN: [&str; 3] = ["self", "item", "child"];

/// The page of a document; `json_url` is where programs get the same.
pub(crate) fn page(document: &Value, json_url: &str, context: &Context) -> String {
    let text = |pointer: &str| document.pointer(pointer).and_then(Value::as_str);
    let title = text("/properties/title").or(text("/title")).or(text("/id")).unwrap_or("Search");
    let mut body = format!("<h1>{}</h1>", Escaped(title));
    if let Some(description) = text("/properties/description").or(text("/description")) {
        let _ = write!(body, "<p>{}</p>", Escaped(description));
    }
    if let Some(url) = &context.settings.browser_url {
        let _ = write!(body, "<p>{}</p>", anchor(url, "Open in a STAC browser"));
    }
    members(&mut body, document);
    if let Some(Value::Object(properties)) =
        document.get("properties").filter(|_| text("/type") == Some("Feature"))
    {
        table(&mut body, "Properties", properties);
    }
    if let Some(Value::Object(extent)) = document.get("extent") {
        table(&mut body, "Extent", extent);
    }
    if let Some(Value::Object(assets)) = document.get("assets") {
        linked(&mut body, "Assets", assets.iter().map(|(key, asset)| (key.as_str(), asset)));
    }
    let links = document.get("links").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    for (rel, heading) in [("child", "Collections and parts"), ("item", "Items")] {
        let found = links.iter().filter(|link| rel_of(link) == rel).map(|link| ("", link));
        linked(&mut body, heading, found);
    }
    linked(
        &mut body,
        "Links",
        links.iter().map(|link| (rel_of(link), link)).filter(|(rel, _)| !HIDDEN.contains(rel)),
    );
    let _ = write!(body, "<p class=\"muted\">The same for programs: {}.</p>", anchor(json_url, "JSON"));
    html::page(title, &body)
}

fn rel_of(link: &Value) -> &str {
    link.get("rel").and_then(Value::as_str).unwrap_or_default()
}

/// The Items or collections of a list, each with a link to its own page.
fn members(body: &mut String, document: &Value) {
    for (key, heading) in [("collections", "Collections"), ("features", "Items")] {
        let Some(list) = document.get(key).and_then(Value::as_array) else { continue };
        let count = document.get("numberMatched").and_then(Value::as_u64).unwrap_or(list.len() as u64);
        let _ = write!(
            body,
            "<h2>{heading}</h2><p class=\"muted\">{} of {count}</p><table class=\"attrs\">",
            list.len()
        );
        for member in list.iter().take(MAX_ROWS) {
            let id = member.get("id").and_then(Value::as_str).unwrap_or_default();
            let title =
                member.get("title").or_else(|| member.pointer("/properties/title")).and_then(Value::as_str);
            let own = member.get("links").and_then(Value::as_array).into_iter().flatten();
            let href = own.filter(|link| rel_of(link) == "self").find_map(|link| link.get("href")?.as_str());
            let shown = href.map_or_else(|| Escaped(id).to_string(), |href| anchor(href, id));
            let _ = write!(body, "<tr><td>{shown}</td><td>{}</td></tr>", Escaped(title.unwrap_or_default()));
        }
        body.push_str("</table>");
    }
}

fn table(body: &mut String, heading: &str, values: &Map<String, Value>) {
    let _ = write!(body, "<h2>{heading}</h2><table class=\"attrs\">");
    for (key, value) in values.iter().take(MAX_ROWS) {
        let shown: String = match value {
            Value::String(text) => text.chars().take(MAX_SHOWN).collect(),
            other => other.to_string().chars().take(MAX_SHOWN).collect(),
        };
        let _ = write!(body, "<tr><td>{}</td><td>{}</td></tr>", Escaped(key), Escaped(&shown));
    }
    body.push_str("</table>");
}

/// A table of what has an address; nothing if there is none.
fn linked<'a>(body: &mut String, heading: &str, entries: impl Iterator<Item = (&'a str, &'a Value)>) {
    let mut rows = String::new();
    for (key, entry) in entries.take(MAX_ROWS) {
        let Some(href) = entry.get("href").and_then(Value::as_str) else { continue };
        let title = entry.get("title").and_then(Value::as_str).unwrap_or(href);
        let is_get = entry.get("method").is_none_or(|method| method == "GET");
        let shown = if is_get { anchor(href, title) } else { Escaped(href).to_string() };
        let media_type = entry.get("type").and_then(Value::as_str).unwrap_or_default();
        let _ = write!(
            rows,
            "<tr><td>{}</td><td>{shown}</td><td class=\"muted\">{}</td></tr>",
            Escaped(key),
            Escaped(media_type)
        );
    }
    if !rows.is_empty() {
        let _ = write!(body, "<h2>{heading}</h2><table class=\"attrs\">{rows}</table>");
    }
}

/// A link, if its address is one of the web: others are shown as text.
fn anchor(href: &str, text: &str) -> String {
    if href.starts_with("http://") || href.starts_with("https://") {
        return html::link(href, text);
    }
    Escaped(href).to_string()
}
