//! One job.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, State};
use axum::response::Response;
use http::header::RETRY_AFTER;
use http::request::Parts;
use http::{HeaderValue, StatusCode};
use serde_json::Map;
use thermocline_core::jobs::{Job, JobId, Jobs};
use thermocline_http::identity::Presented;
use thermocline_http::jobs::{JobDocument, JobsEngine, retry_seconds};
use thermocline_http::links::BaseUrl;
use thermocline_http::live::{self, audit};
use thermocline_http::prefer;
use thermocline_http::query::Query;
use thermocline_http::{App, AppState, Identity, MayStage, Problem};

use crate::Api;

/// Longest name of a job that is looked for, in bytes.
const MAX_ID_BYTES: usize = 128;

/// The part of the time of a request that may be spent on waiting, so that it ends with an answer.
const SHARE_OF_TIME: f64 = 0.9;

/// A job as it stands, or once it has ended if the client waits for that.
pub(crate) async fn show(
    Extension(api): Extension<Arc<Api>>,
    State(app): State<AppState>,
    JobsEngine(jobs): JobsEngine,
    Path(id): Path<String>,
    (presented, base, query): (Presented, BaseUrl, Query),
    parts: Parts,
) -> Result<Response, Problem> {
    let mut job = known((&app, &jobs), &presented.identity(&app), &id).await?;
    let longest = api.settings.max_wait.min(app.config.request_timeout.mul_f64(SHARE_OF_TIME));
    let wait = prefer::wait(&parts.headers, &query, longest);
    if let Some(wait) = wait.filter(|_| !job.state.is_ended())
        && let Ok(_own) = api.waiting.try_acquire()
        && let Some(_turn) = app.waiting_turn()
    {
        let waited = app.waiting.ended().run_until_cancelled(jobs.wait(&job.id, wait)).await;
        // Clients do not lose their answer because the server ends.
        let found = match waited {
            Some(waited) => waited?,
            None => jobs.get(&job.id).await?,
        };
        // Rules and tokens may have changed meanwhile.
        job = found.unwrap_or(job);
        if !is_there(&app, &presented.identity(&app), &job) {
            return Err(unknown(&id));
        }
    }
    let document = document(&app, &base, &job).await?;
    let mut response = live::json(&parts, StatusCode::OK, &document)?;
    if !job.state.is_ended() {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(retry_seconds(&job)));
    }
    Ok(response)
}

/// Ends a job before its time.
pub(crate) async fn cancel(
    State(app): State<AppState>,
    JobsEngine(jobs): JobsEngine,
    MayStage(who): MayStage,
    Path(id): Path<String>,
    base: BaseUrl,
    parts: Parts,
) -> Result<Response, Problem> {
    let job = known((&app, &jobs), &who, &id).await?;
    if !who.may_change_of(&app, &job.owner, job.dataset.as_ref().map(|dataset| dataset.as_str())) {
        let problem = who.not_owner(&app, &job.owner, &format!("job '{id}'"));
        audit(&who, "cancel", &id, &format!("refused with {}", problem.status));
        return Err(problem);
    }
    let answer = jobs.cancel(&job.id).await;
    audit(&who, "cancel", &id, if answer.is_ok() { "done" } else { "failed" });
    live::json(&parts, StatusCode::OK, &document(&app, &base, &answer?).await?)
}

/// The job of that name.
///
/// # Errors
/// 404 if there is none, or none any more, or it concerns a dataset that is not there for this client.
pub(crate) async fn known((app, jobs): (&App, &Jobs), who: &Identity, id: &str) -> Result<Job, Problem> {
    // Names are words: whatever else was asked for is none, and never part of a path.
    let is_name = id.len() <= MAX_ID_BYTES && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !is_name || id.is_empty() {
        return Err(unknown(id));
    }
    let job = jobs.get(&JobId(id.into())).await?;
    job.filter(|job| is_there(app, who, job)).ok_or_else(|| unknown(id))
}

fn unknown(id: &str) -> Problem {
    Problem::not_found(format!("Job '{id}' not found"))
}

/// True if a client may know of a job: if it may read the dataset that the job concerns.
pub(crate) fn is_there(app: &App, who: &Identity, job: &Job) -> bool {
    who.sees_of(app, &job.owner, job.dataset.as_ref().map(|dataset| dataset.as_str()))
}

/// The document of a job, with what plugins add.
///
/// # Errors
/// Those of a plugin.
pub(crate) async fn document(app: &AppState, base: &BaseUrl, job: &Job) -> Result<JobDocument, Problem> {
    let mut more = Map::new();
    for plugin in app.running() {
        more.extend(plugin.job_members(app, job).await?);
    }
    Ok(JobDocument::new(job, base, more))
}
