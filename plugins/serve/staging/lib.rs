//! Brings cold objects online on request: files by list or pattern, or exactly those that a selection of a dataset
//! needs; with progress that can be watched, and what operators need.
//!
//! # Serves
//! Requests of [`thermocline_core::staging`]: sets of objects that one owner wants, each with its state. What is
//! promised, and which test holds it, is in `SEMANTICS.md` beside this file.
//!
//! # Specification
//! Our own. Durations are ISO 8601 (`P2D`, `PT6H`) or words (`2 days`), times ISO 8601 in UTC; selections are those of
//! [`thermocline_core::select`]; events are server-sent events (WHATWG HTML, section 9.2); `Idempotency-Key` is that of
//! draft-ietf-httpapi-idempotency-key-header; patterns are globs, `**` for any folders.
//!
//! # Routes
//! | Route | Answer |
//! |---|---|
//! | `POST /datasets/{dataset_id}/stage` | stages the objects of a selection; `dry_run` says what that would cost |
//! | `POST /requests` | stages a list of objects (JSON, or one a line), or those that match a pattern |
//! | `GET /requests` | own requests, newest first; `?state=`, `?dataset=`, `?since=`, `?until=`, `?owner=`, `?cursor=` |
//! | `GET /requests/{request_id}` | a request as it stands |
//! | `DELETE /requests/{request_id}` | drops its interest, and its pins |
//! | `GET /requests/{request_id}/objects` | its objects; `?state=`, `?cursor=`, `?since=` for what changed |
//! | `GET /requests/{request_id}/events` | server-sent events `object`, `progress`, `request` |
//! | `POST /requests/{request_id}/release` | ends its pins |
//! | `POST /requests/{request_id}/extend` | keeps its pins |
//! | `GET /objects` | where `?path=` are, or what matches `?root=&pattern=` |
//! | `POST /objects/locality` | where many are |
//! | `POST /objects/evict` | makes unpinned objects cold again (administrators) |
//! | `GET /recalls`, `GET /pins`, `GET /cold` | what is under way, what is pinned, how stores and the cache stand |
//! | `POST /cold/{store}/{action}` | `pause`, `drain`, `resume` (administrators) |
//! | `POST /cold/{store}/events` | takes what a bucket says of its objects: notifications of S3, directly, by SNS or by EventBridge |
//! | `GET /webhooks` | who was told, and who could not be: `?state=due`, `done` or `dead` (administrators) |
//! | `POST /webhooks/{webhook_id}/retry` | tries one again at once (administrators) |
//!
//! # Limits
//! `notify` names one address, at a host that the configuration lists, and is told of the end only. Patterns are looked for in roots that are directories
//! of the server; links in them are not followed, and names that begin with a dot are found only by patterns that name
//! one. Whoever knows the name of a request may look at it, if it may read the dataset that the request concerns; only its
//! owner and administrators, of the server or of that dataset, may change it. Who may stage paths is told where they are and
//! what is recalled and pinned, whatever datasets they belong to: access rules are of datasets.

mod body;
mod documents;
mod events;
mod events_s3;
mod find;
mod listing;
mod locality;
mod objects;
mod operators;
mod options;
mod requests;
mod selection;
mod staged;
mod walk;
mod webhooks;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::routing::{MethodRouter, get, post};
use thermocline_http::bodies::{Bodies, BodySettings};
use thermocline_http::lifetime;
use thermocline_http::{AppState, Operation, Parameter, Route, ServePlugin};
use tokio::sync::Semaphore;

use listing::{Disk, Lister, Listings};

/// How requests are taken.
#[derive(Debug, Clone)]
pub struct StagingApiSettings {
    /// Most bytes of a list of objects: 2,000,000 paths of 250 bytes.
    pub max_body_bytes: usize,
    /// Most bytes of the body of a call that names no objects.
    pub max_question_bytes: usize,
    /// Bodies of more than a mebibyte that are worked on at the same time; others wait.
    pub max_large_bodies: usize,
    /// Bodies of more than a mebibyte that may arrive at the same time; further ones are refused.
    pub max_arriving_bodies: usize,
    /// Folder of bodies that arrive; `None` for the system's folder of temporary files.
    pub bodies_dir: Option<PathBuf>,
    /// How long objects stay pinned for requests that do not say.
    pub default_lifetime: Duration,
    /// Most objects of one request, as the engine has it, and of any other list.
    pub max_objects: usize,
    /// Longest lifetime of pins, as the engine has it.
    pub max_lifetime: Duration,
    /// Most event streams at the same time.
    pub max_streams: usize,
    /// Searches by pattern at the same time: a file server that hangs keeps their threads.
    pub max_searches: usize,
    /// How long one page of a search may look at what it has listed; the next page goes on from there. Also how long a
    /// search waits while others are under way.
    pub search_time: Duration,
    /// How long a search may take with all that it lists; less than a request may.
    pub max_search_time: Duration,
    /// Most bytes of listings of folders that are kept for the next page.
    pub search_memory_bytes: usize,
    /// Most files and folders that one page of a search looks at.
    pub search_entries: usize,
}

impl Default for StagingApiSettings {
    fn default() -> Self {
        let day = Duration::from_secs(24 * 3600);
        Self {
            max_body_bytes: 512 << 20,
            max_question_bytes: 1 << 20,
            max_large_bodies: 2,
            max_arriving_bodies: 32,
            bodies_dir: None,
            default_lifetime: 2 * day,
            max_objects: 2_000_000,
            max_lifetime: 30 * day,
            max_streams: 4096,
            max_searches: 4,
            search_time: Duration::from_secs(5),
            max_search_time: Duration::from_secs(270),
            search_memory_bytes: 128 << 20,
            search_entries: 1_000_000,
        }
    }
}

/// The plugin.
pub struct StagingPlugin {
    api: Arc<Api>,
}

/// What handlers of this plugin share.
struct Api {
    settings: StagingApiSettings,
    bodies: Bodies,
    streams: Arc<Semaphore>,
    searches: Arc<Semaphore>,
    /// Of those, the searches that may take as long as a request.
    long_searches: Semaphore,
    listings: Arc<Listings>,
}

impl StagingPlugin {
    /// The plugin with its bounds.
    pub fn new(settings: StagingApiSettings) -> Self {
        Self::with_lister(settings, Box::new(Disk))
    }

    /// The same with another way to list folders.
    fn with_lister(settings: StagingApiSettings, lister: Box<dyn Lister>) -> Self {
        let permits = |n: usize| n.clamp(1, Semaphore::MAX_PERMITS);
        let bodies = Bodies::new(BodySettings {
            max_bytes: settings.max_body_bytes,
            max_arriving: settings.max_arriving_bodies,
            max_at_once: settings.max_large_bodies,
            dir: settings.bodies_dir.clone(),
        });
        let streams = Arc::new(Semaphore::new(permits(settings.max_streams)));
        let searches = Arc::new(Semaphore::new(permits(settings.max_searches)));
        let long_searches = Semaphore::new(permits(settings.max_searches.saturating_sub(1)));
        let listings = Arc::new(Listings::new(lister, settings.search_memory_bytes));
        Self { api: Arc::new(Api { settings, bodies, streams, searches, long_searches, listings }) }
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

impl Default for StagingPlugin {
    fn default() -> Self {
        Self::new(StagingApiSettings::default())
    }
}

impl ServePlugin for StagingPlugin {
    fn id(&self) -> &'static str {
        "staging"
    }

    fn dataset_routes(&self) -> Vec<Route> {
        let stages = posts("Stages the objects of a selection", &OPTIONS);
        vec![self.route("/stage", post(selection::stage), vec![stages])]
    }

    fn app_routes(&self) -> Vec<Route> {
        vec![
            self.route(
                "/requests",
                get(requests::list).post(requests::create),
                vec![gets("Own staging requests", &LIST), posts("Stages a list of objects", &OPTIONS)],
            ),
            self.route(
                "/requests/{request_id}",
                get(requests::show).delete(requests::cancel),
                vec![
                    gets("A staging request as it stands", &[]),
                    operation("delete", "Drops what a request still waits for, and its pins", &[]),
                ],
            ),
            self.route(
                "/requests/{request_id}/objects",
                get(objects::list),
                vec![gets("Objects of a staging request", &OBJECTS)],
            ),
            self.route(
                "/requests/{request_id}/events",
                get(events::watch),
                vec![
                    Operation::get("Changes of a staging request", thermocline_http::sse::MEDIA_TYPE)
                        .with_query("since", "Number of the last change that is known"),
                ],
            ),
            self.route(
                "/requests/{request_id}/release",
                post(requests::release),
                vec![posts("Ends the pins of a request, of all its objects or of {\"paths\": […]}", &[])],
            ),
            self.route(
                "/requests/{request_id}/extend",
                post(requests::extend),
                vec![posts("Keeps the pins of a request for a lifetime from now", &OPTIONS[..1])],
            ),
            self.route("/objects", get(locality::find), vec![gets("Where objects are", &FIND)]),
            self.route("/objects/locality", post(locality::many), vec![posts("Where many objects are", &[])]),
            self.route(
                "/objects/evict",
                post(operators::evict),
                vec![posts("Makes unpinned objects cold again", &[])],
            ),
            self.route("/recalls", get(operators::recalls), vec![gets("Recalls under way", &LIMIT)]),
            self.route("/pins", get(operators::pins), vec![gets("Objects that are pinned", &LIMIT)]),
            self.route("/cold", get(operators::cold), vec![gets("Cold stores and the cache", &[])]),
            self.route(
                "/cold/{store}/{action}",
                post(operators::set_activity),
                vec![posts("Pauses, drains or resumes a cold store", &[])],
            ),
            self.route(
                "/cold/{store}/events",
                post(events_s3::take),
                vec![posts("Takes what a bucket says of its objects", &[])],
            ),
            self.route(
                "/webhooks",
                get(webhooks::list),
                vec![gets("Who was told of the end of requests, and who could not be", &WEBHOOKS)],
            ),
            self.route(
                "/webhooks/{webhook_id}/retry",
                post(webhooks::retry),
                vec![posts("Tries a webhook again at once", &[])],
            ),
        ]
    }

    fn max_body_bytes(&self) -> Option<usize> {
        Some(self.api.settings.max_body_bytes)
    }
}

const OPTIONS: [Parameter; 4] = [
    Parameter { name: "lifetime", description: "How long objects stay pinned: P2D, PT6H, 2 days" },
    Parameter { name: "priority", description: "From 0 (whenever it suits) to 9; 5 is usual" },
    Parameter { name: "dry_run", description: "true: only say what it would cost" },
    Parameter { name: "notify", description: "Address that is told of the end (CloudEvents, signed)" },
];

const WEBHOOKS: [Parameter; 3] = [
    Parameter { name: "state", description: "due, done or dead" },
    Parameter { name: "cursor", description: "Goes on after a page" },
    Parameter { name: "limit", description: "Most entries of a page" },
];

const LIMIT: [Parameter; 1] = [Parameter { name: "limit", description: "Most entries of the answer" }];

const LIST: [Parameter; 8] = [
    Parameter { name: "state", description: "queued, active, succeeded, partial, failed or cancelled" },
    Parameter { name: "dataset", description: "Only of this dataset" },
    Parameter { name: "owner", description: "Of another owner, or * for everybody's (administrators)" },
    Parameter { name: "readers", description: "Also those that readers of cold chunks caused" },
    Parameter { name: "since", description: "Only those created at this time or later" },
    Parameter { name: "until", description: "Only those created before this time" },
    Parameter { name: "cursor", description: "Goes on after a page" },
    Parameter { name: "limit", description: "Most entries of a page" },
];

const OBJECTS: [Parameter; 4] = [
    Parameter {
        name: "state",
        description: "queued, active, verifying, hot, released, failed, lost or cancelled",
    },
    Parameter { name: "since", description: "Only what changed after this change" },
    Parameter { name: "cursor", description: "Goes on after a page" },
    Parameter { name: "limit", description: "Most entries of a page" },
];

const FIND: [Parameter; 7] = [
    Parameter { name: "path", description: "Path, URL or id of an object; may be given several times" },
    Parameter { name: "root", description: "Name of the declared root in which the pattern is looked for" },
    Parameter {
        name: "pattern",
        description: "Glob of paths below the root; a folder that matches means all in it",
    },
    Parameter { name: "newer", description: "Only files modified at this time or later" },
    Parameter { name: "older", description: "Only files modified before this time" },
    Parameter { name: "cursor", description: "Goes on after a page" },
    Parameter { name: "limit", description: "Most entries of a page" },
];

fn gets(summary: &'static str, query: &[Parameter]) -> Operation {
    operation("get", summary, query)
}

fn posts(summary: &'static str, query: &[Parameter]) -> Operation {
    operation("post", summary, query)
}

fn operation(method: &'static str, summary: &'static str, query: &[Parameter]) -> Operation {
    Operation { method, summary, query: query.to_vec(), media_type: "application/json" }
}

#[cfg(test)]
mod tests;
