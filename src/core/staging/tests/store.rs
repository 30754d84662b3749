//! A cold store that does what tests say.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;

use crate::clock::{Clock, nanoseconds};
use crate::cold::{
    Capabilities, Checksum, ColdObject, ColdStore, Cost, FailureCause, Landing, Locality, ObjectId,
    ObjectStatus, Priced, StageFailure, StageRequest, StageState, StageTicket, TapePlace,
};
use crate::{Error, ErrorKind, Result};

/// An object of the store.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    pub(super) bytes: Vec<u8>,
    pub(super) version: String,
    pub(super) locality: Locality,
    pub(super) checksum: Option<Checksum>,
    pub(super) place: Option<TapePlace>,
    /// What its recall comes to, in order; when there is nothing left it is staged.
    pub(super) script: Vec<Turn>,
    /// How often it was recalled.
    pub(super) n_recalls: usize,
    /// When its copy ends by itself.
    pub(super) online_until_ns: Option<i64>,
}

/// One step of a recall.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Turn {
    /// The store has it in its own queue.
    Queued,
    /// The store took it, and does not say more.
    Accepted,
    /// It is under way.
    Busy,
    /// It is under way, and so many bytes are there.
    Bytes(u64),
    /// It fails.
    Fail(FailureCause),
    /// It is said to be staged, and is not.
    Lie,
    /// It is replaced by other bytes, and staged.
    Replaced(Vec<u8>),
    /// The store forgets it.
    Forget,
}

#[derive(Default)]
struct State {
    objects: BTreeMap<ObjectId, Stored>,
    links: BTreeMap<ObjectId, ObjectId>,
    batches: BTreeMap<String, Vec<ObjectId>>,
    staged_batches: Vec<StageRequest>,
    refusals: Vec<Error>,
    is_silent: bool,
    is_held: bool,
    corrupt_reads: usize,
    /// How every read fails.
    read_failure: Option<ErrorKind>,
    cancelled: Vec<ObjectId>,
    /// Which objects were to be kept for how long, in order.
    prolonged: Vec<(Vec<ObjectId>, Duration)>,
    /// How often keeping objects fails.
    n_refused: usize,
    /// How often it was asked for the status of objects.
    n_looks: usize,
    /// Whoever asks for the status of this object waits for that.
    slow: Option<(ObjectId, Arc<tokio::sync::Mutex<()>>)>,
    /// What the recall of a mebibyte costs, in millionths of a dollar.
    price: Option<u64>,
    released: Vec<ObjectId>,
    n_reads: usize,
}

/// The store. Cloning gives the same one, as a restart of the server does.
#[derive(Clone)]
pub(super) struct FakeStore {
    capabilities: Capabilities,
    /// Batches are found by the names that it gives them, and not by our keys.
    has_names: bool,
    /// Copies end by themselves after the time for which they were wanted, or this one if that is shorter.
    ending: Option<(Arc<dyn Clock>, Duration)>,
    /// How long its recalls usually take, however many are made at the same time.
    usual_time: Option<Duration>,
    /// Taken while objects are being made cold.
    pub(super) releasing: Arc<tokio::sync::Mutex<()>>,
    state: Arc<Mutex<State>>,
}

impl FakeStore {
    pub(super) fn new(landing: Landing) -> Self {
        let capabilities = Capabilities {
            landing,
            knows_tapes: false,
            can_cancel: true,
            can_release: true,
            n_at_once: 4,
            batch_objects: 100,
            poll_every: Duration::from_secs(1),
        };
        Self {
            capabilities,
            has_names: false,
            ending: None,
            usual_time: None,
            releasing: Arc::default(),
            state: Arc::default(),
        }
    }

    pub(super) fn with(mut self, change: impl FnOnce(&mut Capabilities)) -> Self {
        change(&mut self.capabilities);
        self
    }

    pub(super) fn knowing_its_own_names_only(mut self) -> Self {
        self.has_names = true;
        self
    }

    /// Copies end by themselves, after this time at the latest; reading what is cold is refused.
    pub(super) fn with_ends(mut self, clock: impl Clock + 'static, at_most: Duration) -> Self {
        self.ending = Some((Arc::new(clock), at_most));
        self
    }

    /// Its recalls share no drive: as many as there are take as long as one.
    pub(super) fn with_usual_time(mut self, usual: Duration) -> Self {
        self.usual_time = Some(usual);
        self
    }

    /// Recalls cost so many millionths of a dollar for each mebibyte that is begun.
    pub(super) fn with_price(self, micros: u64) -> Self {
        self.state.lock().price = Some(micros);
        self
    }

    /// Which objects were to be kept for how long.
    pub(super) fn prolonged(&self) -> Vec<(Vec<ObjectId>, Duration)> {
        self.state.lock().prolonged.clone()
    }

    /// The next attempts to keep objects fail.
    pub(super) fn refuse_to_prolong(&self, n_times: usize) {
        self.state.lock().n_refused = n_times;
    }

    /// Whoever asks for the status of an object waits until what this gives is dropped.
    pub(super) async fn slow_to_look_at(&self, id: &ObjectId) -> tokio::sync::OwnedMutexGuard<()> {
        let gate = Arc::new(tokio::sync::Mutex::new(()));
        self.state.lock().slow = Some((id.clone(), Arc::clone(&gate)));
        gate.lock_owned().await
    }

    /// How often it was asked for the status of objects.
    pub(super) fn n_looks(&self) -> usize {
        self.state.lock().n_looks
    }

    /// Copies whose time has come are cold.
    fn end_copies(&self) {
        let Some((clock, _)) = &self.ending else { return };
        let now_ns = clock.now_ns();
        for stored in self.state.lock().objects.values_mut() {
            if stored.online_until_ns.is_some_and(|until_ns| until_ns <= now_ns) {
                stored.locality = Locality::Nearline;
                stored.online_until_ns = None;
            }
        }
    }

    /// When a copy ends that is wanted for so long.
    fn end_ns(&self, lifetime: Duration) -> Option<i64> {
        let (clock, at_most) = self.ending.as_ref()?;
        Some(clock.now_ns() + nanoseconds(lifetime.min(*at_most)))
    }

    /// Its name for a batch.
    fn name_of(&self, key: &str) -> Option<String> {
        self.has_names.then(|| format!("job of {key}"))
    }

    /// Puts a nearline object there.
    pub(super) fn put(&self, id: &ObjectId, bytes: &[u8]) {
        let stored = Stored {
            bytes: bytes.to_vec(),
            version: "1".to_owned(),
            locality: Locality::Nearline,
            checksum: None,
            place: None,
            script: Vec::new(),
            n_recalls: 0,
            online_until_ns: None,
        };
        self.state.lock().objects.insert(id.clone(), stored);
    }

    /// Puts a link to an object there.
    pub(super) fn link(&self, id: &ObjectId, target: &ObjectId) {
        self.state.lock().links.insert(id.clone(), target.clone());
    }

    pub(super) fn change<T>(&self, id: &ObjectId, change: impl FnOnce(&mut Stored) -> T) -> T {
        change(self.state.lock().objects.get_mut(id).unwrap())
    }

    pub(super) fn remove(&self, id: &ObjectId) {
        self.state.lock().objects.remove(id);
    }

    pub(super) fn script(&self, id: &ObjectId, script: impl IntoIterator<Item = Turn>) {
        self.change(id, |stored| stored.script = script.into_iter().collect());
    }

    pub(super) fn n_recalls(&self, id: &ObjectId) -> usize {
        self.change(id, |stored| stored.n_recalls)
    }

    pub(super) fn refuse_next(&self, error: Error) {
        self.state.lock().refusals.push(error);
    }

    /// Nothing is answered any more, or again.
    pub(super) fn set_silent(&self, is_silent: bool) {
        self.state.lock().is_silent = is_silent;
    }

    /// Recalls stay under way until they are let go.
    pub(super) fn hold(&self, is_held: bool) {
        self.state.lock().is_held = is_held;
    }

    /// The next reads give wrong bytes.
    pub(super) fn corrupt(&self, n_reads: usize) {
        self.state.lock().corrupt_reads = n_reads;
    }

    /// Every read fails like this, or none.
    pub(super) fn fail_reads(&self, kind: Option<ErrorKind>) {
        self.state.lock().read_failure = kind;
    }

    pub(super) fn n_reads(&self) -> usize {
        self.state.lock().n_reads
    }

    pub(super) fn forget_batches(&self) {
        self.state.lock().batches.clear();
    }

    pub(super) fn batches(&self) -> Vec<StageRequest> {
        self.state.lock().staged_batches.clone()
    }

    pub(super) fn cancelled(&self) -> Vec<ObjectId> {
        self.state.lock().cancelled.clone()
    }

    pub(super) fn released(&self) -> Vec<ObjectId> {
        self.state.lock().released.clone()
    }

    fn check(&self) -> Result<()> {
        if self.state.lock().is_silent {
            let kind = ErrorKind::Unavailable { retry_after: Duration::from_secs(5) };
            return Err(Error::new(kind, "the store does not answer"));
        }
        Ok(())
    }
}

fn step(stored: &mut Stored) -> StageState {
    let turn = if stored.script.is_empty() { None } else { Some(stored.script.remove(0)) };
    match turn {
        Some(Turn::Queued) => StageState::Queued,
        Some(Turn::Accepted) => StageState::Accepted,
        Some(Turn::Busy) => StageState::Active { done_bytes: None },
        Some(Turn::Bytes(done_bytes)) => StageState::Active { done_bytes: Some(done_bytes) },
        Some(Turn::Fail(cause)) => {
            StageState::Failed(StageFailure { cause, reason: "the drive failed".to_owned() })
        }
        Some(Turn::Lie) => StageState::Staged,
        Some(Turn::Forget) => StageState::Unknown,
        Some(Turn::Replaced(bytes)) => {
            stored.bytes = bytes;
            stored.version.push('1');
            stored.locality = Locality::OnlineAndNearline;
            StageState::Staged
        }
        None => {
            stored.locality = Locality::OnlineAndNearline;
            StageState::Staged
        }
    }
}

#[async_trait]
impl ColdStore for FakeStore {
    fn kind(&self) -> &'static str {
        "fake"
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities.clone()
    }

    async fn status(&self, objects: &[ColdObject]) -> Vec<Result<ObjectStatus>> {
        let silent = self.check();
        self.end_copies();
        self.state.lock().n_looks += 1;
        let slow = self.state.lock().slow.clone();
        if let Some((id, gate)) = slow
            && objects.iter().any(|object| object.id == id)
        {
            drop(gate.lock().await);
        }
        let state = self.state.lock();
        let status = |object: &ColdObject| {
            if silent.is_err() {
                let kind = ErrorKind::Unavailable { retry_after: Duration::from_secs(5) };
                return Err(Error::new(kind, "the store does not answer"));
            }
            let links_to = state.links.get(&object.id).cloned();
            let stored = state.objects.get(links_to.as_ref().unwrap_or(&object.id));
            let stored = stored.ok_or_else(|| Error::not_found(format!("{} does not exist", object.id)))?;
            Ok(ObjectStatus {
                locality: stored.locality,
                len_bytes: stored.bytes.len() as u64,
                version: stored.version.clone(),
                place: stored.place.clone(),
                checksum: stored.checksum.clone(),
                links_to,
                online_until_ns: stored.online_until_ns,
            })
        };
        objects.iter().map(status).collect()
    }

    async fn stage(&self, request: &StageRequest) -> Result<StageTicket> {
        self.check()?;
        let mut state = self.state.lock();
        if let Some(refusal) = state.refusals.pop() {
            return Err(refusal);
        }
        let ids: Vec<ObjectId> = request.objects.iter().map(|object| object.id.clone()).collect();
        if !state.batches.contains_key(&request.key) {
            for id in &ids {
                if let Some(stored) = state.objects.get_mut(id) {
                    stored.n_recalls += 1;
                }
            }
            state.batches.insert(request.key.clone(), ids);
            state.staged_batches.push(request.clone());
        }
        let store_id = self.name_of(&request.key);
        Ok(StageTicket { key: request.key.clone(), objects: request.objects.clone(), store_id })
    }

    async fn progress(&self, ticket: &StageTicket) -> Result<Vec<(ObjectId, StageState)>> {
        self.check()?;
        let mut state = self.state.lock();
        let given = state.staged_batches.iter().find(|request| request.key == ticket.key);
        let end_ns = given.and_then(|request| self.end_ns(request.lifetime));
        let is_known = ticket.store_id == self.name_of(&ticket.key);
        let Some(ids) = state.batches.get(&ticket.key).filter(|_| is_known).cloned() else {
            return Ok(ticket
                .objects
                .iter()
                .map(|object| (object.id.clone(), StageState::Unknown))
                .collect());
        };
        let is_held = state.is_held;
        let state_of = |id: ObjectId| {
            let told = match state.objects.get_mut(&id) {
                Some(_) if is_held => StageState::Active { done_bytes: None },
                Some(stored) => step(stored),
                None => StageState::Failed(StageFailure {
                    cause: FailureCause::NotFound,
                    reason: "it does not exist".to_owned(),
                }),
            };
            if told == StageState::Staged
                && let Some(stored) = state.objects.get_mut(&id)
            {
                stored.online_until_ns = end_ns;
            }
            (id, told)
        };
        Ok(ids.into_iter().map(state_of).collect())
    }

    async fn cancel(&self, _: &StageTicket, objects: &[ObjectId]) -> Result<()> {
        self.state.lock().cancelled.extend_from_slice(objects);
        Ok(())
    }

    async fn release(&self, objects: &[ColdObject]) -> Result<()> {
        let _releasing = self.releasing.lock().await;
        let mut state = self.state.lock();
        for object in objects {
            state.released.push(object.id.clone());
            if let Some(stored) = state.objects.get_mut(&object.id) {
                stored.locality = Locality::Nearline;
            }
        }
        Ok(())
    }

    fn usual_time(&self, _is_interactive: bool) -> Option<Duration> {
        self.usual_time
    }

    fn refuses_cold_reads(&self) -> bool {
        self.ending.is_some()
    }

    async fn prolong(&self, objects: &[ColdObject], lifetime: Duration) -> Result<()> {
        self.check()?;
        self.end_copies();
        let mut state = self.state.lock();
        let ids = objects.iter().map(|object| object.id.clone()).collect();
        state.prolonged.push((ids, lifetime));
        if state.n_refused > 0 {
            state.n_refused -= 1;
            let kind = ErrorKind::Unavailable { retry_after: Duration::from_secs(5) };
            return Err(Error::new(kind, "slow down"));
        }
        for object in objects {
            if let Some(stored) =
                state.objects.get_mut(&object.id).filter(|stored| stored.locality.is_online())
            {
                stored.online_until_ns = stored.online_until_ns.max(self.end_ns(lifetime));
            }
        }
        Ok(())
    }

    fn cost(&self, recalls: &[Priced]) -> Option<Cost> {
        let price = self.state.lock().price?;
        let mebibytes: u64 = recalls.iter().map(|recall| recall.len_bytes.div_ceil(1 << 20)).sum();
        Some(Cost { micros: mebibytes * price, currency: "USD".into(), tier: "Standard".into() })
    }

    async fn read(&self, object: &ColdObject, version: &str, range: Range<u64>) -> Result<Bytes> {
        self.check()?;
        let mut state = self.state.lock();
        state.n_reads += 1;
        if let Some(kind) = state.read_failure {
            return Err(Error::new(kind, "the disk of the archive fails"));
        }
        let is_corrupt = state.corrupt_reads > 0;
        state.corrupt_reads = state.corrupt_reads.saturating_sub(1);
        let stored = state.objects.get(&object.id).ok_or_else(|| Error::not_found("it does not exist"))?;
        if stored.version != version {
            let kind = ErrorKind::Changed { retry_after: Duration::from_secs(1) };
            return Err(Error::new(kind, "it was replaced"));
        }
        if !stored.locality.is_online() {
            let kind = ErrorKind::Unavailable { retry_after: Duration::from_secs(1) };
            return Err(Error::new(kind, "it is not online"));
        }
        let mut bytes = stored.bytes[range.start as usize..range.end as usize].to_vec();
        if is_corrupt && let Some(first) = bytes.first_mut() {
            *first ^= 0xff;
        }
        Ok(bytes.into())
    }
}
