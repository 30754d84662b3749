//! What requests and readers have to stay within: money for a day, pinned bytes, open requests.
//!
//! Who is the first to want an object that is nearline and not being recalled pays for it, durably, when that is
//! accepted. Who has a limit takes turns with the others who have: two who want the same object do not both pay.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use tokio::sync::{Mutex, MutexGuard, oneshot};

use super::driver::Input;
use super::engine::{Engine, Reply, Withdrawn};
use super::tables::{self, AcceptedRow, Bill};
use super::{Face, ObjectState, Owner, OwnerLimits, Shared, Wanted};
use crate::cold::{Cost, Landing, Locality, ObjectId, Priced};
use crate::manifest::blocking;
use crate::{Error, ErrorKind, Result};

/// When to come back if nobody can tell when there will be room.
const RETRY_AFTER: Duration = Duration::from_secs(3600);

/// Objects that are looked at together.
const TOGETHER: usize = 1000;

/// Most such questions under way for one request.
const LOOKS_AT_ONCE: usize = 4;

/// What stores say of the objects of a request.
#[derive(Debug, Default)]
pub(super) struct Looked {
    /// Of all of them.
    len_bytes: u64,
    /// Of each of them, 0 if it is not known.
    each_bytes: Vec<u64>,
    /// Those that are nearline, with their sizes.
    nearline: Vec<(ObjectId, u64)>,
}

/// The turn of those who have to stay within limits.
pub(super) type Turns = Mutex<()>;

impl Shared {
    /// The turn of an owner with limits that need one.
    pub(super) async fn turn_of(&self, limits: &OwnerLimits) -> Option<MutexGuard<'_, ()>> {
        if limits.asks_stores() { Some(self.turns.lock().await) } else { None }
    }

    /// What stores say of the objects of a request, if its owner has limits for which that counts. Nobody else waits
    /// for it: it is done before it is the owner's turn.
    pub(super) async fn look_at_rows(
        &self,
        limits: &OwnerLimits,
        rows: &mut [AcceptedRow],
    ) -> Result<Looked> {
        if !limits.asks_stores() {
            return Ok(Looked::default());
        }
        let mut looked = Looked::default();
        for some in rows.chunks_mut(LOOKS_AT_ONCE * TOGETHER) {
            let looks: Vec<_> = some.chunks(TOGETHER).map(|some| self.look_at_some(some)).collect();
            let mut each_bytes = Vec::with_capacity(some.len());
            for found in join_all(looks).await {
                looked.len_bytes = looked.len_bytes.saturating_add(found.len_bytes);
                looked.nearline.extend(found.nearline);
                each_bytes.extend(found.each_bytes);
            }
            // They count as soon as the request is taken in: until its recalls have looked, others are accepted.
            for (row, len_bytes) in some.iter_mut().zip(each_bytes) {
                row.len_bytes = len_bytes;
            }
        }
        // What is named twice, by a link too, is recalled once.
        blocking(move || {
            looked.nearline.sort_unstable();
            looked.nearline.dedup();
            Ok(looked)
        })
        .await
    }

    async fn look_at_some(&self, rows: &[AcceptedRow]) -> Looked {
        let wanted =
            |row: &AcceptedRow| Wanted { spelling: Arc::clone(&row.spelling), object: row.objects.clone() };
        let wanted: Vec<Wanted> = rows.iter().map(wanted).collect();
        let mut looked = Looked::default();
        for answer in self.look_up(&wanted).await {
            looked.each_bytes.push(answer.status.as_ref().map_or(0, |status| status.len_bytes));
            let (Some(object), Ok(status)) = (answer.object, answer.status) else { continue };
            looked.len_bytes = looked.len_bytes.saturating_add(status.len_bytes);
            if status.locality == Locality::Nearline {
                looked.nearline.push((object, status.len_bytes));
            }
        }
        looked
    }

    /// What a request has to stay within, and what it costs.
    ///
    /// # Errors
    /// [`ErrorKind::OverQuota`] if the owner would pin more bytes than it may.
    pub(super) fn bill(
        &self,
        (owner, face): (&Owner, Face),
        limits: OwnerLimits,
        looked: &Looked,
    ) -> Result<Option<Bill>> {
        let max_requests = limits.max_requests.filter(|_| matches!(face, Face::Native | Face::Chiller));
        if let Some(most) = limits.max_pinned_bytes {
            self.check_pinned(owner, (looked.len_bytes, most))?;
        }
        let costs = if limits.max_cost_per_day.is_some() { self.costs_of_looked(looked) } else { Vec::new() };
        if costs.is_empty() && max_requests.is_none() {
            return Ok(None);
        }
        let (owner, max_cost) = (owner.clone(), limits.max_cost_per_day);
        Ok(Some(Bill { owner, max_cost, max_requests, costs, now_ns: self.now().wall_ns }))
    }

    /// What the recalls cost that a request would begin now.
    fn costs_of_looked(&self, looked: &Looked) -> Vec<Cost> {
        let mut priced: BTreeMap<usize, Vec<Priced>> = BTreeMap::new();
        // Locked for some at a time: the engine goes on between them.
        for some in looked.nearline.chunks(TOGETHER) {
            let engine = self.engine.lock();
            for (id, len_bytes) in some {
                if let Some(lane) = self.is_paid_for(&engine, id, Locality::Nearline) {
                    let recall = Priced { len_bytes: *len_bytes, is_interactive: false };
                    priced.entry(lane).or_default().push(recall);
                }
            }
        }
        self.costs_of(priced)
    }

    /// What stores say that recalls cost, by the number of the store.
    pub(super) fn costs_of(&self, priced: BTreeMap<usize, Vec<Priced>>) -> Vec<Cost> {
        let cost = |(lane, recalls): (usize, Vec<Priced>)| self.store(lane)?.cost(&recalls);
        priced.into_iter().filter_map(cost).collect()
    }

    /// The store at which bringing an object online begins a recall; `None` if it needs none, one is under way, or one
    /// has ended since the object was looked at.
    pub(super) fn is_paid_for(&self, engine: &Engine, id: &ObjectId, locality: Locality) -> Option<usize> {
        let super::book::Place::Store(lane) = engine.place_of(id) else { return None };
        let lane = usize::from(lane);
        let is_being_recalled = engine.book.find(id).is_some_and(|object| object.flight.is_some());
        let is_there = self.landing_of(lane) == Landing::Copied && self.shelf.get(id).is_some();
        let is_cold = locality == Locality::Nearline && self.seen.get(id, self.now()).is_none();
        (is_cold && !is_being_recalled && !is_there).then_some(lane)
    }

    /// Refuses to pin more bytes for an owner than it may have.
    fn check_pinned(&self, owner: &Owner, (new_bytes, most): (u64, u64)) -> Result<()> {
        let (now_ns, engine) = (self.now().wall_ns, self.engine.lock());
        let (mut held_bytes, mut first_ns): (u64, Option<i64>) = (0, None);
        for (_, request) in engine.book.requests().filter(|(_, request)| request.owner == *owner) {
            let held = ObjectState::HELD.into_iter().filter_map(|state| request.tallies.get(state as usize));
            held_bytes = held.map(|tally| tally.bytes).fold(held_bytes, u64::saturating_add);
            let ends_ns = request.expires_ns.filter(|ends_ns| *ends_ns > now_ns);
            first_ns = first_ns.into_iter().chain(ends_ns).min();
        }
        if held_bytes.saturating_add(new_bytes) <= most {
            return Ok(());
        }
        let ends = first_ns.and_then(|first_ns| u64::try_from(first_ns.saturating_sub(now_ns)).ok());
        let retry_after = ends.map_or(RETRY_AFTER, Duration::from_nanos);
        let message = format!(
            "{new_bytes} bytes are wanted beside {held_bytes} that requests of {owner} hold: it may hold {most} bytes"
        );
        Err(Error::new(ErrorKind::OverQuota { retry_after }, message))
    }

    /// Waits until a request that was accepted has been taken in: from then on its recalls are known to be under way.
    pub(super) async fn taken_in(&self, number: i64) {
        let (sender, receiver) = oneshot::channel();
        let call = move |engine: Result<&mut Engine>, _| {
            let reply: Reply = Box::new(move |kept| drop(sender.send(kept)));
            match engine {
                Ok(engine) => match engine.book.request_slot(number) {
                    // Nothing is given up, once all of it was taken in.
                    Some(slot) => engine.withdraw_these(slot, Vec::new(), Withdrawn::Pins, reply),
                    None => reply(Ok(())),
                },
                Err(error) => reply(Err(error)),
            }
        };
        // If nothing can be kept at present, the recalls are begun later all the same.
        let _ = self.send_call(Input::Call(Box::new(call)), receiver).await;
    }

    /// Lets a reader pay for the recall that it begins. The turn is kept until the recall has begun.
    ///
    /// # Errors
    /// [`ErrorKind::OverQuota`] if that costs more than its owner may spend.
    pub(super) async fn pay_to_read(
        self: &Arc<Self>,
        (id, lane): (&ObjectId, usize),
        owner: &Owner,
    ) -> Result<Option<MutexGuard<'_, ()>>> {
        let Some(max_cost) = self.parts.settings.limits_of(owner).max_cost_per_day else { return Ok(None) };
        let begins_recall = |locality| {
            let engine = self.engine.lock();
            let has_failed = engine.failures.get(id, self.now().steady_ns).is_some();
            !has_failed && self.is_paid_for(&engine, id, locality).is_some()
        };
        if !begins_recall(Locality::Nearline) {
            return Ok(None);
        }
        // Nobody else waits for the store: what has changed since it was asked is known in the owner's turn.
        let status = self.seen(id, lane).await;
        let turn = self.turns.lock().await;
        let Ok(status) = &*status else { return Ok(Some(turn)) };
        if !begins_recall(status.locality) {
            return Ok(Some(turn));
        }
        let recall = Priced { len_bytes: status.len_bytes, is_interactive: true };
        if let Some(cost) = self.store(lane).and_then(|store| store.cost(&[recall])) {
            let now_ns = self.now().wall_ns;
            let bill = Bill {
                owner: owner.clone(),
                max_cost: Some(max_cost),
                max_requests: None,
                costs: vec![cost],
                now_ns,
            };
            self.database.write(move |tables| tables::charge(tables, &bill)).await?;
        }
        Ok(Some(turn))
    }
}
