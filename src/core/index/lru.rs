//! A cache bounded by bytes that forgets what was used longest ago.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

use parking_lot::Mutex;

/// Values with their weights in bytes. The newest value stays even if it alone exceeds the budget:
/// a table that is larger than the budget must not be loaded anew for each of its chunks.
#[derive(Debug)]
pub(crate) struct Lru<K, V> {
    budget_bytes: usize,
    state: Mutex<State<K, V>>,
}

#[derive(Debug)]
struct State<K, V> {
    entries: HashMap<K, Entry<V>>,
    by_use: BTreeMap<u64, K>,
    used_bytes: usize,
    n_uses: u64,
}

#[derive(Debug)]
struct Entry<V> {
    value: V,
    len_bytes: usize,
    last_use: u64,
}

impl<K: Hash + Eq + Clone, V: Clone> Lru<K, V> {
    /// An empty cache of `budget_bytes`.
    pub(crate) fn new(budget_bytes: usize) -> Self {
        let state = State { entries: HashMap::new(), by_use: BTreeMap::new(), used_bytes: 0, n_uses: 0 };
        Self { budget_bytes, state: Mutex::new(state) }
    }

    /// The value of a key, which is then among those used last.
    pub(crate) fn get(&self, key: &K) -> Option<V> {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        let n_entries = state.entries.len() as u64;
        let entry = state.entries.get_mut(key)?;
        // What is among the newer half is far from being forgotten.
        if (state.n_uses - entry.last_use) * 2 < n_entries {
            return Some(entry.value.clone());
        }
        state.n_uses += 1;
        state.by_use.remove(&entry.last_use);
        entry.last_use = state.n_uses;
        state.by_use.insert(state.n_uses, key.clone());
        Some(entry.value.clone())
    }

    /// Keeps a value of `len_bytes`, and forgets others until the budget holds.
    pub(crate) fn insert(&self, key: K, value: V, len_bytes: usize) {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        state.remove(&key);
        state.n_uses += 1;
        let last_use = state.n_uses;
        state.by_use.insert(last_use, key.clone());
        state.entries.insert(key, Entry { value, len_bytes, last_use });
        state.used_bytes += len_bytes;
        while state.used_bytes > self.budget_bytes && state.entries.len() > 1 {
            let Some((_, oldest)) = state.by_use.first_key_value() else { break };
            let oldest = oldest.clone();
            state.remove(&oldest);
        }
    }

    /// Forgets a key.
    pub(crate) fn remove(&self, key: &K) {
        self.state.lock().remove(key);
    }

    /// Bytes of all values kept.
    pub(crate) fn used_bytes(&self) -> usize {
        self.state.lock().used_bytes
    }
}

impl<K: Hash + Eq, V> State<K, V> {
    fn remove(&mut self, key: &K) {
        if let Some(entry) = self.entries.remove(key) {
            self.by_use.remove(&entry.last_use);
            self.used_bytes -= entry.len_bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_longest_ago_is_forgotten_first() {
        let lru = Lru::new(30);
        for key in ["a", "b", "c"] {
            lru.insert(key, key, 10);
        }
        assert_eq!(lru.get(&"a"), Some("a"));
        lru.insert("d", "d", 10);
        assert_eq!(lru.get(&"b"), None);
        assert_eq!(lru.get(&"a"), Some("a"));
        assert_eq!(lru.used_bytes(), 30);
    }

    #[test]
    fn a_value_beyond_the_budget_stays_until_another_comes() {
        let lru = Lru::new(5);
        lru.insert("large", 1, 100);
        assert_eq!(lru.get(&"large"), Some(1));
        lru.insert("small", 2, 1);
        assert_eq!(lru.get(&"large"), None);
        assert_eq!(lru.used_bytes(), 1);
    }

    #[test]
    fn a_replaced_value_counts_once() {
        let lru = Lru::new(100);
        lru.insert("a", 1, 10);
        lru.insert("a", 2, 20);
        assert_eq!((lru.get(&"a"), lru.used_bytes()), (Some(2), 20));
        lru.remove(&"a");
        assert_eq!(lru.used_bytes(), 0);
    }
}
