//! Sources that change in place while nobody opens them, and index files that turn out to be torn.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::entry::{Entry, Failure, Phase};
use super::indexing::source_key;
use super::open::is_same_state;
use super::{Catalog, DatasetSpec, SourceSpec};
use crate::ErrorKind;
use crate::clock::nanoseconds;
use crate::manifest::blocking;

/// A source is indexed again when there was no change notice of it for this long: it may be half written before.
const QUIET: Duration = Duration::from_secs(1);

/// One that is written to all the time is indexed again after this long.
const MAX_WAIT: Duration = Duration::from_secs(30);

/// Sources that are looked at in one go.
const LOOKS: usize = 64;

/// Shortest pause between two goes; looking takes at most a twentieth of the time besides.
const PAUSE: Duration = Duration::from_millis(50);
const SHARE_OF_TIME: u32 = 20;

/// Pause between two rounds of all sources.
const ROUND_PAUSE: Duration = Duration::from_secs(60);

/// A dataset with a change notice.
pub(super) struct Touched {
    entry: Arc<Entry>,
    first_ns: i64,
    last_ns: i64,
}

impl Catalog {
    /// Notes that these paths have changed: indexed datasets that lie there are looked at when next opened, or when they
    /// have been quiet for a while.
    pub(super) async fn note_changed(&self, changed: Vec<PathBuf>) {
        let catalog = self.clone();
        // Nothing is lost if it fails: all sources are looked at in turn.
        let _ = blocking(move || {
            catalog.note_changed_blocking(&changed);
            Ok(())
        })
        .await;
    }

    fn note_changed_blocking(&self, changed: &[PathBuf]) {
        let places: HashSet<&str> =
            changed.iter().flat_map(|path| path.ancestors()).filter_map(Path::to_str).collect();
        let now_ns = self.shared.settings.clock.now_ns();
        for entry in self.entries().all() {
            let (SourceSpec::Object(href) | SourceSpec::Directory(href)) = &entry.spec.source else {
                continue;
            };
            if !places.contains(href.as_str()) || !entry.is_in_index() {
                continue;
            }
            entry.forget_check();
            let mut touched = self.shared.touched.lock();
            let new = || Touched { entry: Arc::clone(entry), first_ns: now_ns, last_ns: now_ns };
            touched.entry(entry.number).or_insert_with(new).last_ns = now_ns;
        }
    }

    /// Datasets with change notices that have been quiet since, or have waited for long.
    pub(super) fn take_quiet(&self, now_ns: i64) -> Vec<Arc<Entry>> {
        let is_over = |since_ns: i64, time: Duration| now_ns.saturating_sub(since_ns) >= nanoseconds(time);
        let mut touched = self.shared.touched.lock();
        let quiet = touched
            .extract_if(|_, one| is_over(one.last_ns, QUIET) || is_over(one.first_ns, MAX_WAIT))
            .map(|(_, touched)| touched.entry);
        quiet.collect()
    }

    /// Looks at the sources of all indexed datasets for ever, slowly: systems lose change notices, and some give none.
    pub(super) async fn keep_looking(&self) {
        let clock = &self.shared.settings.clock;
        loop {
            clock.sleep(ROUND_PAUSE).await;
            let all = self.entries().all().to_vec();
            for some in all.chunks(LOOKS) {
                let started_ns = clock.now_ns();
                let (catalog, some) = (self.clone(), some.to_vec());
                let changed = blocking(move || Ok(catalog.changed_in_place(some))).await;
                let took_ns = clock.now_ns().saturating_sub(started_ns);
                self.settle_all(changed.unwrap_or_default()).await;
                let took = Duration::from_nanos(u64::try_from(took_ns).unwrap_or(0));
                clock.sleep(PAUSE.max(took * SHARE_OF_TIME)).await;
            }
        }
    }

    /// Those whose sources are in another state than the index has them. Blocking.
    pub(super) fn changed_in_place(&self, entries: Vec<Arc<Entry>>) -> Vec<Arc<Entry>> {
        entries.into_iter().filter(|entry| self.has_changed_in_place(entry)).collect()
    }

    fn has_changed_in_place(&self, entry: &Entry) -> bool {
        let known = match &entry.slot.lock().phase {
            Phase::Ready(state) => Some(state.clone()),
            Phase::Known => None,
            _ => return false,
        };
        if !self.is_due(entry, self.shared.settings.clock.now_ns()) {
            return false;
        }
        // One that is away, or does not answer, is waited for: opening it tells.
        let Ok(Some(state)) = self.shared.indexer.state(&entry.spec) else { return false };
        match known {
            Some(known) => !is_same_state(&known, &state),
            None => match self.shared.index.load(&source_key(&entry.spec)) {
                Ok(Some(stored)) => !is_same_state(&stored.entry.source, &state),
                Ok(None) => true,
                Err(_) => false,
            },
        }
    }

    /// Has a dataset looked at again that the index seemed to have: its file is torn, or no manifest comes of it.
    pub(super) fn look_again(&self, spec: &DatasetSpec) {
        let entries = self.entries();
        let Some(entry) = entries.get(spec.id.as_str()).filter(|entry| *entry.spec == *spec) else { return };
        let mut slot = entry.slot.lock();
        if slot.flight.is_none() && matches!(slot.phase, Phase::Known | Phase::Ready(_)) {
            let kind = ErrorKind::Changed { retry_after: self.shared.settings.retry_after };
            let reason =
                format!("dataset '{}' is looked at again: what the index has of it cannot be used", spec.id);
            slot.phase = Phase::Failed(Failure::new(kind, reason));
            slot.checked_at_ns = None;
            slot.fingerprint = None;
        }
        drop(slot);
        self.tell_if_changed(entry);
    }
}
