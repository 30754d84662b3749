//! Handlers that say where objects are, without recalling any.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::response::Response;
use http::header::{ACCEPT, LINK};
use http::request::Parts;
use http::{HeaderName, HeaderValue, StatusCode};
use serde::Deserialize;
use thermocline_core::staging::{Staging, Wanted};
use thermocline_http::Problem;
use thermocline_http::identity::PathsToRead;
use thermocline_http::links::BaseUrl;
use thermocline_http::lists::{lines, wanted};
use thermocline_http::live::{self, Engine};
use thermocline_http::query::Query;

use crate::Api;
use crate::body::{self, Label, Written};
use crate::documents::{ObjectDocument, ObjectPage};
use crate::find::{self, FoundPage, Search, WrittenSearch};
use crate::requests::{Listed, limit, page_url};
use crate::walk::Unlisted;

/// How many folders could not be looked into, where the answer has no room for their names.
const X_INCOMPLETE: HeaderName = HeaderName::from_static("x-incomplete");

/// Objects that the engine is asked for at a time.
const OBJECTS_AT_A_TIME: usize = 10_000;

/// Where the objects of `path` are, or those that match a pattern.
pub(crate) async fn find(
    Extension(api): Extension<Arc<Api>>,
    PathsToRead(files): PathsToRead,
    Engine(staging): Engine,
    base: BaseUrl,
    query: Query,
    parts: Parts,
) -> Result<Response, Problem> {
    let paths: Vec<String> = query.values("path").collect();
    let written = WrittenSearch {
        root: query.value("root"),
        pattern: query.value("pattern"),
        newer: query.value("newer"),
        older: query.value("older"),
    };
    let found = match (paths.is_empty(), written.is_empty()) {
        (false, true) => {
            let objects = paths.iter().map(|path| wanted(&files, path)).collect();
            FoundPage { objects, next: None, unlisted: Unlisted::default() }
        }
        (true, false) => {
            let limit = limit(&query, 1000, 10_000)?;
            let search = Search::new(&written, &files)?;
            find::page(&api, &staging, search, query.value("cursor"), limit).await?
        }
        _ => {
            let detail = "either path, or root and pattern say which objects are meant";
            return Err(Problem::invalid_input(detail).with_allowed(["path", "root", "pattern"]));
        }
    };
    let next = found.next.as_deref().map(|cursor| page_url(&base, &parts, cursor));
    if wants_text(&parts, &query) {
        return Ok(as_text(&parts, &found, next));
    }
    let objects = located(&staging, found.objects).await?;
    live::json(&parts, StatusCode::OK, &ObjectPage { objects, next, incomplete: found.unlisted.into() })
}

/// The body of `POST /objects/locality` as JSON.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenPaths<'b> {
    #[serde(borrow)]
    paths: Option<Listed<'b>>,
    #[serde(borrow)]
    objects: Option<Listed<'b>>,
}

/// Where many objects are, each with its own answer, in the order in which they were asked for.
pub(crate) async fn many(
    Extension(api): Extension<Arc<Api>>,
    PathsToRead(files): PathsToRead,
    Engine(staging): Engine,
    parts: Parts,
    body: Body,
) -> Result<Response, Problem> {
    let read = api.bodies.read(body).await?;
    let label = Label::of(&parts);
    let limit = api.settings.max_objects;
    let work = read.work(move |bytes| match label.written(bytes) {
        Written::Lines => lines(&files, bytes, limit),
        Written::Json => {
            let WrittenPaths { paths, objects } = body::json(bytes)?;
            let named = paths.or(objects).ok_or_else(|| {
                Problem::invalid_input("the body names no paths").with_allowed(["paths", "objects"])
            })?;
            named.wanted(&files, limit)
        }
    });
    let (objects, _turn) = work.await?;
    let objects = located(&staging, objects).await?;
    live::json(&parts, StatusCode::OK, &ObjectPage { objects, ..ObjectPage::default() })
}

async fn located(staging: &Staging, mut objects: Vec<Wanted>) -> Result<Vec<ObjectDocument>, Problem> {
    let mut documents = Vec::with_capacity(objects.len());
    while !objects.is_empty() {
        let rest = objects.split_off(objects.len().min(OBJECTS_AT_A_TIME));
        let found = staging.locality(std::mem::replace(&mut objects, rest)).await?;
        documents.extend(found.into_iter().map(ObjectDocument::from));
    }
    Ok(documents)
}

/// One address a line, ready to be sent back as a list.
fn as_text(parts: &Parts, found: &FoundPage, next: Option<String>) -> Response {
    let text: String = found.objects.iter().map(|wanted| format!("{}\n", wanted.spelling)).collect();
    let mut response = live::text(parts, StatusCode::OK, text);
    let link = next.and_then(|next| HeaderValue::try_from(format!("<{next}>; rel=\"next\"")).ok());
    if let Some(link) = link {
        response.headers_mut().insert(LINK, link);
    }
    if found.unlisted.n > 0 {
        response.headers_mut().insert(X_INCOMPLETE, HeaderValue::from(found.unlisted.n));
    }
    response
}

fn wants_text(parts: &Parts, query: &Query) -> bool {
    match query.value("f").as_deref() {
        Some(form) => form == "text",
        None => {
            let accept = parts.headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
            accept.trim_start().starts_with("text/plain")
        }
    }
}
