//! Handlers of item searches.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use serde_json::{Map, Value};
use stac::Link;
use thermocline_http::AppState;
use thermocline_search::{Cursor, Found};

use crate::answer::{Asked, Freshness, away, value_of};
use crate::api::find;
use crate::documents::{Context, GEOJSON, Item, JSON, link};
use crate::problem::{Parsed, StacProblem};
use crate::request::{Fields, GetSearch, SearchRequest};

/// An answer with Items.
#[derive(Serialize)]
struct FeatureCollection {
    r#type: &'static str,
    features: Vec<Feature>,
    links: Vec<Link>,
    #[serde(rename = "numberMatched")]
    n_matched: u64,
    #[serde(rename = "numberReturned")]
    n_returned: usize,
}

/// An Item, whole or with the members that were asked for.
#[derive(Serialize)]
#[serde(untagged)]
enum Feature {
    Whole(Box<Item>),
    Part(Value),
}

/// `GET /stac/search`.
pub(crate) async fn search(asked: Asked) -> Parsed<Response> {
    let request =
        SearchRequest::from_get(asked.query(), &asked.context.settings, &sortables(&asked.context))?;
    let found = asked.context.app.search.find(request.query).await?;
    let next = next_by_get(&asked, found.next.as_ref());
    answer(asked, found, request.fields, next).await
}

/// `GET /stac/collections/{collection}/items`.
pub(crate) async fn of_collection(asked: Asked) -> Parsed<Response> {
    let collection = find(&asked.context.app, asked.param("collection"))?;
    let mut request =
        SearchRequest::from_get(asked.query(), &asked.context.settings, &sortables(&asked.context))?;
    request.query.collections = Some(vec![collection.id.clone()]);
    let found = asked.context.app.search.find(request.query).await?;
    let own = link("collection", asked.context.collection(&collection.id), JSON);
    let links = next_by_get(&asked, found.next.as_ref()).into_iter().chain([own]).collect();
    answer(asked, found, request.fields, links).await
}

/// `POST /stac/search`.
pub(crate) async fn post(State(_): State<AppState>, asked: Asked, body: Body) -> Parsed<Response> {
    let stac = Arc::clone(&asked.stac);
    let read = stac.bodies.read(body).await?;
    let settings = Arc::clone(&asked.context.settings);
    let sortables = sortables(&asked.context);
    let (parsed, turn) = read.work(move |bytes| Ok(parse(bytes, &settings, &sortables))).await?;
    let (body, request) = parsed?;
    let found = asked.context.app.search.find(request.query).await?;
    drop(turn);
    let next = next_by_post(&asked, found.next.as_ref(), body);
    answer(asked, found, request.fields, next).await
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
    context.app.search.sortables()
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

async fn answer(asked: Asked, found: Found, fields: Option<Fields>, more: Vec<Link>) -> Parsed<Response> {
    away(move || {
        let mut links =
            vec![link("self", asked.self_url(), GEOJSON), link("root", asked.context.root(), JSON)];
        links.extend(more);
        let features: Parsed<Vec<Feature>> =
            found.hits.iter().map(|hit| feature(Item::new(hit, &asked.context), fields.as_ref())).collect();
        let features = features?;
        let n_returned = features.len();
        let document = FeatureCollection {
            r#type: "FeatureCollection",
            features,
            links,
            n_matched: found.n_matched,
            n_returned,
        };
        asked.document(&document, GEOJSON, Freshness::Live)
    })
    .await
}

fn feature(item: Item, fields: Option<&Fields>) -> Parsed<Feature> {
    let Some(fields) = fields else { return Ok(Feature::Whole(Box::new(item))) };
    Ok(Feature::Part(fields.select(value_of(&item)?)))
}
