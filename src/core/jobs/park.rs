//! Jobs that wait: for a time, or for the end of another job.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use super::engine::{Shared, spawn};
use super::{Job, JobId};
use crate::Result;

/// When a database that could not be read is asked again.
const ASK_AGAIN: Duration = Duration::from_secs(5);

/// Shortest time from one look at a job to the next.
const PACE: Duration = Duration::from_millis(100);

/// Lets a job go on at a time, or when another job has ended; at once if neither is named, or when it is cancelled.
pub(super) fn park(
    shared: &Arc<Shared>,
    id: JobId,
    (wake_ns, wake_job): (Option<i64>, Option<JobId>),
    cancelled: CancellationToken,
) {
    let parked = Arc::clone(shared);
    spawn(shared, async move {
        let woken = async {
            if let Some(wake_ns) = wake_ns {
                let left_ns = wake_ns.saturating_sub(parked.clock.now_ns());
                parked.clock.sleep(Duration::from_nanos(u64::try_from(left_ns).unwrap_or_default())).await;
            }
            if let Some(job) = &wake_job {
                while ended(&parked, job).await.is_err() {
                    parked.clock.sleep(ASK_AGAIN).await;
                }
            }
        };
        tokio::select! {
            () = woken => {}
            () = cancelled.cancelled() => {}
        }
        parked.push(id);
    });
}

/// A job once it has ended; `None` if there is none of that name, or none any more.
pub(super) async fn ended(shared: &Shared, id: &JobId) -> Result<Option<Job>> {
    let mut changes = shared.changes.subscribe();
    loop {
        match shared.get(id).await? {
            Some(job) if !job.state.is_ended() => {}
            ended => return Ok(ended),
        }
        // Whoever lags behind looks again, but not for every change of a busy job.
        loop {
            match changes.recv().await {
                Ok(Some(changed)) if changed != *id => {}
                Ok(_) | Err(RecvError::Lagged(_)) => break,
                Err(RecvError::Closed) => return shared.get(id).await,
            }
        }
        shared.clock.sleep(PACE).await;
        changes = changes.resubscribe();
    }
}
