//! Texts of many datasets, one after the other in memory.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher, RandomState};
use std::sync::OnceLock;

/// Texts by their positions.
#[derive(Debug, Clone, Default)]
pub(crate) struct Texts {
    bytes: String,
    ends: Vec<usize>,
}

impl Texts {
    /// Room for so many texts and bytes.
    pub(crate) fn with_capacity(n_texts: usize, n_bytes: usize) -> Self {
        Self { bytes: String::with_capacity(n_bytes), ends: Vec::with_capacity(n_texts) }
    }

    /// Adds a text at the end.
    pub(crate) fn push(&mut self, text: &str) {
        self.bytes.push_str(text);
        self.ends.push(self.bytes.len());
    }

    /// The text at a position; empty beyond the last.
    pub(crate) fn get(&self, position: u32) -> &str {
        let position = position as usize;
        let start = position.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        let end = self.ends.get(position).copied().unwrap_or(start);
        self.bytes.get(start..end).unwrap_or_default()
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Bytes of all of them.
    pub(crate) fn n_bytes(&self) -> usize {
        self.bytes.len()
    }
}

/// Different texts by small numbers, their codes.
#[derive(Debug, Default)]
pub(crate) struct Dictionary {
    texts: Texts,
    /// Codes by the hash of their text, or by the next free number after it.
    codes: HashMap<u64, u32>,
    hasher: RandomState,
    /// Place of each code among the sorted texts.
    ranks: OnceLock<Ranks>,
}

#[derive(Debug)]
struct Ranks {
    of_code: Vec<u32>,
    sorted: Vec<u32>,
}

impl Clone for Dictionary {
    fn clone(&self) -> Self {
        Self {
            texts: self.texts.clone(),
            codes: self.codes.clone(),
            hasher: self.hasher.clone(),
            // Whoever clones it adds to it.
            ranks: OnceLock::new(),
        }
    }
}

impl Dictionary {
    /// The code of a text; `None` if it has none.
    pub(crate) fn code(&self, text: &str) -> Option<u32> {
        let mut hash = self.hasher.hash_one(text);
        loop {
            let code = *self.codes.get(&hash)?;
            if self.texts.get(code) == text {
                return Some(code);
            }
            hash = hash.wrapping_add(1);
        }
    }

    /// The code of a text, which gets one if it has none.
    pub(crate) fn insert(&mut self, text: &str) -> u32 {
        let mut hash = self.hasher.hash_one(text);
        loop {
            match self.codes.entry(hash) {
                Entry::Occupied(known) if self.texts.get(*known.get()) == text => return *known.get(),
                Entry::Occupied(_) => hash = hash.wrapping_add(1),
                Entry::Vacant(free) => {
                    let code = self.texts.len() as u32;
                    free.insert(code);
                    self.texts.push(text);
                    self.ranks = OnceLock::new();
                    return code;
                }
            }
        }
    }

    /// The text of a code.
    pub(crate) fn text(&self, code: u32) -> &str {
        self.texts.get(code)
    }

    /// How many texts there are.
    pub(crate) fn len(&self) -> usize {
        self.texts.len()
    }

    /// The place of a code among the sorted texts.
    pub(crate) fn rank(&self, code: u32) -> u32 {
        self.ranks().of_code.get(code as usize).copied().unwrap_or(0)
    }

    /// How many texts come before one, and whether it is among them.
    pub(crate) fn place(&self, text: &str) -> (u32, bool) {
        let sorted = &self.ranks().sorted;
        let place = sorted.partition_point(|code| self.texts.get(*code) < text);
        let is_there = sorted.get(place).is_some_and(|code| self.texts.get(*code) == text);
        (place as u32, is_there)
    }

    fn ranks(&self) -> &Ranks {
        self.ranks.get_or_init(|| {
            let mut sorted: Vec<u32> = (0..self.texts.len() as u32).collect();
            sorted.sort_unstable_by(|a, b| self.texts.get(*a).cmp(self.texts.get(*b)));
            let mut of_code = vec![0; sorted.len()];
            for (rank, code) in sorted.iter().enumerate() {
                if let Some(place) = of_code.get_mut(*code as usize) {
                    *place = rank as u32;
                }
            }
            Ranks { of_code, sorted }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_found_again_by_their_codes() {
        let mut dictionary = Dictionary::default();
        let words = ["tas", "", "pr", "tas", "ÄÖ", "pr"];
        let codes: Vec<u32> = words.iter().map(|word| dictionary.insert(word)).collect();
        assert_eq!(codes, [0, 1, 2, 0, 3, 2]);
        for (word, code) in words.iter().zip(codes) {
            assert_eq!((dictionary.text(code), dictionary.code(word)), (*word, Some(code)));
        }
        assert_eq!((dictionary.code("ps"), dictionary.len()), (None, 4));
    }

    #[test]
    fn ranks_are_places_in_the_order_of_texts() {
        let mut dictionary = Dictionary::default();
        for word in ["c", "a", "d"] {
            dictionary.insert(word);
        }
        assert_eq!([0, 1, 2].map(|code| dictionary.rank(code)), [1, 0, 2]);
        assert_eq!(dictionary.place("c"), (1, true));
        assert_eq!(dictionary.place("b"), (1, false));
        assert_eq!(dictionary.place("z"), (3, false));
        dictionary.insert("b");
        assert_eq!(dictionary.rank(0), 2);
    }
}
