//! The accounts against a list that is searched from end to end for each question.

use super::*;

#[derive(Debug, Clone)]
enum Step {
    Reserve(usize, u64),
    Land(usize),
    GiveBack(usize),
    Read(usize),
    EndRead(usize),
    Pin(usize),
    Unpin(usize),
    Safe(usize, bool),
    Victims(u64),
    Evict(usize),
    Removed(usize),
    Keep(usize),
    Free(u64),
    Time(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let object = || 0_usize..12;
    prop_oneof![
        4 => (object(), 0_u64..500).prop_map(|(object, len_bytes)| Step::Reserve(object, len_bytes)),
        4 => object().prop_map(Step::Land),
        1 => object().prop_map(Step::GiveBack),
        2 => object().prop_map(Step::Read),
        2 => object().prop_map(Step::EndRead),
        1 => object().prop_map(Step::Pin),
        1 => object().prop_map(Step::Unpin),
        1 => (object(), any::<bool>()).prop_map(|(object, is_safe)| Step::Safe(object, is_safe)),
        3 => (0_u64..900).prop_map(Step::Victims),
        1 => object().prop_map(Step::Evict),
        3 => object().prop_map(Step::Removed),
        1 => object().prop_map(Step::Keep),
        1 => (0_u64..3000).prop_map(Step::Free),
        2 => (0_u64..40).prop_map(Step::Time),
    ]
}

/// An object of the model.
#[derive(Debug, Clone)]
struct Entry {
    number: usize,
    len_bytes: u64,
    landed_s: u64,
    n_pins: usize,
    n_readers: usize,
    is_safe: bool,
    is_evicting: bool,
}

/// The model: objects in the order of their last use, the earliest first.
#[derive(Debug, Default)]
struct Model {
    entries: Vec<Entry>,
    /// Number and size.
    reserved: Vec<(usize, u64)>,
    free_bytes: Option<u64>,
    now_s: u64,
}

const RESIDENCY_S: u64 = 30;
const KEEP_FREE_BYTES: u64 = 50;

impl Model {
    fn find(&mut self, number: usize) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|entry| entry.number == number && !entry.is_evicting)
    }

    fn touch(&mut self, number: usize) {
        if let Some(position) = self.entries.iter().position(|entry| entry.number == number) {
            let entry = self.entries.remove(position);
            self.entries.push(entry);
        }
    }

    fn used_bytes(&self) -> u64 {
        self.entries.iter().map(|entry| entry.len_bytes).sum()
    }

    fn reserved_bytes(&self) -> u64 {
        self.reserved.iter().map(|(_, len_bytes)| len_bytes).sum()
    }

    fn evicting_bytes(&self) -> u64 {
        self.entries.iter().filter(|entry| entry.is_evicting).map(|entry| entry.len_bytes).sum()
    }

    fn may_go(entry: &Entry) -> bool {
        entry.is_safe && !entry.is_evicting && entry.n_pins == 0 && entry.n_readers == 0
    }

    fn needed_bytes(&self, len_bytes: u64) -> u64 {
        let occupied_bytes = self.used_bytes() + self.reserved_bytes();
        let over_high = if occupied_bytes >= 900 { occupied_bytes - 700 } else { 0 };
        let over_capacity = (occupied_bytes + len_bytes).saturating_sub(1000);
        let promised_bytes = self.reserved_bytes() + KEEP_FREE_BYTES + len_bytes;
        let lacking_bytes = self.free_bytes.map_or(0, |free| promised_bytes.saturating_sub(free));
        over_high.max(over_capacity).max(lacking_bytes)
    }

    fn victims(&mut self, n_bytes: u64) -> Vec<usize> {
        let (mut victims, mut n_chosen_bytes) = (Vec::new(), 0);
        let now_s = self.now_s;
        for entry in &mut self.entries {
            if n_chosen_bytes < n_bytes && Self::may_go(entry) && entry.landed_s + RESIDENCY_S <= now_s {
                entry.is_evicting = true;
                n_chosen_bytes += entry.len_bytes;
                victims.push(entry.number);
            }
        }
        victims
    }
}

/// The space under test, with all that its callers hold.
struct Run {
    space: Space,
    clock: ManualClock,
    model: Model,
    reservations: Vec<(usize, Reservation)>,
    guards: Vec<(usize, ReadGuard)>,
    evictions: Vec<(usize, Eviction)>,
}

fn take<T>(list: &mut Vec<(usize, T)>, number: usize) -> Option<T> {
    let position = list.iter().position(|(other, _)| *other == number)?;
    Some(list.remove(position).1)
}

impl Run {
    fn new() -> Self {
        let settings = SpaceSettings {
            min_residency: Duration::from_secs(RESIDENCY_S),
            keep_free_bytes: KEEP_FREE_BYTES,
            ..settings()
        };
        let clock = ManualClock::new(0);
        let space = Space::new(&settings, Arc::new(clock.clone())).unwrap();
        let (reservations, guards, evictions) = (Vec::new(), Vec::new(), Vec::new());
        Self { space, clock, model: Model::default(), reservations, guards, evictions }
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Reserve(number, len_bytes) => self.reserve(number, len_bytes),
            Step::Land(number) => self.land(number),
            Step::GiveBack(number) => {
                self.model.reserved.retain(|(other, _)| *other != number);
                drop(take(&mut self.reservations, number));
            }
            Step::Read(number) => {
                let guard = self.space.read(&key(number));
                let entry = self.model.find(number);
                assert_eq!(guard.is_some(), entry.is_some());
                if let (Some(guard), Some(entry)) = (guard, entry) {
                    entry.n_readers += 1;
                    self.model.touch(number);
                    self.guards.push((number, guard));
                }
            }
            Step::EndRead(number) => {
                if let Some(guard) = take(&mut self.guards, number) {
                    drop(guard);
                    self.model.find(number).unwrap().n_readers -= 1;
                    self.model.touch(number);
                }
            }
            Step::Pin(number) => {
                let entry = self.model.find(number);
                assert_eq!(self.space.pin(&key(number)), entry.is_some());
                if let Some(entry) = entry {
                    entry.n_pins += 1;
                }
            }
            Step::Unpin(number) => {
                if let Some(entry) = self.model.find(number).filter(|entry| entry.n_pins > 0) {
                    entry.n_pins -= 1;
                    self.space.unpin(&key(number));
                }
            }
            Step::Safe(number, is_safe) => {
                self.space.set_safe(&key(number), is_safe);
                if let Some(entry) = self.model.find(number) {
                    entry.is_safe = is_safe;
                }
            }
            Step::Free(free_bytes) => {
                self.space.saw_free(free_bytes);
                self.model.free_bytes = Some(free_bytes);
            }
            Step::Time(seconds) => {
                self.clock.advance(Duration::from_secs(seconds));
                self.model.now_s += seconds;
            }
            Step::Victims(_) | Step::Evict(_) | Step::Removed(_) | Step::Keep(_) => self.evict(step),
        }
    }

    fn reserve(&mut self, number: usize, len_bytes: u64) {
        let is_taken = self.model.entries.iter().any(|entry| entry.number == number)
            || self.model.reserved.iter().any(|(other, _)| *other == number);
        if is_taken {
            return;
        }
        let needed_bytes = self.model.needed_bytes(len_bytes);
        match self.space.reserve(key(number), len_bytes) {
            Ok(reservation) => {
                assert_eq!(needed_bytes, 0);
                self.reservations.push((number, reservation));
                self.model.reserved.push((number, len_bytes));
            }
            Err(NoSpace::Full { needed_bytes: found, .. }) => {
                assert!(needed_bytes > 0);
                assert_eq!(found, needed_bytes.saturating_sub(self.model.evicting_bytes()));
            }
            Err(other) => panic!("{other:?}"),
        }
    }

    fn land(&mut self, number: usize) {
        let Some(reservation) = take(&mut self.reservations, number) else { return };
        let position = self.model.reserved.iter().position(|(other, _)| *other == number).unwrap();
        let (_, len_bytes) = self.model.reserved.remove(position);
        self.model.free_bytes = self.model.free_bytes.map(|free| free.saturating_sub(len_bytes));
        self.guards.push((number, reservation.landed(0, true)));
        self.model.entries.push(Entry {
            number,
            len_bytes,
            landed_s: self.model.now_s,
            n_pins: 0,
            n_readers: 1,
            is_safe: true,
            is_evicting: false,
        });
    }

    fn evict(&mut self, step: &Step) {
        match *step {
            Step::Victims(n_bytes) => {
                let victims = self.space.victims(n_bytes);
                assert_eq!(numbers(&victims), self.model.victims(n_bytes));
                self.evictions.extend(numbers(&victims).into_iter().zip(victims));
            }
            Step::Evict(number) => {
                let entry = self.model.find(number).filter(|entry| Model::may_go(entry));
                let eviction = self.space.evict(&key(number));
                assert_eq!(eviction.is_some(), entry.is_some());
                if let (Some(eviction), Some(entry)) = (eviction, entry) {
                    entry.is_evicting = true;
                    self.evictions.push((number, eviction));
                }
            }
            Step::Removed(number) => {
                let Some(eviction) = take(&mut self.evictions, number) else { return };
                self.model.free_bytes = self.model.free_bytes.map(|free| free + eviction.len_bytes());
                self.model.entries.retain(|entry| entry.number != number);
                eviction.removed();
            }
            Step::Keep(number) => {
                let Some(eviction) = take(&mut self.evictions, number) else { return };
                drop(eviction);
                let entry = self.model.entries.iter_mut().find(|entry| entry.number == number).unwrap();
                entry.is_evicting = false;
                self.model.touch(number);
            }
            _ => {}
        }
    }

    fn check(&self) {
        let usage = self.space.usage();
        let held = |entry: &&Entry| entry.n_pins > 0 || entry.n_readers > 0;
        let held_bytes = self.model.entries.iter().filter(held).map(|entry| entry.len_bytes).sum::<u64>();
        let expected = SpaceUse {
            capacity_bytes: 1000,
            used_bytes: self.model.used_bytes(),
            reserved_bytes: self.model.reserved_bytes(),
            held_bytes,
            evicting_bytes: self.model.evicting_bytes(),
            n_objects: self.model.entries.len(),
            free_bytes: self.model.free_bytes,
        };
        assert_eq!(usage, expected);
        let largest = 500;
        assert!(usage.used_bytes + usage.reserved_bytes <= 1000.min(900 + largest));
        for (number, _) in &self.guards {
            assert!(self.space.has(&key(*number)), "object {number} is read, and not there");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_accounts_are_those_of_a_plain_list(steps in proptest::collection::vec(step(), 0..120)) {
        let mut run = Run::new();
        for step in &steps {
            run.step(step);
            run.check();
        }
    }
}
