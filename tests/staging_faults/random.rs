//! Thousands of steps and faults at random, and after each restart what was acknowledged.

use std::sync::mpsc;
use std::time::Duration;

use rusqlite::Connection;
use thermocline_cold_simulated::{Config, FaultKind};
use thermocline_core::ErrorKind;
use thermocline_core::staging::{Activity, IdempotencyKey, NewRequest, Owner, Request, RequestId};

use crate::reference::{Reference, check_cache};
use crate::world::{Chance, World, fault, library, settings};

const LIFETIMES: [Duration; 4] =
    [Duration::from_secs(1), Duration::from_secs(60), Duration::from_secs(3600), Duration::from_secs(86_400)];

/// A request whose answer nobody saw.
struct Unanswered {
    key: String,
    paths: Vec<String>,
    lifetime: Duration,
    owner: &'static str,
    /// How far the clock had gone when it was sent first.
    since_ns: i64,
}

struct Run {
    world: World,
    reference: Reference,
    chance: Chance,
    paths: Vec<String>,
    unanswered: Vec<Unanswered>,
    lock: Option<Connection>,
    n_faults: usize,
    n_restarts: usize,
}

#[test]
fn nothing_acknowledged_is_lost_and_no_wrong_byte_is_served_whatever_fails() {
    let number = |name: &str, usual: u64| std::env::var(name).map_or(usual, |text| text.parse().unwrap());
    let (n_steps, seed) = (number("THERMOCLINE_FAULT_STEPS", 2500), number("THERMOCLINE_FAULT_SEED", 1));
    let mut run = Run::new(seed);
    for step in 0..n_steps {
        run.step(step);
    }
    run.finish();
    let n_faults = run.n_faults + run.world.store.n_faults();
    println!(
        "{n_steps} steps, {n_faults} faults, {} restarts, {} requests, {} checks of one",
        run.n_restarts,
        run.reference.requests.len(),
        run.reference.n_checks
    );
    // How many recalls the library fails depends on how many there are, and that on the speed of the machine.
    assert!(n_faults as u64 >= n_steps / 10, "only {n_faults} faults");
}

fn faulty_library() -> Config {
    let faults = vec![
        fault("lost*", FaultKind::Lost, 1.0),
        fault("denied*", FaultKind::Denied, 1.0),
        fault("f*", FaultKind::Fail, 0.1),
        fault("f*", FaultKind::Lie, 0.1),
        fault("f*", FaultKind::Stall, 0.05),
        fault("f*", FaultKind::Slow, 0.1),
        fault("f*", FaultKind::Busy, 0.05),
    ];
    Config { faults, ..library() }
}

impl Run {
    fn new(seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        let names = (0..30).map(|n| format!("f{n:02}")).chain(["lost".to_owned(), "denied".to_owned()]);
        let paths: Vec<String> = names.collect();
        let sizes: Vec<(&str, usize)> =
            paths.iter().map(|path| (path.as_str(), chance.of(&[0, 1, 100, 3000, 20_000]))).collect();
        let world = World::new(settings(), faulty_library(), &sizes);
        let (reference, unanswered) = (Reference::default(), Vec::new());
        Self { world, reference, chance, paths, unanswered, lock: None, n_faults: 0, n_restarts: 0 }
    }

    fn step(&mut self, number: u64) {
        match self.chance.below(100) {
            0..25 => self.ask(),
            25..30 => self.ask_again(),
            30..36 => self.withdraw(),
            36..40 => self.extend(),
            40..50 => self.read(),
            50..70 => {
                let seconds = self.chance.of(&[1, 1, 2, 5, 20, 60]);
                self.world.pass(Duration::from_secs(seconds));
            }
            70..74 => self.jump(),
            74..78 => self.change_connection(),
            78..81 => self.lock_or_unlock(),
            81..83 => self.change_activity(),
            83..86 => self.change_archive(),
            86..88 => drop(self.world.block_on(self.world.staging().evict(None))),
            88..91 => self.restart(),
            _ => self.check_one(),
        }
        if number % 50 == 49 {
            // Now and then everything works for a while: else nothing would ever be online.
            self.calm();
            for _ in 0..10 {
                self.world.pass(Duration::from_secs(5));
            }
        }
    }

    fn some_request(&mut self) -> Option<RequestId> {
        let ids: Vec<&RequestId> = self.reference.requests.keys().rev().take(15).collect();
        if ids.is_empty() {
            return None;
        }
        Some(ids[self.chance.below(ids.len())].clone())
    }

    fn some_paths(&mut self) -> Vec<String> {
        let n = 1 + self.chance.below(5);
        let mut paths: Vec<String> = Vec::new();
        for _ in 0..n {
            let path = self.paths[self.chance.below(self.paths.len())].clone();
            if !paths.contains(&path) {
                paths.push(path);
            }
        }
        paths
    }

    fn ask(&mut self) {
        let key = format!("key-{}", self.chance.next());
        let (paths, lifetime) = (self.some_paths(), self.chance.of(&LIFETIMES));
        let owner = self.chance.of(&["x", "y", "z"]);
        let since_ns = self.world.clock.forward_ns();
        self.send(Unanswered { key, paths, lifetime, owner, since_ns });
    }

    /// Repeats a request whose answer was not seen.
    fn ask_again(&mut self) {
        if !self.unanswered.is_empty() {
            let at = self.chance.below(self.unanswered.len());
            let again = self.unanswered.swap_remove(at);
            self.send(again);
        }
    }

    fn new_request(&self, asked: &Unanswered) -> NewRequest {
        let paths: Vec<&str> = asked.paths.iter().map(String::as_str).collect();
        let mut new = self.world.new_request(asked.owner, &paths, asked.lifetime);
        new.idempotency = Some(IdempotencyKey { key: asked.key.clone(), body_hash: [7; 32] });
        new
    }

    /// Asks; sometimes the process ends before the answer is there.
    fn send(&mut self, asked: Unanswered) {
        let new = self.new_request(&asked);
        let (sender, receiver) = mpsc::channel();
        let staging = self.world.staging().clone();
        let task = async move {
            // Nobody may be there any more to hear it.
            let _ = sender.send(staging.request(new).await);
        };
        let ends = self.chance.is(0.06);
        if ends {
            drop(self.world.life.as_ref().unwrap().runtime.spawn(task));
            std::thread::sleep(Duration::from_micros(self.chance.below(4000) as u64));
            self.crash();
        } else {
            self.world.block_on(task);
        }
        match receiver.try_recv() {
            Ok(Ok(request)) => self.acknowledge(&request, &asked),
            Ok(Err(error)) => {
                let is_for_a_while = matches!(error.kind(), ErrorKind::Unavailable { .. });
                assert!(is_for_a_while || ends, "{error}: {:?}", error.kind());
                self.unanswered.push(asked);
            }
            Err(_) => self.unanswered.push(asked),
        }
    }

    fn acknowledge(&mut self, request: &Request, asked: &Unanswered) {
        let paths: Vec<&str> = asked.paths.iter().map(String::as_str).collect();
        self.reference.note(request, &paths, asked.lifetime, asked.since_ns);
        if self.chance.is(0.2) && self.lock.is_none() {
            let again = self.world.block_on(self.world.staging().request(self.new_request(asked)));
            assert_eq!(again.unwrap().id, request.id, "the same key gives the same request");
        }
    }

    fn withdraw(&mut self) {
        let Some(id) = self.some_request() else { return };
        let known = self.reference.requests.get_mut(&id).unwrap();
        let staging = self.world.staging();
        let outcome = match self.chance.below(3) {
            0 => {
                known.was_cancelled = true;
                self.world.block_on(staging.cancel(&id))
            }
            1 => {
                known.was_cancelled = true;
                let first = self.world.href(&known.paths[0]);
                self.world.block_on(staging.cancel_objects(&id, vec![first]))
            }
            _ => {
                known.was_released = true;
                self.world.block_on(staging.release(&id, None))
            }
        };
        if let Err(error) = outcome {
            assert!(!matches!(error.kind(), ErrorKind::NotFound), "{id} was acknowledged: {error}");
        }
    }

    fn extend(&mut self) {
        let Some(id) = self.some_request() else { return };
        let lifetime = self.chance.of(&LIFETIMES);
        // Refused once nothing is pinned any more.
        if let Ok(request) = self.world.block_on(self.world.staging().extend(&id, lifetime)) {
            let until = request.expires_ns;
            let now_ns = self.world.now_ns();
            assert!(
                until.is_none_or(|until| until >= now_ns),
                "{id} was extended and has ended: {request:?}"
            );
        }
    }

    fn read(&mut self) {
        let path = self.paths[self.chance.below(self.paths.len())].clone();
        if let Some(bytes) = self.world.read(&path) {
            assert!(self.world.contents[&path].contains(&bytes), "wrong bytes of {path}");
            return;
        }
        let href = self.world.href(&path);
        let staging = self.world.staging().clone();
        let joined = self.world.block_on(staging.join(&href, &Owner("reader".into()), None));
        if joined.is_ok() && self.chance.is(0.5) {
            // A reader who goes away again after a moment, or when the process ends.
            let wait = async move {
                drop(tokio::time::timeout(Duration::from_millis(20), staging.wait(&href)).await)
            };
            drop(self.world.life.as_ref().unwrap().runtime.spawn(wait));
        }
    }

    fn jump(&mut self) {
        let seconds = self.chance.of(&[30, 3600, 100_000, -30, -3600, -100_000]);
        self.world.clock.jump(seconds);
        self.world.settle();
        self.n_faults += 1;
    }

    fn change_connection(&mut self) {
        let share = self.chance.of(&[0.0, 0.2, 0.6, 1.0]);
        let busy = ErrorKind::Unavailable { retry_after: Duration::from_secs(1) };
        let kind = self.chance.of(&[busy, busy, ErrorKind::Internal]);
        self.world.store.set_share(share);
        self.world.store.set_kind(kind);
    }

    fn lock_or_unlock(&mut self) {
        if self.lock.take().is_some() {
            return;
        }
        let other = Connection::open(self.world.folder.path().join("state.db")).unwrap();
        other.busy_timeout(Duration::from_secs(5)).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        self.lock = Some(other);
        self.n_faults += 1;
    }

    fn change_activity(&mut self) {
        let activity = self.chance.of(&[Activity::Running, Activity::Running, Activity::Paused]);
        // Refused while nothing can be kept.
        drop(self.world.block_on(self.world.staging().set_activity("tape", activity)));
    }

    fn change_archive(&mut self) {
        let path = self.paths[self.chance.below(8)].clone();
        self.reference.disturbed.insert(path.clone());
        self.n_faults += 1;
        match self.chance.below(3) {
            0 => drop(std::fs::remove_file(self.world.archived(&path))),
            _ => {
                let len_bytes = self.chance.of(&[0, 10, 5000]);
                self.world.write(&path, len_bytes);
            }
        }
    }

    fn restart(&mut self) {
        match self.chance.below(3) {
            0 => {
                self.lock = None;
                self.world.restart();
                self.n_restarts += 1;
            }
            1 => self.crash(),
            _ => {
                self.lock = None;
                self.world.end();
                let forgets_batches = self.chance.is(0.5);
                self.world.replace_library(forgets_batches);
                self.world.open();
                self.n_faults += 1;
                self.n_restarts += 1;
            }
        }
        self.reference.check_all(&self.world);
    }

    fn crash(&mut self) {
        self.n_faults += 1;
        self.n_restarts += 1;
        // A database that is locked cannot be opened: who has it locked ends first.
        self.lock = None;
        self.world.end();
        self.world.open();
    }

    fn check_one(&mut self) {
        if let Some(id) = self.some_request() {
            self.reference.check(&self.world, &id);
        }
    }

    fn calm(&mut self) {
        self.lock = None;
        self.world.store.set_share(0.0);
        let resumes = || self.world.block_on(self.world.staging().set_activity("tape", Activity::Running));
        self.world.until("changes can be kept again", || resumes().is_ok());
    }

    /// Everything works again: all requests end as they must, and nothing is left over.
    fn finish(&mut self) {
        self.calm();
        self.reference.check_all(&self.world);
        for asked in std::mem::take(&mut self.unanswered) {
            self.send(asked);
        }
        let ids: Vec<RequestId> = self.reference.requests.keys().cloned().collect();
        let mut n_looks = 0;
        for id in &ids {
            self.world.until("every request ends", || {
                n_looks += 1;
                if n_looks % 100 == 0 {
                    // Pins of a day keep the space that others wait for.
                    self.world.clock.jump(86_400);
                }
                self.world.get(id).state.is_ended()
            });
        }
        self.reference.check_all(&self.world);
        // The clock may be far behind what it has shown: pins last until the time that was told.
        self.world.clock.jump(40 * 86_400);
        self.world.until("every pin ends", || {
            self.world.block_on(self.world.staging().pins(10)).unwrap().is_empty()
        });
        self.reference.check_all(&self.world);
        self.world.until("nothing is under way", || {
            self.world.block_on(self.world.staging().recalls(10)).is_empty()
        });
        let store = self.world.staging().stores().remove(0);
        assert_eq!((store.n_waiting, store.n_active), (0, 0));
        let cache = self.world.staging().cache_use();
        assert_eq!((cache.pinned_bytes, cache.reserved_bytes), (0, 0));
        assert_eq!(cache.used_bytes, check_cache(&self.world), "what is counted is what is there");
        self.world.block_on(self.world.staging().evict(None)).unwrap();
        let left = self.world.staging().cache_use();
        assert_eq!((left.used_bytes, left.n_objects, check_cache(&self.world)), (0, 0, 0));
    }
}
