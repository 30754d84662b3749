//! Staging requests as jobs of kind `stage`, under the same names.

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use tokio::sync::broadcast::error::RecvError;

use super::{Job, JobFailure, JobFilter, JobId, JobResult, JobSource, JobState, Progress};
use crate::staging::{Event, ObjectState, Request, RequestFilter, RequestId, RequestState, Staging};
use crate::{ErrorKind, Result};

/// The kind of these jobs.
const KIND: &str = "stage";

#[async_trait]
impl JobSource for Staging {
    async fn job(&self, id: &JobId) -> Result<Option<Job>> {
        let request = self.get(&RequestId(id.0.clone())).await?;
        Ok(request.map(Job::from))
    }

    async fn jobs(&self, filter: &JobFilter) -> Result<Vec<Job>> {
        if filter.kind.as_deref().is_some_and(|kind| kind != KIND) {
            return Ok(Vec::new());
        }
        let state = match filter.state.map(request_state) {
            Some(None) => return Ok(Vec::new()),
            Some(state) => state,
            None => None,
        };
        let mut asked = RequestFilter {
            owner: filter.owner.clone(),
            state,
            // Requests of the same nanosecond come again, and are left out below.
            created_before_ns: filter.after.as_ref().map(|place| place.created_ns.saturating_add(1)),
            limit: filter.limit,
            ..RequestFilter::default()
        };
        let mut found = Vec::new();
        loop {
            let page: Vec<Request> = self.list(asked.clone()).await?;
            let is_last = page.len() < asked.limit;
            asked.after = page.last().map(|request| request.id.clone());
            let jobs = page.into_iter().map(Job::from);
            found.extend(jobs.filter(|job| filter.after.as_ref().is_none_or(|after| job.place() < *after)));
            if is_last || found.len() >= filter.limit {
                return Ok(found);
            }
        }
    }

    async fn cancel(&self, id: &JobId) -> Result<Option<Job>> {
        let id = RequestId(id.0.clone());
        match self.get(&id).await? {
            Some(request) if request.state.is_ended() => Ok(Some(request.into())),
            Some(_) => Ok(Some(Staging::cancel(self, &id).await?.into())),
            None => Ok(None),
        }
    }

    fn changes(&self) -> BoxStream<'static, Option<JobId>> {
        let events = self.events();
        let changes = stream::unfold(events, |mut events| async move {
            loop {
                match events.recv().await {
                    // Counts follow the objects: one change for each of 100,000 objects tells no more.
                    Ok(Event::Object { .. }) => {}
                    Ok(Event::Progress(request) | Event::Request(request)) => {
                        return Some((Some(JobId(request.id.0.clone())), events));
                    }
                    Err(RecvError::Lagged(_)) => return Some((None, events)),
                    Err(RecvError::Closed) => return None,
                }
            }
        });
        changes.boxed()
    }
}

impl From<Request> for Job {
    fn from(request: Request) -> Self {
        let n_settled = ObjectState::ALL.into_iter().filter(|state| state.is_settled());
        let n_settled = n_settled.map(|state| request.tally(state).n).sum();
        let progress = Progress { done: n_settled, total: Some(request.n_objects()), unit: "objects".into() };
        let failure = (request.state == RequestState::Failed).then(|| JobFailure {
            kind: ErrorKind::RecallFailed,
            message: request.reason.clone().unwrap_or_else(|| "no object could be brought online".to_owned()),
        });
        let result = JobResult::Elsewhere { path: format!("/requests/{}/objects", request.id).into() };
        Self {
            id: JobId(request.id.0.clone()),
            kind: KIND.into(),
            owner: request.owner,
            state: job_state(request.state),
            reason: request.reason,
            progress: Some(progress),
            estimate: request.estimate,
            dataset: request.dataset,
            request: Some(request.id),
            created_ns: request.created_ns,
            started_ns: request.started_ns,
            finished_ns: request.finished_ns,
            expires_ns: request.expires_ns,
            failure,
            result: request.state.is_ended().then_some(result),
            change: request.change,
        }
    }
}

fn job_state(state: RequestState) -> JobState {
    match state {
        RequestState::Queued => JobState::Queued,
        RequestState::Active => JobState::Running,
        RequestState::Succeeded => JobState::Succeeded,
        RequestState::Partial => JobState::Partial,
        RequestState::Failed => JobState::Failed,
        RequestState::Cancelled => JobState::Cancelled,
    }
}

/// The state of requests that is shown as this one.
fn request_state(state: JobState) -> Option<RequestState> {
    match state {
        JobState::Queued => Some(RequestState::Queued),
        JobState::Waiting => None,
        JobState::Running => Some(RequestState::Active),
        JobState::Succeeded => Some(RequestState::Succeeded),
        JobState::Partial => Some(RequestState::Partial),
        JobState::Failed => Some(RequestState::Failed),
        JobState::Cancelled => Some(RequestState::Cancelled),
    }
}
