//! Writing a new request with all its objects, in one transaction.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};

use super::positions::{MAX_NAMED, name_hash};
use super::spending::{Bill, charge};
use super::write::bump;
use super::{RequestRow, deliveries};
use super::{as_i64, face_number, pack_names, pack_spellings, pack_tallies, request_state_number};
use crate::cold::ObjectId;
use crate::staging::book::RequestHead;
use crate::staging::{IdempotencyKey, Notify, ObjectState, Owner, RequestState, Tally};
use crate::{Error, ErrorKind, Result};

/// How long a key makes repeating a request harmless.
pub(in crate::staging) const KEY_LIFETIME: Duration = Duration::from_secs(24 * 3600);

/// A request that is to be accepted.
#[derive(Debug)]
pub(in crate::staging) struct Acceptance {
    pub(in crate::staging) head: RequestHead,
    pub(in crate::staging) rows: Vec<AcceptedRow>,
    pub(in crate::staging) idempotency: Option<IdempotencyKey>,
    pub(in crate::staging) notify: Option<Notify>,
    /// What its owner has to stay within.
    pub(in crate::staging) bill: Option<Bill>,
    pub(in crate::staging) now_ns: i64,
}

/// One thing that the request names.
#[derive(Debug)]
pub(in crate::staging) struct AcceptedRow {
    pub(in crate::staging) spelling: Arc<str>,
    /// How else it was written.
    pub(in crate::staging) other_spellings: Vec<Arc<str>>,
    /// What it may mean, or why it cannot mean anything.
    pub(in crate::staging) objects: Result<Vec<ObjectId>, String>,
    /// Its size, if it was looked at; else 0.
    pub(in crate::staging) len_bytes: u64,
}

/// What came of it.
#[derive(Debug)]
pub(in crate::staging) enum Accepted {
    /// It is new, and durable.
    New(Box<Acceptance>),
    /// It was asked for before, under this number.
    Known(i64),
}

impl Acceptance {
    /// Counts and state of the request at its beginning.
    pub(in crate::staging) fn tallies(&self) -> [Tally; 8] {
        let mut tallies = [Tally::default(); 8];
        for row in &self.rows {
            let state = if row.objects.is_ok() { ObjectState::Queued } else { ObjectState::Failed };
            if let Some(tally) = tallies.get_mut(state as usize) {
                tally.n += 1;
            }
        }
        tallies
    }

    /// The first reason why something cannot be meant.
    pub(in crate::staging) fn reason(&self) -> Option<&str> {
        self.rows.iter().find_map(|row| row.objects.as_ref().err().map(String::as_str))
    }

    /// True if nothing of it can be meant.
    pub(in crate::staging) fn has_failed(&self) -> bool {
        self.rows.iter().all(|row| row.objects.is_err())
    }
}

/// Writes a request, unless its key says that it was written before.
pub(in crate::staging) fn accept(tables: &Connection, new: Acceptance) -> Result<Accepted> {
    if let Some(key) = &new.idempotency
        && let Some(number) = find_key(tables, key, &new.head.owner, new.now_ns)?
    {
        return Ok(Accepted::Known(number));
    }
    if let Some(bill) = &new.bill {
        charge(tables, bill)?;
    }
    let number = new.head.number;
    let has_failed = new.has_failed();
    let last_change = bump(tables, new.rows.len() as u64 + 1)?;
    let first_change = last_change - new.rows.len() as u64;
    let state = if has_failed { RequestState::Failed } else { RequestState::Queued };
    let mut insert = tables.prepare_cached(
        "INSERT INTO staging_requests
         (number, face, owner, priority, lifetime_ns, dataset, notify, notify_source, is_live, state, tallies,
          reason, finished_ns, change)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
    )?;
    insert.execute(params![
        number,
        face_number(new.head.face),
        &*new.head.owner.0,
        new.head.priority,
        crate::clock::nanoseconds(new.head.lifetime),
        new.head.dataset.as_ref().map(|dataset| dataset.as_str()),
        new.notify.as_ref().map(|notify| &notify.url),
        new.notify.as_ref().map(|notify| &notify.source),
        !has_failed,
        request_state_number(state),
        pack_tallies(&new.tallies()),
        new.reason(),
        has_failed.then_some(new.now_ns),
        as_i64(last_change),
    ])?;
    insert_rows(tables, &new, first_change)?;
    if has_failed {
        deliveries::insert(tables, &ended_at_once(&new, state))?;
    }
    if let Some(key) = &new.idempotency {
        let mut insert =
            tables.prepare_cached("INSERT OR REPLACE INTO staging_keys VALUES (?1, ?2, ?3, ?4, ?5)")?;
        insert.execute(params![&*new.head.owner.0, key.key, key.body_hash, number, new.now_ns])?;
    }
    Ok(Accepted::New(Box::new(new)))
}

/// The request as it is if it ends as it begins.
fn ended_at_once(new: &Acceptance, state: RequestState) -> RequestRow {
    RequestRow {
        number: new.head.number,
        is_live: false,
        state,
        tallies: new.tallies(),
        reason: new.reason().map(Arc::from),
        started_ns: None,
        finished_ns: Some(new.now_ns),
        expires_ns: None,
        pins_until_ns: None,
    }
}

fn insert_rows(tables: &Connection, new: &Acceptance, first_change: u64) -> Result<()> {
    let is_named = new.rows.len() <= MAX_NAMED;
    let mut insert = tables.prepare_cached(
        "INSERT INTO staging_request_objects
         (request, position, spelling, root, path, others, state, reason, since_ns, change,
          other_spellings, len_bytes, name_hash)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
    )?;
    for ((row, position), change) in new.rows.iter().zip(0_i64..).zip(first_change..) {
        let (names, state, reason) = match &row.objects {
            Ok(names) => (names.as_slice(), ObjectState::Queued, None),
            Err(reason) => (&[][..], ObjectState::Failed, Some(reason.as_str())),
        };
        insert.execute(params![
            new.head.number,
            position,
            row.spelling,
            names.first().map(ObjectId::root),
            names.first().map(ObjectId::path),
            names.get(1..).and_then(pack_names),
            state as u8,
            reason,
            new.now_ns,
            as_i64(change),
            pack_spellings(&row.other_spellings),
            (row.len_bytes > 0).then(|| as_i64(row.len_bytes)),
            is_named.then(|| name_hash(&row.spelling, names)),
        ])?;
    }
    Ok(())
}

/// The request that was made with a key before.
pub(in crate::staging) fn find_key(
    tables: &Connection,
    key: &IdempotencyKey,
    owner: &Owner,
    now_ns: i64,
) -> Result<Option<i64>> {
    let mut find = tables.prepare_cached(
        "SELECT body_hash, request FROM staging_keys WHERE owner = ?1 AND key = ?2 AND created_ns > ?3",
    )?;
    let oldest_ns = now_ns.saturating_sub(crate::clock::nanoseconds(KEY_LIFETIME));
    let found: Option<(Vec<u8>, i64)> = find
        .query_row(params![&*owner.0, key.key, oldest_ns], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    match found {
        Some((hash, number)) if hash == key.body_hash => Ok(Some(number)),
        Some(_) => Err(Error::new(
            ErrorKind::InvalidInput,
            format!("the idempotency key {:?} was used for another request", key.key),
        )),
        None => Ok(None),
    }
}
