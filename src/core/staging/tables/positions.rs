//! Where a request has its objects.

use std::collections::HashMap;

use rusqlite::Connection;

use super::object_of;
use crate::Result;
use crate::cold::ObjectId;

/// Positions by what is asked for.
#[derive(Debug, Default)]
pub(in crate::staging) struct Positions {
    pub(in crate::staging) by_spelling: HashMap<String, u32>,
    pub(in crate::staging) by_object: HashMap<ObjectId, u32>,
}

/// Where a request has its objects.
pub(in crate::staging) fn positions(tables: &Connection, request: i64) -> Result<Positions> {
    let mut find = tables.prepare_cached(
        "SELECT position, spelling, root, path FROM staging_request_objects WHERE request = ?1",
    )?;
    let mut rows = find.query([request])?;
    let mut positions = Positions::default();
    while let Some(row) = rows.next()? {
        let position = row.get(0)?;
        positions.by_spelling.insert(row.get(1)?, position);
        if let Some(object) = object_of(row, 2, 3)? {
            positions.by_object.insert(object, position);
        }
    }
    Ok(positions)
}
