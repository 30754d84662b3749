//! Whether the bytes of objects on cold stores can be read at this moment, and where.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use thermocline_model::DatasetId;

use crate::Result;
use crate::cold::Locality;
use crate::staging::cache::CacheKey;
use crate::staging::{Face, Joined, NewRequest, Outcome, Owner, Presence, Staging, Wanted};

/// Knows objects on cold stores, and brings them online.
///
/// Objects are named by their paths or URLs in the archive.
#[async_trait]
pub trait Residency: Send + Sync {
    /// True for what lies below a root that is bound to a cold store. Never waits.
    fn is_bound(&self, href: &str) -> bool;

    /// Where an object's bytes can be read. Of objects that come online in place this may be a moment old: what was
    /// read of them counts only if [`Residency::presence_now`] says the same afterwards. Never waits for a recall
    /// and causes none.
    ///
    /// # Errors
    /// A store that does not answer; an object that is lost.
    async fn presence(&self, href: &str) -> Result<Presence>;

    /// The same as it is after this was called.
    ///
    /// # Errors
    /// Those of [`Residency::presence`].
    async fn presence_now(&self, href: &str) -> Result<Presence> {
        self.presence(href).await
    }

    /// True if an object's store has it in the state of a copy now.
    ///
    /// # Errors
    /// Those of [`Residency::presence`].
    async fn is_state_of(&self, href: &str, copy: &CacheKey) -> Result<bool> {
        let _ = (href, copy);
        Ok(false)
    }

    /// Tells that the copy at [`Presence::Online`] is of another state than the object in the archive, damaged, or
    /// gone: it is not read until it has been looked at, and the object counts as cold. Or that the store of an object
    /// refused to read it.
    fn doubt(&self, href: &str);

    /// True for an object whose store itself refuses to read it while it is cold: nobody need be asked before and after
    /// a read. Whoever was refused says so with [`Residency::doubt`]. Never waits.
    fn refuses_cold_reads(&self, href: &str) -> bool {
        let _ = href;
        false
    }

    /// Where an object is as far as it is known without asking anybody.
    fn known_locality(&self, href: &str) -> Locality;

    /// Where objects are at this moment; recalls none.
    async fn localities(&self, hrefs: &[Arc<str>]) -> Vec<Locality> {
        hrefs.iter().map(|href| self.known_locality(href)).collect()
    }

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

/// How long objects that were brought online ahead of a reader stay for it.
const AHEAD_LIFETIME: Duration = Duration::from_secs(15 * 60);

/// What the staging engine knows and does, for readers.
pub struct Staged {
    staging: Staging,
    prefetch_objects: usize,
}

impl Staged {
    /// The engine, which brings at most `prefetch_objects` online ahead of a reader; `None` if no root is bound
    /// to a cold store.
    pub fn of(staging: &Staging, prefetch_objects: usize) -> Option<Arc<dyn Residency>> {
        let is_used = staging.namespace().roots().iter().any(|root| root.store.is_some());
        is_used.then(|| Arc::new(Self { staging: staging.clone(), prefetch_objects }) as _)
    }
}

#[async_trait]
impl Residency for Staged {
    fn is_bound(&self, href: &str) -> bool {
        self.staging.is_bound(href)
    }

    async fn presence(&self, href: &str) -> Result<Presence> {
        self.staging.presence(href).await
    }

    async fn presence_now(&self, href: &str) -> Result<Presence> {
        self.staging.presence_now(href).await
    }

    async fn is_state_of(&self, href: &str, copy: &CacheKey) -> Result<bool> {
        self.staging.is_state_of(href, copy).await
    }

    fn doubt(&self, href: &str) {
        self.staging.doubt(href);
    }

    fn refuses_cold_reads(&self, href: &str) -> bool {
        self.staging.refuses_cold_reads(href)
    }

    fn known_locality(&self, href: &str) -> Locality {
        self.staging.known_locality(href)
    }

    async fn localities(&self, hrefs: &[Arc<str>]) -> Vec<Locality> {
        self.staging.localities(hrefs).await
    }

    async fn join(&self, href: &str, owner: &Owner, dataset: Option<&DatasetId>) -> Result<Joined> {
        self.staging.join(href, owner, dataset).await
    }

    async fn wait(&self, href: &str) -> Outcome {
        self.staging.wait(href).await
    }

    fn prefetch_objects(&self) -> usize {
        self.prefetch_objects
    }

    async fn prefetch(&self, hrefs: Vec<Arc<str>>, owner: &Owner, dataset: &DatasetId) -> Result<()> {
        let namespace = self.staging.namespace();
        let wanted = |href: Arc<str>| {
            let object = namespace.resolve(&href).map(|object| vec![object]);
            Wanted { spelling: href, object: object.map_err(|error| error.to_string()) }
        };
        let new = NewRequest {
            owner: owner.clone(),
            face: Face::Prefetch,
            objects: hrefs.into_iter().map(wanted).collect(),
            priority: 0,
            lifetime: AHEAD_LIFETIME,
            dataset: Some(dataset.clone()),
            idempotency: None,
            notify: None,
        };
        self.staging.request(new).await.map(|_| ())
    }
}
