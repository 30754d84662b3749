//! Draws plots of cold data: waits for the recall, then draws, and keeps the picture as the job's result.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use thermocline_core::jobs::{JobContext, JobId, JobKind, JobResult, Outcome, Step, Wake};
use thermocline_core::staging::{ObjectState, Request as StagingRequest, RequestId, RequestState, Staging};
use thermocline_core::{Error, ErrorKind, Result};
use thermocline_plot::{Failure, Plan, Request};

use crate::api::{Api, Server};
use crate::cold::{Parameters, cold_objects, recall};
use crate::trouble::Trouble;

/// The kind of these jobs.
pub(crate) const KIND: &str = "plot";

/// Most recalls for one plot: objects that are made cold again and again before they are read are not worth more.
const MAX_ROUNDS: u32 = 5;

/// When to look again for a server that is not ready.
const NOT_READY: Duration = Duration::from_secs(1);

/// What a step begins from: how many recalls there were, and the last one.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Checkpoint {
    n_rounds: u32,
    request: Option<RequestId>,
}

impl Checkpoint {
    fn of(step: &Step<'_>) -> Self {
        let written = step.checkpoint.and_then(|text| text.split_once(' '));
        let read = written.and_then(|(n, id)| {
            Some(Self { n_rounds: n.parse().ok()?, request: Some(RequestId(id.into())) })
        });
        read.unwrap_or(Self { n_rounds: 0, request: None })
    }

    fn text(n_rounds: u32, request: &RequestId) -> String {
        format!("{n_rounds} {request}")
    }
}

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
        let checkpoint = Checkpoint::of(&step);
        if let Some(outcome) = awaited(staging, &checkpoint, context).await? {
            return Ok(outcome);
        }
        let parameters: Parameters = serde_json::from_str(step.parameters)
            .map_err(|cause| Error::internal("the parameters of a plot cannot be read").with_source(cause))?;
        let plan = self.plan(server, &parameters).await?;
        if checkpoint.request.is_none() {
            // All that it needs at once, instead of what reading comes upon first.
            let needed = cold_objects(&server.reader, &plan, &Error::needs_staging(Vec::new())).await?;
            if !needed.is_empty() {
                return again((staging, &step), checkpoint.n_rounds, &needed).await;
            }
        }
        let plotter = self.api.plotter(&server.reader);
        let drawn = tokio::select! {
            drawn = self.api.pictures.get_or_draw(&plotter, plan.clone()) => drawn,
            () = context.cancelled() => return Err(not_ready("the job was cancelled")),
        };
        match drawn {
            Ok(picture) => keep(context, &parameters, &picture).await,
            Err(Trouble(Failure::Core(cold))) if cold.kind() == ErrorKind::NotStaged => {
                let needed = cold_objects(&server.reader, &plan, &cold).await?;
                again((staging, &step), checkpoint.n_rounds, &needed).await
            }
            Err(trouble) => Err(error_of(trouble)),
        }
    }
}

impl PlotJob {
    async fn plan(&self, server: &Server, parameters: &Parameters) -> Result<Plan> {
        let manifest = server.catalog.open(&parameters.dataset).await?;
        let request = Request::parse(&parameters.variable, parameters.format(), None, &parameters.pairs);
        let planned = match request {
            Ok(request) => self.api.plotter(&server.reader).plan(&manifest, request).await,
            Err(failure) => Err(failure),
        };
        planned.map_err(|failure| error_of(Trouble(failure)))
    }
}

/// How to wait for the recall; `None` once it has succeeded.
///
/// # Errors
/// [`ErrorKind::RecallFailed`] if it has not.
async fn awaited(
    staging: &Staging,
    checkpoint: &Checkpoint,
    context: &JobContext,
) -> Result<Option<Outcome>> {
    let Some(id) = &checkpoint.request else { return Ok(None) };
    // A request that is forgotten has ended long ago.
    let Some(request) = staging.get(id).await? else { return Ok(None) };
    let n_settled = settled(&request);
    context.progress(n_settled, Some(request.n_objects()), "objects");
    match request.state {
        RequestState::Succeeded => Ok(None),
        RequestState::Queued | RequestState::Active => Ok(Some(Outcome::Wait {
            checkpoint: Checkpoint::text(checkpoint.n_rounds, id),
            reason: format!("{} objects are brought online", request.n_objects()),
            wake: Wake::Ended(JobId(Arc::clone(&id.0))),
        })),
        RequestState::Partial | RequestState::Failed | RequestState::Cancelled => {
            let reason =
                request.reason.unwrap_or_else(|| format!("the recall was {}", request.state.as_str()));
            Err(Error::new(ErrorKind::RecallFailed, reason))
        }
    }
}

fn settled(request: &StagingRequest) -> u64 {
    ObjectState::ALL.into_iter().filter(|state| state.is_settled()).map(|state| request.tally(state).n).sum()
}

/// Recalls what is cold, for the first time or again.
async fn again(
    (staging, step): (&Staging, &Step<'_>),
    n_rounds: u32,
    needed: &[Arc<str>],
) -> Result<Outcome> {
    if n_rounds >= MAX_ROUNDS {
        let message = format!("objects were made cold {n_rounds} times before they could be read");
        return Err(Error::new(ErrorKind::RecallFailed, message));
    }
    let request = recall(staging, needed, step.job, n_rounds).await?;
    Ok(Outcome::Wait {
        checkpoint: Checkpoint::text(n_rounds + 1, &request.id),
        reason: format!("{} objects are brought online", needed.len()),
        wake: Wake::Ended(JobId(request.id.0)),
    })
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
