//! Plots of data on cold stores: a job brings the data online and draws; the request is answered with its address.
//!
//! Who may cause recalls by reading may cause them by plotting, and nobody else. The same plot is the same job, as long
//! as that has not ended, whoever asks; and as long as its result is kept, that is the answer, and nothing is recalled.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use axum::response::Response;
use bytes::Bytes;
use http::request::Parts;
use serde::{Deserialize, Serialize};
use thermocline_core::jobs::{Job, JobState, Jobs, NewJob};
use thermocline_core::read::Reader;
use thermocline_core::select::objects;
use thermocline_core::staging::{
    Face, IdempotencyKey, NewRequest, Request as StagingRequest, Staging, Wanted,
};
use thermocline_core::{Error, ErrorKind, Result};
use thermocline_http::hold::{Asked, Wait};
use thermocline_http::jobs::accepted;
use thermocline_http::links::{BaseUrl, peer};
use thermocline_http::query::Query;
use thermocline_http::{App, AppState, Problem, prefer};
use thermocline_plot::{Format, Plan};

use crate::address::Address;
use crate::job::KIND;

/// How long objects that a plot needs stay online for it.
const LIFETIME: Duration = Duration::from_secs(15 * 60);

/// When to ask again for a plot whose job was cancelled.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Recalls for plots come before those of lists, since somebody looks at a page.
const PRIORITY: u8 = 6;

/// The part of the time of a request that may be spent on waiting, so that it ends with an answer.
const SHARE_OF_TIME: f64 = 0.9;

/// Most objects that a plot recalls.
const MAX_OBJECTS: usize = 10_000;

/// What a job draws. Requests of the same plot have the very same text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Parameters {
    /// Entity tag of the picture.
    pub(crate) etag: String,
    /// Id of the dataset.
    pub(crate) dataset: String,
    /// Path of the variable in its group.
    pub(crate) variable: String,
    /// Extension of the picture's form.
    pub(crate) format: String,
    /// Every option and the selection.
    pub(crate) pairs: Vec<(String, String)>,
}

impl Parameters {
    /// Those of a plan.
    pub(crate) fn of(plan: &Plan, address: &Address) -> Self {
        Self {
            etag: plan.etag(),
            dataset: plan.manifest.id.to_string(),
            variable: address.variable.clone(),
            format: address.format.extension().to_owned(),
            pairs: Query::parse(&plan.canonical()).pairs().collect(),
        }
    }

    /// The form of the picture.
    pub(crate) fn format(&self) -> Format {
        Format::of_extension(&self.format).unwrap_or(Format::Png)
    }
}

/// What comes of a request for cold data.
pub(crate) enum Answered {
    /// The picture, which the client waited for.
    Picture(Bytes),
    /// A job goes on with it.
    Accepted(Response),
}

/// A plot of cold data as a job.
///
/// # Errors
/// 503 for readers whose reads cause no recalls; those of staging and of jobs; what became of the job, if the client waited
/// for its end.
pub(crate) async fn answer(
    (app, jobs): (&AppState, &Jobs),
    plan: &Plan,
    address: &Address,
    cold: &Error,
    (base, parts): (&BaseUrl, &Parts),
) -> Result<Answered, Problem> {
    let asked = Asked { headers: &parts.headers, uri: &parts.uri, peer: peer(parts) };
    let wait = Wait::of(app, &asked, &plan.manifest.id);
    let new = new_job(plan, address, &wait)?;
    if let Some(picture) = drawn_before(jobs, &new).await? {
        return Ok(Answered::Picture(picture));
    }
    if !wait.may_recall {
        return Err(wait.refusal());
    }
    // Whoever asks for too much is told at once, and not by a job that fails.
    cold_objects(&app.reader, plan, cold).await?;
    let job = jobs.submit_once(new).await?;
    let job = wait_for(app, jobs, job, parts).await?;
    if !job.state.is_ended() {
        return Ok(Answered::Accepted(accepted(parts, base, &job)?));
    }
    finished(jobs, &job).await.map(Answered::Picture)
}

fn new_job(plan: &Plan, address: &Address, wait: &Wait) -> Result<NewJob> {
    let parameters = serde_json::to_string(&Parameters::of(plan, address))
        .map_err(|cause| Error::internal("the parameters of a job cannot be written").with_source(cause))?;
    Ok(NewJob {
        kind: KIND.into(),
        owner: wait.reader.owner.clone(),
        dataset: Some(plan.manifest.id.clone()),
        // The job recalls by itself: a recall without a job would bring objects online for nobody.
        request: None,
        parameters,
    })
}

/// The picture that a job drew from the very same data before, if it is still kept.
async fn drawn_before(jobs: &Jobs, new: &NewJob) -> Result<Option<Bytes>> {
    let Some(job) = jobs.find_succeeded(new).await? else { return Ok(None) };
    let Some(path) = jobs.result_file(&job) else { return Ok(None) };
    // Results are deleted by people, too: then it is drawn again.
    Ok(tokio::fs::read(path).await.ok().map(Bytes::from))
}

/// Asks for objects as the job's own request.
///
/// `n_round` tells its recalls apart: a step that is done again after the server ended joins the recall it began.
pub(crate) async fn recall(
    staging: &Staging,
    objects: &[Arc<str>],
    job: &Job,
    n_round: u32,
) -> Result<StagingRequest> {
    let namespace = staging.namespace();
    let wanted = |href: &Arc<str>| {
        let object = namespace.resolve(href).map(|object| vec![object]);
        Wanted { spelling: Arc::clone(href), object: object.map_err(|error| error.to_string()) }
    };
    let new = NewRequest {
        owner: job.owner.clone(),
        face: Face::Native,
        objects: objects.iter().map(wanted).collect(),
        priority: PRIORITY,
        lifetime: LIFETIME,
        dataset: job.dataset.clone(),
        // By then objects may be online, so the key alone says that it is the same recall.
        idempotency: Some(IdempotencyKey { key: format!("{}-{n_round}", job.id), body_hash: [0; 32] }),
        notify: None,
    };
    staging.request(new).await
}

/// The objects of a plot that are not online: those that reading came upon, and all others of its selection, so that one
/// recall is enough.
///
/// # Errors
/// [`ErrorKind::TooLarge`] for more than a plot may recall.
pub(crate) async fn cold_objects(reader: &Reader, plan: &Plan, cold: &Error) -> Result<Vec<Arc<str>>> {
    let mut found: BTreeSet<Arc<str>> = cold.not_staged().iter().cloned().collect();
    if let Some(recalls) = reader.recalls() {
        let residency = recalls.residency();
        let numbers = objects(&plan.manifest, &plan.selected).await?;
        let all = numbers.iter().filter_map(|number| plan.manifest.dataset.objects.get(*number as usize));
        let bound = all
            .filter(|object| residency.is_bound(&object.href))
            .map(|object| Arc::from(object.href.as_str()));
        let bound: Vec<Arc<str>> = bound.take(MAX_OBJECTS + 1).collect();
        let places = residency.localities(&bound).await;
        let away = bound.into_iter().zip(places).filter(|(_, place)| !place.is_online());
        found.extend(away.map(|(href, _)| href));
    }
    if found.len() > MAX_OBJECTS {
        let message = format!(
            "the plot needs more than {MAX_OBJECTS} objects of a cold store: give vmin and vmax, or select less"
        );
        return Err(Error::new(ErrorKind::TooLarge, message));
    }
    Ok(found.into_iter().collect())
}

/// The job once it has ended, or as it stands when the client has waited for as long as it asked.
async fn wait_for(app: &App, jobs: &Jobs, job: Job, parts: &Parts) -> Result<Job, Problem> {
    let longest = app.config.hold.max_hold.min(app.config.request_timeout.mul_f64(SHARE_OF_TIME));
    let asked = prefer::wait(&parts.headers, &Query::of(parts), longest).filter(|wait| !wait.is_zero());
    let (Some(limit), Some(_place)) = (asked, app.waiting_turn()) else { return Ok(job) };
    let waited = app.waiting.ended().run_until_cancelled(jobs.wait(&job.id, limit)).await;
    Ok(match waited {
        Some(found) => found?.unwrap_or(job),
        None => job,
    })
}

/// The picture of a job that has ended.
async fn finished(jobs: &Jobs, job: &Job) -> Result<Bytes, Problem> {
    if job.state == JobState::Succeeded
        && let Some(path) = jobs.result_file(job)
    {
        let unreadable = |cause: std::io::Error| {
            Error::internal(format!("the picture of job {} cannot be read", job.id)).with_source(cause)
        };
        return Ok(tokio::fs::read(path).await.map_err(unreadable)?.into());
    }
    let failure = job.failure.as_ref();
    let error = failure.map_or_else(
        || {
            let kind = ErrorKind::Unavailable { retry_after: RETRY_AFTER };
            Error::new(kind, format!("the plot was {}", job.state.as_str()))
        },
        |failure| Error::new(failure.kind, failure.message.clone()),
    );
    Err(error.into())
}
