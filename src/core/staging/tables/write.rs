//! Writing what has changed.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};

use super::{NewRequestRow, ObjectRow, OnlineRow, Op, RecallRow, RequestRow, deliveries};
use super::{activity_number, as_i64, face_number, pack_tallies, request_state_number};
use crate::Result;
use crate::staging::{ObjectState, Tally};

/// What was learned by writing.
#[derive(Debug, Default)]
pub(in crate::staging) struct Written {
    /// The change number of the first operation; each has the next one.
    pub(in crate::staging) first_change: u64,
    /// For each operation on an object its spelling, if they were asked for.
    pub(in crate::staging) spellings: Vec<Option<Arc<str>>>,
    /// Whether somebody is to be told of the end of a request.
    pub(in crate::staging) has_deliveries: bool,
}

/// Writes `ops` in their order. `with_spellings`: somebody wants to be told of them.
pub(in crate::staging) fn write(tables: &Connection, ops: &[Op], with_spellings: bool) -> Result<Written> {
    let last_change = bump(tables, ops.len() as u64)?;
    let first_change = last_change + 1 - ops.len() as u64;
    let mut written = Written { first_change, spellings: Vec::new(), has_deliveries: false };
    for (op, change) in ops.iter().zip(first_change..) {
        let mut spelling = None;
        match op {
            Op::NewRequest(request) => insert_request(tables, request, change)?,
            Op::Object(object) => spelling = update_object(tables, object, change, with_spellings)?,
            Op::Request(request) => {
                update_request(tables, request, change)?;
                written.has_deliveries |= deliveries::insert(tables, request)?;
            }
            Op::Recall(recall) => upsert_recall(tables, recall)?,
            Op::RecallEnded(id) => {
                let mut end =
                    tables.prepare_cached("DELETE FROM staging_recalls WHERE root = ?1 AND path = ?2")?;
                end.execute((id.root(), id.path()))?;
            }
            Op::Online(online) => upsert_online(tables, online)?,
            Op::Offline(id) => {
                let mut end =
                    tables.prepare_cached("DELETE FROM staging_online WHERE root = ?1 AND path = ?2")?;
                end.execute((id.root(), id.path()))?;
            }
            Op::Activity(store, activity) => {
                let mut set =
                    tables.prepare_cached("INSERT OR REPLACE INTO staging_stores VALUES (?1, ?2)")?;
                set.execute((store, activity_number(*activity)))?;
            }
        }
        if with_spellings {
            written.spellings.push(spelling);
        }
    }
    Ok(written)
}

/// Takes `n` change numbers; the last of them.
pub(super) fn bump(tables: &Connection, n: u64) -> Result<u64> {
    let mut bump = tables
        .prepare_cached("UPDATE staging_meta SET value = value + ?1 WHERE name = 'change' RETURNING value")?;
    Ok(super::as_u64(bump.query_row([as_i64(n)], |row| row.get(0))?))
}

fn insert_request(tables: &Connection, request: &NewRequestRow, change: u64) -> Result<()> {
    let mut tallies = [Tally::default(); 8];
    if let Some(queued) = tallies.get_mut(ObjectState::Queued as usize) {
        queued.n = 1;
    }
    let mut insert = tables.prepare_cached(
        "INSERT OR REPLACE INTO staging_requests
         (number, face, owner, priority, lifetime_ns, dataset, is_live, state, tallies, change)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, 1, 0, ?7, ?8)",
    )?;
    insert.execute(params![
        request.number,
        face_number(request.face),
        &*request.owner.0,
        request.priority,
        crate::clock::nanoseconds(request.lifetime),
        request.dataset.as_ref().map(|dataset| dataset.as_str()),
        pack_tallies(&tallies),
        as_i64(change),
    ])?;
    let (spelling, object) = &request.object;
    let mut insert = tables.prepare_cached(
        "INSERT OR REPLACE INTO staging_request_objects
         (request, position, spelling, root, path, state, since_ns, change) VALUES (?1, 0, ?2, ?3, ?4, 0, ?1, ?5)",
    )?;
    insert.execute(params![request.number, spelling, object.root(), object.path(), as_i64(change)])?;
    Ok(())
}

fn update_object(
    tables: &Connection,
    object: &ObjectRow,
    change: u64,
    with_spelling: bool,
) -> Result<Option<Arc<str>>> {
    // Not returned by the update: that would make it a statement whose pages are all kept until it is over.
    let spelling = match with_spelling {
        true => spelling_of(tables, object)?,
        false => None,
    };
    let mut update = tables.prepare_cached(
        "UPDATE staging_request_objects SET state = ?3, len_bytes = coalesce(?4, len_bytes), reason = ?5,
         pinned_until_ns = ?6, since_ns = ?7, change = ?8, root = ?9, path = ?10
         WHERE request = ?1 AND position = ?2",
    )?;
    update.execute(params![
        object.request,
        object.position,
        object.state as u8,
        object.len_bytes.map(as_i64),
        object.reason.as_deref(),
        object.pinned_until_ns,
        object.since_ns,
        as_i64(change),
        object.object.root(),
        object.object.path(),
    ])?;
    Ok(spelling)
}

fn spelling_of(tables: &Connection, object: &ObjectRow) -> Result<Option<Arc<str>>> {
    let mut find = tables.prepare_cached(
        "SELECT spelling FROM staging_request_objects WHERE request = ?1 AND position = ?2",
    )?;
    Ok(find.query_row(params![object.request, object.position], |row| row.get(0)).optional()?)
}

fn update_request(tables: &Connection, request: &RequestRow, change: u64) -> Result<()> {
    let mut update = tables.prepare_cached(
        "UPDATE staging_requests SET is_live = ?2, state = ?3, tallies = ?4, reason = ?5, started_ns = ?6,
         finished_ns = ?7, expires_ns = ?8, pins_until_ns = ?9, change = ?10 WHERE number = ?1",
    )?;
    update.execute(params![
        request.number,
        request.is_live,
        request_state_number(request.state),
        pack_tallies(&request.tallies),
        request.reason.as_deref(),
        request.started_ns,
        request.finished_ns,
        request.expires_ns,
        request.pins_until_ns,
        as_i64(change),
    ])?;
    Ok(())
}

fn upsert_recall(tables: &Connection, recall: &RecallRow) -> Result<()> {
    let mut upsert = tables.prepare_cached(
        "INSERT OR REPLACE INTO staging_recalls
         (root, path, store, batch, attempt, n_changes, version, why, retry_ns, store_id)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?;
    upsert.execute(params![
        recall.object.root(),
        recall.object.path(),
        &*recall.store,
        recall.batch.as_deref(),
        recall.attempt,
        recall.n_changes,
        recall.version.as_deref(),
        recall.why.as_deref(),
        recall.retry_ns,
        recall.store_id.as_deref(),
    ])?;
    Ok(())
}

fn upsert_online(tables: &Connection, row: &OnlineRow) -> Result<()> {
    let mut upsert =
        tables.prepare_cached("INSERT OR REPLACE INTO staging_online VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?;
    upsert.execute(params![
        row.object.root(),
        row.object.path(),
        &*row.online.version,
        as_i64(row.online.len_bytes),
        row.online.since_ns,
        row.online.is_copied,
        row.online.is_safe,
    ])?;
    Ok(())
}
