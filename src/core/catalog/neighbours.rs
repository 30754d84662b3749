//! Objects of a dataset besides the one by which it was recognised: external raw files, linked files,
//! what references name. Reads check each of them; here a changed one leads to a new index.

use std::sync::Arc;

use thermocline_model::Object;

use super::Catalog;
use super::entry::Entry;
use super::indexing::Indexer;
use crate::manifest::{Manifest, blocking};

/// Most neighbours that are looked at with the source itself: the others are noticed by reads.
const MAX_NEIGHBOURS: usize = 16;

/// Most objects of one dataset that reads can report at a time.
const MAX_SUSPECTS: usize = 16;

impl Catalog {
    /// Tells that a read found the object of that number changed or gone: the next opening looks at it,
    /// and indexes the dataset again if it is.
    pub fn suspect(&self, id: &str, object: u32) {
        let entries = self.entries();
        let Some(entry) = entries.get(id) else { return };
        let mut slot = entry.slot.lock();
        if slot.suspects.len() < MAX_SUSPECTS && !slot.suspects.contains(&object) {
            slot.suspects.push(object);
        }
        if !slot.ignores_neighbours {
            slot.checked_at_ns = None;
        }
    }

    /// True if an object of the manifest is not as it was indexed.
    pub(super) async fn has_changed_neighbour(&self, entry: &Entry, manifest: &Arc<Manifest>) -> bool {
        let Some(numbers) = numbers(entry, &manifest.dataset.objects) else { return false };
        let catalog = self.clone();
        let manifest = Arc::clone(manifest);
        let changed =
            blocking(move || Ok(catalog.shared.indexer.is_any_changed(&manifest.dataset.objects, &numbers)));
        changed.await.unwrap_or(false)
    }

    /// The same of what the index holds. Blocking.
    pub(super) fn has_changed_object(&self, entry: &Entry, objects: &[Object]) -> bool {
        numbers(entry, objects).is_some_and(|numbers| self.shared.indexer.is_any_changed(objects, &numbers))
    }

    /// After a new index: a neighbour that differs even so would lead to one after the other.
    pub(super) async fn note_neighbours(&self, entry: &Entry, manifest: &Arc<Manifest>) {
        let differs = self.has_changed_neighbour(entry, manifest).await;
        let mut slot = entry.slot.lock();
        slot.ignores_neighbours = differs;
        slot.suspects.clear();
    }
}

/// Numbers of the objects to look at; `None` for none.
fn numbers(entry: &Entry, objects: &[Object]) -> Option<Vec<u32>> {
    let slot = entry.slot.lock();
    if slot.ignores_neighbours || objects.len() < 2 {
        return None;
    }
    let near = objects.iter().zip(0_u32..).skip(1).take(MAX_NEIGHBOURS);
    let near = near.filter(|(object, _)| !object.href.contains("://")).map(|(_, number)| number);
    let numbers: Vec<u32> = near.chain(slot.suspects.iter().copied()).collect();
    (!numbers.is_empty()).then_some(numbers)
}

impl Indexer {
    fn is_any_changed(&self, objects: &[Object], numbers: &[u32]) -> bool {
        let objects = numbers.iter().filter_map(|number| objects.get(*number as usize));
        objects.into_iter().any(|object| match self.stat(&object.href) {
            Ok(Some(now)) => now != *object,
            // One that was not there when it was indexed has no bytes.
            Ok(None) => object.len_bytes != 0,
            // What does not answer is not known to have changed.
            Err(_) => false,
        })
    }
}
