//! Section `[catalogs]`.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::load::Check;
use super::units::Span;

/// The key of the folders; flags add to it, and each layer's paths are relative to its own place.
pub(super) const DIRS: [&str; 2] = ["catalogs", "dirs"];

/// Which files declare the datasets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CatalogsConfig {
    /// Catalog files, and folders of them (`*.yaml`, `*.yml`, `*.toml`, any depth). By default `catalogs` beside
    /// this file if it is there.
    pub dirs: Vec<PathBuf>,
    /// Reads a catalog, and this file, again when it changes, and looks for new and vanished files below the paths that
    /// are served. SIGHUP does so once, also without this.
    pub watch: bool,
    /// How often to look, as a duration: network file systems send no notices. Also how soon a change shows.
    pub scan_every: Span,
}

impl Default for CatalogsConfig {
    fn default() -> Self {
        Self { dirs: vec![PathBuf::from("catalogs")], watch: true, scan_every: Span::seconds(2) }
    }
}

impl CatalogsConfig {
    pub(super) fn complete(&mut self, check: &mut Check<'_>) {
        for dir in self.dirs.iter().filter(|dir| !dir.exists()) {
            check.mistake(&DIRS, format!("{} does not exist", dir.display()));
        }
        if self.scan_every.0.as_millis() < 100 {
            check.mistake(&["catalogs", "scan_every"], "must be at least \"100ms\"");
        }
    }
}
