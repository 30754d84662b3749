//! What recalls would cost that nobody has asked for yet.

use std::collections::HashMap;

use super::forecast::Drives;
use super::pace::duration;
use super::{Basis, Estimate, Lane, Scheduler};
use crate::cold::TapePlace;

/// What a request would cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Foresight {
    /// Tapes that hold its files.
    pub n_tapes: usize,
    /// When all of it should be there; `None` if there is nothing to tell it from.
    pub estimate: Option<Estimate>,
}

/// Files, and bytes.
#[derive(Debug, Default, Clone, Copy)]
struct Amount {
    n_files: u64,
    len_bytes: u64,
}

impl Amount {
    fn add(&mut self, n_files: u64, len_bytes: u64) {
        self.n_files += n_files;
        self.len_bytes = self.len_bytes.saturating_add(len_bytes);
    }
}

impl Scheduler {
    /// What it would cost one more owner to recall objects, given by where they lie and how large they are.
    ///
    /// What others wait for is counted as far as it would go before by fair shares.
    pub fn foresee<'a>(
        &mut self,
        objects: impl IntoIterator<Item = (Option<&'a TapePlace>, u64)>,
        now_ns: i64,
    ) -> Foresight {
        self.renew_slots(now_ns);
        let mut tapes: HashMap<&str, Amount> = HashMap::new();
        let mut loose = Amount::default();
        for (place, len_bytes) in objects {
            match place.filter(|_| self.limits.knows_tapes) {
                Some(place) => tapes.entry(&place.tape).or_default().add(1, len_bytes),
                None => loose.add(1, len_bytes),
            }
        }
        let on_tapes = self.seconds_for_tapes(&tapes, now_ns);
        let estimate = match (loose.n_files, self.seconds_for_loose(loose.n_files)) {
            (0, _) => Some((on_tapes, Basis::TapeModel)),
            (_, Some((seconds, basis))) => Some((on_tapes + seconds, basis)),
            (_, None) => None,
        };
        let estimate = estimate.map(|(seconds, basis)| Estimate { wait: duration(seconds), basis });
        Foresight { n_tapes: tapes.len(), estimate }
    }

    /// Seconds until files on tapes have been read, the longest sessions first.
    fn seconds_for_tapes(&self, wanted: &HashMap<&str, Amount>, now_ns: i64) -> f64 {
        if wanted.is_empty() {
            return 0.0;
        }
        let mut drives = Drives::default();
        (0..self.limits.n_at_once).for_each(|slot| drives.add(self.slot_busy(slot, now_ns)));
        let mut sessions: Vec<f64> = wanted
            .iter()
            .map(|(name, amount)| {
                // What waits on the same tape is read with it.
                let waits = self.tapes.find(name).and_then(|tape| self.tapes.get(tape));
                let mut all = *amount;
                waits.into_iter().for_each(|tape| all.add(tape.waiting.len() as u64, tape.len_bytes));
                self.policy.media.session_seconds(all.n_files, all.len_bytes) * self.pace.tape_factor()
            })
            .collect();
        sessions.sort_unstable_by(|a, b| b.total_cmp(a));
        let own: f64 = sessions.iter().sum();
        let others = self.tapes.iter().filter(|(_, tape)| !wanted.contains_key(&*tape.name));
        let others: f64 = others.map(|(_, tape)| self.session_seconds(tape)).sum();
        let n_others = self.owners.iter().filter(|owner| owner.n_waiting > 0).count();
        let before = others.min(own * n_others as f64) / self.limits.n_at_once as f64;
        let last = sessions.iter().map(|seconds| drives.begin(*seconds) + seconds).fold(0.0, f64::max);
        before + last
    }

    /// Seconds for so many recalls without tape, in turns with the other owners.
    fn seconds_for_loose(&self, n_recalls: u64) -> Option<(f64, Basis)> {
        let n_others = self.owners.iter().filter(|owner| owner.n_waiting > 0).count();
        let ahead = (n_recalls as f64 * n_others as f64).min(self.by_id.len() as f64);
        if let Some((seconds, basis)) = self.together(Lane::Bulk) {
            let rounds = ((n_recalls as f64 + ahead) / self.at_once_together()).ceil().max(1.0);
            return Some((rounds * seconds, basis));
        }
        let each = self.loose_seconds()?;
        let rounds = ((n_recalls as f64 + ahead) / self.limits.n_at_once as f64).max(1.0);
        Some((rounds * each, self.loose_basis()))
    }
}
