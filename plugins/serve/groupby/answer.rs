//! A result as an answer.

use std::sync::Arc;

use axum::Extension;
use axum::response::Response;
use thermocline_http::{OpenDataset, Problem};

use crate::Api;

/// A result in whatever form.
pub(crate) async fn show(
    Extension(api): Extension<Arc<Api>>,
    OpenDataset(manifest): OpenDataset,
) -> Result<Response, Problem> {
    let _ = (&api.settings, &api.engine, &api.netcdf, manifest);
    Err(Problem::unavailable("groupby is not answered yet"))
}
