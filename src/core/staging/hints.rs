//! What others say of objects: that they stand otherwise than before. They are not believed, but looked at soon.

use std::time::Duration;

use tokio::sync::watch::{Receiver, Sender};

use super::{Shared, Staging, readers};
use crate::cold::{ColdObject, ObjectId};
use crate::{Error, Result};

/// How long it is waited for further news before batches are looked at.
const GATHERED_FOR: Duration = Duration::from_secs(1);

/// Wakes who watches the batches of a store.
pub(super) struct Hints(Sender<()>);

impl Default for Hints {
    fn default() -> Self {
        Self(Sender::new(()))
    }
}

impl Hints {
    /// What a watcher waits with.
    pub(super) fn listen(&self) -> Receiver<()> {
        self.0.subscribe()
    }
}

impl Staging {
    /// Somebody says that the state of objects of a store has changed. The store looks soon at those that it brings
    /// online; those that count as online are looked at before this answers. Gives how many of them lie on the store.
    ///
    /// # Errors
    /// [`crate::ErrorKind::NotFound`] for an unknown store.
    pub async fn hint(&self, store: &str, mut objects: Vec<ObjectId>) -> Result<usize> {
        let shared = &self.shared;
        let lane = shared.parts.stores.iter().position(|known| &*known.name == store);
        let lane = lane.ok_or_else(|| Error::not_found(format!("Cold store '{store}' not found")))?;
        objects.retain(|id| shared.parts.namespace.store_of(id).is_some_and(|name| &**name == store));
        if objects.is_empty() {
            return Ok(0);
        }
        shared.looks.forget(&objects);
        if let Some(store) = shared.store(lane) {
            store.hint(&objects);
        }
        if let Some(hints) = shared.hints.get(lane) {
            hints.0.send_replace(());
        }
        shared.look_at_online(lane, &objects).await;
        Ok(objects.len())
    }
}

impl Shared {
    /// Looks at those of some objects of a store that count as online. Those that are not are told of.
    async fn look_at_online(&self, lane: usize, objects: &[ObjectId]) {
        // Those whose end has come are told of in any case.
        self.tell_of_ends();
        let now = self.now();
        let online = objects.iter().filter(|id| self.seen.get(id, now).is_some());
        let online: Vec<ColdObject> = online.filter_map(|id| self.parts.namespace.object(id)).collect();
        if !online.is_empty() {
            self.status(readers::place(lane), online).await;
        }
    }

    /// Waits until somebody has said something of objects of a store, and a little longer: many come together.
    pub(super) async fn hinted(&self, hints: Option<&mut Receiver<()>>) {
        let Some(hints) = hints else { return std::future::pending().await };
        if hints.changed().await.is_err() {
            return std::future::pending().await;
        }
        self.clock.sleep(GATHERED_FOR).await;
    }
}
