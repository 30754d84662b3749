//! Bytes of source objects.

use std::ops::Range;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt, stream};
use http::Method;
use http::request::Parts;
use thermocline_core::manifest::Manifest;
use thermocline_core::{Error, ErrorKind, Result};
use thermocline_http::conditional::{
    Representation, Wanted, evaluate, respond_head, respond_part, respond_whole,
};
use thermocline_http::hold::{Asked, Wait, held, parts_copy, with_locality};
use thermocline_http::links::peer;
use thermocline_http::{AppState, DatasetPath, OpenDataset, Problem};
use thermocline_model::{Object, ObjectIdentity};
use thermocline_zarr_http::chunk_problem;

use crate::sources::media_type;

/// Bytes that are read and held at once.
const PIECE_BYTES: u64 = 8 << 20;

/// A request for bytes of a source object.
pub(crate) struct ObjectRequest {
    app: AppState,
    manifest: Arc<Manifest>,
    number: String,
    parts: Parts,
}

impl FromRequestParts<AppState> for ObjectRequest {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, Problem> {
        let OpenDataset(manifest) = OpenDataset::from_request_parts(parts, app).await?;
        let DatasetPath(number) = DatasetPath::from_request_parts(parts, app).await?;
        Ok(Self { app: Arc::clone(app), manifest, number, parts: parts.clone() })
    }
}

/// Sends bytes of the object whose number the path names, once it is online.
pub(crate) async fn answer(request: ObjectRequest) -> Response {
    match respond(&request).await {
        Ok(response) => response,
        Err(problem) if problem.error.kind() == ErrorKind::NotStaged => {
            let Parts { headers, uri, .. } = &request.parts;
            let asked = Asked { headers, uri, peer: peer(&request.parts) };
            let wait = Wait::of(&request.app, &asked, &request.manifest.id);
            let request = ObjectRequest { parts: parts_copy(&request.parts), ..request };
            held(problem.error, wait, Box::new(move || answer_boxed(request)))
        }
        Err(problem) => problem.into_response(),
    }
}

fn answer_boxed(request: ObjectRequest) -> BoxFuture<'static, Response> {
    answer(request).boxed()
}

async fn respond(request: &ObjectRequest) -> Result<Response, Problem> {
    let ObjectRequest { app, manifest, number, parts: Parts { method, headers, .. } } = request;
    let (number, object) = find(manifest, number).filter(|_| app.config.serve_objects).ok_or_else(|| {
        Problem::not_found(format!("Object '{number}' not found in dataset '{}'", manifest.id))
    })?;
    let len_bytes = object.len_bytes;
    let representation = representation(object, &manifest.format, app.config.chunk_max_age);
    let range = match evaluate(method, headers, &representation, len_bytes) {
        Wanted::Nothing(response) => return Ok(response),
        Wanted::Whole if method == Method::HEAD => {
            let response = respond_head(headers, &representation, Some(len_bytes));
            return Ok(with_locality(response, app.reader.locality_now(object).await));
        }
        Wanted::Whole if len_bytes > app.config.max_whole_object_bytes => {
            return Err(too_large(manifest, number, len_bytes).into());
        }
        Wanted::Whole => None,
        Wanted::Part(range) => Some(range),
    };
    let bytes = range.clone().unwrap_or(0..len_bytes);
    let body = body(Arc::clone(app), Arc::clone(manifest), number, bytes).await.map_err(chunk_problem)?;
    Ok(match range {
        Some(range) => respond_part(&representation, range, len_bytes, body),
        None => respond_whole(&representation, len_bytes, body),
    })
}

fn find<'a>(manifest: &'a Manifest, number: &str) -> Option<(u32, &'a Object)> {
    let is_plain = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let number: u32 = number.parse().ok().filter(|_| is_plain)?;
    Some((number, manifest.dataset.objects.get(usize::try_from(number).ok()?)?))
}

fn too_large(manifest: &Manifest, number: u32, len_bytes: u64) -> Error {
    let message =
        format!("object {number} of dataset '{}' has {len_bytes} bytes: ask for a Range of it", manifest.id);
    Error::new(ErrorKind::TooLarge, message)
}

fn representation(object: &Object, format: &str, max_age: std::time::Duration) -> Representation {
    let (etag, modified) = match &object.identity {
        ObjectIdentity::Modified { mtime_ns, inode } => {
            let time = u64::try_from(*mtime_ns).ok().map(std::time::Duration::from_nanos);
            let modified = time.and_then(|time| std::time::SystemTime::UNIX_EPOCH.checked_add(time));
            (format!("{mtime_ns:x}-{inode:x}-{:x}", object.len_bytes), modified)
        }
        ObjectIdentity::ETag(etag) => {
            let plain: String = etag.chars().filter(|c| c.is_ascii_graphic() && *c != '"').collect();
            (format!("{plain}-{:x}", object.len_bytes), None)
        }
    };
    Representation { media_type: media_type(&object.href, format), etag, modified, max_age }
}

/// The bytes of a range: read whole if it is small, else piece by piece as the client takes them.
///
/// The first piece is read before the answer begins, so that its errors have a status of their own. An
/// error after that breaks the connection off: never fewer bytes than promised that look complete.
///
/// An object on a cold store stays online until the last piece was read.
async fn body(app: AppState, manifest: Arc<Manifest>, number: u32, range: Range<u64>) -> Result<Body> {
    let first_end = range.end.min(range.start.saturating_add(PIECE_BYTES));
    let online = app.reader.keep_object_online(&manifest, number).await?;
    let first = read(&app, &manifest, number, range.start..first_end).await?;
    if first_end == range.end {
        return Ok(Body::from(first));
    }
    let rest = stream::try_unfold((first_end, Some(first)), move |(next, ready)| {
        let _online = &online;
        let (app, manifest, end) = (Arc::clone(&app), Arc::clone(&manifest), range.end);
        async move { piece(&app, &manifest, number, next..end, ready).await }
    });
    Ok(Body::from_stream(rest))
}

/// The piece that is at hand, or the next one; `Ok(None)` at the end.
async fn piece(
    app: &AppState,
    manifest: &Manifest,
    number: u32,
    left: Range<u64>,
    ready: Option<Bytes>,
) -> Result<Option<(Bytes, (u64, Option<Bytes>))>> {
    if let Some(ready) = ready {
        return Ok(Some((ready, (left.start, None))));
    }
    if left.is_empty() {
        return Ok(None);
    }
    let end = left.end.min(left.start.saturating_add(PIECE_BYTES));
    let bytes = read(app, manifest, number, left.start..end).await?;
    Ok(Some((bytes, (end, None))))
}

/// Reads bytes of an object. One that is not as it was indexed is reported to the catalog.
async fn read(app: &AppState, manifest: &Manifest, number: u32, range: Range<u64>) -> Result<Bytes> {
    let read = app.reader.object_bytes(manifest, number, range).await;
    if let Err(error) = &read
        && matches!(error.kind(), ErrorKind::Changed { .. } | ErrorKind::Lost)
    {
        app.catalog.suspect(manifest.id.as_str(), number);
    }
    read
}
