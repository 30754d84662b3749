//! What a job is, for all who show or wait for one.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use futures::stream::BoxStream;
use thermocline_model::DatasetId;

use crate::staging::{Estimate, Owner, RequestId};
use crate::{ErrorKind, Result};

/// Name of a job: a letter and digits; digits alone for those of Chiller's face.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JobId(pub Arc<str>);

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How far a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JobState {
    /// Its turn has not come yet.
    Queued,
    /// It waits for something: a time, another job, objects that are being recalled.
    Waiting,
    /// It is being worked on.
    Running,
    /// It did all that was asked.
    Succeeded,
    /// It did a part; the reason says what is missing.
    Partial,
    /// It did not work; the error says why.
    Failed,
    /// It was ended before its time.
    Cancelled,
}

impl JobState {
    /// Every state.
    pub const ALL: [Self; 7] = [
        Self::Queued,
        Self::Waiting,
        Self::Running,
        Self::Succeeded,
        Self::Partial,
        Self::Failed,
        Self::Cancelled,
    ];

    /// The word for documents and for the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Partial => "partial",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// The state of that word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }

    /// True if it will not change any more.
    pub fn is_ended(self) -> bool {
        matches!(self, Self::Succeeded | Self::Partial | Self::Failed | Self::Cancelled)
    }
}

/// How much of the work is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// What is done.
    pub done: u64,
    /// All of it, if known.
    pub total: Option<u64>,
    /// What is counted: `objects`, `bytes`, `steps`.
    pub unit: Arc<str>,
}

/// Why a job failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobFailure {
    /// What can be done about it.
    pub kind: ErrorKind,
    /// In words, for people.
    pub message: String,
}

/// What came of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobResult {
    /// A file in the job's folder.
    File {
        /// Its name, without folders.
        name: Arc<str>,
        /// Its media type.
        media_type: Arc<str>,
        /// Its size.
        len_bytes: u64,
    },
    /// It is found at this path of the server, `/` first.
    Elsewhere {
        /// The path.
        path: Arc<str>,
    },
}

/// A job as it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// Its name.
    pub id: JobId,
    /// What kind of work it is: `stage`, `harvest`, `plot`, …
    pub kind: Arc<str>,
    /// Whose it is.
    pub owner: Owner,
    /// How far it is.
    pub state: JobState,
    /// Why it waits, is partial or failed, for people.
    pub reason: Option<String>,
    /// How much is done.
    pub progress: Option<Progress>,
    /// When it will be done.
    pub estimate: Option<Estimate>,
    /// The dataset that it is about.
    pub dataset: Option<DatasetId>,
    /// The staging request that it waits for, or is.
    pub request: Option<RequestId>,
    /// When it was accepted, in nanoseconds since 1970.
    pub created_ns: i64,
    /// When it was begun.
    pub started_ns: Option<i64>,
    /// When it ended.
    pub finished_ns: Option<i64>,
    /// When it and its result are forgotten.
    pub expires_ns: Option<i64>,
    /// Why it failed.
    pub failure: Option<JobFailure>,
    /// What came of it.
    pub result: Option<JobResult>,
    /// Number of its last change, that of progress aside.
    pub change: u64,
}

impl Job {
    /// Its place among all jobs, the newest last.
    pub fn place(&self) -> JobPlace {
        JobPlace { created_ns: self.created_ns, id: self.id.clone() }
    }
}

/// Where a job stands among all jobs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct JobPlace {
    /// When it was accepted, in nanoseconds since 1970.
    pub created_ns: i64,
    /// Its name.
    pub id: JobId,
}

/// A job as it is asked for.
#[derive(Debug, Clone)]
pub struct NewJob {
    /// What kind of work it is.
    pub kind: Arc<str>,
    /// Whose it is.
    pub owner: Owner,
    /// The dataset that it is about.
    pub dataset: Option<DatasetId>,
    /// The staging request that it will wait for.
    pub request: Option<RequestId>,
    /// What its kind needs to know, in the kind's own words.
    pub parameters: String,
}

/// Which jobs are asked for. Newest first.
#[derive(Debug, Clone, Default)]
pub struct JobFilter {
    /// Only of this kind.
    pub kind: Option<String>,
    /// Only in this state.
    pub state: Option<JobState>,
    /// Only of this owner; `None` for everybody's (administrators).
    pub owner: Option<Owner>,
    /// Only those older than this one (the last of the page before).
    pub after: Option<JobPlace>,
    /// Most of them.
    pub limit: usize,
}

/// What has an engine of its own and is shown as jobs.
#[async_trait]
pub trait JobSource: Send + Sync {
    /// A job as it stands; `None` if it is none of this source.
    ///
    /// # Errors
    /// A database that cannot be read.
    async fn job(&self, id: &JobId) -> Result<Option<Job>>;

    /// Jobs, newest first.
    ///
    /// # Errors
    /// A database that cannot be read.
    async fn jobs(&self, filter: &JobFilter) -> Result<Vec<Job>>;

    /// Ends a job before its time; `None` if it is none of this source.
    ///
    /// # Errors
    /// A database that cannot be written.
    async fn cancel(&self, id: &JobId) -> Result<Option<Job>>;

    /// Names of jobs that change from now on; `None` for any of them, when it is not known which.
    fn changes(&self) -> BoxStream<'static, Option<JobId>>;
}
