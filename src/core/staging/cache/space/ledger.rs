//! The accounts of the cache: pure, every operation in O(log n), about 170 bytes for each object.

use std::collections::{BTreeMap, BTreeSet};

use crate::staging::cache::CacheKey;

/// Most objects that are chosen for eviction at once.
const MAX_VICTIMS: usize = 1024;

/// [`super::SpaceSettings`] in bytes.
#[derive(Debug, Clone)]
pub(super) struct Limits {
    pub(super) capacity_bytes: u64,
    pub(super) high_bytes: u64,
    pub(super) low_bytes: u64,
    pub(super) keep_free_bytes: u64,
    pub(super) min_residency_ns: i64,
}

/// Why there is no space for an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoSpace {
    /// It is larger than the whole cache. Final.
    TooLarge {
        /// Its size.
        len_bytes: u64,
        /// Size of the cache.
        capacity_bytes: u64,
    },
    /// Something has to go first.
    Full {
        /// Bytes to evict beyond those that are being evicted already: [`super::Space::victims`] takes this number.
        needed_bytes: u64,
        /// When enough can go, or when the next object can, in nanoseconds since 1970; `None` if that hangs on
        /// pins, readers or other users of the disk.
        until_ns: Option<i64>,
    },
    /// Its old file is being removed: it can come again when that is done.
    BeingEvicted,
}

/// An object that is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// Its size.
    pub len_bytes: u64,
    /// When it landed, in nanoseconds since 1970.
    pub landed_ns: i64,
    /// How many pins it has.
    pub n_pins: u32,
    /// Whether a copy is safe on its cold store.
    pub is_safe: bool,
}

/// How full the cache is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SpaceUse {
    /// Its size.
    pub capacity_bytes: u64,
    /// Bytes of objects in it, those that are being evicted among them.
    pub used_bytes: u64,
    /// Bytes reserved for objects that are to land.
    pub reserved_bytes: u64,
    /// Bytes that pins, readers, or landings of the same file keep.
    pub held_bytes: u64,
    /// Bytes that are being evicted.
    pub evicting_bytes: u64,
    /// Objects in it.
    pub n_objects: usize,
    /// Bytes that the file system had left when it was last asked.
    pub free_bytes: Option<u64>,
}

#[derive(Debug)]
struct Entry {
    len_bytes: u64,
    landed_ns: i64,
    /// Position in the order of use.
    order: u64,
    n_pins: u32,
    n_readers: u32,
    /// Reservations for the same file: it is landing once more.
    n_landing: u32,
    is_safe: bool,
    age: Age,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Age {
    /// Has not stayed as long as it must.
    Young,
    Ripe,
    Evicting,
}

impl Entry {
    fn is_held(&self) -> bool {
        self.n_pins > 0 || self.n_readers > 0 || self.n_landing > 0
    }

    /// True if it may go, as soon as it is old enough.
    fn is_free(&self) -> bool {
        self.is_safe && !self.is_held()
    }

    fn is_idle(&self) -> bool {
        self.is_free() && self.age == Age::Ripe
    }

    fn is_idle_soon(&self) -> bool {
        self.is_free() && self.age == Age::Young
    }
}

#[derive(Debug)]
pub(super) struct Ledger {
    limits: Limits,
    entries: BTreeMap<CacheKey, Entry>,
    /// How many reservations each object has that is to land.
    landing: BTreeMap<CacheKey, u32>,
    /// What may go now, by order of use.
    idle: BTreeMap<u64, CacheKey>,
    /// What must stay for a while, by time of landing.
    young: BTreeSet<(i64, CacheKey)>,
    /// Those of them that nothing but their age keeps.
    soon: BTreeSet<(i64, CacheKey)>,
    next_order: u64,
    used_bytes: u64,
    reserved_bytes: u64,
    /// Bytes of reservations that the file system still counts as free.
    unallocated_bytes: u64,
    evicting_bytes: u64,
    held_bytes: u64,
    idle_bytes: u64,
    /// What the file system has left: when it was asked, with what came and went since.
    free_bytes: Option<u64>,
}

impl Ledger {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            entries: BTreeMap::new(),
            landing: BTreeMap::new(),
            idle: BTreeMap::new(),
            young: BTreeSet::new(),
            soon: BTreeSet::new(),
            next_order: 0,
            used_bytes: 0,
            reserved_bytes: 0,
            unallocated_bytes: 0,
            evicting_bytes: 0,
            held_bytes: 0,
            idle_bytes: 0,
            free_bytes: None,
        }
    }

    pub(super) fn restore(&mut self, key: CacheKey, kept: Kept, now_ns: i64) {
        self.insert(key, kept, 0);
        self.ripen(now_ns);
    }

    pub(super) fn reserve(&mut self, key: &CacheKey, len_bytes: u64, now_ns: i64) -> Result<(), NoSpace> {
        let capacity_bytes = self.limits.capacity_bytes;
        if len_bytes > capacity_bytes {
            return Err(NoSpace::TooLarge { len_bytes, capacity_bytes });
        }
        if self.entries.get(key).is_some_and(|entry| entry.age == Age::Evicting) {
            return Err(NoSpace::BeingEvicted);
        }
        let over_capacity = self.occupied_bytes().saturating_add(len_bytes).saturating_sub(capacity_bytes);
        let needed_bytes = self.over_high().max(over_capacity).max(self.lacking_bytes(len_bytes));
        if needed_bytes > 0 {
            self.ripen(now_ns);
            let needed_bytes = needed_bytes.saturating_sub(self.evicting_bytes);
            return Err(NoSpace::Full { needed_bytes, until_ns: self.until_ns(needed_bytes, now_ns) });
        }
        self.reserved_bytes += len_bytes;
        self.unallocated_bytes += len_bytes;
        *self.landing.entry(*key).or_default() += 1;
        self.change(key, |entry| entry.n_landing += 1);
        Ok(())
    }

    pub(super) fn allocated(&mut self, len_bytes: u64) {
        self.unallocated_bytes = self.unallocated_bytes.saturating_sub(len_bytes);
        self.free_bytes = self.free_bytes.map(|free| free.saturating_sub(len_bytes));
    }

    pub(super) fn give_back(&mut self, key: &CacheKey, len_bytes: u64, is_allocated: bool) {
        self.end_landing(key);
        self.reserved_bytes = self.reserved_bytes.saturating_sub(len_bytes);
        if !is_allocated {
            self.unallocated_bytes = self.unallocated_bytes.saturating_sub(len_bytes);
        }
    }

    /// A reservation, which has been allocated, becomes an object that somebody reads.
    pub(super) fn landed(&mut self, key: CacheKey, kept: Kept) {
        self.end_landing(&key);
        self.reserved_bytes = self.reserved_bytes.saturating_sub(kept.len_bytes);
        self.insert(key, kept, 1);
    }

    fn end_landing(&mut self, key: &CacheKey) {
        let Some(n_landing) = self.landing.get_mut(key) else { return };
        *n_landing = n_landing.saturating_sub(1);
        if *n_landing == 0 {
            self.landing.remove(key);
        }
        self.change(key, |entry| entry.n_landing = entry.n_landing.saturating_sub(1));
    }

    pub(super) fn begin_read(&mut self, key: &CacheKey) -> bool {
        let order = self.take_order();
        self.change(key, |entry| {
            entry.n_readers = entry.n_readers.saturating_add(1);
            entry.order = order;
        })
    }

    /// `true` if that was the last one, and the object may be evicted now or later.
    pub(super) fn end_read(&mut self, key: &CacheKey) -> bool {
        let order = self.take_order();
        let mut is_free = false;
        self.change(key, |entry| {
            entry.n_readers = entry.n_readers.saturating_sub(1);
            entry.order = order;
            is_free = entry.is_free();
        });
        is_free
    }

    pub(super) fn has(&self, key: &CacheKey) -> bool {
        self.entries.get(key).is_some_and(|entry| entry.age != Age::Evicting)
    }

    pub(super) fn pin(&mut self, key: &CacheKey) -> bool {
        self.change(key, |entry| entry.n_pins = entry.n_pins.saturating_add(1))
    }

    pub(super) fn unpin(&mut self, key: &CacheKey) {
        self.change(key, |entry| entry.n_pins = entry.n_pins.saturating_sub(1));
    }

    pub(super) fn set_safe(&mut self, key: &CacheKey, is_safe: bool) {
        self.change(key, |entry| entry.is_safe = is_safe);
    }

    pub(super) fn victims(&mut self, n_bytes: u64, now_ns: i64) -> Vec<(CacheKey, u64)> {
        self.ripen(now_ns);
        let (mut victims, mut n_chosen_bytes) = (Vec::new(), 0_u64);
        while n_chosen_bytes < n_bytes && victims.len() < MAX_VICTIMS {
            let Some(key) = self.idle.first_key_value().map(|(_, key)| *key) else { break };
            let Some(len_bytes) = self.begin_eviction(&key) else { break };
            n_chosen_bytes = n_chosen_bytes.saturating_add(len_bytes);
            victims.push((key, len_bytes));
        }
        victims
    }

    /// Takes an object out of reach if nothing holds it; its size.
    pub(super) fn begin_eviction(&mut self, key: &CacheKey) -> Option<u64> {
        let entry = self.entries.get(key).filter(|entry| entry.is_free() && entry.age != Age::Evicting)?;
        let (len_bytes, landed_ns) = (entry.len_bytes, entry.landed_ns);
        self.young.remove(&(landed_ns, *key));
        self.change(key, |entry| entry.age = Age::Evicting);
        self.evicting_bytes += len_bytes;
        Some(len_bytes)
    }

    /// Takes an object out of reach although it is pinned or being read; its size.
    pub(super) fn discard(&mut self, key: &CacheKey) -> Option<u64> {
        self.entries.get(key).filter(|entry| entry.is_safe && entry.n_landing == 0)?;
        self.change(key, |entry| (entry.n_pins, entry.n_readers) = (0, 0));
        self.begin_eviction(key)
    }

    pub(super) fn removed(&mut self, key: &CacheKey) {
        if self.entries.get(key).is_some_and(|entry| entry.age == Age::Evicting)
            && let Some(entry) = self.remove(key)
        {
            self.free_bytes = self.free_bytes.map(|free| free.saturating_add(entry.len_bytes));
        }
    }

    /// An eviction did not take place. The object counts as used now: one that cannot be removed must not be
    /// chosen again and again before all others.
    pub(super) fn keep_after_all(&mut self, key: &CacheKey) {
        let order = self.take_order();
        let Some(entry) = self.entries.get_mut(key).filter(|entry| entry.age == Age::Evicting) else {
            return;
        };
        // When it is looked at next, it turns out whether it has stayed long enough.
        entry.age = Age::Young;
        entry.order = order;
        self.evicting_bytes = self.evicting_bytes.saturating_sub(entry.len_bytes);
        self.young.insert((entry.landed_ns, *key));
        if entry.is_idle_soon() {
            self.soon.insert((entry.landed_ns, *key));
        }
    }

    pub(super) fn excess_bytes(&self) -> u64 {
        self.over_high().max(self.lacking_bytes(0)).saturating_sub(self.evicting_bytes)
    }

    pub(super) fn saw_free(&mut self, free_bytes: u64) {
        self.free_bytes = Some(free_bytes);
    }

    pub(super) fn usage(&self) -> SpaceUse {
        SpaceUse {
            capacity_bytes: self.limits.capacity_bytes,
            used_bytes: self.used_bytes,
            reserved_bytes: self.reserved_bytes,
            held_bytes: self.held_bytes,
            evicting_bytes: self.evicting_bytes,
            n_objects: self.entries.len(),
            free_bytes: self.free_bytes,
        }
    }

    fn occupied_bytes(&self) -> u64 {
        self.used_bytes.saturating_add(self.reserved_bytes)
    }

    /// Bytes above the low watermark, once the high one is reached.
    fn over_high(&self) -> u64 {
        let occupied_bytes = self.occupied_bytes();
        if occupied_bytes < self.limits.high_bytes {
            return 0;
        }
        // One byte at least, so that the high watermark is left when both are the same.
        occupied_bytes.saturating_sub(self.limits.low_bytes).max(1)
    }

    /// Bytes that the file system lacks for what has been promised, and `len_bytes` more.
    fn lacking_bytes(&self, len_bytes: u64) -> u64 {
        let Some(free_bytes) = self.free_bytes else { return 0 };
        let promised_bytes = self.unallocated_bytes.saturating_add(self.limits.keep_free_bytes);
        promised_bytes.saturating_add(len_bytes).saturating_sub(free_bytes)
    }

    fn until_ns(&self, needed_bytes: u64, now_ns: i64) -> Option<i64> {
        if self.idle_bytes >= needed_bytes {
            return Some(now_ns);
        }
        let (landed_ns, _) = self.soon.first()?;
        Some(landed_ns.saturating_add(self.limits.min_residency_ns).max(now_ns))
    }

    /// Moves on what has stayed long enough.
    fn ripen(&mut self, now_ns: i64) {
        // The clock was put back: what landed in the future landed now.
        while let Some((landed_ns, key)) =
            self.young.last().copied().filter(|(landed_ns, _)| *landed_ns > now_ns)
        {
            self.young.remove(&(landed_ns, key));
            self.young.insert((now_ns, key));
            self.change(&key, |entry| entry.landed_ns = now_ns);
        }
        while let Some((landed_ns, key)) = self.young.first().copied() {
            if landed_ns.saturating_add(self.limits.min_residency_ns) > now_ns {
                return;
            }
            self.young.remove(&(landed_ns, key));
            self.change(&key, |entry| entry.age = Age::Ripe);
        }
    }

    /// Adds an object; one that is there already passes on its pins and readers.
    fn insert(&mut self, key: CacheKey, kept: Kept, n_readers: u32) {
        let previous = self.remove(&key);
        let (n_pins, n_more_readers) = previous.map_or((0, 0), |entry| (entry.n_pins, entry.n_readers));
        let entry = Entry {
            len_bytes: kept.len_bytes,
            landed_ns: kept.landed_ns,
            order: self.take_order(),
            n_pins: kept.n_pins.saturating_add(n_pins),
            n_readers: n_readers.saturating_add(n_more_readers),
            n_landing: self.landing.get(&key).copied().unwrap_or_default(),
            is_safe: kept.is_safe,
            age: Age::Young,
        };
        self.used_bytes += entry.len_bytes;
        if entry.is_held() {
            self.held_bytes += entry.len_bytes;
        }
        self.young.insert((entry.landed_ns, key));
        if entry.is_idle_soon() {
            self.soon.insert((entry.landed_ns, key));
        }
        self.entries.insert(key, entry);
    }

    fn remove(&mut self, key: &CacheKey) -> Option<Entry> {
        let entry = self.entries.remove(key)?;
        self.used_bytes = self.used_bytes.saturating_sub(entry.len_bytes);
        if entry.is_held() {
            self.held_bytes = self.held_bytes.saturating_sub(entry.len_bytes);
        }
        if entry.age == Age::Evicting {
            self.evicting_bytes = self.evicting_bytes.saturating_sub(entry.len_bytes);
        }
        if self.idle.remove(&entry.order).is_some() {
            self.idle_bytes = self.idle_bytes.saturating_sub(entry.len_bytes);
        }
        self.young.remove(&(entry.landed_ns, *key));
        self.soon.remove(&(entry.landed_ns, *key));
        Some(entry)
    }

    /// Changes an object that is in reach, and where it is listed; `false` if there is none.
    fn change(&mut self, key: &CacheKey, change: impl FnOnce(&mut Entry)) -> bool {
        let Some(entry) = self.entries.get_mut(key).filter(|entry| entry.age != Age::Evicting) else {
            return false;
        };
        let (was_held, was_idle, previous_order) = (entry.is_held(), entry.is_idle(), entry.order);
        self.soon.remove(&(entry.landed_ns, *key));
        change(entry);
        if entry.is_idle_soon() {
            self.soon.insert((entry.landed_ns, *key));
        }
        match (was_held, entry.is_held()) {
            (false, true) => self.held_bytes += entry.len_bytes,
            (true, false) => self.held_bytes = self.held_bytes.saturating_sub(entry.len_bytes),
            _ => {}
        }
        if was_idle {
            self.idle.remove(&previous_order);
            self.idle_bytes = self.idle_bytes.saturating_sub(entry.len_bytes);
        }
        if entry.is_idle() {
            self.idle.insert(entry.order, *key);
            self.idle_bytes += entry.len_bytes;
        }
        true
    }

    fn take_order(&mut self) -> u64 {
        self.next_order += 1;
        self.next_order
    }
}
