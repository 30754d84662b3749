//! What operators ask and do.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use http::request::Parts;
use serde::Deserialize;
use serde_json::json;
use thermocline_core::cold::ObjectId;
use thermocline_core::staging::{Activity, ObjectInfo, Wanted};
use thermocline_http::identity::{Paths, PathsToRead};
use thermocline_http::lists::lines;
use thermocline_http::live::{self, Engine, audit};
use thermocline_http::query::Query;
use thermocline_http::{AppState, MayAdminister, MayStage, Problem};

use crate::Api;
use crate::body::{self, Label, Written};
use crate::documents::{CacheDocument, ObjectDocument, RecallDocument, StoreDocument};
use crate::requests::{Listed, limit};

/// Most unknown paths that an answer names.
const MAX_SHOWN: usize = 50;

/// The body of `POST /objects/evict` as JSON.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenEviction<'b> {
    #[serde(borrow)]
    paths: Option<Listed<'b>>,
    #[serde(default)]
    all: bool,
}

/// Makes unpinned objects cold again.
pub(crate) async fn evict(
    State(app): State<AppState>,
    Extension(api): Extension<Arc<Api>>,
    MayAdminister(who): MayAdminister,
    Engine(staging): Engine,
    parts: Parts,
    body: Body,
) -> Result<Response, Problem> {
    let read = api.bodies.read(body).await?;
    let label = Label::of(&parts);
    let paths = Paths::all(Arc::clone(staging.namespace()));
    let limit = api.settings.max_objects;
    let (named, _turn) = read.work(move |bytes| named((label, bytes), &paths, limit)).await?;
    let subject = named.as_ref().map_or("all".to_owned(), |named| format!("{} objects", named.objects.len()));
    let unknown = named.as_ref().map(|named| named.unknown.clone()).unwrap_or_default();
    let answer = staging.evict(named.map(|named| named.objects)).await;
    // Otherwise chunks in memory would go on being served without a recall.
    app.reader.forget_chunks();
    let outcome = match &answer {
        Ok(n_evicted) => format!("{n_evicted} evicted"),
        Err(_) => "failed".to_owned(),
    };
    audit(&who, "evict", &subject, &outcome);
    let unknown: Vec<_> =
        unknown.into_iter().map(|(path, error)| json!({"path": path, "error": error})).collect();
    live::json(&parts, StatusCode::OK, &json!({"evicted": answer?, "unknown": unknown}))
}

/// Objects that are to be evicted.
struct Named {
    objects: Vec<ObjectId>,
    /// Paths that mean none, with the reasons.
    unknown: Vec<(String, String)>,
}

/// What a body names; `None` for everything.
fn named((label, bytes): (Label, &[u8]), paths: &Paths, limit: usize) -> Result<Option<Named>, Problem> {
    let missing = || {
        Problem::invalid_input("the body says neither which paths nor {\"all\": true}")
            .with_allowed(["paths", "all"])
    };
    let objects: Vec<Wanted> = match label.written(bytes) {
        Written::Lines => lines(paths, bytes, limit)?,
        Written::Json => match body::json::<WrittenEviction<'_>>(bytes)? {
            WrittenEviction { paths: None, all: true } => return Ok(None),
            WrittenEviction { paths: Some(named), all: false } => named.wanted(paths, limit)?,
            _ => return Err(missing()),
        },
    };
    if objects.is_empty() {
        return Err(missing());
    }
    let mut named = Named { objects: Vec::new(), unknown: Vec::new() };
    for Wanted { spelling, object } in objects {
        match object {
            Ok(ids) => named.objects.extend(ids),
            Err(reason) if named.unknown.len() < MAX_SHOWN => {
                named.unknown.push((spelling.to_string(), reason))
            }
            Err(_) => {}
        }
    }
    Ok(Some(named))
}

/// Most recalls and pins that an answer has.
const MAX_TOLD: usize = 100_000;

/// Recalls under way or waiting, of objects that are there for the client.
pub(crate) async fn recalls(
    PathsToRead(files): PathsToRead,
    Engine(staging): Engine,
    query: Query,
    parts: Parts,
) -> Result<Response, Problem> {
    let limit = limit(&query, 1000, MAX_TOLD)?;
    let recalls = staging.recalls(looked_at(&files, limit)).await.into_iter();
    let recalls = recalls.filter(|recall| files.shows(&recall.object)).take(limit);
    let recalls: Vec<RecallDocument> = recalls.map(RecallDocument::from).collect();
    live::json(&parts, StatusCode::OK, &json!({"recalls": recalls}))
}

/// Objects that are pinned, and are there for the client.
pub(crate) async fn pins(
    PathsToRead(files): PathsToRead,
    Engine(staging): Engine,
    query: Query,
    parts: Parts,
) -> Result<Response, Problem> {
    let limit = limit(&query, 1000, MAX_TOLD)?;
    let pins = staging.pins(looked_at(&files, limit)).await?.into_iter();
    let is_shown = |pin: &ObjectInfo| pin.object.as_ref().is_some_and(|object| files.shows(object));
    let pins: Vec<ObjectDocument> = pins.filter(is_shown).take(limit).map(ObjectDocument::from).collect();
    live::json(&parts, StatusCode::OK, &json!({"pins": pins}))
}

/// How many recalls or pins are looked at for an answer of `limit` of them: more where some are not told.
fn looked_at(files: &Paths, limit: usize) -> usize {
    if files.hides() { MAX_TOLD } else { limit }
}

/// Cold stores and the cache.
pub(crate) async fn cold(
    MayStage(_): MayStage,
    Engine(staging): Engine,
    parts: Parts,
) -> Result<Response, Problem> {
    let stores: Vec<StoreDocument> = staging.stores().into_iter().map(StoreDocument::from).collect();
    let cache = CacheDocument::from(staging.cache_use());
    live::json(&parts, StatusCode::OK, &json!({"stores": stores, "cache": cache}))
}

/// Lets a store begin recalls, or not.
pub(crate) async fn set_activity(
    Path((store, action)): Path<(String, String)>,
    MayAdminister(who): MayAdminister,
    Engine(staging): Engine,
    parts: Parts,
) -> Result<Response, Problem> {
    let activity = match action.as_str() {
        "pause" => Activity::Paused,
        "drain" => Activity::Draining,
        "resume" => Activity::Running,
        other => {
            return Err(Problem::not_found(format!(
                "'{other}' is nothing that can be done with a cold store"
            ))
            .with_allowed(["pause", "drain", "resume"]));
        }
    };
    let answer = staging.set_activity(&store, activity).await;
    audit(&who, &action, &store, if answer.is_ok() { "done" } else { "failed" });
    answer?;
    let found = staging.stores().into_iter().map(StoreDocument::from).find(|found| found.name == store);
    let found = found.ok_or_else(|| Problem::not_found(format!("Cold store '{store}' not found")))?;
    live::json(&parts, StatusCode::OK, &found)
}
