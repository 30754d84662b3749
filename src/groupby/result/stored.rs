//! Values of the source's coordinates, decoded: shared by all results of a dataset that have them whole.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use thermocline_core::Result;
use thermocline_core::manifest::Manifest;
use thermocline_model::{ArrayBytes, DataType, Variable};

use super::column::encoded;
use crate::plan::{numbers, raw};

/// Most coordinates of a dataset that are remembered.
const MAX_REMEMBERED: usize = 256;

/// Decoded values of a variable, little-endian, in C order.
#[derive(Debug, Clone)]
pub(super) struct Stored<V = Arc<ArrayBytes>> {
    /// Names of the axes; those of characters are not among them.
    pub(super) dims: Vec<String>,
    /// Lengths of these.
    pub(super) shape: Vec<u64>,
    /// Type of the values.
    pub(super) dtype: DataType,
    /// The values.
    pub(super) values: V,
}

/// What results that are still there have read.
#[derive(Default)]
struct Remembered(Mutex<HashMap<Key, Stored<Weak<ArrayBytes>>>>);

/// The path of a variable, and whether it is raw.
type Key = (String, bool);

impl<V> Stored<V> {
    fn with<W>(&self, values: W) -> Stored<W> {
        Stored { dims: self.dims.clone(), shape: self.shape.clone(), dtype: self.dtype.clone(), values }
    }
}

/// The values of a variable; `is_raw` are as they are stored. Blocking.
///
/// # Errors
/// Those of [`thermocline_core::select::Coordinate::read`].
pub(super) fn stored(manifest: &Manifest, path: &str, variable: &Variable, is_raw: bool) -> Result<Stored> {
    let remembered = manifest.derived(|_| Remembered::default());
    let key = (path.to_owned(), is_raw);
    let found = remembered.0.lock().get(&key).and_then(|known| Some(known.with(known.values.upgrade()?)));
    if let Some(found) = found {
        return Ok(found);
    }
    let read = if is_raw { raw(manifest, path, variable) } else { numbers(manifest, path, variable) }?;
    let (dtype, values) = encoded(variable, &read)?;
    let stored =
        Stored { dims: read.dims.clone(), shape: read.shape.clone(), dtype, values: Arc::new(values) };
    let mut remembered = remembered.0.lock();
    if remembered.len() >= MAX_REMEMBERED {
        remembered.retain(|_, stored| stored.values.strong_count() > 0);
    }
    if remembered.len() < MAX_REMEMBERED {
        remembered.insert(key, stored.with(Arc::downgrade(&stored.values)));
    }
    Ok(stored)
}
