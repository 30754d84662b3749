//! The reference document.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Method};
use moka::future::Cache;
use serde_json::Value;
use thermocline_core::manifest::Manifest;
use thermocline_core::read::ChunkLocation;
use thermocline_core::{Error, ErrorKind, Result};
use thermocline_http::conditional::{Representation, respond};
use thermocline_http::links::BaseUrl;
use thermocline_http::{App, AppState, OpenDataset, Problem, find_group};
use thermocline_zarr::{
    DocumentKind, Hierarchy, Node, View, ZarrArray, ascii_json, chunk_key, document, metadata_documents,
};
use thermocline_zarr_http::{Body, last_modified};

use crate::KerchunkSettings;
use crate::inline::{InlineBudget, inline_bytes};
use crate::target::{Addresses, Pointer, Target};

/// A request for a reference document.
pub(crate) struct DocumentRequest {
    app: AppState,
    manifest: Arc<Manifest>,
    base: BaseUrl,
    method: Method,
    headers: HeaderMap,
    /// Path of the group that is the root of the references.
    group: String,
    target: Target,
}

impl FromRequestParts<AppState> for DocumentRequest {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, Problem> {
        let OpenDataset(manifest) = OpenDataset::from_request_parts(parts, app).await?;
        let query = parts.uri.query().unwrap_or_default();
        let group = parameter(query, "group").unwrap_or_default().trim_matches('/').to_owned();
        let target = match parameter(query, "target").as_deref() {
            None => Target::default(),
            Some(name) => Target::of_name(name).ok_or_else(|| {
                Problem::invalid_input(format!("'{name}' is no target of references"))
                    .with_allowed(Target::NAMES)
            })?,
        };
        find_group(&manifest, &group)?;
        Ok(Self {
            app: Arc::clone(app),
            manifest,
            base: BaseUrl::of(app, parts),
            method: parts.method.clone(),
            headers: parts.headers.clone(),
            group,
            target,
        })
    }
}

/// The value of a parameter, decoded.
fn parameter(query: &str, name: &str) -> Option<String> {
    let pair = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))?;
    let spaced = pair.replace('+', " ");
    Some(percent_encoding::percent_decode_str(&spaced).decode_utf8_lossy().into_owned())
}

/// What determines a document.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct DocumentKey {
    dataset: String,
    revision: String,
    base: String,
    group: String,
    target: Target,
}

/// Makes reference documents and keeps them.
pub(crate) struct References {
    pub(crate) settings: KerchunkSettings,
    documents: Cache<DocumentKey, Body>,
}

impl References {
    /// Nothing kept yet.
    pub(crate) fn new(settings: KerchunkSettings) -> Self {
        let weigh = |_: &DocumentKey, body: &Body| u32::try_from(body.bytes.len() + 256).unwrap_or(u32::MAX);
        let documents = Cache::builder().max_capacity(settings.cache_bytes).weigher(weigh).build();
        Self { settings, documents }
    }

    /// Sends the reference document.
    pub(crate) async fn answer(&self, request: DocumentRequest) -> Result<Response, Problem> {
        let body = self.document(&request).await?;
        let representation = Representation {
            media_type: "application/json",
            etag: body.etag,
            modified: last_modified(&request.manifest),
            max_age: request.app.config.metadata_max_age,
        };
        Ok(respond(&request.method, &request.headers, &representation, body.bytes))
    }

    async fn document(&self, request: &DocumentRequest) -> Result<Body> {
        let key = DocumentKey {
            dataset: request.manifest.id.as_str().to_owned(),
            revision: request.manifest.revision.0.clone(),
            base: request.base.0.clone(),
            group: request.group.clone(),
            target: request.target,
        };
        let made = self.documents.try_get_with(key, self.make(request)).await;
        made.map_err(|error: Arc<Error>| Error::new(error.kind(), error.to_string()))
    }

    async fn make(&self, request: &DocumentRequest) -> Result<Body> {
        let DocumentRequest { app, manifest, group, .. } = request;
        let hierarchy = Hierarchy::of(manifest, View::V2);
        let addresses = Addresses::new(app, &request.base, manifest, request.target);
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
        "dataset '{}' has more than {max_references} chunks, too many for one JSON document: open \
         /datasets/{}/kerchunk.parq (parquet references), or write them with `thermocline export`",
        manifest.id, manifest.id
    );
    Error::new(ErrorKind::Refused, message)
}

/// How many references an array has, at most.
async fn n_chunks(manifest: &Manifest, array: &ZarrArray) -> Result<u64> {
    let n_places = array.grid.n_chunks();
    match array.variable(&manifest.dataset) {
        Some(variable) if array.has_absent_chunks() => {
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
    json: Vec<u8>,
    is_first: bool,
}

impl Writer {
    fn new() -> Self {
        Self { json: b"{\"version\":1,\"refs\":{".to_vec(), is_first: true }
    }

    fn entry(&mut self, key: &str, value: &str) {
        if !self.is_first {
            self.json.push(b',');
        }
        self.is_first = false;
        self.json.extend(quoted(key));
        self.json.push(b':');
        self.json.extend(value.as_bytes());
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
        let text = String::from_utf8_lossy(&ascii_json(json)).into_owned();
        let text = quoted(&text);
        self.entry(key, &String::from_utf8_lossy(&text));
    }

    fn chunks(&mut self, relative: &str, array: &ZarrArray, chunks: &[Located], addresses: &Addresses) {
        let own_url = addresses.array(&array.path);
        for (linear, location, bytes) in chunks {
            let name = chunk_key(View::V2, &array.grid.index(*linear));
            let value = match (bytes, addresses.pointer(location)) {
                (Some(bytes), _) => format!("\"base64:{}\"", STANDARD.encode(bytes)),
                (None, Pointer::Range { url, offset, len_bytes }) => {
                    format!("[{},{offset},{len_bytes}]", String::from_utf8_lossy(&quoted(url)))
                }
                (None, Pointer::Chunk) => {
                    format!("[{}]", String::from_utf8_lossy(&quoted(&format!("{own_url}{name}"))))
                }
            };
            self.entry(&format!("{relative}/{name}"), &value);
        }
    }

    fn finish(mut self) -> Vec<u8> {
        self.json.extend(b"}}");
        self.json
    }
}

fn quoted(text: &str) -> Vec<u8> {
    ascii_json(&Value::String(text.to_owned()))
}
