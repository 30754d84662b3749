//! A week of operation: fifty owners who compete for a small library and a small cache, with faults throughout.
//!
//! Twice a day each owner asks for all of its files, which lie on tapes of its own; who comes first differs. In the order of
//! asking, half of the owners would have everything when half of the work is done, and the other half nothing: an index of 0.5.
//!
//! `THERMOCLINE_WEEK_DAYS` says how many days pass (default 1).

use std::collections::BTreeMap;
use std::time::Duration;

use thermocline_cold_simulated::{Config, FaultKind};
use thermocline_core::staging::{ObjectState, Owner, RequestId, RequestState, StagingSettings};

use crate::world::{Chance, World, fault, library, settings};

const N_OWNERS: usize = 50;
const FILES_OF_ONE: usize = 80;
const N_FILES: usize = N_OWNERS * FILES_OF_ONE;
const MAX_LEN: usize = 4000;
const CACHE_BYTES: u64 = 1_500_000;
const STEP: Duration = Duration::from_secs(60);
const STEPS_A_DAY: u64 = 24 * 60;

/// How long objects stay pinned.
const LIFETIMES: [Duration; 3] =
    [Duration::from_secs(600), Duration::from_secs(1800), Duration::from_secs(3600)];

/// How long it takes until all owners have asked.
const STEPS_OF_ASKING: u64 = 10;

/// How often all owners ask.
const STEPS_A_ROUND: u64 = STEPS_A_DAY / 2;

/// A request that was answered.
struct Acknowledged {
    owner: usize,
    files: Vec<usize>,
    has_ended: bool,
}

struct Week {
    world: World,
    chance: Chance,
    files: Vec<(String, usize)>,
    acknowledged: BTreeMap<RequestId, Acknowledged>,
    /// In which order owners ask.
    order: Vec<usize>,
    /// What each had been given when the round began.
    before: Vec<u64>,
    /// Whether half of what was asked for in this round is there.
    is_half: bool,
    /// How even the shares were then, round by round.
    indices: Vec<f64>,
    /// Bytes that each owner was given by requests that have ended.
    served: Vec<u64>,
    /// The same by those that have not.
    begun: Vec<u64>,
    n_restarts: usize,
    n_pins_seen: usize,
}

#[test]
fn in_a_week_with_faults_nothing_is_lost_no_pin_is_broken_and_owners_get_equal_shares() {
    let n_days: u64 = std::env::var("THERMOCLINE_WEEK_DAYS").map_or(1, |days| days.parse().unwrap());
    let mut week = Week::new();
    for step in 0..n_days * STEPS_A_DAY {
        week.step(step);
    }
    week.finish();
    let index = week.indices.iter().sum::<f64>() / week.indices.len() as f64;
    let n_faults = week.world.store.n_faults();
    println!(
        "{n_days} days: {} requests, {} bytes served, {n_faults} faults of the connection, {} restarts, {} pins looked at, \
         Jain indices {:.3?}, mean {index:.3}",
        week.acknowledged.len(),
        week.served.iter().sum::<u64>(),
        week.n_restarts,
        week.n_pins_seen,
        week.indices
    );
    assert_eq!(week.indices.len() as u64, 2 * n_days, "every round was half done before the next began");
    assert!(index >= 0.9, "shares of equal owners when half of the work was done");
    assert!(n_faults > 0 && week.n_restarts > 0 && week.n_pins_seen > 100);
}

/// How even shares are: 1 if all are equal, 1/n if one has everything (R. Jain et al. 1984).
fn jain(shares: &[u64]) -> f64 {
    let sum: f64 = shares.iter().map(|share| *share as f64).sum();
    let squares: f64 = shares.iter().map(|share| (*share as f64).powi(2)).sum();
    sum * sum / (shares.len() as f64 * squares)
}

impl Week {
    fn new() -> Self {
        let mut chance = Chance::new(11);
        let files: Vec<(String, usize)> =
            (0..N_FILES).map(|n| (format!("f{n:04}"), 200 + chance.below(MAX_LEN - 200))).collect();
        let sizes: Vec<(&str, usize)> = files.iter().map(|(path, len)| (path.as_str(), *len)).collect();
        // The clock of the test runs on while the machine is busy with something else: no recall is late by it.
        let recall_timeout = Duration::from_secs(30 * 24 * 3600);
        let settings = StagingSettings { cache_bytes: CACHE_BYTES, recall_timeout, ..settings() };
        let world = World::new(settings, small_library(), &sizes);
        world.store.set_share(0.01);
        world.settle();
        Self {
            world,
            chance,
            files,
            acknowledged: BTreeMap::new(),
            order: (0..N_OWNERS).collect(),
            before: vec![0; N_OWNERS],
            is_half: false,
            indices: Vec::new(),
            served: vec![0; N_OWNERS],
            begun: vec![0; N_OWNERS],
            n_restarts: 0,
            n_pins_seen: 0,
        }
    }

    fn step(&mut self, number: u64) {
        let in_round = number % STEPS_A_ROUND;
        if in_round == 0 {
            self.look();
            self.begin_round();
        }
        if in_round < STEPS_OF_ASKING {
            let at_once = N_OWNERS / STEPS_OF_ASKING as usize;
            for turn in 0..at_once {
                self.ask(in_round as usize * at_once + turn);
            }
        } else if number.is_multiple_of(5) {
            self.look();
            self.note_shares();
        }
        if self.chance.is(1.0 / 240.0) {
            self.restart();
        }
        self.world.pass(STEP);
        self.check_cache();
    }

    /// The owner whose turn it is in this round asks for all of its files, in requests of several sizes.
    fn ask(&mut self, turn: usize) {
        let owner = self.order[turn];
        let mut files: Vec<usize> = (owner * FILES_OF_ONE..(owner + 1) * FILES_OF_ONE).collect();
        while !files.is_empty() {
            let some = files.split_off(files.len() - self.chance.of(&[1, 7, 20, 80]).min(files.len()));
            let paths: Vec<&str> = some.iter().map(|file| self.files[*file].0.as_str()).collect();
            let lifetime = self.chance.of(&LIFETIMES);
            let new = self.world.new_request(&format!("token:o{owner}"), &paths, lifetime);
            let request = self.world.block_on(self.world.staging().request(new)).unwrap();
            assert_eq!(request.owner, Owner(format!("token:o{owner}").into()));
            self.acknowledged.insert(request.id, Acknowledged { owner, files: some, has_ended: false });
        }
    }

    /// Another order of the owners; what they were given counts from now on.
    fn begin_round(&mut self) {
        for at in (1..N_OWNERS).rev() {
            let other = self.chance.below(at + 1);
            self.order.swap(at, other);
        }
        self.before = self.shares();
        self.is_half = false;
    }

    /// Notes how even the shares are when half of what was asked for is there.
    fn note_shares(&mut self) {
        let given: Vec<u64> =
            self.shares().iter().zip(&self.before).map(|(now, before)| now - before).collect();
        let all: u64 = self.files.iter().map(|(_, len_bytes)| *len_bytes as u64).sum();
        if !self.is_half && given.iter().sum::<u64>() >= all / 2 {
            self.is_half = true;
            self.indices.push(jain(&given));
        }
    }

    /// Looks at all requests that have not ended, and at some of the pins.
    fn look(&mut self) {
        self.begun.fill(0);
        let live: Vec<RequestId> = self
            .acknowledged
            .iter()
            .filter(|(_, known)| !known.has_ended)
            .map(|(id, _)| id.clone())
            .collect();
        for id in &live {
            let request = self.world.get(id);
            let known = self.acknowledged.get_mut(id).unwrap();
            assert_eq!(request.n_objects(), known.files.len() as u64, "{id}");
            if request.state.is_ended() {
                assert_eq!(request.state, RequestState::Succeeded, "{id}: {:?}", request.reason);
                known.has_ended = true;
                let sizes = known.files.iter().map(|file| self.files[*file].1 as u64);
                self.served[known.owner] += sizes.sum::<u64>();
            } else {
                let given = [ObjectState::Hot, ObjectState::Released].map(|state| request.tally(state).bytes);
                self.begun[known.owner] += given.iter().sum::<u64>();
            }
        }
        for _ in 0..5.min(live.len()) {
            let id = live[self.chance.below(live.len())].clone();
            self.check_pins(&id);
        }
    }

    /// Bytes that each owner was given.
    fn shares(&self) -> Vec<u64> {
        self.served.iter().zip(&self.begun).map(|(served, begun)| served + begun).collect()
    }

    /// What a request keeps online can be read, and is right.
    fn check_pins(&mut self, id: &RequestId) {
        for object in self.world.objects(id).into_iter().filter(|object| object.state == ObjectState::Hot) {
            let path = object.object.as_ref().unwrap().path().to_owned();
            let Some(bytes) = self.world.pinned_bytes(id, object.position, &path) else { continue };
            assert!(self.world.contents[&path].contains(&bytes), "wrong bytes of {path}");
            self.n_pins_seen += 1;
        }
    }

    fn check_cache(&self) {
        let cache = self.world.staging().cache_use();
        let high = (self.world.settings.cache_high * CACHE_BYTES as f64) as u64;
        let held = cache.used_bytes + cache.reserved_bytes;
        assert!(held <= high + MAX_LEN as u64, "{held} bytes in the cache, its high watermark is at {high}");
    }

    fn restart(&mut self) {
        match self.chance.below(2) {
            0 => self.world.restart(),
            _ => self.world.crash(),
        }
        self.n_restarts += 1;
        for (id, known) in &self.acknowledged {
            assert_eq!(self.world.get(id).n_objects(), known.files.len() as u64, "{id} was acknowledged");
        }
    }

    /// Nobody asks for more: everything that was acknowledged ends, and ends well.
    fn finish(&mut self) {
        for _ in 0..3 * STEPS_A_DAY {
            self.look();
            if self.acknowledged.values().all(|known| known.has_ended) {
                return;
            }
            for _ in 0..5 {
                self.world.pass(STEP);
                self.check_cache();
            }
        }
        let left = self.acknowledged.values().filter(|known| !known.has_ended).count();
        panic!("{left} requests have not ended");
    }
}

/// Four drives, small tapes, and recalls that fail now and then.
fn small_library() -> Config {
    let faults = vec![
        fault("*", FaultKind::Fail, 0.01),
        fault("*", FaultKind::Lie, 0.003),
        fault("*", FaultKind::Stall, 0.001),
        fault("*", FaultKind::Busy, 0.002),
    ];
    Config {
        drives: 4,
        speed: 1.0,
        tape_fill: 20_000,
        batch_objects: 1000,
        poll_every: Duration::from_secs(60),
        faults,
        ..library()
    }
}
