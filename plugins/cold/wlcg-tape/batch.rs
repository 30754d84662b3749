//! Batches: each is a request of the site.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use thermocline_core::cold::batches::{Batches, Item, Step};
use thermocline_core::cold::{
    ColdObject, FailureCause, Locality, ObjectId, StageFailure, StageRequest, StageState, StageTicket,
};
use thermocline_core::{Error, ErrorKind, Result};
use tracing::warn;

use crate::WlcgTapeStore;
use crate::client::Asked;
use crate::documents::{ByPath, PollDocument, StageBody, disk_lifetime};

/// Most files of which is remembered that nobody knows whether their recall was accepted.
const MAX_DOUBTFUL: usize = 100_000;

impl WlcgTapeStore {
    /// Asks the site for a batch.
    pub(crate) async fn begin(&self, request: &StageRequest) -> Result<StageTicket> {
        let ticket =
            |store_id| StageTicket { key: request.key.clone(), objects: request.objects.clone(), store_id };
        if !self.batches.accept(request)? {
            return Ok(ticket(self.batches.store_id(&request.key)));
        }
        match self.ask_for(request).await {
            Ok(store_id) => {
                self.batches.set_store_id(&request.key, store_id.clone());
                Ok(ticket(store_id))
            }
            Err(error) => {
                self.batches.forget(&request.key);
                Err(error)
            }
        }
    }

    /// Asks for the files of a batch. The site's name for it, if it has taken any.
    async fn ask_for(&self, request: &StageRequest) -> Result<Option<String>> {
        let key = &request.key;
        let mut wanted = Vec::with_capacity(request.objects.len());
        for object in &request.objects {
            match self.paths.on_tape(&object.href) {
                Ok(path) => wanted.push((object.clone(), path)),
                Err(error) => {
                    self.batches.set(key, [(object.id.clone(), Step::Failed(StageFailure::from(&error)))]);
                }
            }
        }
        let is_doubtful = {
            let doubtful = self.doubtful.lock();
            wanted.iter().any(|(object, _)| doubtful.contains(&object.id))
        };
        if is_doubtful {
            wanted = self.still_cold(key, wanted).await;
        }
        let Some(root) = wanted.first().map(|(object, _)| object.id.root().to_owned()) else {
            return Ok(None);
        };
        let (objects, paths): (Vec<ColdObject>, Vec<String>) = wanted.into_iter().unzip();
        self.batches.take_waiting(key, &objects);
        let lifetime = disk_lifetime(request.lifetime);
        let asked = self.client.stage(&StageBody::new(&paths, &lifetime), self.credentials_of(&root)).await;
        match asked {
            Ok(asked) => {
                self.forget_doubts(&objects);
                Ok(self.note_asked(key, &objects, asked))
            }
            Err(not_asked) => {
                if not_asked.is_doubtful {
                    self.doubt(&objects);
                }
                Err(not_asked.error)
            }
        }
    }

    fn forget_doubts(&self, objects: &[ColdObject]) {
        let mut doubtful = self.doubtful.lock();
        for object in objects {
            doubtful.remove(&object.id);
        }
    }

    /// Remembers of which files nobody knows whether the site has accepted them.
    fn doubt(&self, objects: &[ColdObject]) {
        let mut doubtful = self.doubtful.lock();
        if doubtful.len().saturating_add(objects.len()) > MAX_DOUBTFUL {
            doubtful.clear();
        }
        doubtful.extend(objects.iter().map(|object| object.id.clone()));
    }

    fn note_asked(&self, key: &str, objects: &[ColdObject], asked: Asked) -> Option<String> {
        let (step, id) = match asked {
            Asked::Accepted(id) => {
                (Step::Accepted { at_ns: self.clock.now_ns(), is_moving: false }, Some(id))
            }
            Asked::Refused(reason) => {
                warn!(batch = key, reason, n_objects = objects.len(), "the tape site refuses a request");
                let cause = match objects {
                    // The site can only mean this one.
                    [_] => FailureCause::Denied,
                    _ => FailureCause::Retryable { after: None },
                };
                (Step::Failed(StageFailure { cause, reason }), None)
            }
        };
        self.batches.set(key, objects.iter().map(|object| (object.id.clone(), step.clone())));
        id
    }

    /// Those of some files that are not online yet: the others count as staged.
    async fn still_cold(&self, key: &str, wanted: Vec<(ColdObject, String)>) -> Vec<(ColdObject, String)> {
        let objects: Vec<ColdObject> = wanted.iter().map(|(object, _)| object.clone()).collect();
        let localities = self.localities(&objects).await;
        let mut cold = Vec::new();
        for (file, locality) in wanted.into_iter().zip(localities) {
            if locality.is_ok_and(Locality::is_online) {
                self.forget_doubts(std::slice::from_ref(&file.0));
                self.batches.set(key, [(file.0.id, Step::Staged)]);
            } else {
                cold.push(file);
            }
        }
        cold
    }

    /// How far each file of a batch is.
    pub(crate) async fn progress_of(&self, ticket: &StageTicket) -> Result<Vec<(ObjectId, StageState)>> {
        let key = &ticket.key;
        let items = self.batches.items(key);
        let id = self.batches.store_id(key).or_else(|| ticket.store_id.clone());
        let open: Vec<ColdObject> = match &items {
            Some(items) => {
                items.iter().filter(|item| !item.step.has_ended()).map(|item| item.object.clone()).collect()
            }
            None => ticket.objects.clone(),
        };
        let Some(id) = id.filter(|_| !open.is_empty()) else {
            return Ok(items.map_or_else(|| Batches::unknown(&ticket.objects), |items| of_items(&items)));
        };
        let Some(root) = open.first().map(|object| object.id.root().to_owned()) else {
            return Ok(Vec::new());
        };
        let found = match self.client.poll(&id, self.credentials_of(&root)).await? {
            Some(document) => self.polled(&open, document),
            None => self.forgotten(&open).await,
        };
        let ended = found.iter().filter_map(|(id, state)| Some((id.clone(), ended(state)?)));
        self.batches.set(key, ended);
        let Some(items) = items else { return Ok(found) };
        // What was settled before, or meanwhile, stays as it was.
        let settled = items.iter().filter(|item| item.step.has_ended());
        Ok(settled.map(|item| (item.object.id.clone(), item.step.state(None))).chain(found).collect())
    }

    fn polled(&self, open: &[ColdObject], document: PollDocument) -> Vec<(ObjectId, StageState)> {
        let by_path = ByPath::new(document.files, |file| &file.path);
        let state = |object: &ColdObject| {
            let path = self.paths.on_tape(&object.href).ok();
            let file = path.and_then(|path| by_path.get(&path));
            file.map_or(StageState::Unknown, |file| file.stage_state())
        };
        open.iter().map(|object| (object.id.clone(), state(object))).collect()
    }

    /// Files of a request that the site has forgotten: those that are online are staged, others are asked for again.
    async fn forgotten(&self, open: &[ColdObject]) -> Vec<(ObjectId, StageState)> {
        let state = |locality: Result<Locality>| match locality {
            Ok(locality) if locality.is_online() => StageState::Staged,
            Ok(Locality::Lost) => {
                let reason = "the site has no copy left".to_owned();
                StageState::Failed(StageFailure { cause: FailureCause::Lost, reason })
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                StageState::Failed(StageFailure::from(&error))
            }
            _ => StageState::Unknown,
        };
        let localities = self.localities(open).await;
        open.iter().zip(localities).map(|(object, locality)| (object.id.clone(), state(locality))).collect()
    }

    /// Drops the interest in some files. Other batches are other requests of the site, which go on.
    pub(crate) async fn cancel_some(&self, ticket: &StageTicket, objects: &[ObjectId]) -> Result<()> {
        let key = &ticket.key;
        let id = self.batches.store_id(key).or_else(|| ticket.store_id.clone());
        let asked = if self.batches.knows(key) {
            self.batches.cancel(key, objects)
        } else {
            let meant: HashSet<&ObjectId> = objects.iter().collect();
            ticket.objects.iter().filter(|object| meant.contains(&object.id)).cloned().collect()
        };
        let paths: Vec<String> =
            asked.iter().filter_map(|object| self.paths.on_tape(&object.href).ok()).collect();
        match (id, asked.first()) {
            (Some(id), Some(first)) => {
                self.client.cancel(&id, &paths, self.credentials_of(first.id.root())).await
            }
            _ => Ok(()),
        }
    }

    /// Keeps files that are online: another request for them, which is not asked about.
    pub(crate) async fn keep(&self, objects: &[ColdObject], lifetime: Duration) -> Result<()> {
        let mut by_root: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for object in objects {
            by_root.entry(object.id.root()).or_default().push(self.paths.on_tape(&object.href)?);
        }
        let lifetime = disk_lifetime(lifetime);
        for (root, paths) in by_root {
            for some in paths.chunks(self.config.batch_objects) {
                let body = StageBody::new(some, &lifetime);
                match self.client.stage(&body, self.credentials_of(root)).await {
                    Ok(Asked::Accepted(_)) => {}
                    Ok(Asked::Refused(reason)) => {
                        let kind = ErrorKind::Unavailable { retry_after: self.config.poll_every };
                        return Err(Error::new(kind, reason));
                    }
                    Err(not_asked) => return Err(not_asked.error),
                }
            }
        }
        Ok(())
    }
}

fn of_items(items: &[Item]) -> Vec<(ObjectId, StageState)> {
    items.iter().map(|item| (item.object.id.clone(), item.step.state(None))).collect()
}

/// What nothing more will come of.
fn ended(state: &StageState) -> Option<Step> {
    match state {
        StageState::Staged => Some(Step::Staged),
        StageState::Failed(failure) => Some(Step::Failed(failure.clone())),
        // It is asked for again under another key.
        StageState::Unknown => Some(Step::Cancelled),
        StageState::Queued | StageState::Accepted | StageState::Active { .. } => None,
    }
}
