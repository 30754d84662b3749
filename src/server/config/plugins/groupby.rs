//! Section `[plugins.groupby]`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thermocline_groupby::EngineSettings;
use thermocline_serve_groupby::GroupbyPluginSettings;

use crate::config::load::Check;
use crate::config::units::{Size, Span};

/// Most computations that may run, or wait, at the same time.
const MOST_AT_ONCE: usize = 65_536;

/// Groupby diagnostics as numbers, files and lazy Zarr groups.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GroupbyConfig {
    /// Whether the plugin is there.
    pub enabled: bool,
    /// Largest result, as a size. What would be larger is refused with an estimate; its lazy Zarr group is not.
    pub max_result_bytes: Size,
    /// Most groups of a result.
    pub max_groups: u64,
    /// Most stored bytes that one request may read, as a size.
    pub max_read_bytes: Size,
    /// Largest chunk of a lazy Zarr group, as a size.
    pub max_chunk_bytes: Size,
    /// What a request may read before its answer, as a size. What reads more becomes a job.
    pub sync_read_bytes: Size,
    /// Most memory for computations in work, as a size. What does not fit is computed tile by tile.
    pub memory_bytes: Size,
    /// Most memory for finished results, as a size.
    pub memory: Size,
    /// How long results of jobs are kept on disk, as a duration.
    pub keep: Span,
    /// Most disk for results that are kept, as a size. The oldest go first.
    pub max_kept: Size,
    /// Computations at once; 0 for two on each core. Further ones wait.
    pub max_concurrent: usize,
    /// Most computations that wait; further ones are answered with 503 and the time when to ask again.
    pub max_waiting: usize,
}

impl Default for GroupbyConfig {
    fn default() -> Self {
        let engine = EngineSettings::default();
        Self {
            enabled: true,
            max_result_bytes: Size(engine.max_result_bytes),
            max_groups: engine.max_groups,
            max_read_bytes: Size(engine.max_read_bytes),
            max_chunk_bytes: Size(engine.max_chunk_bytes),
            sync_read_bytes: Size(GroupbyPluginSettings::default().sync_read_bytes),
            memory_bytes: Size(engine.memory_bytes),
            memory: Size(engine.kept_bytes),
            keep: Span(engine.keep),
            max_kept: Size(engine.results_bytes),
            max_concurrent: 0,
            max_waiting: engine.max_waiting,
        }
    }
}

impl From<&GroupbyConfig> for EngineSettings {
    fn from(config: &GroupbyConfig) -> Self {
        Self {
            max_result_bytes: config.max_result_bytes.0,
            max_groups: config.max_groups,
            max_read_bytes: config.max_read_bytes.0,
            max_chunk_bytes: config.max_chunk_bytes.0,
            memory_bytes: config.memory_bytes.0,
            kept_bytes: config.memory.0,
            results_dir: None,
            results_bytes: config.max_kept.0,
            keep: config.keep.0,
            max_concurrent: match config.max_concurrent {
                0 => 2 * std::thread::available_parallelism().map_or(1, usize::from),
                n => n,
            },
            max_waiting: config.max_waiting,
        }
    }
}

impl From<&GroupbyConfig> for GroupbyPluginSettings {
    fn from(config: &GroupbyConfig) -> Self {
        Self { sync_read_bytes: config.sync_read_bytes.0, ..Self::default() }
    }
}

impl GroupbyConfig {
    pub(super) fn complete(&self, check: &mut Check<'_>) {
        for (key, n) in [("max_concurrent", self.max_concurrent), ("max_waiting", self.max_waiting)] {
            if n > MOST_AT_ONCE {
                check
                    .mistake(&["plugins", "groupby", key], format!("is {n}, must be at most {MOST_AT_ONCE}"));
            }
        }
        // The result of a job that is not kept would be computed again and again.
        if self.max_kept.0 < self.max_result_bytes.0 {
            let message =
                "must be at least max_result_bytes, so that the result of a job can be kept".to_owned();
            check.mistake(&["plugins", "groupby", "max_kept"], message);
        }
    }
}
