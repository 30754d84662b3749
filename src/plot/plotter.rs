//! What plots share: bounds, threads, and what is kept.

use std::sync::Arc;
use std::time::Duration;

use thermocline_core::read::Reader;

/// Bounds of plots.
#[derive(Debug, Clone)]
pub struct PlotSettings {
    /// Most bytes that one plot may read from its sources.
    pub max_read_bytes: u64,
    /// Bytes of decoded fields that are kept.
    pub field_cache_bytes: u64,
    /// Bytes of grids and their search structures that are kept.
    pub grid_cache_bytes: u64,
    /// Most plots that are drawn at the same time; further ones wait.
    pub max_concurrent: usize,
    /// Most plots that wait; further ones are refused.
    pub max_waiting: usize,
    /// Memory of all plots in work, in bytes.
    pub work_bytes: u64,
    /// Longest time that a plot may take.
    pub timeout: Duration,
}

impl Default for PlotSettings {
    fn default() -> Self {
        let n_processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            max_read_bytes: 4 << 30,
            field_cache_bytes: 256 << 20,
            grid_cache_bytes: 512 << 20,
            max_concurrent: n_processors,
            max_waiting: 256,
            work_bytes: 1 << 30,
            timeout: Duration::from_secs(60),
        }
    }
}

/// Draws plots. Kept for as long as the server runs.
pub struct Plotter {
    pub(crate) reader: Arc<Reader>,
    pub(crate) settings: PlotSettings,
}

impl Plotter {
    /// A plotter that reads through `reader`.
    pub fn new(reader: Arc<Reader>, settings: PlotSettings) -> Self {
        Self { reader, settings }
    }

    /// Its bounds.
    pub fn settings(&self) -> &PlotSettings {
        &self.settings
    }
}
