//! Coordinates that were read, kept with the dataset: requests of one dataset look the same ones up.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use thermocline_core::Result;
use thermocline_core::manifest::Manifest;
use thermocline_core::select::Coordinate;
use thermocline_model::{Attributes, Variable};

/// Most labels of a coordinate that are kept with the manifest.
const MAX_LABELS: usize = 1 << 20;

/// Most coordinates of a dataset that are kept.
const MAX_COORDINATES: usize = 64;

/// How labels are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Reading {
    /// Times as instants.
    Labels,
    /// Times as the numbers of their units.
    Numbers,
    /// As they are stored.
    Raw,
}

#[derive(Default)]
struct Kept(Mutex<HashMap<(String, Reading), Arc<Coordinate>>>);

/// The coordinate at a path from the root. Blocking.
///
/// # Errors
/// Those of [`Coordinate::read`].
pub(crate) fn coordinate(manifest: &Manifest, path: &str, variable: &Variable) -> Result<Arc<Coordinate>> {
    read(manifest, path, variable, Reading::Labels)
}

/// The same decoded, but times as numbers in the units of their attributes. Blocking.
///
/// # Errors
/// Those of [`Coordinate::read`].
pub(crate) fn numbers(manifest: &Manifest, path: &str, variable: &Variable) -> Result<Arc<Coordinate>> {
    read(manifest, path, variable, Reading::Numbers)
}

/// The same as it is stored, neither unpacked nor with missing values. Blocking.
///
/// # Errors
/// Those of [`Coordinate::read`].
pub(crate) fn raw(manifest: &Manifest, path: &str, variable: &Variable) -> Result<Arc<Coordinate>> {
    read(manifest, path, variable, Reading::Raw)
}

fn read(manifest: &Manifest, path: &str, variable: &Variable, reading: Reading) -> Result<Arc<Coordinate>> {
    let kept = manifest.derived(|_| Kept::default());
    let key = (path.to_owned(), reading);
    if let Some(found) = kept.0.lock().get(&key) {
        return Ok(Arc::clone(found));
    }
    let mut attrs = variable.attrs.clone();
    match reading {
        Reading::Labels => {}
        Reading::Numbers => drop(attrs.remove("units")),
        Reading::Raw => attrs = Attributes::new(),
    }
    let coordinate = Arc::new(Coordinate::read_with(manifest, variable, &attrs)?);
    let mut kept = kept.0.lock();
    if coordinate.labels.len() <= MAX_LABELS && kept.len() < MAX_COORDINATES {
        kept.insert(key, Arc::clone(&coordinate));
    }
    Ok(coordinate)
}
