//! What plots share: bounds, threads, and what is kept.

mod admission;
mod grids;

use std::sync::Arc;
use std::time::Duration;

use thermocline_core::manifest::Manifest;
use thermocline_core::read::Reader;
use thermocline_core::threads::Threads;
use thermocline_core::{Error, Result};
use thermocline_render::{Cancel, Grid};

use crate::Placement;
use crate::draw::CellMaps;
use crate::read::Kept;

use admission::Gate;
use grids::Grids;

pub use admission::Admission;

/// Bounds of plots.
#[derive(Debug, Clone)]
pub struct PlotSettings {
    /// Most bytes that one plot may read from its sources.
    pub max_read_bytes: u64,
    /// Bytes of decoded fields that are kept.
    pub field_cache_bytes: u64,
    /// Bytes of grids and their search structures that are kept; a quarter is for the cells of the pixels of maps.
    pub grid_cache_bytes: u64,
    /// Most plots that are drawn at the same time; further ones wait.
    pub max_concurrent: usize,
    /// Most plots that wait; further ones are refused.
    pub max_waiting: usize,
    /// Memory of all plots in work, in bytes. The grids that are made at the same time take no more than this and what is
    /// kept of grids.
    pub work_bytes: u64,
    /// Longest time that a plot may take once it is let in, and that it may wait.
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
    pub(crate) threads: Threads,
    gate: Gate,
    grids: Grids,
    pub(crate) kept: Kept,
    pub(crate) cell_maps: CellMaps,
}

impl Plotter {
    /// A plotter that reads through `reader`.
    pub fn new(reader: Arc<Reader>, settings: PlotSettings) -> Self {
        let cell_map_bytes = settings.grid_cache_bytes / 4;
        let grid_bytes = settings.grid_cache_bytes - cell_map_bytes;
        let making_bytes = settings.work_bytes.saturating_add(settings.grid_cache_bytes);
        let threads = Threads::shared();
        Self {
            gate: Gate::new(&settings),
            grids: Grids::new(Arc::clone(&reader), threads.clone(), grid_bytes, making_bytes),
            reader,
            threads,
            kept: Kept::new(settings.field_cache_bytes),
            cell_maps: CellMaps::new(cell_map_bytes),
            settings,
        }
    }

    /// Its bounds.
    pub fn settings(&self) -> &PlotSettings {
        &self.settings
    }

    /// What it reads through.
    pub fn reader(&self) -> &Arc<Reader> {
        &self.reader
    }

    /// Waits until a plot that takes `work_bytes` of memory may be drawn: at most [`PlotSettings::max_concurrent`] are.
    /// Hold what this gives until the picture is encoded.
    ///
    /// # Errors
    /// [`thermocline_core::ErrorKind::Unavailable`] if too many wait already or it took too long;
    /// [`thermocline_core::ErrorKind::TooLarge`] for more memory than all plots have.
    pub async fn admit(&self, work_bytes: u64) -> Result<Admission> {
        self.gate.admit(work_bytes).await
    }

    /// Gives up after [`PlotSettings::timeout`], and calls drawing off then.
    ///
    /// # Errors
    /// Those of `work`; [`thermocline_core::ErrorKind::Unavailable`] if it took too long.
    pub async fn in_time<T, E: From<Error>>(
        &self,
        cancel: &Cancel,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        match tokio::time::timeout(self.settings.timeout, work).await {
            Ok(outcome) => outcome,
            Err(_) => {
                cancel.set();
                Err(admission::too_slow(self.settings.timeout).into())
            }
        }
    }

    /// Runs work on the threads of plots, rayon's included. Dropping the future calls the work off.
    ///
    /// # Errors
    /// [`thermocline_core::ErrorKind::Internal`] if it did not finish.
    pub async fn run<T: Send + 'static>(
        &self,
        cancel: &Cancel,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T> {
        let cancel = cancel.clone();
        self.threads.run(move || cancel.set(), work).await
    }

    /// The grid of a placement with its search structure: made once for each dataset revision and key, and kept.
    ///
    /// # Errors
    /// Coordinates that cannot be read, or are no grid; [`thermocline_core::ErrorKind::TooLarge`] for one that takes more
    /// memory to be made than there is.
    pub async fn grid(
        &self,
        manifest: &Arc<Manifest>,
        path: &str,
        placement: &Placement,
    ) -> Result<Arc<Grid>> {
        self.grids.get(manifest, path, placement).await
    }
}

/// What an entry of a cache takes besides what it holds.
pub(crate) const ENTRY_BYTES: u64 = 256;

/// A weight for caches, whose weights are 32 bits.
pub(crate) fn in_kib(len_bytes: u64) -> u32 {
    u32::try_from(len_bytes.div_ceil(1024)).unwrap_or(u32::MAX).max(1)
}
