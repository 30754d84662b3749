//! Serves groupby diagnostics by URL: what xarray's `groupby` gives, computed in one bounded pass, changing nothing that is
//! served.
//!
//! # Serves
//! The result of an action on the groups of a variable, as JSON, a page, NetCDF-4, CSV, Arrow, and as a lazy Zarr group that
//! computes the chunks that are asked for.
//!
//! # Specification
//! `groupby.md` of the contracts; paths, actions and texts of errors are those of DKRZ's Cloudify.
//!
//! # Routes
//! | Route | Answer |
//! |---|---|
//! | `GET /datasets/{dataset_id}/groupby` | what can be grouped by what, and which results are kept |
//! | `GET /datasets/{dataset_id}/groupby/{var}/{grouper}/{action}[/{name}={value}…]` | a result |
//! | `GET /datasets/{dataset_id}/groupby/{var}/{grouper}/{action}[/{name}={value}…]/zarr[/{key}]` | the same as Zarr v2 and v3 |
//!
//! # Opens with
//! `xarray.open_dataset(url + "/zarr", engine="zarr")`, `requests`, pandas, browsers.
//!
//! # Limits
//! Results beyond `max_result_bytes` are refused with an estimate, but for their lazy Zarr group. What reads more than
//! `sync_read_bytes`, or needs objects that are not online, becomes a job: 202 with its address.

mod answer;

use std::sync::Arc;

use async_trait::async_trait;
use axum::routing::get;
use thermocline_core::write::ArrayWriter;
use thermocline_groupby::Engine;
use thermocline_http::{Operation, Route, ServePlugin};

/// How diagnostics are served.
#[derive(Debug, Clone)]
pub struct GroupbyPluginSettings {
    /// What a request may read before its answer, in bytes. What reads more becomes a job.
    pub sync_read_bytes: u64,
}

impl Default for GroupbyPluginSettings {
    fn default() -> Self {
        Self { sync_read_bytes: 2 << 30 }
    }
}

/// What the handlers of this plugin share.
pub(crate) struct Api {
    pub(crate) settings: GroupbyPluginSettings,
    pub(crate) engine: Arc<Engine>,
    /// `None` where NetCDF cannot be written.
    pub(crate) netcdf: Option<Arc<dyn ArrayWriter>>,
}

/// The plugin.
pub struct GroupbyPlugin {
    api: Arc<Api>,
}

impl GroupbyPlugin {
    /// The plugin over an engine, which others may share.
    pub fn new(
        settings: GroupbyPluginSettings,
        engine: Arc<Engine>,
        netcdf: Option<Arc<dyn ArrayWriter>>,
    ) -> Self {
        Self { api: Arc::new(Api { settings, engine, netcdf }) }
    }
}

#[async_trait]
impl ServePlugin for GroupbyPlugin {
    fn id(&self) -> &'static str {
        "groupby"
    }

    fn dataset_routes(&self) -> Vec<Route> {
        let handler = get(answer::show).layer(axum::Extension(Arc::clone(&self.api)));
        let operation = Operation::get("A groupby diagnostic of a variable", "application/json");
        vec![Route { path: "/groupby/{*request}", handler, operations: vec![operation] }]
    }

    fn cached_bytes(&self) -> Option<u64> {
        Some(self.api.engine.used_bytes())
    }
}
