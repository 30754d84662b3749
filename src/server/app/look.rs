//! Cold objects for commands that only look: nothing is recalled, and what a running server keeps is left alone.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use thermocline_core::bytes::Residency;
use thermocline_core::cold::{ColdObject, Landing, Locality, Namespace, ObjectId};
use thermocline_core::staging::{Joined, NamedStore, Outcome, Owner, Presence};
use thermocline_core::{Error, ErrorKind, Result};
use thermocline_model::DatasetId;
use tokio::runtime::Handle;

/// Where objects are, as their stores say. Copies in the cache are the running server's, so what is copied out of
/// its store counts as cold.
pub(super) struct Looked {
    namespace: Arc<Namespace>,
    stores: Vec<NamedStore>,
    runtime: Handle,
}

impl Looked {
    /// Objects of these stores; `None` if there is none. Must be called within the runtime.
    pub(super) fn of(namespace: Arc<Namespace>, stores: Vec<NamedStore>) -> Option<Arc<dyn Residency>> {
        let is_used = !stores.is_empty();
        is_used.then(|| Arc::new(Self { namespace, stores, runtime: Handle::current() }) as _)
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
        let store_of = Arc::clone(&store.store);
        // In a task: commands and time need the runtime, and who asks may be a thread outside it.
        let asked = self.runtime.spawn(async move { store_of.status(std::slice::from_ref(&object)).await });
        let mut answers = asked
            .await
            .map_err(|cause| Error::internal("a look at an object broke off").with_source(cause))?;
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

    fn known_locality(&self, href: &str) -> Locality {
        match self.is_bound(href) {
            true => Locality::Nearline,
            false => Locality::Online,
        }
    }

    async fn join(&self, href: &str, _: &Owner, _: Option<&DatasetId>) -> Result<Joined> {
        Err(Error::needs_staging(vec![href.into()]))
    }

    async fn wait(&self, href: &str) -> Outcome {
        let reason = format!("{href} is cold, and this command recalls nothing");
        Outcome::Failed { reason, kind: ErrorKind::RecallFailed }
    }
}
