//! Where the interface is.

use std::sync::Arc;

use axum::Extension;
use axum::response::Response;
use http::StatusCode;
use http::request::Parts;
use serde::Serialize;
use thermocline_http::Problem;
use thermocline_http::links::BaseUrl;
use thermocline_http::live::{self, Engine};

use crate::Api;

/// Path of the interface below the address of the server.
const API: &str = "/api/v1";

#[derive(Debug, Serialize)]
struct Discovery<'a> {
    sitename: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    endpoints: [Endpoint; 1],
}

#[derive(Debug, Serialize)]
struct Endpoint {
    uri: String,
    version: &'static str,
}

/// Address of the interface, without a slash at the end.
pub(crate) fn api_url(base: &BaseUrl) -> String {
    format!("{}{API}", base.0)
}

/// Says where the interface is; 404 on a server that stages nothing.
pub(crate) async fn show(
    Extension(api): Extension<Arc<Api>>,
    Engine(_): Engine,
    base: BaseUrl,
    parts: Parts,
) -> Result<Response, Problem> {
    let document = Discovery {
        sitename: &api.settings.sitename,
        description: api.settings.description.as_deref(),
        endpoints: [Endpoint { uri: api_url(&base), version: "v1" }],
    };
    live::json(&parts, StatusCode::OK, &document)
}
