//! What came of a job.

use std::path::PathBuf;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use http::request::Parts;
use http::{HeaderValue, StatusCode};
use thermocline_core::jobs::{Job, JobResult};
use thermocline_core::{Error, ErrorKind};
use thermocline_http::conditional::{Representation, Wanted, evaluate, respond_part, respond_whole};
use thermocline_http::jobs::{JobsEngine, result_elsewhere, retry_seconds};
use thermocline_http::links::BaseUrl;
use thermocline_http::problem::WRONG_STATE;
use thermocline_http::{AppState, Identity, Problem};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio_util::io::ReaderStream;

use crate::job::known;

/// The file of a result, by ranges too; or 303 to where it is.
pub(crate) async fn show(
    State(app): State<AppState>,
    JobsEngine(jobs): JobsEngine,
    Path(id): Path<String>,
    (who, base): (Identity, BaseUrl),
    parts: Parts,
) -> Result<Response, Problem> {
    let job = known((&app, &jobs), &who, &id).await?;
    if !job.state.is_ended() {
        let detail = format!("job '{id}' is {}: there is no result yet", job.state.as_str());
        let retry_after = Duration::from_secs(retry_seconds(&job));
        return Err(Problem::new(&WRONG_STATE, detail).with_retry_after(retry_after));
    }
    // What failed may still have a result that says what became of each part.
    if let Some(href) = result_elsewhere(&base, &job) {
        return elsewhere(&href);
    }
    if let Some(failure) = &job.failure {
        return Err(Error::new(failure.kind, failure.message.clone()).into());
    }
    match (jobs.result_file(&job), &job.result) {
        (Some(path), Some(JobResult::File { media_type, len_bytes, .. })) => {
            file(&parts, &job, path, media_type, *len_bytes).await
        }
        _ => Err(Problem::not_found(format!("Job '{id}' has no result"))),
    }
}

fn elsewhere(href: &str) -> Result<Response, Problem> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    let location = HeaderValue::try_from(href)
        .map_err(|cause| Error::internal("the address of a result is none").with_source(cause))?;
    response.headers_mut().insert(LOCATION, location);
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    Ok(response)
}

async fn file(
    parts: &Parts,
    job: &Job,
    path: PathBuf,
    media_type: &str,
    len_bytes: u64,
) -> Result<Response, Problem> {
    let gone = |cause: std::io::Error| -> Problem {
        let kind = ErrorKind::Unavailable { retry_after: Duration::from_secs(30) };
        Error::new(kind, "the file of the result cannot be read").with_source(cause).into()
    };
    // A result is written once: the job names its state.
    let representation = Representation {
        media_type: "application/octet-stream",
        etag: format!("{}-{}", job.id, job.change),
        modified: None,
        max_age: Duration::ZERO,
    };
    let wanted = evaluate(&parts.method, &parts.headers, &representation, len_bytes);
    let (range, is_whole) = match wanted {
        Wanted::Nothing(response) => return Ok(response),
        Wanted::Whole => (0..len_bytes, true),
        Wanted::Part(range) => (range, false),
    };
    let mut file = File::open(&path).await.map_err(gone)?;
    let found_bytes = file.metadata().await.map_err(gone)?.len();
    if found_bytes != len_bytes {
        let message = format!("the file of the result has {found_bytes} bytes instead of {len_bytes}");
        return Err(Error::corrupt(message).into());
    }
    file.seek(std::io::SeekFrom::Start(range.start)).await.map_err(gone)?;
    let part = file.take(range.end.saturating_sub(range.start));
    let body = Body::from_stream(ReaderStream::with_capacity(part, 64 << 10));
    let mut response = match is_whole {
        true => respond_whole(&representation, len_bytes, body),
        false => respond_part(&representation, range, len_bytes, body),
    };
    if let Ok(media_type) = HeaderValue::try_from(media_type) {
        response.headers_mut().insert(CONTENT_TYPE, media_type);
    }
    Ok(response)
}
