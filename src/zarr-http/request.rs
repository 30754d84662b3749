//! What every answer of a store needs of a request.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::request::Parts;
use http::{HeaderMap, Method};
use thermocline_core::manifest::Manifest;
use thermocline_http::links::BaseUrl;
use thermocline_http::{AppState, DatasetPath, OpenDataset, Problem};

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
    /// Path by which the client reached the key, percent-encoded, without a trailing slash.
    pub path: String,
}

impl FromRequestParts<AppState> for StoreRequest {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, Problem> {
        let OpenDataset(manifest) = OpenDataset::from_request_parts(parts, app).await?;
        let DatasetPath(key) = DatasetPath::from_request_parts(parts, app).await?;
        let path = format!("{}{}", BaseUrl::of(app, parts).prefix(), encoded_path(parts.uri.path()));
        Ok(Self {
            app: Arc::clone(app),
            manifest,
            key,
            query: parts.uri.query().map(str::to_owned),
            method: parts.method.clone(),
            headers: parts.headers.clone(),
            path,
        })
    }
}
