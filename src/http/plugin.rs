//! The trait of serving plugins, and how they declare routes.

use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use axum::extract::{Request, State};
use axum::handler::Handler;
use axum::response::{IntoResponse, Response};
use axum::routing::MethodRouter;
use http::HeaderValue;
use serde_json::{Map, Value};
use thermocline_core::Result;
use thermocline_core::jobs::{Job, JobKind};
use thermocline_search::Summary;

use crate::{AppState, KeyRoute, Problem};

/// A path that a plugin serves.
pub struct Route {
    /// Path in axum's syntax, `/` first. Of a dataset route: below `/datasets/{dataset_id}`.
    pub path: &'static str,
    /// What answers; GET answers HEAD too.
    pub handler: MethodRouter<AppState>,
    /// What the OpenAPI document says of it, one for each method.
    pub operations: Vec<Operation>,
}

/// What the OpenAPI document says of a path and method.
#[derive(Debug, Clone)]
pub struct Operation {
    /// Method in lower case: `get`, `post`. Two plugins may not have the same one of one path.
    /// Methods that OpenAPI does not know (`propfind`) are left out of its document.
    pub method: &'static str,
    /// One line.
    pub summary: &'static str,
    /// Parameters in the query; those in the path are found in it.
    pub query: Vec<Parameter>,
    /// Media type of the good answer.
    pub media_type: &'static str,
}

impl Operation {
    /// GET with an answer of `media_type`, without parameters in the query.
    pub fn get(summary: &'static str, media_type: &'static str) -> Self {
        Self { method: "get", summary, query: Vec::new(), media_type }
    }

    /// Adds a parameter in the query.
    #[must_use]
    pub fn with_query(mut self, name: &'static str, description: &'static str) -> Self {
        self.query.push(Parameter { name, description });
        self
    }
}

/// A parameter in the query.
#[derive(Debug, Clone)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// One line.
    pub description: &'static str,
}

/// One way in which a dataset can be opened, for catalogs.
#[derive(Debug, Clone, PartialEq)]
pub struct AccessMethod {
    /// Short name, the key of the STAC asset: `zarr`, `zarr3`, `kerchunk`, `source`, `thumbnail`.
    pub name: String,
    /// Title for people.
    pub title: &'static str,
    /// Path below `/datasets/{dataset_id}`, `/` first.
    pub path: String,
    /// Media type.
    pub media_type: &'static str,
    /// What a user of xarray types, with `{url}` for the address; `None` for what xarray does not open.
    pub xarray_call: Option<String>,
    /// Roles of the STAC asset: `data`, `index`, `references`, `source`, `thumbnail`.
    pub roles: &'static [&'static str],
    /// Further fields of the STAC asset, with the names that its extensions give them.
    pub fields: Map<String, Value>,
    /// The type of service by which THREDDS clients know it: `ZARR`, `HTTPServer`, `OPENDAP`.
    pub thredds_service: Option<&'static str>,
    /// The value of intake's parameter `method` that means it: `zarr`, `kerchunk`.
    pub intake_method: Option<&'static str>,
}

/// Adds a handler of `PROPFIND` to a route: the method of WebDAV by which obstore lists.
pub fn with_propfind<H, T>(route: MethodRouter<AppState>, handler: H) -> MethodRouter<AppState>
where
    H: Handler<T, AppState> + Sync,
    T: 'static,
{
    let fallback = move |State(app): State<AppState>, request: Request| {
        let handler = handler.clone();
        async move { propfind_or_405(handler, app, request).await }
    };
    route.fallback(fallback)
}

async fn propfind_or_405<H: Handler<T, AppState>, T: 'static>(
    handler: H,
    app: AppState,
    request: Request,
) -> Response {
    if request.method().as_str() == "PROPFIND" {
        return handler.call(request, app).await;
    }
    let allow = HeaderValue::from_static("GET, HEAD, OPTIONS, PROPFIND");
    Problem::method_not_allowed(request.method(), allow).into_response()
}

/// How a plugin feels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// Everything works.
    Pass,
    /// It works, with this limitation.
    Warn(String),
    /// It does not work, for this reason.
    Fail(String),
}

/// Whether a plugin is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PluginStatus {
    /// It started.
    Running,
    /// It is switched off by the configuration.
    Disabled,
    /// It failed to start; its routes are left out.
    Failed(String),
}

/// Serves datasets in one protocol.
#[async_trait]
pub trait ServePlugin: Send + Sync {
    /// Folder name, plugin id and configuration key.
    fn id(&self) -> &'static str;

    /// Version of the plugin.
    fn version(&self) -> &'static str {
        env!("CARGO_PKG_VERSION")
    }

    /// Paths of the whole server.
    fn app_routes(&self) -> Vec<Route> {
        Vec::new()
    }

    /// Paths of every dataset, relative to `/datasets/{dataset_id}`.
    fn dataset_routes(&self) -> Vec<Route> {
        Vec::new()
    }

    /// Those of the dataset routes whose keys are asked for tens of thousands of times a second.
    fn key_routes(&self) -> Vec<KeyRoute> {
        Vec::new()
    }

    /// How a dataset can be opened through this plugin.
    fn access_methods(&self, summary: &Summary) -> Vec<AccessMethod> {
        let _ = summary;
        Vec::new()
    }

    /// Kinds of long work that it does.
    fn job_kinds(&self) -> Vec<Arc<dyn JobKind>> {
        Vec::new()
    }

    /// Members that it adds to the document of a job that came through it. For other jobs none.
    ///
    /// # Errors
    /// Whatever keeps it from telling: the document is not sent then.
    async fn job_members(&self, app: &AppState, job: &Job) -> Result<Map<String, Value>> {
        let _ = (app, job);
        Ok(Map::new())
    }

    /// Largest body of a request to this plugin, in bytes; `None` for the limit of the whole server.
    fn max_body_bytes(&self) -> Option<usize> {
        None
    }

    /// Those of the paths of the whole server whose POST changes nothing, such as searches: web pages of other sites may
    /// send it.
    fn paths_that_only_read(&self) -> &'static [&'static str] {
        &[]
    }

    /// Wraps the whole stack; `None` leaves it as it is.
    fn layer(&self, router: &Router) -> Option<Router> {
        let _ = router;
        None
    }

    /// Starts what runs beside requests.
    ///
    /// # Errors
    /// The reason why it cannot run: the plugin is left out and the server goes on.
    async fn start(&self, app: &AppState) -> Result<()> {
        let _ = app;
        Ok(())
    }

    /// Bytes of finished answers that it keeps in memory, for the metrics; `None` if it keeps none.
    fn cached_bytes(&self) -> Option<u64> {
        None
    }

    /// How it feels.
    fn health(&self) -> Health {
        Health::Pass
    }
}
