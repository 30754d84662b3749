//! Batches of a store that has no memory of its own: which there are, and how far each of their objects is.
//!
//! It ends with the server. What a store is asked about after that is unknown to it, and is asked for again.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::{ColdObject, FailureCause, ObjectId, StageFailure, StageRequest, StageState};
use crate::clock::{Clock, nanoseconds};
use crate::{Error, ErrorKind, Result};

/// When a store that is full is asked again.
const FULL_RETRY_AFTER: Duration = Duration::from_secs(60);

/// How far one object of a batch is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Nothing was done yet.
    Waiting,
    /// Its recall is being asked for.
    Asked,
    /// Its recall was accepted, at this time in nanoseconds since 1970: what comes of it has to be looked at.
    Accepted {
        /// When.
        at_ns: i64,
        /// Whether it was seen to be on its way.
        is_moving: bool,
    },
    /// It can be read.
    Staged,
    /// It did not work.
    Failed(StageFailure),
    /// It is not wanted any more.
    Cancelled,
}

impl Step {
    /// True if nothing more will come of it.
    pub fn has_ended(&self) -> bool {
        matches!(self, Self::Staged | Self::Failed(_) | Self::Cancelled)
    }

    /// The same as users of the store see it: of what was accepted nothing is known until it is seen to be on its way,
    /// or bytes of it are there.
    pub fn state(&self, done_bytes: Option<u64>) -> StageState {
        let has_bytes = done_bytes.is_some_and(|done_bytes| done_bytes > 0);
        match self {
            Self::Accepted { is_moving, .. } if *is_moving || has_bytes => StageState::Active { done_bytes },
            Self::Accepted { .. } => StageState::Accepted,
            Self::Waiting | Self::Asked => StageState::Queued,
            Self::Staged => StageState::Staged,
            Self::Failed(failure) => StageState::Failed(failure.clone()),
            Self::Cancelled => StageState::Unknown,
        }
    }
}

/// Bounds for batches.
#[derive(Debug, Clone)]
pub struct BatchLimits {
    /// Most objects that are under way.
    pub max_objects: usize,
    /// How long a batch that has ended can be asked about, until that was told.
    pub keep: Duration,
    /// Most objects of batches whose end was told: those told last can be asked about again.
    pub max_told: usize,
}

impl Default for BatchLimits {
    fn default() -> Self {
        Self { max_objects: 1_000_000, keep: Duration::from_secs(24 * 3600), max_told: 20_000 }
    }
}

/// An object of a batch.
#[derive(Debug, Clone)]
pub struct Item {
    /// The object.
    pub object: ColdObject,
    /// How far it is.
    pub step: Step,
}

/// All batches. Cloning gives the same ones.
#[derive(Clone)]
pub struct Batches {
    shared: Arc<Shared>,
}

struct Shared {
    kept: Mutex<Kept>,
    limits: BatchLimits,
    clock: Arc<dyn Clock>,
}

/// What there is, with what is needed to take in and forget single batches without looking at all of them.
#[derive(Default)]
struct Kept {
    batches: HashMap<String, Batch>,
    /// Batches that have ended, by the time at which they were touched last.
    ended: BTreeSet<(i64, String)>,
    /// Those of them whose end was told, in that order, and the number of their objects.
    told: VecDeque<String>,
    n_told: usize,
    /// In how many batches each object is under way.
    open: HashMap<ObjectId, usize>,
    n_open: usize,
    n_items: usize,
}

struct Batch {
    items: Vec<Item>,
    /// Where each object stands in the list.
    index: HashMap<ObjectId, usize>,
    n_open: usize,
    touched_ns: i64,
    store_id: Option<String>,
    /// Of how many objects it was told that they are staged or have failed.
    n_told: usize,
    /// Whether that was told of all of which it is so, and nothing more will come.
    is_told: bool,
}

impl Batches {
    /// No batches yet.
    pub fn new(limits: BatchLimits, clock: Arc<dyn Clock>) -> Self {
        Self { shared: Arc::new(Shared { kept: Mutex::default(), limits, clock }) }
    }

    /// Keeps a new batch. False if there is one with this key: then it is that one. An object that is named
    /// twice counts once.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] if too many objects are under way.
    pub fn accept(&self, request: &StageRequest) -> Result<bool> {
        let now_ns = self.shared.clock.now_ns();
        let mut kept = self.shared.kept.lock();
        if kept.batches.contains_key(&request.key) {
            return Ok(false);
        }
        kept.forget_ended(now_ns.saturating_sub(nanoseconds(self.shared.limits.keep)));
        let (n_open, n_new) = (kept.n_open, request.objects.len());
        let max_objects = self.shared.limits.max_objects;
        if n_open.saturating_add(n_new) > max_objects {
            let kind = ErrorKind::Unavailable { retry_after: FULL_RETRY_AFTER };
            return Err(Error::new(
                kind,
                format!("{n_open} objects are under way, at most {max_objects} may be"),
            ));
        }
        // Memory is bounded too: what has ended goes before anything is refused.
        if kept.n_items.saturating_add(n_new) > max_objects.saturating_mul(2) {
            kept.forget_ended(i64::MAX);
        }
        kept.insert(&request.key, Batch::new(&request.objects, now_ns));
        Ok(true)
    }

    /// Forgets a batch that was not begun after all.
    pub fn forget(&self, key: &str) {
        self.shared.kept.lock().remove(key);
    }

    /// The objects of a batch; `None` if it is not known.
    pub fn items(&self, key: &str) -> Option<Vec<Item>> {
        self.shared.kept.lock().batches.get(key).map(|batch| batch.items.clone())
    }

    /// This was told of all objects of a batch. Once the ends of all of them were, it need not be kept for long.
    pub fn told(&self, key: &str, states: &[(ObjectId, StageState)]) {
        let is_end = |state: &StageState| matches!(state, StageState::Staged | StageState::Failed(_));
        let n_ends = states.iter().filter(|(_, state)| is_end(state)).count();
        let mut kept = self.shared.kept.lock();
        if let Some(batch) = kept.batches.get_mut(key) {
            batch.n_told = batch.n_told.max(n_ends);
        }
        kept.forget_told(key, self.shared.limits.max_told);
    }

    /// True if there is a batch with this key.
    pub fn knows(&self, key: &str) -> bool {
        self.shared.kept.lock().batches.contains_key(key)
    }

    /// The archive's name for a batch.
    pub fn store_id(&self, key: &str) -> Option<String> {
        self.shared.kept.lock().batches.get(key)?.store_id.clone()
    }

    /// Keeps the archive's name for a batch.
    pub fn set_store_id(&self, key: &str, store_id: Option<String>) {
        if let Some(batch) = self.shared.kept.lock().batches.get_mut(key) {
            batch.store_id = store_id;
        }
    }

    /// Notes how far objects are. What has ended stays as it is.
    pub fn set(&self, key: &str, steps: impl IntoIterator<Item = (ObjectId, Step)>) {
        let now_ns = self.shared.clock.now_ns();
        let mut kept = self.shared.kept.lock();
        for (id, step) in steps {
            kept.set(key, &id, step, now_ns);
        }
    }

    /// Takes those of some objects for asking that still wait: they count as asked for.
    pub fn take_waiting(&self, key: &str, objects: &[ColdObject]) -> Vec<ColdObject> {
        let mut kept = self.shared.kept.lock();
        let Some(batch) = kept.batches.get_mut(key) else { return Vec::new() };
        let mut take = |object: &&ColdObject| {
            let item = batch.index.get(&object.id).and_then(|place| batch.items.get_mut(*place));
            let Some(item) = item.filter(|item| item.step == Step::Waiting) else { return false };
            item.step = Step::Asked;
            true
        };
        objects.iter().filter(|object| take(object)).cloned().collect()
    }

    /// Drops the interest in objects of a batch, and gives those that were asked for already.
    pub fn cancel(&self, key: &str, objects: &[ObjectId]) -> Vec<ColdObject> {
        let now_ns = self.shared.clock.now_ns();
        let mut kept = self.shared.kept.lock();
        let mut asked = Vec::new();
        for id in objects {
            let Some(item) = kept.batches.get(key).and_then(|batch| batch.item(id)) else { continue };
            if matches!(item.step, Step::Asked | Step::Accepted { .. }) {
                asked.push(item.object.clone());
            }
            kept.set(key, id, Step::Cancelled, now_ns);
        }
        // Who cancels all that is left of a batch asks no more about it.
        kept.forget_told(key, self.shared.limits.max_told);
        asked
    }

    /// True if an object is under way for some batch other than this one.
    pub fn is_wanted_elsewhere(&self, key: &str, id: &ObjectId) -> bool {
        let kept = self.shared.kept.lock();
        let n_here = usize::from(kept.batches.get(key).is_some_and(|batch| batch.is_open(id)));
        kept.open.get(id).is_some_and(|n_open| *n_open > n_here)
    }

    /// Objects that are said to be unknown: those of a ticket whose key nobody knows.
    pub fn unknown(objects: &[ColdObject]) -> Vec<(ObjectId, StageState)> {
        objects.iter().map(|object| (object.id.clone(), StageState::Unknown)).collect()
    }
}

impl Batch {
    fn new(objects: &[ColdObject], now_ns: i64) -> Self {
        let (mut items, mut index) = (Vec::with_capacity(objects.len()), HashMap::new());
        for object in objects {
            if let std::collections::hash_map::Entry::Vacant(place) = index.entry(object.id.clone()) {
                place.insert(items.len());
                items.push(Item { object: object.clone(), step: Step::Waiting });
            }
        }
        let n_open = items.len();
        Self { items, index, n_open, touched_ns: now_ns, store_id: None, n_told: 0, is_told: false }
    }

    fn item(&self, id: &ObjectId) -> Option<&Item> {
        self.items.get(*self.index.get(id)?)
    }

    /// How many of its objects are staged or have failed.
    fn n_ends(&self) -> usize {
        self.items.iter().filter(|item| matches!(item.step, Step::Staged | Step::Failed(_))).count()
    }

    fn is_open(&self, id: &ObjectId) -> bool {
        self.item(id).is_some_and(|item| !item.step.has_ended())
    }
}

impl Kept {
    fn insert(&mut self, key: &str, batch: Batch) {
        self.n_items += batch.items.len();
        self.n_open += batch.n_open;
        for item in &batch.items {
            *self.open.entry(item.object.id.clone()).or_default() += 1;
        }
        if batch.n_open == 0 {
            self.ended.insert((batch.touched_ns, key.to_owned()));
        }
        self.batches.insert(key.to_owned(), batch);
    }

    fn remove(&mut self, key: &str) {
        let Some(batch) = self.batches.remove(key) else { return };
        self.n_items = self.n_items.saturating_sub(batch.items.len());
        self.n_open = self.n_open.saturating_sub(batch.n_open);
        for item in batch.items.iter().filter(|item| !item.step.has_ended()) {
            self.closed(&item.object.id);
        }
        self.ended.remove(&(batch.touched_ns, key.to_owned()));
        if batch.is_told {
            self.n_told = self.n_told.saturating_sub(batch.items.len());
        }
    }

    /// Notes that a batch has ended and that this was told, if both is so, and forgets those of which it was told long ago.
    fn forget_told(&mut self, key: &str, max_told: usize) {
        let Some(batch) = self.batches.get_mut(key) else { return };
        if batch.n_open > 0 || batch.is_told || batch.n_ends() > batch.n_told {
            return;
        }
        batch.is_told = true;
        self.n_told += batch.items.len();
        self.told.push_back(key.to_owned());
        // Names of batches that were forgotten otherwise are still in the list.
        while self.n_told.max(self.told.len()) > max_told
            && self.told.len() > 1
            && let Some(oldest) = self.told.pop_front()
        {
            // One that has begun anew by the same name is another one.
            if self.batches.get(&oldest).is_some_and(|batch| batch.is_told) {
                self.remove(&oldest);
            }
        }
    }

    /// Forgets batches that have ended and were touched last at that time or before.
    fn forget_ended(&mut self, until_ns: i64) {
        while let Some((_, key)) =
            self.ended.first().filter(|(touched_ns, _)| *touched_ns <= until_ns).cloned()
        {
            self.remove(&key);
        }
    }

    fn set(&mut self, key: &str, id: &ObjectId, step: Step, now_ns: i64) {
        let Some(batch) = self.batches.get_mut(key) else { return };
        let item = batch.index.get(id).and_then(|place| batch.items.get_mut(*place));
        let Some(item) = item.filter(|item| !item.step.has_ended()) else { return };
        let has_ended = step.has_ended();
        item.step = step;
        batch.touched_ns = now_ns;
        if !has_ended {
            return;
        }
        batch.n_open = batch.n_open.saturating_sub(1);
        if batch.n_open == 0 {
            self.ended.insert((now_ns, key.to_owned()));
        }
        self.n_open = self.n_open.saturating_sub(1);
        self.closed(id);
    }

    /// An object is under way in one batch less.
    fn closed(&mut self, id: &ObjectId) {
        if let Some(n_open) = self.open.get_mut(id) {
            *n_open = n_open.saturating_sub(1);
            if *n_open == 0 {
                self.open.remove(id);
            }
        }
    }
}

impl StageFailure {
    /// A failure after which asking again may help.
    pub fn retryable(reason: impl Into<String>) -> Self {
        Self { cause: FailureCause::Retryable { after: None }, reason: reason.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    fn object(name: &str) -> ColdObject {
        ColdObject { id: ObjectId::new("a", name).unwrap(), href: format!("/a/{name}").into() }
    }

    fn request(key: &str, names: &[&str]) -> StageRequest {
        StageRequest {
            key: key.to_owned(),
            objects: names.iter().map(|name| object(name)).collect(),
            lifetime: Duration::from_secs(1),
            is_interactive: false,
        }
    }

    fn batches(max_objects: usize) -> (Batches, ManualClock) {
        let clock = ManualClock::new(0);
        let limits = BatchLimits { max_objects, keep: Duration::from_secs(10), max_told: 4 };
        (Batches::new(limits, Arc::new(clock.clone())), clock)
    }

    /// As a store does that is asked how far a batch is.
    fn tell(batches: &Batches, key: &str) {
        let items = batches.items(key).unwrap();
        let states: Vec<_> = items.into_iter().map(|item| (item.object.id, item.step.state(None))).collect();
        batches.told(key, &states);
    }

    #[test]
    fn a_batch_is_accepted_once_and_an_object_counts_once() {
        let (batches, _) = batches(10);
        assert!(batches.accept(&request("k", &["x", "y", "x"])).unwrap());
        assert!(!batches.accept(&request("k", &["z"])).unwrap());
        assert_eq!(batches.items("k").unwrap().len(), 2);
        assert!(batches.items("other").is_none());
    }

    #[test]
    fn what_has_ended_stays_as_it_ended() {
        let (batches, _) = batches(10);
        batches.accept(&request("k", &["x"])).unwrap();
        batches.set("k", [(object("x").id, Step::Staged)]);
        batches.set("k", [(object("x").id, Step::Asked)]);
        assert_eq!(batches.items("k").unwrap()[0].step, Step::Staged);
        assert!(batches.cancel("k", &[object("x").id]).is_empty());
        assert_eq!(batches.items("k").unwrap()[0].step, Step::Staged);
    }

    #[test]
    fn what_was_cancelled_is_not_asked_for() {
        let (batches, _) = batches(10);
        batches.accept(&request("k", &["x", "y", "z"])).unwrap();
        assert_eq!(batches.take_waiting("k", &[object("z")]), [object("z")]);
        assert_eq!(batches.cancel("k", &[object("x").id, object("z").id]), [object("z")]);
        let left = batches.take_waiting("k", &[object("x"), object("y"), object("z")]);
        assert_eq!(left, [object("y")]);
    }

    #[test]
    fn no_more_is_under_way_than_may_be() {
        let (batches, _) = batches(3);
        batches.accept(&request("k", &["x", "y"])).unwrap();
        let refused = batches.accept(&request("l", &["x", "y"])).unwrap_err();
        assert!(matches!(refused.kind(), ErrorKind::Unavailable { .. }));
        batches.set("k", [(object("x").id, Step::Staged)]);
        batches.accept(&request("l", &["x", "y"])).unwrap();
    }

    #[test]
    fn batches_that_ended_are_forgotten_after_a_while() {
        let (batches, clock) = batches(10);
        batches.accept(&request("open", &["x"])).unwrap();
        batches.accept(&request("ended", &["y"])).unwrap();
        batches.set("ended", [(object("y").id, Step::Staged)]);
        clock.advance(Duration::from_secs(11));
        batches.accept(&request("later", &["z"])).unwrap();
        assert!(batches.items("open").is_some() && batches.items("ended").is_none());
        assert!(!batches.is_wanted_elsewhere("later", &object("y").id));
        assert!(batches.is_wanted_elsewhere("later", &object("x").id));
    }

    #[test]
    fn of_batches_whose_end_was_told_only_the_last_are_kept() {
        let (batches, _) = batches(100);
        let keys = ["a", "b", "c", "d"];
        for key in keys {
            batches.accept(&request(key, &["x", "y"])).unwrap();
            tell(&batches, key);
            batches.set(key, [(object("x").id, Step::Staged), (object("y").id, Step::Staged)]);
            batches.told(key, &[(object("x").id, StageState::Staged), (object("y").id, StageState::Queued)]);
        }
        assert!(keys.iter().all(|key| batches.knows(key)), "the end of none of them was told");
        for key in keys {
            tell(&batches, key);
            assert!(batches.knows(key), "the answer may have been lost");
        }
        assert_eq!(keys.map(|key| batches.knows(key)), [false, false, true, true]);
        assert_eq!(batches.shared.kept.lock().n_items, 4);
    }

    #[test]
    fn of_batches_that_were_cancelled_whole_only_the_last_are_kept() {
        let (batches, _) = batches(100);
        let all = ["x", "y"].map(|name| object(name).id);
        for key in ["a", "b", "c", "d"] {
            batches.accept(&request(key, &["x", "y"])).unwrap();
            batches.cancel(key, &all[..1]);
        }
        assert!(batches.knows("a"), "something of it is wanted");
        for key in ["a", "b", "c", "d"] {
            batches.cancel(key, &all[1..]);
        }
        assert_eq!(["a", "b", "c", "d"].map(|key| batches.knows(key)), [false, false, true, true]);
    }

    #[test]
    fn what_has_ended_beside_what_is_cancelled_is_kept_until_it_was_told() {
        let (batches, _) = batches(100);
        for key in ["a", "b", "c", "d"] {
            batches.accept(&request(key, &["x", "y"])).unwrap();
            batches.set(key, [(object("x").id, Step::Staged)]);
        }
        for key in ["a", "b"] {
            tell(&batches, key);
        }
        for key in ["a", "b", "c", "d"] {
            batches.cancel(key, &[object("y").id]);
        }
        for key in ["e", "f"] {
            batches.accept(&request(key, &["x", "y"])).unwrap();
            batches.cancel(key, &["x", "y"].map(|name| object(name).id));
        }
        let known = ["a", "b", "c", "d", "e", "f"].map(|key| batches.knows(key));
        assert_eq!(known, [false, false, true, true, true, true]);
    }

    #[test]
    fn a_batch_that_begins_anew_by_a_name_whose_end_was_told_stays() {
        let (batches, _) = batches(100);
        for _ in 0..2 {
            batches.accept(&request("k", &["x"])).unwrap();
            batches.set("k", [(object("x").id, Step::Staged)]);
            tell(&batches, "k");
            batches.forget("k");
        }
        batches.accept(&request("k", &["x"])).unwrap();
        for key in ["l", "m", "n"] {
            batches.accept(&request(key, &["a", "b"])).unwrap();
            batches.cancel(key, &["a", "b"].map(|name| object(name).id));
        }
        assert_eq!(["k", "l", "m", "n"].map(|key| batches.knows(key)), [true, false, true, true]);
    }

    #[test]
    fn counts_stay_true_whatever_ends_how() {
        let (batches, clock) = batches(4);
        batches.accept(&request("k", &["x", "y"])).unwrap();
        batches.accept(&request("l", &["x"])).unwrap();
        assert!(batches.is_wanted_elsewhere("k", &object("x").id));
        batches.cancel("l", &[object("x").id]);
        assert!(!batches.is_wanted_elsewhere("k", &object("x").id));
        batches.forget("k");
        batches.accept(&request("m", &["a", "b", "c", "d"])).unwrap();
        assert!(batches.accept(&request("n", &["e"])).is_err());
        batches.set("m", ["a", "b", "c", "d"].map(|name| (object(name).id, Step::Staged)));
        clock.advance(Duration::from_secs(10));
        batches.accept(&request("n", &["e", "f", "g", "h"])).unwrap();
        assert!(!batches.knows("m") && !batches.knows("l") && batches.knows("n"));
    }

    #[test]
    fn a_hundred_thousand_batches_of_one_object_are_taken_in_quickly() {
        let (batches, _) = batches(1_000_000);
        let started = std::time::Instant::now();
        for number in 0..100_000 {
            let name = number.to_string();
            batches.accept(&request(&name, &[&name])).unwrap();
            assert!(!batches.is_wanted_elsewhere(&name, &object(&name).id));
        }
        // Looking at all of them for each one takes minutes.
        assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
    }
}
