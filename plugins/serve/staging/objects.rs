//! Objects of a request.

use std::fmt;

use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use http::request::Parts;
use thermocline_core::staging::{ObjectFilter, ObjectState};
use thermocline_http::links::BaseUrl;
use thermocline_http::live::{self, Engine};
use thermocline_http::query::Query;
use thermocline_http::{AppState, Identity, Problem};

use crate::documents::{RequestObjectDocument, RequestObjectPage};
use crate::requests::{known, limit, page_url};

/// Objects in the order in which they were asked for, or, with `since`, in the order in which they changed.
pub(crate) async fn list(
    (State(app), Path(id)): (State<AppState>, Path<String>),
    Engine(staging): Engine,
    (who, base): (Identity, BaseUrl),
    query: Query,
    parts: Parts,
) -> Result<Response, Problem> {
    let limit = limit(&query, 1000, 10_000)?;
    let since = number(&query, "since")?;
    let cursor = query.value("cursor").map(|cursor| Cursor::parse(&cursor)).transpose()?;
    let state = query.value("state").map(|state| object_state(&state)).transpose()?;
    // Looked at before the objects: what changes meanwhile comes again with the next poll, and is not missed.
    let request = known((&app, &staging), &who, &id).await?;
    let filter = ObjectFilter {
        state,
        since,
        after: cursor.map(|cursor| cursor.after),
        limit: limit.saturating_add(1),
    };
    let mut objects = staging.objects(&request.id, filter).await?;
    let has_more = objects.len() > limit;
    objects.truncate(limit);
    let last = objects.last();
    let (after, change) = match (since, last) {
        (Some(since), _) => {
            let change = last.map_or(since, |object| object.change);
            (Some(change), change)
        }
        // What changes while a client pages comes after the state that its first page showed.
        (None, _) => {
            let shown = cursor.map_or(request.change, |cursor| cursor.change.min(request.change));
            (last.map(|object| object.position), shown)
        }
    };
    let next = after
        .filter(|_| has_more)
        .map(|after| page_url(&base, &parts, &Cursor { after, change }.to_string()));
    let objects = objects.iter().map(RequestObjectDocument::from).collect();
    live::json(&parts, StatusCode::OK, &RequestObjectPage { objects, change, next })
}

/// Where a page goes on, and the change that the first page showed.
#[derive(Clone, Copy)]
struct Cursor {
    after: u64,
    change: u64,
}

impl Cursor {
    fn parse(text: &str) -> Result<Self, Problem> {
        let wrong = || Problem::invalid_input(format!("cursor '{text}' is none that a page named"));
        let (after, change) = text.split_once('.').ok_or_else(wrong)?;
        let number = |text: &str| text.parse().map_err(|_| wrong());
        Ok(Self { after: number(after)?, change: number(change)? })
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.after, self.change)
    }
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
