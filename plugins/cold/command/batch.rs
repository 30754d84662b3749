//! The life of a batch: asked for, followed, fetched, cancelled.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use futures::StreamExt;
use futures::future::join_all;
use thermocline_core::Result;
use thermocline_core::cold::batches::{Batches, Item, Step};
use thermocline_core::cold::command::{CommandTemplate, Slot};
use thermocline_core::cold::{
    ColdObject, FailureCause, Locality, ObjectId, StageFailure, StageRequest, StageState, StageTicket,
};

use crate::output::{self, SaidBatch, SaidState};
use crate::spool::FilledBy;
use crate::{Shared, blocking};

/// Objects that were asked for by one command.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    /// The key that the command was given.
    key: String,
    /// The archive's name for them.
    id: Option<String>,
    objects: Vec<ColdObject>,
}

impl Shared {
    /// Looks at the objects of a batch and asks for those that are not at hand.
    ///
    /// # Errors
    /// [`thermocline_core::ErrorKind::Unavailable`] if the archive takes none of them at present.
    pub(crate) async fn begin(self: Arc<Self>, request: &StageRequest) -> Result<()> {
        let found = Arc::clone(&self).find(&request.objects).await;
        let is_silent = |found: &Result<_>| {
            let failure = found.as_ref().err().map(StageFailure::from);
            failure.is_some_and(|failure| !failure.cause.is_final())
        };
        if !found.is_empty() && found.iter().all(is_silent) {
            return found.into_iter().filter_map(Result::err).next().map_or(Ok(()), Err);
        }
        let mut cold = Vec::new();
        for (object, found) in request.objects.iter().zip(found) {
            let step = match found {
                Ok(found) if found.status.locality.is_online() => Step::Staged,
                Ok(found) if found.status.locality == Locality::Lost => Step::Failed(lost(object)),
                Ok(found) if found.is_at_hand || self.templates.stage.is_none() => self.accepted(),
                Ok(_) => {
                    cold.push(object.clone());
                    continue;
                }
                Err(error) => Step::Failed(StageFailure::from(&error)),
            };
            self.batches.set(&request.key, [(object.id.clone(), step)]);
        }
        let Some(template) = self.templates.stage.clone() else { return Ok(()) };
        let groups = self.make_groups(&request.key, &cold, &template);
        let lifetime = request.lifetime.as_secs().to_string();
        if self.config.stage_waits {
            let (shared, key) = (Arc::clone(&self), request.key.clone());
            self.tasks.spawn(async move {
                let ask = |group| shared.ask_and_wait(&key, group, (&template, &lifetime));
                futures::stream::iter(groups).for_each_concurrent(shared.config.recalls_at_once, ask).await;
            });
            return Ok(());
        }
        let n_groups = groups.len();
        let mut refusals = Vec::new();
        for group in groups {
            refusals.extend(self.ask_now(&request.key, group, (&template, &lifetime)).await);
        }
        let nothing_else = cold.len() == request.objects.len() && refusals.len() == n_groups;
        match refusals.into_iter().next() {
            Some(failure) if nothing_else => Err(self.error(failure)),
            _ => Ok(()),
        }
    }

    /// Splits what is to be asked for, and remembers it for as long as the batch is known.
    fn make_groups(&self, key: &str, objects: &[ColdObject], template: &CommandTemplate) -> Vec<Group> {
        let chunks = objects.chunks(self.group_size(template));
        let is_one = chunks.len() == 1;
        let group = |(number, objects): (usize, &[ColdObject])| Group {
            key: if is_one { key.to_owned() } else { format!("{key}.{number}") },
            id: None,
            objects: objects.to_vec(),
        };
        let made: Vec<Group> = chunks.enumerate().map(group).collect();
        let mut groups = self.groups.lock();
        groups.retain(|key, _| self.batches.knows(key));
        groups.insert(key.to_owned(), made.clone());
        made
    }

    /// Asks for a group with a command that returns at once. The failure is given back if the archive takes
    /// nothing at present.
    async fn ask_now(
        self: &Arc<Self>,
        key: &str,
        group: Group,
        (template, lifetime): (&CommandTemplate, &str),
    ) -> Option<StageFailure> {
        let slot = match self.turn().await {
            Ok(slot) => slot,
            Err(failure) => {
                self.fail(key, &group.objects, &failure);
                return Some(failure);
            }
        };
        let asked = self.batches.take_waiting(key, &group.objects);
        let named = || vec![("key", group.key.as_str()), ("lifetime", lifetime)];
        match self.call_in(slot, template, (&asked, named())).await {
            Ok(output) => {
                self.note(key, &group, &asked, &output.stdout);
                None
            }
            Err(failure) if is_of_one(&failure) && asked.len() > 1 => {
                // However many they are, each waits for its turn: that others run is not its failure.
                let each = asked.iter().map(|object| async {
                    let one = std::slice::from_ref(object);
                    let told = match self.turn().await {
                        Ok(slot) => self.call_in(slot, template, (one, named())).await,
                        Err(failure) => Err(failure),
                    };
                    match told {
                        Ok(output) => self.note(key, &group, one, &output.stdout),
                        Err(failure) => self.fail(key, one, &failure),
                    }
                });
                join_all(each).await;
                None
            }
            Err(failure) => {
                self.fail(key, &asked, &failure);
                (!is_of_one(&failure)).then_some(failure)
            }
        }
    }

    /// Waits until one more command may run.
    async fn turn(&self) -> Result<Slot, StageFailure> {
        self.quick.enter().await.map_err(|error| StageFailure::from(&error))
    }

    /// Asks for a group with a command that returns when the objects are there.
    async fn ask_and_wait(
        self: &Arc<Self>,
        key: &str,
        group: Group,
        (template, lifetime): (&CommandTemplate, &str),
    ) {
        let Ok(slot) = self.waiting.enter().await else { return };
        let asked = self.batches.take_waiting(key, &group.objects);
        if asked.is_empty() {
            return;
        }
        let named = || vec![("key", group.key.as_str()), ("lifetime", lifetime)];
        match self.call_in(slot, template, (&asked, named())).await {
            Ok(output) => self.note(key, &group, &asked, &output.stdout),
            Err(failure) if is_of_one(&failure) && asked.len() > 1 => {
                let each = asked.iter().map(|object| async {
                    let one = std::slice::from_ref(object);
                    let Ok(slot) = self.waiting.enter().await else { return };
                    match self.call_in(slot, template, (one, named())).await {
                        Ok(output) => self.note(key, &group, one, &output.stdout),
                        Err(failure) => self.fail(key, one, &failure),
                    }
                });
                join_all(each).await;
            }
            Err(failure) => self.fail(key, &asked, &failure),
        }
    }

    /// Notes what a stage command said of objects that it accepted.
    fn note(&self, key: &str, group: &Group, asked: &[ColdObject], stdout: &[u8]) {
        let mut said =
            output::batch(&String::from_utf8_lossy(stdout), &self.config.words, self.config.busy_after);
        if let Some(id) = said.id.take() {
            // One name is no name for what several commands have asked for.
            if group.key == key {
                self.batches.set_store_id(key, Some(id.clone()));
            }
            let mut groups = self.groups.lock();
            let groups = groups.get_mut(key).into_iter().flatten();
            groups.filter(|known| known.key == group.key).for_each(|known| known.id = Some(id.clone()));
        }
        let step = |object: &ColdObject| match said.objects.get(&*object.href) {
            Some(SaidState::Failed(failure)) => Step::Failed(failure.clone()),
            _ => self.accepted(),
        };
        self.batches.set(key, asked.iter().map(|object| (object.id.clone(), step(object))));
    }

    fn fail(&self, key: &str, objects: &[ColdObject], failure: &StageFailure) {
        self.batches
            .set(key, objects.iter().map(|object| (object.id.clone(), Step::Failed(failure.clone()))));
    }

    fn accepted(&self) -> Step {
        Step::Accepted { at_ns: self.clock.now_ns(), is_moving: false }
    }

    /// How far each object of a batch is.
    pub(crate) async fn progress(
        self: Arc<Self>,
        ticket: &StageTicket,
    ) -> Result<Vec<(ObjectId, StageState)>> {
        if !self.batches.knows(&ticket.key) && !self.resume(ticket).await? {
            return Ok(Batches::unknown(&ticket.objects));
        }
        let items = self.batches.items(&ticket.key).unwrap_or_default();
        let open: Vec<ColdObject> = items
            .iter()
            .filter(|item| matches!(item.step, Step::Accepted { .. }))
            .map(|item| item.object.clone())
            .collect();
        let said = match (&self.templates.progress, open.is_empty()) {
            (_, true) => Vec::new(),
            (Some(template), _) => self.ask_progress(&ticket.key, &open, template).await?,
            (None, _) => self.ask_locality(&open).await,
        };
        let (mut queued, mut done_bytes) = (HashSet::new(), HashMap::new());
        for (object, state) in said {
            match &state {
                SaidState::Active(said) => drop(done_bytes.insert(object.id.clone(), *said)),
                SaidState::Queued => drop(queued.insert(object.id.clone())),
                _ => {}
            }
            let step = self.take_in(&ticket.key, &object, state).await?;
            self.batches.set(&ticket.key, step.map(|step| (object.id, step)));
        }
        let items = self.batches.items(&ticket.key).unwrap_or_default();
        let mut states = Vec::with_capacity(items.len());
        for Item { object, step } in items {
            let state = match step {
                Step::Accepted { .. } if queued.contains(&object.id) => StageState::Queued,
                Step::Accepted { .. } => {
                    let said = done_bytes.get(&object.id).copied().flatten();
                    step.state(said.max(self.done_bytes(&object).await))
                }
                step => step.state(None),
            };
            states.push((object.id, state));
        }
        Ok(states)
    }

    /// Asks the archive about a batch of an earlier server, by our key or by its own name. False if nobody knows it.
    async fn resume(self: &Arc<Self>, ticket: &StageTicket) -> Result<bool> {
        let names_batch = |template: &&CommandTemplate| {
            template.takes("key") || (template.takes("id") && ticket.store_id.is_some())
        };
        let template = self.templates.progress.as_ref().filter(names_batch);
        let (Some(template), false) = (template, ticket.objects.is_empty()) else { return Ok(false) };
        // What was asked for in several commands has several keys.
        let group_size = self.templates.stage.as_ref().map(|stage| self.group_size(stage));
        if group_size.is_none_or(|size| size < ticket.objects.len()) {
            return Ok(false);
        }
        let id = ticket.store_id.as_deref().unwrap_or_default();
        let said = self.ask_batch(&ticket.key, id, (&ticket.objects, template)).await?;
        let state = |object: &ColdObject| said.objects.get(&*object.href).or(said.all.as_ref()).cloned();
        let is_known = |object: &ColdObject| state(object).is_some_and(|state| state != SaidState::Unknown);
        if !ticket.objects.iter().any(is_known) {
            return Ok(false);
        }
        let request = StageRequest {
            key: ticket.key.clone(),
            objects: ticket.objects.clone(),
            lifetime: std::time::Duration::ZERO,
            is_interactive: false,
        };
        self.batches.accept(&request)?;
        self.batches.set_store_id(&ticket.key, ticket.store_id.clone());
        let group =
            Group { key: ticket.key.clone(), id: ticket.store_id.clone(), objects: ticket.objects.clone() };
        self.groups.lock().insert(ticket.key.clone(), vec![group]);
        let step = |object: &ColdObject| if is_known(object) { self.accepted() } else { Step::Cancelled };
        self.batches.set(&ticket.key, ticket.objects.iter().map(|object| (object.id.clone(), step(object))));
        Ok(true)
    }

    /// What the progress command says of objects; nothing of those of which it says nothing.
    async fn ask_progress(
        &self,
        key: &str,
        open: &[ColdObject],
        template: &CommandTemplate,
    ) -> Result<Vec<(ColdObject, SaidState)>> {
        let is_open: HashSet<&ObjectId> = open.iter().map(|object| &object.id).collect();
        let groups = self.groups.lock().get(key).cloned().unwrap_or_default();
        let mut said = Vec::new();
        let mut in_groups: HashSet<ObjectId> = HashSet::new();
        for group in groups {
            let objects: Vec<ColdObject> =
                group.objects.iter().filter(|object| is_open.contains(&object.id)).cloned().collect();
            in_groups.extend(objects.iter().map(|object| object.id.clone()));
            for chunk in objects.chunks(self.group_size(template)) {
                let id = group.id.as_deref().unwrap_or_default();
                let batch = self.ask_batch(&group.key, id, (chunk, template)).await?;
                let state =
                    |object: &ColdObject| batch.objects.get(&*object.href).or(batch.all.as_ref()).cloned();
                said.extend(chunk.iter().filter_map(|object| Some((object.clone(), state(object)?))));
            }
        }
        // What the archive had at hand from the start was never asked for.
        let at_hand = open.iter().filter(|object| !in_groups.contains(&object.id));
        said.extend(at_hand.map(|object| (object.clone(), SaidState::Staged)));
        Ok(said)
    }

    async fn ask_batch(
        &self,
        key: &str,
        id: &str,
        (objects, template): (&[ColdObject], &CommandTemplate),
    ) -> Result<SaidBatch> {
        let named = vec![("key", key), ("id", id), ("lifetime", "0")];
        let output = self
            .call(&self.quick, template, (objects, named))
            .await
            .map_err(|failure| self.error(failure))?;
        let text = String::from_utf8_lossy(&output.stdout);
        Ok(output::batch(&text, &self.config.words, self.config.busy_after))
    }

    /// What the locality says of objects that were asked for.
    async fn ask_locality(self: &Arc<Self>, open: &[ColdObject]) -> Vec<(ColdObject, SaidState)> {
        let found = Arc::clone(self).find(open).await;
        let fetches = self.templates.stage.is_none();
        let state = |(object, found): (&ColdObject, Result<crate::status::Found>)| {
            let state = match found {
                Ok(found) if found.is_at_hand || fetches => SaidState::Staged,
                Ok(found) if found.status.locality == Locality::Lost => SaidState::Failed(lost(object)),
                // Where it is says nothing of how far its recall is.
                Ok(_) => return None,
                Err(error) => {
                    let failure = StageFailure::from(&error);
                    // Nothing is concluded from an archive that does not answer.
                    SaidState::Failed(Some(failure).filter(|failure| failure.cause.is_final())?)
                }
            };
            Some((object.clone(), state))
        };
        open.iter().zip(found).filter_map(state).collect()
    }

    /// What becomes of an object, if that changes anything.
    async fn take_in(
        self: &Arc<Self>,
        key: &str,
        object: &ColdObject,
        state: SaidState,
    ) -> Result<Option<Step>> {
        match state {
            SaidState::Queued => Ok(Some(self.accepted())),
            SaidState::Active(_) => Ok(Some(Step::Accepted { at_ns: self.clock.now_ns(), is_moving: true })),
            SaidState::Failed(failure) => Ok(Some(Step::Failed(failure))),
            SaidState::Unknown => Ok(Some(Step::Cancelled)),
            SaidState::Staged if !self.is_copied() => Ok(Some(Step::Staged)),
            SaidState::Staged => {
                let (version, len_bytes) = self.last_seen(object).await?;
                let (shared, id) = (Arc::clone(self), object.id.clone());
                let has =
                    move || shared.spool.as_ref().is_some_and(|spool| spool.has(&id, &version, len_bytes));
                if blocking(has).await? {
                    return Ok(Some(Step::Staged));
                }
                if self.filled_by() == Some(FilledBy::Us) {
                    self.start_fetch(key, object);
                }
                Ok(None)
            }
        }
    }

    /// Bytes of an object that are in the spool already.
    async fn done_bytes(self: &Arc<Self>, object: &ColdObject) -> Option<u64> {
        self.spool.as_ref()?;
        let version = self.known.lock().get(&object.id).map(|(version, _)| version.clone())?;
        let (shared, id) = (Arc::clone(self), object.id.clone());
        blocking(move || shared.spool.as_ref()?.done_bytes(&id, &version)).await.ok()?
    }

    fn filled_by(&self) -> Option<FilledBy> {
        self.spool.as_ref().map(crate::spool::Spool::filled_by)
    }

    /// Drops the interest in objects of a batch, and tells the archive of those that nobody else wants.
    pub(crate) async fn cancel(&self, ticket: &StageTicket, objects: &[ObjectId]) -> Result<()> {
        let asked = self.batches.cancel(&ticket.key, objects);
        let is_unwanted = |object: &ColdObject| !self.batches.is_wanted_elsewhere(&ticket.key, &object.id);
        let unwanted: HashSet<ObjectId> =
            asked.into_iter().filter(|object| is_unwanted(object)).map(|object| object.id).collect();
        let Some(template) = &self.templates.cancel else { return Ok(()) };
        let groups = self.groups.lock().get(&ticket.key).cloned().unwrap_or_default();
        for group in groups {
            let objects: Vec<ColdObject> =
                group.objects.into_iter().filter(|object| unwanted.contains(&object.id)).collect();
            for chunk in objects.chunks(self.group_size(template)) {
                let id = group.id.as_deref().unwrap_or_default();
                let named = vec![("key", group.key.as_str()), ("id", id), ("lifetime", "0")];
                let told = self.call(&self.quick, template, (chunk, named)).await;
                told.map_err(|failure| self.error(failure))?;
            }
        }
        Ok(())
    }
}

fn lost(object: &ColdObject) -> StageFailure {
    StageFailure { cause: FailureCause::Lost, reason: format!("no copy of {} is left", object.id) }
}

/// True for failures that may be those of one path among several, not of the archive as a whole.
fn is_of_one(failure: &StageFailure) -> bool {
    !matches!(failure.cause, FailureCause::Retryable { after: Some(_) })
}
