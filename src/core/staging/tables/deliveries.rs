//! Who is told of the end of requests: written with the end itself, so that neither is without the other.
//!
//! What is told is written down once, so that every attempt sends the same bytes.
//!
//! # Specification
//! CloudEvents 1.0.2, JSON event format.

use std::time::{Duration, SystemTime};

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde_json::{Value, json};
use url::Url;

use super::{RequestRow, as_i64, as_u64, damaged, face, request_id};
use crate::Result;
use crate::staging::{
    AfterFailure, Delivery, DeliveryFilter, DeliveryState, Due, DueDelivery, Face, ObjectState, Owner,
    RequestId, Tally, Turns,
};

/// Type of the event that a request has ended.
const ENDED: &str = "org.thermocline.request.ended";

/// Most deliveries that are looked at in one transaction.
const PIECE: usize = 5_000;

/// How long what could not be delivered is kept after its request was forgotten, in nanoseconds.
const KEEP_DEAD_NS: i64 = 90 * 24 * 3600 * 1_000_000_000;

/// Whom a request tells, and of what.
struct Told {
    face: Face,
    owner: String,
    dataset: Option<String>,
    url: String,
    source: String,
}

/// Notes whom to tell that a request has ended, once. False if it has not, or tells nobody, or has told.
pub(super) fn insert(tables: &Connection, request: &RequestRow) -> Result<bool> {
    if !request.state.is_ended() {
        return Ok(false);
    }
    let Some(told) = told(tables, request.number)? else { return Ok(false) };
    let subject = request_id(request.number, told.face);
    let event = format!("{subject}-ended");
    let time_ns = request.finished_ns.unwrap_or(request.number);
    let body = event_of(request, &told, (&event, &subject), time_ns).to_string();
    // Written the same way for the same server: with the port unless it is the usual one.
    let origin = Url::parse(&told.url).map(|url| url.origin().ascii_serialization()).unwrap_or_default();
    let mut insert = tables.prepare_cached(
        "INSERT OR IGNORE INTO staging_deliveries
         (request, event, subject, url, origin, owner, body, state, attempts, next_ns, created_ns)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, 0, ?8, ?8)",
    )?;
    let n = insert.execute(params![
        request.number,
        event,
        &*subject.0,
        told.url,
        origin,
        told.owner,
        body,
        time_ns
    ])?;
    Ok(n > 0)
}

/// Whom a request tells; `None` for nobody.
fn told(tables: &Connection, number: i64) -> Result<Option<Told>> {
    let mut find = tables.prepare_cached(
        "SELECT face, owner, dataset, notify, notify_source FROM staging_requests
         WHERE number = ?1 AND notify IS NOT NULL",
    )?;
    let mut rows = find.query([number])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    Ok(Some(Told {
        face: face(row.get(0)?)?,
        owner: row.get(1)?,
        dataset: row.get(2)?,
        url: row.get(3)?,
        source: row.get::<_, Option<String>>(4)?.unwrap_or_default(),
    }))
}

fn event_of(request: &RequestRow, told: &Told, (event, subject): (&str, &RequestId), time_ns: i64) -> Value {
    let base = told.source.trim_end_matches('/');
    let address = format!("{base}/requests/{subject}");
    let tally = |state: ObjectState| {
        let tally = request.tallies.get(state as usize).copied().unwrap_or_default();
        (state.as_str().to_owned(), json!({"n": tally.n, "bytes": tally.bytes}))
    };
    let objects: serde_json::Map<String, Value> = ObjectState::ALL.into_iter().map(tally).collect();
    let sum = |of: fn(&Tally) -> u64| request.tallies.iter().map(of).fold(0_u64, u64::saturating_add);
    json!({
        "specversion": "1.0",
        "id": event,
        // It must not be empty.
        "source": if base.is_empty() { "/" } else { base },
        "type": ENDED,
        "subject": &*subject.0,
        "time": iso8601(time_ns),
        "datacontenttype": "application/json",
        "data": {
            "id": &*subject.0,
            "state": request.state.as_str(),
            "owner": told.owner,
            "dataset": told.dataset,
            "n_objects": sum(|tally| tally.n),
            "bytes": sum(|tally| tally.bytes),
            "objects": objects,
            "reason": request.reason.as_deref(),
            "created": iso8601(request.number),
            "started": request.started_ns.map(iso8601),
            "finished": request.finished_ns.map(iso8601),
            "expires": request.expires_ns.map(iso8601),
            "links": [{"rel": "request", "href": address}],
        },
    })
}

fn iso8601(time_ns: i64) -> String {
    let since_epoch = Duration::from_nanos(as_u64(time_ns));
    humantime::format_rfc3339_millis(SystemTime::UNIX_EPOCH + since_epoch).to_string()
}

const COLUMNS: &str =
    "id, subject, event, url, origin, state, attempts, next_ns, created_ns, last_error, owner";

fn stored(row: &Row<'_>) -> Result<Delivery> {
    Ok(Delivery {
        id: as_u64(row.get(0)?),
        request: RequestId(row.get(1)?),
        event: row.get(2)?,
        url: row.get(3)?,
        origin: row.get(4)?,
        state: state(row.get(5)?)?,
        n_attempts: row.get(6)?,
        next_ns: row.get(7)?,
        created_ns: row.get(8)?,
        last_error: row.get(9)?,
        owner: Owner(row.get(10)?),
    })
}

fn state(number: i64) -> Result<DeliveryState> {
    let state = usize::try_from(number).ok().and_then(|number| DeliveryState::ALL.get(number));
    state.copied().ok_or_else(|| damaged(format!("a state {number} of a delivery")))
}

fn state_number(state: DeliveryState) -> i64 {
    DeliveryState::ALL.iter().position(|known| *known == state).unwrap_or_default() as i64
}

/// Deliveries, newest first.
pub(in crate::staging) fn deliveries(tables: &Connection, filter: &DeliveryFilter) -> Result<Vec<Delivery>> {
    let (index, state) = match filter.state {
        Some(_) => ("INDEXED BY staging_deliveries_state", "state = ?1"),
        None => ("", "?1 IS NULL"),
    };
    let mut find = tables.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM staging_deliveries {index}
         WHERE {state} AND id < ?2 ORDER BY id DESC LIMIT ?3"
    ))?;
    let before = filter.before.map_or(i64::MAX, as_i64);
    let mut rows =
        find.query(params![filter.state.map(state_number), before, as_i64(filter.limit as u64)])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(stored(row)?);
    }
    Ok(found)
}

/// A delivery by its number.
pub(in crate::staging) fn delivery(tables: &Connection, id: u64) -> Result<Option<Delivery>> {
    let mut find =
        tables.prepare_cached(&format!("SELECT {COLUMNS} FROM staging_deliveries WHERE id = ?1"))?;
    let mut rows = find.query([as_i64(id)])?;
    rows.next()?.map(stored).transpose()
}

/// What is due by now, one of each origin that is not being called; and when something will be.
///
/// Origins that were called longest ago come first, those never called before them. At each origin owners have their
/// turn in the order of their names, and of each owner the oldest delivery.
pub(in crate::staging) fn due(tables: &Connection, now_ns: i64, turns: &Turns, limit: usize) -> Result<Due> {
    let busy = Value::from_iter(turns.busy()).to_string();
    let last = turns.last().map(|(origin, turn, owner)| (origin.to_owned(), json!([turn, &*owner.0])));
    let last = Value::Object(last.collect()).to_string();
    let mut find = tables.prepare_cached(&format!(
        "WITH turns AS
         (SELECT key AS place, json_extract(value, '$[0]') AS turn, json_extract(value, '$[1]') AS had
          FROM json_each(?3)),
         heads AS
         (SELECT origin AS place, owner AS asks, id AS head, min(next_ns) AS since FROM staging_deliveries
          WHERE state = 0 AND next_ns <= ?1 AND origin NOT IN (SELECT value FROM json_each(?2))
          GROUP BY origin, owner),
         ranked AS
         (SELECT head, since, coalesce(turn, 0) AS turn, row_number() OVER
          (PARTITION BY heads.place ORDER BY asks <= coalesce(had, ''), asks) AS rank
          FROM heads LEFT JOIN turns ON turns.place = heads.place)
         SELECT {COLUMNS}, body FROM ranked JOIN staging_deliveries ON id = head
         WHERE rank = 1 ORDER BY turn, since, id LIMIT ?4"
    ))?;
    let mut rows = find.query(params![now_ns, busy, last, as_i64(limit as u64)])?;
    let mut deliveries = Vec::new();
    while let Some(row) = rows.next()? {
        deliveries.push(DueDelivery { delivery: stored(row)?, body: row.get(11)? });
    }
    let mut next = tables
        .prepare_cached("SELECT min(next_ns) FROM staging_deliveries WHERE state = 0 AND next_ns > ?1")?;
    Ok(Due { deliveries, next_ns: next.query_row([now_ns], |row| row.get(0))? })
}

/// A delivery has arrived.
pub(in crate::staging) fn delivered(tables: &Connection, id: u64) -> Result<()> {
    let mut update = tables.prepare_cached(
        "UPDATE staging_deliveries SET state = 1, attempts = attempts + 1, last_error = NULL WHERE id = ?1",
    )?;
    update.execute([as_i64(id)])?;
    Ok(())
}

/// An attempt at a delivery has failed. If somebody has asked for it again meanwhile, it stays due as they asked.
pub(in crate::staging) fn failed(
    tables: &Connection,
    tried: &Delivery,
    error: &str,
    after: AfterFailure,
) -> Result<()> {
    let (state, n_more, next_ns) = match after {
        AfterFailure::Again { next_ns } => (DeliveryState::Due, 1, Some(next_ns)),
        AfterFailure::Postponed { next_ns } => (DeliveryState::Due, 0, Some(next_ns)),
        AfterFailure::Dead => (DeliveryState::Dead, 1, None),
    };
    let mut update = tables.prepare_cached(
        "UPDATE staging_deliveries SET last_error = ?2, state = ?3, attempts = attempts + ?4,
         next_ns = coalesce(?5, next_ns) WHERE id = ?1 AND state = 0 AND next_ns = ?6 AND attempts = ?7",
    )?;
    let id = as_i64(tried.id);
    let values = params![id, error, state_number(state), n_more, next_ns, tried.next_ns, tried.n_attempts];
    if update.execute(values)? == 0 {
        let mut note = tables
            .prepare_cached("UPDATE staging_deliveries SET last_error = ?2 WHERE id = ?1 AND state <> 1")?;
        note.execute(params![id, error])?;
    }
    Ok(())
}

/// Makes a delivery that has not arrived due at once, with all its attempts before it again.
pub(in crate::staging) fn retry(tables: &Connection, id: u64, now_ns: i64) -> Result<Option<Delivery>> {
    let mut update = tables.prepare_cached(&format!(
        "UPDATE staging_deliveries SET state = 0, attempts = 0, next_ns = ?2
         WHERE id = ?1 AND state <> 1 RETURNING {COLUMNS}"
    ))?;
    let found = update.query_row([as_i64(id), now_ns], |row| Ok(stored(row))).optional()?;
    found.transpose()
}

/// Forgets deliveries of requests that were forgotten, a piece at a time: those that arrived at once, the others much
/// later. `after` is where the piece before ended; where this one ends, `None` if it is the last.
pub(in crate::staging) fn forget_deliveries(
    tables: &Connection,
    state: DeliveryState,
    after: i64,
    now_ns: i64,
) -> Result<Option<i64>> {
    let before_ns = match state {
        DeliveryState::Due => return Ok(None),
        DeliveryState::Done => i64::MAX,
        DeliveryState::Dead => now_ns.saturating_sub(KEEP_DEAD_NS),
    };
    let mut find = tables.prepare_cached(
        "SELECT max(id) FROM (SELECT id FROM staging_deliveries INDEXED BY staging_deliveries_state
         WHERE state = ?1 AND id > ?2 ORDER BY id LIMIT ?3)",
    )?;
    let values = params![state_number(state), after, PIECE as i64];
    let Some(last) = find.query_row(values, |row| row.get::<_, Option<i64>>(0))? else { return Ok(None) };
    let mut forget = tables.prepare_cached(
        "DELETE FROM staging_deliveries WHERE state = ?1 AND id > ?2 AND id <= ?3 AND created_ns < ?4
         AND NOT EXISTS (SELECT 1 FROM staging_requests WHERE number = request)",
    )?;
    forget.execute(params![state_number(state), after, last, before_ns])?;
    Ok(Some(last))
}
