//! Routes of keys: what clients ask for tens of thousands of times a second.
//!
//! axum's routing and extracting cost more than reading a small chunk from memory (measured), so GET of
//! these routes is answered without them. Everything else on the same path goes the usual way.

use std::sync::Arc;

use axum::response::Response;
use futures::future::BoxFuture;
use http::request::Parts;
use matchit::Params;
use percent_encoding::percent_decode_str;
use thermocline_core::manifest::Manifest;

use crate::extract::{DATASET_ID, not_hidden, open_dataset};
use crate::{App, AppState, Problem};

/// Answers GET of a route of keys.
pub trait KeyHandler: Send + Sync {
    /// The answer, problems included.
    fn answer(&self, request: KeyRequest) -> BoxFuture<'static, Response>;
}

/// A path `…/{*key}` below a dataset, one that the plugin declares as a route too.
pub struct KeyRoute {
    /// Path of the route.
    pub path: &'static str,
    /// What answers GET as the route's own handler would.
    pub handler: Arc<dyn KeyHandler>,
}

/// GET of a key of a dataset.
pub struct KeyRequest {
    /// Catalog, reader, settings.
    pub app: AppState,
    /// The dataset's name in the path, whether it exists or not.
    pub dataset_id: String,
    /// The key, percent-decoded once, without slashes at its ends.
    pub key: String,
    /// The request itself.
    pub parts: Parts,
}

impl KeyRequest {
    /// The dataset, opened from the index.
    ///
    /// # Errors
    /// Those of [`crate::OpenDataset`].
    pub async fn open(&self) -> Result<Arc<Manifest>, Problem> {
        not_hidden(&self.parts.extensions, &self.dataset_id)?;
        open_dataset(&self.app, &self.dataset_id, self.parts.uri.path(), Some(&self.key)).await
    }
}

/// What the parameters of a path name.
pub(crate) struct KeyNames {
    pub(crate) dataset_id: String,
    pub(crate) key: String,
}

impl KeyNames {
    /// From parameters as they were sent; `None` if they are not UTF-8.
    pub(crate) fn of(app: &App, params: &Params<'_, '_>) -> Option<Self> {
        let decoded = |value| percent_decode_str(value).decode_utf8().ok();
        let dataset_id = match params.get(DATASET_ID) {
            Some(id) => decoded(id)?.into_owned(),
            None => app.config.single.clone().unwrap_or_default(),
        };
        let key = params.iter().filter(|(name, _)| *name != DATASET_ID).last().map(|(_, key)| key);
        let key = decoded(key.unwrap_or_default())?.trim_matches('/').to_owned();
        Some(Self { dataset_id, key })
    }
}
