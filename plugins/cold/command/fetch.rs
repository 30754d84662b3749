//! Copying what the archive has at hand into the spool, and reading it there.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use thermocline_core::cold::batches::Step;
use thermocline_core::cold::command::CommandTemplate;
use thermocline_core::cold::{ColdObject, FailureCause, StageFailure};
use thermocline_core::{Error, ErrorKind, Result};

use crate::spool::Room;
use crate::{Shared, blocking};

impl Shared {
    /// Begins to fetch an object for a batch, unless it is being fetched.
    pub(crate) fn start_fetch(self: &Arc<Self>, key: &str, object: &ColdObject) {
        if !self.fetching.lock().insert(object.id.clone()) {
            return;
        }
        let (shared, key, object) = (Arc::clone(self), key.to_owned(), object.clone());
        self.tasks.spawn(async move {
            let step = match shared.fetch(&object).await {
                Ok(()) => Step::Staged,
                Err(failure) => Step::Failed(failure),
            };
            shared.batches.set(&key, [(object.id.clone(), step)]);
            shared.fetching.lock().remove(&object.id);
        });
    }

    async fn fetch(self: &Arc<Self>, object: &ColdObject) -> Result<(), StageFailure> {
        let failure = |error: &Error| StageFailure::from(error);
        let Some(template) = self.templates.fetch.clone() else {
            return Err(StageFailure::retryable("no command fetches objects"));
        };
        let slot = self.fetches.enter().await.map_err(|error| failure(&error))?;
        let (version, len_bytes) = self.last_seen(object).await.map_err(|error| failure(&error))?;
        let room = self.reserve(object, &version, len_bytes).await?;
        let target = room.target.to_string_lossy().into_owned();
        let fetched =
            self.call_in(slot, &template, (std::slice::from_ref(object), vec![("target", &target)])).await;
        if let Err(failure) = fetched {
            self.with_spool(move |shared| shared.give_up(room)).await;
            return Err(failure);
        }
        // What was fetched meanwhile must be what was looked at before.
        let after = self.find_one(object).await.map(|found| (found.status.version, found.status.len_bytes));
        match after {
            Ok(after) if after == (version, len_bytes) => self.finish(room, object, &template).await,
            Ok(_) => {
                self.with_spool(move |shared| shared.give_up(room)).await;
                Err(StageFailure::retryable(format!("{} was replaced while it was fetched", object.id)))
            }
            Err(error) => {
                self.with_spool(move |shared| shared.give_up(room)).await;
                Err(failure(&error))
            }
        }
    }

    async fn reserve(
        self: &Arc<Self>,
        object: &ColdObject,
        version: &str,
        len_bytes: u64,
    ) -> Result<Room, StageFailure> {
        let (shared, id, version) = (Arc::clone(self), object.id.clone(), version.to_owned());
        let reserve = move || match &shared.spool {
            Some(spool) => spool.reserve(&id, &version, len_bytes),
            None => Err(Error::internal("there is no spool")),
        };
        let room = blocking(reserve).await.and_then(|room| room);
        room.map_err(|error| match error.kind() {
            // It will not fit later either.
            ErrorKind::TooLarge => {
                StageFailure { cause: FailureCause::Denied, reason: error.message().to_owned() }
            }
            _ => StageFailure::from(&error),
        })
    }

    async fn finish(
        self: &Arc<Self>,
        room: Room,
        object: &ColdObject,
        template: &CommandTemplate,
    ) -> Result<(), StageFailure> {
        let (shared, id) = (Arc::clone(self), object.id.clone());
        let finish = move || match &shared.spool {
            Some(spool) => spool.finish(room, &id),
            None => Err(Error::internal("there is no spool")),
        };
        let program = template.program().rsplit('/').next().unwrap_or_default();
        let finished = blocking(finish).await.and_then(|finished| finished);
        finished.map_err(|error| StageFailure::retryable(format!("{program}: {}", error.message())))
    }

    fn give_up(&self, room: Room) {
        if let Some(spool) = &self.spool {
            spool.give_up(room);
        }
    }

    async fn with_spool(self: &Arc<Self>, work: impl FnOnce(&Self) + Send + 'static) {
        let shared = Arc::clone(self);
        let _ = blocking(move || work(&shared)).await;
    }

    /// Bytes of an object that is in the spool.
    pub(crate) async fn read(
        self: Arc<Self>,
        object: &ColdObject,
        version: &str,
        range: Range<u64>,
    ) -> Result<Bytes> {
        let (known, _) = self.last_seen(object).await?;
        if known != version {
            let kind = ErrorKind::Changed { retry_after: Duration::from_secs(2) };
            return Err(Error::new(kind, format!("{} is not in the state {version} any more", object.id)));
        }
        let object = object.clone();
        let read = move || match &self.spool {
            Some(spool) => spool.read(&object, &known, &range),
            None => Err(Error::internal("there is no spool")),
        };
        blocking(read).await?
    }

    /// Tells the archive that objects are not needed any more, and removes their copies.
    pub(crate) async fn release(self: Arc<Self>, objects: &[ColdObject]) -> Result<()> {
        // Copies of an earlier server are found by the version that their objects have now.
        let is_unknown = |object: &&ColdObject| !self.known.lock().contains_key(&object.id);
        let unknown: Vec<ColdObject> = objects.iter().filter(is_unknown).cloned().collect();
        Arc::clone(&self).find(&unknown).await;
        let (shared, removed) = (Arc::clone(&self), objects.to_vec());
        let remove = move || {
            let Some(spool) = &shared.spool else { return };
            for object in removed {
                let known = shared.known.lock().get(&object.id).cloned();
                if let Some((version, _)) = known {
                    spool.remove(&object.id, &version);
                }
            }
        };
        let Some(template) = &self.templates.release else { return blocking(remove).await };
        let found = Arc::clone(&self).find(objects).await;
        let is_at_hand =
            |found: &Result<crate::status::Found>| found.as_ref().is_ok_and(|found| found.is_at_hand);
        let at_hand: Vec<ColdObject> = objects
            .iter()
            .zip(&found)
            .filter(|(_, found)| is_at_hand(found))
            .map(|(object, _)| object.clone())
            .collect();
        let mut first_failure = None;
        for group in at_hand.chunks(self.group_size(template)) {
            if let Err(failure) = self.call(&self.quick, template, (group, Vec::new())).await {
                first_failure = first_failure.or(Some(failure));
            }
        }
        blocking(remove).await?;
        first_failure.map_or(Ok(()), |failure| Err(self.error(failure)))
    }
}
