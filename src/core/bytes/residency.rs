//! Whether the bytes of objects on cold stores can be read at this moment, and where.

use std::sync::Arc;

use async_trait::async_trait;
use thermocline_model::DatasetId;

use crate::Result;
use crate::cold::Locality;
use crate::staging::{Joined, Outcome, Owner, Presence};

/// Knows objects on cold stores, and brings them online.
///
/// Objects are named by their paths or URLs in the archive.
#[async_trait]
pub trait Residency: Send + Sync {
    /// True for what lies below a root that is bound to a cold store. Never waits.
    fn is_bound(&self, href: &str) -> bool;

    /// Where an object's bytes can be read now. Blocking for objects that come online in place; never waits
    /// for a recall and causes none.
    ///
    /// # Errors
    /// A file system that does not answer; an object that is lost.
    fn presence(&self, href: &str) -> Result<Presence>;

    /// Tells that the bytes at [`Presence::Online`] are of another state than the object in the archive: they
    /// are never read again, and the object counts as cold.
    fn is_outdated(&self, href: &str);

    /// Where an object is as far as it is known without asking anybody.
    fn known_locality(&self, href: &str) -> Locality;

    /// Joins the recall of an object for a reader, or begins it.
    ///
    /// # Errors
    /// Those of [`crate::staging::Staging::join`].
    async fn join(&self, href: &str, owner: &Owner, dataset: Option<&DatasetId>) -> Result<Joined>;

    /// Waits until the recall of an object has ended; at once if none is under way.
    async fn wait(&self, href: &str) -> Outcome;

    /// Most objects that are brought online ahead of a reader who came upon a cold one.
    fn prefetch_objects(&self) -> usize {
        0
    }

    /// Brings objects online ahead of a reader, when nothing more urgent is to be done.
    ///
    /// # Errors
    /// Those of [`crate::staging::Staging::request`].
    async fn prefetch(&self, hrefs: Vec<Arc<str>>, owner: &Owner, dataset: &DatasetId) -> Result<()> {
        let _ = (hrefs, owner, dataset);
        Ok(())
    }
}
