//! The one document of all long work, and the answer of calls that begin some.

use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::response::Response;
use http::header::{LOCATION, RETRY_AFTER};
use http::request::Parts;
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use serde_json::{Map, Value};
use thermocline_core::jobs::{Job, JobResult, Jobs};
use thermocline_core::{Error, ErrorKind};

use crate::links::{BaseUrl, segment};
use crate::live::{self, iso8601};
use crate::query::Query;
use crate::{App, AppState, Problem, prefer};

/// When a client is told to look again if there is no estimate, and at the latest, in seconds.
const RETRY_SECONDS: (u64, u64) = (10, 60);

/// The part of the time of a request that may be spent on waiting, so that it ends with an answer.
const SHARE_OF_TIME: f64 = 0.9;

/// When to ask again for what a job was to give that was cancelled.
const RETRY_CANCELLED: Duration = Duration::from_secs(5);

/// The engine of long work.
///
/// # Errors
/// 404 on a server that has none.
pub struct JobsEngine(pub Jobs);

impl FromRequestParts<AppState> for JobsEngine {
    type Rejection = Problem;

    async fn from_request_parts(_: &mut Parts, app: &AppState) -> Result<Self, Problem> {
        app.jobs.clone().map(Self).ok_or_else(|| Problem::not_found("this server has no jobs"))
    }
}

/// A job as clients see it.
#[derive(Debug, Serialize)]
pub struct JobDocument {
    id: String,
    kind: String,
    state: &'static str,
    reason: Option<String>,
    progress: Option<ProgressDocument>,
    estimate_seconds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    basis: Option<&'static str>,
    created: String,
    started: Option<String>,
    finished: Option<String>,
    expires: Option<String>,
    owner: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    dataset: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<String>,
    links: Vec<LinkDocument>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Map<String, Value>>,
    /// What the plugin adds through which the job came.
    #[serde(flatten)]
    more: Map<String, Value>,
}

#[derive(Debug, Serialize)]
struct ProgressDocument {
    done: u64,
    total: Option<u64>,
    unit: String,
}

#[derive(Debug, Serialize)]
struct LinkDocument {
    rel: &'static str,
    href: String,
}

impl JobDocument {
    /// The document of a job, with `more` members.
    pub fn new(job: &Job, base: &BaseUrl, more: Map<String, Value>) -> Self {
        let estimate = job.estimate.as_ref();
        let failure = job.failure.as_ref();
        let problem = failure.map(|failure| Problem::from(Error::new(failure.kind, failure.message.clone())));
        Self {
            id: job.id.to_string(),
            kind: job.kind.to_string(),
            state: job.state.as_str(),
            reason: job.reason.clone(),
            progress: job.progress.as_ref().map(|progress| ProgressDocument {
                done: progress.done,
                total: progress.total,
                unit: progress.unit.to_string(),
            }),
            estimate_seconds: estimate.map(|estimate| estimate.duration.as_secs_f64().ceil() as u64),
            basis: estimate.map(|estimate| estimate.basis),
            created: iso8601(job.created_ns),
            started: job.started_ns.map(iso8601),
            finished: job.finished_ns.map(iso8601),
            expires: job.expires_ns.map(iso8601),
            owner: job.owner.to_string(),
            dataset: job.dataset.as_ref().map(ToString::to_string),
            request: job.request.as_ref().map(ToString::to_string),
            links: links(job, base),
            error: problem.map(|problem| problem.document()),
            more,
        }
    }
}

/// Address of a job.
pub fn job_url(base: &BaseUrl, job: &Job) -> String {
    format!("{}/jobs/{}", base.0, segment(&job.id.0))
}

fn links(job: &Job, base: &BaseUrl) -> Vec<LinkDocument> {
    let own = job_url(base, job);
    let mut links = vec![
        LinkDocument { rel: "self", href: own.clone() },
        LinkDocument { rel: "events", href: format!("{own}/events") },
    ];
    if job.result.is_some() {
        links.push(LinkDocument { rel: "result", href: format!("{own}/result") });
    }
    if let Some(request) = &job.request {
        let href = format!("{}/requests/{}", base.0, segment(&request.0));
        links.push(LinkDocument { rel: "request", href });
    }
    links
}

/// Address of a job's result, if it is not a file of the job's own.
pub fn result_elsewhere(base: &BaseUrl, job: &Job) -> Option<String> {
    match job.result.as_ref()? {
        JobResult::Elsewhere { path } => Some(format!("{}{path}", base.0)),
        JobResult::File { .. } => None,
    }
}

/// When to ask for a job again, in seconds.
pub fn retry_seconds(job: &Job) -> u64 {
    let (usual, most) = RETRY_SECONDS;
    job.estimate.as_ref().map_or(usual, |estimate| estimate.duration.as_secs()).clamp(1, most)
}

/// The answer of a call whose work goes on as a job: 202 with its document, and where to ask for it.
///
/// # Errors
/// A document that cannot be written.
pub fn accepted(parts: &Parts, base: &BaseUrl, job: &Job) -> Result<Response, Problem> {
    let document = JobDocument::new(job, base, Map::new());
    let mut response = live::json(parts, StatusCode::ACCEPTED, &document)?;
    let headers = response.headers_mut();
    if let Ok(location) = HeaderValue::try_from(job_url(base, job)) {
        headers.insert(LOCATION, location);
    }
    headers.insert(RETRY_AFTER, HeaderValue::from(retry_seconds(job)));
    Ok(response)
}

/// The job once it has ended, or as it stands when the client has waited for as long as it asked (`Prefer: wait=N`).
///
/// # Errors
/// A database that cannot be read.
pub async fn waited(app: &App, jobs: &Jobs, job: Job, parts: &Parts) -> Result<Job, Problem> {
    let longest = app.config.hold.max_hold.min(app.config.request_timeout.mul_f64(SHARE_OF_TIME));
    let asked = prefer::wait(&parts.headers, &Query::of(parts), longest).filter(|wait| !wait.is_zero());
    let (Some(limit), Some(_place)) = (asked, app.waiting_turn()) else { return Ok(job) };
    let waited = app.waiting.ended().run_until_cancelled(jobs.wait(&job.id, limit)).await;
    Ok(match waited {
        Some(found) => found?.unwrap_or(job),
        None => job,
    })
}

/// Why a job that has ended gave no result, to whoever waited for `what` of it.
pub fn failure(job: &Job, what: &str) -> Error {
    let cancelled = || {
        let kind = ErrorKind::Unavailable { retry_after: RETRY_CANCELLED };
        Error::new(kind, format!("the {what} was {}", job.state.as_str()))
    };
    let failure = job.failure.as_ref();
    failure.map_or_else(cancelled, |failure| Error::new(failure.kind, failure.message.clone()))
}
