//! A request for a document of all datasets, taken apart.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::response::Response;
use http::request::Parts;
use thermocline_search::Seen;

use super::{Document, SeenDatasets};
use crate::links::BaseUrl;
use crate::{AppState, Problem};

/// A request for a document of all datasets.
///
/// # Errors
/// Those of [`SeenDatasets`].
pub struct Asked {
    /// The server.
    pub app: AppState,
    /// The datasets as whoever asks sees them.
    pub seen: Seen,
    /// Where the server is for whoever asks.
    pub base: BaseUrl,
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
    pub fn respond(&self, document: Document, media_type: &'static str) -> Response {
        document.respond(&self.app, &self.parts, media_type)
    }
}
