//! How long the site keeps files for us.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use parking_lot::Mutex;
use thermocline_core::cold::{ColdObject, ObjectId};
use thermocline_core::{Error, ErrorKind, Result};

use crate::client::Asked;
use crate::documents::{StageBody, disk_lifetime};
use crate::parts::Parts;
use crate::{Located, WlcgTapeStore};

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

    /// Forgets how long the site keeps files that are not wanted any more: another request may want them still, but which
    /// time was granted for it is not known.
    pub(crate) fn forget<'o>(&self, ids: impl IntoIterator<Item = &'o ObjectId>) {
        let mut known = self.until_ns.lock();
        for id in ids {
            known.remove(&self.hashes.hash_one(id));
        }
    }
}

impl WlcgTapeStore {
    /// The part of a lifetime that the site is asked for.
    pub(crate) fn granted(&self, lifetime: Duration) -> Duration {
        self.config.max_lifetime.map_or(lifetime, |longest| lifetime.min(longest))
    }

    /// Keeps files that are online: other requests for them, which are not asked about.
    ///
    /// # Errors
    /// The last of what kept some files from being asked for. All others were.
    pub(crate) async fn keep(&self, objects: &[ColdObject], lifetime: Duration) -> Result<()> {
        let mut outcome = Ok(());
        let mut by_root: BTreeMap<&str, Vec<Located>> = BTreeMap::new();
        for object in objects {
            match self.paths.on_tape(&object.href) {
                Ok(path) => by_root.entry(object.id.root()).or_default().push((object.clone(), path)),
                Err(error) => outcome = Err(error),
            }
        }
        let span = self.granted(lifetime);
        for (root, files) in by_root {
            for some in files.chunks(self.config.batch_objects) {
                outcome = self.keep_in_parts(root, some, span).await.and(outcome);
            }
        }
        outcome
    }

    /// Keeps files of one root, in halves where the site refuses some of them.
    async fn keep_in_parts(&self, root: &str, files: &[Located], span: Duration) -> Result<()> {
        let (lifetime, by) = (disk_lifetime(span), self.credentials_of(root));
        let mut outcome = Ok(());
        let mut parts = Parts::new(files.iter().collect());
        while let Some(part) = parts.next() {
            let paths: Vec<String> = part.iter().map(|(_, path)| path.clone()).collect();
            let now_ns = self.clock.now_ns();
            match self.client.stage(&StageBody::new(&paths, &lifetime), by).await {
                Ok(Asked::Accepted(_)) => {
                    self.kept.note(part.iter().map(|(object, _)| object), now_ns, span);
                }
                Ok(Asked::Refused(reason)) => {
                    if parts.halve(part).is_err() {
                        let kind = ErrorKind::Unavailable { retry_after: self.config.poll_every };
                        outcome = Err(Error::new(kind, reason));
                    }
                }
                Err(not_asked) => return Err(not_asked.error),
            }
        }
        outcome
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
        kept.forget([&a.id]);
        assert_eq!(kept.until_ns(&a.id, 0), 20 * second_ns);
    }
}
