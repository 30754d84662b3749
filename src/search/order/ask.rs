//! Asking stores where objects are that come online in place: only they know.

use std::sync::Arc;
use std::time::Duration;

use thermocline_core::cold::ObjectId;

use super::Shared;

/// Objects that a store is asked for in one call.
const TOGETHER: usize = 256;

/// Pause between two calls.
const PAUSE: Duration = Duration::from_secs(1);

/// How often a store is asked for the same object, at most: others than this server may recall it or make it cold.
const ASK_AGAIN: Duration = Duration::from_secs(600);

impl Shared {
    /// Asks stores until the end: for objects that are new at once, for all of them now and then.
    pub(super) async fn ask(self: Arc<Self>) {
        let mut place = None;
        let mut rested = Duration::ZERO;
        loop {
            let new = self.ledger.lock().take_unasked(TOGETHER);
            let objects = match (new.is_empty(), place) {
                (false, _) => new,
                (true, None) if rested < ASK_AGAIN => Vec::new(),
                (true, from) => {
                    let (objects, next) =
                        self.ledger.lock().in_place_from(from.unwrap_or_default(), TOGETHER);
                    place = next;
                    rested = Duration::ZERO;
                    objects
                }
            };
            let is_at_rest = objects.is_empty() && place.is_none();
            self.ask_for(objects).await;
            let pause = if is_at_rest { ASK_AGAIN.saturating_sub(rested) } else { PAUSE };
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = self.unasked.notified(), if is_at_rest => {}
                () = self.staging.clock().sleep(pause) => rested = rested.saturating_add(pause),
            }
        }
    }

    async fn ask_for(&self, objects: Vec<ObjectId>) {
        let namespace = self.staging.namespace();
        let (objects, hrefs): (Vec<ObjectId>, Vec<Arc<str>>) = objects
            .into_iter()
            .filter_map(|id| {
                let href = namespace.href(&id)?.into();
                Some((id, href))
            })
            .unzip();
        if objects.is_empty() {
            return;
        }
        let localities = self.staging.localities(&hrefs).await;
        {
            let mut ledger = self.ledger.lock();
            for (id, locality) in objects.iter().zip(localities) {
                ledger.lies(id, locality);
            }
        }
        self.settle();
    }
}
