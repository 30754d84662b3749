//! What is computed at the same time, so that the states fit into memory.
//!
//! Columns of chunks have no chunk in common, so that work in passes over columns reads nothing twice. Only the cells of one
//! column that need more memory than there is are cut, and the chunks of that column are read for each part again.

use thermocline_core::{Error, Result};
use thermocline_model::ChunkRef;

use super::chunks::Chunks;
use super::layout::{Axis, Becomes, Layout};
use super::members::Members;
use super::slab::Slab;

/// Cells that are accumulated together, where there are that many: few enough to be finished in little memory.
const CELLS: u64 = 1 << 16;

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
    /// Memory of its states, in bytes.
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
    len_bytes: u64,
    /// Where its first and its last chunk stand in the order of the visit.
    first: usize,
    last: usize,
}

/// The passes over chunks, which stand in the order of a visit.
///
/// # Errors
/// The bytes that the smallest part takes, if it does not fit.
pub(super) fn plan(
    layout: &Layout,
    members: &Members,
    (chunks, stored): (&Chunks, &[Stored]),
    bounds: &Bounds,
) -> Result<std::result::Result<Vec<Pass>, u64>> {
    let columns_of = columns_of(layout, chunks, stored)?;
    let mut columns: Vec<Column> = (0..chunks.n_columns())
        .map(|column| {
            let slabs = parts(layout, members, chunks.slab(layout, column), bounds);
            let len_bytes = sum(layout, members, &slabs);
            Column { slabs, len_bytes, first: usize::MAX, last: 0 }
        })
        .collect();
    for (at, column) in columns_of.iter().enumerate() {
        if let Some(column) = columns.get_mut(*column as usize) {
            column.first = column.first.min(at);
            column.last = at;
        }
    }
    let linear = || stored.iter().map(|(linear, _)| *linear);
    let all: Vec<(u64, u32)> = linear().zip(columns_of.iter().copied()).collect();
    let peak = peak(&columns, stored.len(), bounds.n_in_flight);
    if peak <= bounds.share_bytes {
        let slabs = columns.into_iter().flat_map(|column| column.slabs).collect();
        return Ok(Ok(vec![Pass { chunks: all, slabs, len_bytes: peak }]));
    }
    Ok(in_passes(layout, members, columns, &all, bounds))
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

fn sum(layout: &Layout, members: &Members, slabs: &[Slab]) -> u64 {
    slabs.iter().fold(0, |sum, slab| sum.saturating_add(slab.len_bytes(layout, members)))
}

/// Cuts a column so that threads share it, and what is finished takes little memory.
fn parts(layout: &Layout, members: &Members, whole: Slab, bounds: &Bounds) -> Vec<Slab> {
    let is_too_large =
        |slab: &Slab| slab.n_cells() > CELLS || slab.len_bytes(layout, members) > bounds.share_bytes / 4;
    let n_kept = whole.n_kept();
    let (mut slabs, mut wanted) = (vec![whole], 1);
    // Sums over everything but the groups: each thread takes some groups, where a run belongs to one.
    if n_kept < 2 && !is_grouped_inside(layout) {
        wanted = 2 * bounds.n_threads;
    } else if n_kept >= 2 * RUN {
        wanted = bounds.n_threads;
    }
    loop {
        let is_cut = |slab: &Slab| slab.n_kept() > 1 || n_kept < 2;
        let largest =
            slabs.iter().enumerate().max_by_key(|(at, slab)| (slab.n_cells(), std::cmp::Reverse(*at)));
        let Some((at, largest)) = largest else { return slabs };
        if (slabs.len() >= wanted && !is_too_large(largest)) || !is_cut(largest) {
            return slabs;
        }
        let Some((first, second)) = largest.halves() else { return slabs };
        slabs.splice(at..=at, [first, second]);
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
            change.0 = change.0.saturating_add(column.len_bytes);
        }
        if let Some(change) = changes.get_mut(column.last + n_in_flight + 1) {
            change.1 = change.1.saturating_add(column.len_bytes);
        }
    }
    let empty =
        columns.iter().filter(|column| column.first == usize::MAX).map(|column| column.len_bytes).max();
    let (mut now, mut peak) = (0_u64, empty.unwrap_or(0));
    for (begun, ended) in changes {
        now = now.saturating_sub(ended).saturating_add(begun);
        peak = peak.max(now);
    }
    peak
}

/// Columns in passes, in the order of their first chunks; those that are too large alone in parts.
fn in_passes(
    layout: &Layout,
    members: &Members,
    mut columns: Vec<Column>,
    all: &[(u64, u32)],
    bounds: &Bounds,
) -> std::result::Result<Vec<Pass>, u64> {
    columns.sort_by_key(|column| column.first);
    let mut passes: Vec<(Vec<Slab>, u64)> = Vec::new();
    let mut current: (Vec<Slab>, u64) = (Vec::new(), 0);
    for column in columns {
        let is_alone = column.len_bytes > bounds.share_bytes;
        if is_alone || current.1.saturating_add(column.len_bytes) > bounds.share_bytes {
            passes.push(std::mem::take(&mut current));
        }
        if !is_alone {
            current.0.extend(column.slabs);
            current.1 = current.1.saturating_add(column.len_bytes);
            continue;
        }
        for slab in cut_to_fit(layout, members, column.slabs, bounds.most_bytes / 2)
            .or_else(|slabs| cut_to_fit(layout, members, slabs, bounds.most_bytes))
            .map_err(|slabs| slabs.iter().map(|slab| slab.len_bytes(layout, members)).max().unwrap_or(0))?
        {
            let len_bytes = slab.len_bytes(layout, members);
            if current.1.saturating_add(len_bytes) > bounds.most_bytes / 2 && !current.0.is_empty() {
                passes.push(std::mem::take(&mut current));
            }
            current.0.push(slab);
            current.1 = current.1.saturating_add(len_bytes);
        }
        passes.push(std::mem::take(&mut current));
    }
    passes.push(current);
    passes.retain(|(slabs, _)| !slabs.is_empty());
    Ok(with_chunks(passes, all))
}

/// Slabs of at most so many bytes; all of them as they are if one cell takes more.
fn cut_to_fit(
    layout: &Layout,
    members: &Members,
    slabs: Vec<Slab>,
    most_bytes: u64,
) -> std::result::Result<Vec<Slab>, Vec<Slab>> {
    let mut rest: Vec<Slab> = slabs.into_iter().rev().collect();
    let mut fitting = Vec::new();
    while let Some(slab) = rest.pop() {
        if slab.len_bytes(layout, members) <= most_bytes && slab.n_cells() <= MAX_CELLS {
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

/// Each pass with the chunks of its columns.
fn with_chunks(passes: Vec<(Vec<Slab>, u64)>, all: &[(u64, u32)]) -> Vec<Pass> {
    let mut by_column: Vec<(u32, u32)> =
        all.iter().enumerate().map(|(at, (_, column))| (*column, at as u32)).collect();
    by_column.sort_unstable();
    let of_column = |column: u32| {
        let start = by_column.partition_point(|(other, _)| *other < column);
        by_column.iter().skip(start).take_while(move |(other, _)| *other == column).map(|(_, at)| *at)
    };
    let mut with = Vec::new();
    for (slabs, len_bytes) in passes {
        let mut columns: Vec<u32> = slabs.iter().map(|slab| slab.column as u32).collect();
        columns.dedup();
        let mut places: Vec<u32> = columns.into_iter().flat_map(of_column).collect();
        places.sort_unstable();
        let chunks = places.into_iter().filter_map(|at| all.get(at as usize).copied()).collect();
        with.push(Pass { chunks, slabs, len_bytes });
    }
    with
}
