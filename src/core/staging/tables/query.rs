//! Reading requests and their objects.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::types::Value;
use rusqlite::{Connection, Row, params};
use thermocline_model::DatasetId;

use super::{
    as_i64, as_u64, face, object_of, object_state, request_number, request_state, request_state_number,
};
use super::{request_id, unpack_spellings, unpack_tallies};
use crate::staging::{ObjectFilter, Owner, Request, RequestFilter, RequestObject};
use crate::{Error, Result};

/// A request as the database has it.
#[derive(Debug)]
pub(in crate::staging) struct StoredRequest {
    pub(in crate::staging) number: i64,
    /// Whether it waits for something or pins something.
    pub(in crate::staging) is_live: bool,
    /// Reason and estimate of what waits are not among it.
    pub(in crate::staging) request: Request,
}

/// An object of a request as the database has it.
pub(in crate::staging) type StoredObject = RequestObject;

const REQUEST: &str =
    "SELECT number, face, owner, priority, lifetime_ns, dataset, is_live, state, tallies, reason,
 started_ns, finished_ns, expires_ns, change FROM staging_requests";

fn stored_request(row: &Row<'_>) -> Result<StoredRequest> {
    let number = row.get(0)?;
    let face = face(row.get(1)?)?;
    let dataset: Option<String> = row.get(5)?;
    let dataset = dataset.map(|id| DatasetId::new(&id)).transpose();
    let request = Request {
        id: request_id(number, face),
        owner: Owner(row.get(2)?),
        face,
        state: request_state(row.get(7)?)?,
        priority: row.get(3)?,
        lifetime: Duration::from_nanos(as_u64(row.get(4)?)),
        dataset: dataset.map_err(|cause| Error::corrupt("the dataset of a request").with_source(cause))?,
        tallies: unpack_tallies(row.get_ref(8)?.as_blob().unwrap_or_default())?,
        reason: row.get(9)?,
        estimate: None,
        created_ns: number,
        started_ns: row.get(10)?,
        finished_ns: row.get(11)?,
        expires_ns: row.get(12)?,
        change: as_u64(row.get(13)?),
    };
    Ok(StoredRequest { number, is_live: row.get(6)?, request })
}

/// The request of a number.
pub(in crate::staging) fn request(tables: &Connection, number: i64) -> Result<Option<StoredRequest>> {
    let mut find = tables.prepare_cached(&format!("{REQUEST} WHERE number = ?1 AND is_forgotten = 0"))?;
    let mut rows = find.query([number])?;
    rows.next()?.map(stored_request).transpose()
}

/// Requests, newest first.
pub(in crate::staging) fn requests(
    tables: &Connection,
    filter: &RequestFilter,
) -> Result<Vec<StoredRequest>> {
    let mut conditions = vec!["is_forgotten = 0".to_owned()];
    let mut values: Vec<Value> = Vec::new();
    let mut add = |condition: &str, value: Value| {
        values.push(value);
        conditions.push(format!("{condition} ?{}", values.len()));
    };
    if let Some(owner) = &filter.owner {
        add("owner =", owner.0.to_string().into());
    }
    if let Some(state) = filter.state {
        add("state =", request_state_number(state).into());
    }
    if let Some(dataset) = &filter.dataset {
        add("dataset =", dataset.as_str().to_owned().into());
    }
    if let Some(from_ns) = filter.created_from_ns {
        add("number >=", from_ns.into());
    }
    if let Some(before_ns) = filter.created_before_ns {
        add("number <", before_ns.into());
    }
    if let Some(after) = &filter.after {
        add("number <", request_number(after).unwrap_or_default().into());
    }
    if !filter.with_readers {
        conditions.push("face < 2".to_owned());
    }
    values.push(as_i64(filter.limit as u64).into());
    let sql =
        format!("{REQUEST} WHERE {} ORDER BY number DESC LIMIT ?{}", conditions.join(" AND "), values.len());
    let mut find = tables.prepare_cached(&sql)?;
    let mut rows = find.query(rusqlite::params_from_iter(values))?;
    let mut requests = Vec::new();
    while let Some(row) = rows.next()? {
        requests.push(stored_request(row)?);
    }
    Ok(requests)
}

/// Objects of a request, by position, or with `since` by change.
pub(in crate::staging) fn objects(
    tables: &Connection,
    request: i64,
    filter: &ObjectFilter,
) -> Result<Vec<StoredObject>> {
    let by = if filter.since.is_some() { "change" } else { "position" };
    let index = match filter.since {
        Some(_) => "INDEXED BY staging_request_objects_changed",
        None => "",
    };
    let after = filter.since.max(filter.after).or(filter.after).map_or(-1, as_i64);
    let sql = format!(
        "SELECT position, spelling, root, path, state, len_bytes, reason, since_ns, change, other_spellings
         FROM staging_request_objects {index}
         WHERE request = ?1 AND {by} > ?2 AND (?3 IS NULL OR state = ?3) ORDER BY {by} LIMIT ?4"
    );
    let mut find = tables.prepare_cached(&sql)?;
    let state = filter.state.map(|state| state as u8);
    let mut rows = find.query(params![request, after, state, as_i64(filter.limit as u64)])?;
    let mut objects = Vec::new();
    while let Some(row) = rows.next()? {
        objects.push(stored_object(row)?);
    }
    Ok(objects)
}

fn stored_object(row: &Row<'_>) -> Result<StoredObject> {
    let spelling: Arc<str> = row.get(1)?;
    Ok(RequestObject {
        position: as_u64(row.get(0)?),
        spelling,
        object: object_of(row, 2, 3)?,
        state: object_state(row.get(4)?)?,
        len_bytes: row.get::<_, Option<i64>>(5)?.map(as_u64),
        reason: row.get(6)?,
        estimate: None,
        since_ns: row.get(7)?,
        change: as_u64(row.get(8)?),
        other_spellings: row
            .get::<_, Option<Box<str>>>(9)?
            .as_deref()
            .map(unpack_spellings)
            .unwrap_or_default(),
    })
}
