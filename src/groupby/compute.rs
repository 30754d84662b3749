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
//! | [`chunks`], [`slab`], [`sizes`], [`windows`], [`passes`] | which chunks and cells are worked on at the same time |
//! | [`walk`] | runs of values of a chunk |
//! | [`turnstile`], [`accumulate`] | from chunks to results |
//! | [`anomaly`] | source minus the value of its group |
//! | [`weights`], [`output`], [`memory`], [`cost`] | what is read before, written, taken, and expected |
//!
//! # Memory
//! The result, stored weights and masks take their part of [`crate::EngineSettings::memory_bytes`], and the states of cells
//! what is left of it, at least half; what does not fit at once is done in passes over columns, which have no chunk in
//! common, and over groups that have few in common. All of it is taken at once before anything is read, so that no computation waits for another that waits for it.
//! Chunks in flight take theirs of the reader's work budget. Plans of what is read are made by few at a time.

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
mod sizes;
mod slab;
#[cfg(test)]
mod tests;
mod turnstile;
mod walk;
mod weights;
mod windows;

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;
use thermocline_core::Error;
use thermocline_core::admission::{Gate, GateSettings};
use thermocline_core::manifest::ChunkObjects;
use thermocline_core::read::{EachOwned, OwnedChunk, Reader, Visit};
use thermocline_core::threads::Threads;
use thermocline_model::{ArrayBytes, Variable};

use crate::kernel::LaneDecoder;
use crate::{Engine, EngineSettings, Estimate, Failure, Plan};

use accumulate::{Accumulating, Task, Then};
use chunks::Chunks;
use cost::Reads;
use layout::Layout;
use members::Members;
use memory::Memory;
use passes::{Bounds, Pass};

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
    /// Estimates that are made.
    estimating: Arc<Gate>,
}

impl Computing {
    pub(crate) fn new(settings: &EngineSettings) -> Self {
        let estimating = Gate::new(GateSettings {
            what: "estimates of groupby diagnostics",
            waiting_gauge: "thermocline_groupby_estimates_waiting",
            max_concurrent: ESTIMATES,
            max_waiting: settings.max_waiting,
        });
        Self {
            threads: Threads::shared(),
            memory: Memory::new(settings.memory_bytes),
            estimating: Arc::new(estimating),
        }
    }
}

/// Chunks that are read and decoded while each thread works on one.
const READ_AHEAD: usize = 2;

/// Estimates that are made at the same time: each may look at millions of chunks.
const ESTIMATES: usize = 2;

/// What is known of a box of the result before anything is read.
pub(crate) struct Prepared {
    part: Vec<Range<u64>>,
    layout: Layout,
    members: Members,
    /// The bytes that the smallest part takes, if it does not fit.
    passes: Result<Vec<Pass>, u64>,
    reads: Reads,
    /// Bytes that weights are read from.
    weight_bytes: u64,
    /// Numbers of the objects that are read.
    objects: Vec<u32>,
    /// Memory from the beginning to the end, in bytes: the box, weights and masks.
    held_bytes: u64,
}

impl Engine {
    /// What a plan costs. Looks at chunk tables and localities, reads nothing.
    ///
    /// # Errors
    /// Those of the chunk table; [`thermocline_core::ErrorKind::Unavailable`] if too many ask.
    pub async fn estimate(&self, reader: &Arc<Reader>, plan: &Plan) -> Result<Estimate, Failure> {
        let _turn = self.computing.estimating.admit().await?;
        let plan = Arc::new(plan.clone());
        let whole: Vec<Range<u64>> = plan.shape.iter().map(|len| 0..*len).collect();
        let prepared = self.prepare(reader, &plan, &whole).await?;
        self.cost(reader, &plan, &prepared).await
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
        prepared: Prepared,
        progress: &Arc<Progress>,
    ) -> Result<ArrayBytes, Failure> {
        let variable = variable_of(plan)?;
        let (decoder, _) = LaneDecoder::of(variable).map_err(Failure::Core)?;
        let _online = reader.keep_objects_online(&plan.manifest, &prepared.objects).await?;
        if let Err(len_bytes) = &prepared.passes {
            let limit = self.bounds(prepared.held_bytes).most_bytes;
            return Err(too_large(*len_bytes, limit, self.cost(reader, plan, &prepared).await?));
        }
        let Prepared { part, mut layout, members, passes, weight_bytes, held_bytes, .. } = prepared;
        let passes = passes.unwrap_or_default();
        let _memory = self.computing.memory.take(held_bytes.saturating_add(most_bytes(&passes))).await?;
        layout.weights = weights::read(reader, plan).await?;
        progress.bytes_read.fetch_add(weight_bytes, Ordering::Relaxed);
        let n_chunks = passes.iter().map(|pass| pass.chunks.len() as u64).sum();
        progress.total.fetch_add(n_chunks, Ordering::Relaxed);
        let (of, told) = (Arc::clone(plan), Arc::clone(progress));
        let begin = move || Task::new(&of, &part, (layout, members, decoder), &told);
        let task = Arc::new(self.computing.threads.run(|| {}, begin).await??);
        let _ended = CallOff(Arc::clone(&task));
        for pass in passes {
            self.pass(reader, &task, pass).await.map_err(|error| task.failure_of(error))?;
        }
        metrics::counter!("thermocline_groupby_computations_total").increment(1);
        Ok(task.output.take_values())
    }

    /// Plans the passes of a box of the result, away from the runtime's threads. Looks at chunk tables, reads nothing.
    ///
    /// # Errors
    /// Those of the chunk table; [`thermocline_core::ErrorKind::TooLarge`] for more chunks than a computation may have.
    pub(crate) async fn prepare(
        &self,
        reader: &Reader,
        plan: &Arc<Plan>,
        part: &[Range<u64>],
    ) -> Result<Prepared, Failure> {
        check_part(plan, part)?;
        let threads = &self.computing.threads;
        let (of, asked) = (Arc::clone(plan), part.to_vec());
        let lay_out = move || {
            let layout = Layout::new(&of, variable_of(&of)?, &asked)?;
            let chunks = Chunks::of(&of, &layout)?;
            let members = Members::of(&of, &layout);
            Ok::<_, Failure>((layout, chunks, members))
        };
        let (layout, chunks, members) = threads.run(|| {}, lay_out).await??;
        let variable = variable_of(plan)?;
        let stored = reader.in_file_order(&plan.manifest, variable, chunks.linear.clone()).await?;
        let weights = weights::stored(reader, plan).await?;
        let tables = weights.iter().fold(layout.mask_bytes(), |sum, of| sum.saturating_add(of.len_bytes));
        let held_bytes = tables.saturating_add(output::box_bytes(plan, part));
        let (of, bounds) = (Arc::clone(plan), self.bounds(held_bytes));
        let is_called_off = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&is_called_off);
        let pass = move || {
            let passes = passes::plan((&of, &layout, &members), (&chunks, &stored), &bounds, &flag)?;
            let n_times = if layout.is_anomaly { 2 } else { 1 };
            let mut objects = ChunkObjects::default();
            let planned = passes.as_deref().unwrap_or_default();
            let mut reads = Reads::of(variable_of(&of)?, (&stored, planned), n_times, &mut objects);
            let of_weights = weights.iter().map(|of| reads.add_all(&of.variable, &of.stored, &mut objects));
            let weight_bytes = of_weights.sum();
            Ok::<_, Failure>((layout, members, passes, (reads, weight_bytes, objects)))
        };
        let call_off = move || is_called_off.store(true, Ordering::Relaxed);
        let (layout, members, passes, (reads, weight_bytes, objects)) = threads.run(call_off, pass).await??;
        let objects = objects.numbers(&plan.manifest).await?;
        let part = part.to_vec();
        Ok(Prepared { part, layout, members, passes, reads, weight_bytes, objects, held_bytes })
    }

    /// The bounds of states beside what is held from the beginning to the end.
    fn bounds(&self, held_bytes: u64) -> Bounds {
        let left = |of: u64| of - held_bytes.min(of / 2);
        let memory_bytes = self.settings.memory_bytes;
        Bounds {
            share_bytes: left(memory_bytes / self.settings.max_concurrent.max(1) as u64),
            most_bytes: left(memory_bytes),
            n_threads: self.computing.threads.count(),
            n_in_flight: self.n_in_flight(),
        }
    }

    fn n_in_flight(&self) -> usize {
        self.computing.threads.count() + READ_AHEAD
    }

    /// What is prepared costs; the size and the groups are those of the whole result.
    ///
    /// # Errors
    /// Those of looking where objects are.
    pub(crate) async fn cost(
        &self,
        reader: &Reader,
        plan: &Plan,
        prepared: &Prepared,
    ) -> Result<Estimate, Failure> {
        let Prepared { reads, objects, held_bytes, passes, .. } = prepared;
        let estimate = cost::of_reads(reader, plan, (reads, objects)).await?;
        let states = passes.as_deref().map_or_else(|least| *least, most_bytes);
        let in_flight = reads.in_flight_bytes(self.n_in_flight());
        let memory_bytes = states.saturating_add(*held_bytes).saturating_add(in_flight);
        Ok(Estimate { memory_bytes, ..estimate })
    }

    /// One pass, from its chunks to its results.
    async fn pass(&self, reader: &Reader, task: &Arc<Task>, pass: Pass) -> thermocline_core::Result<()> {
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
        let visit = Visit { chunks, max_in_flight: self.n_in_flight(), spawn: &spawn };
        let gone = || Error::internal(format!("variable {:?} of the plan is gone", task.plan.path));
        let variable = task.plan.variable().ok_or_else(gone)?;
        let visited = reader.visit_owned(&task.plan.manifest, variable, visit, each).await?;
        metrics::counter!("thermocline_groupby_read_bytes_total").increment(visited.bytes_read);
        Ok(())
    }
}

/// Memory of the states of the largest pass.
fn most_bytes(passes: &[Pass]) -> u64 {
    passes.iter().map(|pass| pass.len_bytes).max().unwrap_or(0)
}

fn too_large(len_bytes: u64, limit: u64, estimate: Estimate) -> Failure {
    Failure::TooLarge {
        detail: format!(
            "all members of one cell take {len_bytes} bytes of memory, and there are {limit}; select less, reduce fewer \
             dimensions with over, or group by a finer label"
        ),
        estimate: Box::new(estimate),
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
