//! What was seen of objects that come online where they are, at stores that themselves refuse to read what is cold.
//!
//! Such a store need not be asked before each read: who reads what has become cold meanwhile is refused, and says so.
//! So an object counts as online until its copy ends, or until somebody was refused.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use parking_lot::Mutex;
use quick_cache::sync::Cache;

use super::engine::Now;
use crate::clock::nanoseconds;
use crate::cold::{Locality, ObjectId, ObjectStatus};

/// Most objects that are remembered. Each takes about 200 bytes with its name.
const MAX_SEEN: usize = 200_000;

/// How long an object is taken to be online whose copy does not end by itself: rules of a bucket may archive it.
const SEEN_FOR: Duration = Duration::from_secs(3600);

/// An object is cold for readers so long before its copy ends: their clock and the store's may differ.
const MARGIN: Duration = Duration::from_secs(5);

/// Objects that were online when they were looked at.
pub(super) struct Seen {
    by_object: Cache<ObjectId, Online>,
    /// When copies end, by the time of the wall.
    ends: Mutex<BinaryHeap<Reverse<(i64, ObjectId)>>>,
}

/// An object that was online.
#[derive(Debug, Clone, Copy)]
struct Online {
    locality: Locality,
    /// When its store was asked, on the engine's steady time.
    asked_ns: i64,
    /// When its copy ends, by the time of the wall.
    until_ns: Option<i64>,
}

impl Online {
    fn is_so(&self, now: Now) -> bool {
        match self.until_ns {
            Some(until_ns) => now.wall_ns < until_ns.saturating_sub(nanoseconds(MARGIN)),
            None => now.steady_ns.saturating_sub(self.asked_ns) < nanoseconds(SEEN_FOR),
        }
    }
}

impl Default for Seen {
    fn default() -> Self {
        Self { by_object: Cache::new(MAX_SEEN), ends: Mutex::default() }
    }
}

impl Seen {
    /// Notes what a store says of an object that it was asked about at `asked`. True if it counted as online and does not
    /// any more.
    pub(super) fn note(&self, id: &ObjectId, status: &ObjectStatus, asked: Now) -> bool {
        if !status.locality.is_online() {
            return self.by_object.remove(id).is_some();
        }
        let until_ns = status.online_until_ns;
        let online = Online { locality: status.locality, asked_ns: asked.steady_ns, until_ns };
        let was = self.by_object.get(id).and_then(|known| known.until_ns);
        self.by_object.insert(id.clone(), online);
        if let Some(until_ns) = until_ns.filter(|_| was != until_ns) {
            let mut ends = self.ends.lock();
            if ends.len() < 2 * MAX_SEEN {
                ends.push(Reverse((until_ns, id.clone())));
            }
        }
        false
    }

    /// Where an object is, if it was seen online and still is so as far as can be known.
    pub(super) fn get(&self, id: &ObjectId, now: Now) -> Option<Locality> {
        self.by_object.get(id).filter(|online| online.is_so(now)).map(|online| online.locality)
    }

    /// Objects are cold, or somebody doubts that they are online.
    pub(super) fn forget<'i>(&self, ids: impl IntoIterator<Item = &'i ObjectId>) {
        for id in ids {
            self.by_object.remove(id);
        }
    }

    /// Objects whose copies have ended since this was asked last; they are forgotten.
    pub(super) fn ended(&self, now: Now) -> Vec<ObjectId> {
        let mut ended = Vec::new();
        let mut ends = self.ends.lock();
        while let Some(Reverse((until_ns, _))) = ends.peek()
            && *until_ns <= now.wall_ns
        {
            let Some(Reverse((until_ns, id))) = ends.pop() else { break };
            // A copy that was made to last has another end by now.
            if self.by_object.get(&id).is_some_and(|online| online.until_ns == Some(until_ns)) {
                self.by_object.remove(&id);
                ended.push(id);
            }
        }
        ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_NS: i64 = 3_600_000_000_000;

    fn at(wall_ns: i64) -> Now {
        Now { wall_ns, steady_ns: wall_ns, watched_ns: wall_ns }
    }

    fn status(locality: Locality, online_until_ns: Option<i64>) -> ObjectStatus {
        ObjectStatus {
            locality,
            len_bytes: 1,
            version: "1".to_owned(),
            place: None,
            checksum: None,
            links_to: None,
            online_until_ns,
        }
    }

    #[test]
    fn what_was_seen_online_is_so_until_its_copy_ends_and_ends_once() {
        let (seen, id) = (Seen::default(), ObjectId::new("bucket", "a").unwrap());
        seen.note(&id, &status(Locality::OnlineAndNearline, Some(HOUR_NS)), at(0));
        assert_eq!(seen.get(&id, at(HOUR_NS / 2)), Some(Locality::OnlineAndNearline));
        assert!(seen.ended(at(HOUR_NS / 2)).is_empty());
        // It was made to last.
        seen.note(&id, &status(Locality::OnlineAndNearline, Some(2 * HOUR_NS)), at(HOUR_NS / 2));
        assert!(seen.ended(at(HOUR_NS)).is_empty());
        assert!(seen.get(&id, at(HOUR_NS)).is_some());
        assert_eq!(seen.get(&id, at(2 * HOUR_NS)), None);
        assert_eq!(seen.ended(at(2 * HOUR_NS)), [id]);
        assert!(seen.ended(at(3 * HOUR_NS)).is_empty());
    }

    #[test]
    fn what_does_not_end_by_itself_is_asked_about_again_and_what_is_doubted_at_once() {
        let (seen, id) = (Seen::default(), ObjectId::new("bucket", "a").unwrap());
        seen.note(&id, &status(Locality::Online, None), at(0));
        assert_eq!(seen.get(&id, at(HOUR_NS - 1)), Some(Locality::Online));
        assert_eq!(seen.get(&id, at(HOUR_NS)), None);
        seen.note(&id, &status(Locality::Online, None), at(HOUR_NS));
        seen.forget([&id]);
        assert_eq!(seen.get(&id, at(HOUR_NS)), None);
        assert!(!seen.note(&id, &status(Locality::Online, None), at(HOUR_NS)));
        assert!(seen.note(&id, &status(Locality::Nearline, None), at(HOUR_NS)));
        assert!(!seen.note(&id, &status(Locality::Nearline, None), at(HOUR_NS)), "it was cold already");
        assert_eq!(seen.get(&id, at(HOUR_NS)), None);
    }
}
