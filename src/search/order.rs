//! Whether data can be read at once: `order:status` of datasets whose objects lie on cold stores.
//!
//! [`Orders`] knows it of every dataset that was noted, so that catalogs tell it without waiting. It is told by the
//! engine of what changes, looks at the whole engine now and then, and asks only those archives where objects
//! come online in place, each object once in a while.
//!
//! # Source
//! STAC extension `order` v1.1.0.
//!
//! # Limits
//! A link on a cold store to another object there shows what is known of the link, not of what it leads to. Of
//! requests that ended before the server began, the newest 200 are known.

mod ask;
mod dataset;
mod follow;
mod ledger;
mod looked;
mod object;
mod past;
#[cfg(test)]
mod tests;

use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use thermocline_core::bytes::Residency;
use thermocline_core::cold::ObjectId;
use thermocline_core::staging::{ObjectState, Onlooker, RequestId, Staging};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use ledger::{Ledger, NotedObject};
use looked::Looked;

/// Where the staging of a dataset stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// In one word.
    pub status: OrderStatus,
    /// Id of the last request that asked for any of its objects.
    pub request: Option<String>,
    /// When that was, in nanoseconds since 1970.
    pub ordered_ns: Option<i64>,
    /// When the first of its pins ends, in nanoseconds since 1970.
    pub expires_ns: Option<i64>,
    /// When any of this changed last, in nanoseconds since 1970; 0 if nobody asked for it as far as is known.
    pub changed_ns: i64,
    /// The same of each of [`crate::Summary::sources`], in order.
    pub sources: Vec<OrderStatus>,
}

/// Where staging stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum OrderStatus {
    /// Nearline, and nobody asked for it.
    Orderable,
    /// Asked for, not begun.
    Ordered,
    /// Waits for a drive, a quota or a tier.
    Pending,
    /// Coming back.
    Shipping,
    /// Online.
    Succeeded,
    /// The last request failed, or an object is lost.
    Failed,
    /// The last request was cancelled.
    Canceled,
}

impl OrderStatus {
    /// As the extension spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Orderable => "orderable",
            Self::Ordered => "ordered",
            Self::Pending => "pending",
            Self::Shipping => "shipping",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
        }
    }
}

/// Knows where the staging of datasets stands. Cloning gives the same one.
#[derive(Clone)]
pub struct Orders {
    shared: Option<Arc<Shared>>,
    looked: Arc<OnceLock<Looked>>,
}

/// Which datasets changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changed {
    /// These, each at least once.
    These(Vec<Arc<str>>),
    /// So many that they are not listed.
    Many,
}

struct Shared {
    staging: Staging,
    ledger: Mutex<Ledger>,
    generation: watch::Sender<u64>,
    /// Objects are to be looked at.
    pending: Notify,
    /// Objects in place are to be asked for.
    unasked: Notify,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Orders {
    /// Of datasets whose objects this engine brings online. Without one no dataset has an order.
    pub fn new(staging: Option<Staging>) -> Self {
        let shared = staging.map(|staging| {
            let shared = Arc::new(Shared {
                staging,
                ledger: Mutex::default(),
                generation: watch::channel(0).0,
                pending: Notify::new(),
                unasked: Notify::new(),
                tasks: TaskTracker::new(),
                stop: CancellationToken::new(),
            });
            let onlooker: Arc<dyn Onlooker> = Arc::<Shared>::clone(&shared);
            shared.staging.set_onlooker(Arc::downgrade(&onlooker));
            shared
        });
        Self { shared, looked: Arc::default() }
    }

    /// Tells of datasets that will be noted where their objects are, without an engine that brings any online: cold
    /// ones are orderable.
    pub fn look_at(&self, residency: Arc<dyn Residency>) {
        let _ = self.looked.set(Looked::at(residency));
    }

    /// Asks stores where those objects are that were noted since [`Orders::look_at`] was called; recalls none. What
    /// comes online in place is known afterwards.
    pub async fn look(&self) {
        if let Some(looked) = self.looked.get() {
            looked.ask().await;
        }
    }

    /// Begins to follow the engine. Must be called within the runtime, once.
    pub fn start(&self) {
        let Some(shared) = &self.shared else { return };
        shared.tasks.spawn(Arc::clone(shared).follow());
        shared.tasks.spawn(Arc::clone(shared).ask());
    }

    /// Ends the background work and waits for it.
    pub async fn shut_down(&self) {
        let Some(shared) = &self.shared else { return };
        shared.stop.cancel();
        shared.tasks.close();
        shared.tasks.wait().await;
    }

    /// Notes which objects a dataset has: all of them, in order. Those of cold stores are followed from now on.
    /// Noting a dataset again replaces what was noted of it.
    ///
    /// Costs about a microsecond an object; does not wait.
    pub fn note<'h>(&self, dataset: &str, hrefs: impl IntoIterator<Item = &'h str>) {
        if let Some(looked) = self.looked.get() {
            looked.note(dataset, hrefs);
            return;
        }
        let Some(shared) = &self.shared else { return };
        let ids: Vec<Option<ObjectId>> =
            hrefs.into_iter().map(|href| shared.staging.cold_object(href)).collect();
        if ids.iter().all(Option::is_none) {
            self.forget(dataset);
            return;
        }
        let mut standings = {
            let cold: Vec<ObjectId> = ids.iter().flatten().cloned().collect();
            shared.staging.standings(&cold).into_iter()
        };
        let mut noted = |id: ObjectId| NotedObject {
            is_in_place: shared.staging.is_in_place(&id),
            standing: standings.next().unwrap_or_default(),
            id,
        };
        let objects = ids.into_iter().map(|id| id.map(&mut noted)).collect();
        shared.ledger.lock().note(dataset, objects);
        shared.settle();
        // What changed while it was being noted is looked at again.
        shared.pending.notify_one();
        shared.unasked.notify_one();
    }

    /// Forgets a dataset.
    pub fn forget(&self, dataset: &str) {
        if let Some(looked) = self.looked.get() {
            looked.forget(dataset);
        }
        let Some(shared) = &self.shared else { return };
        let was_there = shared.ledger.lock().forget(dataset);
        if was_there {
            shared.settle();
        }
    }

    /// Where the staging of a dataset stands; `None` for one without objects on cold stores. Never waits.
    pub fn of(&self, dataset: &str) -> Option<Order> {
        match self.looked.get() {
            Some(looked) => looked.order(dataset),
            None => self.shared.as_ref()?.ledger.lock().order(dataset),
        }
    }

    /// The status alone.
    pub fn status(&self, dataset: &str) -> Option<OrderStatus> {
        match self.looked.get() {
            Some(looked) => looked.order(dataset).map(|order| order.status),
            None => self.shared.as_ref()?.ledger.lock().status(dataset),
        }
    }

    /// How many datasets have an order.
    pub fn n_datasets(&self) -> usize {
        self.shared.as_ref().map_or(0, |shared| shared.ledger.lock().n_datasets())
    }

    /// A number that grows whenever the order of any dataset changes.
    pub fn generation(&self) -> u64 {
        self.shared.as_ref().map_or(0, |shared| *shared.generation.borrow())
    }

    /// Is marked as changed with each generation.
    pub fn watch(&self) -> Option<watch::Receiver<u64>> {
        self.shared.as_ref().map(|shared| shared.generation.subscribe())
    }

    /// Datasets whose order has changed, or that have come or gone, after a generation.
    pub fn changed_after(&self, generation: u64) -> Changed {
        self.shared
            .as_ref()
            .map_or(Changed::These(Vec::new()), |shared| shared.ledger.lock().changed_after(generation))
    }
}

impl Shared {
    fn now_ns(&self) -> i64 {
        self.staging.clock().now_ns()
    }

    /// Works out what became of the datasets whose objects have changed, and tells who watches.
    fn settle(&self) {
        loop {
            let (generation, is_settled) = {
                let mut ledger = self.ledger.lock();
                (ledger.settle(self.now_ns()), ledger.is_settled())
            };
            if let Some(generation) = generation {
                self.generation.send_modify(|known| *known = generation.max(*known));
            }
            if is_settled {
                return;
            }
        }
    }
}

impl Onlooker for Shared {
    fn accepted(&self, request: &RequestId, objects: &mut dyn Iterator<Item = &ObjectId>) {
        let now_ns = self.now_ns();
        let mut is_any = false;
        // Locked for each anew: who renders documents goes on in between.
        for object in objects {
            is_any |= self.ledger.lock().accepted(object, request, now_ns);
        }
        if is_any {
            // Before the request is answered: who asks afterwards finds it ordered.
            self.settle();
        }
    }

    fn changed(&self, object: &ObjectId, state: ObjectState, since_ns: i64) {
        if self.ledger.lock().changed(object, state, since_ns) {
            self.pending.notify_one();
            if state == ObjectState::Released {
                self.unasked.notify_one();
            }
        }
    }

    fn went_offline(&self, object: &ObjectId) {
        if self.ledger.lock().went_offline(object) {
            self.pending.notify_one();
        }
    }
}
