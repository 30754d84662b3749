//! Reading all that is under way, at start.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;
use thermocline_model::DatasetId;

use super::{
    OnlineRow, RecallRow, activity, as_u64, face, object_of, object_state, request_id, request_state,
};
use super::{damaged, unpack_names, unpack_tallies};
use crate::cold::ObjectId;
use crate::staging::book::{Online, RequestHead};
use crate::staging::{Activity, ObjectState, Owner, RequestState, Tally};
use crate::{Error, Result};

/// What was under way when the process ended.
#[derive(Debug, Default)]
pub(in crate::staging) struct Loaded {
    pub(in crate::staging) requests: Vec<LoadedRequest>,
    pub(in crate::staging) recalls: Vec<RecallRow>,
    pub(in crate::staging) online: Vec<OnlineRow>,
    pub(in crate::staging) activities: Vec<(Arc<str>, Activity)>,
}

/// A request that had not ended, or had pins.
#[derive(Debug)]
pub(in crate::staging) struct LoadedRequest {
    pub(in crate::staging) head: RequestHead,
    pub(in crate::staging) state: RequestState,
    pub(in crate::staging) tallies: [Tally; 8],
    pub(in crate::staging) reason: Option<Arc<str>>,
    pub(in crate::staging) started_ns: Option<i64>,
    pub(in crate::staging) finished_ns: Option<i64>,
    pub(in crate::staging) expires_ns: Option<i64>,
    pub(in crate::staging) pins_until_ns: Option<i64>,
    /// Those that wait or are pinned.
    pub(in crate::staging) objects: Vec<LoadedObject>,
}

/// One object of it.
#[derive(Debug)]
pub(in crate::staging) struct LoadedObject {
    pub(in crate::staging) position: u32,
    pub(in crate::staging) id: ObjectId,
    pub(in crate::staging) others: Vec<ObjectId>,
    pub(in crate::staging) state: ObjectState,
    pub(in crate::staging) len_bytes: Option<u64>,
    pub(in crate::staging) pinned_until_ns: Option<i64>,
}

/// The highest number of a request.
pub(in crate::staging) fn last_number(tables: &Connection) -> Result<i64> {
    let last: Option<i64> =
        tables.query_row("SELECT max(number) FROM staging_requests", [], |row| row.get(0))?;
    Ok(last.unwrap_or_default())
}

/// Reads all of it.
pub(in crate::staging) fn load(tables: &Connection) -> Result<Loaded> {
    Ok(Loaded {
        requests: requests(tables)?,
        recalls: recalls(tables)?,
        online: online(tables)?,
        activities: activities(tables)?,
    })
}

fn requests(tables: &Connection) -> Result<Vec<LoadedRequest>> {
    let mut find = tables.prepare(
        "SELECT number, face, owner, priority, lifetime_ns, dataset, state, tallies, reason, started_ns,
         finished_ns, expires_ns, pins_until_ns FROM staging_requests WHERE is_live = 1 AND is_forgotten = 0
         ORDER BY number",
    )?;
    let mut rows = find.query([])?;
    let mut requests = Vec::new();
    let mut names = Names::default();
    while let Some(row) = rows.next()? {
        let number = row.get(0)?;
        let face = face(row.get(1)?)?;
        let dataset: Option<String> = row.get(5)?;
        let dataset = dataset.map(|id| DatasetId::new(&id)).transpose();
        let head = RequestHead {
            number,
            id: request_id(number, face),
            owner: Owner(row.get(2)?),
            face,
            priority: row.get(3)?,
            lifetime: Duration::from_nanos(as_u64(row.get(4)?)),
            dataset: dataset
                .map_err(|cause| Error::corrupt("the dataset of a request").with_source(cause))?,
        };
        requests.push(LoadedRequest {
            head,
            state: request_state(row.get(6)?)?,
            tallies: unpack_tallies(row.get_ref(7)?.as_blob().unwrap_or_default())?,
            reason: row.get(8)?,
            started_ns: row.get(9)?,
            finished_ns: row.get(10)?,
            expires_ns: row.get(11)?,
            pins_until_ns: row.get(12)?,
            objects: objects(tables, number, &mut names)?,
        });
    }
    Ok(requests)
}

fn objects(tables: &Connection, request: i64, names: &mut Names) -> Result<Vec<LoadedObject>> {
    let mut find = tables.prepare_cached(
        "SELECT position, root, path, others, state, len_bytes, pinned_until_ns
         FROM staging_request_objects WHERE request = ?1 AND state <= 3",
    )?;
    let mut rows = find.query([request])?;
    let mut objects = Vec::new();
    while let Some(row) = rows.next()? {
        let (Some(root), Some(path)): (Option<Box<str>>, Option<Box<str>>) = (row.get(1)?, row.get(2)?)
        else {
            return Err(damaged("an object without a name that waits".to_owned()));
        };
        let others: Option<String> = row.get(3)?;
        objects.push(LoadedObject {
            position: row.get(0)?,
            id: ObjectId::new(names.shared(&root), &path)?,
            others: others.as_deref().map(unpack_names).transpose()?.unwrap_or_default(),
            state: object_state(row.get(4)?)?,
            len_bytes: row.get::<_, Option<i64>>(5)?.map(as_u64),
            pinned_until_ns: row.get(6)?,
        });
    }
    Ok(objects)
}

fn recalls(tables: &Connection) -> Result<Vec<RecallRow>> {
    let mut find = tables.prepare(
        "SELECT root, path, store, batch, attempt, n_changes, version, why, retry_ns, store_id
         FROM staging_recalls",
    )?;
    let mut rows = find.query([])?;
    let (mut recalls, mut names) = (Vec::new(), Names::default());
    while let Some(row) = rows.next()? {
        let Some(object) = object_of(row, 0, 1)? else { continue };
        let (store, batch): (Box<str>, Option<Box<str>>) = (row.get(2)?, row.get(3)?);
        let store_id: Option<Box<str>> = row.get(9)?;
        recalls.push(RecallRow {
            object,
            store: names.shared(&store),
            batch: batch.map(|batch| names.shared(&batch)),
            store_id: store_id.map(|store_id| names.shared(&store_id)),
            attempt: row.get(4)?,
            n_changes: row.get(5)?,
            version: row.get(6)?,
            why: row.get(7)?,
            retry_ns: row.get(8)?,
        });
    }
    Ok(recalls)
}

/// Copies, the one that landed first before all others: when each was used last is not written down.
fn online(tables: &Connection) -> Result<Vec<OnlineRow>> {
    let mut find = tables.prepare(
        "SELECT root, path, version, len_bytes, since_ns, is_copied, is_safe FROM staging_online
         WHERE is_copied = 1
         ORDER BY since_ns",
    )?;
    let mut rows = find.query([])?;
    let (mut online, mut names) = (Vec::new(), Names::default());
    while let Some(row) = rows.next()? {
        let (root, path): (Box<str>, Box<str>) = (row.get(0)?, row.get(1)?);
        let state = Online {
            version: row.get(2)?,
            len_bytes: as_u64(row.get(3)?),
            since_ns: row.get(4)?,
            is_copied: row.get(5)?,
            is_safe: row.get(6)?,
        };
        online.push(OnlineRow { object: ObjectId::new(names.shared(&root), &path)?, online: state });
    }
    Ok(online)
}

fn activities(tables: &Connection) -> Result<Vec<(Arc<str>, Activity)>> {
    let mut find = tables.prepare("SELECT name, activity FROM staging_stores")?;
    let rows = find.query_map([], |row| Ok((row.get(0)?, activity(row.get(1)?))))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Names that occur often, each of them once in memory.
#[derive(Default)]
struct Names(HashSet<Arc<str>>);

impl Names {
    fn shared(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.0.get(name) {
            return Arc::clone(known);
        }
        let shared: Arc<str> = name.into();
        self.0.insert(Arc::clone(&shared));
        shared
    }
}

/// Objects that were brought online in place.
pub(in crate::staging) fn online_in_place(tables: &Connection) -> Result<Vec<ObjectId>> {
    let mut find = tables.prepare_cached("SELECT root, path FROM staging_online WHERE is_copied = 0")?;
    let mut rows = find.query([])?;
    let (mut objects, mut names) = (Vec::new(), Names::default());
    while let Some(row) = rows.next()? {
        let (root, path): (Box<str>, Box<str>) = (row.get(0)?, row.get(1)?);
        objects.push(ObjectId::new(names.shared(&root), &path)?);
    }
    Ok(objects)
}
