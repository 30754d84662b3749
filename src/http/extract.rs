//! Extractors that parse a request once, at the edge.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::request::Parts;
use thermocline_core::Error;
use thermocline_core::manifest::Manifest;

use crate::{AppState, Problem};

/// The dataset that the path names, opened from the index. Never stages, never touches the archive.
pub struct OpenDataset(pub Arc<Manifest>);

impl FromRequestParts<AppState> for OpenDataset {
    type Rejection = Problem;

    async fn from_request_parts(_parts: &mut Parts, _state: &AppState) -> Result<Self, Problem> {
        Err(Error::internal("not built").into())
    }
}
