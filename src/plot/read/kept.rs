//! Decoded fields that are kept, and what is known of those that are not any more.

use std::sync::Arc;

use moka::future::Cache;
use moka::policy::EvictionPolicy;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use thermocline_core::manifest::Manifest;
use thermocline_core::{Error, Result};
use thermocline_render::{Cells, Field, Statistics, Values};

use super::cut::{Lattice, Slots};
use super::gather::Put;
use super::{Axes, Wanted};
use crate::plotter::{ENTRY_BYTES, in_kib};

/// Most fields whose statistics are remembered.
const MAX_KNOWN: u64 = 16_384;

/// Names what is selected of one state of a dataset.
pub(super) type Key = KeyOf;

/// A hash of dataset, revision, variable and selection: 256 bits that no two of them share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct KeyOf([u8; 32]);

/// A field with its statistics.
#[derive(Debug)]
pub(super) struct Whole {
    pub(super) field: Arc<Field>,
    pub(super) statistics: Statistics,
    /// Chunks that it was made of.
    pub(super) n_chunks: u64,
    /// Where its memory goes when nobody has it any more.
    pub(super) spare: Arc<Spare>,
}

impl Drop for Whole {
    fn drop(&mut self) {
        if let Some(field) = Arc::get_mut(&mut self.field) {
            self.spare.give(std::mem::replace(&mut field.values, Values::F32(Vec::new())));
        }
    }
}

/// Memory of a field that is not kept any more, for the next one: fresh memory of this size costs a page fault every
/// 4 KiB, a quarter of the time of a plot.
#[derive(Debug)]
pub(super) struct Spare {
    values: Mutex<Option<Values>>,
    max_bytes: u64,
}

impl Spare {
    /// Values of any kind, not less than `n`, to be overwritten; `None` if none are there.
    pub(super) fn take<R: Put>(&self, n: usize) -> Option<Vec<R>> {
        let mut values = self.values.lock();
        let fitting = values.as_mut().and_then(R::of)?;
        // A large one is not wasted on a small field.
        let fits = fitting.len() >= n && fitting.len() <= n.saturating_mul(2);
        fits.then(|| std::mem::take(fitting))
    }

    fn give(&self, given: Values) {
        if values_bytes(&given) <= self.max_bytes {
            *self.values.lock() = Some(given);
        }
    }
}

/// What is known of a field.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    pub(super) statistics: Statistics,
    /// The last quantiles that were wanted: which, and what they are.
    pub(super) quantiles: Option<([f64; 2], [f64; 2])>,
}

impl Known {
    /// True if it answers what is wanted.
    pub(super) fn has(&self, wanted: &Wanted) -> bool {
        wanted.quantiles.is_none_or(|shares| self.quantiles.is_some_and(|(of, _)| of == shares))
    }
}

/// What is kept of fields.
pub(crate) struct Kept {
    /// The last ones: of time steps that are looked at one after the other, each is as often asked for as the next, and a
    /// plot that has read its range comes back for the values.
    fields: Cache<Key, Arc<Whole>>,
    pub(super) spare: Arc<Spare>,
    known: moka::sync::Cache<Key, Known>,
}

impl Kept {
    pub(crate) fn new(len_bytes: u64) -> Self {
        let weight = |_: &Key, whole: &Arc<Whole>| in_kib(field_bytes(&whole.field) + ENTRY_BYTES);
        let fields = Cache::builder().max_capacity((len_bytes - len_bytes / 8) / 1024).weigher(weight);
        Self {
            fields: fields.eviction_policy(EvictionPolicy::lru()).build(),
            spare: Arc::new(Spare { values: Mutex::default(), max_bytes: len_bytes / 8 }),
            known: moka::sync::Cache::new(MAX_KNOWN),
        }
    }

    pub(super) async fn whole(&self, key: &Key) -> Option<Arc<Whole>> {
        self.fields.get(key).await
    }

    /// The field of a key, from memory or made once however many ask for it.
    pub(super) async fn whole_or(
        &self,
        key: &Key,
        make: impl Future<Output = Result<Arc<Whole>>>,
    ) -> Result<Arc<Whole>, Arc<Error>> {
        self.fields.try_get_with(*key, make).await
    }

    pub(super) async fn keep(&self, key: &Key, whole: Whole) {
        self.fields.insert(*key, Arc::new(whole)).await;
    }

    pub(super) fn known(&self, key: &Key) -> Option<Known> {
        self.known.get(key)
    }

    pub(super) fn keep_known(&self, key: &Key, known: Known) {
        self.known.insert(*key, known);
    }
}

fn field_bytes(field: &Field) -> u64 {
    let cells = match &field.cells {
        Cells::All => 0,
        Cells::Lattice { rows, columns, .. } => (rows.len() + columns.len()) * 4,
    };
    values_bytes(&field.values) + cells as u64
}

fn values_bytes(values: &Values) -> u64 {
    let len_bytes = match values {
        Values::F32(values) => values.capacity() * size_of::<f32>(),
        Values::F64(values) => values.capacity() * size_of::<f64>(),
    };
    len_bytes as u64
}

impl KeyOf {
    pub(super) fn new(manifest: &Manifest, axes: &Axes<'_>) -> Self {
        let mut hash = Sha256::new();
        let mut text = |text: &str| {
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text.as_bytes());
        };
        text(manifest.id.as_str());
        text(&manifest.revision.0);
        text(&axes.selected.path);
        let mut number = |number: u64| hash.update(number.to_le_bytes());
        number(axes.drawn.len() as u64);
        axes.drawn.iter().for_each(|axis| number(*axis as u64));
        for axis in &axes.selected.axes {
            let Some(indices) = &axis.indices else {
                number(u64::MAX);
                continue;
            };
            number(indices.runs().len() as u64);
            for run in indices.runs() {
                [run.start(), run.count(), run.step()].into_iter().for_each(&mut number);
            }
        }
        for mask in &axes.selected.masks {
            mask.dims().iter().for_each(|dim| {
                let axis = axes.selected.axes.iter().position(|axis| axis.dim == *dim);
                number(axis.map_or(u64::MAX, |axis| axis as u64));
            });
            for (position, columns) in mask.rows() {
                position.iter().copied().chain([columns.start, columns.end]).for_each(&mut number);
            }
            number(u64::MAX);
        }
        Self(hash.finalize().into())
    }

    /// The key of a part of the same field.
    pub(super) fn part(&self, chunks: &[u64], lattice: &Lattice) -> Self {
        let mut hash = Sha256::new();
        hash.update(self.0);
        hash.update((chunks.len() as u64).to_le_bytes());
        chunks.iter().for_each(|chunk| hash.update(chunk.to_le_bytes()));
        for slots in [&lattice.rows, &lattice.columns] {
            match slots {
                Slots::All(n) => hash.update((*n as u64).to_le_bytes()),
                Slots::Some { of, .. } => {
                    hash.update([1]);
                    of.iter().for_each(|slot| hash.update(slot.to_le_bytes()));
                }
            }
        }
        Self(hash.finalize().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(spare: &Arc<Spare>, n: usize) -> Whole {
        let values = Values::F32(vec![1.0; n]);
        let field = Arc::new(Field { values, cells: Cells::All, n_columns: n as u32 });
        let statistics =
            Statistics { n_valid: 0, n_missing: 0, min: 0.0, max: 0.0, min_positive: 0.0, mean: 0.0 };
        Whole { field, statistics, n_chunks: 1, spare: Arc::clone(spare) }
    }

    #[test]
    fn memory_of_a_field_is_used_again_once_nobody_has_it_for_one_as_large() {
        let spare = Arc::new(Spare { values: Mutex::default(), max_bytes: 1024 });
        let held = whole(&spare, 100);
        let field = Arc::clone(&held.field);
        drop(held);
        assert!(spare.take::<f32>(100).is_none(), "{} values are still looked at", field.values.len());
        drop(whole(&spare, 1000));
        assert!(spare.take::<f32>(1000).is_none(), "more than may be spare");
        drop(whole(&spare, 100));
        assert!(spare.take::<f64>(100).is_none());
        assert!(spare.take::<f32>(10).is_none());
        assert!(spare.take::<f32>(101).is_none());
        assert_eq!(spare.take::<f32>(90).map(|values| values.len()), Some(100));
        assert!(spare.take::<f32>(90).is_none());
    }
}
