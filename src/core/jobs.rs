//! Jobs: all long work, in one document and by one engine.
//!
//! A [`JobKind`] says how one kind of work is done, in steps: each step begins from what the one before left in the
//! database, so that a job goes on after `kill -9` where its last step ended. What already has an engine of its own
//! is shown as jobs by a [`JobSource`] and stored once: a staging request is a job of kind `stage` with the same name.
//!
//! Nothing is acknowledged before it is durable: a job that [`Jobs::submit`] returned survives the end of the process.
//!
//! # Limits
//! Jobs that wait or run are bounded ([`JobsSettings::max_active`]), so are steps at the same time
//! ([`JobsSettings::workers`]), and those of one kind ([`JobKind::most_at_once`]). A step that is dropped (cancelled, or the process ends) must leave nothing that keeps
//! its repetition from working.

mod api;
mod engine;
mod park;
pub mod recalled;
mod staged;
mod step;
mod table;
#[cfg(test)]
mod tests;
mod turns;

use std::cmp::Reverse;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast;
use tracing::warn;

use crate::clock::{Clock, nanoseconds};
use crate::state::Database;
use crate::{Error, ErrorKind, Result};

pub use api::*;
pub use step::{JobContext, JobKind, Outcome, Step, Wake};

use engine::Shared;

/// For how long a failure that lasts is the answer to the same work.
const FAILED_LATELY: Duration = Duration::from_secs(15 * 60);

/// True for failures that doing the same again does not mend.
fn lasts(kind: ErrorKind) -> bool {
    match kind {
        ErrorKind::InvalidInput
        | ErrorKind::TooLarge
        | ErrorKind::Refused
        | ErrorKind::Corrupt
        | ErrorKind::Unsupported
        | ErrorKind::Internal => true,
        ErrorKind::NotFound
        | ErrorKind::Lost
        | ErrorKind::RecallFailed
        | ErrorKind::NotStaged
        | ErrorKind::OverQuota { .. }
        | ErrorKind::Changed { .. }
        | ErrorKind::Unavailable { .. } => false,
    }
}

/// How jobs are worked on and kept.
#[derive(Debug, Clone)]
pub struct JobsSettings {
    /// Steps at the same time.
    pub workers: usize,
    /// Most jobs that have not ended; further ones are refused.
    pub max_active: usize,
    /// How long a job and its result are kept after its end.
    pub keep_results: Duration,
    /// Folder of results: one folder for each job.
    pub results_dir: PathBuf,
    /// Most attempts of a step that fails for a reason that may pass, and most ends of the server during a step.
    pub max_attempts: u32,
    /// How long a step may take to end after its job was cancelled, before it is dropped.
    pub cancel_grace: Duration,
}

impl Default for JobsSettings {
    fn default() -> Self {
        Self {
            workers: 2,
            max_active: 10_000,
            keep_results: Duration::from_secs(7 * 24 * 3600),
            results_dir: "results".into(),
            max_attempts: 5,
            cancel_grace: Duration::from_secs(10),
        }
    }
}

/// What the engine is made of.
pub struct JobsParts {
    /// Where jobs are kept. A database of its own: its tables are those of [`Jobs::MIGRATIONS`].
    pub database: Database,
    /// The kinds of work.
    pub kinds: Vec<Arc<dyn JobKind>>,
    /// What else is shown as jobs.
    pub sources: Vec<Arc<dyn JobSource>>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// How to do it.
    pub settings: JobsSettings,
}

/// The engine. Cloning gives the same one.
#[derive(Clone)]
pub struct Jobs {
    shared: Arc<Shared>,
}

impl Jobs {
    /// Tables of the engine, for [`Database::open`].
    pub const MIGRATIONS: &'static [&'static str] = table::MIGRATIONS;

    /// An engine that knows what the database holds. Nothing happens before [`Jobs::start`].
    ///
    /// # Errors
    /// Two kinds of one name; a database that cannot be read.
    pub async fn open(parts: JobsParts) -> Result<Self> {
        Ok(Self { shared: Arc::new(Shared::open(parts).await?) })
    }

    /// Goes on with what was under way, and begins what waits.
    ///
    /// # Errors
    /// A database that cannot be read.
    pub async fn start(&self) -> Result<()> {
        engine::start(&self.shared).await
    }

    /// Ends the background work and waits for it: steps are dropped, and done again after the next start.
    pub async fn shut_down(&self) {
        self.shared.stop.cancel();
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
        if let Err(error) = self.shared.database.write(table::stop_steps).await {
            warn!(%error, "it cannot be kept that steps of jobs were stopped");
        }
    }

    /// The time.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.shared.clock
    }

    /// Accepts a job; it is durable when this returns.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] for an unknown kind, [`ErrorKind::Unavailable`] if there are too many jobs or it
    /// cannot be kept.
    pub async fn submit(&self, new: NewJob) -> Result<Job> {
        engine::submit(&self.shared, new).await
    }

    /// Accepts a job unless one of its kind with the very same parameters has not ended, whoever asked for it: then that
    /// one is given. So the same work is done once, also after a restart.
    ///
    /// # Errors
    /// Those of [`Self::submit`].
    pub async fn submit_once(&self, new: NewJob) -> Result<Job> {
        engine::submit_once(&self.shared, new).await
    }

    /// The latest job of that kind with the very same parameters that succeeded and is not forgotten yet, whoever asked for
    /// it.
    ///
    /// # Errors
    /// A database that cannot be read.
    pub async fn find_succeeded(&self, new: &NewJob) -> Result<Option<Job>> {
        let (kind, parameters) = (Arc::clone(&new.kind), new.parameters.clone());
        let now_ns = self.shared.clock.now_ns();
        let find = move |connection: &_| table::succeeded(connection, &kind, &parameters, now_ns);
        self.shared.database.read(find).await
    }

    /// The latest job of that kind with the very same parameters that failed lately for a reason that lasts, whoever asked
    /// for it: doing it again would come to the same.
    ///
    /// # Errors
    /// A database that cannot be read.
    pub async fn find_failed(&self, new: &NewJob) -> Result<Option<Job>> {
        let (kind, parameters) = (Arc::clone(&new.kind), new.parameters.clone());
        let since_ns = self.shared.clock.now_ns().saturating_sub(nanoseconds(FAILED_LATELY));
        let find = move |connection: &_| table::failed(connection, &kind, &parameters, since_ns);
        let found = self.shared.database.read(find).await?;
        Ok(found.filter(|job| job.failure.as_ref().is_some_and(|failure| lasts(failure.kind))))
    }

    /// A job as it stands, of this engine or of another source; `None` if there is none of that name.
    ///
    /// # Errors
    /// A database that cannot be read.
    pub async fn get(&self, id: &JobId) -> Result<Option<Job>> {
        self.shared.get(id).await
    }

    /// Jobs of all sources, newest first.
    ///
    /// # Errors
    /// A database that cannot be read.
    pub async fn list(&self, filter: &JobFilter) -> Result<Vec<Job>> {
        let mut found = self.shared.own_jobs(filter).await?;
        for source in &self.shared.sources {
            found.extend(source.jobs(filter).await?);
        }
        found.sort_by_cached_key(|job| Reverse(job.place()));
        found.truncate(filter.limit);
        Ok(found)
    }

    /// Ends a job before its time. What has ended stays as it is.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] for an unknown job; a database that cannot be written.
    pub async fn cancel(&self, id: &JobId) -> Result<Job> {
        if let Some(job) = engine::cancel(&self.shared, id).await? {
            return Ok(job);
        }
        for source in &self.shared.sources {
            if let Some(job) = source.cancel(id).await? {
                return Ok(job);
            }
        }
        Err(Error::new(ErrorKind::NotFound, format!("no job {id}")))
    }

    /// What changes from now on: names of jobs, or `None` for any of them. Who lags behind looks at all it knows.
    pub fn changes(&self) -> broadcast::Receiver<Option<JobId>> {
        self.shared.changes.subscribe()
    }

    /// A job once it has ended, or as it stands after `limit`; `None` if there is none of that name.
    ///
    /// # Errors
    /// A database that cannot be read.
    pub async fn wait(&self, id: &JobId, limit: Duration) -> Result<Option<Job>> {
        let late = self.shared.clock.sleep(limit);
        tokio::select! {
            ended = park::ended(&self.shared, id) => ended,
            () = late => self.get(id).await,
        }
    }

    /// The file of a job's result; `None` if it has none here.
    pub fn result_file(&self, job: &Job) -> Option<PathBuf> {
        match job.result.as_ref()? {
            JobResult::File { name, .. } => Some(self.shared.folder(&job.id).join(&**name)),
            JobResult::Elsewhere { .. } => None,
        }
    }
}
