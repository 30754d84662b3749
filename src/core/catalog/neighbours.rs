//! Objects of a dataset besides the one by which it was recognised: external raw files, linked files,
//! what references name. Reads check each of them; here a changed one leads to a new index.

use std::sync::Arc;
use std::time::Duration;

use thermocline_model::Object;

use super::Catalog;
use super::entry::Entry;
use super::indexing::Indexer;
use crate::bytes::is_same_object;
use crate::clock::nanoseconds;
use crate::format::is_missing;
use crate::manifest::{Manifest, blocking};

/// Neighbours that are looked at whenever the source itself is; of the others as many, in turn.
const N_NEAREST: u32 = 16;

/// Most objects of one dataset that reads can report at a time.
const MAX_SUSPECTS: usize = 16;

/// How long neighbours are left alone that differ from what was just indexed: files that are being written.
const PAUSE: Duration = Duration::from_secs(10);

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
        if self.shared.settings.clock.now_ns() >= slot.neighbours_from_ns {
            slot.checked_at_ns = None;
        }
    }

    /// True if an object of the manifest is not as it was indexed.
    pub(super) async fn has_changed_neighbour(&self, entry: &Entry, manifest: &Arc<Manifest>) -> bool {
        let Some(numbers) = self.numbers(entry, &manifest.dataset.objects) else { return false };
        let catalog = self.clone();
        let manifest = Arc::clone(manifest);
        let changed =
            blocking(move || Ok(catalog.shared.indexer.first_changed(&manifest.dataset.objects, &numbers)));
        let changed = changed.await.ok().flatten();
        let mut slot = entry.slot.lock();
        match changed {
            // What is looked at in turn is not looked at again: the index must be held against this one too.
            Some(number) if !slot.suspects.contains(&number) => slot.suspects.push(number),
            Some(_) => {}
            None => slot.suspects.clear(),
        }
        changed.is_some()
    }

    /// The same of what the index holds. Blocking.
    pub(super) fn has_changed_object(&self, entry: &Entry, objects: &[Object]) -> bool {
        let numbers = self.numbers(entry, objects);
        numbers.is_some_and(|numbers| self.shared.indexer.first_changed(objects, &numbers).is_some())
    }

    /// After a new index: a neighbour that differs even so would lead to one after the other.
    pub(super) async fn note_neighbours(&self, entry: &Entry, manifest: &Arc<Manifest>) {
        let differs = self.has_changed_neighbour(entry, manifest).await;
        if differs {
            let now_ns = self.shared.settings.clock.now_ns();
            let mut slot = entry.slot.lock();
            slot.neighbours_from_ns = now_ns.saturating_add(nanoseconds(PAUSE));
            slot.suspects.clear();
        }
    }

    /// Numbers of the objects to look at; `None` for none.
    fn numbers(&self, entry: &Entry, objects: &[Object]) -> Option<Vec<u32>> {
        let n_neighbours = u32::try_from(objects.len()).ok()?.checked_sub(1)?;
        let mut slot = entry.slot.lock();
        if self.shared.settings.clock.now_ns() < slot.neighbours_from_ns {
            return None;
        }
        // What the format decodes from the first object may need any of the others.
        if slot.suspects.contains(&0) {
            return Some((1..=n_neighbours).collect());
        }
        let mut numbers: Vec<u32> = (1..=n_neighbours.min(N_NEAREST)).collect();
        if let Some(n_others) = n_neighbours.checked_sub(N_NEAREST).filter(|n_others| *n_others > 0) {
            let turn = slot.neighbours_turn;
            slot.neighbours_turn = turn.wrapping_add(N_NEAREST);
            let others = (0..n_others.min(N_NEAREST)).map(|number| turn.wrapping_add(number) % n_others);
            numbers.extend(others.map(|number| 1 + N_NEAREST + number));
        }
        let is_far =
            |number: &u32| objects.get(*number as usize).is_none_or(|object| object.href.contains("://"));
        numbers.retain(|number| !is_far(number));
        numbers.extend(&slot.suspects);
        (!numbers.is_empty()).then_some(numbers)
    }
}

impl Indexer {
    /// The first of some objects that is not as it was indexed.
    fn first_changed(&self, objects: &[Object], numbers: &[u32]) -> Option<u32> {
        let has_changed = |object: &Object| match self.stat(&object.href) {
            // One that exists may still be denied: it arrived when it can be opened.
            Ok(Some(_)) if is_missing(object) => self.opener.open(&object.href).is_ok(),
            Ok(Some(now)) => !is_same_object(&now, object),
            Ok(None) => !is_missing(object),
            // What does not answer is not known to have changed.
            Err(_) => false,
        };
        let has_changed = |number: &u32| objects.get(*number as usize).is_some_and(has_changed);
        numbers.iter().copied().find(has_changed)
    }
}
