//! How a kind of work is done: in steps.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::{Job, JobId, JobResult, Progress};
use crate::Result;
use crate::clock::Clock;

/// A kind of work.
#[async_trait]
pub trait JobKind: Send + Sync {
    /// Its name: the word in documents and in the database.
    fn kind(&self) -> &'static str;

    /// Most steps of this kind at the same time, of so many workers. Fewer than all of them where steps take hours, so that
    /// other kinds have their turns; one is always done.
    fn most_at_once(&self, workers: usize) -> usize {
        workers
    }

    /// Does one step of a job, from where the one before ended.
    ///
    /// A step may be dropped at any await and is then done again, so that doing it twice must be the same as doing it
    /// once: files are written under a temporary name and renamed. It must not hold a thread of the runtime.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Unavailable`] and [`crate::ErrorKind::Changed`] are tried again after some time, a bounded
    /// number of times; whatever else fails the job.
    async fn step(&self, step: Step<'_>, context: &JobContext) -> Result<Outcome>;
}

/// What a step begins from.
#[derive(Debug, Clone, Copy)]
pub struct Step<'a> {
    /// The job.
    pub job: &'a Job,
    /// What was asked for.
    pub parameters: &'a str,
    /// What the step before left; `None` for the first one.
    pub checkpoint: Option<&'a str>,
}

/// What came of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// There is more to do; others get their turn in between.
    Continue {
        /// What the next step begins from.
        checkpoint: String,
    },
    /// There is more to do, later.
    Wait {
        /// What the next step begins from.
        checkpoint: String,
        /// What it waits for, for people.
        reason: String,
        /// When it goes on.
        wake: Wake,
    },
    /// All is done.
    Done {
        /// What came of it.
        result: Option<JobResult>,
        /// What is missing, if only a part could be done.
        missing: Option<String>,
    },
}

/// When a job goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wake {
    /// After this time.
    After(Duration),
    /// When this job has ended, or is gone. A staging request is one.
    Ended(JobId),
}

/// What a step has at hand.
pub struct JobContext {
    pub(super) folder: PathBuf,
    pub(super) cancelled: CancellationToken,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) progress: Arc<Mutex<Option<Progress>>>,
}

impl JobContext {
    /// The folder of the job's files; it exists, and is deleted when the job is forgotten.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The time.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// Says how much is done, for those who watch.
    pub fn progress(&self, done: u64, total: Option<u64>, unit: &str) {
        *self.progress.lock() = Some(Progress { done, total, unit: unit.into() });
    }

    /// True if the job was cancelled: the step should end, with whatever outcome.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.is_cancelled()
    }

    /// Returns when the job was cancelled.
    pub async fn cancelled(&self) {
        self.cancelled.cancelled().await;
    }
}
