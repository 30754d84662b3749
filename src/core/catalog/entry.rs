//! One dataset's state in the catalog, and the set of all of them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use futures::future::{BoxFuture, Shared};
use parking_lot::Mutex;
use thermocline_model::DatasetId;

use super::{DatasetSpec, DatasetState, SourceSpec};
use crate::index::{IndexedStorage, SourceState};
use crate::manifest::Manifest;
use crate::{Error, ErrorKind, Result};

/// An error that several waiters can have.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    pub(super) kind: ErrorKind,
    pub(super) message: Arc<str>,
}

impl Failure {
    pub(super) fn new(kind: ErrorKind, message: impl Into<Arc<str>>) -> Self {
        Self { kind, message: message.into() }
    }

    pub(super) fn error(&self) -> Error {
        Error::new(self.kind, self.message.as_ref())
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::new(error.kind(), error.to_string())
    }
}

/// The work of making a dataset ready, which all who wait for it share.
pub(super) type Flight = Shared<BoxFuture<'static, Result<Arc<Manifest>, Failure>>>;

/// Where a dataset stands.
#[derive(Debug, Clone)]
pub(super) enum Phase {
    /// Nobody looked at it yet.
    Unknown,
    /// In the index; not looked at since the server started.
    Known,
    /// Being indexed.
    Indexing,
    /// Indexed and seen to be in that state.
    Ready(Box<SourceState>),
    /// Not indexed: these objects have to be recalled for that first. Nobody does that by opening it.
    Cold { objects: Arc<[Arc<str>]>, reason: Arc<str> },
    /// Refused while its source is in that state.
    Refused(Option<Box<SourceState>>, Arc<str>),
    /// Its source was not there, first seen so at that time.
    Missing { since_ns: i64 },
    /// It could not be looked at or indexed; the next attempt may succeed.
    Failed(Failure),
}

/// What changes of an entry.
pub(super) struct Slot {
    pub(super) phase: Phase,
    /// When the source was last looked at.
    pub(super) checked_at_ns: Option<i64>,
    /// What looking at the source took.
    pub(super) check_took_ns: i64,
    /// Numbers of objects that reads found changed.
    pub(super) suspects: Vec<u32>,
    /// Before that time neighbours are not looked at: they differed from what was just indexed.
    pub(super) neighbours_from_ns: i64,
    /// Whose turn it is of those that are not looked at each time.
    pub(super) neighbours_turn: u32,
    pub(super) manifest: Weak<Manifest>,
    pub(super) storage: Weak<IndexedStorage>,
    pub(super) flight: Option<Flight>,
    /// That of what the index has of the source; `None` while it is not indexed, or refused. It stays while the source
    /// is away or indexed again.
    pub(super) fingerprint: Option<[u8; 16]>,
    /// What those who follow the listing were told of it: the fingerprint, and whether it is refused.
    pub(super) told: (Option<[u8; 16]>, bool),
}

impl Slot {
    /// True for what is not served as it is, other than for a moment.
    pub(super) fn is_refused(&self) -> bool {
        matches!(self.phase, Phase::Refused(..) | Phase::Cold { .. })
    }
}

/// A dataset as one provider declares it.
pub(super) struct Entry {
    /// Different for every entry of a process.
    pub(super) number: u64,
    pub(super) provider: usize,
    pub(super) spec: Arc<DatasetSpec>,
    pub(super) slot: Mutex<Slot>,
}

impl Entry {
    pub(super) fn new(provider: usize, spec: Arc<DatasetSpec>) -> Self {
        static N_ENTRIES: AtomicU64 = AtomicU64::new(0);
        let phase = match &spec.source {
            SourceSpec::Refused(reason) => Phase::Refused(None, reason.as_str().into()),
            _ => Phase::Unknown,
        };
        let slot = Slot {
            phase,
            checked_at_ns: None,
            check_took_ns: 0,
            suspects: Vec::new(),
            neighbours_from_ns: i64::MIN,
            neighbours_turn: 0,
            manifest: Weak::new(),
            storage: Weak::new(),
            flight: None,
            fingerprint: None,
            told: (None, false),
        };
        let number = N_ENTRIES.fetch_add(1, Ordering::Relaxed);
        Self { number, provider, spec, slot: Mutex::new(slot) }
    }

    /// True for what its provider refuses: there is no source to look at.
    pub(super) fn is_refused_for_good(&self) -> bool {
        matches!(self.spec.source, SourceSpec::Refused(_))
    }

    pub(super) fn is_unknown(&self) -> bool {
        matches!(self.slot.lock().phase, Phase::Unknown)
    }

    /// Whether the index has it, as far as is known; `None` while that is not settled.
    pub(super) fn is_indexed(&self) -> Option<bool> {
        match self.slot.lock().phase {
            Phase::Known | Phase::Ready(_) => Some(true),
            Phase::Unknown | Phase::Refused(..) | Phase::Cold { .. } => Some(false),
            Phase::Indexing | Phase::Missing { .. } | Phase::Failed(_) => None,
        }
    }

    /// True for what the index has, as far as anybody looked.
    pub(super) fn is_in_index(&self) -> bool {
        matches!(self.slot.lock().phase, Phase::Known | Phase::Ready(_))
    }

    /// True for a source that may become a dataset without anybody opening it.
    pub(super) fn is_waiting_for_source(&self) -> bool {
        let slot = self.slot.lock();
        !self.is_refused_for_good()
            && matches!(
                slot.phase,
                Phase::Refused(..) | Phase::Cold { .. } | Phase::Missing { .. } | Phase::Failed(_)
            )
    }

    /// Notes that it is being indexed. What is cold shows as that until it is done: most attempts end there.
    pub(super) fn begin_indexing(&self) {
        let mut slot = self.slot.lock();
        if !matches!(slot.phase, Phase::Cold { .. }) {
            slot.phase = Phase::Indexing;
        }
    }

    /// True if what is indexed of it is not what those who follow the listing were told; from now on they are.
    pub(super) fn take_change(&self) -> bool {
        let mut slot = self.slot.lock();
        let now = (slot.fingerprint, slot.is_refused());
        std::mem::replace(&mut slot.told, now) != now
    }

    /// The objects that have to be recalled before it can be indexed; none if it is not that.
    pub(super) fn cold_objects(&self) -> Arc<[Arc<str>]> {
        match &self.slot.lock().phase {
            Phase::Cold { objects, .. } => Arc::clone(objects),
            _ => Arc::default(),
        }
    }

    pub(super) fn forget_check(&self) {
        self.slot.lock().checked_at_ns = None;
    }

    pub(super) fn state(&self) -> DatasetState {
        let slot = self.slot.lock();
        match &slot.phase {
            Phase::Unknown | Phase::Indexing | Phase::Failed(_) => DatasetState::Indexing,
            Phase::Known => DatasetState::Indexed,
            Phase::Ready(_) => slot.manifest.upgrade().map_or(DatasetState::Indexed, DatasetState::Ready),
            Phase::Refused(_, reason) | Phase::Cold { reason, .. } => {
                DatasetState::Refused(reason.to_string())
            }
            Phase::Missing { .. } => DatasetState::Lost(lost_reason(&self.spec)),
        }
    }
}

pub(super) fn lost_reason(spec: &DatasetSpec) -> String {
    let href = match &spec.source {
        SourceSpec::Object(href) | SourceSpec::Directory(href) => href.as_str(),
        SourceSpec::Refused(_) => "",
    };
    format!("the source {href} of dataset '{}' is gone", spec.id)
}

/// All datasets, as they were declared at one moment.
pub(super) struct Entries {
    /// What each provider declared; `None` before it answered once.
    pub(super) by_provider: Vec<Option<Vec<Arc<Entry>>>>,
    ordered: Vec<Arc<Entry>>,
    by_id: HashMap<Box<str>, Arc<Entry>>,
    withdrawn: Arc<HashMap<Box<str>, Withdrawn>>,
    has_been_asked: bool,
}

/// What is known of a dataset that no provider declares any more.
#[derive(Debug, Clone)]
pub(super) struct Withdrawn {
    /// When that was first seen.
    pub(super) since_ns: i64,
    /// The access rule that it named.
    pub(super) access: Option<Arc<str>>,
}

impl Entries {
    pub(super) fn new(n_providers: usize) -> Self {
        Self {
            by_provider: vec![None; n_providers],
            ordered: Vec::new(),
            by_id: HashMap::new(),
            withdrawn: Arc::default(),
            has_been_asked: false,
        }
    }

    /// Datasets of all providers. An id that is declared for two sources is one refused dataset; of two
    /// declarations of one source the first counts: a catalog entry describes a file of a served folder.
    pub(super) fn merge(by_provider: Vec<Option<Vec<Arc<Entry>>>>, before: &Self) -> Self {
        let n: usize = by_provider.iter().flatten().map(Vec::len).sum();
        let mut merged = Self {
            by_provider,
            ordered: Vec::with_capacity(n),
            by_id: HashMap::with_capacity(n),
            withdrawn: Arc::default(),
            has_been_asked: true,
        };
        let mut positions: HashMap<&str, usize> = HashMap::with_capacity(n);
        let mut twice: HashMap<usize, Vec<&Arc<Entry>>> = HashMap::new();
        for entry in merged.by_provider.iter().flatten().flatten() {
            match positions.get(entry.spec.id.as_str()) {
                None => {
                    positions.insert(entry.spec.id.as_str(), merged.ordered.len());
                    merged.ordered.push(Arc::clone(entry));
                }
                Some(position) if is_same_source(merged.ordered.get(*position), entry) => {}
                Some(position) => twice.entry(*position).or_default().push(entry),
            }
        }
        for (position, others) in twice {
            if let Some(first) = merged.ordered.get_mut(position) {
                *first = refused_as_declared_twice(first, &others, before);
            }
        }
        merged.by_id =
            merged.ordered.iter().map(|entry| (entry.spec.id.as_str().into(), Arc::clone(entry))).collect();
        merged
    }

    /// Notes what was declared before and is not any more.
    pub(super) fn set_withdrawn(&mut self, withdrawn: HashMap<Box<str>, Withdrawn>) {
        self.withdrawn = Arc::new(withdrawn);
    }

    pub(super) fn get(&self, id: &str) -> Option<&Arc<Entry>> {
        self.by_id.get(id)
    }

    pub(super) fn all(&self) -> &[Arc<Entry>] {
        &self.ordered
    }

    pub(super) fn listed(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.ordered.iter().filter(|entry| !entry.spec.is_hidden)
    }

    /// A dataset that was declared before and is not any more.
    pub(super) fn withdrawn(&self, id: &str) -> Option<&Withdrawn> {
        self.withdrawn.get(id)
    }

    pub(super) fn all_withdrawn(&self) -> &HashMap<Box<str>, Withdrawn> {
        &self.withdrawn
    }

    pub(super) fn n_withdrawn(&self) -> usize {
        self.withdrawn.len()
    }

    pub(super) fn has_been_asked(&self) -> bool {
        self.has_been_asked
    }

    /// True once every provider has answered: what is not here does not exist.
    pub(super) fn is_complete(&self) -> bool {
        self.has_been_asked && self.by_provider.iter().all(Option::is_some)
    }
}

fn is_same_source(first: Option<&Arc<Entry>>, other: &Arc<Entry>) -> bool {
    first.is_some_and(|first| !first.is_refused_for_good() && first.spec.source == other.spec.source)
}

fn refused_as_declared_twice(first: &Arc<Entry>, others: &[&Arc<Entry>], before: &Entries) -> Arc<Entry> {
    let places: Vec<String> =
        std::iter::once(&first).chain(others).take(10).map(|e| place(&e.spec)).collect();
    let id: &DatasetId = &first.spec.id;
    let reason = format!("id '{id}' is declared {} times: {}", others.len() + 1, places.join("; "));
    let mut spec = DatasetSpec::new(id.clone(), SourceSpec::Refused(reason), first.spec.origin.clone());
    let is_one_rule = others.iter().all(|other| other.spec.access == first.spec.access);
    // The reason names all of them: nobody reads it if not everybody may who may read one. No rule has this name.
    spec.access = if is_one_rule { first.spec.access.clone() } else { Some("".into()) };
    match before.get(id.as_str()) {
        Some(known) if *known.spec == spec => Arc::clone(known),
        _ => Arc::new(Entry::new(first.provider, Arc::new(spec))),
    }
}

fn place(spec: &DatasetSpec) -> String {
    match &spec.source {
        SourceSpec::Object(href) | SourceSpec::Directory(href) if *href == spec.origin => href.clone(),
        SourceSpec::Object(href) | SourceSpec::Directory(href) => format!("{href} ({})", spec.origin),
        SourceSpec::Refused(_) => spec.origin.clone(),
    }
}
