//! Following the catalog: a summary of every listed dataset that is indexed, made again only if what it depends on
//! changed.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use thermocline_core::catalog::{IndexedManifests, Listed};
use thermocline_core::{Error, Result};
use tracing::{debug, warn};

use crate::search::Search;
use crate::summary::Summary;

/// Changes that come within this time of one another are taken over together.
const SETTLE: Duration = Duration::from_millis(200);

/// The catalog is looked at this often even if it tells of no change: collections change silently.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Datasets that are summarised in one go.
const TOGETHER: usize = 256;

/// Where following the catalog stands.
#[derive(Default)]
pub(crate) struct Followed {
    known: HashMap<String, Known>,
    pass: u64,
}

struct Known {
    number: u64,
    fingerprint: [u8; 16],
    /// The last pass in which it was listed.
    seen: u64,
}

impl Search {
    /// Follows the catalog for ever.
    pub(crate) async fn follow(&self) {
        let mut changes = self.shared.catalog.changes();
        loop {
            changes.mark_unchanged();
            if let Err(error) = self.refresh().await {
                warn!(%error, "datasets were not summarised, will retry");
            }
            tokio::select! {
                changed = changes.changed() => if changed.is_err() { return },
                () = self.shared.clock.sleep(LOOK_EVERY) => {}
            }
            self.shared.clock.sleep(SETTLE).await;
        }
    }

    /// Summarises what the catalog lists at present and is indexed. Returns when all of it can be found.
    ///
    /// # Errors
    /// An index or database that cannot be read.
    pub async fn refresh(&self) -> Result<()> {
        let mut followed = self.shared.followed.lock().await;
        let catalog = Arc::clone(&self.shared.catalog);
        let listing = blocking(move || Ok(catalog.listing())).await?;
        let (todo, removed) = followed.compare(listing.datasets);
        self.publish(&removed, Vec::new());
        for some in todo.chunks(TOGETHER) {
            let some = some.to_vec();
            let mut manifests = self.shared.catalog.indexed_manifests();
            let now_ns = self.shared.clock.now_ns();
            let search = self.clone();
            let made = blocking(move || search.summarise(&some, &mut manifests, now_ns)).await?;
            let mut summaries = Vec::with_capacity(made.len());
            for (listed, fingerprint, summary) in made {
                let known = Known { number: listed.number, fingerprint, seen: followed.pass };
                followed.known.insert(summary.id.clone(), known);
                summaries.push(summary);
            }
            self.publish(&[], summaries);
        }
        Ok(())
    }

    fn summarise(
        &self,
        listed: &[Listed],
        manifests: &mut IndexedManifests,
        now_ns: i64,
    ) -> Result<Vec<(Listed, [u8; 16], Arc<Summary>)>> {
        let mut made = Vec::with_capacity(listed.len());
        for listed in listed {
            let Some((fingerprint, manifest)) = manifests.get(&listed.spec)? else {
                debug!(dataset = %listed.spec.id, "nothing to summarise");
                continue;
            };
            let mut summary = crate::describe::describe(&manifest);
            (summary.created_ns, summary.updated_ns) = (now_ns, now_ns);
            self.shared
                .orders
                .note(&summary.id, manifest.dataset.objects.iter().map(|object| object.href.as_str()));
            made.push((listed.clone(), fingerprint, Arc::new(summary)));
        }
        Ok(made)
    }

    fn publish(&self, removed: &[String], made: Vec<Arc<Summary>>) {
        let specs = self.shared.catalog.collections();
        let before = Arc::clone(&self.shared.snapshot.read());
        let is_same = removed.is_empty()
            && made.is_empty()
            && before.collections.iter().filter_map(|known| known.spec.as_ref()).count() == specs.len();
        if is_same {
            return;
        }
        for id in removed {
            self.shared.orders.forget(id);
        }
        let after = Arc::new(before.with(removed, made, &specs));
        *self.shared.snapshot.write() = after;
    }
}

impl Followed {
    /// What is to be summarised, and the ids of what is not findable any more.
    fn compare(&mut self, datasets: Vec<Listed>) -> (Vec<Listed>, Vec<String>) {
        self.pass += 1;
        let pass = self.pass;
        let mut todo = Vec::new();
        for listed in datasets {
            let known = self.known.get_mut(listed.spec.id.as_str());
            let is_current = match (&known, listed.fingerprint) {
                (Some(known), Some(fingerprint)) => {
                    (known.number, known.fingerprint) == (listed.number, fingerprint)
                }
                _ => false,
            };
            if let Some(known) = known.filter(|_| !listed.is_refused) {
                known.seen = pass;
            }
            if listed.fingerprint.is_some() && !is_current {
                todo.push(listed);
            }
        }
        let gone = self.known.extract_if(|_, known| known.seen != pass).map(|(id, _)| id).collect();
        (todo, gone)
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|cause| Error::internal("a blocking task did not finish").with_source(cause))?
}
