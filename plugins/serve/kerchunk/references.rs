//! The reference document.

use std::fmt::Write;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::request::Parts;
use serde_json::Value;
use thermocline_core::manifest::Manifest;
use thermocline_core::read::ChunkLocation;
use thermocline_core::{Error, ErrorKind, Result};
use thermocline_http::query::Query;
use thermocline_http::{App, AppState, Problem, find_group};
use thermocline_zarr::{
    DocumentKind, Hierarchy, Node, View, ZarrArray, ascii_json, chunk_key, document, metadata_documents,
};
use thermocline_zarr_http::Body;

use crate::KerchunkSettings;
use crate::inline::{InlineBudget, inline_bytes};
use crate::kept::{Kept, Part};
use crate::request::ReferenceRequest;
use crate::target::{Addresses, Pointer, Target};

/// A request for a reference document.
pub(crate) struct DocumentRequest {
    request: ReferenceRequest,
    /// Path of the group that is the root of the references.
    group: String,
    target: Target,
}

impl FromRequestParts<AppState> for DocumentRequest {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, Problem> {
        let request = ReferenceRequest::from_request_parts(parts, app).await?;
        let query = Query::of(parts);
        let group = query.value("group").unwrap_or_default().trim_matches('/').to_owned();
        let target = match query.value("target") {
            None => Target::default(),
            Some(name) => Target::of_name(&name).ok_or_else(|| {
                Problem::invalid_input(format!("'{name}' is no target of references"))
                    .with_allowed(Target::NAMES)
            })?,
        };
        find_group(&request.manifest, &group)?;
        Ok(Self { request, group, target })
    }
}

/// Makes reference documents and keeps them.
pub(crate) struct References {
    pub(crate) settings: KerchunkSettings,
    pub(crate) kept: Kept,
}

impl References {
    /// Nothing kept yet.
    pub(crate) fn new(settings: KerchunkSettings) -> Self {
        Self { kept: Kept::new(settings.cache_bytes), settings }
    }

    /// Sends the reference document.
    pub(crate) async fn answer(&self, request: DocumentRequest) -> Result<Response, Problem> {
        let part = Part::Document { group: request.group.clone(), target: request.target };
        let body = self.kept.get_or_make(&request.request, part, self.make(&request)).await?;
        Ok(request.request.respond("application/json", body))
    }

    async fn make(&self, request: &DocumentRequest) -> Result<Body> {
        let DocumentRequest { request: ReferenceRequest { app, manifest, base, .. }, group, target } =
            request;
        let hierarchy = Hierarchy::of(manifest, View::V2);
        let addresses = Addresses::new(app, base, manifest, *target)?;
        let mut budget =
            InlineBudget::new(self.settings.inline_chunk_bytes, self.settings.inline_document_bytes);
        let mut arrays = Vec::new();
        let mut n_references = 0;
        for (relative, node) in hierarchy.below(group) {
            let Node::Array(array) = node else { continue };
            n_references += n_chunks(manifest, array).await?;
            if n_references > self.settings.max_references {
                return Err(too_many(manifest, self.settings.max_references));
            }
            let chunks = located(app, manifest, array, &mut budget).await?;
            arrays.push((relative.to_owned(), Arc::<ZarrArray>::new(array.as_ref().clone()), chunks));
        }
        let (manifest, group) = (Arc::clone(manifest), group.clone());
        let written = tokio::task::spawn_blocking(move || {
            let mut out = Writer::new();
            out.metadata(&hierarchy, &manifest, &group);
            for (relative, array, chunks) in &arrays {
                out.chunks(relative, array, chunks, &addresses);
            }
            Body::new(out.finish())
        });
        written
            .await
            .map_err(|cause| Error::internal("a reference document was not finished").with_source(cause))
    }
}

fn too_many(manifest: &Manifest, max_references: u64) -> Error {
    let message = format!(
        "dataset '{}' has more than {max_references} chunks, too many for one JSON document: open its parquet \
         references, kerchunk.parq",
        manifest.id
    );
    Error::new(ErrorKind::Refused, message)
}

/// How many references an array has, at most.
async fn n_chunks(manifest: &Manifest, array: &ZarrArray) -> Result<u64> {
    let n_places = array.grid.n_chunks();
    match array.variable(&manifest.dataset) {
        // Only stored chunks that are sent one by one can be counted without looking at every place.
        Some(variable)
            if array.has_absent_chunks() && array.form.chunk_shape == variable.storage.chunk_shape =>
        {
            Ok(n_places.min(manifest.table(variable).await?.len() as u64))
        }
        _ => Ok(n_places),
    }
}

/// A chunk's position, where it lies, and its bytes if they are written into the document.
type Located = (u64, ChunkLocation, Option<Bytes>);

async fn located(
    app: &App,
    manifest: &Arc<Manifest>,
    array: &ZarrArray,
    budget: &mut InlineBudget,
) -> Result<Vec<Located>> {
    let variable = array.variable(&manifest.dataset);
    let variable =
        variable.ok_or_else(|| Error::internal(format!("array {:?} has no variable", array.path)))?;
    let locations = app.reader.locations(manifest, variable, &array.form).await?;
    let mut chunks = Vec::with_capacity(locations.len());
    for (linear, location) in locations {
        let bytes = inline_bytes(&app.reader, manifest, array, (linear, &location), budget).await?;
        chunks.push((linear, location, bytes));
    }
    Ok(chunks)
}

/// Writes the document as text, without a tree of values: it has up to 2^20 references.
struct Writer {
    json: String,
    is_first: bool,
}

impl Writer {
    fn new() -> Self {
        Self { json: "{\"version\":1,\"refs\":{".to_owned(), is_first: true }
    }

    /// Begins an entry; its key is JSON text without the closing quote.
    fn key(&mut self, open_key: &str, rest: &str) {
        if !self.is_first {
            self.json.push(',');
        }
        self.is_first = false;
        self.json.push_str(open_key);
        self.json.push_str(rest);
        self.json.push_str("\":");
    }

    fn metadata(&mut self, hierarchy: &Hierarchy, manifest: &Manifest, group: &str) {
        let dataset = &manifest.dataset;
        if let Some(whole) = document(hierarchy, dataset, group, DocumentKind::Zmetadata) {
            self.document(DocumentKind::Zmetadata.name(), &whole);
        }
        for document in metadata_documents(hierarchy, dataset, group) {
            self.document(&document.key, &document.json);
        }
    }

    /// A metadata document, as text inside the document.
    fn document(&mut self, key: &str, json: &Value) {
        self.key(&open_text(key), "");
        self.json.push_str(&open_text(&String::from_utf8_lossy(&ascii_json(json))));
        self.json.push('"');
    }

    fn chunks(&mut self, relative: &str, array: &ZarrArray, chunks: &[Located], addresses: &Addresses) {
        let open_key = open_text(&format!("{relative}/"));
        let own_url = open_text(&addresses.array(&array.path));
        // Most chunks of an array lie in few objects: the same address is not escaped again.
        let mut last = ("", open_text(""));
        for (linear, location, bytes) in chunks {
            let name = chunk_key(View::V2, &array.grid.index(*linear));
            self.key(&open_key, &name);
            // Writing into a text does not fail.
            let _ = match (bytes, addresses.pointer(location)) {
                (Some(bytes), _) => write!(self.json, "\"base64:{}\"", STANDARD.encode(bytes)),
                (None, Pointer::Range { url, offset, len_bytes }) => {
                    if last.0 != url {
                        last = (url, open_text(url));
                    }
                    write!(self.json, "[{}\",{offset},{len_bytes}]", last.1)
                }
                (None, Pointer::Chunk) => write!(self.json, "[{own_url}{name}\"]"),
            };
        }
    }

    fn finish(mut self) -> String {
        self.json.push_str("}}");
        self.json
    }
}

/// A text as JSON, without the closing quote.
fn open_text(text: &str) -> String {
    let mut quoted = String::from_utf8_lossy(&ascii_json(&Value::String(text.to_owned()))).into_owned();
    quoted.pop();
    quoted
}
