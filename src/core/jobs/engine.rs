//! Workers that do the steps of jobs.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use parking_lot::Mutex;
use tokio::sync::{Notify, Semaphore, broadcast};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{error, info, warn};

use super::step::{JobContext, JobKind, Outcome, Step, Wake};
use super::table::{self, Task, Turn};
use super::turns::{self, Turns};
use super::{
    Job, JobFailure, JobFilter, JobId, JobSource, JobState, JobsParts, JobsSettings, NewJob, Progress, park,
};
use crate::clock::{Clock, nanoseconds};
use crate::state::Database;
use crate::{Error, ErrorKind, Result};

/// Changes that are kept for those who lag behind.
const MAX_CHANGES: usize = 1024;

/// Between one look for jobs that are to be forgotten and the next.
const FORGET_EVERY: Duration = Duration::from_secs(600);

/// Jobs that are forgotten in one transaction.
const FORGOTTEN_AT_ONCE: u32 = 1000;

/// First wait before a failed step is tried again; each further one is twice as long.
const FIRST_BACK_OFF: Duration = Duration::from_secs(5);

/// Longest wait before a failed step is tried again.
const MAX_BACK_OFF: Duration = Duration::from_secs(600);

/// What the engine has.
pub(super) struct Shared {
    pub(super) database: Database,
    pub(super) kinds: HashMap<&'static str, Arc<dyn JobKind>>,
    pub(super) sources: Vec<Arc<dyn JobSource>>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) settings: JobsSettings,
    pub(super) changes: broadcast::Sender<Option<JobId>>,
    pub(super) tasks: TaskTracker,
    pub(super) stop: CancellationToken,
    /// Jobs whose next step can be done.
    ready: Mutex<VecDeque<JobId>>,
    became_ready: Notify,
    /// How many steps of each kind are under way.
    pub(super) turns: Turns,
    /// Held by a step during which the server has ended more than once: such steps run one after the other, so
    /// that the one that ends the server is told from those beside it.
    suspects: Semaphore,
    /// Jobs that have not ended, as far as somebody may want to reach them.
    active: Mutex<HashMap<JobId, Active>>,
}

/// A job that has not ended.
#[derive(Clone, Default)]
pub(super) struct Active {
    pub(super) cancelled: CancellationToken,
    pub(super) progress: Arc<Mutex<Option<Progress>>>,
}

impl Shared {
    pub(super) async fn open(parts: JobsParts) -> Result<Self> {
        let JobsParts { database, kinds, sources, clock, settings } = parts;
        let mut named: HashMap<&'static str, Arc<dyn JobKind>> = HashMap::new();
        for kind in kinds {
            let name = kind.kind();
            if named.insert(name, kind).is_some() {
                return Err(Error::invalid_input(format!("two kinds of jobs are called \"{name}\"")));
            }
        }
        // A database that cannot be read is a reason not to start.
        database.read(|connection| table::active(connection).map(drop)).await?;
        Ok(Self {
            database,
            kinds: named,
            sources,
            clock,
            settings,
            changes: broadcast::Sender::new(MAX_CHANGES),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            ready: Mutex::default(),
            became_ready: Notify::new(),
            turns: Turns::default(),
            suspects: Semaphore::new(1),
            active: Mutex::default(),
        })
    }

    /// Folder of a job's files. Names of jobs are letters and digits.
    pub(super) fn folder(&self, id: &JobId) -> PathBuf {
        self.settings.results_dir.join(&*id.0)
    }

    pub(super) async fn get(&self, id: &JobId) -> Result<Option<Job>> {
        let key = id.clone();
        if let Some(job) = self.database.read(move |connection| table::get(connection, &key)).await? {
            return Ok(Some(self.with_progress(job)));
        }
        for source in &self.sources {
            if let Some(job) = source.job(id).await? {
                return Ok(Some(job));
            }
        }
        Ok(None)
    }

    pub(super) async fn own_jobs(&self, filter: &JobFilter) -> Result<Vec<Job>> {
        let filter = filter.clone();
        let jobs = self.database.read(move |connection| table::list(connection, &filter)).await?;
        Ok(jobs.into_iter().map(|job| self.with_progress(job)).collect())
    }

    /// A job with what its step has said since it was kept.
    fn with_progress(&self, mut job: Job) -> Job {
        if job.state == JobState::Running
            && let Some(active) = self.active.lock().get(&job.id)
            && let Some(progress) = active.progress.lock().clone()
        {
            job.progress = Some(progress);
        }
        job
    }

    /// Puts a job at the end of those whose step can be done.
    pub(super) fn push(&self, id: JobId) {
        self.ready.lock().push_back(id);
        self.became_ready.notify_one();
    }

    pub(super) fn tell(&self, id: &JobId) {
        // Nobody may be listening.
        let _ = self.changes.send(Some(id.clone()));
    }

    pub(super) fn activity(&self, id: &JobId) -> Active {
        self.active.lock().entry(id.clone()).or_default().clone()
    }

    fn forget_activity(&self, id: &JobId) {
        self.active.lock().remove(id);
    }

    async fn next_ready(&self) -> JobId {
        loop {
            let next = self.ready.lock().pop_front();
            if let Some(id) = next {
                // One permit may stand for several jobs.
                self.became_ready.notify_one();
                return id;
            }
            self.became_ready.notified().await;
        }
    }

    /// When a job that ends now ended, and is forgotten.
    fn ending(&self) -> (i64, i64) {
        let now_ns = self.clock.now_ns();
        (now_ns, now_ns.saturating_add(nanoseconds(self.settings.keep_results)))
    }

    fn cancelled(&self) -> Turn {
        Turn { state: Some(JobState::Cancelled), ended: Some(self.ending()), ..Turn::default() }
    }
}

/// Goes on with what was under way.
pub(super) async fn start(shared: &Arc<Shared>) -> Result<()> {
    shared.database.write(table::count_deaths).await?;
    for id in shared.database.read(table::active).await? {
        let key = id.clone();
        let Some(task) = shared.database.read(move |connection| table::task(connection, &key)).await? else {
            continue;
        };
        match task.job.state {
            JobState::Waiting => {
                let cancelled = shared.activity(&id).cancelled;
                park::park(shared, id, (task.wake_ns, task.wake_job), cancelled);
            }
            _ => shared.push(id),
        }
    }
    for source in &shared.sources {
        let mut changes = source.changes();
        let sender = shared.changes.clone();
        spawn(shared, async move {
            while let Some(change) = changes.next().await {
                let _ = sender.send(change);
            }
        });
    }
    for _ in 0..shared.settings.workers.max(1) {
        let worker = Arc::clone(shared);
        spawn(shared, async move {
            loop {
                let id = worker.next_ready().await;
                work(&worker, &id).await;
            }
        });
    }
    let forgetter = Arc::clone(shared);
    spawn(shared, async move {
        loop {
            forget_expired(&forgetter).await;
            forgetter.clock.sleep(FORGET_EVERY).await;
        }
    });
    Ok(())
}

/// Runs beside requests until the engine stops.
pub(super) fn spawn(shared: &Arc<Shared>, work: impl Future<Output = ()> + Send + 'static) {
    let stop = shared.stop.clone();
    shared.tasks.spawn(async move {
        tokio::select! {
            () = stop.cancelled() => {}
            () = work => {}
        }
    });
}

/// Accepts a job, unless one with the same parameters has not ended: then gives that.
pub(super) async fn submit_once(shared: &Arc<Shared>, new: NewJob) -> Result<Job> {
    let (kind, parameters) = (Arc::clone(&new.kind), new.parameters.clone());
    check_kind(shared, &kind)?;
    let now_ns = shared.clock.now_ns();
    let id = new_id(now_ns);
    let (key, max_active) = (id.clone(), shared.settings.max_active);
    let write = move |connection: &_| match table::same(connection, &kind, &parameters)? {
        Some(known) => Ok(known),
        None => table::insert(connection, &key, &new, now_ns, max_active),
    };
    let job = shared.database.write(write).await?;
    if job.id == id {
        begin(shared, &job);
    }
    Ok(job)
}

pub(super) async fn submit(shared: &Arc<Shared>, new: NewJob) -> Result<Job> {
    check_kind(shared, &new.kind)?;
    let now_ns = shared.clock.now_ns();
    let id = new_id(now_ns);
    let max_active = shared.settings.max_active;
    let write = move |connection: &_| table::insert(connection, &id, &new, now_ns, max_active);
    let job = shared.database.write(write).await?;
    begin(shared, &job);
    Ok(job)
}

fn begin(shared: &Arc<Shared>, job: &Job) {
    info!(job = %job.id, kind = %job.kind, owner = %job.owner, "job accepted");
    shared.push(job.id.clone());
    shared.tell(&job.id);
}

fn check_kind(shared: &Shared, kind: &str) -> Result<()> {
    if shared.kinds.contains_key(kind) {
        return Ok(());
    }
    let mut kinds: Vec<&str> = shared.kinds.keys().copied().collect();
    kinds.sort_unstable();
    Err(Error::invalid_input(format!("there are no jobs of kind {kind:?}, but of {}", kinds.join(", "))))
}

/// A letter, the time and a random number.
fn new_id(now_ns: i64) -> JobId {
    let random = RandomState::new().build_hasher().finish();
    JobId(format!("j{now_ns:x}{random:016x}").into())
}

pub(super) async fn cancel(shared: &Arc<Shared>, id: &JobId) -> Result<Option<Job>> {
    let (key, end) = (id.clone(), shared.cancelled());
    let job = shared.database.write(move |connection| table::cancel(connection, &key, &end)).await?;
    let Some(job) = job else { return Ok(None) };
    // Its step may begin at this moment: it finds what is left here.
    shared.activity(id).cancelled.cancel();
    if job.state.is_ended() {
        shared.forget_activity(id);
    }
    shared.tell(id);
    Ok(Some(job))
}

/// Does one step of a job and keeps what came of it, if its kind has a turn.
async fn work(shared: &Arc<Shared>, id: &JobId) {
    let kept = turns::Turn::kept(shared, id);
    let key = id.clone();
    let task = match shared.database.read(move |connection| table::task(connection, &key)).await {
        Ok(Some(task)) if !task.job.state.is_ended() => task,
        Ok(_) => return shared.forget_activity(id),
        Err(error) => return postpone(shared, id, &error),
    };
    // Taken before it is said to run; what is no kind any more fails at once.
    let _its_turn = match (kept, shared.kinds.get(&*task.job.kind)) {
        (None, Some(kind)) => {
            let most = kind.most_at_once(shared.settings.workers);
            match turns::Turn::take(shared, kind.kind(), id, most) {
                Some(turn) => Some(turn),
                None => return,
            }
        }
        (kept, _) => kept,
    };
    let turn = if task.is_cancelled { Ok(shared.cancelled()) } else { stepped(shared, &task).await };
    let turn = match turn {
        Ok(turn) => turn,
        Err(error) => return postpone(shared, id, &error),
    };
    let wake = (turn.wake_ns, turn.wake_job.clone());
    // Taken before others see that it waits: who cancels it then wakes it.
    let cancelled = shared.activity(id).cancelled;
    let key = id.clone();
    match shared.database.write(move |connection| table::turn(connection, &key, &turn)).await {
        Ok(Some(job)) if job.state.is_ended() => ended(shared, &job),
        Ok(Some(job)) if job.state == JobState::Waiting => {
            shared.tell(id);
            park::park(shared, job.id, wake, cancelled);
        }
        Ok(Some(job)) => shared.push(job.id),
        Ok(None) => shared.forget_activity(id),
        Err(error) => postpone(shared, id, &error),
    }
}

fn ended(shared: &Shared, job: &Job) {
    info!(job = %job.id, kind = %job.kind, state = job.state.as_str(), "job ended");
    shared.forget_activity(&job.id);
    shared.tell(&job.id);
}

/// Tries again later what the database did not take: the step is done again from its last checkpoint.
fn postpone(shared: &Arc<Shared>, id: &JobId, error: &Error) {
    warn!(job = %id, %error, "job cannot be kept, will retry");
    let wake_ns = shared.clock.now_ns().saturating_add(nanoseconds(FIRST_BACK_OFF));
    park::park(shared, id.clone(), (Some(wake_ns), None), shared.activity(id).cancelled);
}

/// Does the step of a job, and says what is to be written of it.
async fn stepped(shared: &Arc<Shared>, task: &Task) -> Result<Turn> {
    let job = &task.job;
    let Some(kind) = shared.kinds.get(&*job.kind).cloned() else {
        return Ok(failed(
            shared,
            &Error::unsupported(format!("nothing here does jobs of kind {:?} any more", job.kind)),
        ));
    };
    if task.deaths >= shared.settings.max_attempts {
        error!(job = %job.id, kind = %job.kind, n_deaths = task.deaths, "job failed: the server ends while it runs");
        let message =
            format!("the server has ended {} times while this job ran: it is not tried again", task.deaths);
        return Ok(failed(shared, &Error::internal(message)));
    }
    let active = shared.activity(&job.id);
    let _alone = if task.deaths > 1 {
        tokio::select! {
            // Never closed.
            turn = shared.suspects.acquire() => turn.ok(),
            () = active.cancelled.cancelled() => return Ok(shared.cancelled()),
        }
    } else {
        None
    };
    let begins = Turn {
        state: Some(JobState::Running),
        attempts: task.attempts,
        started_ns: Some(shared.clock.now_ns()),
        ..Turn::default()
    };
    let key = job.id.clone();
    let begun = shared.database.write(move |connection| table::turn(connection, &key, &begins)).await?;
    if begun.is_none_or(|job| job.state.is_ended()) {
        // It was cancelled a moment ago: nothing more happens to it.
        return Ok(Turn::default());
    }
    shared.tell(&job.id);
    let outcome = match make_folder(shared.folder(&job.id)).await {
        Ok(()) => run(shared, kind, task, &active).await,
        Err(error) => Some(Err(error)),
    };
    let progress = active.progress.lock().take();
    let turn = match outcome {
        // A job that has done all its work in the meantime has not been cancelled.
        Some(Ok(outcome @ Outcome::Done { .. })) => after(shared, outcome),
        _ if active.cancelled.is_cancelled() => shared.cancelled(),
        Some(Ok(outcome)) => after(shared, outcome),
        Some(Err(error)) => failed_or_again(shared, task, &error),
        None => shared.cancelled(),
    };
    Ok(Turn { progress, ..turn })
}

/// Runs a step on a task of its own, so that its panic ends nothing else; `None` if it was dropped.
async fn run(
    shared: &Arc<Shared>,
    kind: Arc<dyn JobKind>,
    task: &Task,
    active: &Active,
) -> Option<Result<Outcome>> {
    let context = JobContext {
        folder: shared.folder(&task.job.id),
        cancelled: active.cancelled.clone(),
        clock: Arc::clone(&shared.clock),
        progress: Arc::clone(&active.progress),
    };
    let (job, parameters, checkpoint) = (task.job.clone(), task.parameters.clone(), task.checkpoint.clone());
    let step = shared.tasks.spawn(async move {
        let step = Step { job: &job, parameters: &parameters, checkpoint: checkpoint.as_deref() };
        kind.step(step, &context).await
    });
    let dropped = AbortOnDrop(step.abort_handle());
    let (clock, grace) = (Arc::clone(&shared.clock), shared.settings.cancel_grace);
    let cancelled = active.cancelled.clone();
    let too_late = async move {
        cancelled.cancelled().await;
        clock.sleep(grace).await;
    };
    let done = tokio::select! {
        done = step => Some(done),
        () = too_late => None,
    };
    drop(dropped);
    match done? {
        Ok(outcome) => Some(outcome),
        Err(cause) => {
            error!(job = %task.job.id, kind = %task.job.kind, error = %cause, "step of a job stopped by a mistake");
            Some(Err(Error::internal("the job stopped by a mistake of this program")))
        }
    }
}

/// Ends a step when whoever waits for it ends.
struct AbortOnDrop(tokio::task::AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn make_folder(folder: PathBuf) -> Result<()> {
    crate::manifest::blocking(move || {
        std::fs::create_dir_all(&folder).map_err(|cause| {
            let kind = ErrorKind::Unavailable { retry_after: Duration::from_secs(60) };
            Error::new(kind, "the folder of the job's results cannot be made").with_source(cause)
        })
    })
    .await
}

fn after(shared: &Shared, outcome: Outcome) -> Turn {
    match outcome {
        Outcome::Continue { checkpoint } => {
            Turn { state: Some(JobState::Queued), checkpoint: Some(checkpoint), ..Turn::default() }
        }
        Outcome::Wait { checkpoint, reason, wake } => {
            let (wake_ns, wake_job) = match wake {
                Wake::After(time) => (Some(shared.clock.now_ns().saturating_add(nanoseconds(time))), None),
                Wake::Ended(job) => (None, Some(job)),
            };
            let (reason, checkpoint) = (Some(reason), Some(checkpoint));
            Turn { state: Some(JobState::Waiting), reason, checkpoint, wake_ns, wake_job, ..Turn::default() }
        }
        Outcome::Done { result, missing } => {
            let state = if missing.is_some() { JobState::Partial } else { JobState::Succeeded };
            Turn {
                state: Some(state),
                reason: missing,
                result,
                ended: Some(shared.ending()),
                ..Turn::default()
            }
        }
    }
}

fn failed(shared: &Shared, error: &Error) -> Turn {
    let failure = JobFailure { kind: error.kind(), message: error.message().to_owned() };
    Turn {
        state: Some(JobState::Failed),
        reason: Some(error.message().to_owned()),
        failure: Some(failure),
        ended: Some(shared.ending()),
        ..Turn::default()
    }
}

/// A step that failed is done again if the reason may pass.
fn failed_or_again(shared: &Shared, task: &Task, error: &Error) -> Turn {
    let (job, attempts) = (&task.job, task.attempts.saturating_add(1));
    let retry_after = match error.kind() {
        ErrorKind::Unavailable { retry_after } | ErrorKind::Changed { retry_after } => retry_after,
        _ => {
            warn!(job = %job.id, kind = %job.kind, %error, "job failed");
            return failed(shared, error);
        }
    };
    if attempts >= shared.settings.max_attempts {
        warn!(job = %job.id, kind = %job.kind, %error, attempts, "job failed");
        return failed(shared, error);
    }
    warn!(job = %job.id, kind = %job.kind, %error, attempts, "step of a job failed, will retry");
    let doubled = FIRST_BACK_OFF.saturating_mul(1 << task.attempts.min(16));
    let pause = doubled.min(MAX_BACK_OFF).max(retry_after);
    Turn {
        state: Some(JobState::Waiting),
        reason: Some(format!("will be tried again: {}", error.message())),
        attempts,
        wake_ns: Some(shared.clock.now_ns().saturating_add(nanoseconds(pause))),
        ..Turn::default()
    }
}

/// Forgets jobs whose time has come, their files first.
async fn forget_expired(shared: &Arc<Shared>) {
    loop {
        let now_ns = shared.clock.now_ns();
        let found =
            shared.database.read(move |connection| table::expired(connection, now_ns, FORGOTTEN_AT_ONCE));
        let ids = match found.await {
            Ok(ids) if ids.is_empty() => return,
            Ok(ids) => ids,
            Err(error) => return warn!(%error, "ended jobs cannot be listed, will retry"),
        };
        let n_found = ids.len();
        let folders: Vec<(JobId, PathBuf)> =
            ids.into_iter().map(|id| (id.clone(), shared.folder(&id))).collect();
        let deleted = crate::manifest::blocking(move || Ok(delete_folders(folders))).await;
        let ids = match deleted {
            Ok(ids) => ids,
            Err(error) => return warn!(%error, "results of ended jobs cannot be deleted, will retry"),
        };
        let are_some_left = ids.len() < n_found;
        if let Err(error) = shared.database.write(move |connection| table::forget(connection, &ids)).await {
            return warn!(%error, "ended jobs cannot be forgotten, will retry");
        }
        if are_some_left {
            return;
        }
    }
}

/// Deletes folders of results, and says whose are gone: one that cannot be deleted keeps no other from it. Blocking.
fn delete_folders(folders: Vec<(JobId, PathBuf)>) -> Vec<JobId> {
    let is_gone = |(job, folder): &(JobId, PathBuf)| match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            warn!(%job, %error, "result of an ended job cannot be deleted, will retry");
            false
        }
        _ => true,
    };
    folders.into_iter().filter(is_gone).map(|(job, _)| job).collect()
}
