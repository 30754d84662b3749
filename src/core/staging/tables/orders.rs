//! Which requests were made by ordering a whole dataset.

use rusqlite::{Connection, OptionalExtension};

use crate::Result;

/// Notes that a request is an order.
pub(in crate::staging) fn note_order(tables: &Connection, request: i64) -> Result<()> {
    tables
        .prepare_cached("UPDATE staging_requests SET is_order = 1 WHERE number = ?1")?
        .execute([request])?;
    Ok(())
}

/// True for a request that is an order.
pub(in crate::staging) fn is_order(tables: &Connection, request: i64) -> Result<bool> {
    let mut find = tables.prepare_cached("SELECT is_order FROM staging_requests WHERE number = ?1")?;
    Ok(find.query_row([request], |row| row.get(0)).optional()?.unwrap_or(false))
}
