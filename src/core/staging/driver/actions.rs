//! What is begun when all is durable: questions to stores, batches, copies, removals.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Input;
use crate::cold::{ColdObject, ColdStore, Landing, Locality, ObjectId, ObjectStatus, StageTicket};
use crate::staging::Shared;
use crate::staging::book::{ObjectSlot, Place};
use crate::staging::cache::{CacheKey, Eviction, Reservation, Stamp};
use crate::staging::engine::{Action, Happening};
use crate::staging::hints::Hints;
use crate::staging::landing::{Source, land};
use crate::{Error, ErrorKind, Result};

/// How often the removal of a file is tried.
const REMOVALS: u32 = 3;

/// How long to wait before a removal that failed is tried again.
const REMOVE_AGAIN: Duration = Duration::from_secs(5);

impl Shared {
    /// Begins something in a task of its own.
    pub(in crate::staging) fn begin(this: &Arc<Self>, action: Action) {
        let shared = Arc::clone(this);
        match action {
            Action::Look { place, objects } => {
                this.tasks.spawn(async move { shared.look(place, objects).await });
            }
            Action::Stage { batch, lane, request } => {
                let Some(store) = this.store(lane) else { return };
                let stop = this.watch_token(request.key.as_str().into());
                this.tasks.spawn(async move {
                    let outcome = store.stage(&request).await;
                    let ticket = outcome.as_ref().ok().cloned();
                    shared.send(Happening::Staged { batch, outcome }).await;
                    if let Some(ticket) = ticket {
                        shared.watch((lane, batch), store, ticket, stop).await;
                    }
                });
            }
            Action::Watch { batch, lane, ticket } => {
                let Some(store) = this.store(lane) else { return };
                let stop = this.watch_token(ticket.key.as_str().into());
                this.tasks.spawn(async move { shared.watch((lane, batch), store, ticket, stop).await });
            }
            Action::StopWatching { key } => {
                if let Some(stop) = this.watched.lock().remove(&key) {
                    stop.cancel();
                }
            }
            Action::Cancel { lane, ticket, objects } => {
                let Some(store) = this.store(lane) else { return };
                this.tasks.spawn(async move {
                    if let Err(error) = store.cancel(&ticket, &objects).await {
                        tracing::warn!(batch = %ticket.key, %error, "recalls could not be stopped");
                    }
                });
            }
            Action::Land { lane, slot, flight, object, status, reservation } => {
                let stop = this.stop.child_token();
                this.landing.lock().insert(flight, stop.clone());
                this.tasks.spawn(async move {
                    shared.land(lane, (slot, flight), (object, status), reservation, stop).await;
                });
            }
            Action::StopLanding { flight } => {
                if let Some(stop) = this.landing.lock().remove(&flight) {
                    stop.cancel();
                }
            }
            Action::Renew { lane, lifetime, objects } => {
                this.tasks.spawn(async move { shared.renew(lane, lifetime, objects).await });
            }
            Action::Release { lane, object } => {
                this.tasks.spawn(async move { shared.release_one(lane, object).await });
            }
            Action::Discard { key } => {
                this.tasks.spawn(async move {
                    if let Err(error) = shared.dir.remove(key).await {
                        tracing::warn!(%key, %error, "what a landing left behind could not be removed");
                    }
                    shared.send(Happening::Discarded { key }).await;
                });
            }
            Action::Remove { of, eviction, done } => {
                this.tasks.spawn(async move {
                    shared.remove(of, eviction).await;
                    drop(done);
                });
            }
        }
    }

    pub(in crate::staging) fn store(&self, lane: usize) -> Option<Arc<dyn ColdStore>> {
        self.parts.stores.get(lane).map(|store| Arc::clone(&store.store))
    }

    fn watch_token(&self, key: Arc<str>) -> CancellationToken {
        let stop = self.stop.child_token();
        self.watched.lock().insert(key, stop.clone());
        stop
    }

    /// Tells the engine what has happened. If it has ended, the next start finds out.
    async fn send(&self, happening: Happening) {
        let _ = self.inputs.send(Input::Happened(happening)).await;
    }

    async fn look(&self, place: Place, objects: Vec<(ObjectSlot, u64, ColdObject)>) {
        self.look_at_copies(&objects).await;
        let plain: Vec<ColdObject> = objects.iter().map(|(.., object)| object.clone()).collect();
        let answers = self.status(place, plain).await;
        let answers =
            objects.into_iter().zip(answers).map(|((slot, flight, _), answer)| (slot, flight, answer));
        let answers = answers.collect();
        self.send(Happening::Looked { place, answers }).await;
    }

    /// Lets a store keep copies, and asks how they are.
    async fn renew(
        &self,
        lane: usize,
        lifetime: Option<Duration>,
        objects: Vec<(ObjectSlot, u64, ColdObject)>,
    ) {
        let plain: Vec<ColdObject> = objects.iter().map(|(.., object)| object.clone()).collect();
        let refused = match (self.store(lane), lifetime) {
            (Some(store), Some(lifetime)) => store.prolong(&plain, lifetime).await.err(),
            _ => None,
        };
        let answers = self.status(crate::staging::readers::place(lane), plain).await;
        let answers = objects
            .into_iter()
            .zip(answers)
            .map(|((slot, check, _), answer)| (slot, check, answer))
            .collect();
        self.send(Happening::Renewed { lane, refused, answers }).await;
    }

    /// Looks whether copies of objects are there and as they landed: what somebody wants is not only in the books.
    async fn look_at_copies(&self, objects: &[(ObjectSlot, u64, ColdObject)]) {
        let copies: Vec<_> = {
            let engine = self.engine.lock();
            let copy = |(slot, flight, _): &(ObjectSlot, u64, ColdObject)| {
                engine.copy_of(*slot).map(|(key, stamp)| (*slot, *flight, key, stamp))
            };
            objects.iter().filter_map(copy).collect()
        };
        if copies.is_empty() {
            return;
        }
        let dir = self.dir.clone();
        let damaged = tokio::task::spawn_blocking(move || {
            let is_damaged = |key: &CacheKey, stamp: Stamp| match std::fs::symlink_metadata(dir.path(key)) {
                Ok(metadata) => !stamp.is_on(&metadata),
                // A disk that does not answer may have it still.
                Err(cause) => cause.kind() == std::io::ErrorKind::NotFound,
            };
            copies.into_iter().filter(|(.., key, stamp)| is_damaged(key, *stamp)).collect::<Vec<_>>()
        });
        for (slot, flight, key, _) in damaged.await.unwrap_or_default() {
            self.send(Happening::Damaged { slot, flight, key }).await;
        }
    }

    /// The status of objects that lie at one place, one answer for each.
    pub(in crate::staging) async fn status(
        &self,
        place: Place,
        objects: Vec<ColdObject>,
    ) -> Vec<Result<ObjectStatus>> {
        let n_objects = objects.len();
        let mut answers = match place {
            Place::Store(lane) => self.status_at(usize::from(lane), &objects).await,
            Place::Unbound | Place::Undeclared => self.stat(objects).await,
        };
        let missing = || {
            let kind = ErrorKind::Unavailable { retry_after: Duration::from_secs(60) };
            Error::new(kind, "the store has not answered for every object")
        };
        answers.truncate(n_objects);
        while answers.len() < n_objects {
            answers.push(Err(missing()));
        }
        answers
    }

    /// The status of objects of a store. What can be read without asking again is remembered.
    async fn status_at(&self, lane: usize, objects: &[ColdObject]) -> Vec<Result<ObjectStatus>> {
        let Some(store) = self.store(lane) else { return Vec::new() };
        let asked = self.now();
        let answers = store.status(objects).await;
        if self.refuses_cold_reads(lane) && self.landing_of(lane) == Landing::InPlace {
            for (object, answer) in objects.iter().zip(&answers) {
                match answer {
                    Ok(status) if self.seen.note(&object.id, status, asked) => self.tell_of_end(&object.id),
                    Ok(_) => {}
                    Err(_) => self.seen.forget([&object.id]),
                }
            }
        }
        answers
    }

    /// The status of objects that are always online: whether they exist.
    async fn stat(&self, objects: Vec<ColdObject>) -> Vec<Result<ObjectStatus>> {
        let opener = Arc::clone(&self.parts.opener);
        let looked = tokio::task::spawn_blocking(move || {
            let status = |object: &ColdObject| match opener.stat(&object.href)? {
                Some(found) => Ok(ObjectStatus {
                    locality: Locality::Online,
                    len_bytes: found.len_bytes,
                    version: format!("{:?}", found.identity),
                    place: None,
                    checksum: None,
                    links_to: None,
                    online_until_ns: None,
                }),
                None => Err(Error::not_found(format!("{} does not exist", object.id))),
            };
            objects.iter().map(status).collect()
        });
        looked.await.unwrap_or_default()
    }

    /// Asks how far a batch of a lane is until it is watched no more.
    async fn watch(
        &self,
        (lane, batch): (usize, u64),
        store: Arc<dyn ColdStore>,
        ticket: StageTicket,
        stop: CancellationToken,
    ) {
        let usual = store.capabilities().poll_every.max(Duration::from_millis(1));
        // What is done quickly is noticed quickly.
        let mut wait = usual / 8;
        let mut hints = self.hints.get(lane).map(Hints::listen);
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.clock.sleep(wait) => wait = (wait * 2).min(usual),
                () = self.hinted(hints.as_mut()) => {}
            }
            let answer = tokio::select! {
                () = stop.cancelled() => break,
                answer = store.progress(&ticket) => answer,
            };
            self.send(Happening::Progress { batch, answer }).await;
        }
        self.watched.lock().remove(ticket.key.as_str());
    }

    async fn land(
        &self,
        lane: usize,
        (slot, flight): (ObjectSlot, u64),
        (object, status): (ColdObject, ObjectStatus),
        reservation: Reservation,
        stop: CancellationToken,
    ) {
        let Some(store) = self.store(lane) else { return };
        let told_bytes = AtomicU64::new(0);
        let step_bytes = (status.len_bytes / 20).max(1);
        let progress = |done_bytes: u64| {
            reservation.allocated();
            let is_news = done_bytes >= status.len_bytes
                || done_bytes >= told_bytes.load(Ordering::Relaxed).saturating_add(step_bytes);
            if is_news {
                told_bytes.store(done_bytes, Ordering::Relaxed);
                // If there is no room for it, the next one will do.
                let _ = self.inputs.try_send(Input::Happened(Happening::LandedSoFar {
                    slot,
                    flight,
                    done_bytes,
                }));
            }
        };
        let source = Source { store: store.as_ref(), object: &object, status: &status };
        let settings = &self.parts.settings.landing;
        let landed = land(source, &self.dir, settings, &progress, &stop).await;
        self.landing.lock().remove(&flight);
        let outcome = match landed {
            Ok(landed) => Ok((landed, reservation)),
            // What has landed so far takes its room until the next attempt.
            Err(failure) => {
                let is_kept = failure.cause.keeps_parts() && reservation.is_allocated();
                Err(Box::new((failure, is_kept.then_some(reservation))))
            }
        };
        let key = CacheKey::of(&object, &status);
        self.send(Happening::Landed { lane, slot, flight, object: object.id, key, outcome }).await;
    }

    /// Removes the file of a copy, then lets the store of its object forget it.
    async fn remove(&self, of: Option<(usize, ObjectId)>, eviction: Eviction) {
        let mut is_removed = false;
        for attempt in 1..=REMOVALS {
            match self.dir.remove(*eviction.key()).await {
                Ok(()) => {
                    is_removed = true;
                    break;
                }
                Err(error) => {
                    tracing::warn!(key = %eviction.key(), %error, attempt, "copy could not be removed")
                }
            }
            if attempt == REMOVALS {
                break;
            }
            tokio::select! {
                () = self.stop.cancelled() => break,
                () = self.clock.sleep(REMOVE_AGAIN) => {}
            }
        }
        match is_removed {
            true => eviction.removed(),
            // It takes its room still, and goes when room is made the next time.
            false => drop(eviction),
        }
        if let Some((lane, object)) = of {
            self.release_one(lane, object).await;
        }
    }

    async fn release_one(&self, lane: usize, object: ObjectId) {
        if let Err(error) = self.release_at(lane, std::slice::from_ref(&object)).await {
            tracing::warn!(%object, %error, "cold store could not be told that an object is not needed");
        }
    }

    /// Lets a store forget objects, if it can.
    pub(in crate::staging) async fn release_at(&self, lane: usize, objects: &[ObjectId]) -> Result<()> {
        let Some(store) = self.store(lane) else { return Ok(()) };
        if !store.capabilities().can_release {
            return Ok(());
        }
        let objects: Vec<ColdObject> =
            objects.iter().filter_map(|id| self.parts.namespace.object(id)).collect();
        let ids = || objects.iter().map(|object| &object.id);
        self.looks.forget(ids());
        let released = store.release(&objects).await;
        // Also what was seen before the store had released them.
        self.looks.forget(ids());
        self.seen.forget(ids());
        released
    }
}
