//! The rules over a database in memory, and a world that answers what and when the test says.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use proptest::sample::Index;
use rusqlite::Connection;

use crate::clock::{Clock, ManualClock};
use crate::cold::{
    Capabilities, ColdObject, ColdStore, FailureCause, Landing, Locality, Namespace, NamespaceRoot, ObjectId,
    ObjectStatus, StageFailure, StageRequest, StageState, StageTicket,
};
use crate::staging::book::RequestHead;
use crate::staging::cache::{CacheKey, Space, SpaceSettings};
use crate::staging::engine::{Action, AdmittedRow, Engine, Happening, Note, Now, Withdrawn};
use crate::staging::landing::Landed;
use crate::staging::numbers::Numbers;
use crate::staging::shelf::Shelf;
use crate::staging::tables::{self, Acceptance, Accepted, AcceptedRow, Op, request_id};
use crate::staging::{
    Face, NamedStore, ObjectState, Outcome, Owner, RequestFilter, RequestState, StagingSettings,
};
use crate::{Error, ErrorKind, Result};

/// Something that happens.
#[derive(Debug, Clone)]
pub(super) enum Step {
    Request {
        owner: usize,
        objects: Vec<usize>,
        lifetime: u64,
    },
    Join {
        owner: usize,
        object: usize,
    },
    Cancel(Index),
    Release(Index),
    Extend(Index, u64),
    /// Something that was begun comes to an end, well or badly.
    Answer(Index, u8),
    Pass(u64),
    EvictAll,
    Replace(usize),
    Vanish(usize),
    ClockBack,
    Restart,
}

const N_OBJECTS: usize = 6;
const LEN_BYTES: u64 = 100;

/// The engine and all around it.
pub(super) struct Rig {
    engine: Engine,
    database: Connection,
    clock: ManualClock,
    now: Now,
    landing: Landing,
    numbers: Numbers,
    /// What was begun and has not ended.
    begun: Vec<Begun>,
    /// What the archive has: version and locality; nothing for what vanished.
    archive: Vec<Option<(u64, Locality)>>,
    shelf: Shelf,
    /// Files of the cache.
    files: HashSet<CacheKey>,
    /// Batches that the store knows.
    batches: BTreeMap<String, Vec<ObjectId>>,
    /// Requests that were acknowledged.
    acknowledged: BTreeSet<i64>,
    /// What each object of each request was told to be.
    told: BTreeMap<(i64, u32), ObjectState>,
}

/// Something that was begun.
enum Begun {
    Action(Action),
    /// A batch that is watched.
    Batch {
        batch: u64,
        ticket: StageTicket,
    },
}

struct NoStore(Landing);

#[async_trait]
impl ColdStore for NoStore {
    fn kind(&self) -> &'static str {
        "none"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            landing: self.0,
            knows_tapes: false,
            can_cancel: true,
            can_release: true,
            n_at_once: 2,
            batch_objects: 2,
            poll_every: Duration::from_secs(1),
        }
    }

    async fn status(&self, _: &[ColdObject]) -> Vec<Result<ObjectStatus>> {
        Vec::new()
    }

    async fn stage(&self, _: &StageRequest) -> Result<StageTicket> {
        Err(Error::internal("never asked"))
    }

    async fn progress(&self, _: &StageTicket) -> Result<Vec<(ObjectId, StageState)>> {
        Ok(Vec::new())
    }

    async fn cancel(&self, _: &StageTicket, _: &[ObjectId]) -> Result<()> {
        Ok(())
    }

    async fn release(&self, _: &[ColdObject]) -> Result<()> {
        Ok(())
    }

    async fn read(&self, _: &ColdObject, _: &str, _: std::ops::Range<u64>) -> Result<bytes::Bytes> {
        Ok(bytes::Bytes::new())
    }
}

fn id(object: usize) -> ObjectId {
    ObjectId::new("archive", &object.to_string()).unwrap()
}

fn number(id: &ObjectId) -> usize {
    id.path().parse().unwrap()
}

fn owner(number: usize) -> Owner {
    Owner(format!("owner {number}").into())
}

impl Rig {
    pub(super) fn new(landing: Landing) -> Self {
        let database = Connection::open_in_memory().unwrap();
        tables::MIGRATIONS.iter().for_each(|script| database.execute_batch(script).unwrap());
        let clock = ManualClock::new(1_000_000_000_000);
        let numbers = Numbers::after(0);
        let engine = Self::engine(landing, &clock, &numbers);
        let start_ns = clock.now_ns();
        Self {
            engine,
            database,
            clock,
            now: Now { wall_ns: start_ns, steady_ns: start_ns, watched_ns: start_ns },
            landing,
            numbers,
            begun: Vec::new(),
            archive: vec![Some((1, Locality::Nearline)); N_OBJECTS],
            shelf: Shelf::default(),
            files: HashSet::new(),
            batches: BTreeMap::new(),
            acknowledged: BTreeSet::new(),
            told: BTreeMap::new(),
        }
    }

    /// An engine with room for three objects.
    fn engine(landing: Landing, clock: &ManualClock, numbers: &Numbers) -> Engine {
        let root = NamespaceRoot {
            name: "archive".into(),
            base: "/archive".to_owned(),
            map: Vec::new(),
            store: Some("tape".into()),
        };
        let settings = SpaceSettings {
            capacity_bytes: 3 * LEN_BYTES,
            high: 1.0,
            low: 0.7,
            keep_free_bytes: 0,
            min_residency: Duration::from_secs(20),
        };
        let space = Space::new(&settings, Arc::new(clock.clone())).unwrap();
        let stores = [NamedStore { name: "tape".into(), store: Arc::new(NoStore(landing)) }];
        let settings =
            StagingSettings { min_residency: Duration::from_secs(20), ..StagingSettings::default() };
        Engine::new(Arc::new(Namespace::new(vec![root])), &stores, settings, space, numbers.clone())
    }

    pub(super) fn step(&mut self, step: Step) {
        match step {
            Step::Request { owner, objects, lifetime } => self.request(owner, &objects, lifetime),
            Step::Join { owner: who, object } => {
                let spelling: Arc<str> = format!("/archive/{object}").into();
                let joined = self.engine.join(&id(object), &spelling, (&owner(who), None), self.now).unwrap();
                self.turn();
                self.acknowledged.insert(tables::request_number(&joined.request).unwrap());
            }
            Step::Cancel(which) => self.change(which, |engine, slot, _| {
                engine.withdraw(slot, Withdrawn::Everything, Box::new(drop));
            }),
            Step::Release(which) => {
                self.change(which, |engine, slot, _| engine.withdraw(slot, Withdrawn::Pins, Box::new(drop)));
            }
            Step::Extend(which, seconds) => {
                self.change(which, |engine, slot, now| {
                    engine.extend(slot, Duration::from_secs(seconds), now)
                });
            }
            Step::Answer(which, luck) => {
                if !self.begun.is_empty() {
                    let which = which.index(self.begun.len());
                    self.answer(which, luck);
                }
            }
            Step::Pass(seconds) => self.pass(seconds),
            Step::EvictAll => {
                let (done, _all) = tokio::sync::mpsc::channel(1);
                self.engine.evict(None, &done, self.now);
            }
            Step::Replace(object) => {
                self.archive[object] = Some((self.now.steady_ns as u64, Locality::Nearline))
            }
            Step::Vanish(object) => self.archive[object] = None,
            Step::ClockBack => self.now.wall_ns -= 5_000_000_000,
            Step::Restart => self.restart(),
        }
        self.turn();
    }

    fn request(&mut self, who: usize, objects: &[usize], lifetime: u64) {
        let objects: BTreeSet<usize> = objects.iter().copied().collect();
        let number = self.numbers.next(self.now.wall_ns);
        let head = RequestHead {
            number,
            id: request_id(number, Face::Native),
            owner: owner(who),
            face: Face::Native,
            priority: 5,
            lifetime: Duration::from_secs(lifetime),
            dataset: None,
        };
        let row = |object: &usize| AcceptedRow {
            spelling: format!("/archive/{object}").into(),
            other_spellings: Vec::new(),
            len_bytes: 0,
            objects: Ok(vec![id(*object)]),
        };
        let rows = objects.iter().map(row).collect();
        let now_ns = self.now.wall_ns;
        let new = Acceptance { head, rows, idempotency: None, notify: None, bill: None, now_ns };
        let Accepted::New(new) = tables::accept(&self.database, new).unwrap() else { panic!("it is new") };
        self.acknowledged.insert(number);
        let rows = objects.iter().zip(0..).map(|(object, position)| AdmittedRow {
            position,
            objects: vec![id(*object)],
            len_bytes: 0,
        });
        self.engine.admit(new.head.clone(), new.tallies(), None, rows.collect());
    }

    fn change(&mut self, which: Index, change: impl FnOnce(&mut Engine, u32, Now)) {
        let live: Vec<u32> = self.engine.book.requests().map(|(slot, _)| slot).collect();
        if !live.is_empty() {
            change(&mut self.engine, live[which.index(live.len())], self.now);
        }
    }

    fn pass(&mut self, seconds: u64) {
        let step_ns = seconds as i64 * 1_000_000_000;
        self.clock.advance(Duration::from_secs(seconds));
        self.now.wall_ns += step_ns;
        self.now.steady_ns += step_ns;
        self.now.watched_ns += step_ns.min(60_000_000_000);
    }

    /// What the driver does: the rules decide, what follows is written, told, begun.
    fn turn(&mut self) {
        self.settle();
        self.check();
    }

    fn settle(&mut self) {
        for n_rounds in 0.. {
            assert!(n_rounds < 1000, "the rules come to no end");
            let is_more = self.engine.go_on(self.now);
            let out = self.engine.out.take();
            let is_idle = out.is_empty();
            self.note_told(&out.ops);
            tables::write(&self.database, &out.ops, false).unwrap();
            out.notes.into_iter().for_each(|note| self.tell(note));
            out.actions.into_iter().for_each(|action| self.begin(action));
            if is_idle && !is_more {
                break;
            }
        }
    }

    /// Transitions are those of the contract.
    fn note_told(&mut self, ops: &[Op]) {
        for op in ops {
            let Op::Object(row) = op else { continue };
            let was = self.told.insert((row.request, row.position), row.state).unwrap_or(ObjectState::Queued);
            use ObjectState::{Active, Cancelled, Failed, Hot, Lost, Queued, Released, Verifying};
            let is_allowed = match (was, row.state) {
                (Hot, Released) => true,
                // A copy that was lost with the disk is recalled again, after a restart only.
                (Hot, Queued | Active) => false,
                (
                    Queued | Active | Verifying,
                    Queued | Active | Verifying | Hot | Failed | Lost | Cancelled,
                ) => true,
                _ => false,
            };
            assert!(is_allowed, "{was:?} → {:?} of {:?}", row.state, (row.request, row.position));
        }
    }

    fn tell(&mut self, note: Note) {
        match note {
            Note::Reply(reply) => reply(Ok(())),
            Note::Landed { slot, object, key, stamp, reservation } => {
                let n_pins = self.engine.book.object(slot).map_or(0, |object| object.n_pins());
                drop(reservation.landed(n_pins, true));
                self.shelf.put(object, key, stamp);
            }
            Note::Shelved { object, key, stamp } => self.shelf.put(object, key, stamp),
            Note::Gone { object, key } => self.shelf.take(&object, &key),
            Note::Ended { object, outcome, signal } => {
                if let Some(ending) = self.engine.ending.remove(&object) {
                    assert!(Arc::ptr_eq(&ending, &signal));
                }
                if outcome == Outcome::Online && self.landing == Landing::Copied {
                    assert!(
                        self.shelf.get(&object).is_some(),
                        "{object} can be read when its readers are woken"
                    );
                }
            }
        }
    }

    fn begin(&mut self, action: Action) {
        match action {
            Action::StopWatching { key } => self.begun.retain(|begun| match begun {
                Begun::Batch { ticket, .. } => ticket.key != *key,
                Begun::Action(_) => true,
            }),
            Action::Watch { batch, ticket, .. } => self.begun.push(Begun::Batch { batch, ticket }),
            Action::Stage { ref request, .. } => {
                for object in &request.objects {
                    let others = self.begun.iter().filter(|begun| match begun {
                        Begun::Batch { ticket, .. } => {
                            self.batches.get(&ticket.key).is_some_and(|objects| objects.contains(&object.id))
                        }
                        Begun::Action(_) => false,
                    });
                    assert_eq!(others.count(), 0, "{} is recalled twice at a time", object.id);
                }
                self.begun.push(Begun::Action(action));
            }
            Action::Cancel { ticket, objects, .. } => {
                if let Some(batch) = self.batches.get_mut(&ticket.key) {
                    batch.retain(|object| !objects.contains(object));
                }
            }
            // It ends by itself, as cancelled.
            Action::StopLanding { .. } => {}
            action => self.begun.push(Begun::Action(action)),
        }
    }

    /// Lets something that was begun come to an end. The higher the luck, the better.
    fn answer(&mut self, which: usize, luck: u8) {
        match self.begun.swap_remove(which) {
            Begun::Batch { batch, ticket } => {
                let answer = self.progress(&ticket, luck);
                self.begun.push(Begun::Batch { batch, ticket });
                self.engine.happened(Happening::Progress { batch, answer }, self.now);
            }
            Begun::Action(action) => self.end(action, luck),
        }
    }

    fn end(&mut self, action: Action, luck: u8) {
        let busy = || Error::new(ErrorKind::Unavailable { retry_after: Duration::from_secs(3) }, "busy");
        let happening = match action {
            Action::Look { place, objects } => {
                let status =
                    |object: ColdObject| if luck == 0 { Err(busy()) } else { self.status(&object.id) };
                let answers =
                    objects.into_iter().map(|(slot, flight, object)| (slot, flight, status(object)));
                Happening::Looked { place, answers: answers.collect() }
            }
            Action::Stage { batch, request, .. } => {
                let ticket = StageTicket {
                    key: request.key.clone(),
                    objects: request.objects.clone(),
                    store_id: None,
                };
                let outcome = match luck {
                    0 => Err(busy()),
                    1 => Err(Error::internal("broken")),
                    _ => Ok(ticket.clone()),
                };
                if outcome.is_ok() {
                    let ids = request.objects.iter().map(|object| object.id.clone()).collect();
                    self.batches.insert(request.key.clone(), ids);
                    self.begun.push(Begun::Batch { batch, ticket });
                }
                Happening::Staged { batch, outcome }
            }
            Action::Land { lane, slot, flight, object, status, reservation } => {
                let key = CacheKey::of(&object, &status);
                reservation.allocated();
                let is_there = self.status(&object.id).is_ok_and(|now| now == status);
                let outcome = match (luck, is_there) {
                    (0, _) => {
                        // A part of it is there.
                        self.files.insert(key);
                        Err(Box::new((failure(busy()), Some(reservation))))
                    }
                    (_, false) => {
                        // What is of no use any more is removed at once.
                        self.files.remove(&key);
                        let changed = ErrorKind::Changed { retry_after: Duration::ZERO };
                        Err(Box::new((failure(Error::new(changed, "it changed")), None)))
                    }
                    (_, true) => {
                        self.files.insert(key);
                        let landed =
                            Landed { key, path: "copy".into(), len_bytes: LEN_BYTES, mtime_ns: 0, inode: 0 };
                        Ok((landed, reservation))
                    }
                };
                Happening::Landed { lane, slot, flight, object: object.id, key, outcome }
            }
            Action::Release { lane: _, object } => {
                if let Some(Some((_, locality))) = self.archive.get_mut(number(&object)) {
                    *locality = Locality::Nearline;
                }
                return;
            }
            Action::Remove { of, eviction, .. } => {
                assert!(self.files.remove(eviction.key()), "what is evicted was there");
                let key = *eviction.key();
                eviction.removed();
                if let Some((_, object)) = of {
                    assert_ne!(self.shelf.get(&object), Some(key), "a copy that is gone is not on the shelf");
                    if let Some(Some((_, locality))) = self.archive.get_mut(number(&object)) {
                        *locality = Locality::Nearline;
                    }
                }
                return;
            }
            Action::Discard { key } => {
                assert!((0..N_OBJECTS).all(|object| self.shelf.get(&id(object)) != Some(key)));
                self.files.remove(&key);
                Happening::Discarded { key }
            }
            Action::Renew { lane, objects, .. } => {
                let answers =
                    objects.into_iter().map(|(slot, check, object)| (slot, check, self.status(&object.id)));
                Happening::Renewed { lane, refused: None, answers: answers.collect() }
            }
            Action::Watch { .. }
            | Action::StopWatching { .. }
            | Action::Cancel { .. }
            | Action::StopLanding { .. } => return,
        };
        self.engine.happened(happening, self.now);
    }

    fn status(&self, object: &ObjectId) -> Result<ObjectStatus> {
        let (version, locality) =
            self.archive[number(object)].ok_or_else(|| Error::not_found("nothing is there"))?;
        Ok(ObjectStatus {
            locality,
            len_bytes: LEN_BYTES,
            version: version.to_string(),
            place: None,
            checksum: None,
            links_to: None,
            online_until_ns: None,
        })
    }

    fn progress(&mut self, ticket: &StageTicket, luck: u8) -> Result<Vec<(ObjectId, StageState)>> {
        if luck == 0 {
            return Err(Error::internal("no answer"));
        }
        let Some(objects) = self.batches.get(&ticket.key).cloned() else {
            return Ok(ticket
                .objects
                .iter()
                .map(|object| (object.id.clone(), StageState::Unknown))
                .collect());
        };
        let mut states = Vec::new();
        for object in objects {
            let state = match (luck, &mut self.archive[number(&object)]) {
                (_, None) => failed(FailureCause::NotFound),
                (1, _) => failed(FailureCause::Retryable { after: None }),
                (2, _) => StageState::Queued,
                (3, _) => StageState::Active { done_bytes: Some(self.now.steady_ns as u64) },
                // It is not true.
                (4, _) => StageState::Staged,
                (_, Some((_, locality))) => {
                    *locality = Locality::OnlineAndNearline;
                    StageState::Staged
                }
            };
            let is_over = !matches!(state, StageState::Queued | StageState::Active { .. });
            if is_over && let Some(batch) = self.batches.get_mut(&ticket.key) {
                batch.retain(|other| *other != object);
            }
            states.push((object, state));
        }
        Ok(states)
    }

    /// Ends the process and starts it again: what was begun is forgotten, the store goes on.
    fn restart(&mut self) {
        self.begun.clear();
        self.engine = Self::engine(self.landing, &self.clock, &self.numbers);
        let loaded = tables::load(&self.database).unwrap();
        let known: HashSet<CacheKey> = loaded
            .online
            .iter()
            .map(|row| CacheKey::new(&row.object, &row.online.version, row.online.len_bytes))
            .collect();
        assert!(known.is_subset(&self.files), "what is durably online is there");
        self.files.retain(|key| known.contains(key));
        self.shelf = crate::staging::restart::take_up(&mut self.engine, loaded, &HashSet::new(), self.now);
    }

    /// What must be so at any time.
    fn check(&mut self) {
        let filter = RequestFilter { with_readers: true, limit: 10_000, ..RequestFilter::default() };
        let stored = tables::requests(&self.database, &filter).unwrap();
        let numbers: BTreeSet<i64> = stored.iter().map(|stored| stored.number).collect();
        assert!(self.acknowledged.is_subset(&numbers), "what was acknowledged is there");
        for request in stored {
            let filter = crate::staging::ObjectFilter { limit: 100, ..Default::default() };
            let rows = tables::objects(&self.database, request.number, &filter).unwrap();
            for state in ObjectState::ALL {
                let n = rows.iter().filter(|row| row.state == state).count() as u64;
                assert_eq!(request.request.tally(state).n, n, "{state:?} of {:?}", request.request);
            }
            let is_open = rows.iter().any(|row| !row.state.is_settled());
            let state = request.request.state;
            assert!(state.is_ended() != is_open || state == RequestState::Cancelled, "{:?}", request.request);
            for row in rows.iter().filter(|row| row.state == ObjectState::Hot) {
                let object = row.object.as_ref().unwrap();
                if self.landing == Landing::Copied {
                    let key = self.shelf.get(object);
                    assert!(key.is_some_and(|key| self.files.contains(&key)), "{object} is pinned and there");
                    let found = self.engine.book.find(object).unwrap();
                    assert!(found.is_pinned());
                }
            }
        }
        let usage = self.engine.space.usage();
        assert!(usage.used_bytes + usage.reserved_bytes <= usage.capacity_bytes, "{usage:?}");
    }

    /// Shows what is not over.
    fn show(&self) {
        eprintln!(
            "{:?}, {} things are under way, {:?}",
            self.now,
            self.begun.len(),
            self.engine.space.usage()
        );
        for (slot, object) in self.engine.book.objects() {
            eprintln!("{slot}: {object:?}");
        }
        for (slot, request) in self.engine.book.requests() {
            eprintln!("{slot}: {request:?}");
        }
    }

    /// All goes well from now on: then all comes to an end, and nothing is left over.
    pub(super) fn finish(&mut self) {
        for n_rounds in 0.. {
            if n_rounds >= 2000 {
                self.show();
                panic!("it comes to no end");
            }
            match self.begun.is_empty() {
                true => self.pass(30),
                false => self.answer(n_rounds % self.begun.len(), 9),
            }
            self.settle();
            if self.begun.is_empty() && self.engine.book.requests().next().is_none() {
                break;
            }
            self.pass(1);
        }
        let filter = RequestFilter { with_readers: true, limit: 10_000, ..RequestFilter::default() };
        for stored in tables::requests(&self.database, &filter).unwrap() {
            assert!(stored.request.state.is_ended() && !stored.is_live, "{:?}", stored.request);
        }
        assert_eq!(self.engine.book.objects().filter(|(_, object)| object.flight.is_some()).count(), 0);
        assert!(self.engine.lanes.iter().all(|lane| lane.scheduler.is_idle()), "no queue keeps anything");
        assert!(self.engine.batches.is_empty() && self.engine.reservations.is_empty());
        assert!(self.engine.signals.is_empty() && self.engine.ending.is_empty());
        let (done, _all) = tokio::sync::mpsc::channel(1);
        self.engine.evict(None, &done, self.now);
        self.turn();
        while !self.begun.is_empty() {
            self.answer(0, 9);
            self.turn();
        }
        let usage = self.engine.space.usage();
        assert_eq!((usage.used_bytes, usage.reserved_bytes, usage.evicting_bytes), (0, 0, 0));
        assert_eq!(self.engine.book.objects().count(), 0, "nothing is kept of what nobody wants");
        assert!(self.files.is_empty(), "no file is left over");
        let n_rows = |table: &str| -> i64 {
            self.database.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
        };
        assert_eq!(n_rows("staging_recalls"), 0);
    }
}

fn failed(cause: FailureCause) -> StageState {
    StageState::Failed(StageFailure { cause, reason: "it failed".to_owned() })
}

fn failure(error: Error) -> crate::staging::landing::LandFailure {
    use crate::staging::landing::{LandCause, LandFailure};
    let cause = match error.kind() {
        ErrorKind::Changed { .. } => LandCause::Changed,
        _ => LandCause::Retryable { after: None },
    };
    LandFailure { cause, error }
}
