//! What operators ask: where objects are, what is pinned, how full the cache is; and what they decide.

use std::collections::{BTreeMap, BinaryHeap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::book::{ObjectSlot, Place};
use super::cache::SpaceUse;
use super::driver::Input;
use super::engine::{Done, Engine, Note, Now, Reply};
use super::{
    Activity, CacheUse, DryRun, Estimate, ObjectInfo, Recall, Shared, Staging, StoreState, Wanted, tables,
};
use crate::clock::nanoseconds;
use crate::cold::{ColdObject, Cost, Locality, ObjectId, ObjectStatus, Priced, TapePlace};
use crate::{Error, Result};

/// Objects that a store is asked about at once.
const TOGETHER: usize = 1000;

/// Objects of which is told before the engine may go on.
const TOLD_TOGETHER: usize = 256;

/// Objects of a dry run that are shown.
const SHOWN: usize = 100;

/// How often old requests are looked for.
const TIDY_EVERY: Duration = Duration::from_secs(60);

/// How often the space of the disk is looked at.
const LOOK_AT_DISK_EVERY: Duration = Duration::from_secs(10);

/// What is known of one thing that was asked for.
pub(super) struct Answer {
    pub(super) object: Option<ObjectId>,
    place: Place,
    pub(super) status: Result<ObjectStatus, String>,
}

/// Objects in place that their store is making cold. When it is dropped, that is over, one way or the other.
struct Releasing {
    shared: Arc<Shared>,
    lane: usize,
    objects: Vec<ObjectId>,
}

impl Drop for Releasing {
    fn drop(&mut self) {
        self.shared.engine.lock().released(&self.objects);
    }
}

impl Staging {
    /// What a request for these objects would cost, without making it.
    ///
    /// # Errors
    /// Those of a store that does not answer.
    pub async fn dry_run(&self, objects: Vec<Wanted>) -> Result<DryRun> {
        let answers = self.shared.look_up(&objects).await;
        let mut dry_run = DryRun {
            n_objects: answers.len() as u64,
            bytes: 0,
            n_nearline: 0,
            nearline_bytes: 0,
            n_tapes: None,
            estimate: None,
            costs: Vec::new(),
            objects: Vec::new(),
        };
        let mut priced: BTreeMap<usize, Vec<Priced>> = BTreeMap::new();
        let mut nearline: BTreeMap<usize, Vec<(Option<TapePlace>, u64)>> = BTreeMap::new();
        let mut seen = HashSet::new();
        for (some, answers) in objects.chunks(TOLD_TOGETHER).zip(answers.chunks(TOLD_TOGETHER)) {
            let engine = self.shared.engine.lock();
            for (wanted, answer) in some.iter().zip(answers) {
                let info = engine.info(wanted, answer, &self.shared);
                // What is named twice, by a link too, is counted once.
                let is_new = answer.object.as_ref().is_none_or(|id| seen.insert(id));
                let len_bytes = info.len_bytes.filter(|_| is_new).unwrap_or_default();
                dry_run.bytes = dry_run.bytes.saturating_add(len_bytes);
                if info.locality == Locality::Nearline && is_new {
                    dry_run.n_nearline += 1;
                    dry_run.nearline_bytes = dry_run.nearline_bytes.saturating_add(len_bytes);
                    if let (Place::Store(lane), Ok(status)) = (answer.place, &answer.status) {
                        nearline
                            .entry(usize::from(lane))
                            .or_default()
                            .push((status.place.clone(), len_bytes));
                    }
                }
                let begins = |id| self.shared.is_paid_for(&engine, id, info.locality);
                if let Some(lane) = answer.object.as_ref().filter(|_| is_new).and_then(begins) {
                    priced.entry(lane).or_default().push(Priced { len_bytes, is_interactive: false });
                }
                if dry_run.objects.len() < SHOWN {
                    dry_run.objects.push(info);
                }
            }
        }
        let now = self.shared.now();
        self.shared.engine.lock().foresee(&nearline, &mut dry_run, now);
        dry_run.costs = sums(self.shared.costs_of(priced));
        Ok(dry_run)
    }

    /// Where objects are and who pins them; each has its own answer.
    ///
    /// # Errors
    /// None of single objects.
    pub async fn locality(&self, objects: Vec<Wanted>) -> Result<Vec<ObjectInfo>> {
        let answers = self.shared.look_up(&objects).await;
        let mut infos = Vec::with_capacity(objects.len());
        // Locked for some at a time: the engine goes on between them.
        for (some, answers) in objects.chunks(TOLD_TOGETHER).zip(answers.chunks(TOLD_TOGETHER)) {
            let engine = self.shared.engine.lock();
            let pairs = some.iter().zip(answers);
            infos.extend(pairs.map(|(wanted, answer)| engine.info(wanted, answer, &self.shared)));
        }
        Ok(infos)
    }

    /// Makes unpinned, unread objects cold again: these, or all. How many were.
    ///
    /// # Errors
    /// A store that does not answer.
    pub async fn evict(&self, objects: Option<Vec<ObjectId>>) -> Result<u64> {
        let staging = self.clone();
        // In a task of its own: what is being released is so until it is over, even if nobody waits for the answer.
        let evicted = self.shared.tasks.spawn(async move { staging.evict_to_the_end(objects).await });
        evicted.await.map_err(|cause| Error::internal("evicting objects broke off").with_source(cause))?
    }

    async fn evict_to_the_end(&self, objects: Option<Vec<ObjectId>>) -> Result<u64> {
        let in_place = match &objects {
            Some(objects) => objects.clone(),
            None => self.shared.database.read(tables::online_in_place).await?,
        };
        let (done, mut all_done) = mpsc::channel(1);
        let shared = Arc::clone(&self.shared);
        let (n_copies, releasing) = self
            .call(move |engine, now| {
                let done: Done = done;
                let n_copies = engine.evict(objects.as_deref(), &done, now);
                let by_lane = engine.evict_in_place(&in_place, now).into_iter();
                let releasing: Vec<Releasing> = by_lane
                    .map(|(lane, objects)| Releasing { shared: Arc::clone(&shared), lane, objects })
                    .collect();
                Ok((n_copies, releasing))
            })
            .await?;
        // Nothing is ever sent: it ends when all removals have.
        let _ = all_done.recv().await;
        let mut n_evicted = n_copies;
        for Releasing { shared, lane, objects } in &releasing {
            shared.release_at(*lane, objects).await?;
            n_evicted += objects.len() as u64;
        }
        tracing::info!(n_objects = n_evicted, "objects made cold");
        Ok(n_evicted)
    }

    /// Recalls that wait or are under way, those under way first. Others may begin and end meanwhile: of millions some
    /// are looked at after the other.
    pub async fn recalls(&self, limit: usize) -> Vec<Recall> {
        let mut first: BinaryHeap<(bool, i64, ObjectSlot)> = BinaryHeap::new();
        let mut place = Some(0);
        while let Some(from) = place {
            let (some, next) = self.shared.engine.lock().recalls_from(from);
            for recall in some {
                first.push(recall);
                if first.len() > limit {
                    first.pop();
                }
            }
            place = next;
            tokio::task::yield_now().await;
        }
        let (now, mut recalls) = (self.shared.now(), Vec::new());
        for some in first.into_sorted_vec().chunks(TOLD_TOGETHER) {
            let mut engine = self.shared.engine.lock();
            recalls.extend(some.iter().filter_map(|(.., slot)| engine.recall(*slot, now)));
        }
        recalls
    }

    /// Objects that are pinned.
    ///
    /// # Errors
    /// A database that cannot be read.
    pub async fn pins(&self, limit: usize) -> Result<Vec<ObjectInfo>> {
        let (mut pins, mut place) = (Vec::new(), Some(0));
        while let Some(from) = place.filter(|_| pins.len() < limit) {
            let (some, next) = self.shared.engine.lock().pins_from(from);
            pins.extend(some.into_iter().take(limit - pins.len()));
            place = next;
            tokio::task::yield_now().await;
        }
        Ok(pins)
    }

    /// Cold stores as they stand.
    pub fn stores(&self) -> Vec<StoreState> {
        self.shared.engine.lock().stores()
    }

    /// Lets a store begin recalls, or not. Survives a restart.
    ///
    /// # Errors
    /// [`crate::ErrorKind::NotFound`] for an unknown store.
    pub async fn set_activity(&self, store: &str, activity: Activity) -> Result<()> {
        let store = store.to_owned();
        self.call(move |engine, _| engine.set_activity(&store, activity)).await
    }

    /// How full the cache is.
    pub fn cache_use(&self) -> CacheUse {
        let SpaceUse { capacity_bytes, used_bytes, reserved_bytes, held_bytes, n_objects, .. } =
            self.shared.space.usage();
        CacheUse {
            capacity_bytes,
            used_bytes,
            reserved_bytes,
            pinned_bytes: held_bytes,
            n_objects: n_objects as u64,
        }
    }

    /// Does something in the engine; the answer is given when what follows is durable.
    async fn call<T: Send + 'static>(
        &self,
        what: impl FnOnce(&mut Engine, Now) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (sender, receiver) = oneshot::channel();
        let call = move |engine: Result<&mut Engine>, now| {
            let answer = engine.and_then(|engine| what(engine, now).map(|answer| (engine, answer)));
            match answer {
                Ok((engine, answer)) => {
                    let reply: Reply = Box::new(move |kept| drop(sender.send(kept.map(|()| answer))));
                    engine.out.notes.push(Note::Reply(reply));
                }
                Err(error) => drop(sender.send(Err(error))),
            }
        };
        self.shared.send_call(Input::Call(Box::new(call)), receiver).await
    }
}

impl Engine {
    /// What is known of an object, whoever wants it.
    fn info(&self, wanted: &Wanted, answer: &Answer, shared: &Shared) -> ObjectInfo {
        let known = answer.object.as_ref().and_then(|id| self.book.find(id));
        let is_in_cache = answer.object.as_ref().is_some_and(|id| shared.shelf.get(id).is_some());
        let is_copied = match answer.place {
            Place::Store(lane) => shared.landing_of(usize::from(lane)) == crate::cold::Landing::Copied,
            Place::Unbound | Place::Undeclared => false,
        };
        let locality = match &answer.status {
            Ok(status) if is_in_cache && status.locality == Locality::Nearline => Locality::OnlineAndNearline,
            // What the store has online can be read only when it has been copied.
            Ok(status) if is_copied && !is_in_cache && status.locality.is_online() => Locality::Nearline,
            Ok(status) => status.locality,
            Err(_) => Locality::Unavailable,
        };
        ObjectInfo {
            spelling: Arc::clone(&wanted.spelling),
            object: answer.object.clone(),
            locality,
            len_bytes: answer.status.as_ref().ok().map(|status| status.len_bytes),
            n_pins: known.map_or(0, super::book::Object::n_pins),
            pinned_until_ns: known.and_then(|object| self.pinned_until(object)),
            error: answer.status.as_ref().err().cloned(),
        }
    }

    /// Objects that are pinned, of some from a place on, which is 0 at first. With the place where to go on; `None` at
    /// the end.
    fn pins_from(&self, place: usize) -> (Vec<ObjectInfo>, Option<usize>) {
        let end = place.saturating_add(TOLD_TOGETHER);
        let slots = (place..end).filter_map(|slot| ObjectSlot::try_from(slot).ok());
        let pinned = slots.filter_map(|slot| self.book.object(slot)).filter(|object| object.is_pinned());
        let pins = pinned.map(|object| self.pinned_info(object)).collect();
        (pins, Some(end).filter(|end| *end < self.book.objects_end()))
    }

    fn pinned_info(&self, object: &super::book::Object) -> ObjectInfo {
        let spelling = self.namespace.href(&object.id).unwrap_or_else(|| object.id.to_string());
        ObjectInfo {
            spelling: spelling.into(),
            object: Some(object.id.clone()),
            locality: Locality::OnlineAndNearline,
            len_bytes: object.len_bytes,
            n_pins: object.n_pins(),
            pinned_until_ns: self.pinned_until(object),
            error: None,
        }
    }

    /// What recalls would cost.
    fn foresee(
        &mut self,
        nearline: &BTreeMap<usize, Vec<(Option<TapePlace>, u64)>>,
        dry_run: &mut DryRun,
        now: Now,
    ) {
        for (lane, objects) in nearline {
            let Some(lane) = self.lanes.get_mut(*lane) else { continue };
            let places = objects.iter().map(|(place, len_bytes)| (place.as_ref(), *len_bytes));
            let foresight = lane.scheduler.foresee(places, now.steady_ns);
            if lane.capabilities.knows_tapes {
                dry_run.n_tapes = Some(dry_run.n_tapes.unwrap_or_default() + foresight.n_tapes as u64);
            }
            let estimate = foresight
                .estimate
                .map(|estimate| Estimate { duration: estimate.wait, basis: estimate.basis.as_str() });
            let longer = |estimate: &Estimate| {
                dry_run.estimate.as_ref().is_none_or(|known| known.duration < estimate.duration)
            };
            if let Some(estimate) = estimate.filter(longer) {
                dry_run.estimate = Some(estimate);
            }
        }
        if nearline.is_empty() {
            dry_run.estimate = Some(Estimate { duration: Duration::ZERO, basis: "everything is online" });
        }
    }
}

impl Shared {
    /// Asks the stores of objects where they are. Of several names that something may have the first counts that
    /// exists.
    pub(super) async fn look_up(&self, wanted: &[Wanted]) -> Vec<Answer> {
        let mut answers: Vec<Answer> = wanted
            .iter()
            .map(|wanted| Answer { object: None, place: Place::Undeclared, status: first_error(wanted) })
            .collect();
        let mut open: Vec<usize> = (0..wanted.len()).collect();
        for turn in 0.. {
            let mut by_place: BTreeMap<Place, Vec<(usize, ColdObject)>> = BTreeMap::new();
            for number in open {
                let Some(names) = wanted.get(number).and_then(|wanted| wanted.object.as_ref().ok()) else {
                    continue;
                };
                let Some(object) = names.get(turn).and_then(|id| self.parts.namespace.object(id)) else {
                    continue;
                };
                let place = self.engine.lock().place_of(&object.id);
                by_place.entry(place).or_default().push((number, object));
            }
            if by_place.is_empty() {
                break;
            }
            open = self.look_up_some(by_place, &mut answers).await;
        }
        answers
    }

    /// Fills answers in; gives those whose object does not exist.
    async fn look_up_some(
        &self,
        by_place: BTreeMap<Place, Vec<(usize, ColdObject)>>,
        answers: &mut [Answer],
    ) -> Vec<usize> {
        let mut missing = Vec::new();
        for (place, objects) in by_place {
            for some in objects.chunks(TOGETHER) {
                let plain = some.iter().map(|(_, object)| object.clone()).collect();
                let found = self.status(place, plain).await;
                for ((number, object), status) in some.iter().zip(found) {
                    if status.as_ref().is_err_and(|error| error.kind() == crate::ErrorKind::NotFound) {
                        missing.push(*number);
                    }
                    if let Some(answer) = answers.get_mut(*number) {
                        let links_to = status.as_ref().ok().and_then(|status| status.links_to.as_ref());
                        let target = links_to.and_then(|target| self.parts.namespace.innermost(target));
                        let status = status.map_err(|error| error.to_string());
                        let object = Some(target.unwrap_or_else(|| object.id.clone()));
                        *answer = Answer { object, place, status };
                    }
                }
            }
        }
        missing
    }

    /// Forgets old requests and keys, looks at the disk, and tells metrics, until the end.
    pub(super) async fn tidy_up(&self) {
        let mut since_tidied = Duration::ZERO;
        loop {
            self.look_at_disk().await;
            self.tell_of_ends();
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = self.clock.sleep(LOOK_AT_DISK_EVERY) => since_tidied += LOOK_AT_DISK_EVERY,
            }
            if since_tidied >= TIDY_EVERY {
                since_tidied = Duration::ZERO;
                if let Err(error) = self.forget_old().await {
                    tracing::warn!(%error, "old requests could not be forgotten");
                }
            }
        }
    }

    async fn look_at_disk(&self) {
        let dir = self.dir.clone();
        match crate::manifest::blocking(move || dir.free_bytes()).await {
            Ok(free_bytes) => self.space.saw_free(free_bytes),
            Err(error) => tracing::warn!(%error, "disk of the cache cannot be asked for its space"),
        }
        let usage = self.space.usage();
        metrics::gauge!("thermocline_cache_bytes", "cache" => "objects").set(usage.used_bytes as f64);
        let n_pins: usize = self.engine.lock().n_pins();
        metrics::gauge!("thermocline_pins").set(n_pins as f64);
    }

    pub(super) async fn forget_old(&self) -> Result<()> {
        let now_ns = self.now().wall_ns;
        let before_ns = now_ns.saturating_sub(nanoseconds(self.parts.settings.keep_requests));
        let keys_before_ns = now_ns.saturating_sub(nanoseconds(tables::KEY_LIFETIME));
        self.database.write(move |tables| tables::forget_keys(tables, keys_before_ns)).await?;
        self.database.write(move |tables| tables::forget_spending(tables, now_ns)).await?;
        while !self.database.write(move |tables| tables::forget_requests(tables, before_ns)).await? {
            if self.stop.is_cancelled() {
                break;
            }
        }
        Ok(())
    }
}

/// What recalls at several stores cost together, for each currency.
fn sums(costs: Vec<Cost>) -> Vec<Cost> {
    let mut sums: Vec<Cost> = Vec::new();
    for cost in costs {
        let Some(sum) = sums.iter_mut().find(|sum| sum.currency == cost.currency) else {
            sums.push(cost);
            continue;
        };
        sum.micros = sum.micros.saturating_add(cost.micros);
        if !sum.tier.split(", ").any(|tier| tier == &*cost.tier) {
            sum.tier = format!("{}, {}", sum.tier, cost.tier).into();
        }
    }
    sums
}

/// Why something cannot be meant, or that nothing is known of it yet.
fn first_error(wanted: &Wanted) -> Result<ObjectStatus, String> {
    match &wanted.object {
        Ok(_) => Err(Error::not_found("it lies below no declared root").to_string()),
        Err(reason) => Err(reason.clone()),
    }
}
