//! Restores that run, as far as this server knows: when each is looked at next, and by which tier it was asked for.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use parking_lot::Mutex;
use thermocline_core::cold::{ColdObject, ObjectId};

use crate::config::Tier;

/// A restore that runs.
#[derive(Debug, Clone, Copy)]
struct Running {
    since_ns: i64,
    next_look_ns: i64,
    /// By which tier this server asked; `None` for what others asked for, or this server before it was started again.
    tier: Option<Tier>,
    /// Whether somebody waits for it at this moment.
    is_urgent: bool,
    /// Whether the store was seen to be at it.
    was_seen: bool,
    /// How often it was not.
    n_absent: u32,
}

/// What a look means for a restore.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Absence {
    /// Looked at again before anything is concluded.
    Once,
    /// The restore has ended without a copy.
    Ended,
}

/// How long to wait between looks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Looks {
    pub(crate) every: Duration,
    pub(crate) max: Duration,
}

impl Looks {
    /// When a restore that runs since `since_ns` is looked at again.
    fn next_ns(&self, since_ns: i64, now_ns: i64) -> i64 {
        let (least, most) = (nanoseconds(self.every), nanoseconds(self.max));
        let age_ns = now_ns.saturating_sub(since_ns).max(0);
        now_ns.saturating_add((age_ns / 8).clamp(least, most.max(least)))
    }
}

/// All of them.
pub(crate) struct Restores {
    looks: Looks,
    running: Mutex<HashMap<ObjectId, Running>>,
    /// Objects for which somebody asks at this moment.
    asking: Mutex<HashSet<ObjectId>>,
    /// Keys of batches that were taken up again after a restart, with what was running of them.
    found_again: Mutex<HashSet<String>>,
}

/// Keeps others from asking for the same object.
pub(crate) struct Asking<'a> {
    restores: &'a Restores,
    id: ObjectId,
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.restores.asking.lock().remove(&self.id);
    }
}

impl Restores {
    pub(crate) fn new(looks: Looks) -> Self {
        Self { looks, running: Mutex::default(), asking: Mutex::default(), found_again: Mutex::default() }
    }

    /// The right to ask for an object; `None` while somebody else has it.
    pub(crate) fn ask(&self, id: &ObjectId) -> Option<Asking<'_>> {
        self.asking.lock().insert(id.clone()).then(|| Asking { restores: self, id: id.clone() })
    }

    /// A restore was asked for, and has begun.
    pub(crate) fn started(&self, id: &ObjectId, tier: Tier, now_ns: i64) {
        let next_look_ns = self.looks.next_ns(now_ns, now_ns);
        let running = Running {
            since_ns: now_ns,
            next_look_ns,
            tier: Some(tier),
            is_urgent: false,
            was_seen: false,
            n_absent: 0,
        };
        self.running.lock().insert(id.clone(), running);
    }

    /// A restore runs.
    pub(crate) fn seen(&self, id: &ObjectId, now_ns: i64) {
        let mut all = self.running.lock();
        let running = all.entry(id.clone()).or_insert(Running {
            since_ns: now_ns,
            next_look_ns: now_ns,
            tier: None,
            is_urgent: false,
            was_seen: true,
            n_absent: 0,
        });
        running.was_seen = true;
        running.n_absent = 0;
        running.next_look_ns = self.looks.next_ns(running.since_ns, now_ns);
    }

    /// No restore runs where one should.
    pub(crate) fn absent(&self, id: &ObjectId, now_ns: i64) -> Absence {
        let mut all = self.running.lock();
        let Some(running) = all.get_mut(id) else { return Absence::Ended };
        running.n_absent += 1;
        if running.was_seen || running.n_absent > 1 {
            all.remove(id);
            return Absence::Ended;
        }
        running.next_look_ns = now_ns.saturating_add(nanoseconds(self.looks.every));
        Absence::Once
    }

    /// Nothing could be found out: looked at again as soon as ever.
    pub(crate) fn not_seen(&self, id: &ObjectId, now_ns: i64) {
        if let Some(running) = self.running.lock().get_mut(id) {
            running.next_look_ns = now_ns.saturating_add(nanoseconds(self.looks.every));
        }
    }

    /// A restore is over, or nobody wants it any more.
    pub(crate) fn forget(&self, id: &ObjectId) {
        self.running.lock().remove(id);
    }

    /// Whether it is time to look. What somebody asks for at this moment is left alone; a clock that was set back delays
    /// nothing.
    pub(crate) fn is_due(&self, id: &ObjectId, now_ns: i64) -> bool {
        if self.asking.lock().contains(id) {
            return false;
        }
        let longest = nanoseconds(self.looks.max);
        self.running.lock().get(id).is_none_or(|running| {
            running.next_look_ns <= now_ns || running.next_look_ns > now_ns.saturating_add(longest)
        })
    }

    /// Somebody says that these have changed: it is time to look.
    pub(crate) fn hint(&self, ids: &[ObjectId]) {
        let mut all = self.running.lock();
        for id in ids {
            if let Some(running) = all.get_mut(id) {
                running.next_look_ns = i64::MIN;
            }
        }
    }

    /// True if a restore may be made faster by asking by `tier`. What others asked for may have been asked for by any.
    pub(crate) fn is_slower_than(&self, id: &ObjectId, tier: Tier) -> bool {
        self.running.lock().get(id).is_none_or(|running| running.tier.is_none_or(|asked| asked < tier))
    }

    /// Notes by which tier a restore was asked for.
    pub(crate) fn set_tier(&self, id: &ObjectId, tier: Tier) {
        if let Some(running) = self.running.lock().get_mut(id) {
            running.tier = Some(tier);
        }
    }

    /// Notes that somebody waits for a restore at this moment.
    pub(crate) fn set_urgent(&self, id: &ObjectId) {
        if let Some(running) = self.running.lock().get_mut(id) {
            running.is_urgent = true;
        }
    }

    /// Whether somebody waits for any of some restores.
    pub(crate) fn is_urgent<'o>(&self, objects: impl IntoIterator<Item = &'o ColdObject>) -> bool {
        let all = self.running.lock();
        objects.into_iter().any(|object| all.get(&object.id).is_some_and(|running| running.is_urgent))
    }

    /// A batch was taken up again after a restart.
    pub(crate) fn found_again(&self, key: &str) {
        self.found_again.lock().insert(key.to_owned());
    }

    /// True if a batch was taken up again, and is not known whole; it is not any more then.
    pub(crate) fn take_found_again(&self, key: &str) -> bool {
        self.found_again.lock().remove(key)
    }

    /// Those of some objects whose restore is known to run.
    pub(crate) fn known_of<'o>(
        &self,
        objects: impl IntoIterator<Item = &'o ColdObject>,
    ) -> HashSet<ObjectId> {
        let all = self.running.lock();
        objects.into_iter().map(|object| &object.id).filter(|id| all.contains_key(*id)).cloned().collect()
    }
}

/// A duration as clocks count.
pub(crate) fn nanoseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    fn restores() -> (Restores, ObjectId) {
        let looks = Looks { every: Duration::from_secs(30), max: Duration::from_secs(900) };
        (Restores::new(looks), ObjectId::new("a", "x").unwrap())
    }

    #[test]
    fn looks_become_rarer_and_never_rarer_than_the_longest_time() {
        let looks = Looks { every: Duration::from_secs(30), max: Duration::from_secs(900) };
        for (age, wait) in [(0, 30), (240, 30), (800, 100), (7200, 900), (40_000, 900)] {
            assert_eq!(looks.next_ns(0, age * SECOND), (age + wait) * SECOND);
        }
    }

    #[test]
    fn a_hint_makes_it_time_to_look() {
        let (restores, id) = restores();
        restores.started(&id, Tier::Standard, 0);
        assert!(!restores.is_due(&id, SECOND));
        restores.hint(std::slice::from_ref(&id));
        assert!(restores.is_due(&id, SECOND));
    }

    #[test]
    fn what_somebody_waits_for_is_looked_at_first_until_it_is_over() {
        let (restores, id) = restores();
        let object = ColdObject { id: id.clone(), href: "s3://a/x".into() };
        restores.set_urgent(&id);
        restores.seen(&id, 0);
        assert!(!restores.is_urgent([&object]));
        restores.set_urgent(&id);
        assert!(restores.is_urgent([&object]));
        restores.forget(&id);
        restores.seen(&id, 0);
        assert!(!restores.is_urgent([&object]));
    }

    #[test]
    fn a_clock_that_was_set_back_delays_no_look() {
        let (restores, id) = restores();
        restores.started(&id, Tier::Standard, 1_000_000 * SECOND);
        assert!(restores.is_due(&id, 0));
    }

    #[test]
    fn a_restore_that_was_seen_and_is_gone_has_ended() {
        let (restores, id) = restores();
        restores.started(&id, Tier::Standard, 0);
        assert_eq!(restores.absent(&id, SECOND), Absence::Once);
        restores.seen(&id, 2 * SECOND);
        assert_eq!(restores.absent(&id, 3 * SECOND), Absence::Ended);
    }

    #[test]
    fn one_asks_at_a_time_and_meanwhile_nobody_looks() {
        let (restores, id) = restores();
        let asking = restores.ask(&id);
        assert!(asking.is_some() && restores.ask(&id).is_none());
        assert!(!restores.is_due(&id, 0));
        drop(asking);
        assert!(restores.ask(&id).is_some());
    }
}
