//! What readers of chunks ask: whether an object can be read now, and when it can.

mod looks;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use thermocline_model::DatasetId;
use tokio::sync::oneshot;

use super::book::Place;
use super::cache::CacheKey;
use super::driver::Input;
use super::engine::Note;
use super::{CopyGuard, Joined, Outcome, Owner, Presence, Shared, Staging};
use crate::cold::{ColdObject, Landing, Locality, ObjectId, ObjectStatus};
use crate::{Error, ErrorKind, Result};

pub(super) use looks::Looks;

/// What can be told of an object without waiting.
enum Known {
    /// Where it is.
    So(Presence),
    /// That its store has to be asked.
    AsksStore(ObjectId, usize),
}

impl Staging {
    /// Where an object's bytes can be read. Of objects that lie in place this may be a moment old: who reads them asks
    /// [`Staging::presence_now`] afterwards. Never waits for a recall and causes none.
    ///
    /// # Errors
    /// A store that does not answer; an object that is lost.
    pub async fn presence(&self, href: &str) -> Result<Presence> {
        match self.known(href)? {
            Known::So(presence) => Ok(presence),
            Known::AsksStore(id, lane) => self.presence_of(&id, &*self.shared.seen(&id, lane).await),
        }
    }

    /// The same as it is after this was called.
    ///
    /// # Errors
    /// Those of [`Staging::presence`].
    pub async fn presence_now(&self, href: &str) -> Result<Presence> {
        match self.shared.bound(href)? {
            Some((id, lane)) if self.shared.landing_of(lane) == Landing::InPlace => {
                self.presence_of(&id, &*self.shared.seen_now(&id, lane).await)
            }
            Some((id, _)) => Ok(self.shared.copy_of(&id).unwrap_or(Presence::Cold)),
            None => Ok(Presence::Unbound),
        }
    }

    /// Where an object's bytes can be read at this moment, if that can be told without asking anybody: `None` for
    /// objects that lie in place on a cold store, unless that refuses to read what is cold and they were seen online,
    /// and for what lies below its roots and names no object.
    pub fn presence_in_memory(&self, href: &str) -> Option<Presence> {
        let (id, lane) = match self.shared.bound(href) {
            Ok(Some(bound)) => bound,
            Ok(None) => return Some(Presence::Unbound),
            // Why it cannot be told is said by who asks its store.
            Err(_) => return None,
        };
        if self.shared.landing_of(lane) == Landing::InPlace {
            self.shared.seen.get(&id, self.shared.now()).filter(|_| self.shared.refuses_cold_reads(lane))?;
            let path = PathBuf::from(self.namespace().href(&id)?);
            return Some(Presence::Online { path, guard: None });
        }
        Some(self.shared.copy_of(&id).unwrap_or(Presence::Cold))
    }

    fn known(&self, href: &str) -> Result<Known> {
        if let Some(presence) = self.presence_in_memory(href) {
            return Ok(Known::So(presence));
        }
        let bound = self.shared.bound(href)?;
        Ok(bound.map_or(Known::So(Presence::Unbound), |(id, lane)| Known::AsksStore(id, lane)))
    }

    fn presence_of(&self, id: &ObjectId, status: &Result<ObjectStatus>) -> Result<Presence> {
        match status.as_ref().map_err(Error::shared)?.locality {
            Locality::Online | Locality::OnlineAndNearline => {
                let path = self.namespace().href(id);
                let path = path.ok_or_else(|| Error::internal(format!("{id} has no root")))?;
                Ok(Presence::Online { path: PathBuf::from(path), guard: None })
            }
            Locality::Nearline => Ok(Presence::Cold),
            Locality::Lost => Err(Error::new(ErrorKind::Lost, format!("no copy of {id} is left"))),
            Locality::Unavailable => Err(Error::new(
                ErrorKind::Unavailable { retry_after: std::time::Duration::from_secs(10) },
                format!("the store of {id} cannot tell where it is"),
            )),
        }
    }

    /// True if an object's store has it in the state of a copy now.
    ///
    /// # Errors
    /// A store that does not answer; an object that does not exist.
    pub async fn is_state_of(&self, href: &str, copy: &CacheKey) -> Result<bool> {
        let Some((id, lane)) = self.shared.bound(href)? else { return Ok(false) };
        let status = self.shared.seen_now(&id, lane).await;
        let status = (*status).as_ref().map_err(Error::shared)?;
        Ok(CacheKey::new(&id, &status.version, status.len_bytes) == *copy)
    }

    /// Joins the recall of a cold object for a reader, or begins it, in the interactive lane. The answer is durable.
    ///
    /// The copy of an object that is in the cache is compared with the state in which its store has it: a reader
    /// who found it to be of another state than was indexed gets it renewed by joining.
    ///
    /// # Errors
    /// [`crate::ErrorKind::InvalidInput`] for what lies on no cold store; [`crate::ErrorKind::Unavailable`] if
    /// the store is draining or the request cannot be kept; [`crate::ErrorKind::OverQuota`] if the recall costs more
    /// than the owner may spend.
    pub async fn join(&self, href: &str, owner: &Owner, dataset: Option<&DatasetId>) -> Result<Joined> {
        let (id, lane) = self
            .shared
            .bound(href)?
            .ok_or_else(|| Error::invalid_input(format!("{href} lies on no cold store")))?;
        let _turn = self.shared.pay_to_read((&id, lane), owner).await?;
        let spelling: Arc<str> = href.into();
        let (owner, dataset) = (owner.clone(), dataset.cloned());
        let (sender, receiver) = oneshot::channel();
        let call = move |engine: Result<&mut super::engine::Engine>, now| {
            let joined = engine.and_then(|engine| {
                let joined = engine.join(&id, &spelling, (&owner, dataset.as_ref()), now)?;
                Ok((engine, joined))
            });
            match joined {
                Ok((engine, joined)) => engine.out.notes.push(Note::Reply(Box::new(move |kept| {
                    let _ = sender.send(kept.map(|()| joined));
                }))),
                Err(error) => drop(sender.send(Err(error))),
            }
        };
        self.shared.send_call(Input::Call(Box::new(call)), receiver).await
    }

    /// Waits until the recall of an object has ended: at once if none is under way. Cheap enough for thousands
    /// of waiters on one object. Dropping it is all that it takes to stop waiting.
    pub async fn wait(&self, href: &str) -> Outcome {
        let id = match self.shared.bound(href) {
            Ok(Some((id, _))) => id,
            Ok(None) => return Outcome::Online,
            Err(error) => {
                return Outcome::Failed { reason: error.to_string(), kind: ErrorKind::RecallFailed };
            }
        };
        let signal = {
            let now = self.shared.now();
            let mut engine = self.shared.engine.lock();
            let flying = engine.book.slot(&id).and_then(|slot| engine.signal(slot));
            match flying.or_else(|| engine.ending.get(&id).cloned()) {
                Some(signal) => signal,
                None => {
                    return match engine.failures.get(&id, now.steady_ns) {
                        Some(failure) => {
                            Outcome::Failed { reason: failure.reason.to_string(), kind: failure.kind }
                        }
                        None => Outcome::Online,
                    };
                }
            }
        };
        signal.wait().await
    }

    /// Says that the copy of an object in the cache is not in the state that a reader expects: it is not read any
    /// more, until [`Staging::join`] has compared it with what its store has. Or that its store has refused to read
    /// it: it does not count as online any more, until its store was asked.
    pub fn doubt(&self, href: &str) {
        let Ok(Some((id, _))) = self.shared.bound(href) else { return };
        self.shared.looks.forget([&id]);
        self.shared.seen.forget([&id]);
        if let Some(key) = self.shared.shelf.get(&id) {
            self.shared.shelf.take(&id, &key);
        }
    }

    /// True for objects whose store itself refuses to read them while they are cold: it need not be asked before and
    /// after each read. Who was refused says so with [`Staging::doubt`].
    pub fn refuses_cold_reads(&self, href: &str) -> bool {
        let bound = self.shared.bound(href).ok().flatten();
        bound.is_some_and(|(_, lane)| self.shared.refuses_cold_reads(lane))
    }

    /// True for what lies below a root that is bound to a cold store.
    pub fn is_bound(&self, href: &str) -> bool {
        !matches!(self.shared.bound(href), Ok(None))
    }

    /// Where objects are at this moment: the stores of those that lie in place are asked, all at once. Recalls none.
    pub async fn localities(&self, hrefs: &[Arc<str>]) -> Vec<Locality> {
        let mut localities: Vec<Locality> = hrefs.iter().map(|href| self.known_locality(href)).collect();
        let mut in_place: BTreeMap<usize, Vec<(usize, ColdObject)>> = BTreeMap::new();
        for (number, href) in hrefs.iter().enumerate() {
            if let Ok(Some((id, lane))) = self.shared.bound(href)
                && self.shared.landing_of(lane) == Landing::InPlace
                && let Some(object) = self.namespace().object(&id)
            {
                in_place.entry(lane).or_default().push((number, object));
            }
        }
        for (lane, objects) in in_place {
            let (numbers, objects): (Vec<usize>, Vec<ColdObject>) = objects.into_iter().unzip();
            let found = self.shared.status(place(lane), objects).await;
            for (number, status) in numbers.into_iter().zip(found) {
                if let Some(locality) = localities.get_mut(number) {
                    *locality = status.map_or(Locality::Unavailable, |status| status.locality);
                }
            }
        }
        localities
    }

    /// What an object's locality is as far as it is known without asking its store: for documents that name many.
    pub fn known_locality(&self, href: &str) -> Locality {
        let id = match self.shared.bound(href) {
            Ok(Some((id, _))) => id,
            Ok(None) => return Locality::Online,
            Err(_) => return Locality::Unavailable,
        };
        if self.shared.shelf.get(&id).is_some() {
            return Locality::OnlineAndNearline;
        }
        let now = self.shared.now();
        if let Some(locality) = self.shared.seen.get(&id, now) {
            return locality;
        }
        let engine = self.shared.engine.lock();
        match engine.book.slot(&id).and_then(|slot| Some((slot, engine.book.object(slot)?))) {
            // While it is looked at or recalled, somebody doubts that it is online.
            Some((slot, object)) if object.is_pinned() && object.flight.is_none() => {
                let has_ended = engine.book.has_ended(slot, now.wall_ns);
                if has_ended { Locality::Nearline } else { Locality::OnlineAndNearline }
            }
            _ => Locality::Nearline,
        }
    }
}

impl Shared {
    /// The object that an address means and the store on which it lies; `None` for what lies on none.
    ///
    /// # Errors
    /// Those of [`crate::cold::Namespace::bound`]; a store that is not there.
    pub(super) fn bound(&self, href: &str) -> Result<Option<(ObjectId, usize)>> {
        let Some((id, store)) = self.parts.namespace.bound(href)? else { return Ok(None) };
        let lane = self.parts.stores.iter().position(|known| known.name == *store);
        let missing = || {
            let kind = ErrorKind::Unavailable { retry_after: std::time::Duration::from_secs(60) };
            Error::new(kind, format!("the cold store {store:?} of {id} is not there"))
        };
        let lane = lane.ok_or_else(missing)?;
        Ok(Some((id, lane)))
    }

    /// True if a store itself refuses to read what is cold.
    pub(super) fn refuses_cold_reads(&self, lane: usize) -> bool {
        self.refusing.get(lane).copied().unwrap_or_default()
    }

    pub(super) fn landing_of(&self, lane: usize) -> Landing {
        self.landings.get(lane).copied().unwrap_or(Landing::Copied)
    }

    /// The copy of an object in the cache, kept as long as the guard lives.
    pub(super) fn copy_of(&self, id: &ObjectId) -> Option<Presence> {
        let (key, stamp) = self.shelf.copy(id)?;
        let guard = CopyGuard::new(id.clone(), self.space.read(&key)?, stamp);
        Some(Presence::Online { path: self.dir.path(&key), guard: Some(guard) })
    }
}

/// The place of objects of a store.
pub(super) fn place(lane: usize) -> Place {
    u16::try_from(lane).map_or(Place::Undeclared, Place::Store)
}
