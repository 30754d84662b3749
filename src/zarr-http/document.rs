//! Metadata documents.

use std::collections::HashMap;
use std::sync::Arc;

use axum::response::Response;
use bytes::Bytes;
use parking_lot::Mutex;
use thermocline_core::Error;
use thermocline_core::manifest::Manifest;
use thermocline_http::Problem;
use thermocline_http::conditional::{Representation, content_tag, respond, source_modified};
use thermocline_zarr::{DocumentKind, Hierarchy, Node, View, ascii_json, document};

use crate::StoreRequest;

/// A document's bytes and what caches need to know of them.
#[derive(Debug, Clone)]
pub struct Body {
    /// The bytes.
    pub bytes: Bytes,
    /// Strong entity tag without quotes: a hash of the bytes.
    pub etag: String,
}

impl Body {
    /// A body with its tag.
    pub fn new(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self { etag: content_tag(&bytes), bytes }
    }
}

/// Consolidated documents of the root, made once for each manifest.
#[derive(Default)]
struct Consolidated(Mutex<HashMap<View, Body>>);

/// Sends a document.
pub(crate) async fn answer(
    request: &StoreRequest,
    hierarchy: &Arc<Hierarchy>,
    path: &str,
    kind: DocumentKind,
) -> Result<Response, Problem> {
    let body = document_body(&request.manifest, hierarchy, path, kind).await?;
    let body = body.ok_or_else(|| request.not_found())?;
    let representation = Representation {
        media_type: "application/json",
        etag: body.etag,
        modified: source_modified(&request.manifest.dataset),
        max_age: request.app.config.metadata_max_age,
    };
    Ok(respond(&request.method, &request.headers, &representation, body.bytes))
}

/// The document of a kind that belongs to the node at `path`; `Ok(None)` if the node has none of that kind.
///
/// # Errors
/// [`thermocline_core::ErrorKind::Internal`] if making it did not finish.
pub async fn document_body(
    manifest: &Arc<Manifest>,
    hierarchy: &Arc<Hierarchy>,
    path: &str,
    kind: DocumentKind,
) -> Result<Option<Body>, Error> {
    let is_group = matches!(hierarchy.node(path), Some(Node::Group(_)));
    if !is_group || !matches!(kind, DocumentKind::Zmetadata | DocumentKind::ZarrJson) {
        return Ok(make(manifest, hierarchy, path, kind));
    }
    let kept = manifest.derived(|_| Consolidated::default());
    if path.is_empty()
        && let Some(body) = kept.0.lock().get(&hierarchy.view())
    {
        return Ok(Some(body.clone()));
    }
    let (manifest, hierarchy, path) = (Arc::clone(manifest), Arc::clone(hierarchy), path.to_owned());
    let made = tokio::task::spawn_blocking(move || {
        let body = make(&manifest, &hierarchy, &path, kind);
        if let (Some(body), true) = (&body, path.is_empty()) {
            kept.0.lock().insert(hierarchy.view(), body.clone());
        }
        body
    });
    made.await.map_err(|cause| Error::internal("a document was not finished").with_source(cause))
}

fn make(manifest: &Manifest, hierarchy: &Hierarchy, path: &str, kind: DocumentKind) -> Option<Body> {
    Some(Body::new(ascii_json(&document(hierarchy, &manifest.dataset, path, kind)?)))
}
