//! Handlers of item searches.
//!
//! An answer is written Item by Item. One whose Items would take more than a bound has fewer than were asked for, and a
//! link to the others, as after any other page.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use serde_json::{Map, Value};
use stac::Link;
use thermocline_http::AppState;
use thermocline_http::negotiate::Form;
use thermocline_search::{Cursor, Found};

use crate::answer::{Asked, Freshness, away, encoded, unwritable, value_of};
use crate::api::find;
use crate::documents::{Context, GEOJSON, Item, JSON, link};
use crate::problem::{Parsed, StacProblem};
use crate::request::{Fields, GetSearch, SearchRequest};

/// Most bytes of Items on a page for people, which shows a thousand of them at most.
const PAGE_BYTES: usize = 4 << 20;

/// What stands behind the Items of an answer.
#[derive(Serialize)]
struct Rest {
    links: Vec<Link>,
    #[serde(rename = "numberMatched")]
    n_matched: u64,
    #[serde(rename = "numberReturned")]
    n_returned: usize,
}

/// Items of one page, as they are sent.
struct Page {
    /// With commas between them.
    items: Vec<u8>,
    n_items: usize,
    n_matched: u64,
    next: Option<Cursor>,
}

/// `GET /stac/search`.
pub(crate) async fn search(asked: Asked) -> Parsed<Response> {
    let request =
        SearchRequest::from_get(asked.query(), &asked.context.settings, &sortables(&asked.context))?;
    let page = page_of(&asked, request).await?;
    let next = next_by_get(&asked, page.next.as_ref());
    answer(asked, page, next).await
}

/// `GET /stac/collections/{collection}/items`.
pub(crate) async fn of_collection(asked: Asked) -> Parsed<Response> {
    let collection = find(&asked.context.seen, asked.param("collection"))?;
    let mut request =
        SearchRequest::from_get(asked.query(), &asked.context.settings, &sortables(&asked.context))?;
    request.query.collections = Some(vec![collection.id.clone()]);
    let page = page_of(&asked, request).await?;
    let own = link("collection", asked.context.collection(&collection.id), JSON);
    let links = next_by_get(&asked, page.next.as_ref()).into_iter().chain([own]).collect();
    answer(asked, page, links).await
}

/// `POST /stac/search`.
pub(crate) async fn post(State(_): State<AppState>, asked: Asked, body: Body) -> Parsed<Response> {
    let stac = Arc::clone(&asked.stac);
    let read = stac.bodies.read(body).await?;
    let settings = Arc::clone(&asked.context.settings);
    let sortables = sortables(&asked.context);
    let (parsed, turn) = read.work(move |bytes| Ok(parse(bytes, &settings, &sortables))).await?;
    let (body, request) = parsed?;
    drop(turn);
    let page = page_of(&asked, request).await?;
    let next = next_by_post(&asked, page.next.as_ref(), body);
    answer(asked, page, next).await
}

/// The body of a POST and the search that it means.
fn parse(
    bytes: &[u8],
    settings: &crate::StacSettings,
    sortables: &[String],
) -> Parsed<(Map<String, Value>, SearchRequest)> {
    let body = if bytes.trim_ascii().is_empty() { b"{}" } else { bytes };
    let body: Value = serde_json::from_slice(body)
        .map_err(|error| StacProblem::invalid(format!("the body is no JSON: {error}")))?;
    let request = SearchRequest::from_post(&body, settings, sortables)?;
    match body {
        Value::Object(body) => Ok((body, request)),
        _ => Err(StacProblem::invalid("the body is a JSON object")),
    }
}

fn sortables(context: &Context) -> Arc<[String]> {
    context.seen.sortables()
}

fn next_by_get(asked: &Asked, next: Option<&Cursor>) -> Vec<Link> {
    let href = next.map(|Cursor(token)| asked.url_with(&GetSearch(asked.query()).with_token(token)));
    href.map(|href| link("next", href, GEOJSON).method("GET")).into_iter().collect()
}

/// The next page of a POST: the whole body again, with its token.
fn next_by_post(asked: &Asked, next: Option<&Cursor>, mut body: Map<String, Value>) -> Vec<Link> {
    let Some(Cursor(token)) = next else { return Vec::new() };
    body.insert("token".to_owned(), token.as_str().into());
    let mut next = link("next", format!("{}/search", asked.context.root()), GEOJSON).method("POST");
    next.body = Some(body);
    next.merge = Some(false);
    vec![next]
}

/// Searches, and writes as many of the Items found as fit into an answer.
async fn page_of(asked: &Asked, request: SearchRequest) -> Parsed<Page> {
    let SearchRequest { mut query, fields } = request;
    let allowed = asked.stac.max_items_bytes;
    let max_bytes = if asked.form == Form::Html { allowed.min(PAGE_BYTES) } else { allowed };
    loop {
        let found = asked.context.seen.find(query.clone()).await?;
        let (n_found, fields, context) = (found.hits.len(), fields.clone(), asked.context.clone());
        let page = away(move || write_items(found, fields.as_ref(), &context, max_bytes)).await?;
        if page.n_items == n_found {
            return Ok(page);
        }
        // Fewer, so that the search says where the next page begins.
        query.limit = page.n_items;
    }
}

/// Writes Items until there are `max_bytes`, and one at least.
fn write_items(found: Found, fields: Option<&Fields>, context: &Context, max_bytes: usize) -> Parsed<Page> {
    let mut page = Page { items: Vec::new(), n_items: 0, n_matched: found.n_matched, next: found.next };
    for hit in &found.hits {
        let len_before = page.items.len();
        if page.n_items > 0 {
            page.items.push(b',');
        }
        let item = Item::new(hit, context);
        match fields {
            Some(fields) => serde_json::to_writer(&mut page.items, &fields.select(value_of(&item)?)),
            None => serde_json::to_writer(&mut page.items, &item),
        }
        .map_err(unwritable)?;
        if page.items.len() > max_bytes && page.n_items > 0 {
            page.items.truncate(len_before);
            break;
        }
        page.n_items += 1;
    }
    Ok(page)
}

async fn answer(asked: Asked, page: Page, more: Vec<Link>) -> Parsed<Response> {
    away(move || {
        let mut links =
            vec![link("self", asked.self_url(), GEOJSON), link("root", asked.context.root(), JSON)];
        links.extend(more);
        let rest = encoded(&Rest { links, n_matched: page.n_matched, n_returned: page.n_items })?;
        let mut document = b"{\"type\":\"FeatureCollection\",\"features\":[".to_vec();
        document.extend(page.items);
        document.extend(b"],");
        // Its members go on where the Items end.
        document.extend(rest.get(1..).unwrap_or_default());
        asked.written(document, GEOJSON, Freshness::Live)
    })
    .await
}
