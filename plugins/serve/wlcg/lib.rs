//! Recalls files as gfal2, FTS and Rucio ask tape sites for them.
//!
//! # Serves
//! Requests of [`thermocline_core::staging`], the same as the native ones: one engine, one recall for each file,
//! through whichever face it was asked for. What is promised, and which test holds it, is in `SEMANTICS.md` of the
//! plugin `staging`.
//!
//! # Specification
//! WLCG Tape REST API, version 1 (<https://doi.org/10.5281/zenodo.8411675>), and what gfal2 2.21.3 does: it adds a slash to
//! the addresses, sends paths still percent-encoded and compares those of the answers with them, expects 201 of `stage`,
//! and knows only the word `CANCELED`. An `Idempotency-Key` of `stage` is that of `POST /requests`.
//!
//! # Routes
//! | Route | Answer |
//! |---|---|
//! | `GET /.well-known/wlcg-tape-rest-api` | where the interface is |
//! | `POST /api/v1/stage` | recalls files; 201 with the name of the request |
//! | `GET /api/v1/stage/{request_id}` | how far each file is |
//! | `POST /api/v1/stage/{request_id}/cancel` | drops the interest in some files; one that is foreign cancels nothing |
//! | `DELETE /api/v1/stage/{request_id}` | drops all interest, and forgets the request |
//! | `POST /api/v1/release/{request_id}` | ends the pins of some files |
//! | `POST /api/v1/archiveinfo` | where files are |
//!
//! # Limits
//! A request has one lifetime: the longest `diskLifetime` of its files, where those without one count as usual; one above
//! the limit is refused. `targetedMetadata` and unknown members are ignored. Two spellings of one file in a request are
//! told of both, and cancelled and released together. Recalls are shared, so that `startedAt` of a file is when the first
//! recall of its request began; `finishedAt` of one whose pin has ended is at the latest when its request ended. Only
//! requests of this face and of `POST /requests` are known here.

mod archiveinfo;
mod body;
mod change;
mod discovery;
mod paths;
mod poll;
mod stage;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::routing::{MethodRouter, get, post};
use thermocline_http::bodies::{Bodies, BodySettings};
use thermocline_http::{AppState, Operation, Route, ServePlugin};

/// How the site presents itself, and how requests are taken.
#[derive(Debug, Clone)]
pub struct WlcgSettings {
    /// Name of the site.
    pub sitename: String,
    /// What the site says of itself.
    pub description: Option<String>,
    /// The word for files that are not wanted any more.
    pub cancelled: CancelledWord,
    /// Most bytes of the body of a request.
    pub max_body_bytes: usize,
    /// Most files of one list, as the engine has it.
    pub max_objects: usize,
    /// How long files stay online that do not say.
    pub default_lifetime: Duration,
    /// Longest lifetime of pins, as the engine has it.
    pub max_lifetime: Duration,
    /// Lists of more than a mebibyte that may arrive at the same time; further ones are refused.
    pub max_arriving_bodies: usize,
    /// Lists of more than a mebibyte that are worked on at the same time; others wait.
    pub max_large_bodies: usize,
    /// Folder of lists that arrive; `None` for the system's folder of temporary files.
    pub bodies_dir: Option<PathBuf>,
}

/// The word for files that are not wanted any more.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CancelledWord {
    /// `CANCELLED`, as the specification spells it.
    #[default]
    Specified,
    /// `CANCELED`, the only one that gfal2 2.21 knows.
    Gfal2,
}

impl CancelledWord {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Specified => "CANCELLED",
            Self::Gfal2 => "CANCELED",
        }
    }
}

impl Default for WlcgSettings {
    fn default() -> Self {
        let day = Duration::from_secs(24 * 3600);
        Self {
            sitename: "thermocline".to_owned(),
            description: None,
            cancelled: CancelledWord::default(),
            max_body_bytes: 512 << 20,
            max_objects: 2_000_000,
            default_lifetime: 2 * day,
            max_lifetime: 30 * day,
            max_arriving_bodies: 32,
            max_large_bodies: 2,
            bodies_dir: None,
        }
    }
}

/// The plugin.
pub struct WlcgPlugin {
    api: Arc<Api>,
}

/// What handlers of this plugin share.
struct Api {
    settings: WlcgSettings,
    bodies: Bodies,
}

impl WlcgPlugin {
    /// The plugin with its settings.
    pub fn new(settings: WlcgSettings) -> Self {
        let bodies = Bodies::new(BodySettings {
            max_bytes: settings.max_body_bytes,
            max_arriving: settings.max_arriving_bodies,
            max_at_once: settings.max_large_bodies,
            dir: settings.bodies_dir.clone(),
        });
        Self { api: Arc::new(Api { settings, bodies }) }
    }

    fn route(
        &self,
        path: &'static str,
        handler: MethodRouter<AppState>,
        operations: &[(&'static str, &'static str)],
    ) -> Route {
        let operation = |(method, summary): &(&'static str, &'static str)| Operation {
            method,
            summary,
            query: Vec::new(),
            media_type: "application/json",
        };
        let operations = operations.iter().map(operation).collect();
        Route { path, handler: handler.layer(Extension(Arc::clone(&self.api))), operations }
    }
}

impl Default for WlcgPlugin {
    fn default() -> Self {
        Self::new(WlcgSettings::default())
    }
}

impl ServePlugin for WlcgPlugin {
    fn id(&self) -> &'static str {
        "wlcg"
    }

    fn app_routes(&self) -> Vec<Route> {
        vec![
            self.route(
                "/.well-known/wlcg-tape-rest-api",
                get(discovery::show),
                &[("get", "Where the WLCG Tape REST API is")],
            ),
            self.route("/api/v1/stage", post(stage::stage), &[("post", "Recalls files")]),
            self.route(
                "/api/v1/stage/{request_id}",
                get(poll::poll).delete(change::delete),
                &[("get", "How far the files of a request are"), ("delete", "Cancels and forgets a request")],
            ),
            self.route(
                "/api/v1/stage/{request_id}/cancel",
                post(change::cancel),
                &[("post", "Drops the interest of a request in some files")],
            ),
            self.route(
                "/api/v1/release/{request_id}",
                post(change::release),
                &[("post", "Ends the pins of a request on some files")],
            ),
            self.route("/api/v1/archiveinfo", post(archiveinfo::show), &[("post", "Where files are")]),
        ]
    }

    fn max_body_bytes(&self) -> Option<usize> {
        Some(self.api.settings.max_body_bytes)
    }
}

#[cfg(test)]
mod tests;
