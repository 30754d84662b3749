//! How requests ended before the server began.

use thermocline_core::Result;
use thermocline_core::cold::ObjectId;
use thermocline_core::staging::{ObjectFilter, RequestFilter, RequestId, Staging};

use super::object::{End, Ending};

/// Most requests that are looked at, the newest first.
pub(super) const MAX_REQUESTS: usize = 200;

/// Most objects of them.
const MAX_OBJECTS: usize = 20_000;

/// What is known of an object from the past: the last request for it, and how that ended if not well.
#[derive(Debug, Clone)]
pub(super) struct Past {
    pub(super) request: RequestId,
    pub(super) end: Option<End>,
}

/// Objects of past requests, those of the newest request first.
///
/// # Errors
/// A database that cannot be read.
pub(super) async fn past(staging: &Staging) -> Result<Vec<(ObjectId, Past)>> {
    let newest = RequestFilter { with_readers: true, limit: MAX_REQUESTS, ..RequestFilter::default() };
    let mut found = Vec::new();
    for request in staging.list(newest).await? {
        let filter =
            ObjectFilter { limit: MAX_OBJECTS.saturating_sub(found.len()), ..ObjectFilter::default() };
        if filter.limit == 0 {
            break;
        }
        let objects = staging.objects(&request.id, filter).await?;
        found.extend(objects.into_iter().filter_map(|object| {
            let end = Ending::of(object.state).map(|ending| End { ending, at_ns: object.since_ns });
            Some((object.object?, Past { request: request.id.clone(), end }))
        }));
    }
    Ok(found)
}
