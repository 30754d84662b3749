//! The engine of all long work.

use std::sync::Arc;

use thermocline_core::Result;
use thermocline_core::clock::SystemClock;
use thermocline_core::jobs::{JobKind, JobSource, Jobs, JobsParts, JobsSettings};
use thermocline_core::staging::Staging;
use thermocline_core::state::{Database, DatabaseSettings};

use super::cold::blocking;
use crate::config::Config;

/// Name of the database below state.dir.
const DATABASE: &str = "jobs.db";

/// The engine with the kinds of work of the plugins. Requests for cold objects are shown among its jobs.
///
/// # Errors
/// A database that cannot be used.
pub(super) async fn open(
    config: &Config,
    kinds: Vec<Arc<dyn JobKind>>,
    staging: Option<Staging>,
) -> Result<Jobs> {
    let settings = DatabaseSettings::new(config.state.dir().join(DATABASE));
    let database = blocking(move || Database::open(settings, Jobs::MIGRATIONS)).await?;
    let jobs = &config.jobs;
    let settings = JobsSettings {
        workers: jobs.workers,
        max_active: jobs.max_queued,
        keep_results: jobs.keep_results.0,
        results_dir: config.state.dir().join("results"),
        ..JobsSettings::default()
    };
    let sources = staging.map(|staging| Arc::new(staging) as Arc<dyn JobSource>);
    let parts = JobsParts {
        database,
        kinds,
        sources: sources.into_iter().collect(),
        clock: Arc::new(SystemClock),
        settings,
    };
    Jobs::open(parts).await
}
