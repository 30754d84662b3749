//! The stored chunks of a selection, as ranges of positions in C order.

use std::ops::{ControlFlow, Range};

use thermocline_model::{ChunkGrid, Variable};

use super::super::indices::Indices;
use super::super::resolve::ResolvedVariable;
use crate::{Error, Result};

/// The selected chunks of a variable.
pub(super) struct ChunkWalk {
    axes: Vec<Axis>,
    masks: Vec<MaskedParts>,
    /// Axes after this one are whole, and no mask is over them.
    last: Option<usize>,
    n_chunks: u64,
}

/// Chunks along one axis.
struct Axis {
    /// How many stored chunks there are.
    count: u64,
    /// Stored chunks below one position of this axis, along all axes after it.
    below: u64,
    /// The stored chunks that are selected.
    chunks: Indices,
    len: u64,
    stored: u64,
    served: u64,
}

impl Axis {
    /// The part, cut as it is served, in which a stored chunk begins.
    fn served_of(&self, chunk: u64) -> u64 {
        chunk * self.stored / self.served
    }

    /// The stored chunks of a range of parts that are served.
    fn stored_of(&self, parts: Range<u64>) -> Range<u64> {
        let end = parts.end.saturating_mul(self.served).min(self.len);
        parts.start.saturating_mul(self.served).min(self.len) / self.stored..end.div_ceil(self.stored)
    }
}

/// Parts of a grid, as they are served, that hold a selected cell of a mask.
struct MaskedParts {
    /// The axes of the mask in the order of the variable, with how many parts there are along each.
    axes: Vec<(usize, u64)>,
    /// Positions of the parts in C order over these axes, ascending.
    parts: Vec<u64>,
}

impl MaskedParts {
    /// The parts along its last axis below the chunks that `index` names along the others.
    fn along_last(&self, axes: &[Axis], index: &[u64]) -> impl Iterator<Item = u64> {
        let (last, outer) = self.axes.split_last().map_or(((0, 1), &[][..]), |(last, outer)| (*last, outer));
        let row = outer.iter().fold(0, |row, (axis, count)| {
            let chunk = index.get(*axis).copied().unwrap_or(0);
            row * count + axes.get(*axis).map_or(0, |axis| axis.served_of(chunk))
        });
        let first = row * last.1;
        let start = self.parts.partition_point(|part| *part < first);
        let row = self.parts.get(start..).unwrap_or_default().iter();
        row.take_while(move |part| **part < first + last.1).map(move |part| part - first)
    }

    fn last_axis(&self) -> Option<usize> {
        self.axes.last().map(|(axis, _)| *axis)
    }
}

impl ChunkWalk {
    pub(super) fn new(variable: &Variable, selected: &ResolvedVariable) -> Result<Self> {
        let impossible = || Error::internal(format!("{:?} has no chunk grid", variable.name));
        let grid: ChunkGrid = variable.stored_grid().ok_or_else(impossible)?;
        variable.served_grid().ok_or_else(impossible)?;
        if selected.axes.len() != variable.shape.len() {
            return Err(Error::internal(format!("a selection of {:?} has another rank", variable.name)));
        }
        let mut axes: Vec<Axis> = Vec::new();
        let lens = variable
            .shape
            .iter()
            .zip(&variable.storage.chunk_shape)
            .zip(&variable.storage.served_chunk_shape);
        for (((len, stored), served), axis) in lens.zip(&selected.axes) {
            let count = len.div_ceil(*stored);
            let mut found = Axis {
                count,
                below: 1,
                chunks: Indices::default(),
                len: *len,
                stored: *stored,
                served: *served,
            };
            found.chunks = match &axis.indices {
                None => Indices::range(0..count),
                Some(indices) => stored_chunks(&found, indices),
            };
            axes.push(found);
        }
        let mut below = 1_u64;
        for axis in axes.iter_mut().rev() {
            axis.below = below;
            below = below.saturating_mul(axis.count);
        }
        let masks = masked_parts(selected, &axes)?;
        let is_partial = |(_, axis): &(usize, &Axis)| axis.chunks.len() < axis.count;
        let partial = axes.iter().enumerate().filter(is_partial).map(|(axis, _)| axis);
        let last = partial.chain(masks.iter().filter_map(MaskedParts::last_axis)).max();
        Ok(Self { axes, masks, last, n_chunks: grid.n_chunks() })
    }

    /// At most how many ranges [`ChunkWalk::ranges`] visits.
    pub(super) fn n_ranges(&self) -> u64 {
        let Some(last) = self.last else { return 1 };
        let outer = self.axes.iter().take(last).fold(1_u64, |n, axis| n.saturating_mul(axis.chunks.len()));
        let runs = self.axes.get(last).map_or(1, |axis| axis.chunks.runs().len() as u64);
        outer.saturating_mul(runs)
    }

    /// Visits every selected chunk, as ascending ranges of positions in C order.
    pub(super) fn ranges(&self, visit: &mut impl FnMut(Range<u64>) -> ControlFlow<()>) -> ControlFlow<()> {
        match self.last {
            None if self.n_chunks == 0 => ControlFlow::Continue(()),
            None => visit(0..self.n_chunks),
            Some(last) => self.walk(&mut vec![0; last], 0, 0, visit),
        }
    }

    /// Visits the selected chunks below those that the first `axis` numbers of `index` name.
    fn walk(
        &self,
        index: &mut Vec<u64>,
        axis: usize,
        base: u64,
        visit: &mut impl FnMut(Range<u64>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let Some(this) = self.axes.get(axis) else { return visit(base..base + 1) };
        let masked;
        let chunks = if self.masks.iter().any(|mask| mask.last_axis() == Some(axis)) {
            masked = self.masked(index, axis, this);
            &masked
        } else {
            &this.chunks
        };
        for run in chunks.runs() {
            if self.last == Some(axis) {
                visit(base + run.start() * this.below..base + (run.last() + 1) * this.below)?;
                continue;
            }
            for chunk in run.start()..=run.last() {
                if let Some(position) = index.get_mut(axis) {
                    *position = chunk;
                }
                self.walk(index, axis + 1, base + chunk * this.below, visit)?;
            }
        }
        ControlFlow::Continue(())
    }

    /// The selected chunks along an axis with which masks end.
    fn masked(&self, index: &[u64], axis: usize, this: &Axis) -> Indices {
        let mut chunks = this.chunks.clone();
        for mask in self.masks.iter().filter(|mask| mask.last_axis() == Some(axis)) {
            let mut stored = Indices::default();
            for part in mask.along_last(&self.axes, index) {
                push_after(&mut stored, this.stored_of(part..part + 1));
            }
            chunks = chunks.intersection(&stored);
        }
        chunks
    }

    /// True for the position of a selected chunk.
    pub(super) fn contains(&self, linear: u64) -> bool {
        if linear >= self.n_chunks {
            return false;
        }
        let along = |axis: &Axis| linear / axis.below % axis.count.max(1);
        if !self.axes.iter().all(|axis| axis.chunks.contains(along(axis))) {
            return false;
        }
        if self.masks.is_empty() {
            return true;
        }
        let index: Vec<u64> = self.axes.iter().map(along).collect();
        let is_in = |mask: &MaskedParts| {
            let last =
                mask.last_axis().and_then(|axis| Some(self.axes.get(axis)?.served_of(*index.get(axis)?)));
            mask.along_last(&self.axes, &index).any(|part| Some(part) == last)
        };
        self.masks.iter().all(is_in)
    }
}

/// The stored chunks along an axis that are below a served chunk with one of the positions.
fn stored_chunks(axis: &Axis, indices: &Indices) -> Indices {
    let mut chunks = Indices::default();
    for run in indices.parts(axis.served).runs() {
        push_after(&mut chunks, axis.stored_of(run.start()..run.last() + 1));
    }
    chunks
}

/// Adds what of a range is behind all that is there: chunks may straddle two parts.
fn push_after(chunks: &mut Indices, range: Range<u64>) {
    let next = chunks.last().map_or(0, |last| last + 1);
    chunks.push_range(range.start.max(next)..range.end);
}

fn masked_parts(selected: &ResolvedVariable, axes: &[Axis]) -> Result<Vec<MaskedParts>> {
    let mut found = Vec::new();
    for mask in &selected.masks {
        let positions = mask.dims().iter().map(|dim| selected.axes.iter().position(|axis| axis.dim == *dim));
        let positions: Option<Vec<usize>> = positions.collect();
        let positions = positions.ok_or_else(|| Error::internal("a mask over other dimensions"))?;
        let of_axis =
            |position: &usize| axes.get(*position).map(|axis| (axis.served, axis.len.div_ceil(axis.served)));
        let sizes: Vec<u64> = positions.iter().filter_map(of_axis).map(|(size, _)| size).collect();
        let mut ordered: Vec<(usize, u64)> =
            positions.iter().filter_map(|axis| Some((*axis, of_axis(axis)?.1))).collect();
        ordered.sort_unstable();
        let chosen: Vec<Option<&Indices>> = positions
            .iter()
            .filter_map(|axis| selected.axes.get(*axis))
            .map(|axis| axis.indices.as_deref())
            .collect();
        let mut parts: Vec<u64> = Vec::new();
        mask.visit_parts(&chosen, &sizes, |part| {
            let linear = ordered.iter().fold(0_u64, |linear, (axis, count)| {
                let at = positions.iter().position(|position| position == axis);
                linear * count + at.and_then(|at| part.get(at)).copied().unwrap_or(0)
            });
            if parts.last() != Some(&linear) {
                parts.push(linear);
            }
        });
        parts.sort_unstable();
        parts.dedup();
        found.push(MaskedParts { axes: ordered, parts });
    }
    Ok(found)
}
