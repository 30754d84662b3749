//! A cold store with a bad connection: what it answers is right, but it does not always answer, and not all arrives.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use thermocline_core::cold::{
    Capabilities, ColdObject, ColdStore, ObjectId, ObjectStatus, StageRequest, StageState, StageTicket,
};
use thermocline_core::{Error, ErrorKind, Result};

use crate::world::Chance;

/// The store before which this one stands. Cloning gives the same one.
#[derive(Clone)]
pub(crate) struct Flaky {
    store: Arc<dyn ColdStore>,
    state: Arc<Mutex<State>>,
}

struct State {
    chance: Chance,
    /// The share of calls that meet a fault.
    share: f64,
    /// What those calls fail with.
    kind: ErrorKind,
    n_faults: usize,
    /// How often the store was asked to bring an object online.
    n_staged: HashMap<ObjectId, usize>,
    /// Objects whose last reading was damaged: the next one is right.
    damaged: HashMap<ObjectId, bool>,
}

impl Flaky {
    pub(crate) fn new(store: Arc<dyn ColdStore>, seed: u64) -> Self {
        let (n_staged, damaged) = (HashMap::new(), HashMap::new());
        let kind = ErrorKind::Unavailable { retry_after: Duration::from_secs(1) };
        let state = State { chance: Chance::new(seed), share: 0.0, kind, n_faults: 0, n_staged, damaged };
        Self { store, state: Arc::new(Mutex::new(state)) }
    }

    /// Lets a share of all calls meet a fault.
    pub(crate) fn set_share(&self, share: f64) {
        self.state.lock().share = share;
    }

    /// Lets those calls fail with something else.
    pub(crate) fn set_kind(&self, kind: ErrorKind) {
        self.state.lock().kind = kind;
    }

    /// Puts another store behind it, as a restart of the library does.
    pub(crate) fn with_store(&self, store: Arc<dyn ColdStore>) -> Self {
        Self { store, state: Arc::clone(&self.state) }
    }

    pub(crate) fn n_faults(&self) -> usize {
        self.state.lock().n_faults
    }

    /// How often the store was asked to bring an object online.
    pub(crate) fn n_staged(&self, id: &ObjectId) -> usize {
        self.state.lock().n_staged.get(id).copied().unwrap_or_default()
    }

    fn strikes(&self) -> bool {
        let mut state = self.state.lock();
        let share = state.share;
        let strikes = share > 0.0 && state.chance.is(share);
        state.n_faults += usize::from(strikes);
        strikes
    }

    fn check(&self) -> Result<()> {
        if self.strikes() {
            return Err(self.broken());
        }
        Ok(())
    }

    fn broken(&self) -> Error {
        Error::new(self.state.lock().kind, "the connection to the store is broken")
    }
}

#[async_trait]
impl ColdStore for Flaky {
    fn kind(&self) -> &'static str {
        self.store.kind()
    }

    fn capabilities(&self) -> Capabilities {
        self.store.capabilities()
    }

    async fn status(&self, objects: &[ColdObject]) -> Vec<Result<ObjectStatus>> {
        if self.strikes() {
            return objects.iter().map(|_| Err(self.broken())).collect();
        }
        self.store.status(objects).await
    }

    async fn stage(&self, request: &StageRequest) -> Result<StageTicket> {
        self.check()?;
        for object in &request.objects {
            *self.state.lock().n_staged.entry(object.id.clone()).or_default() += 1;
        }
        let ticket = self.store.stage(request).await;
        // The answer can be lost as well as the question.
        self.check()?;
        ticket
    }

    async fn progress(&self, ticket: &StageTicket) -> Result<Vec<(ObjectId, StageState)>> {
        self.check()?;
        self.store.progress(ticket).await
    }

    async fn cancel(&self, ticket: &StageTicket, objects: &[ObjectId]) -> Result<()> {
        self.check()?;
        self.store.cancel(ticket, objects).await
    }

    async fn release(&self, objects: &[ColdObject]) -> Result<()> {
        self.check()?;
        self.store.release(objects).await
    }

    async fn read(&self, object: &ColdObject, version: &str, range: Range<u64>) -> Result<Bytes> {
        self.check()?;
        let bytes = self.store.read(object, version, range).await?;
        let was_damaged = self.state.lock().damaged.insert(object.id.clone(), false).unwrap_or_default();
        if was_damaged || bytes.is_empty() || !self.strikes() {
            return Ok(bytes);
        }
        let mut state = self.state.lock();
        state.damaged.insert(object.id.clone(), true);
        let at = state.chance.below(bytes.len());
        if state.chance.is(0.5) {
            return Ok(bytes.slice(..at));
        }
        let mut wrong = bytes.to_vec();
        wrong[at] ^= 0x10;
        Ok(wrong.into())
    }
}
