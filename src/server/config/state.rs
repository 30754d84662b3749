//! Section `[state]`.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::load::Check;
use super::units::Size;

/// Where the index lies, and how much memory decoded data may take.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StateConfig {
    /// Folder for everything that the server writes; never beside the archive's files. By default
    /// `$XDG_STATE_HOME/thermocline` (`~/.local/state/thermocline`). It can be deleted: the index is built again.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = "/var/lib/thermocline")]
    pub dir: Option<PathBuf>,
    /// Folder of the index, by default `index` below `dir`. Several servers may share one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = "/var/lib/thermocline/index")]
    pub index_dir: Option<PathBuf>,
    /// Folder for objects that were copied out of cold stores, by default `cache` below `dir`. It has to lie on a disk
    /// that is large and local.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = "/scratch/thermocline")]
    pub cache_dir: Option<PathBuf>,
    /// Most bytes of objects in that folder, as a size.
    pub cache_size: Size,
    /// Part of cache_size at which no more recalls are begun until something was evicted.
    pub cache_high: f64,
    /// Part of cache_size down to which objects that nobody pins or reads are evicted, least recently read first.
    pub cache_low: f64,
    /// Bytes of that folder's disk that are left free for others, as a size, however large cache_size is.
    pub cache_keep_free: Size,
    /// Most memory for chunks that were decoded and encoded again, as a size. Clients read neighbours soon after.
    pub memory: Size,
    /// Most memory for chunk tables, as a size: 12 to 24 bytes a chunk. Tables not used lately are read again.
    pub tables_memory: Size,
}

impl Default for StateConfig {
    fn default() -> Self {
        Self {
            dir: None,
            index_dir: None,
            cache_dir: None,
            cache_size: Size(100 << 30),
            cache_high: 0.9,
            cache_low: 0.8,
            cache_keep_free: Size(1 << 30),
            memory: Size::mebibytes(256),
            tables_memory: Size::mebibytes(256),
        }
    }
}

impl StateConfig {
    /// The folder of the index.
    pub fn index_dir(&self) -> &Path {
        self.index_dir.as_deref().unwrap_or(Path::new("/"))
    }

    /// The folder of objects that were copied out of cold stores.
    pub fn cache_dir(&self) -> PathBuf {
        self.cache_dir.clone().unwrap_or_else(|| self.dir().join("cache"))
    }

    /// The folder for everything that the server writes.
    pub fn dir(&self) -> &Path {
        self.dir.as_deref().unwrap_or(Path::new("/"))
    }

    pub(super) fn complete(&mut self, check: &mut Check<'_>) {
        let dir = match &self.dir {
            Some(dir) => Some(check.absolute(&["state", "dir"], dir)),
            None => check.state_home(),
        };
        let index_dir = match &self.index_dir {
            Some(dir) => Some(check.absolute(&["state", "index_dir"], dir)),
            None => dir.as_ref().map(|dir| dir.join("index")),
        };
        if dir.is_none() || index_dir.is_none() {
            check.mistake(
                &["state", "dir"],
                "neither $XDG_STATE_HOME nor $HOME is set: name a folder (--state DIR)",
            );
        }
        let cache_dir = match &self.cache_dir {
            Some(dir) => Some(check.absolute(&["state", "cache_dir"], dir)),
            None => dir.as_ref().map(|dir| dir.join("cache")),
        };
        if !(0.0 < self.cache_low && self.cache_low < self.cache_high && self.cache_high <= 1.0) {
            check.mistake(&["state", "cache_high"], "0 < cache_low < cache_high <= 1 does not hold");
        }
        (self.dir, self.index_dir, self.cache_dir) = (dir, index_dir, cache_dir);
    }
}
