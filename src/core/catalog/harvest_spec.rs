//! Sources whose objects are datasets, as catalog files declare them: found, not listed.

use std::time::Duration;

use super::DatasetSpec;

/// What becomes one dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatasetPer {
    /// Each object.
    Object,
    /// Each directory that is a store.
    Directory,
}

/// Objects below one path or prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HarvestPlace {
    /// An absolute path or a URL, without a trailing slash.
    pub base: String,
    /// Patterns of which an object's name has to match one; none for every object. One without `/` is
    /// matched with the last part of the name, one with `/` with the whole path below `base`.
    pub include: Vec<String>,
}

/// One entry below `harvest:`.
#[derive(Debug, Clone, PartialEq)]
pub struct HarvestSpec {
    /// Its name: ids of what it finds begin with it.
    pub id: String,
    /// Where it looks, in order.
    pub places: Vec<HarvestPlace>,
    /// Patterns of objects that are left out, read like those of [`HarvestPlace::include`].
    pub exclude: Vec<String>,
    /// Whether it looks below folders.
    pub is_recursive: bool,
    /// What becomes one dataset.
    pub dataset_per: DatasetPer,
    /// How often it looks; `None` for when it is told to and when its entry changes.
    pub every: Option<Duration>,
    /// How long an object that vanished stays listed.
    pub keep_missing: Duration,
    /// Searchable fields with the regular expression that finds each of them in an object's path below
    /// `base`: its group of the field's name, else its first group, else all that it matches.
    pub fields: Vec<(String, String)>,
    /// What every dataset that it finds has besides id, source and fields: its id is that of the harvest, and
    /// its source is refused.
    pub template: DatasetSpec,
}

impl HarvestSpec {
    /// How long an object that vanished stays listed, unless its entry says otherwise.
    pub const KEEP_MISSING: Duration = Duration::from_secs(7 * 24 * 3600);
}
