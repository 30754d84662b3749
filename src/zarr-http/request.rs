//! What every answer of a store needs of a request.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::request::Parts;
use http::{HeaderMap, Method, Uri};
use thermocline_core::manifest::Manifest;
use thermocline_http::hold::{Asked, headers_copy, uri_copy};
use thermocline_http::links::{BaseUrl, peer};
use thermocline_http::{AppState, DatasetPath, KeyRequest, OpenDataset, Problem};

use crate::ChunkSource;
use crate::href::encoded_path;

/// A request for a key of a store.
pub struct StoreRequest {
    /// Catalog, reader, settings.
    pub app: AppState,
    /// The dataset.
    pub manifest: Arc<Manifest>,
    /// The key, percent-decoded once, without slashes at its ends; empty for the root.
    pub key: String,
    /// What follows `?`, as it arrived.
    pub query: Option<String>,
    /// GET or HEAD.
    pub method: Method,
    /// Headers of the request.
    pub headers: HeaderMap,
    uri: Uri,
    peer: Option<SocketAddr>,
    /// What was put back to the path, percent-encoded.
    pub(crate) put_back: String,
    /// Who makes the chunks that are not read.
    pub(crate) source: Option<Arc<dyn ChunkSource>>,
}

impl StoreRequest {
    /// A request whose dataset is open.
    pub(crate) fn new(request: KeyRequest, manifest: Arc<Manifest>) -> Self {
        let KeyRequest { app, key, parts, .. } = request;
        let (query, peer) = (parts.uri.query().map(str::to_owned), peer(&parts));
        let Parts { method, uri, headers, .. } = parts;
        let put_back = String::new();
        Self { app, manifest, key, query, method, headers, uri, peer, put_back, source: None }
    }

    /// A request for a key of a dataset that is not in the catalog, some of whose chunks `source` makes. The query says
    /// nothing of the key.
    pub fn of_made(
        app: &AppState,
        manifest: Arc<Manifest>,
        key: String,
        parts: &Parts,
        source: Arc<dyn ChunkSource>,
    ) -> Self {
        let request =
            KeyRequest { app: Arc::clone(app), dataset_id: String::new(), key, parts: parts.clone() };
        Self { query: None, source: Some(source), ..Self::new(request, manifest) }
    }

    /// What it says of itself, for waiting.
    pub(crate) fn asked(&self) -> Asked<'_> {
        Asked { headers: &self.headers, uri: &self.uri, peer: self.peer }
    }

    /// The same request without memory of the connection that it came from: it may have to wait for long.
    pub(crate) fn detached(self) -> Self {
        Self { headers: headers_copy(&self.headers), uri: uri_copy(&self.uri), ..self }
    }

    /// Path by which the client reached the key, percent-encoded, without a trailing slash.
    pub fn path(&self) -> String {
        let base = BaseUrl::seen_by(&self.app, &self.headers, &self.uri, self.peer);
        format!("{}{}{}", base.prefix(), encoded_path(self.uri.path()), self.put_back)
    }
}

impl FromRequestParts<AppState> for StoreRequest {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, Problem> {
        let OpenDataset(manifest) = OpenDataset::from_request_parts(parts, app).await?;
        let DatasetPath(key) = DatasetPath::from_request_parts(parts, app).await?;
        let dataset_id = manifest.id.to_string();
        let request = KeyRequest { app: Arc::clone(app), dataset_id, key, parts: parts.clone() };
        Ok(Self::new(request, manifest))
    }
}
