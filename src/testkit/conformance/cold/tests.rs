//! The suite is right about a sound store, and finds each of these defects.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;

use bytes::Bytes;
use parking_lot::Mutex;
use thermocline_core::cold::{Capabilities, FailureCause, Locality, ObjectStatus, StageFailure};
use thermocline_core::{Error, Result};

use super::*;

/// What a store does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Defect {
    LookingRecalls,
    MissingIsCold,
    LongListsAreCut,
    ColdIsRead,
    BytesAreWrong,
    OtherVersionsAreRead,
    EndIsPassed,
    VersionChanges,
    StagedIsNotThere,
    KeysAreNotKept,
    RecallsAreNotShared,
    OnlineIsRecalled,
    MissingFailsAll,
    FailureIsFinal,
    FailureHasNoReason,
    HopeIsEndless,
    BusyIsInternal,
    BusyBegins,
    ReleaseDoesNothing,
    CancelTakesAll,
    CancelIsForever,
    StatesGoBack,
    UnknownIsAnError,
    UnknownIsQueued,
    RestartForgetsTapes,
    RestartIsAnError,
}

impl Defect {
    /// Each with words of what the suite says of it.
    const ALL: [(Self, &str); 26] = [
        (Self::LookingRecalls, "looking caused"),
        (Self::MissingIsCold, "a missing object gives"),
        (Self::LongListsAreCut, "answers for 10001 objects"),
        (Self::ColdIsRead, "reading a cold object gives None"),
        (Self::BytesAreWrong, "other bytes"),
        (Self::OtherVersionsAreRead, "bytes of another state give"),
        (Self::EndIsPassed, "bytes beyond the end"),
        (Self::VersionChanges, "the recall changed the version"),
        (Self::StagedIsNotThere, "after its recall"),
        (Self::KeysAreNotKept, "recalls of two objects"),
        (Self::RecallsAreNotShared, "two batches: 2 recalls of one object"),
        (Self::OnlineIsRecalled, "a recall: 2 recalls of one object"),
        (Self::MissingFailsAll, "a missing object among others"),
        (Self::FailureIsFinal, "failures: a:fails failed with"),
        (Self::FailureHasNoReason, "without a reason"),
        (Self::HopeIsEndless, "failures: a:hopeless failed with"),
        (Self::BusyIsInternal, "a busy store gives"),
        (Self::BusyBegins, "a refused batch has begun"),
        (Self::ReleaseDoesNothing, "release: it is"),
        (Self::CancelTakesAll, "the other object is"),
        (Self::CancelIsForever, "cancel: "),
        (Self::StatesGoBack, "went back to"),
        (Self::UnknownIsAnError, "unknown keys: "),
        (Self::UnknownIsQueued, "unknown keys: it is"),
        (Self::RestartForgetsTapes, "a restart: "),
        (Self::RestartIsAnError, "a restart: "),
    ];
}

/// How long a recall takes, in passes.
const N_PASSES: u32 = 3;

/// A store in memory, with its archive.
#[derive(Clone)]
struct Fake {
    defect: Option<Defect>,
    files: Arc<Vec<ColdFile>>,
    state: Arc<Mutex<State>>,
    is_restarted: bool,
}

#[derive(Default)]
struct State {
    online: HashSet<ObjectId>,
    /// Passes that are left of each recall.
    recalls: BTreeMap<ObjectId, u32>,
    failed: HashSet<ObjectId>,
    banned: HashSet<ObjectId>,
    batches: HashMap<String, HashMap<ObjectId, bool>>,
    n_recalls: u64,
    is_busy: bool,
}

fn object(name: &str) -> ColdObject {
    ColdObject { id: ObjectId::new("a", name).unwrap(), href: format!("/a/{name}").into() }
}

fn fake(defect: Option<Defect>) -> Fake {
    let file = |i: usize| ColdFile {
        object: object(&format!("f{i}")),
        content: (0..5000 + i).map(|byte| (byte % 251) as u8).collect(),
    };
    let files = Arc::new((0..N_SOUND).map(file).collect());
    Fake { defect, files, state: Arc::default(), is_restarted: false }
}

impl Fake {
    fn is(&self, defect: Defect) -> bool {
        self.defect == Some(defect)
    }

    fn content(&self, object: &ColdObject) -> Option<Vec<u8>> {
        let found = self.files.iter().find(|file| file.object == *object).map(|file| file.content.clone());
        found.or_else(|| ["fails", "hopeless"].contains(&object.id.path()).then(|| vec![1; 5000]))
    }

    fn recall(&self, state: &mut State, id: &ObjectId) {
        let is_needed = !state.online.contains(id) || self.is(Defect::OnlineIsRecalled);
        let is_new = !state.recalls.contains_key(id) || self.is(Defect::RecallsAreNotShared);
        if is_needed && is_new && !state.banned.contains(id) {
            state.failed.remove(id);
            state.recalls.insert(id.clone(), N_PASSES);
            state.n_recalls += 1;
        }
    }

    fn state_of(&self, state: &State, id: &ObjectId) -> StageState {
        let failed = |cause, reason: &str| {
            let reason = if self.is(Defect::FailureHasNoReason) { "" } else { reason };
            StageState::Failed(StageFailure { cause, reason: reason.to_owned() })
        };
        let retryable = FailureCause::Retryable { after: None };
        if self.content(&object(id.path())).is_none() {
            return failed(FailureCause::NotFound, "no such object");
        }
        match state.recalls.get(id) {
            Some(left) if self.is(Defect::StatesGoBack) && *left == 1 => StageState::Queued,
            Some(&N_PASSES) => StageState::Queued,
            Some(_) => StageState::Active { done_bytes: None },
            None if state.failed.contains(id) => {
                let is_final = (id.path() == "hopeless" && !self.is(Defect::HopeIsEndless))
                    || self.is(Defect::FailureIsFinal);
                failed(if is_final { FailureCause::Denied } else { retryable }, "it did not work")
            }
            None if state.online.contains(id) || self.is(Defect::StagedIsNotThere) => StageState::Staged,
            None => StageState::Unknown,
        }
    }
}

#[async_trait]
impl ColdStore for Fake {
    fn kind(&self) -> &'static str {
        "fake"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            landing: Landing::Copied,
            knows_tapes: false,
            can_cancel: true,
            can_release: true,
            n_at_once: 1,
            batch_objects: 100,
            poll_every: Duration::from_secs(1),
        }
    }

    async fn status(&self, objects: &[ColdObject]) -> Vec<Result<ObjectStatus>> {
        let mut state = self.state.lock();
        let limit = if self.is(Defect::LongListsAreCut) { 1000 } else { usize::MAX };
        let status = |object: &ColdObject| {
            let content = match self.content(object) {
                None if !self.is(Defect::MissingIsCold) => return Err(Error::not_found("no such object")),
                content => content.unwrap_or_default(),
            };
            if self.is(Defect::LookingRecalls) {
                self.recall(&mut state, &object.id);
            }
            let is_online = state.online.contains(&object.id);
            let is_changed = is_online && self.is(Defect::VersionChanges);
            Ok(ObjectStatus {
                locality: if is_online { Locality::OnlineAndNearline } else { Locality::Nearline },
                len_bytes: content.len() as u64,
                version: if is_changed { "w" } else { "v" }.to_owned(),
                place: None,
                checksum: None,
                links_to: None,
                online_until_ns: None,
            })
        };
        objects.iter().take(limit).map(status).collect()
    }

    async fn stage(&self, request: &StageRequest) -> Result<StageTicket> {
        let mut state = self.state.lock();
        let ticket =
            StageTicket { key: request.key.clone(), objects: request.objects.clone(), store_id: None };
        let is_known = state.batches.contains_key(&request.key);
        if is_known && !self.is(Defect::KeysAreNotKept) {
            return Ok(ticket);
        }
        if is_known {
            // Asked for twice, it is fetched twice.
            state.n_recalls += 1;
        }
        let is_busy = state.is_busy;
        if !is_busy || self.is(Defect::BusyBegins) {
            for object in request.objects.iter().filter(|object| self.content(object).is_some()) {
                self.recall(&mut state, &object.id);
            }
        }
        if is_busy {
            let retry_after = Duration::from_secs(1);
            let kind = match self.is(Defect::BusyIsInternal) {
                true => ErrorKind::Internal,
                false => ErrorKind::Unavailable { retry_after },
            };
            return Err(Error::new(kind, "busy"));
        }
        let objects = request.objects.iter().map(|object| (object.id.clone(), true)).collect();
        state.batches.insert(request.key.clone(), objects);
        Ok(ticket)
    }

    async fn progress(&self, ticket: &StageTicket) -> Result<Vec<(ObjectId, StageState)>> {
        let state = self.state.lock();
        if self.is_restarted && self.is(Defect::RestartIsAnError) {
            return Err(Error::internal("no such batch"));
        }
        let Some(batch) = state.batches.get(&ticket.key) else {
            if self.is(Defect::UnknownIsAnError) {
                return Err(Error::internal("no such batch"));
            }
            let unknown =
                if self.is(Defect::UnknownIsQueued) { StageState::Queued } else { StageState::Unknown };
            return Ok(ticket.objects.iter().map(|object| (object.id.clone(), unknown.clone())).collect());
        };
        let missing = batch.keys().find(|id| self.content(&object(id.path())).is_none());
        let missing = missing.filter(|_| self.is(Defect::MissingFailsAll));
        let told = |(id, is_wanted): (&ObjectId, &bool)| match is_wanted {
            true => (id.clone(), self.state_of(&state, missing.unwrap_or(id))),
            false => (id.clone(), StageState::Unknown),
        };
        Ok(batch.iter().map(told).collect())
    }

    async fn cancel(&self, ticket: &StageTicket, objects: &[ObjectId]) -> Result<()> {
        let mut state = self.state.lock();
        let takes_all = self.is(Defect::CancelTakesAll);
        let Some(batch) = state.batches.get_mut(&ticket.key) else { return Ok(()) };
        for (id, is_wanted) in batch.iter_mut() {
            *is_wanted &= !(takes_all || objects.contains(id));
        }
        if self.is(Defect::CancelIsForever) {
            state.recalls.retain(|id, _| !objects.contains(id));
            state.banned.extend(objects.iter().cloned());
        }
        Ok(())
    }

    async fn release(&self, objects: &[ColdObject]) -> Result<()> {
        let mut state = self.state.lock();
        if !self.is(Defect::ReleaseDoesNothing) {
            state.online.retain(|id| !objects.iter().any(|object| object.id == *id));
        }
        Ok(())
    }

    async fn read(&self, object: &ColdObject, version: &str, range: Range<u64>) -> Result<Bytes> {
        let state = self.state.lock();
        let later = Duration::from_secs(1);
        if !state.online.contains(&object.id) && !self.is(Defect::ColdIsRead) {
            return Err(Error::new(ErrorKind::Unavailable { retry_after: later }, "not staged"));
        }
        if !["v", "w"].contains(&version) && !self.is(Defect::OtherVersionsAreRead) {
            return Err(Error::new(ErrorKind::Changed { retry_after: later }, "another state"));
        }
        let mut content = self.content(object).unwrap_or_default();
        if self.is(Defect::BytesAreWrong) {
            content[4000] ^= 1;
        }
        if self.is(Defect::EndIsPassed) {
            content.push(0);
        }
        let range = usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap();
        let bytes = content.get(range).ok_or_else(|| Error::corrupt("beyond the end"))?;
        Ok(Bytes::copy_from_slice(bytes))
    }
}

#[async_trait]
impl ColdSite for Fake {
    fn store(&self) -> Arc<dyn ColdStore> {
        Arc::new(self.clone())
    }

    async fn restart(&self) -> anyhow::Result<Arc<dyn ColdStore>> {
        if self.is(Defect::RestartForgetsTapes) {
            // Whatever is under way is lost, and will not be begun again.
            let mut state = self.state.lock();
            let lost: Vec<ObjectId> = state.recalls.keys().cloned().collect();
            state.banned.extend(lost);
            state.recalls.clear();
        }
        Ok(Arc::new(Self { is_restarted: true, ..self.clone() }))
    }

    fn sound(&self) -> &[ColdFile] {
        &self.files
    }

    fn missing(&self) -> ColdObject {
        object("missing")
    }

    fn failing(&self) -> Option<ColdObject> {
        Some(object("fails"))
    }

    fn hopeless(&self) -> Option<ColdObject> {
        Some(object("hopeless"))
    }

    async fn set_busy(&self, is_busy: bool) -> anyhow::Result<bool> {
        self.state.lock().is_busy = is_busy;
        Ok(true)
    }

    async fn n_recalls(&self) -> anyhow::Result<u64> {
        Ok(self.state.lock().n_recalls)
    }

    async fn pass(&self) {
        let mut state = self.state.lock();
        let ids: Vec<ObjectId> = state.recalls.keys().cloned().collect();
        for id in ids {
            let left = state.recalls.get(&id).copied().unwrap_or_default().saturating_sub(1);
            state.recalls.insert(id.clone(), left);
            if left == 0 {
                state.recalls.remove(&id);
                if ["fails", "hopeless"].contains(&id.path()) {
                    state.failed.insert(id);
                } else if !self.is(Defect::StagedIsNotThere) {
                    state.online.insert(id);
                }
            }
        }
    }
}

#[tokio::test]
async fn a_sound_store_conforms() {
    cold(&fake(None)).await.unwrap();
}

#[tokio::test]
async fn each_defect_is_found_and_named() {
    for (defect, words) in Defect::ALL {
        let error = cold(&fake(Some(defect))).await.err();
        let error = error.map_or_else(|| panic!("{defect:?} is not found"), |error| format!("{error:#}"));
        assert!(error.contains(words), "{defect:?} is found as: {error}");
    }
}
