//! A pass over chunks: from decoded chunks to the results of slabs.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use thermocline_core::read::OwnedChunk;
use thermocline_core::{Error, Result};
use thermocline_model::DataType;

use super::Progress;
use super::layout::Layout;
use super::members::Members;
use super::output::Output;
use super::passes::Pass;
use super::slab::Slab;
use super::turnstile::Turnstile;
use super::walk::{self, Work};
use crate::kernel::{Cells, LaneDecoder, State};
use crate::{Action, Failure, GroupLabels, Plan};

/// What all passes of a computation share.
pub(super) struct Task {
    pub(super) plan: Arc<Plan>,
    pub(super) part: Vec<Range<u64>>,
    pub(super) layout: Layout,
    pub(super) members: Members,
    pub(super) decoder: LaneDecoder,
    pub(super) output: Output,
    pub(super) progress: Arc<Progress>,
    pub(super) is_called_off: AtomicBool,
    /// Why there will be no result, where that is no error of the core.
    failure: Mutex<Option<Failure>>,
}

impl Task {
    pub(super) fn new(
        plan: &Arc<Plan>,
        part: &[Range<u64>],
        (layout, members, decoder): (Layout, Members, LaneDecoder),
        progress: &Arc<Progress>,
    ) -> Result<Self> {
        Ok(Self {
            output: Output::new(plan, &layout, part)?,
            plan: Arc::clone(plan),
            part: part.to_vec(),
            layout,
            members,
            decoder,
            progress: Arc::clone(progress),
            is_called_off: AtomicBool::new(false),
            failure: Mutex::new(None),
        })
    }

    /// # Errors
    /// If nobody waits for the result any more.
    pub(super) fn check(&self) -> Result<()> {
        match self.is_called_off.load(Ordering::Relaxed) {
            true => Err(Error::internal("the computation was called off")),
            false => Ok(()),
        }
    }

    /// The failure behind an error of a pass.
    pub(super) fn failure_of(&self, error: Error) -> Failure {
        self.failure.lock().take().unwrap_or(Failure::Core(error))
    }

    /// Keeps a failure for later, and gives an error that ends the visit.
    fn fail(&self, failure: Failure) -> Error {
        self.failure.lock().get_or_insert(failure);
        Error::internal("the computation failed")
    }

    /// Counts a chunk that was taken.
    pub(super) fn count(&self, chunk: &OwnedChunk) {
        self.progress.done.fetch_add(1, Ordering::Relaxed);
        self.progress.bytes_read.fetch_add(chunk.bytes_read(), Ordering::Relaxed);
    }

    fn new_work(&self, slab: &Slab) -> Work {
        let layout = &self.layout;
        let numbering = slab.numbering(layout);
        let n_cells = slab.n_cells() as usize;
        let n_members = |cell: usize| self.members.of_cell(layout, &slab.groups_of(&numbering, cell));
        let state = State::new(&layout.spec, n_cells, &n_members);
        Work::new(state, self.are_members_counted().then(|| vec![0; n_cells]))
    }

    /// True if only the walk tells which cells are empty.
    fn are_members_counted(&self) -> bool {
        (self.plan.has_empty || self.layout.is_anomaly) && !self.members.are_exact
    }

    /// The results of a slab.
    ///
    /// # Errors
    /// Integers beyond 64 bits, naming the group.
    fn finished(&self, slab: &Slab, work: Work) -> Result<Cells> {
        let layout = &self.layout;
        let numbering = slab.numbering(layout);
        let Work { state, n_members, .. } = work;
        let cells = state.finish().map_err(|overflow| {
            let groups = slab.groups_of(&numbering, overflow.cell);
            self.fail(Failure::Impossible(overflow_text(&self.plan, layout, &groups)))
        })?;
        if !self.plan.has_empty {
            return Ok(cells);
        }
        let fewest = fewest_members(&self.plan);
        let n_each = cells.len().checked_div(slab.n_cells() as usize).unwrap_or(1).max(1);
        Ok(cells.with_empty(|result| match &n_members {
            Some(counts) => counts.get(result / n_each).is_none_or(|count| u64::from(*count) < fewest),
            None => self.members.of_cell(layout, &slab.groups_of(&numbering, result / n_each)) < fewest,
        }))
    }
}

/// With fewer members a cell has no value.
fn fewest_members(plan: &Plan) -> u64 {
    let counts = matches!(plan.request.action, Action::Sum | Action::Prod) && plan.source.is_never_missing();
    if counts { plan.request.options.min_count.max(1) } else { 1 }
}

fn overflow_text(plan: &Plan, layout: &Layout, groups: &[u64]) -> String {
    let named = layout.groups.iter().zip(groups).filter_map(|(of, group)| {
        let factor = plan.factors.get(of.factor)?;
        Some(format!("{} {}", factor.name, label_text(&factor.labels, usize::try_from(*group).ok()?)?))
    });
    let named: Vec<String> = named.collect();
    let of = if named.is_empty() { plan.request.grouper_text() } else { named.join(", ") };
    let action = plan.request.action.word();
    format!("the {action} of {:?} in group {of} is beyond 64 bits", plan.path)
}

/// A label as people read it.
fn label_text(labels: &GroupLabels, at: usize) -> Option<String> {
    Some(match labels {
        GroupLabels::Integers(values) => values.get(at)?.to_string(),
        GroupLabels::Unsigned(values) => values.get(at)?.to_string(),
        GroupLabels::Floats { values, .. } => values.get(at)?.to_string(),
        GroupLabels::Booleans(values) => values.get(at)?.to_string(),
        GroupLabels::Texts(values) => values.get(at)?.clone(),
        GroupLabels::Times { ticks, .. } => format!("number {at} at {} µs", ticks.get(at)?),
        GroupLabels::Intervals { edges, .. } => format!("{} to {}", edges.get(at)?, edges.get(at + 1)?),
    })
}

/// What becomes of the results of slabs.
pub(super) enum Then {
    /// They are the result.
    Output,
    /// They are kept, each slab's as numbers.
    Keep(Mutex<HashMap<usize, Vec<f64>>>),
}

/// One pass, shared by the threads that work on it.
pub(super) struct Accumulating {
    pub(super) task: Arc<Task>,
    slabs: Vec<Slab>,
    turnstiles: Vec<Turnstile<Option<Work>, Arc<OwnedChunk>>>,
    /// The slabs of each column.
    columns: HashMap<u32, Range<usize>>,
    /// How many chunks each column has.
    n_chunks: HashMap<u32, u32>,
    /// The column of each chunk and its number there, by its position in the grid.
    tickets: HashMap<u64, (u32, u32)>,
    pub(super) then: Then,
}

impl Accumulating {
    pub(super) fn new(task: &Arc<Task>, pass: &Pass, then: Then) -> Self {
        let mut n_chunks: HashMap<u32, u32> = HashMap::new();
        let mut tickets = HashMap::with_capacity(pass.chunks.len());
        for (linear, column) in &pass.chunks {
            let number = n_chunks.entry(*column).or_default();
            tickets.insert(*linear, (*column, *number));
            *number += 1;
        }
        let mut columns: HashMap<u32, Range<usize>> = HashMap::new();
        for (at, slab) in pass.slabs.iter().enumerate() {
            columns.entry(slab.column as u32).or_insert(at..at).end = at + 1;
        }
        Self {
            task: Arc::clone(task),
            turnstiles: pass.slabs.iter().map(|_| Turnstile::new(None)).collect(),
            slabs: pass.slabs.clone(),
            columns,
            n_chunks,
            tickets,
            then,
        }
    }

    /// Takes a chunk, now or after those before it in its column.
    ///
    /// # Errors
    /// Those of decoding; integers beyond 64 bits.
    pub(super) fn take(&self, chunk: OwnedChunk) -> Result<()> {
        self.task.check()?;
        self.task.count(&chunk);
        let unknown = || Error::internal("a chunk was visited that is not of the pass");
        let (column, number) = *self.tickets.get(&chunk.decoded().linear).ok_or_else(unknown)?;
        let slabs = self.columns.get(&column).cloned().ok_or_else(unknown)?;
        let n_chunks = self.n_chunks.get(&column).copied().unwrap_or_default();
        let chunk = Arc::new(chunk);
        for turnstile in self.turnstiles.get(slabs.clone()).unwrap_or_default() {
            turnstile.bring(number, Arc::clone(&chunk));
        }
        drop(chunk);
        // Threads begin at different slabs, so that they meet less often.
        let n = slabs.len().max(1);
        for at in 0..n {
            self.turn(slabs.start + (number as usize + at) % n, n_chunks)?;
        }
        Ok(())
    }

    fn turn(&self, at: usize, n_chunks: u32) -> Result<()> {
        let (Some(turnstile), Some(slab)) = (self.turnstiles.get(at), self.slabs.get(at)) else {
            return Ok(());
        };
        turnstile.turn(|number, work: Option<Work>, chunk: Arc<OwnedChunk>| {
            self.task.check()?;
            let mut work = work.unwrap_or_else(|| self.task.new_work(slab));
            let decoded = chunk.decoded();
            let (layout, decoder) = (&self.task.layout, &self.task.decoder);
            walk::accumulate(layout, slab, decoder, (decoded.index, decoded.values), &mut work)?;
            if number + 1 < n_chunks {
                return Ok(Some(Some(work)));
            }
            self.finish(at, slab, work)?;
            Ok(None)
        })
    }

    fn finish(&self, at: usize, slab: &Slab, work: Work) -> Result<()> {
        let cells = self.task.finished(slab, work)?;
        match &self.then {
            Then::Output => {
                let task = &self.task;
                let results = match (&cells, &task.plan.time_units) {
                    (Cells::Times(_), Some(units)) => cells.encode_times(&task.plan.dtype, units)?,
                    _ => cells.encode(&task.plan.dtype)?,
                };
                let numbering = slab.numbering(&task.layout);
                task.output.put((&task.layout, &task.part), (slab, &numbering), results)
            }
            Then::Keep(kept) => {
                kept.lock().insert(at, cells.into_floats());
                Ok(())
            }
        }
    }

    /// Finishes the slabs that no chunk belongs to; whose results are kept for chunks are wanted by none.
    ///
    /// # Errors
    /// Those of results.
    pub(super) fn finish_empty(&self) -> Result<()> {
        if matches!(self.then, Then::Keep(_)) {
            return Ok(());
        }
        for (at, slab) in self.slabs.iter().enumerate() {
            if !self.n_chunks.contains_key(&(slab.column as u32)) {
                self.task.check()?;
                self.finish(at, slab, self.task.new_work(slab))?;
            }
        }
        Ok(())
    }

    /// The slabs of a column with their numbers.
    pub(super) fn slabs_of(&self, linear: u64) -> impl Iterator<Item = (usize, &Slab)> {
        let column = self.tickets.get(&linear).map(|(column, _)| column);
        let slabs = column.and_then(|column| self.columns.get(column)).cloned().unwrap_or(0..0);
        slabs.clone().zip(self.slabs.get(slabs).unwrap_or_default())
    }
}

/// The type of what anomalies are written as.
pub(super) fn is_single(dtype: &DataType) -> bool {
    matches!(dtype, DataType::Float { size: 4, .. })
}
