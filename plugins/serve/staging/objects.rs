//! Objects of a request.

use axum::extract::Path;
use axum::response::Response;
use http::StatusCode;
use http::request::Parts;
use thermocline_core::staging::{ObjectFilter, ObjectState};
use thermocline_http::Problem;
use thermocline_http::links::BaseUrl;
use thermocline_http::live::{self, Engine};
use thermocline_http::query::Query;

use crate::documents::{RequestObjectDocument, RequestObjectPage};
use crate::requests::{known, limit, page_url};

/// Objects in the order in which they were asked for, or, with `since`, in the order in which they changed.
pub(crate) async fn list(
    Path(id): Path<String>,
    Engine(staging): Engine,
    base: BaseUrl,
    query: Query,
    parts: Parts,
) -> Result<Response, Problem> {
    let limit = limit(&query, 1000, 10_000)?;
    let since = number(&query, "since")?;
    let cursor = number(&query, "cursor")?;
    let state = query.value("state").map(|state| object_state(&state)).transpose()?;
    // Looked at before the objects: what changes meanwhile comes again with the next poll, and is not missed.
    let request = known(&staging, &id).await?;
    let filter = ObjectFilter { state, since, after: cursor, limit: limit.saturating_add(1) };
    let mut objects = staging.objects(&request.id, filter).await?;
    let has_more = objects.len() > limit;
    objects.truncate(limit);
    let last = objects.last();
    let next = match since {
        Some(_) => last.map(|object| object.change),
        None => last.map(|object| object.position),
    };
    let next = next.filter(|_| has_more).map(|cursor| page_url(&base, &parts, &cursor.to_string()));
    let change = match (since, last) {
        (Some(since), last) => last.map_or(since, |object| object.change),
        (None, _) => request.change,
    };
    let objects = objects.iter().map(RequestObjectDocument::from).collect();
    live::json(&parts, StatusCode::OK, &RequestObjectPage { objects, change, next })
}

fn number(query: &Query, name: &str) -> Result<Option<u64>, Problem> {
    let Some(text) = query.value(name) else { return Ok(None) };
    let number = text.parse().map_err(|_| Problem::invalid_input(format!("{name} '{text}' is no number")))?;
    Ok(Some(number))
}

fn object_state(text: &str) -> Result<ObjectState, Problem> {
    ObjectState::ALL.into_iter().find(|state| state.as_str() == text).ok_or_else(|| {
        Problem::invalid_input(format!("'{text}' is no state of an object"))
            .with_allowed(ObjectState::ALL.map(ObjectState::as_str))
    })
}
