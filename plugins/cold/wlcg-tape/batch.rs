//! Batches: each is a request of the site, or several where it does not take one.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use thermocline_core::cold::batches::{Batches, Item, Step};
use thermocline_core::cold::{
    ColdObject, FailureCause, Locality, ObjectId, StageFailure, StageRequest, StageState, StageTicket,
};
use thermocline_core::{ErrorKind, Result};

use crate::documents::{ByPath, PollFile};
use crate::names::{self, Part};
use crate::withdraw::Withdrawal;
use crate::{Located, WlcgTapeStore};

/// What the polls of the site say of a file, if anything.
type Said = (ColdObject, Option<StageState>);

impl WlcgTapeStore {
    /// Asks the site for a batch.
    pub(crate) async fn begin(&self, request: &StageRequest) -> Result<StageTicket> {
        let key = &request.key;
        if self.batches.accept(request)?
            && let Err(error) = self.ask_for(request).await
        {
            self.batches.forget(key);
            return Err(error);
        }
        let store_id = self.batches.store_id(key);
        Ok(StageTicket { key: key.clone(), objects: request.objects.clone(), store_id })
    }

    /// How far each file of a batch is.
    pub(crate) async fn progress_of(&self, ticket: &StageTicket) -> Result<Vec<(ObjectId, StageState)>> {
        let key = &ticket.key;
        let items = self.batches.items(key);
        let id = self.batches.store_id(key).or_else(|| ticket.store_id.clone());
        let open: Vec<ColdObject> = match &items {
            Some(items) => items.iter().filter(is_accepted).map(|item| item.object.clone()).collect(),
            None => ticket.objects.clone(),
        };
        let Some(id) = id.filter(|_| !open.is_empty()) else {
            return Ok(items.map_or_else(|| Batches::unknown(&ticket.objects), |items| of_items(&items)));
        };
        let said = self.polled(&id, open).await?;
        let found = self.concluded(said).await?;
        let ended = found.iter().filter_map(|(id, state)| Some((id.clone(), ended(state)?)));
        self.batches.set(key, ended);
        let Some(items) = items else { return Ok(found) };
        // What was settled before, or meanwhile, stays as it was.
        let others: Vec<Item> = items.into_iter().filter(|item| !is_accepted(&item)).collect();
        Ok(of_items(&others).into_iter().chain(found).collect())
    }

    /// What the site says of files by its names for their batch.
    ///
    /// # Errors
    /// A site that does not answer for any of them.
    async fn polled(&self, id: &str, open: Vec<ColdObject>) -> Result<Vec<Said>> {
        let only_root = open.first().map(|object| object.id.root().to_owned()).unwrap_or_default();
        let mut files: BTreeMap<&str, Vec<PollFile>> = BTreeMap::new();
        let (mut silent, mut n_answers, mut last_error) = (BTreeSet::new(), 0, None);
        for Part { name, root } in names::parts(id, &only_root) {
            match self.client.poll(name, self.credentials_of(root)).await {
                Ok(document) => {
                    n_answers += 1;
                    files.entry(root).or_default().extend(document.into_iter().flat_map(|found| found.files));
                }
                Err(error) => {
                    silent.insert(root);
                    last_error = Some(error);
                }
            }
        }
        if n_answers == 0
            && let Some(error) = last_error
        {
            return Err(error);
        }
        let by_path: BTreeMap<&str, ByPath<PollFile>> =
            files.into_iter().map(|(root, files)| (root, ByPath::new(files, |file| &file.path))).collect();
        let said = |object: &ColdObject| {
            let path = self.paths.on_tape(&object.href).ok()?;
            let file = by_path.get(object.id.root()).and_then(|by_path| by_path.get(&path));
            let untold = || silent.contains(object.id.root()).then_some(StageState::Accepted);
            file.map(PollFile::stage_state).or_else(untold)
        };
        let said: Vec<Option<StageState>> = open.iter().map(said).collect();
        Ok(open.into_iter().zip(said).collect())
    }

    /// What becomes of files. Where those are that polls say nothing of, or that they say are gone for good, is looked at:
    /// only if the site says both is it believed.
    ///
    /// # Errors
    /// A site that says nothing of any file.
    async fn concluded(&self, said: Vec<Said>) -> Result<Vec<(ObjectId, StageState)>> {
        let looked_at: Vec<ColdObject> = said
            .iter()
            .filter(|(_, said)| has_to_be_looked_at(said.as_ref()))
            .map(|(object, _)| object.clone())
            .collect();
        let n_files = said.len();
        let mut localities = self.localities(&looked_at).await.into_iter();
        let (mut found, mut n_untold) = (Vec::with_capacity(n_files), 0);
        for (object, said) in said {
            let state = match (has_to_be_looked_at(said.as_ref()), said) {
                (false, Some(state)) => state,
                (_, said) => match localities.next().map(|locality| conclusion(said, locality)) {
                    Some(Ok(state)) => state,
                    Some(Err(error)) => {
                        n_untold += 1;
                        if n_untold == n_files {
                            return Err(error);
                        }
                        StageState::Accepted
                    }
                    None => StageState::Accepted,
                },
            };
            found.push((object.id, state));
        }
        Ok(found)
    }

    /// Drops the interest in some files. Other batches are other requests of the site, which go on.
    pub(crate) async fn cancel_some(&self, ticket: &StageTicket, objects: &[ObjectId]) -> Result<()> {
        let key = &ticket.key;
        self.kept.forget(objects);
        let (asked, id) = self.to_withdraw(ticket, objects);
        let (Some(id), Some(first)) = (id, asked.first()) else { return Ok(()) };
        let only_root = first.id.root().to_owned();
        let mut by_root: BTreeMap<String, Vec<Located>> = BTreeMap::new();
        for object in asked {
            if let Ok(path) = self.paths.on_tape(&object.href) {
                by_root.entry(object.id.root().to_owned()).or_default().push((object, path));
            }
        }
        let mut outcome = Ok(());
        for (root, files) in &by_root {
            let of_root = names::parts(&id, &only_root).filter(|part| part.root == root);
            let names: Vec<&str> = of_root.map(|part| part.name).collect();
            let withdrawal = Withdrawal::new(key, &names, self.credentials_of(root), files);
            // Each root has credentials of its own: one that the site does not take is no matter of the others.
            outcome = self.withdrawals.ask(withdrawal).await.and(outcome);
        }
        outcome
    }

    /// Those of some files that the site has accepted, and its names for their batch. Others that wait are cancelled: what
    /// the site is being asked for, it is told when it has answered.
    fn to_withdraw(&self, ticket: &StageTicket, objects: &[ObjectId]) -> (Vec<ColdObject>, Option<String>) {
        let key = &ticket.key;
        let meant: HashSet<&ObjectId> = objects.iter().collect();
        let _turn = self.turn.lock();
        let id = self.batches.store_id(key).or_else(|| ticket.store_id.clone());
        let Some(items) = self.batches.items(key) else {
            let asked = ticket.objects.iter().filter(|object| meant.contains(&object.id));
            return (asked.cloned().collect(), id);
        };
        let (accepted, others): (Vec<Item>, Vec<Item>) = items
            .into_iter()
            .filter(|item| meant.contains(&item.object.id))
            .partition(|item| is_accepted(&item));
        let others: Vec<ObjectId> = others.into_iter().map(|item| item.object.id).collect();
        self.batches.cancel(key, &others);
        (accepted.into_iter().map(|item| item.object).collect(), id)
    }
}

/// True for what the site has accepted, and nothing has come of yet.
fn is_accepted(item: &&Item) -> bool {
    matches!(item.step, Step::Accepted { .. })
}

fn of_items(items: &[Item]) -> Vec<(ObjectId, StageState)> {
    items.iter().map(|item| (item.object.id.clone(), item.step.state(None))).collect()
}

/// True for what the site's polls do not settle: its words for files that are gone are used for less, too.
fn has_to_be_looked_at(said: Option<&StageState>) -> bool {
    match said {
        None => true,
        Some(StageState::Failed(failure)) => {
            matches!(failure.cause, FailureCause::NotFound | FailureCause::Lost)
        }
        Some(_) => false,
    }
}

/// What becomes of a file by what was said of it and where it is.
///
/// # Errors
/// A site that does not say where it is.
fn conclusion(said: Option<StageState>, locality: Result<Locality>) -> Result<StageState> {
    let reason = match said {
        Some(StageState::Failed(failure)) => Some(failure.reason),
        _ => None,
    };
    let gone = |cause, usual: &str| {
        let reason = reason.clone().unwrap_or_else(|| usual.to_owned());
        Ok(StageState::Failed(StageFailure { cause, reason }))
    };
    match locality {
        Ok(Locality::Lost) => gone(FailureCause::Lost, "the site has no copy left"),
        Err(error) if error.kind() == ErrorKind::NotFound => gone(FailureCause::NotFound, error.message()),
        Err(error) => Err(error),
        // It has the file still.
        Ok(locality) => Ok(match reason {
            Some(reason) => StageState::Failed(StageFailure::retryable(reason)),
            None if locality.is_online() => StageState::Staged,
            None => StageState::Unknown,
        }),
    }
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
