//! What users of Chiller read of a job.

use serde::Serialize;
use serde_json::{Map, Value};
use thermocline_core::jobs::Job;
use thermocline_core::staging::{Face, ObjectFilter, ObjectState, Request, RequestId, RequestState, Staging};
use thermocline_core::{Error, Result};

use crate::Api;

/// Most files that `Failed` names.
const MAX_FAILED: usize = 1000;

/// Members of a job, beside those that all jobs have.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Members {
    #[serde(rename = "ID")]
    id: String,
    state: &'static str,
    finished: &'static str,
    staged_files: String,
    requested: u64,
    staged: u64,
    failed: Vec<Failed>,
    progress: f64,
    estimate: Option<u64>,
}

/// A file that could not be recalled.
#[derive(Debug, Serialize)]
struct Failed {
    path: String,
    reason: String,
}

/// The members of a job that came through this face; none of others.
pub(crate) async fn of_job(api: &Api, staging: Option<&Staging>, job: &Job) -> Result<Map<String, Value>> {
    let is_numbered = job.id.0.bytes().all(|byte| byte.is_ascii_digit());
    let (Some(staging), true) = (staging, is_numbered) else { return Ok(Map::new()) };
    let request = staging.get(&RequestId(job.id.0.clone())).await?;
    let Some(request) = request.filter(|request| request.face == Face::Chiller) else {
        return Ok(Map::new());
    };
    let list = api.lists.write(staging, &request).await?;
    let document = Members {
        id: request.id.to_string(),
        state: state(request.state),
        finished: if request.state.is_ended() { "true" } else { "false" },
        staged_files: list.to_string_lossy().into_owned(),
        requested: request.n_objects(),
        staged: n_staged(&request),
        failed: failed(staging, &request).await?,
        progress: progress(&request),
        estimate: request.estimate.as_ref().map(|estimate| estimate.duration.as_secs_f64().ceil() as u64),
    };
    match serde_json::to_value(document) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err(Error::internal("the document of a job is no object")),
        Err(cause) => Err(Error::internal("the document of a job cannot be written").with_source(cause)),
    }
}

/// The words that the package compares with: `finished` in any case, `ERROR` exactly.
fn state(state: RequestState) -> &'static str {
    match state {
        RequestState::Queued => "queued",
        RequestState::Active => "running",
        RequestState::Succeeded | RequestState::Partial => "finished",
        RequestState::Failed | RequestState::Cancelled => "ERROR",
    }
}

/// Files that were brought online, whether they are still kept or not.
fn n_staged(request: &Request) -> u64 {
    request.tally(ObjectState::Hot).n.saturating_add(request.tally(ObjectState::Released).n)
}

/// Settled files, as a part of all.
fn progress(request: &Request) -> f64 {
    let settled = ObjectState::ALL.into_iter().filter(|state| state.is_settled());
    let n_settled: u64 = settled.map(|state| request.tally(state).n).sum();
    if request.n_objects() == 0 { 1.0 } else { n_settled as f64 / request.n_objects() as f64 }
}

async fn failed(staging: &Staging, request: &Request) -> Result<Vec<Failed>> {
    let mut failed = Vec::new();
    for state in [ObjectState::Failed, ObjectState::Lost, ObjectState::Cancelled] {
        let limit = MAX_FAILED.saturating_sub(failed.len());
        if request.tally(state).n == 0 || limit == 0 {
            continue;
        }
        let filter = ObjectFilter { state: Some(state), limit, ..ObjectFilter::default() };
        let objects = staging.objects(&request.id, filter).await?;
        failed.extend(objects.into_iter().map(|object| Failed {
            path: object.spelling.to_string(),
            reason: object.reason.unwrap_or_else(|| state.as_str().to_owned()),
        }));
    }
    Ok(failed)
}
