//! Section `[catalogs]`.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::load::Check;
use super::units::Span;

/// Which files declare the datasets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CatalogsConfig {
    /// Catalog files, and folders of them (`*.yaml`, `*.yml`, `*.toml`, any depth). By default `catalogs` beside
    /// this file if it is there.
    pub dirs: Vec<PathBuf>,
    /// Reads a catalog again when it changes, and looks for new and vanished files below the paths that are
    /// served. SIGHUP does so once, also without this.
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
        let key = ["catalogs", "dirs"];
        let is_default = !check.is_set(&key);
        self.dirs = self.dirs.iter().map(|dir| check.absolute(&key, dir)).collect();
        if is_default {
            // Without a file there is no folder beside it, and a stray `catalogs` must not change what is served.
            self.dirs.retain(|dir| check.has_file() && dir.is_dir());
        }
        for dir in self.dirs.iter().filter(|dir| !dir.exists()) {
            check.mistake(&key, format!("{} does not exist", dir.display()));
        }
        if self.scan_every.0.as_millis() < 100 {
            check.mistake(&["catalogs", "scan_every"], "must be at least \"100ms\"");
        }
    }
}
