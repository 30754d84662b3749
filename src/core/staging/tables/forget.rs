//! Forgetting what nobody will ask for any more, a piece at a time.

use rusqlite::{Connection, params};

use crate::Result;

/// Most rows of objects that are removed in one transaction.
const PIECE: usize = 20_000;

/// Forgets requests whose pins ended before a time, unless an idempotency key leads to them still, and removes what is
/// left of those that were forgotten. False if there are more of them.
pub(in crate::staging) fn forget_requests(tables: &Connection, before_ns: i64) -> Result<bool> {
    let mut find = tables.prepare_cached(
        "SELECT number FROM staging_requests
         WHERE is_live = 0 AND coalesce(expires_ns, finished_ns) < ?1
         AND NOT EXISTS (SELECT 1 FROM staging_keys WHERE request = number) LIMIT 1000",
    )?;
    let mut numbers: Vec<i64> = find.query_map([before_ns], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let mut find_forgotten =
        tables.prepare_cached("SELECT number FROM staging_requests WHERE is_forgotten = 1 LIMIT 1000")?;
    let forgotten: Vec<i64> = find_forgotten.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let is_last = numbers.len() < 1000 && forgotten.len() < 1000;
    numbers.extend(forgotten);
    let mut left = PIECE;
    for number in numbers {
        let mut remove = tables.prepare_cached(
            "DELETE FROM staging_request_objects WHERE request = ?1 AND position IN
             (SELECT position FROM staging_request_objects WHERE request = ?1 LIMIT ?2)",
        )?;
        let n_removed = remove.execute(params![number, left as i64])?;
        left -= n_removed.min(left);
        if left == 0 {
            return Ok(false);
        }
        tables.prepare_cached("DELETE FROM staging_requests WHERE number = ?1")?.execute([number])?;
    }
    Ok(is_last)
}

/// Forgets a request that is over: nothing knows of it from then on. Its rows are removed later, a piece at a time.
pub(in crate::staging) fn forget_request(tables: &Connection, number: i64) -> Result<()> {
    tables
        .prepare_cached("UPDATE staging_requests SET is_forgotten = 1, is_live = 0 WHERE number = ?1")?
        .execute([number])?;
    tables.prepare_cached("DELETE FROM staging_keys WHERE request = ?1")?.execute([number])?;
    Ok(())
}

/// Forgets idempotency keys that were used before a time.
pub(in crate::staging) fn forget_keys(tables: &Connection, before_ns: i64) -> Result<()> {
    tables.prepare_cached("DELETE FROM staging_keys WHERE created_ns < ?1")?.execute([before_ns])?;
    Ok(())
}
