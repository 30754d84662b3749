//! What owners have spent, day by day.

use std::collections::BTreeMap;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};

use super::{as_i64, as_u64};
use crate::cold::Cost;
use crate::staging::{Amount, Owner};
use crate::{Error, ErrorKind, Result};

/// Nanoseconds of a day.
const DAY_NS: i64 = 24 * 3600 * 1_000_000_000;

/// Days that are kept.
const KEPT_DAYS: i64 = 400;

/// When to come back for another request while too many are open.
const AFTER_REQUESTS: Duration = Duration::from_secs(60);

/// What an owner is about to spend, and what it may.
#[derive(Debug, Clone)]
pub(in crate::staging) struct Bill {
    pub(in crate::staging) owner: Owner,
    /// For a day (UTC).
    pub(in crate::staging) max_cost: Option<Amount>,
    /// Requests that may be open.
    pub(in crate::staging) max_requests: Option<u64>,
    pub(in crate::staging) costs: Vec<Cost>,
    pub(in crate::staging) now_ns: i64,
}

/// Charges an owner, or refuses that whole.
///
/// # Errors
/// [`ErrorKind::OverQuota`] for more than the owner may spend on this day, or more requests than it may have open.
pub(in crate::staging) fn charge(tables: &Connection, bill: &Bill) -> Result<()> {
    check_requests(tables, bill)?;
    let day = bill.now_ns.div_euclid(DAY_NS);
    let mut sums: BTreeMap<&str, u64> = BTreeMap::new();
    for cost in &bill.costs {
        let sum = sums.entry(&cost.currency).or_default();
        *sum = sum.saturating_add(cost.micros);
    }
    for (currency, micros) in &sums {
        check_cost(bill, (currency, *micros), spent(tables, &bill.owner, day, currency)?)?;
    }
    for (currency, micros) in sums {
        let mut add = tables.prepare_cached(
            "INSERT INTO staging_spending (owner, day, currency, micros) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (owner, day, currency) DO UPDATE SET micros = micros + excluded.micros",
        )?;
        add.execute(params![&*bill.owner.0, day, currency, as_i64(micros)])?;
    }
    Ok(())
}

/// What an owner has spent on a day, in millionths of a currency.
pub(in crate::staging) fn spent(tables: &Connection, owner: &Owner, day: i64, currency: &str) -> Result<u64> {
    let mut find = tables.prepare_cached(
        "SELECT micros FROM staging_spending WHERE owner = ?1 AND day = ?2 AND currency = ?3",
    )?;
    let found = find.query_row(params![&*owner.0, day, currency], |row| row.get(0)).optional()?;
    Ok(as_u64(found.unwrap_or_default()))
}

/// Forgets what was spent long ago.
pub(in crate::staging) fn forget_spending(tables: &Connection, now_ns: i64) -> Result<()> {
    let oldest = now_ns.div_euclid(DAY_NS) - KEPT_DAYS;
    tables.prepare_cached("DELETE FROM staging_spending WHERE day < ?1")?.execute([oldest])?;
    Ok(())
}

fn check_cost(bill: &Bill, (currency, micros): (&str, u64), spent: u64) -> Result<()> {
    let Some(limit) = &bill.max_cost else { return Ok(()) };
    let shown = |micros| Amount { micros, currency: Some(currency.into()) };
    let retry_after = until_midnight(bill.now_ns);
    let refused = |message| Err(Error::new(ErrorKind::OverQuota { retry_after }, message));
    if limit.currency.as_deref().is_some_and(|known| known != currency) && micros > 0 {
        return refused(format!(
            "the recalls cost {}, and what {} may spend is given in another currency: {limit} a day",
            shown(micros),
            bill.owner
        ));
    }
    if spent.saturating_add(micros) > limit.micros && micros > 0 {
        return refused(format!(
            "the recalls cost {}, and {} has spent {} of {} today (UTC)",
            shown(micros),
            bill.owner,
            shown(spent),
            shown(limit.micros)
        ));
    }
    Ok(())
}

/// How long until the day (UTC) is over.
fn until_midnight(now_ns: i64) -> Duration {
    Duration::from_nanos(as_u64(DAY_NS - now_ns.rem_euclid(DAY_NS)))
}

fn check_requests(tables: &Connection, bill: &Bill) -> Result<()> {
    let Some(most) = bill.max_requests else { return Ok(()) };
    let mut count = tables.prepare_cached(
        "SELECT count(*) FROM staging_requests
         WHERE is_live = 1 AND owner = ?1 AND finished_ns IS NULL AND face < 2",
    )?;
    let n_open: u64 = as_u64(count.query_row([&*bill.owner.0], |row| row.get(0))?);
    if n_open < most {
        return Ok(());
    }
    let message = format!("{} has {n_open} requests that have not ended: it may have {most}", bill.owner);
    Err(Error::new(ErrorKind::OverQuota { retry_after: AFTER_REQUESTS }, message))
}
