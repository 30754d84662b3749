//! Shows all long work in one document: staging requests, and whatever else plugins do as jobs.
//!
//! # Serves
//! Jobs of [`thermocline_core::jobs`], of every kind and from every source, and what came of them.
//!
//! # Specification
//! Our own. `Prefer: wait=N` is that of RFC 7240; events are server-sent events (WHATWG HTML, section 9.2).
//!
//! # Routes
//! | Route | Answer |
//! |---|---|
//! | `GET /jobs` | jobs, newest first; `?kind=`, `?state=`, `?owner=`, `?cursor=`, `?limit=` |
//! | `GET /jobs/{job_id}` | a job as it stands; `Prefer: wait=N` holds the answer until it has ended |
//! | `GET /jobs/{job_id}/events` | server-sent events `job`, until it has ended |
//! | `GET /jobs/{job_id}/result` | what came of it, or 303 to where that is |
//! | `DELETE /jobs/{job_id}` | ends it before its time |
//!
//! # Limits
//! Whoever knows the name of a job may look at it, if it may read the dataset that the job concerns; only its owner and
//! administrators, of the server or of that dataset, may end it. The list shows one's own jobs, administrators may ask for
//! everybody's.

mod events;
mod job;
mod list;
mod result;

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::routing::{MethodRouter, get};
use thermocline_http::{AppState, Operation, Parameter, Route, ServePlugin};
use tokio::sync::Semaphore;

/// How jobs are shown.
#[derive(Debug, Clone)]
pub struct JobsApiSettings {
    /// Longest time that a client may be kept waiting for the end of a job.
    pub max_wait: Duration,
    /// Most clients that are kept waiting at the same time, never more than a quarter of the requests that the server
    /// works on; others are answered at once.
    pub max_waiting: usize,
    /// Most event streams at the same time.
    pub max_streams: usize,
}

impl Default for JobsApiSettings {
    fn default() -> Self {
        Self { max_wait: Duration::from_secs(280), max_waiting: 10_000, max_streams: 4096 }
    }
}

/// The plugin.
pub struct JobsPlugin {
    api: Arc<Api>,
}

/// What handlers of this plugin share.
struct Api {
    settings: JobsApiSettings,
    waiting: Arc<Semaphore>,
    streams: Arc<Semaphore>,
}

impl JobsPlugin {
    /// The plugin with its bounds.
    pub fn new(settings: JobsApiSettings) -> Self {
        let permits = |n: usize| Arc::new(Semaphore::new(n.clamp(1, Semaphore::MAX_PERMITS)));
        let (waiting, streams) = (permits(settings.max_waiting), permits(settings.max_streams));
        Self { api: Arc::new(Api { settings, waiting, streams }) }
    }

    fn route(
        &self,
        path: &'static str,
        handler: MethodRouter<AppState>,
        operations: Vec<Operation>,
    ) -> Route {
        Route { path, handler: handler.layer(Extension(Arc::clone(&self.api))), operations }
    }
}

impl Default for JobsPlugin {
    fn default() -> Self {
        Self::new(JobsApiSettings::default())
    }
}

impl ServePlugin for JobsPlugin {
    fn id(&self) -> &'static str {
        "jobs"
    }

    fn app_routes(&self) -> Vec<Route> {
        let json = "application/json";
        let wait = "Seconds to wait for its end, as Prefer: wait=N says too";
        let delete = Operation {
            method: "delete",
            summary: "Ends a job before its time",
            query: Vec::new(),
            media_type: json,
        };
        vec![
            self.route(
                "/jobs",
                get(list::list),
                vec![Operation { query: LIST.to_vec(), ..Operation::get("Own jobs, newest first", json) }],
            ),
            self.route(
                "/jobs/{job_id}",
                get(job::show).delete(job::cancel),
                vec![Operation::get("A job as it stands", json).with_query("wait", wait), delete],
            ),
            self.route(
                "/jobs/{job_id}/events",
                get(events::watch),
                vec![Operation::get("Changes of a job", thermocline_http::sse::MEDIA_TYPE)],
            ),
            self.route(
                "/jobs/{job_id}/result",
                get(result::show),
                vec![Operation::get("What came of a job", "application/octet-stream")],
            ),
        ]
    }
}

const LIST: [Parameter; 5] = [
    Parameter { name: "kind", description: "stage, harvest, plot, groupby, export or process" },
    Parameter {
        name: "state",
        description: "queued, waiting, running, succeeded, partial, failed or cancelled",
    },
    Parameter { name: "owner", description: "Of another owner, or * for everybody's (administrators)" },
    Parameter { name: "cursor", description: "Goes on after a page" },
    Parameter { name: "limit", description: "Most entries of a page" },
];

#[cfg(test)]
mod tests;
