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
//! Options may be parameters of the query too. `f=` or `Accept` choose the form: `json`, `html`, `csv`, `nc`, `arrow`, or
//! `estimate`, which says what it would cost. HEAD, pages, estimates and the documents of the Zarr group compute nothing.
//!
//! # Opens with
//! `xarray.open_dataset(url + "/zarr", engine="zarr")`, `requests`, pandas, browsers.
//!
//! # Limits
//! Results beyond `max_result_bytes` are refused with an estimate, but for their lazy Zarr group. What reads more than
//! `sync_read_bytes`, or needs objects that are not online, becomes a job: 202 with its address; a chunk of the Zarr group
//! waits as any cold chunk does. Texts of large results are written as they are sent: without length, not compressed, and
//! no part of them can be asked for.

mod address;
mod answer;
mod api;
mod arrow;
mod body;
mod cold;
mod column;
mod csv;
mod file;
mod form;
mod job;
mod json;
mod lazy;
mod lists;
mod page;
mod plans;
mod sheet;
mod table;
mod text;
mod trouble;

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use axum::Extension;
use axum::routing::{MethodRouter, get};
use thermocline_core::Result;
use thermocline_core::jobs::JobKind;
use thermocline_core::write::ArrayWriter;
use thermocline_groupby::{Engine, Options};
use thermocline_http::{AppState, Operation, Parameter, Route, ServePlugin, with_propfind};

use api::Api;
use job::GroupbyJob;

pub use trouble::document as estimate_document;

/// How diagnostics are served.
#[derive(Debug, Clone)]
pub struct GroupbyPluginSettings {
    /// What a request may read before its answer, in bytes. What reads more becomes a job.
    pub sync_read_bytes: u64,
    /// Folder of files while they are sent; `None` for the folder that the system has for temporary files.
    pub files_dir: Option<PathBuf>,
}

impl Default for GroupbyPluginSettings {
    fn default() -> Self {
        Self { sync_read_bytes: 2 << 30, files_dir: None }
    }
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
        Self { api: Arc::new(Api::new(settings, engine, netcdf)) }
    }

    fn route(&self, path: &'static str, handler: MethodRouter<AppState>, operation: Operation) -> Route {
        Route { path, handler: handler.layer(Extension(Arc::clone(&self.api))), operations: vec![operation] }
    }
}

#[async_trait]
impl ServePlugin for GroupbyPlugin {
    fn id(&self) -> &'static str {
        "groupby"
    }

    fn dataset_routes(&self) -> Vec<Route> {
        let list = Operation::get("What of a dataset can be grouped by what", form::JSON)
            .with_query("f", "json or html");
        let result = Operation {
            query: parameters(),
            ..Operation::get("A groupby diagnostic of a variable", form::JSON)
        };
        vec![
            self.route("/groupby", get(lists::list), list),
            self.route("/groupby/{*request}", with_propfind(get(answer::show), answer::list_keys), result),
        ]
    }

    fn job_kinds(&self) -> Vec<Arc<dyn JobKind>> {
        vec![Arc::new(GroupbyJob { api: Arc::clone(&self.api) })]
    }

    async fn start(&self, app: &AppState) -> Result<()> {
        self.api.start(app);
        Ok(())
    }

    fn cached_bytes(&self) -> Option<u64> {
        Some(self.api.cached_bytes())
    }
}

/// The options of results, and how they are answered.
fn parameters() -> Vec<Parameter> {
    let options =
        Options::all().iter().map(|option| Parameter { name: option.name, description: option.about });
    let of_answers = [
        Parameter { name: "f", description: "json, html, csv, nc, arrow or estimate; wins over Accept" },
        Parameter {
            name: "sel",
            description: "dimension=value or dimension=from:to, may come several times",
        },
        Parameter { name: "isel", description: "dimension=position, may come several times" },
        Parameter { name: "group", description: "Path of the group that the variable is in" },
        Parameter { name: "wait", description: "Seconds to wait for a result that takes long" },
    ];
    of_answers.into_iter().chain(options).collect()
}

#[cfg(test)]
mod tests;
