//! How long the site keeps files for us.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use parking_lot::Mutex;
use thermocline_core::cold::{ColdObject, ObjectId};
use thermocline_core::{Error, ErrorKind, Result};

use crate::WlcgTapeStore;
use crate::client::Asked;
use crate::documents::{StageBody, disk_lifetime};

/// Most files of which is remembered how long the site keeps them, in 16 bytes each.
const MAX_KEPT: usize = 2_000_000;

/// How long a file is believed to stay on disk that was not asked for, or not lately: others may have, or it is new.
const UNASKED: Duration = Duration::from_secs(20);

/// Until when the site keeps files, as far as it was asked to. It counts from the moment at which a file is on disk, and we
/// from that at which it has accepted the request.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    /// By hashes of names, which are long: two files with the same one would be asked for somewhat earlier or later.
    until_ns: Mutex<HashMap<u64, i64>>,
    hashes: RandomState,
}

impl Kept {
    /// Until when a file stays on disk that is there now, in nanoseconds since 1970.
    pub(crate) fn until_ns(&self, id: &ObjectId, now_ns: i64) -> i64 {
        let known_ns = self.until_ns.lock().get(&self.hashes.hash_one(id)).copied();
        known_ns.filter(|until_ns| *until_ns > now_ns).unwrap_or_else(|| after(now_ns, UNASKED))
    }

    /// Notes that the site keeps files; a longer time that was granted before stays.
    pub(crate) fn note<'o>(
        &self,
        objects: impl IntoIterator<Item = &'o ColdObject>,
        now_ns: i64,
        span: Duration,
    ) {
        let until_ns = after(now_ns, span);
        let mut known = self.until_ns.lock();
        for object in objects {
            if known.len() >= MAX_KEPT {
                known.retain(|_, until_ns| *until_ns > now_ns);
                // What is forgotten is asked for again.
                if known.len() >= MAX_KEPT {
                    known.clear();
                }
            }
            let longest_ns = known.entry(self.hashes.hash_one(&object.id)).or_insert(until_ns);
            *longest_ns = until_ns.max(*longest_ns);
        }
    }
}

impl WlcgTapeStore {
    /// The part of a lifetime that the site is asked for.
    pub(crate) fn granted(&self, lifetime: Duration) -> Duration {
        self.config.max_lifetime.map_or(lifetime, |longest| lifetime.min(longest))
    }

    /// Keeps files that are online: another request for them, which is not asked about.
    pub(crate) async fn keep(&self, objects: &[ColdObject], lifetime: Duration) -> Result<()> {
        let mut by_root: BTreeMap<&str, Vec<(&ColdObject, String)>> = BTreeMap::new();
        for object in objects {
            by_root.entry(object.id.root()).or_default().push((object, self.paths.on_tape(&object.href)?));
        }
        let span = self.granted(lifetime);
        let lifetime = disk_lifetime(span);
        for (root, files) in by_root {
            for some in files.chunks(self.config.batch_objects) {
                let paths: Vec<String> = some.iter().map(|(_, path)| path.clone()).collect();
                let now_ns = self.clock.now_ns();
                match self.client.stage(&StageBody::new(&paths, &lifetime), self.credentials_of(root)).await {
                    Ok(Asked::Accepted(_)) => {
                        self.kept.note(some.iter().map(|(object, _)| *object), now_ns, span);
                    }
                    Ok(Asked::Refused(reason)) => {
                        let kind = ErrorKind::Unavailable { retry_after: self.config.poll_every };
                        return Err(Error::new(kind, reason));
                    }
                    Err(not_asked) => return Err(not_asked.error),
                }
            }
        }
        Ok(())
    }
}

/// A time so long after another, in nanoseconds since 1970.
fn after(time_ns: i64, span: Duration) -> i64 {
    time_ns.saturating_add(i64::try_from(span.as_nanos()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(name: &str) -> ColdObject {
        let id = ObjectId::new("tape", name).unwrap();
        ColdObject { href: format!("https://tape.example/{name}").into(), id }
    }

    #[test]
    fn what_was_granted_longest_counts_until_it_has_passed() {
        let (kept, a, b) = (Kept::default(), object("a"), object("b"));
        let second_ns = 1_000_000_000;
        let hour = Duration::from_secs(3600);
        kept.note([&a], 0, 2 * hour);
        kept.note([&a], 0, hour);
        assert_eq!(kept.until_ns(&a.id, 0), 7200 * second_ns);
        assert_eq!(
            kept.until_ns(&a.id, 7200 * second_ns),
            7220 * second_ns,
            "it is on disk, and nobody knows why"
        );
        assert_eq!(kept.until_ns(&b.id, 5), 5 + 20 * second_ns);
    }
}
