//! What the client of a request sees of the datasets.

use axum::extract::FromRequestParts;
use http::request::Parts;
use thermocline_search::Seen;

use crate::{AppState, Identity, Problem};

/// The datasets as the client of a request sees them: whatever names, counts or sums up datasets takes them from here.
///
/// # Errors
/// 500 if the work broke off.
#[derive(Clone)]
pub struct SeenDatasets(pub Seen);

impl FromRequestParts<AppState> for SeenDatasets {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, Problem> {
        let view = Identity::of(app, parts).view;
        Ok(Self(app.search.seen_by(&view).await?))
    }
}
