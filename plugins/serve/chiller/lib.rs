//! Recalls lists of files as EODC's Chiller does, for users of curl and of the `eodc` package.
//!
//! # Serves
//! Requests of [`thermocline_core::staging`], the same as the native ones: one engine, one recall for each file,
//! through whichever face it was asked for.
//!
//! # Specification
//! <https://docs.eodc.eu/services/chiller.html>, and what `eodc.storage.recall_files_from_tape` of the `eodc` package
//! (2026.6.1) does: it takes the answer of `/upload` as a URL, asks there until `State` is `finished` in any case, fails
//! on exactly `ERROR`, and opens `StagedFiles` as a file of its own machine.
//!
//! # Routes
//! | Route | Answer |
//! |---|---|
//! | `POST /upload` | recalls the files that the body names, one a line; the answer is the address of the job |
//!
//! `GET /jobs/{job_id}` (of the plugin `jobs`) has the members `ID`, `State`, `Finished`, `StagedFiles`, `Requested`,
//! `Staged`, `Failed`, `Progress` and `Estimate` for jobs that came through here.
//!
//! # Limits
//! The type that a body is labelled with does not matter: the package calls it a form. A line that can mean no file
//! fails alone; if no line can mean one, 400. `Failed` names the first 1,000 files; all of them are those that were
//! asked for and are not in the list. The list is written while somebody asks for the job, at the latest when it has
//! ended, and deleted when the job is forgotten: within an hour if lists are used at all, else at the next start.

mod members;
mod staged_files;
mod upload;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Extension;
use axum::routing::post;
use serde_json::{Map, Value};
use thermocline_core::Result;
use thermocline_core::jobs::Job;
use thermocline_http::bodies::{Bodies, BodySettings};
use thermocline_http::{AppState, Operation, Route, ServePlugin};

use staged_files::StagedFiles;

/// How lists of files are recalled.
#[derive(Debug, Clone)]
pub struct ChillerSettings {
    /// Folder of the lists of staged files, on the file system that is shared with the users.
    pub staged_files_dir: PathBuf,
    /// Most bytes of a list: 2,000,000 paths of 250 bytes.
    pub max_body_bytes: usize,
    /// Most files of one list, as the engine has it.
    pub max_objects: usize,
    /// How long files stay online after they were recalled: the interface has no word for it.
    pub lifetime: Duration,
    /// Lists of more than a mebibyte that may arrive at the same time; further ones are refused.
    pub max_arriving_bodies: usize,
    /// Lists of more than a mebibyte that are worked on at the same time; others wait.
    pub max_large_bodies: usize,
    /// Folder of lists that arrive; `None` for the system's folder of temporary files.
    pub bodies_dir: Option<PathBuf>,
    /// Shortest time for which lists are kept.
    pub keep_lists: Duration,
}

impl Default for ChillerSettings {
    fn default() -> Self {
        let day = Duration::from_secs(24 * 3600);
        Self {
            staged_files_dir: "staged".into(),
            max_body_bytes: 512 << 20,
            max_objects: 2_000_000,
            lifetime: 2 * day,
            max_arriving_bodies: 32,
            max_large_bodies: 2,
            bodies_dir: None,
            keep_lists: 37 * day,
        }
    }
}

/// The plugin.
pub struct ChillerPlugin {
    api: Arc<Api>,
}

/// What handlers of this plugin share.
struct Api {
    settings: ChillerSettings,
    bodies: Bodies,
    lists: StagedFiles,
}

impl ChillerPlugin {
    /// The plugin with its bounds.
    pub fn new(settings: ChillerSettings) -> Self {
        let lists = StagedFiles::new(settings.staged_files_dir.clone(), settings.keep_lists);
        let bodies = Bodies::new(BodySettings {
            max_bytes: settings.max_body_bytes,
            max_arriving: settings.max_arriving_bodies,
            max_at_once: settings.max_large_bodies,
            dir: settings.bodies_dir.clone(),
        });
        Self { api: Arc::new(Api { settings, bodies, lists }) }
    }
}

impl Default for ChillerPlugin {
    fn default() -> Self {
        Self::new(ChillerSettings::default())
    }
}

#[async_trait]
impl ServePlugin for ChillerPlugin {
    fn id(&self) -> &'static str {
        "chiller"
    }

    fn app_routes(&self) -> Vec<Route> {
        let operation = Operation {
            method: "post",
            summary: "Recalls the files of a list, one path a line; answers the address of the job",
            query: Vec::new(),
            media_type: "text/plain",
        };
        let handler = post(upload::upload).layer(Extension(Arc::clone(&self.api)));
        vec![Route { path: "/upload", handler, operations: vec![operation] }]
    }

    fn max_body_bytes(&self) -> Option<usize> {
        Some(self.api.settings.max_body_bytes)
    }

    async fn job_members(&self, app: &AppState, job: &Job) -> Result<Map<String, Value>> {
        members::of_job(&self.api, app.staging.as_ref(), job).await
    }

    async fn start(&self, app: &AppState) -> Result<()> {
        let Some(staging) = &app.staging else { return Ok(()) };
        self.api.lists.prepare().await?;
        self.api.lists.tidy(staging).await
    }
}

#[cfg(test)]
mod tests;
