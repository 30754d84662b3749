//! Walks all datasets that a query finds.

use std::sync::Arc;

use thermocline_core::{Error, Result};
use thermocline_search::{Hit, Query, Seen};

/// How many datasets are asked for at once.
const PAGE: usize = 500;

/// Calls `write` with `target` and every dataset that `query` finds among those seen, in its order, and gives `target` back.
///
/// One page of datasets is in memory at a time; writing runs on the blocking pool. The limit and the cursor of
/// `query` are replaced.
///
/// # Errors
/// Those of [`Seen::find`].
pub async fn write_hits<T: Send + 'static>(
    seen: &Seen,
    query: Query,
    mut target: T,
    write: impl Fn(&mut T, &Hit) + Send + Sync + 'static,
) -> Result<T> {
    let write = Arc::new(write);
    let mut after = None;
    loop {
        let found = seen.find(Query { limit: PAGE, after, ..query.clone() }).await?;
        let write = Arc::clone(&write);
        let page = tokio::task::spawn_blocking(move || {
            found.hits.iter().for_each(|hit| write(&mut target, hit));
            target
        });
        target = page
            .await
            .map_err(|cause| Error::internal("a page of datasets was not written").with_source(cause))?;
        after = found.next;
        if after.is_none() {
            return Ok(target);
        }
    }
}
