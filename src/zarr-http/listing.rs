//! Pages that list what lies below a node. fsspec lists a store by parsing their links.

use std::collections::HashSet;
use std::fmt::Write;

use axum::response::Response;
use thermocline_http::Problem;
use thermocline_http::conditional::{Representation, respond};
use thermocline_http::links::segment;
use thermocline_zarr::{DocumentKind, EntryKind, Hierarchy, View, ZarrKey, list};

use crate::chunk::chunk_problem;
use crate::document::{Body, document_body, last_modified};
use crate::href::escaped;
use crate::{Store, StoreRequest};

/// An entry that exists.
pub(crate) struct Listed {
    /// Name below the listed directory.
    pub(crate) name: String,
    /// True for groups, arrays and directories of chunks.
    pub(crate) is_directory: bool,
    /// Number of bytes, where it is known without work and was asked for.
    pub(crate) len_bytes: Option<u64>,
    /// Entity tag without quotes, where there is one.
    pub(crate) etag: Option<String>,
}

/// What lies directly below a directory.
#[derive(Default)]
pub(crate) struct Children {
    pub(crate) entries: Vec<Listed>,
    /// How many places for chunks were not looked at.
    pub(crate) n_omitted: u64,
}

/// Sends the page of a node.
pub(crate) async fn answer(store: Store, request: &StoreRequest) -> Result<Response, Problem> {
    let children = children(store, request, &request.key, Detail::Names).await?;
    let children = children.ok_or_else(|| request.not_found())?;
    let body = Body::new(page(request, &children));
    let representation = Representation {
        media_type: "text/html; charset=utf-8",
        etag: body.etag,
        modified: last_modified(&request.manifest),
        max_age: request.app.config.metadata_max_age,
    };
    Ok(respond(&request.method, &request.headers, &representation, body.bytes))
}

fn page(request: &StoreRequest, children: &Children) -> String {
    let title = escaped(&format!("{}/{}", request.manifest.id, request.key));
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title></head>\n\
         <body><h1>{title}</h1>\n<ul>\n"
    );
    for entry in &children.entries {
        let slash = if entry.is_directory { "/" } else { "" };
        // Writing into a text does not fail.
        let _ = writeln!(
            page,
            "<li><a href=\"{}/{}{slash}\">{}</a></li>",
            request.path,
            segment(&entry.name),
            escaped(&entry.name)
        );
    }
    page.push_str("</ul>\n");
    if children.n_omitted > 0 {
        let _ = writeln!(page, "<p>{} more places for chunks are not listed.</p>", children.n_omitted);
    }
    page.push_str("</body></html>\n");
    page
}

/// How much of each entry is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Detail {
    /// Names alone.
    Names,
    /// Sizes and tags of documents too.
    Sizes,
}

/// What lies directly below a key in any of the store's views; `Ok(None)` if it is no directory.
pub(crate) async fn children(
    store: Store,
    request: &StoreRequest,
    key: &str,
    detail: Detail,
) -> Result<Option<Children>, Problem> {
    let mut found: Option<Children> = None;
    let mut names = HashSet::new();
    for view in store.views {
        let hierarchy = Hierarchy::of(&request.manifest, *view);
        let Some(parsed) = ZarrKey::parse(&hierarchy, key) else { continue };
        let Some(listing) = list(&hierarchy, &parsed, request.app.config.max_listed_chunks) else { continue };
        let children = found.get_or_insert_default();
        children.n_omitted += listing.n_omitted;
        for entry in listing.entries {
            if names.insert(entry.name.clone()) {
                children.entries.extend(look(request, *view, &parsed, &entry, detail).await?);
            }
        }
    }
    Ok(found)
}

/// The entry with its details; `Ok(None)` for a chunk that was never written.
async fn look(
    request: &StoreRequest,
    view: View,
    parent: &ZarrKey<'_>,
    entry: &thermocline_zarr::Entry,
    detail: Detail,
) -> Result<Option<Listed>, Problem> {
    let listed = |is_directory, len_bytes, etag| {
        Some(Listed { name: entry.name.clone(), is_directory, len_bytes, etag })
    };
    match (&entry.kind, parent) {
        (EntryKind::Chunk(index), ZarrKey::Node { node: thermocline_zarr::Node::Array(array), .. }) => {
            let head = head(request, array, index).await?;
            Ok(head.and_then(|head| listed(false, head.len_bytes, Some(head.etag))))
        }
        (EntryKind::Chunk(index), ZarrKey::ChunkDirectory { array, .. }) => {
            let head = head(request, array, index).await?;
            Ok(head.and_then(|head| listed(false, head.len_bytes, Some(head.etag))))
        }
        (EntryKind::Document, ZarrKey::Node { path, .. }) if detail == Detail::Sizes => {
            let hierarchy = Hierarchy::of(&request.manifest, view);
            let kind = DocumentKind::ALL.into_iter().find(|kind| kind.name() == entry.name);
            let body = match kind {
                Some(kind) => document_body(&request.manifest, &hierarchy, path, kind).await?,
                None => None,
            };
            Ok(body.and_then(|body| listed(false, Some(body.bytes.len() as u64), Some(body.etag))))
        }
        (EntryKind::Directory, _) => Ok(listed(true, None, None)),
        _ => Ok(listed(false, None, None)),
    }
}

async fn head(
    request: &StoreRequest,
    array: &thermocline_zarr::ZarrArray,
    index: &[u64],
) -> Result<Option<thermocline_core::read::ChunkHead>, Problem> {
    let Some(variable) = array.variable(&request.manifest.dataset) else { return Ok(None) };
    let head = request.app.reader.chunk_head(&request.manifest, variable, &array.form, index).await;
    head.map_err(chunk_problem)
}
