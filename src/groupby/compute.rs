//! One bounded pass over the chunks of a variable.
//!
//! Stored chunks that go to the same cells of the result form a *column*. They are read in the order in which they lie in
//! their objects, decoded side by side, and added to the cells of their column in that order: a chunk that is decoded too
//! early is left at a turnstile and taken along by whoever is inside, so that nobody waits. So the same request gives the same
//! bytes, whatever the number of threads, and whichever box of the result is asked for.
//!
//! | Module | |
//! |---|---|
//! | [`positions`], [`layout`], [`members`] | what becomes of every position of the variable |
//! | [`chunks`], [`slab`], [`passes`] | which chunks and cells are worked on at the same time |
//! | [`walk`] | runs of values of a chunk |
//! | [`turnstile`], [`accumulate`] | from chunks to results |
//! | [`anomaly`] | source minus the value of its group |
//! | [`weights`], [`output`], [`memory`], [`cost`] | what is read before, written, taken, and expected |
//!
//! # Memory
//! States of cells take their part of [`crate::EngineSettings::memory_bytes`]; what does not fit at once is done in passes
//! over columns, which have no chunk in common. Chunks in flight take theirs of the reader's work budget.

mod accumulate;
mod anomaly;
mod chunks;
mod cost;
mod layout;
mod members;
mod memory;
mod output;
mod passes;
mod positions;
mod slab;
#[cfg(test)]
mod tests;
mod turnstile;
mod walk;
mod weights;

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use thermocline_core::Error;
use thermocline_core::read::{EachOwned, OwnedChunk, Reader, Visit};
use thermocline_core::threads::Threads;
use thermocline_model::{ArrayBytes, Variable};

use crate::kernel::LaneDecoder;
use crate::{Engine, EngineSettings, Estimate, Failure, Plan};

use accumulate::{Accumulating, Task, Then};
use chunks::Chunks;
use layout::Layout;
use members::Members;
use memory::Memory;
use passes::{Bounds, Pass, Stored};

/// How far a computation is; shared with whoever shows it.
#[derive(Debug, Default)]
pub struct Progress {
    /// Source chunks that were taken, each as often as it was.
    pub done: AtomicU64,
    /// All of them; 0 as long as it is not known.
    pub total: AtomicU64,
    /// Stored bytes that were read.
    pub bytes_read: AtomicU64,
}

/// What all computations share.
#[derive(Clone)]
pub(crate) struct Computing {
    threads: Threads,
    memory: Memory,
}

impl Computing {
    pub(crate) fn new(settings: &EngineSettings) -> Self {
        Self { threads: Threads::shared(), memory: Memory::new(settings.memory_bytes) }
    }
}

/// Chunks that are read and decoded while each thread works on one.
const READ_AHEAD: usize = 2;

/// What is known before anything is read.
struct Prepared {
    layout: Layout,
    members: Members,
    stored: Vec<Stored>,
    /// The bytes that the smallest part takes, if it does not fit.
    passes: Result<Vec<Pass>, u64>,
}

impl Engine {
    /// What a plan costs. Looks at chunk tables and localities, reads nothing.
    ///
    /// # Errors
    /// Those of the chunk table.
    pub async fn estimate(&self, reader: &Arc<Reader>, plan: &Plan) -> Result<Estimate, Failure> {
        let plan = Arc::new(plan.clone());
        let whole: Vec<Range<u64>> = plan.shape.iter().map(|len| 0..*len).collect();
        self.estimate_part(reader, &plan, &whole).await
    }

    /// What a box of the result costs; its size and its groups are those of the whole result.
    ///
    /// # Errors
    /// Those of [`Engine::estimate`].
    pub(crate) async fn estimate_part(
        &self,
        reader: &Arc<Reader>,
        plan: &Arc<Plan>,
        part: &[Range<u64>],
    ) -> Result<Estimate, Failure> {
        let prepared = self.prepare(reader, plan, part, Vec::new()).await?;
        self.cost(reader, plan, &prepared).await
    }

    /// Computes a box of the result, given as a range along each of its dimensions (group dimensions and quantiles may be
    /// cut too). Little-endian, C order. The same bytes whatever the number of threads, and whichever box a cell is in.
    /// Dropping the future ends the computation within a chunk.
    ///
    /// # Errors
    /// [`thermocline_core::ErrorKind::NotStaged`] naming all cold objects before anything is read; [`Failure::Impossible`]
    /// for integers beyond 64 bits; [`Failure::TooLarge`] for cells that no budget holds; whatever keeps the values from
    /// being exactly right.
    pub(crate) async fn compute(
        &self,
        reader: &Arc<Reader>,
        plan: &Arc<Plan>,
        part: &[Range<u64>],
        progress: &Arc<Progress>,
    ) -> Result<ArrayBytes, Failure> {
        check_part(plan, part)?;
        let variable = variable_of(plan)?;
        let (decoder, _) = LaneDecoder::of(variable).map_err(Failure::Core)?;
        let weights = weights::read(reader, plan).await?;
        let prepared = self.prepare(reader, plan, part, weights).await?;
        let _online = reader.keep_chunks_online(&plan.manifest, &prepared.stored).await?;
        if let Err(len_bytes) = &prepared.passes {
            return Err(self.too_large(*len_bytes, self.cost(reader, plan, &prepared).await?));
        }
        let Prepared { layout, members, passes, .. } = prepared;
        let passes = passes.unwrap_or_default();
        let n_chunks = passes.iter().map(|pass| pass.chunks.len() as u64).sum();
        progress.total.fetch_add(n_chunks, Ordering::Relaxed);
        let task = Arc::new(Task::new(plan, part, (layout, members, decoder), progress)?);
        let _ended = CallOff(Arc::clone(&task));
        for pass in passes {
            self.pass(reader, &task, pass).await.map_err(|error| task.failure_of(error))?;
        }
        metrics::counter!("thermocline_groupby_computations_total").increment(1);
        Ok(task.output.take_values())
    }

    /// Plans the passes of a box of the result, away from the runtime's threads.
    async fn prepare(
        &self,
        reader: &Reader,
        plan: &Arc<Plan>,
        part: &[Range<u64>],
        weights: Vec<weights::WeightTable>,
    ) -> Result<Prepared, Failure> {
        let threads = &self.computing.threads;
        let (of, part) = (Arc::clone(plan), part.to_vec());
        let lay_out = move || {
            let layout = Layout::new(&of, variable_of(&of)?, &part, weights)?;
            let chunks = Chunks::of(&layout)?;
            let members = Members::of(&of, &layout);
            Ok::<_, Failure>((layout, chunks, members))
        };
        let (layout, chunks, members) = threads.run(|| {}, lay_out).await??;
        let variable = variable_of(plan)?;
        let stored = reader.in_file_order(&plan.manifest, variable, chunks.linear.clone()).await?;
        let bounds = self.bounds();
        let pass = move || {
            let passes = passes::plan(&layout, &members, (&chunks, &stored), &bounds)?;
            Ok::<_, Failure>(Prepared { layout, members, stored, passes })
        };
        threads.run(|| {}, pass).await?
    }

    fn bounds(&self) -> Bounds {
        let n_threads = self.computing.threads.count();
        let memory_bytes = self.settings.memory_bytes;
        Bounds {
            share_bytes: memory_bytes / self.settings.max_concurrent.max(1) as u64,
            most_bytes: memory_bytes,
            n_threads,
            n_in_flight: n_threads + READ_AHEAD,
        }
    }

    async fn cost(&self, reader: &Reader, plan: &Plan, prepared: &Prepared) -> Result<Estimate, Failure> {
        let variable = variable_of(plan)?;
        let passes = prepared.passes.as_deref().unwrap_or_default();
        let n_in_flight = self.bounds().n_in_flight;
        let estimate =
            cost::of_passes(reader, (plan, variable), (&prepared.stored, passes), n_in_flight).await?;
        let least = prepared.passes.as_ref().err().copied().unwrap_or(0);
        Ok(Estimate { memory_bytes: estimate.memory_bytes.max(least), ..estimate })
    }

    fn too_large(&self, len_bytes: u64, estimate: Estimate) -> Failure {
        let limit = self.settings.memory_bytes;
        Failure::TooLarge {
            detail: format!(
                "all members of one cell take {len_bytes} bytes of memory, and there are {limit}; select less, reduce fewer \
                 dimensions with over, or group by a finer label"
            ),
            estimate: Box::new(estimate),
        }
    }

    /// One pass, from its chunks to its results.
    async fn pass(&self, reader: &Reader, task: &Arc<Task>, pass: Pass) -> thermocline_core::Result<()> {
        let _memory = self.computing.memory.take(pass.len_bytes).await?;
        let is_anomaly = task.layout.is_anomaly;
        let then = if is_anomaly { Then::Keep(Mutex::new(HashMap::new())) } else { Then::Output };
        let (of, planned) = (Arc::clone(task), pass);
        let begin = move || (Arc::new(Accumulating::new(&of, &planned, then)), planned.chunks);
        let (pass, chunks) = self.computing.threads.run(|| {}, begin).await?;
        let each = Arc::clone(&pass);
        let linear = chunks.iter().map(|(linear, _)| *linear).collect();
        self.visit(reader, task, linear, Arc::new(move |chunk: OwnedChunk| each.take(chunk))).await?;
        let last = Arc::clone(&pass);
        self.computing.threads.run(|| {}, move || last.finish_empty()).await??;
        if let Then::Keep(kept) = &pass.then {
            let kept = Arc::new(std::mem::take(&mut *kept.lock()));
            let linear = anomaly::chunks_of(task, &chunks);
            task.progress.total.fetch_add(linear.len() as u64, Ordering::Relaxed);
            let each = Arc::clone(&pass);
            let subtract = move |chunk: OwnedChunk| anomaly::subtract(&each, &kept, &chunk);
            self.visit(reader, task, linear, Arc::new(subtract)).await?;
        }
        Ok(())
    }

    async fn visit(
        &self,
        reader: &Reader,
        task: &Task,
        chunks: Vec<u64>,
        each: Arc<EachOwned>,
    ) -> thermocline_core::Result<()> {
        let threads = &self.computing.threads;
        let spawn = |work: Box<dyn FnOnce() + Send>| threads.spawn(work);
        let visit = Visit { chunks, max_in_flight: self.bounds().n_in_flight, spawn: &spawn };
        let gone = || Error::internal(format!("variable {:?} of the plan is gone", task.plan.path));
        let variable = task.plan.variable().ok_or_else(gone)?;
        let visited = reader.visit_owned(&task.plan.manifest, variable, visit, each).await?;
        metrics::counter!("thermocline_groupby_read_bytes_total").increment(visited.bytes_read);
        Ok(())
    }
}

/// Ends the work of threads when nobody waits for the result any more.
struct CallOff(Arc<Task>);

impl Drop for CallOff {
    fn drop(&mut self) {
        self.0.is_called_off.store(true, Ordering::Relaxed);
    }
}

fn variable_of(plan: &Plan) -> Result<&Variable, Failure> {
    let gone = || Error::internal(format!("variable {:?} of the plan is gone", plan.path));
    Ok(plan.variable().ok_or_else(gone)?)
}

/// Refuses a box that is not one of the result.
fn check_part(plan: &Plan, part: &[Range<u64>]) -> Result<(), Failure> {
    let is_inside = |(range, len): (&Range<u64>, &u64)| range.start <= range.end && range.end <= *len;
    if part.len() == plan.shape.len() && part.iter().zip(&plan.shape).all(is_inside) {
        return Ok(());
    }
    let message = format!("the box {part:?} is not one of a result of shape {:?}", plan.shape);
    Err(Failure::Core(Error::invalid_input(message)))
}
