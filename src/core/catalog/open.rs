//! Making a dataset ready: look at its source, take it from the index, or index it.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use sha2::{Digest, Sha256};
use thermocline_model::Dataset;
use tracing::{info, warn};

use super::entry::{Entry, Failure, Flight, Phase, lost_reason};
use super::indexing::{Outcome, identity_text, source_key};
use super::{Catalog, DatasetSpec, SourceSpec, overrides, withdrawn_reason};
use crate::bytes::is_same_object;
use crate::clock::nanoseconds;
use crate::index::{self, SourceState, Stored, StoredOutcome};
use crate::manifest::{Manifest, Revision, blocking};
use crate::{Error, ErrorKind, Result};

/// Version of what manifests are made of besides the index: part of every revision.
const MANIFEST_VERSION: u32 = 1;

/// A manifest in memory takes about this many times the bytes of its document.
const MEMORY_PER_METADATA_BYTE: usize = 4;

/// What any manifest takes in memory, in bytes.
const MANIFEST_BYTES: usize = 4096;

/// Looking at sources takes at most this part of the time.
const SHARE_OF_TIME: i64 = 20;

/// What the index must have to be of use.
enum Demand {
    /// Whatever it has.
    Any,
    /// An index of this state of the source, however it was made.
    OfState(SourceState),
    /// One of this state that would be made the same way today.
    UpToDate(SourceState),
}

/// What came of indexing.
enum Indexing {
    /// The index has the outcome.
    Done,
    /// These objects have to be recalled first.
    Cold(Arc<[Arc<str>]>),
}

/// A manifest with the state of the source that it was made from.
struct Loaded {
    manifest: Arc<Manifest>,
    storage: Arc<index::IndexedStorage>,
    len_bytes: usize,
}

impl Catalog {
    /// The manifest of an entry, from memory if its source was looked at lately.
    pub(super) async fn open_entry(&self, entry: &Arc<Entry>) -> Result<Arc<Manifest>> {
        if let Some(settled) = self.settled(entry) {
            return settled.map_err(|failure| failure.error());
        }
        let settings = &self.shared.settings;
        tokio::select! {
            result = self.settle(entry) => result.map_err(|failure| failure.error()),
            () = settings.clock.sleep(settings.open_wait) => Err(Error::new(
                ErrorKind::Changed { retry_after: settings.retry_after },
                format!("dataset '{}' is being indexed", entry.spec.id),
            )),
        }
    }

    /// The error of a dataset that no provider declares any more.
    pub(super) fn withdrawn(&self, id: &str, since_ns: i64) -> Error {
        self.gone(since_ns, withdrawn_reason(id)).error()
    }

    fn gone(&self, since_ns: i64, reason: String) -> Failure {
        let settings = &self.shared.settings;
        let away_ns = settings.clock.now_ns().saturating_sub(since_ns);
        if away_ns < nanoseconds(settings.lost_after) {
            return Failure::new(ErrorKind::Changed { retry_after: settings.retry_after }, reason);
        }
        Failure::new(ErrorKind::Lost, reason)
    }

    /// What is known without looking at the source again.
    fn settled(&self, entry: &Arc<Entry>) -> Option<Result<Arc<Manifest>, Failure>> {
        let now_ns = self.shared.settings.clock.now_ns();
        if !entry.is_refused_for_good() && self.is_due(entry, now_ns) {
            return None;
        }
        let slot = entry.slot.lock();
        let answer = match &slot.phase {
            Phase::Ready(_) if slot.storage.upgrade().is_some_and(|storage| !storage.is_stale()) => {
                Ok(slot.manifest.upgrade()?)
            }
            Phase::Refused(_, reason) | Phase::Cold { reason, .. } => {
                Err(Failure::new(ErrorKind::Refused, Arc::clone(reason)))
            }
            Phase::Missing { since_ns } => Err(self.gone(*since_ns, lost_reason(&entry.spec))),
            Phase::Failed(failure) => Err(failure.clone()),
            Phase::Ready(_) | Phase::Unknown | Phase::Known | Phase::Indexing => return None,
        };
        drop(slot);
        // Keeps it in memory: it is used.
        self.shared.manifests.get(&entry.number);
        Some(answer)
    }

    /// True when an entry's source was not looked at for as long as its settings say.
    pub(super) fn is_due(&self, entry: &Entry, now_ns: i64) -> bool {
        let settings = &self.shared.settings;
        let slot = entry.slot.lock();
        let every = match &entry.spec.source {
            _ if !entry.spec.invalidate_after.is_zero() => entry.spec.invalidate_after,
            SourceSpec::Object(href) | SourceSpec::Directory(href) if href.contains("://") => {
                settings.check_remote_every
            }
            _ => settings.check_every,
        };
        // What went wrong may be right soon, and what was recalled can be indexed, however seldom the source is looked at
        // otherwise.
        let every = match &slot.phase {
            Phase::Failed(_) | Phase::Missing { .. } => every.min(settings.retry_after),
            Phase::Cold { objects, .. } if self.have_come_online(objects) => every.min(settings.retry_after),
            _ => every,
        };
        let every_ns = nanoseconds(every).max(slot.check_took_ns.saturating_mul(SHARE_OF_TIME));
        slot.checked_at_ns.is_none_or(|checked_ns| now_ns.saturating_sub(checked_ns) >= every_ns)
    }

    /// True if the objects that were cold when a dataset was to be indexed are known to be online.
    fn have_come_online(&self, cold: &[Arc<str>]) -> bool {
        !cold.is_empty() && cold.iter().all(|href| self.shared.indexer.opener.is_known_online(href))
    }

    /// Makes an entry ready; everybody who asks at the same time waits for the same work, and nobody
    /// who goes away stops it.
    pub(super) fn settle(&self, entry: &Arc<Entry>) -> Flight {
        let mut slot = entry.slot.lock();
        if let Some(flight) = &slot.flight {
            return flight.clone();
        }
        let catalog = self.clone();
        let entry_of_task = Arc::clone(entry);
        let task = self.shared.tasks.spawn(async move {
            let result = catalog.look(&entry_of_task).await;
            catalog.note(&entry_of_task, &result);
            result
        });
        let entry_of_flight = Arc::clone(entry);
        let flight: Flight = async move {
            let result = task.await;
            result.unwrap_or_else(|cause| {
                let failure =
                    Failure::new(ErrorKind::Internal, format!("making a dataset ready failed: {cause}"));
                entry_of_flight.slot.lock().flight = None;
                Err(failure)
            })
        }
        .boxed()
        .shared();
        slot.flight = Some(flight.clone());
        flight
    }

    /// Ends a flight: from now on its outcome counts, until the source is due again.
    fn note(&self, entry: &Entry, result: &Result<Arc<Manifest>, Failure>) {
        let mut slot = entry.slot.lock();
        slot.flight = None;
        if let Err(failure) = result {
            let is_transient = !matches!(failure.kind, ErrorKind::Refused | ErrorKind::Lost);
            if is_transient && !matches!(slot.phase, Phase::Missing { .. } | Phase::Refused(..)) {
                slot.phase = Phase::Failed(failure.clone());
            }
        }
        drop(slot);
        self.tell_if_changed(entry);
    }

    async fn look(&self, entry: &Arc<Entry>) -> Result<Arc<Manifest>, Failure> {
        let state = self.look_at_source(entry).await;
        match state {
            Ok(Some(state)) => self.bring_to(entry, state).await,
            Ok(None) => Err(self.note_missing(entry)),
            Err(error) if error.kind() == ErrorKind::InvalidInput || error.kind() == ErrorKind::Refused => {
                Err(note_refused(entry, None, error.to_string().into()))
            }
            Err(error) => self.without_source(entry, error).await,
        }
    }

    async fn look_at_source(&self, entry: &Arc<Entry>) -> Result<Option<SourceState>> {
        let clock = &self.shared.settings.clock;
        let started_ns = clock.now_ns();
        let catalog = self.clone();
        let spec = Arc::clone(&entry.spec);
        let state = blocking(move || catalog.shared.indexer.state(&spec)).await;
        let now_ns = clock.now_ns();
        let mut slot = entry.slot.lock();
        slot.checked_at_ns = Some(now_ns);
        slot.check_took_ns = now_ns.saturating_sub(started_ns);
        match state {
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Lost) => Ok(None),
            other => other,
        }
    }

    /// The source is in `state`: what is in memory or in the index for that state, else a new index.
    async fn bring_to(&self, entry: &Arc<Entry>, state: SourceState) -> Result<Arc<Manifest>, Failure> {
        match in_memory(entry, &state) {
            Some(Ok(manifest)) if self.has_changed_neighbour(entry, &manifest).await => {}
            Some(known) => return known,
            None => {}
        }
        if let Some(found) = self.find_in_index(entry, Demand::UpToDate(state.clone())).await? {
            return found;
        }
        let permit = self.shared.permits.acquire().await;
        let _permit = permit.map_err(|_| Failure::new(ErrorKind::Internal, "the catalog is closed"))?;
        // Another dataset of the same source may have been indexed meanwhile.
        if let Some(found) = self.find_in_index(entry, Demand::UpToDate(state.clone())).await? {
            return found;
        }
        entry.begin_indexing();
        if let Indexing::Cold(objects) = self.index_source(entry, state.clone()).await? {
            // The index of a cold object is precious, also one that would be made otherwise today.
            let known = self.find_in_index(entry, Demand::OfState(state)).await?;
            return known.unwrap_or_else(|| Err(note_cold(entry, objects)));
        }
        match self.find_in_index(entry, Demand::Any).await? {
            Some(Ok(manifest)) => {
                self.note_neighbours(entry, &manifest).await;
                Ok(manifest)
            }
            Some(refused) => refused,
            None => Err(Failure::new(
                ErrorKind::Unavailable { retry_after: self.shared.settings.retry_after },
                "the index entry that was just written cannot be read",
            )),
        }
    }

    async fn index_source(&self, entry: &Arc<Entry>, state: SourceState) -> Result<Indexing, Failure> {
        let catalog = self.clone();
        let spec = Arc::clone(&entry.spec);
        let started_ns = self.shared.settings.clock.now_ns();
        let done = blocking(move || {
            let outcome = catalog.shared.indexer.index(&spec, state)?;
            let Outcome { entry, indexed } = &outcome;
            let indexed = indexed.as_ref().map_err(String::as_str);
            match catalog.shared.indexer.is_rebuildable(&spec, indexed) {
                true => catalog.shared.index.save_rebuildable(entry, indexed),
                false => catalog.shared.index.save(entry, indexed),
            }
        });
        let done = done.await;
        let took_ns = self.shared.settings.clock.now_ns().saturating_sub(started_ns);
        let dataset = &entry.spec.id;
        match done {
            Ok(()) => {
                info!(%dataset, took_ms = took_ns / 1_000_000, "dataset indexed");
                Ok(Indexing::Done)
            }
            Err(error) if error.kind() == ErrorKind::NotStaged => {
                Ok(Indexing::Cold(error.not_staged().into()))
            }
            Err(error) => {
                warn!(%dataset, %error, "dataset was not indexed, will retry");
                Err(self.soon(error))
            }
        }
    }

    /// An error of a source that exists: never "not found", which clients read as fill values.
    fn soon(&self, error: Error) -> Failure {
        let retry_after = self.shared.settings.retry_after;
        match error.kind() {
            ErrorKind::Changed { .. } | ErrorKind::Unavailable { .. } | ErrorKind::Internal => error.into(),
            _ => Failure::new(ErrorKind::Changed { retry_after }, error.to_string()),
        }
    }

    /// What the index has of an entry's source, if it is as demanded.
    async fn find_in_index(
        &self,
        entry: &Arc<Entry>,
        demand: Demand,
    ) -> Result<Option<Result<Arc<Manifest>, Failure>>, Failure> {
        let catalog = self.clone();
        let entry_of_task = Arc::clone(entry);
        let found = blocking(move || catalog.load(&entry_of_task, &demand)).await;
        found.map_err(|error| self.soon(error))
    }

    fn load(&self, entry: &Arc<Entry>, demand: &Demand) -> Result<Option<Result<Arc<Manifest>, Failure>>> {
        let Some(stored) = self.shared.index.load(&source_key(&entry.spec))? else { return Ok(None) };
        let is_demanded = match demand {
            Demand::Any => true,
            Demand::OfState(state) => is_same_state(&stored.entry.source, state),
            Demand::UpToDate(state) => self.is_of(entry, &stored, state),
        };
        if !is_demanded {
            return Ok(None);
        }
        let source = stored.entry.source.clone();
        let fingerprint = stored.fingerprint;
        match make_manifest(&entry.spec, stored) {
            Ok(loaded) => {
                let len_bytes = loaded.len_bytes;
                let mut slot = entry.slot.lock();
                slot.phase = Phase::Ready(Box::new(source));
                slot.fingerprint = Some(fingerprint);
                slot.manifest = Arc::downgrade(&loaded.manifest);
                slot.storage = Arc::downgrade(&loaded.storage);
                drop(slot);
                self.shared.manifests.insert(entry.number, Arc::clone(&loaded.manifest), len_bytes);
                Ok(Some(Ok(loaded.manifest)))
            }
            Err(reason) => Ok(Some(Err(note_refused(entry, Some(source), reason)))),
        }
    }

    /// True if an index entry is of that state of the source and would be made the same way today.
    fn is_of(&self, entry: &Entry, stored: &Stored, state: &SourceState) -> bool {
        if !is_same_state(&stored.entry.source, state) {
            return false;
        }
        match &stored.outcome {
            // A newer program may read what an older one refused.
            StoredOutcome::Refused(_) if stored.program != env!("CARGO_PKG_VERSION") => return false,
            // With another format built in, it may be recognised.
            StoredOutcome::Refused(_) if stored.entry.format.is_empty() => {
                return self.shared.indexer.index_version("") == Some(stored.entry.format_version);
            }
            StoredOutcome::Refused(_) => {}
            StoredOutcome::Indexed(dataset, _) if self.has_changed_object(entry, &dataset.objects) => {
                return false;
            }
            StoredOutcome::Indexed(..) => {}
        }
        stored.entry.verification >= self.shared.indexer.verify as u8
            && self.shared.indexer.index_version(&stored.entry.format) == Some(stored.entry.format_version)
    }

    fn note_missing(&self, entry: &Entry) -> Failure {
        let mut slot = entry.slot.lock();
        let since_ns = match slot.phase {
            Phase::Missing { since_ns } => since_ns,
            _ => self.shared.settings.clock.now_ns(),
        };
        slot.phase = Phase::Missing { since_ns };
        drop(slot);
        self.gone(since_ns, lost_reason(&entry.spec))
    }

    /// The store does not answer: what is known stays in force. Each read checks its object anyway.
    async fn without_source(&self, entry: &Arc<Entry>, error: Error) -> Result<Arc<Manifest>, Failure> {
        let known = {
            let slot = entry.slot.lock();
            slot.storage.upgrade().filter(|storage| !storage.is_stale()).and(slot.manifest.upgrade())
        };
        if let Some(manifest) = known {
            return Ok(manifest);
        }
        if let Some(found) = self.find_in_index(entry, Demand::Any).await? {
            warn!(dataset = %entry.spec.id, %error, "source does not answer, serving what is in the index");
            return found;
        }
        Err(self.soon(error))
    }
}

/// What is in memory for that state of the source.
fn in_memory(entry: &Entry, state: &SourceState) -> Option<Result<Arc<Manifest>, Failure>> {
    let slot = entry.slot.lock();
    match &slot.phase {
        Phase::Ready(known) if is_same_state(known, state) => {
            let is_usable = slot.storage.upgrade().is_some_and(|storage| !storage.is_stale());
            slot.manifest.upgrade().filter(|_| is_usable).map(Ok)
        }
        Phase::Refused(Some(known), reason) if is_same_state(known, state) => {
            Some(Err(Failure::new(ErrorKind::Refused, Arc::clone(reason))))
        }
        _ => None,
    }
}

/// True if a source was seen in one state both times.
pub(super) fn is_same_state(a: &SourceState, b: &SourceState) -> bool {
    is_same_object(&a.object, &b.object) && a.listing == b.listing
}

fn note_cold(entry: &Entry, objects: Arc<[Arc<str>]>) -> Failure {
    let named = objects.first().map_or("", |first| first);
    let others = match objects.len() {
        0 | 1 => String::new(),
        n => format!(" and {} more", n - 1),
    };
    let reason = format!("not indexed: {named}{others} has to be recalled for that first");
    let reason: Arc<str> = reason.into();
    let mut slot = entry.slot.lock();
    if !matches!(&slot.phase, Phase::Cold { reason: known, .. } if *known == reason) {
        info!(dataset = %entry.spec.id, %reason, "dataset is cold and not indexed");
    }
    slot.phase = Phase::Cold { objects, reason: Arc::clone(&reason) };
    slot.fingerprint = None;
    Failure::new(ErrorKind::Refused, reason)
}

fn note_refused(entry: &Entry, source: Option<SourceState>, reason: Arc<str>) -> Failure {
    let mut slot = entry.slot.lock();
    if !matches!(&slot.phase, Phase::Refused(_, known) if *known == reason) {
        warn!(dataset = %entry.spec.id, %reason, "dataset is refused");
    }
    slot.phase = Phase::Refused(source.map(Box::new), Arc::clone(&reason));
    slot.fingerprint = None;
    Failure::new(ErrorKind::Refused, reason)
}

/// A manifest of what the index holds, or why there can be none.
fn make_manifest(spec: &DatasetSpec, stored: Stored) -> Result<Loaded, Arc<str>> {
    let revision = revision(spec, &stored);
    let len_bytes = stored.metadata_bytes.saturating_mul(MEMORY_PER_METADATA_BYTE) + MANIFEST_BYTES;
    match stored.outcome {
        StoredOutcome::Refused(reason) => Err(reason.into()),
        StoredOutcome::Indexed(dataset, storage) => {
            let manifest = as_declared(spec, dataset, (revision, stored.entry.format), &storage)
                .map_err(|error| error.to_string())?;
            Ok(Loaded { manifest: Arc::new(manifest), storage, len_bytes })
        }
    }
}

/// The manifest of what the index holds; `None` if there can be none.
pub(super) fn manifest_of(spec: &DatasetSpec, stored: &Stored) -> Option<Manifest> {
    let StoredOutcome::Indexed(dataset, storage) = &stored.outcome else { return None };
    as_declared(spec, dataset.clone(), (revision(spec, stored), stored.entry.format.clone()), storage).ok()
}

/// A manifest of what was indexed, as its catalog entry wants it.
fn as_declared(
    spec: &DatasetSpec,
    dataset: Dataset,
    (revision, format): (Revision, String),
    storage: &Arc<index::IndexedStorage>,
) -> Result<Manifest> {
    let dataset = overrides::apply(dataset, spec)?;
    let storage = Arc::<index::IndexedStorage>::clone(storage);
    Ok(Manifest::new(spec.clone(), dataset, revision, format, storage))
}

/// A hash over the source's identity, the indexed content and the catalog entry. Where the entry stands
/// and how often the source is looked at do not change what is served.
fn revision(spec: &DatasetSpec, stored: &Stored) -> Revision {
    let served = DatasetSpec {
        origin: String::new(),
        invalidate_after: Duration::ZERO,
        access: None,
        about: Arc::default(),
        ..spec.clone()
    };
    let mut hash = Sha256::new();
    hash.update(MANIFEST_VERSION.to_le_bytes());
    hash.update(identity_text(&stored.entry.source.object));
    hash.update(stored.entry.source.listing.unwrap_or_default());
    hash.update(stored.fingerprint);
    hash.update(format!("{served:?}"));
    let digest = index::hex(&hash.finalize());
    Revision(digest.get(..32).unwrap_or_default().to_owned())
}
