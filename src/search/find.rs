//! One search: what matches, the page of it, and its summaries.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use metrics::{counter, histogram};
use thermocline_core::{Error, Result};

use crate::evaluate::{Evaluation, Lookup, Stop};
use crate::order::OrderStatus;
use crate::query::{Found, Query};
use crate::search::{Hit, Search, Shared};
use crate::sort;
use crate::summary::Summary;

/// How often a search begins anew when summaries were replaced while it ran.
const ATTEMPTS: usize = 4;

impl Search {
    /// Datasets that a query finds.
    ///
    /// # Errors
    /// [`thermocline_core::ErrorKind::InvalidInput`] for a cursor of another query, an order by what nothing is ordered by
    /// and a geometry of too many positions.
    pub async fn find(&self, query: Query) -> Result<Found> {
        let permit = Arc::clone(&self.shared.permits).acquire_owned().await;
        let permit = permit.map_err(|_| Error::internal("the search is closed"))?;
        let is_unwanted = Arc::new(AtomicBool::new(false));
        let _until_dropped = Unwanted(Arc::clone(&is_unwanted));
        let shared = Arc::clone(&self.shared);
        let task = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            shared.find_blocking(&query, &is_unwanted)
        });
        task.await.map_err(|cause| Error::internal("a search broke off").with_source(cause))?
    }

    /// One dataset by its id; `None` if it is not listed or not indexed.
    ///
    /// # Errors
    /// A database that cannot be read.
    pub async fn get(&self, id: &str) -> Result<Option<Arc<Hit>>> {
        let (shared, id) = (Arc::clone(&self.shared), id.to_owned());
        let task = tokio::task::spawn_blocking(move || shared.get_blocking(&id));
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

impl Lookup for Shared {
    fn status(&self, id: &str) -> Option<OrderStatus> {
        self.orders.status(id)
    }

    fn summary(&self, number: i64) -> Result<Option<Arc<Summary>>> {
        if let Some(known) = self.summaries.get(&number) {
            return Ok(Some(known));
        }
        let summary = self.store()?.summary(number)?.map(Arc::new);
        if let Some(summary) = &summary {
            self.summaries.insert(number, Arc::clone(summary));
        }
        Ok(summary)
    }
}

impl Shared {
    fn find_blocking(&self, query: &Query, is_unwanted: &AtomicBool) -> Result<Found> {
        let started_ns = self.clock.now_ns();
        let mut found = self.attempt(query, is_unwanted);
        for _ in 1..ATTEMPTS {
            if !matches!(found, Err(Stop::Outdated)) {
                break;
            }
            found = self.attempt(query, is_unwanted);
        }
        let took_ns = self.clock.now_ns().saturating_sub(started_ns);
        counter!("thermocline_search_queries_total").increment(1);
        histogram!("thermocline_search_query_seconds")
            .record(Duration::from_nanos(u64::try_from(took_ns).unwrap_or(0)));
        Ok(found?)
    }

    fn attempt(&self, query: &Query, is_unwanted: &AtomicBool) -> Result<Found, Stop> {
        let snapshot = Arc::clone(&self.snapshot.read());
        let columns = &snapshot.columns;
        let evaluation = Evaluation::new(columns, self, is_unwanted);
        let rows = evaluation.matching(query)?;
        counter!("thermocline_search_rows_total").increment(evaluation.n_looked_at());
        let page = sort::page(columns, self, query, &rows).map_err(Stop::Failed)?;
        let hits = page.rows.iter().map(|row| {
            let number = columns.numbers.get(*row as usize).copied().unwrap_or_default();
            self.hit(number)
        });
        Ok(Found { n_matched: rows.len() as u64, hits: hits.collect::<Result<_, Stop>>()?, next: page.next })
    }

    fn get_blocking(&self, id: &str) -> Result<Option<Arc<Hit>>> {
        for _ in 0..ATTEMPTS {
            let snapshot = Arc::clone(&self.snapshot.read());
            let Some(row) = snapshot.columns.row_of(id) else { return Ok(None) };
            let number = snapshot.columns.numbers.get(row as usize).copied().unwrap_or_default();
            match self.hit(number) {
                Err(Stop::Outdated) => {}
                hit => return Ok(Some(hit?)),
            }
        }
        Err(Stop::Outdated.into())
    }

    fn hit(&self, number: i64) -> Result<Arc<Hit>, Stop> {
        let summary = self.summary(number).map_err(Stop::Failed)?.ok_or(Stop::Outdated)?;
        Ok(Arc::new(Hit { order: self.orders.of(&summary.id), summary }))
    }
}

#[cfg(test)]
mod tests;
