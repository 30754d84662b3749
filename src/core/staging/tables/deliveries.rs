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
use crate::staging::{Delivery, DeliveryFilter, DeliveryState, Face, ObjectState, RequestId, Tally};

/// Type of the event that a request has ended.
const ENDED: &str = "org.thermocline.request.ended";

/// How long what could not be delivered is kept after its request was forgotten, in nanoseconds.
const KEEP_DEAD_NS: i64 = 90 * 24 * 3600 * 1_000_000_000;

/// What is due, with its body.
pub(in crate::staging) struct StoredDelivery {
    pub(in crate::staging) delivery: Delivery,
    pub(in crate::staging) body: String,
}

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
    let host = Url::parse(&told.url).ok().and_then(|url| Some(url.host_str()?.to_owned()));
    let mut insert = tables.prepare_cached(
        "INSERT OR IGNORE INTO staging_deliveries
         (request, event, subject, url, host, body, state, attempts, next_ns, created_ns)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, 0, ?7, ?7)",
    )?;
    let n = insert.execute(params![
        request.number,
        event,
        &*subject.0,
        told.url,
        host.unwrap_or_default(),
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

const COLUMNS: &str = "id, subject, event, url, host, state, attempts, next_ns, created_ns, last_error";

fn stored(row: &Row<'_>) -> Result<Delivery> {
    Ok(Delivery {
        id: as_u64(row.get(0)?),
        request: RequestId(row.get(1)?),
        event: row.get(2)?,
        url: row.get(3)?,
        host: row.get(4)?,
        state: state(row.get(5)?)?,
        n_attempts: row.get(6)?,
        next_ns: row.get(7)?,
        created_ns: row.get(8)?,
        last_error: row.get(9)?,
    })
}

/// In the order of their numbers in the database.
const STATES: [DeliveryState; 3] = [DeliveryState::Due, DeliveryState::Done, DeliveryState::Dead];

fn state(number: i64) -> Result<DeliveryState> {
    let state = usize::try_from(number).ok().and_then(|number| STATES.get(number));
    state.copied().ok_or_else(|| damaged(format!("a state {number} of a delivery")))
}

fn state_number(state: DeliveryState) -> i64 {
    STATES.iter().position(|known| *known == state).unwrap_or_default() as i64
}

/// Deliveries, newest first.
pub(in crate::staging) fn deliveries(tables: &Connection, filter: &DeliveryFilter) -> Result<Vec<Delivery>> {
    let mut find = tables.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM staging_deliveries
         WHERE (?1 IS NULL OR state = ?1) AND id < ?2 ORDER BY id DESC LIMIT ?3"
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

/// What is due by now, the oldest of each host, other hosts than these; and when something will be.
pub(in crate::staging) fn due(
    tables: &Connection,
    now_ns: i64,
    busy: &[String],
    limit: usize,
) -> Result<(Vec<StoredDelivery>, Option<i64>)> {
    let busy = Value::from(busy).to_string();
    let mut find = tables.prepare_cached(&format!(
        "SELECT {COLUMNS}, body FROM staging_deliveries JOIN
         (SELECT id AS oldest, min(next_ns) AS since FROM staging_deliveries
          WHERE state = 0 AND next_ns <= ?1 AND host NOT IN (SELECT value FROM json_each(?2))
          GROUP BY host ORDER BY since LIMIT ?3) ON id = oldest ORDER BY since, id"
    ))?;
    let mut rows = find.query(params![now_ns, busy, as_i64(limit as u64)])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(StoredDelivery { delivery: stored(row)?, body: row.get(10)? });
    }
    let mut next = tables
        .prepare_cached("SELECT min(next_ns) FROM staging_deliveries WHERE state = 0 AND next_ns > ?1")?;
    Ok((found, next.query_row([now_ns], |row| row.get(0))?))
}

/// A delivery has arrived.
pub(in crate::staging) fn delivered(tables: &Connection, id: u64) -> Result<()> {
    let mut update = tables.prepare_cached(
        "UPDATE staging_deliveries SET state = 1, attempts = attempts + 1, last_error = NULL WHERE id = ?1",
    )?;
    update.execute([as_i64(id)])?;
    Ok(())
}

/// An attempt has failed; there is another one at `next_ns`, or none.
pub(in crate::staging) fn failed(
    tables: &Connection,
    id: u64,
    error: &str,
    next_ns: Option<i64>,
) -> Result<()> {
    let mut update = tables.prepare_cached(
        "UPDATE staging_deliveries SET attempts = attempts + 1, last_error = ?2,
         state = CASE WHEN ?3 IS NULL THEN 2 ELSE 0 END, next_ns = coalesce(?3, next_ns) WHERE id = ?1",
    )?;
    update.execute(params![as_i64(id), error, next_ns])?;
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

/// Forgets deliveries of requests that were forgotten: those that arrived at once, the others much later.
pub(in crate::staging) fn forget_deliveries(tables: &Connection, now_ns: i64) -> Result<()> {
    let mut forget = tables.prepare_cached(
        "DELETE FROM staging_deliveries WHERE (state = 1 OR (state = 2 AND created_ns < ?1))
         AND NOT EXISTS (SELECT 1 FROM staging_requests WHERE number = request)",
    )?;
    forget.execute([now_ns.saturating_sub(KEEP_DEAD_NS)])?;
    Ok(())
}
