//! Grids with their search structures: made once for each state of a dataset, and kept.
//!
//! Making goes on to its end whoever gives up waiting: large grids take longer than a plot may, and whoever asks again
//! finds them made. It takes its memory from a budget of its own, as plots that wait for a grid hold theirs.

use std::sync::Arc;

use moka::future::Cache;
use moka::policy::EvictionPolicy;
use thermocline_core::manifest::Manifest;
use thermocline_core::read::Reader;
use thermocline_core::threads::Threads;
use thermocline_core::{Error, ErrorKind, Result};
use thermocline_model::cf::Horizontal;
use thermocline_render::{Cancel, Grid};
use tokio::sync::Semaphore;
use tracing::warn;

use super::admission::permits;
use super::{ENTRY_BYTES, in_kib};
use crate::Placement;
use crate::placement::{Found, make, making_bytes, scope_of};

/// One grid of one state of a dataset.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    dataset: String,
    revision: String,
    key: String,
}

/// Grids that are kept or made. Copies are the same ones.
#[derive(Clone)]
pub(super) struct Grids {
    kept: Cache<Key, Arc<Grid>>,
    /// Bytes of grids that are kept.
    max_bytes: u64,
    memory: Arc<Semaphore>,
    /// Bytes that making may take.
    work_bytes: u64,
    reader: Arc<Reader>,
    threads: Threads,
}

impl Grids {
    /// Keeps so many bytes of grids, and makes them in so many.
    pub(super) fn new(reader: Arc<Reader>, threads: Threads, max_bytes: u64, work_bytes: u64) -> Self {
        let weight = |key: &Key, grid: &Arc<Grid>| {
            let names = key.dataset.len() + key.revision.len() + key.key.len();
            in_kib(grid.len_bytes() + names as u64 + ENTRY_BYTES)
        };
        let kept = Cache::builder().max_capacity(max_bytes / 1024).weigher(weight);
        Self {
            kept: kept.eviction_policy(EvictionPolicy::lru()).build(),
            max_bytes,
            memory: Arc::new(Semaphore::new(permits(work_bytes) as usize)),
            work_bytes,
            reader,
            threads,
        }
    }

    /// # Errors
    /// Those of [`super::Plotter::grid`].
    pub(super) async fn get(
        &self,
        manifest: &Arc<Manifest>,
        path: &str,
        placement: &Placement,
    ) -> Result<Arc<Grid>> {
        let key = Key {
            dataset: manifest.id.to_string(),
            revision: manifest.revision.to_string(),
            key: placement.key.clone(),
        };
        if let Some(grid) = self.kept.get(&key).await {
            return Ok(grid);
        }
        let (this, manifest, path) = (self.clone(), Arc::clone(manifest), path.to_owned());
        let made = tokio::spawn(async move {
            let make = async { this.make(&manifest, &path, &key).await.map_err(Arc::new) };
            this.kept.try_get_with_by_ref(&key, make).await
        });
        let made = made.await.map_err(|cause| Error::internal("a grid was not made").with_source(cause))?;
        made.map_err(|error: Arc<Arc<Error>>| error.shared())
    }

    async fn make(&self, manifest: &Arc<Manifest>, path: &str, key: &Key) -> Result<Arc<Grid>> {
        let root = &manifest.dataset.root;
        let gone = || Error::not_found(format!("Variable '{path}' not found in dataset"));
        let variable = root.variable(path).ok_or_else(gone)?;
        let scope = scope_of(root, path)?;
        let found = Found::of(variable, &scope, &Horizontal::candidates(&scope));
        let found = found.ok_or_else(|| Error::unsupported(format!("{path:?} lies on no grid")))?;
        let len_bytes = making_bytes(&found);
        if len_bytes > self.work_bytes {
            return Err(Error::new(
                ErrorKind::TooLarge,
                format!(
                    "making the grid of {path:?} needs about {len_bytes} bytes of memory, and {} are there; an operator \
                     may raise grids_memory or work_memory of the plots",
                    self.work_bytes
                ),
            ));
        }
        let closed = |cause| Error::internal("plots are closed").with_source(cause);
        let _memory = self.memory.acquire_many(permits(len_bytes)).await.map_err(closed)?;
        let material = make(&self.reader, manifest, variable, found).await?;
        // Nobody calls it off: whoever asks again waits for it.
        let never = Cancel::new();
        let inner = never.clone();
        let grid = self.threads.run(|| {}, move || material.grid(&inner)).await??;
        if grid.len_bytes() > self.max_bytes {
            warn!(
                dataset = %key.dataset,
                grid = %key.key,
                bytes = grid.len_bytes(),
                kept = self.max_bytes,
                "a grid is larger than all that is kept of grids, and is made again for each plot: raise \
                 plugins.plot.grids_memory"
            );
        }
        Ok(Arc::new(grid))
    }
}
