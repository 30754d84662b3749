//! How far the files of a request are.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use futures::stream::{StreamExt, once, try_unfold};
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use serde::Serialize;
use thermocline_core::staging::{
    Face, ObjectFilter, ObjectState, Request, RequestId, RequestObject, Staging,
};
use thermocline_core::{Error, Result};
use thermocline_http::live::Engine;
use thermocline_http::{App, AppState, Identity, MayStage, Problem};

use crate::{Api, CancelledWord};

/// Files that are read of a request at a time: a long answer is sent while it is read.
const FILES_AT_A_TIME: usize = 10_000;

/// What is said of a file that failed without saying why.
const FAILED: &str = "it could not be brought online";

/// The document without its files, which follow.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PollHead<'a> {
    id: &'a str,
    created_at: i64,
    started_at: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    completed_at: Option<i64>,
}

/// A file of a request.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct PollFile<'a> {
    path: &'a str,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    started_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    finished_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

/// Answers how far each file of a request is.
pub(crate) async fn poll(
    Extension(api): Extension<Arc<Api>>,
    State(app): State<AppState>,
    (Path(id), MayStage(who)): (Path<String>, MayStage),
    Engine(staging): Engine,
) -> std::result::Result<Response, Problem> {
    let request = known((&app, &staging), &who, &id).await?;
    let mut pages = Pages { staging, request, cancelled: api.settings.cancelled, next: Next::First };
    let first = pages.next().await?.unwrap_or_default();
    let body = match pages.next {
        Next::End => Body::from(first),
        _ => {
            let rest = try_unfold(pages, |mut pages| async move {
                Ok::<_, Error>(pages.next().await?.map(|page| (page, pages)))
            });
            Body::from_stream(once(async { Ok(first) }).chain(rest))
        }
    };
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// The request of that name, if it could be asked for here: those of selections name files that may be hidden.
///
/// # Errors
/// 404 if there is none, or none any more, or it may name files that are not there for this client.
pub(crate) async fn known(
    (app, staging): (&App, &Staging),
    who: &Identity,
    id: &str,
) -> std::result::Result<Request, Problem> {
    let found = staging.get(&RequestId(id.into())).await?;
    let found = found.filter(|request| {
        let is_of_paths = request.face == Face::Native && request.dataset.is_none();
        is_of_paths && who.sees_of(app, &request.owner, None)
    });
    found.ok_or_else(|| Problem::not_found(format!("Request '{id}' not found")))
}

/// The document of a request in pieces.
struct Pages {
    staging: Staging,
    request: Request,
    cancelled: CancelledWord,
    next: Next,
}

/// What comes next of a document.
enum Next {
    First,
    /// Files after this position.
    After(u64),
    End,
}

impl Pages {
    /// The next piece; `None` after the last one.
    async fn next(&mut self) -> Result<Option<Bytes>> {
        let mut bytes = Vec::new();
        let after = match self.next {
            Next::End => return Ok(None),
            Next::After(position) => Some(position),
            Next::First => {
                write_head(&mut bytes, &self.request)?;
                None
            }
        };
        let filter = ObjectFilter { after, limit: FILES_AT_A_TIME, ..ObjectFilter::default() };
        let objects = self.staging.objects(&self.request.id, filter).await?;
        for (number, object) in objects.iter().enumerate() {
            if number > 0 || after.is_some() {
                bytes.push(b',');
            }
            write_files(&mut bytes, &self.request, object, self.cancelled)?;
        }
        self.next = match objects.last() {
            Some(last) if objects.len() == FILES_AT_A_TIME => Next::After(last.position),
            _ => {
                bytes.extend_from_slice(b"]}");
                Next::End
            }
        };
        Ok(Some(bytes.into()))
    }
}

/// The document up to its first file.
fn write_head(bytes: &mut Vec<u8>, request: &Request) -> Result<()> {
    let head = PollHead {
        id: &request.id.0,
        created_at: seconds(request.created_ns),
        started_at: seconds(started_ns(request)),
        completed_at: request.finished_ns.filter(|_| request.state.is_ended()).map(seconds),
    };
    serde_json::to_writer(&mut *bytes, &head).map_err(unwritten)?;
    bytes.pop();
    bytes.extend_from_slice(b",\"files\":[");
    Ok(())
}

/// An object under each of its spellings, with commas between.
fn write_files(
    bytes: &mut Vec<u8>,
    request: &Request,
    object: &RequestObject,
    cancelled: CancelledWord,
) -> Result<()> {
    let others = object.other_spellings.iter();
    for (number, spelling) in std::iter::once(&object.spelling).chain(others).enumerate() {
        if number > 0 {
            bytes.push(b',');
        }
        let file = file(request, object, spelling, cancelled);
        serde_json::to_writer(&mut *bytes, &file).map_err(unwritten)?;
    }
    Ok(())
}

fn unwritten(cause: serde_json::Error) -> Error {
    Error::internal("the answer cannot be written as JSON").with_source(cause)
}

fn file<'a>(
    request: &Request,
    object: &'a RequestObject,
    path: &'a str,
    cancelled: CancelledWord,
) -> PollFile<'a> {
    let state = match object.state {
        ObjectState::Queued => "SUBMITTED",
        ObjectState::Active | ObjectState::Verifying => "STARTED",
        ObjectState::Hot | ObjectState::Released => "COMPLETED",
        ObjectState::Failed | ObjectState::Lost => "FAILED",
        ObjectState::Cancelled => cancelled.as_str(),
    };
    let finished_at = object.state.is_settled().then(|| seconds(finished_ns(request, object)));
    let started_at = (object.state != ObjectState::Queued).then(|| {
        let started_at = seconds(started_ns(request));
        finished_at.map_or(started_at, |finished_at| started_at.min(finished_at))
    });
    let reason = object.reason.as_deref().filter(|reason| !reason.is_empty());
    let error = (state == "FAILED").then(|| reason.unwrap_or(FAILED));
    PollFile { path, state, started_at, finished_at, error }
}

fn started_ns(request: &Request) -> i64 {
    request.started_ns.unwrap_or(request.created_ns)
}

/// When an object was settled: at the latest when its request was, though its pin may end long after.
fn finished_ns(request: &Request, object: &RequestObject) -> i64 {
    request.finished_ns.map_or(object.since_ns, |finished_ns| finished_ns.min(object.since_ns))
}

/// Whole seconds since 1970.
fn seconds(time_ns: i64) -> i64 {
    time_ns.div_euclid(1_000_000_000)
}
