//! A place's catalog as a page.

use std::fmt::Write;

use axum::response::Response;
use thermocline_core::Result;
use thermocline_http::Problem;
use thermocline_http::catalogs::{Asked, DocumentKey, Documents, write_hits};
use thermocline_http::html::{Escaped, link, page_with_head};

use crate::HTML;
use crate::place::{Contents, Place};

/// Answers with the page of a place.
pub(crate) async fn answer(documents: &Documents, place: &Place, asked: &Asked) -> Result<Response, Problem> {
    let Asked { seen, base, .. } = asked;
    let contents = place.contents(documents, seen).await?;
    let key = DocumentKey::new(seen, base, place.url(base, "html"));
    let titles = (place.title(seen), place.url(base, "xml"));
    let document = documents.get_or_write(key, write(titles, contents, asked)).await?;
    Ok(asked.respond(document, HTML))
}

async fn write((title, xml_url): (String, String), contents: Contents, asked: &Asked) -> Result<Vec<u8>> {
    let base = &asked.base;
    let mut html = format!(
        "<h1>{}</h1><p>The same for programs: {}</p><table>",
        Escaped(&title),
        link(&xml_url, &xml_url)
    );
    for reference in &contents.references {
        push_row(&mut html, (&reference.place.url(base, "html"), &reference.name), &reference.description);
    }
    if let Some(query) = contents.datasets {
        let base = base.clone();
        html = write_hits(&asked.seen, query, html, move |html, hit| {
            let id = &hit.summary.id;
            push_row(html, (&base.dataset(id), id), hit.summary.title.as_deref().unwrap_or_default());
        })
        .await?;
    }
    html.push_str("</table>");
    let alternate = Escaped(&xml_url);
    let head = format!("<link rel=\"alternate\" type=\"application/xml\" href=\"{alternate}\">");
    Ok(page_with_head(&title, &head, &html).into_bytes())
}

fn push_row(html: &mut String, (href, name): (&str, &str), description: &str) {
    // Writing into a text does not fail.
    let _ = writeln!(html, "<tr><td>{}</td><td>{}</td></tr>", link(href, name), Escaped(description));
}
