//! How requests come and documents go.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRequestParts, RawPathParams};
use axum::response::Response;
use bytes::Bytes;
use http::HeaderValue;
use http::header::CACHE_CONTROL;
use http::request::Parts;
use serde::Serialize;
use serde_json::Value;
use thermocline_core::Error;
use thermocline_http::AppState;
use thermocline_http::catalogs::SeenDatasets;
use thermocline_http::conditional::{Representation, content_tag, respond, vary_on_accept};
use thermocline_http::links::BaseUrl;
use thermocline_http::negotiate::Form;

use crate::Stac;
use crate::documents::Context;
use crate::page;
use crate::problem::{Parsed, StacProblem};
use crate::request::GetSearch;

const HTML: &str = "text/html; charset=utf-8";

/// How long caches may keep a document in which no state of staging stands.
const KEPT_FOR: Duration = Duration::from_secs(60);

/// How long a document holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Freshness {
    /// It says where data are at this moment: caches ask each time.
    Live,
    /// For a minute.
    Kept,
}

/// A request to this plugin, taken apart.
pub(crate) struct Asked {
    pub(crate) context: Context,
    pub(crate) stac: Arc<Stac>,
    pub(crate) form: Form,
    pub(crate) parts: Parts,
    params: Vec<(String, String)>,
}

impl FromRequestParts<AppState> for Asked {
    type Rejection = StacProblem;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Parsed<Self> {
        let params = RawPathParams::from_request_parts(parts, app)
            .await
            .map_err(|_| StacProblem::not_found("the path is not UTF-8"))?;
        let params = params.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let stac = parts.extensions.get::<Arc<Stac>>().cloned();
        let stac = stac.ok_or_else(|| Error::internal("a route of STAC lacks what it shares"))?;
        let SeenDatasets(seen) = SeenDatasets::from_request_parts(parts, app).await?;
        let context = Context {
            app: Arc::clone(app),
            seen,
            base: BaseUrl::of(app, parts),
            settings: Arc::clone(&stac.settings),
        };
        Ok(Self { context, stac, form: Form::of_api(parts)?, parts: parts.clone(), params })
    }
}

impl Asked {
    /// A parameter of the path.
    pub(crate) fn param(&self, name: &str) -> &str {
        self.params.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    /// The query as it was sent.
    pub(crate) fn query(&self) -> &str {
        self.parts.uri.query().unwrap_or_default()
    }

    /// The address that was asked for, with its query.
    pub(crate) fn self_url(&self) -> String {
        self.url_with(self.query())
    }

    /// The same address with another query.
    pub(crate) fn url_with(&self, query: &str) -> String {
        let question = if query.is_empty() { "" } else { "?" };
        format!("{}{}{question}{query}", self.context.base.0, self.parts.uri.path())
    }

    /// Sends a document, or the page that shows it.
    pub(crate) fn document(
        &self,
        document: &impl Serialize,
        media_type: &'static str,
        freshness: Freshness,
    ) -> Parsed<Response> {
        self.written(encoded(document)?, media_type, freshness)
    }

    /// Sends a document of JSON that is written already, or the page that shows it.
    pub(crate) fn written(
        &self,
        document: Vec<u8>,
        media_type: &'static str,
        freshness: Freshness,
    ) -> Parsed<Response> {
        let response = match self.form {
            Form::Json => self.send(document.into(), media_type, freshness),
            Form::Html => {
                let document = serde_json::from_slice(&document).map_err(unwritable)?;
                let json_url = self.url_with(&GetSearch(self.query()).with("f", "json"));
                let page = page::page(&document, &json_url, &self.context);
                self.send(page.into(), HTML, freshness)
            }
        };
        Ok(vary_on_accept(response))
    }

    /// Sends bytes; their entity tag is a hash of them.
    fn send(&self, body: Bytes, media_type: &'static str, freshness: Freshness) -> Response {
        let etag = content_tag(&body);
        let representation = Representation { media_type, etag, modified: None, max_age: KEPT_FOR };
        let mut response = respond(&self.parts.method, &self.parts.headers, &representation, body);
        if freshness == Freshness::Live && !response.status().is_client_error() {
            response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        }
        response
    }
}

/// A document as bytes.
///
/// # Errors
/// [`thermocline_core::ErrorKind::Internal`] for one that is no JSON.
pub(crate) fn encoded(document: &impl Serialize) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(document).map_err(unwritable)
}

/// A document as a value.
pub(crate) fn value_of(document: &impl Serialize) -> Parsed<Value> {
    Ok(serde_json::to_value(document).map_err(unwritable)?)
}

/// What makes a document that is no JSON fail.
pub(crate) fn unwritable(cause: serde_json::Error) -> Error {
    Error::internal("a document of STAC cannot be written").with_source(cause)
}

/// Does work of more than half a millisecond away from the threads that answer requests.
pub(crate) async fn away<T: Send + 'static>(work: impl FnOnce() -> Parsed<T> + Send + 'static) -> Parsed<T> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|cause| Err(Error::internal("making a document broke off").with_source(cause).into()))
}
