//! A place's catalog as a page.

use std::fmt::Write;

use axum::response::Response;
use http::request::Parts;
use thermocline_core::Result;
use thermocline_http::catalogs::{DocumentKey, Documents, write_hits};
use thermocline_http::html::Escaped;
use thermocline_http::links::BaseUrl;
use thermocline_http::{AppState, Problem};

use crate::HTML;
use crate::place::{Contents, Place};

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;margin:0 auto;max-width:72rem;padding:1rem 1.5rem 4rem}\
table{border-collapse:collapse}td{padding:.15rem .9rem .15rem 0;vertical-align:top}\
@media(prefers-color-scheme:dark){body{background:#14181c;color:#dde3e8}a{color:#69b3e7}}";

/// Answers with the page of a place.
pub(crate) async fn answer(
    documents: &Documents,
    place: &Place,
    app: &AppState,
    base: &BaseUrl,
    parts: &Parts,
) -> Result<Response, Problem> {
    let contents = place.contents(documents, app).await?;
    let key = DocumentKey::new(app, base, place.url(base, "html"));
    let head = head(&place.title(app), &place.url(base, "xml"));
    let document = documents.get_or_write(key, write(head, contents, app, base)).await?;
    Ok(document.respond(app, parts, HTML))
}

async fn write(head: String, contents: Contents, app: &AppState, base: &BaseUrl) -> Result<Vec<u8>> {
    let mut html = head;
    for reference in &contents.references {
        push_row(&mut html, (&reference.place.url(base, "html"), &reference.name), &reference.description);
    }
    if let Some(query) = contents.datasets {
        let base = base.clone();
        html = write_hits(&app.search, query, html, move |html, hit| {
            let id = &hit.summary.id;
            push_row(html, (&base.dataset(id), id), hit.summary.title.as_deref().unwrap_or_default());
        })
        .await?;
    }
    html.push_str("</table></body></html>\n");
    Ok(html.into_bytes())
}

fn head(title: &str, xml_url: &str) -> String {
    let (title, xml_url) = (Escaped(title), Escaped(xml_url));
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title><style>{STYLE}</style>\
         <link rel=\"alternate\" type=\"application/xml\" href=\"{xml_url}\"></head>\
         <body><h1>{title}</h1><p>The same for programs: <a href=\"{xml_url}\">{xml_url}</a></p><table>"
    )
}

fn push_row(html: &mut String, (href, name): (&str, &str), description: &str) {
    let (href, name, description) = (Escaped(href), Escaped(name), Escaped(description));
    // Writing into a text does not fail.
    let _ = writeln!(html, "<tr><td><a href=\"{href}\">{name}</a></td><td>{description}</td></tr>");
}
