//! Results that take long or lie on cold stores: a job computes them, and the request is answered with its address.
//!
//! Who may cause recalls by reading may cause them here, and nobody else. The same result is the same job, as long as that
//! has not ended, whoever asks; and as long as it is kept, that is the answer, and nothing is recalled.

use std::sync::Arc;

use axum::response::Response;
use http::request::Parts;
use serde::{Deserialize, Serialize};
use thermocline_core::jobs::{Job, JobState, Jobs, NewJob, recalled};
use thermocline_core::read::Reader;
use thermocline_core::select::{Resolved, ResolvedAxis, ResolvedVariable};
use thermocline_core::{Error, ErrorKind, Result};
use thermocline_groupby::{
    AxisWeights, Engine, Estimate, Failure, Grouped, Plan, Progress, ResultAxis, WeightValues,
};
use thermocline_http::clients::Computations;
use thermocline_http::hold::{Asked, Wait};
use thermocline_http::jobs::{accepted, failure, waited};
use thermocline_http::links::{BaseUrl, peer};
use thermocline_http::{App, AppState, Problem};

use crate::api::Api;
use crate::job::KIND;
use crate::trouble::problem;

/// What a job computes. Requests of the same result have the very same text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Parameters {
    /// Entity tag of the result.
    pub(crate) etag: String,
    /// Id of the dataset.
    pub(crate) dataset: String,
    /// The request in its canonical form.
    pub(crate) request: String,
}

impl Parameters {
    /// Those of a plan.
    pub(crate) fn of(plan: &Plan) -> Self {
        Self { etag: plan.etag(), dataset: plan.manifest.id.to_string(), request: plan.request.canonical() }
    }
}

/// What comes of a request for a whole result.
pub(crate) enum Answered {
    /// The result: kept, computed, or of a job that the client waited for.
    Grouped(Grouped),
    /// A job goes on with it.
    Accepted(Response),
    /// It lies on a cold store, and this server has no jobs: the request waits as those for chunks do
    /// ([`thermocline_http::hold::held`]), and this is asked again.
    Cold(Error),
}

/// The whole result of a plan, or a job that computes it: where more than `sync_read_bytes` would be read, or objects have
/// to be recalled first.
///
/// # Errors
/// 413 beyond the limits; 429 for a client with as many computations as it may have; 403 for readers whose reads cause no recalls; those of computing, of staging and of jobs; what
/// became of the job, if the client waited for its end.
pub(crate) async fn answer_or_accept(
    api: &Api,
    app: &AppState,
    plan: &Arc<Plan>,
    (base, parts): (&BaseUrl, &Parts),
) -> Result<Answered, Problem> {
    let engine = &api.engine;
    if let Some(grouped) = engine.kept(plan).await.map_err(problem)? {
        return Ok(Answered::Grouped(grouped));
    }
    let estimate = engine.estimate(&app.reader, plan).await.map_err(problem)?;
    // Whoever asks for too much is told at once, and not by a job that fails.
    engine.check(plan, &estimate).map_err(problem)?;
    let is_cold = needs_recalls(&estimate);
    let is_long = read_bytes(&estimate) > api.settings.sync_read_bytes;
    let known = if is_cold || (is_long && app.jobs.is_some()) {
        Vec::new()
    } else {
        let _turn = Computations::of(app, parts).turn()?;
        match engine.grouped(&app.reader, plan, &Arc::new(Progress::default())).await {
            Ok(grouped) => return Ok(Answered::Grouped(grouped)),
            // Something became cold in between.
            Err(Failure::Core(error)) if error.kind() == ErrorKind::NotStaged => error.not_staged().to_vec(),
            Err(failure) => return Err(problem(failure)),
        }
    };
    let request = Requested { engine, app, plan, parts, estimate: &estimate };
    let is_cold = is_cold || !known.is_empty();
    let Some(jobs) = app.jobs.as_ref().filter(|_| !is_cold || app.staging.is_some()) else {
        let cold = request.cold_objects(&known).await?;
        return Ok(Answered::Cold(Error::needs_staging(cold)));
    };
    request.job(jobs, is_cold, (&known, base)).await
}

fn needs_recalls(estimate: &Estimate) -> bool {
    estimate.n_recalls > 0 || estimate.read_bytes_nearline > 0
}

fn read_bytes(estimate: &Estimate) -> u64 {
    estimate.read_bytes_online.saturating_add(estimate.read_bytes_nearline)
}

/// A request for a result that a job computes.
struct Requested<'r> {
    engine: &'r Engine,
    app: &'r App,
    plan: &'r Arc<Plan>,
    parts: &'r Parts,
    estimate: &'r Estimate,
}

impl Requested<'_> {
    /// What has to be recalled; of too much, what it would cost and what narrows it.
    async fn cold_objects(&self, known: &[Arc<str>]) -> Result<Vec<Arc<str>>, Problem> {
        let cold = cold_objects(&self.app.reader, self.plan, known).await;
        cold.map_err(|error| match error.kind() {
            ErrorKind::TooLarge => {
                let detail = format!("{} (sel=), along time above all", error.message());
                problem(Failure::TooLarge { detail, estimate: Box::new(self.estimate.clone()) })
            }
            _ => error.into(),
        })
    }

    async fn job(
        &self,
        jobs: &Jobs,
        is_cold: bool,
        (known, base): (&[Arc<str>], &BaseUrl),
    ) -> Result<Answered, Problem> {
        let (app, parts) = (self.app, self.parts);
        let asked = Asked { headers: &parts.headers, uri: &parts.uri, peer: peer(parts) };
        let wait = Wait::of(app, &asked, &self.plan.manifest.id);
        if is_cold && !wait.may_recall {
            return Err(wait.refusal());
        }
        let new = self.new_job(&wait)?;
        if let Some(failed) = jobs.find_failed(&new).await? {
            return Err(problem_of(&failed));
        }
        if is_cold {
            self.cold_objects(known).await?;
        }
        let job = jobs.submit_once(new).await?;
        let job = waited(app, jobs, job, parts).await?;
        if !job.state.is_ended() {
            return Ok(Answered::Accepted(accepted(parts, base, &job)?));
        }
        if job.state != JobState::Succeeded {
            return Err(problem_of(&job));
        }
        let kept = self.engine.kept(self.plan).await.map_err(problem)?;
        let gone = || Problem::unavailable("the result is not kept any more, ask for it again");
        kept.map(Answered::Grouped).ok_or_else(gone)
    }

    fn new_job(&self, wait: &Wait) -> Result<NewJob> {
        let parameters = serde_json::to_string(&Parameters::of(self.plan)).map_err(|cause| {
            Error::internal("the parameters of a job cannot be written").with_source(cause)
        })?;
        Ok(NewJob {
            kind: KIND.into(),
            owner: wait.reader.owner.clone(),
            dataset: Some(self.plan.manifest.id.clone()),
            // The job recalls by itself: a recall without a job would bring objects online for nobody.
            request: None,
            parameters,
        })
    }
}

/// Why a job has no result. What opened for this request and is refused there cannot be computed.
fn problem_of(job: &Job) -> Problem {
    let error = failure(job, "result");
    match error.kind() {
        ErrorKind::Refused => problem(Failure::Impossible(error.message().to_owned())),
        _ => problem(error.into()),
    }
}

/// A variable of weights that is read, whole.
fn stored_weights(plan: &Plan, weights: &AxisWeights) -> Option<ResolvedVariable> {
    let WeightValues::Stored(path) = &weights.values else { return None };
    let axes = weights.axes.iter().filter_map(|axis| plan.axes.get(*axis));
    let axis =
        |of: &ResultAxis| ResolvedAxis { dim: of.dim.clone(), len: of.len, indices: None, is_single: false };
    Some(ResolvedVariable { path: path.clone(), axes: axes.map(axis).collect(), masks: Vec::new() })
}

/// The objects of a result that are not online: those of `known`, which reading came upon, and all others of its selection
/// and of its weights, so that one recall is enough.
///
/// # Errors
/// [`ErrorKind::TooLarge`] for more than a job recalls by itself.
pub(crate) async fn cold_objects(reader: &Reader, plan: &Plan, known: &[Arc<str>]) -> Result<Vec<Arc<str>>> {
    let axis = |axis: &ResultAxis| ResolvedAxis {
        dim: axis.dim.clone(),
        len: axis.len,
        indices: axis.indices.clone(),
        is_single: axis.is_single,
    };
    let mut variables = vec![ResolvedVariable {
        path: plan.path.clone(),
        axes: plan.axes.iter().map(axis).collect(),
        masks: plan.masks.clone(),
    }];
    variables.extend(plan.weights.iter().filter_map(|weights| stored_weights(plan, weights)));
    let selected = Arc::new(Resolved { variables });
    recalled::cold_objects(reader, &plan.manifest, &selected, known).await
}
