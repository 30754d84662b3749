//! What is computed at the same time, so that the states fit into memory.
//!
//! Columns of chunks have no chunk in common, so that work in passes over columns reads nothing twice. Only the cells of one
//! column that need more memory than there is are cut: into groups first, as long as each chunk is then read for few of
//! them; into kept positions last, and the chunks are read for each part again.

use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};

use thermocline_core::{Error, Result};
use thermocline_model::ChunkRef;

use super::chunks::{Chunks, too_large};
use super::layout::{Axis, Becomes, Layout};
use super::members::Members;
use super::sizes::{Load, Sizes};
use super::slab::Slab;
use super::windows::{Spread, Window};
use crate::{Failure, Plan};

/// Cells that are accumulated together, where there are that many: few enough to be finished in little memory.
const CELLS: u64 = 1 << 16;

/// Most cells of a computation, and slabs that they are cut into where that alone decides.
const MAX_ALL_CELLS: u64 = 1 << 36;
const MAX_SLABS: u64 = 1 << 18;

/// Most chunks of all passes together, each as often as it is read.
const MAX_READS: usize = 1 << 24;

/// Most cells of a state.
const MAX_CELLS: u64 = u32::MAX as u64 - 1;

/// A chunk with its stored bytes, `None` if it was never written.
pub(super) type Stored = (u64, Option<ChunkRef>);

/// Work that is done at the same time.
pub(super) struct Pass {
    /// Chunks in the order of a visit, with their columns.
    pub(super) chunks: Vec<(u64, u32)>,
    /// What is accumulated, column by column.
    pub(super) slabs: Vec<Slab>,
    /// Memory of its states and results, in bytes.
    pub(super) len_bytes: u64,
}

/// Bounds of passes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Memory of the states of a pass, in bytes, where columns are small enough.
    pub(super) share_bytes: u64,
    /// The same of a column that has to be cut.
    pub(super) most_bytes: u64,
    /// Threads that accumulate.
    pub(super) n_threads: usize,
    /// Chunks that are in flight.
    pub(super) n_in_flight: usize,
}

/// A column that is to be computed in one go, in parts that several threads work on.
struct Column {
    slabs: Vec<Slab>,
    load: Load,
    /// Where its first and its last chunk stand in the order of the visit.
    first: usize,
    last: usize,
}

/// The passes over chunks, which stand in the order of a visit; the bytes that the smallest part takes, if it does not fit.
///
/// # Errors
/// [`Failure::TooLarge`] for more than can be planned; [`thermocline_core::ErrorKind::Internal`] once it is called off.
pub(super) fn plan(
    (plan, layout, members): (&Plan, &Layout, &Members),
    (chunks, stored): (&Chunks, &[Stored]),
    bounds: &Bounds,
    is_called_off: &AtomicBool,
) -> std::result::Result<std::result::Result<Vec<Pass>, u64>, Failure> {
    let n_cells = n_cells(layout);
    if n_cells > MAX_ALL_CELLS {
        let detail = format!(
            "there are {n_cells} groups at kept positions, the most is {MAX_ALL_CELLS}: select less (sel=), reduce more \
             dimensions (over=), or group more coarsely (bins=, freq=)"
        );
        return Err(too_large(plan, detail));
    }
    let planning = Planning {
        layout,
        chunks,
        all: stored.iter().map(|(linear, _)| *linear).zip(columns_of(layout, chunks, stored)?).collect(),
        sizes: Sizes::new(layout, members),
        bounds,
        most_cells: CELLS.max(n_cells / MAX_SLABS),
        is_called_off,
    };
    let columns = planning.columns()?;
    let one = planning.len_of_one_pass(&columns);
    if one <= bounds.share_bytes {
        let slabs = columns.into_iter().flat_map(|column| column.slabs).collect();
        return Ok(Ok(vec![Pass { chunks: planning.all, slabs, len_bytes: one }]));
    }
    let bundles = match planning.bundles(columns)? {
        Ok(bundles) => bundles,
        Err(len_bytes) => return Ok(Err(len_bytes)),
    };
    let n_reads = bundles.iter().fold(0, |n: usize, bundle| n.saturating_add(bundle.n_places()));
    if n_reads > MAX_READS {
        let detail = format!(
            "with this memory {n_reads} chunks would be read, most of them many times, the most is {MAX_READS}: select less \
             (sel=), reduce more dimensions (over=), or group more coarsely (bins=, freq=)"
        );
        return Err(too_large(plan, detail));
    }
    Ok(Ok(bundles.into_iter().map(|bundle| planning.pass(bundle)).collect()))
}

/// Cells of a box of the result before quantiles are taken; saturates.
fn n_cells(layout: &Layout) -> u64 {
    let kept = layout.axes.iter().filter(|axis| axis.is_kept()).map(Axis::ordinals);
    let groups = layout.groups.iter().map(|groups| groups.range.clone());
    kept.chain(groups).fold(1, |n, range| n.saturating_mul(range.end.saturating_sub(range.start)))
}

fn columns_of(layout: &Layout, chunks: &Chunks, stored: &[Stored]) -> Result<Vec<u32>> {
    let n_chunks: Vec<u64> = layout.axes.iter().map(|axis| axis.n_chunks.max(1)).collect();
    let mut index = vec![0; n_chunks.len()];
    let mut columns = Vec::with_capacity(stored.len());
    for (linear, _) in stored {
        index_of(&n_chunks, *linear, &mut index);
        let column = chunks.column_of(&index).and_then(|column| u32::try_from(column).ok());
        columns.push(column.ok_or_else(|| Error::internal("a chunk belongs to no column"))?);
    }
    Ok(columns)
}

/// The position of a chunk along each axis.
pub(super) fn index_of(n_chunks: &[u64], mut linear: u64, index: &mut [u64]) {
    for (at, n) in index.iter_mut().zip(n_chunks).rev() {
        *at = linear % n;
        linear /= n;
    }
}

/// Values that are worth a thread of their own.
const RUN: u64 = 2048;

/// True if groups vary along the innermost axis of a chunk.
fn is_grouped_inside(layout: &Layout) -> bool {
    let Some(innermost) = layout.innermost() else { return false };
    let is_grouped = |axis: &Axis| matches!(&axis.becomes, Becomes::Reduced(factors) if !factors.is_empty());
    layout.axes.get(innermost).is_some_and(is_grouped)
        || layout.joints.iter().any(|joint| joint.group.is_some() && joint.has_axis(innermost))
}

/// Most bytes of states at the same time, when columns are begun and finished in the order of the visit.
fn peak(columns: &[Column], n_chunks: usize, n_in_flight: usize) -> u64 {
    let mut changes = vec![(0_u64, 0_u64); n_chunks + n_in_flight + 2];
    for column in columns.iter().filter(|column| column.first != usize::MAX) {
        if let Some(change) = changes.get_mut(column.first) {
            change.0 = change.0.saturating_add(column.load.states);
        }
        if let Some(change) = changes.get_mut(column.last + n_in_flight + 1) {
            change.1 = change.1.saturating_add(column.load.states);
        }
    }
    let empty =
        columns.iter().filter(|column| column.first == usize::MAX).map(|column| column.load.states).max();
    let (mut now, mut peak) = (0_u64, empty.unwrap_or(0));
    for (begun, ended) in changes {
        now = now.saturating_sub(ended).saturating_add(begun);
        peak = peak.max(now);
    }
    peak
}

/// What becomes a pass: slabs, and where their chunks stand in the order of the visit, each list as often as there are
/// slabs of it one after another.
#[derive(Default)]
struct Bundle {
    slabs: Vec<Slab>,
    load: Load,
    places: Vec<Rc<[u32]>>,
}

impl Bundle {
    fn add(&mut self, slabs: impl IntoIterator<Item = Slab>, load: Load, places: &Rc<[u32]>) {
        self.slabs.extend(slabs);
        self.load = self.load.and(load);
        if !self.places.last().is_some_and(|last| Rc::ptr_eq(last, places)) {
            self.places.push(Rc::clone(places));
        }
    }

    fn n_places(&self) -> usize {
        self.places.iter().map(|places| places.len()).sum()
    }
}

/// What passes are planned from.
struct Planning<'p> {
    layout: &'p Layout,
    chunks: &'p Chunks,
    /// All chunks in the order of the visit, with their columns.
    all: Vec<(u64, u32)>,
    sizes: Sizes<'p>,
    bounds: &'p Bounds,
    /// Cells of a slab.
    most_cells: u64,
    is_called_off: &'p AtomicBool,
}

impl Planning<'_> {
    fn check(&self) -> Result<()> {
        match self.is_called_off.load(Ordering::Relaxed) {
            true => Err(Error::internal("the computation was called off")),
            false => Ok(()),
        }
    }

    fn columns(&self) -> Result<Vec<Column>> {
        let mut columns = Vec::with_capacity(self.chunks.n_columns());
        for column in 0..self.chunks.n_columns() {
            self.check()?;
            let slabs = self.parts(self.chunks.slab(self.layout, column));
            columns.push(Column { load: self.sizes.of_all(&slabs), slabs, first: usize::MAX, last: 0 });
        }
        for (at, (_, column)) in self.all.iter().enumerate() {
            if let Some(column) = columns.get_mut(*column as usize) {
                column.first = column.first.min(at);
                column.last = at;
            }
        }
        Ok(columns)
    }

    /// Bytes of everything at once, where states are gone as soon as they are finished.
    fn len_of_one_pass(&self, columns: &[Column]) -> u64 {
        let all = columns.iter().fold(Load::default(), |load, column| load.and(column.load));
        let states = peak(columns, self.all.len(), self.bounds.n_in_flight);
        Load { states, ..all }.len_bytes(self.bounds.n_threads)
    }

    /// Cuts cells so that threads share them, and what is finished takes little memory.
    fn parts(&self, whole: Slab) -> Vec<Slab> {
        let n_kept = whole.n_kept();
        let mut wanted = 1;
        // Sums over everything but the groups: each thread takes some groups, where a run belongs to one.
        if n_kept < 2 && !is_grouped_inside(self.layout) {
            wanted = 2 * self.bounds.n_threads;
        } else if n_kept >= 2 * RUN {
            wanted = self.bounds.n_threads;
        }
        let most_cells = whole.n_cells().div_ceil(wanted.max(1) as u64).min(self.most_cells);
        let is_small = |slab: &Slab| {
            slab.n_cells() <= most_cells && self.sizes.alone(slab) <= self.bounds.share_bytes / 4
        };
        let is_cut = |slab: &Slab| (slab.n_kept() > 1 || n_kept < 2) && !is_small(slab);
        let mut rest = vec![whole];
        let mut parts = Vec::new();
        while let Some(slab) = rest.pop() {
            match is_cut(&slab).then(|| slab.halves()).flatten() {
                Some((first, second)) => rest.extend([second, first]),
                None => parts.push(slab),
            }
        }
        parts
    }

    /// Columns in passes, in the order of their first chunks; those that are too large alone in parts. The bytes that the
    /// smallest part takes, if it does not fit.
    fn bundles(&self, mut columns: Vec<Column>) -> Result<std::result::Result<Vec<Bundle>, u64>> {
        columns.sort_by_key(|column| column.first);
        let mut places = vec![Vec::new(); columns.len()];
        for (at, (_, column)) in self.all.iter().enumerate() {
            if let Some(places) = places.get_mut(*column as usize) {
                places.push(at as u32);
            }
        }
        let spread = Spread::of(self.layout);
        let mut bundles = Vec::new();
        let mut current = Bundle::default();
        for Column { slabs, load, .. } in columns {
            self.check()?;
            let Some(number) = slabs.first().map(|slab| slab.column) else { continue };
            let places = places.get_mut(number).map(std::mem::take).unwrap_or_default();
            let len_of = |load: Load| load.len_bytes(self.bounds.n_threads);
            if len_of(load) > self.bounds.share_bytes {
                bundles.push(std::mem::take(&mut current));
                let whole = Window { slab: self.chunks.slab(self.layout, number), places };
                if let Err(len_bytes) = self.in_windows(&spread, whole, &mut bundles)? {
                    return Ok(Err(len_bytes));
                }
                continue;
            }
            if len_of(current.load.and(load)) > self.bounds.share_bytes {
                bundles.push(std::mem::take(&mut current));
            }
            current.add(slabs, load, &places.into());
        }
        bundles.push(current);
        bundles.retain(|bundle| !bundle.slabs.is_empty());
        Ok(Ok(bundles))
    }

    /// A column that is too large alone.
    fn in_windows(
        &self,
        spread: &Spread,
        whole: Window,
        bundles: &mut Vec<Bundle>,
    ) -> Result<std::result::Result<(), u64>> {
        let most_bytes = self.bounds.most_bytes / 2;
        let linear_at = |place: u32| self.all.get(place as usize).map_or(0, |(linear, _)| *linear);
        let fits = |slab: &Slab| {
            let parts = self.parts(slab.clone());
            self.sizes.of_all(&parts).len_bytes(self.bounds.n_threads) <= most_bytes
        };
        let mut current = Bundle::default();
        for Window { slab, places } in spread.windows(whole, linear_at, fits) {
            self.check()?;
            let places: Rc<[u32]> = places.into();
            let cut = self.cut_to_fit(self.parts(slab), most_bytes);
            let slabs = match cut.or_else(|slabs| self.cut_to_fit(slabs, self.bounds.most_bytes)) {
                Ok(slabs) => slabs,
                Err(slabs) => {
                    return Ok(Err(slabs.iter().map(|slab| self.sizes.alone(slab)).max().unwrap_or(0)));
                }
            };
            // A window that does not fit beside the others is not torn apart: its chunks would be read twice.
            let together = current.load.and(self.sizes.of_all(&slabs)).len_bytes(self.bounds.n_threads);
            if together > most_bytes && !current.slabs.is_empty() {
                bundles.push(std::mem::take(&mut current));
            }
            for slab in slabs {
                let load = self.sizes.of(&slab);
                let is_full = current.load.and(load).len_bytes(self.bounds.n_threads) > most_bytes;
                if is_full && !current.slabs.is_empty() {
                    bundles.push(std::mem::take(&mut current));
                }
                current.add([slab], load, &places);
            }
        }
        bundles.push(current);
        Ok(Ok(()))
    }

    /// Slabs of at most so many bytes; all of them as they are if one cell takes more.
    fn cut_to_fit(&self, slabs: Vec<Slab>, most_bytes: u64) -> std::result::Result<Vec<Slab>, Vec<Slab>> {
        let mut rest: Vec<Slab> = slabs.into_iter().rev().collect();
        let mut fitting = Vec::new();
        while let Some(slab) = rest.pop() {
            if self.sizes.alone(&slab) <= most_bytes && slab.n_cells() <= MAX_CELLS {
                fitting.push(slab);
                continue;
            }
            match slab.halves() {
                Some((first, second)) => rest.extend([second, first]),
                None => {
                    fitting.push(slab);
                    fitting.extend(rest.into_iter().rev());
                    return Err(fitting);
                }
            }
        }
        Ok(fitting)
    }

    /// A bundle with its chunks.
    fn pass(&self, bundle: Bundle) -> Pass {
        let Bundle { slabs, load, places } = bundle;
        let mut places: Vec<u32> = places.iter().flat_map(|places| places.iter().copied()).collect();
        places.sort_unstable();
        places.dedup();
        let chunks = places.into_iter().filter_map(|at| self.all.get(at as usize).copied()).collect();
        Pass { chunks, slabs, len_bytes: load.len_bytes(self.bounds.n_threads) }
    }
}
