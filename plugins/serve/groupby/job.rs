//! Computes results that take long or lie on cold stores: waits for the recall, computes, and keeps the result where the
//! address that was asked for first finds it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use percent_encoding::percent_decode_str;
use thermocline_core::catalog::Catalog;
use thermocline_core::jobs::recalled::Rounds;
use thermocline_core::jobs::{JobContext, JobKind, JobResult, Outcome, Step};
use thermocline_core::read::Reader;
use thermocline_core::staging::Staging;
use thermocline_core::{Error, ErrorKind, Result};
use thermocline_groupby::{Failure, Grouped, Plan, Progress, Request};
use thermocline_http::App;

use crate::api::Api;
use crate::cold::{Parameters, cold_objects};

/// The kind of these jobs.
pub(crate) const KIND: &str = "groupby";

/// When to look again for a server that is not ready.
const NOT_READY: Duration = Duration::from_secs(1);

/// Between one look at how far a computation is and the next.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What jobs need of the server, which no request brings to them.
pub(crate) struct Server {
    catalog: Arc<Catalog>,
    reader: Arc<Reader>,
    staging: Option<Staging>,
}

impl Server {
    /// That of an app.
    pub(crate) fn of(app: &App) -> Self {
        Self {
            catalog: Arc::clone(&app.catalog),
            reader: Arc::clone(&app.reader),
            staging: app.staging.clone(),
        }
    }
}

/// Computes results that take long or lie on cold stores.
pub(crate) struct GroupbyJob {
    pub(crate) api: Arc<Api>,
}

#[async_trait]
impl JobKind for GroupbyJob {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn most_at_once(&self, workers: usize) -> usize {
        workers.saturating_sub(1)
    }

    async fn step(&self, step: Step<'_>, context: &JobContext) -> Result<Outcome> {
        let server = self.api.server().ok_or_else(|| not_ready("the server is starting"))?;
        let rounds = Rounds::of(&step);
        if let Some(staging) = &server.staging
            && let Some(outcome) = rounds.awaited(staging, context).await?
        {
            return Ok(outcome);
        }
        let parameters: Parameters = serde_json::from_str(step.parameters)
            .map_err(|cause| Error::internal("the parameters of a job cannot be read").with_source(cause))?;
        let plan = self.plan(server, &parameters).await?;
        if let Some(grouped) = self.api.engine.kept(&plan).await.map_err(error_of)? {
            return self.done(server, (&plan, &grouped), &rounds).await;
        }
        if let Some(staging) = server.staging.as_ref().filter(|_| rounds.is_first()) {
            // All that it needs at once, instead of what reading comes upon first.
            let needed = cold_objects(&server.reader, &plan, &[]).await?;
            if !needed.is_empty() {
                return rounds.again(staging, step.job, &needed).await;
            }
        }
        match self.computed(server, &plan, context).await {
            Ok(grouped) => self.done(server, (&plan, &grouped), &rounds).await,
            Err(Failure::Core(cold)) if cold.kind() == ErrorKind::NotStaged => {
                let Some(staging) = &server.staging else { return Err(cold) };
                let needed = cold_objects(&server.reader, &plan, cold.not_staged()).await?;
                rounds.again(staging, step.job, &needed).await
            }
            Err(failure) => Err(error_of(failure)),
        }
    }
}

impl GroupbyJob {
    async fn plan(&self, server: &Server, parameters: &Parameters) -> Result<Arc<Plan>> {
        let manifest = server.catalog.open(&parameters.dataset).await?;
        let request = request_of(&parameters.request).map_err(error_of)?;
        let plan = self.api.engine.plan(&manifest, request).await.map_err(error_of)?;
        Ok(Arc::new(plan))
    }

    /// The result, once for this job and all who wait for the same; tells how far it is, whoever began it.
    async fn computed(
        &self,
        server: &Server,
        plan: &Arc<Plan>,
        context: &JobContext,
    ) -> Result<Grouped, Failure> {
        let engine = &self.api.engine;
        let own = Arc::new(Progress::default());
        let told = async {
            loop {
                tell(context, &engine.progress(plan).unwrap_or_else(|| Arc::clone(&own)));
                context.clock().sleep(LOOK_EVERY).await;
            }
        };
        tokio::select! {
            grouped = engine.grouped(&server.reader, plan, &own) => grouped,
            () = context.cancelled() => Err(not_ready("the job was cancelled").into()),
            () = told => Err(Error::internal("nobody tells how far a job is").into()),
        }
    }

    /// Keeps the result where it outlives the server, before the job is said to have succeeded, and lets go of what was
    /// recalled for it.
    async fn done(
        &self,
        server: &Server,
        (plan, grouped): (&Arc<Plan>, &Grouped),
        rounds: &Rounds,
    ) -> Result<Outcome> {
        self.api.engine.keep(plan, grouped).await.map_err(error_of)?;
        if let Some(staging) = &server.staging {
            rounds.release(staging).await;
        }
        let result = JobResult::Elsewhere { path: plan.canonical_path().into() };
        Ok(Outcome::Done { result: Some(result), missing: None })
    }
}

/// Says how far a computation is, in source chunks.
fn tell(context: &JobContext, progress: &Progress) {
    let total = progress.total.load(Ordering::Relaxed);
    context.progress(progress.done.load(Ordering::Relaxed), (total > 0).then_some(total), "chunks");
}

/// The request of a canonical form, whose segments are those of an address.
fn request_of(canonical: &str) -> Result<Request, Failure> {
    let decoded = |segment: &str| percent_decode_str(segment).decode_utf8_lossy().into_owned();
    let mut segments = canonical.split('/').map(decoded);
    let mut next = || segments.next().unwrap_or_default();
    let (variable, grouper, action) = (next(), next(), next());
    let pair = |option: String| {
        option
            .split_once('=')
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .unwrap_or((option, String::new()))
    };
    let pairs: Vec<(String, String)> = segments.map(pair).collect();
    Request::parse(&variable, &grouper, &action, &pairs)
}

fn not_ready(message: &str) -> Error {
    Error::new(ErrorKind::Unavailable { retry_after: NOT_READY }, message)
}

/// What a job fails with.
fn error_of(failure: Failure) -> Error {
    match failure {
        Failure::Core(error) => error,
        Failure::Mistake { detail, .. } => Error::invalid_input(detail),
        Failure::Impossible(detail) => Error::refused(detail),
        Failure::TooLarge { detail, .. } => Error::new(ErrorKind::TooLarge, detail),
    }
}

#[cfg(test)]
mod tests;
