//! Plots of data on cold stores: a job brings the data online and draws; the request is answered with its address.
//!
//! Who may cause recalls by reading may cause them by plotting, and nobody else. The same plot is the same job, as long
//! as that has not ended, whoever asks; and as long as its result is kept, that is the answer, and nothing is recalled.

use std::sync::Arc;

use axum::response::Response;
use bytes::Bytes;
use http::request::Parts;
use serde::{Deserialize, Serialize};
use thermocline_core::jobs::{Job, JobState, Jobs, NewJob};
use thermocline_core::read::Reader;
use thermocline_core::{Error, ErrorKind, Result};
use thermocline_http::hold::{Asked, Wait};
use thermocline_http::jobs::{accepted, failure, waited};
use thermocline_http::links::{BaseUrl, peer};
use thermocline_http::query::Query;
use thermocline_http::{AppState, Problem};
use thermocline_plot::{Format, Plan};

use crate::address::Address;
use crate::grouped::Subject;
use crate::job::KIND;

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
    subject: &Subject,
    address: &Address,
    cold: &Error,
    (base, parts): (&BaseUrl, &Parts),
) -> Result<Answered, Problem> {
    let asked = Asked { headers: &parts.headers, uri: &parts.uri, peer: peer(parts) };
    let wait = Wait::of(app, &asked, &subject.plan.manifest.id);
    let new = new_job(&subject.plan, address, &wait)?;
    if let Some(picture) = drawn_before(jobs, &new).await? {
        return Ok(Answered::Picture(picture));
    }
    if !wait.may_recall {
        return Err(wait.refusal());
    }
    if let Some(failed) = jobs.find_failed(&new).await? {
        return Err(failure(&failed, "plot").into());
    }
    // Whoever asks for too much is told at once, and not by a job that fails.
    cold_objects(&app.reader, subject, cold.not_staged()).await?;
    let job = jobs.submit_once(new).await?;
    let job = waited(app, jobs, job, parts).await?;
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

/// The objects of a plot that are not online: those that reading came upon, and all others of its selection, so that one
/// recall is enough.
///
/// # Errors
/// [`ErrorKind::TooLarge`] for more than a plot may recall.
pub(crate) async fn cold_objects(
    reader: &Reader,
    subject: &Subject,
    known: &[Arc<str>],
) -> Result<Vec<Arc<str>>> {
    let found = subject.cold_objects(reader, known).await;
    found.map_err(|error| match error.kind() {
        ErrorKind::TooLarge => {
            Error::new(ErrorKind::TooLarge, format!("{}, or give vmin and vmax", error.message()))
        }
        _ => error,
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
    Err(failure(job, "plot").into())
}
