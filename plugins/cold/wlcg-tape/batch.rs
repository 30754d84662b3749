//! Batches: each is a request of the site, or several where it does not take one.

use std::collections::HashSet;

use thermocline_core::cold::batches::{Batches, Item, Step};
use thermocline_core::cold::{
    ColdObject, FailureCause, Locality, ObjectId, StageFailure, StageRequest, StageState, StageTicket,
};
use thermocline_core::{ErrorKind, Result};

use crate::WlcgTapeStore;
use crate::documents::{ByPath, PollFile};

/// Stands between the site's names for the parts of a batch. No name has it.
const BETWEEN_NAMES: char = '\n';

impl WlcgTapeStore {
    /// Asks the site for a batch.
    pub(crate) async fn begin(&self, request: &StageRequest) -> Result<StageTicket> {
        let ticket =
            |store_id| StageTicket { key: request.key.clone(), objects: request.objects.clone(), store_id };
        if !self.batches.accept(request)? {
            return Ok(ticket(self.batches.store_id(&request.key)));
        }
        match self.ask_for(request).await {
            Ok(names) => {
                let store_id = Some(names.join(&BETWEEN_NAMES.to_string())).filter(|_| !names.is_empty());
                self.batches.set_store_id(&request.key, store_id.clone());
                Ok(ticket(store_id))
            }
            Err(error) => {
                self.batches.forget(&request.key);
                Err(error)
            }
        }
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
        let by = self.credentials_of(&root);
        let (mut files, mut is_forgotten) = (Vec::new(), false);
        for name in id.split(BETWEEN_NAMES) {
            match self.client.poll(name, by).await? {
                Some(document) => files.extend(document.files),
                None => is_forgotten = true,
            }
        }
        let mut found = self.polled(&open, files);
        if is_forgotten {
            self.look_for_forgotten(&open, &mut found).await;
        }
        let ended = found.iter().filter_map(|(id, state)| Some((id.clone(), ended(state)?)));
        self.batches.set(key, ended);
        let Some(items) = items else { return Ok(found) };
        // What was settled before, or meanwhile, stays as it was.
        let settled = items.iter().filter(|item| item.step.has_ended());
        Ok(settled.map(|item| (item.object.id.clone(), item.step.state(None))).chain(found).collect())
    }

    fn polled(&self, open: &[ColdObject], files: Vec<PollFile>) -> Vec<(ObjectId, StageState)> {
        let by_path = ByPath::new(files, |file| &file.path);
        let state = |object: &ColdObject| {
            let path = self.paths.on_tape(&object.href).ok();
            let file = path.and_then(|path| by_path.get(&path));
            file.map_or(StageState::Unknown, |file| file.stage_state())
        };
        open.iter().map(|object| (object.id.clone(), state(object))).collect()
    }

    /// Files of requests that the site has forgotten: those that are online are staged, others are asked for again.
    async fn look_for_forgotten(&self, open: &[ColdObject], found: &mut [(ObjectId, StageState)]) {
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
        let is_unknown = |(_, state): &(ObjectId, StageState)| *state == StageState::Unknown;
        let unknown: Vec<ColdObject> = open
            .iter()
            .zip(found.iter())
            .filter(|(_, found)| is_unknown(found))
            .map(|(object, _)| object.clone())
            .collect();
        let localities = self.localities(&unknown).await;
        for (found, locality) in found.iter_mut().filter(|found| is_unknown(found)).zip(localities) {
            found.1 = state(locality);
        }
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
        let (Some(id), Some(first)) = (id, asked.first()) else { return Ok(()) };
        let by = self.credentials_of(first.id.root());
        if !id.contains(BETWEEN_NAMES) {
            return self.client.cancel(&id, &paths, by).await;
        }
        // A path that is not of a request would spoil its cancelling.
        for name in id.split(BETWEEN_NAMES) {
            let files = self.client.poll(name, by).await?.map(|document| document.files).unwrap_or_default();
            let there = ByPath::new(files, |file| &file.path);
            let paths: Vec<String> = paths.iter().filter(|path| there.get(path).is_some()).cloned().collect();
            if !paths.is_empty() {
                self.client.cancel(name, &paths, by).await?;
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
