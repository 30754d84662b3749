//! Cold objects for commands that only look: nothing is recalled, and what a running server keeps is left alone.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use thermocline_core::bytes::Residency;
use thermocline_core::cold::{ColdObject, Landing, Locality, Namespace, ObjectId, ObjectStatus};
use thermocline_core::staging::cache::{CacheDir, CacheKey};
use thermocline_core::staging::{Joined, NamedStore, Outcome, Owner, Presence};
use thermocline_core::{Error, ErrorKind, Result};
use thermocline_model::DatasetId;
use tokio::runtime::Handle;
use tokio::sync::OnceCell;

/// Where objects are, as their stores say. Copies in the cache are the running server's: they are told of, but
/// what is copied out of its store is not read.
pub(super) struct Looked {
    namespace: Arc<Namespace>,
    stores: Vec<NamedStore>,
    cache: PathBuf,
    /// Objects of which copies lay in the cache when that was asked for the first time.
    copied: OnceCell<HashSet<[u8; 16]>>,
    runtime: Handle,
}

impl Looked {
    /// Objects of these stores; `None` if there is none. Must be called within the runtime.
    pub(super) fn of(
        namespace: Arc<Namespace>,
        stores: Vec<NamedStore>,
        cache: PathBuf,
    ) -> Option<Arc<dyn Residency>> {
        let is_used = !stores.is_empty();
        let (copied, runtime) = (OnceCell::new(), Handle::current());
        is_used.then(|| Arc::new(Self { namespace, stores, cache, copied, runtime }) as _)
    }

    /// The object of a store that an address means; `Ok(None)` for what lies on none.
    ///
    /// # Errors
    /// An address below a bound root that names no object: it must not be read as if it lay on no store.
    fn bound(&self, href: &str) -> Result<Option<(ObjectId, &NamedStore)>> {
        let Some((id, name)) = self.namespace.bound(href)? else { return Ok(None) };
        let store = self.stores.iter().find(|store| store.name == *name);
        let store = store.ok_or_else(|| Error::internal(format!("there is no [cold.{name}]")))?;
        Ok(Some((id, store)))
    }

    /// Objects of which copies lie in the cache.
    async fn copied(&self) -> &HashSet<[u8; 16]> {
        let look = || async {
            let cache = self.cache.clone();
            let looked = self.runtime.spawn_blocking(move || CacheDir::landed_in(&cache));
            looked.await.unwrap_or_default()
        };
        self.copied.get_or_init(look).await
    }

    /// What a store says of objects, in their order.
    async fn ask(&self, store: &NamedStore, objects: Vec<ColdObject>) -> Result<Vec<Result<ObjectStatus>>> {
        let store = Arc::clone(&store.store);
        // In a task: commands and time need the runtime, and who asks may be a thread outside it.
        let asked = self.runtime.spawn(async move { store.status(&objects).await });
        asked.await.map_err(|cause| Error::internal("a look at objects broke off").with_source(cause))
    }
}

#[async_trait]
impl Residency for Looked {
    fn is_bound(&self, href: &str) -> bool {
        !matches!(self.bound(href), Ok(None))
    }

    async fn presence(&self, href: &str) -> Result<Presence> {
        let Some((id, store)) = self.bound(href)? else { return Ok(Presence::Unbound) };
        if store.store.capabilities().landing == Landing::Copied {
            return Ok(Presence::Cold);
        }
        let object = ColdObject { id, href: href.into() };
        let mut answers = self.ask(store, vec![object]).await?;
        let status = answers.pop().unwrap_or_else(|| Err(Error::internal("no status was given")))?;
        match status.locality {
            Locality::Online | Locality::OnlineAndNearline => {
                Ok(Presence::Online { path: PathBuf::from(href), guard: None })
            }
            Locality::Nearline => Ok(Presence::Cold),
            Locality::Lost => Err(Error::new(ErrorKind::Lost, format!("no copy of {href} is left"))),
            Locality::Unavailable => {
                let kind = ErrorKind::Unavailable { retry_after: Duration::from_secs(10) };
                Err(Error::new(kind, format!("[cold.{}] cannot tell where {href} is", store.name)))
            }
        }
    }

    fn doubt(&self, _: &str) {}

    fn refuses_cold_reads(&self, href: &str) -> bool {
        let bound = self.bound(href).ok().flatten();
        bound.is_some_and(|(_, store)| store.store.refuses_cold_reads())
    }

    fn known_locality(&self, href: &str) -> Locality {
        match self.is_bound(href) {
            true => Locality::Nearline,
            false => Locality::Online,
        }
    }

    async fn localities(&self, hrefs: &[Arc<str>]) -> Vec<Locality> {
        let mut localities: Vec<Locality> = hrefs.iter().map(|href| self.known_locality(href)).collect();
        let mut in_place: BTreeMap<&str, (&NamedStore, Vec<usize>, Vec<ColdObject>)> = BTreeMap::new();
        for (number, href) in hrefs.iter().enumerate() {
            let Ok(Some((id, store))) = self.bound(href) else { continue };
            if store.store.capabilities().landing == Landing::Copied {
                let is_copied = self.copied().await.contains(&CacheKey::new(&id, "", 0).object());
                if let Some(locality) = localities.get_mut(number).filter(|_| is_copied) {
                    *locality = Locality::OnlineAndNearline;
                }
            } else {
                let (_, numbers, objects) =
                    in_place.entry(&*store.name).or_insert_with(|| (store, Vec::new(), Vec::new()));
                numbers.push(number);
                objects.push(ColdObject { id, href: Arc::clone(href) });
            }
        }
        for (store, numbers, objects) in in_place.into_values() {
            let answers = self.ask(store, objects).await.unwrap_or_default();
            for (number, status) in numbers.into_iter().zip(answers) {
                if let (Some(locality), Ok(status)) = (localities.get_mut(number), status) {
                    *locality = status.locality;
                }
            }
        }
        localities
    }

    async fn join(&self, href: &str, _: &Owner, _: Option<&DatasetId>) -> Result<Joined> {
        Err(Error::needs_staging(vec![href.into()]))
    }

    async fn wait(&self, href: &str) -> Outcome {
        let reason = format!("{href} is cold, and this command recalls nothing");
        Outcome::Failed { reason, kind: ErrorKind::RecallFailed }
    }
}
