//! Where files are.

use std::collections::HashSet;
use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::response::Response;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use serde::Serialize;
use thermocline_core::Error;
use thermocline_core::cold::Locality;
use thermocline_core::staging::{ObjectInfo, Wanted};
use thermocline_http::Problem;
use thermocline_http::identity::PathsToRead;
use thermocline_http::lists::wanted;
use thermocline_http::live::Engine;

use crate::Api;
use crate::body::{self, WrittenPaths};

/// Files that the engine is asked for at a time.
const FILES_AT_A_TIME: usize = 10_000;

/// Where a file is: `locality`, or `error` for one that does not exist or of which it cannot be told.
#[derive(Debug, Serialize)]
struct Info<'a> {
    path: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    locality: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

/// Answers where files are, each with its own answer, in the order in which they were asked for. Paths are spelt as they
/// were sent, and one that is named twice is answered once.
pub(crate) async fn show(
    Extension(api): Extension<Arc<Api>>,
    PathsToRead(allowed): PathsToRead,
    Engine(staging): Engine,
    body: Body,
) -> Result<Response, Problem> {
    let (read, limit) = (api.bodies.read(body).await?, api.settings.max_objects);
    let work = read.work(move |bytes| {
        let paths = body::json::<WrittenPaths>(bytes)?.within(limit)?;
        let mut seen = HashSet::with_capacity(paths.len());
        let paths = paths.iter().filter(|path| seen.insert(path.as_str()));
        Ok(paths.map(|path| wanted(&allowed, path)).collect::<Vec<Wanted>>())
    });
    let (mut files, _turn) = work.await?;
    let mut document = vec![b'['];
    while !files.is_empty() {
        let rest = files.split_off(files.len().min(FILES_AT_A_TIME));
        for info in staging.locality(std::mem::replace(&mut files, rest)).await? {
            if document.len() > 1 {
                document.push(b',');
            }
            serde_json::to_writer(&mut document, &Info::from(&info)).map_err(|cause| {
                Error::internal("the answer cannot be written as JSON").with_source(cause)
            })?;
        }
    }
    document.push(b']');
    let mut response = Response::new(Body::from(document));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

impl<'a> From<&'a ObjectInfo> for Info<'a> {
    fn from(info: &'a ObjectInfo) -> Self {
        let locality = match info.locality {
            Locality::Online => "DISK",
            Locality::Nearline => "TAPE",
            Locality::OnlineAndNearline => "DISK_AND_TAPE",
            Locality::Lost => "LOST",
            Locality::Unavailable => "UNAVAILABLE",
        };
        // What no root holds exists nowhere.
        let locality = match (&info.error, &info.object) {
            (None, _) => Some(locality),
            (Some(_), None) => Some("NONE"),
            (Some(_), Some(_)) => None,
        };
        Self { path: &info.spelling, locality, error: info.error.as_deref() }
    }
}
