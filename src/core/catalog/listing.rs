//! For those who keep something about every dataset: which are listed, what is indexed of them, and when that changes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::watch;

use super::entry::Entry;
use super::indexing::source_key;
use super::{Catalog, DatasetSpec, SourceSpec, open};
use crate::Result;
use crate::index::Stored;
use crate::manifest::Manifest;

/// A dataset that is listed.
#[derive(Debug, Clone)]
pub struct Listed {
    /// Another one for every declaration of a process: of one number the declaration never changes.
    pub number: u64,
    /// The declaration.
    pub spec: Arc<DatasetSpec>,
    /// What the index has of its source changes with every bit of it; `None` while it is not indexed, or refused.
    pub fingerprint: Option<[u8; 16]>,
    /// True if it is refused. What is neither that nor indexed was not looked at yet.
    pub is_refused: bool,
}

/// All datasets that are listed at one moment, in catalog order.
#[derive(Debug, Clone)]
pub struct Listing {
    /// Those that are not hidden.
    pub datasets: Vec<Listed>,
    /// True once every provider has answered: what is not listed does not exist.
    pub is_complete: bool,
}

/// Collections by their ids, and names of the access rules of their datasets; `None` for the usual rule.
pub type CollectionRules = BTreeMap<Box<str>, BTreeSet<Option<Arc<str>>>>;

/// Manifests of indexed datasets for those who look at each of them once. Blocking.
///
/// It leaves no trace in the catalog unless the index turns out to be torn: sources are not looked at, manifests are not kept. Datasets that
/// share a source are asked for one after the other best: what the index holds of it is read once.
pub struct IndexedManifests {
    catalog: Catalog,
    last: Option<(String, Option<Arc<Stored>>)>,
}

impl IndexedManifests {
    /// The manifest as the index has it, with the fingerprint that it was made from; `None` if the index has none, or
    /// the dataset is refused: then its source is looked at again.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Unavailable`] when the index cannot be read.
    pub fn get(&mut self, spec: &DatasetSpec) -> Result<Option<([u8; 16], Manifest)>> {
        let key = source_key(spec);
        let stored = match &self.last {
            Some((last, stored)) if *last == key => stored.clone(),
            _ => {
                let stored = self.catalog.shared.index.load(&key)?.map(Arc::new);
                self.last = Some((key, stored.clone()));
                stored
            }
        };
        let manifest = stored.and_then(|stored| {
            open::manifest_of(spec, &stored).map(|manifest| (stored.fingerprint, manifest))
        });
        if manifest.is_none() {
            self.catalog.look_again(spec);
        }
        Ok(manifest)
    }
}

impl Catalog {
    /// What is listed, and what is indexed of it.
    pub fn listing(&self) -> Listing {
        let entries = self.entries();
        let listed = |entry: &Arc<Entry>| {
            let slot = entry.slot.lock();
            let (fingerprint, is_refused) = (slot.fingerprint, slot.is_refused());
            Listed { number: entry.number, spec: Arc::clone(&entry.spec), fingerprint, is_refused }
        };
        Listing { datasets: entries.listed().map(listed).collect(), is_complete: entries.is_complete() }
    }

    /// The access rules of the listed datasets of each collection that datasets name. Takes milliseconds for many.
    pub fn collection_rules(&self) -> CollectionRules {
        let entries = self.entries();
        let mut rules = CollectionRules::new();
        for spec in entries.listed().map(|entry| &entry.spec) {
            let Some(collection) = &spec.about.collection else { continue };
            if !rules.contains_key(collection.as_str()) {
                rules.insert(collection.as_str().into(), BTreeSet::new());
            }
            if let Some(rules) = rules.get_mut(collection.as_str())
                && !rules.contains(&spec.access)
            {
                rules.insert(spec.access.clone());
            }
        }
        rules
    }

    /// A number that changes when [`Catalog::listing`] does.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.shared.changes.subscribe()
    }

    /// Manifests of indexed datasets, one after the other.
    pub fn indexed_manifests(&self) -> IndexedManifests {
        IndexedManifests { catalog: self.clone(), last: None }
    }

    /// What names the source of a dataset in the index: equal for datasets that share it.
    pub fn source_name(spec: &DatasetSpec) -> &str {
        match &spec.source {
            SourceSpec::Object(href) | SourceSpec::Directory(href) => href,
            SourceSpec::Refused(_) => "",
        }
    }

    /// Tells those who follow the listing if what is indexed of an entry is not what they were told.
    pub(super) fn tell_if_changed(&self, entry: &Entry) {
        if entry.take_change() {
            self.tell_changed();
        }
    }

    pub(super) fn tell_changed(&self) {
        self.shared.changes.send_modify(|number| *number = number.wrapping_add(1));
    }
}
