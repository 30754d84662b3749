//! WebDAV listings: obstore (object_store) lists a store by `PROPFIND`.
//!
//! # Specification
//! RFC 4918, sections 9.1 and 14.
//!
//! # Limits
//! A listing is whole or refused with 413. With `Depth: infinity` it has as many rows as chunks may be listed,
//! in all; with `Depth: 1` nodes and documents do not count. RFC 4918 has no row that says "and more" which
//! clients obey: object_store and rclone take whatever is listed for all there is.

use std::fmt::Write;
use std::time::SystemTime;

use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use thermocline_core::{Error, ErrorKind};
use thermocline_http::Problem;
use thermocline_http::conditional::source_modified;
use thermocline_http::html::Escaped;
use thermocline_http::links::segment;
use thermocline_zarr::{Hierarchy, ZarrKey};

use crate::document::document_body;
use crate::listing::{Bounds, Detail, Listed, children};
use crate::{Store, StoreRequest};

/// How far below the key a listing goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Depth {
    Zero,
    One,
    Infinity,
}

impl Depth {
    fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        let Some(depth) = headers.get("depth") else { return Ok(Self::Infinity) };
        match depth.as_bytes() {
            b"0" => Ok(Self::Zero),
            b"1" => Ok(Self::One),
            depth if depth.eq_ignore_ascii_case(b"infinity") => Ok(Self::Infinity),
            _ => Err(Problem::invalid_input("the depth of a listing is none that WebDAV knows")
                .with_allowed(["0", "1", "infinity"])),
        }
    }
}

/// Answers `PROPFIND` of a key.
pub(crate) async fn answer(store: Store, request: &StoreRequest) -> Result<Response, Problem> {
    let depth = Depth::of(&request.headers)?;
    let modified = source_modified(&request.manifest.dataset).unwrap_or(SystemTime::UNIX_EPOCH);
    let mut rows = Rows { xml: String::new(), n_rows: 0, modified: httpdate::fmt_http_date(modified) };
    let own = own_row(store, request).await?.ok_or_else(|| request.not_found())?;
    rows.push(&request.path(), &own);
    match depth {
        Depth::Zero => {}
        Depth::One => {
            let bounds = Bounds::of_chunks(request.app.config.max_listed_chunks);
            add_children(store, request, (&request.key, bounds), &mut rows).await?;
        }
        Depth::Infinity => add_all(store, request, &mut rows).await?,
    }
    let xml = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<D:multistatus xmlns:D=\"DAV:\">\n{}</D:multistatus>\n",
        rows.xml
    );
    Ok((StatusCode::MULTI_STATUS, [(CONTENT_TYPE, "application/xml; charset=utf-8")], xml).into_response())
}

/// The row of the key itself; `Ok(None)` if it does not exist.
async fn own_row(store: Store, request: &StoreRequest) -> Result<Option<Listed>, Problem> {
    for view in store.views {
        let hierarchy = Hierarchy::of(&request.manifest, *view);
        let Some(key) = ZarrKey::parse(&hierarchy, &request.key) else { continue };
        let (is_directory, len_bytes, etag) = match key {
            ZarrKey::Node { .. } | ZarrKey::ChunkDirectory { .. } => (true, None, None),
            ZarrKey::Document { path, kind } => {
                let body = document_body(&request.manifest, &hierarchy, &path, kind).await?;
                let Some(body) = body else { return Ok(None) };
                (false, Some(body.bytes.len() as u64), Some(body.etag))
            }
            ZarrKey::Chunk { array, index } => {
                let Some(head) = request.chunks(array)?.head(&index).await? else { return Ok(None) };
                (false, head.len_bytes, Some(head.etag))
            }
        };
        return Ok(Some(Listed { name: String::new(), is_directory, len_bytes, etag }));
    }
    Ok(None)
}

/// Adds the rows of what lies directly below a key; gives the keys of those that are directories.
async fn add_children(
    store: Store,
    request: &StoreRequest,
    (key, bounds): (&str, Bounds),
    rows: &mut Rows,
) -> Result<Vec<String>, Problem> {
    let children = children(store, request, key, (Detail::Sizes, bounds)).await?;
    let Some(children) = children else { return Ok(Vec::new()) };
    if children.n_omitted > 0 {
        return Err(too_many(request, key));
    }
    let relative = key.strip_prefix(request.key.as_str()).unwrap_or(key).trim_start_matches('/');
    let mut base = request.path();
    for part in relative.split('/').filter(|part| !part.is_empty()) {
        base.push('/');
        base.push_str(&segment(part));
    }
    let mut directories = Vec::new();
    for entry in &children.entries {
        rows.push(&format!("{base}/{}", segment(&entry.name)), entry);
        if entry.is_directory {
            let name = &entry.name;
            directories.push(if key.is_empty() { name.clone() } else { format!("{key}/{name}") });
        }
    }
    Ok(directories)
}

/// Adds the rows of everything below the key, parents first.
async fn add_all(store: Store, request: &StoreRequest, rows: &mut Rows) -> Result<(), Problem> {
    let mut waiting = vec![request.key.clone()];
    while let Some(key) = waiting.pop() {
        let bounds = Bounds::of_entries(request.app.config.max_listed_chunks.saturating_sub(rows.n_rows));
        let mut below = add_children(store, request, (&key, bounds), rows).await?;
        below.reverse();
        waiting.append(&mut below);
    }
    Ok(())
}

fn too_many(request: &StoreRequest, key: &str) -> Problem {
    let limit = request.app.config.max_listed_chunks;
    let message = format!(
        "below '/{key}' of dataset '{}' lies more than the {limit} keys that are listed (setting \
         plugins.zarr.max_listed_chunks): list one group at a time with Depth 1, and read chunks by the keys \
         that the arrays' metadata tell",
        request.manifest.id
    );
    Error::new(ErrorKind::TooLarge, message).into()
}

/// The rows of a multistatus answer.
struct Rows {
    xml: String,
    n_rows: u64,
    modified: String,
}

impl Rows {
    fn push(&mut self, href: &str, entry: &Listed) {
        self.n_rows += 1;
        let slash = if entry.is_directory { "/" } else { "" };
        let kind = if entry.is_directory { "<D:collection/>" } else { "" };
        let mut properties = format!("<D:resourcetype>{kind}</D:resourcetype>");
        let len_bytes = if entry.is_directory { Some(0) } else { entry.len_bytes };
        // Writing into a text does not fail.
        if let Some(len_bytes) = len_bytes {
            let _ = write!(properties, "<D:getcontentlength>{len_bytes}</D:getcontentlength>");
        }
        if let Some(etag) = &entry.etag {
            let _ = write!(properties, "<D:getetag>&quot;{}&quot;</D:getetag>", Escaped(etag));
        }
        let _ = writeln!(
            self.xml,
            "<D:response><D:href>{}{slash}</D:href><D:propstat><D:prop>{properties}\
             <D:getlastmodified>{}</D:getlastmodified></D:prop><D:status>HTTP/1.1 200 OK</D:status>\
             </D:propstat></D:response>",
            Escaped(href),
            self.modified
        );
    }
}
