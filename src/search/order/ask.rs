//! Asking stores where objects are that come online in place: only they know.

use std::sync::Arc;
use std::time::Duration;

use thermocline_core::cold::{Locality, ObjectId};

use super::Shared;

/// Objects that a store is asked for in one call.
const TOGETHER: usize = 256;

/// Pause between two calls.
const PAUSE: Duration = Duration::from_secs(1);

/// How long a store is not asked for the same object again: others than this server may recall it or make it cold.
const ASK_AGAIN_NS: i64 = 600_000_000_000;

impl Shared {
    /// Asks stores until the end: for objects that are new at once, for all of them now and then.
    pub(super) async fn ask(self: Arc<Self>) {
        let mut place = None;
        let mut round_ns = self.now_ns().saturating_add(ASK_AGAIN_NS);
        loop {
            let now_ns = self.now_ns();
            // However far the clock is set back.
            round_ns = round_ns.min(now_ns.saturating_add(ASK_AGAIN_NS));
            let mut objects = self.ledger.lock().take_unasked(TOGETHER);
            // While there is more that nobody knows anything of, and somebody answers, there is no pause.
            let is_first_of_many = objects.len() == TOGETHER;
            if objects.is_empty() && (place.is_some() || now_ns >= round_ns) {
                let from = place.unwrap_or_default();
                (objects, place) = self.ledger.lock().in_place_from(from, TOGETHER);
                round_ns = now_ns.saturating_add(ASK_AGAIN_NS);
            }
            let is_at_rest = objects.is_empty() && place.is_none();
            let is_answered = self.ask_for(objects).await;
            let pause = match is_first_of_many && is_answered {
                true => Duration::ZERO,
                false if is_at_rest => nanoseconds(round_ns.saturating_sub(self.now_ns())),
                false => PAUSE,
            };
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = self.unasked.notified(), if is_at_rest => {}
                () = self.staging.clock().sleep(pause) => {}
            }
        }
    }

    /// Asks where objects are. True if any store told it.
    async fn ask_for(&self, objects: Vec<ObjectId>) -> bool {
        let namespace = self.staging.namespace();
        let (objects, hrefs): (Vec<ObjectId>, Vec<Arc<str>>) = objects
            .into_iter()
            .filter_map(|id| {
                let href = namespace.href(&id)?.into();
                Some((id, href))
            })
            .unzip();
        if objects.is_empty() {
            return false;
        }
        let localities = self.staging.localities(&hrefs).await;
        let is_answered = localities.iter().any(|locality| *locality != Locality::Unavailable);
        {
            let mut ledger = self.ledger.lock();
            for (id, locality) in objects.iter().zip(localities) {
                ledger.lies(id, locality);
            }
        }
        self.settle();
        is_answered
    }
}

fn nanoseconds(ns: i64) -> Duration {
    Duration::from_nanos(u64::try_from(ns).unwrap_or_default())
}
