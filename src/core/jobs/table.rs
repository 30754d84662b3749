//! Jobs in the database.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};
use thermocline_model::DatasetId;

use super::{Job, JobFailure, JobFilter, JobId, JobResult, JobState, NewJob, Progress};
use crate::staging::{Owner, RequestId};
use crate::{Error, ErrorKind, Result};

pub(super) const MIGRATIONS: &[&str] = &[
    "
    CREATE TABLE jobs (
        id TEXT PRIMARY KEY NOT NULL,
        kind TEXT NOT NULL,
        owner TEXT NOT NULL,
        dataset TEXT,
        request TEXT,
        parameters TEXT NOT NULL,
        checkpoint TEXT,
        state TEXT NOT NULL,
        reason TEXT,
        done INTEGER,
        total INTEGER,
        unit TEXT,
        created_ns INTEGER NOT NULL,
        started_ns INTEGER,
        finished_ns INTEGER,
        expires_ns INTEGER,
        -- When a waiting job goes on, or the job whose end it waits for.
        wake_ns INTEGER,
        wake_job TEXT,
        attempts INTEGER NOT NULL DEFAULT 0,
        is_cancelled INTEGER NOT NULL DEFAULT 0,
        failure_kind TEXT,
        failure TEXT,
        result_file TEXT,
        result_type TEXT,
        result_bytes INTEGER,
        result_path TEXT,
        change INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX jobs_by_age ON jobs (created_ns DESC, id DESC);
    CREATE INDEX jobs_active ON jobs (created_ns) WHERE finished_ns IS NULL;
    CREATE INDEX jobs_ended ON jobs (expires_ns) WHERE expires_ns IS NOT NULL;
    CREATE TABLE job_changes (last INTEGER NOT NULL) STRICT;
    INSERT INTO job_changes VALUES (0);
",
    "
    -- How often the server has ended, without being told to, while the step that begins here ran.
    ALTER TABLE jobs ADD COLUMN deaths INTEGER NOT NULL DEFAULT 0;
",
    "
    -- Whether the same work is under way, or was done.
    CREATE INDEX jobs_by_work ON jobs (kind, parameters);
",
];

const COLUMNS: &str = "id, kind, owner, dataset, request, state, reason, done, total, unit, created_ns, started_ns, \
    finished_ns, expires_ns, failure_kind, failure, result_file, result_type, result_bytes, result_path, change";

/// What a worker needs to know of a job beside the job.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) job: Job,
    pub(super) parameters: String,
    pub(super) checkpoint: Option<String>,
    pub(super) attempts: u32,
    /// How often the server has ended, without being told to, while its step ran.
    pub(super) deaths: u32,
    pub(super) is_cancelled: bool,
    pub(super) wake_ns: Option<i64>,
    pub(super) wake_job: Option<JobId>,
}

/// Keeps a new job, unless there are too many.
pub(super) fn insert(
    connection: &Connection,
    id: &JobId,
    new: &NewJob,
    now_ns: i64,
    max_active: usize,
) -> Result<Job> {
    let n_active: i64 =
        connection.query_row("SELECT count(*) FROM jobs WHERE finished_ns IS NULL", [], |row| row.get(0))?;
    if usize::try_from(n_active).is_ok_and(|n_active| n_active >= max_active) {
        let kind = ErrorKind::Unavailable { retry_after: Duration::from_secs(60) };
        return Err(Error::new(kind, format!("{n_active} jobs wait or run, which is the most")));
    }
    let change = next_change(connection)?;
    connection
        .prepare_cached(
            "INSERT INTO jobs (id, kind, owner, dataset, request, parameters, state, created_ns, change)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'queued', ?7, ?8)",
        )?
        .execute(params![
            &*id.0,
            &*new.kind,
            &*new.owner.0,
            new.dataset.as_ref().map(DatasetId::as_str),
            new.request.as_ref().map(|request| &*request.0),
            new.parameters,
            now_ns,
            change
        ])?;
    get(connection, id)?.ok_or_else(|| Error::internal("a job is gone right after it was kept"))
}

fn next_change(connection: &Connection) -> Result<i64> {
    let sql = "UPDATE job_changes SET last = last + 1 RETURNING last";
    Ok(connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?)
}

/// A job of that name.
pub(super) fn get(connection: &Connection, id: &JobId) -> Result<Option<Job>> {
    let sql = format!("SELECT {COLUMNS} FROM jobs WHERE id = ?1");
    Ok(connection.prepare_cached(&sql)?.query_row([&*id.0], job).optional()?)
}

/// The oldest job of a kind with these parameters that has not ended and is not about to be.
pub(super) fn same(connection: &Connection, kind: &str, parameters: &str) -> Result<Option<Job>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM jobs WHERE finished_ns IS NULL AND is_cancelled = 0 AND kind = ?1 AND parameters = ?2
         ORDER BY created_ns, id LIMIT 1"
    );
    Ok(connection.prepare_cached(&sql)?.query_row([kind, parameters], job).optional()?)
}

/// The latest job of a kind with these parameters that succeeded and has not expired.
pub(super) fn succeeded(
    connection: &Connection,
    kind: &str,
    parameters: &str,
    now_ns: i64,
) -> Result<Option<Job>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM jobs WHERE state = 'succeeded' AND expires_ns > ?3 AND kind = ?1 AND parameters = ?2
         ORDER BY finished_ns DESC, id LIMIT 1"
    );
    Ok(connection.prepare_cached(&sql)?.query_row(params![kind, parameters, now_ns], job).optional()?)
}

/// The latest job of a kind with these parameters, if it has failed since then.
pub(super) fn failed(
    connection: &Connection,
    kind: &str,
    parameters: &str,
    since_ns: i64,
) -> Result<Option<Job>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM jobs WHERE kind = ?1 AND parameters = ?2 ORDER BY created_ns DESC, id DESC LIMIT 1"
    );
    let latest = connection.prepare_cached(&sql)?.query_row([kind, parameters], job).optional()?;
    Ok(latest.filter(|job| job.state == JobState::Failed && job.finished_ns.is_some_and(|at| at > since_ns)))
}

/// Jobs, newest first.
pub(super) fn list(connection: &Connection, filter: &JobFilter) -> Result<Vec<Job>> {
    let mut conditions = vec!["1".to_owned()];
    let mut values: Vec<Value> = Vec::new();
    let mut require = |condition: &str, value: Value| {
        values.push(value);
        conditions.push(condition.replace('?', &format!("?{}", values.len())));
    };
    if let Some(kind) = &filter.kind {
        require("kind = ?", kind.clone().into());
    }
    if let Some(state) = filter.state {
        require("state = ?", state.as_str().to_owned().into());
    }
    if let Some(owner) = &filter.owner {
        require("owner = ?", owner.0.to_string().into());
    }
    if let Some(after) = &filter.after {
        require("created_ns <= ?", after.created_ns.into());
    }
    let limit = i64::try_from(filter.limit).unwrap_or(i64::MAX);
    let sql = format!(
        "SELECT {COLUMNS} FROM jobs WHERE {} ORDER BY created_ns DESC, id DESC",
        conditions.join(" AND ")
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(values))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let job = job(row)?;
        if filter.after.as_ref().is_none_or(|after| job.place() < *after) {
            found.push(job);
        }
        if found.len() as i64 >= limit {
            break;
        }
    }
    Ok(found)
}

/// Names of the jobs that have not ended, oldest first.
pub(super) fn active(connection: &Connection) -> Result<Vec<JobId>> {
    let sql = "SELECT id FROM jobs WHERE finished_ns IS NULL ORDER BY created_ns, id";
    let mut statement = connection.prepare_cached(sql)?;
    let ids = statement.query_map([], |row| Ok(JobId(row.get::<_, String>(0)?.into())))?;
    Ok(ids.collect::<rusqlite::Result<_>>()?)
}

/// A job with what a worker needs.
pub(super) fn task(connection: &Connection, id: &JobId) -> Result<Option<Task>> {
    let Some(job) = get(connection, id)? else { return Ok(None) };
    let sql = "SELECT parameters, checkpoint, attempts, is_cancelled, wake_ns, wake_job, deaths FROM jobs WHERE id = ?1";
    let task = connection.prepare_cached(sql)?.query_row([&*id.0], |row| {
        Ok(Task {
            job,
            parameters: row.get(0)?,
            checkpoint: row.get(1)?,
            attempts: row.get(2)?,
            is_cancelled: row.get(3)?,
            wake_ns: row.get(4)?,
            wake_job: row.get::<_, Option<String>>(5)?.map(|id| JobId(id.into())),
            deaths: row.get(6)?,
        })
    })?;
    Ok(Some(task))
}

/// What is written of a job when it comes into another state.
#[derive(Debug, Default)]
pub(super) struct Turn {
    pub(super) state: Option<JobState>,
    pub(super) reason: Option<String>,
    pub(super) checkpoint: Option<String>,
    pub(super) attempts: u32,
    pub(super) wake_ns: Option<i64>,
    pub(super) wake_job: Option<JobId>,
    pub(super) progress: Option<Progress>,
    pub(super) failure: Option<JobFailure>,
    pub(super) result: Option<JobResult>,
    /// When it ended, and when it is forgotten.
    pub(super) ended: Option<(i64, i64)>,
    pub(super) started_ns: Option<i64>,
}

/// Brings a job into another state. Nothing happens to one that has ended.
pub(super) fn turn(connection: &Connection, id: &JobId, turn: &Turn) -> Result<Option<Job>> {
    let change = next_change(connection)?;
    let (file, media_type, len_bytes, path) = match &turn.result {
        Some(JobResult::File { name, media_type, len_bytes }) => {
            (Some(&**name), Some(&**media_type), i64::try_from(*len_bytes).ok(), None)
        }
        Some(JobResult::Elsewhere { path }) => (None, None, None, Some(&**path)),
        None => (None, None, None, None),
    };
    let progress = turn.progress.as_ref();
    connection
        .prepare_cached(
            "UPDATE jobs SET state = coalesce(?2, state), reason = ?3, checkpoint = coalesce(?4, checkpoint),
                attempts = ?5, wake_ns = ?6, wake_job = ?7, done = coalesce(?8, done), total = coalesce(?9, total),
                unit = coalesce(?10, unit), failure_kind = ?11, failure = ?12, result_file = ?13, result_type = ?14,
                result_bytes = ?15, result_path = ?16, finished_ns = ?17, expires_ns = ?18,
                started_ns = coalesce(started_ns, ?19), change = ?20,
                deaths = CASE WHEN ?2 = 'running' THEN deaths ELSE 0 END
             WHERE id = ?1 AND finished_ns IS NULL",
        )?
        .execute(params![
            &*id.0,
            turn.state.map(JobState::as_str),
            turn.reason,
            turn.checkpoint,
            turn.attempts,
            turn.wake_ns,
            turn.wake_job.as_ref().map(|id| &*id.0),
            progress.and_then(|progress| i64::try_from(progress.done).ok()),
            progress.and_then(|progress| i64::try_from(progress.total?).ok()),
            progress.map(|progress| &*progress.unit),
            turn.failure.as_ref().map(|failure| kind_word(failure.kind)),
            turn.failure.as_ref().map(|failure| &*failure.message),
            file,
            media_type,
            len_bytes,
            path,
            turn.ended.map(|(finished_ns, _)| finished_ns),
            turn.ended.map(|(_, expires_ns)| expires_ns),
            turn.started_ns,
            change
        ])?;
    get(connection, id)
}

/// Notes that the server has ended while these steps ran.
pub(super) fn count_deaths(connection: &Connection) -> Result<()> {
    let sql = "UPDATE jobs SET deaths = deaths + 1, state = 'queued' WHERE state = 'running' AND finished_ns IS NULL";
    connection.execute(sql, [])?;
    Ok(())
}

/// Notes that the steps that ran were stopped as they should be: they begin again.
pub(super) fn stop_steps(connection: &Connection) -> Result<()> {
    let sql = "UPDATE jobs SET state = 'queued' WHERE state = 'running' AND finished_ns IS NULL";
    connection.execute(sql, [])?;
    Ok(())
}

/// Notes that a job is to end before its time. One whose step is not under way ends at once.
pub(super) fn cancel(connection: &Connection, id: &JobId, end: &Turn) -> Result<Option<Job>> {
    let Some(job) = get(connection, id)? else { return Ok(None) };
    match job.state {
        JobState::Queued | JobState::Waiting => turn(connection, id, end),
        JobState::Running => {
            connection.execute("UPDATE jobs SET is_cancelled = 1 WHERE id = ?1", [&*id.0])?;
            Ok(Some(job))
        }
        _ => Ok(Some(job)),
    }
}

/// Names of jobs whose time has come to be forgotten.
pub(super) fn expired(connection: &Connection, now_ns: i64, limit: u32) -> Result<Vec<JobId>> {
    let mut statement = connection.prepare_cached("SELECT id FROM jobs WHERE expires_ns <= ?1 LIMIT ?2")?;
    let ids =
        statement.query_map(params![now_ns, limit], |row| Ok(JobId(row.get::<_, String>(0)?.into())))?;
    Ok(ids.collect::<rusqlite::Result<_>>()?)
}

/// Forgets jobs.
pub(super) fn forget(connection: &Connection, ids: &[JobId]) -> Result<()> {
    let mut statement = connection.prepare_cached("DELETE FROM jobs WHERE id = ?1")?;
    for id in ids {
        statement.execute([&*id.0])?;
    }
    Ok(())
}

fn job(row: &Row<'_>) -> rusqlite::Result<Job> {
    let text = |index: usize| row.get::<_, Option<String>>(index);
    let shared = |index: usize| Ok::<_, rusqlite::Error>(row.get::<_, String>(index)?.into());
    let number = |index: usize| {
        Ok::<_, rusqlite::Error>(
            row.get::<_, Option<i64>>(index)?.and_then(|number| u64::try_from(number).ok()),
        )
    };
    let unit = text(9)?;
    let progress = match (number(7)?, unit) {
        (Some(done), Some(unit)) => Some(Progress { done, total: number(8)?, unit: unit.into() }),
        _ => None,
    };
    let result = match (text(16)?, text(17)?, text(19)?) {
        (Some(name), Some(media_type), _) => Some(JobResult::File {
            name: name.into(),
            media_type: media_type.into(),
            len_bytes: number(18)?.unwrap_or_default(),
        }),
        (_, _, Some(path)) => Some(JobResult::Elsewhere { path: path.into() }),
        _ => None,
    };
    let failure = text(15)?.map(|message| (text(14), message));
    let failure = match failure {
        Some((kind, message)) => Some(JobFailure { kind: kind_of(kind?.as_deref()), message }),
        None => None,
    };
    let state: Arc<str> = shared(5)?;
    Ok(Job {
        id: JobId(shared(0)?),
        kind: shared(1)?,
        owner: Owner(shared(2)?),
        // Only words of this table are written into it; another one would be of a newer program, which is refused.
        state: JobState::parse(&state).unwrap_or(JobState::Failed),
        reason: text(6)?,
        progress,
        estimate: None,
        dataset: text(3)?.and_then(|id| DatasetId::new(id.as_str()).ok()),
        request: text(4)?.map(|id| RequestId(id.into())),
        created_ns: row.get(10)?,
        started_ns: row.get(11)?,
        finished_ns: row.get(12)?,
        expires_ns: row.get(13)?,
        failure,
        result,
        change: number(20)?.unwrap_or_default(),
    })
}

/// Kinds of failures with their words; those that name a time keep the usual one.
const KINDS: [(&str, ErrorKind); 12] = [
    ("not-found", ErrorKind::NotFound),
    ("invalid-input", ErrorKind::InvalidInput),
    ("too-large", ErrorKind::TooLarge),
    ("refused", ErrorKind::Refused),
    ("lost", ErrorKind::Lost),
    ("recall-failed", ErrorKind::RecallFailed),
    ("corrupt", ErrorKind::Corrupt),
    ("unsupported", ErrorKind::Unsupported),
    ("not-staged", ErrorKind::NotStaged),
    ("over-quota", ErrorKind::OverQuota { retry_after: Duration::from_secs(60) }),
    ("changed", ErrorKind::Changed { retry_after: Duration::from_secs(60) }),
    ("unavailable", ErrorKind::Unavailable { retry_after: Duration::from_secs(60) }),
];

fn kind_word(kind: ErrorKind) -> &'static str {
    let found =
        KINDS.iter().find(|(_, known)| std::mem::discriminant(known) == std::mem::discriminant(&kind));
    found.map_or("internal", |(word, _)| word)
}

fn kind_of(word: Option<&str>) -> ErrorKind {
    let found = KINDS.iter().find(|(known, _)| Some(*known) == word);
    found.map_or(ErrorKind::Internal, |(_, kind)| *kind)
}
