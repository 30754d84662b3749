//! Asking the providers again and again, and indexing what is new.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::stream::FuturesUnordered;
use futures::{StreamExt, stream};
use thermocline_model::DatasetId;
use tokio::sync::MutexGuard;
use tracing::{info, warn};

use super::entry::{Entries, Entry, Phase, Withdrawn};
use super::indexing::source_key;
use super::{Catalog, DatasetSpec, Provider, SharedSpecs, watch};
use crate::access::{DEFAULT_RULE, PUBLIC_RULE};
use crate::clock::nanoseconds;
use crate::manifest::blocking;
use crate::{Error, Result};

/// Scanning and looking at sources take at most this part of the time.
const SHARE_OF_TIME: u32 = 20;

/// Entries whose index files are looked at in one go.
const PEEKS: usize = 512;

/// Most refused and vanished sources that are looked at again in one round.
const MAX_LOOKS: usize = 1000;

/// A scan that a change notice causes waits for this many times what the last one took: an archive that
/// is written to all the time must not be scanned all the time.
const NOTICE_PAUSE: u32 = 4;

/// Longest pause after a provider failed: waiting for a store that is down costs little.
const MAX_PAUSE_OF_FAILING: Duration = Duration::from_secs(30);

/// Change notices that come within this time of one another cause one scan.
const SETTLE: Duration = Duration::from_millis(100);

/// How long a scan waits for providers before it merges what the others said: an object store that does not
/// answer must not keep a folder from being served.
const GRACE: Duration = Duration::from_secs(2);

/// What a provider said. No other answer of it is merged before this one.
struct Answer<'a> {
    provider: usize,
    specs: Result<SharedSpecs>,
    _one_at_a_time: MutexGuard<'a, ()>,
}

impl Catalog {
    /// Scans once, then keeps scanning and indexing in the background until [`Catalog::shut_down`].
    pub async fn start(&self) {
        if self.shared.settings.is_watching {
            for provider in 0..self.shared.providers.len() {
                let catalog = self.clone();
                self.until_shut_down(async move { catalog.keep_scanning(provider).await });
            }
            let catalog = self.clone();
            self.until_shut_down(async move {
                let _watcher = catalog.watch().await;
                std::future::pending().await
            });
        }
        let catalog = self.clone();
        self.until_shut_down(async move { catalog.keep_indexing().await });
        if self.shared.settings.is_watching && self.shared.settings.is_indexing_ahead {
            let catalog = self.clone();
            self.until_shut_down(async move { catalog.keep_looking().await });
        }
        self.scan().await;
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

    /// Asks every provider what it declares, all at once. One that fails keeps what it declared before.
    pub async fn scan(&self) {
        let mut asked: FuturesUnordered<_> =
            (0..self.shared.providers.len()).map(|provider| self.ask(provider)).collect();
        let mut grace = std::pin::pin!(self.shared.settings.clock.sleep(GRACE));
        let mut prompt = Vec::new();
        loop {
            tokio::select! {
                biased;
                answer = asked.next() => match answer {
                    Some(answer) => prompt.push(answer),
                    None => break,
                },
                () = &mut grace => break,
            }
        }
        self.take_over(prompt).await;
        while let Some(answer) = asked.next().await {
            self.take_over(vec![answer]).await;
        }
    }

    /// Asks one of the providers now, after changes that it knows of itself.
    pub async fn scan_one(&self, provider: &Arc<dyn Provider>) {
        let is_meant =
            |known: &Arc<dyn Provider>| std::ptr::addr_eq(Arc::as_ptr(known), Arc::as_ptr(provider));
        if let Some(position) = self.shared.providers.iter().position(is_meant) {
            let answer = self.ask(position).await;
            self.take_over(vec![answer]).await;
        }
    }

    async fn ask(&self, provider: usize) -> Option<Answer<'_>> {
        let (asked, turn) = (self.shared.providers.get(provider)?, self.shared.turns.get(provider)?);
        let one_at_a_time = turn.lock().await;
        Some(Answer { provider, specs: asked.shared_specs().await, _one_at_a_time: one_at_a_time })
    }

    /// Takes over what providers said.
    async fn take_over(&self, answers: Vec<Option<Answer<'_>>>) {
        let mut declared = Vec::with_capacity(answers.len());
        let mut turns = Vec::with_capacity(answers.len());
        for answer in answers.into_iter().flatten() {
            match answer.specs {
                Ok(specs) => {
                    self.shared.problems.lock().remove(&answer.provider);
                    declared.push((answer.provider, specs));
                }
                Err(error) => self.report(answer.provider, &error),
            }
            turns.push((answer.provider, answer._one_at_a_time));
        }
        let catalog = self.clone();
        let merged = blocking(move || {
            catalog.merge(declared);
            Ok(())
        });
        if let Err(error) = merged.await {
            warn!(%error, "datasets of the providers were not merged");
        }
        self.shared.unasked.lock().retain(|provider| turns.iter().all(|(answered, _)| answered != provider));
        self.shared.merged.notify_one();
    }

    /// Indexes every dataset that nobody looked at yet, and looks again at those that wait for their
    /// source and those whose source changed in place. Returns when that is done.
    pub async fn index_ahead(&self) {
        let entries = self.entries();
        let unknown: Vec<Arc<Entry>> =
            entries.all().iter().filter(|entry| entry.is_unknown()).cloned().collect();
        let todo = self.all_not_in_index(unknown).await;
        let mut sources = HashSet::new();
        let (mut todo, same): (Vec<_>, Vec<_>) =
            todo.into_iter().partition(|entry| sources.insert(source_key(&entry.spec)));
        let now_ns = self.shared.settings.clock.now_ns();
        let waiting = entries.all().iter().filter(|entry| entry.is_waiting_for_source());
        let mut due: Vec<&Arc<Entry>> = waiting.filter(|entry| self.is_due(entry, now_ns)).collect();
        due.sort_by_cached_key(|entry| entry.slot.lock().checked_at_ns);
        todo.extend(due.into_iter().take(MAX_LOOKS).cloned());
        todo.extend(self.take_quiet(now_ns));
        drop(entries);
        self.settle_all(todo).await;
        // Of what shares a source with another dataset the index may know by now.
        let same = self.all_not_in_index(same).await;
        self.settle_all(same).await;
    }

    /// Whether the index has what is declared of these datasets, without a look at their sources; `None` for what is not
    /// declared, or not settled.
    pub(crate) async fn are_indexed(&self, ids: &[&DatasetId]) -> Vec<Option<bool>> {
        let entries = self.entries();
        let meant: Vec<Option<Arc<Entry>>> = ids.iter().map(|id| entries.get(id.as_str()).cloned()).collect();
        drop(entries);
        let unknown = meant.iter().flatten().filter(|entry| entry.is_unknown()).cloned().collect();
        self.all_not_in_index(unknown).await;
        meant.iter().map(|entry| entry.as_ref()?.is_indexed()).collect()
    }

    async fn all_not_in_index(&self, entries: Vec<Arc<Entry>>) -> Vec<Arc<Entry>> {
        let mut unknown = Vec::new();
        for some in entries.chunks(PEEKS) {
            let some = some.to_vec();
            let catalog = self.clone();
            match blocking(move || Ok(catalog.not_in_index(some))).await {
                Ok(found) => unknown.extend(found),
                Err(error) => warn!(%error, "the index was not looked at"),
            }
        }
        unknown
    }

    pub(super) async fn settle_all(&self, entries: Vec<Arc<Entry>>) {
        let n_at_a_time = self.shared.settings.n_indexers.max(1);
        stream::iter(entries)
            .for_each_concurrent(n_at_a_time, |entry| async move {
                // The outcome is in the entry; whoever opens it is told.
                let _ = self.settle(&entry).await;
            })
            .await;
    }

    /// Asks one provider again and again, each at its own pace: a store that answers slowly is asked seldom,
    /// and a folder beside it as often as ever.
    async fn keep_scanning(&self, provider: usize) {
        let settings = &self.shared.settings;
        let Some(hint) = self.shared.hints.get(provider) else { return };
        let mut took = Duration::ZERO;
        let mut has_failed = false;
        let mut asked_ns = settings.clock.now_ns();
        loop {
            let share = if has_failed { took.min(MAX_PAUSE_OF_FAILING) } else { took * SHARE_OF_TIME };
            let due_ns = asked_ns.saturating_add(nanoseconds(settings.scan_every.max(share)));
            let pause_ns = due_ns.saturating_sub(settings.clock.now_ns());
            let has_changed = tokio::select! {
                () = settings.clock.sleep(Duration::from_nanos(u64::try_from(pause_ns).unwrap_or(0))) => false,
                () = hint.notified() => true,
            };
            if has_changed {
                settings.clock.sleep(SETTLE).await;
                let changed = hint.take();
                self.note_changed(changed.clone().unwrap_or_default()).await;
                if self.ask_after(provider, changed).await {
                    continue;
                }
                settings.clock.sleep((took * NOTICE_PAUSE).saturating_sub(SETTLE)).await;
            }
            let started_ns = settings.clock.now_ns();
            let answer = self.ask(provider).await;
            has_failed = answer.as_ref().is_some_and(|answer| answer.specs.is_err());
            self.take_over(vec![answer]).await;
            asked_ns = settings.clock.now_ns();
            took = Duration::from_nanos(u64::try_from(asked_ns.saturating_sub(started_ns)).unwrap_or(0));
        }
    }

    /// Takes over what a provider says of changed paths; false if it has to be asked for everything.
    async fn ask_after(&self, provider: usize, changed: Option<Vec<PathBuf>>) -> bool {
        let (Some(changed), Some(asked), Some(turn)) =
            (changed, self.shared.providers.get(provider), self.shared.turns.get(provider))
        else {
            return false;
        };
        let one_at_a_time = turn.lock().await;
        let Ok(Some(specs)) = asked.specs_after(&changed).await else { return false };
        let specs = specs.into_iter().map(Arc::new).collect();
        self.take_over(vec![Some(Answer { provider, specs: Ok(specs), _one_at_a_time: one_at_a_time })])
            .await;
        true
    }

    async fn keep_indexing(&self) {
        let settings = &self.shared.settings;
        let mut took = Duration::ZERO;
        loop {
            tokio::select! {
                () = settings.clock.sleep(settings.scan_every.max(took)) => {}
                () = self.shared.merged.notified() => {}
            }
            let started_ns = settings.clock.now_ns();
            if settings.is_indexing_ahead {
                self.index_ahead().await;
            }
            let took_ns =
                settings.clock.now_ns().saturating_sub(started_ns).min(nanoseconds(settings.scan_every));
            took = Duration::from_nanos(u64::try_from(took_ns).unwrap_or(0));
        }
    }

    async fn watch(&self) -> Option<watch::Watcher> {
        let watched: Vec<watch::Watched> = self
            .shared
            .providers
            .iter()
            .zip(&self.shared.hints)
            .map(|(provider, hint)| watch::Watched { paths: provider.watched(), hint: Arc::clone(hint) })
            .collect();
        blocking(move || Ok(watch::watch(watched))).await.ok().flatten()
    }

    /// Those of `entries` that the index does not know; the state of the others is noted.
    fn not_in_index(&self, entries: Vec<Arc<Entry>>) -> Vec<Arc<Entry>> {
        let mut peeked: HashMap<String, Option<[u8; 16]>> = HashMap::new();
        let mut unknown = Vec::new();
        let mut has_changed = false;
        for entry in entries {
            // What is refused is read at once, for its reason; what an older program wrote, to be migrated.
            let key = source_key(&entry.spec);
            let known = peeked.entry(key).or_insert_with_key(|key| self.shared.index.fingerprint(key));
            let Some(fingerprint) = *known else {
                unknown.push(entry);
                continue;
            };
            let mut slot = entry.slot.lock();
            if matches!(slot.phase, Phase::Unknown) {
                slot.phase = Phase::Known;
                slot.fingerprint = Some(fingerprint);
                slot.told = (slot.fingerprint, false);
                has_changed = true;
            }
        }
        if has_changed {
            self.tell_changed();
        }
        unknown
    }

    fn report(&self, provider: usize, error: &Error) {
        let failure = error.to_string();
        let mut problems = self.shared.problems.lock();
        if problems.get(&provider) != Some(&failure) {
            warn!(provider, error = %failure, "provider fails, its datasets stay as they were");
        }
        problems.insert(provider, failure);
    }

    /// Puts what providers declare in place of what they declared before.
    fn merge(&self, declared: Vec<(usize, SharedSpecs)>) {
        let mut merged_last = self.shared.merging.lock();
        let before = self.entries();
        let mut changed = Vec::new();
        for (provider, specs) in declared {
            if merged_last.get(&provider).is_some_and(|last| Arc::ptr_eq(last, &specs)) {
                continue;
            }
            let known = before.by_provider.get(provider).and_then(Option::as_deref);
            let entries = known_or_new(known.unwrap_or_default(), provider, &specs);
            // A list of its own that is made anew each time is not worth its memory.
            if entries.iter().zip(specs.iter()).all(|(entry, spec)| Arc::ptr_eq(&entry.spec, spec)) {
                merged_last.insert(provider, specs);
            } else {
                merged_last.remove(&provider);
            }
            if !known.is_some_and(|known| is_same(known, &entries)) {
                changed.push((provider, entries));
            }
        }
        if changed.is_empty() && before.has_been_asked() {
            return;
        }
        let mut by_provider = before.by_provider.clone();
        for (provider, entries) in changed {
            if let Some(declared) = by_provider.get_mut(provider) {
                *declared = Some(entries);
            }
        }
        let mut merged = Entries::merge(by_provider, &before);
        merged.set_withdrawn(self.withdrawn_since(&before, &merged));
        info!(n_datasets = merged.all().len(), n_before = before.all().len(), "catalog changed");
        // Before anybody can open them.
        if merged.all().iter().any(|entry| is_named_rule(entry.spec.access.as_deref())) {
            self.shared.names_rules.store(true, Ordering::Release);
        }
        *self.shared.entries.write() = Arc::new(merged);
        self.tell_changed();
    }

    /// Datasets that were declared and are not any more, with the time when that was first seen.
    fn withdrawn_since(&self, before: &Entries, now: &Entries) -> HashMap<Box<str>, Withdrawn> {
        let settings = &self.shared.settings;
        let now_ns = settings.clock.now_ns();
        let forget_before_ns = now_ns.saturating_sub(nanoseconds(settings.keep_missing));
        let gone = before.all().iter().map(|entry| {
            let access = entry.spec.access.clone();
            (entry.spec.id.as_str(), Withdrawn { since_ns: now_ns, access })
        });
        let earlier = before.all_withdrawn().iter().map(|(id, withdrawn)| (id.as_ref(), withdrawn.clone()));
        earlier
            .filter(|(_, withdrawn)| withdrawn.since_ns > forget_before_ns)
            .chain(gone)
            .filter(|(id, _)| now.get(id).is_none())
            .take(settings.max_missing)
            .map(|(id, withdrawn)| (id.into(), withdrawn))
            .collect()
    }
}

/// True if a rule is none of those that are always there.
fn is_named_rule(name: Option<&str>) -> bool {
    name.is_some_and(|name| name != DEFAULT_RULE && name != PUBLIC_RULE)
}

/// Entries of what a provider declares, those that it declared before in the state in which they are.
fn known_or_new(known: &[Arc<Entry>], provider: usize, specs: &[Arc<DatasetSpec>]) -> Vec<Arc<Entry>> {
    if known.len() == specs.len() && known.iter().zip(specs).all(|(known, spec)| is_of(known, spec)) {
        return known.to_vec();
    }
    let by_source: HashMap<_, _> =
        known.iter().map(|entry| ((&entry.spec.id, &entry.spec.source), entry)).collect();
    let known_or_new = |spec: &Arc<DatasetSpec>| match by_source.get(&(&spec.id, &spec.source)) {
        Some(known) if is_of(known, spec) => Arc::clone(known),
        _ => Arc::new(Entry::new(provider, Arc::clone(spec))),
    };
    specs.iter().map(known_or_new).collect()
}

fn is_of(entry: &Entry, spec: &Arc<DatasetSpec>) -> bool {
    Arc::ptr_eq(&entry.spec, spec) || entry.spec == *spec
}

fn is_same(before: &[Arc<Entry>], now: &[Arc<Entry>]) -> bool {
    before.iter().map(Arc::as_ptr).eq(now.iter().map(Arc::as_ptr))
}
