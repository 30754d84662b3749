//! One search: what matches, the page of it, and its summaries.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use metrics::{counter, histogram};
use thermocline_core::access::View;
use thermocline_core::{Error, ErrorKind, Result};
use tracing::warn;

use crate::evaluate::{Evaluation, Lookup, Stop};
use crate::order::OrderStatus;
use crate::patience::{BUDGET, Patience, too_long};
use crate::query::{Found, Query};
use crate::search::{Hit, Shared};
use crate::seen::Seen;
use crate::snapshot::Snapshot;
use crate::sort;
use crate::summary::Summary;

/// How often a search begins anew when summaries were replaced while it ran.
const ATTEMPTS: usize = 4;

/// When to ask again for a summary that is being made again.
const RETRY_AFTER: Duration = Duration::from_secs(10);

impl Seen {
    /// Datasets that a query finds.
    ///
    /// # Errors
    /// [`thermocline_core::ErrorKind::InvalidInput`] for a cursor of another query, an order by what nothing is ordered by
    /// and a geometry or condition of too many parts, [`ErrorKind::Unavailable`] if it takes too long.
    pub async fn find(&self, query: Query) -> Result<Found> {
        let permit = tokio::select! {
            permit = Arc::clone(&self.search.shared.permits).acquire_owned() => permit,
            () = self.search.shared.clock.sleep(BUDGET) => return Err(too_long("searches of others take")),
        };
        let permit = permit.map_err(|_| Error::internal("the search is closed"))?;
        let is_unwanted = Arc::new(AtomicBool::new(false));
        let _until_dropped = Unwanted(Arc::clone(&is_unwanted));
        let (shared, view) = (Arc::clone(&self.search.shared), self.view().clone());
        let task = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            shared.find_blocking(&query, &view, &is_unwanted)
        });
        task.await.map_err(|cause| Error::internal("a search broke off").with_source(cause))?
    }

    /// One dataset by its id; `None` if it is not listed, not indexed or not seen.
    ///
    /// # Errors
    /// A database that cannot be read.
    pub async fn get(&self, id: &str) -> Result<Option<Arc<Hit>>> {
        let (shared, view, id) = (Arc::clone(&self.search.shared), self.view().clone(), id.to_owned());
        let task = tokio::task::spawn_blocking(move || shared.get_blocking(&id, &view));
        task.await.map_err(|cause| Error::internal("a dataset was not found").with_source(cause))?
    }
}

/// Tells a search that whoever asked has gone.
struct Unwanted(Arc<AtomicBool>);

impl Drop for Unwanted {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What is not in the columns of a moment.
struct Beside<'a> {
    shared: &'a Shared,
    snapshot: &'a Snapshot,
}

impl Lookup for Beside<'_> {
    fn status(&self, id: &str) -> Option<OrderStatus> {
        self.shared.orders.status(id)
    }

    fn summary(&self, number: i64) -> Result<Option<Arc<Summary>>> {
        self.shared.summary(number)
    }

    fn updated_us(&self) -> Option<Arc<Vec<i64>>> {
        self.snapshot.updated_us(&self.shared.orders)
    }
}

impl Shared {
    fn find_blocking(&self, query: &Query, view: &View, is_unwanted: &AtomicBool) -> Result<Found> {
        let started_ns = self.clock.now_ns();
        let patience = Patience::bounded(is_unwanted, self.clock.as_ref());
        let mut found = self.attempt(query, view, patience);
        for _ in 1..ATTEMPTS {
            if !matches!(found, Err(Stop::Outdated)) {
                break;
            }
            found = self.attempt(query, view, patience);
        }
        let took_ns = self.clock.now_ns().saturating_sub(started_ns);
        counter!("thermocline_search_queries_total").increment(1);
        histogram!("thermocline_search_query_seconds")
            .record(Duration::from_nanos(u64::try_from(took_ns).unwrap_or(0)));
        Ok(found?)
    }

    fn attempt(&self, query: &Query, view: &View, patience: Patience<'_>) -> Result<Found, Stop> {
        let snapshot = Arc::clone(&self.snapshot.read());
        let columns = &snapshot.columns;
        let beside = Beside { shared: self, snapshot: &snapshot };
        let sight = snapshot.sight(view);
        let evaluation = Evaluation::new(columns, &beside, patience).within(&sight);
        let rows = evaluation.matching(query)?;
        counter!("thermocline_search_rows_total").increment(evaluation.n_looked_at());
        let page = sort::page(columns, &beside, query, &rows).map_err(Stop::Failed)?;
        let hits = page.rows.iter().map(|row| {
            let number = columns.numbers.get(*row as usize).copied().unwrap_or_default();
            self.hit(number)
        });
        // What cannot be read is left out until it was made again.
        let hits = hits.filter(|hit| !matches!(hit, Err(Stop::Failed(error)) if is_unreadable(error)));
        Ok(Found { n_matched: rows.len() as u64, hits: hits.collect::<Result<_, Stop>>()?, next: page.next })
    }

    fn get_blocking(&self, id: &str, view: &View) -> Result<Option<Arc<Hit>>> {
        for _ in 0..ATTEMPTS {
            let snapshot = Arc::clone(&self.snapshot.read());
            let Some(row) = snapshot.columns.row_of(id) else { return Ok(None) };
            let rule = snapshot.columns.access.get(row as usize);
            if !rule.is_some_and(|rule| view.sees_rule(rule.as_deref())) {
                return Ok(None);
            }
            let number = snapshot.columns.numbers.get(row as usize).copied().unwrap_or_default();
            match self.hit(number) {
                Err(Stop::Outdated) => {}
                Err(Stop::Failed(error)) if is_unreadable(&error) => {
                    let kind = ErrorKind::Unavailable { retry_after: RETRY_AFTER };
                    let message = format!("what is told of dataset '{id}' is being made again");
                    return Err(Error::new(kind, message).with_source(error));
                }
                hit => return Ok(Some(hit?)),
            }
        }
        Err(Stop::Outdated.into())
    }

    fn hit(&self, number: i64) -> Result<Arc<Hit>, Stop> {
        let summary = self.summary(number).map_err(Stop::Failed)?.ok_or(Stop::Outdated)?;
        Ok(Arc::new(Hit { order: self.orders.of(&summary.id), summary }))
    }

    fn summary(&self, number: i64) -> Result<Option<Arc<Summary>>> {
        if let Some(known) = self.summaries.get(&number) {
            return Ok(Some(known));
        }
        let summary = match self.store()?.summary(number) {
            Err(error) if is_unreadable(&error) => {
                if self.unreadable.lock().insert(number) {
                    warn!(%error, "the summary of a dataset cannot be read and will be made again");
                }
                return Err(error);
            }
            summary => summary?.map(Arc::new),
        };
        if let Some(summary) = &summary {
            self.summaries.insert(number, Arc::clone(summary));
        }
        Ok(summary)
    }
}

/// True for the error of one summary that is damaged.
fn is_unreadable(error: &Error) -> bool {
    error.kind() == ErrorKind::Corrupt
}

#[cfg(test)]
mod tests;
