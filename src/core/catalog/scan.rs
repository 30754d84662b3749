//! Asking the providers again and again, and indexing what is new.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, stream};
use tracing::{info, warn};

use super::entry::{Entries, Entry, Phase};
use super::indexing::source_key;
use super::{Catalog, DatasetSpec, watch};
use crate::clock::nanoseconds;
use crate::index::Peek;
use crate::manifest::blocking;

/// Scanning and looking at sources take at most this part of the time.
const SHARE_OF_TIME: u32 = 20;

/// Entries whose index files are looked at in one go.
const PEEKS: usize = 512;

/// Most refused and vanished sources that are looked at again in one round.
const MAX_LOOKS: usize = 1000;

/// A scan that a change notice causes waits for this many times what the last one took: an archive that
/// is written to all the time must not be scanned all the time.
const NOTICE_PAUSE: u32 = 4;

/// Change notices that come within this time of one another cause one scan.
const SETTLE: Duration = Duration::from_millis(100);

impl Catalog {
    /// Scans once, then keeps scanning and indexing in the background until [`Catalog::shut_down`].
    pub async fn start(&self) {
        self.scan().await;
        let catalog = self.clone();
        if self.shared.settings.is_watching {
            self.until_shut_down(async move { catalog.keep_scanning().await });
        }
        let catalog = self.clone();
        self.until_shut_down(async move { catalog.keep_indexing().await });
    }

    fn until_shut_down(&self, work: impl Future<Output = ()> + Send + 'static) {
        let cancel = self.shared.cancel.clone();
        self.shared.tasks.spawn(async move {
            tokio::select! {
                () = cancel.cancelled() => {}
                () = work => {}
            }
        });
    }

    /// Asks every provider what it declares. One that fails keeps what it declared before.
    pub async fn scan(&self) {
        let _one_at_a_time = self.shared.scanning.lock().await;
        let mut answers = Vec::with_capacity(self.shared.providers.len());
        let mut failures = Vec::new();
        for (number, provider) in self.shared.providers.iter().enumerate() {
            match provider.specs().await {
                Ok(specs) => answers.push(Some(specs)),
                Err(error) => {
                    failures.push((number, error.to_string()));
                    answers.push(None);
                }
            }
        }
        self.report(failures);
        let catalog = self.clone();
        let merged = blocking(move || {
            catalog.merge(answers);
            Ok(())
        });
        if let Err(error) = merged.await {
            warn!(%error, "datasets of the providers were not merged");
        }
    }

    /// Indexes every dataset that nobody looked at yet, and looks again at those that wait for their
    /// source. Returns when that is done.
    pub async fn index_ahead(&self) {
        let entries = self.entries();
        let unknown: Vec<Arc<Entry>> =
            entries.all().iter().filter(|entry| entry.is_unknown()).cloned().collect();
        let mut todo = Vec::new();
        for some in unknown.chunks(PEEKS) {
            let some = some.to_vec();
            let catalog = self.clone();
            match blocking(move || Ok(catalog.not_in_index(some))).await {
                Ok(found) => todo.extend(found),
                Err(error) => warn!(%error, "the index was not looked at"),
            }
        }
        let now_ns = self.shared.settings.clock.now_ns();
        let waiting = entries.all().iter().filter(|entry| entry.is_waiting_for_source());
        let mut due: Vec<&Arc<Entry>> = waiting.filter(|entry| self.is_due(entry, now_ns)).collect();
        due.sort_by_cached_key(|entry| entry.slot.lock().checked_at_ns);
        todo.extend(due.into_iter().take(MAX_LOOKS).cloned());
        drop(entries);
        let n_at_a_time = self.shared.settings.n_indexers.max(1);
        stream::iter(todo)
            .for_each_concurrent(n_at_a_time, |entry| async move {
                // The outcome is in the entry; whoever opens it is told.
                let _ = self.settle(&entry).await;
            })
            .await;
    }

    async fn keep_scanning(&self) {
        let settings = &self.shared.settings;
        let _watcher = self.watch().await;
        loop {
            let started_ns = settings.clock.now_ns();
            self.scan().await;
            let took_ns = settings.clock.now_ns().saturating_sub(started_ns);
            let took = Duration::from_nanos(u64::try_from(took_ns).unwrap_or(0));
            let pause = settings.scan_every.max(took * SHARE_OF_TIME);
            tokio::select! {
                () = settings.clock.sleep(pause) => {}
                () = self.shared.hint.notified() => settings.clock.sleep(SETTLE.max(took * NOTICE_PAUSE)).await,
            }
        }
    }

    async fn keep_indexing(&self) {
        let settings = &self.shared.settings;
        loop {
            let started_ns = settings.clock.now_ns();
            if settings.is_indexing_ahead {
                self.index_ahead().await;
            }
            let took_ns =
                settings.clock.now_ns().saturating_sub(started_ns).min(nanoseconds(settings.scan_every));
            let took = Duration::from_nanos(u64::try_from(took_ns).unwrap_or(0));
            settings.clock.sleep(settings.scan_every.max(took)).await;
        }
    }

    async fn watch(&self) -> Option<watch::Watcher> {
        let paths = self.shared.providers.iter().flat_map(|provider| provider.watched()).collect::<Vec<_>>();
        let hint = Arc::clone(&self.shared.hint);
        blocking(move || Ok(watch::watch(&paths, hint))).await.ok().flatten()
    }

    /// Those of `entries` that the index does not know; the state of the others is noted.
    fn not_in_index(&self, entries: Vec<Arc<Entry>>) -> Vec<Arc<Entry>> {
        entries
            .into_iter()
            .filter(|entry| {
                // What is refused is read at once, for its reason.
                let is_known = self.shared.index.peek(&source_key(&entry.spec)) == Peek::Indexed;
                let mut slot = entry.slot.lock();
                if is_known && matches!(slot.phase, Phase::Unknown) {
                    slot.phase = Phase::Known;
                }
                !is_known
            })
            .collect()
    }

    fn report(&self, failures: Vec<(usize, String)>) {
        let mut problems = self.shared.problems.lock();
        for (number, failure) in &failures {
            if !problems.contains(&(*number, failure.clone())) {
                warn!(provider = number, error = %failure, "provider fails, its datasets stay as they were");
            }
        }
        *problems = failures;
    }

    fn merge(&self, answers: Vec<Option<Vec<DatasetSpec>>>) {
        let before = self.entries();
        let by_provider: Vec<Option<Vec<Arc<Entry>>>> = answers
            .into_iter()
            .enumerate()
            .map(|(number, specs)| match specs {
                Some(specs) => {
                    Some(specs.into_iter().map(|spec| known_or_new(&before, number, spec)).collect())
                }
                None => before.by_provider.get(number).cloned().flatten(),
            })
            .collect();
        let is_same = before.is_loaded()
            && by_provider.len() == before.by_provider.len()
            && by_provider.iter().flatten().flatten().map(Arc::as_ptr).eq(before
                .by_provider
                .iter()
                .flatten()
                .flatten()
                .map(Arc::as_ptr));
        if is_same {
            return;
        }
        let mut merged = Entries::merge(by_provider, &before);
        merged.set_withdrawn(self.withdrawn_since(&before, &merged));
        info!(n_datasets = merged.all().len(), n_before = before.all().len(), "catalog changed");
        *self.shared.entries.write() = Arc::new(merged);
    }

    /// Datasets that were declared and are not any more, with the time when that was first seen.
    fn withdrawn_since(&self, before: &Entries, now: &Entries) -> HashMap<Box<str>, i64> {
        let settings = &self.shared.settings;
        let now_ns = settings.clock.now_ns();
        let forget_before_ns = now_ns.saturating_sub(nanoseconds(settings.keep_missing));
        let gone = before.all().iter().map(|entry| (entry.spec.id.as_str(), now_ns));
        let earlier = before.all_withdrawn().iter().map(|(id, since_ns)| (id.as_ref(), *since_ns));
        earlier
            .filter(|(_, since_ns)| *since_ns > forget_before_ns)
            .chain(gone)
            .filter(|(id, _)| now.get(id).is_none())
            .take(settings.max_missing)
            .map(|(id, since_ns)| (id.into(), since_ns))
            .collect()
    }
}

fn known_or_new(before: &Entries, provider: usize, spec: DatasetSpec) -> Arc<Entry> {
    match before.get(spec.id.as_str()) {
        Some(known) if known.provider == provider && *known.spec == spec => Arc::clone(known),
        _ => Arc::new(Entry::new(provider, spec)),
    }
}
