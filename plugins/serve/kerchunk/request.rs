//! What every reference document needs of a request.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::response::Response;
use http::request::Parts;
use http::{HeaderMap, Method};
use thermocline_core::manifest::Manifest;
use thermocline_http::conditional::{Representation, respond, source_modified};
use thermocline_http::links::BaseUrl;
use thermocline_http::{AppState, OpenDataset, Problem};
use thermocline_zarr_http::Body;

/// A request for a document of references to a dataset.
pub(crate) struct ReferenceRequest {
    pub(crate) app: AppState,
    pub(crate) manifest: Arc<Manifest>,
    /// Address by which the client reaches the server.
    pub(crate) base: BaseUrl,
    pub(crate) method: Method,
    pub(crate) headers: HeaderMap,
}

impl FromRequestParts<AppState> for ReferenceRequest {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, Problem> {
        let OpenDataset(manifest) = OpenDataset::from_request_parts(parts, app).await?;
        let base = BaseUrl::of(app, parts);
        let (method, headers) = (parts.method.clone(), parts.headers.clone());
        Ok(Self { app: Arc::clone(app), manifest, base, method, headers })
    }
}

impl ReferenceRequest {
    /// What caches need to know of a document with that entity tag.
    pub(crate) fn representation(&self, media_type: &'static str, etag: String) -> Representation {
        Representation {
            media_type,
            etag,
            modified: source_modified(&self.manifest.dataset),
            max_age: self.app.config.metadata_max_age,
        }
    }

    /// Sends a document that is tagged by its bytes.
    pub(crate) fn respond(&self, media_type: &'static str, body: Body) -> Response {
        let representation = self.representation(media_type, body.etag);
        respond(&self.method, &self.headers, &representation, body.bytes)
    }
}
