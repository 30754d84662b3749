//! Changes of a job as server-sent events: the whole document each time.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use futures::{Stream, stream};
use http::StatusCode;
use http::request::Parts;
use thermocline_core::jobs::{Job, JobId, Jobs};
use thermocline_http::identity::Presented;
use thermocline_http::jobs::JobsEngine;
use thermocline_http::links::BaseUrl;
use thermocline_http::sse::{self, Event};
use thermocline_http::{AppState, Problem};
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::broadcast::error::RecvError;

use crate::Api;
use crate::job::{document, is_there, known};

/// Shortest time from one look at a job to the next, and the longest while nothing is told: progress within a step
/// is not.
const PACE: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(2));

/// Sends a job each time it has changed, until it has ended.
pub(crate) async fn watch(
    Extension(api): Extension<Arc<Api>>,
    State(app): State<AppState>,
    JobsEngine(jobs): JobsEngine,
    Path(id): Path<String>,
    (presented, base): (Presented, BaseUrl),
    parts: Parts,
) -> Result<Response, Problem> {
    let job = known((&app, &jobs), &presented.identity(&app), &id).await?;
    let seen = sse::last_event_id(&parts.headers);
    if job.state.is_ended() && seen.is_some_and(|seen| seen >= job.change) {
        // By this browsers know that they need not come back.
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let too_many = |_| sse::too_many(api.settings.max_streams);
    let turn = Arc::clone(&api.streams).try_acquire_owned().map_err(too_many)?;
    let watch = Watch { app, jobs, presented, base, id: job.id, shown: None, _turn: turn };
    Ok(sse::respond(&parts.method, watch.events()))
}

/// A client that watches a job.
struct Watch {
    app: AppState,
    jobs: Jobs,
    /// By what the client is known.
    presented: Presented,
    base: BaseUrl,
    id: JobId,
    /// As the client knows it.
    shown: Option<Job>,
    _turn: OwnedSemaphorePermit,
}

impl Watch {
    fn events(self) -> impl Stream<Item = Event> + Send {
        stream::unfold(self, |mut watch| async move {
            let event = watch.next_event().await?;
            Some((event, watch))
        })
    }

    /// The next change; `None` when there will be none, or the job cannot be read: the client comes back then.
    async fn next_event(&mut self) -> Option<Event> {
        if self.shown.as_ref().is_some_and(|job| job.state.is_ended()) {
            return None;
        }
        loop {
            let mut changes = self.jobs.changes();
            let job = self.jobs.get(&self.id).await.ok()??;
            // Rules and tokens may have changed since the last look.
            let job =
                Some(job).filter(|job| is_there(&self.app, &self.presented.identity(&self.app), job))?;
            if self.shown.as_ref().is_none_or(|shown| has_changed(shown, &job)) {
                let document = document(&self.app, &self.base, &job).await.ok()?;
                let data = serde_json::to_string(&document).ok()?;
                let id = Some(job.change);
                self.shown = Some(job);
                return Some(Event { name: "job", id, data });
            }
            let (shortest, longest) = PACE;
            tokio::time::sleep(shortest).await;
            let told = async {
                loop {
                    match changes.recv().await {
                        Ok(Some(changed)) if changed != self.id => {}
                        Ok(_) | Err(RecvError::Lagged(_)) => return true,
                        Err(RecvError::Closed) => return false,
                    }
                }
            };
            if !tokio::time::timeout(longest, told).await.unwrap_or(true) {
                return None;
            }
        }
    }
}

/// True if there is something to tell; an estimate that is a little other is nothing.
fn has_changed(known: &Job, job: &Job) -> bool {
    known.state != job.state || known.progress != job.progress || known.reason != job.reason
}
