//! What requests share: bounds, memory, threads, kept results, one computation for all who ask.
//!
//! A result is looked for in memory, then in the folder, then computed, once for all who ask at the same time; it is in
//! memory afterwards, and in the folder where memory has no room for it or where it was asked for by [`Engine::keep`].
//! Entity tags name results: they change with the data and with the kernels, so that nothing that is kept is ever out of
//! date.

mod cut;
mod folder;
mod limits;
mod memory;
mod source;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use thermocline_core::Error;
use thermocline_core::admission::{Gate, GateSettings};
use thermocline_core::clock::{Clock, SystemClock};
use thermocline_core::flight::Flights;
use thermocline_core::manifest::{Manifest, blocking};
use thermocline_core::read::Reader;
use thermocline_model::ArrayBytes;
use tokio::time::Instant;
use tracing::warn;

use crate::{Described, Estimate, Failure, Plan, Progress};

use folder::{Folder, FolderSettings};
use memory::{Key, Memory};

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

/// What is said of a result that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptResult {
    /// Its entity tag, without quotes.
    pub etag: Arc<str>,
    /// Id of the dataset.
    pub dataset: Arc<str>,
    /// Revision of the dataset that it was computed from: it is out of date where the dataset has another one now.
    pub revision: Arc<str>,
    /// Its canonical path below the root of the server.
    pub path: Arc<str>,
    /// Size of its values.
    pub len_bytes: u64,
    /// When it was computed, in nanoseconds since 1970.
    pub when_ns: i64,
}

/// Computes diagnostics. Kept for as long as the server runs; requests for the same result share one computation, which ends
/// when the last of them is dropped. Copies are the same one.
#[derive(Clone)]
pub struct Engine {
    pub(crate) settings: Arc<EngineSettings>,
    results: Arc<Results>,
    pub(crate) computing: crate::compute::Computing,
}

/// What is kept, and what is under way.
struct Results {
    memory: Memory,
    folder: Option<Folder>,
    gate: Gate,
    clock: Arc<dyn Clock>,
    wholes: Flights<Arc<str>, Grouped, Failure, Arc<Progress>>,
    parts: Flights<Key, Arc<ArrayBytes>, Failure>,
    /// Results that are read from the folder.
    readings: Flights<Arc<str>, Option<Grouped>, Failure>,
}

impl Engine {
    /// Nothing computed yet. What the folder holds is looked at when it is first needed.
    pub fn new(settings: EngineSettings) -> Self {
        Self::with_clock(settings, Arc::new(SystemClock))
    }

    /// The same by another clock, which says how old results are.
    pub fn with_clock(settings: EngineSettings, clock: Arc<dyn Clock>) -> Self {
        let folder = settings.results_dir.clone().map(|dir| {
            let bounds = FolderSettings { dir, max_bytes: settings.results_bytes, keep: settings.keep };
            Folder::new(bounds, Arc::clone(&clock))
        });
        let gate = Gate::new(GateSettings {
            what: "groupby diagnostics",
            waiting_gauge: "thermocline_groupby_waiting",
            max_concurrent: settings.max_concurrent,
            max_waiting: settings.max_waiting,
        });
        let results = Results {
            memory: Memory::new(settings.kept_bytes),
            folder,
            gate,
            clock,
            wholes: Flights::default(),
            parts: Flights::default(),
            readings: Flights::default(),
        };
        let computing = crate::compute::Computing::new(&settings);
        Self { settings: Arc::new(settings), results: Arc::new(results), computing }
    }

    /// Its bounds.
    pub fn settings(&self) -> &EngineSettings {
        &self.settings
    }

    /// Bytes of results in memory.
    pub fn used_bytes(&self) -> u64 {
        self.results.memory.used_bytes()
    }

    /// A finished result that is still kept, in memory or in the folder.
    ///
    /// # Errors
    /// Those of describing it. A folder that cannot be read is as if it held nothing.
    pub async fn kept(&self, plan: &Arc<Plan>) -> Result<Option<Grouped>, Failure> {
        let etag: Arc<str> = plan.etag().into();
        self.find(&etag, plan).await
    }

    async fn find(&self, etag: &Arc<str>, plan: &Arc<Plan>) -> Result<Option<Grouped>, Failure> {
        if let Some(whole) = self.results.memory.whole(etag) {
            return Ok(Some(whole.grouped.clone()));
        }
        let Some(folder) = &self.results.folder else { return Ok(None) };
        match folder.may_hold(etag).await {
            Ok(true) => {}
            Ok(false) => return Ok(None),
            Err(error) => {
                warn!(%error, "kept results are not looked at");
                return Ok(None);
            }
        }
        let (engine, folder) = (self.clone(), folder.clone());
        let (key, plan) = (Arc::clone(etag), Arc::clone(plan));
        let read = || async move { engine.read(&folder, &key, &plan).await };
        let found = self.results.readings.join(Arc::clone(etag), (), read).await;
        found.map_err(|failure| failure.shared())
    }

    async fn read(
        &self,
        folder: &Folder,
        etag: &Arc<str>,
        plan: &Arc<Plan>,
    ) -> Result<Option<Grouped>, Failure> {
        if let Some(whole) = self.results.memory.whole(etag) {
            return Ok(Some(whole.grouped.clone()));
        }
        let Some(expected) = self.expected(plan) else { return Ok(None) };
        let Some((about, values)) = folder.read(etag, expected).await? else { return Ok(None) };
        let grouped = described(plan, values).await?;
        self.results.memory.insert_whole(grouped.clone(), about);
        Ok(Some(grouped))
    }

    /// The whole result: kept, or computed once for all who ask. Who joins a computation that is under way finds how far it
    /// is by [`Engine::progress`].
    ///
    /// # Errors
    /// [`Failure::TooLarge`] beyond the bounds; [`thermocline_core::ErrorKind::Unavailable`] if too many wait; those of
    /// computing.
    pub async fn grouped(
        &self,
        reader: &Arc<Reader>,
        plan: &Arc<Plan>,
        progress: &Arc<Progress>,
    ) -> Result<Grouped, Failure> {
        let etag: Arc<str> = plan.etag().into();
        if let Some(grouped) = self.find(&etag, plan).await? {
            return Ok(grouped);
        }
        let (engine, key) = (self.clone(), Arc::clone(&etag));
        let (reader, plan, told) = (Arc::clone(reader), Arc::clone(plan), Arc::clone(progress));
        let make = || async move { engine.make(&key, &reader, &plan, &told).await };
        let made = self.results.wholes.join(etag, Arc::clone(progress), make).await;
        made.map_err(|failure| failure.shared())
    }

    async fn make(
        &self,
        etag: &Arc<str>,
        reader: &Arc<Reader>,
        plan: &Arc<Plan>,
        progress: &Arc<Progress>,
    ) -> Result<Grouped, Failure> {
        // It may have been finished since it was looked for.
        if let Some(whole) = self.results.memory.whole(etag) {
            return Ok(whole.grouped.clone());
        }
        // Held until the result is described, since that takes memory, too.
        let _turn = self.results.gate.admit().await?;
        let whole: Vec<Range<u64>> = plan.shape.iter().map(|len| 0..*len).collect();
        let check = |estimate| self.check(plan, &estimate);
        let values = self.computed(reader, plan, (&whole, check), progress).await?;
        let about = self.about(plan, &values);
        let grouped = described(plan, values).await?;
        self.results.memory.insert_whole(grouped.clone(), about);
        // What memory has no room for would be computed for every form and every part of it.
        if self.results.memory.whole(etag).is_none()
            && let Err(failure) = self.keep(plan, &grouped).await
        {
            warn!(?failure, "a result that has no room in memory is not kept in the folder either");
        }
        Ok(grouped)
    }

    /// Computes a box of the result if its cost passes a check, and looks whether all values are there.
    async fn computed(
        &self,
        reader: &Arc<Reader>,
        plan: &Arc<Plan>,
        (part, check): (&[Range<u64>], impl FnOnce(Estimate) -> Result<(), Failure> + Send),
        progress: &Arc<Progress>,
    ) -> Result<ArrayBytes, Failure> {
        let began = Instant::now();
        let prepared = self.prepare(reader, plan, part).await?;
        check(self.cost(reader, plan, &prepared).await?)?;
        let values = self.compute(reader, plan, prepared, progress).await?;
        metrics::histogram!("thermocline_groupby_seconds").record(began.elapsed().as_secs_f64());
        let lens = part.iter().map(|range| range.end.saturating_sub(range.start));
        let found = match &values {
            ArrayBytes::Fixed(bytes) => bytes.len(),
            ArrayBytes::Texts(texts) => texts.len(),
        };
        if limits::len_bytes(plan, lens) != found as u64 {
            return Err(Error::internal("a result has not the length that it should have").into());
        }
        Ok(values)
    }

    /// How far the computation of a result is; `None` if it is not under way.
    pub fn progress(&self, plan: &Plan) -> Option<Arc<Progress>> {
        self.results.wholes.note(&plan.etag().into())
    }

    /// A chunk of the lazy result, as a range along each dimension: cut from the kept result, or computed alone and kept.
    ///
    /// # Errors
    /// Those of [`Engine::grouped`].
    pub async fn part(
        &self,
        reader: &Arc<Reader>,
        plan: &Arc<Plan>,
        part: &[Range<u64>],
    ) -> Result<Arc<ArrayBytes>, Failure> {
        if !cut::lies_in(&plan.shape, part) {
            let message = format!("{part:?} is no part of a result of shape {:?}", plan.shape);
            return Err(Error::internal(message).into());
        }
        let etag: Arc<str> = plan.etag().into();
        let key = Key { etag, part: Some(part.into()) };
        if let Some(values) = self.results.memory.part(&key) {
            return Ok(values);
        }
        if let Some(whole) = self.find(&key.etag, plan).await? {
            return cut_off(plan, whole, part).await;
        }
        let (engine, kept, part) = (self.clone(), key.clone(), part.to_vec());
        let (reader, plan) = (Arc::clone(reader), Arc::clone(plan));
        let make = || async move { engine.make_part(kept, &reader, &plan, &part).await };
        let made = self.results.parts.join(key, (), make).await;
        made.map_err(|failure| failure.shared())
    }

    async fn make_part(
        &self,
        key: Key,
        reader: &Arc<Reader>,
        plan: &Arc<Plan>,
        part: &[Range<u64>],
    ) -> Result<Arc<ArrayBytes>, Failure> {
        if let Some(values) = self.results.memory.part(&key) {
            return Ok(values);
        }
        let _turn = self.results.gate.admit().await?;
        let check = |estimate| self.check_part(plan, part, estimate);
        let values = Arc::new(self.computed(reader, plan, (part, check), &Arc::default()).await?);
        self.results.memory.insert_part(key, Arc::clone(&values));
        Ok(values)
    }

    /// Keeps a result in the folder, so that it survives the end of the process: durable when this returns. Without a folder
    /// it is kept in memory only.
    ///
    /// # Errors
    /// A folder that cannot be written; [`thermocline_core::ErrorKind::TooLarge`] for more than it may hold.
    pub async fn keep(&self, plan: &Arc<Plan>, grouped: &Grouped) -> Result<(), Failure> {
        let Some(folder) = &self.results.folder else { return Ok(()) };
        let about = self.about(plan, &grouped.values);
        Ok(folder.write(about, Arc::clone(&grouped.values)).await?)
    }

    /// The results of a dataset that are kept, the newest first: those of the state that it is in. What was computed from
    /// another revision of it is left out.
    pub async fn current_results(&self, manifest: &Manifest) -> Vec<KeptResult> {
        let mut found = self.results(Some(manifest.id.as_str())).await;
        found.retain(|kept| *kept.revision == *manifest.revision.0);
        found
    }

    /// The results that are kept, the newest first; of one dataset if it is named, whatever state of it they were computed from.
    pub async fn results(&self, dataset: Option<&str>) -> Vec<KeptResult> {
        let mut found: HashMap<Arc<str>, KeptResult> =
            self.results.memory.list().into_iter().map(|kept| (Arc::clone(&kept.etag), kept)).collect();
        if let Some(folder) = &self.results.folder {
            match folder.list().await {
                Ok(kept) => found.extend(kept.into_iter().map(|kept| (Arc::clone(&kept.etag), kept))),
                Err(error) => warn!(%error, "kept results are not looked at"),
            }
        }
        let mut found: Vec<KeptResult> = found.into_values().collect();
        found.retain(|kept| dataset.is_none_or(|dataset| &*kept.dataset == dataset));
        found.sort_unstable_by(|one, other| {
            other.when_ns.cmp(&one.when_ns).then_with(|| one.path.cmp(&other.path))
        });
        found
    }

    fn about(&self, plan: &Plan, values: &ArrayBytes) -> KeptResult {
        KeptResult {
            etag: plan.etag().into(),
            dataset: plan.manifest.id.as_str().into(),
            revision: plan.manifest.revision.0.as_str().into(),
            path: plan.canonical_path().into(),
            len_bytes: memory::len_bytes(values),
            when_ns: self.results.clock.now_ns(),
        }
    }
}

/// Values with all that is said of them.
async fn described(plan: &Arc<Plan>, values: ArrayBytes) -> Result<Grouped, Failure> {
    let plan = Arc::clone(plan);
    let describe = move || {
        let (described, values) = (Described::of(&plan)?, Arc::new(values));
        let manifest = described.manifest(&plan, Some(&values))?;
        Ok(Grouped { described: Arc::new(described), values, manifest })
    };
    Ok(blocking(describe).await?)
}

/// A box of a result that is kept.
async fn cut_off(plan: &Arc<Plan>, whole: Grouped, part: &[Range<u64>]) -> Result<Arc<ArrayBytes>, Failure> {
    let (plan, part) = (Arc::clone(plan), part.to_vec());
    let cut = move || {
        let cut = cut::cut(&whole.values, &plan.dtype, &plan.shape, &part);
        cut.ok_or_else(|| Error::internal("a kept result has not the shape of its plan"))
    };
    Ok(Arc::new(blocking(cut).await?))
}
