//! What requests share: bounds, memory, threads, kept results, one computation for all who ask.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use thermocline_core::manifest::Manifest;
use thermocline_core::read::Reader;
use thermocline_model::ArrayBytes;

use crate::{Described, Failure, Plan, Progress};

/// Bounds of diagnostics.
#[derive(Debug, Clone)]
pub struct EngineSettings {
    /// Largest result, in bytes; of parts of lazy results [`EngineSettings::max_chunk_bytes`] counts.
    pub max_result_bytes: u64,
    /// Most groups of a result.
    pub max_groups: u64,
    /// Most stored bytes that one request reads.
    pub max_read_bytes: u64,
    /// Largest chunk of a lazy result, in bytes.
    pub max_chunk_bytes: u64,
    /// Memory of the states of all computations together, in bytes.
    pub memory_bytes: u64,
    /// Bytes of results that are kept in memory.
    pub kept_bytes: u64,
    /// Folder in which results are kept over restarts; `None` keeps them in memory only.
    pub results_dir: Option<PathBuf>,
    /// Bytes of results that are kept in the folder.
    pub results_bytes: u64,
    /// How long results are kept in the folder.
    pub keep: Duration,
    /// Most computations at the same time; further ones wait.
    pub max_concurrent: usize,
    /// Most that wait; further ones are refused.
    pub max_waiting: usize,
}

impl Default for EngineSettings {
    fn default() -> Self {
        Self {
            max_result_bytes: 256 << 20,
            max_groups: 100_000,
            max_read_bytes: 64 << 30,
            max_chunk_bytes: 64 << 20,
            memory_bytes: 1 << 30,
            kept_bytes: 256 << 20,
            results_dir: None,
            results_bytes: 4 << 30,
            keep: Duration::from_secs(24 * 3600),
            max_concurrent: 4,
            max_waiting: 256,
        }
    }
}

/// A finished result.
#[derive(Debug, Clone)]
pub struct Grouped {
    /// What it is.
    pub described: Arc<Described>,
    /// Values of the variable, little-endian, C order.
    pub values: Arc<ArrayBytes>,
    /// The same as a dataset in memory, for whoever reads datasets.
    pub manifest: Arc<Manifest>,
}

/// Computes diagnostics. Kept for as long as the server runs; requests for the same result share one computation, which ends
/// when the last of them is dropped.
pub struct Engine {
    pub(crate) settings: EngineSettings,
}

impl Engine {
    /// Nothing computed yet.
    pub fn new(settings: EngineSettings) -> Self {
        Self { settings }
    }

    /// Its bounds.
    pub fn settings(&self) -> &EngineSettings {
        &self.settings
    }

    /// Bytes of results in memory.
    pub fn used_bytes(&self) -> u64 {
        0
    }

    /// A finished result that is still kept, in memory or in the folder.
    ///
    /// # Errors
    /// A folder that cannot be read.
    pub async fn kept(&self, _plan: &Arc<Plan>) -> Result<Option<Grouped>, Failure> {
        Ok(None)
    }

    /// The whole result: kept, or computed once for all who ask.
    ///
    /// # Errors
    /// [`Failure::TooLarge`] beyond the bounds; those of computing.
    pub async fn grouped(
        &self,
        _reader: &Arc<Reader>,
        _plan: &Arc<Plan>,
        _progress: &Arc<Progress>,
    ) -> Result<Grouped, Failure> {
        Err(Failure::mistake("groupby is not computed yet"))
    }

    /// A chunk of the lazy result, as a range along each dimension: cut from the kept result, or computed alone and kept.
    ///
    /// # Errors
    /// Those of [`Engine::grouped`].
    pub async fn part(
        &self,
        _reader: &Arc<Reader>,
        _plan: &Arc<Plan>,
        _part: &[Range<u64>],
    ) -> Result<Arc<ArrayBytes>, Failure> {
        Err(Failure::mistake("groupby is not computed yet"))
    }

    /// Keeps a result in the folder, so that it survives the end of the process: durable when this returns. Without a folder
    /// it is kept in memory only.
    ///
    /// # Errors
    /// A folder that cannot be written.
    pub async fn keep(&self, _plan: &Arc<Plan>, _grouped: &Grouped) -> Result<(), Failure> {
        Ok(())
    }
}
