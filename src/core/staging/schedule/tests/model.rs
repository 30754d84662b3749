//! Whatever happens in whatever order: nothing is lost, nothing is handed out twice, everything is handed out
//! in the end, and no bound is exceeded.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::staging::schedule::recall::Stage;
use crate::staging::schedule::tapes::Stand;

#[derive(Debug, Clone)]
enum Event {
    Add { recall: u64, owner: usize, tape: Option<u8>, place: u64, priority: i8, is_interactive: bool },
    Drop { recall: u64, owner: usize },
    Next,
    End { which: usize, how: End },
    Pass { seconds: u32 },
    Flow(Flow),
    SlowDown { seconds: u32 },
    Limits { n_at_once: usize, batch_objects: usize },
    Share { owner: usize, weight: u32, cap: Option<u32> },
    Ask { recall: u64 },
}

#[derive(Debug, Clone, Copy)]
enum End {
    Finished,
    Failed,
    Returned,
}

const N_OWNERS: usize = 4;

fn event() -> impl Strategy<Value = Event> {
    let (recall, owner) = (0..40_u64, 0..N_OWNERS);
    let place = (prop::option::weighted(0.8, 0..6_u8), any::<u64>(), -3..4_i8, prop::bool::weighted(0.2));
    let add = (recall.clone(), owner.clone(), place).prop_map(
        |(recall, owner, (tape, place, priority, is_interactive))| Event::Add {
            recall,
            owner,
            tape,
            place,
            priority,
            is_interactive,
        },
    );
    let end = prop_oneof![3 => Just(End::Finished), 1 => Just(End::Failed), 1 => Just(End::Returned)];
    prop_oneof![
        8 => add,
        2 => (recall.clone(), owner.clone()).prop_map(|(recall, owner)| Event::Drop { recall, owner }),
        6 => Just(Event::Next),
        8 => (any::<usize>(), end).prop_map(|(which, how)| Event::End { which, how }),
        3 => (0..2000_u32).prop_map(|seconds| Event::Pass { seconds }),
        1 => prop_oneof![Just(Flow::Running), Just(Flow::Running), Just(Flow::Paused), Just(Flow::Draining)]
            .prop_map(Event::Flow),
        1 => (0..300_u32).prop_map(|seconds| Event::SlowDown { seconds }),
        1 => (0..5_usize, 0..8_usize)
            .prop_map(|(n_at_once, batch_objects)| Event::Limits { n_at_once, batch_objects }),
        1 => (owner, 0..500_u32, prop::option::of(0..4_u32))
            .prop_map(|(owner, weight, cap)| Event::Share { owner, weight, cap }),
        2 => recall.prop_map(|recall| Event::Ask { recall }),
    ]
}

/// What should be true, kept as plainly as possible.
struct Model {
    scheduler: Scheduler,
    owners: [OwnerId; N_OWNERS],
    now_ns: i64,
    /// Owners of each recall that waits.
    waiting: BTreeMap<u64, BTreeSet<usize>>,
    /// The same for those under way.
    active: BTreeMap<u64, BTreeSet<usize>>,
    batches: BTreeMap<BatchId, BTreeSet<u64>>,
    limits: Limits,
    caps: [Option<u32>; N_OWNERS],
    is_open: bool,
    slow_until_ns: i64,
}

impl Model {
    fn new(knows_tapes: bool) -> Self {
        let limits = Limits { n_at_once: 2, batch_objects: 4, knows_tapes };
        let mut scheduler = Scheduler::new(Policy::default(), limits);
        let owners = ["ada", "bob", "eve", "joe"].map(|name| scheduler.owner(name));
        Self {
            scheduler,
            owners,
            now_ns: 0,
            waiting: BTreeMap::new(),
            active: BTreeMap::new(),
            batches: BTreeMap::new(),
            limits,
            caps: [None; N_OWNERS],
            is_open: true,
            slow_until_ns: 0,
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Add { recall, owner, tape, place, priority, is_interactive } => {
                self.scheduler.add(Wanted {
                    recall,
                    owner: self.owners[owner],
                    lane: if is_interactive { Lane::Interactive } else { Lane::Bulk },
                    priority,
                    len_bytes: place % (20 * GIGABYTE),
                    place: tape.map(|tape| TapePlace { tape: format!("T{tape}").into(), position: place }),
                    at_ns: self.now_ns,
                });
                match self.active.get_mut(&recall) {
                    Some(owners) => owners.insert(owner),
                    None => self.waiting.entry(recall).or_default().insert(owner),
                };
            }
            Event::Drop { recall, owner } => self.drop(recall, owner),
            Event::Next => self.next(),
            Event::End { which, how } => {
                let n_active = self.active.len();
                if let Some(recall) = self.active.keys().nth(which % n_active.max(1)).copied() {
                    self.end(recall, how);
                }
            }
            Event::Pass { seconds } => self.now_ns += i64::from(seconds) * SECOND,
            Event::Flow(flow) => {
                self.is_open = flow == Flow::Running;
                self.scheduler.set_flow(flow);
            }
            Event::SlowDown { seconds } => {
                let until_ns = self.now_ns + i64::from(seconds) * SECOND;
                self.slow_until_ns = self.slow_until_ns.max(until_ns);
                self.scheduler.slow_down(until_ns);
            }
            Event::Limits { n_at_once, batch_objects } => {
                self.limits = Limits {
                    n_at_once: n_at_once.max(1),
                    batch_objects: batch_objects.max(1),
                    ..self.limits
                };
                self.scheduler.set_limits(Limits { n_at_once, batch_objects, ..self.limits });
            }
            Event::Share { owner, weight, cap } => {
                self.caps[owner] = cap;
                self.scheduler.set_share(self.owners[owner], weight, cap);
            }
            Event::Ask { recall } => self.ask(recall),
        }
        self.check();
    }

    fn drop(&mut self, recall: u64, owner: usize) {
        let found = self.scheduler.drop_interest(recall, self.owners[owner]);
        let (owners, is_active) = match (self.waiting.get_mut(&recall), self.active.get_mut(&recall)) {
            (Some(owners), _) => (owners, false),
            (_, Some(owners)) => (owners, true),
            _ => return assert_eq!(found, Dropped::Unknown),
        };
        let expected = match (owners.remove(&owner), owners.is_empty(), is_active) {
            (false, ..) => Dropped::Unknown,
            (true, false, _) => Dropped::StillWanted,
            (true, true, false) => Dropped::Forgotten,
            (true, true, true) => Dropped::UnderWay,
        };
        assert_eq!(found, expected);
        if found == Dropped::Forgotten {
            self.waiting.remove(&recall);
        }
    }

    /// Hands out one batch, if there is one.
    fn next(&mut self) {
        let counted = self.counted();
        let n_before = self.batches.len();
        let Some(batch) = self.scheduler.next(self.now_ns) else { return };
        assert!(self.is_open && self.now_ns >= self.slow_until_ns, "nothing was to be handed out");
        assert!(n_before < self.limits.n_at_once, "all slots were taken");
        assert!((1..=self.limits.batch_objects).contains(&batch.recalls.len()), "{batch:?}");
        for recall in &batch.recalls {
            let owners = self.waiting.remove(recall).expect("it waited, and was not handed out before");
            self.active.insert(*recall, owners);
            let interests =
                &self.scheduler.recalls.get(self.scheduler.number_of(*recall).unwrap()).unwrap().interests;
            assert!(interests.iter().any(|one| one.is_counted), "it counts for nobody");
        }
        let places = batch.recalls.iter().map(|recall| self.tape_of(*recall)).collect::<BTreeSet<_>>();
        assert_eq!(places, BTreeSet::from([batch.tape.clone()]), "all of a batch lie on its tape");
        self.batches.insert(batch.id, batch.recalls.iter().copied().collect());
        for ((owner, before), after) in (0..).zip(counted).zip(self.counted()) {
            let cap = self.caps[owner].unwrap_or(u32::MAX);
            assert!(after <= before.max(cap), "{after} are under way for an owner who may have {cap}");
        }
    }

    fn tape_of(&self, recall: u64) -> Option<Arc<str>> {
        let recall = self.scheduler.recalls.get(self.scheduler.number_of(recall).unwrap()).unwrap();
        recall.tape.map(|tape| Arc::clone(&self.scheduler.tapes.get(tape).unwrap().name))
    }

    fn counted(&self) -> Vec<u32> {
        self.scheduler.owners.iter().map(|owner| owner.active).collect()
    }

    fn end(&mut self, recall: u64, how: End) {
        let known = match how {
            End::Finished => self.scheduler.finished(recall, recall * 1000, self.now_ns),
            End::Failed => self.scheduler.failed(recall, self.now_ns),
            End::Returned => self.scheduler.returned(recall, self.now_ns),
        };
        assert!(known);
        let owners = self.active.remove(&recall).unwrap();
        if matches!(how, End::Returned) && !owners.is_empty() {
            self.waiting.insert(recall, owners);
        }
        self.batches.retain(|_, recalls| {
            recalls.remove(&recall);
            !recalls.is_empty()
        });
    }

    fn ask(&mut self, recall: u64) {
        let (reason, estimate) =
            (self.scheduler.waiting_for(recall, self.now_ns), self.scheduler.estimate(recall, self.now_ns));
        assert_eq!(reason.is_some(), self.waiting.contains_key(&recall), "who waits is told why");
        assert!(estimate.is_none() || self.scheduler.knows(recall));
    }

    /// The scheduler's books agree with each other and with the model.
    fn check(&self) {
        let scheduler = &self.scheduler;
        assert_eq!(scheduler.by_id.len(), self.waiting.len() + self.active.len());
        let n_waiting = scheduler.n_waiting(Lane::Bulk) + scheduler.n_waiting(Lane::Interactive);
        assert_eq!((n_waiting, scheduler.n_active()), (self.waiting.len(), self.active.len()));
        assert_eq!(scheduler.running.len(), self.batches.len());
        let mut active = vec![0; N_OWNERS];
        let mut on_tapes: BTreeMap<u32, u32> = BTreeMap::new();
        for id in self.waiting.keys().chain(self.active.keys()) {
            let recall = scheduler.recalls.get(scheduler.number_of(*id).unwrap()).unwrap();
            assert_eq!(recall.id, *id);
            assert_eq!(recall.is_waiting(), self.waiting.contains_key(id));
            if let Stage::Active { batch, .. } = recall.stage {
                assert!(self.batches[&BatchId(batch)].contains(id));
            }
            recall
                .interests
                .iter()
                .filter(|one| one.is_counted)
                .for_each(|one| active[one.owner as usize] += 1);
            recall.tape.into_iter().for_each(|tape| *on_tapes.entry(tape).or_default() += 1);
        }
        assert_eq!(active, self.counted(), "recalls under way that count for each owner");
        for (number, tape) in scheduler.tapes.iter() {
            assert_eq!(tape.n_recalls, on_tapes.get(&number).copied().unwrap_or_default());
            assert!(tape.n_recalls > 0 || matches!(tape.stand, Stand::Mounted { .. }), "it is forgotten");
            let shares: u32 = tape.shares.values().map(|share| share.n_files).sum();
            assert!(shares as usize >= tape.waiting.len());
            if let Stand::Mounted { slot } = tape.stand {
                assert_eq!(scheduler.slots[slot].tape, Some(number));
            }
            if tape.waiting.is_empty() {
                assert_eq!((tape.len_bytes, tape.shares.len()), (0, 0));
            }
        }
    }

    /// Lets everything be handed out and end; whoever may have nothing under way may have one recall.
    fn drain(&mut self) {
        for (owner, cap) in self.caps.into_iter().enumerate() {
            self.happen(Event::Share { owner, weight: 100, cap: cap.map(|cap| cap.max(1)) });
        }
        self.happen(Event::Flow(Flow::Running));
        let n_steps = 10 + 2 * (self.waiting.len() + self.active.len());
        for _ in 0..n_steps {
            self.happen(Event::Pass { seconds: 400 });
            while let Some(recall) = self.active.keys().next().copied() {
                self.end(recall, End::Finished);
            }
            self.happen(Event::Next);
        }
        assert!(self.waiting.is_empty(), "these were never handed out: {:?}", self.waiting);
    }
}

proptest! {
    #[test]
    fn nothing_is_lost_or_doubled_and_no_bound_is_exceeded(
        events in prop::collection::vec(event(), 0..150),
        knows_tapes: bool,
    ) {
        let mut model = Model::new(knows_tapes);
        for event in events {
            model.happen(event);
        }
        model.drain();
        prop_assert!(model.scheduler.is_idle());
    }
}
