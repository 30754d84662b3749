//! What the engine of jobs promises, over a database on disk and a clock that the tests move.

use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use tempfile::TempDir;

use super::*;
use crate::clock::ManualClock;
use crate::staging::Owner;
use crate::state::DatabaseSettings;

/// A kind of work that does as its parameters say, a word for each step.
#[derive(Default)]
struct Toy {
    n_steps: AtomicUsize,
}

#[async_trait]
impl JobKind for Toy {
    fn kind(&self) -> &'static str {
        "toy"
    }

    async fn step(&self, step: Step<'_>, context: &JobContext) -> Result<Outcome> {
        self.n_steps.fetch_add(1, Ordering::SeqCst);
        let words: Vec<&str> = step.parameters.split(' ').collect();
        let position: usize = step.checkpoint.map_or(0, |text| text.parse().unwrap());
        let checkpoint = (position + 1).to_string();
        context.progress(position as u64, Some(words.len() as u64), "steps");
        match words.get(position).copied() {
            Some("step") => Ok(Outcome::Continue { checkpoint }),
            Some("wait") => Ok(Outcome::Wait {
                checkpoint,
                reason: "waits for the clock".to_owned(),
                wake: Wake::After(Duration::from_secs(60)),
            }),
            Some("busy") => {
                let kind = ErrorKind::Unavailable { retry_after: Duration::from_secs(1) };
                Err(Error::new(kind, "the store is busy"))
            }
            Some("fail") => Err(Error::new(ErrorKind::Corrupt, "the stored bytes are damaged")),
            Some("panic") => panic!("a mistake"),
            Some("hang") => std::future::pending().await,
            Some("obey") => {
                context.cancelled().await;
                Ok(Outcome::Continue { checkpoint })
            }
            Some("partial") => {
                Ok(Outcome::Done { result: None, missing: Some("one of two is missing".to_owned()) })
            }
            Some(other) if other.starts_with("after:") => Ok(Outcome::Wait {
                checkpoint,
                reason: "waits for another job".to_owned(),
                wake: Wake::Ended(JobId(other.trim_start_matches("after:").into())),
            }),
            _ => {
                std::fs::write(context.folder().join("answer.txt"), "42").unwrap();
                let (name, media_type) = ("answer.txt".into(), "text/plain".into());
                Ok(Outcome::Done {
                    result: Some(JobResult::File { name, media_type, len_bytes: 2 }),
                    missing: None,
                })
            }
        }
    }
}

/// A kind of work whose steps take until somebody cancels them, and leave a worker to others.
struct Lengthy;

#[async_trait]
impl JobKind for Lengthy {
    fn kind(&self) -> &'static str {
        "lengthy"
    }

    fn most_at_once(&self, workers: usize) -> usize {
        workers - 1
    }

    async fn step(&self, _: Step<'_>, context: &JobContext) -> Result<Outcome> {
        context.cancelled().await;
        Ok(Outcome::Continue { checkpoint: String::new() })
    }
}

struct World {
    dir: TempDir,
    clock: ManualClock,
    toy: Arc<Toy>,
}

impl World {
    fn new() -> Self {
        Self { dir: TempDir::new().unwrap(), clock: ManualClock::new(1_000), toy: Arc::default() }
    }

    async fn jobs(&self) -> Jobs {
        let settings = DatabaseSettings::new(self.dir.path().join("jobs.sqlite"));
        let jobs = Jobs::open(JobsParts {
            database: Database::open(settings, Jobs::MIGRATIONS).unwrap(),
            kinds: vec![Arc::clone(&self.toy) as _, Arc::new(Lengthy)],
            sources: Vec::new(),
            clock: Arc::new(self.clock.clone()),
            settings: JobsSettings {
                max_active: 3,
                results_dir: self.dir.path().join("results"),
                ..JobsSettings::default()
            },
        });
        let jobs = jobs.await.unwrap();
        jobs.start().await.unwrap();
        jobs
    }
}

fn toy(parameters: &str) -> NewJob {
    NewJob {
        kind: "toy".into(),
        owner: Owner::anonymous(),
        dataset: None,
        request: None,
        parameters: parameters.to_owned(),
    }
}

/// The job once it is in a state; the clock goes on meanwhile, so that whatever waits for it is woken.
async fn reaches(jobs: &Jobs, id: &JobId, state: JobState) -> Job {
    let mut changes = jobs.changes();
    loop {
        let job = jobs.get(id).await.unwrap().unwrap();
        if job.state == state {
            return job;
        }
        assert!(!job.state.is_ended(), "{job:?}");
        changes.recv().await.unwrap();
    }
}

/// The job once it has ended, with as much time as it takes.
async fn ends(world: &World, jobs: &Jobs, id: &JobId) -> Job {
    loop {
        let job = jobs.get(id).await.unwrap().unwrap();
        if job.state.is_ended() {
            return job;
        }
        world.clock.advance(Duration::from_secs(1));
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn work_that_is_asked_for_again_is_joined_until_it_has_ended_also_after_a_restart() {
    let world = World::new();
    let jobs = world.jobs().await;
    let (first, same) = tokio::join!(jobs.submit_once(toy("wait")), jobs.submit_once(toy("wait")));
    let (first, same) = (first.unwrap(), same.unwrap());
    assert_eq!(first.id, same.id);
    assert_ne!(jobs.submit_once(toy("wait wait")).await.unwrap().id, first.id);
    jobs.shut_down().await;

    let jobs = world.jobs().await;
    assert_eq!(jobs.submit_once(toy("wait")).await.unwrap().id, first.id);
    assert_eq!(jobs.find_succeeded(&toy("wait")).await.unwrap(), None);
    assert_eq!(ends(&world, &jobs, &first.id).await.state, JobState::Succeeded);
    let done = jobs.find_succeeded(&toy("wait")).await.unwrap().map(|job| job.id);
    assert_eq!(done, Some(first.id.clone()), "what came of it can be used");
    assert_eq!(jobs.find_succeeded(&toy("step")).await.unwrap(), None);
    assert_ne!(jobs.submit_once(toy("wait")).await.unwrap().id, first.id);
    jobs.shut_down().await;
}

#[tokio::test]
async fn what_failed_for_a_reason_that_lasts_is_known_for_a_while() {
    let world = World::new();
    let jobs = world.jobs().await;
    assert_eq!(jobs.find_failed(&toy("fail")).await.unwrap(), None);
    let failed = jobs.submit_once(toy("fail")).await.unwrap();
    assert_eq!(ends(&world, &jobs, &failed.id).await.state, JobState::Failed);
    assert_eq!(jobs.find_failed(&toy("fail")).await.unwrap().map(|job| job.id), Some(failed.id));
    world.clock.advance(FAILED_LATELY);
    assert_eq!(jobs.find_failed(&toy("fail")).await.unwrap(), None, "it is tried again later");

    let busy = jobs.submit_once(toy("busy")).await.unwrap();
    assert_eq!(ends(&world, &jobs, &busy.id).await.state, JobState::Failed);
    assert_eq!(jobs.find_failed(&toy("busy")).await.unwrap(), None, "a store that was busy is not for ever");
}

#[tokio::test]
async fn a_kind_that_takes_long_leaves_a_worker_to_others_and_comes_one_after_the_other() {
    let world = World::new();
    let jobs = world.jobs().await;
    let lengthy = || NewJob { kind: "lengthy".into(), ..toy("") };
    let first = jobs.submit(lengthy()).await.unwrap();
    let second = jobs.submit(lengthy()).await.unwrap();
    let other = jobs.submit(toy("step")).await.unwrap();
    assert_eq!(ends(&world, &jobs, &other.id).await.state, JobState::Succeeded);
    reaches(&jobs, &first.id, JobState::Running).await;
    assert_eq!(jobs.get(&second.id).await.unwrap().unwrap().state, JobState::Queued);

    let third = jobs.submit(lengthy()).await.unwrap();
    jobs.cancel(&second.id).await.unwrap();
    jobs.cancel(&first.id).await.unwrap();
    reaches(&jobs, &third.id, JobState::Running).await;
    assert_eq!(jobs.get(&first.id).await.unwrap().unwrap().state, JobState::Cancelled);
    jobs.shut_down().await;
}

#[tokio::test]
async fn a_job_does_its_steps_and_keeps_its_result() {
    let world = World::new();
    let jobs = world.jobs().await;
    let job = jobs.submit(toy("step wait step")).await.unwrap();
    assert_eq!(job.state, JobState::Queued);

    let waiting = reaches(&jobs, &job.id, JobState::Waiting).await;
    assert_eq!(waiting.reason.as_deref(), Some("waits for the clock"));
    let done = ends(&world, &jobs, &job.id).await;

    assert_eq!((done.state, done.failure.clone()), (JobState::Succeeded, None));
    assert_eq!(done.progress.as_ref().map(|progress| progress.done), Some(3));
    assert_eq!(std::fs::read_to_string(jobs.result_file(&done).unwrap()).unwrap(), "42");
    assert!(done.finished_ns >= done.started_ns && done.started_ns >= Some(done.created_ns));
}

#[tokio::test]
async fn a_job_goes_on_after_a_restart_where_its_last_step_ended() {
    let world = World::new();
    let jobs = world.jobs().await;
    let hanging = jobs.submit(toy("step hang")).await.unwrap();
    let waiting = jobs.submit(toy("step wait")).await.unwrap();
    reaches(&jobs, &hanging.id, JobState::Running).await;
    reaches(&jobs, &waiting.id, JobState::Waiting).await;
    while world.toy.n_steps.load(Ordering::SeqCst) < 4 {
        tokio::task::yield_now().await;
    }
    jobs.shut_down().await;

    let again = world.jobs().await;
    let done = ends(&world, &again, &waiting.id).await;
    assert_eq!(done.state, JobState::Succeeded);
    while world.toy.n_steps.load(Ordering::SeqCst) < 6 {
        tokio::task::yield_now().await;
    }
    let running = again.get(&hanging.id).await.unwrap().unwrap();
    assert_eq!(running.state, JobState::Running, "the hanging step is done again, the one before it is not");
}

/// Ends the engine as the end of its process does.
async fn die(jobs: Jobs) {
    jobs.shared.stop.cancel();
    jobs.shared.tasks.close();
    jobs.shared.tasks.wait().await;
}

#[tokio::test]
async fn a_step_with_which_the_server_ends_each_time_fails_and_those_beside_it_do_not() {
    let world = World::new();
    let jobs = world.jobs().await;
    let beside = jobs.submit(toy("obey")).await.unwrap();
    world.clock.advance(Duration::from_nanos(1));
    let deadly = jobs.submit(toy("step hang")).await.unwrap();
    // Nothing but a step that runs counts.
    let waiting = jobs.submit(toy("wait")).await.unwrap();
    reaches(&jobs, &beside.id, JobState::Running).await;
    reaches(&jobs, &deadly.id, JobState::Running).await;
    while jobs.get(&deadly.id).await.unwrap().unwrap().progress.is_none_or(|progress| progress.done < 1) {
        tokio::task::yield_now().await;
    }
    die(jobs).await;
    let jobs = world.jobs().await;
    reaches(&jobs, &beside.id, JobState::Running).await;
    reaches(&jobs, &deadly.id, JobState::Running).await;
    die(jobs).await;

    // From now on they run one after the other, whichever is first.
    let n_steps = || world.toy.n_steps.load(Ordering::SeqCst);
    let before = n_steps();
    let jobs = world.jobs().await;
    while n_steps() == before {
        tokio::task::yield_now().await;
    }
    for _ in 0..100 {
        tokio::task::yield_now().await;
        assert_eq!(n_steps(), before + 1);
    }
    jobs.cancel(&beside.id).await.unwrap();
    assert_eq!(ends(&world, &jobs, &beside.id).await.state, JobState::Cancelled);
    reaches(&jobs, &deadly.id, JobState::Running).await;
    die(jobs).await;
    for _ in 0..2 {
        let jobs = world.jobs().await;
        reaches(&jobs, &deadly.id, JobState::Running).await;
        die(jobs).await;
    }
    let jobs = world.jobs().await;
    let failed = ends(&world, &jobs, &deadly.id).await;

    let message = "the server has ended 5 times while this job ran: it is not tried again".to_owned();
    assert_eq!(failed.failure, Some(JobFailure { kind: ErrorKind::Internal, message }));
    assert_eq!(ends(&world, &jobs, &waiting.id).await.state, JobState::Succeeded);
}

#[tokio::test]
async fn steps_that_are_stopped_with_the_server_as_they_should_be_may_be_so_often() {
    let world = World::new();
    let mut jobs = world.jobs().await;
    let job = jobs.submit(toy("hang")).await.unwrap();
    for _ in 0..8 {
        reaches(&jobs, &job.id, JobState::Running).await;
        jobs.shut_down().await;
        jobs = world.jobs().await;
    }
    reaches(&jobs, &job.id, JobState::Running).await;
}

#[tokio::test]
async fn a_failed_job_says_why_and_is_tried_again_only_if_that_may_help() {
    let world = World::new();
    let jobs = world.jobs().await;
    for (parameters, kind, message, n_steps) in [
        ("fail", ErrorKind::Corrupt, "the stored bytes are damaged", 1),
        ("busy", ErrorKind::Unavailable { retry_after: Duration::from_secs(60) }, "the store is busy", 5),
        ("panic", ErrorKind::Internal, "the job stopped by a mistake of this program", 1),
    ] {
        world.toy.n_steps.store(0, Ordering::SeqCst);
        let job = jobs.submit(toy(parameters)).await.unwrap();
        let failed = ends(&world, &jobs, &job.id).await;
        assert_eq!(failed.state, JobState::Failed);
        assert_eq!(failed.failure, Some(JobFailure { kind, message: message.to_owned() }));
        assert_eq!(world.toy.n_steps.load(Ordering::SeqCst), n_steps, "{parameters}");
    }
}

#[tokio::test]
async fn a_job_that_did_a_part_says_what_is_missing() {
    let world = World::new();
    let jobs = world.jobs().await;
    let job = jobs.submit(toy("partial")).await.unwrap();
    let partial = ends(&world, &jobs, &job.id).await;
    assert_eq!(
        (partial.state, partial.reason.as_deref()),
        (JobState::Partial, Some("one of two is missing"))
    );
}

#[tokio::test]
async fn a_job_can_be_cancelled_while_it_is_queued_waits_or_runs() {
    let world = World::new();
    let jobs = world.jobs().await;
    for (parameters, state) in
        [("wait", JobState::Waiting), ("obey", JobState::Running), ("hang", JobState::Running)]
    {
        let job = jobs.submit(toy(parameters)).await.unwrap();
        reaches(&jobs, &job.id, state).await;
        jobs.cancel(&job.id).await.unwrap();
        assert_eq!(ends(&world, &jobs, &job.id).await.state, JobState::Cancelled, "{parameters}");
    }
    let one = jobs.submit(toy("hang")).await.unwrap();
    let other = jobs.submit(toy("hang")).await.unwrap();
    reaches(&jobs, &one.id, JobState::Running).await;
    reaches(&jobs, &other.id, JobState::Running).await;
    let queued = jobs.submit(toy("step")).await.unwrap();
    assert_eq!(jobs.cancel(&queued.id).await.unwrap().state, JobState::Cancelled);
    assert_eq!(jobs.cancel(&queued.id).await.unwrap().state, JobState::Cancelled, "twice is as good as once");
}

#[tokio::test]
async fn a_job_that_is_cancelled_while_it_begins_ends_all_the_same() {
    let world = World::new();
    let jobs = world.jobs().await;
    for n_turns in 0..60 {
        let job = jobs.submit(toy("hang")).await.unwrap();
        for _ in 0..n_turns {
            tokio::task::yield_now().await;
        }
        jobs.cancel(&job.id).await.unwrap();
        assert_eq!(ends(&world, &jobs, &job.id).await.state, JobState::Cancelled, "after {n_turns} turns");
    }
}

#[tokio::test]
async fn a_cancelled_job_stays_cancelled_over_a_restart() {
    let world = World::new();
    let jobs = world.jobs().await;
    let job = jobs.submit(toy("hang")).await.unwrap();
    reaches(&jobs, &job.id, JobState::Running).await;
    jobs.cancel(&job.id).await.unwrap();
    jobs.shut_down().await;

    let again = world.jobs().await;
    assert_eq!(ends(&world, &again, &job.id).await.state, JobState::Cancelled);
}

#[tokio::test]
async fn a_job_may_wait_for_the_end_of_another() {
    let world = World::new();
    let jobs = world.jobs().await;
    let first = jobs.submit(toy("wait")).await.unwrap();
    let second = jobs.submit(toy(&format!("after:{}", first.id))).await.unwrap();
    let gone = jobs.submit(toy("after:jnobody")).await.unwrap();

    reaches(&jobs, &gone.id, JobState::Succeeded).await;
    reaches(&jobs, &second.id, JobState::Waiting).await;
    ends(&world, &jobs, &first.id).await;
    assert_eq!(ends(&world, &jobs, &second.id).await.state, JobState::Succeeded);
}

#[tokio::test]
async fn jobs_beyond_the_limit_and_of_unknown_kinds_are_refused() {
    let world = World::new();
    let jobs = world.jobs().await;
    for _ in 0..3 {
        jobs.submit(toy("hang")).await.unwrap();
    }
    let refused = jobs.submit(toy("step")).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unavailable { retry_after: Duration::from_secs(60) });
    let unknown = jobs.submit(NewJob { kind: "magic".into(), ..toy("") }).await.unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::InvalidInput);
    assert!(unknown.message().contains("toy"), "{unknown}");
}

#[tokio::test]
async fn ended_jobs_are_forgotten_with_their_files_when_their_time_has_come() {
    let world = World::new();
    let jobs = world.jobs().await;
    let job = jobs.submit(toy("step")).await.unwrap();
    let done = ends(&world, &jobs, &job.id).await;
    let file = jobs.result_file(&done).unwrap();
    assert!(file.is_file());

    world.clock.advance(Duration::from_secs(8 * 24 * 3600));
    while jobs.get(&job.id).await.unwrap().is_some() {
        world.clock.advance(Duration::from_secs(600));
        tokio::task::yield_now().await;
    }
    assert!(!file.exists());
}

#[tokio::test]
async fn a_result_that_cannot_be_deleted_keeps_no_other_job_from_being_forgotten() {
    let world = World::new();
    let jobs = world.jobs().await;
    let stuck = jobs.submit(toy("step")).await.unwrap();
    let other = jobs.submit(toy("step")).await.unwrap();
    for job in [&stuck, &other] {
        ends(&world, &jobs, &job.id).await;
    }
    // A file where the folder should be is no folder to delete.
    let folder = world.dir.path().join("results").join(&*stuck.id.0);
    std::fs::remove_dir_all(&folder).unwrap();
    std::fs::write(&folder, "").unwrap();

    world.clock.advance(Duration::from_secs(8 * 24 * 3600));
    for _ in 0..10_000 {
        if jobs.get(&other.id).await.unwrap().is_none() {
            break;
        }
        world.clock.advance(Duration::from_secs(600));
        tokio::task::yield_now().await;
    }
    assert!(jobs.get(&other.id).await.unwrap().is_none());
    assert!(jobs.get(&stuck.id).await.unwrap().is_some(), "its result is there still");
}

#[tokio::test]
async fn jobs_are_listed_newest_first_and_by_pages() {
    let world = World::new();
    let jobs = world.jobs().await;
    let mut ids = Vec::new();
    for parameters in ["step", "fail", "step", "partial", "step"] {
        let job = jobs.submit(toy(parameters)).await.unwrap();
        ends(&world, &jobs, &job.id).await;
        ids.insert(0, job.id);
    }
    let mut filter = JobFilter { limit: 2, ..JobFilter::default() };
    let mut listed = Vec::new();
    loop {
        let page = jobs.list(&filter).await.unwrap();
        let Some(last) = page.last() else { break };
        filter.after = Some(last.place());
        listed.extend(page.into_iter().map(|job| job.id));
    }
    assert_eq!(listed, ids);

    let failed = JobFilter { state: Some(JobState::Failed), limit: 9, ..JobFilter::default() };
    assert_eq!(jobs.list(&failed).await.unwrap().len(), 1);
    let others = JobFilter { owner: Some(Owner("token:x".into())), limit: 9, ..JobFilter::default() };
    assert_eq!(jobs.list(&others).await.unwrap(), []);
}
