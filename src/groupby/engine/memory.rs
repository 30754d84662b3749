//! Results and parts of results that are kept in memory, within a bound.

use std::ops::Range;
use std::sync::Arc;

use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};
use thermocline_model::ArrayBytes;

use super::{Grouped, KeptResult};
use crate::result::values_bytes;

/// What an entry takes besides its values, its metadata among it.
const ENTRY_BYTES: u64 = 4096;

/// Size of a usual part: from it follows how many entries there will be.
const USUAL_BYTES: u64 = 64 << 10;

/// The name of what is kept: the entity tag of a result, and a box of it; `None` for all of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) etag: Arc<str>,
    pub(super) part: Option<Box<[Range<u64>]>>,
}

/// A result in memory.
#[derive(Debug)]
pub(super) struct Whole {
    pub(super) grouped: Grouped,
    pub(super) about: KeptResult,
}

#[derive(Debug, Clone)]
enum Kept {
    Whole(Arc<Whole>),
    Part(Arc<ArrayBytes>),
}

#[derive(Debug, Clone)]
struct Entry {
    kept: Kept,
    len_bytes: u64,
}

#[derive(Clone)]
struct EntryWeight;

impl Weighter<Key, Entry> for EntryWeight {
    fn weight(&self, key: &Key, entry: &Entry) -> u64 {
        let part = key.part.as_deref().map_or(0, size_of_val) as u64;
        ENTRY_BYTES + entry.len_bytes + key.etag.len() as u64 + part
    }
}

/// What is kept in memory.
pub(super) struct Memory(Cache<Key, Entry, EntryWeight>);

impl Memory {
    /// At most `max_bytes` of it.
    pub(super) fn new(max_bytes: u64) -> Self {
        let n_usual = usize::try_from(max_bytes / USUAL_BYTES).unwrap_or(usize::MAX).clamp(16, 1 << 20);
        // One shard: in a part of the bound a large result would have no room.
        let options = OptionsBuilder::new()
            .estimated_items_capacity(n_usual)
            .weight_capacity(max_bytes)
            .shards(1)
            .build();
        let (hasher, lifecycle) = (DefaultHashBuilder::default(), DefaultLifecycle::default());
        Self(match options {
            Ok(options) => Cache::with_options(options, EntryWeight, hasher, lifecycle),
            Err(_) => Cache::with_weighter(n_usual, max_bytes, EntryWeight),
        })
    }

    /// How many bytes it takes at present.
    pub(super) fn used_bytes(&self) -> u64 {
        self.0.weight()
    }

    pub(super) fn whole(&self, etag: &Arc<str>) -> Option<Arc<Whole>> {
        match self.0.get(&Key { etag: Arc::clone(etag), part: None })?.kept {
            Kept::Whole(whole) => Some(whole),
            Kept::Part(_) => None,
        }
    }

    pub(super) fn part(&self, key: &Key) -> Option<Arc<ArrayBytes>> {
        match self.0.get(key)?.kept {
            Kept::Part(values) => Some(values),
            Kept::Whole(_) => None,
        }
    }

    pub(super) fn insert_whole(&self, grouped: Grouped, about: KeptResult) {
        let described = grouped.described.values.iter().map(|(_, values)| values_bytes(values)).sum::<u64>();
        let len_bytes = values_bytes(&grouped.values).saturating_add(described);
        let key = Key { etag: Arc::clone(&about.etag), part: None };
        let kept = Kept::Whole(Arc::new(Whole { grouped, about }));
        self.0.insert(key, Entry { kept, len_bytes });
    }

    pub(super) fn insert_part(&self, key: Key, values: Arc<ArrayBytes>) {
        let len_bytes = len_bytes(&values);
        self.0.insert(key, Entry { kept: Kept::Part(values), len_bytes });
    }

    /// What whole results are kept.
    pub(super) fn list(&self) -> Vec<KeptResult> {
        let wholes = self.0.iter().filter_map(|(_, entry)| match entry.kept {
            Kept::Whole(whole) => Some(whole.about.clone()),
            Kept::Part(_) => None,
        });
        wholes.collect()
    }
}

/// Memory of values.
pub(super) fn len_bytes(values: &ArrayBytes) -> u64 {
    match values {
        ArrayBytes::Fixed(bytes) => bytes.len() as u64,
        ArrayBytes::Texts(texts) => texts.iter().map(|text| (text.len() + size_of::<String>()) as u64).sum(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u64) -> Key {
        Key { etag: "a".into(), part: Some(std::iter::once(number..number + 1).collect()) }
    }

    fn values(len: usize) -> Arc<ArrayBytes> {
        Arc::new(ArrayBytes::Fixed(vec![0; len]))
    }

    #[test]
    fn parts_are_kept_within_the_bound_and_weighed_with_what_is_around_them() {
        let memory = Memory::new(1 << 20);
        for number in 0..1000 {
            memory.insert_part(key(number), values(10_000));
            assert!(memory.used_bytes() <= 1 << 20);
        }
        assert!(memory.used_bytes() > 1 << 19, "it is used");
        let n_kept = (0..1000).filter(|number| memory.part(&key(*number)).is_some()).count() as u64;
        assert!(n_kept * (10_000 + ENTRY_BYTES) <= 1 << 20, "{n_kept}");
        assert_eq!(memory.part(&Key { etag: "b".into(), part: key(999).part }), None, "of another result");
    }

    #[test]
    fn one_result_may_take_most_of_the_bound_and_none_more_than_it() {
        let memory = Memory::new(1 << 20);
        memory.insert_part(key(1), values(900_000));
        assert!(memory.part(&key(1)).is_some());
        memory.insert_part(key(2), values(2 << 20));
        assert!(memory.part(&key(2)).is_none());
        assert!(memory.used_bytes() <= 1 << 20);
    }

    #[test]
    fn texts_weigh_what_they_take() {
        let texts = ArrayBytes::Texts(vec!["four".into(); 10]);
        assert_eq!(len_bytes(&texts), 10 * (4 + size_of::<String>() as u64));
    }
}
