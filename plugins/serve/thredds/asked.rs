//! A request for a catalog of all datasets, taken apart.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::response::Response;
use http::request::Parts;
use thermocline_http::catalogs::{Document, SeenDatasets};
use thermocline_http::links::BaseUrl;
use thermocline_http::{AppState, Problem};
use thermocline_search::Seen;

/// A request for a catalog of all datasets.
pub(crate) struct Asked {
    pub(crate) app: AppState,
    /// The datasets as whoever asks sees them.
    pub(crate) seen: Seen,
    pub(crate) base: BaseUrl,
    parts: Parts,
}

impl FromRequestParts<AppState> for Asked {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, Problem> {
        let SeenDatasets(seen) = SeenDatasets::from_request_parts(parts, app).await?;
        Ok(Self { app: Arc::clone(app), seen, base: BaseUrl::of(app, parts), parts: parts.clone() })
    }
}

impl Asked {
    /// Sends a document.
    pub(crate) fn respond(&self, document: Document, media_type: &'static str) -> Response {
        document.respond(&self.app, &self.parts, media_type)
    }
}
