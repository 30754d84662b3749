//! Harvests as jobs, and when they are due.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tracing::warn;

use super::round::Next;
use super::table::{self, Standing};
use super::{HarvestCounts, HarvestFailure, Harvests};
use crate::Result;
use crate::catalog::{Catalog, HarvestSpec};
use crate::clock::nanoseconds;
use crate::jobs::{Job, JobContext, JobId, JobKind, JobResult, JobState, Jobs, NewJob, Outcome, Step, Wake};
use crate::manifest::blocking;
use crate::staging::Owner;
use crate::{Error, ErrorKind};

/// The kind of these jobs.
pub const KIND: &str = "harvest";

/// Whose they are.
const OWNER: &str = "harvest";

/// What the second and all further steps begin from.
const LISTED: &str = "listed";

/// Between one look for harvests that are due and the next.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long after the end of a job the next one of the same harvest begins, for what failed.
const PAUSE: Duration = Duration::from_secs(60);

/// Name of the report in the job's folder.
const REPORT: &str = "failures.ndjson";

/// Failures that are read at once.
const FAILURES: usize = 1000;

/// Does harvests as jobs.
pub struct HarvestJob {
    harvests: Harvests,
    catalog: Arc<Catalog>,
}

impl HarvestJob {
    /// Jobs of these harvests, whose datasets are indexed by this catalog.
    pub fn new(harvests: Harvests, catalog: Arc<Catalog>) -> Self {
        Self { harvests, catalog }
    }

    async fn list(&self, harvest: &Arc<HarvestSpec>, context: &JobContext) -> Result<Outcome> {
        let standing = self.harvests.standing(&harvest.id).await?;
        if self.harvests.is_to_be_listed(harvest, &standing) {
            self.harvests.list(harvest, &|n| context.progress(n, None, "objects")).await?;
        }
        self.harvests.declare(harvest, &self.catalog).await?;
        Ok(Outcome::Continue { checkpoint: LISTED.to_owned() })
    }

    async fn index(&self, harvest: &Arc<HarvestSpec>, context: &JobContext) -> Result<Outcome> {
        let next = self.harvests.index(harvest, &self.catalog).await?;
        let counts = self.harvests.counts_for(&harvest.id, next).await?;
        context.progress(counts.n_settled(), Some(counts.n_present()), "objects");
        let checkpoint = LISTED.to_owned();
        match next {
            Next::More => Ok(Outcome::Continue { checkpoint }),
            Next::After(wait) => {
                let reason = format!("{} objects are tried again", counts.n_failed);
                Ok(Outcome::Wait { checkpoint, reason, wake: Wake::After(wait) })
            }
            Next::Nothing => self.report(harvest, counts, context).await,
        }
    }

    /// What is missing, object by object, as the job's result.
    async fn report(
        &self,
        harvest: &HarvestSpec,
        counts: HarvestCounts,
        context: &JobContext,
    ) -> Result<Outcome> {
        let n_missing = counts.n_refused.saturating_add(counts.n_failed);
        if n_missing == 0 {
            return Ok(Outcome::Done { result: None, missing: None });
        }
        let path = context.folder().join(REPORT);
        let len_bytes = self.harvests.write_report(&[&harvest.id], &path).await?;
        let (name, media_type) = (REPORT.into(), "application/x-ndjson".into());
        Ok(Outcome::Done {
            result: Some(JobResult::File { name, media_type, len_bytes }),
            missing: Some(format!("{n_missing} of {} objects are not indexed", counts.n_present())),
        })
    }
}

#[async_trait]
impl JobKind for HarvestJob {
    fn kind(&self) -> &'static str {
        KIND
    }

    async fn step(&self, step: Step<'_>, context: &JobContext) -> Result<Outcome> {
        if !self.catalog.is_loaded() {
            let checkpoint = step.checkpoint.unwrap_or_default().to_owned();
            let reason = "the catalog is being loaded".to_owned();
            return Ok(Outcome::Wait { checkpoint, reason, wake: Wake::After(LOOK_EVERY) });
        }
        let Some(harvest) = self.harvests.spec(step.parameters) else {
            let missing = format!("no harvest \"{}\" is declared any more", step.parameters);
            return Ok(Outcome::Done { result: None, missing: Some(missing) });
        };
        match step.checkpoint {
            Some(LISTED) => self.index(&harvest, context).await,
            _ => self.list(&harvest, context).await,
        }
    }
}

impl Harvests {
    /// Begins a job whenever a harvest is due, for ever.
    pub async fn keep(&self, jobs: &Jobs) {
        loop {
            for harvest in self.specs() {
                if let Err(error) = self.submit_if_due(jobs, &harvest).await {
                    warn!(harvest = harvest.id, %error, "it is not known whether a harvest is due");
                }
            }
            self.shared.clock.sleep(LOOK_EVERY).await;
        }
    }

    /// Begins a job if a harvest is due and none works on it.
    ///
    /// # Errors
    /// A database that cannot be used; too many jobs.
    pub async fn submit_if_due(&self, jobs: &Jobs, harvest: &HarvestSpec) -> Result<Option<Job>> {
        let standing = self.standing(&harvest.id).await?;
        let last = match &standing.job {
            Some(job) => jobs.get(&JobId(job.as_str().into())).await?,
            None => None,
        };
        if !self.is_due(harvest, &standing, last.as_ref()) {
            return Ok(None);
        }
        let new = NewJob {
            kind: KIND.into(),
            owner: Owner(OWNER.into()),
            dataset: None,
            request: None,
            parameters: harvest.id.clone(),
        };
        let job = jobs.submit(new).await?;
        let (id, name) = (harvest.id.clone(), job.id.to_string());
        self.shared.database.write(move |connection| table::set_job(connection, &id, &name)).await?;
        Ok(Some(job))
    }

    fn is_due(&self, harvest: &HarvestSpec, standing: &Standing, last: Option<&Job>) -> bool {
        let now_ns = self.shared.clock.now_ns();
        let is_listed_anew = standing.declaration != self.declaration(harvest);
        let has_due = standing.due_ns.is_some_and(|due_ns| due_ns <= now_ns);
        let is_to_be_listed = self.is_to_be_listed(harvest, standing);
        let Some(last) = last else { return is_to_be_listed || has_due };
        let Some(finished_ns) = last.finished_ns else { return false };
        let since_ns = now_ns.saturating_sub(finished_ns);
        match last.state {
            // Whoever ended it wants it to rest until it would come again.
            JobState::Cancelled => {
                is_listed_anew || harvest.every.is_some_and(|every| since_ns >= nanoseconds(every))
            }
            JobState::Failed => {
                is_listed_anew || since_ns >= nanoseconds(PAUSE) && (is_to_be_listed || has_due)
            }
            _ => is_to_be_listed || has_due && since_ns >= nanoseconds(PAUSE),
        }
    }

    /// Writes a line of JSON for each object of these harvests that is not indexed; the answer is the size of the file.
    ///
    /// # Errors
    /// A database that cannot be read, a file that cannot be written.
    pub async fn write_report(&self, ids: &[&str], path: &Path) -> Result<u64> {
        let temporary = path.with_extension("part");
        append(&temporary, String::new(), true).await?;
        for id in ids {
            let mut after = String::new();
            loop {
                let failures = self.failures(id, &after, FAILURES).await?;
                let Some(last) = failures.last() else { break };
                after.clone_from(&last.href);
                append(&temporary, failures.iter().map(line).collect(), false).await?;
            }
        }
        let path = path.to_owned();
        blocking(move || {
            let renamed = std::fs::rename(&temporary, &path).and_then(|()| path.metadata());
            renamed.map(|metadata| metadata.len()).map_err(|cause| unwritten(&path, cause))
        })
        .await
    }
}

async fn append(path: &Path, lines: String, is_first: bool) -> Result<()> {
    let path = path.to_owned();
    blocking(move || {
        use std::io::Write;
        let mut options = std::fs::File::options();
        let options = options.create(true).write(true).append(!is_first).truncate(is_first);
        let written = options.open(&path).and_then(|mut file| file.write_all(lines.as_bytes()));
        written.map_err(|cause| unwritten(&path, cause))
    })
    .await
}

fn unwritten(path: &Path, cause: std::io::Error) -> Error {
    let kind = ErrorKind::Unavailable { retry_after: Duration::from_secs(10) };
    Error::new(kind, format!("cannot write {}", path.display())).with_source(cause)
}

/// One failure as a line of JSON.
fn line(failure: &HarvestFailure) -> String {
    let again = failure.due_ns.map(|due_ns| due_ns / 1_000_000_000);
    let line = serde_json::json!({
        "href": failure.href,
        "reason": failure.reason,
        "attempts": failure.attempts,
        "again": again,
    });
    format!("{line}\n")
}
