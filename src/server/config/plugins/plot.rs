//! Section `[plugins.plot]`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thermocline_plot::PlotSettings;
use thermocline_serve_plot::PlotPluginSettings;

use crate::config::load::Check;
use crate::config::units::{Size, Span};

/// Most plots that may be drawn, or wait, at the same time: each holds a connection and its place in memory.
const MOST_AT_ONCE: usize = 65_536;

/// Plots of variables as pictures and pages.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PlotConfig {
    /// Whether the plugin is there.
    pub enabled: bool,
    /// Most bytes that one plot may read of its sources, as a size. What would read more is refused with an estimate
    /// and advice: a colour scale that is not given costs the whole field.
    pub max_read: Size,
    /// Most memory for decoded fields, as a size. Whoever looks at one picture soon asks for it with other colours.
    pub fields_memory: Size,
    /// Most memory for grids with what finds their cells, as a size: up to 60 bytes a cell of curvilinear and
    /// unstructured grids, kept for all variables on them.
    pub grids_memory: Size,
    /// Most memory for finished pictures, as a size.
    pub memory: Size,
    /// Most memory for plots in work, as a size. Plots beyond it wait.
    pub work_memory: Size,
    /// Plots drawn at once; 0 for one on each core. Further ones wait.
    pub max_concurrent: usize,
    /// Most plots that wait; further ones are answered with 503 and the time when to ask again.
    pub max_waiting: usize,
    /// How long drawing a plot may take, as a duration. Waiting for its turn does not count.
    pub timeout: Span,
}

impl Default for PlotConfig {
    fn default() -> Self {
        let PlotPluginSettings { plots, pictures_bytes } = PlotPluginSettings::default();
        Self {
            enabled: true,
            max_read: Size(plots.max_read_bytes),
            fields_memory: Size(plots.field_cache_bytes),
            grids_memory: Size(plots.grid_cache_bytes),
            memory: Size(pictures_bytes),
            work_memory: Size(plots.work_bytes),
            max_concurrent: 0,
            max_waiting: plots.max_waiting,
            timeout: Span(plots.timeout),
        }
    }
}

impl From<&PlotConfig> for PlotPluginSettings {
    fn from(config: &PlotConfig) -> Self {
        let defaults = PlotSettings::default();
        let max_concurrent =
            if config.max_concurrent == 0 { defaults.max_concurrent } else { config.max_concurrent };
        let plots = PlotSettings {
            max_read_bytes: config.max_read.0,
            field_cache_bytes: config.fields_memory.0,
            grid_cache_bytes: config.grids_memory.0,
            max_concurrent,
            max_waiting: config.max_waiting,
            work_bytes: config.work_memory.0,
            timeout: config.timeout.0,
        };
        Self { plots, pictures_bytes: config.memory.0 }
    }
}

impl PlotConfig {
    pub(super) fn complete(&self, check: &mut Check<'_>) {
        for (key, n) in [("max_concurrent", self.max_concurrent), ("max_waiting", self.max_waiting)] {
            if n > MOST_AT_ONCE {
                check.mistake(&["plugins", "plot", key], format!("is {n}, must be at most {MOST_AT_ONCE}"));
            }
        }
        if self.timeout.0.is_zero() {
            check.mistake(&["plugins", "plot", "timeout"], "is 0, must be longer".to_owned());
        }
    }
}
