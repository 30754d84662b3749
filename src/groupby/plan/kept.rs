//! Coordinates that were read, kept with the dataset: requests of one dataset look the same ones up.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use thermocline_core::Result;
use thermocline_core::manifest::Manifest;
use thermocline_core::select::Coordinate;
use thermocline_model::Variable;

/// Most labels of a coordinate that are kept with the manifest.
const MAX_LABELS: usize = 1 << 20;

/// Most coordinates of a dataset that are kept.
const MAX_COORDINATES: usize = 64;

#[derive(Default)]
struct Kept(Mutex<HashMap<String, Arc<Coordinate>>>);

/// The coordinate at a path from the root. Blocking.
///
/// # Errors
/// Those of [`Coordinate::read`].
pub(crate) fn coordinate(manifest: &Manifest, path: &str, variable: &Variable) -> Result<Arc<Coordinate>> {
    let kept = manifest.derived(|_| Kept::default());
    if let Some(found) = kept.0.lock().get(path) {
        return Ok(Arc::clone(found));
    }
    let coordinate = Arc::new(Coordinate::read(manifest, variable)?);
    let mut kept = kept.0.lock();
    if coordinate.labels.len() <= MAX_LABELS && kept.len() < MAX_COORDINATES {
        kept.insert(path.to_owned(), Arc::clone(&coordinate));
    }
    Ok(coordinate)
}
