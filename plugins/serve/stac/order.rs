//! Ordering an Item: its objects are brought online, and the answer says where they are then.
//!
//! # Specification
//! STAC extension `order` v1.1.0 for the words; the exchange is that of the catalogs which eodag orders from: a link
//! `retrieve` of the Item is posted to, the document that comes back is asked for under its link `self` until
//! `order:status` is `succeeded`, then `assets.downloadLink` is fetched. `Idempotency-Key` is that of
//! draft-ietf-httpapi-idempotency-key-header.

use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, LOCATION, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use thermocline_core::manifest::Manifest;
use thermocline_core::select::Selection;
use thermocline_core::staging::{Face, NewRequest, Request, RequestId, Staging};
use thermocline_http::idempotency::{idempotency, refused};
use thermocline_http::live::{Engine, audit};
use thermocline_http::ordering::needed;
use thermocline_http::{Identity, Problem};
use thermocline_search::{Hit, Summary};

use crate::answer::{Asked, Freshness, encoded};
use crate::documents::{GEOJSON, OrderedItem};
use crate::problem::{Parsed, StacProblem};

/// Urgency of an order: the usual one.
const PRIORITY: u8 = 5;

/// When a client is told to look again, at the latest, in seconds.
const MAX_RETRY_SECONDS: u64 = 60;

/// An Item that exists for whoever asks.
struct Known {
    manifest: Arc<Manifest>,
    summary: Arc<Summary>,
}

/// An order that was taken.
struct Ordered {
    known: Known,
    request: Request,
}

/// `POST /stac/collections/{collection}/items/{id}/order`. The body is not looked at: an order is of the whole Item.
pub(crate) async fn order(who: Identity, Engine(staging): Engine, asked: Asked) -> Parsed<Response> {
    let answer = ordered(&asked, &who, &staging).await;
    let outcome = match &answer {
        Ok(ordered) => format!("request {}", ordered.request.id),
        Err(problem) => format!("refused with {}", problem.0.status),
    };
    audit(&who, "order", asked.param("id"), &outcome);
    created(&asked, &answer?)
}

/// `GET /stac/collections/{collection}/items/{id}/order/{request}`.
pub(crate) async fn status(who: Identity, Engine(staging): Engine, asked: Asked) -> Parsed<Response> {
    let known = known(&asked, &who).await?;
    let name = asked.param("request");
    let request = staging.get_order(&RequestId(name.into())).await?;
    let request = request.filter(|request| request.dataset.as_ref() == Some(&known.manifest.id));
    let request = request.ok_or_else(|| {
        StacProblem::not_found(format!("Order '{name}' of Item '{}' not found", known.manifest.id))
    })?;
    asked.document(&document(&asked, &known, &request), GEOJSON, Freshness::Live)
}

/// The Item that the path names.
///
/// # Errors
/// 404 if there is none, or none for this client, in this collection.
async fn known(asked: &Asked, who: &Identity) -> Parsed<Known> {
    let (collection, id) = (asked.param("collection"), asked.param("id"));
    let app = &asked.context.app;
    let unknown = || StacProblem::not_found(format!("Item '{id}' not found in collection '{collection}'"));
    if !who.sees(app, id) {
        return Err(unknown());
    }
    let manifest = app.catalog.open(id).await.map_err(|error| match error.kind() {
        thermocline_core::ErrorKind::NotFound => unknown(),
        _ => Problem::for_metadata(error).into(),
    })?;
    let summary = app.search.describe(&manifest).await?;
    if summary.collection != collection {
        return Err(unknown());
    }
    Ok(Known { manifest, summary })
}

/// Takes an order.
///
/// # Errors
/// 404 for what does not exist for this client, 403 for who may not stage it, 422 for a key of another request.
async fn ordered(asked: &Asked, who: &Identity, staging: &Staging) -> Parsed<Ordered> {
    let known = known(asked, who).await?;
    let manifest = &known.manifest;
    who.check_stages(&asked.context.app, manifest.id.as_str())?;
    let key = idempotency(&asked.parts)?.map(|key| key.with_body(b""));
    let has_key = key.is_some();
    let new = NewRequest {
        owner: who.owner.clone(),
        face: Face::Native,
        objects: needed(staging, manifest, &Selection::new(), &[]).await?,
        priority: PRIORITY,
        lifetime: asked.context.settings.order_lifetime,
        dataset: Some(manifest.id.clone()),
        idempotency: key,
        notify: None,
    };
    match staging.order(new).await {
        Ok(request) => Ok(Ordered { known, request }),
        Err(error) if has_key => Err(refused(error).into()),
        Err(error) => Err(error.into()),
    }
}

fn created(asked: &Asked, ordered: &Ordered) -> Parsed<Response> {
    let Ordered { known, request } = ordered;
    let document = document(asked, known, request);
    let mut response = (StatusCode::CREATED, encoded(&document)?).into_response();
    let headers = response.headers_mut();
    headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static(GEOJSON));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(location) = HeaderValue::try_from(document.href()) {
        headers.insert(LOCATION, location);
    }
    if !request.state.is_ended() {
        let seconds = request.estimate.as_ref().map_or(10, |estimate| estimate.duration.as_secs());
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds.clamp(1, MAX_RETRY_SECONDS)));
    }
    Ok(response)
}

fn document(asked: &Asked, known: &Known, request: &Request) -> OrderedItem {
    let hit = Hit { summary: Arc::clone(&known.summary), order: None };
    OrderedItem::new(&hit, request, known.manifest.dataset.objects.len(), &asked.context)
}
