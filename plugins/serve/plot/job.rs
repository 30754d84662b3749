//! Draws plots of cold data: waits for the recall, then draws, and keeps the picture as the job's result.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use thermocline_core::jobs::recalled::Rounds;
use thermocline_core::jobs::{JobContext, JobKind, JobResult, Outcome, Step};
use thermocline_core::{Error, ErrorKind, Result};
use thermocline_plot::Failure;

use crate::api::{Api, Server};
use crate::cold::{Parameters, cold_objects};
use crate::grouped::{Subject, Words};
use crate::trouble::Trouble;

/// The kind of these jobs.
pub(crate) const KIND: &str = "plot";

/// When to look again for a server that is not ready.
const NOT_READY: Duration = Duration::from_secs(1);

/// Draws plots of cold data.
pub(crate) struct PlotJob {
    pub(crate) api: Arc<Api>,
}

#[async_trait]
impl JobKind for PlotJob {
    fn kind(&self) -> &'static str {
        KIND
    }

    async fn step(&self, step: Step<'_>, context: &JobContext) -> Result<Outcome> {
        let server = self.api.server().ok_or_else(|| not_ready("the server is starting"))?;
        let staging = server.staging.as_ref();
        let staging = staging.ok_or_else(|| Error::internal("a plot waits for a server without staging"))?;
        let rounds = Rounds::of(&step);
        if let Some(outcome) = rounds.awaited(staging, context).await? {
            return Ok(outcome);
        }
        let parameters: Parameters = serde_json::from_str(step.parameters)
            .map_err(|cause| Error::internal("the parameters of a plot cannot be read").with_source(cause))?;
        let subject = self.subject(server, &parameters).await?;
        if rounds.is_first() {
            // All that it needs at once, instead of what reading comes upon first.
            let needed = cold_objects(&server.reader, &subject, &[]).await?;
            if !needed.is_empty() {
                return rounds.again(staging, step.job, &needed).await;
            }
        }
        let plotter = self.api.plotter(&server.reader);
        let drawn = tokio::select! {
            drawn = self.api.pictures.get_or_draw(&plotter, subject.clone()) => drawn,
            () = context.cancelled() => return Err(not_ready("the job was cancelled")),
        };
        match drawn {
            Ok(picture) => {
                let kept = keep(context, &parameters, &picture).await?;
                rounds.release(staging).await;
                Ok(kept)
            }
            Err(Trouble(Failure::Core(cold))) if cold.kind() == ErrorKind::NotStaged => {
                let needed = cold_objects(&server.reader, &subject, cold.not_staged()).await?;
                rounds.again(staging, step.job, &needed).await
            }
            Err(trouble) => Err(error_of(trouble)),
        }
    }
}

impl PlotJob {
    async fn subject(&self, server: &Server, parameters: &Parameters) -> Result<Subject> {
        let manifest = server.catalog.open(&parameters.dataset).await?;
        let (variable, pairs) = (parameters.variable.as_str(), parameters.pairs.as_slice());
        let words = Words { variable, format: parameters.format(), path: None, pairs };
        let planned = self.api.subject(&server.reader, &manifest, words).await;
        planned.map_err(|failure| error_of(Trouble(failure)))
    }
}

/// Keeps a picture as the result.
async fn keep(context: &JobContext, parameters: &Parameters, picture: &[u8]) -> Result<Outcome> {
    let name = format!("plot.{}", parameters.format().extension());
    let (path, unfinished) = (context.folder().join(&name), context.folder().join("unfinished"));
    let unwritable = |cause: std::io::Error| {
        let kind = ErrorKind::Unavailable { retry_after: NOT_READY };
        Error::new(kind, "the picture cannot be kept").with_source(cause)
    };
    tokio::fs::write(&unfinished, picture).await.map_err(unwritable)?;
    tokio::fs::rename(&unfinished, &path).await.map_err(unwritable)?;
    let result = JobResult::File {
        name: name.into(),
        media_type: parameters.format().media_type().into(),
        len_bytes: picture.len() as u64,
    };
    Ok(Outcome::Done { result: Some(result), missing: None })
}

fn not_ready(message: &str) -> Error {
    Error::new(ErrorKind::Unavailable { retry_after: NOT_READY }, message)
}

/// What a job fails with.
fn error_of(trouble: Trouble) -> Error {
    match trouble.0 {
        Failure::Core(error) => error,
        Failure::Mistake { detail, .. } => Error::invalid_input(detail),
        Failure::Undrawable(detail) => Error::refused(detail),
        Failure::Cancelled => not_ready("the plot was called off"),
    }
}
