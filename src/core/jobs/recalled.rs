//! Jobs on data that have to be brought online first: rounds of recalls, each waited for before the work is tried.
//!
//! A round is kept in the job's checkpoint before it is waited for, and its recall is the job's own request: a step that is
//! done again after the server ended joins the recall that it began.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tracing::debug;

use super::{Job, JobContext, JobId, Outcome, Step, Wake};
use crate::manifest::Manifest;
use crate::read::Reader;
use crate::select::{Resolved, objects};
use crate::staging::{
    Face, IdempotencyKey, NewRequest, ObjectState, Request, RequestId, RequestState, Staging, Wanted,
};
use crate::{Error, ErrorKind, Result};

/// How long objects that a job needs stay online for it, if it does not end before.
const LIFETIME: Duration = Duration::from_secs(15 * 60);

/// Recalls for what somebody looks at come before those of lists.
const PRIORITY: u8 = 6;

/// Most recalls for one job: objects that are made cold again and again before they are read are not worth more.
const MAX_ROUNDS: u32 = 5;

/// Most objects that a job recalls by itself.
const MAX_OBJECTS: usize = 10_000;

/// The recalls of a job, as far as the step knows that begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rounds {
    n_rounds: u32,
    last: Option<RequestId>,
}

impl Rounds {
    /// What the checkpoint of a step says. What is no checkpoint of these is the beginning.
    pub fn of(step: &Step<'_>) -> Self {
        Self::read(step.checkpoint)
    }

    fn read(checkpoint: Option<&str>) -> Self {
        let read = checkpoint.and_then(|text| {
            let (n, id) = text.split_once(' ')?;
            Some(Self { n_rounds: n.parse().ok()?, last: Some(RequestId(id.into())) })
        });
        read.unwrap_or(Self { n_rounds: 0, last: None })
    }

    /// True if nothing was recalled yet.
    pub fn is_first(&self) -> bool {
        self.last.is_none()
    }

    fn checkpoint(n_rounds: u32, request: &RequestId) -> String {
        format!("{n_rounds} {request}")
    }

    /// How to wait for the last recall; `None` once it has succeeded, or if there was none.
    ///
    /// # Errors
    /// [`ErrorKind::RecallFailed`] if it has not.
    pub async fn awaited(&self, staging: &Staging, context: &JobContext) -> Result<Option<Outcome>> {
        let Some(id) = &self.last else { return Ok(None) };
        // A request that is forgotten has ended long ago.
        let Some(request) = staging.get(id).await? else { return Ok(None) };
        context.progress(settled(&request), Some(request.n_objects()), "objects");
        match request.state {
            RequestState::Succeeded => Ok(None),
            RequestState::Queued | RequestState::Active => {
                Ok(Some(wait_for(self.n_rounds, id, request.n_objects())))
            }
            RequestState::Partial | RequestState::Failed | RequestState::Cancelled => {
                let reason =
                    request.reason.unwrap_or_else(|| format!("the recall was {}", request.state.as_str()));
                Err(Error::new(ErrorKind::RecallFailed, reason))
            }
        }
    }

    /// Recalls what is cold, for the first time or again, and says how to wait for it.
    ///
    /// # Errors
    /// [`ErrorKind::RecallFailed`] after too many rounds; those of staging.
    pub async fn again(&self, staging: &Staging, job: &Job, needed: &[Arc<str>]) -> Result<Outcome> {
        let n_rounds = self.n_rounds;
        if n_rounds >= MAX_ROUNDS {
            let message = format!("objects were made cold {n_rounds} times before they could be read");
            return Err(Error::new(ErrorKind::RecallFailed, message));
        }
        let request = recall(staging, needed, job, n_rounds).await?;
        Ok(wait_for(n_rounds + 1, &request.id, needed.len() as u64))
    }

    /// Lets go of what was recalled, once a job has all that it wanted of it: another request may need the room.
    pub async fn release(&self, staging: &Staging) {
        let Some(id) = &self.last else { return };
        // Pins that are left end by themselves.
        if let Err(error) = staging.release(id, None).await {
            debug!(request = %id, %error, "what a job recalled stays pinned until its time is over");
        }
    }
}

fn wait_for(n_rounds: u32, request: &RequestId, n_objects: u64) -> Outcome {
    Outcome::Wait {
        checkpoint: Rounds::checkpoint(n_rounds, request),
        reason: format!("{n_objects} objects are brought online"),
        wake: Wake::Ended(JobId(Arc::clone(&request.0))),
    }
}

fn settled(request: &Request) -> u64 {
    ObjectState::ALL.into_iter().filter(|state| state.is_settled()).map(|state| request.tally(state).n).sum()
}

/// Asks for objects as the job's own request. `n_round` tells its recalls apart.
async fn recall(staging: &Staging, objects: &[Arc<str>], job: &Job, n_round: u32) -> Result<Request> {
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

/// The objects of a selection that are not online: those of `known`, which reading came upon, and all others, so that one
/// recall is enough.
///
/// # Errors
/// [`ErrorKind::TooLarge`] for more than a job recalls by itself; those of chunk tables.
pub async fn cold_objects(
    reader: &Reader,
    manifest: &Arc<Manifest>,
    selected: &Arc<Resolved>,
    known: &[Arc<str>],
) -> Result<Vec<Arc<str>>> {
    let mut found: BTreeSet<Arc<str>> = known.iter().cloned().collect();
    if let Some(recalls) = reader.recalls() {
        let residency = recalls.residency();
        let numbers = objects(manifest, selected).await?;
        let all = numbers.iter().filter_map(|number| manifest.dataset.objects.get(*number as usize));
        let bound = all
            .filter(|object| residency.is_bound(&object.href))
            .map(|object| Arc::from(object.href.as_str()));
        let bound: Vec<Arc<str>> = bound.take(MAX_OBJECTS + 1).collect();
        let places = residency.localities(&bound).await;
        let away = bound.into_iter().zip(places).filter(|(_, place)| !place.is_online());
        found.extend(away.map(|(href, _)| href));
    }
    if found.len() > MAX_OBJECTS {
        let message = format!("more than {MAX_OBJECTS} objects of a cold store are needed: select less");
        return Err(Error::new(ErrorKind::TooLarge, message));
    }
    Ok(found.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_that_is_done_again_knows_its_rounds() {
        let request = RequestId("r5".into());
        let read = Rounds::read(Some(&Rounds::checkpoint(2, &request)));
        assert_eq!(read, Rounds { n_rounds: 2, last: Some(request) });
        assert!(!read.is_first());
    }

    #[test]
    fn what_is_no_checkpoint_is_the_beginning() {
        for text in [None, Some(""), Some("2"), Some("two r5"), Some("-1 r5"), Some("4294967296 r5")] {
            assert!(Rounds::read(text).is_first(), "{text:?}");
        }
    }
}
