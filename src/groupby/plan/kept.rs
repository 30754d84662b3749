//! Coordinates that were read, kept with the dataset: requests of one dataset look the same ones up.

use std::sync::Arc;

use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};
use thermocline_core::Result;
use thermocline_core::manifest::Manifest;
use thermocline_core::select::{Coordinate, Labels};
use thermocline_model::{Attributes, Variable};

/// Memory of the coordinates of one dataset that are kept, in bytes: those that were not asked for longest go.
const MAX_BYTES: u64 = 16 << 20;

/// What a coordinate takes besides its labels, its attributes among it.
const COORDINATE_BYTES: u64 = 1024;

/// About how many coordinates there are.
const USUAL_COORDINATES: usize = 64;

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

type Key = (String, Reading);

#[derive(Clone)]
struct Weight;

impl Weighter<Key, Arc<Coordinate>> for Weight {
    fn weight(&self, (path, _): &Key, coordinate: &Arc<Coordinate>) -> u64 {
        let labels = match &coordinate.labels {
            Labels::Texts(texts) => texts.iter().map(|text| (size_of::<String>() + text.len()) as u64).sum(),
            others => others.len() as u64 * 8,
        };
        COORDINATE_BYTES + path.len() as u64 + labels
    }
}

struct Kept(Cache<Key, Arc<Coordinate>, Weight>);

impl Default for Kept {
    fn default() -> Self {
        // One shard: in a part of the bound a long coordinate would have no room.
        let options = OptionsBuilder::new()
            .estimated_items_capacity(USUAL_COORDINATES)
            .weight_capacity(MAX_BYTES)
            .shards(1)
            .build();
        let (hasher, lifecycle) = (DefaultHashBuilder::default(), DefaultLifecycle::default());
        Self(match options {
            Ok(options) => Cache::with_options(options, Weight, hasher, lifecycle),
            Err(_) => Cache::with_weighter(USUAL_COORDINATES, MAX_BYTES, Weight),
        })
    }
}

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
    if let Some(found) = kept.0.get(&key) {
        return Ok(found);
    }
    let mut attrs = variable.attrs.clone();
    match reading {
        Reading::Labels => {}
        Reading::Numbers => drop(attrs.remove("units")),
        Reading::Raw => attrs = Attributes::new(),
    }
    let coordinate = Arc::new(Coordinate::read_with(manifest, variable, &attrs)?);
    kept.0.insert(key, Arc::clone(&coordinate));
    Ok(coordinate)
}
